"""One step for one workload: notice, advance its unfinished releases, write, tell.

Everything is derived from the store, the watches and the Release, so that the step can be repeated, and
a kill between any two calls loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ..cluster.client import Cluster
from ..cluster.errors import Conflict, Gone, Refused, Rejected, Unreachable
from ..cluster.surroundings import look_around
from ..cluster.watching import Watches
from ..lifecycle import hold, letting_go, records, suspects
from ..lifecycle.advance import advance
from ..lifecycle.announcements import announcements, differs
from ..lifecycle.groups import KIND as GROUP
from ..lifecycle.phase import superseded
from ..lifecycle.policies import Policy
from ..lifecycle.rollout import own_pods
from ..lifecycle.situation import Answer, Situation, Step
from ..lifecycle.view import View
from ..queries.questions import Question
from ..resources.base import API_VERSION
from ..resources.release import (
    FINISHED_LABEL,
    ReleaseStatus,
)
from ..telemetry.export import TraceExporter
from ..telemetry.metrics import Metrics
from ..telemetry.tracing import spans
from . import retaining
from .acting import Actions, Actor
from .asking import Asker
from .beginning import SYNC_TIMEOUT, Beginner, short
from .clock import Key
from .marking import Marker
from .members import disagreement, groups_of, joined
from .store import Record, Seen, Store

logger = logging.getLogger(__name__)

ROUNDS = 6
"""How often one step may ask before it lets others have their turn."""
LOOKS_UNWRITTEN = 5
"""Looks that may pass without a write while nothing changes in meaning."""
SOON = timedelta(milliseconds=500)


@dataclass
class _Working:
    """What is kept in memory of an unfinished release; after a kill it is found again by asking."""

    answers: dict[Question, Answer] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    looked: str | None = None
    """The cause for which it was last looked at what changed around."""
    actions: Actions = field(default_factory=Actions)
    verdict_out: bool = False
    """Whether the verdict's samples are kept, and its trace is on its way."""
    exporting: asyncio.Task[None] | None = None


