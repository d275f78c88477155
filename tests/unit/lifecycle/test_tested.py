"""Lives whose objectives are judged by tests on counts: early ends, little traffic, baselines beside."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pratique.judge.samples import Counts, History, Missing, Sample
from pratique.lifecycle.planning import indicator_hash
from pratique.queries.questions import Question
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from pratique.resources.release import ReleaseSpec
from unit.lifecycle.builders import ERRORS, at, plan, release_spec, seconds
from unit.lifecycle.simulator import Change, Play, Provider, bad, ended, good, rolled_out
from unit.lifecycle.test_looks import BEGIN, DELAY, END, judgement_at, play

TESTED = {**ERRORS, "evidence": "Conclusive"}
COMPARED = {**TESTED, "pass": [{"change": {"lte": "10%"}}]}
HASH = indicator_hash(ServiceLevelIndicatorSpec.model_validate(ERRORS["indicator"]))


def of(*objectives: dict[str, Any], **more: Any) -> ReleaseSpec:
    return release_spec(plan(objectives or [TESTED], **more))


def traffic(a_minute: int, share: float = 0.0) -> Provider:
    """So many requests a minute, that share of them bad."""

    def answer(question: Question, _: float) -> Sample:
        total = round(a_minute * question.span / 60)
        return Counts(round(share * total), total)

    return answer


def message(made: Play) -> str:
    assert made.status.judgement is not None
    return made.status.judgement.results[0].message


def test_gross_harm_is_called_at_the_first_look() -> None:
    made = play(of(), bad)
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    assert judgement_at(made) == BEGIN + 60 + DELAY
    assert "by look 1 of 5" in message(made)


def test_a_good_release_passes_at_the_windows_end_only() -> None:
    made = play(of(), good)
    assert ended(made.status) == ("Promotable", "AllObjectivesMet")
    assert judgement_at(made) == END + DELAY
    assert made.status.judgement is not None
    [result] = made.status.judgement.results
    assert result.statistic is not None
    assert (result.statistic.method, result.statistic.seen) == ("RatioTest", 50)


def test_looks_above_the_bound_by_chance_fail_nothing() -> None:
    # 6, 6 and 6 of 100 where 5 are allowed: three looks in a row, and no evidence of anything.
    made = play(of(maxWindow="30m"), traffic(100, 0.06))
    assert ended(made.status)[0] != "NotPromotable"


def test_little_traffic_extends_the_window_until_the_harm_could_have_been_seen() -> None:
    made = play(of(maxWindow="100m"), traffic(4))
    assert ended(made.status) == ("Promotable", "AllObjectivesMet")
    assert made.status.extended_to is not None
    assert END < seconds(made.status.extended_to) < BEGIN + 6000
    assert judgement_at(made) == seconds(made.status.extended_to) + DELAY
    assert made.status.judgement is not None
    [result] = made.status.judgement.results
    assert result.samples is not None
    assert result.statistic is not None
    assert result.statistic.needed is not None
    assert result.samples >= result.statistic.needed


def test_without_extension_little_traffic_ends_inconclusive_and_says_what_is_missing() -> None:
    made = play(of(), traffic(4))
    assert ended(made.status) == ("Inconclusive", "InsufficientTraffic")
    assert judgement_at(made) == END + DELAY
    assert "more are needed to reach" in message(made)


def test_an_extended_window_ends_too() -> None:
    made = play(of({**TESTED, "pass": [{"value": {"lte": 0.01}}]}, maxWindow="20m"), traffic(5))
    assert ended(made.status) == ("Inconclusive", "InsufficientTraffic")
    assert made.status.extended_to == at(BEGIN + 1200)
    assert judgement_at(made) == BEGIN + 1200 + DELAY


@pytest.mark.parametrize("a_minute", [4, 30])
def test_a_kill_at_any_step_changes_neither_verdict_nor_figures(a_minute: int) -> None:
    spec = of(maxWindow="40m")
    wanted = play(spec, traffic(a_minute))
    for seed in range(12):
        chance = random.Random(seed)
        made = Play(spec, rolled_out(), traffic(a_minute), lambda _, c=chance: c.random() < 0.3)  # type: ignore[misc]
        made.run()
        assert made.status.judgement == wanted.status.judgement
        assert made.status.extended_to == wanted.status.extended_to


def test_harm_in_the_extension_is_called() -> None:
    def later(question: Question, now: float) -> Sample:
        return traffic(4, 0.0 if seconds(question.end) <= END else 0.5)(question, now)

    made = play(of(maxWindow="100m"), later)
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    assert judgement_at(made) < BEGIN + 3000


# Baselines


def last(value: float, samples: int, seconds: float | None = None) -> dict[str, Any]:
    given = {"name": "errors", "value": value, "samples": samples, "indicatorHash": HASH}
    if seconds is not None:
        given["seconds"] = seconds
    return {"source": "LastPromotable", "release": "cart-1", "values": [given]}


BEFORE = {
    "source": "BeforeRollout",
    "release": "cart-1",
    "podPattern": "cart-old-[a-z0-9]+",
    "from": "2026-03-02T11:50:00Z",
    "to": "2026-03-02T12:00:00Z",
}


def test_three_times_the_errors_of_the_last_release_is_harm() -> None:
    made = play(of(COMPARED, baselines=[last(0.01, 5000)]), traffic(1000, 0.03))
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    assert "against cart-1 (1 %)" in message(made)


def test_the_same_errors_as_the_last_release_are_none() -> None:
    made = play(of(COMPARED, baselines=[last(0.01, 5000)]), traffic(1000, 0.01))
    assert ended(made.status) == ("Promotable", "AllObjectivesMet")


def test_a_baseline_of_other_traffic_gives_way_to_the_next() -> None:
    night = last(0.01, 300, seconds=600)
    made = play(of(COMPARED, baselines=[night, BEFORE]), traffic(1000, 0.01))
    assert ended(made.status)[0] == "Promotable"
    assert made.status.judgement is not None
    [result] = made.status.judgement.results
    assert result.baseline is not None
    assert result.baseline.source == "BeforeRollout"
    assert "cart-1 had 33.3 times fewer requests a second" in result.message
    assert any(q.scope.pod_pattern for _, q in made.asked)


def beside(source: str, release: str = "cart-1") -> dict[str, Any]:
    return {"source": source, "release": release, "podPattern": f"{release}-old-[a-z0-9]+"}


def old_and_new(old: float, new: float) -> Provider:
    """The old pods' share of bad requests beside the new ones'."""
    return lambda q, now: traffic(1000, old if q.scope.pod_pattern else new)(q, now)


def test_another_workload_is_compared_over_the_same_minutes() -> None:
    spec = of(COMPARED, baselines=[beside("Workload", "stable")])
    worse = play(spec, old_and_new(0.01, 0.04))
    assert ended(worse.status) == ("NotPromotable", "ObjectiveFailed")
    assert "against stable (1 %)" in message(worse)
    # A bad hour for both is no fault of the release.
    assert ended(play(spec, old_and_new(0.2, 0.2)).status)[0] == "Promotable"


def test_old_pods_that_are_gone_give_way_to_the_next_baseline() -> None:
    def gone(question: Question, now: float) -> Sample:
        if question.scope.pod_pattern:
            return Missing("NoData", "no series")
        return traffic(1000, 0.01)(question, now)

    made = play(of(COMPARED, baselines=[beside("OldPods"), last(0.01, 5000)]), gone)
    assert ended(made.status)[0] == "Promotable"
    assert "had data in 0 of 5 looks only" in message(made)


def test_while_it_rolls_out_it_may_fail_beside_the_old_pods() -> None:
    first = rolled_out()[0:2]
    made = Play(
        of(COMPARED, baselines=[beside("OldPods")], rolloutDeadline="30m"),
        [*first, Change(1500, rolled_out()[-1].seen)],
        old_and_new(0.01, 0.2),
    )
    made.run()
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    assert made.status.rollout.completed_at is None


def test_a_baseline_that_is_too_old_is_passed_over_and_the_sentence_says_so() -> None:
    old = {
        "source": "LastPromotable",
        "release": "cart-1",
        "unfit": "cart-1 is 2d old, more than 1d",
    }
    next_ = {**last(0.01, 5000), "release": "cart-0"}
    both = {**TESTED, "pass": [{"value": {"lte": 0.05}, "change": {"lte": "10%"}}]}
    made = play(of(both, baselines=[old, next_]), traffic(1000, 0.01))
    assert ended(made.status)[0] == "Promotable"
    assert made.status.judgement is not None
    [result] = made.status.judgement.results
    assert result.baseline is not None
    assert result.baseline.release == "cart-0"
    assert "cart-1 is 2d old, more than 1d" in result.message
    alone = play(of(both, baselines=[old]), traffic(1000, 0.01))
    assert alone.status.judgement is not None
    said = alone.status.judgement.results[0].message
    assert "its change was not judged, as cart-1 is 2d old, more than 1d" in said


def test_ten_times_nine_percent_drifts_too_far() -> None:
    anchor = {**last(0.004, 500_000), "anchor": True, "release": "cart-0"}
    spec = of(COMPARED, baselines=[last(0.01, 5000), anchor], drift=50)
    made = play(spec, traffic(1000, 0.01))
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    assert "against cart-0 (0.4 %), from which it may drift by +50 % in all" in message(made)


def test_without_a_baseline_the_policy_may_want_none_judged() -> None:
    both = {**TESTED, "pass": [{"value": {"lte": 0.05}, "change": {"lte": "10%"}}]}
    assert ended(play(of(both), traffic(1000, 0.01)).status)[0] == "Promotable"
    strict = play(of(both, noBaseline="Inconclusive"), traffic(1000, 0.01))
    assert ended(strict.status) == ("Inconclusive", "NoBaseline")


# Noise


def test_the_old_versions_past_is_read_once_and_kept() -> None:
    chance = random.Random(7)

    def wandering(question: Question, now: float) -> Sample:
        if question.step:
            past = [(1000, round(10 * chance.choice((0.2, 1, 3)))) for _ in range(480)]
            return History(tuple(past))
        return traffic(1000, 0.02)(question, now)

    spec = of(TESTED, noiseHistory="8h", baselines=[])
    spec = spec.model_copy(
        update={"plan": spec.plan.model_copy(update={"old_pods": "cart-old-[a-z0-9]+"})}
    )
    made = play(spec, wandering)
    assert sum(bool(q.step) for _, q in made.asked) == 1
    [noise] = made.status.noise
    assert noise.known
    assert noise.sd > 0.3
    assert "wanders" not in message(made)
    quiet = play(of(), traffic(1000, 0.02))
    assert "how much it wanders by itself is not known" in message(quiet)


def test_the_past_of_good_requests_tells_how_much_the_bad_ones_wander() -> None:
    chance = random.Random(7)

    def wandering(question: Question, now: float) -> Sample:
        if question.step:
            past = [(1000, 1000 - round(10 * chance.choice((0.2, 1, 3)))) for _ in range(480)]
            return History(tuple(past))
        return Counts(980, 1000)

    ratio = {"good": {"metric": "ok"}, "total": {"metric": "t"}}
    good = {**TESTED, "indicator": {"ratio": ratio}, "pass": [{"value": {"gte": 0.95}}]}
    spec = of(good, noiseHistory="8h", baselines=[])
    spec = spec.model_copy(
        update={"plan": spec.plan.model_copy(update={"old_pods": "cart-old-[a-z0-9]+"})}
    )
    [noise] = play(spec, wandering).status.noise
    assert noise.known
    assert noise.sd > 0.3


# Announced beforehand


def test_what_is_needed_is_announced_before_the_window() -> None:
    made = Play(of(COMPARED, baselines=[last(0.01, 900, 600)]), rolled_out(), traffic(90, 0.01))
    made.run()
    said = [
        c.message
        for _, step in made.steps
        for c in step.status.conditions
        if c.type == "Promotable" and c.reason == "WarmingUp"
    ]
    assert said
    assert "errors needs about 3,100 requests to see the declared harm, and expects 450" in said[0]


def test_enough_traffic_is_not_worth_a_word() -> None:
    made = Play(of(COMPARED, baselines=[last(0.01, 9000, 300)]), rolled_out(), traffic(2000, 0.01))
    made.run()
    assert not any(
        "needs about" in c.message for _, step in made.steps for c in step.status.conditions
    )
