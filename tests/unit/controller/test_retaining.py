"""Deleting what is kept no longer: a few at a time, not everybody's at once, and what was meant only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pratique.controller.retaining import AT_ONCE, Retainer, key_of
from pratique.controller.store import Record, Store
from pratique.lifecycle.noticing import Known
from pratique.resources.base import ObjectMeta
from pratique.resources.policy import Retention
from pratique.resources.release import ReleaseStatus
from pratique.telemetry.metrics import Metrics
from unit.lifecycle.builders import LIBRARY, NAMESPACE, at, known

KEY = (NAMESPACE, "Deployment", "cart")


class World:
    def __init__(self, releases: int, **retention: Any) -> None:
        self.now = 0.0
        self.deleted: list[tuple[str, str]] = []
        self.store = Store(LIBRARY)
        kept = Retention.model_validate(retention)
        for i in range(1, releases + 1):
            self.add(known(i, ended_at=at(i), retention=kept))
        self.retainer = Retainer(
            store=self.store,
            cluster=self,  # type: ignore[arg-type]
            metrics=Metrics(),
            now=lambda: at(self.now),
        )

    def add(self, one: Known) -> None:
        meta = ObjectMeta(name=one.name, namespace=NAMESPACE, uid=f"uid-{one.name}")
        record = Record(meta, one, 1, True, False, None, ReleaseStatus())
        self.store.releases.setdefault(KEY, {})[one.name] = record
        self.store._owner[(NAMESPACE, one.name)] = KEY

    async def delete(self, plural: str, namespace: str, name: str, uid: str) -> None:
        assert plural == "releases"
        self.deleted.append((name, uid))

    async def run(self) -> None:
        for _ in range(50):
            due = await self.retainer.step(key_of(KEY))
            if due is None:
                return
            assert due > at(self.now)
            assert due <= at(self.now) + timedelta(seconds=2)
            self.now = (due - at(0)).total_seconds()
        raise AssertionError("never done")


async def test_what_is_beyond_the_count_goes_some_at_a_time() -> None:
    world = World(30 + AT_ONCE, count=5)
    assert await world.retainer.step(key_of(KEY)) is not None
    assert world.deleted == [], "not in the very moment"
    await world.run()
    assert [name for name, _ in world.deleted] == [f"cart-{i}" for i in range(1, 46)]
    assert all(uid == f"uid-{name}" for name, uid in world.deleted)
    assert len(world.store.history(KEY)) == 5


async def test_with_nothing_to_delete_it_sleeps() -> None:
    assert await World(3).retainer.step(key_of(KEY)) is None
    assert await World(0).retainer.step(key_of(KEY)) is None


async def test_it_looks_again_when_the_next_one_is_old_enough() -> None:
    world = World(3, age="1h")
    due = await world.retainer.step(key_of(KEY))
    assert due == at(3601)
