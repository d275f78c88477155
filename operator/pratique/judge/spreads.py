"""How the values of a release's looks lay: all that a later test needs of them, in four numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

from ..resources.release import Spread

LEAST = 3
"""Values from which on a spread can be told."""


def spread(values: Iterable[float | None]) -> Spread | None:
    """Of logarithms where all are above zero; none of fewer than three finite values."""
    given = [v for v in values if v is not None and math.isfinite(v)]
    if len(given) < LEAST:
        return None
    logs = all(v > 0 for v in given)
    numbers = [math.log(v) for v in given] if logs else given
    try:
        mean, sd = statistics.fmean(numbers), statistics.stdev(numbers)
    except OverflowError:
        return None
    if not math.isfinite(mean) or not math.isfinite(sd):
        return None
    return Spread(count=len(numbers), mean=mean, sd=sd, logs=logs)
