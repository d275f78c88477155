"""What the adapter asks of the API server, and what it makes of odd answers."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from pratique.cluster import errors
from pratique.cluster.client import Cluster
from unit.cluster.scripted import Script, failure, page

RELEASE = {"metadata": {"name": "cart-1", "namespace": "shop", "resourceVersion": "8"}}


def ok(body: Any) -> httpx2.Response:
    return httpx2.Response(200, json=body)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failure(400, "BadRequest"), errors.Rejected),
        (failure(401, "Unauthorized"), errors.Refused),
        (failure(403, "Forbidden"), errors.Refused),
        (failure(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}]), errors.Gone),
        (failure(404, "NotFound"), errors.Gone),
        (failure(409, "Conflict"), errors.Conflict),
        (failure(422, "Invalid"), errors.Rejected),
        (failure(429, "TooManyRequests", retryAfterSeconds=3), errors.Unreachable),
        (failure(500, "InternalError"), errors.Unreachable),
        (httpx2.Response(502, text="bad gateway"), errors.Unreachable),
        (httpx2.Response(404, text="page not found"), errors.Gone),
        (httpx2.Response(503, json={"error": "no healthy upstream"}), errors.Unreachable),
        (httpx2.Response(503, json=["no healthy upstream"]), errors.Unreachable),
        (httpx2.Response(503), errors.Unreachable),
        (httpx2.Response(200, text="<html>sign in</html>"), errors.Unreachable),
        (httpx2.ConnectError("refused"), errors.Unreachable),
        (httpx2.ReadTimeout("slow"), errors.Unreachable),
        (httpx2.RemoteProtocolError("closed"), errors.Unreachable),
    ],
)
async def test_errors_are_told_apart_by_what_can_be_done(
    script: Script, cluster: Cluster, answer: Any, kind: type[Exception]
) -> None:
    script.on("PATCH releases", answer)
    with pytest.raises(kind) as caught:
        await cluster.patch_status("releases", "shop", "cart-1", {"phase": "X"}, "7")
    assert type(caught.value) is kind
    assert str(caught.value).startswith("writing the status of releases shop/cart-1: ")
    assert "the-token" not in str(caught.value)
    if "retryAfterSeconds" in getattr(answer, "text", ""):
        assert caught.value.retry_after == 3.0  # type: ignore[attr-defined]


async def test_a_status_is_replaced_at_the_version_read(script: Script, cluster: Cluster) -> None:
    script.on("PATCH releases", ok(RELEASE))
    await cluster.patch_status("releases", "shop", "cart-1", {"phase": "X"}, "7")
    [request] = script.requests("PATCH releases")
    assert request.url.path.endswith("/namespaces/shop/releases/cart-1/status")
    assert request.url.params["fieldManager"] == "pratique"
    assert request.headers["Content-Type"] == "application/json-patch+json"
    assert request.headers["Authorization"] == "Bearer the-token"
    assert json.loads(request.content) == [
        {"op": "add", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/status", "value": {"phase": "X"}},
    ]


async def test_quota_conflicts_are_not_taken_for_existence(
    script: Script, cluster: Cluster
) -> None:
    script.on("POST events", failure(409, "Conflict", "quota is being changed"))
    with pytest.raises(errors.Conflict):
        await cluster.event(**an_event())


@pytest.mark.parametrize(
    "answer", [ok({"kind": "Status"}), failure(404, "NotFound"), failure(409, "Conflict")]
)
async def test_just_the_object_that_was_meant_is_deleted(
    script: Script, cluster: Cluster, answer: httpx2.Response
) -> None:
    script.on("DELETE analyses", answer)
    await cluster.delete("analyses", "shop", "ci-1", "uid-1")  # gone, or another, is as good
    [request] = script.requests("DELETE analyses")
    assert request.url.path.endswith("/namespaces/shop/analyses/ci-1")
    assert json.loads(request.content)["preconditions"] == {"uid": "uid-1"}


async def test_an_annotation_is_set_or_taken_away_beside_the_others(
    script: Script, cluster: Cluster
) -> None:
    script.on("PATCH releases", ok(RELEASE), ok(RELEASE))
    await cluster.annotate("releases", "shop", "cart-1", {"pratique.sh/re-evaluate": "now"})
    await cluster.annotate("releases", "shop", "cart-1", {"pratique.sh/re-evaluate": None})
    sent = [json.loads(r.content)["metadata"] for r in script.requests("PATCH releases")]
    assert sent == [
        {"annotations": {"pratique.sh/re-evaluate": "now"}},
        {"annotations": {"pratique.sh/re-evaluate": None}},
    ]


async def test_a_deletion_that_is_refused_is_told(script: Script, cluster: Cluster) -> None:
    script.on("DELETE analyses", failure(403, "Forbidden"))
    with pytest.raises(errors.Refused, match="deleting analyses shop/ci-1"):
        await cluster.delete("analyses", "shop", "ci-1", "uid-1")


async def test_long_messages_are_cut_between_characters(script: Script, cluster: Cluster) -> None:
    script.on("POST events", ok({}), ok({}))
    assert await cluster.event(**an_event(message="é" * 600))
    assert await cluster.event(**an_event(message="x" * 1024))
    cut, whole = (json.loads(r.content)["note"] for r in script.requests("POST events"))
    assert len(cut.encode()) <= 1024
    assert cut == "é" * 510 + "…"
    assert whole == "x" * 1024


async def test_items_of_a_list_say_their_kind(script: Script, cluster: Cluster) -> None:
    script.on("LIST releases", page(RELEASE, go_on="t"), page(RELEASE))
    found = [r async for r in cluster.list("releases", labels="a=b,!c")]
    assert [(r["apiVersion"], r["kind"]) for r in found] == [
        ("pratique.sh/v1alpha1", "Release")
    ] * 2
    first = script.requests("LIST releases")[0]
    assert first.url.path == "/apis/pratique.sh/v1alpha1/releases"
    assert first.url.params["labelSelector"] == "a=b,!c"
    assert first.url.params["limit"] == "500"


async def test_a_secret_that_is_no_text_is_not_shown(script: Script, cluster: Cluster) -> None:
    script.on("GET secrets", ok({"data": {"k": base64.b64encode(b"\xff\xfehidden").decode()}}))
    with pytest.raises(errors.Rejected, match="'k' is not text") as caught:
        await cluster.secret_value("shop", "prometheus", "k")
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (ok({"data": {"k": base64.b64encode(b"s3cret\n").decode()}}), "s3cret\n"),
        (ok({"data": {}}), None),
        (ok({}), None),
        (failure(404, "NotFound"), None),
    ],
)
async def test_secret_values(
    script: Script, cluster: Cluster, answer: Any, value: str | None
) -> None:
    script.on("GET secrets", answer)
    assert await cluster.secret_value("shop", "prometheus", "k") == value


async def test_a_secret_that_may_not_be_read_is_said(script: Script, cluster: Cluster) -> None:
    script.on("GET secrets", failure(403, "Forbidden", 'secrets "prometheus" is forbidden'))
    with pytest.raises(errors.Refused, match="reading secret shop/prometheus"):
        await cluster.secret_value("shop", "prometheus", "k")


def test_a_kubeconfig_that_is_missing_is_said() -> None:
    with pytest.raises(errors.Refused, match="not found"):
        Cluster.connect("/nowhere/kubeconfig")


def an_event(message: str = "m") -> dict[str, Any]:
    return {
        "regarding": {
            "apiVersion": "pratique.sh/v1alpha1",
            "kind": "Release",
            "namespace": "shop",
            "name": "cart-1",
            "uid": "u",
        },
        "name": "cart-1.promotable",
        "type": "Normal",
        "reason": "AllObjectivesMet",
        "message": message,
        "action": "Judge",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    }
