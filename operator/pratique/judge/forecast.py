"""What a test will need, said before the window: so many requests, and so many are to be expected.

Not here: the verdict, which never rests on a forecast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from ..resources.base import format_duration
from ..resources.objective import Bound
from ..resources.release import PlannedObjective
from ..resources.sensitivity import Sensitivity
from .baselines import Baseline
from .comparing import said
from .conclusive import SELDOM
from .objectives import tested
from .points import falls


def forecast(
    objective: PlannedObjective, baselines: Sequence[Baseline], seconds: float
) -> str | None:
    """Where the traffic to be expected is too little for the declared harm to show: that, and the mend.

    ``seconds`` is the window's length. None where it is enough, or where nothing can be expected yet.
    """
    if not tested(objective):
        return None
    before = next((b for b in baselines if b.samples and b.seconds), None)
    if before is None or not before.samples or not before.seconds:
        return None
    expected = before.samples / before.seconds * seconds
    wanted = min(
        (n for b in objective.pass_ if (n := _needed(objective, b, before, expected)) is not None),
        default=None,
    )
    if wanted is None or wanted <= expected:
        return None
    if not math.isfinite(wanted):
        return (
            f"{objective.name}: {before.release} had no harmful events, so a change can show only "
            "if it is gross: bound the value too, or give the change a floor"
        )
    longer = timedelta(seconds=math.ceil(seconds * wanted / max(expected, 1e-9) / 60) * 60)
    return (
        f"{objective.name} needs about {_round(wanted):,} requests to see the declared harm, and "
        f"expects {_round(expected):,}: choose a larger sensitivity.detect, or a window of "
        f"{format_duration(longer)}"
    )


def _needed(
    objective: PlannedObjective, bound: Bound, before: Baseline, expected: float
) -> float | None:
    """Requests for all tested parts of an entry; None where none is tested."""
    from .statistics.traffic import events_needed

    told = objective.sensitivity or Sensitivity()
    parts = (bound.value is not None) + (bound.change is not None)
    alpha, power = told.false_alarm / 100 / max(parts, 1), told.power / 100
    found: list[float] = []
    if bound.value is not None:
        name, first, _ = said(bound.value)
        rate = 1 - first if name in ("gt", "gte") else first
        if name in ("lt", "lte", "gt", "gte") and 0 < rate < 1:
            harm = told.detect or (2.0 if rate >= SELDOM else 5.0)
            found.append(events_needed(alpha=alpha, power=power, harm=harm, ratio=0.0) / rate)
    if bound.change is not None and bound.change.delta is None:
        falling = falls(bound.change)
        rate = 1 - before.value if falling else before.value
        _, percent, _ = said(bound.change)
        allowed = 1.0 if falling else 1 + percent / 100
        harm = told.detect or (2.0 if rate >= SELDOM else 5.0)
        harm = harm if harm >= 1.5 * allowed else harm * allowed
        ratio = expected / before.samples if before.samples else 1.0
        if rate > 0 and allowed > 0:
            events = events_needed(
                alpha=alpha, power=power, harm=harm, allowed=allowed, ratio=ratio
            )
            found.append(events / rate * ratio)
        elif bound.change.floor is None and not falling:
            found.append(math.inf)
    return max(found, default=None)


def _round(count: float) -> int:
    """Two digits: it is a forecast."""
    if count < 100:
        return math.ceil(count)
    size = int(10 ** (len(str(int(count))) - 2))
    return math.ceil(count / size) * size
