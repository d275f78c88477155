"""Judging values look by look, where there are no counts: raw gauges and quantiles.

The value itself is compared plainly; how many looks in a row must fail is the caller's business. Its
change against a baseline is tested over the looks' values where there are enough of them.

Not here: the tests (statistics/), and which entry of bounds decides (points).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..resources.judgement import Statistic
from ..resources.objective import ChangeComparison, Comparison, Result
from ..resources.sensitivity import MannWhitney, Sensitivity
from .baselines import Baseline
from .points import Plain, Trial


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

    def value(self, comparison: Comparison, parts: int) -> Trial:
        return self.plain.value(comparison, parts)

    def change(self, change: ChangeComparison, parts: int) -> Trial | None:
        return self.plain.change(change, parts)


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
