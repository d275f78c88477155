"""The API server as the operator needs it: typed reads, patches that respect resourceVersion, Events
that happen once.

Not here: watches (``watching``), reading workloads (``workloads``), retries. A caller that meets a
Conflict looks again; who meets Unreachable comes back later.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx2
from lightkube.generic_resource import GenericGlobalResource
from lightkube.operators import BinaryOperator, Operator, SequenceOperator, exists, not_in
from lightkube.types import PatchType

from ..resources.base import API_VERSION
from ..resources.record import ReleaseRecordSpec
from ..resources.release import ReleaseSpec
from . import kinds
from .connection import Connection, connect
from .counting import OnRequest
from .errors import Conflict, Gone, Rejected, told

Body = dict[str, Any]
Selected = str | Operator[Any] | Iterable[str] | None

PAGE = 500
"""Objects a page of a LIST; more would be a spike of memory on both sides."""
NOTE_BYTES = 1024
"""The API server's limit on an Event's note."""
CONTROLLER = "pratique.sh/operator"
"""Who reports the Events."""
REGARDING = ("apiVersion", "kind", "namespace", "name", "uid")
"""What an Event's reference says."""


class Cluster:
    """The API server. Every method raises ``errors.ClusterError`` where it says nothing else."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._instance = (os.environ.get("POD_NAME") or socket.gethostname())[:128]

    @classmethod
    def connect(
        cls,
        kubeconfig: str | Path | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        on_request: OnRequest = lambda verb, resource: None,
    ) -> Cluster:
        """In-cluster, else ``$KUBECONFIG``, else ``~/.kube/config``; or the file given."""
        with told("connecting to the API server"):
            return cls(connect(kubeconfig, transport, on_request))

    @property
    def connection(self) -> Connection:
        """The connection itself, for what has modules of its own: jobs, targets."""
        return self._connection

    async def close(self) -> None:
        """Close every connection; no call may follow."""
        await self._connection.close()

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        """The object, or None where there is none."""
        try:
            with told(f"reading {plural} {namespace}/{name}"):
                found = await self._connection.get(_read(plural), name, namespace=namespace)
        except Gone:
            return None
        return dict(found)

    async def list(
        self, plural: str, namespace: str | None = None, labels: str | None = None
    ) -> AsyncIterator[Body]:
        """Every object of the kind, page by page; ``labels`` is a selector as kubectl takes it."""
        kind = _read(plural)
        info = kind._api_info.resource
        everywhere = None if issubclass(kind, GenericGlobalResource) else "*"
        with told(f"listing {plural} in {namespace or 'all namespaces'}"):
            pages = self._connection.list(
                kind, namespace=namespace or everywhere, chunk_size=PAGE, labels=_selector(labels)
            )
            async for item in pages:
                # The items of a LIST do not say their kind.
                yield {"apiVersion": info.api_version, "kind": info.kind, **item}

    async def get_metadata(self, plural: str, namespace: str | None, name: str) -> Body | None:
        """The object's metadata alone, or None where there is none."""
        try:
            with told(f"reading the metadata of {plural} {namespace or ''}/{name}"):
                return await self._connection.metadata(
                    "get", kinds.AROUND[plural], namespace=namespace, name=name
                )
        except Gone:
            return None

    async def list_metadata(self, plural: str, namespace: str) -> AsyncIterator[Body]:
        """The metadata alone of every object of the kind, page by page."""
        params: dict[str, Any] = {"limit": PAGE}
        while True:
            with told(f"listing the metadata of {plural} in {namespace}"):
                page = await self._connection.metadata(
                    "list", kinds.AROUND[plural], namespace=namespace, params=params
                )
            for item in page.get("items") or ():
                yield item
            go_on = page["metadata"].get("continue")
            if not go_on:
                return
            params = {"limit": PAGE, "continue": go_on}

    async def create_release(
        self, namespace: str, name: str, spec: ReleaseSpec, labels: Mapping[str, str]
    ) -> Body | None:
        """The Release as created, or None where one of that name exists already."""
        release = {
            "apiVersion": API_VERSION,
            "kind": "Release",
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
            "spec": spec.dump(),
        }
        what = f"creating release {namespace}/{name}"
        return await self._create(what, kinds.OURS["releases"], release)

    async def create_record(
        self, namespace: str, name: str, uid: str, spec: ReleaseRecordSpec
    ) -> bool:
        """The samples of a Release, owned by it; False where they are there already."""
        body = {
            "apiVersion": API_VERSION,
            "kind": "ReleaseRecord",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "ownerReferences": [
                    {"apiVersion": API_VERSION, "kind": "Release", "name": name, "uid": uid}
                ],
            },
            "spec": spec.dump(),
        }
        what = f"creating releaserecord {namespace}/{name}"
        return await self._create(what, kinds.OURS["releaserecords"], body) is not None

    async def patch_status(
        self,
        plural: str,
        namespace: str,
        name: str,
        status: Mapping[str, Any],
        resource_version: str | None,
    ) -> Body:
        """Replace the status wholly; Conflict where the object is not at ``resource_version`` any more.

        A JSON patch: what vanished from the status goes without being named. None as version means
        that the last writer wins.
        """
        patch: list[Body] = [{"op": "add", "path": "/status", "value": dict(status)}]
        if resource_version is not None:
            # The API server compares it and answers 409; it never writes it.
            path = "/metadata/resourceVersion"
            patch.insert(0, {"op": "add", "path": path, "value": resource_version})
        with told(f"writing the status of {plural} {namespace}/{name}"):
            return dict(
                await self._connection.patch(
                    kinds.OURS[plural].Status,
                    name,
                    patch,
                    namespace=namespace,
                    patch_type=PatchType.JSON,
                )
            )

    async def label(
        self, plural: str, namespace: str, name: str, labels: Mapping[str, str | None]
    ) -> Body:
        """Set labels, or take away those whose value is None; the others stay."""
        with told(f"labelling {plural} {namespace}/{name}"):
            return dict(
                await self._connection.patch(
                    kinds.OURS[plural],
                    name,
                    {"metadata": {"labels": dict(labels)}},
                    namespace=namespace,
                    patch_type=PatchType.MERGE,
                )
            )

    async def patch_workload(
        self, plural: str, namespace: str, name: str, patch: Iterable[Mapping[str, Any]]
    ) -> Body:
        """A JSON patch of a workload; Conflict where it says a resourceVersion that is not the newest."""
        with told(f"changing {plural} {namespace}/{name}"):
            return dict(
                await self._connection.patch(
                    kinds.READ[plural],
                    name,
                    list(patch),
                    namespace=namespace,
                    patch_type=PatchType.JSON,
                )
            )

    async def annotate(
        self, plural: str, namespace: str, name: str, annotations: Mapping[str, str | None]
    ) -> Body:
        """Set annotations, or take away those whose value is None; the others stay."""
        with told(f"annotating {plural} {namespace}/{name}"):
            return dict(
                await self._connection.patch(
                    kinds.OURS[plural],
                    name,
                    {"metadata": {"annotations": dict(annotations)}},
                    namespace=namespace,
                    patch_type=PatchType.MERGE,
                )
            )

    async def delete(self, plural: str, namespace: str, name: str, uid: str) -> None:
        """Delete this very object; gone, or another of its name, is as good."""
        with (
            contextlib.suppress(Gone, Conflict),
            told(f"deleting {plural} {namespace}/{name}"),
        ):
            await self._connection.remove(kinds.OURS[plural], name, namespace=namespace, uid=uid)

    async def event(
        self,
        *,
        regarding: Mapping[str, Any],
        name: str,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        action: str,
        at: datetime,
    ) -> bool:
        """Report once: False where an Event of this name is there already.

        ``name`` says which transition it tells of, so that a second telling (after a kill, say) finds
        the first. ``regarding`` needs apiVersion, kind, namespace, name, uid. A message of more than
        1024 bytes is cut.
        """
        namespace = regarding["namespace"]
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": type,
            "reason": reason,
            "note": _cut(message, NOTE_BYTES),
            "action": action,
            "regarding": {field: regarding[field] for field in REGARDING},
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
        }
        what = f"reporting {reason} on {regarding['kind']} {namespace}/{regarding['name']}"
        return await self._create(what, kinds.EVENT, event) is not None

    async def secret_value(self, namespace: str, name: str, key: str) -> str | None:
        """One value of a Secret, or None where the Secret or the key is missing."""
        try:
            with told(f"reading secret {namespace}/{name}"):
                found = await self._connection.get(kinds.SECRET, name, namespace=namespace)
        except Gone:
            return None
        value = (found.get("data") or {}).get(key)
        if value is None:
            return None
        try:
            return base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            # Not chained: the cause would carry the value.
            raise Rejected(
                f"reading secret {namespace}/{name}", f"the value of key {key!r} is not text"
            ) from None

    async def read_all(
        self,
        plural: str,
        namespace: str,
        keep: Callable[[Body], None],
        *,
        fields: str | None = None,
    ) -> str:
        """LIST what is followed, page by page; each body is handed to ``keep`` and forgotten.

        Returns the list's resourceVersion, from which a watch goes on.
        """
        with told(f"listing {plural} in {namespace}"):
            pages = self._connection.list(
                kinds.FOLLOWED[plural],
                namespace=namespace,
                chunk_size=PAGE,
                fields=_fields(fields),
            )
            async for item in pages:
                keep(item)
            return pages.resourceVersion

    async def stream(
        self,
        plural: str,
        namespace: str,
        resource_version: str,
        *,
        seconds: int,
        fields: str | None = None,
    ) -> AsyncGenerator[tuple[str, Body], None]:
        """One watch from ``resource_version`` until the API server ends it; Expired where that is too old."""
        with told(f"watching {plural} in {namespace}"):
            events = self._connection.stream(
                kinds.FOLLOWED[plural],
                namespace=namespace,
                resource_version=resource_version,
                seconds=seconds,
                fields=fields,
            )
            try:
                async for event in events:
                    yield event
            finally:
                await events.aclose()

    async def _create(self, what: str, kind: kinds.Kind, body: Body) -> Body | None:
        """The object as created, or None where one of that name is there already."""
        try:
            with told(what):
                return dict(await self._connection.create(kind.from_dict(body)))
        except Conflict as error:
            if error.reason == "AlreadyExists":
                return None
            raise


def _read(plural: str) -> kinds.Kind:
    return kinds.READ[plural]


def _selector(labels: str | None) -> dict[str, Selected] | None:
    # The library builds selectors from terms; the term "exists" is its key, word for word.
    return {labels: exists()} if labels else None


def _fields(
    selector: str | None,
) -> dict[str, str | BinaryOperator | SequenceOperator] | None:
    """A field selector of terms ``key!=value``, as the library takes it."""
    if selector is None:
        return None
    terms: dict[str, list[str]] = {}
    for term in selector.split(","):
        key, _, value = term.partition("!=")
        terms.setdefault(key, []).append(value)
    return {key: not_in(values) for key, values in terms.items()}


def _cut(text: str, size: int) -> str:
    """At most ``size`` bytes of UTF-8, with an ellipsis where something is missing."""
    raw = text.encode()
    if len(raw) <= size:
        return text
    return raw[: size - 3].decode(errors="ignore") + "…"
