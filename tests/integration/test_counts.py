"""Counts are exact integers: what a real Prometheus scraped, counted as it happened."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pratique.judge.samples import Buckets, Counts, Missing, pool
from pratique.queries.grouping import Query
from pratique.queries.questions import Provider, Question
from pratique.queries.vectors import Vector
from pratique.sources.answers import answer
from pratique.sources.prometheus import PrometheusSource
from pratique_testbed.prometheus import PrometheusServer
from unit.queries.asking import question

pytestmark = pytest.mark.integration

_ = None  # the series is not exposed
F = "the scrape fails"
Script = list[Any]
# pod: values by scrape, events over (3, 6] and over (6, 9]; None where nothing was measured.
ROWS: dict[str, tuple[Script, int | None, int | None]] = {
    "steady": ([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 30, 30),
    "silent": ([5, 5, 5, 5, 5, 5, 5, 5, 5, 5], 0, 0),
    "newborn": ([_, _, _, _, 0, 4, 9, 9, 10, 11], 9, 2),
    "born-with-5": ([_, _, _, _, _, 5, 5, 5, 8, 8], 5, 3),
    "born-later": ([_, _, _, _, _, _, _, 3, 3, 4], None, 4),
    "one-sample": ([_, _, _, _, _, 7, _, _, _, _], 7, None),
    "restarted": ([10, 20, 30, 40, 50, 3, 7, 9, 9, 12], 17, 5),
    "restarted-twice": ([10, 20, 30, 40, 2, 1, 5, 5, 1, 2], 7, 2),
    "restarted-between": ([100, 110, 120, 130, 5, 6, 7, 8, 9, 10], 7, 3),
    "restarted-before": ([50, 60, 1, 2, 3, 4, 5, 6, 7, 8], 3, 3),
    "vanished": ([10, 20, 30, 40, 45, 50, _, _, _, _], 10, None),
    "gone-before": ([1, 2, 3, _, _, _, _, _, _, _], None, None),
    "never": ([_, _, _, _, _, _, _, _, _, _], None, None),
}
# The same, from a target whose fourth and ninth scrape fail: all its series get stale markers.
MISSED: dict[str, tuple[Script, int | None, int | None]] = {
    "missed": ([10, 20, 30, F, 50, 60, 70, 80, F, 100], 40, 30),
    "missed-and-restarted": ([10, 20, 30, F, 5, 6, 7, 8, F, 1], 7, 2),
}
# One name after the other: the second pod's first sample is above the first one's last, so nothing resets.
REBORN = [3, 4, 5, _, _, _, 30, 33, 40, 41]
FAILS = (3, 8)
ERRORS = [_, _, _, _, _, 1, 3, 3, 3, 4]
FAST = [1, 2, 3, 4, 1, 2, 3, 4, 5, 6]
PROVIDER = Provider("shop", "default", scrape_interval=1.0)


def page(rows: dict[str, tuple[Script, int | None, int | None]], tick: int) -> str:
    lines = []

    def add(metric: str, value: Any, **labels: str) -> None:
        if value is not None:
            text = ",".join(f'{k}="{v}"' for k, v in labels.items())
            lines.append(f'{metric}{{namespace="shop",{text}}} {value}')

    for pod, (script, *_ignored) in rows.items():
        add("requests_total", script[tick], pod=pod, code="200")
    if "steady" in rows:
        add("requests_total", REBORN[tick], pod="db-0", code="200")
        add("requests_total", ROWS["steady"][0][tick], pod="failing", code="200")
        add("requests_total", ERRORS[tick], pod="failing", code="500")
        add("duration_seconds_bucket", FAST[tick], pod="slow", le="0.3")
        add("duration_seconds_bucket", 2 * FAST[tick], pod="slow", le="+Inf")
    return "\n".join(lines) + "\n"


@contextmanager
def exporter(
    rows: dict[str, tuple[Script, int | None, int | None]], fails: tuple[int, ...] = ()
) -> Iterator[str]:
    """Says the next tick at each scrape, the last one again and again."""
    scrapes = iter(range(10**6))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tick = min(next(scrapes), 9)
            self.send_response(500 if tick in fails else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            if tick not in fails:
                self.wfile.write(page(rows, tick).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Live = tuple[str, list[float], list[float]]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """(Prometheus' url, times of the scripted scrapes, times of those of the missing target)."""
    with (
        exporter(ROWS) as good,
        exporter(MISSED, FAILS) as missing,
        PrometheusServer([good, missing], scrape_interval="1s") as server,
    ):
        yield server.url, *asyncio.run(_ticks(server.url, good, missing))


async def _ticks(url: str, *targets: str) -> list[list[float]]:
    source = PrometheusSource(url=url)
    try:
        limit = time.monotonic() + 60
        while True:
            # Every scrape writes up, a failed one too.
            rows = {r.labels["instance"]: r.samples for r in await source.evaluate("up[5m]")}
            if all(len(rows.get(t, ())) > 10 for t in targets):
                return [[at for at, _ in rows[t][:10]] for t in targets]
            assert time.monotonic() < limit, rows
            await asyncio.sleep(0.5)
    finally:
        await source.close()


@pytest.fixture
async def source(live: Live) -> AsyncIterator[PrometheusSource]:
    made = PrometheusSource(url=live[0])
    yield made
    await made.close()


def requests(pod: str, ticks: list[float], begin: int, end: int) -> Question:
    ratio = {
        "bad": {"metric": "requests_total", "where": [{"label": "code", "equals": "500"}]},
        "total": {"metric": "requests_total"},
    }
    return over(ticks, begin, end, pod, ratio=ratio)


def over(ticks: list[float], begin: int, end: int, *pods: str, **indicator: Any) -> Question:
    """A look that begins and ends at the very moments of scrapes."""
    return question(
        *pods,
        end=datetime.fromtimestamp(ticks[end], UTC),
        span=round(ticks[end] - ticks[begin], 3),
        provider=PROVIDER,
        **indicator,
    )


@pytest.mark.parametrize("pod", [*ROWS, *MISSED])
async def test_each_pod_is_counted_as_it_was(
    live: Live, source: PrometheusSource, pod: str
) -> None:
    _, good, missing = live
    (_script, *expected), ticks = (ROWS | MISSED)[pod], missing if pod in MISSED else good
    looks = [requests(pod, ticks, a, b) for a, b in ((3, 6), (6, 9), (3, 9))]
    first, second, whole = (answers := await answer(looks, source.ask)).values()
    assert len(answers) == 3
    for sample, number in zip((first, second), expected, strict=True):
        if number is None:
            assert isinstance(sample, Missing)
            assert sample.reason == "NoData"
        else:
            assert sample == Counts(0, number)
    assert pool([first, second]) == whole


async def test_a_code_born_inside_the_span_counts_from_zero(
    live: Live, source: PrometheusSource
) -> None:
    looks = [requests("failing", live[1], a, b) for a, b in ((0, 3), (3, 6), (6, 9), (3, 9))]
    got = list((await answer(looks, source.ask)).values())
    assert got == [Counts(0, 30), Counts(3, 33), Counts(1, 31), Counts(4, 64)]


async def test_a_name_that_another_pod_had_before_counts_from_todays_birth(
    live: Live, source: PrometheusSource
) -> None:
    ticks = live[1]
    look = requests("db-0", ticks, 5, 8)
    born = datetime.fromtimestamp(ticks[4], UTC)
    ours = replace(look, scope=replace(look.scope, births=(("db-0", born),)))
    later = requests("db-0", ticks, 7, 9)
    after = replace(later, scope=replace(later.scope, births=(("db-0", born),)))
    got = await answer([ours, after], source.ask)
    blind = await answer([look], source.ask)
    assert blind[look] == Counts(0, 35), "the old pod's last value is no begin of the new one's"
    assert (got[ours], got[after]) == (Counts(0, 40), Counts(0, 8))


async def test_a_histogram_that_restarted(live: Live, source: PrometheusSource) -> None:
    spec = {"histogram": "duration_seconds", "threshold": "300ms"}
    looks = [over(live[1], a, b, "slow", latency=spec) for a, b in ((3, 6), (6, 9), (3, 9))]
    got = list((await answer(looks, source.ask)).values())
    edges = (0.3, math.inf)
    assert got == [Buckets(edges, (3, 6)), Buckets(edges, (3, 6)), Buckets(edges, (6, 12))]


async def test_the_missed_scrape_really_hides_the_value_before(
    live: Live, source: PrometheusSource
) -> None:
    """What the simple expression would see: no value at the begin, so all counted from zero."""
    ticks = live[2]
    at = datetime.fromtimestamp(ticks[3], UTC)
    gone = await source.ask(Query(PROVIDER, 'requests_total{pod="missed"}', at))
    there = await source.ask(Query(PROVIDER, 'requests_total{pod="steady"}', at))
    assert (len(gone), len(there)) == (0, 1)


async def test_all_pods_together_need_one_query_and_one_for_resets(
    live: Live, source: PrometheusSource
) -> None:
    asked: list[str] = []

    async def ask(query: Query) -> Vector:
        asked.append(query.expr)
        return await source.ask(query)

    looks = {pod: requests(pod, live[1], 3, 6) for pod in ROWS}
    spec = looks["steady"].indicator.model_dump(by_alias=True, exclude_none=True)
    everyone = over(live[1], 3, 6, *ROWS, ratio=spec["ratio"])
    got = await answer([everyone, *looks.values()], ask)
    assert got[everyone] == Counts(0, sum(first or 0 for _s, first, _b in ROWS.values()))
    assert len(asked) == 3  # bad, total, and the samples of those with resets
    (raw,) = [expr for expr in asked if "sum by" not in expr]
    assert "steady" not in raw
    assert "restarted" in raw


# Traffic of an hour at 15 s, with births, deaths, restarts and missed scrapes, against the truth.

STEP, TICKS, BASE = 15, 240, 1_767_225_600
HOUR_PROVIDER = Provider("shop", "default", scrape_interval=float(STEP))


class Traffic:
    """Events by pod, code and tick, and the samples that a scraper would have had of them."""

    def __init__(self, seed: int, pods: int) -> None:
        self.events: dict[tuple[str, str], dict[int, int]] = {}
        self.samples: dict[tuple[str, str], dict[int, int]] = {}
        draw = random.Random(seed)
        for pod in range(pods):
            birth = draw.choice([0, draw.randrange(TICKS)])
            death = draw.choice([TICKS, draw.randrange(birth, TICKS) + 1])
            for code, often in (("200", 30), ("500", 2)):
                self._one((f"checkout-7d9f8c-{pod:05d}", code), birth, death, often, draw)

    def _one(
        self, key: tuple[str, str], birth: int, death: int, often: int, draw: random.Random
    ) -> None:
        events: dict[int, int] = {}
        samples: dict[int, int] = {}
        value = last = unseen = 0
        missed = draw.random() < 0.5
        for tick in range(birth, death):
            new = draw.randrange(often)
            # A restart that ends above the last sample cannot be told from traffic.
            if draw.random() < 0.02 and 0 < new < last:
                value = unseen = 0
            value, unseen = value + new, unseen + new
            if value == 0 or (missed and draw.random() < 0.1 and value >= last):
                continue  # no error yet, or no scrape: what happened is seen with the next one
            samples[tick], events[tick] = value, unseen
            last, unseen = value, 0
        self.events[key], self.samples[key] = events, samples

    def text(self) -> str:
        lines = ["# TYPE requests counter"]
        for (pod, code), samples in self.samples.items():
            lines += [
                f'requests_total{{namespace="shop",pod="{pod}",code="{code}"}} {v} {BASE + STEP * t}'
                for t, v in samples.items()
            ]
        return "\n".join([*lines, "# EOF", ""])

    def truth(self, pods: set[str], begin: int, end: int) -> Counts:
        number = {
            code: sum(
                n
                for (pod, c), events in self.events.items()
                if pod in pods and c == code
                for tick, n in events.items()
                if begin < tick <= end
            )
            for code in ("200", "500")
        }
        return Counts(number["500"], number["200"] + number["500"])


async def test_an_hour_of_traffic_against_the_truth() -> None:
    traffic = Traffic(seed=7, pods=60)
    pods = sorted({pod for pod, _code in traffic.samples})
    draw = random.Random(8)
    asked: dict[Question, Counts] = {}
    ratio = {
        "bad": {"metric": "requests_total", "where": [{"label": "code", "matches": "5.."}]},
        "total": {"metric": "requests_total"},
    }
    for _n in range(40):
        begin = draw.randrange(TICKS - 20)
        end = begin + draw.choice([4, 10, 20])
        chosen = draw.sample(pods, draw.choice([1, 5, 60]))
        one = question(
            *chosen,
            end=datetime.fromtimestamp(BASE + STEP * end, UTC),
            span=float(STEP * (end - begin)),
            provider=HOUR_PROVIDER,
            ratio=ratio,
        )
        asked[one] = traffic.truth(set(chosen), begin, end)
    with PrometheusServer(blocks_from_openmetrics=traffic.text()) as server:
        source = PrometheusSource(url=server.url)
        got = await answer(asked, source.ask)
        await source.close()
    assert any(c.part for c in asked.values())
    for one, truth in asked.items():
        sample = got[one]
        if isinstance(sample, Missing):
            assert sample.reason == "NoData"
            assert truth == Counts(0, 0)
        else:
            assert sample == truth
