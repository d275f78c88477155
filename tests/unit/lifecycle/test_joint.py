"""A group's release: from its members' verdicts and its own objectives to one verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge.samples import Sample
from pratique.lifecycle.actions import Action, Outcome
from pratique.lifecycle.advance import MAX_STATUS_BYTES, advance
from pratique.lifecycle.announcements import announcements, differs
from pratique.lifecycle.groups import BASIS
from pratique.lifecycle.situation import Answer, Joined, Situation, Step
from pratique.queries.questions import Question
from pratique.resources.conditions import find
from pratique.resources.promotion import PromotionTerms
from pratique.resources.release import GroupMember, GroupTerms, ReleaseSpec, ReleaseStatus
from pratique.resources.task import PlannedTask
from unit.lifecycle.builders import ERRORS, HEAP, at, known, plan, release_spec, seconds, situation
from unit.lifecycle.simulator import bad, down, good, silence, silent


@dataclass(frozen=True)
class Life:
    """One member's release over time, in seconds; None: never."""

    name: str
    verdict: str | None = "Promotable"
    at: float | None = 100
    rolled_out: float | None = 40
    newer: float | None = None
    gone: float | None = None
    optional: bool = False
    adopted: bool = False
    reason: str = ""
    carried: bool = False

    @property
    def release(self) -> str | None:
        return None if self.reason in ("NoPolicy", "NoWorkload") else f"{self.name}-1"

    def planned(self) -> GroupMember:
        ended = self.carried and self.verdict is not None
        return GroupMember(
            kind="Deployment",
            name=self.name,
            release=self.release,
            optional=self.optional or None,
            verdict=self.verdict if ended else None,  # type: ignore[arg-type]
            reason=self.why if ended or self.release is None else None,
        )

    @property
    def why(self) -> str:
        return self.reason or (
            "AllObjectivesMet" if self.verdict == "Promotable" else "ObjectiveFailed"
        )

    def joined(self, now: float) -> Joined:
        newest = self.release
        if self.newer is not None and now >= self.newer:
            newest = f"{self.name}-2"
        if self.release is None or (self.gone is not None and now >= self.gone):
            return Joined(None, newest)
        ended = not self.adopted and self.at is not None and now >= self.at
        rolled = self.rolled_out is not None and now >= self.rolled_out
        return Joined(
            known(
                1,
                name=self.release,
                verdict=self.verdict if ended else None,
                completed=ended or self.adopted,
                reason=self.why if ended else "RollingOut",
                purpose="Measure" if self.adopted else "Judge",
                rolled_out_at=at(self.rolled_out or 0) if rolled else None,
                revision_object=f"{self.name}-abc" if rolled else None,
            ),
            newest,
        )


def together(
    lives: Sequence[Life],
    objectives: Sequence[Mapping[str, Any]] = (),
    *,
    need: int | None = None,
    on_adopted: str = "Inconclusive",
    deadline: float = 900,
    **analysis: Any,
) -> ReleaseSpec:
    terms = GroupTerms.model_validate(
        {
            "needed": max(1, need or sum(not x.optional for x in lives)),
            "onAdopted": on_adopted,
            "deadline": f"{deadline:.0f}s",
        }
    )
    of = plan(objectives, **analysis).model_copy(update={"basis": None if objectives else BASIS})
    return release_spec(
        of,
        workload={"kind": "ReleaseGroup", "name": "shop", "uid": "uid-g"},
        cause="Members",
        members=[x.planned() for x in lives],
        group=terms,
    )


