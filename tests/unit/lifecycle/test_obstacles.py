"""Whether an obstacle is gone: the pods must have come further, silence is not enough."""

from __future__ import annotations

from typing import Any

import pytest

from pratique.lifecycle.causes import CAUSES
from pratique.lifecycle.obstacles import obstacle_gone
from pratique.lifecycle.view import Container, Note, Pod, Revision, View
from pratique.resources.release import Diagnosis
from unit.lifecycle.builders import at, pod, revision, rolling, view, waiting, workload


def gone(cause: str, seen: View, now: float = 600, **more: Any) -> bool:
    recorded = Diagnosis(cause=cause, message="m", definite=True, since=at(10), **more)
    return obstacle_gone(recorded, seen, revision(), at(now))


def waits(reason: str, message: str = "not found") -> Pod:
    return pod(node="n1", containers=waiting(reason, message))


BEGAN = Container("cart", running_since=at(300))
WELL = pod(ready=320, node="n1", containers=(Container("cart", running_since=at(300), ready=True),))


@pytest.mark.parametrize("cause", [c.name for c in CAUSES])
def test_where_all_is_well_every_obstacle_is_gone(cause: str) -> None:
    assert gone(cause, view(workload(), [WELL, WELL, WELL]))


@pytest.mark.parametrize("cause", [c.name for c in CAUSES])
@pytest.mark.parametrize(
    "silent",
    [
        view(workload(desired=0), []),
        view(rolling(), []),
        view(rolling(), [pod(deleting=True, ready=1)]),
        view(workload(revision="2"), [WELL]),
        view(workload(generation=2), [WELL]),
        view(workload(deleting=True), [WELL]),
        view(rolling(), [pod(pod_hash="old", ready=1)]),
        view(rolling(), [pod(phase="Failed", reason="Evicted", ready=1)]),
    ],
    ids=["at zero", "no pod", "going", "another version", "not observed", "deleted", "old", "failed"],
)  # fmt: skip
def test_silence_alone_is_no_end(cause: str, silent: View) -> None:
    assert not gone(cause, silent)


@pytest.mark.parametrize(
    ("cause", "still", "past"),
    [
        ("ImageMissing", waits("ImagePullBackOff"), pod(node="n1", containers=(BEGAN,))),
        ("ImageRegistryUnavailable", waits("ErrImagePull"), pod(node="n1", containers=(BEGAN,))),
        ("ConfigMissing", waits("CreateContainerConfigError", 'configmap "a" not found'), WELL),
        ("ConfigMissing", waits("ContainerCreating", ""), pod(node="n1", containers=(BEGAN,))),
        ("CrashLoop", waits("CrashLoopBackOff"), WELL),
        ("CrashLoop", pod(node="n1", containers=(BEGAN,)), WELL),
        (
            "InsufficientCpu",
            pod(unschedulable="0/1 nodes are available: 1 Insufficient cpu."),
            WELL,
        ),
        ("InsufficientCpu", pod(), waits("ContainerCreating", "")),
        ("ReadinessProbeFailing", pod(node="n1", containers=(BEGAN,)), WELL),
        ("NodeLost", pod(node="n1"), WELL),
    ],
)
def test_the_pods_must_have_come_further(cause: str, still: Pod, past: Pod) -> None:
    assert not gone(cause, view(rolling(), [WELL, still]))
    assert gone(cause, view(rolling(), [WELL, past]))


def test_another_obstacle_in_its_place_is_another_matter() -> None:
    crashing = waiting("CrashLoopBackOff", terminated=("Error", 1, ""))
    assert gone("ImageMissing", view(rolling(), [pod(node="n1", containers=crashing)]))


def test_pods_that_could_not_be_made_are_made() -> None:
    early, late = pod(created=at(5)), pod(created=at(50))
    assert not gone("QuotaExceeded", view(rolling(replica_failure="exceeded quota"), [late]))
    assert not gone("QuotaExceeded", view(rolling(), [early]))
    assert gone("QuotaExceeded", view(rolling(), [early, late]))
    refused = Note("ReplicaSet", "cart-abc", "FailedCreate", "exceeded quota: q", at(60))
    told = View(rolling(), (late,), (revision(),), (refused,))
    assert not gone("QuotaExceeded", told, now=61)


def test_what_kubernetes_gave_up_must_go_on_by_its_own_word() -> None:
    assert not gone("ProgressDeadlineExceeded", view(rolling(progress_failed="timed out"), [WELL]))


def test_a_cause_of_another_operators_is_never_gone() -> None:
    assert not gone("SomethingNew", view(workload(), [WELL]))


def test_of_each_kind_it_is_known_whether_it_still_runs_this_version() -> None:
    def of(revision_: Revision, newest: Revision, **more: Any) -> bool:
        seen = View(workload(**more), (WELL,), (revision_, newest))
        recorded = Diagnosis(cause="CrashLoop", message="m", definite=True, since=at(10))
        return obstacle_gone(recorded, seen, revision_, at(600))

    own, newer = revision(), revision(2, "def")
    recorded, again = revision(template_hash="h"), revision(9, template_hash="h")
    # A StatefulSet names its revision; a DaemonSet's number is its template's generation.
    stateful = {"kind": "StatefulSet", "revision": None}
    assert of(own, newer, **stateful, revision_object="cart-abc")
    assert not of(own, newer, **stateful, revision_object="cart-def")
    assert of(again, recorded, kind="DaemonSet", revision="12")
    assert not of(recorded, revision(2, "def", template_hash="i"), kind="DaemonSet", revision="2")
    assert not of(own, newer)
