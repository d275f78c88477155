"""Judging counts conclusively: bounds and baselines turned into tests on harmful events.

A share of bad events that may not rise, and a share of good ones that may not fall, are the same test:
the events that may not become more are the harmful ones.

Not here: the tests (statistics/), and which entry of bounds decides (points).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.judgement import Statistic
from ..resources.objective import ChangeComparison, Comparison
from ..resources.sensitivity import Sensitivity
from .comparing import Interval, Outcome, said
from .points import Plain, Trial, falls
from .samples import Buckets, Counts, Sample

if TYPE_CHECKING:
    from .statistics.laws import Noise
    from .statistics.ratios import Examined, Look, Terms

SELDOM = 0.01
"""Below this rate the declared harm is 5 times by default, else 2 times: what is rare doubles easily."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One look's events: (at least, at most) so many are within the part, of so many in all."""

    least: int
    most: int
    total: int


@dataclass(frozen=True)
class Conclusive:
    """Counts look by look, against bounds and a baseline."""

    looks: tuple[Tally | None, ...]
    """The release's; None for a look without data."""
    planned: int
    """Looks of the whole window."""
    final: bool
    """There will be no more."""
    sensitivity: Sensitivity
    plain: Plain
    """For what no test on counts can say: equality, and bounds at or beyond the end of the scale."""
    same_minutes: tuple[Tally | None, ...] = ()
    """The baseline's looks, beside those of the release."""
    beforehand: Tally | None = None
    """Or all that it had, known before the first look."""
    baseline_name: str = ""
    noise: Noise | None = None
    extended: int = 0
    share: float = 1.0
    """The part of the false alarms that this phase of the release may use."""

    def value(self, comparison: Comparison, parts: int) -> Trial:
        name, first, second = said(comparison)
        if name == "eq":
            return self._at_the_end(self.plain.value(comparison, parts))
        if _extreme(name, first, second):
            return self.plain.value(comparison, parts)
        return self._bounded(name, first, second, parts)

    def change(self, change: ChangeComparison, parts: int) -> Trial | None:
        plainly = self.plain.change(change, parts)
        if plainly is None:
            return None
        name, first, second = said(change.delta or change)
        if name == "eq":
            return self._at_the_end(plainly)
        if not self.same_minutes and self.beforehand is None:
            return self._from_known(change, plainly, parts)
        falling = falls(change)
        if change.delta is not None:
            if name == "between":
                low = self._relative(change, falling=True, parts=2 * parts, added=-first)
                high = self._relative(change, falling=False, parts=2 * parts, added=second)
                return _worse(low, high)
            return self._relative(
                change, falling=falling, parts=parts, added=-first if falling else first
            )
        percent = first / 100
        if falling:
            return self._relative(change, falling=True, parts=parts, scaled=-percent)
        return self._relative(change, falling=False, parts=parts, allowed=percent)

    def _from_known(self, change: ChangeComparison, plainly: Trial, parts: int) -> Trial:
        """Against a value without counts, which is taken as exactly known: so far is a bound."""
        was = self.plain.baseline
        assert was is not None
        name, first, second = said(change.delta or change)
        if change.delta is not None:
            low, high = was + first, was + second
        else:
            low = high = was * (1 + first / 100)
        if change.floor is not None and falls(change):
            low = high = min(low, change.floor)
        elif change.floor is not None:
            high = max(high, change.floor)
            low = low if name == "between" else high
        if _extreme(name, low, high):
            return plainly
        return self._bounded(name, low, high, parts)

    def _at_the_end(self, found: Trial) -> Trial:
        """Equality is compared plainly, and the requests so far say nothing of it yet."""
        if not self.final and found.outcome is Outcome.BROKEN:
            return Trial(Outcome.OPEN, "Evaluating")
        return found

    # Tests

    def _bounded(self, name: str, low: float, high: float, parts: int) -> Trial:
        if name == "between":
            return _worse(
                self._absolute(low, falling=True, parts=2 * parts),
                self._absolute(high, falling=False, parts=2 * parts),
            )
        falling = name in ("gt", "gte")
        return self._absolute(low if falling else high, falling=falling, parts=parts)

    def _absolute(self, bound: float, *, falling: bool, parts: int) -> Trial:
        rate = 1 - bound if falling else bound
        terms = self._terms(rate, parts)
        return self._tried(replace(terms, bound=rate), falling=falling, baseline=False)

    def _relative(
        self,
        change: ChangeComparison,
        *,
        falling: bool,
        parts: int,
        allowed: float = 0.0,
        added: float = 0.0,
        scaled: float = 0.0,
    ) -> Trial:
        based, events = self._based(falling)
        terms = self._terms(events / based if based else 0.0, parts)
        floor = change.floor
        if floor is not None and falling:
            floor = 1 - floor
        beforehand = None if self.same_minutes else (based, events)
        return self._tried(
            replace(
                terms,
                allowed=allowed,
                added=added,
                scaled=scaled,
                floor=floor if floor is not None and 0 < floor < 1 else None,
                beforehand=beforehand,
            ),
            falling=falling,
            baseline=True,
        )

    def _based(self, falling: bool) -> tuple[int, int]:
        """(requests, harmful events) of the whole baseline."""
        if self.beforehand is not None and not self.same_minutes:
            tallies = [self.beforehand]
        else:
            tallies = [t for t in self.same_minutes if t is not None]
        total = sum(t.total for t in tallies)
        return total, sum(t.total - t.least if falling else t.least for t in tallies)

    def _terms(self, rate: float, parts: int) -> Terms:
        from .statistics.laws import QUIET
        from .statistics.ratios import Terms

        told = self.sensitivity
        return Terms(
            looks=max(self.planned, 1) if self.extended else max(self.planned, len(self.looks), 1),
            harm=told.detect or (2.0 if rate >= SELDOM else 5.0),
            alpha=told.false_alarm / 100 * self.share / parts,
            power=told.power / 100,
            noise=self.noise or QUIET,
            extended=self.extended,
        )

    def _tried(self, terms: Terms, *, falling: bool, baseline: bool) -> Trial:
        from .statistics.ratios import examine

        kind = examine(self._counted(falling, kindly=True), terms, ended=self.final)
        harsh = kind
        if any(t is not None and t.least != t.most for t in self.looks):
            harsh = examine(self._counted(falling, kindly=False), terms, ended=self.final)
        if kind.ending == "Harm":
            outcome, reason, found = Outcome.BROKEN, "", kind
        elif harsh.ending == "Safe":
            outcome, reason, found = Outcome.HELD, "", harsh
        elif kind.ending == "Safe" or (harsh.ending == "Harm"):
            outcome, reason, found = Outcome.OPEN, "ThresholdBetweenBuckets", kind
        else:
            reason = {"Open": "Evaluating", "Scarce": "InsufficientTraffic"}.get(
                kind.ending, "Ambiguous"
            )
            outcome, found = Outcome.OPEN, kind
        return Trial(
            outcome, reason, self._told(terms, found, reason, baseline), _statistic(terms, found)
        )

    def _counted(self, falling: bool, *, kindly: bool) -> tuple[Look | None, ...]:
        """The looks as requests and harmful events; of a bracket the end that is kind to the release."""
        from .statistics.ratios import Look

        beside = self.same_minutes or (None,) * len(self.looks)
        counted: list[Look | None] = []
        for tally, based in zip(self.looks, beside, strict=False):
            if tally is None or (self.same_minutes and based is None):
                counted.append(None)
                continue
            events = _harmful(tally, falling, kindly=kindly)
            if based is None:
                counted.append(Look(tally.total, events))
            else:
                counted.append(
                    Look(
                        tally.total,
                        events,
                        based.total,
                        _harmful(based, falling, kindly=not kindly),
                    )
                )
        return tuple(counted)

    def _told(self, terms: Terms, found: Examined, reason: str, baseline: bool) -> str:
        """How sure this is, or what is missing, in words."""
        chance = _percent(terms.alpha)
        harm = _times(terms.harm)
        seen = f"{found.events:,} harmful event{'' if found.events == 1 else 's'}"
        if found.ending == "Harm":
            by = f" by look {found.at} of {terms.looks}" if found.at != terms.looks else ""
            if found.gross:
                return (
                    f"{seen}{by}, beside all that {self.baseline_name} had: chance alone brings so "
                    f"many to less than {_percent(terms.alpha / 10)} of healthy releases"
                )
            return (
                f"{seen}{by}, and {_events(found.cut)} are called harm: chance alone brings so many "
                f"to less than {chance} of healthy releases"
            )
        if found.ending == "Safe":
            of = self.baseline_name if baseline else "the bound"
            sure = (
                f"{harm} {of} would have shown more than {'this' if found.events == 1 else 'these'} "
                f"{seen} in {_surely(1 - (found.p_harm or 0.0))} of cases"
            )
            if found.p_harm is None or found.p_harm > terms.beta:
                sure = f"it is surely below {_percent(terms.floor or 0.0)}, where no change is harm"
            return sure
        if reason == "InsufficientTraffic":
            return self._scarce(terms, found, harm, baseline)
        if reason == "Ambiguous":
            return (
                f"with {seen} neither is harm shown, which {_events(found.cut)} would, nor are {harm} "
                f"{self.baseline_name if baseline else 'the bound'} ruled out; {_share(terms, found)}"
            )
        return ""

    def _scarce(self, terms: Terms, found: Examined, harm: str, baseline: bool) -> str:
        of = self.baseline_name if baseline else "the bound"
        text = f"too few requests to see {harm} {of}"
        if found.needed is not None and found.needed > found.requests:
            text += f": {found.needed - found.requests:,} more are needed to reach {found.needed:,}"
        elif baseline and not found.needed:
            text += f": {of} had none that were harmful, so only many can show"
        if found.visible is not None and found.visible < 1000:
            text += (
                f"; {_times(math.ceil(found.visible * 10) / 10)} is the least that would have shown"
            )
        return f"{text}; {_share(terms, found)}"


