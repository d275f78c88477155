"""Error budgets and agreements on a real control plane and a real Prometheus, and what they hold back."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

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
from support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"latency": "200ms", "rps": "30"}
BAD = {**GOOD, "error-ratio": "0.5"}
LOOSE = {**ERRORS, "pass": [{"value": {"lte": 0.9}}]}
"""What every version here meets: so that only the budget decides."""


def ours(kind: str, namespace: str, name: str, spec: Document) -> Document:
    return {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def budget(namespace: str, name: str, **more: Any) -> Document:
    return ours(
        "ServiceLevelObjective",
        namespace,
        name,
        {
            "indicator": ERRORS["indicator"],
            "pass": [{"value": {"lte": 0.9}}],
            "target": 0.9,
            "window": {"rolling": "6h"},
            **more,
        },
    )


def known(found: Document) -> bool:
    return found.get("status", {}).get("remaining") is not None


@pytest.fixture(scope="module")
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    with OperatorProcess(bed) as process:
        yield process


SCENARIOS: dict[str, Callable[[Testbed, str], None]] = {}


def scenario(play: Callable[[Testbed, str], None]) -> Callable[[Testbed, str], None]:
    SCENARIOS[play.__name__] = play
    return play


@pytest.fixture(scope="module")
def played(bed: Testbed, operator: OperatorProcess) -> Iterator[dict[str, Future[None]]]:
    """Each takes its time in real seconds, so all run side by side, in namespaces of their own."""
    bed.apply(ROOT / "deploy" / "override-admission.yaml")
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {name: pool.submit(_play, bed, play) for name, play in SCENARIOS.items()}


def _play(bed: Testbed, play: Callable[[Testbed, str], None]) -> None:
    name = f"budgets-{uuid.uuid4().hex[:6]}"
    bed.kubectl("create", "namespace", name)
    bed.apply(provider(name, bed.prometheus_url))
    wait(
        bed, "metricsproviders", name, "default",
        lambda p: p.get("status", {}).get("scrapeInterval") == "1s",
    )  # fmt: skip
    play(bed, name)
    bed.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("name", ["held_back", "figures", "not_reckoned"])
def test_scenario(played: dict[str, Future[None]], name: str) -> None:
    played[name].result(timeout=380)


def test_every_scenario_is_looked_at() -> None:
    assert sorted(SCENARIOS) == ["figures", "held_back", "not_reckoned"]


def counted(bed: Testbed, namespace: str, *, code: str = "") -> float:
    """Events up to now, as Prometheus itself sees them."""
    matcher = f',code=~"{code}"' if code else ""
    expr = f'sum(http_requests_total{{namespace="{namespace}"{matcher}}})'
    url = f"{bed.prometheus_url}/api/v1/query?{urlencode({'query': expr})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        rows = json.load(answer)["data"]["result"]
    return float(rows[0]["value"][1]) if rows else 0.0


@scenario
def held_back(bed: Testbed, ns: str) -> None:
    """An empty budget holds back all but rollbacks, exemptions and overrides."""
    terms = {"errorBudgetPolicy": {"exempt": ["Security"]}}
    bed.apply(policy(ns, "web", [LOOSE], **terms), deployment(ns, "web", sim=BAD))
    first = verdict(bed, ns, "web-1")
    assert says(first) == ("Promotable", "AllObjectivesMet")  # no budget is declared yet

    bed.apply(budget(ns, "web-errors", workload="web"))
    found = wait(bed, "slobj", ns, "web-errors", known)
    status = found["status"]
    assert status["attained"] == pytest.approx(0.5, abs=0.1)
    assert status["remaining"] == pytest.approx(1 - (1 - status["attained"]) / 0.1, abs=0.01)
    assert status["remaining"] < -2
    rates = {r["window"]: r["rate"] for r in status["burnRates"]}
    assert set(rates) == {"5m", "30m", "1h", "2h", "6h"}
    assert rates["1h"] == pytest.approx((1 - status["attained"]) / 0.1, rel=0.05)
    assert condition(found, "WithinBudget")["status"] == "False"
    assert [(g["policy"], g["blocked"]) for g in status["gates"]] == [("web", True)]

    bed.apply(deployment(ns, "web", image="registry.example/app:2", sim=GOOD))
    second = verdict(bed, ns, "web-2")
    assert says(second) == ("NotPromotable", "BudgetExhausted")
    message = condition(second, "Promotable")["message"]
    assert "the error budget of web-errors is overspent by" in message
    assert "This release spent 0 % of the error budget of web-errors" in message
    assert "By itself: Promotable" in message

    bed.kubectl("rollout", "undo", "deployment/web", "-n", ns)
    third = verdict(bed, ns, "web-3")
    assert third["spec"]["cause"] == "Rollback"
    assert says(third) == ("Promotable", "AllObjectivesMet")
    message = condition(third, "Promotable")["message"]
    assert "A rollback is never held back, though the error budget of web-errors" in message

    fixed = deployment(ns, "web", image="registry.example/app:4", sim=GOOD)
    fixed["metadata"]["annotations"] = {"pratique.sh/change-class": "Security"}
    bed.apply(fixed)
    fourth = verdict(bed, ns, "web-4")
    assert says(fourth) == ("Promotable", "AllObjectivesMet")
    assert "It is exempt as Security" in condition(fourth, "Promotable")["message"]

    bed.kubectl("annotate", "deployment/web", "-n", ns, "pratique.sh/change-class-")
    bed.apply(deployment(ns, "web", image="registry.example/app:5", sim=GOOD))
    wait(bed, "releases.pratique.sh", ns, "web-5", lambda r: "status" in r)
    refused = override(bed, ns, "web-5", by="somebody-else")
    assert refused.returncode != 0
    assert "an override is given in one's own name" in refused.stderr
    hidden = '{"by":"admin","reason":"x","until":"2099-01-01T00:00:00Z","by":"mallory"}'
    for text in (hidden, '{"by": "admin"}', "yes", '{"reason":"x","by":"admin"}'):
        tried = annotate(bed, ns, "web-5", text)
        assert tried.returncode != 0, text
        assert "write pratique.sh/override as" in tried.stderr
    done = override(bed, ns, "web-5", by="admin")
    assert done.returncode == 0, done.stderr
    fifth = verdict(bed, ns, "web-5")
    assert says(fifth) == ("Promotable", "Overridden")
    message = condition(fifth, "Promotable")["message"]
    assert "admin let it pass until" in message
    assert "mends the outage" in message


def override(bed: Testbed, namespace: str, release: str, *, by: str) -> Any:
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps({"by": by, "reason": "mends the outage", "until": until})
    return annotate(bed, namespace, release, text)


def annotate(bed: Testbed, namespace: str, release: str, text: str) -> Any:
    return bed.kubectl(
        "annotate", "--overwrite", "releases.pratique.sh", release, "-n", namespace,
        f"pratique.sh/override={text}", check=False,
    )  # fmt: skip


@scenario
def figures(bed: Testbed, ns: str) -> None:
    """A budget and an agreement show the figures of Prometheus."""
    bed.apply(deployment(ns, "api", sim={**GOOD, "error-ratio": "0.02"}))
    wait(bed, "deployment", ns, "api", lambda d: d.get("status", {}).get("readyReplicas") == 2)
    eventually(lambda: counted(bed, ns) > 2000, within=90, what="traffic")
    slices = {"length": "10s", "target": 0.5}
    bed.apply(
        budget(ns, "by-events", target=0.95),
        budget(ns, "by-slices", budgetingMethod="Timeslices", timeSlice=slices,
               window={"calendar": {"unit": "Month", "timeZone": "Europe/Berlin"}}),
        ours("ServiceLevelAgreement", ns, "gold", {
            "parties": {"provider": "us", "consumers": ["them"], "tier": "gold"},
            "objectives": [
                {"name": "answers", "ref": "by-events", "target": 0.9},
                {"name": "strict", "indicator": ERRORS["indicator"], "target": 0.999},
            ],
            "period": {"timeZone": "Europe/Berlin"},
            "credits": [{"below": 0.999, "percent": "10%"}, {"below": 0.5, "percent": "100%"}],
        }),
    )  # fmt: skip
    total, bad = counted(bed, ns), counted(bed, ns, code="5..")
    status = wait(bed, "slobj", ns, "by-events", known)["status"]
    # Up to two slices of ten seconds are not over yet when it is reckoned.
    assert status["total"] == pytest.approx(total, rel=0.35)
    assert status["bad"] / status["total"] == pytest.approx(bad / total, abs=0.01)
    assert status["remaining"] == pytest.approx(
        1 - status["bad"] / status["total"] / 0.05, abs=1e-4
    )
    assert status["timeToEmpty"]

    sliced = wait(bed, "slobj", ns, "by-slices", known)["status"]
    assert sliced["bad"] == 0
    assert sliced["total"] >= 3
    assert sliced["remaining"] == 1
    assert 0 < sliced["coverage"] < 0.1  # most of the month came before there was any data

    def agreed(found: Document) -> bool:
        return all(
            o.get("attained") is not None for o in found.get("status", {}).get("objectives", [{}])
        )

    sla = wait(bed, "sla", ns, "gold", agreed)
    answers, strict = sla["status"]["objectives"]
    assert answers["attained"] == pytest.approx(1 - bad / total, abs=0.01)
    assert answers["creditTier"] == "10%"  # 98 %: below the first tier, whatever the target
    assert strict["creditTier"] == "10%"
    assert strict["budgetRemaining"] < 1
    period = sla["status"]["period"]
    days = datetime.fromisoformat(period["to"]) - datetime.fromisoformat(period["from"])
    assert timedelta(days=27, hours=23) <= days <= timedelta(days=31, hours=1)
    assert condition(sla, "Met")["status"] == "False"
    assert (
        "strict: 98" in condition(sla, "Met")["message"]
        or "strict: 97" in condition(sla, "Met")["message"]
    )


@scenario
def not_reckoned(bed: Testbed, ns: str) -> None:
    """A budget that cannot be reckoned says so, and makes nothing promotable."""
    nowhere = {"ratio": {"bad": {"metric": "nothing_bad"}, "total": {"metric": "nothing_at_all"}}}
    bed.apply(deployment(ns, "web", sim=GOOD))
    eventually(lambda: counted(bed, ns) > 600, within=60, what="traffic")
    bed.apply(
        budget(ns, "silent", indicator=nowhere),
        budget(ns, "lost", indicator={"ref": "nobody"}),
        budget(ns, "between", indicator={"latency": {
            "histogram": "http_request_duration_seconds", "threshold": "123ms"}}),
    )  # fmt: skip
    silent = wait(bed, "slobj", ns, "silent", lambda s: bool(condition(s, "WithinBudget")))
    assert (condition(silent, "WithinBudget")["status"], condition(silent, "WithinBudget")["reason"]) == (
        "Unknown", "NoData",
    )  # fmt: skip
    assert "remaining" not in silent["status"]
    lost = wait(bed, "slobj", ns, "lost", lambda s: bool(condition(s, "Stalled")))
    assert "there is no ServiceLevelIndicator 'nobody'" in condition(lost, "Stalled")["message"]
    # The API server knows the shape of a time zone's name, the operator whether there is one.
    nowhere_zone = {"calendar": {"unit": "Month", "timeZone": "Europe/Berln"}}
    bed.apply(budget(ns, "misspelt", window=nowhere_zone))
    misspelt = wait(bed, "slobj", ns, "misspelt", lambda s: bool(condition(s, "Stalled")))
    assert condition(misspelt, "Stalled")["reason"] == "Invalid"
    assert (
        "'Europe/Berln': write a time zone by its IANA name"
        in condition(misspelt, "Stalled")["message"]
    )
    bed.apply(budget(ns, "misspelt"))
    wait(bed, "slobj", ns, "misspelt", lambda s: known(s) and not condition(s, "Stalled"))
    # Asked each minute: the first time there may be no data yet.
    between = wait(
        bed, "slobj", ns, "between", lambda s: bool(condition(s, "Stalled")), timeout=150
    )
    assert "no bucket edge at 0.123 s" in condition(between, "Stalled")["message"]

    bed.apply(
        policy(ns, "shop", [FAST], errorBudgetPolicy={"objectives": ["silent"]}),
        deployment(ns, "shop", sim=GOOD),
    )
    release = verdict(bed, ns, "shop-1")
    assert says(release) == ("Inconclusive", "BudgetUnknown")
    assert "the error budget of silent is not known" in condition(release, "Promotable")["message"]