@dataclass
class Joint:
    """A group's release played to its verdict; kills keep what was written only."""

    spec: ReleaseSpec
    lives: Sequence[Life]
    provider: Callable[[Question, float], Sample | None] = good
    killed: Callable[[int], bool] = lambda _: False
    superseded: float | None = None
    deleted: float | None = None
    outcome: Callable[[Action], bool] = lambda _: True
    """Whether an action succeeds."""
    began: list[str] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    now: float = 0.0
    status: ReleaseStatus = field(default_factory=ReleaseStatus)
    written: ReleaseStatus = field(default_factory=ReleaseStatus)
    answers: dict[Question, Answer] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    seen: list[ReleaseStatus] = field(default_factory=list)

    def situation(self) -> Situation:
        gone = self.deleted is not None and self.now >= self.deleted
        newer = self.superseded is not None and self.now >= self.superseded
        return replace(
            situation(self.spec, None, self.now, self.answers),
            name="shop-grp-2",
            superseded_by="shop-grp-3" if newer else None,
            uid="uid-r",
            outcomes=self.outcomes,
            begun=frozenset(self.begun),
            members=None
            if gone
            else {("Deployment", x.name): x.joined(self.now) for x in self.lives},
        )

    def step(self) -> Step:
        for _ in range(8):
            found = advance(self.situation(), self.status)
            self.status = found.status
            heard = {}
            for question in found.ask:
                self.asked.append(question)
                sample = self.provider(question, self.now)
                if sample is not None:
                    heard[question] = Answer(sample, at(self.now))
            self.answers.update(heard)
            if not heard:
                break
        if differs(self.written, self.status):
            self.written = ReleaseStatus.model_validate(self.status.dump())
            self.seen.append(self.written)
        for action in found.actions:
            if action.key not in self.begun:
                self.began.append(action.key)
                self.begun.add(action.key)
                self.outcomes[action.key] = Outcome(
                    ok=self.outcome(action),
                    message="",
                    at=at(self.now),
                    facts=(("fate", "Failed"),),
                )
        return found

    def run(self, *, to_the_end: bool = False) -> ReleaseStatus:
        changes = sorted(
            t
            for x in (*self.lives, self)
            for t in (
                (x.at, x.rolled_out, x.newer, x.gone)
                if isinstance(x, Life)
                else (self.superseded, self.deleted)
            )
            if t is not None
        )
        for n in range(1000):
            found = self.step()
            done = found.status.closed_at if to_the_end else found.status.completed_at
            if done is not None:
                assert advance(self.situation(), found.status).status == found.status
                return found.status
            if found.actions:
                continue  # what they did is taken in by the next step
            if self.killed(n):
                self.answers, self.status = {}, self.written
            assert found.due is not None, "nothing will ever wake it"
            assert seconds(found.due) > self.now
            self.now = min([seconds(found.due), *[t for t in changes if t > self.now]])
        raise AssertionError("no verdict")


def ended(status: ReleaseStatus) -> tuple[str | None, str | None]:
    return status.verdict, status.judgement.reason if status.judgement else None


CART, WEB = Life("cart"), Life("web", at=200)
FAILED = Life("pay", "NotPromotable", at=70)
UNSURE = Life("log", "Inconclusive", at=80, reason="NoData")
OPEN = Life("slow", None, at=None)
BARE = Life("bare", None, at=None, reason="NoPolicy")
OLD = Life("old", None, at=None, adopted=True, rolled_out=0)


def optional(life: Life) -> Life:
    return replace(life, optional=True)


@pytest.mark.parametrize(
    ("lives", "more", "expected", "when"),
    [
        ([CART, WEB], {}, ("Promotable", "AllMembersPromotable"), 200),
        ([CART, WEB, FAILED], {}, ("NotPromotable", "MemberNotPromotable"), 70),
        ([CART, OPEN, FAILED], {}, ("NotPromotable", "MemberNotPromotable"), 70),
        ([CART, WEB, optional(FAILED)], {}, ("Promotable", "AllMembersPromotable"), 200),
        ([CART, optional(OPEN)], {}, ("Promotable", "AllMembersPromotable"), 100),
        ([CART, WEB, FAILED], {"need": 2}, ("Promotable", "QuorumReached"), 200),
        ([CART, OPEN, UNSURE], {"need": 1}, ("Promotable", "QuorumReached"), 100),
        ([CART, FAILED, UNSURE], {"need": 2}, ("Inconclusive", "MemberInconclusive"), 100),
        ([CART, WEB, UNSURE], {}, ("Inconclusive", "MemberInconclusive"), 200),
        ([CART, BARE], {}, ("Inconclusive", "MemberInconclusive"), 100),
        ([CART, optional(BARE)], {}, ("Promotable", "AllMembersPromotable"), 100),
        ([CART, OLD], {}, ("Inconclusive", "MemberInconclusive"), 100),
        ([CART, OLD], {"on_adopted": "Accept"}, ("Promotable", "AllMembersPromotable"), 100),
        # Standing versions alone are no evidence.
        ([OLD, FAILED], {"on_adopted": "Accept", "need": 1}, ("Inconclusive", "MemberInconclusive"), 70),
        ([CART, OPEN], {}, ("Inconclusive", "DeadlineExceeded"), 900),
        ([CART, WEB], {"need": 3}, ("Inconclusive", "QuorumUnreachable"), 0),
        ([optional(CART), optional(WEB)], {}, ("Inconclusive", "QuorumUnreachable"), 0),
        ([CART, replace(WEB, gone=150)], {}, ("Inconclusive", "MemberInconclusive"), 150),
        ([CART, replace(WEB, gone=300), OPEN], {"need": 2}, ("Promotable", "QuorumReached"), 200),
        # A newer release of a member: the group's next release follows, or time is up.
        ([CART, replace(WEB, newer=150)], {}, ("Inconclusive", "DeadlineExceeded"), 900),
        ([CART, replace(CART, name="x", reason="Revoked")], {}, ("NotPromotable", "MemberNotPromotable"), 100),
        ([replace(CART, carried=True, gone=0), WEB], {}, ("Promotable", "AllMembersPromotable"), 200),
    ],
)  # fmt: skip
def test_the_members_verdicts_come_to_one(
    lives: list[Life], more: dict[str, Any], expected: tuple[str, str], when: float
) -> None:
    status = Joint(together(lives, **more), lives).run()
    assert ended(status) == expected
    assert status.completed_at == at(when)
    assert status.judgement is not None
    assert status.judgement.basis == BASIS
    promotable = find(status.conditions, "Promotable")
    assert promotable is not None
    assert promotable.reason == expected[1]


