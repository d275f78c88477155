"""Why a rollout does not go on: from what workload and pods say to one named cause.

Table-driven and most specific first; the words are the pods' own. It names, it does not judge: whether
a cause ends the release is the rollout reducer's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .view import Container, Pod, Workload


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its witness."""

    cause: str
    message: str
    pod: str | None = None
    container: str | None = None
    definite: bool = True
    """Whether it ends the release once it stood for failFast.after."""
    runtime: bool = False
    """Whether it speaks of the running version, not of room or rights to start it."""


_WAITING = {
    "ErrImagePull": "ImageMissing",
    "ImagePullBackOff": "ImageMissing",
    "ErrImageNeverPull": "ImageMissing",
    "InvalidImageName": "ImageNameInvalid",
    "RegistryUnavailable": "ImageRegistryUnavailable",
    "ImageInspectError": "ImageMissing",
    "CreateContainerConfigError": "ConfigMissing",
    "CreateContainerError": "ContainerCannotStart",
    "RunContainerError": "ContainerCannotStart",
    "CrashLoopBackOff": "CrashLoop",
}
_ORDER = (
    "ImageNameInvalid",
    "ImageMissing",
    "ImageRegistryUnavailable",
    "ConfigMissing",
    "ContainerCannotStart",
    "OOMKilled",
    "CrashLoop",
    "Unschedulable",
    "PodsRefused",
    "ProgressDeadlineExceeded",
)


SETTLED = timedelta(minutes=1)
"""How long a pod that crashed must be Ready before its loop is taken for ended."""


def diagnose(
    workload: Workload, pods: Iterable[Pod], now: datetime | None = None
) -> Finding | None:
    """The most specific cause that the release's own pods and the workload show now, if any.

    Without ``now`` a pod that is Ready is taken to be well, however often it crashed.
    """
    findings = [f for pod in sorted(pods, key=lambda p: p.name) for f in _of_pod(pod, now)]
    # What the workload says of an older generation does not speak of this release.
    observed = workload.observed_generation >= workload.generation
    if observed and workload.replica_failure:
        findings.append(Finding("PodsRefused", workload.replica_failure))
    if observed and workload.progress_failed:
        findings.append(Finding("ProgressDeadlineExceeded", workload.progress_failed))
    return min(findings, key=lambda f: _ORDER.index(f.cause), default=None)


def _of_pod(pod: Pod, now: datetime | None) -> Iterator[Finding]:
    if pod.deleting:
        return
    if pod.unschedulable:
        yield Finding("Unschedulable", f"no node fits: {pod.unschedulable}", pod=pod.name)
    for container in pod.containers:
        finding = _of_container(pod, container, now)
        if finding:
            yield finding


def _of_container(pod: Pod, container: Container, now: datetime | None) -> Finding | None:
    role = "init container" if container.init else "container"
    if container.waiting is None:
        # Between two back-offs it runs for a moment: that is no end of the loop.
        crashed = container.terminated is not None and container.terminated[1] != 0
        since = pod.ready_since or now
        well = pod.ready and (now is None or since is None or now - since >= SETTLED)
        loops = crashed and container.restarts >= 2 and not well
        return _crash(pod, container, role) if loops else None
    reason, message = container.waiting
    cause = _WAITING.get(reason)
    if cause is None:
        return None
    if cause == "CrashLoop":
        return _crash(pod, container, role)
    subject = f"image {container.image}: " if cause.startswith("Image") else ""
    return Finding(
        cause,
        f"{subject}{role} {container.name} is waiting with {reason}: {message or 'no message'}",
        pod=pod.name,
        container=container.name,
    )


def _crash(pod: Pod, container: Container, role: str) -> Finding:
    last = ""
    if container.terminated:
        reason, code, message = container.terminated
        last = f", last with exit code {code} ({reason})" + (f": {message}" if message else "")
    return Finding(
        "OOMKilled" if container.oom_killed else "CrashLoop",
        f"{role} {container.name} keeps crashing: {container.restarts} restarts{last}",
        pod=pod.name,
        container=container.name,
        runtime=True,
    )
