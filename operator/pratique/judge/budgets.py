"""Error budgets: burn, what is left, how long it lasts, and whether releases are held back.

The algebra (T the target as a share of good events, E = 1 − T the budget, P the period's length)::

    burn(w)       = error_ratio(w) / E
    consumed(w)   = burn(w) · w / P
    remaining     = 1 − consumed(P)            below 0 when overspent
    time to empty = remaining · P / burn(now)

is that of the SRE Workbook (chapter 5, "Alerting on SLOs") and of the tools that follow it. Shares are
0 to 1, times seconds. Nothing here raises: what cannot be reckoned is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SHORT = {"1h": "5m", "6h": "30m", "1d": "2h", "3d": "6h"}
"""The twelfth of each window: a burn counts only while it still burns (Workbook, table 5-8)."""


@dataclass(frozen=True, slots=True)
class BurnLimit:
    """Burning faster than ``above`` over the window and over its last twelfth."""

    window: str
    above: float


@dataclass(frozen=True, slots=True)
class Limits:
    """When releases are held back, and when they go on again; shares of the budget."""

    below: float = 0.0
    """Held back with less than this left."""
    again: float = 0.1
    """Once held back, until this much is left."""
    fast: BurnLimit | None = None
    slow: BurnLimit | None = None


Because = Literal["Open", "Overspent", "Recovering", "FastBurn", "SlowBurn", "Unknown"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the budget holds releases back."""

    blocked: bool
    because: Because
    """Recovering: no longer below the limit, and not yet where releases go on. Unknown: nothing is
    known of the budget, so ``blocked`` is what it was."""


def burn(bad: float | None, total: float | None, target: float) -> float | None:
    """How many times faster than allowed the budget went: 1 spends it in just its period.

    0 where nothing was counted; None for figures that are none.
    """
    allowed = _allowed(target)
    if allowed is None or not _counted(bad) or not _counted(total):
        return None
    assert bad is not None
    assert total is not None
    if total == 0:
        return 0.0
    return _finite(min(bad, total) / total / allowed)


def consumed(rate: float | None, window: float, period: float) -> float | None:
    """The share of the period's budget that burning at this rate for ``window`` seconds spends."""
    if rate is None or not math.isfinite(rate) or not window >= 0 or not period > 0:
        return None
    return _finite(rate * (window / period))


def remaining(
    bad: float | None,
    total: float | None,
    target: float,
    *,
    elapsed: float = 1.0,
    period: float = 1.0,
) -> float | None:
    """The share of the budget that is left: 1 all, 0 nothing, negative when overspent.

    ``elapsed`` of ``period`` seconds: a rolling window is whole (leave both out). In a calendar period
    so far only its part is spent; how many events the rest will bring is taken from the past.
    """
    spent = consumed(burn(bad, total, target), elapsed, period)
    return None if spent is None else 1.0 - spent


def time_to_empty(left: float | None, rate: float | None, period: float) -> float | None:
    """Seconds until the budget is empty at this rate; 0 when it is, None where it does not go down."""
    if left is None or math.isnan(left):
        return None
    if left <= 0:
        return 0.0
    if rate is None or not math.isfinite(rate) or rate <= 0 or not period > 0:
        return None
    return _finite(left * period / rate)


def spent_by(bad: float | None, total: float | None, target: float) -> float | None:
    """The share of the whole budget that ``bad`` events of one release are, of a period's ``total``."""
    allowed = _allowed(target)
    if allowed is None or not _counted(bad) or not _counted(total) or not total:
        return None
    assert bad is not None
    return _finite(bad / (allowed * total))


def decide(
    left: float | None, burns: Mapping[str, float | None], limits: Limits, *, blocked: bool
) -> Decision:
    """Whether releases are held back; ``blocked``: the decision before this one (hysteresis).

    ``burns`` by window (5m, 1h, …). A rate that is not known is not above anything.
    """
    if left is None or math.isnan(left):
        return Decision(blocked, "Unknown")
    if left < limits.below:
        return Decision(True, "Overspent")
    for limit, because in ((limits.fast, "FastBurn"), (limits.slow, "SlowBurn")):
        if limit is not None and burning(burns, limit):
            return Decision(True, "FastBurn" if because == "FastBurn" else "SlowBurn")
    if blocked and left < limits.again:
        return Decision(True, "Recovering")
    return Decision(False, "Open")


def burning(burns: Mapping[str, float | None], limit: BurnLimit) -> bool:
    """Whether it burns faster than the limit, over its window and still.

    Where slices are too long for the short window, the long one decides alone.
    """
    long = burns.get(limit.window)
    short = burns.get(SHORT.get(limit.window, ""), long)
    return long is not None and short is not None and long > limit.above and short > limit.above


def _allowed(target: float) -> float | None:
    """E = 1 − T, as it was meant: 0.999 leaves 0.001."""
    if not 0 < target < 1:
        return None
    allowed = round(1.0 - target, 15)
    return allowed if allowed > 0 else None


def _counted(number: float | None) -> bool:
    return number is not None and math.isfinite(number) and number >= 0


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
