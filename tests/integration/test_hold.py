"""Hold, on the real API server: what is held, every way round it, and every way out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from support.documents import (
    ERRORS,
    FAIL,
    SIM,
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
from support.eventually import eventually

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy"
HOLD = "pratique.sh/hold"
HELD = "pratique.sh/held"
KEPT = "pratique.sh/held-partition"
HIGHEST = 2_147_483_647
ACCOUNT = "system:serviceaccount:pratique-system:pratique"
FREEZE: Document = {
    "freezeWindows": [
        {"from": "2020-01-01T00:00", "to": "2090-01-01T00:00", "reason": "a long winter"}
    ]
}


@pytest.fixture(scope="module", autouse=True)
def manifests(bed: Testbed) -> Iterator[None]:
    """The manifests of hold, in force until the module ends."""
    bed.apply(DEPLOY / "hold")
    try:
        in_force(bed)
        yield
    finally:
        bed.kubectl("delete", "-f", str(DEPLOY / "hold"), "--ignore-not-found")


def in_force(bed: Testbed) -> None:
    """Wait for it: the API server learns of its policies by a watch."""
    probe = labelled(deployment("default", "probe"))
    eventually(lambda: held(dry_run(bed, probe)), what="holding")
    account = bed.service_account_kubeconfig("pratique-system", "pratique")
    bed.apply(deployment("default", "probe", replicas=0))

    def kept() -> bool:
        tried = bed.kubectl(
            f"--kubeconfig={account}", "patch", "deployment/probe", "--dry-run=server",
            "-n", "default", "-p", '{"spec": {"replicas": 7}}', check=False,
        )  # fmt: skip
        return "may change nothing" in tried.stderr

    eventually(kept, what="keeping the operator's account to its own")
    bed.kubectl("delete", "deployment", "probe", "-n", "default")


@pytest.fixture(scope="module")
def operator(bed: Testbed, manifests: None) -> Iterator[OperatorProcess]:
    """The operator that the module's releases share."""
    with OperatorProcess(bed) as process:
        yield process


@pytest.fixture(scope="module")
def rights(bed: Testbed, operator: OperatorProcess) -> None:
    """Jobs may be run, and approvals are given in one's own name."""
    for name in ("tasks-rbac.yaml", "approval-admission.yaml"):
        bed.apply(DEPLOY / name)


# Documents and what they look like


def image(tag: int) -> str:
    return f"registry.example/app:{tag}"


def labelled(document: Document, value: str = "true") -> Document:
    document["metadata"].setdefault("labels", {})[HOLD] = value
    return document


def web(namespace: str, tag: int = 1, label: str = "true", **spec: Any) -> Document:
    """The Deployment of these tests."""
    return labelled(deployment(namespace, "web", image=image(tag), **spec), label)


def stateful_set(namespace: str, tag: int = 1, *, replicas: int = 2, **spec: Any) -> Document:
    body = deployment(namespace, "db", image=image(tag), replicas=replicas, **spec)
    body["kind"] = "StatefulSet"
    body["spec"]["serviceName"] = "db"
    return labelled(body)


def holding(namespace: str, hold: Document | None = None, **spec: Any) -> Document:
    """A policy that holds, and judges quickly by Kubernetes' own signals."""
    quick = {"warmUp": "0s", "window": "2s", "interval": "1s", "rolloutDeadline": "60s"}
    return policy(namespace, "web", None, quick, hold=hold or {}, **spec)


def annotations(body: Document) -> dict[str, str]:
    return dict(body["metadata"].get("annotations") or {})


def partition(body: Document) -> int:
    return int(body["spec"]["updateStrategy"]["rollingUpdate"]["partition"])


def held(body: Document | None) -> bool:
    """Whether it is held, by its marks."""
    if body is None or HELD not in annotations(body):
        return False
    if body["kind"] == "StatefulSet":
        return partition(body) == HIGHEST
    return body["spec"].get("paused") is True


def free(body: Document | None) -> bool:
    """Whether nothing of a hold is on it."""
    assert body is not None
    return not annotations(body).keys() & {HELD, KEPT} and not body["spec"].get("paused")


def images(bed: Testbed, namespace: str, *more: str) -> set[str]:
    """The images of all pods that exist, those about to go included."""
    return {p["spec"]["containers"][0]["image"] for p in items(bed, "pods", namespace, *more)}


