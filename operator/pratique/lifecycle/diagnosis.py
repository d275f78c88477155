"""Why a rollout does not go on: from what workload, pods and their Events say to one named cause.

Table-driven (``causes``) and most specific first; the words are Kubernetes' own (``told``). It names, it
does not judge: whether a cause ends the release is the rollout reducer's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from . import told
from .causes import BY_NAME, ORDER
from .view import Container, Note, Pod, Workload


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its witness."""

    cause: str
    message: str
    pod: str | None = None
    container: str | None = None
    definite: bool = True
    """Whether it ends the release once it stood for failFast.after."""
    next: str | None = None
    """What to look at next."""

    @property
    def runtime(self) -> bool:
        """Whether it speaks of the running version, not of room or rights to start it."""
        return BY_NAME[self.cause].runtime


_WAITING = {
    "ErrImageNeverPull": "ImageMissing",
    "InvalidImageName": "ImageNameInvalid",
    "RegistryUnavailable": "ImageRegistryUnavailable",
    "SignatureValidationFailed": "ImageRefused",
}
"""Reasons that say all; of the others the message decides."""
_PULLS = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError"}
_BEGINS = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "ImageVolumeMountFailed",
    "RROUnsupported",
}
_ON_ITS_WAY = {"ContainerCreating", "PodInitializing"}
_SIGNALS = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS",
    8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
}  # fmt: skip
_SANDBOX = {"FailedCreatePodSandBox", "NetworkNotReady"}
_MOUNTS = {"FailedMount", "FailedAttachVolume", "FailedMapVolume"}
_SCALES_UP = {"TriggeredScaleUp", "Nominated"}
"""Events by which an autoscaler says that a node for the pod comes."""

SETTLED = timedelta(minutes=1)
"""How long a pod that crashed must be Ready before its loop is taken for ended."""
FRESH = timedelta(minutes=10)
"""An Event about a pod that is older than this speaks of the past; kubelets repeat theirs in less."""
FRESH_REFUSAL = timedelta(minutes=20)
"""Controllers that may not make a pod try again after 17 minutes at the latest."""
QUIET = timedelta(minutes=1)
"""How long a container may run without being ready before that alone is told."""
PROBED = timedelta(seconds=10)
PROBES = 3
"""A probe that failed so often, or of a container that runs for so long: before, it is only starting."""


def diagnose(
    workload: Workload,
    pods: Iterable[Pod],
    now: datetime | None = None,
    notes: Iterable[Note] = (),
    revision: str | None = None,
) -> Finding | None:
    """The cause that the release's own pods, their Events and the workload show now, if any.

    A definite cause is told before one that may pass, and of those the most specific one. Without
    ``now`` a pod that is Ready is taken to be well, however often it crashed. ``revision`` names what
    makes the pods.
    """
    known = list(notes)
    own = _speaking(pods)
    findings = [f for pod in own for f in _of_pod(pod, _about("Pod", pod.name, known), now)]
    findings += _of_makers(workload, own, known, revision, now)
    if not findings and _observed(workload) and workload.progress_failed:
        findings = [Finding("ProgressDeadlineExceeded", workload.progress_failed)]
    found = min(findings, key=lambda f: (not f.definite, ORDER[f.cause]), default=None)
    return replace(found, next=_next(found, workload, own)) if found else None


def look_again(pods: Iterable[Pod], now: datetime) -> datetime | None:
    """When a pod that runs without being ready would be told for that alone, though nothing changes."""
    moments = [
        c.running_since + after
        for pod in pods
        if not pod.deleting and not pod.ready
        for c in pod.containers
        if c.running_since and not c.ready
        for after in (PROBED, QUIET)
    ]
    return min((m for m in moments if m > now), default=None)


def ended(pod: Pod) -> bool:
    """Whether the pod is over, which for a workload's pod means that it was ended."""
    return pod.phase in ("Failed", "Succeeded")


def _speaking(pods: Iterable[Pod]) -> list[Pod]:
    """Pods by name; one that was ended speaks until another was made in its place."""
    own = [p for p in sorted(pods, key=lambda p: p.name) if not p.deleting]
    newest = max((p.created for p in own if not ended(p)), default=None)
    return [p for p in own if not ended(p) or newest is None or p.created > newest]


def _observed(workload: Workload) -> bool:
    # What the workload says of an older generation does not speak of this release.
    return workload.observed_generation >= workload.generation


def _about(kind: str, name: str | None, notes: Sequence[Note]) -> list[Note]:
    return [n for n in notes if (n.kind, n.name) == (kind, name)]


def _found(
    cause: str, message: str, pod: Pod | None = None, container: str | None = None
) -> Finding:
    definite = BY_NAME[cause].definite
    return Finding(cause, message, pod.name if pod else None, container, definite)


