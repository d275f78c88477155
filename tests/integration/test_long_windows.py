"""Budgets over days on a real Prometheus: what happened is what is counted, and it is asked once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique.controller.asking import Sources
from pratique.controller.budgets import BudgetKeeper
from pratique.controller.clock import Key
from pratique.controller.store import Store
from pratique.queries.grouping import Query
from pratique.queries.vectors import Vector
from pratique.telemetry.metrics import Metrics
from pratique_testbed.prometheus import PrometheusServer

pytestmark = pytest.mark.integration

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 9, 12, 7, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OLD, NEW = "web-7d9f8cbbf4-bcdfg", "web-54c6d9bb8-xzvbn"
ROLLOUT = BEGIN + timedelta(days=5, hours=12)
RESTART = BEGIN + timedelta(days=3)
UNSCRAPED = (BEGIN + timedelta(days=6, hours=6), BEGIN + timedelta(days=6, hours=6, minutes=40))
# (begin, minutes, errors a minute): 150, 50 and 180 of them, and 20 and 30 in bursts, of which the first
# makes its series: an estimate from what is inside (increase) would see nothing of it.
EPISODES = (
    (BEGIN + timedelta(days=2, hours=10), 30, 5),
    (BEGIN + timedelta(days=3, hours=12), 10, 5),
    (BEGIN + timedelta(days=7, hours=8), 60, 3),
    (BEGIN + timedelta(days=1, hours=15, minutes=2), 1, 20),
    (BEGIN + timedelta(days=4, hours=15, minutes=5), 1, 30),
)
INDICATOR = {
    "ratio": {
        "bad": {"metric": "requests_total", "where": [{"label": "code", "equals": "500"}]},
        "total": {"metric": "requests_total"},
    }
}


def errors(at: datetime) -> int:
    return next((n for begin, m, n in EPISODES if begin <= at < begin + m * MINUTE), 0)


def history() -> str:
    """Counters as pods would count them: each begins when it first counts, and at a restart anew."""
    rows: dict[tuple[str, str, str], list[tuple[float, int]]] = {}
    counts: dict[tuple[str, str, str], int] = {}
    at = BEGIN - timedelta(hours=1)
    while at < NOW:
        pod = OLD if at < ROLLOUT else NEW
        if at == RESTART:
            counts = {k: 0 for k in counts if k[2] == "200"}
            # The restarted container has not met an error yet: no such series.
        grown = {("shop", pod, "200"): 10, ("shop", pod, "500"): errors(at)}
        # Not ours: another Deployment's pod with our name at its front, and another namespace's.
        grown |= {("shop", "web-api-54c6d9bb8-xzvbn", "500"): 7, ("other", pod, "500"): 9}
        for key, many in grown.items():
            if many:
                counts[key] = counts.get(key, 0) + many
            alive = key[1] == pod or key[1].startswith("web-api")
            if key in counts and alive and not UNSCRAPED[0] <= at < UNSCRAPED[1]:
                rows.setdefault(key, []).append((at.timestamp() + 20, counts[key]))
        at += MINUTE
    lines = ["# TYPE requests counter"]
    for (namespace, pod, code), samples in rows.items():
        labels = f'namespace="{namespace}",pod="{pod}",code="{code}"'
        lines += [f"requests_total{{{labels}}} {v} {t}" for t, v in samples]
    return "\n".join([*lines, "# EOF"]) + "\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with PrometheusServer(blocks_from_openmetrics=history()) as server:
        yield server.url


@dataclass
class Written:
    """In the API server's place: keeps the last status of each object."""

    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: int = 0

    async def patch_status(
        self, plural: str, namespace: str, name: str, status: dict[str, Any], _: str | None
    ) -> dict[str, Any]:
        self.statuses[name] = status
        self.writes += 1
        return {}


class Counting(Sources):
    """Sources that count what is asked."""

    asked = 0
    points = 0

    async def ask(self, query: Query) -> Vector:
        self.asked += 1
        found = await super().ask(query)
        self.points += sum(len(row.samples) for row in found)
        return found


class Bench:
    """A BudgetKeeper with a real Prometheus, a clock by hand, and documents as a watch would bring them."""

    def __init__(self, url: str, *documents: dict[str, Any]) -> None:
        self.now = NOW
        self.store = Store("pratique-system")
        provider = {"url": url, "scrapeInterval": "1m", "delay": "30s"}
        self.put("metricsproviders", "default", provider, {"observedGeneration": 1})
        for document in documents:
            self.put(**document)
        self.cluster = Written()
        metrics = Metrics()
        self.sources = Counting(
            self.cluster,  # type: ignore[arg-type]
            lambda ns, name: self.store.providers.get((ns, name)),
            metrics,
        )
        self.keeper = BudgetKeeper(
            store=self.store,
            cluster=self.cluster,  # type: ignore[arg-type]
            sources=self.sources,
            metrics=metrics,
            now=lambda: self.now,
        )

    def put(
        self, plural: str, name: str, spec: dict[str, Any], status: dict[str, Any] | None = None
    ) -> None:
        metadata = {"namespace": "shop", "name": name, "generation": 1, "resourceVersion": "1"}
        body = {"metadata": metadata, "spec": spec, **({"status": status} if status else {})}
        self.store.put(plural, body)

    async def settle(self, key: Key) -> dict[str, Any]:
        """Step until everything that was to be gathered is."""
        for _ in range(30):
            due = await self.keeper.step(key)
            assert due is not None
            self.now = max(self.now, due)
            ready = self.cluster.statuses[key[2]]["conditions"][0]
            if ready["reason"] != "Gathering":
                assert ready["status"] == "True", ready
                return self.cluster.statuses[key[2]]
        raise AssertionError(self.cluster.statuses)