def serves(bed: Testbed, namespace: str) -> set[str]:
    """The images of web's own pods: those of tasks are none of them."""
    return images(bed, namespace, "-l=app=web")


def smoke(fail: str) -> Document:
    """A task before the rollout, a Job whose pod does that."""
    container = {"name": "smoke", "image": "registry.example/smoke:1"}
    template = {"metadata": {"annotations": {FAIL: fail}}, "spec": {"containers": [container]}}
    return {"name": "smoke", "at": "Before", "job": {"template": template}}


def now(bed: Testbed, namespace: str, kind: str = "deployment", name: str = "web") -> Document:
    found = get(bed, kind, namespace, name)
    assert found is not None
    return found


# Commands


def dry_run(bed: Testbed, document: Document) -> Document:
    said = bed.kubectl(
        "create", "--dry-run=server", "-o", "json", "-f", "-", input=yaml.safe_dump(document)
    )
    return dict(json.loads(said.stdout))


def patch(
    bed: Testbed, namespace: str, what: str, body: Document, kubeconfig: Path | None = None
) -> str:
    """A merge patch; what the API server says against it, empty where it did it."""
    account = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
    done = bed.kubectl(
        *account, "patch", what, "-n", namespace, "--type=merge", "-p", json.dumps(body),
        check=False,
    )  # fmt: skip
    return done.stderr if done.returncode else ""


def release_holds(bed: Testbed, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pratique",
            "release-holds",
            f"--kubeconfig={bed.kubeconfig}",
            *args,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def approve(
    bed: Testbed, namespace: str, name: str, *more: str, by: str = "admin",
    purpose: str = "Rollout", decision: str = "Approve",
) -> str:  # fmt: skip
    """An approval; what the API server says against it, empty where it was taken."""
    said = json.dumps({"by": by, "for": purpose, "decision": decision})
    done = bed.kubectl(
        "annotate", "--overwrite", "rel", name, "-n", namespace, f"pratique.sh/approval={said}",
        *more, check=False,
    )  # fmt: skip
    return done.stderr if done.returncode else ""


def rolled_out(bed: Testbed, namespace: str, tag: int) -> None:
    """Wait until all pods run that image."""
    eventually(lambda: images(bed, namespace) == {image(tag)}, within=40, what=f"image {tag}")


def serving(bed: Testbed, namespace: str, **spec: Any) -> None:
    """Version 1 of web, out and not held, though labelled from now on."""
    bed.apply(web(namespace, 1, "false", **spec))
    bed.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=40s")
    bed.kubectl("label", "deployment", "web", "-n", namespace, f"{HOLD}=true", "--overwrite")


# Admission: no operator is asked


def test_a_new_deployment_is_held_and_has_no_pod(bed: Testbed, namespace: str) -> None:
    bed.apply(web(namespace))
    assert held(now(bed, namespace))
    status = bed.kubectl(
        "rollout", "status", "deployment/web", "-n", namespace, "--timeout=2s", check=False
    )
    assert "0 out of 2 new replicas have been updated" in status.stdout
    assert not items(bed, "pods", namespace)
    assert not items(bed, "replicasets", namespace)


def test_every_way_round_a_hold_stays_held(bed: Testbed, namespace: str) -> None:
    serving(bed, namespace)
    assert free(now(bed, namespace)), "a relabel alone holds nothing"
    bed.apply(web(namespace, 2))
    assert held(now(bed, namespace))

    def apply_unpaused() -> None:
        bed.apply(web(namespace, 2, paused=False))

    def apply_on_the_server() -> None:
        document = yaml.safe_dump(web(namespace, 2, paused=False))
        bed.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", input=document
        )  # fmt: skip

    def replace() -> None:
        bed.kubectl("replace", "-f", "-", input=yaml.safe_dump(web(namespace, 2)))

    def replace_with_the_mark() -> None:
        document = web(namespace, 2)
        document["metadata"]["annotations"] = {HELD: "true"}
        bed.kubectl("replace", "-f", "-", input=yaml.safe_dump(document))

    def resume() -> None:
        bed.kubectl("rollout", "resume", "deployment/web", "-n", namespace)

    def unmark() -> None:
        bed.kubectl("annotate", "deployment", "web", "-n", namespace, f"{HELD}-")

    def another_version() -> None:
        bed.kubectl("set", "image", "deployment/web", f"app={image(3)}", "-n", namespace)

    def restart_and_resume() -> None:
        body: Document = {
            "spec": {"paused": False, "template": {"metadata": {"labels": {"a": "b"}}}}
        }
        assert not patch(bed, namespace, "deployment/web", body)

    for way in (
        apply_unpaused, apply_on_the_server, replace, replace_with_the_mark, resume, unmark,
        another_version, restart_and_resume,
    ):  # fmt: skip
        way()
        assert held(now(bed, namespace)), way.__name__
    # Scaling is no new version: the old one scales.
    bed.kubectl("scale", "deployment/web", "-n", namespace, "--replicas=3")
    eventually(lambda: len(items(bed, "pods", namespace)) == 3, what="scaling while held")
    assert images(bed, namespace) == {image(1)}
    assert held(now(bed, namespace))


