"""The plain method: the value over the window so far, and its change, against the bounds as they stand.

Other methods (tests on counts, look by look) give the same ``Assessment``, so whoever words it or draws
a verdict from it needs not know which was used.

Not here: whether there is evidence enough to be assessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..resources.objective import Bound, Result
from .comparing import Interval, Outcome, compare, compare_change


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one entry of ``pass`` or ``warn``; None: that part was not said, or not judged."""

    bound: Bound
    value: Outcome | None
    change: Outcome | None
    skipped: bool = False
    """The entry says a change, and there is no baseline."""

    @property
    def outcome(self) -> Outcome | None:
        """Of the entry as a whole (AND); None where nothing of it could be judged."""
        parts = {p for p in (self.value, self.change) if p is not None}
        for worst in (Outcome.BROKEN, Outcome.OPEN, Outcome.HELD):
            if worst in parts:
                return worst
        return None

    @property
    def broken(self) -> int:
        """How many of its parts are broken."""
        return (self.value, self.change).count(Outcome.BROKEN)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the bounds say, and which entry decided."""

    result: Result
    """Pass, Warn, Fail or NotJudged."""
    reason: str
    """In one word."""
    passes: tuple[Finding, ...]
    """The entries of ``pass``."""
    warns: tuple[Finding, ...]
    """The entries of ``warn``."""
    deciding: Finding | None
    """The entry that held; for Fail the one that was missed by least; for NotJudged the first that
    could not be told."""


def assess(
    passes: Sequence[Bound], warns: Sequence[Bound], values: Interval, baseline: float | None
) -> Assessment:
    """Entries are alternatives (OR); inside one, value and change must both hold (AND).

    Without a baseline the change beside a value is skipped; an entry that says a change alone cannot
    be judged and counts as if it were not written. Where that leaves no entry of ``pass``, a ``warn``
    that holds is a Warn, and all else is NotJudged: nothing fails for want of a baseline.
    """
    held = tuple(_find(b, values, baseline) for b in passes)
    warned = tuple(_find(b, values, baseline) for b in warns)

    def found(result: Result, reason: str, deciding: Finding | None) -> Assessment:
        return Assessment(result, reason, held, warned, deciding)

    if not held:
        return found("NotJudged", "NoBounds", None)
    if entry := _first(held, Outcome.HELD):
        return found("Pass", "WithinBounds", entry)
    if entry := _first(warned, Outcome.HELD):
        return found("Warn", "WithinWarning", entry)
    if entry := _first(held, Outcome.OPEN) or _first(warned, Outcome.OPEN):
        beyond = values[1] == float("inf")
        reason = "QuantileBeyondBuckets" if beyond else "ThresholdBetweenBuckets"
        return found("NotJudged", reason, entry)
    judged = [f for f in held if f.outcome is not None]
    if not judged:
        return found("NotJudged", "NoBaseline", held[0])
    nearest = min(judged, key=lambda f: f.broken)
    out = nearest.value is Outcome.BROKEN
    return found("Fail", "ValueOutOfBounds" if out else "ChangeOutOfBounds", nearest)


def _first(findings: Sequence[Finding], outcome: Outcome) -> Finding | None:
    return next((f for f in findings if f.outcome is outcome), None)


def _find(bound: Bound, values: Interval, baseline: float | None) -> Finding:
    change = None
    if bound.change is not None and baseline is not None:
        change = compare_change(bound.change, values, baseline)
    return Finding(
        bound=bound,
        value=compare(bound.value, values) if bound.value is not None else None,
        change=change,
        skipped=bound.change is not None and baseline is None,
    )