def _of_makers(
    workload: Workload,
    pods: Sequence[Pod],
    notes: Sequence[Note],
    revision: str | None,
    now: datetime | None,
) -> Iterator[Finding]:
    """What keeps pods from being made: the workload's own word, or the Events of what makes them."""
    if _observed(workload) and workload.replica_failure:
        yield _found(told.refused(workload.replica_failure), workload.replica_failure)
        return
    if len(pods) >= workload.desired or workload.paused:
        return
    made = max((p.created for p in pods), default=None)
    for kind, name in (("ReplicaSet", revision), (workload.kind, workload.name)):
        for note in _about(kind, name, notes):
            fresh = now is None or now - note.at <= FRESH_REFUSAL
            if note.reason == "FailedCreate" and fresh and (made is None or note.at >= made):
                yield _found(told.refused(note.message), note.message)


def _of_pod(pod: Pod, notes: list[Note], now: datetime | None) -> Iterator[Finding]:
    fresh = [n for n in notes if now is None or now - n.at <= FRESH]
    lost = _of_node(pod, fresh)
    if lost:
        yield lost
    if ended(pod):
        return
    if pod.unschedulable:
        cause = told.unschedulable(pod.unschedulable)
        found = _found(cause, f"no node fits: {pod.unschedulable}", pod)
        comes = any(n.reason in _SCALES_UP for n in fresh)
        yield replace(found, definite=False) if comes else found
    if pod.gated:
        yield _found("SchedulingGated", "a scheduling gate keeps it from being scheduled", pod)
    if pod.gate:
        yield _found("ReadinessGateOpen", f"its containers are ready, and {pod.gate}", pod)
    if pod.node and all(_on_its_way(c) for c in pod.containers):
        yield from _of_setting_up(pod, fresh)
    for container in pod.containers:
        finding = _of_container(pod, container, fresh, now)
        if finding:
            yield finding


def _of_node(pod: Pod, notes: Sequence[Note]) -> Finding | None:
    if pod.reason == "NodeLost":
        return _found("NodeLost", pod.message or f"node {pod.node} is lost", pod)
    if pod.phase == "Failed" and pod.reason == "Evicted":
        return _found("PodEvicted", pod.message or "evicted", pod)
    if pod.phase == "Failed" and pod.reason:
        return _found("NodeRefusedPod", f"{pod.reason}: {pod.message}".rstrip(": "), pod)
    since = pod.ready_since
    for note in notes:
        if (
            note.reason == "NodeNotReady"
            and not pod.ready
            and (since is None or note.at >= _whole(since))
        ):
            return _found("NodeLost", f"node {pod.node} does not answer: {note.message}", pod)
    return None


def _whole(moment: datetime) -> datetime:
    # Some of Kubernetes' times are cut to seconds, others not.
    return moment.replace(microsecond=0) - timedelta(seconds=1)


def _on_its_way(container: Container) -> bool:
    return (
        container.running_since is None
        and container.terminated is None
        and (container.waiting is None or container.waiting[0] in _ON_ITS_WAY)
    )


def _of_setting_up(pod: Pod, notes: Sequence[Note]) -> Iterator[Finding]:
    """What the kubelet and the volumes' controller say while no container could begin."""
    for note in notes:
        if note.reason in _MOUNTS:
            yield _found(told.mount(note.message), note.message, pod)
        elif note.reason in _SANDBOX:
            yield _found("SandboxFailed", note.message, pod)


def _of_container(
    pod: Pod, container: Container, notes: Sequence[Note], now: datetime | None
) -> Finding | None:
    role = "sidecar" if container.sidecar else "init container" if container.init else "container"
    if container.waiting is None:
        # Between two back-offs it runs for a moment: that is no end of the loop.
        crashed = container.terminated is not None and container.terminated[1] != 0
        since = pod.ready_since or now
        well = pod.ready and (now is None or since is None or now - since >= SETTLED)
        if crashed and container.restarts >= 2 and not well:
            return _crash(pod, container, role, notes)
        return None if pod.ready else _unready(pod, container, role, notes, now)
    reason, message = container.waiting
    text = f"{role} {container.name} is waiting with {reason}: {message or 'no message'}"
    if reason == "CrashLoopBackOff":
        return _crash(pod, container, role, notes)
    if reason in _PULLS or reason in ("ErrImageNeverPull", "InvalidImageName", *_WAITING):
        pulls = [n.message for n in notes if n.reason == "Failed" and _speaks_of(n, pod, container)]
        # "Back-off pulling image" alone says nothing; what went wrong is in an Event then.
        detail = next((m for m in reversed(pulls) if m.startswith("Failed to pull")), "")
        bare = not message or message == f'Back-off pulling image "{container.image}"'
        words = detail if bare and detail else message
        cause = _WAITING.get(reason) or told.image(_without(container.image, words))
        more = f" ({detail})" if bare and detail else ""
        return _found(cause, f"image {container.image}: {text}{more}", pod, container.name)
    if reason in _BEGINS:
        cause = "ImagePlatformMismatch" if told.wrong_platform(message) else told.config(message)
        return _found(cause, text, pod, container.name)
    return None