def test_the_sentence_names_who_and_why() -> None:
    status = Joint(together([CART, FAILED, BARE]), [CART, FAILED, BARE]).run()
    assert status.judgement is not None
    assert status.judgement.message == (
        "3 of 3 members must be promotable, and not promotable: pay-1 (ObjectiveFailed)"
    )
    status = Joint(together([CART, BARE]), [CART, BARE]).run()
    assert status.judgement is not None
    assert status.judgement.message == (
        "2 of 2 members must be promotable, and without evidence: Deployment bare "
        "(NoPolicy: no ReleasePolicy judges it: write one, or make it optional)"
    )


def test_a_wait_says_for_whom_and_how_long() -> None:
    joint = Joint(together([CART, WEB, OPEN]), [CART, WEB, OPEN], now=150)
    promotable = find(joint.step().status.conditions, "Promotable")
    assert promotable is not None
    assert (promotable.status, promotable.reason) == ("Unknown", "AwaitingMembers")
    assert promotable.message == (
        "1 of the 3 members that are needed are promotable; waiting for web-1, slow-1 until "
        "12:15:00 UTC"
    )
    told = announcements(joint.spec, joint.status)[0]
    assert told.message == "release 2 of ReleaseGroup shop (cart-1, web-1, slow-1)"
    joint = Joint(together([replace(CART, newer=1)]), [replace(CART, newer=1)], now=150)
    promotable = find(joint.step().status.conditions, "Promotable")
    assert promotable is not None
    assert promotable.message == "cart-2 came: a newer release of the group follows"


def test_replaced_or_deleted_before_its_verdict() -> None:
    lives = [CART, replace(WEB, newer=110)]
    status = Joint(together(lives), lives, superseded=120).run()
    assert ended(status) == ("Inconclusive", "Superseded")
    status = Joint(together(lives), lives, deleted=120).run()
    assert ended(status) == ("Inconclusive", "WorkloadDeleted")
    assert status.judgement is not None
    assert status.judgement.message == "ReleaseGroup shop was deleted before the verdict"


def test_a_dry_run_is_judged_and_says_so() -> None:
    spec = together([FAILED])
    spec = spec.model_copy(update={"plan": spec.plan.model_copy(update={"mode": "DryRun"})})
    judgement = Joint(spec, [FAILED]).run().judgement
    assert judgement is not None
    assert (judgement.verdict, judgement.enforced) == ("NotPromotable", False)
    assert judgement.message.startswith("dry run: ")


# --- objectives of the group ---------------------------------------------------------------------


