"""Stepping ReleaseGroups: begin a group's release, let it advance as any other, write the group's status.

Not here: when one begins (lifecycle/groups), and what becomes of it (lifecycle/joint, by the Reconciler).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..cluster.client import Cluster
from ..cluster.errors import Gone, Refused, Rejected
from ..lifecycle.group_summary import summarize
from ..lifecycle.groups import Begins, Group, Member, Settling, begin, notice
from ..lifecycle.planning import Unresolved
from ..resources import conditions
from ..resources.conditions import Status
from ..resources.group import ReleaseGroupStatus
from ..telemetry.metrics import Metrics
from .clock import Key
from .members import members_of
from .reconcile import Reconciler
from .store import Store

logger = logging.getLogger(__name__)

PLURAL = "releasegroups"
AGAIN = timedelta(minutes=1)
"""After which it is tried again to begin what could not begin."""


class GroupKeeper:
    """Steps groups. One instance an operator; the clock sees to one step of each at a time."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        reconciler: Reconciler,
        metrics: Metrics,
        wake: Callable[[Key], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._reconciler = reconciler
        self._metrics = metrics
        self._wake = wake
        self._now = now
        self._told: dict[Key, tuple[str, str | None]] = {}
        """The newest release and its verdict of which each group's members know."""

    async def step(self, key: Key) -> datetime | None:
        """Look at one; returns when it is due again."""
        group = self._store.groups.get((key[0], key[2]))
        settling: Settling | None = None
        problem: str | None = None
        members: Sequence[Member] = ()
        if group is None:
            await self._refused(key)
        else:
            members = members_of(self._store, group)
            settling, problem = await self._notice(group, members)
        due = await self._reconciler.step(key)
        if group is not None:
            await self._summarize(group, members, settling, problem)
        self._tell(key)
        # What is in the way may go without telling, as a quota does.
        again = self._now() + AGAIN if problem else None
        dues = (due, settling.until if settling else None, again)
        return min((d for d in dues if d), default=None)

    async def _notice(
        self, group: Group, members: Sequence[Member]
    ) -> tuple[Settling | None, str | None]:
        """Begin a release of the group where one is due; else until when, or why not."""
        known = [r.known for r in self._store.history(group.key)]
        now = self._now()
        decision = notice(group, members, known, now)
        if isinstance(decision, Settling):
            return decision, None
        if isinstance(decision, Begins):
            try:
                spec = begin(group, members, known, self._store.library, now)
            except Unresolved as problem:
                return None, None if problem.waiting else str(problem)
            try:
                await self._reconciler.beginner.begin(group.key, spec)
            except (Refused, Rejected) as error:
                return None, f"its release could not be made: {error}"[:1024]
        return None, None

    async def _summarize(
        self,
        group: Group,
        members: Sequence[Member],
        settling: Settling | None,
        problem: str | None,
    ) -> None:
        at = (group.namespace, group.name)
        history = self._store.history(group.key)
        before = self._store.group_status.get(at)
        status = summarize(
            group,
            before,
            members,
            newest=history[-1].known if history else None,
            settling=settling,
            problem=problem,
            now=self._now().replace(microsecond=0),
        )
        if status != before:
            await self._write(*at, status)

    def _tell(self, key: Key) -> None:
        """Members may wait for the group before they are promoted: a verdict wakes them, once."""
        history = self._store.history(key)
        newest = history[-1].known if history else None
        if newest is None:
            self._told.pop(key, None)
        elif self._told.get(key) != (newest.name, newest.verdict):
            self._told[key] = (newest.name, newest.verdict)
            if newest.verdict is not None:
                for kind, name, _ in newest.members:
                    self._wake((key[0], kind, name))

    async def _refused(self, key: Key) -> None:
        """A document that the models do not take, though the API server did: say so in its status."""
        problem = self._store.refused_accounts.get(key)
        body = await self._cluster.get(PLURAL, key[0], key[2]) if problem else None
        if problem is None or body is None:
            return
        wanted: list[tuple[str, Status, str, str]] = [
            ("Ready", "Unknown", "Stalled", "the group cannot be judged as it stands"),
            ("Stalled", "True", "Invalid", problem),
            ("Promotable", "Unknown", "Stalled", "nothing is judged by it as it stands"),
        ]
        generation = body["metadata"].get("generation", 0)
        given = conditions.merge(
            [], wanted, generation=generation, now=self._now().replace(microsecond=0)
        )
        old = (body.get("status") or {}).get("conditions", [])
        if [c.get("message") for c in old] != [c.message for c in given]:
            status = ReleaseGroupStatus(observed_generation=generation, conditions=given)
            await self._write(key[0], key[2], status)

    async def _write(self, namespace: str, name: str, status: ReleaseGroupStatus) -> None:
        self._metrics.api_writes.labels(kind="ReleaseGroup", verb="status").inc()
        try:
            await self._cluster.patch_status(PLURAL, namespace, name, status.dump(), None)
        except Gone:
            self._store.drop(PLURAL, namespace, name)
        else:
            self._store.group_status[(namespace, name)] = status
