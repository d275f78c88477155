"""Why a rollout fails, named on the real control plane: each cause while the verdict is open, and in it.

The scenarios run side by side, each in a namespace of its own; each test then reads what became of one.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from support.documents import Document, condition, deployment, items, policy, says, verdict, wait

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

TESTBED = "testbed.pratique.sh/"
ROOT = Path(__file__).resolve().parents[2]
SUSPECTS = "suspects"


def quota(ns: str, spec: Document) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": ns},
        "spec": spec,
    }


def limit_range(ns: str) -> Document:
    limit = {"type": "Container", "max": {"cpu": "1"}}
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "limits", "namespace": ns},
        "spec": {"limits": [limit]},
    }


def limited(body: Document, **limits: str) -> Document:
    for container in body["spec"]["template"]["spec"]["containers"]:
        container["resources"] = {"limits": limits}
    return body


def with_pod(body: Document, **spec: Any) -> Document:
    """The Deployment with more in its pods' spec; ``annotations`` are theirs."""
    template = body["spec"]["template"]
    template["metadata"]["annotations"] |= spec.pop("annotations", {})
    template["spec"] |= spec
    return body


def fails(ns: str, failure: str, **annotations: str) -> list[Document]:
    marks = {TESTBED + k: v for k, v in annotations.items()}
    return [with_pod(deployment(ns, "web", fail=failure), annotations=marks)]


def volume(ns: str) -> list[Document]:
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "absent"}}
    return [with_pod(deployment(ns, "web"), volumes=[claim])]


NO_NODE = {"nodeSelector": {"disk": "gold"}}
DEFINITE: dict[str, tuple[Callable[[str], list[Document]], str, str]] = {
    "ImageMissing": (lambda ns: fails(ns, "ImagePullBackOff"), "registry.example/app:1", "tag"),
    "ConfigMissing": (
        lambda ns: fails(ns, "CreateContainerConfigError", missing="colours"),
        'configmap "colours" not found',
        "kubectl get configmap colours -n",
    ),
    "CrashLoop": (
        lambda ns: fails(ns, "CrashLoopBackOff", words="no DATABASE_URL"),
        "exit code 1 (Error): no DATABASE_URL",
        "--previous",
    ),
    "OOMKilled": (lambda ns: fails(ns, "OOMLoop"), "137, SIGKILL (OOMKilled)", "memory limit"),
    "InsufficientCpu": (
        lambda ns: [deployment(ns, "web", cpu="4000")],
        "Insufficient cpu",
        "kubectl describe nodes",
    ),
    "AffinityNotMet": (
        lambda ns: [with_pod(deployment(ns, "web"), **NO_NODE)],
        "node affinity/selector",
        "nodeSelector",
    ),
    "ClaimMissing": (volume, 'persistentvolumeclaim "absent"', "persistentvolumeclaim absent -n"),
    "QuotaExceeded": (
        lambda ns: [quota(ns, {"hard": {"pods": "0"}}), deployment(ns, "web")],
        "exceeded quota: small",
        "kubectl describe resourcequota small",
    ),
    "LimitRangeViolated": (
        lambda ns: [limit_range(ns), limited(deployment(ns, "web"), cpu="2")],
        "maximum cpu usage per Container is 1",
        "kubectl describe limitrange",
    ),
    "ServiceAccountMissing": (
        lambda ns: [with_pod(deployment(ns, "web"), serviceAccountName="cart")],
        'serviceaccount "cart" not found',
        "kubectl get serviceaccount cart -n",
    ),
    "AdmissionRejected": (
        lambda ns: [with_pod(deployment(ns, "web"), hostNetwork=True)],
        "violates PodSecurity",
        "policy",
    ),
}
PASSING = {
    "ReadinessProbeFailing": ("NeverReady", "HTTP probe failed with statuscode: 503", "14s"),
    "NeverReady": ("NeverReadyQuietly", "is not ready", "66s"),
}
"""Causes that may pass: the stage that makes them, their words, and how long the rollout may take."""


