"""Following one kind of object in one namespace: LIST, then WATCH, again and again, without an end.

What is kept are records, not bodies. Whatever breaks, everything is listed again after a pause that
grows; the break is counted and logged. Objects that went unseen meanwhile are found by comparison.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .client import Body, Cluster
from .errors import ClusterError
from .workloads import Owner, controller

logger = logging.getLogger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY = 5.0
"""Seconds that a watch must have lived for its orderly end to be followed by the next at once."""
LIFE = 300
"""Seconds after which the API server is asked to end a watch; up to twice that, lest all end at once."""

R = TypeVar("R")


def pause_after(failures: int) -> float:
    """Seconds to wait when ``failures`` came before this one: doubling, with jitter.

    Without jitter the watches of all namespaces would come back in the same moment.
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Owned(Generic[R]):
    """A record with the owner that controls its object."""

    record: R
    owner: Owner


class Following(Generic[R]):
    """The objects of one kind in one namespace that are controlled by one of ``owners`` (kinds).

    ``changed`` is called with the owner of every record that came, changed in what is kept of it, or
    went; it must return at once.
    """

    def __init__(
        self,
        cluster: Cluster,
        plural: str,
        namespace: str,
        *,
        read: Callable[[Body], R],
        owners: Iterable[str],
        changed: Callable[[Owner], None],
        owner: Callable[[Body], Owner | None] = controller,
        fields: str | None = None,
    ) -> None:
        self.plural = plural
        self.restarts = 0
        self.problem: str | None = "not listed yet"
        self.synced = asyncio.Event()
        self.tried = asyncio.Event()
        """Set once it was listed, or could not be."""
        self._cluster = cluster
        self._namespace = namespace
        self._read = read
        self._owners = frozenset(owners)
        self._changed = changed
        self._owner = owner
        self._fields = fields
        self._records: dict[str, Owned[R]] = {}
        self._by_owner: dict[str, dict[str, Owned[R]]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, uid: str) -> Owned[R] | None:
        """The record of the object with this UID."""
        return self._records.get(uid)

    def owned_by(self, uid: str) -> dict[str, Owned[R]]:
        """The records, by UID, of the objects that the owner with this UID controls."""
        return self._by_owner.get(uid, {})

    async def run(self) -> None:
        """Follow until cancelled."""
        version: str | None = None
        failures = 0
        while True:
            began = time.monotonic()
            try:
                if version is None:
                    version = await self._list()
                version = await self._watch(version)
            except Exception as error:
                version = None
                self.restarts += 1
                self.tried.set()
                self.problem = str(error)
                if not isinstance(error, ClusterError):
                    self.problem = f"watching {self.plural} in {self._namespace}: {error!r}"
                usual = False
            else:
                usual = time.monotonic() - began >= STEADY
            if usual:
                failures = 0
                continue
            if time.monotonic() - began > LONGEST_PAUSE:
                failures = 0
            pause = pause_after(failures)
            failures += 1
            if self.problem:
                logger.warning("%s; listing again in %.1f s", self.problem, pause)
            await asyncio.sleep(pause)

    async def _list(self) -> str:
        found: dict[str, Owned[R]] = {}

        def keep(body: Body) -> None:
            owned = self._owned(body)
            if owned:
                found[body["metadata"]["uid"]] = owned

        version = await self._cluster.read_all(
            self.plural, self._namespace, keep, fields=self._fields
        )
        for uid in self._records.keys() - found.keys():
            self._put(uid, None)
        for uid, owned in found.items():
            self._put(uid, owned)
        self.problem = None
        self.synced.set()
        self.tried.set()
        return version

    async def _watch(self, version: str) -> str:
        life = LIFE + random.randrange(LIFE)  # noqa: S311
        stream = self._cluster.stream(
            self.plural, self._namespace, version, seconds=life, fields=self._fields
        )
        try:
            async for kind, body in stream:
                if kind != "BOOKMARK":
                    uid = body["metadata"]["uid"]
                    self._put(uid, None if kind == "DELETED" else self._owned(body))
                version = body["metadata"]["resourceVersion"]
        finally:
            await stream.aclose()
        return version

    def _owned(self, body: Body) -> Owned[R] | None:
        owner = self._owner(body)
        if owner is None or owner.kind not in self._owners:
            return None
        return Owned(self._read(body), owner)

    def _put(self, uid: str, owned: Owned[R] | None) -> None:
        before = self._records.get(uid)
        if before == owned:
            return
        if before:
            siblings = self._by_owner[before.owner.uid]
            del self._records[uid], siblings[uid]
            if not siblings:
                del self._by_owner[before.owner.uid]
        if owned:
            self._records[uid] = owned
            self._by_owner.setdefault(owned.owner.uid, {})[uid] = owned
        for owner in {o.owner for o in (before, owned) if o}:
            self._changed(owner)
