"""A case judged as the operator would have judged it, look by look.

Not here: what a case looks like, and where recorded samples come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..judge.conclusive import tallies
from ..judge.objectives import Baseline, Evidence, Terms, glance, judge_objective, tested
from ..judge.samples import Buckets, Counts, Missing, Sample
from ..judge.verdicts import Scoring, certain, conclude
from ..judge.wandering import noise_of
from ..lifecycle.compared import is_compared
from ..lifecycle.looks import ROLLOUT_SHARE
from ..resources.judgement import Judgement, ObjectiveResult, Verdict, Window
from ..resources.objective import Bound
from ..resources.release import PlannedObjective
from .cases import BEGIN, Case

if TYPE_CHECKING:
    from ..judge.statistics.laws import Noise


@dataclass(frozen=True)
class Judged:
    """A case's outcome."""

    name: str
    judgement: Judgement
    called_at: int | None
    """The look, from 1, at which the operator would have ended it as not promotable."""
    was: Verdict | None = None
    """Of a recorded release: its verdict then."""

    def dump(self) -> dict[str, object]:
        """As JSON shows it; the judgement is that of a Release's status."""
        found: dict[str, object] = {"name": self.name, "judgement": self.judgement.dump()}
        if self.called_at is not None:
            found["calledAt"] = self.called_at
        if self.was is not None:
            found["was"] = self.was
        return found


@dataclass(frozen=True)
class Track:
    """One objective with all its looks and what it is compared with."""

    plan: PlannedObjective
    looks: tuple[Sample, ...]
    whole: Sample | None
    """What one question over the whole window gave, where looks cannot be added up."""
    baselines: tuple[Baseline, ...]
    anchor: Baseline | None
    noise: Noise | None = None


@dataclass(frozen=True)
class Course:
    """All that is judged together, and how."""

    tracks: tuple[Track, ...]
    release: str
    planned: int
    """Looks of the window."""
    extended: int
    """How many there may be in all where it may be extended; 0: it may not."""
    final: bool
    """The window is over with the last look."""
    fail_after: int
    scoring: Scoring
    terms: Terms
    ends: tuple[datetime, ...]
    """The begin of the first look, then the end of each."""
    begin: int = 0
    """So many looks were of the rollout: they may fail it, and never pass it."""
    basis: str | None = None

    @property
    def looks(self) -> int:
        """How many looks there are."""
        return len(self.ends) - 1


def run(case: Case) -> Judged:
    """The judgement of a case; never raises."""
    return follow(case.name, course(case))


def course(case: Case) -> Course:
    """A case as the judge wants it."""
    begin, looks = case.begin or BEGIN, case.looks
    none = Missing("NoData", "the case has no look here")
    tracks = []
    for objective in case.objectives:
        given = case.samples[objective.name]
        baselines = [b.build() for b in case.baseline.get(objective.name, [])]
        anchor = case.anchor.get(objective.name)
        plan = objective.build()
        tracks.append(
            Track(
                plan,
                _filled(given.looks, looks, none),
                given.whole if "whole" in given.model_fields_set else None,
                tuple(
                    replace(b, looks=_filled(b.looks, looks, none)) if b.looks else b
                    for b in baselines
                ),
                # Measured long ago, whatever the case says.
                None
                if anchor is None
                else anchor.model_copy(update={"same_minutes": False}).build(),
                _noise(plan, case.history.get(objective.name, [])),
            )
        )
    planned = max(case.planned or 0, looks)
    extended = 0
    if case.max_looks is not None and case.max_looks > (case.planned or looks):
        planned, extended = case.planned or looks, max(case.max_looks, looks)
    return Course(
        tracks=tuple(tracks),
        release=case.name,
        planned=planned,
        extended=extended,
        final=case.final,
        fail_after=case.fail_after,
        scoring=Scoring(case.score, case.on_warning, case.mode),
        terms=Terms(case.max_traffic_ratio, case.on_no_baseline, case.drift),
        ends=tuple(begin + k * case.interval for k in range(looks + 1)),
    )


