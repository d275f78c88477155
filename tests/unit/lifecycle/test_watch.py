"""The watch after the verdict: it revokes what turns bad, and nothing else; it ends; it costs few writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.lifecycle.announcements import announcements
from pratique.lifecycle.planning import watch_for
from pratique.lifecycle.sizes import MAX_STATUS_BYTES, size_of
from pratique.lifecycle.view import Container
from pratique.resources import conditions
from pratique.resources.release import ReleaseStatus
from unit.lifecycle.builders import (
    ERRORS,
    HEAP,
    RESTARTS,
    plan,
    pod,
    policy_spec,
    release_spec,
    seconds,
    view,
    workload,
)
from unit.lifecycle.simulator import (
    Change,
    Play,
    Provider,
    bad,
    down,
    for_looks_ending,
    good,
    rolled_out,
    silence,
    silent,
)

CONCLUSIVE = {k: v for k, v in ERRORS.items() if k != "evidence"}
UNREADY: dict[str, Any] = {
    "name": "unready",
    "indicator": {"kubernetes": {"signal": "UnreadyShare"}},
    "pass": [{"value": {"lte": 0.05}}],
}
TURN = 480
"""Seconds at which the verdict is there in these plays, more or less."""


def play(
    objectives: list[dict[str, Any]],
    provider: Provider = good,
    changes: list[Change] | None = None,
    *,
    watch: str | None = "30m",
    **more: Any,
) -> Play:
    of = plan(objectives).model_copy(update={"watch_for": None})
    if watch:
        of = type(of).model_validate({**of.dump(), "watchFor": watch})
    return Play(release_spec(of), changes or rolled_out(), provider, **more)


def promotable(status: ReleaseStatus) -> tuple[str, str]:
    found = conditions.find(status.conditions, "Promotable")
    assert found is not None
    return found.status, found.reason


def pods(**more: Any) -> list[Any]:
    return [pod("a", ready=20), pod("b", ready=25), pod("c", **{"ready": 30, **more})]


def test_without_a_watch_the_verdict_closes_the_release() -> None:
    played = play([ERRORS], watch=None)
    status = played.run()
    assert status.closed_at == status.completed_at
    assert status.phase == "Completed"
    assert status.judgement is not None
    assert status.judgement.window is not None
    assert status.evaluated_through == status.judgement.window.to


def test_a_healthy_release_is_watched_to_the_end_with_few_writes() -> None:
    played = play([CONCLUSIVE, HEAP, RESTARTS])
    verdict = played.run()
    assert verdict.phase == "Watching"
    assert promotable(verdict) == ("True", "AllObjectivesMet")
    assert conditions.find(verdict.conditions, "Reconciling") is None
    before = played.writes
    status = played.run(closed=True)
    assert status.watch is not None
    assert status.watch.ended_at is not None
    assert status.revoked is None
    assert promotable(status) == ("True", "AllObjectivesMet")
    assert status.completed_at is not None
    assert status.evaluated_through is not None
    assert 1700 <= (status.evaluated_through - status.completed_at).total_seconds() <= 1800
    assert played.writes - before <= 7
    assert status.judgement == verdict.judgement


@pytest.mark.parametrize("objective", [CONCLUSIVE, ERRORS, HEAP], ids=["test", "point", "value"])
def test_what_turns_bad_is_revoked_and_the_verdict_stays(objective: dict[str, Any]) -> None:
    played = play([objective], for_looks_ending(900, 99_999, bad, good))
    verdict = played.run()
    status = played.run(closed=True)
    assert status.revoked is not None
    assert status.revoked.reason == "ObjectiveFailed"
    assert objective["name"] in status.revoked.message
    assert 900 <= seconds(status.revoked.at) <= 900 + 4 * 60
    assert promotable(status) == ("False", "Revoked")
    assert (status.verdict, status.judgement) == ("Promotable", verdict.judgement)
    told = [a for a in announcements(played.spec, status) if a.reason == "Revoked"]
    assert len(told) == 1
    assert told[0].type == "Warning"


@pytest.mark.parametrize("gap", [silent, down, silence], ids=["silent", "down", "silence"])
def test_gaps_never_revoke_and_stop_what_is_backed(gap: Provider) -> None:
    played = play([CONCLUSIVE, HEAP], for_looks_ending(900, 99_999, gap, good))
    status = played.run(closed=True)
    assert status.revoked is None
    assert promotable(status)[0] == "True"
    assert status.evaluated_through is not None
    assert seconds(status.evaluated_through) < 900


def test_after_a_gap_it_is_backed_again() -> None:
    played = play([CONCLUSIVE], for_looks_ending(900, 1200, silent, good))
    status = played.run(closed=True)
    assert status.evaluated_through is not None
    assert seconds(status.evaluated_through) > 1800


def test_bad_looks_with_a_gap_between_are_not_in_a_row() -> None:
    def provider(question: Any, now: float) -> Any:
        end = seconds(question.end)
        if end <= 900:
            return good(question, now)
        return silent(question, now) if int(end / 60) % 3 == 0 else bad(question, now)

    assert play([HEAP], provider).run(closed=True).revoked is None


def test_a_restart_after_the_verdict_revokes_and_one_before_does_not() -> None:
    crashed = pods(containers=(Container("cart", restarts=1),))
    changes = [*rolled_out(), Change(900, view(workload(), crashed))]
    status = play([ERRORS, RESTARTS], changes=changes).run(closed=True)
    assert status.revoked is not None
    assert "restarts" in status.revoked.message
    lenient = {**RESTARTS, "pass": [{"value": {"lte": 1}}]}
    changes = [*rolled_out(), Change(200, view(workload(), crashed))]
    assert play([ERRORS, lenient], changes=changes).run(closed=True).revoked is None


def test_unready_time_counts_as_a_share_of_a_whole_window() -> None:
    away = [pod("a", ready=20), pod("b", ready=25), pod("c", ready_since=None)]
    away[2] = replace(away[2], ready=False, ready_since=None)
    sick = [*rolled_out(), Change(900, view(workload(available=2), away))]
    status = play([ERRORS, UNREADY], changes=sick).run(closed=True)
    assert status.revoked is not None
    back = Change(910, view(workload(), pods(ready=910)))
    assert play([ERRORS, UNREADY], changes=[*sick, back]).run(closed=True).revoked is None


def test_a_crash_loop_revokes_once_it_stood() -> None:
    loop = pods(
        ready=None,
        containers=(Container("cart", waiting=("CrashLoopBackOff", "back-off"), restarts=5),),
    )
    changes = [*rolled_out(), Change(900, view(workload(available=2), loop))]
    status = play([ERRORS], changes=changes).run(closed=True)
    assert status.revoked is not None
    assert status.revoked.reason == "CrashLoop"
    assert seconds(status.revoked.at) == pytest.approx(900 + 120, abs=61)


@pytest.mark.parametrize(
    "change",
    [
        Change(900, view(workload(), pods()), superseded_by="cart-3"),
        Change(900, None),
        Change(900, view(workload(deleting=True), pods())),
    ],
    ids=["superseded", "gone", "deleting"],
)
def test_its_end_ends_the_watch_and_nothing_else(change: Change) -> None:
    status = play([ERRORS], changes=[*rolled_out(), change]).run(closed=True)
    assert seconds(status.closed_at) == pytest.approx(900, abs=1)  # type: ignore[arg-type]
    assert status.revoked is None
    assert promotable(status) == ("True", "AllObjectivesMet")
    assert (conditions.find(status.conditions, "Superseded") is not None) is bool(
        change.superseded_by
    )


def test_scaled_to_zero_it_is_watched_without_data() -> None:
    none = workload(desired=0, updated=0, available=0, total=0)
    changes = [*rolled_out(), Change(900, view(none, []))]
    status = play([CONCLUSIVE, RESTARTS, UNREADY], changes=changes).run(closed=True)
    assert status.revoked is None
    assert seconds(status.evaluated_through) < 960  # type: ignore[arg-type]


def test_a_pod_that_came_later_is_looked_at_once_it_is_warm() -> None:
    other = [pod("x", ready=900), pod("y", ready=905), pod("z", ready=910)]
    played = play([CONCLUSIVE], changes=[*rolled_out(), Change(890, view(workload(), other))])
    status = played.run(closed=True)
    assert status.revoked is None
    late = [q for _, q in played.asked if seconds(q.end) > 1100]
    assert late
    assert all(q.scope.pods == ("cart-abc-x", "cart-abc-y", "cart-abc-z") for q in late)
    early = [q for _, q in played.asked if 900 < seconds(q.end) <= 960]
    assert not early, "their cold start is nobody's fault"


@pytest.mark.parametrize("turn", [900, 99_999])
def test_killed_after_every_step_it_comes_to_the_same(turn: float) -> None:
    def played(killed: bool) -> ReleaseStatus:
        one = play([CONCLUSIVE, HEAP], for_looks_ending(turn, 99_999, bad, good))
        one.killed = lambda _: killed
        return one.run(closed=True)

    through, kills = played(False), played(True)
    assert (kills.revoked is None) == (through.revoked is None)
    assert promotable(kills) == promotable(through)


def test_by_score_only_what_would_have_decided_revokes() -> None:
    extra = {**HEAP, "name": "second"}
    of = {"score": {"pass": "50%"}}

    def one(question: Any, now: float) -> Any:
        sick = seconds(question.end) > 900 and question.indicator.ratio
        return bad(question, now) if sick else good(question, now)

    made = play([ERRORS, HEAP, extra], one)
    made.spec = made.spec.model_copy(
        update={"plan": type(made.spec.plan).model_validate({**made.spec.plan.dump(), **of})}
    )
    assert made.run(closed=True).revoked is None


def test_an_override_is_not_watched() -> None:
    from pratique.lifecycle.watch import watch

    played = play([ERRORS])
    status = played.run()
    assert status.judgement is not None
    over = status.model_copy(
        update={
            "watch": None,
            "judgement": status.judgement.model_copy(update={"reason": "Overridden"}),
        }
    )
    turn = watch(played.situation(), over)
    assert not turn.lingers
    assert turn.status.watch is None


def test_the_largest_plan_fits_with_its_watch() -> None:
    many = [
        {**CONCLUSIVE, "name": f"e{i}"} if i % 2 else
        {**HEAP, "name": f"m{i}"}
        for i in range(64)
    ]  # fmt: skip
    played = play(many, for_looks_ending(1200, 99_999, bad, good))
    for _ in range(60):
        found = played.step()
        assert size_of(found.status) <= MAX_STATUS_BYTES
        if found.status.closed_at:
            break
        assert found.due is not None
        ahead = [c.at for c in played.changes if c.at > played.now]
        played.now = min([*ahead, seconds(found.due)])
    assert found.status.revoked is not None


def test_after_an_outage_of_the_operator_the_last_hour_is_enough() -> None:
    played = play([CONCLUSIVE], watch="5h")
    played.run()
    played.now += 4 * 3600
    asked = len(played.asked)
    played.step()
    assert len(played.asked) - asked <= 61


def test_by_default_only_what_is_promoted_is_watched() -> None:
    assert watch_for(policy_spec(), promotes=False) is None
    assert watch_for(policy_spec(), promotes=True).total_seconds() == 3600  # type: ignore[union-attr]
    assert watch_for(policy_spec(watch={}), promotes=False).total_seconds() == 3600  # type: ignore[union-attr]
    assert watch_for(policy_spec(watch={"for": "0s"}), promotes=True) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([good, bad, silent, down, silence]), min_size=1, max_size=12),
    st.none() | st.integers(500, 2400),
    st.sampled_from(["newer", "gone", "zero"]),
    st.sets(st.integers(0, 60)),
)
def test_whatever_comes_a_verdict_is_never_rewritten(
    lives: list[Provider], end: int | None, how: str, kills: set[int]
) -> None:
    def provider(question: Any, now: float) -> Any:
        second = seconds(question.end)
        return (good if second <= 480 else lives[int(second / 120) % len(lives)])(question, now)

    changes = rolled_out()
    if end is not None:
        none = workload(desired=0, updated=0, available=0, total=0)
        changes.append(
            {
                "newer": Change(end, view(workload(), pods()), superseded_by="cart-3"),
                "gone": Change(end, None),
                "zero": Change(end, view(none, [])),
            }[how]
        )
    played = play([CONCLUSIVE, HEAP, RESTARTS], provider, changes)
    played.killed = lambda n: n in kills
    status = played.run(closed=True)
    said = [s.status for _, s in played.steps if s.status.verdict is not None]
    assert {s.verdict for s in said} == {"Promotable"}
    assert all(s.judgement == said[0].judgement for s in said)
    revoked = [s.revoked for s in said if s.revoked is not None]
    assert all(r == revoked[0] for r in revoked)
    assert (promotable(status) == ("False", "Revoked")) is bool(revoked)
    assert all(size_of(s) <= MAX_STATUS_BYTES for s in said)
    if not revoked:
        assert promotable(status)[0] == "True"
    if not {bad} & set(lives):
        assert not revoked, "gaps never revoke"
