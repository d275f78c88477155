"""What stands around a workload, read once when its release fails: nothing of it is watched.

Metadata alone where that is enough (ConfigMaps, Secrets, Nodes): who changed it and when stands there. Of
NetworkPolicies, Services, PodDisruptionBudgets and HorizontalPodAutoscalers the spec says whom they
concern, so they are read whole; they are few. A Secret is asked for by the name that the pod template
gives, its data never, and only where a Role names it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from datetime import datetime

from ..lifecycle.suspects import Surroundings, Thing, references
from .client import Body, Cluster
from .errors import ClusterError
from .workloads import ADAPTERS

logger = logging.getLogger(__name__)

TIMEOUT = 4.0
"""Seconds for all of it: a failed release is not kept waiting for its suspects."""
MOST_SECRETS = 10
MOST_NODES = 10
LEADER = "control-plane.alpha.kubernetes.io/leader"
_WHOLE = {
    "networkpolicies": "NetworkPolicy",
    "services": "Service",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
}


async def look_around(
    cluster: Cluster,
    namespace: str,
    workload: tuple[str, str],
    *,
    nodes: Iterable[str],
    rolled_out_at: datetime | None,
) -> Surroundings | None:
    """The surroundings of ``workload`` (kind, name); None where it is gone or cannot be read.

    What else cannot be read is left out, and its kind named.
    """
    kind, name = workload
    there = frozenset(nodes)
    try:
        async with asyncio.timeout(TIMEOUT):
            body = await cluster.get(ADAPTERS[kind].plural, namespace, name)
            if body is None:
                return None
            template = body["spec"]["template"]
            secrets = sorted(n for (k, n), _ in references(template) if k == "Secret")
            parts = await asyncio.gather(
                _config_maps(cluster, namespace),
                *(_whole(cluster, plural, namespace) for plural in _WHOLE),
                *(_named(cluster, "secrets", namespace, n) for n in secrets[:MOST_SECRETS]),
                *(_named(cluster, "nodes", None, n) for n in sorted(there)[:MOST_NODES]),
            )
    except (ClusterError, TimeoutError) as error:
        logger.warning(
            "what changed around %s %s/%s is not known: %s", kind, namespace, name, error
        )
        return None
    return Surroundings(
        template=template,
        things=tuple(thing for _, things in parts for thing in things or ()),
        whole=frozenset({"ConfigMap"}) if parts[0][1] is not None else frozenset(),
        unread=tuple(sorted({kind for kind, things in parts if things is None})),
        rolled_out_at=rolled_out_at,
        nodes=there,
    )


Part = tuple[str, list[Thing] | None]
"""A kind, and what was read of it; None where it could not be."""


async def _config_maps(cluster: Cluster, namespace: str) -> Part:
    async def read() -> list[Thing]:
        found = cluster.list_metadata("configmaps", namespace)
        return [thing("ConfigMap", body) async for body in found]

    return "ConfigMap", await _tried(read())


async def _whole(cluster: Cluster, plural: str, namespace: str) -> Part:
    async def read() -> list[Thing]:
        return [thing(_WHOLE[plural], body) async for body in cluster.list(plural, namespace)]

    return _WHOLE[plural], await _tried(read())


async def _named(cluster: Cluster, plural: str, namespace: str | None, name: str) -> Part:
    kind = {"secrets": "Secret", "nodes": "Node"}[plural]

    async def read() -> list[Thing]:
        body = await cluster.get_metadata(plural, namespace, name)
        return [] if body is None else [thing(kind, body)]

    return kind, await _tried(read())


async def _tried(reading: Awaitable[list[Thing]]) -> list[Thing] | None:
    try:
        return await reading
    except ClusterError as error:
        logger.debug("%s", error)
        return None


def thing(kind: str, body: Body) -> Thing:
    """An object as far as suspicion needs it."""
    meta, spec = body["metadata"], body.get("spec") or {}
    manager, at = _last_edit(meta)
    selector = None
    match kind:
        case "NetworkPolicy":
            selector = spec.get("podSelector") or {}
        case "PodDisruptionBudget":
            selector = spec.get("selector")
        case "Service":
            # Without a selector it has endpoints of its own and selects no pod.
            selector = {"matchLabels": spec["selector"]} if spec.get("selector") else None
    scaled = spec.get("scaleTargetRef") or {}
    return Thing(
        kind=kind,
        name=meta["name"],
        manager=manager,
        at=at,
        selector=selector,
        target=(scaled.get("kind", ""), scaled.get("name", "")) if scaled else None,
        busy=LEADER in (meta.get("annotations") or {}),
    )


def _last_edit(meta: Body) -> tuple[str, datetime | None]:
    """Who changed the object last, its status aside, and when."""
    edits = [
        (datetime.fromisoformat(entry["time"]), entry.get("manager", ""))
        for entry in meta.get("managedFields") or ()
        if entry.get("time") and not entry.get("subresource")
    ]
    if edits:
        at, manager = max(edits)
        return manager, at
    created = meta.get("creationTimestamp")
    return "", datetime.fromisoformat(created) if created else None
