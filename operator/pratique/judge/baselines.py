"""Which of several baselines an objective is compared with: the first in order that can serve.

Not here: where they are found (lifecycle/), and the comparison itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..resources.release import PlannedObjective, Spread
from .measuring import Measured, measure
from .numbers import quantity
from .samples import Missing, Sample, pool

__all__ = ["Baseline", "Chosen", "choose"]


@dataclass(frozen=True)
class Baseline:
    """What was measured of the same indicator elsewhere."""

    source: str
    """How it was found: LastPromotable, LastReleases, BeforeRollout, OldPods, Workload, Fixed."""
    release: str
    """The release, such as checkout-6, or what stands for it."""
    value: float
    """In the indicator's unit; of the same minutes NaN until they are pooled."""
    samples: int | None = None
    """How many requests it rests on, where it rests on requests."""
    seconds: float | None = None
    """Over how long: gives the rate of requests."""
    spread: Spread | None = None
    """How its looks' values lay."""
    looks: tuple[Sample, ...] = ()
    """Over the same minutes: one sample a look of the release."""
    numbers: tuple[float | None, ...] = ()
    """Its own looks' values, for tests on ranks."""
    unfit: str = ""
    """Why it cannot serve, where that was known beforehand."""


@dataclass(frozen=True)
class Chosen:
    """The baseline that serves, and what must be said of those that did not."""

    baseline: Baseline | None
    passed_over: tuple[str, ...] = ()

    @property
    def why_none(self) -> str:
        """Why there is none."""
        return "; ".join(self.passed_over) or "there is no baseline yet"


def choose(
    objective: PlannedObjective,
    measured: Measured,
    baselines: Sequence[Baseline],
    *,
    seconds: float,
    max_traffic_ratio: float,
) -> Chosen:
    """The first that is a number, rests on enough requests, and had a like rate of them.

    ``seconds`` is the time that ``measured`` covers.
    """
    said: list[str] = []
    for given in baselines:
        found = pooled(objective, given)
        if isinstance(found, str):
            said.append(found)
            continue
        why = _unfit(objective, measured, found, seconds, max_traffic_ratio)
        if why is None:
            return Chosen(found, tuple(said))
        said.append(why)
    return Chosen(None, tuple(said))


def pooled(objective: PlannedObjective, baseline: Baseline) -> Baseline | str:
    """With the value of its looks together, where it has looks; or why there is none."""
    if baseline.unfit:
        return baseline.unfit
    if not baseline.looks:
        return baseline
    answered = sum(not isinstance(x, Missing) for x in baseline.looks)
    if 2 * answered < len(baseline.looks):
        return f"{baseline.release} had data in {answered} of {len(baseline.looks)} looks only"
    sample = pool(baseline.looks)
    found = measure(objective.indicator, sample)
    if isinstance(found, Missing):
        return f"{baseline.release} could not be measured over the same minutes: {found.message}"
    if found.value is None and found.interval is None:
        return f"{baseline.release} had no requests over the same minutes"
    value = found.value if found.value is not None else sum(found.interval or (0.0,)) / 2
    return replace(baseline, value=value, samples=found.samples)


def _unfit(
    objective: PlannedObjective,
    measured: Measured,
    baseline: Baseline,
    seconds: float,
    max_traffic_ratio: float,
) -> str | None:
    """Why it cannot serve."""
    if not math.isfinite(baseline.value):
        return f"the baseline of {baseline.release} is not a number"
    few = baseline.samples is not None and baseline.samples < objective.min_requests
    if measured.samples is not None and few:
        return (
            f"the baseline of {baseline.release} rests on {baseline.samples:,} requests only, "
            f"{objective.min_requests:,} are needed"
        )
    if baseline.samples and measured.samples and baseline.seconds and seconds > 0:
        before, now = baseline.samples / baseline.seconds, measured.samples / seconds
        times = max(before, now) / min(before, now)
        if times > max_traffic_ratio:
            less = "fewer" if before < now else "more"
            return (
                f"{baseline.release} had {quantity(times, None)} times {less} requests a second "
                f"({quantity(before, None)}/s, now {quantity(now, None)}/s), so it is no like to compare with"
            )
    return None
