"""Kubernetes' objects read as the view that the reducers know; each kind of workload is one adapter.

Pure: bodies in, values out, no call and no clock. What a field means is told by Kubernetes' API
reference; where its controllers do otherwise, that is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..lifecycle.view import Container, Pod, Revision, Workload
from ..resources.budget_policy import CHANGE_CLASS_ANNOTATION

Body = Mapping[str, Any]

REVISION = "deployment.kubernetes.io/revision"
POD_HASH = "pod-template-hash"
CONTROLLER_HASH = "controller-revision-hash"
MESSAGE = 1024
"""Characters kept of what a pod says of itself; a runtime may say a page."""
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
    """The plural of the kind that records its versions and owns its pods."""


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
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        labels=meta.get("labels") or {},
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
        rolled_out_since=_rolled_out_since(meta, status, progressing),
        created=_time(meta.get("creationTimestamp")),
        deleting="deletionTimestamp" in meta,
        change_class=(meta.get("annotations") or {}).get(CHANGE_CLASS_ANNOTATION),
    )


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
    ),
}
"""The kinds of workload that are judged."""


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
