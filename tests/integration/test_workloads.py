"""Every kind of workload, every cause and every policy's turn, on a real control plane and Prometheus.

All scenarios run side by side, each in a namespace of its own; each test reads what became of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
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
    get,
    items,
    policy,
    provider,
    says,
    verdict,
    wait,
)
from support.scenarios import Played, Scenarios

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500)]

GOOD = {"latency": "100ms", "rps": "40"}
SLOW = {"latency": "600ms", "rps": "40"}
BAD = {"latency": "100ms", "rps": "40", "error-ratio": "0.5"}
scenario = Scenarios()


@pytest.fixture(scope="module")
def played(bed: Testbed) -> Iterator[Played]:
    with OperatorProcess(bed), scenario.played(bed, at_once=5) as played:
        yield played


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
        stateful_set(ns, "web", replicas=3, sim=GOOD, updateStrategy=partition(2)),
    )
    first = verdict(bed, ns, "web-sts-1", timeout=120)
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
    return {"first": first, "slow": slow, "good": good, "kept": kept}


def test_a_partition_keeps_nothing_back_while_there_is_one_version_only(played: Played) -> None:
    first = played(partial)["first"]
    assert first["status"]["rollout"]["desired"] == 3
    assert sorted(p for c in first["status"]["cohorts"] for p in c["pods"]) == ["0", "1", "2"]
    assert "partial" not in condition(first, "Promotable")["message"]


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


# Causes


@scenario
def every_cause(bed: Testbed, ns: str) -> list[Document]:
    first = deployment(ns, "web")
    bed.apply(judging(ns, "Deployment", "web"), first)
    found = [begun(bed, ns, "web-1")]
    bed.apply(deployment(ns, "web", environment={"MODE": "b"}))
    found.append(begun(bed, ns, "web-2"))
    bed.apply(deployment(ns, "web", environment={"MODE": "b"}, cpu="20m"))
    found.append(begun(bed, ns, "web-3"))
    bed.kubectl("rollout", "restart", "deployment/web", "-n", ns)
    found.append(begun(bed, ns, "web-4"))
    bed.apply(
        deployment(ns, "web", environment={"MODE": "b"}, cpu="20m", image="registry.example/app:2")
    )
    found.append(begun(bed, ns, "web-5"))
    bed.kubectl("rollout", "undo", "deployment/web", "-n", ns, "--to-revision=1")
    found.append(begun(bed, ns, "web-6"))
    return found


def begun(bed: Testbed, ns: str, name: str) -> Document:
    return wait(bed, "rel", ns, name, lambda r: "phase" in r.get("status", {}))


def test_causes_are_told_apart(played: Played) -> None:
    found = played(every_cause)
    assert [r["spec"]["cause"] for r in found] == [
        "First", "Config", "Resources", "Restart", "Image", "Rollback",
    ]  # fmt: skip
    assert found[-1]["spec"]["rollbackTo"] == 1


@scenario
def recorded_and_ignored(bed: Testbed, ns: str) -> dict[str, Any]:
    treated = {"causes": {"restart": "Ignore", "config": "Record"}}
    bed.apply(
        judging(ns, "Deployment", "web", [ERRORS], **treated), deployment(ns, "web", sim=GOOD)
    )
    verdict(bed, ns, "web-1", timeout=120)
    bed.kubectl("rollout", "restart", "deployment/web", "-n", ns)
    ignored = wait(bed, "rel", ns, "web-1", lambda r: "ignored" in r["status"])
    bed.kubectl("rollout", "status", "deployment/web", "-n", ns, "--timeout=60s")
    bed.apply(deployment(ns, "web", sim=GOOD, environment={"MODE": "b"}))
    recorded = verdict(bed, ns, "web-2", timeout=120)
    relpol = wait(
        bed,
        "relpol",
        ns,
        "web",
        lambda p: p["status"]["workloads"][0]["reason"] == "Recorded",
    )
    compared = {**ERRORS, "pass": [{"value": {"lte": 0.02}, "change": {"lte": "900%"}}]}
    bed.apply(
        judging(ns, "Deployment", "web", [compared], **treated),
        deployment(ns, "web", sim=GOOD, environment={"MODE": "b"}, image="registry.example/app:2"),
    )
    third = verdict(bed, ns, "web-3", timeout=120)
    return {"ignored": ignored, "recorded": recorded, "relpol": relpol, "third": third}


def test_an_ignored_restart_is_no_release(played: Played) -> None:
    found = played(recorded_and_ignored)
    assert found["ignored"]["status"]["ignored"]["cause"] == "Restart"
    assert found["ignored"]["status"]["verdict"] == "Promotable"
    assert found["recorded"]["spec"]["previous"] == "web-1"
    assert found["recorded"]["spec"]["cause"] == "Config"


def test_a_recorded_change_is_measured_and_gets_no_verdict(played: Played) -> None:
    found = played(recorded_and_ignored)
    recorded = found["recorded"]
    assert says(recorded) == (None, "Recorded")
    assert "judgement" not in recorded["status"]
    [errors] = recorded["status"]["measured"]
    assert errors["samples"] > 100
    assert condition(found["relpol"], "Promotable")["status"] == "Unknown"


def test_what_was_only_recorded_is_no_baseline(played: Played) -> None:
    third = played(recorded_and_ignored)["third"]
    assert third["spec"]["cause"] == "Image"
    assert {b["release"] for b in third["spec"]["plan"]["baselines"]} == {"web-1"}


@scenario
def a_moved_tag(bed: Testbed, ns: str) -> dict[str, Any]:
    bed.apply(
        judging(ns, "Deployment", "web", [ERRORS], causes={"restart": "Record"}),
        deployment(ns, "web", sim=GOOD),
    )
    pulled(bed, ns, "web-1", "sha256:" + "a" * 64)
    first = verdict(bed, ns, "web-1", timeout=120)
    bed.kubectl("rollout", "restart", "deployment/web", "-n", ns)
    pulled(bed, ns, "web-2", "sha256:" + "b" * 64)
    moved = verdict(bed, ns, "web-2", timeout=120)
    bed.kubectl("rollout", "restart", "deployment/web", "-n", ns)
    pulled(bed, ns, "web-3", "sha256:" + "b" * 64)
    same = verdict(bed, ns, "web-3", timeout=120)
    events = [e["reason"] for e in items(bed, "events", ns)
              if e.get("involvedObject", {}).get("name") == "web-2"]  # fmt: skip
    return {"first": first, "moved": moved, "same": same, "events": events}


def pulled(bed: Testbed, ns: str, release: str, digest: str) -> None:
    """Let the release's pods have pulled that image, as a kubelet would say."""
    found = wait(
        bed,
        "rel",
        ns,
        release,
        lambda r: r.get("status", {}).get("rollout", {}).get("completedAt") is not None,
    )
    prefix = found["status"]["rollout"]["revisionObject"]
    for pod in items(bed, "pods", ns):
        if pod["metadata"]["name"].startswith(prefix):
            told = pod["status"]["containerStatuses"]
            told[0]["imageID"] = f"registry.example/app@{digest}"
            bed.kubectl(
                "patch", "pod", pod["metadata"]["name"], "-n", ns, "--subresource=status",
                "--type=merge", "-p", json.dumps({"status": {"containerStatuses": told}}),
            )  # fmt: skip


