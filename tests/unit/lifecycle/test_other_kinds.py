"""StatefulSets and DaemonSets: which pods are a release's, when it is complete, what it waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pratique.lifecycle import pods as counting
from pratique.lifecycle import rollout
from pratique.lifecycle.advance import advance
from pratique.lifecycle.baselines import find_baselines, past_of
from pratique.lifecycle.compared import beside
from pratique.lifecycle.looks import Looking
from pratique.lifecycle.noticing import Begin, Rebase, fingerprint, notice
from pratique.lifecycle.situation import Situation
from pratique.lifecycle.view import Pod, Revision, View, Workload
from pratique.resources.release import PlannedBaseline, ReleaseSpec, ReleaseStatus, WorkloadRef
from unit.lifecycle.builders import (
    FAST,
    RESTARTS,
    at,
    known,
    plan,
    pod,
    policy,
    release_spec,
    situation,
    template,
    workload,
)

OLD, NEW = "cart-old", "cart-new"
HASH = fingerprint(template()).hash


def of(kind: str, **more: Any) -> ReleaseSpec:
    ref = WorkloadRef(kind=kind, name="cart", uid="uid-1")  # type: ignore[arg-type]
    return release_spec(plan([RESTARTS]), workload=ref, **more)


STS, DS = of("StatefulSet"), of("DaemonSet")


def sts(**more: Any) -> Workload:
    given = {"kind": "StatefulSet", "revision": None, "revision_object": NEW, **more}
    return workload(**given)


def ds(**more: Any) -> Workload:
    return workload(**{"kind": "DaemonSet", "revision": "2", **more})


def one(name: str, version: str = NEW, *, ready: float | None = 0, created: float = 0) -> Pod:
    return replace(pod(ready=ready), name=f"cart-{name}", revision=version, created=at(created))


def revisions(*, kind: str = "StatefulSet", newest: str | None = HASH) -> tuple[Revision, ...]:
    short = (lambda n: n) if kind == "StatefulSet" else (lambda n: n.removeprefix("cart-"))
    return (
        Revision(OLD, 1, short(OLD), template_hash="another", created=at(-900)),
        Revision(NEW, 2, short(NEW), template_hash=newest, created=at(-20)),
    )


def seen(w: Workload, *pods: Pod, newest: str | None = HASH) -> View:
    return View(w, pods, revisions(kind=w.kind, newest=newest))


def follow(view: View, spec: ReleaseSpec = STS, now: float = 10) -> ReleaseStatus:
    return rollout.follow(situation(spec, view, now), ReleaseStatus())


# Whose pods


def test_a_stateful_sets_version_is_the_one_that_it_names() -> None:
    status = follow(seen(sts(), one("0"), one("1", OLD)))
    assert (status.rollout.revision_object, status.rollout.revision) == (NEW, "2")
    assert status.rollout.ready == 1


def test_after_a_rollback_the_old_revision_is_the_version_though_it_is_not_younger() -> None:
    status = follow(seen(sts(revision_object=OLD), one("0", OLD), one("1")))
    assert (status.rollout.revision_object, status.rollout.ready) == (OLD, 1)


def test_a_revision_that_the_watch_has_not_seen_yet_is_waited_for() -> None:
    assert follow(seen(sts(revision_object="cart-next"))).rollout.revision_object is None


def test_a_daemon_sets_version_is_the_one_with_its_template() -> None:
    new = replace(one("x2k4p"), revision="new")
    status = follow(seen(ds(), new), DS)
    assert (status.rollout.revision_object, status.rollout.revision) == (NEW, "2")
    assert status.rollout.ready == 1


def test_while_no_revision_has_its_template_the_daemon_sets_version_is_not_guessed() -> None:
    behind = seen(ds(), newest="still another")
    assert follow(behind, DS, now=29).rollout.revision_object is None
    # No watch is so late: the API server's defaults have changed since it was recorded.
    assert follow(behind, DS, now=30).rollout.revision_object == NEW


# Complete


def test_a_stateful_set_is_complete_when_all_run_the_version() -> None:
    pods = [one(str(n)) for n in range(3)]
    assert follow(seen(sts(), *pods)).rollout.completed_at == at(10)
    assert follow(seen(sts(updated=2), *pods)).rollout.completed_at is None
    assert follow(seen(sts(available=2), *pods)).rollout.completed_at is None
    newer = seen(sts(revision_object=OLD), *pods)
    latched = ReleaseStatus()
    latched = latched.model_copy(
        update={"rollout": latched.rollout.model_copy(update={"revision_object": NEW})}
    )
    after = rollout.follow(situation(STS, newer, 10), latched)
    assert after.rollout.completed_at is None, "a newer template rolls out"


def test_with_a_partition_it_is_complete_when_the_pods_at_or_above_it_are() -> None:
    w = sts(desired=2, updated=2, available=1, total=3, partition=1)
    pods = [one("0", OLD, ready=None), one("1"), one("2")]
    status = follow(seen(w, *pods))
    assert status.rollout.completed_at == at(10), "an old pod that is not Ready is not its fault"
    assert (status.rollout.partition, status.rollout.desired) == (1, 2)
    assert follow(seen(w, pods[0], pods[1], one("2", ready=None))).rollout.completed_at is None
    slow = replace(w, min_ready=30.0)
    assert follow(seen(slow, *pods)).rollout.completed_at is None
    assert follow(seen(slow, *pods), now=30).rollout.completed_at == at(30)


def test_pods_below_the_partition_are_not_judged_whatever_they_run() -> None:
    w = sts(desired=1, updated=2, partition=2)
    s = situation(STS, seen(w, one("1"), one("2")), 10)
    status = counting.count(s, rollout.follow(s, ReleaseStatus()))
    assert [c.pods for c in status.cohorts] == [["2"]]


def test_a_lowered_partition_is_remembered_and_a_raised_one_is_not() -> None:
    def step(status: ReleaseStatus, partition: int | None) -> ReleaseStatus:
        desired = 3 - (partition or 0)
        w = sts(desired=desired, updated=desired, partition=partition)
        pods = [one(str(n)) for n in range(partition or 0, 3)]
        return rollout.follow(situation(STS, seen(w, *pods), 10), status)

    status = step(ReleaseStatus(), 2)
    coming = seen(sts(desired=3, updated=1), one("2"))
    lifted = rollout.follow(situation(STS, coming, 10), status)
    assert lifted.rollout.partition == 2, "the further pods are still to come"
    for partition, kept in ((1, 1), (2, 1), (None, None), (2, None)):
        status = step(status, partition)
        assert status.rollout.partition == kept


def test_on_delete_is_complete_when_every_pod_was_replaced() -> None:
    w = sts(on_delete=True, updated=2, available=3)
    status = follow(seen(w, one("0", OLD), one("1"), one("2")))
    assert status.rollout.completed_at is None
    _, text = rollout.waiting_for(situation(STS, seen(w), 10), status)
    assert "when the old one is deleted (OnDelete)" in text
    days = plan(rolloutDeadline="1d")
    _, text = rollout.waiting_for(
        situation(release_spec(days, workload=STS.workload), seen(w), 10), status
    )
    assert f"until {at(86400):%Y-%m-%d} " in text, "another day is told with its date"
    assert follow(seen(sts(on_delete=True), *map(one, "012"))).rollout.completed_at


@pytest.mark.parametrize(
    ("w", "said"),
    [
        (sts(on_delete=True, updated=1), ("Inconclusive", "DeadlineExceeded")),
        (sts(desired=0, updated=0, partition=3), ("Inconclusive", "DeadlineExceeded")),
        (sts(desired=0, updated=0, available=0, total=0), ("Inconclusive", "ScaledToZero")),
        (sts(updated=1), ("NotPromotable", "RolloutFailed")),
        (ds(desired=0, updated=0, available=0, total=0), ("Inconclusive", "ScaledToZero")),
        (ds(updated=1), ("NotPromotable", "RolloutFailed")),
    ],
)
def test_what_is_up_to_people_is_no_fault_at_the_deadline(
    w: Workload, said: tuple[str, str]
) -> None:
    spec = STS if w.kind == "StatefulSet" else DS
    status = advance(situation(spec, seen(w), 660), ReleaseStatus()).status
    assert status.judgement is not None
    assert (status.verdict, status.judgement.reason) == said


def test_what_keeps_pods_back_is_said_with_the_way_out() -> None:
    w = sts(desired=0, updated=0, partition=2_147_483_647)
    status = advance(situation(STS, seen(w), 10), ReleaseStatus()).status
    [promotable] = [c for c in status.conditions if c.type == "Promotable"]
    assert promotable.reason == "RollingOut"
    assert "partition 2147483647 keeps every pod" in promotable.message


# Names that others had before


def test_a_name_counts_from_the_birth_of_todays_pod() -> None:
    pods = [one("0", created=50, ready=61), one("1", created=40, ready=55)]
    s = situation(STS, seen(sts(), *pods), 130)
    status = counting.count(s, rollout.follow(s, ReleaseStatus()))
    assert counting.counted(STS, status, at(120)) == ("cart-1",)
    assert counting.births(STS, status, at(120)) == (("cart-1", at(40)),)
    assert counting.births(STS, status, at(180)) == (("cart-0", at(50)), ("cart-1", at(40)))
    again = ReleaseStatus.model_validate(status.dump())
    assert counting.births(STS, again, at(180)) == counting.births(STS, status, at(180))


def test_pods_of_a_daemon_set_are_drawn_anew() -> None:
    drawn = replace(one("x2k4p"), revision="new")
    s = situation(DS, seen(ds(), drawn), 130)
    status = counting.count(s, rollout.follow(s, ReleaseStatus()))
    assert counting.counted(DS, status, at(120)) == ("cart-x2k4p",)
    assert counting.births(DS, status, at(120)) == ()


# Since when it is rolled out


def since(*pods: Pod, w: Workload | None = None) -> datetime | None:
    return rollout.rolled_out_since(seen(w or sts(), *pods), at(100))


def test_it_is_rolled_out_since_its_youngest_pod_was_ready() -> None:
    pods = [one("0", ready=5), one("1", ready=9), one("2", ready=7)]
    assert since(*pods) == at(9)
    assert since(*[replace(p, ready_since=at(-500)) for p in pods]) == at(-20), "its revision's age"
    drawn = [replace(p, revision="new") for p in pods]
    assert rollout.rolled_out_since(seen(ds(), *drawn), at(100)) == at(9)


def test_it_is_not_rolled_out_while_a_pod_is_missing_or_old() -> None:
    pods = [one("0"), one("1"), one("2")]
    assert since(*pods[:2]) is None
    assert since(pods[0], pods[1], one("2", ready=None)) is None
    assert since(*pods, w=sts(updated=2)) is None
    assert since(*pods, w=sts(generation=2)) is None


# Noticing


def test_a_stateful_sets_rollback_is_a_release_of_its_own() -> None:
    past = [
        known(1, template(), kind="StatefulSet", workload="cart", revision_object=OLD),
        known(2, template("b"), kind="StatefulSet", workload="cart", revision_object=NEW),
    ]
    begun = notice(
        sts(revision_object=OLD), fingerprint(template()), past,
        window=timedelta(minutes=10), now=at(0),
    )  # fmt: skip
    assert isinstance(begun, Begin)
    assert (begun.number, begun.cause, begun.rollback_to) == (3, "Rollback", 1)


@pytest.mark.parametrize(
    ("w", "newest"),
    [
        (sts(), known(1, template("b"), revision_object=NEW, kind="StatefulSet")),
        (ds(), known(1, template("b"), revision="2", kind="DaemonSet")),
    ],
)
def test_new_defaults_of_the_api_server_are_no_release(w: Workload, newest: Any) -> None:
    found = fingerprint(template())
    decided = notice(w, found, [newest], window=timedelta(minutes=10), now=at(0))
    assert isinstance(decided, Rebase)
    late = replace(w, observed_generation=0)
    decided = notice(late, found, [newest], window=timedelta(minutes=10), now=at(0))
    assert isinstance(decided, Begin)


def test_scaled_to_zero_it_is_not_adopted_but_judged_when_pods_come() -> None:
    w = workload(desired=0, total=0, updated=0, available=0, rolled_out_since=at(-9000))
    begun = notice(w, fingerprint(template()), [], window=timedelta(minutes=10), now=at(0))
    assert isinstance(begun, Begin)
    assert begun.purpose == "Judge"


# Baselines


def baselines(w: Workload, *sources: str, **before: Any) -> list[PlannedBaseline]:
    order = [{"source": s, **({"name": "stable"} if s == "Workload" else {})} for s in sources]
    of = policy([FAST], analysis={"baseline": {"order": order}})
    earlier = known(1, kind=w.kind, workload="cart", **before)
    return find_baselines(of, w, [earlier], now=at(0))


def test_the_pods_before_are_told_by_name_and_time() -> None:
    [found] = baselines(sts(), "BeforeRollout")
    assert (found.pod_pattern, found.from_, found.to) == ("cart-[0-9]+", at(-600), at(0))
    [partial] = baselines(sts(), "BeforeRollout", partition=2)
    assert partial.pod_pattern == "cart-([3-9]|2|[1-9][0-9]{1,})"
    [drawn] = baselines(ds(), "BeforeRollout")
    assert drawn.pod_pattern == "cart-[a-z0-9]{5}"


def test_another_workload_of_the_same_kind() -> None:
    [found] = baselines(sts(), "Workload")
    assert found.pod_pattern == "stable-[0-9]+"


def test_old_pods_are_those_below_the_partition_or_nobody() -> None:
    assert baselines(sts(), "OldPods") == []
    assert baselines(ds(), "OldPods") == []
    [found] = baselines(sts(partition=2, desired=1), "OldPods")
    assert found.pod_pattern == "cart-([0-1])"


def test_old_pods_that_were_taken_since_are_old_no_more() -> None:
    planned = {"source": "OldPods", "release": "cart-sts-1", "podPattern": "cart-([0-1])"}
    compared = {**FAST, "pass": [{"change": {"lte": "10%"}}]}
    ref = WorkloadRef(kind="StatefulSet", name="cart", uid="uid-1")
    spec = release_spec(plan([compared], baselines=[planned]), workload=ref)

    def asked(partition: int | None, *cohort: str) -> set[str | None]:
        status = ReleaseStatus.model_validate(
            {
                "rollout": {"revisionObject": NEW, "partition": partition},
                "cohorts": [{"from": "2026-03-02T12:00:00Z", "pods": list(cohort)}],
            }
        )
        s: Situation = situation(spec, seen(sts()), 600)
        found = Looking(status)
        beside(s, found, spec.plan.objectives[0], at(300))
        return {q.scope.pod_pattern for q in found.ask}

    assert asked(2, "2") == {"cart-([0-1])"}
    assert asked(1, "1", "2") == {"cart-([0-0])"}
    assert asked(2, "1", "2") == {"cart-([0-0])"}
    assert asked(None, "0", "1", "2") == {"cart-([^0-9])"}


def test_the_past_of_names_that_do_not_tell_the_version_has_a_begin() -> None:
    names = {"workload": "cart", "rolled_out_at": at(-3500)}
    sts_past, ds_past = (past_of(known(1, kind=k, **names)) for k in ("StatefulSet", "DaemonSet"))
    assert sts_past is not None
    assert ds_past is not None
    assert sts_past.since == ds_past.since == at(-3500)
    assert past_of(known(1, kind="StatefulSet", workload="cart", rolled_out_at=None)) is None
    deployed = past_of(known(1, **names))
    assert deployed is not None
    assert deployed.since is None


# The verdict's text


def test_a_partial_verdict_says_so() -> None:
    spec = of("StatefulSet")
    w = sts(desired=1, updated=1, partition=2)
    view = seen(w, one("0", OLD), one("1", OLD), one("2", ready=0))
    status = ReleaseStatus()
    for now in range(0, 900, 30):
        status = advance(situation(spec, view, now), status).status
        if status.completed_at:
            break
    assert status.verdict == "Promotable"
    assert status.judgement is not None
    assert "partial: only pods 2 and above run it" in status.judgement.message
    assert status.judgement.basis == "partial: only pods 2 and above run it"