def test_objectives_are_judged_over_all_members_pods_after_the_last_rollout() -> None:
    lives = [CART, replace(WEB, rolled_out=130), optional(replace(CART, name="spare"))]
    joint = Joint(together(lives, [ERRORS, HEAP]), lives)
    status = joint.run()
    assert ended(status) == ("Promotable", "AllMembersPromotable")
    # Rolled out at 130, warm for 60, on the grid of 60; then 5 minutes, and the provider's delay.
    assert status.window_from == at(240)
    assert status.completed_at == at(240 + 300 + 30)
    assert status.judgement is not None
    assert [r.result for r in status.judgement.results] == ["Pass", "Pass"]
    assert status.judgement.message.endswith("all 2 members are promotable: cart-1, web-1")
    patterns = {q.scope.pod_pattern for q in joint.asked}
    assert patterns == {"cart-abc-[a-z0-9]+|web-abc-[a-z0-9]+"}
    assert {q.scope.workload for q in joint.asked} == {"shop"}
    told = [a.reason for a in announcements(joint.spec, status)]
    assert told == ["RolledOut", "Promotable"]


def test_the_pods_of_a_restart_that_is_only_recorded_are_the_members_too() -> None:
    restarted = known(2, name="cart-2", revision_object="cart-def", purpose="Record", verdict=None)
    s = replace(
        Joint(together([CART], [ERRORS]), [CART], now=50).situation(),
        members={("Deployment", "cart"): replace(CART.joined(50), recorded=(restarted,))},
    )
    assert s.members_pods() == "cart-abc-[a-z0-9]+|cart-def-[a-z0-9]+"


def test_what_was_rolled_out_long_ago_is_judged_from_the_groups_release_on() -> None:
    lives = [replace(CART, rolled_out=-5000, at=-4000, carried=True)]
    status = Joint(together(lives, [ERRORS]), lives).run()
    assert status.window_from == at(60)
    assert status.verdict == "Promotable"


@pytest.mark.parametrize(
    ("provider", "lives", "expected"),
    [
        (bad, [CART, WEB], ("NotPromotable", "ObjectiveFailed")),
        (bad, [CART, OPEN], ("NotPromotable", "ObjectiveFailed")),
        (silent, [CART, WEB], ("Inconclusive", "NoData")),
        (down, [CART, WEB], ("Inconclusive", "ProviderError")),
        (silence, [CART, WEB], ("Inconclusive", "ProviderError")),
        (good, [CART, FAILED], ("NotPromotable", "MemberNotPromotable")),
        (good, [CART, OPEN], ("Inconclusive", "DeadlineExceeded")),
        (good, [CART, replace(OPEN, rolled_out=None)], ("Inconclusive", "DeadlineExceeded")),
        (good, [CART, replace(WEB, at=700)], ("Promotable", "AllMembersPromotable")),
    ],
)
def test_both_must_pass(provider: Any, lives: list[Life], expected: tuple[str, str]) -> None:
    assert ended(Joint(together(lives, [ERRORS]), lives, provider).run()) == expected


# --- tasks and promotion -------------------------------------------------------------------------


def with_tasks(spec: ReleaseSpec, *tasks: dict[str, Any], **promotion: Any) -> ReleaseSpec:
    """The same with tasks of the group."""
    planned = [
        PlannedTask.model_validate({"http": {"url": "https://deploy.example"}, **t}) for t in tasks
    ]
    terms = PromotionTerms.model_validate(promotion)
    plan_ = spec.plan.model_copy(update={"tasks": planned, "promotion": terms})
    return spec.model_copy(update={"plan": plan_})


BEFORE = {"name": "announce", "at": "Before", "onFailure": "Ignore"}
DURING = {"name": "walk", "at": "During"}
HAND_ON = {"name": "deploy", "at": "Promotion"}


def test_tasks_and_promotion_of_a_group_run_once() -> None:
    spec = with_tasks(together([CART, WEB]), BEFORE, DURING, HAND_ON)
    joint = Joint(spec, [CART, WEB])
    status = joint.run(to_the_end=True)
    assert ended(status) == ("Promotable", "AllMembersPromotable")
    assert joint.began == ["task/announce/1", "task/walk/1", "task/deploy/1"]
    walk = next(t for t in status.tasks if t.name == "walk")
    assert walk.started_at == at(120)  # both rolled out at 40, warm for 60, on the grid of 60
    assert status.promotion is not None
    assert status.promotion.result == "Promoted"


def test_a_task_that_must_succeed_is_evidence_too() -> None:
    spec = with_tasks(together([CART, WEB]), DURING, HAND_ON)
    joint = Joint(spec, [CART, WEB], outcome=lambda _: False)
    status = joint.run(to_the_end=True)
    assert ended(status) == ("NotPromotable", "TaskFailed")
    assert joint.began == ["task/walk/1"]


