"""Counts of harmful events, look by look, against a baseline or a bound: exact, sequential, with three ends.

Harm is called at the look at which the sum of the release's harmful events reaches the cut: however
often it is looked, a healthy release is called with probability alpha at most. At the end a release that
was not called is safe only if the declared harm would have shown more events than it had (with
probability 1 - beta); else it is open, for want of traffic or because the figures lie between.

Everything is conditional on each look's totals, so changing traffic does not matter (Przyborowski &
Wilenski 1940; Silva & Kulldorff's exact conditional sequential analysis is the nearest relative). A
call once made stands. Looks are disjoint increments.

Not here: bounds, sentences, what a look without data means for the window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from .laws import QUIET, Law, Noise, binomial, hypergeometric, logistic, states
from .spending import EARLY, spent
from .traffic import events_needed, harm_seen, power_of, window_noise
from .walk import Walk

Ending = Literal["Harm", "Safe", "Open", "Scarce", "Ambiguous"]
"""Called; the harm would have shown; not ended yet; too little traffic; neither, in enough traffic."""
_TINY = 1e-12
_FEWEST = 500
_MOST = 20_000
"""Of events a look: a walk over fewer is never made coarser, over more always."""


class Look(NamedTuple):
    """One look's requests and harmful events: the release's, and the baseline's over the same minutes."""

    requests: int
    events: int
    based: int = 0
    based_events: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What is tested, and how surely."""

    looks: int
    """K: the window's looks."""
    harm: float
    """The harm that must show, as a multiple of the bound, or of the baseline's rate."""
    bound: float | None = None
    """An absolute bound on the rate; none: the baseline's rate is the bound."""
    allowed: float = 0.0
    """The allowed relative change of the rate: 0.1 lets it rise by 10 %."""
    added: float = 0.0
    """The allowed difference of the rates, beside or instead."""
    scaled: float = 0.0
    """The allowed fall of the rate of good events, relative: 0.01 lets 99 % become 98.01 %."""
    floor: float | None = None
    """Below this rate no change is harm."""
    alpha: float = 0.01
    beta: float = 0.05
    power: float = 0.8
    noise: Noise = QUIET
    beforehand: tuple[int, int] | None = None
    """(requests, events) of a baseline that was known before the first look."""
    extended: int = 0
    """Looks in all where the window may be extended; 0: it may not."""

    def edge(self, rate: float) -> float:
        """The highest rate of the release that is no harm, beside that of the baseline."""
        if self.bound is not None:
            return _rate(self.bound)
        return _rate(1 - (1 - rate) * (1 - self.scaled) if self.scaled else
                     rate * (1 + self.allowed) + self.added)  # fmt: skip

    def worse(self, rate: float) -> float:
        """The rate of the declared harm: never nearer to the edge than half as much again."""
        edge = self.edge(rate)
        if self.bound is not None:
            return _rate(edge * self.harm)
        wanted = rate * self.harm
        return _rate(wanted if wanted >= 1.5 * edge else edge * self.harm)


def _rate(rate: float) -> float:
    return min(max(rate, _TINY), 1 - 1e-9)


@dataclass(frozen=True, slots=True)
class Examined:
    """What the test came to so far."""

    ending: Ending
    at: int | None
    """The look (from 1) at which harm was called."""
    events: int
    """Harmful events on the release."""
    requests: int
    cut: int | None
    """So many events would have been called at the last look."""
    expected: float
    """Events to be expected at the edge of what is allowed."""
    p_value: float | None
    """P(at least so many, or called earlier | no harm)."""
    p_harm: float | None = None
    """P(at most so many | the declared harm); at the end."""
    power: float | None = None
    """How likely the declared harm is called in this traffic."""
    needed: int | None = None
    """The release's requests that this takes."""
    visible: float | None = None
    """The least harm (a multiple) that would have shown in this traffic."""
    gross: bool = False
    """Called by the guard against gross harm, beside the whole baseline: the cut was not reached."""


@lru_cache(maxsize=4096)
def examine(looks: tuple[Look | None, ...], terms: Terms, *, ended: bool) -> Examined:
    """Walk through the looks; None is a look without data, which is skipped and spends nothing.

    ``ended``: these are all there will be, unless the window may still be extended. With ``terms.beforehand`` the baseline's own counts in the
    looks are ignored: its events are dealt out to the looks.
    """
    given = _dealt(looks, terms) if terms.beforehand and terms.bound is None else list(looks)
    grain = _grain(given, terms)
    if grain > 1:
        return _finer(_examine(*_coarser(given, terms, grain), ended=ended), looks, grain)
    return _examine(given, terms, ended=ended)


