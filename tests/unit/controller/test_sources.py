"""One connection for each MetricsProvider, for as long as it says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pratique.controller.asking import Sources
from pratique.lifecycle.planning import Provider
from pratique.sources.errors import Unavailable
from pratique.telemetry.metrics import Metrics
from unit.lifecycle.builders import LIBRARY, provider


class World:
    def __init__(self) -> None:
        self.provider: Provider | None = provider()
        cluster: Any = None
        self.sources = Sources(cluster, lambda namespace, name: self.provider, Metrics())


async def test_a_provider_that_was_made_anew_is_asked_where_it_says_now() -> None:
    world = World()
    first = await world.sources.get(LIBRARY, "default")
    assert await world.sources.get(LIBRARY, "default") is first
    before = world.provider
    assert before is not None
    # Deleted and applied again, it is of the first generation again.
    spec = before.spec.model_copy(update={"url": "http://another:9090"})
    world.provider = replace(before, spec=spec)
    second = await world.sources.get(LIBRARY, "default")
    assert second is not first
    assert second._client.url == "http://another:9090"
    await world.sources.close()


async def test_the_connection_of_a_provider_that_is_gone_is_closed() -> None:
    world = World()
    await world.sources.get(LIBRARY, "default")
    world.provider = None
    with pytest.raises(Unavailable, match="is gone"):
        await world.sources.get(LIBRARY, "default")
    assert world.sources._open == {}
