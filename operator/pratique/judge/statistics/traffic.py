"""How much traffic it takes to see a harm, and how likely it is to show in the traffic there is.

By the square-root transformation of Poisson counts (Gu et al. 2008, Przyborowski & Wilenski 1940): m0 is
the number of harmful events to be expected on the baseline's side; d the release's requests over the
baseline's; h the harm and r the allowed change as ratios.

    m0 = (z_{1-α} + z_power)²·(1 + d·r) / (4·d·(√h - √r)²) + 2

These say what to expect, never what the verdict is.
"""

from __future__ import annotations

import math

from .spending import NORMAL


def events_needed(
    *, alpha: float, power: float, harm: float, allowed: float = 1.0, ratio: float = 1.0
) -> float:
    """m0 for that power; ``ratio`` is d, 0 for a bound that is known without a baseline."""
    z = NORMAL.inv_cdf(1 - alpha) + NORMAL.inv_cdf(power)
    gap = math.sqrt(harm) - math.sqrt(allowed)
    if gap <= 0:
        return math.inf
    if ratio <= 0:  # against a bound the events are those that it lets the release have
        return allowed * z * z / (4 * gap * gap) + 2
    return z * z * (1 + ratio * allowed) / (4 * ratio * gap * gap) + 2


def power_of(
    expected: float,
    *,
    alpha: float,
    harm: float,
    allowed: float = 1.0,
    ratio: float = 1.0,
    noise: float = 0.0,
) -> float:
    """How likely the harm is called where ``expected`` (m0) events are to be expected.

    ``noise`` is the standard deviation of the log ratio over the whole window.
    """
    useful = expected - 2
    gap = math.sqrt(harm) - math.sqrt(allowed)
    if useful <= 0 or gap <= 0:
        return 0.0
    if ratio <= 0:
        variance = allowed / (4 * useful)
    else:
        variance = (1 + ratio * allowed) / (4 * ratio * useful)
    variance += noise * noise * (math.sqrt(harm) + math.sqrt(allowed)) ** 2 / 16
    return NORMAL.cdf(gap / math.sqrt(variance) - NORMAL.inv_cdf(1 - alpha))


def harm_seen(
    expected: float, *, alpha: float, power: float, allowed: float = 1.0, ratio: float = 1.0
) -> float:
    """The least harm (a ratio) that so many expected events would have shown; inf where none would."""
    useful = expected - 2
    if useful <= 0:
        return math.inf
    z = NORMAL.inv_cdf(1 - alpha) + NORMAL.inv_cdf(power)
    spread = allowed if ratio <= 0 else (1 + ratio * allowed) / ratio
    return (math.sqrt(allowed) + z * math.sqrt(spread / (4 * useful))) ** 2


def window_noise(sd: float, rho: float, looks: int) -> float:
    """The standard deviation of the mean of ``looks`` AR(1) noises: τ of judge-level formulas.

    τ²(k) = s²/k·(1 + 2·Σ_{l<k}(1 - l/k)·rho^l)
    """
    if sd <= 0 or looks <= 0:
        return 0.0
    total = sum((1 - lag / looks) * rho**lag for lag in range(1, looks))
    return sd * math.sqrt((1 + 2 * total) / looks)
