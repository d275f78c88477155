"""The old version's past, step by step, as a real Prometheus holds it: a few queries for many workloads."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pratique.judge.samples import History, Missing, Sample
from pratique.queries.grouping import Query
from pratique.queries.questions import Provider, Question
from pratique.queries.vectors import Vector
from pratique.sources.answers import answer
from pratique.sources.prometheus import PrometheusSource
from pratique_testbed.prometheus import PrometheusServer
from unit.queries.asking import question

pytestmark = pytest.mark.integration

PROVIDER = Provider("shop", "default", scrape_interval=1.0)
PODS = {"cart-1a2b-xx": 10, "cart-1a2b-yy": 10, "cart-9z-xx": 500, "till-1a2b-xx": 40}
"""Requests of each pod between two scrapes; every tenth is bad."""


@contextmanager
def exporter() -> Iterator[str]:
    scrapes = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tick = next(scrapes)
            lines = []
            for pod, pace in PODS.items():
                for code, count in (("200", 9 * pace // 10), ("500", pace // 10)):
                    name = f'requests_total{{namespace="shop",pod="{pod}",code="{code}"}}'
                    lines.append(f"{name} {1000 + tick * count}")
                for edge, count in (("0.3", pace // 2), ("+Inf", pace)):
                    name = f'took_seconds_bucket{{namespace="shop",pod="{pod}",le="{edge}"}}'
                    lines.append(f"{name} {tick * count}")
                lines.append(f'took_seconds_count{{namespace="shop",pod="{pod}"}} {tick * pace}')
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(("\n".join(lines) + "\n").encode())

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


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with exporter() as target, PrometheusServer([target], scrape_interval="1s") as server:
        asyncio.run(_filled(server.url))
        yield server.url


async def _filled(url: str) -> None:
    source = PrometheusSource(url=url)
    try:
        limit = time.monotonic() + 60
        while not any(len(row.samples) > 15 for row in await source.evaluate("up[5m]")):
            assert time.monotonic() < limit
            await asyncio.sleep(0.5)
    finally:
        await source.close()


def past(replicas: str, **indicator: Any) -> Question:
    given = indicator or {
        "ratio": {
            "bad": {"metric": "requests_total", "where": [{"label": "code", "equals": "500"}]},
            "total": {"metric": "requests_total"},
        }
    }
    made = question(
        end=datetime.now(UTC).replace(microsecond=0),
        span=12.0,
        provider=PROVIDER,
        scoped={"pod_pattern": f"{replicas}-[a-z0-9]+"},
        **given,
    )
    return replace(made, step=3.0)


async def asked(url: str, *questions: Question) -> tuple[list[Sample], int]:
    """The samples, and in how many queries."""
    source, queries = PrometheusSource(url=url), 0

    async def ask(query: Query) -> Vector:
        nonlocal queries
        queries += 1
        return await source.ask(query)

    try:
        found = await answer(questions, ask)
    finally:
        await source.close()
    return [found[q] for q in questions], queries


async def test_each_step_is_counted_for_the_workload_it_belongs_to(url: str) -> None:
    (cart, till), queries = await asked(url, past("cart-1a2b"), past("till-1a2b"))
    assert queries == 2, "the part and the total, of both together"
    for history, pace in ((cart, 20), (till, 40)):
        assert isinstance(history, History)
        assert 3 <= len(history.counts) <= 5
        for total, bad in history.counts:
            assert bad * 10 == total, "each step's share is exact"
            assert 2 * pace <= total <= 4 * pace, "three scrapes, give or take one at the edge"


async def test_a_threshold_has_a_history_too(url: str) -> None:
    spec = {"latency": {"histogram": "took_seconds", "threshold": "300ms"}}
    [history], _ = await asked(url, past("cart-1a2b", **spec))
    assert isinstance(history, History)
    assert all(2 * within == total > 0 for total, within in history.counts)


async def test_no_past_is_no_history(url: str) -> None:
    [gone], _ = await asked(url, past("nobody-1a2b"))
    assert isinstance(gone, Missing)
    assert gone.reason == "NoData"
