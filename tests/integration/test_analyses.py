"""Judgements on demand, on a real control plane and a real Prometheus; and the samples that a release leaves.

One good and one bad Deployment run long enough to be judged over the past; all analyses of a test are
made at once, as each waits for the provider's delay only.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from pratique.lifecycle.records import MAX_BYTES, decode
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
from support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HISTORY = 20.0
"""Seconds for which the workloads run before they are judged."""


@pytest.fixture(scope="module")
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    with OperatorProcess(bed) as process:
        yield process


@pytest.fixture(scope="module")
def shop(bed: Testbed, operator: OperatorProcess) -> Iterator[str]:
    """A namespace whose workloads ran for some time."""
    namespace = f"analyses-{uuid.uuid4().hex[:6]}"
    bed.kubectl("create", "namespace", namespace)
    sim = {"latency": "100ms", "rps": "40", "error-ratio": "0"}
    bed.apply(
        provider(namespace, bed.prometheus_url),
        deployment(namespace, "good", sim=sim),
        deployment(namespace, "bad", sim={**sim, "latency": "600ms", "error-ratio": "0.2"}),
    )
    for name in ("good", "bad"):
        bed.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=30s")
    wait(
        bed, "metricsproviders", namespace, "default",
        lambda p: p.get("status", {}).get("scrapeInterval") == "1s",
    )  # fmt: skip
    time.sleep(HISTORY)
    yield namespace
    bed.kubectl("delete", "namespace", namespace, "--wait=false")


def analysis(workload: str, *objectives: Document, **spec: Any) -> Document:
    """An Analysis of the last seconds, unless another time is said."""
    body: Document = {"workload": {"name": workload}, **spec}
    if not {"window", "recent", "until"} & spec.keys():
        body["recent"] = "12s"
    if objectives:
        body["objectives"] = list(objectives)
    return {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "Analysis",
        "metadata": {"generateName": f"{workload}-"},
        "spec": body,
    }


def made(bed: Testbed, namespace: str, document: Document) -> str:
    """Created as a pipeline would: its name."""
    found = bed.kubectl(
        "create", "-n", namespace, "-f", "-", "-o", "jsonpath={.metadata.name}",
        input=yaml.safe_dump(document),
    )  # fmt: skip
    return str(found.stdout)


def ended(bed: Testbed, namespace: str, name: str, timeout: float = 60) -> Document:
    return wait(
        bed, "analyses", namespace, name,
        lambda a: bool(a.get("status", {}).get("completedAt")), timeout=timeout,
    )  # fmt: skip


def test_the_recent_past_and_a_time_that_is_named(bed: Testbed, shop: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    window = {
        "from": (now - timedelta(seconds=14)).isoformat(),
        "to": (now - timedelta(seconds=2)).isoformat(),
    }
    names = {
        (workload, time_): made(
            bed, shop, analysis(workload, ERRORS, FAST, **({"window": window} if time_ else {}))
        )
        for workload in ("good", "bad")
        for time_ in (True, False)
    }
    assert len(set(names.values())) == 4  # generateName: each creation is one more
    for (workload, time_), name in names.items():
        found = ended(bed, shop, name)
        wanted = (
            ("Promotable", "AllObjectivesMet")
            if workload == "good"
            else ("NotPromotable", "ObjectiveFailed")
        )
        assert says(found) == wanted
        status = found["status"]
        judged = status["judgement"]
        assert judged["verdict"] == status["verdict"]
        assert judged["window"] == status["window"]
        if time_:
            assert datetime.fromisoformat(status["window"]["to"]) == now - timedelta(seconds=2)
        else:
            created = found["metadata"]["creationTimestamp"]
            assert status["window"]["to"] == created
        errors = next(r for r in judged["results"] if r["name"] == "errors")
        assert errors["samples"] == pytest.approx(12 * 2 * 40, rel=0.25)
        assert errors["value"] == pytest.approx(0 if workload == "good" else 0.2, abs=0.07)
        assert "http_requests_total" in errors["query"]
        assert condition(found, "Ready")["status"] == "True"
        assert not condition(found, "Reconciling")
        assert len(json.dumps(status)) <= 8192


def test_a_time_to_come_is_called_early_where_it_is_bad(bed: Testbed, shop: str) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=120)).replace(microsecond=0).isoformat()
    name = made(bed, shop, analysis("bad", ERRORS, until=until, interval="3s"))
    found = ended(bed, shop, name, timeout=40)
    assert says(found) == ("NotPromotable", "ObjectiveFailed")
    assert found["status"]["judgement"]["window"]["to"] < found["status"]["window"]["to"]


def test_by_a_policy_with_a_baseline_of_another_workload(bed: Testbed, shop: str) -> None:
    document = policy(shop, "rules", [FAST], targetRefs=[{"kind": "Deployment", "name": "none"}])
    bed.apply(document)
    name = made(bed, shop, analysis("bad", policy="rules", baseline={"workload": "good"}))
    found = ended(bed, shop, name)
    assert says(found) == ("NotPromotable", "ObjectiveFailed")
    assert found["status"]["policy"] == f"{shop}/rules@1"
    baseline = found["status"]["judgement"]["results"][0]["baseline"]
    assert (baseline["source"], baseline["release"]) == ("Workload", "good")
    assert baseline["value"] == pytest.approx(0.1, rel=0.3)


def test_arguments_choose_series(bed: Testbed, shop: str) -> None:
    chosen = {
        "name": "ok-requests",
        "indicator": {
            "query": {"expr": 'sum(increase(http_requests_total{pod=~"$pods",code="$arg_code"}[$window]))'},
            "attribution": "Pod",
        },
        "pass": [{"value": {"gt": 0}}],
    }  # fmt: skip
    bed.apply(
        {**provider(shop, bed.prometheus_url, scope={"raw": "Allow"}), "metadata": {"name": "raw", "namespace": shop}}
    )  # fmt: skip
    wait(
        bed, "metricsproviders", shop, "raw",
        lambda p: p.get("status", {}).get("scrapeInterval") == "1s",
    )  # fmt: skip
    given = {"provider": "raw", "args": {"code": "200"}}
    found = ended(bed, shop, made(bed, shop, analysis("good", chosen, **given)))
    assert says(found) == ("Promotable", "AllObjectivesMet")
    assert 'code="200"' in found["status"]["judgement"]["results"][0]["query"]
    given["args"] = {"code": '200"} or vector(1'}
    hostile = ended(bed, shop, made(bed, shop, analysis("good", chosen, **given)))
    assert says(hostile) == ("Inconclusive", "NoData")


def test_a_bad_reference_is_said_and_taken_up_once_it_is_mended(bed: Testbed, shop: str) -> None:
    name = made(bed, shop, analysis("good", {"ref": "later"}))
    stalled = wait(
        bed, "analyses", shop, name, lambda a: condition(a, "Stalled").get("status") == "True"
    )
    message = condition(stalled, "Stalled")["message"]
    assert "spec.objectives[0].ref: there is no ServiceLevelObjective 'later'" in message
    assert "verdict" not in stalled["status"]
    objective = {k: v for k, v in ERRORS.items() if k != "name"}
    bed.apply(
        {
            "apiVersion": "pratique.sh/v1alpha1",
            "kind": "ServiceLevelObjective",
            "metadata": {"name": "later", "namespace": shop},
            "spec": objective,
        }
    )
    assert says(ended(bed, shop, name)) == ("Promotable", "AllObjectivesMet")


def test_it_cannot_be_changed_and_is_never_written_again(
    bed: Testbed, shop: str, operator: OperatorProcess
) -> None:
    name = made(bed, shop, analysis("good", ERRORS))
    before = ended(bed, shop, name)
    refused = bed.kubectl(
        "patch", "ana", name, "-n", shop, "--type=merge", "-p", '{"spec":{"recent":"1h"}}',
        check=False,
    )  # fmt: skip
    assert "make another" in refused.stderr
    operator.kill()
    operator.start()
    time.sleep(3)
    after = get(bed, "analyses", shop, name)
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_killed_while_it_waits_it_asks_the_same(
    bed: Testbed, shop: str, operator: OperatorProcess
) -> None:
    name = made(bed, shop, analysis("good", ERRORS, delay="6s"))
    seen = wait(bed, "analyses", shop, name, lambda a: bool(a.get("status", {}).get("window")))
    operator.kill()
    operator.start()
    found = ended(bed, shop, name)
    assert says(found) == ("Promotable", "AllObjectivesMet")
    assert found["status"]["window"] == seen["status"]["window"]


def test_it_is_deleted_when_its_time_is_over(bed: Testbed, shop: str) -> None:
    name = made(bed, shop, analysis("good", ERRORS, retention={"ttl": "3s"}))
    ended(bed, shop, name)
    eventually(lambda: get(bed, "analyses", shop, name) is None, within=15, what="its deletion")


def test_what_is_listed(bed: Testbed, shop: str) -> None:
    name = made(bed, shop, analysis("good", ERRORS))
    # As the guide says to a pipeline.
    wanted = ("--for=jsonpath={.status.completedAt}", "--timeout=30s")
    bed.kubectl("wait", "-n", shop, f"analysis.pratique.sh/{name}", *wanted)
    shown = bed.kubectl("get", "ana", "-n", shop).stdout
    assert shown.splitlines()[0].split() == ["NAME", "WORKLOAD", "VERDICT", "REASON", "AGE"]
    assert "AllObjectivesMet" in shown
    chosen = items(bed, "ana", shop, "--field-selector", "status.verdict=Promotable")
    assert chosen


def test_killed_before_its_samples_are_kept_they_are_found_again(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    bed.apply(
        provider(namespace, bed.prometheus_url),
        policy(namespace, "web", [FAST, ERRORS]),
        deployment(namespace, "web", sim={"latency": "100ms", "rps": "40", "error-ratio": "0"}),
    )
    release = verdict(bed, namespace, "web-1")
    record = get(bed, "releaserecords", namespace, "web-1")
    assert record is not None
    assert record["metadata"]["ownerReferences"][0]["uid"] == release["metadata"]["uid"]
    assert len(record["spec"]["data"]) <= MAX_BYTES
    first = decode(record["spec"]["data"])
    assert {len(looks) for looks in first.looks.values()} == {record["spec"]["looks"]}

    # As it was the moment after the verdict: no record yet, and not everything is out.
    operator.kill()
    bed.kubectl("delete", "releaserecord", "web-1", "-n", namespace)
    bed.kubectl("label", "releases.pratique.sh", "web-1", "-n", namespace, "pratique.sh/finished-")
    operator.start()
    again = wait(bed, "releaserecords", namespace, "web-1", lambda _: True)
    assert decode(again["spec"]["data"]) == first
    assert verdict(bed, namespace, "web-1")["status"] == release["status"]

    bed.kubectl("delete", "releases.pratique.sh", "web-1", "-n", namespace)
    eventually(
        lambda: get(bed, "releaserecords", namespace, "web-1") is None,
        within=40, what="the record's end with its release",
    )  # fmt: skip
