"""Where a Release begins: a new version is noticed, a plan is made, a record is created once.

Here too: further attempts, and what of a policy keeps a release from beginning. Not here: what becomes of a
release (``reconcile``), and every decision (``lifecycle/noticing``, ``planning``, ``attempts``).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ..cluster.client import Cluster
from ..cluster.errors import Gone, Refused, Rejected
from ..cluster.watching import Watches
from ..lifecycle.attempts import Again
from ..lifecycle.baselines import find_baselines, past_of
from ..lifecycle.noticing import Begin, Ignored, Rebase, notice, promoted_from, release_name
from ..lifecycle.planning import Unresolved, resolve
from ..lifecycle.policies import Policy
from ..lifecycle.rollout import rolled_out_since
from ..resources.release import IgnoredChange, ReleaseSpec, WorkloadRef
from ..telemetry.metrics import Metrics
from .asking import Asker
from .attempting import Attempter
from .clock import Key
from .store import Name, Record, Seen, Store

logger = logging.getLogger(__name__)

SYNC_TIMEOUT = 30.0
"""Seconds that listing a namespace's pods may take before the step is put off."""
REFUSED = timedelta(minutes=1)
"""After which a Release is tried again that the API server did not take."""


class Beginner:
    """Begins releases. One instance an operator."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        watches: Watches,
        asker: Asker,
        metrics: Metrics,
        wake: Callable[[Key], None],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._watches = watches
        self._metrics = metrics
        self._wake = wake
        self._now = now
        self._attempter = Attempter(store=store, cluster=cluster, asker=asker, now=now)
        self._problems: dict[Key, tuple[frozenset[Name], str]] = {}
        """Workloads for which no plan can be made: by which policies, field and mend."""

    def problem_of(self, policy: Name) -> str | None:
        """Why a policy cannot be turned into a plan, for the first of its workloads."""
        found = [(key, text) for key, (whose, text) in self._problems.items() if policy in whose]
        return min(found)[1] if found else None

    def is_stalled(self, key: Key) -> bool:
        """Whether no plan can be made for the workload."""
        return key in self._problems

    def forget(self, key: Key) -> None:
        """No policy speaks of the workload any more."""
        self._problems.pop(key, None)

    async def notice(self, key: Key, seen: Seen, policy: Policy) -> datetime | None:
        """Begin a release where one is due; returns when to try again what could not begin."""
        records = self._store.history(key)
        known = [r.known for r in records]
        now = self._now()
        window = policy.spec.analysis.window
        workload = seen.workload
        if not (known or workload.held or workload.rolled_out_since) and workload.desired > 0:
            workload = replace(workload, rolled_out_since=await self._rolled_out_since(key, seen))
        decision = notice(
            workload,
            seen.fingerprint,
            known,
            window=window,
            now=now,
            causes=policy.spec.causes,
        )
        if decision is None:
            self._problems.pop(key, None)
        elif isinstance(decision, Rebase):
            await self._rebase(records[-1], {"templateHash": seen.fingerprint.hash})
        elif isinstance(decision, Ignored):
            change = IgnoredChange(
                cause=decision.cause,
                at=now,
                generation=workload.generation,
                parts=seen.fingerprint.parts,
            )
            logger.info("%s/%s: %s of %s %s is ignored", key[0], decision.release, decision.cause,
                        *key[1:])  # fmt: skip
            known_as = {"templateHash": seen.fingerprint.hash, "ignored": change.dump()}
            await self._rebase(records[-1], known_as)
        else:
            return await self._begin(key, seen, policy, decision, now)
        return None

    async def _rolled_out_since(self, key: Key, seen: Seen) -> datetime | None:
        """What only the pods of some kinds can tell; asked once in a workload's life."""
        if seen.workload.kind == "Deployment":
            return None
        async with asyncio.timeout(SYNC_TIMEOUT):
            watch = await self._watches.acquire(key[0], key, key[1])
        return rolled_out_since(watch.view(seen.workload), self._now())

    async def _begin(
        self,
        key: Key,
        seen: Seen,
        policy: Policy,
        decision: Begin,
        now: datetime,
        again: Again | None = None,
    ) -> datetime | None:
        history = [r.known for r in self._store.history(key)]
        known = [k for k in history if k.number < decision.number]
        attempts = [k for k in history if k.number == decision.number]
        required = self._store.required_of(seen.workload, policy)
        try:
            plan = resolve(
                policy,
                self._store.library,
                progress_deadline=seen.workload.progress_deadline,
                baselines=find_baselines(
                    policy,
                    seen.workload,
                    known,
                    now=now,
                    rolled_out=attempts[0].noticed_at if attempts else None,
                ),
                old_pods=past_of(known[-1]) if known else None,
                workload=seen.workload.name,
                required=required,
            )
        except Unresolved as problem:
            self._problems.pop(key, None)
            if not problem.waiting:
                whose = [policy, *(p for p in required if p.name in problem.field)]
                self._problems[key] = (frozenset(p.key for p in whose), str(problem))
                for other in whose[1:]:
                    self._wake((other.namespace, "ReleasePolicy", other.name))
            return None
        self._problems.pop(key, None)
        workload, found = seen.workload, seen.fingerprint
        spec = ReleaseSpec(
            workload=WorkloadRef(
                kind=workload.kind,
                name=workload.name,
                uid=workload.uid,
            ),
            number=decision.number,
            attempt=again.attempt if again else None,
            attempt_of=again.said if again else None,
            template_hash=found.hash,
            generation=workload.generation,
            cause=decision.cause,
            rollback_to=decision.rollback_to,
            previous=decision.previous,
            purpose=decision.purpose,
            images=list(found.images),
            digests_before=list(decision.digests_before),
            version=found.version,
            parts=found.parts,
            promoted_from=promoted_from(workload, found.images),
            noticed_at=now,
            plan=plan,
        )
        attempt = again.attempt if again else 1
        name = release_name(workload.kind, workload.name, decision.number, attempt)
        try:
            await self._create(key, spec, name)
        except (Refused, Rejected) as error:
            # A quota, say: whoever waits for this release must not wait for ever, nor unseen.
            logger.warning("%s %s/%s: %s", key[1], key[0], key[2], error)
            said = f"the release {name} of {key[1]} {key[2]} could not be made: {error}"
            self._problems[key] = (frozenset([policy.key]), said[:1024])
            return now + REFUSED
        return None

    async def begin(self, key: Key, spec: ReleaseSpec) -> None:
        """Create the Release that somebody else decided upon."""
        name = release_name(spec.workload.kind, spec.workload.name, spec.number)
        await self._create(key, spec, name)

    async def _create(self, key: Key, spec: ReleaseSpec, name: str) -> None:
        namespace = key[0]
        for candidate in (name, f"{name}-{short(f'{key}', 6)}"):
            try:
                body = await self._cluster.create_release(
                    namespace, candidate, spec, {"pratique.sh/workload-kind": spec.workload.kind}
                )
            except Gone:  # the namespace is terminating: what runs in it goes too
                return
            if body is None:  # there already: ours from before a kill, or another workload's
                body = await self._cluster.get("releases", namespace, candidate)
            else:
                self._metrics.api_writes.labels(kind="Release", verb="create").inc()
                logger.info(
                    "%s/%s: release %d of %s %s begins (%s)",
                    namespace, candidate, spec.number, *key[1:], spec.cause,
                )  # fmt: skip
            if body is not None:
                self._store.put("releases", body)
                owner = body["spec"]["workload"]
                if (owner["kind"], owner["name"]) == key[1:]:
                    return

    async def _rebase(self, record: Record, known_as: Mapping[str, object]) -> None:
        """The newest release speaks for today's template too, as it is no new version, or is ignored."""
        body = await self._cluster.get("releases", record.metadata.namespace, record.metadata.name)
        if body is not None:
            status = {**(body.get("status") or {}), **known_as}
            self._metrics.api_writes.labels(kind="Release", verb="status").inc()
            written = await self._cluster.patch_status(
                "releases",
                record.metadata.namespace,
                record.metadata.name,
                status,
                body["metadata"]["resourceVersion"],
            )
            self._store.put("releases", written)

    async def again(self, key: Key, seen: Seen | None, policy: Policy | None) -> datetime | None:
        """Begin a further attempt, if something calls for one; else when to look again."""
        again, due = await self._attempter.consider(key, seen, judged=policy is not None)
        if again is None:
            return due
        assert seen is not None
        assert policy is not None
        of = again.of
        decision = Begin(of.number, of.cause, of.rollback_to, of.previous, "Judge")
        return await self._begin(key, seen, policy, decision, self._now(), again)


def short(text: str, length: int) -> str:
    """So many hex digits of the text's hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]
