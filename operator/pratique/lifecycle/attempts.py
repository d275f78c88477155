"""Further attempts to judge a version: what an attempt ended by has gone, or somebody asks for one.

A version whose attempt ended for want of evidence, or because its rollout failed, gets one attempt more
by itself once that has gone and stayed away. What it was judged by (an objective that failed, a budget)
begins nothing by itself, and neither does an edited policy: for that there is ``pratique re-evaluate``.

Not here: reading the cluster and asking providers (controller/), and how an attempt is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ..judge.samples import Buckets, Counts, Missing, Sample
from ..queries import podnames
from ..queries.questions import Question
from ..resources import conditions
from ..resources.release import AttemptOf, PlannedObjective, ReleaseSpec, ReleaseStatus
from . import grid
from .noticing import Fingerprint, Known
from .planning import Provider
from .situation import Situation
from .view import Workload

Obstacle = Literal["Rollout", "Provider", "Data", "Traffic", "Any"]

MAY_GO: Mapping[str, Obstacle] = {
    "RolloutFailed": "Rollout",
    "ScaledToZero": "Rollout",
    "ProviderError": "Provider",
    "NoData": "Data",
    "PartialWindow": "Data",
    "StaleSeries": "Data",
    "InsufficientTraffic": "Traffic",
    "DeadlineExceeded": "Any",
}
"""What each reason says was in the way. Reasons that are not here never begin an attempt by themselves:
they are a judgement (ObjectiveFailed, BudgetExhausted…), somebody's mistake that only an edited policy
mends (QueryRejected, SeveralSeries…), or an end (Superseded, WorkloadDeleted)."""
ASKED_FOR = timedelta(hours=24)
"""How long after its end providers are asked whether there is data now."""
LEAST_WAIT, MOST_WAIT = timedelta(seconds=5), timedelta(minutes=5)
"""Between two such questions."""


@dataclass(frozen=True, slots=True)
class Again:
    """A further attempt begins."""

    of: Known
    """The attempt before."""
    because: Literal["ObstacleGone", "ReEvaluate"]
    message: str
    request: str | None = None

    @property
    def attempt(self) -> int:
        """Its number among the attempts."""
        return self.of.attempt + 1

    @property
    def said(self) -> AttemptOf:
        """What the new Release says of it."""
        return AttemptOf(
            release=self.of.name,
            because=self.because,
            message=self.message[:512],
            request=self.request,
        )


def candidate(known: Sequence[Known], found: Fingerprint) -> Known | None:
    """The newest attempt, if it ended by something that may go, and its version had no second chance."""
    if not known:
        return None
    newest = known[-1]
    had = any(
        k.attempt_of is not None and k.attempt_of.because == "ObstacleGone"
        for k in known
        if k.number == newest.number
    )
    if had or not newest.completed or newest.reason not in MAY_GO or newest.verdict is None:
        return None
    return newest if newest.template_hash == found.hash else None


def rolled_out(workload: Workload) -> bool:
    """Whether all of its pods run its template now, by its own word."""
    return (
        workload.desired > 0
        and not workload.paused
        and not workload.deleting
        and workload.observed_generation >= workload.generation
        and (
            workload.updated == workload.desired == workload.total
            if workload.partition is None
            else workload.updated >= workload.desired
        )
        and workload.available >= max(workload.desired, workload.total)
    )


def in_the_way(
    newest: Known,
    spec: ReleaseSpec,
    workload: Workload,
    providers: Mapping[tuple[str, str], Provider],
) -> str | None:
    """What is still in the way, as far as it can be told without asking for data; None: nothing."""
    if not rolled_out(workload):
        return f"{workload.available} of {workload.desired} pods are available"
    if MAY_GO[newest.reason] == "Rollout":
        return None
    for planned in spec.plan.providers:
        provider = providers.get((planned.namespace, planned.name))
        status = provider.status if provider else None
        ready = conditions.find(status.conditions, "Ready") if status else None
        if ready is None or ready.status != "True":
            return f"MetricsProvider {planned.namespace}/{planned.name} is not ready"
    return None


def probes(
    name: str, namespace: str, spec: ReleaseSpec, status: ReleaseStatus, now: datetime
) -> dict[str, tuple[Question, int]]:
    """By objective: what is asked to see whether there is data now, and how many requests there must be.

    Only of objectives that had none; over one interval, or over the window where requests were too few.
    """
    judgement, rollout, workload = status.judgement, status.rollout, spec.workload
    if judgement is None or rollout.revision_object is None:
        return {}
    pattern = podnames.of_version(
        workload.kind, workload.name, rollout.revision_object, rollout.partition
    )
    s = Situation(name=name, namespace=namespace, generation=1, spec=spec, view=None, now=now)
    results = {r.name: r for r in judgement.results}
    wanted = {}
    for objective in spec.plan.objectives:
        result = results.get(objective.name)
        if objective.provider is None or result is None or objective.informational:
            continue
        analysis = spec.plan.analysis
        if result.reason == "InsufficientTraffic":
            needed = result.statistic.needed if result.statistic else None
            span, least = analysis.window, max(needed or 0, objective.min_requests)
        elif result.result in ("NoData", "Error"):
            span, least = analysis.interval, 1
        else:
            continue
        wanted[objective.name] = (_question(s, objective, pattern, span), least)
    return wanted


def _question(s: Situation, objective: PlannedObjective, pattern: str, span: timedelta) -> Question:
    interval = s.spec.plan.analysis.interval
    end = grid.ceil(s.now - s.delay(objective), interval) - interval
    return s.question(objective, end, span, pod_pattern=pattern)


def lacks(sample: Sample, least: int) -> str | None:
    """What an answer lacks; None where it is data enough."""
    match sample:
        case Missing(_, message):
            return message
        case Counts(_, total) if total < least:
            return f"{total:,} requests, {least:,} are needed"
        case Buckets(_, counts) if (counts[-1] if counts else 0) < least:
            return f"{counts[-1] if counts else 0:,} requests, {least:,} are needed"
    return None


def asked_again(newest: Known, interval: timedelta, now: datetime) -> datetime | None:
    """When to ask next whether there is data: the longer it lasts the more seldom; then no more."""
    ended = newest.ended_at or newest.noticed_at
    if now >= ended + ASKED_FOR:
        return None
    return now + min(MOST_WAIT, max(LEAST_WAIT, interval, (now - ended) / 10))


def gone(newest: Known) -> str:
    """What has gone, in a sentence."""
    match MAY_GO[newest.reason]:
        case "Rollout":
            what = "its rollout is complete now"
        case "Provider":
            what = "the provider answers again"
        case "Data":
            what = "there is data now"
        case "Traffic":
            what = "there are requests enough now"
        case _:
            what = "nothing is in the way any more"
    return f"{newest.name} ended by {newest.reason}; {what}"


def of_group(name: str) -> str:
    """Why a group's release is not judged again."""
    return (
        f"{name} is a group's release: ask for a member's newest one, and a release of the group "
        "begins with its further attempt"
    )


def refused(newest: Known | None, asked: Known, *, judged: bool) -> str | None:
    """Why a release is not judged again though somebody asks for it; None where it is.

    ``judged`` says whether the workload is there and a policy judges it.
    """
    if asked.kind == "ReleaseGroup":
        return of_group(asked.name)
    if newest is not None and newest.name != asked.name:
        return f"{asked.name} is not the newest release of its workload: ask for {newest.name}"
    if not asked.completed:
        return f"{asked.name} is still being judged: ask again once it has its verdict"
    if not judged:
        return f"nothing judges {asked.name} now: its workload is gone, or no policy speaks of it"
    return None