def budget(name: str, **more: Any) -> dict[str, Any]:
    spec = {
        "indicator": INDICATOR, "pass": [{"value": {"lte": 0.5}}], "target": 0.99,
        "workload": "web", **more,
    }  # fmt: skip
    return {"plural": "servicelevelobjectives", "name": name, "spec": spec}


SLO: Key = ("shop", "ServiceLevelObjective", "events")


async def test_a_rolling_week_is_counted_as_it_happened_and_asked_once(url: str) -> None:
    document = budget("events", window={"rolling": "8d"})
    bench = Bench(url, document)
    status = await bench.settle(SLO)
    # Born late, restarted, replaced: every error is counted, and nobody else's.
    assert status["bad"] == pytest.approx(430, abs=0.5)
    # Ten a minute; the forty minutes that were not scraped are not known.
    assert status["total"] == pytest.approx(8 * 1440 * 10 - 400 + 430, rel=0.002)
    assert status["remaining"] == pytest.approx(1 - 430 / status["total"] / 0.01, abs=1e-6)
    assert status["coverage"] == pytest.approx(1 - 40 / (8 * 1440), abs=0.002)
    assert bench.sources.asked == 9  # eight days and some hours, and the last hour
    assert len(status["recorded"]) < 4000
    first = bench.sources.points

    # A kill: what was counted stands in the status, so that only the last hours are asked.
    later = Bench(url, document)
    later.put("servicelevelobjectives", "events", document["spec"], status)
    later.now = NOW + timedelta(minutes=1)
    again = await later.settle(SLO)
    assert later.sources.asked == 1
    assert later.sources.points < first / 10
    assert again["bad"] == pytest.approx(430, abs=0.5)

    # Another target asks nothing anew; another indicator does.
    other = Bench(url, budget("events", window={"rolling": "8d"}, target=0.9))
    other.put(
        "servicelevelobjectives", "events",
        budget("events", window={"rolling": "8d"}, target=0.9)["spec"], status,
    )  # fmt: skip
    assert (await other.settle(SLO))["remaining"] > 0
    assert other.sources.asked == 1


async def test_a_burn_is_seen_in_the_windows_that_hold_it(url: str) -> None:
    bench = Bench(url, budget("events", window={"rolling": "8d"}))
    bench.now = EPISODES[2][0] + timedelta(minutes=45, seconds=30)
    status = await bench.settle(SLO)
    rates = {r["window"]: r["rate"] for r in status["burnRates"]}
    assert list(rates) == ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]
    now = 3 / 13 / 0.01
    assert rates["5m"] == pytest.approx(now, rel=0.02)
    assert rates["30m"] == pytest.approx(now, rel=0.02)
    assert rates["1h"] == pytest.approx(45 * 3 / (600 + 45 * 3) / 0.01, rel=0.04)
    assert rates["1d"] == pytest.approx(135 / (14400 + 135) / 0.01, rel=0.04)
    assert rates["5m"] > rates["1h"] > rates["2h"] > rates["6h"] > rates["1d"] > rates["3d"]


async def test_slices_of_a_month_and_an_agreement_with_runs_and_an_exclusion(url: str) -> None:
    slices = {"length": "5m", "target": 0.9}
    month = {"calendar": {"unit": "Month", "timeZone": "UTC"}}
    begin = EPISODES[2][0]
    agreement = {
        "parties": {"provider": "us"},
        "objectives": [{"name": "up", "indicator": INDICATOR, "workload": "web", "target": 0.998}],
        "budgetingMethod": "Timeslices",
        "timeSlice": {**slices, "minConsecutive": 3},
        "exclusions": [
            {
                "from": begin.isoformat(),
                "to": (begin + timedelta(minutes=30)).isoformat(),
                "announcedAt": BEGIN.isoformat(),
                "reason": "works",
            }
        ],
        "credits": [{"below": 0.999, "percent": "10%"}, {"below": 0.99, "percent": "25%"}],
    }
    bench = Bench(
        url,
        budget("slices", window=month, budgetingMethod="Timeslices", timeSlice=slices),
        {"plural": "servicelevelagreements", "name": "gold", "spec": agreement},
    )
    status = await bench.settle(("shop", "ServiceLevelObjective", "slices"))
    assert status["bad"] == 6 + 2 + 12 + 1 + 1
    # 8.5 days of 288 slices and one of five minutes; 40 minutes were not scraped.
    assert status["total"] == pytest.approx(8.5 * 288 + 1 - 8, abs=5)
    elapsed, whole = 8.5 + 5 / 1440, 31
    spent = 22 / status["total"] / 0.01 * elapsed / whole
    assert status["remaining"] == pytest.approx(1 - spent, abs=0.001)

    bench.now = NOW
    sla = await bench.settle(("shop", "ServiceLevelAgreement", "gold"))
    [up] = sla["objectives"]
    # Two slices in a row are no outage here, and half of the last one was announced.
    assert up["bad"] == 6 + 6
    assert up["attained"] == pytest.approx(1 - 12 / up["total"], abs=1e-9)
    assert up["creditTier"] == "10%"
    # 31 days less 30 minutes have 8,922 slices, of which 0.2 % may be bad: 17.8.
    assert up["budgetRemaining"] == pytest.approx(
        1 - 12 / (0.002 * (up["total"] + 22.5 * 288)), abs=0.01
    )
    assert {c["type"]: c["reason"] for c in sla["conditions"]} == {
        "Ready": "Evaluated", "Met": "NotMet", "ProjectedMet": "OnTrack",
    }  # fmt: skip
