"""Deleting finished Releases that are kept no longer, a few at a time.

Not here: which (lifecycle/retention). A Release's ReleaseRecord goes with it: it is owned by it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..cluster.client import Cluster
from ..lifecycle.retention import DEFAULT, Clearing, Kept, clear
from ..telemetry.metrics import Metrics
from .clock import Key
from .store import Store

logger = logging.getLogger(__name__)

PREFIX = "Retention/"
AT_ONCE = 20
"""Releases of one workload deleted in one turn."""
SPREAD = 0.05
"""Seconds for each workload over which the first turns after a start are spread."""
LONGEST = timedelta(days=1)


def key_of(workload: Key) -> Key:
    """The clock's key under which a workload's Releases are cleared up."""
    return workload[0], PREFIX + workload[1], workload[2]


class Retainer:
    """Clears up after one workload at a time."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._metrics = metrics
        self._now = now
        self._not_before: dict[Key, datetime] = {}
        """When what is over may be deleted: not everybody's at the same moment."""

    async def step(self, key: Key) -> datetime | None:
        """Delete what is over; returns when something else will be."""
        workload = (key[0], key[1].removeprefix(PREFIX), key[2])
        now = self._now()
        found = self._find(workload, now)
        if not found.delete:
            self._not_before.pop(workload, None)
            return None if found.due is None else min(found.due, now + LONGEST)
        at = self._not_before.get(workload)
        if at is None:
            spread = 0.5 + SPREAD * len(self._store.releases)
            at = now + timedelta(seconds=random.uniform(0, spread))  # noqa: S311
            self._not_before[workload] = at
        if now < at:
            return at
        for name in found.delete[:AT_ONCE]:
            record = self._store.record(workload[0], name)
            if record is None:
                continue
            await self._cluster.delete("releases", workload[0], name, record.metadata.uid)
            self._metrics.api_writes.labels(kind="Release", verb="delete").inc()
            self._store.drop("releases", workload[0], name)
            logger.info("%s/%s: kept no longer, deleted", workload[0], name)
        self._not_before.pop(workload, None)
        return now + timedelta(seconds=1)

    def _find(self, workload: Key, now: datetime) -> Clearing:
        history = self._store.history(workload)
        if not history:
            return Clearing((), None)
        newest = history[-1].known
        seen = self._store.workloads.get(workload)
        policy = self._store.policy_of(seen.workload) if seen else None
        retention = policy.spec.retention if policy else newest.retention or DEFAULT
        baseline = policy.spec.analysis.baseline if policy else None
        return clear(
            [Kept(r.known, r.finished) for r in history],
            retention,
            # Whether it counts drift is not known of a policy that is gone: its anchor stays.
            drift=baseline is None or baseline.drift is not None,
            anchor=baseline.anchor if baseline else None,
            gone_since=None if self._store.there(workload) else newest.gone_since,
            now=now,
        )
