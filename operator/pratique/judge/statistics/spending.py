"""How much of the false-alarm probability may be spent by which look.

Lan & DeMets (1983, 1989): by calendar time, so that it is valid whatever the traffic. Nine tenths are
spent in the shape of O'Brien & Fleming, one tenth early, so that gross harm is called at once.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

NORMAL = NormalDist()
EARLY = 0.1
"""The share that is spent early: half of it by the first look, half of the rest by the second…"""
WITHIN = 0.8
"""The share that is spent by the window's end where the window may be extended."""


def spent(k: int, looks: int, alpha: float, *, early: bool = True, extended: int = 0) -> float:
    """A(k): by the k-th of ``looks`` looks so much of ``alpha`` may have been spent.

    A(k) = 2(1 - Φ(z / √(k/K))) with z = Φ⁻¹(1 - 0.45·alpha), plus 0.1·alpha·(1 - 2⁻ᵏ); alpha at the last
    look. Without ``early`` the O'Brien-Fleming part alone, which then ends at 0.9·alpha.
    With ``extended`` looks in all, 0.8·alpha by the window's end and the rest, in the same shape, over
    the extension.
    """
    if extended > looks:
        if k <= looks:
            return WITHIN * spent(k, looks, alpha, early=early)
        rest = spent(k - looks, extended - looks, alpha, early=early)
        return WITHIN * spent(looks, looks, alpha, early=early) + (1 - WITHIN) * rest
    if k >= looks:
        return alpha if early else (1 - EARLY) * alpha
    if k <= 0:
        return 0.0
    fleming = 2 * (1 - NORMAL.cdf(_z(alpha) / math.sqrt(k / looks)))
    return fleming + (EARLY * alpha * (1 - 0.5**k) if early else 0.0)


@lru_cache(maxsize=64)
def _z(alpha: float) -> float:
    return NORMAL.inv_cdf(1 - alpha * (1 - EARLY) / 2)
