"""A case judged as the operator would have judged it, look by look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..judge.objectives import Baseline, Evidence, Terms, glance, judge_objective, tested
from ..judge.samples import Missing, Sample
from ..judge.verdicts import Scoring, certain, conclude
from ..resources.judgement import Judgement, ObjectiveResult, Window
from ..resources.release import PlannedObjective
from .cases import BEGIN, Case


@dataclass(frozen=True)
class Judged:
    """A case's outcome."""

    name: str
    judgement: Judgement
    called_at: int | None
    """The look, from 1, at which the operator would have ended it as not promotable."""

    def dump(self) -> dict[str, object]:
        """As JSON shows it; the judgement is that of a Release's status."""
        found: dict[str, object] = {"name": self.name, "judgement": self.judgement.dump()}
        if self.called_at is not None:
            found["calledAt"] = self.called_at
        return found


@dataclass(frozen=True)
class Track:
    """One objective with all its looks and what it is compared with."""

    plan: PlannedObjective
    looks: tuple[Sample, ...]
    whole: Sample | None
    baselines: tuple[Baseline, ...]
    anchor: Baseline | None


@dataclass(frozen=True)
class Course:
    """All that is judged together, and how."""

    tracks: tuple[Track, ...]
    release: str
    planned: int
    extended: int
    final: bool
    fail_after: int
    scoring: Scoring
    terms: Terms
    ends: tuple[datetime, ...]
    """The begin of the first look, then the end of each."""


def run(case: Case) -> Judged:
    """The judgement of a case; never raises."""
    return follow(case.name, course(case))


def course(case: Case) -> Course:
    """A case as the judge wants it."""
    begin = case.begin or BEGIN
    tracks = []
    for objective in case.objectives:
        given = case.samples[objective.name]
        gap = [Missing("NoData", "the case has no look here")] * (case.looks - len(given.looks))
        anchor = case.anchor.get(objective.name)
        tracks.append(
            Track(
                objective.build(),
                (*given.looks, *gap),
                given.whole if "whole" in given.model_fields_set else None,
                tuple(b.build() for b in case.baseline.get(objective.name, [])),
                None if anchor is None else anchor.build(),
            )
        )
    planned = case.planned or case.looks
    return Course(
        tracks=tuple(tracks),
        release=case.name,
        planned=planned,
        extended=case.max_looks if case.max_looks and case.max_looks > planned else 0,
        final=case.final,
        fail_after=case.fail_after,
        scoring=Scoring(case.score, case.on_warning, case.mode),
        terms=Terms(case.max_traffic_ratio, case.on_no_baseline, case.drift),
        ends=tuple(begin + k * case.interval for k in range(case.looks + 1)),
    )


def follow(name: str, given: Course) -> Judged:
    """Look by look to the first end: what fails early decides, else the whole."""
    looks = len(given.ends) - 1
    results = [_over(given, t, 0, looks, final=given.final) for t in given.tracks]
    early = _early(given, results)
    if early is not None and early < looks:
        results = [
            _over(given, t, max(0, early - given.fail_after), early, final=True)
            if _row(given, t) == early
            else _over(given, t, 0, early, final=False)
            for t in given.tracks
        ]
        window = Window(from_=given.ends[0], to=given.ends[early])
        return Judged(name, conclude(results, window=window, scoring=given.scoring), early)
    window = Window(from_=given.ends[0], to=given.ends[-1])
    judgement = conclude(results, window=window, scoring=given.scoring)
    return Judged(name, judgement, early if judgement.verdict == "NotPromotable" else None)


def _early(given: Course, results: Sequence[ObjectiveResult]) -> int | None:
    """The first look at which what had failed by then decides, however well the rest may end."""
    called: dict[str, int] = {}
    for track, result in zip(given.tracks, results, strict=True):
        at = result.statistic.at if result.statistic and result.result == "Fail" else None
        if at is None:
            at = _row(given, track)
        if at is not None:
            called[result.name] = at
    for at in sorted(set(called.values())):
        so_far = [
            r.model_copy(
                update={"result": "Fail" if called.get(r.name, at + 1) <= at else "NotJudged"}
            )
            if r.result != "Informational"
            else r
            for r in results
        ]
        if certain(so_far, given.scoring):
            return at
    return None


def _row(given: Course, track: Track) -> int | None:
    """The look that ends the first row of failing ones, where no test judges the same."""
    if tested(track.plan) or track.plan.mann_whitney is not None or track.plan.informational:
        return None
    row = 0
    for k, sample in enumerate(track.looks, 1):
        seen = glance(track.plan, sample, [_at(b, k - 1, k) for b in track.baselines])
        row = row + 1 if seen.result == "Fail" and seen.decides else 0
        if row >= given.fail_after:
            return k
    return None


def _at(baseline: Baseline, begin: int, end: int) -> Baseline:
    """A baseline of the same minutes over these looks; others as they are."""
    return replace(baseline, looks=baseline.looks[begin:end]) if baseline.looks else baseline


def _over(given: Course, track: Track, begin: int, end: int, *, final: bool) -> ObjectiveResult:
    whole = track.whole if end == len(given.ends) - 1 and begin == 0 else None
    evidence = Evidence(
        looks=track.looks[begin:end],
        planned=given.planned,
        window=Window(from_=given.ends[begin], to=given.ends[end]),
        release=given.release,
        provider=None,
        query=None,
        final=final,
        whole=whole,
        extended=given.extended,
    )
    baselines = [_at(b, begin, end) for b in track.baselines]
    return judge_objective(
        track.plan, evidence, baselines, replace(given.terms, anchor=track.anchor)
    )
