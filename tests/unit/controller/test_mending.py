"""Listing while a watch tells of the same objects: what is older, or came and went meanwhile, is no news."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pratique.controller.mending import mend
from pratique.controller.store import Store
from unit.lifecycle.builders import LIBRARY, NAMESPACE, template

Body = dict[str, Any]


def deployment(name: str, version: int, image: str = "1") -> Body:
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "generation": 1,
        },
        "spec": {"replicas": 1, "template": {**template(), "image": image}},
    }


class World:
    """A cluster of Deployments whose LIST takes its time."""

    def __init__(self, *bodies: Body) -> None:
        self.store = Store(LIBRARY)
        self.objects: dict[str, Body] = {}
        self.reads = 0
        for body in bodies:
            self.change(body)
        self.meanwhile: Callable[[], object] = lambda: None

    def change(self, body: Body) -> None:
        """Made or changed, and the watch tells of it."""
        self.objects[body["metadata"]["name"]] = body
        self.store.put("deployments", body)

    def delete(self, name: str) -> None:
        del self.objects[name]
        self.store.drop("deployments", NAMESPACE, name)

    async def list(self, plural: str) -> AsyncIterator[Body]:
        snapshot = list(self.objects.values())
        self.meanwhile()
        for body in snapshot:
            yield body

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        self.reads += 1
        return self.objects.get(name)

    async def mend(self, *, watched: bool = True) -> set[str]:
        """The names of those who are woken."""
        cluster: Any = self
        return {key[2] async for key in mend(cluster, self.store, "deployments", watched=watched)}

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.store.names("deployments")}

    def hash(self, name: str) -> str:
        return self.store.workloads[(NAMESPACE, "Deployment", name)].fingerprint.hash


async def test_a_template_that_changed_during_the_list_is_not_taken_for_a_rollback() -> None:
    world = World(deployment("cart", 5))
    newer = deployment("cart", 9, image="2")
    world.meanwhile = lambda: world.change(newer)
    assert await world.mend() == set()
    other = World(newer)
    assert world.hash("cart") == other.hash("cart")


async def test_a_workload_that_was_made_during_the_list_is_not_forgotten() -> None:
    world = World(deployment("cart", 5))
    world.meanwhile = lambda: world.change(deployment("web", 9))
    assert await world.mend() == set()
    assert world.names == {"cart", "web"}


async def test_a_workload_that_was_made_anew_during_the_list_is_not_forgotten() -> None:
    world = World(deployment("cart", 5), deployment("web", 6))
    del world.objects["web"]
    world.meanwhile = lambda: world.change(deployment("web", 9))
    await world.mend()
    assert world.names == {"cart", "web"}


async def test_a_workload_that_was_deleted_during_the_list_does_not_come_back() -> None:
    world = World(deployment("cart", 5), deployment("web", 6))
    world.meanwhile = lambda: world.delete("web")
    await world.mend()
    assert world.names == {"cart"}


@pytest.mark.parametrize("known", [True, False])
async def test_what_the_watch_missed_is_mended(known: bool) -> None:
    world = World(deployment("cart", 5), deployment("web", 6))
    if known:
        del world.objects["web"]
    else:
        world.store.drop("deployments", NAMESPACE, "web")
    assert await world.mend() == {"web"}
    assert world.names == ({"cart"} if known else {"cart", "web"})


async def test_the_first_list_is_believed_without_a_single_read() -> None:
    world = World(deployment("cart", 5), deployment("web", 6))
    world.store = Store(LIBRARY)
    assert await world.mend(watched=False) == {"cart", "web"}
    assert world.reads == 0
