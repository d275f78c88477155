"""What a probe tells of providers that are well, odd, or none."""

from __future__ import annotations

import time

import pytest

from pratique.sources.probing import probe, sane
from pratique.sources.prometheus import PrometheusSource
from unit.sources.scripted import Asked, Reply, Scripted, failure, success


def provider(asked: Asked) -> Reply:
    if asked.path.endswith("buildinfo"):
        return Reply(b'{"status":"success","data":{"version":"3.1.4"}}')
    expr = asked.params["query"]
    if expr == "time()":
        return success([time.time() + 100, str(time.time() + 100)], "scalar")
    targets = [{"job": "a", "instance": f"{i}:80"} for i in range(3)]
    if expr.startswith("topk("):
        return success([{"metric": t, "value": [0, "1"]} for t in targets])
    every = {"0:80": 30.001, "1:80": 30.0, "2:80": 5.0}
    return success(
        [
            {"metric": t, "values": [[every[t["instance"]] * n, "1"] for n in range(4)]}
            for t in targets
        ],
        "matrix",
    )


async def test_a_provider_that_is_well() -> None:
    with Scripted(provider) as server:
        source = PrometheusSource(url=server.url)
        found = await probe(source)
        await source.close()
    assert found.reachable
    assert found.reason == "Reachable"
    assert found.scrape_interval == 30.0
    assert found.clock_skew == pytest.approx(100, abs=1)
    assert found.server_version == "3.1.4"
    assert "scrapes each 30 s" in found.message
    assert "100.0 s ahead of ours" in found.message
    assert 'job="a",instance=~"(0:80|1:80|2:80)"' in server.asked[2].params["query"]


def no_targets(asked: Asked) -> Reply:
    if asked.path.endswith("buildinfo"):
        return Reply(b"", 404)
    if asked.params["query"] == "time()":
        return success([time.time(), str(time.time())], "scalar")
    return success([])


async def test_a_provider_without_targets() -> None:
    with Scripted(no_targets) as server:
        source = PrometheusSource(url=server.url)
        found = await probe(source)
        await source.close()
    assert found.reachable
    assert found.scrape_interval is None
    assert found.server_version is None


@pytest.mark.parametrize(
    ("reply", "reason", "says"),
    [
        (failure(503, "unavailable", "starting"), "Unavailable", "starting"),
        (Reply(b"<html>", kind="text/html"), "Malformed", "instead of JSON"),
        (failure(422, "execution", "no tenant"), "Rejected", "no tenant"),
        (success([]), "Malformed", "time()"),
    ],
)
async def test_a_provider_that_is_none(reply: Reply, reason: str, says: str) -> None:
    with Scripted(reply) as server:
        source = PrometheusSource(url=server.url)
        found = await probe(source)
        await source.close()
    assert not found.reachable
    assert found.reason == reason
    assert says in found.message
    assert found.scrape_interval is found.clock_skew is None


@pytest.mark.parametrize(
    ("seconds", "sensible"), [(15.003, 15), (0.998, 1), (0.502, 0.5), (0.01, 0.1), (60.4, 60)]
)
def test_intervals_as_people_write_them(seconds: float, sensible: float) -> None:
    assert sane(seconds) == sensible
