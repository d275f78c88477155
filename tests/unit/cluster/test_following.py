"""Watches under everything that breaks them: what is seen afterwards, and what was asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.cluster import following
from pratique.cluster.client import Cluster
from pratique.cluster.following import pause_after
from pratique.cluster.watching import NamespaceWatch, Watches
from pratique.cluster.workloads import deployment
from unit.cluster.scripted import Script, failure, page, stream

KEY = ("shop", "Deployment", "cart")
Read = Callable[[str], dict[str, Any]]


def owned(kind: str, name: str, uid: str) -> list[dict[str, Any]]:
    return [{"controller": True, "kind": kind, "name": name, "uid": uid}]


def replica_set(number: int = 1, version: str = "1") -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"cart-{number}",
            "uid": f"rs-{number}",
            "resourceVersion": version,
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "labels": {"pod-template-hash": f"hash{number}"},
            "ownerReferences": owned("Deployment", "cart", "dep"),
        },
        "spec": {"replicas": 1},
    }


def a_pod(name: str, *, ready: bool = True, version: str = "1", rs: int = 1) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": version,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"pod-template-hash": f"hash{rs}"},
            "ownerReferences": owned("ReplicaSet", f"cart-{rs}", f"rs-{rs}"),
        },
        "spec": {"containers": [{"name": "app", "image": "cart:1"}]},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def event(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": body}


def bookmark(version: str) -> dict[str, Any]:
    return event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": version}})


TOO_OLD = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


class Seen:
    """The changes told, and a way to wait for what they should lead to."""

    def __init__(self, watch: NamespaceWatch, told: list[Any], workload: Any) -> None:
        self.watch, self.told, self._workload = watch, told, workload

    def pods(self) -> dict[str, bool]:
        return {p.name: p.ready for p in self.watch.view(self._workload).pods}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  (what is awaited is a view, not a moment)
                await asyncio.sleep(0.005)


@pytest.fixture
async def seen(
    cluster: Cluster, body: Read, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Seen]:
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.01)
    told: list[Any] = []
    watch = NamespaceWatch(cluster, "shop", told.append)
    shown = body("complete")
    shown["metadata"]["uid"] = "dep"
    yield Seen(watch, told, deployment(shown))
    await watch.stop()


async def test_pods_come_change_and_go(script: Script, seen: Seen) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a"), version="7"))
    script.on(
        "WATCH pods",
        stream(
            event("ADDED", a_pod("b", ready=False, version="8")),
            event("MODIFIED", a_pod("b", version="9")),
            event("DELETED", a_pod("a", version="10")),
        ),
    )
    await seen.watch.start()
    await seen.until(lambda: seen.pods() == {"b": True})
    assert set(seen.told) == {KEY}
    assert script.requests("WATCH pods")[0].url.params["resourceVersion"] == "7"
    assert seen.watch.restarts == 0
    assert seen.watch.problem is None


async def test_the_list_is_read_page_by_page(script: Script, seen: Seen) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a"), go_on="token"), page(a_pod("b"), version="12"))
    await seen.watch.start()
    assert seen.pods() == {"a": True, "b": True}
    first, second = script.requests("LIST pods")
    assert first.url.params["limit"] == "500"
    assert second.url.params["continue"] == "token"
    await seen.until(lambda: bool(script.requests("WATCH pods")))
    assert script.requests("WATCH pods")[0].url.params["resourceVersion"] == "12"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda: stream(TOO_OLD), id="410 within the stream"),
        pytest.param(lambda: failure(410, "Expired", "too old"), id="410 instead of a stream"),
        pytest.param(lambda: failure(500, "InternalError"), id="500"),
        pytest.param(lambda: failure(403, "Forbidden"), id="403"),
        pytest.param(lambda: httpx2.Response(502, text="<html>"), id="a proxy's page"),
        pytest.param(lambda: stream('{"type": "ADDED", "obj'), id="half a line"),
        pytest.param(lambda: stream({"type": "ADDED", "object": {}}), id="no metadata"),
        pytest.param(lambda: stream(then=httpx2.ReadError("reset")), id="connection reset"),
        pytest.param(lambda: stream(then=httpx2.ReadTimeout("silent")), id="silence"),
        pytest.param(lambda: httpx2.ConnectError("refused"), id="refused"),
    ],
)
async def test_whatever_breaks_it_lists_again_and_finds_what_vanished(
    script: Script, seen: Seen, broken: Callable[[], Any]
) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a"), a_pod("b")), page(a_pod("b"), version="20"))
    script.on("WATCH pods", broken())
    await seen.watch.start()
    await seen.until(lambda: seen.pods() == {"b": True})
    await seen.until(lambda: len(script.requests("WATCH pods")) == 2)
    assert script.requests("WATCH pods")[1].url.params["resourceVersion"] == "20"
    assert seen.watch.restarts == 1
    assert seen.watch.problem is None
    assert seen.told.count(KEY) >= 4  # the ReplicaSet, a, b; then a's going


async def test_an_orderly_end_goes_on_from_the_last_bookmark(script: Script, seen: Seen) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a"), version="7"))
    script.on("WATCH pods", stream(event("ADDED", a_pod("b", version="8")), bookmark("99")))
    await seen.watch.start()
    await seen.until(lambda: len(script.requests("WATCH pods")) == 2)
    assert script.requests("WATCH pods")[1].url.params["resourceVersion"] == "99"
    assert all(r.url.params["allowWatchBookmarks"] == "true" for r in script.requests("WATCH pods"))
    assert len(script.requests("LIST pods")) == 1
    assert seen.watch.restarts == 0
    assert seen.pods() == {"a": True, "b": True}


async def test_streams_that_end_at_once_do_not_make_it_spin(
    script: Script, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.1)
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page())
    script.on("WATCH pods", *(stream() for _ in range(100)))
    await seen.watch.start()
    await asyncio.sleep(0.5)
    assert 2 <= len(script.requests("WATCH pods")) <= 5


async def test_while_the_list_fails_it_says_why_and_start_waits(
    script: Script, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.2)
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", failure(403, "Forbidden", "pods is forbidden"), page(a_pod("a")))
    starting = asyncio.create_task(seen.watch.start())
    await seen.until(lambda: "forbidden" in (seen.watch.problem or ""))
    assert seen.watch.problem == "listing pods in shop: pods is forbidden"
    assert not starting.done()
    await asyncio.wait_for(starting, 5)
    assert seen.watch.problem is None
    assert seen.pods() == {"a": True}


async def test_what_is_not_kept_is_no_change(script: Script, seen: Seen) -> None:
    same = a_pod("a", version="8")
    same["metadata"]["annotations"] = {"beat": "1"}
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a")))
    script.on("WATCH pods", stream(event("MODIFIED", same), bookmark("9")))
    await seen.watch.start()
    told = len(seen.told)
    await seen.until(lambda: len(script.requests("WATCH pods")) == 2)
    assert len(seen.told) == told


async def test_a_pod_seen_before_its_replica_set(script: Script, seen: Seen) -> None:
    script.on("LIST replicasets", page())
    script.on("LIST pods", page(a_pod("a")))
    await seen.watch.start()
    assert (seen.told, seen.pods()) == ([], {})
    # The silent stream cannot send more, so a second watch brings the ReplicaSet.
    await seen.watch.stop()
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a")))
    await seen.watch.start()
    await seen.until(lambda: seen.told == [KEY])
    assert seen.pods() == {"a": True}


async def test_pods_of_other_owners_are_not_kept(script: Script, seen: Seen) -> None:
    job, bare, stranger = a_pod("job"), a_pod("bare"), a_pod("stranger")
    job["metadata"]["ownerReferences"] = owned("Job", "j", "job-1")
    del bare["metadata"]["ownerReferences"]
    stranger["metadata"]["ownerReferences"] = owned("ReplicaSet", "other", "rs-other")
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(job, bare, stranger, a_pod("a")))
    await seen.watch.start()
    assert seen.pods() == {"a": True}


async def test_two_versions_are_told_apart(script: Script, seen: Seen, body: Read) -> None:
    script.on("LIST replicasets", page(replica_set(2), replica_set(1)))
    script.on("LIST pods", page(a_pod("new", rs=2), a_pod("old", rs=1)))
    await seen.watch.start()
    shown = body("complete")
    shown["metadata"]["uid"] = "dep"
    view = seen.watch.view(deployment(shown))
    assert [r.number for r in view.revisions] == [1, 2]
    assert view.current is not None
    assert view.current.pod_hash == "hash2"
    assert {p.name: p.revision for p in view.pods} == {"new": "hash2", "old": "hash1"}


async def test_a_workload_made_anew_does_not_inherit_pods(
    script: Script, seen: Seen, body: Read
) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a")))
    await seen.watch.start()
    anew = seen.watch.view(deployment(body("complete")))  # same name, another UID
    assert (anew.pods, anew.revisions) == ((), ())


async def test_a_callback_that_fails_does_not_end_the_watch(
    script: Script, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("no")

    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a")))
    watch = NamespaceWatch(cluster, "shop", fail)
    await asyncio.wait_for(watch.start(), 5)
    assert watch.restarts == 0
    assert "was lost" in caplog.text
    await watch.stop()


async def test_a_namespace_is_watched_from_its_first_holder_to_its_last(
    script: Script, cluster: Cluster
) -> None:
    script.on("LIST replicasets", page(replica_set()))
    script.on("LIST pods", page(a_pod("a")))
    watches = Watches(cluster, lambda _: None)
    one, other = await asyncio.gather(watches.acquire("shop", "a"), watches.acquire("shop", "b"))
    assert one is other is watches.get("shop")
    assert len(script.requests("LIST pods")) == 1
    await watches.release("shop", "a")
    await watches.release("shop", "a")
    assert watches.get("shop") is one
    await watches.release("shop", "b")
    await watches.release("shop", "b")
    assert watches.get("shop") is None
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("watch ")]


async def test_who_gives_up_waiting_holds_nothing(script: Script, cluster: Cluster) -> None:
    script.on("LIST replicasets", failure(503, "Unavailable", "starting"))
    script.on("LIST pods", page())
    watches = Watches(cluster, lambda _: None)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await watches.acquire("shop", "a")
    assert watches.get("shop") is None
    assert watches.restarts == 1
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("watch ")]


async def test_closing_ends_every_watch(script: Script, cluster: Cluster) -> None:
    script.on("LIST replicasets", page(), page())
    script.on("LIST pods", page(), page())
    watches = Watches(cluster, lambda _: None)
    await watches.acquire("shop", "a")
    await watches.acquire("pay", "a")
    assert watches.problems == {}
    await watches.close()
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("watch ")]


@given(st.integers(min_value=0, max_value=10_000))
def test_pauses_grow_to_a_limit_and_never_vanish(failures: int) -> None:
    pause = pause_after(failures)
    assert following.FIRST_PAUSE / 2 <= pause <= following.LONGEST_PAUSE
    assert pause <= following.FIRST_PAUSE * 2.0 ** min(failures, 16)


def test_pauses_are_not_all_alike() -> None:
    assert len({pause_after(3) for _ in itertools.repeat(None, 10)}) > 1