def test_the_label_false_is_the_way_out_in_the_same_apply_and_while_held(
    bed: Testbed, namespace: str
) -> None:
    serving(bed, namespace)
    bed.apply(web(namespace, 2, "false"))
    rolled_out(bed, namespace, 2)
    bed.apply(web(namespace, 3))
    assert held(now(bed, namespace))
    bed.apply(web(namespace, 3, "false"))
    bed.kubectl("rollout", "resume", "deployment/web", "-n", namespace)
    rolled_out(bed, namespace, 3)


def test_a_users_own_pause_is_theirs_and_what_was_changed_in_it_is_held(
    bed: Testbed, namespace: str
) -> None:
    serving(bed, namespace)
    bed.kubectl("rollout", "pause", "deployment/web", "-n", namespace)
    bed.apply(web(namespace, 2))
    paused = now(bed, namespace)
    assert paused["spec"]["paused"] is True
    assert HELD not in annotations(paused)
    bed.kubectl("rollout", "resume", "deployment/web", "-n", namespace)
    assert held(now(bed, namespace)), "else a pause would be a way round"
    assert images(bed, namespace) == {image(1)}


def test_who_pauses_in_the_same_request_keeps_their_own_pause(bed: Testbed, namespace: str) -> None:
    serving(bed, namespace)
    bed.apply(web(namespace, 2, paused=True))
    theirs = now(bed, namespace)
    assert theirs["spec"]["paused"] is True
    assert HELD not in annotations(theirs)
    # And a new one that comes paused.
    assert HELD not in annotations(dry_run(bed, web("default", paused=True)))


def test_a_template_with_a_key_twice_is_held_as_any_other(bed: Testbed, namespace: str) -> None:
    document = web(namespace, environment={"A": "1"})
    document["spec"]["template"]["spec"]["containers"][0]["env"] *= 2
    assert held(dry_run(bed, document))


def test_the_operators_account_may_change_the_pause_and_the_marks_alone(
    bed: Testbed, namespace: str
) -> None:
    bed.apply(web(namespace))
    account = bed.service_account_kubeconfig("pratique-system", "pratique")

    def tried(body: Document, what: str = "deployment/web") -> str:
        return patch(bed, namespace, what, body, account)

    nothing_of = "the operator may change nothing of a Deployment's spec but paused"
    for spec in (
        {"replicas": 7},
        {"minReadySeconds": 3},
        {"strategy": {"type": "Recreate", "rollingUpdate": None}},
        {"paused": False, "progressDeadlineSeconds": 7},
    ):
        assert nothing_of in tried({"spec": spec}), spec
    new_version: Document = {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}
    assert "may change no template" in tried(new_version)
    for metadata in (
        {"labels": {HOLD: "false"}},
        {"annotations": {"a": "b"}},
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": None}},
        {"finalizers": ["pratique.sh/finalizer"]},
    ):
        assert "no label, owner or finalizer" in tried({"metadata": metadata}), metadata
    assert not tried({"metadata": {"annotations": {HELD: None}}, "spec": {"paused": None}})
    assert free(now(bed, namespace))
    rolled_out(bed, namespace, 1)


