"""Judging values look by look, where there are no counts: raw gauges and quantiles.

The value itself is compared plainly; how many looks in a row must fail is the caller's business. Its
change against a baseline is tested over the looks' values where there are enough of them.

Not here: the tests (statistics/), and which entry of bounds decides (points).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..resources.judgement import Statistic
from ..resources.objective import ChangeComparison, Comparison, Result
from ..resources.release import Spread
from ..resources.sensitivity import MannWhitney, Sensitivity
from .baselines import Baseline
from .comparing import Outcome, said
from .numbers import change
from .points import Plain, Trial, falls

if TYPE_CHECKING:
    from .statistics.values import Compared, ValueTerms

HARM = 1.5
"""The declared harm by default: half as much again."""


@dataclass(frozen=True)
class Values:
    """Values look by look, against bounds and a baseline."""

    looks: tuple[float | None, ...]
    """The release's; None for a look without data."""
    planned: int
    """Looks of the whole window."""
    final: bool
    """There will be no more."""
    sensitivity: Sensitivity
    plain: Plain
    baseline: Baseline | None
    baseline_looks: tuple[float | None, ...] = ()
    """The baseline's over the same minutes."""
    share: float = 1.0
    """The part of the false alarms that this phase of the release may use."""

    def value(self, comparison: Comparison, parts: int) -> Trial:
        found = self.plain.value(comparison, parts)
        if not self.final and found.outcome is Outcome.BROKEN:
            # Before the end it takes several looks in a row, which is not told here.
            return Trial(Outcome.OPEN, "Evaluating")
        return found

    def change(self, change: ChangeComparison, parts: int) -> Trial | None:
        if self.plain.baseline is None:
            return None
        found = self._tested(change, parts)
        if found is not None:
            return found
        plainly = self.plain.change(change, parts)
        if not self.final and plainly is not None and plainly.outcome is Outcome.BROKEN:
            return Trial(Outcome.OPEN, "Evaluating")
        return plainly

    def _tested(self, change: ChangeComparison, parts: int) -> Trial | None:
        """By a t test over the looks; None where it cannot be used."""
        reference = self._reference()
        if reference is None or change.delta is not None:
            return None
        from .statistics.values import ValueTerms, compare

        up = not falls(change)
        _, percent, _ = said(change)
        allowed = percent / 100 if up else -percent / 100
        if not -0.9 < allowed < (100 if up else 0.9):
            return None
        harm = self.sensitivity.detect or HARM
        if up:
            harm = harm if harm >= 1.2 * (1 + allowed) else harm * (1 + allowed)
        else:
            harm = min(1 / harm, (1 - allowed) / 1.2)
        terms = ValueTerms(
            looks=max(self.planned, len(self.looks)),
            allowed=allowed,
            harm=harm,
            up=up,
            alpha=self.sensitivity.false_alarm / 100 * self.share / parts,
            power=self.sensitivity.power / 100,
        )
        found = compare(self.looks, reference, terms, ended=self.final)
        if found is None:
            return None
        outcome, reason = {
            "Harm": (Outcome.BROKEN, ""),
            "Safe": (Outcome.HELD, ""),
            "Open": (Outcome.OPEN, "Evaluating"),
        }.get(found.ending, (Outcome.OPEN, "Ambiguous"))
        if outcome is not Outcome.HELD and self._under(change):
            outcome, reason = Outcome.HELD, ""
        return Trial(outcome, reason, _told(found, terms), _statistic(found, terms))

    def _under(self, change: ChangeComparison) -> bool:
        floor = change.floor
        if floor is None or not self.final:
            return False
        return all(v >= floor if falls(change) else v <= floor for v in self.plain.values)

    def _reference(self) -> Spread | tuple[float | None, ...] | None:
        if self.baseline_looks:
            return self.baseline_looks
        return self.baseline.spread if self.baseline else None


def _told(found: Compared, terms: ValueTerms) -> str:
    if found.low is None or found.high is None:
        return ""
    between = (
        f"the looks put the change between {change(found.low * 100)} and {change(found.high * 100)}"
    )
    if found.ending == "Harm":
        by = f", as look {found.at} of {terms.looks} showed" if found.at != terms.looks else ""
        return f"{between}{by}"
    if found.ending in ("Ambiguous", "Scarce"):
        return (
            f"{between}: neither is harm shown, nor {terms.harm:.3g} times the baseline ruled out"
        )
    return between


def _statistic(found: Compared, terms: ValueTerms) -> Statistic:
    return Statistic(
        method="TTest",
        at=found.at,
        p_value=_finite(found.p_value),
        low=_finite(found.low),
        high=_finite(found.high),
        harm=_finite(terms.harm),
        power=_finite(found.power),
    )


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a declared Mann-Whitney test came to."""

    result: Result
    reason: str
    told: str
    critical: bool
    statistic: Statistic | None


def classified(
    looks: Sequence[float | None], baseline: Sequence[float | None], terms: MannWhitney
) -> Ranked:
    """The looks' values against the baseline's, as Kayenta's judge would: see statistics.mannwhitney."""
    from .statistics.mannwhitney import MannWhitneyTerms, classify

    found = classify(
        _numbered(baseline),
        _numbered(looks),
        MannWhitneyTerms(
            tolerance=terms.tolerance,
            confidence=terms.confidence,
            direction=terms.direction,
            nan=terms.nan,
            outliers=terms.outliers,
            effect=terms.effect,
            allowed_increase=terms.allowed_increase,
            allowed_decrease=terms.allowed_decrease,
            critical_increase=terms.critical_increase,
            critical_decrease=terms.critical_decrease,
            must_have_data=terms.must_have_data,
        ),
    )
    low, high = found.interval or (None, None)
    statistic = Statistic(method="MannWhitney", low=_finite(low), high=_finite(high))
    where = "" if found.interval is None else f" (difference from {low:.3g} to {high:.3g})"
    match found.classification:
        case "High":
            told = f"by ranks its looks lie above the baseline's{where}"
            return Ranked("Fail", "RankedHigher", told, found.critical, statistic)
        case "Low":
            told = f"by ranks its looks lie below the baseline's{where}"
            return Ranked("Fail", "RankedLower", told, found.critical, statistic)
        case "Pass":
            told = f"by ranks its looks differ from the baseline's by nothing that matters{where}"
            return Ranked("Pass", "SameRanks", told, False, statistic)
        case "NodataFailMetric":
            return Ranked("Fail", "NoData", found.reason, found.critical, statistic)
        case "Nodata":
            return Ranked("NoData", "NoData", found.reason, False, statistic)
    return Ranked("NotJudged", "NotANumber", found.reason, False, statistic)


def _numbered(values: Sequence[float | None]) -> list[float]:
    return [math.nan if v is None else v for v in values]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