def _examine(given: Sequence[Look | None], terms: Terms, *, ended: bool) -> Examined:
    judge = _Judge(terms)
    for index, look in enumerate(given, 1):
        last = ended and index == len(given) and index >= terms.extended
        if look is None and not last:
            continue
        if look is not None:
            judge.add(look)
        if judge.called(index, last=last):
            return judge.result("Harm", at=index)
    if not ended:
        return judge.result("Open")
    return _final(judge, [x for x in given if x is not None], terms)


class _Judge:
    """The walks under "no harm", and the sums so far."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.walk = Walk(terms.noise)
        self.floor = Walk() if terms.floor is not None else None
        # A difference is a ratio that hangs on the baseline's rate, which the totals tell badly where it
        # is small beside the difference: there the baseline's own rate must let the release be called too.
        differs = terms.bound is None and (terms.added != 0 or terms.scaled != 0)
        self.alone = Walk(terms.noise) if differs else None
        self.requests = self.events = self.based = self.based_events = 0
        self.cut: int | None = None
        self.over = self.over_floor = self.over_alone = self.gross = False

    def add(self, look: Look) -> None:
        self.requests += look.requests
        self.events += look.events
        self.based += look.based
        self.based_events += look.based_events
        self.walk.add(_law(look, self.terms, self.rate, self.terms.edge(self.rate)))
        if self.floor is not None:
            assert self.terms.floor is not None
            self.floor.add(binomial(look.requests, _rate(self.terms.floor)))
        if self.alone is not None:
            based, events = self.terms.beforehand or (self.based, self.based_events)
            if based and look.based:
                bound = self.terms.edge(events / based)
                self.alone.add(_law(look, replace(self.terms, bound=bound), bound, bound))
            else:  # nothing can be said of it
                self.alone.add((look.events, np.ones((1, 1))))

    @property
    def rate(self) -> float:
        """The baseline's rate at the edge of what is allowed, from the totals only."""
        return _null_rate(
            self.terms, self.requests, self.based, self.events + self.based_events, harm=False
        )

    def called(self, look: int, *, last: bool) -> bool:
        terms = self.terms
        # A bound that is known, or a baseline of the same minutes: all may be spent on the walk. A
        # baseline known beforehand leaves the early part to its guard.
        whole = terms.bound is not None or terms.beforehand is None
        allowance = (
            (terms.alpha if whole else (1 - EARLY) * terms.alpha)
            if last
            else spent(look, terms.looks, terms.alpha, early=whole, extended=terms.extended)
        )
        self.cut = self.walk.cut(allowance)
        self.over = self.over or self.events >= self.cut
        if not whole and not self.over:
            self.over = self.gross = self._gross(look)
        # What is one of several that must all call may spend all: alpha is kept by each.
        every = (
            terms.alpha if last else spent(look, terms.looks, terms.alpha, extended=terms.extended)
        )
        if self.floor is not None:
            self.over_floor = self.over_floor or self.events >= self.floor.cut(every)
        if self.alone is not None:
            self.over_alone = self.over_alone or self.events >= self.alone.cut(every)
        return (
            self.over
            and (self.floor is None or self.over_floor)
            and (self.alone is None or self.over_alone)
        )

    def _gross(self, look: int) -> bool:
        """The gross guard, with the whole of the baseline: P(Bin(ΣE, q) ≥ Σe1) ≤ 0.1·alpha·2⁻ᵏ."""
        terms = self.terms
        assert terms.beforehand is not None
        based, based_events = terms.beforehand
        events = self.events + based_events
        if not events or not self.requests or not based:
            return False
        rate = _null_rate(terms, self.requests, based, events, harm=False)
        ratio = terms.edge(rate) / rate
        odds = math.log(self.requests * ratio / based)
        noise = terms.noise
        if noise.sd > 0:
            sd = math.sqrt(
                (
                    window_noise(noise.sd, noise.rho, look) ** 2
                    + window_noise(noise.sd, noise.rho, terms.looks) ** 2
                )
                / 2
            )
            points, weights = states()
            tail = float(
                (weights * _tails(events, logistic(odds + sd * points), self.events)).sum()
            )
        else:
            tail = float(_tails(events, logistic(odds), self.events)[0])
        return tail <= EARLY * terms.alpha * 0.5**look

    def result(self, ending: Ending, at: int | None = None) -> Examined:
        return Examined(
            ending=ending,
            at=at,
            events=self.events,
            requests=self.requests,
            cut=None if self.gross else self.cut,
            gross=self.gross,
            expected=self.terms.edge(self.rate) * self.requests,
            p_value=None
            if not self.requests or self.gross
            else min(1.0, self.walk.spent + (0.0 if at else self.walk.tail(self.events))),
        )