def test_a_stateful_set_is_held_by_its_partition_and_its_user_keeps_theirs(
    bed: Testbed, namespace: str
) -> None:
    what = "statefulset/db"
    bed.apply(stateful_set(namespace, 1, replicas=3))
    assert not held(now(bed, namespace, "statefulset", "db")), "its first pods cannot be held"
    bed.kubectl("rollout", "status", what, "-n", namespace, "--timeout=40s")
    assert not patch(bed, namespace, what, rolling(1))
    bed.apply(stateful_set(namespace, 2, replicas=3))
    body = now(bed, namespace, "statefulset", "db")
    assert held(body)
    assert annotations(body)[KEPT] == "1"

    def replace() -> None:
        document = stateful_set(namespace, 2, replicas=3)
        document["spec"]["updateStrategy"] = {
            "type": "RollingUpdate", "rollingUpdate": {"partition": 1},
        }  # fmt: skip
        bed.kubectl("replace", "-f", "-", input=yaml.safe_dump(document))

    def unmark() -> None:
        bed.kubectl("annotate", what, "-n", namespace, f"{HELD}-", f"{KEPT}-")

    def lower() -> None:
        assert not patch(bed, namespace, what, rolling(1))

    for way in (replace, lower):
        way()
        body = now(bed, namespace, "statefulset", "db")
        assert held(body), way.__name__
        assert annotations(body)[KEPT] == "1", way.__name__
    # Scaled up while held: the new pods are of the old version.
    bed.kubectl("scale", what, "-n", namespace, "--replicas=5")
    eventually(lambda: len(items(bed, "pods", namespace)) == 5, what="scaling while held")
    assert images(bed, namespace) == {image(1)}
    account = bed.service_account_kubeconfig("pratique-system", "pratique")
    by_hand: Document = {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}
    for spec in ({"replicas": 7}, by_hand):
        said = patch(bed, namespace, what, {"spec": spec}, account)
        assert "nothing of a StatefulSet's spec but its partition" in said
    done = release_holds(bed, "-n", namespace)
    assert done.returncode == 0, done.stderr
    body = now(bed, namespace, "statefulset", "db")
    assert free(body)
    assert partition(body) == 1
    eventually(
        lambda: images(bed, namespace) == {image(1), image(2)}, within=40, what="rolling out"
    )
    # What the mark is taken from is held all the same, by its partition kept or not.
    bed.apply(stateful_set(namespace, 3, replicas=5))
    unmark()
    assert held(now(bed, namespace, "statefulset", "db"))


def rolling(partition: int) -> Document:
    return {"spec": {"updateStrategy": {"rollingUpdate": {"partition": partition}}}}


def test_release_holds_leads_out_without_an_operator_and_may_be_repeated(
    bed: Testbed, namespace: str
) -> None:
    serving(bed, namespace)
    bed.apply(web(namespace, 2))
    left_over = labelled(deployment(namespace, "other"), "false")
    left_over["metadata"]["annotations"] = {HELD: "let-go"}
    bed.apply(left_over)
    assert held(now(bed, namespace))
    done = release_holds(bed, "-n", namespace)
    assert done.returncode == 0, done.stderr
    assert f"deployment/web in namespace {namespace}: let go" in done.stdout
    assert "2 let go" in done.stdout
    for name in ("web", "other"):
        assert free(now(bed, namespace, name=name))
    rolled_out_web(bed, namespace)
    again = release_holds(bed, "--all")
    assert again.returncode == 0, again.stderr
    neither = release_holds(bed)
    assert neither.returncode == 2
    assert "--namespace NAME or --all" in neither.stderr


def rolled_out_web(bed: Testbed, namespace: str) -> None:
    bed.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=40s")


def test_the_rights_of_hold_are_to_patch_and_no_more(bed: Testbed, namespace: str) -> None:
    def may(verb: str, resource: str) -> bool:
        done = bed.kubectl(
            "auth", "can-i", verb, resource, "-n", namespace, f"--as={ACCOUNT}", check=False
        )  # fmt: skip
        return done.stdout.strip() == "yes"

    for plural in ("deployments.apps", "statefulsets.apps"):
        assert may("patch", plural)
        assert not any(may(verb, plural) for verb in ("create", "update", "delete"))
    assert not may("patch", "daemonsets.apps")


