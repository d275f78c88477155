"""Writing each policy's status: the workloads it judges, and what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..cluster.client import Cluster
from ..cluster.errors import Gone
from ..lifecycle.planning import trouble
from ..lifecycle.policies import Policy, misplaced
from ..lifecycle.summary import Judged, summarize
from ..lifecycle.view import Workload
from ..resources import conditions
from ..telemetry.metrics import Metrics
from .beginning import Beginner
from .clock import Key
from .store import Store

MANY, EACH = 500, timedelta(microseconds=100)
"""A policy that speaks of more workloads than that rests for so long for each of them: every one of them
wakes it, and each time it looks at all."""


class PolicyWriter:
    """Writes a policy's status when it changed."""

    def __init__(
        self, *, store: Store, cluster: Cluster, beginner: Beginner, metrics: Metrics
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._beginner = beginner
        self._metrics = metrics
        self._rests: dict[Key, datetime] = {}
        """Until when."""

    async def step(self, key: Key) -> datetime | None:
        """Look at one policy; returns when to look again, if it has not looked now."""
        namespace, _, name = key
        policy = self._store.policies.get((namespace, name))
        if policy is None:
            self._rests.pop(key, None)
            await self._refused(namespace, name)
            return None
        until = self._rests.pop(key, None)
        if until is not None and datetime.now(UTC) < until:
            self._rests[key] = until
            return until
        judged, shadowed = [], []
        for workload in self._store.speaks_of(policy):
            if self._store.policy_of(workload) is policy:
                history = self._store.history(workload.key)
                newest = history[-1] if history else None
                judged.append(
                    Judged(
                        workload,
                        newest.known if newest else None,
                        newest.generation if newest else 0,
                    )
                )
            elif not policy.spec.require:
                shadowed.append(self._shadowed(policy, workload))
        looked_at = len(judged) + len(shadowed)
        if looked_at > MANY:
            self._rests[key] = datetime.now(UTC) + EACH * looked_at
        before = self._store.policy_status.get((namespace, name))
        status = summarize(
            policy,
            before,
            judged,
            shadowed=shadowed,
            problem=misplaced(policy, self._store.library_namespace)
            or self._beginner.problem_of((namespace, name))
            or trouble(policy, self._store.library, [j.workload.name for j in judged]),
            now=datetime.now(UTC).replace(microsecond=0),
        )
        if status != before:
            await self._write(namespace, name, status.dump())
            self._store.policy_status[(namespace, name)] = status
        return None

    def _shadowed(self, policy: Policy, workload: Workload) -> str:
        other = self._store.policy_of(workload)
        name, whose = workload.name, other.name if other else ""
        if workload.namespace != policy.namespace:
            name = f"{workload.namespace}/{name}"
        if other and other.namespace != policy.namespace:
            whose = f"{other.namespace}/{whose}"
        return f"{workload.kind} {name} (by {whose})"

    async def _refused(self, namespace: str, name: str) -> None:
        """A document that the models do not take, though the API server did: say so in its status."""
        problem = self._store.refused.get((namespace, name))
        if problem is None:
            return
        body = await self._cluster.get("releasepolicies", namespace, name)
        if body is None:
            return
        wanted = conditions.merge(
            [],
            [
                ("Ready", "Unknown", "Stalled", "the policy cannot be applied as it stands"),
                ("Stalled", "True", "Invalid", problem),
                ("Promotable", "Unknown", "Stalled", "nothing is judged by it as it stands"),
            ],
            generation=body["metadata"].get("generation", 0),
            now=datetime.now(UTC).replace(microsecond=0),
        )
        old = (body.get("status") or {}).get("conditions", [])
        if [(c["type"], c.get("message")) for c in old] != [(c.type, c.message) for c in wanted]:
            await self._write(
                namespace,
                name,
                {
                    "observedGeneration": body["metadata"].get("generation", 0),
                    "conditions": [c.dump() for c in wanted],
                },
            )

    async def _write(self, namespace: str, name: str, status: dict[str, object]) -> None:
        self._metrics.api_writes.labels(kind="ReleasePolicy", verb="status").inc()
        try:
            await self._cluster.patch_status("releasepolicies", namespace, name, status, None)
        except Gone:
            self._store.drop("releasepolicies", namespace, name)
