"""Values look by look against a baseline: a sequential t test on logarithms, with three ends.

The change is tested where the plain comparison would fail every other healthy release by the values' own
spread. Each look has a level from the walk of a normal sum, by the same spending as for counts; the
levels are exact for normal values whose spread is known, and measured for the t test.

Not here: one value against a fixed bound, which is compared plainly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...resources.release import Spread
from ..spreads import LEAST
from .laws import Array
from .ratios import Ending
from .spending import NORMAL, spent

_GRID = 0.02
_REACH = 7.0


@dataclass(frozen=True, slots=True)
class ValueTerms:
    """What is tested, and how surely."""

    looks: int
    """K: the window's looks."""
    allowed: float
    """The allowed relative change in the harmful direction: 0.1 lets 200 ms become 220 ms."""
    harm: float
    """The harm that must show, as a multiple of the baseline (below 1 where a fall is harm)."""
    up: bool = True
    """Whether a rise is harm."""
    alpha: float = 0.01
    beta: float = 0.05
    power: float = 0.8


@dataclass(frozen=True, slots=True)
class Compared:
    """What the test came to so far."""

    ending: Ending
    at: int | None = None
    """The look (from 1) at which harm was called."""
    change: float | None = None
    """The relative change of the typical value; 0.1 is +10 %."""
    low: float | None = None
    """Its interval at the confidence of the false alarms, two-sided."""
    high: float | None = None
    p_value: float | None = None
    """P(at least so large a change | the allowed one), at the last look alone."""
    power: float | None = None


def compare(
    release: Sequence[float | None],
    baseline: Spread | Sequence[float | None],
    terms: ValueTerms,
    *,
    ended: bool,
) -> Compared | None:
    """The looks' values against a baseline known beforehand, or against those of the same minutes.

    None where there are too few values, or values that have no logarithm: then nothing can be tested. A
    call once made stands.
    """
    if isinstance(baseline, Spread):
        series = _logs(release)
        if series is None or not baseline.logs or baseline.count < LEAST:
            return None
        reference = baseline
    else:
        pairs = [
            (r, b)
            for r, b in zip(release, baseline, strict=False)
            if r is not None and b is not None
        ]
        if any(not (0 < x < math.inf) for pair in pairs for x in pair):
            return None
        series = [None if r is None or b is None else math.log(r) - math.log(b) for r, b in
                  zip(release, baseline, strict=False)]  # fmt: skip
        reference = None
    return _walked(series, reference, terms, ended=ended)


def _logs(values: Sequence[float | None]) -> list[float | None] | None:
    if any(v is not None and not (0 < v < math.inf) for v in values):
        return None
    return [None if v is None else math.log(v) for v in values]


def _walked(
    series: Sequence[float | None],
    reference: Spread | None,
    terms: ValueTerms,
    *,
    ended: bool,
) -> Compared | None:
    looks = max(terms.looks, len(series))
    known = 0 if reference is None else reference.count
    levels = _levels(looks, terms.alpha, known)
    given: list[float] = []
    found: _At | None = None
    for k, value in enumerate(series, 1):
        if value is not None:
            given.append(value)
        last = ended and k == len(series)
        if len(given) < LEAST or (value is None and not last):
            continue
        found = _at(given, reference, terms)
        level = levels[looks] if last else levels[k]
        if found.p_value <= level:
            return found.told("Harm", terms, at=k)
    if found is None:
        return None
    if not ended:
        return found.told("Open", terms)
    if found.safe:
        return found.told("Safe", terms)
    return found.told("Ambiguous" if found.power >= terms.power else "Scarce", terms)


class _At(NamedTuple):
    """The test at one look."""

    change: float
    """Of logarithms, signed so that harm is above zero."""
    error: float
    degrees: float
    p_value: float
    safe: bool
    power: float

    def told(self, ending: Ending, terms: ValueTerms, at: int | None = None) -> Compared:
        half = _quantile(1 - terms.alpha / 2, self.degrees) * self.error
        sign = 1 if terms.up else -1
        ends = sorted(_relative(sign * (self.change + d)) for d in (-half, half))
        return Compared(
            ending,
            at=at,
            change=_relative(sign * self.change),
            low=ends[0],
            high=ends[1],
            p_value=self.p_value,
            power=self.power,
        )


