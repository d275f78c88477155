"""Kubernetes' objects read as the view that the reducers know; each kind of workload is one adapter.

Pure: bodies in, values out, no call and no clock. What a field means is told by Kubernetes' API
reference; where its controllers do otherwise, that is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..lifecycle.noticing import fingerprint
from ..lifecycle.view import Container, Pod, Revision, Workload
from ..resources.budget_policy import CHANGE_CLASS_ANNOTATION
from ..resources.task import PROMOTED_FROM_ANNOTATION
from . import holding

Body = Mapping[str, Any]

REVISION = "deployment.kubernetes.io/revision"
POD_HASH = "pod-template-hash"
CONTROLLER_HASH = "controller-revision-hash"
MESSAGE = 1024
"""Characters kept of what a pod says of itself; a runtime may say a page."""
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""Deprecated by its name only: the API server counts a DaemonSet's templates here, and nowhere else."""
PATIENCE = 600.0
A_POD = 60.0
A_DAY = 86_400.0
"""Seconds: what a rollout may take whose kind knows no deadline, and each pod of it that waits for the one
before; and one that waits for people."""
NO_DEADLINE = 2_147_483_647
"""``progressDeadlineSeconds`` by which a Deployment says that it has none."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """How one kind of workload is found and read."""

    kind: str
    group: str
    version: str
    plural: str
    read: Callable[[Body], Workload]
    revisions: str
    """The plural of the kind that records its versions."""
    revision: Callable[[Body], Revision]
    """How one of those is read."""
    owns_pods: bool
    """Whether its pods are its own; else its versions own them."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who controls an object."""

    kind: str
    name: str
    uid: str


def deployment(body: Body) -> Workload:
    """A Deployment as Kubernetes tells of it now."""
    meta, spec = body["metadata"], body["spec"]
    status: Body = body.get("status") or {}
    conditions = _conditions(status)
    progressing = conditions.get("Progressing", {})
    failure = conditions.get("ReplicaFailure", {})
    late = progressing.get("reason") == "ProgressDeadlineExceeded"
    stuck = progressing.get("status") == "False"
    deadline = spec.get("progressDeadlineSeconds", 600)
    return Workload(
        kind="Deployment",
        **_common(body, status),
        template=spec["template"],
        desired=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        revision=(meta.get("annotations") or {}).get(REVISION),
        paused=bool(spec.get("paused")),
        progress_deadline=None if deadline >= NO_DEADLINE else float(deadline),
        progress_failed=progressing.get("message", "") if stuck and late else None,
        replica_failure=_failure(failure, progressing if stuck and not late else {}),
        min_ready=float(spec.get("minReadySeconds", 0)),
        rolled_out_since=_rolled_out_since(meta, status, progressing),
    )


def stateful_set(body: Body) -> Workload:
    """A StatefulSet as Kubernetes tells of it now.

    It has no condition that says since when it is rolled out (``lifecycle.rollout`` asks its pods), none
    that says why it does not go on, and no deadline.
    """
    spec = body["spec"]
    status: Body = body.get("status") or {}
    replicas = spec.get("replicas", 1)
    strategy: Body = spec.get("updateStrategy") or {}
    on_delete = strategy.get("type") == "OnDelete"
    first = (spec.get("ordinals") or {}).get("start", 0)
    partition = 0 if on_delete else holding.own_partition(body)
    observed = status.get("observedGeneration", 0) >= body["metadata"].get("generation", 0)
    if observed and status.get("currentRevision") == status.get("updateRevision"):
        partition = 0  # there is no other version on which it could keep pods
    kept = min(max(0, partition - first), replicas)
    wanted = replicas - kept
    return Workload(
        kind="StatefulSet",
        **_common(body, status),
        template=spec["template"],
        desired=wanted,
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        revision_object=status.get("updateRevision"),
        partition=partition if kept else None,
        on_delete=on_delete,
        min_ready=float(spec.get("minReadySeconds", 0)),
        progress_deadline=A_DAY if on_delete else min(A_DAY, PATIENCE + A_POD * wanted),
    )


