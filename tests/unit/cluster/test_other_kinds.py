"""StatefulSets, DaemonSets and their ControllerRevisions, as a real API server 1.36 gave them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pratique.cluster.workloads import (
    ADAPTERS,
    controller_revision,
    daemon_set,
    pod,
    stateful_set,
)
from pratique.lifecycle.noticing import fingerprint

Read = Callable[[str], dict[str, Any]]


def test_a_complete_stateful_set(body: Read) -> None:
    seen = stateful_set(body("statefulset-complete"))
    assert seen.key == ("shop", "StatefulSet", "cart")
    assert (seen.generation, seen.observed_generation) == (1, 1)
    assert (seen.desired, seen.updated, seen.available, seen.total) == (3, 3, 3, 3)
    assert (seen.revision_object, seen.partition) == ("cart-d56649c57", None)
    assert (seen.paused, seen.on_delete, seen.kept_back, seen.deleting) == (False,) * 4
    assert seen.rolled_out_since is None, "nothing in it says since when"
    assert seen.labels == {"team": "shop"}
    assert seen.progress_deadline == 600 + 3 * 60


def test_with_a_partition_only_pods_at_or_above_it_are_wanted(body: Read) -> None:
    seen = stateful_set(body("statefulset-partition"))
    assert (seen.partition, seen.desired, seen.updated, seen.total) == (2, 1, 1, 3)
    assert seen.revision_object == "half-589448d58c"


@pytest.mark.parametrize(
    ("partition", "start", "wanted"),
    [(0, 0, 3), (2, 0, 1), (3, 0, 0), (2_147_483_647, 0, 0), (5, 5, 3), (6, 5, 2), (2, 5, 3)],
)
def test_ordinals_may_begin_elsewhere(body: Read, partition: int, start: int, wanted: int) -> None:
    given = body("statefulset-partition")
    given["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = partition
    given["spec"]["ordinals"] = {"start": start}
    seen = stateful_set(given)
    assert seen.desired == wanted
    assert seen.partition == (partition if wanted < 3 else None)
    assert seen.kept_back == (wanted == 0)


def test_a_partition_keeps_nothing_back_where_there_is_one_version_only(body: Read) -> None:
    given = body("statefulset-complete")
    given["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 2
    assert (stateful_set(given).partition, stateful_set(given).desired) == (None, 3)
    given["metadata"]["generation"] += 1  # a new template that is not observed yet, perhaps
    assert (stateful_set(given).partition, stateful_set(given).desired) == (2, 1)


def test_on_delete_waits_for_people_as_long_as_they_may_take(body: Read) -> None:
    for read, name in ((stateful_set, "statefulset"), (daemon_set, "daemonset")):
        seen = read(body(f"{name}-on-delete"))
        assert seen.on_delete
        assert (seen.desired, seen.updated, seen.available) == (3, 0, 3)
        assert seen.progress_deadline == 86_400


def test_on_delete_knows_no_partition(body: Read) -> None:
    given = body("statefulset-on-delete")
    given["spec"]["updateStrategy"]["rollingUpdate"] = {"partition": 2}
    assert (stateful_set(given).partition, stateful_set(given).desired) == (None, 3)


def test_scaled_to_zero(body: Read) -> None:
    seen = stateful_set(body("statefulset-zero"))
    assert (seen.desired, seen.updated, seen.available, seen.total) == (0, 0, 0, 0)
    assert not seen.kept_back


def test_a_complete_daemon_set(body: Read) -> None:
    seen = daemon_set(body("daemonset-complete"))
    assert seen.key == ("shop", "DaemonSet", "cart")
    assert (seen.desired, seen.updated, seen.available, seen.total) == (3, 3, 3, 3)
    assert (seen.revision, seen.revision_object) == ("1", None)


def test_a_daemon_set_that_no_node_takes(body: Read) -> None:
    assert daemon_set(body("daemonset-zero")).desired == 0


def test_just_created_without_a_status(body: Read) -> None:
    for read, name in ((stateful_set, "statefulset"), (daemon_set, "daemonset")):
        fresh = body(f"{name}-complete")
        del fresh["status"]
        seen = read(fresh)
        assert (seen.observed_generation, seen.updated, seen.available) == (0, 0, 0)
        assert seen.revision_object is None


def test_a_rollback_takes_the_old_revision_again_with_a_higher_number(body: Read) -> None:
    read = [controller_revision(r) for r in body("controllerrevisions")["items"]]
    undone = stateful_set(body("statefulset-undone"))
    mine = {r.name: r for r in read if r.pod_hash == r.name}
    assert undone.revision_object is not None
    old, newer = mine[undone.revision_object], mine["cart-5c87485d76"]
    assert (old.number, newer.number) == (3, 2)
    assert old.created is not None
    assert newer.created is not None
    assert old.created < newer.created


def test_pods_carry_what_their_revision_says(body: Read) -> None:
    read = {r.pod_hash for r in map(controller_revision, body("controllerrevisions")["items"])}
    assert pod(body("pod-of-statefulset")).revision in read
    assert pod(body("pod-of-daemonset")).revision in read
    assert pod(body("pod-of-statefulset")).ordinal == 0


@pytest.mark.parametrize("name", ["statefulset-undone", "daemonset-undone"])
def test_a_revision_holds_the_very_template_of_its_workload(body: Read, name: str) -> None:
    wanted = fingerprint(body(name)["spec"]["template"]).hash
    kind = body(name)["kind"]
    held = {
        controller_revision(r).template_hash: r["revision"]
        for r in body("controllerrevisions")["items"]
        if r["metadata"]["ownerReferences"][0]["kind"] == kind
    }
    assert held[wanted] == 3


def test_where_each_kind_is_found() -> None:
    assert {a.plural for a in ADAPTERS.values()} == {"deployments", "statefulsets", "daemonsets"}
    assert [a.kind for a in ADAPTERS.values() if a.owns_pods] == ["StatefulSet", "DaemonSet"]
