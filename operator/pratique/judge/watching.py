"""Watching one objective after the verdict: has its health turned bad, however often one looks?

Counts are tried by a test that may be looked at at any time: over the whole watch it calls a healthy
release with the declared probability of a false alarm at most. Everything else is compared plainly, and
takes looks in a row. Changes of values that are no counts are not watched: they wander too much.

Not here: the looks in a row, the verdict, and when the watch ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..resources.judgement import ObjectiveResult, Window
from ..resources.objective import Bound, ChangeComparison, Comparison
from ..resources.release import PlannedObjective
from ..resources.sensitivity import Sensitivity
from . import sentences
from .baselines import Baseline
from .comparing import Outcome, said
from .conclusive import Tally, tallies
from .measuring import unit_of
from .numbers import clip, quantity
from .objectives import Glance, glance, tested
from .points import Trial, assess, falls
from .samples import Sample

if TYPE_CHECKING:
    from .statistics.laws import Noise

__all__ = ["Glance", "alone", "examine", "take_in", "tested"]

_OPEN = Trial(Outcome.OPEN, "Evaluating")
_BROKEN = Trial(Outcome.BROKEN)
HARMS = 6
"""How many harms the test reckons with."""
MAX_BESIDE = 16
"""Changes against a workload beside it that are watched for one objective."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the watch has counted of one objective that is tested."""

    requests: int = 0
    least: int = 0
    """How many of them are surely what the indicator counts …"""
    most: int = 0
    """… and how many may be, where a threshold lies within a bucket."""
    beside: tuple[tuple[float, ...], ...] = ()
    """For each change against a workload beside it: the logarithms of how much likelier each harm is."""


def alone(objective: PlannedObjective, sample: Sample) -> Glance:
    """One look by its plain value: no baseline is asked, so that a change alone says nothing."""
    return glance(objective, sample, ())


def take_in(
    objective: PlannedObjective,
    before: Counted,
    sample: Sample,
    beside: Sample | None,
    noise: Noise | None,
) -> Counted:
    """What was counted, with one more look; one without data changes nothing."""
    from .statistics import anytime
    from .statistics.ratios import Look

    [tally] = tallies(objective.indicator, [sample])
    if tally is None:
        return before
    logs = list(before.beside)
    if beside is not None:
        [based] = tallies(objective.indicator, [beside])
        changes = rises(objective)
        logs = logs or [anytime.NONE for _ in changes]
        if based is not None:
            look = Look(tally.total, tally.least, based.total, based.most)
            for i, change in enumerate(changes[: len(logs)]):
                more = anytime.added(logs[i], look, _beside_terms(objective, change, noise))
                logs[i] = tuple(round(x, 4) for x in more)
    return Counted(
        before.requests + tally.total,
        before.least + tally.least,
        before.most + tally.most,
        tuple(logs),
    )


def examine(
    objective: PlannedObjective,
    counted: Counted,
    baseline: Baseline | None,
    noise: Noise | None,
    window: Window,
) -> ObjectiveResult:
    """Fail where harm is called, else Pass: so far nothing speaks against the verdict."""
    trier = _Watch(objective, counted, baseline, noise)
    failed = assess(objective.pass_, objective.warn, trier).result == "Fail"
    unit = unit_of(objective.indicator)
    share = counted.least / counted.requests if counted.requests else None
    message = "nothing speaks against it so far"
    if failed and share is not None:
        against = ""
        if baseline is not None and math.isfinite(baseline.value):
            against = f" (was {quantity(baseline.value, unit)} in {baseline.release})"
        elif baseline is not None:
            against = f" (beside {baseline.release})"
        alarm = (objective.sensitivity or Sensitivity()).false_alarm
        message = (
            f"{sentences.subject(objective.indicator)} {quantity(share, unit)}{against}, where "
            f"{sentences.bounds_text(objective.pass_, unit)} is wanted ({counted.requests:,} requests, "
            f"{sentences.span(window)}): however long it is watched, chance alone brings this to at "
            f"most {alarm:g} % of healthy releases."
        )
    return _result(objective, "Fail" if failed else "Pass", message, share)


def _result(
    objective: PlannedObjective,
    result: Literal["Pass", "Fail"],
    message: str,
    value: float | None,
) -> ObjectiveResult:
    return ObjectiveResult(
        name=objective.name,
        result="Informational" if objective.informational else result,
        reason="ValueOutOfBounds" if result == "Fail" else "WithinBounds",
        message=clip(message, 1024),
        value=value,
        unit=unit_of(objective.indicator),
        weight=objective.weight if objective.weight != 1 else None,
        key=objective.key or None,
        dry_run=objective.dry_run or None,
    )


def plainly(
    objective: PlannedObjective, failed: bool, value: float | None, looks: int
) -> ObjectiveResult:
    """The result of what is watched look by look."""
    unit = unit_of(objective.indicator)
    message = "nothing speaks against it so far"
    if failed:
        shown = " not measured" if value is None else f" {quantity(value, unit)} in the last"
        message = (
            f"{sentences.subject(objective.indicator)}{shown}, where "
            f"{sentences.bounds_text(objective.pass_, unit)} is wanted, in {looks} looks in a row."
        )
    return _result(objective, "Fail" if failed else "Pass", message, value)


