"""From looks to the verdict: whole lives of releases on a clock of their own."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pratique.judge.samples import Missing, Sample, Value
from pratique.lifecycle.looks import Looking, late_judgement
from pratique.lifecycle.planning import indicator_hash
from pratique.lifecycle.view import Container
from pratique.queries.questions import Question
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from pratique.resources.release import ReleaseSpec, ReleaseStatus
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    HEAP,
    HISTOGRAM,
    RESTARTS,
    at,
    plan,
    pod,
    release_spec,
    rolling,
    seconds,
    situation,
    view,
    waiting,
    workload,
)
from unit.lifecycle.simulator import (
    Change,
    Play,
    Provider,
    after,
    answer,
    bad,
    down,
    ended,
    for_looks_ending,
    good,
    rolled_out,
    silence,
    silent,
    whole,
)

# Pods Ready at 20, 25, 30 and a minute of warm-up: they count from 120 on. Rollout complete at 30.
# The window is 120 to 420; looks end each minute and are asked 30 s later.
BEGIN, END, DELAY, DEADLINE = 120, 420, 30, 30 + 960
SPEC = release_spec(plan([ERRORS, FAST]))


def of(*objectives: dict[str, Any], **more: Any) -> ReleaseSpec:
    return release_spec(plan(objectives, **more))


def play(
    spec: ReleaseSpec = SPEC, provider: Provider = good, changes: list[Change] | None = None
) -> Play:
    made = Play(spec, changes or rolled_out(), provider)
    made.run()
    return made


def judgement_at(made: Play) -> float:
    assert made.status.completed_at is not None
    return seconds(made.status.completed_at)


# At the window's end


def test_a_good_release_is_promotable_and_only_at_the_windows_end() -> None:
    made = play()
    assert ended(made.status) == ("Promotable", "AllObjectivesMet")
    assert judgement_at(made) == END + DELAY
    judgement = made.status.judgement
    assert judgement is not None
    assert judgement.window is not None
    assert (judgement.window.from_, judgement.window.to) == (at(BEGIN), at(END))
    assert [r.samples for r in judgement.results] == [5000, 5000]
    assert all(s.status.verdict is None for now, s in made.steps if now < END + DELAY)


def test_the_phases_of_a_good_release_follow_each_other() -> None:
    phases = [s.status.phase for _, s in play().steps]
    assert list(dict.fromkeys(phases)) == ["RollingOut", "WarmingUp", "Evaluating", "Completed"]
    assert phases == sorted(phases, key=list(dict.fromkeys(phases)).index)


def test_each_look_is_asked_once_and_not_before_its_samples_are_there() -> None:
    made = play()
    assert len({q for _, q in made.asked}) == len(made.asked) == 2 * 5
    for now, question in made.asked:
        assert now == seconds(question.end) + DELAY
        assert question.span == 60
        assert question.scope.pods == ("cart-abc-a", "cart-abc-b", "cart-abc-c")


def test_a_good_release_costs_few_writes() -> None:
    assert play().writes <= 6


def test_kubernetes_signals_alone_end_at_the_windows_end_without_any_question() -> None:
    made = play(of(RESTARTS))
    assert made.asked == []
    assert ended(made.status) == ("Promotable", "AllObjectivesMet")
    assert judgement_at(made) == END


def test_one_restart_makes_it_not_promotable() -> None:
    changes = rolled_out()
    pods = [pod(n, ready=t) for n, t in (("a", 20), ("b", 25))]
    pods.append(pod("c", ready=30, containers=(Container("cart", restarts=1),)))
    made = play(of(RESTARTS), changes=[*changes, Change(200, view(pods=pods))])
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")


# Failing early


def test_a_bad_release_fails_after_as_many_looks_as_the_policy_says() -> None:
    for fail_after in (1, 2, 3, 4):
        made = play(of(ERRORS, failAfter=fail_after), bad)
        assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
        assert judgement_at(made) == BEGIN + 60 * fail_after + DELAY
        assert len(made.status.looks) == fail_after


def test_looks_that_fail_with_one_good_between_them_do_not_end_it_early() -> None:
    provider = for_looks_ending(240, 240, good, bad)
    made = play(of(ERRORS), provider)
    assert judgement_at(made) == END + DELAY
    assert [x.results for x in made.status.looks] == ["F", "P", "F", "F", "F"]


def test_one_objective_must_fail_each_time_not_some_objective() -> None:
    def turns(question: Question, now: float) -> Sample:
        even = seconds(question.end) % 120 == 0
        return (bad if even == bool(question.indicator.ratio) else good)(question, now)

    made = play(SPEC, turns)
    assert judgement_at(made) == END + DELAY


def slow_rollout(complete: float | None = None) -> list[Change]:
    """One new pod, Ready at second 0; the others stay away until ``complete``."""
    one = [pod("a", ready=0)]
    changes = [Change(0, view(rolling(), [*one, pod("b")]))]
    if complete is not None:
        ready = [*one, pod("b", ready=complete), pod("c", ready=complete)]
        changes.append(Change(complete, view(pods=ready)))
    return changes


def test_a_bad_release_fails_during_its_rollout() -> None:
    made = play(of(ERRORS), bad, slow_rollout())
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    assert judgement_at(made) == 60 + 3 * 60 + DELAY
    assert made.status.rollout.completed_at is None


def test_a_good_release_never_passes_before_its_rollout_is_complete() -> None:
    made = play(of(ERRORS), good, slow_rollout())
    assert ended(made.status) == ("NotPromotable", "RolloutFailed")
    assert len(made.status.looks) > 5


def test_looks_of_the_rollout_do_not_count_for_the_window() -> None:
    made = play(of(ERRORS), good, slow_rollout(complete=400))
    assert ended(made.status) == ("Promotable", "AllObjectivesMet")
    assert made.status.window_from == at(480)
    assert judgement_at(made) == 480 + 300 + DELAY
    assert made.status.judgement is not None
    assert made.status.judgement.results[0].samples == 5000


def test_a_crash_loop_within_the_window_ends_it() -> None:
    crashing = [pod(n, containers=waiting("CrashLoopBackOff")) for n in "abc"]
    changes = [*rolled_out(), Change(200, view(workload(available=0), crashing))]
    made = play(of(ERRORS), good, changes)
    assert ended(made.status) == ("NotPromotable", "RolloutFailed")
    assert judgement_at(made) == 200 + 120


# Without evidence


def test_without_data_it_is_inconclusive() -> None:
    made = play(SPEC, silent)
    assert ended(made.status) == ("Inconclusive", "NoData")
    assert judgement_at(made) == END + DELAY


def test_data_for_one_objective_only_is_inconclusive() -> None:
    made = play(SPEC, lambda q, now: (good if q.indicator.ratio else silent)(q, now))
    assert ended(made.status) == ("Inconclusive", "NoData")


def test_too_many_looks_without_data_are_no_window() -> None:
    assert ended(play(SPEC, for_looks_ending(180, 180, silent, good)).status)[0] == "Promotable"
    made = play(SPEC, for_looks_ending(180, 240, silent, good))
    assert ended(made.status) == ("Inconclusive", "PartialWindow")


@pytest.mark.parametrize("provider", [down, silence])
def test_a_provider_that_never_answers_is_inconclusive_at_the_deadline(provider: Provider) -> None:
    made = play(SPEC, provider)
    assert ended(made.status) == ("Inconclusive", "ProviderError")
    assert judgement_at(made) == DEADLINE
    assert made.status.judgement is not None
    assert "no verdict within 16m" in made.status.judgement.message


def test_a_provider_that_is_down_is_asked_again_and_not_all_the_time() -> None:
    made = play(SPEC, down)
    for question in {q for _, q in made.asked}:
        times = [now for now, q in made.asked if q == question]
        assert min(b - a for a, b in itertools.pairwise(times)) >= 5


@pytest.mark.parametrize("back", [200, 300, 451, 900])
def test_a_provider_that_comes_back_costs_no_evidence(back: float) -> None:
    made = play(SPEC, after(back, down, good))
    assert ended(made.status) == ("Promotable", "AllObjectivesMet")
    assert made.status.judgement == play().status.judgement
    assert END + DELAY <= judgement_at(made) <= max(END + DELAY, back + 6)


def test_a_provider_that_goes_away_for_good_leaves_no_verdict() -> None:
    made = play(SPEC, after(400, good, down))
    assert ended(made.status) == ("Inconclusive", "DeadlineExceeded")
    assert judgement_at(made) == DEADLINE


def test_a_query_that_is_rejected_is_inconclusive_and_not_asked_again() -> None:
    made = play(SPEC, lambda *_: Missing("QueryRejected", "parse error"))
    assert ended(made.status) == ("Inconclusive", "QueryRejected")
    assert len({q for _, q in made.asked}) == len(made.asked)


def test_pods_gone_right_after_completion_leave_no_verdict_and_blame_no_provider() -> None:
    # The pods' watch was behind: not one of them was ever seen Ready.
    made = play(SPEC, good, [Change(0, view(pods=[]))])
    assert ended(made.status) == ("Inconclusive", "DeadlineExceeded")
    assert made.asked == []
    assert made.status.judgement is not None
    assert {r.reason for r in made.status.judgement.results} == {"NoData"}


def test_a_deadline_before_the_first_look_blames_no_provider() -> None:
    made = play(of(RESTARTS, deadline="1m"), good)
    assert ended(made.status) == ("Inconclusive", "DeadlineExceeded")
    assert made.status.judgement is not None
    assert [r.result for r in made.status.judgement.results] == ["NoData"]


# Ended from outside


def test_superseded_before_its_verdict() -> None:
    for moment in (0, 25, 50, 200, 430):
        changes = rolled_out()
        seen = [c for c in changes if c.at <= moment][-1].seen
        cut = [c for c in changes if c.at <= moment]
        made = play(SPEC, good, [*cut, Change(moment, seen, "cart-3")])
        assert ended(made.status) == ("Inconclusive", "Superseded")
        assert judgement_at(made) == moment
        assert any(c.type == "Superseded" for c in made.status.conditions)


def test_superseded_after_its_verdict_changes_nothing_of_it() -> None:
    made = play()
    before = made.status
    made.now = 900
    made.changes = [*made.changes, Change(900, None, "cart-3")]
    step = made.step()
    assert step.due is None
    assert step.ask == ()
    assert step.status.judgement == before.judgement
    assert step.status.completed_at == before.completed_at
    promotable = [c.status for c in step.status.conditions if c.type == "Promotable"]
    assert promotable == ["True"]


def test_a_workload_that_is_deleted_ends_it() -> None:
    going = view(workload(deleting=True), [pod("a", ready=20)])
    for gone in (None, going):
        made = play(SPEC, good, [*rolled_out(), Change(200, gone)])
        assert ended(made.status) == ("Inconclusive", "WorkloadDeleted")
        assert judgement_at(made) == 200


# Baselines

CHANGE_ONLY = {**FAST, "pass": [{"change": {"lte": "10%"}}]}
VALUE_AND_CHANGE = {**FAST, "pass": [{"value": {"lte": 0.3}, "change": {"lte": "10%"}}]}
HASH = indicator_hash(ServiceLevelIndicatorSpec.model_validate(FAST["indicator"]))


def last(value: float, what: str = HASH) -> dict[str, Any]:
    values = [{"name": "fast", "value": value, "samples": 900, "indicatorHash": what}]
    return {"source": "LastPromotable", "release": "cart-1", "values": values}


BEFORE = {
    "source": "BeforeRollout",
    "release": "cart-1",
    "podPattern": "cart-old-[a-z0-9]+",
    "from": "2026-03-02T11:55:00Z",
    "to": "2026-03-02T12:00:00Z",
}


def test_a_change_alone_without_a_baseline_is_not_judged() -> None:
    assert ended(play(of(CHANGE_ONLY)).status) == ("Inconclusive", "NoBaseline")


def test_a_change_beside_a_value_is_skipped_without_a_baseline_and_that_is_said() -> None:
    made = play(of(VALUE_AND_CHANGE))
    assert ended(made.status)[0] == "Promotable"
    assert made.status.judgement is not None
    assert "baseline" in made.status.judgement.results[0].message


def test_a_change_is_judged_by_the_last_promotable_release() -> None:
    # The good provider's 95th percentile lies near 0.29 s.
    same = play(of(CHANGE_ONLY, baselines=[last(0.29), BEFORE]))
    assert ended(same.status) == ("Promotable", "AllObjectivesMet")
    assert same.status.judgement is not None
    [result] = same.status.judgement.results
    assert result.baseline is not None
    assert (result.baseline.source, result.baseline.release) == ("LastPromotable", "cart-1")
    assert all(q.scope.pod_pattern is None for _, q in same.asked), "no need to ask for another"
    worse = play(of(CHANGE_ONLY, baselines=[last(0.1)]))
    assert ended(worse.status) == ("NotPromotable", "ObjectiveFailed")


def test_a_baseline_of_another_indicator_is_none() -> None:
    made = play(of(CHANGE_ONLY, baselines=[last(0.29, "0" * 16)]))
    assert ended(made.status) == ("Inconclusive", "NoBaseline")


def test_a_change_is_judged_by_the_pods_before_the_rollout() -> None:
    def slower(question: Question, now: float) -> Sample:
        old = question.scope.pod_pattern is not None
        return answer(question, share=0, slow=0.01 if old else 0.04, value=0)

    same = play(of(CHANGE_ONLY, baselines=[BEFORE]))
    assert ended(same.status) == ("Promotable", "AllObjectivesMet")
    [(now, asked)] = [(t, q) for t, q in same.asked if q.scope.pod_pattern]
    assert (seconds(asked.end), asked.span, asked.scope.pods) == (0, 300, ())
    assert asked.scope.pod_pattern == "cart-old-[a-z0-9]+"
    assert now >= DELAY
    tight = {**FAST, "pass": [{"change": {"lte": "0.5%"}}]}
    assert ended(play(of(tight, baselines=[BEFORE]), slower).status)[0] == "NotPromotable"


def test_without_a_change_the_pods_before_are_not_asked() -> None:
    assert all(not q.scope.pod_pattern for _, q in play(of(FAST, baselines=[BEFORE])).asked)


def test_a_baseline_that_cannot_be_had_is_waited_for_until_the_deadline() -> None:
    def no_baseline(question: Question, now: float) -> Sample:
        return (down if question.scope.pod_pattern else good)(question, now)

    made = play(of(CHANGE_ONLY, baselines=[BEFORE]), no_baseline)
    assert ended(made.status) == ("Inconclusive", "DeadlineExceeded")
    assert judgement_at(made) == DEADLINE
    late = play(
        of(CHANGE_ONLY, baselines=[BEFORE]),
        lambda q, now: (down if q.scope.pod_pattern and now < 600 else good)(q, now),
    )
    assert ended(late.status)[0] == "Promotable"


def test_pods_before_that_said_nothing_are_no_baseline() -> None:
    made = play(
        of(CHANGE_ONLY, baselines=[BEFORE]),
        lambda q, now: (silent if q.scope.pod_pattern else good)(q, now),
    )
    assert ended(made.status) == ("Inconclusive", "NoBaseline")


# Raw queries, and series that tell no pods


def test_a_raw_query_is_judged_over_the_whole_window() -> None:
    def spike(question: Question, now: float) -> Sample:
        # Every look is well, and over the whole window it is not.
        return Value(500.0 if whole(of(HEAP), question) else 50.0)

    made = play(of(HEAP), spike)
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    assert made.asked[-1][1].span == END - BEGIN


@pytest.mark.parametrize(
    ("missing", "reason"),
    [(down, "ProviderError"), (silence, "ProviderError"), (silent, "NoData")],
)
def test_a_raw_query_without_its_whole_window_is_never_promotable(
    missing: Provider, reason: str
) -> None:
    spec = of(HEAP)
    made = play(spec, lambda q, now: (missing if whole(spec, q) else good)(q, now))
    assert ended(made.status) == ("Inconclusive", reason)


def test_series_of_the_whole_workload_speak_only_once_it_is_rolled_out() -> None:
    indicator = {
        "latency": {"histogram": HISTOGRAM, "quantile": 0.95},
        "attribution": "Workload",
        "labels": {"workload": "service"},
    }
    spec = of({**FAST, "indicator": indicator})
    made = play(spec, good, slow_rollout(complete=400))
    assert ended(made.status)[0] == "Promotable"
    assert all(seconds(q.end) - q.span >= 480 for _, q in made.asked)
    assert all(q.scope.pods == () for _, q in made.asked)


# Kills

KILLS: list[tuple[str, ReleaseSpec, Provider, list[Change]]] = [
    ("good", SPEC, good, rolled_out()),
    ("bad", SPEC, bad, rolled_out()),
    ("bad during the rollout", of(ERRORS), bad, slow_rollout()),
    ("late", of(ERRORS), good, slow_rollout(complete=400)),
    ("silent", SPEC, silent, rolled_out()),
    ("down", SPEC, down, rolled_out()),
    ("down, then back", SPEC, after(300, down, good), rolled_out()),
    ("signals", of(RESTARTS, FAST), good, rolled_out()),
    ("query", of(HEAP, ERRORS), good, rolled_out()),
    ("baseline", of(VALUE_AND_CHANGE, baselines=[BEFORE]), good, rolled_out()),
    (
        "no image",
        SPEC,
        good,
        [Change(0, view(rolling(), [pod(containers=waiting("ErrImagePull"))]))],
    ),
]


@pytest.mark.parametrize(
    ("spec", "provider", "changes"), [k[1:] for k in KILLS], ids=[k[0] for k in KILLS]
)
def test_a_kill_at_any_step_changes_neither_verdict_nor_figures(
    spec: ReleaseSpec, provider: Provider, changes: list[Change]
) -> None:
    undisturbed = Play(spec, changes, provider)
    expected = undisturbed.run()
    count = len(undisturbed.steps)
    for n in range(0, count, max(1, count // 25)):
        killed = Play(spec, changes, provider, killed=lambda i, n=n: i == n)  # type: ignore[misc]
        _same(killed.run(), expected, f"killed after step {n}")
    always = Play(spec, changes, provider, killed=lambda _: True)
    _same(always.run(), expected, "killed after every step")


def _same(found: ReleaseStatus, expected: ReleaseStatus, when: str) -> None:
    assert found.judgement == expected.judgement, when
    assert found.completed_at == expected.completed_at, when
    assert found.window_from == expected.window_from, when
    assert found.looks[-1:] == expected.looks[-1:], when


@pytest.mark.parametrize("objective", [ERRORS, FAST, HEAP])
def test_a_deadline_before_the_window_begins_still_ends_it(objective: dict[str, Any]) -> None:
    # Not even a moment of the window was there to be asked about.
    s = situation(release_spec(plan([objective])), view(rolling(), []), 900)
    begin = at(960)
    judgement = late_judgement(s, Looking(ReleaseStatus()), [], begin, begin)
    assert judgement.verdict == "Inconclusive"
    assert judgement.message.startswith("no verdict within ")
    assert judgement.window is not None
    assert judgement.window.from_ == judgement.window.to == begin
