"""What follows a verdict: a row of reducers, and the end when none of them waits any more.

The verdict itself is never touched here.
"""

from __future__ import annotations

from collections.abc import Callable

from ..resources.release import ReleaseStatus
from . import promotion
from .situation import Situation, Step, Turn
from .sizes import fitted
from .watch import watch

Reducer = Callable[[Situation, ReleaseStatus], Turn]

ROW: tuple[Reducer, ...] = (watch, promotion.follow)
"""In order; the first that waits keeps the rest waiting, one that lingers only keeps the release open."""


def afterwards(s: Situation, status: ReleaseStatus) -> Step:
    """The status of a release that has its verdict, and what is still to be done."""
    if status.closed_at is not None:
        return Step(fitted(s, status))
    together = Turn(status)
    for reduce in ROW:
        turn = reduce(s, status)
        status = turn.status
        together.ask += turn.ask
        together.due += turn.due
        together.actions += turn.actions
        together.waits |= turn.waits
        together.lingers |= turn.lingers
        if turn.waits:
            break
    if not (together.waits or together.lingers):
        return Step(fitted(s, status.model_copy(update={"closed_at": s.now})))
    due = min((d for d in together.due if d > s.now), default=None)
    return Step(fitted(s, status), tuple(together.ask), due, tuple(together.actions))