def _final(judge: _Judge, looks: Sequence[Look], terms: Terms) -> Examined:
    """Not called by the end: safe if the harm would have shown, or the floor is surely kept."""
    found = judge.result("Ambiguous")
    p_harm = _as_harmful(judge, looks, terms)
    safe = p_harm is not None and p_harm <= terms.beta
    if not safe and terms.floor is not None and judge.requests:
        safe = _upper(judge.events, judge.requests, terms.beta) <= terms.floor
    ratio, rate = 0.0, terms.bound
    based, based_events = judge.based, judge.based_events
    if rate is None:
        if terms.beforehand is not None:
            based, based_events = terms.beforehand
        rate = based_events / based if based else 0.0
        ratio = judge.requests / based if based else 1.0
    noise = window_noise(terms.noise.sd, terms.noise.rho, max(len(looks), 1))
    edge = terms.edge(rate) / _rate(rate)
    harm = terms.worse(rate) / _rate(rate)
    expected = rate * (judge.requests if ratio <= 0 else based)
    power = power_of(expected, alpha=terms.alpha, harm=harm, allowed=edge, ratio=ratio, noise=noise)
    needed = events_needed(
        alpha=terms.alpha, power=terms.power, harm=harm, allowed=edge, ratio=ratio
    )
    visible = harm_seen(expected, alpha=terms.alpha, power=terms.power, allowed=edge, ratio=ratio)
    wanted = needed / rate * (ratio if ratio > 0 else 1.0) if rate > 0 else math.inf
    ending: Ending = "Safe" if safe else "Ambiguous" if power >= terms.power else "Scarce"
    return Examined(
        ending=ending,
        at=None,
        events=found.events,
        requests=found.requests,
        cut=found.cut,
        expected=found.expected,
        p_value=found.p_value,
        p_harm=p_harm,
        power=power,
        needed=math.ceil(wanted) if wanted < 1e15 else None,
        visible=visible if math.isfinite(visible) else None,
    )


def _as_harmful(judge: _Judge, looks: Sequence[Look], terms: Terms) -> float | None:
    """P(at most so many events | the declared harm): the same walk without cuts."""
    events = judge.events + judge.based_events
    if not judge.requests or (terms.bound is None and (not judge.based or not events)):
        return None
    rate = _null_rate(terms, judge.requests, judge.based, events, harm=True)
    walk = Walk(terms.noise)
    for look in looks:
        walk.add(_law(look, terms, rate, terms.worse(rate)))
    return min(1.0, walk.head(judge.events))


def _law(look: Look, terms: Terms, rate: float, edge: float) -> Law:
    """Of one look, where the release's rate is ``edge`` and the baseline's ``rate``."""
    noise = terms.noise
    points, _ = states()
    if terms.bound is not None:
        if noise.sd > 0:
            # One side wanders here, where the fit speaks of the ratio of two.
            centre = math.log(edge / (1 - edge))
            return binomial(look.requests, logistic(centre + noise.sd / math.sqrt(2) * points))
        return binomial(look.requests, edge)
    events = look.events + look.based_events
    if not events or not look.requests or not look.based:
        # Nothing can fall otherwise than it did: the look says nothing.
        return (events if look.requests and not look.based else 0), np.ones((1, 1))
    if noise.sd > 0:
        centre = math.log(look.requests * edge / rate / look.based)
        return binomial(events, logistic(centre + noise.sd * points))
    odds = edge * (1 - rate) / (rate * (1 - edge))
    return hypergeometric(look.requests, look.based, events, odds)


def _null_rate(terms: Terms, requests: int, based: int, events: int, *, harm: bool) -> float:
    """The baseline's rate if the release were at the edge (or as harmful as declared), by totals."""
    total = requests + based
    if not total:
        return 0.5
    if terms.bound is not None:
        return terms.bound
    edge = terms.worse if harm else terms.edge
    rate = _rate(max(events, 0.5) / total)
    for _ in range(8):  # solves rate·based + edge(rate)·requests = events
        predicted = rate * based + edge(rate) * requests
        following = _rate(rate * max(events, 0.5) / predicted) if predicted > 0 else rate
        if abs(following - rate) <= 1e-9 * rate:
            break
        rate = following
    return rate


