"""An API server in memory, and the connection of one operator process to it.

It keeps what the real one keeps: names that can be taken once, a resourceVersion for each write, the
status apart from the spec, owners whose things go with them. A connection can be cut: the process is
killed, or told that nobody answered, before or after any call took effect.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pratique.cluster.client import Cluster
from pratique.cluster.errors import Conflict, Gone, Refused, Unreachable
from pratique.resources.base import API_VERSION
from pratique.resources.record import ReleaseRecordSpec
from pratique.resources.release import ReleaseSpec

Body = dict[str, Any]
At = tuple[str, str, str]
"""(plural, namespace, name)."""
Written = Callable[[str, Body | None, Body | None], None]
"""Called with (plural, before, after) of everything that changed."""
Mishap = Literal["killed before", "killed after", "unreachable", "answer lost"]


class Killed(BaseException):
    """The process is gone; nothing of it goes on."""


def copy(body: Body) -> Body:
    """As it goes over the wire: only what is JSON survives."""
    found: Body = json.loads(json.dumps(body))
    return found


class ApiServer:
    """The objects, and who is told of what changes."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.objects: dict[At, Body] = {}
        self.told: list[Written] = []
        self.refused: set[str] = set()
        """Plurals of which none can be made now, as a quota has it."""
        self.writes = 0
        self._version = 100
        self._uids = 0

    def get(self, plural: str, namespace: str, name: str) -> Body | None:
        found = self.objects.get((plural, namespace, name))
        return copy(found) if found else None

    def list(self, plural: str, namespace: str | None = None) -> list[Body]:
        return [
            copy(body)
            for (p, ns, _), body in sorted(self.objects.items())
            if p == plural and namespace in (None, ns)
        ]

    def create(self, plural: str, body: Body) -> Body:
        meta = body["metadata"]
        at = (plural, meta.get("namespace", ""), meta["name"])
        if plural in self.refused:
            raise Refused(f"creating {at}", "exceeded quota", code=403, reason="Forbidden")
        if at in self.objects:
            raise Conflict(f"creating {at}", "it exists", code=409, reason="AlreadyExists")
        self._uids += 1
        made = {
            "uid": f"uid-{self._uids}",
            "generation": 1,
            "creationTimestamp": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return self._put(at, None, {**body, "metadata": {**meta, **made}})

    def change(
        self, plural: str, namespace: str, name: str, change: Callable[[Body], None]
    ) -> Body:
        """Whatever somebody else's client would send; a changed spec is a new generation."""
        at = (plural, namespace, name)
        if at not in self.objects:
            raise Gone(f"changing {at}", "not found", code=404)
        before = self.objects[at]
        after = copy(before)
        change(after)
        if after == before:
            return copy(before)  # a write that changes nothing is none
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
        return self._put(at, before, after)

    def write_status(
        self, plural: str, namespace: str, name: str, status: Mapping[str, Any], version: str | None
    ) -> Body:
        found = self.objects.get((plural, namespace, name))
        if found and version not in (None, found["metadata"]["resourceVersion"]):
            raise Conflict(f"writing {name}", "it was changed", code=409, reason="Conflict")

        def change(body: Body) -> None:
            body["status"] = dict(status)

        return self.change(plural, namespace, name, change)

    def patch(
        self, plural: str, namespace: str, name: str, patch: Sequence[Mapping[str, Any]]
    ) -> Body:
        """A JSON patch."""

        def change(body: Body) -> None:
            for op in patch:
                *way, last = [
                    part.replace("~1", "/").replace("~0", "~") for part in op["path"].split("/")[1:]
                ]
                if way == ["metadata"] and last == "resourceVersion":
                    if op["value"] != body["metadata"][last]:
                        raise Conflict(f"patching {name}", "it was changed", code=409)
                    continue
                inside = body
                for part in way:
                    inside = inside[part]
                if op["op"] == "remove":
                    del inside[last]
                else:
                    inside[last] = op["value"]

        return self.change(plural, namespace, name, change)

    def delete(self, plural: str, namespace: str, name: str, uid: str | None = None) -> None:
        at = (plural, namespace, name)
        found = self.objects.get(at)
        if found is None or uid not in (None, found["metadata"]["uid"]):
            return
        del self.objects[at]
        self._tell(plural, found, None)
        mine = found["metadata"]["uid"]
        for (p, ns, n), body in list(self.objects.items()):
            if any(o["uid"] == mine for o in body["metadata"].get("ownerReferences", ())):
                self.delete(p, ns, n)

    def _put(self, at: At, before: Body | None, after: Body) -> Body:
        self._version += 1
        after = copy(after)
        after["metadata"]["resourceVersion"] = str(self._version)
        self.objects[at] = after
        self._tell(at[0], before, after)
        return copy(after)

    def _tell(self, plural: str, before: Body | None, after: Body | None) -> None:
        self.writes += 1
        for told in list(self.told):
            told(plural, before, after)


@dataclass
class Planned:
    """What is to befall a connection, counted in calls from now."""

    calls: int
    mishap: Mishap | None = None
    between: Callable[[], object] | None = None
    """What others do just before that call reaches the API server."""


@dataclass
class Connection(Cluster):
    """What one operator process calls; dead once the process was killed."""

    server: ApiServer
    planned: list[Planned] = field(default_factory=list)
    calls: int = 0
    dead: bool = False

    async def call(self, what: str, effect: Callable[[], Any]) -> Any:
        """Let the effect happen, unless something befalls the call."""
        await asyncio.sleep(0)
        if self.dead:
            raise Killed(what)
        self.calls += 1
        mine = [p for p in self.planned if p.calls == 0]
        self.planned = [p for p in self.planned if p.calls > 0]
        for plan in self.planned:
            plan.calls -= 1
        for plan in mine:
            if plan.between is not None:
                plan.between()
        mishaps = {p.mishap for p in mine}
        if "killed before" in mishaps:
            self.kill(what)
        if "unreachable" in mishaps:
            raise Unreachable(what, "no answer (connection refused)")
        result = effect()
        if "killed after" in mishaps:
            self.kill(what)
        if "answer lost" in mishaps:
            raise Unreachable(what, "no answer (connection reset)")
        return result

    def kill(self, what: str) -> None:
        self.dead = True
        raise Killed(what)

    async def close(self) -> None:
        self.dead = True

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        found: Body | None = await self.call(
            f"get {name}", lambda: self.server.get(plural, namespace, name)
        )
        return found

    async def list(
        self, plural: str, namespace: str | None = None, labels: str | None = None
    ) -> AsyncIterator[Body]:
        for body in await self.call(f"list {plural}", lambda: self.server.list(plural, namespace)):
            if labels is None or labels in body["metadata"].get("labels", {}):
                yield body

    async def get_metadata(self, plural: str, namespace: str | None, name: str) -> Body | None:
        return await self.get(plural, namespace or "", name)

    async def list_metadata(self, plural: str, namespace: str) -> AsyncIterator[Body]:
        async for body in self.list(plural, namespace):
            yield body

    async def create_release(
        self, namespace: str, name: str, spec: ReleaseSpec, labels: Mapping[str, str]
    ) -> Body | None:
        meta = {"name": name, "namespace": namespace, "labels": dict(labels)}
        return await self._create(
            "releases",
            {"apiVersion": API_VERSION, "kind": "Release", "metadata": meta, "spec": spec.dump()},
        )

    async def create_record(
        self, namespace: str, name: str, uid: str, spec: ReleaseRecordSpec
    ) -> bool:
        owner = {"apiVersion": API_VERSION, "kind": "Release", "name": name, "uid": uid}
        meta = {"name": name, "namespace": namespace, "ownerReferences": [owner]}
        made = await self._create("releaserecords", {"metadata": meta, "spec": spec.dump()})
        return made is not None

    async def patch_status(
        self,
        plural: str,
        namespace: str,
        name: str,
        status: Mapping[str, Any],
        resource_version: str | None,
    ) -> Body:
        done: Body = await self.call(
            f"status {name}",
            lambda: self.server.write_status(plural, namespace, name, status, resource_version),
        )
        return done

    async def label(
        self, plural: str, namespace: str, name: str, labels: Mapping[str, str | None]
    ) -> Body:
        return await self._merge("labels", plural, namespace, name, labels)

    async def annotate(
        self, plural: str, namespace: str, name: str, annotations: Mapping[str, str | None]
    ) -> Body:
        return await self._merge("annotations", plural, namespace, name, annotations)

    async def patch_workload(
        self, plural: str, namespace: str, name: str, patch: Iterable[Mapping[str, Any]]
    ) -> Body:
        done: Body = await self.call(
            f"patch {name}", lambda: self.server.patch(plural, namespace, name, list(patch))
        )
        return done

    async def delete(self, plural: str, namespace: str, name: str, uid: str) -> None:
        await self.call(f"delete {name}", lambda: self.server.delete(plural, namespace, name, uid))

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
        meta = {"name": name, "namespace": regarding["namespace"]}
        event = {
            "metadata": meta,
            "eventTime": at.astimezone(UTC).isoformat(),
            "type": type,
            "reason": reason,
            "note": message,
            "action": action,
            "regarding": dict(regarding),
        }
        return await self._create("events", event) is not None

    async def secret_value(self, namespace: str, name: str, key: str) -> str | None:
        return None

    async def _create(self, plural: str, body: Body) -> Body | None:
        try:
            made: Body = await self.call(
                f"create {body['metadata']['name']}", lambda: self.server.create(plural, body)
            )
        except Conflict:
            return None
        return made

    async def _merge(
        self, field: str, plural: str, namespace: str, name: str, given: Mapping[str, str | None]
    ) -> Body:
        def change(body: Body) -> None:
            merged = {**body["metadata"].get(field, {}), **given}
            body["metadata"][field] = {k: v for k, v in merged.items() if v is not None}

        done: Body = await self.call(
            f"{field} {name}", lambda: self.server.change(plural, namespace, name, change)
        )
        return done
