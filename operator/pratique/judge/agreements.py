"""Agreements: how a promise over a calendar period stands, where it is heading, what is given back.

Pure arithmetic on tallies (``slices``); shares 0 to 1, times in seconds. Nothing here raises: what
cannot be reckoned is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from . import budgets
from .slices import Rule, Tally, attained, bad

Standing = Literal["Met", "NotMet", "Breached", "Unknown"]
"""NotMet: below the target so far, which the rest can still make good. Breached: it cannot."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One objective's figures for the period so far."""

    attained: float | None
    """The share attained so far."""
    remaining: float | None
    """The share of the whole period's budget that is left; below 0 overspent."""
    projected: float | None
    """What the whole period will have attained, if it goes on as it does of late."""
    credit: float | None
    """Percent credited for what is attained so far; None where nothing is."""
    standing: Standing
    projected_met: bool | None
    """Whether the projection meets the target; None where there is none."""


def figures(
    so_far: Tally,
    recent: Tally,
    rule: Rule,
    target: float,
    credits: Sequence[tuple[float, float]],
    *,
    elapsed: float,
    rest: float,
    slice_seconds: float,
) -> Figures:
    """The figures from the tally so far and that of the recent past (the last day, say).

    ``elapsed`` and ``rest`` are the seconds that count, exclusions left out. How much the rest
    brings: its slices, each of ``slice_seconds`` and with traffic as often as so far; or, by
    Occurrences, events as many a second as so far. ``credits`` are (below, percent), descending.
    """
    share = attained(so_far, rule)
    coming = expected(so_far, rule, elapsed=elapsed, rest=rest, slice_seconds=slice_seconds)
    if share is None or coming is None:
        return Figures(None, None, None, None, "Unknown", None)
    lost, whole = bad(so_far, rule), so_far.total + coming
    pace = attained(recent, rule)
    ahead = 1.0 - (share if pace is None else pace)
    projected = min(1.0, max(0.0, 1.0 - (lost + ahead * coming) / whole))
    left = budgets.remaining(lost, whole, target)
    standing: Standing = "Met" if _meets(share, target) else "NotMet"
    # Even with nothing bad in all the rest.
    if not _meets(1.0 - lost / whole, target):
        standing = "Breached"
    return Figures(
        share, left, projected, credit(share, credits), standing, _meets(projected, target)
    )


def expected(
    so_far: Tally, rule: Rule, *, elapsed: float, rest: float, slice_seconds: float
) -> float | None:
    """How many events, or slices that count, the rest of the period brings."""
    if not (math.isfinite(elapsed) and math.isfinite(rest)) or elapsed <= 0 or rest < 0:
        return None
    if rule.method == "Occurrences":
        coming = so_far.total * (rest / elapsed)
    elif not slice_seconds > 0 or not so_far.measured:
        return None
    else:
        coming = rest / slice_seconds * (so_far.total / so_far.measured)
    return coming if math.isfinite(coming) else None


def credit(share: float | None, tiers: Sequence[tuple[float, float]]) -> float | None:
    """The percent of the lowest tier (below, percent) that the share is below."""
    if share is None or math.isnan(share):
        return None
    found = [percent for below, percent in tiers if share < below and not _meets(share, below)]
    return max(found, default=None)


def _meets(share: float, target: float) -> bool:
    """At least the target, whatever floats make of equal shares."""
    return share >= target or math.isclose(share, target, rel_tol=1e-12)
