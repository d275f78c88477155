"""Changing a workload that grants it: the next stage's.

The grant is the target's own annotation, written by whoever owns it; RBAC must allow it besides. What is
changed is said in full, so that doing it twice is doing it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightkube.types import PatchType

from ..resources.task import GRANT_ANNOTATION, PROMOTED_FROM_ANNOTATION
from . import kinds
from .connection import Connection
from .errors import told


class NotGranted(Exception):  # noqa: N818 - an outcome, named as such
    """The target does not take it; the message says the mend."""


class Targets:
    """Workloads that tasks change; every method raises ``errors.ClusterError``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def change(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        source: tuple[str, str, str],
        container: str | None,
        image: str | None,
        keep_repository: bool,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> str:
        """Change it; ``source`` is the release's (namespace, workload, release). Returns what was done."""
        with told(f"reading {kind} {namespace}/{name}"):
            found = dict(await self._connection.get(kinds.TARGETS[kind], name, namespace=namespace))
        check_grant(found, kind, source[0], source[1])
        patch: dict[str, Any] = {
            "metadata": {
                "resourceVersion": found["metadata"]["resourceVersion"],
                **({"labels": dict(labels)} if labels else {}),
            }
        }
        said = {**annotations}
        if container is not None and image is not None:
            field, before = _container(found, kind, container)
            given = with_repository(before, image) if keep_repository else image
            said[PROMOTED_FROM_ANNOTATION] = f"{source[0]}/{source[2]}={given}"
            changed = {field: [{"name": container, "image": given}]}
            patch["spec"] = {"template": {"spec": changed}}
        if said:
            patch["metadata"]["annotations"] = said
        with told(f"changing {kind} {namespace}/{name}"):
            await self._connection.patch(
                kinds.TARGETS[kind], name, patch, namespace=namespace,
                patch_type=PatchType.STRATEGIC,
            )  # fmt: skip
        return f"{namespace}/{kind}/{name}"


def check_grant(body: Mapping[str, Any], kind: str, namespace: str, workload: str) -> None:
    """Raises NotGranted where the target does not name that namespace, or that workload of it."""
    metadata = body["metadata"]
    said = (metadata.get("annotations") or {}).get(GRANT_ANNOTATION, "")
    granted = {entry.strip() for entry in said.split(",")}
    if not {namespace, f"{namespace}/{workload}"} & granted:
        target = f"{kind} {metadata['namespace']}/{metadata['name']}"
        raise NotGranted(
            f"{target} does not grant it: its owners annotate it with "
            f"{GRANT_ANNOTATION}={namespace}"
        )


def _container(body: Mapping[str, Any], kind: str, name: str) -> tuple[str, str]:
    spec = body["spec"]["template"]["spec"]
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            if container["name"] == name:
                return field, container.get("image", "")
    there = ", ".join(c["name"] for c in spec.get("containers") or ())
    raise NotGranted(f"{kind} {body['metadata']['name']} has no container {name!r}: it has {there}")


def with_repository(before: str, image: str) -> str:
    """The tag and digest of ``image`` on the repository of ``before``."""
    repository = _split(before)[0]
    return f"{repository}{_split(image)[1]}"


def _split(image: str) -> tuple[str, str]:
    """host:5000/app:1.2@sha256:… as (host:5000/app, :1.2@sha256:…)."""
    bare, at, digest = image.partition("@")
    head, slash, last = bare.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{head}{slash}{name}", f"{colon}{tag}{at}{digest}"
