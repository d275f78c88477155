"""What the reducers see of the cluster: plain values, made by the adapters in ``cluster/``.

Each kind of workload is a small adapter that fills ``Workload``; nothing above knows the kinds apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Container:
    """One container's state, init containers included."""

    name: str
    image: str = ""
    image_id: str = ""
    """What the runtime made of the image: its digest, as a rule; empty until it runs."""
    init: bool = False
    restarts: int = 0
    waiting: tuple[str, str] | None = None
    """(reason, message) while it waits, such as ImagePullBackOff."""
    terminated: tuple[str, int, str] | None = None
    """(reason, exit code, message) of the last termination: current state, else lastState."""
    oom_killed: bool = False
    """Whether its current or last termination was for want of memory."""
    signal: int = 0
    """The signal that ended it, where the runtime tells; else the exit code may."""
    sidecar: bool = False
    """An init container that goes on running beside the others (restartPolicy Always)."""
    running_since: datetime | None = None
    """Since when it runs, while it does."""
    started: bool = True
    """Whether its startup probe has succeeded, or it has none."""
    ready: bool = False
    """Whether its readiness probe succeeds, or it runs and has none."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of the workload, of whichever version."""

    name: str
    revision: str
    """The label that tells its version: pod-template-hash, or controller-revision-hash."""
    created: datetime
    ready: bool = False
    ready_since: datetime | None = None
    """lastTransitionTime of condition Ready: since when it is (or is not) Ready."""
    deleting: bool = False
    phase: str = "Pending"
    unschedulable: str | None = None
    """The scheduler's message while no node fits."""
    unschedulable_since: datetime | None = None
    containers: tuple[Container, ...] = ()
    gated: bool = False
    """Whether a scheduling gate keeps the scheduler from it."""
    node: str | None = None
    reason: str = ""
    message: str = ""
    """Why it is as it is, as the kubelet or a controller says of the whole pod: Evicted, NodeLost, OutOfcpu."""
    gate: str | None = None
    """The message of Ready=False with reason ReadinessGatesNotReady."""

    @property
    def ordinal(self) -> int:
        """The number at the end of a StatefulSet's pod's name; 0 where there is none."""
        number = self.name.rpartition("-")[2]
        return int(number) if number.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Note:
    """An Event of Kubernetes about a pod, or about what makes pods."""

    kind: str
    name: str
    """What it is about."""
    reason: str
    message: str
    at: datetime
    """When it was last seen."""
    count: int = 1
    """How often."""
    container: str | None = None
    """The container that it is about, where it says so."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Kubernetes' own record of a version: a ReplicaSet (or ControllerRevision)."""

    name: str
    number: int
    """The annotation deployment.kubernetes.io/revision, or a ControllerRevision's own number."""
    pod_hash: str
    """The label that its pods carry."""
    template: Mapping[str, Any] = field(default_factory=dict)
    template_hash: str | None = None
    """Our hash of the template that a ControllerRevision holds."""
    created: datetime | None = None
    desired: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as Kubernetes tells of it now."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    observed_generation: int
    labels: Mapping[str, str]
    template: Mapping[str, Any]
    """The defaulted pod template, as the API server gives it."""
    desired: int
    """How many pods of this version are wanted: of a StatefulSet those at or above its partition."""
    updated: int
    available: int
    """Available pods of whichever version."""
    total: int
    """Pods of whichever version, terminating ones left out."""
    revision: str | None = None
    """Kubernetes' number of the newest version: the annotation deployment.kubernetes.io/revision, or of
    a DaemonSet its template's generation."""
    revision_object: str | None = None
    """A StatefulSet's status.updateRevision: the ControllerRevision of the newest version."""
    paused: bool = False
    partition: int | None = None
    """A StatefulSet's own partition, where it keeps pods on the version before."""
    on_delete: bool = False
    """Whether a pod changes its version only when somebody deletes it."""
    min_ready: float = 0.0
    """Seconds that a pod must be Ready to be available."""
    progress_deadline: float | None = 600.0
    """Seconds that a rollout may be expected to take; none where the workload has no such deadline."""
    progress_failed: str | None = None
    """The message of Progressing=False, reason ProgressDeadlineExceeded."""
    replica_failure: str | None = None
    """The message of ReplicaFailure=True: quota, admission, service account."""
    rolled_out_since: datetime | None = None
    """Since when the rollout is complete by the workload's own word, where it says so."""
    created: datetime | None = None
    deleting: bool = False
    change_class: str | None = None
    """The annotation pratique.sh/change-class: what its newest change is for."""
    promoted_from: str | None = None
    """The annotation pratique.sh/promoted-from: which release's image it was given, and that image."""
    held: bool = False
    """Whether its pause (or partition) is ours: its newest template is kept from pods."""
    hold_mark: str | None = None
    """The annotation pratique.sh/held, which may be left over where it is not held any more."""
    held_since: datetime | None = None
    """When that mark was last written, as far as the object tells."""

    @property
    def key(self) -> tuple[str, str, str]:
        """(namespace, kind, name)."""
        return (self.namespace, self.kind, self.name)

    @property
    def kept_back(self) -> bool:
        """Whether the partition keeps every pod on the version before."""
        return bool(self.partition) and self.desired == 0


@dataclass(frozen=True, slots=True)
class View:
    """A workload with its pods and revisions, seen together."""

    workload: Workload
    pods: tuple[Pod, ...] = ()
    revisions: tuple[Revision, ...] = ()
    notes: tuple[Note, ...] = ()
    """Events about them, oldest first."""

    @property
    def current(self) -> Revision | None:
        """The newest revision object, which is the workload's version once it was observed."""
        return max(self.revisions, key=lambda r: r.number, default=None)
