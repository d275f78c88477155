"""Kubernetes' own signals, accumulated from what the pods say."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pratique.judge.samples import Missing, Sample, Value
from pratique.lifecycle import pods as counting
from pratique.lifecycle import rollout, signals
from pratique.lifecycle.situation import Situation
from pratique.lifecycle.view import Container, View
from pratique.resources.indicator import KubernetesIndicator
from pratique.resources.release import ReleaseStatus
from unit.lifecycle.builders import (
    RESTARTS,
    at,
    plan,
    pod,
    release_spec,
    rolling,
    situation,
    view,
    workload,
)

SPEC = release_spec(plan([RESTARTS]))
RESTART = KubernetesIndicator(signal="Restarts")
OOM = KubernetesIndicator(signal="OOMKills")
UNREADY = KubernetesIndicator(signal="UnreadyShare")
ONE = {"desired": 1, "updated": 1, "available": 1, "total": 1}


def watch(*seen: tuple[float, View]) -> tuple[Situation, ReleaseStatus]:
    """What is accumulated after these views, each at its second."""
    status = ReleaseStatus()
    for now, what in seen:
        s = situation(SPEC, what, now)
        status = rollout.follow(s, status)
        status = counting.latch_window(s, counting.count(s, status))
        status = signals.accumulate(s, status)
    return s, status


def sample(indicator: KubernetesIndicator, *seen: tuple[float, View]) -> Sample:
    return signals.sample(indicator, *watch(*seen))


def alone(now: Iterable[float], **more: object) -> list[tuple[float, View]]:
    """One pod, Ready since second 0 unless said otherwise, seen at these seconds."""
    only = pod("a", **{"ready": 0.0, **more})  # type: ignore[arg-type]
    return [(second, view(workload(**ONE), [only])) for second in now]


def test_a_pod_that_is_always_ready_has_no_unready_time() -> None:
    assert sample(UNREADY, *alone(range(0, 361, 60))) == Value(0.0)
    assert sample(RESTART, *alone(range(0, 361, 60))) == Value(0.0)


def test_time_before_the_warm_up_is_over_is_not_counted() -> None:
    _, status = watch(*alone([0, 59, 60, 90]))
    assert status.signals is not None
    assert (status.signals.until, status.signals.pod_seconds) == (at(90), 30.0)


def test_unready_time_is_told_by_the_pods_own_transitions() -> None:
    away = pod("a", ready_since=at(120))
    back = pod("a", ready=150)
    seen = [
        *alone([0, 60, 120]),
        (140.0, view(workload(**ONE), [away])),
        (160.0, view(workload(**ONE), [back])),
        (360.0, view(workload(**ONE), [back])),
    ]
    assert sample(UNREADY, *seen) == Value(30 / 300)


def test_the_figures_do_not_depend_on_how_often_one_looks() -> None:
    away = pod("a", ready_since=at(120))
    few = [*alone([0, 120]), (360.0, view(workload(**ONE), [away]))]
    many = [*alone([0, 60, 90, 120])]
    many += [(float(t), view(workload(**ONE), [away])) for t in range(121, 361, 7)]
    many.append((360.0, view(workload(**ONE), [away])))
    assert watch(*few)[1].signals == watch(*many)[1].signals


def test_nothing_is_counted_after_the_windows_end() -> None:
    _, status = watch(*alone([0, 60, 360, 900]))
    assert status.signals is not None
    assert status.signals.until == at(360)
    assert status.signals.pod_seconds == 300.0


@pytest.mark.parametrize("indicator", [RESTART, OOM])
def test_restarts_and_kills_of_all_containers_count(indicator: KubernetesIndicator) -> None:
    containers = (
        Container("cart", restarts=2, oom_killed=True),
        Container("proxy", restarts=1, oom_killed=True),
    )
    expected = Value(3.0) if indicator is RESTART else Value(2.0)
    assert sample(indicator, *alone([0, 60, 360], containers=containers)) == expected


def test_a_pod_that_goes_takes_no_restart_away() -> None:
    bad = pod("a", ready=0, containers=(Container("cart", restarts=1),))
    good = pod("b", ready=60)
    seen = [
        (0.0, view(workload(), [bad, good])),
        (150.0, view(workload(), [bad, good])),
        (360.0, view(workload(), [good])),
    ]
    assert sample(RESTART, *seen) == Value(1.0)


def test_before_any_pod_is_warm_nothing_is_known() -> None:
    assert isinstance(sample(RESTART, (10.0, view(rolling(), [pod("a")]))), Missing)
    assert isinstance(sample(RESTART, *alone([10])), Missing)


def test_pods_that_vanished_early_are_no_evidence() -> None:
    three = view(pods=[pod(n, ready=0) for n in "abc"])
    found = sample(RESTART, (0.0, three), (120.0, three), (360.0, view(pods=[])))
    assert isinstance(found, Missing)
    assert "pod-seconds" in found.message


def test_a_workload_scaled_to_zero_early_is_no_evidence() -> None:
    three = view(pods=[pod(n, ready=0) for n in "abc"])
    none = view(workload(desired=0, updated=0, available=0, total=0), [])
    found = sample(RESTART, (0.0, three), (120.0, three), (125.0, none), (360.0, none))
    assert isinstance(found, Missing)


def test_a_workload_scaled_down_is_judged_by_the_pods_that_stayed() -> None:
    ten = {"desired": 10, "updated": 10, "available": 10, "total": 10}
    many = view(workload(**ten), [pod(f"p{i}", ready=0) for i in range(10)])
    few = view(workload(**ONE), [pod("p0", ready=0)])
    assert sample(RESTART, (0.0, many), (70.0, many), (71.0, few), (360.0, few)) == Value(0.0)
