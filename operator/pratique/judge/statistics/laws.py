"""The law of one look's harmful events on the release, given what may be known of it beforehand.

Each law is (least, probabilities): the probabilities of least, least + 1, … events, one row for each
state of the noise. Supports are cut where less than 1e-15 is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Law = tuple[int, Array]
POINTS = 17
REACH = 3.2
_SD = 10.0
"""Standard deviations, and as many counts, beyond which nothing is reckoned with."""
_OFTEN = 256
"""Laws of so few events are kept: at most 5 MiB in all."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How a rate wanders by itself, beyond chance: the log ratio of release to baseline in one look."""

    sd: float = 0.0
    """Its standard deviation; 0: it does not wander."""
    rho: float = 0.0
    """How much of it stays from look to look (AR(1))."""
    known: bool = False
    """Whether it was fitted from a history, or is only not known of."""


QUIET = Noise()


@lru_cache(maxsize=1)
def states() -> tuple[Array, Array]:
    """(points, weights) of the standard normal noise on a grid."""
    points = np.linspace(-REACH, REACH, POINTS)
    weights = np.exp(-0.5 * points**2)
    return points, weights / weights.sum()


@lru_cache(maxsize=32)
def moves(rho: float) -> Array:
    """Row i: from state i to state j in one look, for AR(1) noise."""
    points, weights = states()
    if rho <= 0:
        return np.tile(weights, (POINTS, 1))
    rho = min(rho, 0.995)
    sd = max(math.sqrt(1 - rho * rho), REACH / POINTS)
    steps = np.exp(-0.5 * ((points[None, :] - rho * points[:, None]) / sd) ** 2)
    return np.asarray(steps / steps.sum(axis=1, keepdims=True))


def hypergeometric(released: int, based: int, events: int, odds: float) -> Law:
    """Fisher's noncentral hypergeometric: of so many events those on the release.

    ``released`` and ``based`` are requests; P(x) ∝ C(released, x)·C(based, events - x)·odds^x.
    """
    least, most = max(0, events - based), min(events, released)
    if most - least > 64:
        # The mode's neighbourhood by the binomial that is as wide or wider.
        share = released * odds / (released * odds + based)
        mean, sd = events * share, math.sqrt(events * share * (1 - share))
        least = max(least, int(mean - _SD * sd - _SD))
        most = min(most, int(mean + _SD * sd + _SD))
    x = np.arange(least + 1, most + 1, dtype=np.float64)
    steps = np.log(
        (released - x + 1) * (events - x + 1) * odds / (x * (based - events + x)), dtype=np.float64
    )
    return least, _normalised(steps)[None, :]


def binomial(events: int, share: float | Array) -> Law:
    """Binomial(events, share); with several shares one row for each."""
    if isinstance(share, float):
        return _binomial(events, min(max(share, 1e-300), 1 - 1e-16))
    shares = np.atleast_1d(np.asarray(share, dtype=np.float64))
    # Few events come again and again, and their shares with them while traffic is even.
    return _often(events, shares.tobytes()) if events <= _OFTEN else _binomials(events, shares)


@lru_cache(maxsize=128)
def _often(events: int, shares: bytes) -> Law:
    least, rows = _binomials(events, np.frombuffer(shares))
    rows.flags.writeable = False
    return least, rows


def _binomials(events: int, shares: Array) -> Law:
    shares = shares.clip(1e-300, 1 - 1e-16)
    least, most = 0, events
    if events > 64:
        low, high = float(shares.min()), float(shares.max())
        least = max(0, int(events * low - _SD * math.sqrt(events * low * (1 - low)) - _SD))
        most = min(
            events, int(events * high + _SD * math.sqrt(events * high * (1 - high)) + _SD) + 1
        )
    x = np.arange(least + 1, most + 1, dtype=np.float64)
    steps = np.log((events - x + 1) / x)[None, :] + np.log(shares / (1 - shares))[:, None]
    return least, _normalised(steps)


@lru_cache(maxsize=1024)
def _binomial(events: int, share: float) -> Law:
    least, most = 0, events
    if events > 64:
        half = _SD * math.sqrt(events * share * (1 - share)) + _SD
        least = max(0, int(events * share - half))
        most = min(events, int(events * share + half) + 1)
    x = np.arange(least + 1, most + 1, dtype=np.float64)
    steps = np.log((events + 1 - x) / x)
    steps += math.log(share) - math.log1p(-share)
    return least, _normalised(steps)[None, :]


def logistic(x: Array | float) -> Array:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, dtype=np.float64))))


def _normalised(steps: Array) -> Array:
    """Probabilities from the logarithms of the ratios of neighbours, along the last axis."""
    logs = np.zeros((*steps.shape[:-1], steps.shape[-1] + 1))
    steps.cumsum(axis=-1, out=logs[..., 1:])
    logs -= logs.max(axis=-1, keepdims=True)
    np.exp(logs, out=logs)
    logs /= logs.sum(axis=-1, keepdims=True)
    return logs
