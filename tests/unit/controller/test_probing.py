"""What a MetricsProvider's status says of its clock, asked of a server whose clock is off."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique.controller.probing import _differs, _status, spoiling
from pratique.controller.store import Store
from pratique.resources.conditions import find
from pratique.resources.provider import MetricsProviderStatus
from pratique.sources.probing import probe
from pratique.sources.prometheus import PrometheusSource
from unit.lifecycle.builders import ERRORS, LIBRARY, plan, provider
from unit.sources.scripted import Asked, Reply, Scripted, success

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def status(
    ahead: float, before: MetricsProviderStatus | None = None, **spec: Any
) -> MetricsProviderStatus:
    """As written after a probe of a provider whose clock is so many seconds ahead of ours."""

    def answers(asked: Asked) -> Reply:
        if asked.path.endswith("buildinfo"):
            return Reply(b'{"status":"success","data":{"version":"3.1.4"}}')
        if asked.params["query"] == "time()":
            return success([time.time() + ahead, str(time.time() + ahead)], "scalar")
        return success([])

    with Scripted(answers) as server:
        source = PrometheusSource(url=server.url)
        result = await probe(source)
        await source.close()
    of = provider(**spec)
    return _status(type(of)(*(of.namespace, of.name), 1, of.spec, before), result, NOW)


@pytest.mark.parametrize(
    ("ahead", "spec", "off"),
    [
        (0.0, {}, False),
        (4.0, {}, False),
        (6.0, {}, True),
        (-6.0, {}, True),
        (4.0, {"delay": "4s"}, True),
        (-1.5, {"delay": "4s"}, False),
        (1.6, {"scrapeInterval": "1s"}, True),
        (0.6, {"delay": "0s"}, False),
    ],
)
async def test_a_clock_that_is_off_is_measured_and_said(
    ahead: float, spec: dict[str, Any], off: bool
) -> None:
    found = await status(ahead, **spec)
    ready = find(found.conditions, "Ready")
    assert ready is not None
    assert float((found.clock_skew or "").removesuffix("s")) == pytest.approx(ahead, abs=0.2)
    assert (ready.status, ready.reason) == (
        ("Unknown", "ClockSkew") if off else ("True", "Reachable")
    )
    if off:
        assert ("ahead of" if ahead > 0 else "behind") in ready.message
        assert "NTP" in ready.message


async def test_a_tenth_of_a_second_is_no_news_and_a_second_is() -> None:
    first = await status(6.0)
    assert _differs(None, first)
    assert not _differs(first, await status(6.3, first))
    assert _differs(first, await status(8.0, first))
    assert _differs(first, await status(0.0, first))


def test_half_the_delay_is_left_for_samples_to_arrive() -> None:
    assert spoiling(timedelta(seconds=30)) == 5.0
    assert spoiling(timedelta(seconds=4)) == 2.0


async def test_a_releases_judgement_is_told_of_its_providers_clocks() -> None:
    store = Store(LIBRARY)
    of = provider()
    spoilt = type(of)(of.namespace, of.name, 1, of.spec, await status(60.0))
    store.providers[(LIBRARY, "default")] = spoilt
    [said] = store.clocks(plan([ERRORS]))
    assert f"{LIBRARY}/default" in said
    assert "60.0 s ahead" in said
    store.providers[(LIBRARY, "default")] = of
    assert store.clocks(plan([ERRORS])) == ()
