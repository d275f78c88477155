"""Watching counts for as long as one likes: a test that may be looked at at any time, without an end.

An e-process (Howard et al. 2021; Lindon & Malek 2022 for counts): the likelihood of several harms over
that of none, mixed. By Ville's inequality it ever reaches 1/alpha with probability alpha at most, if
there is no harm. It pays for that freedom with power, so a window whose length is known is judged by
``ratios`` instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
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
    logs = [-math.log(len(HARMS))] * len(HARMS)
    at: int | None = None
    best = 0.0
    for index, look in enumerate(looks, 1):
        if look is None:
            continue
        trial = _shares(look, terms)
        if trial is None:
            continue
        events, hits, null, harmful = trial
        for i, share in enumerate(harmful):
            logs[i] += hits * math.log(share / null)
            logs[i] += (events - hits) * math.log((1 - share) / (1 - null))
        best = _sum(logs)
        if at is None and best >= -math.log(terms.alpha):
            at = index
    return Watched(math.exp(min(best, 690.0)), at)


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


def _sum(logs: list[float]) -> float:
    most = max(logs)
    return most + math.log(math.fsum(math.exp(x - most) for x in logs))
