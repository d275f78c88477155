"""A judge by ranks, compatible with Kayenta's NetflixACAJudge: one metric's values, and scores of groups.

The interval of the shift between two samples comes from inverting the Mann-Whitney test, by R's root
finder with an absolute tolerance of 1e-4, as there. That tolerance makes the original depend on the
unit; ``invariant`` (the default) divides both samples by their mean magnitude first.

It throws away how many requests stand behind a value: counts are judged better by ``ratios``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .spending import NORMAL

Classification = Literal["Pass", "High", "Low", "Nodata", "NodataFailMetric", "Error"]
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_TOLERANCE = 1e-4
_EPS = 2.220446049250313e-16
_STEPS = 1000
_JITTER = 1e-5


@dataclass(frozen=True, slots=True)
class MannWhitneyTerms:
    """The settings of one metric."""

    tolerance: float = 0.25
    """The part of the estimated difference that its interval must be away from zero."""
    confidence: float = 0.98
    direction: Literal["Increase", "Decrease", "Either"] = "Either"
    nan: Literal["Remove", "Replace"] = "Remove"
    outliers: Literal["Keep", "Remove"] = "Keep"
    outlier_factor: float = 3.0
    effect: Literal["MeanRatio", "Cles"] = "MeanRatio"
    allowed_increase: float | None = None
    allowed_decrease: float | None = None
    critical_increase: float | None = None
    critical_decrease: float | None = None
    critical: bool = False
    must_have_data: bool = False
    invariant: bool = True


@dataclass(frozen=True, slots=True)
class Classified:
    """What became of one metric."""

    classification: Classification
    reason: str = ""
    deviation: float = 1.0
    """mean(experiment) / mean(control); 1 where that says nothing."""
    critical: bool = False
    interval: tuple[float, float] | None = None
    """Of the shift from control to experiment, in the values' unit."""
    estimate: float | None = None
    """Hodges and Lehmann's estimate of it."""
    effect: float | None = None


def classify(
    control: Sequence[float], experiment: Sequence[float], terms: MannWhitneyTerms
) -> Classified:
    """Pass, High or Low; Nodata, NodataFailMetric, Error. Never raises; infinite values are left out."""
    with np.errstate(all="ignore"):
        try:
            return _classify(_cleaned(control, terms), _cleaned(experiment, terms), terms)
        except (ArithmeticError, ValueError) as problem:
            return Classified("Error", f"Metric Classification Failed: {problem}")


def _cleaned(values: Sequence[float], terms: MannWhitneyTerms) -> Array:
    given = np.asarray(list(values), dtype=np.float64)
    if terms.nan == "Replace":
        given = np.where(np.isnan(given), 0.0, given)
    given = given[np.isfinite(given)]
    if terms.outliers == "Remove" and len(given):
        low, high = np.quantile(given, [0.25, 0.75])
        fence = terms.outlier_factor * (high - low)
        least, most = np.quantile(given, [0.01, 0.99])
        given = given[(given >= min(least, low - fence)) & (given <= max(most, high + fence))]
    return given


def _classify(control: Array, experiment: Array, terms: MannWhitneyTerms) -> Classified:
    if not len(control) or not len(experiment):
        if terms.nan == "Replace":
            return Classified("Pass")
        if terms.must_have_data and not terms.critical:
            return Classified("NodataFailMetric", "Missing data")
        return Classified("Nodata", "Missing data", critical=terms.critical)
    control, experiment = np.sort(control), np.sort(experiment)
    if np.array_equal(control, experiment):
        return Classified("Pass", "The Canary and Baseline data are identical")
    scale = 1.0
    if terms.invariant:
        scale = float(np.abs(np.concatenate((control, experiment))).mean())
        if not math.isfinite(scale) or scale <= 0:
            raise ValueError("the values are too large to be compared")
    shift = _Shift(_spread(control / scale), _spread(experiment / scale))
    q = -NORMAL.inv_cdf((1 - terms.confidence) / 2)
    low, high, estimate = shift.root(q), shift.root(-q), shift.root(0.0)
    effect = _effect(control, experiment, terms)
    bound = terms.tolerance * abs(estimate)
    up = terms.direction != "Decrease" and low > bound
    down = terms.direction != "Increase" and high < -bound
    if up:
        up = (
            math.isnan(effect) or terms.allowed_increase is None or effect >= terms.allowed_increase
        )
    if down:
        down = (
            math.isnan(effect) or terms.allowed_decrease is None or effect <= terms.allowed_decrease
        )
    found: Classification = "High" if up else "Low" if down else "Pass"
    ratio = _mean_ratio(control, experiment)
    return Classified(
        found,
        deviation=ratio if math.isfinite(ratio) else 1.0,
        critical=found != "Pass" and _critical(effect, terms),
        interval=(low * scale, high * scale),
        estimate=estimate * scale,
        effect=None if math.isnan(effect) else effect,
    )


def _critical(effect: float, terms: MannWhitneyTerms) -> bool:
    declared = terms.critical_increase is not None or terms.critical_decrease is not None
    if not declared:
        return terms.critical
    return (
        math.isnan(effect)
        or (terms.critical_increase is not None and effect >= terms.critical_increase)
        or (terms.critical_decrease is not None and effect <= terms.critical_decrease)
    )


def _spread(values: Array) -> Array:
    """A constant sample a little spread (sd 1e-5 of it), the same way each time; others as they are."""
    if len(values) < 2 or values[0] != values[-1]:
        return values
    ranks = (np.arange(len(values)) + 0.5) / len(values)
    noise = np.array([NORMAL.inv_cdf(float(r)) for r in ranks])
    return np.asarray(np.sort(values + noise * values * _JITTER))


