"""Pods, Events and conditions as real kubelets, runtimes, schedulers and controllers write them, and what is
made of them: ``diagnosis/*.yaml``, one row a shape."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique.cluster.noting import note
from pratique.cluster.workloads import deployment
from pratique.cluster.workloads import pod as read_pod
from pratique.lifecycle.causes import BY_NAME
from pratique.lifecycle.diagnosis import diagnose
from pratique.lifecycle.rollout import own_pods
from pratique.lifecycle.view import Revision, View

SHAPES = Path(__file__).parent / "diagnosis"
HASH = "7d4b9c6f5d"
NOW = "2026-11-24T10:01:30Z"
ROWS = [
    pytest.param(row, id=f"{path.stem}: {row['case']}")
    for path in sorted(SHAPES.glob("*.yaml"))
    for row in yaml.safe_load(path.read_text())
]


def a_pod(number: int, shape: dict[str, Any]) -> dict[str, Any]:
    """A whole body: what the row leaves out is as it usually is."""
    shape = dict(shape)
    metadata, spec = shape.pop("metadata", {}), shape.pop("spec", {})
    homeless = shape.pop("unschedulable", None)
    if homeless:
        shape["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": homeless,
                "lastTransitionTime": "2026-11-24T10:00:00Z",
            }
        ]
    return {
        "metadata": {
            "name": f"cart-{HASH}-{'abcdef'[number]}",
            "namespace": "shop",
            "creationTimestamp": "2026-11-24T10:00:00Z",
            "labels": {"app": "cart", "pod-template-hash": HASH},
            **metadata,
        },
        "spec": {
            **({} if homeless else {"nodeName": "node-1"}),
            "containers": [{"name": "app", "image": "registry.example/app:1"}],
            **spec,
        },
        "status": {"phase": "Pending", **shape},
    }


def an_event(row: dict[str, Any], pod: str) -> dict[str, Any]:
    container = row.get("container")
    return {
        "metadata": {"name": "e", "creationTimestamp": "2026-11-24T10:00:30Z"},
        "type": row.get("type", "Warning"),
        "reason": row["reason"],
        "note": row["note"],
        "regarding": {
            "kind": row.get("about", "Pod"),
            "name": row.get("name", pod),
            "uid": "u",
            **({"fieldPath": f"spec.containers{{{container}}}"} if container else {}),
        },
        "deprecatedCount": row.get("count", 1),
        "deprecatedLastTimestamp": row.get("at", "2026-11-24T10:01:00Z"),
    }


def view(row: dict[str, Any]) -> View:
    told = dict(row.get("workload", {}))
    body = {
        "metadata": {"namespace": "shop", "name": "cart", "uid": "w", "generation": 2},
        "spec": {"replicas": 3, "template": {}},
        "status": {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 1, **told},
    }
    bodies = [a_pod(n, shape) for n, shape in enumerate(row.get("pods", []))]
    first = bodies[0]["metadata"]["name"] if bodies else ""
    return View(
        deployment(body),
        tuple(read_pod(b) for b in bodies),
        (Revision(f"cart-{HASH}", 2, HASH),),
        tuple(note(an_event(e, first)) for e in row.get("events", [])),
    )


@pytest.mark.parametrize("row", ROWS)
def test_a_shape_is_told_by_its_cause(row: dict[str, Any]) -> None:
    seen = view(row)
    revision = seen.revisions[0]
    now = datetime.fromisoformat(row.get("now", NOW))
    found = diagnose(seen.workload, own_pods(seen, revision), now, seen.notes, revision.name)
    expected = row["expect"]
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.cause, found.definite) == (expected["cause"], expected["definite"])
    assert found.next
    assert "{" not in found.next.replace("{.spec", "")
    assert expected.get("says", "") in found.message
    assert expected.get("next", "") in found.next
    assert expected.get("container", found.container) == found.container
    assert expected.get("pod", found.pod) == found.pod
    again = diagnose(
        seen.workload, own_pods(seen, revision)[::-1], now, seen.notes[::-1], revision.name
    )
    assert again is not None
    assert again.cause == found.cause


def test_every_cause_has_a_shape() -> None:
    shown = {row.values[0]["expect"]["cause"] for row in ROWS if row.values[0]["expect"]}
    assert shown == set(BY_NAME)
