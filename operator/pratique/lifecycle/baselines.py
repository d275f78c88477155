"""Where a release's baselines are found when it begins, in the policy's order.

Only measured values of releases promotable by evidence, or adopted, are taken; the pods before the
rollout too only if their release was one of those, or was itself without a baseline.

Not here: which of them is used for an objective, which depends on what is measured (judge/).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta

from ..queries import podnames
from ..resources.base import format_duration
from ..resources.policy import AnalysisTerms, BaselineChoice
from ..resources.release import BaselineObjective, PlannedBaseline, Spread
from .noticing import Known
from .planning import OldPods
from .policies import Policy
from .view import Workload

MINUTE = timedelta(minutes=1)


def find_baselines(
    policy: Policy,
    workload: Workload | None,
    known: Sequence[Known],
    *,
    now: datetime,
    rolled_out: datetime | None = None,
) -> list[PlannedBaseline]:
    """What a release that begins now is compared with, in the policy's order; then drift's anchor.

    ``known`` are the versions before it. Of a further attempt ``rolled_out`` says when its version was
    first noticed: what ran before the rollout ran before that.
    """
    analysis = policy.spec.analysis
    good = [k for k in reversed(known) if trusted(k)]
    found = [
        b
        for choice in analysis.baseline.order
        if (b := _choose(choice, analysis, workload, good, known, now, rolled_out or now))
        is not None
    ]
    if analysis.baseline.drift is not None:
        wanted = analysis.baseline.anchor
        anchors = [k for k in good if wanted in (None, k.name)]
        if anchors:
            oldest = anchors[-1]
            found.append(
                PlannedBaseline(
                    source="LastPromotable",
                    anchor=True,
                    release=oldest.name,
                    values=list(oldest.values),
                )
            )
    return found


def pods_of(known: Known) -> str | None:
    """A regular expression of a release's pods, if it ever had any.

    Where their names do not tell the version, it holds for the time of that release only.
    """
    if not known.revision_object:
        return None
    if known.renewed:  # an ignored change replaced them, by others whose names were not followed
        return podnames.of_any_version(known.kind, known.workload)
    return podnames.of_version(known.kind, known.workload, known.revision_object, known.partition)


def past_of(known: Known) -> OldPods | None:
    """The pods of a release, and since when they were its own, if ever."""
    pattern = pods_of(known)
    if pattern is None or known.renewed:
        return None
    if podnames.tells_version(known.kind):
        return OldPods(pattern, None)
    return OldPods(pattern, known.rolled_out_at) if known.rolled_out_at else None


def trusted(known: Known) -> bool:
    """Whether its measured values may be compared with."""
    return bool((_by_evidence(known) or known.measured) and known.values)


def _by_evidence(known: Known) -> bool:
    return known.verdict == "Promotable" and known.reason != "Overridden" and not known.revoked


def _choose(
    choice: BaselineChoice,
    analysis: AnalysisTerms,
    workload: Workload | None,
    good: Sequence[Known],
    known: Sequence[Known],
    now: datetime,
    rolled_out: datetime,
) -> PlannedBaseline | None:
    if choice.max_age is not None and good:
        young = [k for k in good if now - k.noticed_at <= choice.max_age]
        if not young:
            age = format_duration(timedelta(minutes=(now - good[0].noticed_at) // MINUTE))
            return PlannedBaseline(
                source=choice.source,
                release=good[0].name,
                unfit=f"{good[0].name} is {age} old, more than {format_duration(choice.max_age)}",
            )
        good = young
    before = known[-1] if known else None
    match choice.source:
        case "LastPromotable" if good:
            return PlannedBaseline(
                source="LastPromotable", release=good[0].name, values=list(good[0].values)
            )
        case "LastReleases" if good:
            assert choice.count is not None
            return _several(good[: choice.count], choice.aggregate or "Median")
        case "BeforeRollout" if before is not None:
            return _before(analysis, before, rolled_out)
        case "OldPods" if before is not None and _fit(before):
            pattern = _old_pods(workload, before)
            if pattern is None:
                return None
            return PlannedBaseline(source="OldPods", release=before.name, pod_pattern=pattern)
        case "Workload":
            assert choice.name is not None
            return PlannedBaseline(
                source="Workload",
                release=choice.name,
                pod_pattern=podnames.of_any_version(
                    workload.kind if workload else "Deployment", choice.name
                ),
            )
        case "Fixed":
            return PlannedBaseline(
                source="Fixed",
                release="the policy",
                values=[
                    BaselineObjective(name=v.objective, value=v.value, samples=v.samples)
                    for v in choice.values or []
                ],
            )
    return None


def _old_pods(workload: Workload | None, before: Known) -> str | None:
    """The old version's pods while the new one's run; none where nothing tells them apart by name."""
    if workload is None or podnames.tells_version(workload.kind):
        return pods_of(before)
    return podnames.below(workload.name, workload.partition) if workload.partition else None


def _fit(before: Known) -> bool:
    return (
        _by_evidence(before)
        or before.measured
        or (before.verdict == "Inconclusive" and before.reason == "NoBaseline")
    )


def _before(analysis: AnalysisTerms, before: Known, now: datetime) -> PlannedBaseline | None:
    begin = now - analysis.window
    if before.rolled_out_at is not None:
        begin = max(begin, before.rolled_out_at + analysis.warm_up)
    pods = pods_of(before)
    if not (_fit(before) and pods and now - begin >= analysis.interval):
        return None
    return PlannedBaseline(
        source="BeforeRollout",
        release=before.name,
        pod_pattern=pods,
        from_=begin,
        to=now,
    )


def _several(releases: Sequence[Known], aggregate: str) -> PlannedBaseline:
    """Several releases as one: values aggregated by objective, requests and time added up."""
    by_name: dict[tuple[str, str | None], list[BaselineObjective]] = {}
    for release in releases:
        for value in release.values:
            by_name.setdefault((value.name, value.indicator_hash), []).append(value)
    values: dict[str, BaselineObjective] = {}
    for (name, what), given in by_name.items():
        if name in values:
            continue  # an older indicator of the same name
        samples = [v.samples for v in given if v.samples is not None]
        seconds = [v.seconds for v in given if v.seconds is not None]
        numbers = [v.value for v in given]
        values[name] = BaselineObjective(
            name=name,
            value=_aggregate(numbers, samples, aggregate),
            samples=sum(samples) if len(samples) == len(given) else None,
            seconds=sum(seconds) if len(seconds) == len(given) else None,
            spread=_pooled([v.spread for v in given]),
            indicator_hash=what,
        )
    names = [r.name for r in reversed(releases)]
    said = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    return PlannedBaseline(
        source="LastReleases",
        release=f"{said} ({aggregate.lower()} of {len(names)})",
        values=list(values.values()),
    )


def _aggregate(values: Sequence[float], samples: Sequence[int], aggregate: str) -> float:
    total = sum(samples)
    match aggregate:
        case "Mean":
            if len(samples) == len(values) and total:
                # Of shares: each request counts the same.
                events = math.fsum(v * n for v, n in zip(values, samples, strict=True))
                return events / total
            return statistics.fmean(values)
        case "Median":
            return statistics.median(values)
        case "Min":
            return min(values)
        case "Max":
            return max(values)
    return _percentile(values, float(aggregate.removeprefix("P")) / 100)


def _percentile(values: Sequence[float], q: float) -> float:
    """By linear interpolation between the closest ranks (R-7, as numpy's default)."""
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def _pooled(spreads: Sequence[Spread | None]) -> Spread | None:
    """One spread of several: the values as if they had been one sample."""
    given = [s for s in spreads if s is not None]
    if not given or len(given) < len(spreads) or len({s.logs for s in given}) > 1:
        return None
    n = sum(s.count for s in given)
    mean = sum(s.count * s.mean for s in given) / n
    squares = sum((s.count - 1) * s.sd**2 + s.count * (s.mean - mean) ** 2 for s in given)
    return Spread(
        count=n, mean=mean, sd=(squares / (n - 1)) ** 0.5 if n > 1 else 0.0, logs=given[0].logs
    )
