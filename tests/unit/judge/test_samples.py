"""Samples: pooled without surprises, histograms read as Prometheus reads them."""

from __future__ import annotations

import math

import pytest

from pratique.judge.measuring import Measured, measure, unit_of
from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value, pool
from unit.judge.cases import INF, objective


def test_counts_add_up() -> None:
    assert pool([Counts(1, 10), Counts(0, 0), Counts(2, 30)]) == Counts(3, 40)


def test_missing_spans_are_passed_over_until_all_are() -> None:
    gap = Missing("ProviderError", "away")
    assert pool([gap, Counts(1, 10), gap]) == Counts(1, 10)
    assert pool([Missing("NoData", "nothing"), gap]) == gap
    assert isinstance(pool([]), Missing)


def test_of_single_values_the_last_stands() -> None:
    assert pool([Value(1.0), Value(3.0), Missing("NoData", "")]) == Value(3.0)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([Counts(1, 10), Value(1.0)], "UnexpectedSample"),
        ([Value(1.0), Counts(1, 10)], "UnexpectedSample"),
        ([Counts(1, 10), Buckets((INF,), (1,))], "UnexpectedSample"),
        ([Buckets((0.1, INF), (1, 2)), Buckets((0.2, INF), (1, 2))], "MismatchedBuckets"),
        ([Buckets((0.1, INF), (1, 2)), Buckets((0.1, INF), (1,))], "MismatchedBuckets"),
        ([Counts(5, 10), Counts(-5, 10)], "NegativeValue"),
        ([Buckets((0.1, INF), (5, 5)), Buckets((0.1, INF), (-1, 5))], "NegativeValue"),
    ],
)
def test_what_cannot_be_added_is_missing(samples: list[Sample], reason: str) -> None:
    pooled = pool(samples)
    assert isinstance(pooled, Missing)
    assert pooled.reason == reason


@pytest.mark.parametrize(
    ("q", "value"),
    [
        (0.25, 0.05),  # inside the first bucket, from 0
        (0.5, 0.1),  # at its edge
        (0.75, 0.3),  # over the empty bucket, in the middle of the next
        (1.0, 0.4),
    ],
)
def test_quantiles_as_histogram_quantile(q: float, value: float) -> None:
    buckets = Buckets((0.1, 0.2, 0.4, INF), (50, 50, 100, 100))
    assert buckets.quantile(q) == pytest.approx(value)
    assert buckets.beyond(q) is None


def test_quantiles_beyond_the_last_edge() -> None:
    buckets = Buckets((0.1, 1.0, INF), (50, 90, 100))
    assert buckets.quantile(0.95) == buckets.beyond(0.95) == 1.0
    assert buckets.beyond(0.9) is None
    assert Buckets((INF,), (5,)).beyond(0.5) == 0.0
    assert Buckets((0.1, INF), (0, 0)).beyond(0.5) is None


def test_neighbouring_edges() -> None:
    buckets = Buckets((0.1, 1.0, INF), (50, 90, 100))
    assert buckets.neighbours(0.05) == (0.0, 0.1)
    assert buckets.neighbours(0.5) == (0.1, 1.0)
    assert buckets.neighbours(5.0) == (1.0, math.inf)
    assert buckets.within(5.0) == (90, 100)


@pytest.mark.parametrize(
    ("indicator", "sample", "expected"),
    [
        ("bad", Counts(3, 60), Measured(0.05, "ratio", 60, 3)),
        ("bad", Counts(0, 0), Measured(None, "ratio", 0, 0)),
        ("p95", Buckets((0.1, INF), (0, 0)), Measured(None, "s", 0)),
        ("p95", Buckets((0.1, INF), (5, 10)), Measured(0.1, "s", 10, bracket=(0.1, INF))),
        ("within-300ms", Buckets((0.3, INF), (9, 10)), Measured(0.9, "ratio", 10, 9)),
        ("within-300ms", Counts(9, 10), Measured(0.9, "ratio", 10, 9)),
        (
            "within-250ms",
            Buckets((0.2, 0.3, INF), (5, 9, 10)),
            Measured(None, "ratio", 10, bracket=(0.5, 0.9), edges=(0.2, 0.3)),
        ),
        ("query", Value(3.5), Measured(3.5, "MiB")),
        ("restarts", Value(2.0), Measured(2.0, "restarts")),
        ("oom", Value(2.0), Measured(2.0, "OOM kills")),
        ("unready", Value(0.1), Measured(0.1, "share")),
    ],
)
def test_measuring(indicator: str, sample: Sample, expected: Measured) -> None:
    spec = objective(indicator, []).indicator
    assert measure(spec, sample) == expected
    assert unit_of(spec) == expected.unit


@pytest.mark.parametrize(
    ("indicator", "sample", "reason"),
    [
        ("bad", Counts(1, 10**400), "NotANumber"),
        ("p95", Buckets((0.1, INF), (0, 10**400)), "NotANumber"),
        ("p95", Buckets((), ()), "MismatchedBuckets"),
        ("p95", Buckets((0.3, 0.1, INF), (1, 1, 1)), "MismatchedBuckets"),
        ("p95", Buckets((math.nan, INF), (1, 1)), "MismatchedBuckets"),
        ("p95", Buckets((0.1, INF), (1,)), "MismatchedBuckets"),
        ("p95", Counts(1, 2), "UnexpectedSample"),
        ("query", Counts(1, 2), "UnexpectedSample"),
    ],
)
def test_senseless_figures_are_missing(indicator: str, sample: Sample, reason: str) -> None:
    measured = measure(objective(indicator, []).indicator, sample)
    assert isinstance(measured, Missing)
    assert measured.reason == reason