def _at(given: Sequence[float], reference: Spread | None, terms: ValueTerms) -> _At:
    sign = 1.0 if terms.up else -1.0
    count, mean = len(given), math.fsum(given) / len(given)
    squares = math.fsum((x - mean) ** 2 for x in given)
    few = count / _worth(given, mean, squares)
    if reference is None:
        degrees = float(count - 1)
        change, error = mean, math.sqrt(squares / degrees / few)
    else:
        degrees = float(count + reference.count - 2)
        pooled = (squares + (reference.count - 1) * reference.sd**2) / degrees
        change = mean - reference.mean
        error = math.sqrt(pooled * (1 / few + 1 / reference.count))
    change *= sign
    allowed = sign * math.log1p(sign * terms.allowed)
    harm = max(sign * math.log(terms.harm), allowed + 0.05)
    if error <= 1e-12:
        return _At(change, 0.0, degrees, 0.0 if change > allowed + 1e-9 else 1.0, True, 1.0)
    p_value = _tail((change - allowed) / error, degrees)
    upper = change + _quantile(1 - terms.beta, degrees) * error
    power = NORMAL.cdf((harm - allowed) / error - NORMAL.inv_cdf(1 - terms.alpha))
    return _At(change, error, degrees, p_value, upper <= harm, power)


def _worth(given: Sequence[float], mean: float, squares: float) -> float:
    """How many looks are worth one where neighbours are alike: (1+ρ)/(1-ρ), where ρ is plainly above 0."""
    if squares <= 0 or len(given) < 8:
        return 1.0
    rho = math.fsum((a - mean) * (b - mean) for a, b in pairwise(given)) / squares
    if rho <= 2 / math.sqrt(len(given)):
        return 1.0
    rho = min(rho, 0.95)
    return (1 + rho) / (1 - rho)


def _relative(logarithm: float) -> float:
    return math.expm1(min(max(logarithm, -700.0), 700.0))


@lru_cache(maxsize=64)
def _levels(looks: int, alpha: float, known: int) -> tuple[float, ...]:
    """The level of each look's own test: P(first above it at look k) = A(k) - A(k-1), by a normal walk.

    Information is that of a mean of k looks, beside a baseline of ``known`` ones (0: pairs).
    """
    information = [k if not known else 1 / (1 / k + 1 / known) for k in range(1, looks + 1)]
    size = int(_REACH / _GRID)
    points: Array = np.arange(-size, size + 1, dtype=np.float64) * _GRID
    law = np.zeros(len(points))
    law[size] = 1.0
    used = before = 0.0
    levels = [0.0]
    for k, mass in enumerate(information, 1):
        step = math.sqrt((mass - before) / information[-1])
        before = mass
        law = np.asarray(np.convolve(law, _kernel(step, size), mode="same"))
        tails = np.cumsum(law[::-1])[::-1]
        # Fewer than three looks have no spread: nothing is spent on them.
        left = (spent(k, looks, alpha) if k >= LEAST else 0.0) - used
        index = int(np.searchsorted(-tails, -left, side="left"))
        if k < LEAST or index >= len(points):
            levels.append(0.0)
            continue
        # The cut between the two points, as the tail there would be exactly what may be spent.
        cut = _between(points, np.asarray(tails, dtype=np.float64), index, left)
        used += float(tails[index])
        law[index:] = 0.0
        levels.append(1 - NORMAL.cdf(cut / math.sqrt(mass / information[-1])))
    return tuple(levels)


def _between(points: Array,
             tails: Array,
             index: int, left: float) -> float:  # fmt: skip
    if index == 0 or tails[index - 1] <= tails[index]:
        return float(points[index]) - _GRID / 2
    part = (tails[index - 1] - left) / (tails[index - 1] - tails[index])
    return float(points[index - 1]) - _GRID / 2 + _GRID * float(part)


@lru_cache(maxsize=512)
def _kernel(sd: float, size: int) -> Array:
    reach = min(size, max(1, math.ceil(8 * sd / _GRID)))
    x = np.arange(-reach, reach + 1) * _GRID
    weights = np.exp(-0.5 * (x / max(sd, _GRID / 4)) ** 2)
    return np.asarray(weights / weights.sum())


def _tail(t: float, degrees: float) -> float:
    """P(T ≥ t) of Student's t."""
    from scipy.special import stdtr  # type: ignore[import-untyped]  # 32 MiB: only where needed

    return float(stdtr(degrees, -t))


def _quantile(share: float, degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))
