"""Many slices in one query, and what its answer says. What Prometheus makes of it: see integration."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique.judge.samples import Missing
from pratique.judge.slices import Slice
from pratique.queries.errors import Unasked
from pratique.queries.questions import Provider
from pratique.queries.slices import PART_TAG, Source, query, read
from pratique.queries.vectors import Row, Vector
from pratique.resources.indicator import ServiceLevelIndicatorSpec

T0 = datetime(2026, 3, 1, tzinfo=UTC)
END = T0 + timedelta(minutes=4)
STEP = timedelta(minutes=1)
BAD = {"ratio": {"bad": {"metric": "errors_total"}, "total": {"metric": "requests_total"}}}
GOOD = {"ratio": {"good": {"metric": "fine_total"}, "total": {"metric": "requests_total"}}}
FAST = {"latency": {"histogram": "took_seconds", "threshold": "300ms"}}


def source(given: dict[str, Any], workload: str | None = None, **more: Any) -> Source:
    indicator = ServiceLevelIndicatorSpec.model_validate({**given, **more})
    return Source(indicator, Provider("shop", "default"), "shop", workload)


def expr(of: Source) -> str:
    return query(of, T0, END, STEP).expr


def answer(part: list[float | None] | None, total: list[float | None] | None) -> Vector:
    rows = []
    for name, values in (("part", part), ("total", total)):
        if values is not None:
            samples = [
                (T0.timestamp() + 60 * (n + 1), v) for n, v in enumerate(values) if v is not None
            ]
            rows.append(Row({PART_TAG: name}, tuple(samples), ranged=True))
    return Vector(tuple(rows))


def test_it_is_one_bounded_subquery() -> None:
    asked = query(source(BAD), T0, END, STEP)
    assert asked.expr.endswith("[4m:1m]")
    assert asked.time == END
    with pytest.raises(ValueError, match="12000 slices cannot be asked at once"):
        query(source(BAD), T0, T0 + 12_000 * STEP, STEP)


def test_a_workloads_pods_are_told_from_those_of_its_namesakes() -> None:
    [matcher] = set(re.findall(r'namespace="shop",pod=~"([^"]+)"', expr(source(BAD, "web"))))
    mine = ("web-7d9f8c-x2k4p", "web-0", "web-12", "web-x2k4p")
    others = ("web", "web-api-7d9f8c-x2k4p", "web-api-0", "webs-0", "web-x2k4")
    assert [bool(re.fullmatch(matcher, p)) for p in (*mine, *others)] == [True] * 4 + [False] * 5
    assert "pod=~" not in expr(source(BAD))
    mesh = {"attribution": "Workload", "labels": {"workload": "app"}}
    assert 'namespace="shop",app="web"' in expr(source(BAD, "web", **mesh))
    assert "on(namespace,app)" in expr(source(BAD, "web", **mesh))
    with pytest.raises(Unasked) as caught:
        query(source(BAD, "web", attribution="Version"), T0, END, STEP)
    assert "labels.workload" in caught.value.missing.message


def test_an_edge_is_found_however_it_is_written() -> None:
    assert 'le="0.3"' in expr(source(FAST))
    second = {"latency": {"histogram": "took_seconds", "threshold": "1s"}}
    assert 'le=~"(1|1\\\\.0)"' in expr(source(second))
    milli = {"latency": {"histogram": "took_ms", "threshold": "300ms", "unit": "Milliseconds"}}
    assert 'le=~"(300|300\\\\.0)"' in expr(source(milli))


@pytest.mark.parametrize(
    ("given", "part", "total", "found"),
    [
        (BAD, [1, 0, 2, 3], [10, 10, 10, 0], [(9, 10), (10, 10), (8, 10), (0, 0)]),
        (BAD, None, [10, 10, None, 0], [(10, 10), (10, 10), None, (0, 0)]),
        (BAD, [1, None, None, 1], [10, 10, None, None], [(9, 10), (10, 10), None, None]),
        (GOOD, None, [10, 10, 10, 10], [(0, 10)] * 4),
        (GOOD, [10, 9, 8, 7], [10, 10, 10, 10], [(10, 10), (9, 10), (8, 10), (7, 10)]),
        (FAST, [10, 9, None, 7], [10, 10, 10, 10], [(10, 10), (9, 10), (0, 10), (7, 10)]),
        (BAD, [math.nan, math.inf, -1, 0], [10, 10, 10, -1], [None, None, (10, 10), (0, 0)]),
        (BAD, None, None, [None] * 4),
    ],
)
def test_what_the_answer_says(given: Any, part: Any, total: Any, found: Any) -> None:
    got = read(source(given), T0, END, STEP, answer(part, total))
    assert got == [Slice(None, None) if f is None else Slice(*map(float, f)) for f in found]


def test_a_threshold_that_is_no_edge_is_no_slow_service() -> None:
    got = read(source(FAST), T0, END, STEP, answer(None, [10, 10, 10, 10]))
    assert isinstance(got, Missing)
    assert "took_seconds has no bucket edge at 0.3 s" in got.message


def test_samples_on_the_begin_belong_to_the_slices_before() -> None:
    # Prometheus before 3.0 answers the point at the begin too.
    rows = (Row({PART_TAG: "total"}, ((T0.timestamp(), 99.0), (T0.timestamp() + 60, 1.0)), True),)
    got = read(source(BAD), T0, END, STEP, Vector(rows))
    assert isinstance(got, list)
    assert got[0] == Slice(1.0, 1.0)
