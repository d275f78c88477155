"""Bodies as a real API server 1.36 gave them (managedFields left out), read as the reducers' view."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pratique.cluster.workloads import ADAPTERS, controller, deployment, pod, replica_set

Read = Callable[[str], dict[str, Any]]


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{clock}").replace(tzinfo=UTC)


def test_a_complete_rollout(body: Read) -> None:
    seen = deployment(body("complete"))
    assert seen.key == ("shop", "Deployment", "cart")
    assert seen.uid == body("complete")["metadata"]["uid"]
    assert (seen.generation, seen.observed_generation, seen.revision) == (1, 1, "1")
    assert (seen.desired, seen.updated, seen.available, seen.total) == (3, 3, 3, 3)
    assert seen.rolled_out_since == at("22:22:17")
    assert seen.labels == {"team": "shop"}
    assert seen.template["spec"]["containers"][0]["image"] == "cart:1"
    assert seen.progress_deadline == 4.0
    assert (seen.paused, seen.deleting) == (False, False)
    assert (seen.progress_failed, seen.replica_failure) == (None, None)


def test_scaling_does_not_make_a_rollout_younger(body: Read) -> None:
    scaled = deployment(body("complete-scaled"))
    assert scaled.desired == scaled.available == 5
    assert scaled.rolled_out_since == deployment(body("complete")).rolled_out_since


def test_while_it_scales_up_a_rollout_stays_complete(body: Read) -> None:
    scaling = body("complete-scaled")
    scaling["status"] |= {"availableReplicas": 3, "readyReplicas": 3, "unavailableReplicas": 2}
    assert deployment(scaling).rolled_out_since == at("22:22:17")


def test_a_rollout_in_progress(body: Read) -> None:
    seen = deployment(body("in-progress"))
    assert (seen.desired, seen.updated, seen.available, seen.total) == (3, 1, 3, 4)
    assert seen.revision == "2"
    assert seen.rolled_out_since is None


def test_an_edit_not_yet_observed_is_no_complete_rollout(body: Read) -> None:
    edited = body("complete")
    edited["metadata"]["generation"] += 1
    assert deployment(edited).rolled_out_since is None


def test_a_paused_one_with_a_new_template_has_no_pod_of_it(body: Read) -> None:
    seen = deployment(body("paused"))
    assert seen.paused
    assert (seen.updated, seen.total, seen.revision) == (0, 3, "1")
    assert seen.observed_generation == seen.generation
    assert seen.rolled_out_since is None


def test_an_exceeded_deadline_in_kubernetes_words(body: Read) -> None:
    seen = deployment(body("deadline-exceeded"))
    assert seen.progress_failed == 'ReplicaSet "missing-57f944dfdf" has timed out progressing.'
    assert seen.replica_failure is None
    assert seen.rolled_out_since is None


def test_a_quota_that_is_used_up(body: Read) -> None:
    seen = deployment(body("quota"))
    assert seen.replica_failure is not None
    assert "exceeded quota: q" in seen.replica_failure
    assert (seen.updated, seen.available, seen.total) == (0, 0, 0)
    assert seen.progress_failed is None


def test_a_replica_set_that_cannot_be_made(body: Read) -> None:
    refused = body("in-progress")
    refused["status"]["conditions"][1] |= {
        "status": "False",
        "reason": "ReplicaSetCreateError",
        "message": "Failed to create new replica set: denied",
    }
    seen = deployment(refused)
    assert seen.replica_failure == "Failed to create new replica set: denied"
    assert seen.progress_failed is None


def test_no_deadline(body: Read) -> None:
    endless = body("complete")
    endless["spec"]["progressDeadlineSeconds"] = 2_147_483_647
    assert deployment(endless).progress_deadline is None


def test_just_created_without_a_status(body: Read) -> None:
    fresh = body("complete")
    fresh["status"] = {}
    del fresh["metadata"]["annotations"]
    seen = deployment(fresh)
    assert (seen.observed_generation, seen.updated, seen.available, seen.total) == (0, 0, 0, 0)
    assert seen.revision is None


def test_scaled_to_zero_is_not_one(body: Read) -> None:
    empty = body("complete")
    empty["spec"]["replicas"] = 0
    assert deployment(empty).desired == 0


def test_going(body: Read) -> None:
    going = body("complete")
    going["metadata"]["deletionTimestamp"] = "2026-11-23T22:30:00Z"
    assert deployment(going).deleting


def test_a_ready_pod(body: Read) -> None:
    seen = pod(body("pod-ready"))
    assert (seen.ready, seen.phase, seen.deleting) == (True, "Running", False)
    assert seen.ready_since == at("22:22:17")
    assert seen.revision == "6d9c4fcdd4"
    assert seen.unschedulable is None
    [app] = seen.containers
    assert (app.name, app.image, app.restarts) == ("app", "cart:1", 0)
    assert (app.waiting, app.terminated, app.oom_killed) == (None, None, False)


def test_a_missing_image(body: Read) -> None:
    seen = pod(body("pod-image-missing"))
    assert not seen.ready
    assert seen.containers[0].image == "missing:nope"
    assert seen.containers[0].waiting == ("ImagePullBackOff", "Back-off pulling image")


def test_a_crash_loop_keeps_the_last_words(body: Read) -> None:
    [app] = pod(body("pod-crash-loop")).containers
    assert app.restarts == 4
    assert app.waiting is not None
    assert app.waiting[0] == "CrashLoopBackOff"
    assert app.terminated == ("Error", 1, "DATABASE_URL is not set")
    assert not app.oom_killed


def test_killed_for_want_of_memory_and_running_again(body: Read) -> None:
    [app] = pod(body("pod-oom")).containers
    assert app.oom_killed
    assert app.waiting is None
    assert app.terminated == ("OOMKilled", 137, "")


def test_the_current_end_is_told_before_the_last_one(body: Read) -> None:
    ended = body("pod-oom")
    state = {"terminated": {"exitCode": 2, "reason": "Error", "message": "now"}}
    ended["status"]["containerStatuses"][0]["state"] = state
    [app] = pod(ended).containers
    assert app.terminated == ("Error", 2, "now")
    assert app.oom_killed


def test_no_room(body: Read) -> None:
    seen = pod(body("pod-unschedulable"))
    assert seen.phase == "Pending"
    assert seen.unschedulable is not None
    assert "Insufficient cpu" in seen.unschedulable
    assert seen.unschedulable_since is not None
    assert seen.ready_since is None
    assert [c.name for c in seen.containers] == ["app"]


def test_scheduling_gates_are_no_want_of_room(body: Read) -> None:
    gated = body("pod-unschedulable")
    gated["status"]["conditions"][0]["reason"] = "SchedulingGated"
    assert pod(gated).unschedulable is None


def test_init_containers_are_told_apart(body: Read) -> None:
    both = body("pod-ready")
    both["spec"]["initContainers"] = [{"name": "migrate", "image": "migrate:1"}]
    both["status"]["initContainerStatuses"] = [
        {"name": "migrate", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    ]
    migrate, app = pod(both).containers
    assert (migrate.name, migrate.init, migrate.restarts) == ("migrate", True, 2)
    assert migrate.waiting == ("CrashLoopBackOff", "")
    assert not app.init


@pytest.mark.parametrize("gone", ["status", "spec"])
def test_a_pod_that_says_little_is_read_all_the_same(body: Read, gone: str) -> None:
    little = body("pod-ready")
    del little[gone]
    assert pod(little).name == little["metadata"]["name"]


def test_revisions_and_their_owner(body: Read) -> None:
    sets = body("replicasets")["items"]
    read = {r.number: r for r in map(replica_set, sets)}
    assert sorted(read) == [1, 2]
    assert read[2].pod_hash == "57f944dfdf"
    assert read[2].name == "missing-57f944dfdf"
    assert (read[1].desired, read[2].desired) == (3, 1)
    owner = controller(sets[0])
    assert owner is not None
    assert (owner.kind, owner.name) == ("Deployment", "missing")


def test_an_owner_that_does_not_control_is_none(body: Read) -> None:
    adopted = copy.deepcopy(body("pod-ready"))
    adopted["metadata"]["ownerReferences"][0]["controller"] = False
    assert controller(adopted) is None
    del adopted["metadata"]["ownerReferences"]
    assert controller(adopted) is None


def test_every_adapter_says_where_its_kind_is_found() -> None:
    assert ADAPTERS["Deployment"].plural == "deployments"
    assert ADAPTERS["Deployment"].revisions == "replicasets"
    assert all(kind == adapter.kind for kind, adapter in ADAPTERS.items())
