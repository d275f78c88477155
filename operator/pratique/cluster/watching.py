"""Pods, revision objects and Events of those namespaces in which releases run, for as long as they run.

Not here: workloads and our own kinds, which live long and are watched by Kopf.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Any

from ..lifecycle.view import Pod, Revision, View, Workload
from .client import Cluster
from .following import Following
from .noting import Noting
from .workloads import ADAPTERS, Owner, pod

logger = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""(namespace, kind, name) of a workload."""


class NamespaceWatch:
    """The pods of one namespace, the Events, and the revision objects of those kinds that were asked for.

    ``on_change`` is called with the key of the workload whose view changed; it must return at once.
    """

    def __init__(self, cluster: Cluster, namespace: str, on_change: Callable[[Key], None]) -> None:
        self.namespace = namespace
        self._on_change = on_change
        self._cluster = cluster
        self._revisions: dict[str, Following[Revision]] = {}
        """By plural: ReplicaSets, ControllerRevisions."""
        owners = [a.kind for a in ADAPTERS.values() if a.owns_pods]
        self._pods: Following[Pod] = Following(
            cluster,
            "pods",
            namespace,
            read=pod,
            owners=["ReplicaSet", *owners],
            changed=self._pod_changed,
        )
        self._notes = Noting(
            cluster, namespace, about=[*ADAPTERS, "ReplicaSet", "Pod"], changed=self._note_changed
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def restarts(self) -> int:
        """How often a watch broke and everything was listed again."""
        return sum(f.restarts for f in self._followings())

    @property
    def problem(self) -> str | None:
        """Why the view may be behind, while it may be."""
        return next((f.problem for f in self._followings() if f.problem), None)

    async def start(self, kind: str = "Deployment") -> None:
        """Begin to follow what workloads of that kind have; returns once everything was listed."""
        adapter = ADAPTERS[kind]
        if adapter.revisions not in self._revisions:
            self._revisions[adapter.revisions] = Following(
                self._cluster,
                adapter.revisions,
                self.namespace,
                read=adapter.revision,
                owners=[a.kind for a in ADAPTERS.values() if a.revisions == adapter.revisions],
                changed=self._tell,
            )
        for followed in self._followings():
            if followed.plural not in self._tasks:
                name = f"watch {followed.plural} in {self.namespace}"
                task = asyncio.create_task(followed.run(), name=name)
                self._tasks[followed.plural] = task
        await self.synced()

    async def synced(self) -> None:
        """Wait until everything was listed once; a view before that would lack pods."""
        for followed in self._followings():
            if followed is not self._notes:
                await followed.synced.wait()
        await self._notes.tried.wait()  # a help, not a need

    async def stop(self) -> None:
        """End the watches."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    def view(self, workload: Workload) -> View:
        """The workload with the revisions that its UID owns, and its pods: its own, or theirs."""
        adapter = ADAPTERS[workload.kind]
        followed = self._revisions.get(adapter.revisions)
        sets = followed.owned_by(workload.uid) if followed else {}
        owners = [workload.uid] if adapter.owns_pods else list(sets)
        owned = {u: o for uid in owners for u, o in self._pods.owned_by(uid).items()}
        pods = [o.record for o in owned.values()]
        notes = [n for uid in (workload.uid, *sets, *owned) for n in self._notes.about(uid)]
        return View(
            workload=workload,
            pods=tuple(sorted(pods, key=lambda p: p.name)),
            revisions=tuple(sorted((o.record for o in sets.values()), key=lambda r: r.number)),
            notes=tuple(sorted(notes, key=lambda n: (n.at, n.name, n.reason))),
        )

    def _followings(self) -> list[Following[Any]]:
        return [*self._revisions.values(), self._pods, self._notes]

    def _pod_changed(self, owner: Owner) -> None:
        if owner.kind in ADAPTERS:
            self._tell(owner)
            return
        # A pod may be seen before its ReplicaSet is; the ReplicaSet's coming then tells of both.
        sets = self._revisions.get("replicasets")
        found = sets.get(owner.uid) if sets else None
        if found:
            self._tell(found.owner)

    def _note_changed(self, about: Owner) -> None:
        if about.kind in ADAPTERS:
            self._tell(about)
        elif about.kind == "Pod":
            found = self._pods.get(about.uid)
            if found:
                self._pod_changed(found.owner)
        else:
            self._pod_changed(about)

    def _tell(self, owner: Owner) -> None:
        try:
            self._on_change((self.namespace, owner.kind, owner.name))
        except Exception:
            # The watch goes on: others wait for it too.
            logger.exception(
                "a change of %s %s/%s was lost", owner.kind, self.namespace, owner.name
            )


class Watches:
    """One NamespaceWatch for each namespace that somebody holds.

    A holder is whatever needs the namespace watched, such as the key of an active release; holding
    twice is holding once.
    """

    def __init__(self, cluster: Cluster, on_change: Callable[[Key], None]) -> None:
        self._cluster = cluster
        self._on_change = on_change
        self._held: dict[str, tuple[NamespaceWatch, set[Hashable]]] = {}
        self._past_restarts = 0

    @property
    def restarts(self) -> int:
        """How often a watch broke since the operator's start."""
        return self._past_restarts + sum(w.restarts for w, _ in self._held.values())

    @property
    def problems(self) -> dict[str, str]:
        """By namespace, why its view may be behind."""
        return {n: w.problem for n, (w, _) in self._held.items() if w.problem}

    def get(self, namespace: str) -> NamespaceWatch | None:
        """The namespace's watch, if anybody holds it; perhaps not synced yet."""
        held = self._held.get(namespace)
        return held[0] if held else None

    async def acquire(
        self, namespace: str, holder: Hashable, kind: str = "Deployment"
    ) -> NamespaceWatch:
        """Hold the namespace's watch; returns once it is synced, so that its view of workloads of that
        kind is whole."""
        if namespace not in self._held:
            watch = NamespaceWatch(self._cluster, namespace, self._on_change)
            self._held[namespace] = (watch, set())
        watch, holders = self._held[namespace]
        holders.add(holder)
        try:
            await watch.start(kind)
        except BaseException:
            await self.release(namespace, holder)
            raise
        return watch

    async def release(self, namespace: str, holder: Hashable) -> None:
        """Let go; the last holder's going ends the watch. Letting go twice does nothing."""
        held = self._held.get(namespace)
        if held is None:
            return
        watch, holders = held
        holders.discard(holder)
        if not holders:
            del self._held[namespace]
            self._past_restarts += watch.restarts
            await watch.stop()

    async def close(self) -> None:
        """End every watch, whoever holds it."""
        held, self._held = self._held, {}
        self._past_restarts += sum(w.restarts for w, _ in held.values())
        await asyncio.gather(*(w.stop() for w, _ in held.values()))