def daemon_set(body: Body) -> Workload:
    """A DaemonSet as Kubernetes tells of it now: a pod is wanted on each node that it fits."""
    meta, spec = body["metadata"], body["spec"]
    status: Body = body.get("status") or {}
    on_delete = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    wanted = status.get("desiredNumberScheduled", 0)
    return Workload(
        kind="DaemonSet",
        **_common(body, status),
        template=spec["template"],
        desired=wanted,
        updated=status.get("updatedNumberScheduled", 0),
        available=status.get("numberAvailable", 0),
        total=status.get("currentNumberScheduled", 0),
        revision=(meta.get("annotations") or {}).get(TEMPLATE_GENERATION),
        on_delete=on_delete,
        min_ready=float(spec.get("minReadySeconds", 0)),
        progress_deadline=A_DAY if on_delete else min(A_DAY, PATIENCE + A_POD * wanted),
    )


def _common(body: Body, status: Body) -> dict[str, Any]:
    meta = body["metadata"]
    return {
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "generation": meta.get("generation", 0),
        "observed_generation": status.get("observedGeneration", 0),
        "labels": meta.get("labels") or {},
        "created": _time(meta.get("creationTimestamp")),
        "deleting": "deletionTimestamp" in meta,
        "change_class": (meta.get("annotations") or {}).get(CHANGE_CLASS_ANNOTATION),
        "promoted_from": (meta.get("annotations") or {}).get(PROMOTED_FROM_ANNOTATION),
        "held": holding.held(body),
        "hold_mark": holding.mark(body),
        "held_since": holding.since(body),
    }


def pod(body: Body) -> Pod:
    """A pod, of whichever workload."""
    meta = body["metadata"]
    status: Body = body.get("status") or {}
    labels: Body = meta.get("labels") or {}
    conditions = _conditions(status)
    ready = conditions.get("Ready", {})
    scheduled = conditions.get("PodScheduled", {})
    waits = scheduled.get("reason") if scheduled.get("status") == "False" else None
    homeless = waits == "Unschedulable"
    ungated = ready.get("status") == "False" and ready.get("reason") == "ReadinessGatesNotReady"
    spec: Body = body.get("spec") or {}
    return Pod(
        name=meta["name"],
        revision=labels.get(POD_HASH) or labels.get(CONTROLLER_HASH, ""),
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        ready=ready.get("status") == "True",
        ready_since=_time(ready.get("lastTransitionTime")),
        deleting="deletionTimestamp" in meta,
        phase=status.get("phase", "Pending"),
        unschedulable=scheduled.get("message", "")[: 2 * MESSAGE] if homeless else None,
        unschedulable_since=_time(scheduled.get("lastTransitionTime")) if homeless else None,
        containers=tuple(_containers(spec, status)),
        gated=waits == "SchedulingGated",
        node=spec.get("nodeName"),
        reason=status.get("reason", ""),
        message=status.get("message", "")[:MESSAGE],
        gate=ready.get("message", "")[:MESSAGE] if ungated else None,
    )


def replica_set(body: Body) -> Revision:
    """A ReplicaSet as the record of a version.

    ``template`` stays empty: ten old templates a workload are most of what a watch would hold, and
    whose version it is, its number and its pods' hash say already.
    """
    meta = body["metadata"]
    number = (meta.get("annotations") or {}).get(REVISION, "")
    return Revision(
        name=meta["name"],
        number=int(number) if number.isdecimal() else 0,
        pod_hash=(meta.get("labels") or {}).get(POD_HASH, ""),
        created=_time(meta.get("creationTimestamp")),
        desired=(body.get("spec") or {}).get("replicas", 1),
    )


def controller_revision(body: Body) -> Revision:
    """A ControllerRevision as the record of a version.

    A rollback takes the old one again and only gives it the highest number, so it is neither younger nor
    of another name (seen).
    """
    meta = body["metadata"]
    owner = controller(body)
    template = dict(((body.get("data") or {}).get("spec") or {}).get("template") or {})
    template.pop("$patch", None)
    return Revision(
        name=meta["name"],
        number=body.get("revision", 0),
        # A StatefulSet's pods carry the whole name, a DaemonSet's the hash in it.
        pod_hash=(meta.get("labels") or {}).get(CONTROLLER_HASH, "")
        if owner is not None and owner.kind == "DaemonSet"
        else meta["name"],
        template_hash=fingerprint(template).hash,
        created=_time(meta.get("creationTimestamp")),
    )


