"""Kopf's handlers: they take an object in and wake whoever it concerns; they decide nothing.

Kopf runs here as it was measured to be light: ``on.event`` only, no storage on objects, no timers, no
daemons, no indexes (docs/decisions/0002-kopf.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from ..cluster.workloads import ADAPTERS
from ..resources.base import GROUP, VERSION
from ..resources.kinds import WATCHED, kind_of
from .clock import Key
from .store import Store


class _NoDiffBase(kopf.DiffBaseStorage):
    """Nothing is ever written on an object to remember how it was."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


class _NoProgress(kopf.ProgressStorage):
    """Nor how far its handlers got."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        return None

    def store(self, **_: Any) -> None:
        pass

    def purge(self, **_: Any) -> None:
        pass

    def touch(self, **_: Any) -> None:
        pass

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def operator_settings() -> kopf.OperatorSettings:
    """Kopf's settings, each with its reason in docs/decisions/0002-kopf.md."""
    settings = kopf.OperatorSettings()
    settings.queueing.idle_timeout = 0.05
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 600
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = [1, 2, 4, 8, 16, 32]
    settings.execution.max_workers = 2
    settings.process.ultimate_exiting_timeout = 25
    settings.persistence.finalizer = f"{GROUP}/finalizer"
    settings.persistence.progress_storage = _NoProgress()
    settings.persistence.diffbase_storage = _NoDiffBase()
    return settings


def registry(store: Store, wake: Callable[[Key], None]) -> kopf.OperatorRegistry:
    """One handler a kind; a fresh registry each time, so that nothing is global."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    def credentials(**given: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**given) or kopf.login_with_kubeconfig(**given)

    def follow(group: str, version: str, plural: str) -> None:
        @kopf.on.event(group, version, plural, registry=made, id=f"follow-{plural}")
        async def taken(event: Any, body: kopf.Body, **_: Any) -> None:
            if event["type"] == "DELETED":
                meta = body["metadata"]
                woken = store.drop(plural, meta.get("namespace") or "", meta["name"])
            else:
                woken = store.put(plural, dict(body))
            for key in woken:
                wake(key)

    follow("", "v1", "namespaces")
    for adapter in ADAPTERS.values():
        follow(adapter.group, adapter.version, adapter.plural)
    for model in WATCHED:
        follow(GROUP, VERSION, kind_of(model).plural)
    return made