def test_a_promotion_that_was_granted_changes_the_template_and_is_held(
    bed: Testbed, namespace: str
) -> None:
    serving(bed, namespace)
    account = bed.service_account_kubeconfig("pratique-system", "pratique")
    grant = "pratique.sh/accepts-promotion-from"
    bed.kubectl("annotate", "deployment", "web", "-n", namespace, f"{grant}=staging")
    for body, why in (
        ({"spec": {"replicas": 7}}, "nothing of a Deployment's spec"),
        ({"metadata": {"labels": {HOLD: "false"}}}, "no owner or finalizer, nor"),
        ({"metadata": {"annotations": {grant: "others"}}}, "no owner or finalizer, nor"),
    ):
        assert why in patch(bed, namespace, "deployment/web", body, account), body
    more: Document = {"metadata": {"annotations": {"a": "b"}, "labels": {"c": "d"}}}
    assert not patch(bed, namespace, "deployment/web", more, account)
    new: Document = {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}
    assert not patch(bed, namespace, "deployment/web", new, account)
    assert held(now(bed, namespace)), "the operator's own changes are held as any other"
    assert len(items(bed, "replicasets", namespace)) == 1


def test_only_the_operator_writes_what_a_release_says(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    bed.apply(holding(namespace), web(namespace))
    verdict(bed, namespace, "web-1")
    name = "releases.pratique.sh/web-1"
    status = {"status": {"verdict": "Promotable"}}
    said = bed.kubectl(
        "patch", name, "-n", namespace, "--subresource=status", "--type=merge",
        "-p", json.dumps(status | {"status": {"verdict": "NotPromotable"}}), check=False,
    ).stderr  # fmt: skip
    assert "only the operator writes a release's spec and status" in said
    said = bed.kubectl("label", name, "-n", namespace, "pratique.sh/finished-", check=False).stderr
    assert "only the operator sets the label" in said
    bed.kubectl("annotate", name, "-n", namespace, "note=mine")
    bed.kubectl("delete", name, "-n", namespace)


# With the operator


def phase(release: Document) -> str:
    return str(release.get("status", {}).get("phase", ""))


def waits(bed: Testbed, namespace: str, name: str) -> Document:
    return wait(bed, "rel", namespace, name, lambda r: phase(r) == "Held")


def test_a_version_with_nothing_to_wait_for_is_let_go_and_judged(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    bed.apply(web(namespace), holding(namespace))  # the workload first, as a folder is applied
    release = verdict(bed, namespace, "web-1")
    assert says(release) == ("Promotable", "AllObjectivesMet")
    assert condition(release, "Held")["status"] == "False"
    assert condition(release, "Held")["reason"] == "LetGo"
    assert release["status"]["hold"]["by"] == "Admission"
    assert free(now(bed, namespace))
    reasons = {e["reason"] for e in items(bed, "events", namespace)}
    assert {"Held", "LetGo", "RolledOut", "Promotable"} <= reasons


def test_a_freeze_holds_until_its_deadline_and_then_what_was_declared(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    serving(bed, namespace)
    bed.apply(holding(namespace, {"deadline": "4s"}, errorBudgetPolicy=FREEZE))
    verdict(bed, namespace, "web-1")
    bed.apply(web(namespace, 2))
    release = waits(bed, namespace, "web-2")
    promotable = condition(release, "Promotable")
    assert (promotable["status"], promotable["reason"]) == ("Unknown", "Held")
    assert "no pod of it exists: changes are frozen until 2090" in promotable["message"]
    assert "ends at" in promotable["message"]
    release = verdict(bed, namespace, "web-2")
    assert says(release) == ("NotPromotable", "FreezeWindow")
    assert f"{HOLD}=false" in condition(release, "Promotable")["message"]
    assert condition(release, "Held")["reason"] == "KeptHeld"
    assert held(now(bed, namespace)), "the old pods serve on"
    assert images(bed, namespace) == {image(1)}

    # The old version again: it runs, and needs no check.
    bed.apply(web(namespace, 1))
    eventually(lambda: free(now(bed, namespace)), what="letting a rollback go")
    wait(bed, "rel", namespace, "web-3", lambda r: condition(r, "Held").get("reason") == "LetGo")

    # What is kept held goes by its label.
    bed.apply(web(namespace, 4))
    assert says(verdict(bed, namespace, "web-4")) == ("NotPromotable", "FreezeWindow")
    assert held(now(bed, namespace))
    bed.kubectl("label", "deployment", "web", "-n", namespace, f"{HOLD}=false", "--overwrite")
    rolled_out(bed, namespace, 4)
    assert free(now(bed, namespace))


def test_held_too_long_it_may_be_let_go_and_is_judged(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    serving(bed, namespace)
    bed.apply(
        holding(namespace, {"deadline": "2s", "onTimeout": "LetGo"}, errorBudgetPolicy=FREEZE)
    )
    verdict(bed, namespace, "web-1")
    bed.apply(web(namespace, 2))
    release = verdict(bed, namespace, "web-2")
    # Begun by choice, and judged: its verdict is still the freeze's.
    assert says(release) == ("NotPromotable", "FreezeWindow")
    assert release["status"]["rollout"]["completedAt"]
    assert "for as long as its policy lets it" in condition(release, "Held")["message"]
    assert free(now(bed, namespace))


def test_an_override_lets_it_go(bed: Testbed, namespace: str, operator: OperatorProcess) -> None:
    serving(bed, namespace)
    bed.apply(holding(namespace, errorBudgetPolicy=FREEZE))
    verdict(bed, namespace, "web-1")
    bed.apply(web(namespace, 2))
    waits(bed, namespace, "web-2")
    said = json.dumps({"by": "admin", "reason": "needed", "until": "2090-01-01T00:00:00Z"})
    bed.kubectl("annotate", "rel", "web-2", "-n", namespace, f"pratique.sh/override={said}")
    assert says(verdict(bed, namespace, "web-2")) == ("Promotable", "Overridden")
    rolled_out(bed, namespace, 2)


def awaiting(bed: Testbed, namespace: str, task: Document) -> None:
    """Version 1 of web is out and judged; the next ones wait for the task."""
    serving(bed, namespace)
    bed.apply(holding(namespace))
    verdict(bed, namespace, "web-1")
    bed.apply(holding(namespace, {"until": ["Tasks"]}, tasks=[task]))
    wait(
        bed, "relpol", namespace, "web",
        lambda p: p["status"].get("observedGeneration") == p["metadata"]["generation"],
    )  # fmt: skip


def test_a_task_is_done_before_any_pod_of_the_version_and_lets_it_go(
    bed: Testbed, namespace: str, operator: OperatorProcess, rights: None
) -> None:
    awaiting(bed, namespace, smoke("Lasts"))
    bed.apply(web(namespace, 2))

    def runs(release: Document) -> bool:
        tasks = release.get("status", {}).get("tasks", [])
        return phase(release) == "Held" and [t["state"] for t in tasks] == ["Running"]

    release = wait(bed, "rel", namespace, "web-2", runs)
    assert release["status"]["hold"]["waiting"] == ["Tasks"]
    promotable = condition(release, "Promotable")
    assert (promotable["status"], promotable["reason"]) == ("Unknown", "Held")
    assert "no pod of it exists: task smoke runs until" in promotable["message"]
    assert held(now(bed, namespace))
    assert serves(bed, namespace) == {image(1)}
    (pod,) = items(bed, "pods", namespace, "-l=pratique.sh/task=smoke")
    bed.kubectl("annotate", "pod", pod["metadata"]["name"], "-n", namespace, f"{FAIL}-")

    release = verdict(bed, namespace, "web-2")
    assert says(release) == ("Promotable", "AllObjectivesMet")
    assert condition(release, "Held")["reason"] == "LetGo"
    (task,) = release["status"]["tasks"]
    assert task["state"] == "Succeeded"
    assert free(now(bed, namespace))
    eventually(lambda: serves(bed, namespace) == {image(2)}, within=40, what="rolling out")
    assert len(items(bed, "jobs", namespace)) == 1


def test_a_task_that_fails_ends_it_before_any_pod_and_the_old_ones_serve_on(
    bed: Testbed, namespace: str, operator: OperatorProcess, rights: None
) -> None:
    awaiting(bed, namespace, smoke("Exit1"))
    bed.apply(web(namespace, 2))
    release = verdict(bed, namespace, "web-2")
    assert says(release) == ("NotPromotable", "TaskFailed")
    message = condition(release, "Promotable")["message"]
    assert "task smoke failed (BackoffLimitExceeded)" in message
    assert "No pod of it was started; it stays held" in message
    assert condition(release, "Held")["reason"] == "KeptHeld"
    assert condition(release, "TasksSucceeded")["reason"] == "TaskFailed"
    body = now(bed, namespace)
    assert held(body)
    assert body["status"]["readyReplicas"] == 2
    assert serves(bed, namespace) == {image(1)}
    assert len(items(bed, "replicasets", namespace)) == 1


def test_it_waits_for_an_approval_of_its_rollout(
    bed: Testbed, namespace: str, operator: OperatorProcess, rights: None
) -> None:
    serving(bed, namespace)
    bed.apply(holding(namespace, {"until": ["Approval"]}))
    verdict(bed, namespace, "web-1")
    bed.apply(web(namespace, 2))
    release = waits(bed, namespace, "web-2")
    assert release["status"]["hold"]["waiting"] == ["Approval"]
    message = condition(release, "Promotable")["message"]
    assert "no pod of it exists" in message
    assert "kubectl annotate rel web-2" in message

    def refused() -> bool:
        said = approve(bed, namespace, "web-2", "--dry-run=server", by="somebody")
        return "an approval is given in one's own name" in said

    assert not approve(bed, namespace, "web-2", purpose="Promotion")
    eventually(refused, what="holding approvals to one's own name")
    assert phase(now(bed, namespace, "rel", "web-2")) == "Held", "that was of its promotion"
    assert held(now(bed, namespace))
    assert serves(bed, namespace) == {image(1)}
    assert not approve(bed, namespace, "web-2")
    release = verdict(bed, namespace, "web-2")
    assert says(release) == ("Promotable", "AllObjectivesMet")
    assert condition(release, "Held")["reason"] == "LetGo"
    rolled_out(bed, namespace, 2)

    bed.apply(web(namespace, 3))
    waits(bed, namespace, "web-3")
    assert not approve(bed, namespace, "web-3", decision="Reject")
    release = verdict(bed, namespace, "web-3")
    assert says(release) == ("NotPromotable", "ApprovalRejected")
    assert condition(release, "Held")["reason"] == "KeptHeld"
    assert held(now(bed, namespace))
    assert serves(bed, namespace) == {image(2)}


def test_a_budget_that_is_spent_ends_it_before_any_pod(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    bed.apply(provider(namespace, bed.prometheus_url))
    bad = {"latency": "200ms", "rps": "30", "error-ratio": "0.5"}
    first = web(namespace, 1, "false")
    first["spec"]["template"]["metadata"]["annotations"] = {SIM + k: v for k, v in bad.items()}
    bed.apply(first)
    slo: Document = {
        "indicator": ERRORS["indicator"], "pass": [{"value": {"lte": 0.9}}],
        "target": 0.9, "window": {"rolling": "6h"}, "workload": "web",
    }  # fmt: skip
    bed.apply(
        {
            "apiVersion": "pratique.sh/v1alpha1",
            "kind": "ServiceLevelObjective",
            "metadata": {"name": "web-errors", "namespace": namespace},
            "spec": slo,
        }
    )
    wait(
        bed, "slobj", namespace, "web-errors",
        lambda o: o.get("status", {}).get("remaining", 0) < 0, timeout=100,
    )  # fmt: skip
    bed.apply(holding(namespace, errorBudgetPolicy={"objectives": ["web-errors"]}))
    verdict(bed, namespace, "web-1")
    bed.apply(web(namespace, 2))
    release = verdict(bed, namespace, "web-2")
    assert says(release) == ("NotPromotable", "BudgetExhausted")
    assert condition(release, "Held")["reason"] == "KeptHeld"
    assert held(now(bed, namespace))
    assert images(bed, namespace) == {image(1)}


def test_a_hold_that_no_release_waits_for_is_let_go_at_once(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    # No policy at all.
    bed.apply(web(namespace))
    eventually(lambda: free(now(bed, namespace)), what="a hold without a policy")
    rolled_out(bed, namespace, 1)
    # A user's pause in which nothing was changed.
    bed.apply(holding(namespace, errorBudgetPolicy=FREEZE))
    verdict(bed, namespace, "web-1")
    bed.kubectl("rollout", "pause", "deployment/web", "-n", namespace)
    bed.kubectl("rollout", "resume", "deployment/web", "-n", namespace)
    eventually(lambda: free(now(bed, namespace)), what="a hold without a new version")
    # The policy asks for it no more, and is gone.
    for change in ("edited", "deleted"):
        tag = 2 if change == "edited" else 3
        bed.apply(holding(namespace, errorBudgetPolicy=FREEZE))
        bed.apply(web(namespace, tag))
        waits(bed, namespace, f"web-{tag}")
        assert held(now(bed, namespace))
        if change == "edited":
            body = holding(namespace, errorBudgetPolicy=FREEZE)
            del body["spec"]["hold"]
            bed.apply(body)
        else:
            bed.kubectl("delete", "relpol", "web", "-n", namespace)
        eventually(lambda: free(now(bed, namespace)), what=f"a hold whose policy was {change}")
        rolled_out(bed, namespace, tag)


def test_a_stateful_set_is_let_go_with_its_own_partition(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    body = holding(namespace, errorBudgetPolicy=FREEZE)
    body["spec"]["targetRefs"] = [{"kind": "StatefulSet", "name": "db"}]
    bed.apply(body, stateful_set(namespace, 1))
    first = verdict(bed, namespace, "db-sts-1")
    assert "a StatefulSet's first pods cannot be held" in condition(first, "Held")["message"]
    bed.apply(stateful_set(namespace, 2))
    waits(bed, namespace, "db-sts-2")
    assert images(bed, namespace) == {image(1)}
    said = json.dumps({"by": "admin", "reason": "needed", "until": "2090-01-01T00:00:00Z"})
    bed.kubectl("annotate", "rel", "db-sts-2", "-n", namespace, f"pratique.sh/override={said}")
    release = verdict(bed, namespace, "db-sts-2")
    assert says(release) == ("Promotable", "Overridden")
    rolled_out(bed, namespace, 2)
    body = now(bed, namespace, "statefulset", "db")
    assert free(body)
    assert partition(body) == 0


def test_killed_while_held_and_while_letting_go(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    serving(bed, namespace)
    bed.apply(holding(namespace, errorBudgetPolicy=FREEZE))
    verdict(bed, namespace, "web-1")
    bed.apply(web(namespace, 2))
    since = waits(bed, namespace, "web-2")["status"]["hold"]["since"]
    operator.kill()
    bed.kubectl("rollout", "resume", "deployment/web", "-n", namespace)
    assert held(now(bed, namespace)), "our outage opens nothing"
    said = json.dumps({"by": "admin", "reason": "needed", "until": "2090-01-01T00:00:00Z"})
    bed.kubectl("annotate", "rel", "web-2", "-n", namespace, f"pratique.sh/override={said}")
    operator.start()
    limit = time.monotonic() + 30
    while time.monotonic() < limit:  # as soon as it is decided
        hold = now(bed, namespace, "rel", "web-2")["status"]["hold"]
        if hold.get("decidedAt"):
            break
    operator.kill()
    operator.start()
    release = verdict(bed, namespace, "web-2")
    assert says(release) == ("Promotable", "Overridden")
    assert release["status"]["hold"]["since"] == since
    assert free(now(bed, namespace))


def test_where_admission_does_not_hold_it_is_paused_on_sight(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    body = deployment(namespace, "web", image=image(1), replicas=8)  # no label: no admission
    bed.apply(body, holding(namespace, errorBudgetPolicy=FREEZE))
    release = verdict(bed, namespace, "web-1")
    assert "can only be held at admission" in condition(release, "Held")["message"]
    body["spec"]["template"]["spec"]["containers"][0]["image"] = image(2)
    bed.apply(body)
    release = waits(bed, namespace, "web-2")
    eventually(lambda: held(now(bed, namespace)), what="pausing on sight")
    assert annotations(now(bed, namespace))[HELD] == "on-sight"
    said = json.dumps({"by": "admin", "reason": "needed", "until": "2090-01-01T00:00:00Z"})
    bed.kubectl("annotate", "rel", "web-2", "-n", namespace, f"pratique.sh/override={said}")
    release = verdict(bed, namespace, "web-2")
    assert says(release) == ("Promotable", "Overridden")
    assert release["status"]["hold"]["by"] == "Sight"
    assert free(now(bed, namespace))
