"""Short spellings of objectives and evidence, for the tables and the tests beside them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pratique.judge.objectives import Baseline, Evidence
from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value
from pratique.resources.judgement import Window
from pratique.resources.release import PlannedObjective
from pratique.resources.sensitivity import Sensitivity

HISTOGRAM = "http_request_duration_seconds"
INDICATORS: dict[str, dict[str, Any]] = {
    "bad": {
        "ratio": {
            "bad": {
                "metric": "http_requests_total",
                "where": [{"label": "code", "matches": "5.."}],
            },
            "total": {"metric": "http_requests_total"},
        }
    },
    "good": {"ratio": {"good": {"metric": "answers_ok"}, "total": {"metric": "answers"}}},
    "p95": {"latency": {"histogram": HISTOGRAM, "quantile": 0.95}},
    "p99.9": {"latency": {"histogram": HISTOGRAM, "quantile": 0.999}},
    "within-250ms": {"latency": {"histogram": HISTOGRAM, "threshold": "250ms"}},
    "within-300ms": {"latency": {"histogram": HISTOGRAM, "threshold": "300ms"}},
    "query": {"query": {"expr": 'heap{pod=~"$pods"}'}, "unit": "MiB"},
    "restarts": {"kubernetes": {"signal": "Restarts"}},
    "oom": {"kubernetes": {"signal": "OOMKills"}},
    "unready": {"kubernetes": {"signal": "UnreadyShare"}},
}
BEGIN = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


def window(seconds: float = 600) -> Window:
    return Window(from_=BEGIN, to=BEGIN + timedelta(seconds=seconds))


def objective(
    indicator: str | dict[str, Any],
    pass_: list[dict[str, Any]],
    warn: list[dict[str, Any]] | None = None,
    *,
    min_requests: int = 20,
    name: str = "objective",
    evidence: str = "Point",
) -> PlannedObjective:
    return PlannedObjective.model_validate(
        {
            "name": name,
            "source": "inline",
            "indicator": INDICATORS[indicator] if isinstance(indicator, str) else indicator,
            "pass": pass_,
            "warn": warn or [],
            "minRequests": min_requests,
            "evidence": evidence,
        }
    )


def evidence(
    sample: Sample,
    *,
    looks: int = 10,
    answered: int | None = None,
    seconds: float = 600,
    **more: Any,
) -> Evidence:
    if answered is None:
        answered = 0 if isinstance(sample, Missing) else looks
    given: dict[str, Any] = {
        "release": "checkout-2",
        "provider": "monitoring/default",
        "query": "up",
        "final": True,
        **more,
    }
    gap = Missing("NoData", "nothing came")
    each = tuple(sample if i < answered else gap for i in range(looks))
    return Evidence(looks=each, planned=looks, whole=sample, window=window(seconds), **given)


def baseline(value: float, samples: int | None = 1000, release: str = "checkout-1") -> Baseline:
    return Baseline("LastPromotable", release, value, samples)


def read_sample(row: dict[str, Any]) -> Sample:
    """``counts: [part, total]``, ``buckets: {edge: count}``, ``value: x`` or ``missing: reason``."""
    if "counts" in row:
        return Counts(*row["counts"])
    if "buckets" in row:
        given = {float(edge): count for edge, count in row["buckets"].items()}
        return Buckets(tuple(given), tuple(given.values()))
    if "missing" in row:
        return Missing(row["missing"], row.get("says", "nothing came"))
    return Value(float(row["value"]))


def read_case(row: dict[str, Any]) -> tuple[PlannedObjective, Evidence, list[Baseline]]:
    """A row of a table; columns it does not know are an error of the table."""
    known = {
        *("name", "indicator", "pass", "warn", "minRequests", "counts", "buckets", "value"),
        *("missing", "says", "baseline", "baselineSamples", "looks", "answered", "seconds"),
        *("final", "expect", "change", "says"),
        *("each", "beside", "planned", "extended", "sensitivity", "baselineSeconds"),
    }
    assert set(row) <= known, f"unknown columns {set(row) - known}"
    if "each" in row:
        return _look_by_look(row)
    given = row.get("baseline")
    return (
        objective(
            row["indicator"],
            row.get("pass", []),
            row.get("warn"),
            min_requests=row.get("minRequests", 20),
        ),
        evidence(
            read_sample(row),
            looks=row.get("looks", 10),
            answered=row.get("answered"),
            seconds=row.get("seconds", 600),
            final=row.get("final", True),
        ),
        [] if given is None else [baseline(float(given), row.get("baselineSamples", 1000))],
    )


def _look_by_look(row: dict[str, Any]) -> tuple[PlannedObjective, Evidence, list[Baseline]]:
    """``each``: what each look gave, judged conclusively; ``beside``: a baseline of the same minutes."""
    plan = objective(
        row["indicator"], row.get("pass", []), row.get("warn"), evidence="Conclusive"
    ).model_copy(
        update={"sensitivity": Sensitivity.model_validate(row["sensitivity"])}
        if "sensitivity" in row
        else {}
    )
    looks = _samples(row["each"])
    seen = replace(
        evidence(looks[0], seconds=row.get("seconds", 60 * len(looks))),
        looks=looks,
        whole=None,
        planned=row.get("planned", len(looks)),
        extended=row.get("extended", 0),
        final=row.get("final", True),
    )
    baselines = []
    if "beside" in row:
        baselines.append(Baseline("OldPods", "checkout-1", math.nan, looks=_samples(row["beside"])))
    if "baseline" in row:
        given = baseline(float(row["baseline"]), row.get("baselineSamples", 1000))
        baselines.append(replace(given, seconds=row.get("baselineSeconds")))
    return plan, seen, baselines


def _samples(each: list[Any]) -> tuple[Sample, ...]:
    return tuple(
        Missing("NoData", "nothing came")
        if x is None
        else Counts(*x)
        if isinstance(x, list)
        else read_sample(x)
        if isinstance(x, dict)
        else Value(float(x))
        for x in each
    )


INF = math.inf