class Reconciler:
    """Steps workloads. One instance an operator; the clock sees to one step a workload at a time."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        watches: Watches,
        asker: Asker,
        metrics: Metrics,
        exporter: TraceExporter | None,
        actor: Actor,
        wake: Callable[[Key], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._watches = watches
        self._asker = asker
        self._metrics = metrics
        self._exporter = exporter
        self._actor = actor
        self._wake = wake
        self._now = now
        self._working: dict[str, _Working] = {}
        self._strays: dict[Key, Actions] = {}
        """Of workloads whose hold no release waits for."""
        self._remembered: dict[Key, set[str]] = {}
        self.beginner = Beginner(
            store=store,
            cluster=cluster,
            watches=watches,
            asker=asker,
            metrics=metrics,
            wake=wake,
            now=now,
        )
        self._marker = Marker(store=store, cluster=cluster, metrics=metrics)

    async def step(self, key: Key) -> datetime | None:
        """Look at a workload; returns when it is due again."""
        begin = time.monotonic()
        try:
            return await self._step(key)
        finally:
            self._metrics.reconcile_seconds.observe(time.monotonic() - begin)

    async def _step(self, key: Key) -> datetime | None:
        seen = self._store.workloads.get(key)
        policy = self._store.policy_of(seen.workload) if seen else None
        dues: list[datetime | None] = []
        if seen and policy:
            dues.append(await self.beginner.notice(key, seen, policy))
        else:
            self.beginner.forget(key)
        troubles: list[Exception] = []
        dues.append(await _apart(self.beginner.again(key, seen, policy), troubles))
        history = self._store.history(key)
        self._forget(key, history)
        for index, record in enumerate(history):
            newer = history[index + 1].metadata.name if index + 1 < len(history) else None
            if not record.finished:
                dues.append(await _apart(self._advance(key, seen, record, newer), troubles))
            elif newer and not record.superseded:
                # A verdict given stays; that a newer release exists is said beside it.
                said = superseded(newer, self._is_attempt(record, newer))
                marking = self._marker.mark(record, "Superseded", said, self._now())
                await _apart(marking, troubles)
        if history:
            await _apart(self._mark_gone(key, history[-1]), troubles)
            self._wake(retaining.key_of(key))
        if not any(not r.finished for r in self._store.history(key)):
            await self._watches.release(key[0], key)
        self._count_active()
        if seen and seen.workload.hold_mark is not None:
            dues.append(self._stray(key, seen, policy))
        else:
            self._strays.pop(key, None)
        if policy:
            self._wake((policy.namespace, "ReleasePolicy", policy.name))
        for group in groups_of(self._store, key):
            self._wake(group)
        if troubles:
            raise troubles[0]
        return min((d for d in dues if d is not None), default=None)

    # What is known of a workload's other releases

    def _is_attempt(self, record: Record, newer: str) -> bool:
        other = self._store.record(record.metadata.namespace, newer)
        return other is not None and other.known.number == record.known.number

    async def _mark_gone(self, key: Key, newest: Record) -> None:
        """That the workload is gone, from which retention counts, and that it came back."""
        there, marked = self._store.there(key), newest.known.gone_since is not None
        if newest.finished and there is marked:
            said = None if there else ("NotFound", f"{key[1]} {key[2]} is gone")
            await self._marker.mark(newest, "WorkloadGone", said, self._now())

    def _forget(self, key: Key, history: Sequence[Record]) -> None:
        """What was kept in memory of releases that are gone."""
        mine = {r.metadata.uid for r in history}
        for uid in self._remembered.get(key, set()) - mine:
            working = self._working.pop(uid, None)
            if working is not None:
                working.actions.cancel()
        if mine:
            self._remembered[key] = mine
        else:
            self._remembered.pop(key, None)

    def _stray(self, key: Key, seen: Seen, policy: Policy | None) -> datetime | None:
        """Let go of a hold that no release waits for; returns when to look again."""
        now = self._now()
        let_go, due = letting_go.stray(
            seen.workload,
            seen.fingerprint.hash,
            [r.known for r in self._store.history(key)],
            policy.spec.hold if policy else None,
            now,
            policy=policy is not None,
            stalled=self.beginner.is_stalled(key),
        )
        if not let_go:
            return due
        mine = self._strays.setdefault(key, Actions())
        action, due = letting_go.let_go_stray(
            seen.workload, seen.fingerprint.hash, mine.outcomes, now
        )
        if action is not None:
            self._actor.begin(mine, [action], lambda: self._wake(key))
        return due

    # Advancing

    async def _advance(
        self, key: Key, seen: Seen | None, record: Record, newer: str | None
    ) -> datetime | None:
        working = self._working.setdefault(record.metadata.uid, _Working())
        view = None if key[1] == GROUP else await self._view(key, seen)
        step = await self._ask_and_advance(key, view, record, working, newer)
        assert record.release is not None
        written = record.release.status or ReleaseStatus()
        record.status = step.status
        looked = step.status.looks[-1].at if step.status.looks else None
        looks = sum(
            1 for x in step.status.looks if not written.looks or x.at > written.looks[-1].at
        )
        # Begun before it is written: a write whose answer was lost may have been taken.
        working.actions.begun.update(a.key for a in step.actions)
        if differs(written, step.status) or (looked and looks >= LOOKS_UNWRITTEN):
            current = await self._write(record, step.status)
            if current is None:
                return self._now() + SOON
            record = current
        assert record.release is not None
        if suspects.wanted(record.release.status or ReleaseStatus(), step.status, working.looked):
            self._wake(key)  # the cause is named; what changed around it comes next
        await self._tell(record, working)
        self._actor.begin(working.actions, step.actions, lambda: self._wake(key))
        if step.status.completed_at is not None:
            await self._verdict_out(key, record, working)
        if step.status.closed_at is not None:
            await self._close(record, working)
            return None
        return step.due or self._now() + timedelta(seconds=30)

    async def _view(self, key: Key, seen: Seen | None) -> View | None:
        async with asyncio.timeout(SYNC_TIMEOUT):
            watch = await self._watches.acquire(key[0], key, key[1])
        return watch.view(seen.workload) if seen else None

    def _holding(self, key: Key, record: Record) -> dict[str, Any]:
        """What hold looks at beside the release: its policy as it stands, and the releases before."""
        seen = self._store.workloads.get(key)
        policy = self._store.policy_of(seen.workload) if seen else None
        known = [r.known for r in self._store.history(key)]
        return {
            "hold_asked": policy is not None and policy.spec.hold is not None,
            "known_good": hold.known_good(record.known.template_hash, record.known.number, known),
            "template_hash": seen.fingerprint.hash if seen else None,
        }

    async def _ask_and_advance(
        self, key: Key, view: View | None, record: Record, working: _Working, newer: str | None
    ) -> Step:
        assert record.release is not None
        status = record.status
        for _ in range(ROUNDS):
            situation = replace(
                self._situation(record, view, working, newer),
                gating=self._store.gating(record, view),
                **self._holding(key, record),
            )
            step = advance(situation, status)
            # The next round sees them begun, and by this process.
            working.actions.begun.update(a.key for a in step.actions)
            if not step.ask:
                written = record.release.status or ReleaseStatus()
                if view is None or not suspects.wanted(written, step.status, working.looked):
                    return step
                named = step.status.rollout.diagnosis
                working.looked = named.cause if named else None
                around = await self._look_around(record, view)
                return advance(replace(situation, around=around), status) if around else step
            samples = await self._asker.ask(step.ask)
            at = self._now()
            working.answers.update({q: Answer(s, at) for q, s in samples.items()})
            status = step.status
        return Step(step.status, due=self._now() + SOON, actions=step.actions)

    async def _look_around(self, record: Record, view: View) -> suspects.Surroundings | None:
        """What changed around a release that fails."""
        workload, latched = view.workload, record.status.rollout.revision_object
        revision = next((r for r in view.revisions if r.name == latched), view.current)
        earlier = [r.known for r in self._store.history(workload.key)]
        return await look_around(
            self._cluster,
            workload.namespace,
            (workload.kind, workload.name),
            nodes={p.node for p in own_pods(view, revision) if p.node},
            rolled_out_at=suspects.went_well(earlier, record.known.number),
        )

    async def _write(self, record: Record, status: ReleaseStatus) -> Record | None:
        """Write the status; None where the Release changed meanwhile and must be looked at again."""
        namespace, name = record.metadata.namespace, record.metadata.name
        self._count_write("Release", "status")
        try:
            body = await self._cluster.patch_status(
                "releases", namespace, name, status.dump(), record.metadata.resource_version
            )
        except Gone:
            self._store.drop("releases", namespace, name)
            return None
        except Conflict:
            fresh = await self._cluster.get("releases", namespace, name)
            if fresh is None:
                self._store.drop("releases", namespace, name)
            else:
                self._store.put("releases", fresh)
            return None
        self._store.put("releases", body)
        return self._store.record(namespace, name)

    async def _tell(self, record: Record, working: _Working) -> None:
        """Every transition that the written status tells of, as an Event, once."""
        assert record.release is not None
        status = record.release.status
        if status is None:
            return
        regarding = {
            "apiVersion": API_VERSION,
            "kind": "Release",
            "namespace": record.metadata.namespace,
            "name": record.metadata.name,
            "uid": record.metadata.uid,
        }
        for a in announcements(record.release.spec, status):
            if a.key in working.told:
                continue
            name = f"{record.metadata.name[:200]}.{short(record.metadata.uid + a.key, 16)}"
            try:
                made = await self._cluster.event(
                    regarding=regarding,
                    name=name,
                    type=a.type,
                    reason=a.reason,
                    message=a.message,
                    action=a.action,
                    at=a.at,
                )
            except (Gone, Refused, Rejected) as error:
                # A namespace that is terminating, a quota: what is to be done does not wait for it.
                logger.warning("%s", error)
                made = False
            if made:
                self._count_write("Event", "create")
            working.told.add(a.key)

    async def _verdict_out(self, key: Key, record: Record, working: _Working) -> None:
        """Keep the verdict's samples and send its trace, once a process: the same again does no harm."""
        release = record.release
        assert release is not None
        status = release.status
        if status is None or status.completed_at is None or working.verdict_out:
            return
        await self._keep(record, working)
        working.verdict_out = True
        if status.verdict:
            logger.info(
                "%s/%s: %s (%s)",
                record.metadata.namespace,
                record.metadata.name,
                status.verdict,
                status.judgement.reason if status.judgement else "",
            )
            self._metrics.releases.labels(verdict=status.verdict).inc()
        if self._exporter is not None and status.verdict:
            # In a task of its own: a dead collector holds no worker; what it does not take is counted.
            sent = self._exporter.export(spans(record.metadata, release))
            working.exporting = asyncio.create_task(self._export(sent, key))

    async def _keep(self, record: Record, working: _Working) -> None:
        """Keep the samples beside the Release; after a kill they are asked again, with the same times."""
        release = record.release
        assert release is not None
        status = release.status
        if status is None or status.verdict is None:
            return
        recorded = None
        for _ in range(ROUNDS):
            situation = self._situation(record, None, working, None)
            recorded, ask = records.gather(situation, status)
            if not ask:
                break
            samples = await self._asker.ask(ask)
            at = self._now()
            working.answers.update({q: Answer(s, at) for q, s in samples.items()})
        if recorded is None:
            return
        spec = records.record(situation, status, recorded)
        meta = record.metadata
        try:
            made = await self._cluster.create_record(meta.namespace, meta.name, meta.uid, spec)
        except (Gone, Refused, Rejected) as error:
            # The kind may not be installed yet: the verdict stands, and nothing waits for ever.
            logger.warning("%s: the samples of %s are not kept", error, meta.name)
            return
        if made:
            self._count_write("ReleaseRecord", "create")

    def _situation(
        self, record: Record, view: View | None, working: _Working, newer: str | None
    ) -> Situation:
        assert record.release is not None
        return Situation(
            name=record.metadata.name,
            namespace=record.metadata.namespace,
            generation=record.metadata.generation,
            spec=record.release.spec,
            view=view,
            now=self._now(),
            uid=record.metadata.uid,
            answers=working.answers,
            superseded_by=newer,
            members=joined(self._store, record),
            disagrees=self._disagrees(record),
            newer_attempt=newer is not None and self._is_attempt(record, newer),
            clocks=self._store.clocks(record.release.spec.plan),
            annotations=record.metadata.annotations,
            outcomes=working.actions.outcomes,
            begun=frozenset(working.actions.begun),
        )

    def _disagrees(self, record: Record) -> str | None:
        assert record.release is not None
        terms = record.release.spec.plan.promotion
        return disagreement(self._store, record) if terms and terms.with_group else None

    async def _export(self, sent: Awaitable[object], key: Key) -> None:
        await sent
        self._wake(key)

    async def _close(self, record: Record, working: _Working) -> None:
        """The label that says that everything is out, once the trace is."""
        working.actions.cancel()
        if working.exporting is not None and not working.exporting.done():
            return  # its end wakes us
        namespace, name = record.metadata.namespace, record.metadata.name
        self._count_write("Release", "label")
        try:
            body = await self._cluster.label("releases", namespace, name, {FINISHED_LABEL: "true"})
        except Gone:
            self._store.drop("releases", namespace, name)
        else:
            self._store.put("releases", body)
        self._working.pop(record.metadata.uid, None)
        # What ended it may be gone already, or be gone later with nothing in the cluster changing.
        self._wake((namespace, record.known.kind, record.known.workload))

    def _count_active(self) -> None:
        self._metrics.active_releases.set(self._store.active)

    def _count_write(self, kind: str, verb: str) -> None:
        self._metrics.api_writes.labels(kind=kind, verb=verb).inc()


T = TypeVar("T")


async def _apart(doing: Awaitable[T], troubles: list[Exception]) -> T | None:
    """What fails for one of a workload's releases keeps back none of the others."""
    try:
        return await doing
    except (Unreachable, TimeoutError):
        raise  # the others would meet it too
    except Exception as error:
        troubles.append(error)
        return None
