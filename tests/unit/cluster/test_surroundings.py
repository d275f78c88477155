"""What stands around a workload, read once: how little is asked for, and what if it may not be read."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from pratique.cluster import surroundings
from pratique.cluster.client import Cluster
from pratique.cluster.surroundings import look_around, thing
from pratique.lifecycle.suspects import Thing
from unit.cluster.scripted import Script, failure, page
from unit.lifecycle.builders import T0, at

TIME = "2026-03-02T12:00:00Z"
WORKLOAD = ("Deployment", "cart")


def meta(name: str, *edits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": "2026-03-02T11:00:00Z",
            "managedFields": list(edits),
            **more,
        }
    }


def edit(manager: str, time: str = TIME, **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": time, **more}


def test_the_last_edit_counts_and_the_status_does_not() -> None:
    body = meta(
        "n",
        edit("old", "2026-03-02T11:30:00Z"),
        edit("kubectl-edit"),
        edit("kubelet", "2026-03-02T12:30:00Z", subresource="status"),
    )
    assert thing("Node", body) == Thing("Node", "n", "kubectl-edit", T0)
    assert thing("Node", meta("n")) == Thing("Node", "n", "", at(-3600))


@pytest.mark.parametrize(
    ("kind", "spec", "selector", "target"),
    [
        ("NetworkPolicy", {}, {}, None),
        ("NetworkPolicy", {"podSelector": {"matchLabels": {"a": "b"}}}, {"matchLabels": {"a": "b"}}, None),
        ("Service", {"selector": {"a": "b"}}, {"matchLabels": {"a": "b"}}, None),
        ("Service", {}, None, None),
        ("PodDisruptionBudget", {"selector": {"matchLabels": {"a": "b"}}}, {"matchLabels": {"a": "b"}}, None),
        ("PodDisruptionBudget", {}, None, None),
        ("HorizontalPodAutoscaler", {"scaleTargetRef": {"kind": "Deployment", "name": "cart"}}, None, WORKLOAD),
    ],
)  # fmt: skip
def test_whom_an_object_concerns(kind: str, spec: Any, selector: Any, target: Any) -> None:
    found = thing(kind, {**meta("x"), "spec": spec})
    assert (found.selector, found.target) == (selector, target)


def test_a_lock_is_busy() -> None:
    assert thing("ConfigMap", meta("x", annotations={surroundings.LEADER: "{}"})).busy


@pytest.fixture
def deployed(script: Script) -> Script:
    spec = {
        "containers": [
            {
                "name": "c",
                "envFrom": [{"secretRef": {"name": "db"}}, {"configMapRef": {"name": "s"}}],
            }
        ]
    }
    body = {"metadata": {"name": "cart"}, "spec": {"template": {"spec": spec}}}
    script.on("GET deployments", httpx2.Response(200, json=body))
    for plural in ("services", "poddisruptionbudgets", "horizontalpodautoscalers"):
        script.on(f"LIST {plural}", page())
    return script


async def around(cluster: Cluster, **more: Any) -> Any:
    given: dict[str, Any] = {"nodes": {"n1"}, "rolled_out_at": at(-9), **more}
    return await look_around(cluster, "shop", WORKLOAD, **given)


async def test_metadata_alone_of_what_holds_data(deployed: Script, cluster: Cluster) -> None:
    deployed.on("LIST configmaps", page(meta("a", edit("helm")), go_on="more"), page(meta("b")))
    deployed.on("LIST networkpolicies", page({**meta("deny"), "spec": {"podSelector": {}}}))
    deployed.on("GET secrets", httpx2.Response(200, json=meta("db", edit("vault"))))
    deployed.on("GET nodes", httpx2.Response(200, json=meta("n1")))
    found = await around(cluster)
    assert {(t.kind, t.name) for t in found.things} == {
        ("ConfigMap", "a"),
        ("ConfigMap", "b"),
        ("NetworkPolicy", "deny"),
        ("Secret", "db"),
        ("Node", "n1"),
    }
    assert found.unread == ()
    assert found.whole == {"ConfigMap"}
    assert found.rolled_out_at == at(-9)
    for what in ("LIST configmaps", "GET secrets", "GET nodes"):
        for request in deployed.requests(what):
            assert "as=PartialObjectMetadata" in request.headers["Accept"]
            assert "watch" not in request.url.params
    assert deployed.requests("LIST configmaps")[1].url.params["continue"] == "more"
    [asked] = deployed.requests("GET secrets")
    assert asked.url.path == "/api/v1/namespaces/shop/secrets/db"
    assert deployed.requests("GET nodes")[0].url.path == "/api/v1/nodes/n1"


async def test_what_may_not_be_read_is_left_out_and_named(
    deployed: Script, cluster: Cluster
) -> None:
    deployed.on("LIST configmaps", failure(403, "Forbidden"))
    deployed.on("LIST networkpolicies", failure(500, "InternalError"))
    deployed.on("GET secrets", failure(403, "Forbidden"))
    deployed.on("GET nodes", failure(404, "NotFound"))
    found = await around(cluster)
    assert found.things == ()
    assert found.unread == ("ConfigMap", "NetworkPolicy", "Secret")
    assert found.whole == frozenset()


async def test_a_workload_that_went_has_no_surroundings(script: Script, cluster: Cluster) -> None:
    script.on("GET deployments", failure(404, "NotFound"))
    assert await around(cluster) is None
    script.on("GET deployments", failure(503, "Unavailable"))
    assert await around(cluster) is None
