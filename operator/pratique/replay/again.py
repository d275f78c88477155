"""A recorded release judged again, as it was or under a changed policy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ..judge.objectives import Baseline, Terms
from ..judge.samples import Missing, Sample
from ..judge.statistics.laws import Noise
from ..judge.verdicts import Scoring
from ..lifecycle import grid, records
from ..lifecycle.compared import unfit
from ..lifecycle.planning import indicator_hash
from ..resources.base import format_duration
from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.objective import ServiceLevelObjectiveSpec
from ..resources.policy import AnalysisTerms, PolicyObjective, ReleasePolicySpec
from ..resources.release import (
    BaselineObjective,
    PlanAnalysis,
    PlannedBaseline,
    PlannedObjective,
)
from ..resources.sensitivity import JudgingTerms, ScoringTerms
from .recorded import Recorded
from .run import Course, Judged, Track, follow


@dataclass(frozen=True)
class Again:
    """The judgement, and what of the policy could not be applied to these samples."""

    judged: Judged
    notes: tuple[str, ...]


def again(
    given: Recorded,
    policy: ReleasePolicySpec | None = None,
    objectives_at_hand: Mapping[str, ServiceLevelObjectiveSpec] | None = None,
) -> Again:
    """Judge a release's recorded looks; with a policy by its objectives, matched by name.

    By the terms of then as far as a policy does not change them: window, noise, extension, shares of the
    false alarms. An objective that was not measured then cannot be judged, and is said; so are
    references whose documents are not at hand: the recorded objective stands for them. Where the
    record ends before the window did, nothing can pass.
    """
    notes: list[str] = []
    basis = given.spec.plan.basis
    plan, samples = given.spec.plan, given.samples
    objectives = list(plan.objectives)
    if policy is not None:
        objectives = _changed(objectives, policy, objectives_at_hand or {}, notes)
        missing = [
            o.title for o in policy.objectives if o.title not in {k.name for k in objectives}
        ]
        if missing:
            text = f"without {', '.join(missing)}, not measured then"
            basis = "; ".join(t for t in (basis, text) if t)
        _same_window(plan.analysis, policy.analysis, notes)
    if given.note:
        notes.append(f"the record is not whole: {given.note}")
    begin, planned, longest, over = _times(given)
    looks = len(samples.ends) - 1
    if not over:
        notes.append(
            "its window had not begun when the record ends: looks of a rollout pass nothing"
            if begin >= looks
            else f"the record ends after {looks - begin} looks of the window, of {planned} that were "
            "planned: what is known so far can fail it, and not pass it"
        )
    noise = {n.name: Noise(n.sd, n.rho, known=True) for n in given.noise if n.known}
    course = Course(
        tracks=tuple(_track(o, plan.baselines, samples, noise.get(o.name)) for o in objectives),
        release=given.name,
        planned=planned,
        extended=longest if longest > planned else 0,
        final=over,
        fail_after=policy.analysis.fail_after if policy else plan.analysis.fail_after,
        scoring=Scoring(policy.score, policy.on_warning, policy.mode)
        if policy is not None
        else Scoring(plan.score, plan.on_warning, plan.mode),
        terms=_terms(plan.analysis, policy),
        ends=samples.ends,
        begin=begin,
        basis=basis,
    )
    if not objectives:
        notes.append("no objective of the policy was measured")
    judged = replace(follow(given.name, course), was=given.verdict)
    return Again(judged, tuple(notes))


def _terms(analysis: PlanAnalysis, policy: ReleasePolicySpec | None) -> Terms:
    if policy is None:
        return Terms(analysis.max_traffic_ratio, analysis.no_baseline, analysis.drift)
    now = policy.analysis.baseline
    return Terms(now.max_traffic_ratio, now.on_no_baseline, now.drift)


def _times(given: Recorded) -> tuple[int, int, int, bool]:
    """(looks of the rollout, looks of the window, the most it may have, whether it was over)."""
    analysis, samples = given.spec.plan.analysis, given.samples
    interval, ends = analysis.interval, samples.ends
    planned = max(1, math.ceil(analysis.window / interval - 1e-9))
    longest = math.ceil((analysis.max_window or timedelta(0)) / interval - 1e-9)
    kept = len(ends) - 1
    pooled = kept < round((ends[-1] - ends[0]) / interval)
    if pooled:  # fewer, longer looks
        longer = (ends[-1] - ends[0]) / interval / kept
        planned, longest = (max(1, math.ceil(n / longer)) for n in (planned, longest))
    since = samples.window_from
    if since is None:
        return kept, planned, longest, False
    begin = sum(e <= since for e in ends[1:])
    if pooled and ends[begin] < since:
        begin += 1  # partly of the rollout
    end = given.extended_to or grid.ceil(since + analysis.window, interval)
    return begin, planned, longest, ends[-1] >= end and begin < kept


def _same_window(then: PlanAnalysis, now: AnalysisTerms, notes: list[str]) -> None:
    for name in ("window", "interval"):
        if getattr(then, name) != getattr(now, name):
            notes.append(
                f"analysis.{name}: was {format_duration(getattr(then, name))} then, which stays: "
                "looks cannot be taken otherwise now"
            )


def _changed(
    known: Sequence[PlannedObjective],
    policy: ReleasePolicySpec,
    at_hand: Mapping[str, ServiceLevelObjectiveSpec],
    notes: list[str],
) -> list[PlannedObjective]:
    by_name = {o.name: o for o in known}
    found: list[PlannedObjective] = []
    for entry in policy.objectives:
        old = by_name.get(entry.title)
        if old is None:
            notes.append(
                f"{entry.title}: was not measured then, so it is left out; there are "
                f"{', '.join(by_name)}"
            )
            continue
        found.append(_as_now(entry, old, at_hand, notes))
    if not policy.objectives:
        return list(known)
    for name in by_name.keys() - {o.name for o in found}:
        notes.append(f"{name}: is not in the policy any more, so it is left out")
    return found


def _as_now(
    entry: PolicyObjective,
    old: PlannedObjective,
    at_hand: Mapping[str, ServiceLevelObjectiveSpec],
    notes: list[str],
) -> PlannedObjective:
    scoring = {n: getattr(entry, n) for n in ScoringTerms.model_fields}
    spec = entry.inline() if entry.ref is None else at_hand.get(entry.ref)
    if spec is None:
        notes.append(f"{entry.title}: is a reference, so its bounds are those of then")
        return old.model_copy(update=scoring)
    if spec.indicator.ref is None and _shape(spec.indicator) != _shape(old.indicator):
        notes.append(f"{entry.title}: measures something else now; the samples of then are judged")
    return old.model_copy(
        update={
            "pass_": spec.pass_,
            "warn": spec.warn,
            "min_requests": spec.min_requests,
            **{n: getattr(spec, n) for n in JudgingTerms.model_fields},
            **scoring,
        }
    )


def _shape(indicator: ServiceLevelIndicatorSpec) -> str:
    return indicator.model_dump_json(
        include={"ratio", "latency", "query", "kubernetes"}, exclude_none=True
    )


def _track(
    objective: PlannedObjective,
    planned: Sequence[PlannedBaseline],
    recorded: records.Recorded,
    noise: Noise | None,
) -> Track:
    none = Missing("NoData", "the record has nothing of it")
    count = len(recorded.ends) - 1
    looks: tuple[Sample, ...] = recorded.looks.get(objective.name, (none,) * count)
    if objective.indicator.kubernetes:
        looks = (*[none] * (count - 1), *looks[-1:])  # only what it came to in the end is recorded
    baselines, anchor = [], None
    for baseline in planned:
        value = _value(objective, baseline)
        if baseline.anchor:
            anchor = value
        elif baseline.unfit:
            baselines.append(unfit(baseline))
        elif baseline.source == "BeforeRollout":
            baselines += [b for n, b in recorded.before.items() if n == objective.name]
        elif beside := recorded.beside.get(objective.name, {}).get(baseline.source):
            baselines.append(
                Baseline(baseline.source, baseline.release, float("nan"), looks=beside)
            )
        elif value is not None:
            baselines.append(value)
    whole = recorded.whole.get(objective.name)
    return Track(objective, looks, whole, tuple(baselines), anchor, noise)


def _value(objective: PlannedObjective, baseline: PlannedBaseline) -> Baseline | None:
    """What the plan holds of it, if it measured the same."""
    known = (indicator_hash(objective.indicator), None)
    found: BaselineObjective | None = next(
        (v for v in baseline.values if v.name == objective.name and v.indicator_hash in known), None
    )
    if found is None:
        return None
    return Baseline(
        baseline.source,
        baseline.release,
        found.value,
        found.samples,
        found.seconds,
        found.spread,
        numbers=tuple(found.looks),
    )
