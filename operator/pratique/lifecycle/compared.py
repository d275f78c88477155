"""What an objective is compared with: the plan's baselines as values, asked for where they must be.

Values of earlier releases stand in the plan. Pods before the rollout are measured once, and what came is
kept in the status. Baselines of the same minutes are asked look by look beside the release.

Not here: which of several baselines serves (judge/).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ..judge.forecast import forecast
from ..judge.objectives import Baseline, Terms, measure
from ..judge.samples import Missing, Sample
from ..queries import podnames
from ..resources.release import (
    BaselineEntry,
    PlannedBaseline,
    PlannedObjective,
    ReleaseStatus,
)
from .planning import indicator_hash
from .rollout import current, own_pods
from .situation import Situation

if TYPE_CHECKING:
    from .looks import Looking

SAME_MINUTES = ("OldPods", "Workload")
"""Sources that are asked beside the release, look by look."""


@dataclass
class Compared:
    """The baselines of each objective, in the plan's order."""

    known: dict[str, list[Baseline]] = field(default_factory=dict)
    """Whole already, by objective; of the same minutes a place holder, whose looks come later."""
    waiting: bool = False
    """Something is still to be measured."""

    def of(
        self, objective: PlannedObjective, looks: dict[str, tuple[Sample, ...]] | None = None
    ) -> list[Baseline]:
        """The objective's baselines, those of the same minutes with these looks (by source)."""
        found = []
        for baseline in self.known.get(objective.name, []):
            if baseline.source not in SAME_MINUTES:
                found.append(baseline)
            elif looks and (given := looks.get(baseline.source)):
                found.append(
                    Baseline(baseline.source, baseline.release, baseline.value, looks=given)
                )
        return found


def unfit(planned: PlannedBaseline) -> Baseline:
    """A baseline that cannot serve, for the sentence that says why."""
    return Baseline(planned.source, planned.release, math.nan, unfit=planned.unfit or "")


def is_compared(objective: PlannedObjective) -> bool:
    """Whether a baseline decides anything for it."""
    bounds = (*objective.pass_, *objective.warn)
    return any(b.change for b in bounds) or objective.mann_whitney is not None


def baselines(s: Situation, found: Looking, rates: Mapping[str, float] | None = None) -> Compared:
    """The baselines that there are; what is missing is asked for, or waited for.

    What must be measured is asked only where nothing before it in order can serve; ``rates`` are each
    objective's requests a second so far, as far as known.
    """
    compared = Compared()
    entries = {b.name: b for b in found.status.baseline}
    measured: list[BaselineEntry] = []
    for objective in s.spec.plan.objectives:
        mine: list[Baseline] = []
        for planned in s.spec.plan.baselines:
            if planned.anchor:
                continue
            if planned.unfit:
                mine.append(unfit(planned))
            elif planned.source in SAME_MINUTES:
                if is_compared(objective) and objective.provider is not None:
                    mine.append(Baseline(planned.source, planned.release, float("nan")))
            elif planned.source == "BeforeRollout":
                entry = entries.get(objective.name)
                if entry is None and not _served(s, objective, mine, (rates or {})):
                    entry, waiting = _measured_before(s, found, objective, planned)
                    compared.waiting |= waiting
                if entry is not None:
                    measured.append(entry)
                    mine.append(
                        Baseline(
                            entry.source, entry.release, entry.value, entry.samples, entry.seconds
                        )
                    )
            elif (value := _recorded(objective, planned)) is not None:
                mine.append(value)
        compared.known[objective.name] = mine
    if measured != found.status.baseline:
        found.status = found.status.model_copy(update={"baseline": measured})
    return compared


def forecasts(s: Situation, status: ReleaseStatus) -> list[str]:
    """Objectives whose traffic will hardly be enough, as far as an earlier release tells."""
    window = s.spec.plan.analysis.window.total_seconds()
    entries = {b.name: b for b in status.baseline}
    said = []
    for objective in s.spec.plan.objectives:
        given = [
            v
            for b in s.spec.plan.baselines
            if not b.anchor and (v := _recorded(objective, b)) is not None
        ]
        if (entry := entries.get(objective.name)) is not None:
            given.append(
                Baseline(entry.source, entry.release, entry.value, entry.samples, entry.seconds)
            )
        text = forecast(objective, given, window)
        if text is not None:
            said.append(text)
    return said


