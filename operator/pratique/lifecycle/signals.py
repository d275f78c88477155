"""Kubernetes' own signals: restarts, OOM kills and unready time of the release's pods.

They cannot be asked again as metrics can, so they are accumulated in the status: from the moment up to
which they were counted to now, by the transition times that the pods themselves carry.
"""

from __future__ import annotations

from datetime import timedelta

from ..judge.samples import Missing, Sample, Value
from ..resources.indicator import KubernetesIndicator
from ..resources.release import ReleaseStatus, Signals
from .pods import counted, stem
from .rollout import current, own_pods
from .situation import Situation


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
    restarts = sum(c.restarts for p in pods for c in p.containers)
    oom_kills = sum(c.oom_killed for p in pods for c in p.containers)
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
    signals = Signals(
        until=max(before.until, until),
        # Pods that went took their counts away: the highest sum seen stands.
        restarts=max(before.restarts, restarts),
        oom_kills=max(before.oom_kills, oom_kills),
        unready_seconds=round(before.unready_seconds + unready, 3),
        pod_seconds=round(before.pod_seconds + total, 3),
    )
    return status.model_copy(update={"signals": signals})


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
