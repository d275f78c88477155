"""What was measured: counts, histograms, single values — or why nothing was.

Samples of one indicator over neighbouring, disjoint spans of time can be pooled: counts add up, so a
window's figure is exact and not a mean of means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MissingReason = Literal[
    "NoData",  # the provider answered: there is nothing
    "NotANumber",  # NaN
    "Infinite",  # ±Inf
    "StaleSeries",  # the newest sample is older than the look
    "SeveralSeries",  # one number was asked, several came
    "ProviderError",  # unreachable, slow, overloaded: may be asked again
    "QueryRejected",  # the provider says that the query is wrong: asking again is of no use
    "NegativeValue",  # a count below zero
    "MismatchedBuckets",  # edges that differ between spans, or that are no histogram's
    "PartExceedsTotal",  # more good or bad events than events
    "UnexpectedSample",  # counts were asked and a value came, or the like
]


@dataclass(frozen=True, slots=True)
class Counts:
    """Events: ``part`` of ``total`` (part is the good or the bad ones, as the indicator declares)."""

    part: int
    total: int

    @property
    def value(self) -> float | None:
        """The share from 0 to 1; none without events."""
        return self.part / self.total if self.total > 0 else None


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram: upper edges in seconds, ascending, the last +Inf; cumulative counts beside them."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many events it holds."""
        return self.counts[-1] if self.counts else 0

    def quantile(self, q: float) -> float | None:
        """The q-quantile by linear interpolation inside its bucket, as Prometheus' histogram_quantile.

        None without events; the highest finite edge where the quantile lies beyond it.
        """
        if self.total <= 0:
            return None
        rank = q * self.total
        lower_edge, lower_count = 0.0, 0
        for edge, count in zip(self.edges, self.counts, strict=True):
            if count >= rank and count > lower_count:
                if math.isinf(edge):
                    return lower_edge
                if not lower_count and edge <= 0:
                    return edge
                return lower_edge + (edge - lower_edge) * (rank - lower_count) / (
                    count - lower_count
                )
            lower_edge, lower_count = (lower_edge if math.isinf(edge) else edge), count
        return lower_edge

    def beyond(self, q: float) -> float | None:
        """The highest finite edge where the q-quantile lies past it (0 where there is none); else None.

        All that is known of such a quantile is that it is at least this.
        """
        finite = [(e, c) for e, c in zip(self.edges, self.counts, strict=True) if math.isfinite(e)]
        edge, count = finite[-1] if finite else (0.0, 0)
        return edge if self.total > 0 and count < q * self.total else None

    def neighbours(self, threshold: float) -> tuple[float, float]:
        """The nearest edges below and above ``threshold``: from 0 where none is below, +Inf above."""
        below = max((e for e in self.edges if e < threshold), default=0.0)
        return below, min((e for e in self.edges if e > threshold), default=math.inf)

    def within(self, threshold: float) -> tuple[int, int]:
        """How many events were within ``threshold`` seconds: (at least, at most).

        Both are equal where the threshold is an edge; else the neighbouring edges bracket it.
        """
        at_least, at_most = 0, self.total
        for edge, count in zip(self.edges, self.counts, strict=True):
            if math.isclose(edge, threshold, rel_tol=1e-9):
                return count, count
            if edge < threshold:
                at_least = count
            else:
                at_most = count
                break
        return at_least, at_most


@dataclass(frozen=True, slots=True)
class Value:
    """One finite number, in the indicator's unit."""

    value: float


@dataclass(frozen=True, slots=True)
class History:
    """Counts of the past, one pair a step: (requests, those in the part)."""

    counts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing was measured, and why, in a sentence that a person can act on."""

    reason: MissingReason
    message: str


Sample = Counts | Buckets | Value | History | Missing


def pool(samples: Iterable[Sample]) -> Sample:
    """Several disjoint spans as one: counts add up, of single values the last stands.

    Missing spans are passed over (how many may be missing is the judge's business); when all are
    missing, the last reason stands.
    """
    total: Sample = Missing("NoData", "nothing was measured")
    for sample in samples:
        if isinstance(sample, Missing):
            if isinstance(total, Missing):
                total = sample
        elif _negative(sample):
            return Missing(
                "NegativeValue",
                "a count came out below zero, so the window's sum cannot be trusted",
            )
        elif isinstance(sample, Counts) and sample.part > sample.total:
            return Missing(
                "PartExceedsTotal",
                f"{sample.part:,} of {sample.total:,} events were counted in one look, so the "
                "window's sum cannot be trusted",
            )
        elif isinstance(total, Missing) or (isinstance(total, Value) and isinstance(sample, Value)):
            total = sample
        elif isinstance(total, Counts) and isinstance(sample, Counts):
            total = Counts(total.part + sample.part, total.total + sample.total)
        elif isinstance(total, Buckets) and isinstance(sample, Buckets):
            if total.edges != sample.edges or len(total.counts) != len(sample.counts):
                return Missing(
                    "MismatchedBuckets",
                    "the histogram's bucket edges changed within the window, so its counts cannot be added",
                )
            counts = tuple(a + b for a, b in zip(total.counts, sample.counts, strict=True))
            total = Buckets(total.edges, counts)
        else:
            return Missing(
                "UnexpectedSample", "counts, histograms and single values came for one indicator"
            )
    return total


def _negative(sample: Counts | Buckets | Value | History) -> bool:
    """Whether it holds a count below zero, which a sum would hide."""
    match sample:
        case Counts(part, total):
            return part < 0 or total < 0
        case Buckets(_, counts):
            return any(c < 0 for c in counts)
    return False
