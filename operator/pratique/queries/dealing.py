"""One question's sample from what belongs to it. Which of an answer that is, grouping knows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ..judge.samples import Buckets, Counts, Missing, MissingReason, Sample, Value
from .needs import Values
from .questions import Question
from .vectors import Row, Vector

Share = Mapping[Values, Mapping[str, float]]
"""Counts by member and le."""


def sample(question: Question, shares: Sequence[Share]) -> Sample:
    """Counts of a ratio's (part, total), or a latency's buckets."""
    if question.indicator.ratio:
        part, total = shares
        return _counts(question, part, total)
    return _buckets(question, shares[0])


def value(question: Question, vector: Vector) -> Sample:
    """A raw query's one number."""
    query = question.indicator.query
    assert query is not None
    rows = vector.rows
    if not rows:
        return Missing("NoData", "the query gave no series: nothing matches, or there is no data")
    if any(row.ranged for row in rows):
        return Missing(
            "QueryRejected",
            "the query gives samples over time, not one number: wrap it in a function such as "
            "avg_over_time(…)",
        )
    numbers = [row.value for row in rows]
    if len(rows) > 1 and query.aggregate is None:
        return Missing(
            "SeveralSeries",
            f"the query gave {len(rows)} series, which differ in {_differing(rows)}: sum them in "
            "the expression, or say aggregate",
        )
    odd = next((n for n in numbers if not math.isfinite(n)), None)
    if odd is not None:
        return _not_a_number("the query", odd)
    match query.aggregate:
        case "Min":
            number = min(numbers)
        case "Max":
            number = max(numbers)
        case "Mean":
            number = sum(numbers) / len(numbers)
        case _:
            number = sum(numbers)
    return Value(number) if math.isfinite(number) else _not_a_number("the query", number)


def _counts(question: Question, part: Share, total: Share) -> Sample:
    ratio = question.indicator.ratio
    assert ratio is not None
    if not total:
        return Missing("NoData", f"{ratio.total.metric} has no series of this release in the span")
    counted = []
    for metric, share in (
        ((ratio.good or ratio.bad or ratio.total).metric, part),
        (ratio.total.metric, total),
    ):
        number = _sum(count for les in share.values() for count in les.values())
        if isinstance(number, float):
            return _not_a_number(metric, number)
        if number < 0:
            return Missing("NegativeValue", f"{metric} counted {number} events: it is no counter")
        counted.append(number)
    if counted[0] > counted[1]:
        return Missing(
            "PartExceedsTotal",
            f"{counted[0]} {'good' if ratio.good else 'bad'} events of {counted[1]}: the series of "
            f"{ratio.total.metric} must hold those of {(ratio.good or ratio.bad or ratio.total).metric}",
        )
    return Counts(*counted)


def _buckets(question: Question, share: Share) -> Sample:
    latency = question.indicator.latency
    assert latency is not None
    metric = f"{latency.histogram}_bucket"
    if not share:
        return Missing("NoData", f"{metric} has no series of this release in the span")
    scale = 1000.0 if latency.unit == "Milliseconds" else 1.0
    summed: dict[float, list[float]] = {}
    layouts: dict[tuple[float, ...], str] = {}
    for values, les in share.items():
        try:
            edges = {float(le) for le in les}
        except ValueError:
            return Missing("MismatchedBuckets", f"{metric} has buckets whose le is no number")
        layouts.setdefault(tuple(sorted(edges)), values[-1])
        for le, count in les.items():
            summed.setdefault(float(le), []).append(count)
    if len(layouts) > 1:
        first, second = sorted(layouts.values())[:2]
        return Missing(
            "MismatchedBuckets",
            f"{first} and {second} have different bucket edges in {metric}, so their counts cannot "
            "be added",
        )
    counts = [(edge, _sum(counts)) for edge, counts in sorted(summed.items())]
    odd = next((n for _, n in counts if isinstance(n, float)), None)
    if odd is not None:
        return _not_a_number(metric, odd)
    numbers = tuple(int(n) for _, n in counts)
    if not math.isinf(counts[-1][0]) or list(numbers) != sorted(numbers):
        return Missing(
            "MismatchedBuckets",
            f"{metric} is no cumulative histogram: its counts must not fall and end with le=+Inf",
        )
    if numbers[0] < 0:
        return Missing("NegativeValue", f"{metric} counted {numbers[0]} events: it is no counter")
    return Buckets(tuple(edge / scale for edge, _ in counts), numbers)


def _sum(counts: Iterable[float]) -> int | float:
    """The whole number nearest to the sum; the sum itself where it is not finite."""
    total = sum(counts)
    return round(total) if math.isfinite(total) else float(total)


def _not_a_number(what: str, number: float) -> Missing:
    reason: MissingReason = "NotANumber" if math.isnan(number) else "Infinite"
    return Missing(reason, f"{what} gave {number}: a division by zero, or a broken exporter?")


def _differing(rows: Sequence[Row]) -> str:
    names = sorted({name for row in rows for name in row.labels})
    differing = [n for n in names if len({row.labels.get(n) for row in rows}) > 1]
    shown = ", ".join(differing[:5])
    return shown + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")