def _mean_ratio(control: Array, experiment: Array) -> float:
    before, now = float(control.mean()), float(experiment.mean())
    return math.nan if before == 0 or now == 0 else now / before


def _effect(control: Array, experiment: Array, terms: MannWhitneyTerms) -> float:
    if terms.effect == "MeanRatio":
        return _mean_ratio(control, experiment)
    below = np.searchsorted(control, experiment, side="left")
    upto = np.searchsorted(control, experiment, side="right")
    return float((below + upto).sum()) / (2 * len(control) * len(experiment))


class _Shift:
    """The test of a shift, as a falling function of the shift that is supposed."""

    def __init__(self, control: Array, experiment: Array) -> None:
        n, m = len(experiment), len(control)
        self._differences = np.sort((experiment[:, None] - control[None, :]).ravel())
        self._centre = n * m / 2
        self._size, self._pairs = n + m, n * m / 12
        self._ties = _ties(experiment) + _ties(control)
        self._control, self._experiment = control, experiment

    def _statistic(self, shift: float, q: float) -> float:
        below = int(np.searchsorted(self._differences, shift, side="left"))
        upto = int(np.searchsorted(self._differences, shift, side="right"))
        above = len(self._differences) - upto
        dz = above + (upto - below) / 2 - self._centre
        ties = self._ties
        if upto > below:  # values of both sides are tied at this very shift
            ties = _ties(np.sort(np.concatenate((self._experiment - shift, self._control))))
        size = self._size
        variance = self._pairs * ((size + 1) - ties / (size * (size - 1)))
        if not variance > 0:
            raise ValueError("cannot compute confidence interval when all observations are tied")
        return (dz - math.copysign(0.5, dz) * (dz != 0)) / math.sqrt(variance) - q

    def root(self, q: float) -> float:
        """The shift at which the statistic is q; the end of the range where it never is."""
        least, most = float(self._differences[0]), float(self._differences[-1])
        at_least, at_most = self._statistic(least, q), self._statistic(most, q)
        if at_least <= 0:
            return least
        if at_most >= 0:
            return most
        return _zero(lambda shift: self._statistic(shift, q), least, most, at_least, at_most)


def _ties(ordered: Array) -> float:
    """Σ(t³ - t) over groups of equal values."""
    if not len(ordered):
        return 0.0
    edges = np.flatnonzero(np.diff(ordered) != 0)
    sizes = np.diff(np.concatenate(([-1], edges, [len(ordered) - 1]))).astype(np.float64)
    return float((sizes**3 - sizes).sum())


def _zero(f: Callable[[float], float], a: float, b: float, fa: float, fb: float) -> float:
    """Brent's root finder in the form of R's zeroin (Brent 1973), with its order of steps."""
    c, fc = a, fa
    for _ in range(_STEPS):
        before = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        enough = 2 * _EPS * abs(b) + _TOLERANCE / 2
        step = (c - b) / 2
        if abs(step) <= enough or fb == 0:
            return b
        if abs(before) >= enough and abs(fa) > abs(fb):
            cb = c - b
            if a == c:
                t1 = fb / fa
                p, q = cb * t1, 1.0 - t1
            else:
                q, t1, t2 = fa / fc, fb / fc, fb / fa
                p = t2 * (cb * q * (q - t1) - (b - a) * (t1 - 1.0))
                q = (q - 1.0) * (t1 - 1.0) * (t2 - 1.0)
            p, q = (p, -q) if p > 0 else (-p, q)
            if p < 0.75 * cb * q - abs(enough * q) / 2 and p < abs(before * q / 2):
                step = p / q
        if abs(step) < enough:
            step = enough if step > 0 else -enough
        a, fa = b, fb
        b += step
        fb = f(b)
        if (fb > 0 and fc > 0) or (fb < 0 and fc < 0):
            c, fc = a, fa
    return b


# --- scores ------------------------------------------------------------------------------------------


def group_score(results: Sequence[Classified]) -> float:
    """100·Pass ÷ (Pass + High + Low + NodataFailMetric); 0 where there are only Nodata and Error."""
    counted = [
        r for r in results if r.classification in ("Pass", "High", "Low", "NodataFailMetric")
    ]
    passed = sum(r.classification == "Pass" for r in counted)
    return 100.0 * passed / len(counted) if counted else 0.0


def summary_score(
    groups: Mapping[str, Sequence[Classified]], weights: Mapping[str, float]
) -> tuple[float, str]:
    """(score, why it is 0): groups weighted, those without a weight share what is left equally.

    A critical metric that does not pass, or half of all metrics without data, makes it 0. A group with
    only Nodata or Error counts 100, as in the original.
    """
    every = [r for results in groups.values() for r in results]
    failed = next((r for r in every if r.critical and r.classification != "Pass"), None)
    if failed is not None:
        return 0.0, f"Canary Failed: {failed.reason or failed.classification}"
    empty = sum(r.classification in ("Nodata", "NodataFailMetric") for r in every)
    if every and 2 * empty >= len(every):
        return 0.0, "Canary Failed: 50% or more metrics returned NODATA"
    open_ = [name for name in groups if name not in weights]
    share = (100 - sum(weights.get(name, 0) for name in groups)) / len(open_) if open_ else 0.0
    total = 0.0
    for name, results in groups.items():
        usable = any(r.classification not in ("Nodata", "Error") for r in results)
        score = group_score(results) if usable else 100.0
        total += score * weights.get(name, share) / 100
    return round(total, 2), ""