def rises(objective: PlannedObjective) -> list[ChangeComparison]:
    """The changes that can be watched against a workload beside it: a share that may not rise."""
    bounds: Sequence[Bound] = (*objective.pass_, *objective.warn)
    changes = [b.change for b in bounds if b.change is not None]
    return [c for c in changes if c.delta is None and not falls(c) and said(c)[0] != "eq"][
        :MAX_BESIDE
    ]


def _alpha(objective: PlannedObjective) -> float:
    return (objective.sensitivity or Sensitivity()).false_alarm / 100


def _wander(noise: Noise | None, alpha: float) -> float:
    """By how much a rate may be higher for no more than wandering by itself."""
    from .statistics.spending import NORMAL

    return math.exp(NORMAL.inv_cdf(1 - alpha) * noise.sd) if noise is not None else 1.0


def _beside_terms(objective: PlannedObjective, change: ChangeComparison, noise: Noise | None):  # type: ignore[no-untyped-def]
    from .statistics.ratios import Terms

    alpha = _alpha(objective)
    allowed = (1 + said(change)[1] / 100) * _wander(noise, alpha) - 1
    return Terms(looks=1, harm=2.0, allowed=allowed, alpha=alpha)


@dataclass(frozen=True, slots=True)
class _Watch:
    """A method of trying bounds: broken where harm is called, else open."""

    objective: PlannedObjective
    counted: Counted
    baseline: Baseline | None
    noise: Noise | None

    def value(self, comparison: Comparison, parts: int) -> Trial:
        name, low, high = said(comparison)
        if name == "eq":
            return _OPEN
        alpha = _alpha(self.objective) / parts
        if name == "between":
            called = self._beyond(1 - low, alpha / 2, falling=True) or self._beyond(
                high, alpha / 2, falling=False
            )
        elif name in ("gt", "gte"):
            called = self._beyond(1 - low, alpha, falling=True)
        else:
            called = self._beyond(high, alpha, falling=False)
        return _BROKEN if called else _OPEN

    def change(self, change: ChangeComparison, parts: int) -> Trial | None:
        if self.baseline is None:
            return None
        if said(change.delta or change)[0] in ("eq", "between"):
            return _OPEN
        alpha = _alpha(self.objective) / parts
        if self.counted.beside:
            return self._beside(change, alpha)
        edge = self._edge(change, alpha / 2)
        called = edge is not None and self._beyond(edge, alpha / 2, falling=falls(change))
        return _BROKEN if called else _OPEN

    def _beside(self, change: ChangeComparison, alpha: float) -> Trial:
        from .statistics import anytime

        changes = rises(self.objective)
        if change not in changes or changes.index(change) >= len(self.counted.beside):
            return _OPEN
        logs = self.counted.beside[changes.index(change)]
        floor = change.floor
        if floor is not None and self.counted.least <= floor * self.counted.requests:
            return _OPEN
        return _BROKEN if anytime.calls(logs, alpha) else _OPEN

    def _edge(self, change: ChangeComparison, alpha: float) -> float | None:
        """The highest rate of harmful events that is no harm, were the baseline's rate at the upper
        end of what its counts allow."""
        from scipy.special import betaincinv  # type: ignore[import-untyped]  # only where needed

        from .statistics.ratios import Terms

        assert self.baseline is not None
        was, falling = self.baseline.value, falls(change)
        if not 0 <= was <= 1:
            return None
        rate = 1 - was if falling else was
        requests = self.baseline.samples
        if requests:
            events = round(rate * requests)
            rate = 1.0
            if events < requests:
                rate = float(betaincinv(events + 1, requests - events, 1 - alpha))
        first = said(change.delta or change)[1]
        if change.delta is not None:
            terms = Terms(looks=1, harm=2.0, added=-first if falling else first)
        elif falling:
            terms = Terms(looks=1, harm=2.0, scaled=-first / 100)
        else:
            terms = Terms(looks=1, harm=2.0, allowed=first / 100)
        edge = terms.edge(rate) * _wander(self.noise, alpha)
        if change.floor is not None:
            edge = max(edge, 1 - change.floor if falling else change.floor)
        return edge

    def _beyond(self, bound: float, alpha: float, *, falling: bool) -> bool:
        """Whether harmful events came that a rate at this bound does not explain."""
        from .statistics import anytime
        from .statistics.ratios import Look, Terms

        total = self.counted.requests
        tally = Tally(self.counted.least, self.counted.most, total)
        harmful = total - tally.most if falling else tally.least
        if bound >= 1 or total <= 0:
            return False
        if bound <= 0:
            return harmful > 0
        terms = Terms(looks=1, harm=2.0, bound=bound, alpha=alpha)
        return anytime.calls(anytime.added(anytime.NONE, Look(total, harmful), terms), alpha)
