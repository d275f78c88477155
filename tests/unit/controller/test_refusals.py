"""What the API server does not take keeps nobody waiting for ever, and what failed for one release no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pratique.cluster.errors import Rejected
from unit.controller.api_server import Body, Connection
from unit.controller.life import NAME, Life
from unit.lifecycle.builders import NAMESPACE


@pytest.fixture
def lives() -> Iterator[list[Life]]:
    made: list[Life] = []
    yield made
    for life in made:
        life.close()


def shipped(lives: list[Life], policy: str, *, held: bool = False) -> Life:
    """One good version, judged."""
    life = Life(policy, held=held)
    lives.append(life)
    ship(life)
    life.world.advance(1800)
    assert not life.world.unfinished()
    return life


def ship(life: Life) -> None:
    life.ship("good")
    life.world.run()
    life.roll_out()
    life.world.run()


def policy_says(life: Life) -> dict[str, Body]:
    found = life.world.server.get("releasepolicies", NAMESPACE, NAME)
    assert found is not None
    return {c["type"]: c for c in found["status"]["conditions"]}


def test_where_no_event_can_be_made_releases_are_judged_and_let_go_all_the_same(
    lives: list[Life],
) -> None:
    life = shipped(lives, "held", held=True)
    life.world.server.refused.add("events")
    ship(life)
    life.world.advance(60)
    life.roll_out()
    life.world.advance(1800)
    assert life.there is not None
    assert not life.there["spec"].get("paused")
    assert not life.world.unfinished()
    assert life.world.releases()[-1]["status"]["verdict"] == "Promotable"


def test_a_release_that_cannot_be_made_is_told_and_the_one_before_comes_to_its_end(
    lives: list[Life],
) -> None:
    life = shipped(lives, "watched")
    ship(life)
    life.world.advance(200)
    [watched] = life.world.unfinished()
    life.world.server.refused.add("releases")
    ship(life)
    life.world.advance(3600)
    assert not life.world.unfinished()
    assert life.world.releases()[-1]["metadata"]["name"] == watched["metadata"]["name"]
    stalled = policy_says(life)["Stalled"]
    assert "cart-3" in stalled["message"]
    assert "exceeded quota" in stalled["message"]
    life.world.server.refused.clear()
    life.world.advance(120)
    assert life.world.releases()[-1]["spec"]["number"] == 3
    assert "Stalled" not in policy_says(life)


def test_a_hold_whose_release_cannot_be_made_ends_as_its_policy_says(lives: list[Life]) -> None:
    life = Life("let go in a freeze", held=True)
    lives.append(life)
    life.world.server.refused.add("releases")
    ship(life)
    assert life.there is not None
    life.world.advance(500)
    assert life.there["spec"]["paused"]
    life.world.advance(200)
    assert not life.there["spec"].get("paused")


def test_an_old_release_that_cannot_be_written_keeps_back_no_newer_one(
    lives: list[Life], monkeypatch: pytest.MonkeyPatch
) -> None:
    life = shipped(lives, "errors")
    patch = Connection.patch_status

    async def picky(self: Connection, plural: str, namespace: str, name: str, *more: Any) -> Body:
        if name == "cart-1":
            raise Rejected(f"writing {name}", "a rule of today refuses it", code=422)
        return await patch(self, plural, namespace, name, *more)

    monkeypatch.setattr(Connection, "patch_status", picky)
    ship(life)
    life.world.advance(1800)
    assert not life.world.unfinished()
    assert life.world.releases()[-1]["status"]["verdict"] == "Promotable"