def tallies(
    indicator: ServiceLevelIndicatorSpec, samples: Sequence[Sample]
) -> tuple[Tally | None, ...]:
    """Each look's events within the part, in all; None for a look without usable counts."""
    return tuple(_tally(indicator, sample) for sample in samples)


def _tally(indicator: ServiceLevelIndicatorSpec, sample: Sample) -> Tally | None:
    if isinstance(sample, Counts) and 0 <= sample.part <= sample.total:
        return Tally(sample.part, sample.part, sample.total)
    latency = indicator.latency
    if isinstance(sample, Buckets) and latency is not None and latency.threshold is not None:
        least, most = sample.within(latency.threshold.total_seconds())
        if 0 <= least <= most <= sample.total:
            return Tally(least, most, sample.total)
    return None


def interval(events: int, requests: int, alpha: float) -> Interval:
    """Wilson's score interval of a rate, two-sided at 1 - alpha (Wilson 1927)."""
    from .statistics.spending import NORMAL

    if requests <= 0:
        return 0.0, 1.0
    z2 = NORMAL.inv_cdf(1 - alpha / 2) ** 2
    p = events / requests
    centre = (p + z2 / (2 * requests)) / (1 + z2 / requests)
    half = (
        math.sqrt(z2 * (p * (1 - p) / requests + z2 / (4 * requests * requests)))
        / (1 + z2 / requests)
    )  # fmt: skip
    return max(0.0, centre - half), min(1.0, centre + half)


