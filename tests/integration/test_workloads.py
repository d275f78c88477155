"""Every kind of workload, every cause and every policy's turn, on a real control plane and Prometheus.

All scenarios run side by side, each in a namespace of its own; each test reads what became of its own.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from support.documents import (
    ERRORS,
    FAST,
    Document,
    condition,
    deployment,
    policy,
    provider,
    says,
    verdict,
    wait,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500)]

GOOD = {"latency": "100ms", "rps": "40"}
SLOW = {"latency": "600ms", "rps": "40"}
BAD = {"latency": "100ms", "rps": "40", "error-ratio": "0.5"}
SCENARIOS: dict[str, Callable[[Testbed, str], Any]] = {}


def scenario(play: Callable[[Testbed, str], Any]) -> Callable[[Testbed, str], Any]:
    SCENARIOS[play.__name__] = play
    return play


Played = Callable[[Callable[[Testbed, str], Any]], Any]


@pytest.fixture(scope="module")
def played(bed: Testbed) -> Iterator[Played]:
    run = uuid.uuid4().hex[:6]
    names = {name: f"{name.replace('_', '-')[:40]}-{run}" for name in SCENARIOS}
    bed.apply(
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            for namespace in names.values()
        ),
        *(provider(namespace, bed.prometheus_url) for namespace in names.values()),
    )
    with OperatorProcess(bed), ThreadPoolExecutor(5) as pool:
        for namespace in names.values():
            wait(
                bed,
                "mp",
                namespace,
                "default",
                lambda p: "scrapeInterval" in p.get("status", {}),
                timeout=90,
            )
        futures: dict[str, Future[Any]] = {
            name: pool.submit(play, bed, names[name]) for name, play in SCENARIOS.items()
        }
        yield lambda play: futures[play.__name__].result(timeout=400)


def stateful_set(namespace: str, name: str, **more: Any) -> Document:
    """A StatefulSet as ``deployment`` makes Deployments; without a volume of its own."""
    made = deployment(namespace, name, **more)
    made["kind"] = "StatefulSet"
    made["spec"]["serviceName"] = name
    return made


def daemon_set(namespace: str, name: str, **more: Any) -> Document:
    """A DaemonSet, likewise."""
    made = deployment(namespace, name, **more)
    made["kind"] = "DaemonSet"
    del made["spec"]["replicas"]
    return made


def judging(
    namespace: str, kind: str, name: str, objectives: list[Document] | None = None, **more: Any
) -> Document:
    """A policy for one workload of that kind."""
    return policy(namespace, name, objectives, targetRefs=[{"kind": kind, "name": name}], **more)


def partition(number: int) -> Document:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}


# StatefulSets


@scenario
def stateful(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(
        judging(ns, "StatefulSet", "web", [ERRORS, FAST]),
        stateful_set(ns, "web", sim=GOOD),
    )
    first = verdict(bed, ns, "web-sts-1", timeout=120)
    bed.apply(stateful_set(ns, "web", image="registry.example/app:2", sim=SLOW))
    second = verdict(bed, ns, "web-sts-2", timeout=120)
    bed.kubectl("rollout", "undo", "statefulset/web", "-n", ns)
    third = verdict(bed, ns, "web-sts-3", timeout=120)
    relpol = wait(
        bed, "relpol", ns, "web", lambda p: condition(p, "Promotable").get("status") == "True"
    )
    return [first, second, third, relpol]


def test_a_stateful_sets_good_version_is_promotable_and_its_slow_one_is_not(
    played: Played,
) -> None:
    first, second, third, relpol = played(stateful)
    assert says(first) == ("Promotable", "AllObjectivesMet")
    assert says(second) == ("NotPromotable", "ObjectiveFailed")
    assert second["spec"]["cause"] == "Image"
    assert says(third) == ("Promotable", "AllObjectivesMet")
    assert (third["spec"]["cause"], third["spec"]["rollbackTo"]) == ("Rollback", 1)
    assert relpol["status"]["workloads"][0]["kind"] == "StatefulSet"


def test_a_stateful_sets_rollback_takes_its_old_revision_and_is_a_new_release(
    played: Played,
) -> None:
    first, second, third, _ = played(stateful)
    objects = [r["status"]["rollout"]["revisionObject"] for r in (first, second, third)]
    assert objects[0] == objects[2] != objects[1]
    assert [r["status"]["rollout"]["revision"] for r in (first, second, third)] == ["1", "2", "3"]


def test_names_that_the_old_pods_had_too_bring_nothing_of_theirs(played: Played) -> None:
    _, second, _, _ = played(stateful)
    fast = next(r for r in second["status"]["judgement"]["results"] if r["name"] == "fast")
    assert fast["value"] == pytest.approx(0.6, rel=0.15), "no fast request of the old pods"
    assert fast["baseline"]["value"] == pytest.approx(0.1, rel=0.15)
    window = second["status"]["judgement"]["window"]
    assert window["from"] >= second["status"]["cohorts"][0]["from"]
    assert all(c["born"] >= second["spec"]["noticedAt"][:19] for c in second["status"]["cohorts"])


@scenario
def partial(bed: Testbed, ns: str) -> dict[str, Any]:
    compared = {**ERRORS, "pass": [{"value": {"lte": 0.02}}]}
    change = {**FAST, "pass": [{"change": {"lte": "50%"}}]}
    beside = {"baseline": {"order": [{"source": "OldPods"}]}}
    bed.apply(
        judging(ns, "StatefulSet", "web", [compared, change], analysis=beside),
        stateful_set(ns, "web", replicas=3, sim=GOOD),
    )
    verdict(bed, ns, "web-sts-1", timeout=120)
    bed.apply(
        stateful_set(
            ns,
            "web",
            replicas=3,
            image="registry.example/app:2",
            sim=SLOW,
            updateStrategy=partition(2),
        )
    )
    slow = verdict(bed, ns, "web-sts-2", timeout=120)
    bed.apply(
        stateful_set(
            ns,
            "web",
            replicas=3,
            image="registry.example/app:3",
            sim=GOOD,
            updateStrategy=partition(1),
        )
    )
    good = verdict(bed, ns, "web-sts-3", timeout=120)
    bed.apply(
        judging(ns, "StatefulSet", "web", [compared], analysis={**beside, "rolloutDeadline": "8s"}),
        stateful_set(
            ns,
            "web",
            replicas=3,
            image="registry.example/app:4",
            sim=GOOD,
            updateStrategy=partition(3),
        ),
    )
    kept = verdict(bed, ns, "web-sts-4", timeout=120)
    return {"slow": slow, "good": good, "kept": kept}


def test_with_a_partition_only_pods_at_or_above_it_are_judged(played: Played) -> None:
    slow = played(partial)["slow"]
    assert [p for c in slow["status"]["cohorts"] for p in c["pods"]] == ["2"]
    assert slow["status"]["rollout"]["partition"] == 2
    assert says(slow)[0] == "NotPromotable"
    message = condition(slow, "Promotable")["message"]
    assert "partial: only pods 2 and above run it" in message


def test_old_pods_are_those_that_the_partition_keeps(played: Played) -> None:
    slow = played(partial)["slow"]
    fast = next(r for r in slow["status"]["judgement"]["results"] if r["name"] == "fast")
    assert fast["baseline"]["source"] == "OldPods"
    assert fast["baseline"]["value"] == pytest.approx(0.1, rel=0.2)
    assert fast["value"] == pytest.approx(0.6, rel=0.2)


def test_a_partial_release_may_be_promotable_and_says_that_it_is_partial(played: Played) -> None:
    good = played(partial)["good"]
    assert sorted(p for c in good["status"]["cohorts"] for p in c["pods"]) == ["1", "2"]
    assert says(good) == ("Inconclusive", "NoBaseline") or says(good)[0] == "Promotable"
    assert "partial: only pods 1 and above run it" in condition(good, "Promotable")["message"]


def test_a_partition_above_all_pods_ends_without_a_fault(played: Played) -> None:
    kept = played(partial)["kept"]
    assert says(kept) == ("Inconclusive", "DeadlineExceeded")
    assert "partition 3 keeps every pod" in condition(kept, "Promotable")["message"]


@scenario
def on_delete(bed: Testbed, ns: str) -> dict[str, Any]:
    by_hand = {"updateStrategy": {"type": "OnDelete"}}
    bed.apply(
        judging(ns, "StatefulSet", "web", [ERRORS]),
        stateful_set(ns, "web", sim=GOOD, **by_hand),
        judging(ns, "DaemonSet", "agent", [ERRORS]),
        daemon_set(ns, "agent", sim=GOOD, **by_hand),
    )
    verdict(bed, ns, "web-sts-1", timeout=120)
    verdict(bed, ns, "agent-ds-1", timeout=120)
    bed.apply(
        stateful_set(ns, "web", image="registry.example/app:2", sim=BAD, **by_hand),
        daemon_set(ns, "agent", image="registry.example/app:2", sim=GOOD, **by_hand),
    )
    waiting = [
        wait(
            bed,
            "rel",
            ns,
            name,
            lambda r: "OnDelete" in condition(r, "Promotable").get("message", ""),
        )
        for name in ("web-sts-2", "agent-ds-2")
    ]
    bed.kubectl("delete", "pod", "-n", ns, "--all", "--wait=false")
    done = [verdict(bed, ns, name, timeout=120) for name in ("web-sts-2", "agent-ds-2")]
    return {"waiting": waiting, "done": done}


def test_on_delete_the_rollout_waits_for_people_and_is_then_judged(played: Played) -> None:
    found = played(on_delete)
    assert [condition(r, "Promotable")["reason"] for r in found["waiting"]] == ["RollingOut"] * 2
    web, agent = found["done"]
    assert says(web)[0] == "NotPromotable"
    assert says(agent) == ("Promotable", "AllObjectivesMet")


# DaemonSets


@scenario
def on_every_node(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(judging(ns, "DaemonSet", "agent", [ERRORS, FAST]), daemon_set(ns, "agent", sim=GOOD))
    first = verdict(bed, ns, "agent-ds-1", timeout=120)
    bed.apply(daemon_set(ns, "agent", image="registry.example/app:2", sim=SLOW))
    second = verdict(bed, ns, "agent-ds-2", timeout=120)
    bed.kubectl("rollout", "undo", "daemonset/agent", "-n", ns)
    return [first, second, verdict(bed, ns, "agent-ds-3", timeout=120)]


def test_a_daemon_set_is_judged_on_all_its_nodes(played: Played) -> None:
    first, second, third = played(on_every_node)
    assert says(first) == ("Promotable", "AllObjectivesMet")
    assert first["status"]["rollout"]["desired"] == 3
    assert says(second) == ("NotPromotable", "ObjectiveFailed")
    assert says(third) == ("Promotable", "AllObjectivesMet")
    assert (third["spec"]["cause"], third["spec"]["rollbackTo"]) == ("Rollback", 1)
    assert [r["status"]["rollout"]["revision"] for r in (first, second, third)] == ["1", "2", "3"]


# Adopted, and scaled to zero


@scenario
def ran_before(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(stateful_set(ns, "web", sim=GOOD), daemon_set(ns, "agent", sim=GOOD))
    bed.kubectl("rollout", "status", "statefulset/web", "-n", ns, "--timeout=60s")
    bed.kubectl("rollout", "status", "daemonset/agent", "-n", ns, "--timeout=60s")
    time.sleep(16)  # longer than the window: they must have run so long
    bed.apply(
        judging(ns, "StatefulSet", "web", [ERRORS]), judging(ns, "DaemonSet", "agent", [ERRORS])
    )
    return [verdict(bed, ns, name) for name in ("web-sts-1", "agent-ds-1")]


def test_what_ran_before_its_policy_is_measured_whatever_its_kind(played: Played) -> None:
    for release in played(ran_before):
        assert release["spec"]["purpose"] == "Measure"
        assert says(release) == (None, "Adopted")
        [errors] = release["status"]["measured"]
        assert errors["samples"] > 100


@scenario
def at_zero(bed: Testbed, ns: str) -> dict[str, Any]:
    bed.apply(
        judging(ns, "StatefulSet", "web", [ERRORS]),
        stateful_set(ns, "web", replicas=0, sim=GOOD),
        judging(ns, "DaemonSet", "agent", [ERRORS], analysis={"rolloutDeadline": "8s"}),
        daemon_set(ns, "agent", sim=GOOD),
        judging(ns, "Deployment", "app", [ERRORS]),
        deployment(ns, "app", replicas=0, sim=GOOD),
    )
    agent = verdict(bed, ns, "agent-ds-1", timeout=120)
    waiting = [
        wait(
            bed,
            "rel",
            ns,
            name,
            lambda r: condition(r, "Promotable").get("reason") == "ScaledToZero",
        )
        for name in ("web-sts-1", "app-1")
    ]
    bed.kubectl("scale", "statefulset/web", "deployment/app", "-n", ns, "--replicas=1")
    done = [verdict(bed, ns, name, timeout=120) for name in ("web-sts-1", "app-1")]
    nowhere = daemon_set(ns, "agent", sim=GOOD)
    nowhere["spec"]["template"]["spec"]["nodeSelector"] = {"no": "where"}
    bed.apply(nowhere)
    return {
        "waiting": waiting,
        "done": done,
        "agent": agent,
        "nowhere": verdict(bed, ns, "agent-ds-2", timeout=60),
    }


def test_scaled_to_zero_it_is_judged_when_pods_come(played: Played) -> None:
    found = played(at_zero)
    for release in found["waiting"]:
        assert "judged when pods come" in condition(release, "Promotable")["message"]
    for release in found["done"]:
        assert says(release) == ("Promotable", "AllObjectivesMet")


def test_without_a_pod_until_its_deadline_there_is_no_verdict(played: Played) -> None:
    found = played(at_zero)
    assert says(found["agent"]) == ("Promotable", "AllObjectivesMet")
    assert says(found["nowhere"]) == ("Inconclusive", "ScaledToZero")