def _tails(
    events: int, shares: object, seen: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """P(Bin(events, share) ≥ seen), one for each share."""
    low, rows = binomial(events, shares)  # type: ignore[arg-type]
    index = max(0, seen - low)
    return np.asarray(rows[:, index:].sum(axis=1))


def _upper(events: int, requests: int, beta: float) -> float:
    """Clopper & Pearson's upper bound of a rate: BetaInv(1 - beta; events + 1, requests - events)."""
    if events >= requests:
        return 1.0
    from scipy.special import betaincinv  # type: ignore[import-untyped]  # 32 MiB: only where needed

    return float(betaincinv(events + 1, requests - events, 1 - beta))


# --- so many events that they are counted by the dozen -----------------------------------------------


def coarse(requests: int, noise: Noise = QUIET) -> bool:
    """Whether a look of so many requests may be counted by the dozen."""
    return requests > (_FEWEST if noise.sd > 0 else _MOST)


def _grain(looks: Sequence[Look | None], terms: Terms) -> int:
    """By how many events at a time the walk counts; a power of two, 1 nearly always.

    A walk takes as long as its sums are wide, and beyond some events a look chance is nothing beside
    what a rate wanders by itself. Counted by the dozen chance looks larger than it is, so that alpha is
    kept: the standard deviation by 4 % at most where noise is known, else that of 20,000 events, 0.7 %.
    """
    sd = terms.noise.sd
    enough = min(max(12 / sd**2, _FEWEST), _MOST) if sd > 0 else _MOST
    given = [x for x in looks if x is not None]
    if terms.bound is not None:
        most = max((x.requests for x in given), default=0) * terms.edge(terms.bound)
    else:
        most = max((x.events + x.based_events for x in given), default=0)
    return 1 << max(0, math.ceil(math.log2(most / enough))) if most > enough else 1


def _coarser(
    looks: Sequence[Look | None], terms: Terms, grain: int
) -> tuple[list[Look | None], Terms]:
    """All counts by the dozen; what one look leaves over the next one has, so that the sums are right."""
    sums, shown = [0, 0, 0, 0], [0, 0, 0, 0]
    coarser: list[Look | None] = []
    for look in looks:
        if look is None:
            coarser.append(None)
            continue
        counts = []
        for i, count in enumerate(look):
            sums[i] += count
            counts.append(sums[i] // grain - shown[i])
            shown[i] += counts[i]
        requests, events, based, based_events = counts
        coarser.append(Look(requests, min(events, requests), based, min(based_events, based)))
    if terms.beforehand is not None:
        based, events = (x // grain for x in terms.beforehand)
        terms = replace(terms, beforehand=(based, events))
    return coarser, terms


def _finer(found: Examined, looks: Sequence[Look | None], grain: int) -> Examined:
    """What was found, told in events again."""
    seen = [x for x in looks[: found.at] if x is not None]
    return replace(
        found,
        events=sum(x.events for x in seen),
        requests=sum(x.requests for x in seen),
        cut=None if found.cut is None else found.cut * grain,
        expected=found.expected * grain,
    )


def _dealt(looks: Sequence[Look | None], terms: Terms) -> list[Look | None]:
    """The looks with the baseline's events dealt out to them evenly, as if observed beside them.

    Only its totals are known. Over the whole window this comes to the test on the totals; at an earlier
    look the baseline's share varies less than if it had been observed then, so fewer healthy releases are
    called than alpha allows (0.3 to 0.8 % for 1 %). A random deal would call one or two in a hundred more
    of the harmful ones, and let the verdict hang on the draw.
    """
    assert terms.beforehand is not None
    requests, events = terms.beforehand
    parts = deal(requests, events, max(terms.looks, terms.extended, len(looks)))
    dealt: list[Look | None] = []
    for look, (based, based_events) in zip(looks, parts, strict=False):
        dealt.append(
            None if look is None else Look(look.requests, look.events, based, based_events)
        )
    return dealt


@lru_cache(maxsize=1024)
def deal(requests: int, events: int, parts: int) -> tuple[tuple[int, int], ...]:
    """(requests, events) of each of so many parts, as even as whole numbers can be."""

    def even(total: int) -> list[int]:
        sums = [(2 * total * k + parts) // (2 * parts) for k in range(parts + 1)]
        return [b - a for a, b in pairwise(sums)]

    events = min(max(events, 0), requests)
    good = even(requests - events)
    return tuple((e + g, e) for e, g in zip(even(events), good, strict=True))
