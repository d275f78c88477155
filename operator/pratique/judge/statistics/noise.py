"""How much a rate wanders by itself: fitted from the old version's history, one count pair a look.

Chance alone has no part in the covariances of different looks, so what is left there is noise. The fit's
constants were set by simulation of log-normal and clipped AR(1) noise; see the operating characteristics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .laws import QUIET, Noise

RHOS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
LAGS = 30
LEAST_LOOKS = 60
LEAST_EVENTS = 20
_SURE = 1.5
"""Standard errors that the noise must be away from none."""
_MOST = 3.0


def fit(history: Sequence[tuple[int, int]]) -> Noise:
    """(requests, events) of each look of the past → the noise of the log ratio of two sides.

    Needs 60 looks with requests and 20 events; with less, or where all requests are events, nothing is
    known, and the noise is taken for 0.
    With r_t = e_t - p̂·n_t and μ the mean expected count: C_0 = (Σr² - Σe)/M/μ², C_l = Σ r_t·r_{t+l}/M/μ²;
    the ρ whose ρ^l - min(0.9, V/M), V = (1+ρ)/(1-ρ), fits these best (C_0 counts half) is taken; its
    v goes up by one standard error, √(2V/M), as too little noise costs false alarms; s = √(2·ln(1+v)).
    """
    given = [(n, e) for n, e in history if n > 0 and 0 <= e <= n]
    looks = len(given)
    requests, events = sum(n for n, _ in given), sum(e for _, e in given)
    if looks < LEAST_LOOKS or not LEAST_EVENTS <= events < requests:
        return QUIET
    n = np.array([g[0] for g in given], dtype=np.float64)
    e = np.array([g[1] for g in given], dtype=np.float64)
    rate = events / requests
    r = e - rate * n
    mean = float((rate * n).mean())
    lags = min(LAGS, looks // 2)
    c = np.empty(lags + 1)
    c[0] = ((r * r).sum() - e.sum()) / looks / mean**2
    for lag in range(1, lags + 1):
        c[lag] = (r[:-lag] * r[lag:]).sum() / looks / mean**2
    weights = np.ones(lags + 1)
    weights[0] = 0.5
    best: tuple[float, float, float, float] | None = None
    for rho in RHOS:
        wide = (1 + rho) / (1 - rho)
        b = rho ** np.arange(lags + 1) - min(0.9, wide / looks)
        squares = float((weights * b * b).sum())
        v = float((weights * b * c).sum()) / squares
        left = float((weights * (c - v * b) ** 2).sum())
        if best is None or left < best[0]:
            best = (left, rho, v, squares)
    assert best is not None
    _, rho, v, squares = best
    error = 1 / (mean * math.sqrt(looks * squares))
    if not math.isfinite(v) or v <= _SURE * error:
        return Noise(0.0, 0.0, known=True)
    v *= 1 + math.sqrt(2 * (1 + rho) / (1 - rho) / looks)
    return Noise(min(math.sqrt(2 * math.log1p(v)), _MOST), rho, known=True)
