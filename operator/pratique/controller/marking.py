"""A condition set beside what a finished Release says: its verdict and everything else stay.

Not here: the conditions of a release that is still followed, which are derived (lifecycle/phase).
"""

from __future__ import annotations

from datetime import datetime

from ..cluster.client import Cluster
from ..cluster.errors import Gone
from ..telemetry.metrics import Metrics
from .store import Record, Store


class Marker:
    """Sets and takes away single conditions."""

    def __init__(self, *, store: Store, cluster: Cluster, metrics: Metrics) -> None:
        self._store = store
        self._cluster = cluster
        self._metrics = metrics

    async def mark(
        self, record: Record, type_: str, said: tuple[str, str] | None, now: datetime
    ) -> None:
        """Set the condition to True with (reason, message); None takes it away."""
        namespace, name = record.metadata.namespace, record.metadata.name
        body = await self._cluster.get("releases", namespace, name)
        if body is None:
            self._store.drop("releases", namespace, name)
            return
        self._store.put("releases", body)
        status = dict(body.get("status") or {})
        before = status.get("conditions", [])
        conditions = [c for c in before if c["type"] != type_]
        if said is not None:
            reason, message = said
            conditions.append(
                {
                    "type": type_,
                    "status": "True",
                    "reason": reason,
                    "message": message,
                    "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "observedGeneration": body["metadata"].get("generation"),
                }
            )
        elif len(conditions) == len(before):
            return
        status["conditions"] = conditions
        self._metrics.api_writes.labels(kind="Release", verb="status").inc()
        version = body["metadata"]["resourceVersion"]
        try:
            written = await self._cluster.patch_status("releases", namespace, name, status, version)
        except Gone:
            self._store.drop("releases", namespace, name)
        else:
            self._store.put("releases", written)
