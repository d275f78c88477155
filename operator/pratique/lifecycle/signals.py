"""Kubernetes' own signals: restarts, OOM kills and unready time of the release's pods.

They cannot be asked again as metrics can, so they are accumulated in the status: from the moment up to
which they were counted to now, by the transition times that the pods themselves carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..judge.samples import Missing, Sample, Value
from ..resources.indicator import KubernetesIndicator
from ..resources.release import ReleaseStatus, Signals
from .pods import counted, stem
from .rollout import current, own_pods
from .situation import Situation
from .view import Pod


def accumulate(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """Count up to now, or to the window's end where that is over."""
    if s.view is None or not status.cohorts:
        return status
    analysis = s.spec.plan.analysis
    until = s.now
    if status.window_from is not None:
        until = min(until, status.window_from + analysis.window)
    first = min(c.from_ for c in status.cohorts)
    before = status.signals or Signals(until=first)
    pods = own_pods(s.view, current(s, status))
    if s.spec.attempt and before.earlier_restarts is None:
        before = _since_now(before, pods)
    unready = total = 0.0
    prefix = stem(s.spec, status)
    for cohort in status.cohorts:
        names = {prefix + p for p in cohort.pods}
        start = max(before.until, cohort.from_)
        if until <= start:
            continue
        for pod in pods:
            if pod.name not in names or pod.deleting:
                continue
            total += (until - start).total_seconds()
            turned = min(max(pod.ready_since or start, start), until)
            unready += ((until - turned) if not pod.ready else (turned - start)).total_seconds()
    return status.model_copy(
        update={"signals": _added(before, pods, max(before.until, until), unready, total)}
    )


def watched(s: Situation, status: ReleaseStatus) -> Signals | None:
    """The same since the verdict: of all pods of this version that are old enough."""
    assert status.watch is not None
    before = status.watch.signals
    if s.view is None:
        return before
    pods = own_pods(s.view, current(s, status))
    if before is None:
        before = _since_now(Signals(until=s.now), pods)
    unready = total = 0.0
    for pod in pods:
        start = max(before.until, pod.created + s.spec.plan.analysis.warm_up)
        if pod.deleting or s.now <= start:
            continue
        total += (s.now - start).total_seconds()
        turned = min(max(pod.ready_since or start, start), s.now)
        unready += ((s.now - turned) if not pod.ready else (turned - start)).total_seconds()
    return _added(before, pods, max(before.until, s.now), unready, total)


def watched_sample(indicator: KubernetesIndicator, s: Situation, status: ReleaseStatus) -> Sample:
    """The signal's value since the verdict; unready time as a share of no less than a whole window."""
    signals = status.watch.signals if status.watch else None
    if signals is None or not status.rollout.desired or signals.pod_seconds <= 0:
        return Missing("NoData", "no pod of this release is there")
    match indicator.signal:
        case "Restarts":
            return Value(float(signals.restarts))
        case "OOMKills":
            return Value(float(signals.oom_kills))
        case "UnreadyShare":
            least = s.spec.plan.analysis.window.total_seconds() * status.rollout.desired
            return Value(signals.unready_seconds / max(signals.pod_seconds, least))


def _since_now(before: Signals, pods: Sequence[Pod]) -> Signals:
    """What these pods have had already is not counted."""
    restarts, oom_kills = _had(pods)
    return before.model_copy(update={"earlier_restarts": restarts, "earlier_oom_kills": oom_kills})


def _had(pods: Sequence[Pod]) -> tuple[int, int]:
    containers = [c for p in pods for c in p.containers]
    return sum(c.restarts for c in containers), sum(c.oom_killed for c in containers)


def _added(
    before: Signals, pods: Sequence[Pod], until: datetime, unready: float, total: float
) -> Signals:
    restarts, oom_kills = _had(pods)
    earlier = before.earlier_restarts, before.earlier_oom_kills
    # Pods that went took their counts away: the highest sum seen stands.
    earlier_restarts = None if earlier[0] is None else min(earlier[0], restarts)
    earlier_oom_kills = None if earlier[1] is None else min(earlier[1], oom_kills)
    return Signals(
        until=until,
        restarts=max(before.restarts, restarts - (earlier_restarts or 0)),
        oom_kills=max(before.oom_kills, oom_kills - (earlier_oom_kills or 0)),
        unready_seconds=round(before.unready_seconds + unready, 3),
        pod_seconds=round(before.pod_seconds + total, 3),
        earlier_restarts=earlier_restarts,
        earlier_oom_kills=earlier_oom_kills,
    )


def sample(indicator: KubernetesIndicator, s: Situation, status: ReleaseStatus) -> Sample:
    """The signal's value so far; missing while too few pods were seen for too short a time."""
    signals = status.signals
    if signals is None or not status.cohorts:
        return Missing("NoData", "no pod of this release has been Ready for the warm-up")
    first = status.window_from or min(c.from_ for c in status.cohorts)
    span = min(s.now - first, s.spec.plan.analysis.window)
    pods = len(counted(s.spec, status, first))
    if status.rollout.desired:  # scaled down: those that stay are enough; to zero, none stays
        pods = min(pods, status.rollout.desired)
    wanted = span / timedelta(seconds=1) * pods / 2
    if signals.pod_seconds <= 0 or signals.pod_seconds < wanted:
        return Missing(
            "NoData",
            f"the release's pods were seen for {signals.pod_seconds:.0f} pod-seconds only, "
            f"{wanted:.0f} are needed",
        )
    match indicator.signal:
        case "Restarts":
            return Value(float(signals.restarts))
        case "OOMKills":
            return Value(float(signals.oom_kills))
        case "UnreadyShare":
            return Value(signals.unready_seconds / signals.pod_seconds)
