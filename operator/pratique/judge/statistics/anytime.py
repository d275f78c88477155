"""Watching counts for as long as one likes: a test that may be looked at at any time, without an end.

An e-process (Howard et al. 2021; Lindon & Malek 2022 for counts): the likelihood of several harms over
that of none, mixed. By Ville's inequality it ever reaches 1/alpha with probability alpha at most, if
there is no harm. It pays for that freedom with power, so a window whose length is known is judged by
``ratios`` instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .ratios import Look, Terms

HARMS = (1.25, 1.5, 2.0, 3.0, 4.0, 10.0)
"""Multiples of what is allowed that are reckoned with, each as likely as another."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch came to so far."""

    evidence: float
    """The e-value: so many times likelier under harm than without; at most 1e300."""
    at: int | None
    """The look (from 1) at which harm was called: the first at which the evidence reached 1/alpha."""

    @property
    def called(self) -> bool:
        """Whether harm was called."""
        return self.at is not None


def watch(looks: Iterable[Look | None], terms: Terms) -> Watched:
    """Against an absolute bound, or a baseline of the same minutes; a look without data says nothing.

    Against a baseline it is conditional on each look's total of events: the release's share of them is
    binomial for rare events, and varies less for others, so that this errs on the safe side.
    """
    logs = NONE
    at: int | None = None
    for index, look in enumerate(looks, 1):
        if look is None:
            continue
        logs = added(logs, look, terms)
        if at is None and calls(logs, terms.alpha):
            at = index
    return Watched(math.exp(min(_sum(logs), 690.0)), at)


NONE: tuple[float, ...] = (-math.log(len(HARMS)),) * len(HARMS)
"""What is known before the first look: the logarithms of each harm's likelihood over that of none."""


def added(logs: Sequence[float], look: Look, terms: Terms) -> tuple[float, ...]:
    """The same after one more look; looks against one absolute bound may be added up beforehand."""
    trial = _shares(look, terms)
    if trial is None:
        return tuple(logs)
    events, hits, null, harmful = trial
    return tuple(
        log + hits * math.log(share / null) + (events - hits) * math.log((1 - share) / (1 - null))
        for log, share in zip(logs, harmful, strict=True)
    )


def calls(logs: Sequence[float], alpha: float) -> bool:
    """Whether harm is called by now."""
    return _sum(logs) >= -math.log(alpha)


def _shares(look: Look, terms: Terms) -> tuple[int, int, float, list[float]] | None:
    """(trials, hits, the share of hits without harm, the shares under each harm)."""
    if look.requests <= 0:
        return None
    if terms.bound is not None:
        null = min(max(terms.bound, 1e-12), 1 - 1e-9)
        return (
            look.requests,
            look.events,
            null,
            [min(null * h, (1 + null) / 2, 1 - 1e-9) for h in HARMS],
        )
    events = look.events + look.based_events
    if not events or look.based <= 0:
        return None
    ratio = (1 + terms.allowed) * look.requests / look.based
    return (
        events,
        look.events,
        ratio / (1 + ratio),
        [ratio * h / (1 + ratio * h) for h in HARMS],
    )


def _sum(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(math.fsum(math.exp(x - most) for x in logs))
