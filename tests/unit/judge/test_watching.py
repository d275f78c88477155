"""Watching one objective: how often a healthy release is called, and how soon a sick one is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge.baselines import Baseline
from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value
from pratique.judge.statistics.anytime import HARMS
from pratique.judge.statistics.laws import Noise
from pratique.judge.watching import HARMS as COUNT
from pratique.judge.watching import Counted, alone, examine, take_in
from pratique.resources.judgement import Window
from pratique.resources.release import PlannedObjective
from unit.lifecycle.builders import ERRORS, HEAP, plan

T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)
WINDOW = Window(from_=T0, to=T0 + timedelta(hours=1))
LOOKS = 60
TESTED = {k: v for k, v in ERRORS.items() if k != "evidence"}


def objective(of: dict[str, Any] = TESTED, **more: Any) -> PlannedObjective:
    return plan([{**of, **more}]).objectives[0]


def bounded(**bound: Any) -> PlannedObjective:
    return objective(**{"pass": [bound]})


def watched(
    of: PlannedObjective,
    rates: list[float],
    rng: np.random.Generator,
    baseline: Baseline | None = None,
    beside: float | None = None,
    requests: int = 200,
) -> int | None:
    """The look at which harm is called."""
    counted = Counted()
    for look, rate in enumerate(rates, 1):
        other = None if beside is None else Counts(int(rng.binomial(requests, beside)), requests)
        sample = Counts(int(rng.binomial(requests, rate)), requests)
        counted = take_in(of, counted, sample, other, None)
        if examine(of, counted, baseline, None, WINDOW).result == "Fail":
            return look
    return None


def test_as_many_harms_are_kept_as_are_reckoned_with() -> None:
    assert len(HARMS) == COUNT


def test_at_its_bound_hardly_a_watch_is_revoked() -> None:
    rng = np.random.default_rng(5)
    of = bounded(value={"lte": 0.01})
    calls = sum(watched(of, [0.01] * LOOKS, rng) is not None for _ in range(400))
    assert calls <= 0.01 * 400 + 3


def test_at_the_edge_of_its_baseline_hardly_a_watch_is_revoked() -> None:
    rng = np.random.default_rng(6)
    of, calls = bounded(change={"lte": "10%"}), 0
    for _ in range(300):
        share = rng.binomial(2000, 0.02) / 2000
        baseline = Baseline("LastPromotable", "cart-1", share, 2000, 600)
        calls += watched(of, [0.022] * LOOKS, rng, baseline) is not None
    assert calls <= 0.01 * 300 + 3


def test_beside_another_workload_hardly_a_watch_is_revoked() -> None:
    rng = np.random.default_rng(7)
    of, based = bounded(change={"lte": "10%"}), Baseline("Workload", "stable", float("nan"))
    calls = sum(
        watched(of, [0.02] * LOOKS, rng, based, beside=0.02) is not None for _ in range(200)
    )
    assert calls <= 0.01 * 200 + 3
    found = [watched(of, [0.08] * LOOKS, rng, based, beside=0.02) for _ in range(50)]
    assert None not in found


def test_twice_the_allowed_rate_is_called() -> None:
    rng = np.random.default_rng(8)
    of = bounded(value={"lte": 0.01})
    found = [watched(of, [0.02] * LOOKS, rng) for _ in range(200)]
    assert sum(x is not None for x in found) >= 190
    gross = [watched(of, [0.3] * LOOKS, rng) for _ in range(20)]
    assert gross == [1] * 20


def test_a_share_that_may_not_fall_is_watched_from_the_other_side() -> None:
    rng = np.random.default_rng(9)
    of = bounded(value={"gte": 0.99})
    assert watched(of, [0.995] * LOOKS, rng) is None
    assert watched(of, [0.9] * LOOKS, rng) == 1
    falling = bounded(change={"gte": "-1%"})
    baseline = Baseline("LastPromotable", "cart-1", 0.99, 5000, 600)
    assert watched(falling, [0.99] * LOOKS, rng, baseline) is None
    assert watched(falling, [0.9] * LOOKS, rng, baseline) is not None


def test_what_wanders_by_itself_is_given_room() -> None:
    of = bounded(change={"lte": "10%"})
    baseline = Baseline("LastPromotable", "cart-1", 0.01, 100_000, 600)
    counted = Counted(12_000, 240, 240)
    assert examine(of, counted, baseline, None, WINDOW).result == "Fail"
    assert examine(of, counted, baseline, Noise(0.5, 0.5, True), WINDOW).result == "Pass"


def test_a_floor_below_which_no_change_is_harm_holds() -> None:
    of = bounded(change={"lte": "10%", "floor": 0.05})
    baseline = Baseline("LastPromotable", "cart-1", 0.001, 100_000, 600)
    assert examine(of, Counted(12_000, 500, 500), baseline, None, WINDOW).result == "Pass"
    assert examine(of, Counted(12_000, 1200, 1200), baseline, None, WINDOW).result == "Fail"


def test_without_its_baseline_a_change_alone_is_not_watched() -> None:
    of = bounded(change={"lte": "10%"})
    assert examine(of, Counted(12_000, 12_000, 12_000), None, None, WINDOW).result == "Pass"


def test_all_alternatives_must_be_broken() -> None:
    of = objective(**{"pass": [{"value": {"lte": 0.01}}], "warn": [{"value": {"lte": 0.1}}]})
    assert examine(of, Counted(12_000, 600, 600), None, None, WINDOW).result == "Pass"
    assert examine(of, Counted(12_000, 2400, 2400), None, None, WINDOW).result == "Fail"


def test_the_sentence_says_what_when_and_how_surely() -> None:
    found = examine(bounded(value={"lte": 0.01}), Counted(1000, 300, 300), None, None, WINDOW)
    for part in ("30 %", "≤ 1 %", "1,000 requests", "1 %"):
        assert part in found.message, found.message


def test_a_threshold_within_a_bucket_is_read_kindly() -> None:
    latency = {
        "name": "fast",
        "indicator": {"latency": {"histogram": "http_request_duration_seconds", "threshold": "200ms"}},
        "pass": [{"value": {"gte": 0.95}}],
    }  # fmt: skip
    of = objective(latency)
    sample = Buckets((0.1, 0.3, float("inf")), (500, 1000, 1000))
    counted = take_in(of, Counted(), sample, None, None)
    assert (counted.least, counted.most, counted.requests) == (500, 1000, 1000)
    assert examine(of, counted, None, None, WINDOW).result == "Pass"


def test_one_look_alone_says_nothing_of_a_change() -> None:
    heap = objective(HEAP, **{"pass": [{"change": {"lte": "10%"}}]})
    assert alone(heap, Value(1e9)).result == "NotJudged"
    assert alone(objective(HEAP), Value(1e9)).result == "Fail"


samples = st.one_of(
    st.tuples(st.integers(0, 300), st.floats(0, 1)).map(lambda x: Counts(round(x[0] * x[1]), x[0])),
    st.just(Missing("NoData", "none")),
)
bounds = st.sampled_from(
    [
        {"value": {"lte": 0.0}}, {"value": {"lte": 1.0}}, {"value": {"between": [0.1, 0.2]}},
        {"value": {"eq": 0.1}}, {"change": {"lte": "0%"}}, {"change": {"delta": {"lte": 0.1}}},
        {"change": {"delta": {"gte": -0.1}}}, {"change": {"gte": "-5%"}},
        {"value": {"gte": 1.0}, "change": {"lte": "10%", "floor": 0.01}},
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    bounds,
    st.lists(samples, max_size=8),
    st.none() | st.floats(0, 1),
    st.none() | samples,
)
def test_nothing_raises_and_silence_never_fails(
    bound: dict[str, Any], given_: list[Sample], was: float | None, beside: Sample | None
) -> None:
    of = bounded(**bound)
    baseline = None if was is None else Baseline("Fixed", "the policy", was, None, None)
    counted = Counted()
    for sample in given_:
        counted = take_in(of, counted, sample, beside, None)
    found = examine(of, counted, baseline, None, WINDOW)
    assert found.result in ("Pass", "Fail")
    if not counted.requests:
        assert found.result == "Pass"


@pytest.mark.parametrize("role", [{"informational": True}, {"dryRun": True}])
def test_what_decides_nothing_revokes_nothing(role: dict[str, Any]) -> None:
    of = objective(**role)
    found = examine(of, Counted(1000, 900, 900), None, None, WINDOW)
    assert found.result == "Informational" or found.dry_run
