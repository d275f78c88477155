"""What the store finds by namespace is what a search through everything would find, and nothing is left over."""

from __future__ import annotations

from typing import Any

import pytest

from pratique.controller.store import Store
from pratique.lifecycle.policies import choose, matches, required
from pratique.resources.release import FINISHED_LABEL
from unit.lifecycle.builders import plan, release_spec, template

LIBRARY = "pratique-system"
CREATED = "2026-03-02T12:00:00Z"


class World:
    def __init__(self) -> None:
        self.store = Store(LIBRARY)
        self.version = 0

    def put(
        self,
        plural: str,
        namespace: str,
        name: str,
        labels: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.version += 1
        meta = {
            "name": name,
            "namespace": namespace,
            "uid": f"{plural}-{namespace}-{name}",
            "generation": 1,
            "resourceVersion": str(self.version),
            "creationTimestamp": CREATED,
            "labels": labels or {},
        }
        self.store.put(plural, {"metadata": meta, **more})

    def release(self, name: str, number: int, *, finished: bool = False) -> None:
        spec = release_spec(plan(), number=number).dump()
        labels = {FINISHED_LABEL: "true"} if finished else {}
        self.put("releases", "shop", name, labels, spec=spec)

    def check(self) -> None:
        """Everything as a search through everything has it."""
        s, policies = self.store, list(self.store.policies.values())
        for seen in s.workloads.values():
            workload = seen.workload
            judging = choose(workload, policies, s.namespaces)
            assert s.policy_of(workload) is judging
            if judging is not None:
                assert s.required_of(workload, judging) == required(
                    workload, judging, policies, s.namespaces
                )
        for policy in policies:
            matched = {
                x.workload.key
                for x in s.workloads.values()
                if matches(policy, x.workload, s.namespaces)
            }
            assert {w.key for w in s.speaks_of(policy)} == matched
        for namespace in ("", *s.namespaces):
            assert {w.key for w in s.workloads_in(namespace)} == {
                k for k in s.workloads if k[0] == namespace
            }
        assert s.active == sum(not r.finished for h in s.releases.values() for r in h.values())


ANY = {"matchExpressions": [{"key": "judged", "operator": "DoesNotExist"}]}
WIDE = {"namespaceSelector": {"matchLabels": {"team": "a"}}, "selector": ANY}
OWN = {"targetRefs": [{"kind": "Deployment", "name": "cart"}]}


@pytest.fixture
def world() -> World:
    made = World()
    for name, team in (("shop", "a"), ("bank", "b"), (LIBRARY, "c")):
        made.put("namespaces", "", name, {"team": team})
        for workload in ("cart", "web"):
            made.put("deployments", name, workload, spec={"replicas": 1, "template": template()})
        made.put("releasepolicies", name, "own", spec=OWN)
    made.put("releasepolicies", LIBRARY, "wide", spec=WIDE)
    made.put("releasepolicies", LIBRARY, "everybody", spec={**WIDE, "require": True})
    made.put("releasepolicies", "bank", "misplaced", spec=WIDE)
    return made


def test_what_is_found_by_namespace_is_all_there_is(world: World) -> None:
    world.check()
    judged = {
        key[0] + "/" + key[2]: policy.name
        for key, seen in world.store.workloads.items()
        if (policy := world.store.policy_of(seen.workload))
    }
    assert judged["shop/cart"] == "own"
    assert judged["shop/web"] in ("wide", "everybody")
    assert "bank/web" not in judged


def test_it_stays_so_whatever_changes(world: World) -> None:
    world.put("namespaces", "", "bank", {"team": "a"})
    world.check()
    world.put("releasepolicies", LIBRARY, "wide", spec=OWN)  # speaks of one namespace from now on
    world.check()
    world.put("releasepolicies", "shop", "own", spec={"selector": {"matchLabels": {"x": "y"}}})
    world.check()
    world.store.drop("deployments", "shop", "cart")
    world.check()
    for namespace, name in world.store.names("releasepolicies"):
        world.store.drop("releasepolicies", namespace, name)
        world.check()


def test_releases_that_are_followed_are_counted(world: World) -> None:
    world.release("cart-1", 1)
    world.release("cart-2", 2)
    world.check()
    assert world.store.active == 2
    world.release("cart-1", 1, finished=True)
    assert world.store.active == 1
    world.store.drop("releases", "shop", "cart-2")
    assert world.store.active == 0
    world.check()


def test_an_older_body_than_the_one_that_is_known_is_none(world: World) -> None:
    world.version = 0
    world.put("releasepolicies", "shop", "own", spec={"selector": {"matchLabels": {"old": "one"}}})
    spec = world.store.policies[("shop", "own")].spec
    assert spec.target_refs is not None


def test_nothing_is_left_of_what_is_gone(world: World) -> None:
    world.release("cart-1", 1)
    world.store.drop("releases", "shop", "cart-1")
    for plural in ("deployments", "releasepolicies", "namespaces"):
        for namespace, name in world.store.names(plural):
            world.store.drop(plural, namespace, name)
    left = {k: v for k, v in vars(world.store).items() if k != "library_namespace" and v}
    assert left == {}
