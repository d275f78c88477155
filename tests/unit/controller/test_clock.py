"""The clock's own books stay as small as the number of keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pratique.controller.clock import Clock, Key

KEYS: list[Key] = [("shop", "Deployment", f"cart-{i}") for i in range(20)]


async def nothing(key: Key) -> None:
    return None


def test_what_is_put_off_again_and_again_leaves_nothing_behind() -> None:
    clock = Clock(nothing)
    begin = datetime.now(UTC)
    for turn in range(500):
        for key in KEYS:
            clock.schedule(key, begin + timedelta(days=1, seconds=turn))
    assert len(clock._heap) <= 2 * len(KEYS) + 64
    assert set(clock._due) == set(KEYS)
    due = {(begin + timedelta(days=1, seconds=499)).timestamp()}
    assert set(clock._due.values()) == due
    assert {(moment, key) for moment, key in clock._heap if clock._due[key] == moment} == {
        (moment, key) for moment in due for key in KEYS
    }


def test_the_same_time_again_stands_once() -> None:
    clock = Clock(nothing)
    at = datetime.now(UTC) + timedelta(days=1)
    for _ in range(10):
        clock.schedule(KEYS[0], at)
    assert len(clock._heap) == 1