def controller(body: Body) -> Owner | None:
    """The owner that controls the object, if one does."""
    for owner in body["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return Owner(owner["kind"], owner["name"], owner["uid"])
    return None


ADAPTERS: dict[str, Adapter] = {
    "Deployment": Adapter(
        kind="Deployment",
        group="apps",
        version="v1",
        plural="deployments",
        read=deployment,
        revisions="replicasets",
        revision=replica_set,
        owns_pods=False,
    ),
    "StatefulSet": Adapter(
        kind="StatefulSet",
        group="apps",
        version="v1",
        plural="statefulsets",
        read=stateful_set,
        revisions="controllerrevisions",
        revision=controller_revision,
        owns_pods=True,
    ),
    "DaemonSet": Adapter(
        kind="DaemonSet",
        group="apps",
        version="v1",
        plural="daemonsets",
        read=daemon_set,
        revisions="controllerrevisions",
        revision=controller_revision,
        owns_pods=True,
    ),
}
"""The kinds of workload that are judged."""
BY_PLURAL = {a.plural: a for a in ADAPTERS.values()}


def _rolled_out_since(meta: Body, status: Body, progressing: Body) -> datetime | None:
    """When the Deployment's newest ReplicaSet became wholly available, where that is of today's template.

    ``lastTransitionTime`` is of no use: the status stays True from one rollout to the next.
    ``lastUpdateTime`` moves with the reason only; scaling leaves both alone (seen).
    """
    observed = status.get("observedGeneration", 0) >= meta.get("generation", 0)
    alone = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    if not observed or not alone or progressing.get("reason") != "NewReplicaSetAvailable":
        return None
    return _time(progressing.get("lastUpdateTime"))


def _failure(replica_failure: Body, progressing: Body) -> str | None:
    """Why pods cannot be made: ReplicaFailure, or the ReplicaSet itself could not be (Progressing)."""
    if replica_failure.get("status") == "True":
        return str(replica_failure.get("message", ""))
    return str(progressing["message"]) if progressing.get("message") else None


def _containers(spec: Body, status: Body) -> Iterator[Container]:
    for declared, stated, init in (
        ("initContainers", "initContainerStatuses", True),
        ("containers", "containerStatuses", False),
    ):
        known = {s["name"]: s for s in status.get(stated) or ()}
        for container in spec.get(declared) or ():
            name = container["name"]
            # The image as written: the status carries what the runtime made of it.
            yield _container(container, known.get(name) or {}, init=init)


def _container(declared: Body, status: Body, *, init: bool) -> Container:
    state: Body = status.get("state") or {}
    last: Body = status.get("lastState") or {}
    waiting: Body | None = state.get("waiting")
    ends = [s["terminated"] for s in (state, last) if s.get("terminated")]
    end: Body | None = ends[0] if ends else None
    return Container(
        name=declared["name"],
        image=declared.get("image", ""),
        image_id=status.get("imageID", ""),
        init=init,
        restarts=status.get("restartCount", 0),
        waiting=(waiting.get("reason", ""), waiting.get("message", "")[:MESSAGE])
        if waiting
        else None,
        terminated=(end.get("reason", ""), end.get("exitCode", 0), end.get("message", "")[:MESSAGE])
        if end
        else None,
        oom_killed=any(e.get("reason") == "OOMKilled" for e in ends),
        signal=(end or {}).get("signal", 0),
        sidecar=init and declared.get("restartPolicy") == "Always",
        running_since=_time((state.get("running") or {}).get("startedAt")),
        started=status.get("started") is not False,
        ready=bool(status.get("ready")),
    )


def _conditions(status: Body) -> dict[str, Body]:
    return {c["type"]: c for c in status.get("conditions") or ()}


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
