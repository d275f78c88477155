"""A recorded release judged again, as it was or under a changed policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..judge.objectives import Baseline, Terms
from ..judge.samples import Missing, Sample
from ..judge.verdicts import Scoring
from ..lifecycle.records import Recorded
from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.objective import ServiceLevelObjectiveSpec
from ..resources.policy import PolicyObjective, ReleasePolicySpec
from ..resources.release import BaselineObjective, PlannedBaseline, PlannedObjective, ReleaseSpec
from ..resources.sensitivity import JudgingTerms, ScoringTerms
from .run import Course, Judged, Track, follow


@dataclass(frozen=True)
class Again:
    """The judgement, and what of the policy could not be applied to these samples."""

    judged: Judged
    notes: tuple[str, ...]


def again(
    name: str, spec: ReleaseSpec, recorded: Recorded, policy: ReleasePolicySpec | None = None
) -> Again:
    """Judge a release's recorded window; with a policy by its objectives, matched by name.

    An objective that was not measured then cannot be judged, and is said; so are references, whose
    documents are not at hand: the recorded objective stands for them.
    """
    notes: list[str] = []
    plan = spec.plan
    objectives = list(plan.objectives)
    if policy is not None:
        objectives = _changed(objectives, policy, notes)
    begin = _window(recorded)
    ends = recorded.ends[begin:]
    tracks = tuple(_track(o, plan.baselines, recorded, begin) for o in objectives)
    analysis = policy.analysis if policy is not None else None
    course = Course(
        tracks=tracks,
        release=name,
        planned=max(1, len(ends) - 1),
        extended=0,
        final=True,
        fail_after=analysis.fail_after if analysis else plan.analysis.fail_after,
        scoring=Scoring(policy.score, policy.on_warning, policy.mode)
        if policy is not None
        else Scoring(plan.score, plan.on_warning, plan.mode),
        terms=Terms(analysis.baseline.max_traffic_ratio, analysis.baseline.on_no_baseline)
        if analysis
        else Terms(plan.analysis.max_traffic_ratio, plan.analysis.no_baseline),
        ends=ends,
    )
    if not tracks:
        notes.append("no objective of the policy was measured")
    return Again(follow(name, course), tuple(notes))


def _window(recorded: Recorded) -> int:
    """The index of the window's begin among the ends; 0 where it never began."""
    if recorded.window_from is None:
        return 0
    return next((i for i, e in enumerate(recorded.ends[:-1]) if e >= recorded.window_from), 0)


def _changed(
    known: Sequence[PlannedObjective], policy: ReleasePolicySpec, notes: list[str]
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
        found.append(_as_now(entry, old, notes))
    if not policy.objectives:
        return list(known)
    for name in by_name.keys() - {o.name for o in found}:
        notes.append(f"{name}: is not in the policy any more, so it is left out")
    return found


def _as_now(entry: PolicyObjective, old: PlannedObjective, notes: list[str]) -> PlannedObjective:
    scoring = {n: getattr(entry, n) for n in ScoringTerms.model_fields}
    if entry.ref is not None:
        notes.append(f"{entry.title}: is a reference, so its bounds are those of then")
        return old.model_copy(update=scoring)
    spec: ServiceLevelObjectiveSpec = entry.inline()
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
    recorded: Recorded,
    begin: int,
) -> Track:
    none = Missing("NoData", "the record has nothing of it")
    count = len(recorded.ends) - 1
    looks: tuple[Sample, ...] = recorded.looks.get(objective.name, (none,) * count)[begin:]
    if objective.indicator.kubernetes:
        looks = looks[-1:] * len(looks)  # accumulated already
    baselines, anchor = [], None
    for baseline in planned:
        value = _value(objective.name, baseline)
        if baseline.anchor:
            anchor = value
        elif baseline.source == "BeforeRollout":
            baselines += [b for n, b in recorded.before.items() if n == objective.name]
        elif beside := recorded.beside.get(objective.name, {}).get(baseline.source):
            baselines.append(
                Baseline(baseline.source, baseline.release, float("nan"), looks=beside[begin:])
            )
        elif value is not None:
            baselines.append(value)
    return Track(objective, looks, recorded.whole.get(objective.name), tuple(baselines), anchor)


def _value(name: str, baseline: PlannedBaseline) -> Baseline | None:
    found: BaselineObjective | None = next((v for v in baseline.values if v.name == name), None)
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