@pytest.mark.parametrize("lives", [[CART, FAILED], [CART, UNSURE], [CART, OPEN]])
def test_nothing_is_promoted_that_is_not_promotable_together(lives: list[Life]) -> None:
    joint = Joint(with_tasks(together(lives), HAND_ON), lives)
    status = joint.run(to_the_end=True)
    assert status.verdict != "Promotable"
    assert joint.began == []


def test_a_newer_release_of_the_group_stops_a_promotion_that_has_not_begun() -> None:
    spec = with_tasks(together([CART, WEB]), HAND_ON, soak="10m")
    joint = Joint(spec, [CART, WEB], superseded=400)
    status = joint.run(to_the_end=True)
    assert ended(status) == ("Promotable", "AllMembersPromotable")
    assert status.promotion is not None
    assert (status.promotion.result, status.promotion.reason) == ("Stopped", "Superseded")
    assert joint.began == []


# --- whatever happens ----------------------------------------------------------------------------

moments = st.one_of(st.none(), st.integers(-100, 900).map(float))
lives_of = st.lists(
    st.builds(
        Life,
        name=st.sampled_from(["a", "b", "c", "d"]),
        verdict=st.sampled_from(["Promotable", "Promotable", "NotPromotable", "Inconclusive"]),
        at=moments,
        rolled_out=moments,
        newer=st.one_of(st.none(), st.none(), moments),
        gone=st.one_of(st.none(), st.none(), moments),
        optional=st.booleans(),
        adopted=st.sampled_from([False, False, True]),
        reason=st.sampled_from(["", "", "NoPolicy", "Revoked"]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda x: x.name,
)


@settings(max_examples=150, deadline=None)
@given(
    lives=lives_of,
    objectives=st.lists(st.sampled_from([ERRORS, HEAP]), max_size=2, unique_by=lambda o: o["name"]),
    need=st.one_of(st.none(), st.integers(1, 4)),
    on_adopted=st.sampled_from(["Inconclusive", "Accept"]),
    provider=st.sampled_from([good, good, bad, silent, down, silence]),
    kills=st.sets(st.integers(0, 30)),
)
def test_never_promotable_without_what_is_needed(
    lives: list[Life],
    objectives: list[dict[str, Any]],
    need: int | None,
    on_adopted: str,
    provider: Any,
    kills: set[int],
) -> None:
    spec = together(lives, objectives, need=need, on_adopted=on_adopted)
    joint = Joint(spec, lives, provider, killed=lambda n: n in kills)
    status = joint.run()
    assert status.verdict is not None
    assert len(status.model_dump_json(by_alias=True, exclude_none=True)) <= MAX_STATUS_BYTES
    if status.verdict != "Promotable":
        return
    now = joint.now
    assert spec.group is not None
    counted = [x for x in lives if not x.optional and x.release and x.why != "Revoked"]
    by_verdict = [
        x for x in counted
        if not x.adopted and x.verdict == "Promotable" and x.at is not None and x.at <= now
    ]  # fmt: skip
    standing = [x for x in counted if x.adopted] if on_adopted == "Accept" else []
    assert by_verdict
    assert len(by_verdict) + len(standing) >= spec.group.needed
    assert not [x for x in lives if x.newer is not None and x.newer <= now]
    assert status.judgement is not None
    assert len(status.judgement.results) == len(objectives)
    assert all(r.result in ("Pass", "Warn") for r in status.judgement.results)


@settings(max_examples=40, deadline=None)
@given(lives=lives_of, kills=st.sets(st.integers(0, 20), min_size=1))
def test_a_kill_changes_no_verdict(lives: list[Life], kills: set[int]) -> None:
    lives = [replace(x, gone=None) for x in lives]
    spec = together(lives, [ERRORS])
    undisturbed = Joint(spec, lives).run()
    killed = Joint(spec, lives, killed=lambda n: n in kills).run()
    assert (killed.judgement, killed.completed_at) == (
        undisturbed.judgement,
        undisturbed.completed_at,
    )


def test_as_many_members_as_may_be_fit_the_status() -> None:
    lives = [
        Life(f"a-rather-long-name-of-a-member-{n:02}", "NotPromotable", at=60 + n)
        for n in range(32)
    ]
    spec = together(lives, [ERRORS], need=1)
    status = Joint(spec, lives).run()
    assert len(status.members) == 32
    assert (
        len(status.model_dump_json(by_alias=True, exclude_none=True).encode()) <= MAX_STATUS_BYTES
    )
