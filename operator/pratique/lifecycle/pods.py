"""Which pods are judged, and from which moment on each of them counts.

A pod counts from the first grid point at which it has been Ready for the warm-up; the moment is
latched, so a pod that turns unready later does not escape the judge.
"""

from __future__ import annotations

from datetime import datetime

from ..queries import podnames
from ..resources.release import Cohort, ReleaseSpec, ReleaseStatus
from ..resources.task import TaskStatus
from . import grid
from .rollout import current, own_pods
from .situation import Situation

MAX_PODS = 300
"""More pods than this are not told apart; the first ones are judged."""
MAX_COHORTS = 32
MAX_COHORT = 200
"""As many as the status holds: pods, and moments from which pods count."""


def count(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """Add the pods that became Ready to the cohorts; none is ever taken away."""
    revision = current(s, status)
    if s.view is None or revision is None:
        return status
    known = {p for c in status.cohorts for p in c.pods}
    by_moment: dict[datetime, list[str]] = {c.from_: list(c.pods) for c in status.cohorts}
    born: dict[datetime, datetime] = {c.from_: c.born for c in status.cohorts if c.born}
    reused = s.spec.workload.kind == "StatefulSet"
    analysis = s.spec.plan.analysis
    prefix = podnames.stem(s.spec.workload.kind, s.spec.workload.name, revision.name)
    for pod in sorted(own_pods(s.view, revision), key=lambda p: (p.ready_since or s.now, p.name)):
        short = pod.name.removeprefix(prefix)
        if short in known or not pod.ready or pod.ready_since is None or len(known) >= MAX_PODS:
            continue
        start = grid.ceil(pod.ready_since + analysis.warm_up, analysis.interval)
        if s.spec.attempt:  # what an earlier attempt has seen is not looked at again
            start = max(start, grid.ceil(s.spec.noticed_at, analysis.interval))
        while len(by_moment.get(start, ())) >= MAX_COHORT:
            start += analysis.interval
        if start not in by_moment and len(by_moment) >= MAX_COHORTS:
            continue
        by_moment.setdefault(start, []).append(short)
        known.add(short)
        if reused:
            born[start] = max(born.get(start, pod.created), pod.created)
    cohorts = [
        Cohort(from_=at, pods=sorted(names), born=born.get(at))
        for at, names in sorted(by_moment.items())
    ]
    return status if cohorts == status.cohorts else status.model_copy(update={"cohorts": cohorts})


def counted(spec: ReleaseSpec, status: ReleaseStatus, since: datetime) -> tuple[str, ...]:
    """Full names of the pods that count at least from ``since`` on."""
    prefix = stem(spec, status)
    return tuple(sorted(prefix + p for c in status.cohorts if c.from_ <= since for p in c.pods))


def births(
    spec: ReleaseSpec, status: ReleaseStatus, since: datetime
) -> tuple[tuple[str, datetime], ...]:
    """When those pods were created whose names an earlier version's pods had before them."""
    prefix = stem(spec, status)
    return tuple(
        sorted(
            (prefix + p, c.born)
            for c in status.cohorts
            if c.born is not None and c.from_ <= since
            for p in c.pods
        )
    )


def stem(spec: ReleaseSpec, status: ReleaseStatus) -> str:
    """What the names of the release's pods begin with."""
    return podnames.stem(spec.workload.kind, spec.workload.name, status.rollout.revision_object)


def present(s: Situation, status: ReleaseStatus, since: datetime) -> tuple[str, ...]:
    """Full names of the pods that are there now: those judged, and later ones warm by ``since``."""
    if s.view is None:
        return ()
    prefix = stem(s.spec, status)
    judged = {prefix + p for c in status.cohorts for p in c.pods}
    warm_up = s.spec.plan.analysis.warm_up
    found = [
        p.name
        for p in own_pods(s.view, current(s, status))
        if p.name in judged
        or (p.ready and p.ready_since is not None and p.ready_since + warm_up <= since)
    ]
    return tuple(sorted(found)[:MAX_PODS])


def warm_at(s: Situation, status: ReleaseStatus) -> datetime | None:
    """Once the rollout is complete: when the last of its pods is warm."""
    completed = status.rollout.completed_at
    if completed is None or not status.cohorts:
        return None
    return max(
        grid.ceil(completed, s.spec.plan.analysis.interval),
        max(c.from_ for c in status.cohorts),
    )


def latch_window(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """Fix when the window begins: when its pods are warm, and the task that owns it runs."""
    begin = warm_at(s, status)
    if begin is None or status.window_from is not None:
        return status
    owned, owner = window_owner(s, status)
    if owned:
        if owner is None or (owner.running_since is None and not owner.over):
            return status
        since = owner.running_since or owner.completed_at
        assert since is not None
        begin = max(begin, grid.ceil(since, s.spec.plan.analysis.interval))
    return status.model_copy(update={"window_from": begin})


def window_owner(s: Situation, status: ReleaseStatus) -> tuple[bool, TaskStatus | None]:
    """Whether a task owns the window, and how far it got."""
    name = next((t.name for t in s.spec.plan.tasks if t.owns_window), None)
    return name is not None, next((t for t in status.tasks if t.name == name), None)
