"""A policy's status: written when it changed, and by a policy of very many workloads not at every turn."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pratique.controller.policies import MANY, PolicyWriter
from pratique.controller.store import Store
from pratique.telemetry.metrics import Metrics
from unit.lifecycle.builders import LIBRARY, NAMESPACE, template

KEY = (NAMESPACE, "ReleasePolicy", "all")


class World:
    def __init__(self, workloads: int) -> None:
        self.store = Store(LIBRARY)
        self.written: list[dict[str, Any]] = []
        self.writer = PolicyWriter(
            store=self.store,
            cluster=self,  # type: ignore[arg-type]
            beginner=SimpleNamespace(problem_of=lambda name: None),  # type: ignore[arg-type]
            metrics=Metrics(),
        )
        selector = {"matchExpressions": [{"key": "judged", "operator": "DoesNotExist"}]}
        self.put("releasepolicies", "all", {"selector": selector})
        for number in range(workloads):
            self.add(f"cart-{number}")

    def add(self, name: str) -> None:
        self.put("deployments", name, {"replicas": 1, "template": template()})

    def put(self, plural: str, name: str, spec: dict[str, Any]) -> None:
        meta = {"name": name, "namespace": NAMESPACE, "uid": name, "generation": 1}
        created = {"creationTimestamp": "2026-03-02T12:00:00Z"}
        self.store.put(plural, {"metadata": {**meta, **created}, "spec": spec})

    async def patch_status(
        self, plural: str, namespace: str, name: str, status: dict[str, Any], version: None
    ) -> None:
        self.written.append(status)


@pytest.mark.parametrize("many", [False, True])
async def test_of_very_many_workloads_it_rests_between_two_looks(many: bool) -> None:
    world = World(MANY + 1 if many else 3)
    assert await world.writer.step(KEY) is None
    world.add("late")
    due = await world.writer.step(KEY)
    assert len(world.written) == (1 if many else 2)
    if many:
        assert due is not None
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
        assert await world.writer.step(KEY) is None
        assert len(world.written) == 2
    counts = [status["total"] for status in world.written]
    assert counts[1] == counts[0] + 1