def terms(s: Situation, objective: PlannedObjective) -> Terms:
    """How the plan wants changes of this objective judged."""
    analysis = s.spec.plan.analysis
    anchor = next(
        (v for b in s.spec.plan.baselines if b.anchor and (v := _recorded(objective, b))), None
    )
    return Terms(analysis.max_traffic_ratio, analysis.no_baseline, analysis.drift, anchor)


def beside(
    s: Situation, found: Looking, objective: PlannedObjective, end: datetime
) -> dict[str, Sample | None]:
    """The same minutes of the baselines that are asked beside the release; None while awaited."""
    if objective.provider is None or not is_compared(objective):
        return {}
    interval = s.spec.plan.analysis.interval
    samples: dict[str, Sample | None] = {}
    for planned in s.spec.plan.baselines:
        if planned.source not in SAME_MINUTES:
            continue
        if objective.indicator.attribution != "Pod" and planned.source == "OldPods":
            continue  # one series speaks for old and new pods alike
        question = s.question(
            objective,
            end,
            interval,
            pod_pattern=_still_old(s, found.status, planned),
            workload=planned.release if planned.source == "Workload" else None,
        )
        answer = found.want(s, question, end + s.delay(objective))
        samples[planned.source] = None if answer is None else answer.sample
    return samples


def _still_old(s: Situation, status: ReleaseStatus, planned: PlannedBaseline) -> str | None:
    """The pods of the baseline; of a StatefulSet's old ones those that a lowered partition still keeps."""
    partition = status.rollout.partition
    if planned.source != "OldPods" or s.spec.workload.kind != "StatefulSet":
        return planned.pod_pattern
    taken = [int(p) for c in status.cohorts for p in c.pods if p.isdecimal()]
    if s.view is not None:
        taken += [p.ordinal for p in own_pods(s.view, current(s, status))]
    return podnames.below(s.spec.workload.name, min([partition or 0, *taken]))


def gathered(
    rows: Sequence[dict[str, Sample | None]],
) -> dict[str, tuple[Sample, ...]]:
    """Looks by source from looks by moment; what did not come counts as the provider's failure."""
    none = Missing("ProviderError", "the provider did not answer in time")
    sources = {source for row in rows for source in row}
    return {source: tuple(row.get(source) or none for row in rows) for source in sorted(sources)}


def _recorded(objective: PlannedObjective, planned: PlannedBaseline) -> Baseline | None:
    """What the plan holds of it, if it measured the same."""
    what = indicator_hash(objective.indicator)
    for value in planned.values:
        if value.name == objective.name and value.indicator_hash in (what, None):
            return Baseline(
                planned.source,
                planned.release,
                value.value,
                value.samples,
                value.seconds,
                value.spread,
                numbers=tuple(value.looks),
            )
    return None


def _served(
    s: Situation,
    objective: PlannedObjective,
    earlier: Sequence[Baseline],
    rates: Mapping[str, float],
) -> bool:
    """Whether a baseline earlier in order can serve, as far as that can be told."""
    rate = rates.get(objective.name)
    for baseline in earlier:
        if baseline.samples is not None and baseline.samples < objective.min_requests:
            continue
        if not math.isfinite(baseline.value):
            continue
        if rate and baseline.samples and baseline.seconds:
            before = baseline.samples / baseline.seconds
            if max(rate, before) / min(rate, before) > s.spec.plan.analysis.max_traffic_ratio:
                continue
        return True
    return False


def _measured_before(
    s: Situation, found: Looking, objective: PlannedObjective, planned: PlannedBaseline
) -> tuple[BaselineEntry | None, bool]:
    """(what the pods before the rollout had, whether that is still awaited)."""
    if not is_compared(objective) or objective.provider is None:
        return None, False
    if objective.indicator.attribution != "Pod" or not (planned.from_ and planned.to):
        return None, False  # one series speaks for old and new pods alike
    question = s.question(
        objective, planned.to, planned.to - planned.from_, pod_pattern=planned.pod_pattern
    )
    answer = found.want(s, question, planned.to + s.delay(objective))
    if answer is None or answer.trouble:
        return None, True
    measured = measure(objective.indicator, answer.sample)
    if isinstance(measured, Missing) or measured.value is None:
        return None, False
    return (
        BaselineEntry(
            name=objective.name,
            source=planned.source,
            release=planned.release,
            value=measured.value,
            samples=measured.samples,
            seconds=(planned.to - planned.from_).total_seconds(),
        ),
        False,
    )
