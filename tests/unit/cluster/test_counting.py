"""Requests are told by the names that RBAC uses."""

from __future__ import annotations

import httpx2
import pytest

from pratique.cluster.counting import Counting, asked


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/api/v1/namespaces/shop/pods", ("list", "pods")),
        ("GET", "/api/v1/namespaces/shop/pods?watch=true", ("watch", "pods")),
        ("GET", "/api/v1/namespaces/shop/secrets/token", ("get", "secrets")),
        ("GET", "/api/v1/namespaces", ("list", "namespaces")),
        ("GET", "/api/v1/namespaces/shop", ("get", "namespaces")),
        ("GET", "/apis/apps/v1/deployments?limit=500", ("list", "deployments")),
        (
            "PATCH",
            "/apis/pratique.sh/v1alpha1/namespaces/shop/releases/cart-1/status",
            ("patch", "releases/status"),
        ),
        ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events", ("create", "events")),
        ("DELETE", "/apis/batch/v1/namespaces/shop/jobs/x", ("delete", "jobs")),
    ],
)
def test_a_request_is_told_by_verb_and_resource(
    method: str, path: str, told: tuple[str, str]
) -> None:
    assert asked(method, httpx2.URL(f"https://api{path}")) == told


async def test_every_request_is_told_before_it_is_sent() -> None:
    told = []
    answers = httpx2.MockTransport(lambda request: httpx2.Response(200, json={"n": len(told)}))
    counting = Counting(answers, lambda verb, resource: told.append((verb, resource)))
    async with httpx2.AsyncClient(transport=counting, base_url="https://api") as client:
        assert (await client.get("/api/v1/namespaces/shop/pods/a")).json() == {"n": 1}
    assert told == [("get", "pods")]
