"""Jobs of tasks: made once, read while they run, ended once their result is recorded.

The body is made here, from the pod template as people wrote it. Not here: when, and what an end means
(``lifecycle/tasks``).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lightkube.types import PatchType

from ..lifecycle.diagnosis import Finding, diagnose
from ..lifecycle.view import Pod, Workload
from ..resources.base import API_VERSION
from ..resources.task import JobTask
from . import kinds
from .connection import Connection
from .errors import Conflict, Gone, told
from .workloads import pod as read_pod

CONTEXT = "pratique.sh/context"
"""The annotation of a Job's pods that holds the context file."""
VOLUME = "pratique-context"
FOLDER = "/etc/pratique"
TASK_LABEL, RELEASE_LABEL = "pratique.sh/task", "pratique.sh/release"

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobState:
    """A Job as it is now."""

    uid: str
    owner: str
    """The UID of the object that owns it."""
    succeeded: bool
    failed: bool
    reason: str
    message: str

    @property
    def over(self) -> bool:
        """Whether it runs no more."""
        return self.succeeded or self.failed


class Jobs:
    """The Jobs of tasks; every method raises ``errors.ClusterError``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, namespace: str, body: Mapping[str, Any]) -> None:
        """Make it, unless one of that name is there already."""
        name = body["metadata"]["name"]
        try:
            with told(f"creating job {namespace}/{name}"):
                await self._connection.create(kinds.JOB.from_dict(dict(body)))
        except Conflict as error:
            if error.reason != "AlreadyExists":
                raise

    async def get(self, namespace: str, name: str) -> JobState | None:
        """How it stands, or None where there is none."""
        try:
            with told(f"reading job {namespace}/{name}"):
                found = await self._connection.get(kinds.JOB, name, namespace=namespace)
        except Gone:
            return None
        return read_job(dict(found))

    async def pods(self, namespace: str, name: str) -> list[Pod]:
        """Its pods."""
        found: list[Pod] = []
        with told(f"listing the pods of job {namespace}/{name}"):
            pages = self._connection.list(
                kinds.FOLLOWED["pods"],
                namespace=namespace,
                labels={"batch.kubernetes.io/job-name": name},
            )
            async for item in pages:
                found.append(read_pod(dict(item)))
        return found

    async def let_expire(self, namespace: str, name: str, after: timedelta) -> None:
        """Its result is recorded: Kubernetes may delete it after a while."""
        patch = {"spec": {"ttlSecondsAfterFinished": math.ceil(after.total_seconds())}}
        with told(f"ending job {namespace}/{name}"):
            await self._connection.patch(
                kinds.JOB, name, patch, namespace=namespace, patch_type=PatchType.MERGE
            )

    async def delete(self, namespace: str, name: str, uid: str) -> None:
        """End it with its pods."""
        with told(f"deleting job {namespace}/{name}"):
            await self._connection.remove(
                kinds.JOB, name, namespace=namespace, uid=uid, propagation="Background"
            )


def job_body(
    *,
    namespace: str,
    name: str,
    release: str,
    uid: str,
    task: str,
    job: JobTask,
    environment: Sequence[tuple[str, str]],
    context: str,
    deadline: float,
) -> Body:
    """The Job, owned by its Release; without a time to live, which it gets once its result is recorded."""
    labels = {TASK_LABEL: task, RELEASE_LABEL: release[:63].rstrip("-.")}
    template = copy.deepcopy(job.template)
    metadata = template.setdefault("metadata", {}) or {}
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), CONTEXT: context}
    template["metadata"] = metadata
    spec = template["spec"]
    spec.setdefault("restartPolicy", "Never")
    volumes = spec.get("volumes") or []
    mounted = not any(isinstance(v, dict) and v.get("name") == VOLUME for v in volumes)
    if mounted:
        field = {"fieldPath": f"metadata.annotations['{CONTEXT}']"}
        source = {"items": [{"path": "context.json", "fieldRef": field}]}
        spec["volumes"] = [*volumes, {"name": VOLUME, "downwardAPI": source}]
    for field_name in ("initContainers", "containers"):
        for container in spec.get(field_name) or ():
            if isinstance(container, dict):
                _equip(container, environment, mounted)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**labels, "app.kubernetes.io/managed-by": "pratique"},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "Release",
                    "name": release,
                    "uid": uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "backoffLimit": job.backoff_limit,
            "activeDeadlineSeconds": max(1, math.ceil(deadline)),
            "template": template,
        },
    }


def _equip(container: Body, environment: Sequence[tuple[str, str]], mounted: bool) -> None:
    """Our variables, before their own, which win; and the context file."""
    own = container.get("env") or []
    named = {e.get("name") for e in own if isinstance(e, dict)}
    ours = [{"name": n, "value": v.replace("$(", "$$(")} for n, v in environment if n not in named]
    container["env"] = [*ours, *own]
    if mounted:
        mounts = container.get("volumeMounts") or []
        container["volumeMounts"] = [
            *mounts,
            {"name": VOLUME, "mountPath": FOLDER, "readOnly": True},
        ]


def read_job(body: Mapping[str, Any]) -> JobState:
    """A Job's own word of how it stands."""
    metadata, status = body["metadata"], body.get("status") or {}
    true = {c["type"]: c for c in status.get("conditions") or () if c.get("status") == "True"}
    failed: Mapping[str, Any] = true.get("Failed") or {}
    return JobState(
        uid=metadata["uid"],
        owner=next((o["uid"] for o in metadata.get("ownerReferences") or ()), ""),
        succeeded="Complete" in true,
        failed="Failed" in true,
        reason=str(failed.get("reason") or ""),
        message=str(failed.get("message") or ""),
    )


def why(namespace: str, name: str, pods: Sequence[Pod], now: datetime) -> Finding | None:
    """What keeps a Job's pods from doing their work, if anything."""
    seen = Workload(
        kind="Job", namespace=namespace, name=name, uid="", generation=1, observed_generation=1,
        labels={}, template={}, desired=1, updated=0, available=0, total=len(pods),
    )  # fmt: skip
    return diagnose(seen, pods, now)


def ended(pods: Sequence[Pod]) -> str:
    """How the last of its containers that failed ended, in one sentence; empty where none did."""
    for pod in sorted(pods, key=lambda p: p.created, reverse=True):
        for container in pod.containers:
            if container.terminated and container.terminated[1] != 0:
                reason, code, message = container.terminated
                said = f": {message.strip()}" if message.strip() else ""
                return f"container {container.name} ended with {code} ({reason}){said}"
        if pod.reason:
            return f"{pod.reason}: {pod.message}"
    return ""
