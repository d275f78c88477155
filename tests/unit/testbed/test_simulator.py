"""Which pods speak, and what becomes of their counters. The scrape itself: integration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from pratique_testbed import simulator
from pratique_testbed.simulator import World

RPS = {"sim.pratique.sh/rps": "100"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr(simulator.time, "monotonic", lambda: now[0])

    def go(seconds: float) -> None:
        now[0] += seconds

    return go


@pytest.fixture
def world() -> World:
    return World(asyncio.Event())


def pod(
    name: str = "cart-1",
    *,
    annotations: dict[str, str] = RPS,
    phase: str = "Running",
    ready: bool = True,
    state: str = "running",
    restarts: int = 0,
    uid: str = "u1",
) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name, "uid": uid, "annotations": annotations},
        "spec": {"containers": [{"name": "app"}]},
        "status": {
            "phase": phase,
            "podIP": "10.10.0.7",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"restartCount": restarts, "state": {state: {}}}],
        },
    }


KEY = ("shop", "cart-1")


def requests(world: World) -> int:
    text = world.scrape(KEY)
    assert text is not None
    for line in text.splitlines():
        if line.startswith("http_request_duration_seconds_count"):
            return int(line.split()[1])
    return 0


def test_a_target_is_labelled_as_a_pod_monitor_would(world: World) -> None:
    world.replace([pod()])
    assert json.loads(world.targets()) == [
        {
            "targets": ["{address}"],
            "labels": {
                "__metrics_path__": "/metrics/shop/cart-1",
                "namespace": "shop",
                "pod": "cart-1",
                "container": "app",
                "instance": "10.10.0.7:8080",
            },
        }
    ]


@pytest.mark.parametrize(
    "silent", [pod(annotations={}), pod(phase="Pending"), pod(phase="Succeeded")]
)
def test_who_has_no_exporter_is_no_target(world: World, silent: dict[str, Any]) -> None:
    world.replace([silent])
    assert world.targets() == "[]"


def test_counters_advance_with_time_only_while_ready(
    world: World, clock: Callable[[float], None]
) -> None:
    world.replace([pod(ready=False)])
    clock(10)
    assert requests(world) == 0
    world.apply("MODIFIED", pod())
    clock(10)
    served = requests(world)
    assert 800 < served < 1200
    assert requests(world) == served, "two scrapes at one moment say the same"
    clock(10)
    world.apply("MODIFIED", pod(ready=False))
    until = requests(world)
    assert until > served, "what came until it was not ready any more counts"
    clock(10)
    assert requests(world) == until


def test_a_restart_begins_anew_and_a_mere_change_does_not(
    world: World, clock: Callable[[float], None]
) -> None:
    world.replace([pod()])
    clock(10)
    before = requests(world)
    world.apply("MODIFIED", pod(annotations={**RPS, "sim.pratique.sh/error-ratio": "1"}))
    assert requests(world) == before
    world.apply("MODIFIED", pod(restarts=1))
    assert requests(world) == 0
    clock(1)
    assert 0 < requests(world) < before


def test_a_pod_of_the_same_name_is_another(world: World, clock: Callable[[float], None]) -> None:
    world.replace([pod()])
    clock(10)
    assert requests(world) > 0
    world.apply("MODIFIED", pod(uid="u2"))
    assert requests(world) == 0


@pytest.mark.parametrize(
    "mute",
    [
        pod(annotations={**RPS, "sim.pratique.sh/silent": "true"}),
        pod(state="waiting", ready=False),
    ],
    ids=["silent", "container waits"],
)
def test_a_target_that_does_not_answer(world: World, mute: dict[str, Any]) -> None:
    world.replace([mute])
    assert len(json.loads(world.targets())) == 1
    assert world.scrape(KEY) is None


def test_who_is_gone_is_no_target_and_does_not_answer(world: World) -> None:
    world.replace([pod(), pod("cart-2", uid="u2")])
    world.apply("DELETED", pod())
    assert len(json.loads(world.targets())) == 1
    assert world.scrape(KEY) is None
    world.replace([])  # a list after a broken watch
    assert world.targets() == "[]"


def test_a_wrong_annotation_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    wrong = pod(annotations={"sim.pratique.sh/latency": "fast"})
    world.replace([wrong])
    world.apply("MODIFIED", wrong)
    assert world.targets() == "[]"
    (record,) = caplog.records
    assert "shop/cart-1 does not speak: sim.pratique.sh/latency is 'fast'" in record.getMessage()