def _harmful(tally: Tally, falling: bool, *, kindly: bool) -> int:
    """``part`` holds the good events where a fall is harm."""
    if falling:
        return tally.total - (tally.most if kindly else tally.least)
    return tally.least if kindly else tally.most


def _extreme(name: str, first: float, second: float) -> bool:
    """A bound at the end of the scale, which one event breaks: nothing to be sure of."""
    if name == "between":
        return not (first > 0 and second < 1)
    return not 0 < first < 1


def _worse(one: Trial, other: Trial) -> Trial:
    for outcome in (Outcome.BROKEN, Outcome.OPEN):
        for trial in (one, other):
            if trial.outcome is outcome:
                return trial
    return other


def _statistic(terms: Terms, found: Examined) -> Statistic:
    low, high = interval(found.events, found.requests, terms.alpha)
    return Statistic(
        method="RatioTest",
        seen=found.events,
        cut=found.cut,
        at=found.at,
        p_value=_short(found.p_value),
        p_harm=_short(found.p_harm),
        low=_short(low),
        high=_short(high),
        harm=_short(terms.harm),
        power=_short(found.power),
        needed=found.needed,
        noise=_short(terms.noise.sd) if terms.noise.known else None,
    )


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")


def _times(multiple: float) -> str:
    return f"{multiple:g} times"


def _events(count: int | None) -> str:
    return f"{count:,}" if count is not None else "none"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _share(terms: Terms, found: Examined) -> str:
    """Between what the rate of harmful events lies, as sure as the test is."""
    low, high = interval(found.events, found.requests, terms.alpha)
    return f"harmful events are between {_percent(low)} and {_percent(high)} of all"


def _surely(share: float) -> str:
    """Rounded down, and never certain."""
    if share > 0.999:
        return "more than 99.9 %"
    return f"{math.floor(share * 1000) / 10:g} %"
