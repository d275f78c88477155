"""Events about pods and what makes them: what is kept, what it wakes, and that it is a help, not a need."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pratique.cluster import following, noting
from pratique.cluster.client import Cluster
from pratique.cluster.noting import note
from pratique.cluster.watching import NamespaceWatch
from pratique.cluster.workloads import deployment
from pratique.lifecycle.view import Note
from unit.cluster.scripted import Script, failure, page, stream
from unit.cluster.test_following import KEY, Read, Seen, a_pod, event, replica_set


def told(
    name: str, *, about: str = "uid-a", kind: str = "Pod", at: int = 0, **more: Any
) -> dict[str, Any]:
    """An Event as the API server gives it."""
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "5",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "type": "Warning",
        "reason": "Unhealthy",
        "note": "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "regarding": {
            "kind": kind,
            "name": "cart" if kind == "Deployment" else "a",
            "uid": about,
            "fieldPath": "spec.containers{app}",
        },
        "deprecatedLastTimestamp": f"2026-01-01T00:00:{at:02}Z",
        "deprecatedCount": 4,
        **more,
    }


@pytest.fixture
async def seen(cluster: Cluster, body: Read, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.01)
    changes: list[Any] = []
    watch = NamespaceWatch(cluster, "shop", changes.append)
    shown = body("complete")
    shown["metadata"]["uid"] = "dep"
    found = Seen(watch, changes, deployment(shown))
    yield found
    await watch.stop()


def notes(seen: Seen) -> list[str]:
    return [n.reason for n in seen.watch.view(seen._workload).notes]


def test_an_event_of_today_and_one_of_an_older_reporter() -> None:
    assert note(told("e", at=7)) == Note(
        kind="Pod",
        name="a",
        reason="Unhealthy",
        message="Readiness probe failed: HTTP probe failed with statuscode: 503",
        at=datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC),
        count=4,
        container="app",
    )
    newer = told("e", series={"count": 9, "lastObservedTime": "2026-01-01T00:01:00.000000Z"})
    assert (note(newer).count, note(newer).at.minute) == (9, 1)
    bare = {"metadata": {"creationTimestamp": "2026-01-01T00:00:03Z"}, "eventTime": None}
    assert note(bare) == Note("", "", "", "", datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC))


async def test_an_event_about_a_pod_its_maker_or_its_workload_wakes_the_workload(
    script: Script, seen: Seen
) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a")))
    script.on(
        "WATCH events",
        stream(
            event("ADDED", told("e1", reason="One", at=1)),
            event("ADDED", told("e2", about="rs-1", kind="ReplicaSet", reason="Two", at=2)),
            event("ADDED", told("e3", about="dep", kind="Deployment", reason="Three", at=3)),
            event("ADDED", told("e4", about="uid-stranger", reason="No")),
            event("ADDED", told("e5", about="x", kind="Node", reason="No")),
        ),
    )
    await seen.watch.start()
    await seen.until(lambda: notes(seen) == ["One", "Two", "Three"])
    assert seen.told.count(KEY) == 5  # ReplicaSet, pod, three Events
    asked = script.requests("WATCH events")[0].url.params["fieldSelector"]
    assert "reason!=Scheduled" in asked.split(",")
    assert script.requests("LIST events")[0].url.params["fieldSelector"] == asked


async def test_of_one_object_and_of_all_only_so_many_are_kept(
    script: Script, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "MOST_OF_ONE", 2)
    monkeypatch.setattr(noting, "MOST", 3)
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a"), a_pod("b")))
    events = [told(f"a{n}", reason=f"A{n}", at=n) for n in (3, 1, 2)]
    events += [told(f"b{n}", about="uid-b", reason=f"B{n}", at=10 + n) for n in (1, 2)]
    script.on("LIST events", page(*events))
    await seen.watch.start()
    assert notes(seen) == ["A2", "B1", "B2"]


async def test_where_events_cannot_be_read_the_view_is_whole_without_them(
    script: Script, seen: Seen
) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a")))
    script.on("LIST events", *(failure(403, "Forbidden", "events is forbidden") for _ in range(50)))
    await seen.watch.start()
    assert seen.pods() == {"a": True}
    assert "events is forbidden" in (seen.watch.problem or "")