def _noise(plan: PlannedObjective, past: Sequence[Sample]) -> Noise | None:
    """How much it wanders by itself; none where the past tells too little."""
    if not past or not tested(plan):
        return None
    counts = [t for t in tallies(plan.indicator, past) if t is not None and t.least == t.most]
    noise = noise_of(plan, [(t.total, t.least) for t in counts])
    return noise if noise.known else None


def _filled(given: Sequence[Sample], looks: int, none: Missing) -> tuple[Sample, ...]:
    return (*given, *[none] * (looks - len(given)))


def follow(name: str, given: Course) -> Judged:
    """Look by look to the first end: what fails early decides, else the whole window.

    The same as judging after each look, as a test holds; only looks after which nothing can have
    changed are passed over.
    """
    return _Walk(given).judged(name)


class _Walk:
    """One way through a course's looks; what was reckoned once is kept."""

    def __init__(self, given: Course) -> None:
        self.given = given
        self.rows = {t.plan.name: _rows(given, t) for t in given.tracks}
        self._kept: dict[tuple[str, int, int, bool], ObjectiveResult] = {}

    def judged(self, name: str) -> Judged:
        given = self.given
        for look in self._candidates():
            judgement = self._early(look)
            if judgement is not None:
                return Judged(name, judgement, look)
        begin = given.begin if given.begin < given.looks else 0
        results = [self._over(t, begin, given.looks, final=given.final) for t in given.tracks]
        return Judged(name, self._conclude(results, begin, given.looks), None)

    def _conclude(self, results: Sequence[ObjectiveResult], begin: int, end: int) -> Judgement:
        given = self.given
        window = Window(from_=given.ends[begin], to=given.ends[end])
        return conclude(results, window=window, basis=given.basis, scoring=given.scoring)

    # What ends it early, as lifecycle.looks has it

    def _early(self, look: int) -> Judgement | None:
        """The judgement after this look, if what failed already decides."""
        given = self.given
        in_a_row = {name for name, at in self.rows.items() if look in at}
        begin, end = _phase(given, look)
        calling = [t for t in given.tracks if _calls_itself(t.plan)]
        failed = {
            t.plan.name for t in calling if self._over(t, begin, end, final=False).result == "Fail"
        }
        if not in_a_row and not failed:
            return None
        last = max(0, look - given.fail_after)
        results = [
            self._over(t, last, look, final=True)
            if t.plan.name in in_a_row
            else self._over(t, begin, end, final=False)
            for t in given.tracks
        ]
        if not certain(results, given.scoring):
            return None
        judgement = self._conclude(results, begin if failed else last, look)
        return judgement if judgement.verdict == "NotPromotable" else None

    def _candidates(self) -> Sequence[int]:
        """The looks after which there may be something new, in order."""
        given = self.given
        calling = [t for t in given.tracks if _calls_itself(t.plan)]
        if given.begin or not all(map(_steady, calling)):
            return range(1, given.looks + 1)
        found = {look for at in self.rows.values() for look in at}
        found.update(at for t in calling if (at := self._called(t)) is not None)
        return sorted(found)

    def _called(self, track: Track) -> int | None:
        """The first look after which it fails, if it ever does: by halving, as it then fails for good."""

        def fails(look: int) -> bool:
            return self._over(track, 0, look, final=False).result == "Fail"

        whole = self._over(track, 0, self.given.looks, final=self.given.final)
        if whole.result != "Fail":
            return None
        low, high = 0, self.given.looks  # it fails after high, and not after low
        at = whole.statistic.at if whole.statistic is not None else None
        if at is not None and 0 < at < high:  # mostly right
            if fails(at):
                high = at
                if at == 1 or not fails(at - 1):
                    return at
            else:
                low = at
        if high == self.given.looks and not fails(high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fails(middle) else (middle, high)
        return high

    # The engine

    def _over(self, track: Track, begin: int, end: int, *, final: bool) -> ObjectiveResult:
        """One objective's result over these looks."""
        key = (track.plan.name, begin, end, final)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = _over(self.given, track, begin, end, final=final)
        return found


def _calls_itself(plan: PlannedObjective) -> bool:
    """Whether what it comes to so far may end it, not so many looks in a row alone."""
    return (tested(plan) or is_compared(plan)) and plan.mann_whitney is None


def _phase(given: Course, look: int) -> tuple[int, int]:
    """(begin, end) of the looks that are judged together after this one."""
    if look > given.begin:
        return given.begin, look
    return 0, min(look, given.planned)  # of a rollout a test sees as many as the window has


def _rows(given: Course, track: Track) -> frozenset[int]:
    """The looks at which ``failAfter`` in a row had failed, where these decide."""
    if tested(track.plan) or track.plan.mann_whitney is not None:
        return frozenset()
    row, found = 0, set()
    for look, sample in enumerate(track.looks, 1):
        seen = glance(track.plan, sample, [_at(b, look - 1, look) for b in track.baselines])
        row = row + 1 if seen.result == "Fail" and seen.decides else 0
        if row >= given.fail_after:
            found.add(look)
    return frozenset(found)


def _steady(track: Track) -> bool:
    """Whether it fails after all later looks once it failed: a sequence of tests does, once it has called.

    Not so where plain comparisons take part, or where the baseline may be another one after each look.
    """
    plan = track.plan
    bounds: list[Bound] = [*plan.pass_, *plan.warn]
    if not tested(plan) or plan.missing is not None:
        return False
    if any(not _tested_bound(b) for b in bounds):
        return False
    if _coarse(track):
        return False
    if not any(b.change for b in bounds) or not track.baselines:
        return True
    only = track.baselines[0]
    counted = only.samples is not None and only.seconds is None and not only.looks
    return len(track.baselines) == 1 and counted


def _coarse(track: Track) -> bool:
    """Whether events may be counted by the dozen, how many of which may hang on a later look."""
    from ..judge.statistics.laws import QUIET
    from ..judge.statistics.ratios import coarse

    most = max((x.total for x in track.looks if isinstance(x, Counts | Buckets)), default=0)
    return coarse(most, track.noise or QUIET)


def _tested_bound(bound: Bound) -> bool:
    """Whether no part of it is compared plainly."""
    told = bound.value
    if told is not None:
        numbers = [told.lt, told.lte, told.gt, told.gte, *(told.between or ())]
        if told.eq is not None or any(n is not None and not 0 < n < 1 for n in numbers):
            return False
    delta = bound.change.delta if bound.change is not None else None
    return delta is None or delta.eq is None


def _at(baseline: Baseline, begin: int, end: int) -> Baseline:
    """A baseline of the same minutes over these looks; others as they are."""
    return replace(baseline, looks=baseline.looks[begin:end]) if baseline.looks else baseline


def _over(given: Course, track: Track, begin: int, end: int, *, final: bool) -> ObjectiveResult:
    """One objective's result over these looks."""
    looks = track.looks[begin:end]
    if track.plan.indicator.kubernetes:
        looks = looks[-1:]  # accumulated already
    rolling = end <= given.begin
    share = ROLLOUT_SHARE if rolling else 1 - ROLLOUT_SHARE if given.begin else 1.0
    evidence = Evidence(
        looks=looks,
        planned=given.planned,
        window=Window(from_=given.ends[begin], to=given.ends[end]),
        release=given.release,
        provider=None,
        query=None,
        final=final,
        whole=track.whole if (begin, end) == (given.begin, given.looks) else None,
        extended=0 if rolling else given.extended,
        noise=track.noise,
        share=share,
    )
    baselines = [_at(b, begin, end) for b in track.baselines]
    return judge_objective(
        track.plan, evidence, baselines, replace(given.terms, anchor=track.anchor)
    )
