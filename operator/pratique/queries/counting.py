"""Counts from raw samples, exact across resets. What promql.count does inside the provider for others."""

from __future__ import annotations

from collections.abc import Iterable


def growth(
    samples: Iterable[tuple[float, float]], begin: float, end: float, born: float | None = None
) -> float | None:
    """How much one counter grew over (begin, end]; none without a sample in it.

    ``samples`` are (Unix seconds, value), ascending, with the last one at or before ``begin`` among
    them if there is one; without it the series is new and counts from zero. A value below the one
    before is a reset: it counts from zero again. Over neighbouring spans the counts add up. Samples up
    to ``born`` are another's of the same name: where that one counted less, no reset would tell.
    """
    before, total, seen = 0.0, 0.0, False
    for time, value in samples:
        if born is not None and time <= born:
            continue
        if time > end:
            break
        if time > begin:
            total += value - before if value >= before else value
            seen = True
        before = value
    return total if seen else None
