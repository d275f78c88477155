"""Kubernetes conditions, by the API conventions and kstatus.

``Ready`` False is read as "in progress" by kstatus, so it is never used for an error: that is
``Stalled``, which with ``Reconciling`` is present only while it is true.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import StringConstraints

from .base import Model, Time

Status = Literal["True", "False", "Unknown"]
Reason = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=64)
]


class Condition(Model):
    """One observation of an object's state."""

    type: Annotated[str, StringConstraints(max_length=64)]
    """What is observed, such as Promotable."""
    status: Status
    """True, False or Unknown."""
    reason: Reason
    """One word for machines, explained in the reference."""
    message: Annotated[str, StringConstraints(max_length=2048)] = ""
    """One sentence for people."""
    last_transition_time: Time
    """When the status last changed."""
    observed_generation: int | None = None
    """The generation of the object that this speaks of."""


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of that type, if there is one."""
    return next((c for c in conditions if c.type == type_), None)


def merge(
    before: Iterable[Condition],
    wanted: Iterable[tuple[str, Status, str, str]],
    *,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """Conditions as wanted, keeping ``lastTransitionTime`` where the status did not change.

    ``wanted`` is (type, status, reason, message); a type that is not wanted is gone.
    """
    old = {c.type: c for c in before}
    merged = []
    for type_, status, reason, message in wanted:
        known = old.get(type_)
        since = known.last_transition_time if known and known.status == status else now
        merged.append(
            Condition(
                type=type_,
                status=status,
                reason=reason,
                message=message[:2048],
                last_transition_time=since,
                observed_generation=generation,
            )
        )
    return merged
