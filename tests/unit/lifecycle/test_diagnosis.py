"""Why a rollout does not go on, in the pods' own words."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.lifecycle.causes import BY_NAME
from pratique.lifecycle.diagnosis import Finding, diagnose
from pratique.lifecycle.obstacles import obstacle_gone
from pratique.lifecycle.view import Container, Note, Pod, View
from pratique.resources.release import Diagnosis
from unit.lifecycle.builders import at, pod, revision, rolling, waiting, workload


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


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("StatefulSet", 'create Pod cart-1 in StatefulSet cart failed error: pods "cart-1" is forbidden: '),
        ("DaemonSet", 'Error creating: pods "cart-" is forbidden: '),
    ],
)  # fmt: skip
def test_what_knows_no_replica_failure_is_told_by_its_event(kind: str, message: str) -> None:
    words = f"{message}exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"
    event = Note(kind, "cart", "FailedCreate", words, at(60))
    stuck = rolling(kind=kind)
    found = diagnose(stuck, [pod(created=at(0))], at(70), [event], "cart-6f")
    assert found is not None
    assert (found.cause, found.next) == (
        "QuotaExceeded",
        "kubectl describe resourcequota small -n shop",
    )
    later = pod("p2", created=at(65))
    assert diagnose(stuck, [later], at(70), [event], "cart-6f") is None
    assert diagnose(stuck, [], at(60 + 21 * 60), [event], "cart-6f") is None
    assert diagnose(stuck, [pod(n) for n in "abc"], at(70), [event], "cart-6f") is None


WORDS = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            [
                "not found",
                'configmap "a"',
                "0/3 nodes are available: ",
                "3 Insufficient cpu, ",
                "exceeded quota: q,",
                "Readiness probe failed: ",
                "Back-off",
                "{",
                "}",
                "401",
                ": ",
                "Liveness probe ",
                "in Secret a/b",
            ]
        ),
        max_size=8,
    ).map(" ".join),
)
REASONS = st.sampled_from(
    [
        "ErrImagePull",
        "ImagePullBackOff",
        "CrashLoopBackOff",
        "ContainerCreating",
        "CreateContainerError",
        "Failed",
        "FailedMount",
        "Unhealthy",
        "NodeNotReady",
        "FailedCreate",
        "Evicted",
        "Error",
        "StartError",
    ]
)
SECONDS = st.integers(0, 900).map(at)
CONTAINERS = st.builds(
    Container,
    name=st.sampled_from(["cart", "proxy"]),
    image=WORDS,
    init=st.booleans(),
    restarts=st.integers(0, 5),
    waiting=st.none() | st.tuples(REASONS, WORDS),
    terminated=st.none() | st.tuples(REASONS, st.integers(0, 255), WORDS),
    running_since=st.none() | SECONDS,
    ready=st.booleans(),
)
PODS = st.builds(
    pod,
    st.sampled_from(["p1", "p2"]),
    ready=st.none() | st.integers(0, 900),
    containers=st.lists(CONTAINERS, max_size=2).map(tuple),
    unschedulable=st.none() | WORDS,
    node=st.none() | st.just("n1"),
    phase=st.sampled_from(["Pending", "Running", "Failed"]),
    reason=st.just("") | REASONS,
)
NOTES = st.builds(
    Note,
    kind=st.sampled_from(["Pod", "ReplicaSet", "Deployment"]),
    name=st.sampled_from(["cart-abc-p1", "cart-abc-p2", "cart-abc", "cart"]),
    reason=REASONS,
    message=WORDS,
    at=SECONDS,
    container=st.none() | st.just("cart"),
)


@given(
    st.lists(PODS, max_size=3), st.lists(NOTES, max_size=4), SECONDS, st.none() | WORDS, WORDS | st.none()
)  # fmt: skip
def test_whatever_is_seen_it_is_told_by_a_row_of_the_table_or_not_at_all(
    pods: list[Pod],
    notes: list[Note],
    now: datetime,
    refused: str | None,
    given_up: str | None,
) -> None:
    seen = rolling(replica_failure=refused, progress_failed=given_up)
    found = diagnose(seen, pods, now, notes, "cart-abc")
    if found is None:
        assert not refused
        assert not given_up
        return
    row = BY_NAME[found.cause]
    assert row.definite or not found.definite or row.name == "StartupProbeFailing"
    assert found.next
    recorded = Diagnosis(
        cause=found.cause,
        message=found.message[:1024],
        definite=True,
        since=now,
        next=found.next[:512],
    )
    # What is told now is not gone now.
    current = View(seen, tuple(pods), (revision(),), tuple(notes))
    assert not obstacle_gone(recorded, current, revision(), now)
