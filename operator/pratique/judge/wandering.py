"""How much the rate that an objective's test counts wanders by itself: fitted from the past.

The test counts harmful events. Where a fall is harm these are the ones that are *not* within the part:
that 99 % good wander little says nothing of the 1 % that are bad.

Not here: where the past is read (lifecycle/), and the fit (statistics/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..resources.objective import ChangeComparison, Comparison
from ..resources.release import PlannedObjective

if TYPE_CHECKING:
    from .statistics.laws import Noise


def noise_of(objective: PlannedObjective, history: Sequence[tuple[int, int]]) -> Noise:
    """(requests, those in the part) of each look of the past → the noise of what is harmful.

    Where both a rise and a fall are harm, the larger of the two.
    """
    from .statistics.laws import QUIET
    from .statistics.noise import fit

    found = [
        fit([(n, n - part) for n, part in history] if falling else history)
        for falling in sorted(_falls(objective))
    ]
    return max((x for x in found if x.known), key=lambda x: x.sd, default=QUIET)


def _falls(objective: PlannedObjective) -> set[bool]:
    """Whether a fall is harm, a rise, or both."""
    found: set[bool] = set()
    for bound in (*objective.pass_, *objective.warn):
        if bound.value is not None:
            found |= _ways(bound.value)
        if bound.change is not None:
            found |= _ways(bound.change.delta or bound.change)
    return found or {False}


def _ways(told: Comparison | ChangeComparison) -> set[bool]:
    found = set()
    if told.lt is not None or told.lte is not None:
        found.add(False)
    if told.gt is not None or told.gte is not None:
        found.add(True)
    return {False, True} if getattr(told, "between", None) else found
