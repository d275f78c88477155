"""One comparison: a value, or a bracket of values, against a bound; and the change against a baseline.

All comparisons forgive a relative difference of 1e-9, so that sums of floating-point numbers compare as
they were meant: 0.1 + 0.2 is at most 0.3, and what equals a bound is neither below nor above it.

Not here: entries of several bounds, and what follows from them.
"""

from __future__ import annotations

import math
from enum import Enum

from ..resources.objective import COMPARATORS, ChangeComparison, Comparison

TOLERANCE = 1e-9
"""Numbers that differ by less than this part of the larger one are equal."""
PERCENT_COMPARATORS = ("lt", "lte", "gt", "gte")


class Outcome(Enum):
    """What a comparison came to; OPEN where a bracket reaches over the bound."""

    HELD = "held"
    BROKEN = "broken"
    OPEN = "open"


Interval = tuple[float, float]
"""(least, most), both the same where the value is known; the most may be +Inf."""


def said(comparison: Comparison | ChangeComparison) -> tuple[str, float, float]:
    """(comparator, bound, bound): the two differ for ``between`` only; ("", nan, nan) without any."""
    for name in COMPARATORS:
        given = getattr(comparison, name, None)
        if given is not None:
            return (name, given[0], given[1]) if name == "between" else (name, given, given)
    return "", math.nan, math.nan


def compare(comparison: Comparison, values: Interval) -> Outcome:
    """A value against its bound, both in the indicator's unit."""
    return _compare(*said(comparison), values, scale=0.0)


def compare_change(comparison: ChangeComparison, values: Interval, baseline: float) -> Outcome:
    """The change from a baseline against its bound: in percent, or as a delta in the unit."""
    least, most = values
    if comparison.delta is not None:
        finite = [abs(x) for x in (*values, baseline) if math.isfinite(x)]
        deltas = (least - baseline, most - baseline)
        return _compare(*said(comparison.delta), deltas, scale=max(finite))
    changes = (change_percent(least, baseline), change_percent(most, baseline))
    # Rounding in v / b is a part of v / b, so near no change it is a part of 100 %.
    scale = 100.0 + max((abs(c) for c in changes if math.isfinite(c)), default=0.0)
    return _compare(*said(comparison), changes, scale=scale)


def change_percent(value: float, baseline: float) -> float:
    """(value - baseline) / abs(baseline) in percent: up is positive also from a negative baseline.

    From a baseline of 0 any rise is +Inf, any fall -Inf, and staying at 0 is no change.
    """
    difference = value - baseline
    if difference == 0:
        return 0.0
    if baseline == 0:
        return math.copysign(math.inf, difference)
    return difference / abs(baseline) * 100


def _compare(name: str, first: float, second: float, values: Interval, *, scale: float) -> Outcome:
    low, high = (_holds(name, first, second, v, scale) for v in values)
    if values[0] == values[1] or name in PERCENT_COMPARATORS:
        if low and high:
            return Outcome.HELD
        return Outcome.OPEN if low or high else Outcome.BROKEN
    # eq and between: the bracket may reach over the bound with both its ends outside.
    if low and high and name == "between":
        return Outcome.HELD
    apart = values[1] < first or values[0] > second
    return Outcome.BROKEN if apart and not (low or high) else Outcome.OPEN


def _holds(name: str, first: float, second: float, x: float, scale: float) -> bool:
    match name:
        case "lt":
            return x < first and not _equal(x, first, scale)
        case "lte":
            return x < first or _equal(x, first, scale)
        case "gt":
            return x > first and not _equal(x, first, scale)
        case "gte":
            return x > first or _equal(x, first, scale)
        case "eq":
            return _equal(x, first, scale)
        case "between":
            return (x > first or _equal(x, first, scale)) and (
                x < second or _equal(x, second, scale)
            )
    return False


def _equal(a: float, b: float, scale: float) -> bool:
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE * scale)
