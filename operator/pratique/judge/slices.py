"""Slices of time, counted: what was bad of how much, so that neighbouring hours can be added up.

A tally of an hour and one of the next merge into that of both, runs of bad slices across the border
included; so an hour is counted once and its tally kept. ``merge`` is associative and ``EMPTY`` its
neutral element.

Not here: targets and budgets (``budgets``), periods (``calendars``), where slices come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from ..resources.budget import BudgetingMethod

_MOST = 2.0**63
"""More events than this in a slice nobody counted."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How slices count."""

    method: BudgetingMethod
    target: float = 0.0
    """Timeslices: a slice is good when this share of its events is."""
    min_consecutive: int = 1
    """Timeslices: bad slices count only in runs of at least so many."""
    on_no_traffic: Literal["Good", "Exclude", "Bad"] = "Good"
    """What a slice without events is (Occurrences has nothing to count in it)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What happened in one slice; ``total`` None: there was no data."""

    good: float | None
    """Good events."""
    total: float | None
    """All events; 0: nobody asked."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Some neighbouring slices, counted."""

    slices: int = 0
    """How many there were."""
    measured: int = 0
    """For how many of them there was data."""
    total: float = 0.0
    """Events (Occurrences), or slices that count."""
    bad: float = 0.0
    """Bad ones among these, without those of ``head`` and ``tail``."""
    head: int = 0
    """The run of bad slices at the begin, as long as it is not known how long it is …"""
    tail: int = 0
    """… and at the end. Of slices that are bad throughout both are all."""


EMPTY = Tally()


def tally(slices: Iterable[Slice], rule: Rule) -> Tally:
    """The slices counted, in their order. Figures that are none (NaN, infinite, negative) are no data."""
    return reduce(lambda a, b: merge(a, _one(b, rule), rule), slices, EMPTY)


def merge(a: Tally, b: Tally, rule: Rule) -> Tally:
    """Both in a row, ``a`` before ``b``."""
    if not a.slices:
        return b
    if not b.slices:
        return a
    a_whole, b_whole = a.head == a.slices, b.head == b.slices
    across = a.tail + b.head
    settled = 0 if a_whole or b_whole else _counts(across, rule)
    return Tally(
        slices=a.slices + b.slices,
        measured=a.measured + b.measured,
        total=a.total + b.total,
        bad=a.bad + b.bad + settled,
        head=across if a_whole else a.head,
        tail=across if b_whole else b.tail,
    )


def bad(tallied: Tally, rule: Rule) -> float:
    """Bad events or slices, with the runs at the ends as they stand."""
    if tallied.slices and tallied.head == tallied.slices:
        return tallied.bad + _counts(tallied.head, rule)
    return tallied.bad + _counts(tallied.head, rule) + _counts(tallied.tail, rule)


def attained(tallied: Tally, rule: Rule) -> float | None:
    """The share that was good, from 0 to 1; None where nothing counts."""
    if not tallied.total > 0:
        return None
    return min(1.0, max(0.0, 1.0 - bad(tallied, rule) / tallied.total))


def part(tallied: Tally, share: float) -> Tally:
    """About so much of it (0 to 1), as if it were spread evenly: for an hour that a window cuts.

    Runs at the ends are cut too: they are settled as they stand in what is counted beside it.
    """
    if not 0.0 < share < 1.0:
        return tallied if share >= 1.0 else EMPTY
    slices = max(1, round(tallied.slices * share))
    whole = tallied.head == tallied.slices
    return Tally(
        slices=slices,
        measured=round(tallied.measured * share),
        total=tallied.total * share,
        bad=tallied.bad * share,
        # The later part is meant: what begins here is the middle, what ends here is the end.
        head=slices if whole else 0,
        tail=slices if whole else min(tallied.tail, slices - 1),
    )


def _counts(run: int, rule: Rule) -> int:
    return run if run >= rule.min_consecutive else 0


def _one(given: Slice, rule: Rule) -> Tally:
    good, total = given.good, given.total
    if total is None or not _sane(total) or (good is not None and not _sane(good)):
        return Tally(slices=1)
    good = min(good or 0.0, total)
    if rule.method == "Occurrences":
        return Tally(1, 1, total, total - good)
    if total == 0:
        if rule.on_no_traffic == "Exclude":
            return Tally(1, 1)
        lost = 1.0 if rule.on_no_traffic == "Bad" else 0.0
    elif rule.method == "Timeslices":
        # 0.95 of 20 is 19, whatever floats make of it.
        lost = 0.0 if good >= rule.target * total - 1e-9 * total else 1.0
    else:
        lost = 1.0 - good / total
    if rule.method == "Timeslices" and rule.min_consecutive > 1 and lost:
        return Tally(1, 1, 1.0, 0.0, 1, 1)
    return Tally(1, 1, 1.0, lost)


def _sane(number: float) -> bool:
    return math.isfinite(number) and 0 <= number <= _MOST
