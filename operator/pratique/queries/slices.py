"""Good and all events, slice by slice, of a workload or a namespace: one bounded subquery for many slices.

For budgets and agreements over days and months, where the pods of a release do not matter. What differs
from the counts of a release (``grouping``): containers restart and scrapes fail in a month, so a series
that is first seen counts from zero only where its pod, workload or version was seen before. Else it may
be one that was merely not scraped for a while, and its whole past would count as new.

Pure: not here is who asks, and what is kept of the answers (``lifecycle.ledgers``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..judge.samples import Missing
from ..judge.slices import Slice
from ..resources.indicator import Series, ServiceLevelIndicatorSpec
from . import podnames, promql
from .errors import Unasked
from .grouping import Query
from .needs import matchers
from .questions import Provider, Question, Scope
from .vectors import Vector

MAX_POINTS = 11_000
"""Slices a query: what Prometheus itself allows a range query."""
PART_TAG = "pratique_part"


@dataclass(frozen=True)
class Source:
    """Whose events of which indicator, and who is asked."""

    indicator: ServiceLevelIndicatorSpec
    provider: Provider
    namespace: str
    workload: str | None = None
    """The Deployment, StatefulSet or DaemonSet; None: all that there is in the namespace."""


def query(source: Source, begin: datetime, end: datetime, step: timedelta) -> Query:
    """The slices that end after ``begin`` and up to ``end``; both multiples of ``step``.

    Raises Unasked where the indicator cannot be asked so, ValueError for too many slices.
    """
    seconds = step.total_seconds()
    if not 0 < (end - begin) / step <= MAX_POINTS:
        raise ValueError(f"{(end - begin) / step:g} slices cannot be asked at once")
    span = promql.duration((end - begin).total_seconds())
    part, total = _series(source)
    inner = " or ".join(
        f"label_replace(sum({_grown(source, series, total, seconds)}),"
        f"{promql.quoted(PART_TAG)},{promql.quoted(name)},{promql.quoted('')},{promql.quoted('')})"
        for name, series in (("part", part), ("total", total))
    )
    expr = f"({inner})[{span}:{promql.duration(seconds)}]"
    return Query(source.provider, expr, end)


def read(
    source: Source, begin: datetime, end: datetime, step: timedelta, vector: Vector
) -> list[Slice] | Missing:
    """The slices in order, from the query's answer; those without data are there as such."""
    found: dict[str, dict[int, float]] = {"part": {}, "total": {}}
    for row in vector:
        kept = found.get(row.labels.get(PART_TAG, ""))
        if kept is None:
            return Missing("UnexpectedSample", "the answer has other series than were asked for")
        kept |= {round(time * 1000): value for time, value in row.samples}
    part, total = found["part"], found["total"]
    latency = source.indicator.latency
    if latency is not None and latency.threshold is not None and total and not part:
        return Missing(
            "MismatchedBuckets",
            f"{latency.histogram} has no bucket edge at {latency.threshold.total_seconds():g} s: "
            "choose one of its edges as threshold",
        )
    inverted = source.indicator.ratio is not None and source.indicator.ratio.bad is not None
    slices = []
    for number in range(1, round((end - begin) / step) + 1):
        at = round((begin + number * step).timestamp() * 1000)
        whole = total.get(at)
        some = part.get(at, 0.0)
        if whole is None or not (math.isfinite(whole) and math.isfinite(some)):
            slices.append(Slice(None, None))
        else:
            # Where a counter was reset, growth is estimated, and may come out a little off.
            whole, some = max(0.0, whole), max(0.0, some)
            slices.append(Slice(max(0.0, whole - some) if inverted else some, whole))
    return slices


def _grown(source: Source, series: str, total: str, seconds: float) -> str:
    """How much each series grew in a slice.

    In turn: known before and not reset: exact. First seen, of a pod known before: from zero. Else
    what Prometheus estimates from the samples inside.
    """
    span = promql.duration(seconds)
    back = max(300.0, 20 * source.provider.scrape_interval)
    look, both = promql.duration(back), promql.duration(back + seconds)
    by = ",".join(_labels(source))

    def before(of: str) -> str:
        return f"last_over_time({of}[{look}] offset {span})"

    inside = f"max_over_time({series}[{span}])"
    return (
        f"(({inside} - {before(series)}) unless (resets({series}[{both}])>0))"
        f" or (({inside} unless {before(series)}) and on({by}) {before(total)})"
        f" or increase({series}[{span}])"
    )


def _series(source: Source) -> tuple[str, str]:
    """Selectors of the part (good or bad events) and of all events."""
    indicator = source.indicator
    if indicator.ratio:
        part = indicator.ratio.good or indicator.ratio.bad
        assert part is not None
        return _select(source, part), _select(source, indicator.ratio.total)
    if indicator.latency and indicator.latency.threshold is not None:
        latency = indicator.latency
        edge = latency.threshold.total_seconds() if latency.threshold else 0.0
        edge *= 1000 if latency.unit == "Milliseconds" else 1
        buckets = Series(metric=f"{latency.histogram}_bucket", where=latency.where)
        selected = _select(source, buckets)
        return (
            promql.with_matcher(selected, promql.one_of("le", _spellings(edge))),
            promql.with_matcher(selected, 'le="+Inf"'),
        )
    raise Unasked(
        Missing("QueryRejected", "only ratios, and latencies with a threshold, count good events")
    )


def _spellings(edge: float) -> list[str]:
    """How an edge may be written in le: Prometheus 3 makes 1 into 1.0, older ones leave it."""
    short = f"{edge:.12g}"
    return [short, f"{short}.0"] if "." not in short and "e" not in short else [short]


def _labels(source: Source) -> tuple[str, ...]:
    """The labels that tell whose a series is."""
    labels = source.indicator.labels
    namespace = labels.namespace or source.provider.scope_label
    match source.indicator.attribution:
        case "Pod":
            return (namespace, labels.pod)
        case "Workload":
            return (namespace, labels.workload or "")
        case "Version":
            more = (labels.workload,) if labels.workload else ()
            return (namespace, labels.version, *more)


def _select(source: Source, series: Series) -> str:
    labels, workload = source.indicator.labels, source.workload
    namespace = labels.namespace or source.provider.scope_label
    whose = [promql.one_of(namespace, [source.namespace])]
    if workload is not None:
        if source.indicator.attribution == "Pod":
            whose.append(promql.one_of(labels.pod, (), [podnames.of_any_kind(workload)]))
        elif labels.workload:
            whose.append(promql.one_of(labels.workload, [workload]))
        else:
            raise Unasked(
                Missing(
                    "QueryRejected",
                    "labels.workload must name the label that carries the workload's name, as the "
                    "budget is that of one workload",
                )
            )
    question = Question(
        indicator=source.indicator,
        provider=source.provider,
        scope=Scope(namespace=source.namespace, kind="Deployment", workload=workload or ""),
        end=datetime.min,  # noqa: DTZ901 - only its variables are read
        span=0.0,
    )
    return promql.selector(series.metric, (*whose, *matchers(series.where, question)))