def test_the_same_tag_with_another_digest_is_said(played: Played) -> None:
    found = played(a_moved_tag)
    assert "cause" not in found["first"]["status"]
    moved = found["moved"]
    assert moved["spec"]["cause"] == "Restart"
    assert moved["status"]["cause"]["cause"] == "Image"
    assert "same tag, another digest than with web-1" in moved["status"]["cause"]["message"]
    assert "SameTagAnotherDigest" in found["events"]


def test_a_restart_that_brought_another_image_is_judged_as_one(played: Played) -> None:
    found = played(a_moved_tag)
    assert says(found["moved"]) == ("Promotable", "AllObjectivesMet")
    assert says(found["same"]) == (None, "Recorded")
    assert "cause" not in found["same"]["status"]


# Which policy


@scenario
def an_edited_policy(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(judging(ns, "Deployment", "web", [ERRORS]), deployment(ns, "web", sim=GOOD))
    begun(bed, ns, "web-1")
    never = {**ERRORS, "pass": [{"value": {"gte": 0.5}}]}
    bed.apply(judging(ns, "Deployment", "web", [never]))
    first = verdict(bed, ns, "web-1", timeout=120)
    bed.apply(deployment(ns, "web", sim=GOOD, image="registry.example/app:2"))
    return [first, verdict(bed, ns, "web-2", timeout=120)]


def test_an_edited_policy_concerns_the_next_release_only(played: Played) -> None:
    first, second = played(an_edited_policy)
    assert [r["spec"]["plan"]["policyGeneration"] for r in (first, second)] == [1, 2]
    assert says(first) == ("Promotable", "AllObjectivesMet")
    assert says(second)[0] == "NotPromotable"


LIBRARY = "pratique-system"


def wide(name: str, label: str, objectives: list[Document], **more: Any) -> Document:
    """A policy of the library for labelled workloads in labelled namespaces."""
    made = policy(LIBRARY, name, objectives, **more)
    del made["spec"]["targetRefs"]
    made["spec"]["selector"] = made["spec"]["namespaceSelector"] = {"matchLabels": {"wide": label}}
    return made


@scenario
def the_librarys(bed: Testbed, ns: str) -> dict[str, Any]:
    must = wide(f"a-must-{ns}", ns, [ERRORS], require=True)
    lost = {**wide(f"lost-{ns}", ns, [ERRORS]), "metadata": {"name": "lost", "namespace": ns}}
    bed.apply(provider(LIBRARY, bed.prometheus_url), must)
    wait(bed, "mp", LIBRARY, "default", lambda p: "scrapeInterval" in p.get("status", {}))
    bed.apply(wide(f"b-other-{ns}", ns, [FAST]), lost, judging(ns, "Deployment", "own", [FAST]))
    for name, sim in (("free", GOOD), ("own", BAD)):
        made = deployment(ns, name, sim=sim)
        made["metadata"]["labels"]["wide"] = ns
        bed.apply(made)
    begun(bed, ns, "own-1")
    unlabelled = get(bed, "rel", ns, "free-1")
    bed.kubectl("label", "namespace", ns, f"wide={ns}")
    free = verdict(bed, ns, "free-1", timeout=120)
    changed = deployment(ns, "own", sim=BAD, image="registry.example/app:2")
    changed["metadata"]["labels"]["wide"] = ns
    bed.apply(changed)
    own = verdict(bed, ns, "own-2", timeout=120)
    status = wait(
        bed,
        "relpol",
        LIBRARY,
        must["metadata"]["name"],
        lambda p: condition(p, "Promotable").get("status") == "True",
    )
    other = wait(bed, "relpol", LIBRARY, f"b-other-{ns}", lambda p: bool(condition(p, "Shadowed")))
    lost = wait(bed, "relpol", ns, "lost", lambda p: bool(condition(p, "Stalled")))
    bed.kubectl("delete", "relpol", "-n", LIBRARY, "--wait=false",
                must["metadata"]["name"], f"b-other-{ns}")  # fmt: skip
    return {
        "unlabelled": unlabelled, "free": free, "own": own, "status": status, "other": other,
        "lost": lost,
    }  # fmt: skip


def test_the_librarys_policy_judges_in_the_namespaces_that_it_selects(played: Played) -> None:
    found = played(the_librarys)
    assert found["unlabelled"] is None
    assert says(found["free"]) == ("Promotable", "AllObjectivesMet")
    name = found["status"]["metadata"]["name"]
    assert found["free"]["spec"]["plan"]["policy"] == f"{LIBRARY}/{name}"
    [row] = found["status"]["status"]["workloads"]
    assert (row["namespace"], row["name"]) == (found["free"]["metadata"]["namespace"], "free")


def test_what_the_library_requires_is_added_to_the_teams_own(played: Played) -> None:
    own = played(the_librarys)["own"]
    plan = own["spec"]["plan"]
    assert [o["name"] for o in plan["objectives"]] == ["fast", "errors"]
    assert plan["policy"].endswith("/own")
    assert plan["required"][0].startswith(f"{LIBRARY}/a-must-")
    assert says(own) == ("NotPromotable", "ObjectiveFailed")
    assert "errors" in condition(own, "Promotable")["message"]


def test_who_does_not_win_is_shadowed_and_names_who_does(played: Played) -> None:
    found = played(the_librarys)
    ns = found["free"]["metadata"]["namespace"]
    message = condition(found["other"], "Shadowed")["message"]
    assert f"Deployment {ns}/free (by a-must-{ns})" in message
    assert f"Deployment {ns}/own (by {ns}/own)" in message


def test_elsewhere_a_namespace_selector_is_stalled_with_its_mend(played: Played) -> None:
    stalled = condition(played(the_librarys)["lost"], "Stalled")
    assert stalled["message"].startswith("spec.namespaceSelector: only a policy in the library")
