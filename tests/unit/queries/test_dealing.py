"""What an answer means: one number, counts, buckets, or what is missing and why."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value
from pratique.queries.dealing import sample, value
from pratique.queries.vectors import Row, Vector
from unit.queries.asking import errors, latency, query, question

A, B = ("shop", "a-1-x"), ("shop", "a-1-y")


@pytest.mark.parametrize(
    ("aggregate", "numbers", "expected"),
    [
        (None, [2.5], Value(2.5)),
        ("Sum", [1, 2.5], Value(3.5)),
        ("Min", [1, 2.5], Value(1)),
        ("Max", [1, 2.5], Value(2.5)),
        ("Mean", [1, 2], Value(1.5)),
        (None, [math.nan], "NotANumber"),
        (None, [math.inf], "Infinite"),
        ("Max", [1, math.nan], "NotANumber"),
        ("Sum", [1e308, 1e308], "Infinite"),
        (None, [], "NoData"),
        (None, [1, 1], "SeveralSeries"),
    ],
)
def test_one_number(aggregate: str | None, numbers: list[float], expected: Value | str) -> None:
    rows = Vector.of(*(({"pod": str(i)}, n) for i, n in enumerate(numbers)))
    got = value(query("x", aggregate=aggregate), rows)
    assert (got.reason if isinstance(got, Missing) else got) == expected


def test_several_series_names_the_labels_that_differ() -> None:
    rows = Vector.of(({"a": "1", "b": "2"}, 1), ({"a": "1", "b": "3", "c": ""}, 1))
    got = value(query("x"), rows)
    assert isinstance(got, Missing)
    assert "2 series, which differ in b, c:" in got.message


def test_a_range_is_no_number() -> None:
    got = value(query("x[5m]"), Vector((Row({}, ((1, 1), (2, 2)), ranged=True),)))
    assert isinstance(got, Missing)
    assert got.reason == "QueryRejected"
    assert "avg_over_time" in got.message


@pytest.mark.parametrize(
    ("part", "total", "expected"),
    [
        ({A: {"": 1}, B: {"": 2}}, {A: {"": 10}, B: {"": 5}}, Counts(3, 15)),
        ({}, {A: {"": 10}}, Counts(0, 10)),
        ({}, {A: {"": 0}}, Counts(0, 0)),
        ({A: {"": 1}}, {}, "NoData"),
        ({A: {"": 11}}, {A: {"": 10}}, "PartExceedsTotal"),
        ({A: {"": -1}}, {A: {"": 10}}, "NegativeValue"),
        ({A: {"": math.nan}}, {A: {"": 10}}, "NotANumber"),
        ({}, {A: {"": math.inf}}, "Infinite"),
    ],
)
def test_ratio(
    part: Mapping[tuple[str, str], Mapping[str, float]],
    total: Mapping[tuple[str, str], Mapping[str, float]],
    expected: Sample | str,
) -> None:
    got = sample(errors("a"), [part, total])
    assert (got.reason if isinstance(got, Missing) else got) == expected


INF = math.inf


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (
            {A: {"0.3": 1, "+Inf": 2}, B: {"0.3": 3, "+Inf": 5}},
            Buckets((0.3, INF), (4, 7)),
        ),
        ({A: {"1": 1, "+Inf": 2}, B: {"1.0": 3, "+Inf": 5}}, Buckets((1.0, INF), (4, 7))),
        ({A: {"+Inf": 2}}, Buckets((INF,), (2,))),
        ({}, "NoData"),
        ({A: {"0.3": 1, "+Inf": 2}, B: {"0.5": 3, "+Inf": 5}}, "MismatchedBuckets"),
        ({A: {"0.3": 1}}, "MismatchedBuckets"),
        ({A: {"0.3": 3, "+Inf": 2}}, "MismatchedBuckets"),
        ({A: {"fast": 3, "+Inf": 3}}, "MismatchedBuckets"),
        ({A: {"0.3": math.nan, "+Inf": 3}}, "NotANumber"),
    ],
)
def test_buckets(
    share: Mapping[tuple[str, str], Mapping[str, float]], expected: Sample | str
) -> None:
    got = sample(latency("a"), [share])
    assert (got.reason if isinstance(got, Missing) else got) == expected


def test_edges_in_milliseconds_become_seconds() -> None:
    spec = {"histogram": "duration_ms", "quantile": 0.5, "unit": "Milliseconds"}
    got = sample(question("a", latency=spec), [{A: {"300": 1, "+Inf": 2}}])
    assert got == Buckets((0.3, INF), (1, 2))
