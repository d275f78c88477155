"""What a sample says of an indicator: a value with its unit, a bracket, or why there is none.

Counts, histograms and values that make no sense (NaN, negative counts, more bad events than events)
come out as Missing with their own reason, never as a number.

Not here: bounds, baselines, whether there is enough of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from ..resources.indicator import KubernetesIndicator, LatencyIndicator, ServiceLevelIndicatorSpec
from .samples import Buckets, Counts, History, Missing, Sample, Value

RATIO = "ratio"
SECONDS = "s"
SIGNAL_UNITS = {"Restarts": "restarts", "OOMKills": "OOM kills", "UnreadyShare": "share"}
_CAME = {Counts: "counts", Buckets: "a histogram", Value: "a single value", History: "a history"}
_MOST = 2**63
"""More events than this nobody counted."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An indicator's value over the time judged."""

    value: float | None
    """In the unit; none without events, and where only a bracket is known."""
    unit: str | None
    """s, ratio (a share from 0 to 1), restarts, OOM kills, share, or the indicator's own."""
    samples: int | None = None
    """How many requests it rests on; none for single values."""
    part: int | None = None
    """Of a ratio or a share within a threshold: how many of the samples are in it."""
    bracket: tuple[float, float] | None = None
    """(least, most) where the value is known no better: a threshold between two bucket edges, or a
    quantile beyond the last finite edge, whose most is +Inf and whose value is the least."""
    edges: tuple[float, float] | None = None
    """The bucket edges, in seconds, around a threshold that is none."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """(least, most): both the value where it is known; None without events."""
        if self.bracket is not None:
            return self.bracket
        return None if self.value is None else (self.value, self.value)


def measure(indicator: ServiceLevelIndicatorSpec, sample: Sample) -> Measured | Missing:
    """What the sample says of the indicator; the Missing itself, or a new one for senseless figures."""
    match sample:
        case Missing():
            return sample
        case Counts() if indicator.ratio:
            return _share(sample)
        case Counts() if indicator.latency and indicator.latency.threshold is not None:
            return _share(sample)
        case Buckets() if indicator.latency:
            return _flaw(sample) or _latency(indicator.latency, sample)
        case Value() if indicator.query:
            return _finite(sample) or Measured(sample.value, unit_of(indicator))
        case Value() if indicator.kubernetes:
            return _finite(sample) or _signal(indicator.kubernetes, sample.value)
    return Missing(
        "UnexpectedSample",
        f"{_CAME[type(sample)]} came where the indicator wants something else",
    )


def unit_of(indicator: ServiceLevelIndicatorSpec) -> str | None:
    """The unit of its values, known before anything was measured."""
    if indicator.kubernetes:
        return SIGNAL_UNITS[indicator.kubernetes.signal]
    if indicator.query:
        return indicator.unit
    return SECONDS if indicator.latency and indicator.latency.quantile is not None else RATIO


def _share(counts: Counts) -> Measured | Missing:
    part, total = counts.part, counts.total
    if part < 0 or total < 0:
        return Missing(
            "NegativeValue",
            f"{min(part, total):,} events were counted, and counts are never below zero",
        )
    if part > total:
        return Missing(
            "PartExceedsTotal",
            f"{part:,} of {total:,} events cannot be: choose a metric for total that counts the "
            "good or bad events too",
        )
    if total > _MOST:
        return _too_many()
    return Measured(counts.value, RATIO, total, part)


def _latency(latency: LatencyIndicator, buckets: Buckets) -> Measured:
    total = buckets.total
    if latency.quantile is not None:
        last = buckets.beyond(latency.quantile)
        if last is not None:
            return Measured(last, SECONDS, total, bracket=(last, math.inf))
        return Measured(buckets.quantile(latency.quantile), SECONDS, total)
    assert latency.threshold is not None
    threshold = latency.threshold.total_seconds()
    least, most = buckets.within(threshold)
    if total == 0 or least == most:
        return Measured(least / total if total else None, RATIO, total, least)
    return Measured(
        None,
        RATIO,
        total,
        bracket=(least / total, most / total),
        edges=buckets.neighbours(threshold),
    )


def _signal(kubernetes: KubernetesIndicator, value: float) -> Measured | Missing:
    if value < 0:
        return Missing("NegativeValue", f"{kubernetes.signal} came out below zero")
    return Measured(value, SIGNAL_UNITS[kubernetes.signal])


def _finite(sample: Value) -> Missing | None:
    if math.isfinite(sample.value):
        return None
    said = "NaN" if math.isnan(sample.value) else "+Inf" if sample.value > 0 else "-Inf"
    return Missing(
        "NotANumber" if said == "NaN" else "Infinite",
        f"the answer was {said}, often from a division by zero, and is no evidence",
    )


def _flaw(buckets: Buckets) -> Missing | None:
    """Why this is no histogram, if it is none."""
    edges, counts = buckets.edges, buckets.counts
    if len(edges) != len(counts) or not edges or edges[-1] != math.inf:
        return Missing("MismatchedBuckets", "the histogram has no +Inf bucket")
    if any(not a < b for a, b in pairwise(edges)) or not edges[0] > -math.inf:
        return Missing("MismatchedBuckets", "the histogram's edges do not ascend")
    if min(counts) < 0:
        return Missing("NegativeValue", "a bucket's count is below zero")
    if any(a > b for a, b in pairwise(counts)):
        return Missing("MismatchedBuckets", "a higher bucket holds fewer events than a lower one")
    return _too_many() if buckets.total > _MOST else None


def _too_many() -> Missing:
    return Missing("NotANumber", "more events than anything can count")
