"""How far a value went from the anchor: told at the end, and by the test where there is one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pratique.judge.objectives import Baseline, Evidence, Terms, judge_objective
from pratique.judge.samples import Buckets, Counts, Sample, Value
from pratique.judge.spreads import spread
from pratique.resources.judgement import ObjectiveResult
from unit.judge.cases import evidence, objective, window

LAST = Baseline("LastPromotable", "checkout-8", 0.011, 100_000)
WIDE: list[dict[str, Any]] = [{"value": {"lte": 0.05}, "change": {"lte": "60%"}}]


def seen(*looks: Sample, final: bool = True) -> Evidence:
    given = replace(evidence(looks[0]), looks=looks, whole=None, planned=10, final=final)
    return replace(given, window=window(60 * len(looks)))


def judged(
    indicator: str,
    pass_: list[dict[str, Any]],
    looks: Evidence,
    anchor: Baseline | None,
    last: Baseline = LAST,
    kind: str = "Conclusive",
    drift: float = 20.0,
) -> ObjectiveResult:
    plan = objective(indicator, pass_, evidence=kind)
    return judge_objective(plan, looks, [last], Terms(drift=drift, anchor=anchor))


def anchor(value: float, samples: int | None = 10_000) -> Baseline:
    return Baseline("LastPromotable", "checkout-1", value, samples)


def test_counts_beyond_the_drift_by_chance_are_no_drift() -> None:
    found = judged("bad", WIDE, seen(*[Counts(13, 1000)] * 3), anchor(0.01))
    assert found.result == "Pass", found.message


def test_counts_beyond_the_drift_for_sure_fail_and_say_how_sure() -> None:
    found = judged("bad", WIDE, seen(*[Counts(130, 10_000)] * 10), anchor(0.004, 100_000))
    assert (found.result, found.reason) == ("Fail", "DriftExceeded")
    assert found.message == (
        'the share of bad requests (http_requests_total{code=~"5.."}) is 1.3 %: +225 % against '
        "checkout-1 (0.4 %), from which it may drift by +20 % in all; 130 harmful events by look 1 of "
        "10, beside all that checkout-1 had: chance alone brings so many to less than 0.1 % of healthy "
        "releases; 1,300 of 100,000 requests in 10m from 12:00:10 to 12:10:10 UTC."
    )
    assert found.statistic is not None
    assert found.statistic.method == "RatioTest"


def test_counts_beyond_the_drift_that_could_be_chance_or_not_pass_nothing() -> None:
    # The release's own bounds pass; a fivefold drift in so few requests would not have shown.
    bounds = [{"value": {"lte": 0.2}}, {"change": {"lte": "60%"}}]
    found = judged("bad", bounds, seen(*[Counts(9, 300)] * 3), anchor(0.016, 400))
    assert (found.result, found.reason) == ("NotJudged", "InsufficientTraffic")
    assert "may drift by +20 % in all" in found.message
    assert "too few requests to see" in found.message


def test_before_the_end_one_look_is_no_drift() -> None:
    bounds = [{"value": {"lte": 5}, "change": {"lte": "300%"}}]
    last = Baseline("LastPromotable", "checkout-8", 1.5)
    early = judged("query", bounds, seen(Value(2.0), final=False), anchor(1.0, None), last)
    assert (early.result, early.reason) == ("NotJudged", "Evaluating")
    over = judged("query", bounds, seen(Value(2.0)), anchor(1.0, None), last)
    assert (over.result, over.reason) == ("Fail", "DriftExceeded")


def test_values_look_by_look_are_tested_against_the_anchors_looks() -> None:
    def ends(*values: float) -> ObjectiveResult:
        then = spread([1.0, 1.1, 0.9, 1.05, 0.95, 1.0])
        first = Baseline("LastPromotable", "checkout-1", 1.0, spread=then)
        last = Baseline("LastPromotable", "checkout-8", values[-1])
        bounds = [{"change": {"lte": "60%"}}]
        return judged("query", bounds, seen(*map(Value, values)), first, last)

    steady = (1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.01)
    assert ends(*steady, 1.25).result == "Pass", "the last look alone is no drift"
    assert ends(*[1.9 * v for v in steady]).reason == "DriftExceeded"


@pytest.mark.parametrize(("now", "result"), [(10, "Pass"), (300, "Fail")])
def test_below_the_floor_no_drift_is_harm(now: int, result: str) -> None:
    bounds = [{"value": {"lte": 0.05}, "change": {"lte": "60%", "floor": 0.005}}]
    last = Baseline("LastPromotable", "checkout-8", now / 10_000, 100_000)
    found = judged("bad", bounds, seen(*[Counts(now, 10_000)] * 3), anchor(0.0), last)
    assert found.result == result, found.message


def test_a_fall_drifts_downwards() -> None:
    bounds = [{"change": {"gte": "-5%"}}]
    last = Baseline("LastPromotable", "checkout-8", 0.7, 100_000)
    found = judged("good", bounds, seen(*[Counts(700, 1000)] * 5), anchor(0.99), last)
    assert found.reason == "DriftExceeded"
    assert "may drift by -20 % in all" in found.message
    up = Baseline("LastPromotable", "checkout-8", 0.99, 100_000)
    assert judged("good", bounds, seen(*[Counts(990, 1000)] * 5), anchor(0.7), up).result == "Pass"


def test_a_bracket_that_may_lie_beyond_is_not_judged() -> None:
    sample = Buckets((0.1, 0.2, 0.4, math.inf), (0, 500, 1000, 1000))
    bounds = [{"value": {"gte": 0.4}}, {"change": {"gte": "-60%"}}]
    last = Baseline("LastPromotable", "checkout-8", 0.5)
    plan = ("within-300ms", bounds, seen(*[sample] * 3))
    found = judged(*plan, anchor(0.9, None), last, kind="Point")
    assert (found.result, found.reason) == ("NotJudged", "ThresholdBetweenBuckets")


@pytest.mark.parametrize(
    "given",
    [
        None,
        Baseline("LastPromotable", "checkout-1", math.nan),
        Baseline("LastPromotable", "checkout-1", math.inf),
    ],
)
def test_without_an_anchor_the_sentence_says_so(given: Baseline | None) -> None:
    found = judged("bad", WIDE, seen(*[Counts(11, 1000)] * 10), given)
    assert found.result == "Pass"
    assert found.message.endswith(
        "; its drift was not judged, as there is no release to count it from."
    )
    plain = judged("bad", [{"value": {"lte": 0.05}}], seen(*[Counts(11, 1000)] * 10), given)
    assert "drift" not in plain.message, "what is not compared does not drift"
