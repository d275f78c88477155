"""The objectives that a policy gets when it names none: the workload stays up."""

from __future__ import annotations

from typing import Literal

from ..resources.indicator import KubernetesIndicator, ServiceLevelIndicatorSpec
from ..resources.objective import Bound, Comparison
from ..resources.release import PlannedObjective

MAX_UNREADY_SHARE = 0.05


def _objective(
    name: str, signal: Literal["Restarts", "OOMKills", "UnreadyShare"], at_most: float
) -> PlannedObjective:
    return PlannedObjective(
        name=name,
        source="built-in",
        indicator=ServiceLevelIndicatorSpec(kubernetes=KubernetesIndicator(signal=signal)),
        pass_=[Bound(value=Comparison(lte=at_most))],
    )


STAYS_UP: tuple[PlannedObjective, ...] = (
    _objective("stays-up-restarts", "Restarts", 0.0),
    _objective("stays-up-oom", "OOMKills", 0.0),
    _objective("stays-up-ready", "UnreadyShare", MAX_UNREADY_SHARE),
)
"""No restart, no OOM kill, and at most 5 % of the pods' time not Ready."""
