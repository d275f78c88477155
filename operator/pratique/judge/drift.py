"""How far a value has gone in all: what passes against its baseline may still be too far from the anchor.

It is judged at the end only, and by the same method as a change against a baseline: where counts or
looks can be tested, chance is no drift.

Not here: which old release is the anchor (lifecycle/), and the words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..resources.objective import ChangeComparison
from ..resources.release import PlannedObjective
from .baselines import Baseline
from .comparing import Outcome, compare_change
from .measuring import Measured
from .points import Trial, Trier, falls


@dataclass(frozen=True, slots=True)
class Drift:
    """What became of it."""

    outcome: Literal["Within", "Exceeded", "Open", "Unanchored"]
    change: ChangeComparison | None = None
    """How far it may go from the anchor."""
    trial: Trial | None = None


def drift_of(
    objective: PlannedObjective,
    measured: Measured,
    anchor: Baseline | None,
    allowed: float | None,
    trier: Callable[[Baseline], Trier],
) -> Drift | None:
    """How far it went from the anchor, beside ``allowed`` percent; None where drift is not asked for.

    Open is only what lies beyond and what the test cannot tell from chance.
    """
    compared = next((b.change for b in objective.pass_ if b.change is not None), None)
    if allowed is None or compared is None or measured.interval is None:
        return None
    if anchor is None or not math.isfinite(anchor.value):
        return Drift("Unanchored")
    floor = compared.floor
    if falls(compared):
        change = ChangeComparison.model_construct(gte=-allowed, floor=floor)
    else:
        change = ChangeComparison.model_construct(lte=allowed, floor=floor)
    trial = trier(anchor).change(change, 1)
    assert trial is not None
    if trial.outcome is Outcome.BROKEN:
        return Drift("Exceeded", change, trial)
    plainly = compare_change(change, measured.interval, anchor.value)
    if trial.outcome is Outcome.OPEN and plainly is not Outcome.HELD:
        return Drift("Open", change, trial)
    return Drift("Within", change, trial)
