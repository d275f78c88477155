"""Marks on a workload's body, and the patches that take them off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pratique.cluster import holding

VERSION = {"op": "add", "path": "/metadata/resourceVersion", "value": "7"}
MARK = "/metadata/annotations/pratique.sh~1held"
KEPT = "/metadata/annotations/pratique.sh~1held-partition"


def body(spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    named = {f"pratique.sh/{k.replace('_', '-')}": v for k, v in annotations.items()}
    metadata: dict[str, Any] = {"resourceVersion": "7", "name": "web", "namespace": "shop"}
    return {"metadata": {**metadata, **({"annotations": named} if named else {})}, "spec": spec}


def stateful(partition: int, **annotations: str) -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    return body({"updateStrategy": strategy}, **annotations)


def test_only_a_mark_makes_a_pause_ours() -> None:
    assert holding.held(body({"paused": True}, held="true"))
    assert not holding.held(body({"paused": True}))
    assert not holding.held(body({}, held="true"))
    assert holding.held(stateful(2_147_483_647, held="true", held_partition="2"))
    assert not holding.held(stateful(2, held="true", held_partition="2"))
    assert not holding.held(body({"updateStrategy": {"type": "OnDelete"}}, held="true"))


def test_a_deployment_is_let_go_in_one_patch() -> None:
    found = body({"paused": True}, held="true")
    assert holding.let_go(found) == [
        VERSION, {"op": "remove", "path": "/spec/paused"}, {"op": "remove", "path": MARK},
    ]  # fmt: skip
    assert holding.let_go(found, by_others=True) == [
        VERSION,
        {"op": "remove", "path": "/spec/paused"},
        {"op": "add", "path": MARK, "value": "let-go"},
    ]
    assert holding.let_go(body({"paused": True})) is None


def test_a_mark_left_over_goes_alone() -> None:
    assert holding.let_go(body({}, held="let-go")) == [VERSION, {"op": "remove", "path": MARK}]


def test_a_stateful_set_gets_its_own_partition_back() -> None:
    for kept, own in (("2", 2), ("0", 0), ("nonsense", 0), ("99999999999", 2_147_483_647)):
        found = stateful(2_147_483_647, held="true", held_partition=kept)
        assert holding.own_partition(found) == own
        patch = holding.let_go(found)
        assert patch is not None
        path = "/spec/updateStrategy/rollingUpdate/partition"
        assert patch[1] == {"op": "replace", "path": path, "value": own}
        assert {p["path"] for p in patch[2:]} == {MARK, KEPT}
    assert holding.own_partition(stateful(3)) == 3
    assert holding.own_partition(body({"updateStrategy": {"type": "OnDelete"}})) == 0


def test_a_deployment_is_paused_on_sight_unless_its_user_did() -> None:
    assert holding.hold(body({"paused": True})) is None
    patch = holding.hold(body({}))
    assert patch is not None
    assert [p["path"] for p in patch] == [
        "/metadata/resourceVersion", "/metadata/annotations", MARK, "/spec/paused",
    ]  # fmt: skip


def test_since_when_is_told_by_who_wrote_the_mark() -> None:
    found = body({"paused": True}, held="true")
    assert holding.since(found) is None
    mine = {"f:metadata": {"f:annotations": {"f:pratique.sh/held": {}}}}
    found["metadata"]["managedFields"] = [
        {"time": "2026-01-01T00:00:00Z", "fieldsV1": mine},
        {"time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:spec": {}}},
    ]
    assert holding.since(found) == datetime(2026, 1, 1, tzinfo=UTC)