def objects(ns: str) -> list[Document]:
    """What stands around a workload: two of each that concern it or not."""
    meta = {"namespace": ns}
    policies = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {**meta, "name": name},
            "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"]},
        }
        for name, app in (("deny-web", "web"), ("deny-other", "other"))
    ]
    return [
        *policies,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {**meta, "name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 1},
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {**meta, "name": "web"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 3,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**meta, "name": "settings"},
            "data": {"colour": "blue-canary"},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {**meta, "name": "cart-database"},
            "stringData": {"password": "s3cret-canary"},
        },
    ]


def configured(ns: str, **more: Any) -> Document:
    body = deployment(ns, "web", **more)
    sources = [
        {"configMapRef": {"name": "settings"}},
        {"configMapRef": {"name": "absent", "optional": True}},
        {"secretRef": {"name": "cart-database"}},
    ]
    body["spec"]["template"]["spec"]["containers"][0]["envFrom"] = sources
    return body


QUICK = {"warmUp": "0s", "window": "4s", "interval": "1s", "failFast": {"after": "1s"}}


def play_suspects(bed: Testbed, ns: str) -> list[Document]:
    bed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}})
    bed.kubectl("wait", "-n", ns, "--for=create", "serviceaccount/default", "--timeout=20s")
    everything = objects(ns)
    bed.apply(*everything, configured(ns), policy(ns, "web", None, QUICK))
    verdict(bed, ns, "web-1")
    time.sleep(1.1)  # times are cut to seconds
    bed.kubectl("annotate", "networkpolicy/deny-web", "-n", ns, "touched=1", "--field-manager=ada")
    everything[5]["data"]["colour"] = "red-canary"
    everything[6]["stringData"]["password"] = "s3cret-canary-2"
    bed.apply(*everything[5:])
    # It rolls out, and then fails its objectives.
    killed = configured(ns, image="registry.example/app:2", fail="OOMKilled")
    bed.apply(with_pod(killed, annotations={f"{TESTBED}after": "100ms"}))
    second = verdict(bed, ns, "web-2")
    role = (ROOT / "deploy" / "examples" / "secret-suspects.yaml").read_text()
    for document in yaml.safe_load_all(role):
        document["metadata"]["namespace"] = ns
        bed.apply(document)
    time.sleep(1)  # the authorizer learns of it by a watch
    bed.apply(configured(ns, image="registry.example/app:3", fail="CrashLoopBackOff"))
    return [second, verdict(bed, ns, "web-3")]


class Played:
    """What became of each scenario."""

    def __init__(self, futures: dict[str, Future[Any]]) -> None:
        self._futures = futures

    def __call__(self, cause: str) -> Any:
        return self._futures[cause].result(timeout=200)


def named(bed: Testbed, ns: str, cause: str, *, timeout: float = 60) -> Document:
    """The Release once the cause is told."""

    def told(found: Document) -> bool:
        diagnosis = found.get("status", {}).get("rollout", {}).get("diagnosis", {})
        return bool(diagnosis.get("cause") == cause)

    return wait(bed, "releases.pratique.sh", ns, "web-1", told, timeout=timeout)


def play(bed: Testbed, ns: str, cause: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "baseline"} if "Admission" in cause else {}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns, "labels": labels}}
    bed.apply(space)
    bed.kubectl("wait", "-n", ns, "--for=create", "serviceaccount/default", "--timeout=20s")
    if cause in DEFINITE:
        documents = DEFINITE[cause][0](ns)
        analysis = {"failFast": {"after": "6s"}}
    else:
        failure, _, deadline = PASSING[cause]
        documents = fails(ns, failure)
        analysis = {"failFast": {"after": "0s"}, "rolloutDeadline": deadline}
    bed.apply(policy(ns, "web", None, analysis), *documents)
    open_ = named(bed, ns, cause, timeout=90)
    done = verdict(bed, ns, "web-1", timeout=90)
    return {"open": open_, "done": done, "events": items(bed, "events", ns)}


