"""Stepping Analyses: ask what they want to know, write how they stand, delete those kept long enough.

Not here: what is asked and judged (lifecycle/analyses).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..cluster.client import Cluster
from ..cluster.errors import Conflict, Gone
from ..lifecycle.analyses import Step, advance
from ..lifecycle.assignments import Around, Asked
from ..lifecycle.situation import Answer
from ..queries.questions import Question
from ..resources import conditions
from ..resources.analysis import AnalysisStatus
from ..resources.conditions import Status
from ..telemetry.metrics import Metrics
from .asking import Asker
from .clock import Key
from .store import AnalysisRecord, Store

logger = logging.getLogger(__name__)

PLURAL = "analyses"
ROUNDS = 6
"""How often one step may ask before it lets others have their turn."""
AT_ONCE = 240
"""Questions of one Analysis that are asked together: releases' looks are asked between them."""
SOON = timedelta(milliseconds=500)


class Analyst:
    """Steps Analyses. One instance an operator; the clock sees to one step of each at a time."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        asker: Asker,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._asker = asker
        self._metrics = metrics
        self._now = now
        self._answers: dict[str, dict[Question, Answer]] = {}
        """By UID; after a kill they are found again by asking."""

    async def step(self, key: Key) -> datetime | None:
        """Look at one; returns when it is due again."""
        namespace, _, name = key
        record = self._store.analyses.get((namespace, name))
        if record is None:
            await self._refused(key)
            return None
        if record.analysis is None:
            self._answers.pop(record.metadata.uid, None)
            return await self._kept(record)
        step = await self._advance(key, record)
        if step.status != record.analysis.status and not await self._write(record, step.status):
            return self._now() + SOON
        if step.status.completed_at is None:
            return step.due or self._now() + SOON
        self._answers.pop(record.metadata.uid, None)
        logger.info("analysis %s/%s: %s", namespace, name, step.status.verdict)
        current = self._store.analyses.get((namespace, name))
        return None if current is None else current.expires

    async def _advance(self, key: Key, record: AnalysisRecord) -> Step:
        assert record.analysis is not None
        meta, spec = record.metadata, record.analysis.spec
        assert meta.creation_timestamp is not None
        asked = Asked(meta.namespace, meta.name, meta.generation, meta.creation_timestamp, spec)
        workload = (meta.namespace, spec.workload.kind, spec.workload.name)
        answers = self._answers.setdefault(meta.uid, {})
        status = record.analysis.status or AnalysisStatus()
        step = Step(status)
        for _ in range(ROUNDS):
            seen = self._store.workloads.get(workload)
            around = Around(
                library=self._store.library,
                policies=self._store.policies,
                exists=seen is not None,
                version=seen.fingerprint.version if seen else None,
                releases={r.metadata.name: r.known for r in self._store.history(workload)},
            )
            step = advance(asked, step.status, around, answers, self._now())
            if not step.ask:
                return step
            samples = await self._asker.ask(step.ask[:AT_ONCE])
            at = self._now()
            answers.update({q: Answer(s, at) for q, s in samples.items()})
        return Step(step.status, due=self._now() + SOON)

    async def _write(self, record: AnalysisRecord, status: AnalysisStatus) -> bool:
        """Write the status; False where the Analysis changed meanwhile and must be looked at again."""
        namespace, name = record.metadata.namespace, record.metadata.name
        self._metrics.api_writes.labels(kind="Analysis", verb="status").inc()
        try:
            body = await self._cluster.patch_status(
                PLURAL, namespace, name, status.dump(), record.metadata.resource_version
            )
        except Gone:
            self._store.drop(PLURAL, namespace, name)
            return False
        except Conflict:
            fresh = await self._cluster.get(PLURAL, namespace, name)
            if fresh is None:
                self._store.drop(PLURAL, namespace, name)
            else:
                self._store.put(PLURAL, fresh)
            return False
        self._store.put(PLURAL, body)
        return True

    async def _kept(self, record: AnalysisRecord) -> datetime | None:
        """Delete a finished one whose time is over; else when that will be."""
        if record.expires is None or self._now() < record.expires:
            return record.expires
        meta = record.metadata
        self._metrics.api_writes.labels(kind="Analysis", verb="delete").inc()
        await self._cluster.delete(PLURAL, meta.namespace, meta.name, meta.uid)
        self._store.drop(PLURAL, meta.namespace, meta.name)
        return None

    async def _refused(self, key: Key) -> None:
        """A document that the models do not take, though the API server did: say so in its status."""
        problem = self._store.refused_accounts.get(key)
        body = await self._cluster.get(PLURAL, key[0], key[2]) if problem else None
        if problem is None or body is None:
            return
        old = body.get("status") or {}
        if old.get("completedAt"):
            return
        wanted: list[tuple[str, Status, str, str]] = [
            ("Ready", "Unknown", "Stalled", "the analysis cannot be judged as it stands"),
            ("Stalled", "True", "Invalid", problem),
        ]
        generation = body["metadata"].get("generation", 0)
        given = conditions.merge(
            [], wanted, generation=generation, now=self._now().replace(microsecond=0)
        )
        if [c.get("message") for c in old.get("conditions", [])] == [c.message for c in given]:
            return
        status = AnalysisStatus(observed_generation=generation, conditions=given)
        self._metrics.api_writes.labels(kind="Analysis", verb="status").inc()
        try:
            await self._cluster.patch_status(PLURAL, key[0], key[2], status.dump(), None)
        except Gone:
            self._store.drop(PLURAL, key[0], key[2])
