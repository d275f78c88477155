"""Why a rollout does not go on, in the pods' own words."""

from __future__ import annotations

import pytest

from pratique.lifecycle.diagnosis import Finding, diagnose
from pratique.lifecycle.view import Container
from unit.lifecycle.builders import at, pod, rolling, waiting, workload


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("ErrImagePull", "ImagePullFailed"),
        ("ImagePullBackOff", "ImagePullFailed"),
        ("ErrImageNeverPull", "ImageMissing"),
        ("InvalidImageName", "ImageNameInvalid"),
        ("RegistryUnavailable", "ImageRegistryUnavailable"),
        ("CreateContainerConfigError", "ContainerCannotStart"),
        ("CreateContainerError", "ContainerCannotStart"),
        ("RunContainerError", "ContainerCannotStart"),
        ("CrashLoopBackOff", "CrashLoop"),
    ],
)
def test_what_a_container_waits_with_names_the_cause(reason: str, cause: str) -> None:
    found = diagnose(rolling(), [pod(containers=waiting(reason, "the kubelet's words"))])
    assert found is not None
    assert (found.cause, found.pod, found.container) == (cause, "cart-abc-p1", "cart")
    assert found.definite is (reason != "RegistryUnavailable")
    if cause != "CrashLoop":
        assert "the kubelet's words" in found.message
    assert ("registry.example/cart:1" in found.message) == cause.startswith("Image")


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "SomethingNew"])
def test_what_is_only_on_its_way_is_no_cause(reason: str) -> None:
    assert diagnose(rolling(), [pod(containers=waiting(reason))]) is None


def test_a_healthy_workload_has_no_cause() -> None:
    assert diagnose(workload(), [pod(ready=10)]) is None


def test_a_crash_tells_restarts_and_the_last_exit() -> None:
    crashed = waiting("CrashLoopBackOff", restarts=4, terminated=("Error", 1, "no config"))
    found = diagnose(rolling(), [pod(containers=crashed)])
    assert found is not None
    assert found.runtime
    assert found.message == (
        "container cart keeps crashing: 4 restarts, last with exit code 1 (Error): no config"
    )


def test_a_crash_for_want_of_memory_is_told_as_such() -> None:
    killed = waiting("CrashLoopBackOff", oom_killed=True, terminated=("OOMKilled", 137, ""))
    found = diagnose(rolling(), [pod(containers=killed)])
    assert found is not None
    assert found.cause == "OOMKilled"


@pytest.mark.parametrize(
    ("ready", "now", "loops"),
    [(None, 100, True), (95, 100, True), (30, 100, False)],
    ids=["not Ready", "Ready for a moment", "Ready for longer"],
)
def test_a_crash_loop_goes_on_while_it_runs_between_two_crashes(
    ready: float | None, now: float, loops: bool
) -> None:
    running = (Container("cart", restarts=3, terminated=("Error", 1, "")),)
    found = diagnose(rolling(), [pod(ready=ready, containers=running)], at(now))
    assert (found is not None and found.cause == "CrashLoop") is loops


def test_an_init_container_is_called_one() -> None:
    init = (Container("migrate", init=True, waiting=("CrashLoopBackOff", "")),)
    found = diagnose(rolling(), [pod(containers=init)])
    assert found is not None
    assert found.message.startswith("init container migrate")


def test_a_pod_that_fits_no_node_is_told_in_the_schedulers_words() -> None:
    found = diagnose(rolling(), [pod(unschedulable="0/3 nodes: insufficient cpu")])
    assert found == Finding(
        "InsufficientCpu",
        "no node fits: 0/3 nodes: insufficient cpu",
        pod="cart-abc-p1",
        next="kubectl describe nodes (Allocated resources); lower requests, or add nodes",
    )


def test_pods_that_are_going_do_not_speak() -> None:
    gone = pod(containers=waiting("ImagePullBackOff"), deleting=True)
    assert diagnose(rolling(), [gone]) is None


def test_the_most_specific_cause_is_named() -> None:
    pods = [
        pod("p1", unschedulable="no room"),
        pod("p2", containers=waiting("CrashLoopBackOff")),
        pod("p3", containers=waiting("ImagePullBackOff", "not found")),
    ]
    failed = rolling(progress_failed="timed out", replica_failure="no")
    found = diagnose(failed, pods)
    assert found is not None
    assert found.cause == "ImageMissing"
    found = diagnose(failed, pods[:1])
    assert found is not None
    assert found.cause == "Unschedulable"
    found = diagnose(failed, [])
    assert found is not None
    assert found.cause == "PodsRefused"


def test_what_the_workload_says_of_an_older_generation_does_not_count() -> None:
    old = rolling(generation=2, observed_generation=1, progress_failed="x", replica_failure="y")
    assert diagnose(old, []) is None
    now = rolling(progress_failed="x")
    found = diagnose(now, [])
    assert found is not None
    assert found.cause == "ProgressDeadlineExceeded"


def test_the_witness_does_not_depend_on_the_order_of_pods() -> None:
    pods = [pod(n, containers=waiting("ImagePullBackOff", n)) for n in ("b", "a", "c")]
    assert diagnose(rolling(), pods) == diagnose(rolling(), pods[::-1])
