"""What hold writes on a workload, read from its body and taken off it again.

Pure: bodies in, JSON patches out. Every patch names the resourceVersion that it was made from, so that
the API server refuses it where anything changed meanwhile.

Not here: who decides (``lifecycle/hold``), and who is held at admission (``resources/hold_manifests``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..resources.hold import (
    BY_SIGHT,
    HELD_ANNOTATION,
    HELD_PARTITION,
    LETTING_GO,
    PARTITION_ANNOTATION,
)

Body = Mapping[str, Any]
Patch = list[dict[str, Any]]

_ANNOTATIONS = "/metadata/annotations"
_PARTITION = "/spec/updateStrategy/rollingUpdate/partition"


def mark(body: Body) -> str | None:
    """The held annotation's value."""
    value = _annotations(body).get(HELD_ANNOTATION)
    return None if value is None else str(value)


def held(body: Body) -> bool:
    """Whether its pause, or its partition, is ours."""
    if mark(body) is None:
        return False
    return partition(body) == HELD_PARTITION or bool(body["spec"].get("paused"))


def since(body: Body) -> datetime | None:
    """When whoever wrote the mark last wrote: the API server keeps that by writer, not by field."""
    if mark(body) is None:
        return None
    times = [
        entry["time"]
        for entry in body["metadata"].get("managedFields") or ()
        if entry.get("time") and _wrote_mark(entry)
    ]
    return datetime.fromisoformat(max(times)) if times else None


def partition(body: Body) -> int | None:
    """A StatefulSet's partition; none where it does not roll by itself."""
    strategy = body["spec"].get("updateStrategy") or {}
    value = (strategy.get("rollingUpdate") or {}).get("partition")
    return None if value is None else int(value)


def let_go(body: Body, *, by_others: bool = False) -> Patch | None:
    """The patch that takes our pause (or partition) and our marks away; None where there is no mark.

    ``by_others``: not by the operator, whom the admission policy knows. The mark then stays, saying that
    this is meant; a second patch takes it away.
    """
    said = mark(body)
    if said is None:
        return None
    patch = _at_version(body)
    if held(body):
        if partition(body) is not None:
            patch.append({"op": "replace", "path": _PARTITION, "value": own_partition(body)})
        else:
            patch.append({"op": "remove", "path": "/spec/paused"})
        if by_others:
            return [*patch, _annotate(HELD_ANNOTATION, LETTING_GO)]
    patch.append({"op": "remove", "path": _path(HELD_ANNOTATION)})
    if PARTITION_ANNOTATION in _annotations(body):
        patch.append({"op": "remove", "path": _path(PARTITION_ANNOTATION)})
    return patch


def hold(body: Body) -> Patch | None:
    """The patch that pauses a Deployment which was not held at admission; None where it is paused already."""
    if body["spec"].get("paused"):
        return None
    patch = _at_version(body)
    if body["metadata"].get("annotations") is None:
        patch.append({"op": "add", "path": _ANNOTATIONS, "value": {}})
    return [
        *patch,
        _annotate(HELD_ANNOTATION, BY_SIGHT),
        {"op": "add", "path": "/spec/paused", "value": True},
    ]


def own_partition(body: Body) -> int:
    """A StatefulSet's partition as its user wants it; while it is held, the one kept at admission."""
    if not held(body):
        return partition(body) or 0
    kept = str(_annotations(body).get(PARTITION_ANNOTATION, "0"))
    return min(int(kept), HELD_PARTITION) if kept.isdecimal() else 0


def _annotations(body: Body) -> Body:
    return body["metadata"].get("annotations") or {}


def _at_version(body: Body) -> Patch:
    version = body["metadata"]["resourceVersion"]
    return [{"op": "add", "path": "/metadata/resourceVersion", "value": version}]


def _annotate(name: str, value: str) -> dict[str, Any]:
    return {"op": "add", "path": _path(name), "value": value}


def _path(annotation: str) -> str:
    return f"{_ANNOTATIONS}/{annotation.replace('~', '~0').replace('/', '~1')}"


def _wrote_mark(entry: Body) -> bool:
    fields = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
    return f"f:{HELD_ANNOTATION}" in (fields.get("f:annotations") or {})