@pytest.fixture(scope="module")
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    with OperatorProcess(bed) as process:
        yield process


@pytest.fixture(scope="module")
def played(bed: Testbed, operator: OperatorProcess) -> Iterator[Played]:
    run = uuid.uuid4().hex[:6]
    # The longest begins first.
    names = {cause: f"{cause.lower()}-{run}" for cause in reversed([*DEFINITE, *PASSING])}
    with ThreadPoolExecutor(4) as pool:
        futures = {c: pool.submit(play, bed, ns, c) for c, ns in names.items()}
        futures[SUSPECTS] = pool.submit(play_suspects, bed, f"suspects-{run}")
        yield Played(futures)
    bed.kubectl("delete", "namespace", "--wait=false", f"suspects-{run}", *names.values())


def told_as(events: list[Document], reason: str) -> list[str]:
    found = [e for e in events if e["involvedObject"]["name"] == "web-1"]
    return [e["message"] for e in found if e["reason"] == reason]


@pytest.mark.parametrize("cause", DEFINITE)
def test_a_definite_cause_is_named_and_then_ends_the_release(played: Played, cause: str) -> None:
    _, words, next_ = DEFINITE[cause]
    found = played(cause)
    promotable = condition(found["open"], "Promotable")
    assert promotable["status"] == "Unknown"
    diagnosis = found["open"]["status"]["rollout"]["diagnosis"]
    assert diagnosis["definite"] is True
    assert words in diagnosis["message"]
    assert next_ in diagnosis["next"]
    assert says(found["done"]) == ("NotPromotable", "RolloutFailed")
    final = condition(found["done"], "Promotable")["message"]
    for part in (cause, words, next_):
        assert part in promotable["message"]
        assert part in final
    [event] = told_as(found["events"], cause)
    assert words in event


@pytest.mark.parametrize("cause", PASSING)
def test_a_cause_that_may_pass_waits_for_the_deadline_and_is_named_in_the_end(
    played: Played, cause: str
) -> None:
    _, words, _ = PASSING[cause]
    found = played(cause)
    diagnosis = found["open"]["status"]["rollout"]["diagnosis"]
    assert diagnosis["definite"] is False
    assert words in diagnosis["message"]
    assert condition(found["open"], "Promotable")["status"] == "Unknown"
    assert says(found["done"]) == ("NotPromotable", "RolloutFailed")
    final = condition(found["done"], "Promotable")["message"]
    assert "was not complete at its deadline" in final
    assert cause in final
    assert words in final
    assert told_as(found["events"], cause)


def test_what_changed_is_named_beside_a_failure_most_telling_first(
    operator: OperatorProcess, played: Played
) -> None:
    second, _ = played(SUSPECTS)
    assert says(second) == ("NotPromotable", "ObjectiveFailed")
    found = second["status"]["suspects"]
    assert [(s["kind"], s["name"]) for s in found] == [
        ("ConfigMap", "settings"),
        ("NetworkPolicy", "deny-web"),
    ]
    assert found[1]["manager"] == "ada"
    assert found[1]["why"] == "it selects the pods"
    assert found[0]["at"] >= second["spec"]["noticedAt"][:17]
    assert second["status"]["unread"] == ["Secret"]
    message = condition(second, "Promotable")["message"]
    assert "NetworkPolicy deny-web, which selects its pods, was changed at" in message
    assert "by ada" in message
    assert "canary" not in json.dumps(second)
    assert "canary" not in operator.log.read_text()


def test_a_secret_is_a_suspect_by_its_name_once_a_role_names_it(
    operator: OperatorProcess, played: Played
) -> None:
    _, third = played(SUSPECTS)
    assert says(third) == ("NotPromotable", "RolloutFailed")
    assert third["status"]["unread"] == []
    kinds = [(s["kind"], s["name"]) for s in third["status"]["suspects"]]
    assert ("Secret", "cart-database") in kinds
    assert "canary" not in json.dumps(third)
    assert "canary" not in operator.log.read_text()
