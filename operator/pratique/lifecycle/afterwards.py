"""What follows a verdict: a row of reducers, and the end when none of them waits any more.

The verdict itself is never touched here.
"""

from __future__ import annotations

from collections.abc import Callable

from ..resources.release import ReleaseStatus
from .phase import derive
from .situation import Situation, Step, Turn

Reducer = Callable[[Situation, ReleaseStatus], Turn]

ROW: tuple[Reducer, ...] = ()
"""In order; the first that waits keeps the rest waiting."""


def afterwards(s: Situation, status: ReleaseStatus) -> Step:
    """The status of a release that has its verdict, and what is still to be done."""
    if status.closed_at is not None:
        return Step(derive(s, status))
    turn = Turn(status)
    for reduce in ROW:
        turn = reduce(s, status)
        status = turn.status
        if turn.waits:
            due = min((d for d in turn.due if d > s.now), default=None)
            return Step(derive(s, status), tuple(turn.ask), due, tuple(turn.actions))
    return Step(derive(s, status.model_copy(update={"closed_at": s.now})))
