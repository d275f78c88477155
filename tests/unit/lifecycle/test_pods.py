"""Which pods count, and from when."""

from __future__ import annotations

from pratique.lifecycle import pods as counting
from pratique.lifecycle import rollout
from pratique.lifecycle.view import Pod, View
from pratique.resources.release import ReleaseSpec, ReleaseStatus
from unit.lifecycle.builders import (
    RESTARTS,
    at,
    plan,
    pod,
    release_spec,
    rolling,
    seconds,
    situation,
    view,
    workload,
)

SPEC = release_spec(plan([RESTARTS]))


def see(
    seen: View, now: float, before: ReleaseStatus | None = None, spec: ReleaseSpec = SPEC
) -> ReleaseStatus:
    s = situation(spec, seen, now)
    status = rollout.follow(s, before or ReleaseStatus())
    return counting.latch_window(s, counting.count(s, status))


def cohorts(status: ReleaseStatus) -> dict[float, list[str]]:
    return {seconds(c.from_): c.pods for c in status.cohorts}


def test_a_pod_counts_from_the_first_look_after_ready_and_warm_up() -> None:
    pods = [pod("a", ready=0), pod("b", ready=1), pod("c", ready=60), pod("d")]
    status = see(view(rolling(), pods), 61)
    assert cohorts(status) == {60: ["a"], 120: ["b", "c"]}


def test_a_pod_that_turns_unready_does_not_escape_the_judge() -> None:
    status = see(view(rolling(), [pod("a", ready=0)]), 10)
    for later in (pod("a", ready_since=at(50)), pod("a", ready=55)):
        status = see(view(rolling(), [later]), 60, status)
        assert cohorts(status) == {60: ["a"]}


def test_a_pod_that_went_stays_counted() -> None:
    status = see(view(rolling(), [pod("a", ready=0)]), 10)
    status = see(view(rolling(), [pod("b", ready=20)]), 30, status)
    assert cohorts(status) == {60: ["a"], 120: ["b"]}
    assert counting.counted(SPEC, status, at(60)) == ("cart-abc-a",)
    assert counting.counted(SPEC, status, at(120)) == ("cart-abc-a", "cart-abc-b")


def test_another_versions_pods_do_not_count() -> None:
    assert cohorts(see(view(rolling(), [pod("x", ready=0, pod_hash="old")]), 10)) == {}


def test_the_window_begins_when_the_last_pod_is_warm() -> None:
    pods = [pod("a", ready=0), pod("b", ready=70)]
    assert see(view(rolling(), pods), 80).window_from is None
    assert see(view(pods=pods), 80).window_from == at(180)


def test_the_window_never_begins_before_completion() -> None:
    status = see(view(pods=[pod("a", ready=0)]), 500)
    assert status.window_from == at(540)


def test_the_window_is_latched_and_a_later_pod_brings_no_cold_start() -> None:
    status = see(view(pods=[pod("a", ready=0)]), 30)
    status = see(view(pods=[pod("a", ready=0), pod("b", ready=200)]), 210, status)
    assert status.window_from == at(60)
    assert counting.counted(SPEC, status, at(240)) == ("cart-abc-a",)
    assert counting.counted(SPEC, status, at(300)) == ("cart-abc-a", "cart-abc-b")


def test_as_many_pods_as_a_deployment_may_have_are_counted_in_a_form_that_can_be_written() -> None:
    pods = [pod(f"p{i:03}", ready=0) for i in range(500)]
    status = see(view(workload(desired=500, updated=500, available=500, total=500), pods), 10)
    assert sum(len(names) for names in cohorts(status).values()) == counting.MAX_PODS
    assert ReleaseStatus.model_validate(status.dump()) == status


def test_pods_that_come_one_a_minute_are_counted_in_a_form_that_can_be_written() -> None:
    pods: list[Pod] = []
    status = ReleaseStatus()
    for i in range(50):
        pods.append(pod(f"p{i:02}", ready=60 * i))
        status = see(view(workload(), pods), 60 * i + 1, status)
    assert ReleaseStatus.model_validate(status.dump()) == status
    assert status.window_from == at(60)
    assert "cart-abc-p31" in counting.counted(SPEC, status, at(60 * 33))
