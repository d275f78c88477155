"""Entries of bounds: which of them hold, by whatever method each part is tried, and what follows.

A method is a ``Trier``: the plain comparison here, tests on counts and on values elsewhere. All give a
``Trial`` for each part, so whoever words it or draws a verdict from it needs not know which was used.

Not here: whether there is evidence enough to be assessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..resources.judgement import Statistic
from ..resources.objective import Bound, ChangeComparison, Comparison, Result
from .comparing import Interval, Outcome, compare, compare_change


@dataclass(frozen=True, slots=True)
class Trial:
    """One part of an entry, tried."""

    outcome: Outcome
    reason: str = ""
    """Why it is open, in one word."""
    told: str = ""
    """What a test adds to the sentence: how sure this is, or what is missing."""
    statistic: Statistic | None = None
    """The test behind it; none for the plain comparison."""


class Trier(Protocol):
    """A method of judging one objective's parts."""

    def value(self, comparison: Comparison, parts: int) -> Trial:
        """The value against its bound; ``parts`` is among how many parts the false alarms are shared."""

    def change(self, change: ChangeComparison, parts: int) -> Trial | None:
        """The change against the baseline; None where there is none."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The plain method: the value, and its change, against the bounds as they stand."""

    values: Interval
    baseline: float | None

    def value(self, comparison: Comparison, parts: int) -> Trial:
        del parts
        return Trial(compare(comparison, self.values), self._open)

    def change(self, change: ChangeComparison, parts: int) -> Trial | None:
        del parts
        if self.baseline is None:
            return None
        outcome = compare_change(change, self.values, self.baseline)
        if outcome is not Outcome.HELD and self._under_floor(change):
            outcome = Outcome.HELD
        return Trial(outcome, self._open)

    @property
    def _open(self) -> str:
        """Only a bracket leaves the plain comparison open."""
        beyond = self.values[1] == float("inf")
        return "QuantileBeyondBuckets" if beyond else "ThresholdBetweenBuckets"

    def _under_floor(self, change: ChangeComparison) -> bool:
        return change.floor is not None and all(
            v >= change.floor if falls(change) else v <= change.floor for v in self.values
        )


def falls(change: ChangeComparison) -> bool:
    """Whether it is a fall that the bound forbids."""
    told = change.delta or change
    return told.gt is not None or told.gte is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one entry of ``pass`` or ``warn``; None: that part was not said, or not judged."""

    bound: Bound
    value_trial: Trial | None
    change_trial: Trial | None
    skipped: bool = False
    """The entry says a change, and there is no baseline."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What was tried of it."""
        return tuple(t for t in (self.value_trial, self.change_trial) if t is not None)

    @property
    def value(self) -> Outcome | None:
        """What became of the value's bound."""
        return self.value_trial.outcome if self.value_trial else None

    @property
    def change(self) -> Outcome | None:
        """What became of the change's bound."""
        return self.change_trial.outcome if self.change_trial else None

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
    passes: Sequence[Bound], warns: Sequence[Bound], trier: Trier, *, needs_baseline: bool = False
) -> Assessment:
    """Entries are alternatives (OR); inside one, value and change must both hold (AND).

    Without a baseline the change beside a value is skipped (with ``needs_baseline`` the entry is not
    judged instead, unless its value breaks it); an entry that says a change alone cannot be judged and counts as if it were not
    written. Where that leaves no entry of ``pass``, a ``warn`` that holds is a Warn, and all else is
    NotJudged: nothing fails for want of a baseline.
    """
    held = tuple(_find(b, trier, needs_baseline) for b in passes)
    warned = tuple(_find(b, trier, needs_baseline) for b in warns)

    def found(result: Result, reason: str, deciding: Finding | None) -> Assessment:
        return Assessment(result, reason, held, warned, deciding)

    if not held:
        return found("NotJudged", "NoBounds", None)
    if entry := _first(held, Outcome.HELD):
        return found("Pass", "WithinBounds", entry)
    if entry := _first(warned, Outcome.HELD):
        return found("Warn", "WithinWarning", entry)
    if entry := _first(held, Outcome.OPEN) or _first(warned, Outcome.OPEN):
        reason = next(t.reason for t in entry.trials if t.outcome is Outcome.OPEN)
        return found("NotJudged", reason, entry)
    judged = [f for f in held if f.outcome is not None]
    if not judged:
        return found("NotJudged", "NoBaseline", held[0])
    nearest = min(judged, key=lambda f: f.broken)
    out = nearest.value is Outcome.BROKEN
    return found("Fail", "ValueOutOfBounds" if out else "ChangeOutOfBounds", nearest)


def _first(findings: Sequence[Finding], outcome: Outcome) -> Finding | None:
    return next((f for f in findings if f.outcome is outcome), None)


def _find(bound: Bound, trier: Trier, needs_baseline: bool) -> Finding:
    parts = (bound.value is not None) + (bound.change is not None)
    change = trier.change(bound.change, parts) if bound.change is not None else None
    skipped = bound.change is not None and change is None
    value = None
    if bound.value is not None:
        value = trier.value(bound.value, 1 if skipped else parts)
        if skipped and needs_baseline and value.outcome is not Outcome.BROKEN:
            value = None  # what is broken already no baseline could mend
    return Finding(bound=bound, value_trial=value, change_trial=change, skipped=skipped)
