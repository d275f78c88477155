"""kill -9 at each phase: the release goes on, has one verdict, and no Event is told twice."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest

from pratique_testbed.bed import Testbed
from pratique_testbed.jaeger import JaegerServer
from pratique_testbed.operator import OperatorProcess
from support.documents import (
    FAST,
    Document,
    deployment,
    items,
    policy,
    provider,
    says,
    verdict,
    wait,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    with OperatorProcess(bed) as process:
        yield process


def version_now(bed: Testbed, namespace: str) -> str:
    """From where a watch of the namespace's Releases can begin."""
    path = f"/apis/pratique.sh/v1alpha1/namespaces/{namespace}/releases"
    listed = json.loads(bed.kubectl("get", "--raw", path).stdout)
    return str(listed["metadata"]["resourceVersion"])


def history(bed: Testbed, namespace: str, since: str) -> list[Document]:
    """Every version of the namespace's Releases since then, as a watch shows them."""
    path = f"/apis/pratique.sh/v1alpha1/namespaces/{namespace}/releases"
    watch = f"{path}?watch=1&timeoutSeconds=1&resourceVersion={since}"
    lines = bed.kubectl("get", "--raw", watch).stdout.splitlines()
    events = [json.loads(line) for line in lines if line.strip()]
    assert all(e["type"] in ("ADDED", "MODIFIED") for e in events), events[-1]
    return [e["object"] for e in events]


@pytest.mark.parametrize("phase", ["Noticed", "RollingOut", "WarmingUp", "Evaluating", "Verdict"])
def test_killed_in_any_phase_it_comes_to_one_verdict(
    bed: Testbed, namespace: str, operator: OperatorProcess, phase: str
) -> None:
    begin = version_now(bed, namespace)
    bed.apply(
        provider(namespace, bed.prometheus_url),
        policy(namespace, "web", [FAST], {"warmUp": "3s"}),
        deployment(namespace, "web", sim={"latency": "200ms", "rps": "30"}),
    )

    def reached(release: Document) -> bool:
        status = release.get("status", {})
        if phase == "Noticed":
            return True
        if phase == "Verdict":
            return bool(status.get("verdict"))
        return status.get("phase") == phase

    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = items(bed, "rel", namespace)
        if found and reached(found[0]):
            break
    operator.kill()
    operator.start()
    release = verdict(bed, namespace, "web-1")
    assert says(release) == ("Promotable", "AllObjectivesMet")
    wait(
        bed, "rel", namespace, "web-1",
        lambda r: r["metadata"].get("labels", {}).get("pratique.sh/finished") == "true",
    )  # fmt: skip

    verdicts = {
        (v["status"]["verdict"], v["status"]["completedAt"])
        for v in history(bed, namespace, begin)
        if v.get("status", {}).get("verdict")
    }
    assert len(verdicts) == 1, "a verdict given is never rewritten"
    reasons = sorted(
        e["reason"] for e in items(bed, "events", namespace)
        if e["involvedObject"]["kind"] == "Release"
    )  # fmt: skip
    # Killed before the first Event, "Noticed" may be overtaken by the rollout; none comes twice.
    assert len(reasons) == len(set(reasons))
    assert {"RolledOut", "Promotable"} <= set(reasons)
    assert len(items(bed, "rel", namespace)) == 1


def test_a_prometheus_that_was_away_is_asked_again(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    bed.apply(
        provider(namespace, bed.prometheus_url, scrapeInterval="1s"),
        policy(namespace, "web", [FAST], {"window": "16s"}),
        deployment(namespace, "web", sim={"latency": "200ms", "rps": "30"}),
    )
    wait(
        bed, "rel", namespace, "web-1", lambda r: r.get("status", {}).get("phase") == "Evaluating"
    )  # fmt: skip
    time.sleep(4)
    bed.kill("prometheus")
    time.sleep(1)
    bed.restart("prometheus")
    release = verdict(bed, namespace, "web-1")
    assert says(release) == ("Promotable", "AllObjectivesMet")


def test_traces_of_a_judgement_reach_a_real_jaeger(bed: Testbed, namespace: str) -> None:
    with (
        JaegerServer() as jaeger,
        OperatorProcess(
            bed, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp_url}
        ) as operator,
    ):
        bed.apply(
            provider(namespace, bed.prometheus_url),
            policy(namespace, "web", [FAST]),
            deployment(namespace, "web", sim={"latency": "200ms", "rps": "30"}),
        )
        verdict(bed, namespace, "web-1")
        limit = time.monotonic() + 20
        spans: list[Document] = []
        while time.monotonic() < limit and len(spans) < 8:
            with urllib.request.urlopen(
                f"{jaeger.query_url}/api/traces?service=pratique&lookback=1h", timeout=10
            ) as answer:
                spans = [s for t in json.load(answer)["data"] for s in t["spans"]]
            time.sleep(0.3)
        assert operator.ready()
    names = [s["operationName"] for s in spans]
    ids = {s["spanID"] for s in spans}
    roots = [s for s in spans if not s["references"]]
    assert len(roots) == 1
    assert all(r["spanID"] in ids for s in spans for r in s["references"]), "no orphan"
    for part in ("rollout", "warm-up", "window", "look", "objective"):
        assert any(part in name for name in names), names
    tags = {t["key"]: t["value"] for t in roots[0]["tags"]}
    assert tags["pratique.verdict"] == "Promotable"
    assert tags["k8s.namespace.name"] == namespace