def _without(image: str, sentence: str) -> str:
    """The sentence without the image's name, whose tag may be 404."""
    last = image.rpartition("/")[2]
    for name in (image, last, *last.partition(":")[::2]):
        if name:
            sentence = sentence.replace(name, "…")
    return sentence


def _speaks_of(note: Note, pod: Pod, container: Container) -> bool:
    if note.container is not None:
        return note.container == container.name
    return len(pod.containers) == 1 or f'"{container.image}"' in note.message


def _crash(pod: Pod, container: Container, role: str, notes: Sequence[Note]) -> Finding:
    last = ""
    reason, words = "", ""
    if container.terminated:
        reason, code, words = container.terminated
        number = container.signal or (code - 128 if 128 < code < 160 else 0)
        by = f", {_SIGNALS[number]}" if number in _SIGNALS else ""
        last = f", last with exit code {code}{by} ({reason})" + (f": {words}" if words else "")
    times = f"{container.restarts} restart" + ("s" if container.restarts != 1 else "")
    text = f"{role} {container.name} keeps crashing: {times}{last}"
    killed = _probes(pod, container, notes, "Liveness") or _probes(pod, container, notes, "Startup")
    if told.wrong_platform(words):
        return _found(
            "ImagePlatformMismatch", f"image {container.image}: {text}", pod, container.name
        )
    if container.oom_killed or "oom-killed" in words.lower():
        return _found("OOMKilled", text, pod, container.name)
    if reason in ("StartError", "ContainerCannotRun"):
        return _found("ContainerCannotStart", text, pod, container.name)
    if killed:
        probe = "Liveness" if killed[-1].message.startswith("Liveness") else "Startup"
        text = f"{role} {container.name} was restarted {container.restarts} times: {killed[-1].message}"
        # Each restart is the kubelet's answer to the probe: waiting longer does not help.
        return replace(_found(f"{probe}ProbeFailing", text, pod, container.name), definite=True)
    if container.init and not container.sidecar:
        return _found("InitContainerFailed", text, pod, container.name)
    return _found("CrashLoop", text, pod, container.name)


def _unready(
    pod: Pod, container: Container, role: str, notes: Sequence[Note], now: datetime | None
) -> Finding | None:
    """A container that runs without being ready: what its probes say, or that nothing says why."""
    since = container.running_since
    if since is None or container.ready or now is None:
        return None
    if container.init and not container.sidecar:
        if now - since < QUIET:
            return None
        text = f"{role} {container.name} has been running since {since:%H:%M:%S} UTC"
        return _found("InitContainerRunning", text, pod, container.name)
    for probe in ("Startup", "Readiness"):
        failed = [n for n in _probes(pod, container, notes, probe) if n.at >= _whole(since)]
        often = sum(n.count for n in failed)
        if failed and (often >= PROBES or now - since >= PROBED):
            text = f"{role} {container.name}: {failed[-1].message}"
            return _found(f"{probe}ProbeFailing", text, pod, container.name)
    if now - since < QUIET:
        return None
    text = f"{role} {container.name} runs since {since:%H:%M:%S} UTC and is not ready"
    return _found("NeverReady", text, pod, container.name)


def _probes(pod: Pod, container: Container, notes: Sequence[Note], probe: str) -> list[Note]:
    unready = [c for c in pod.containers if not c.ready]
    return [
        n
        for n in notes
        if n.reason == "Unhealthy"
        and n.message.startswith(f"{probe} probe")
        # An Event that names no container can speak only of one that is not ready.
        and (n.container == container.name if n.container else unready == [container])
    ]


def _next(found: Finding, workload: Workload, pods: Sequence[Pod]) -> str:
    pod = next((p for p in pods if p.name == found.pod), None)
    kind, name = told.named(found.message) or ("configmap,secret", "")
    names = {
        "namespace": workload.namespace,
        "workload": f"{workload.kind.lower()} {workload.name}",
        "pod": found.pod or "",
        "container": found.container or "",
        "node": (pod.node if pod else None) or "",
        "kind": kind,
        "object": name,
    }
    return " ".join(BY_NAME[found.cause].next.format_map(names).split())
