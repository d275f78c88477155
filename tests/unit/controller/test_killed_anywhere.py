"""A process killed at every single call of a whole life, or told at any of them that nobody answered: the
life comes out the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from unit.controller.api_server import Mishap
from unit.controller.kubernetes import Health
from unit.controller.life import Life

Outcome = list[tuple[str, str | None, str, dict[str, str], str | None]]


def ships(life: Life, health: Health) -> None:
    """A new version, as far as it goes."""
    life.ship(health)
    rolls_out(life)


def rolls_out(life: Life) -> None:
    life.world.advance(40)
    life.roll_out()
    life.world.advance(400)


def promotable(life: Life) -> None:
    ships(life, "good")


def bad_after_good(life: Life) -> None:
    ships(life, "good")
    ships(life, "bad")


def superseded(life: Life) -> None:
    life.ship("good")
    life.world.run()
    life.turns(3)
    life.world.advance(20)
    ships(life, "good")


def image_missing_then_back(life: Life) -> None:
    ships(life, "good")
    ships(life, "missing")
    life.ship_again(0)
    rolls_out(life)


def deleted(life: Life) -> None:
    life.ship("good")
    life.world.run()
    life.turns(3)
    life.world.advance(20)
    life.delete_workload()
    life.world.advance(20)


def revoked(life: Life) -> None:
    ships(life, "good")
    life.goes_bad()
    life.world.advance(600)


def obstacle_gone(life: Life) -> None:
    life.ship("good")
    life.world.advance(700)
    rolls_out(life)


def attended(life: Life) -> None:
    """Where nobody knows whether a call was done, somebody looks and says it."""
    life.ship("good")
    life.world.advance(40)
    life.roll_out()
    for _ in range(6):
        life.world.advance(100)
        life.say_the_truth()


LIVES: Mapping[str, tuple[str, bool, Callable[[Life], None]]] = {
    "promotable": ("both", False, promotable),
    "bad after good": ("errors", False, bad_after_good),
    "superseded": ("errors", False, superseded),
    "image missing, then back": ("errors", False, image_missing_then_back),
    "deleted": ("errors", False, deleted),
    "revoked": ("watched", False, revoked),
    "obstacle gone": ("errors", False, obstacle_gone),
    "held, let go": ("held", True, promotable),
    "tasks": ("tasks", False, attended),
    "promoted": ("promotion", False, attended),
}


def outcome(life: Life) -> Outcome:
    """What stands at the end of it, whenever that was, and what was done once for it."""
    found: Outcome = []
    for release in life.world.releases():
        status = release["status"]
        reason = next(c for c in status["conditions"] if c["type"] == "Promotable")["reason"]
        tasks = {t["name"]: t["state"] for t in status.get("tasks", [])}
        promotion = (status.get("promotion") or {}).get("result")
        found.append((release["metadata"]["name"], status.get("verdict"), reason, tasks, promotion))
    return found


def played(which: str, mishap: Mishap | None = None, call: int = 0) -> tuple[Outcome, int]:
    """(what stands, calls made); the mishap befalls that call, counted from the life's begin."""
    policy, held, play = LIVES[which]
    life = Life(policy, held=held)
    try:
        if mishap is not None:
            life.doom([(call, mishap)])
        play(life)
        process = life.world.process
        assert process is not None
        calls = process.connection.calls
        life.end()
        return outcome(life), calls
    finally:
        life.close()


@pytest.mark.parametrize(
    ("which", "mishap"),
    [
        # Killed after a call is killed before the next.
        *((which, "killed before") for which in LIVES),
        *((which, "unreachable") for which in ("promotable", "held, let go")),
        *((which, "answer lost") for which in ("obstacle gone", "held, let go")),
    ],
)
def test_a_life_comes_out_the_same_whichever_call_the_process_fails_at(
    which: str, mishap: Mishap
) -> None:
    undisturbed, calls = played(which)
    assert calls >= 10
    for call in range(calls + 1):
        assert played(which, mishap, call)[0] == undisturbed, f"{mishap} at call {call}"


@pytest.mark.parametrize(("policy", "result"), [("tasks", None), ("promotion", "Promoted")])
def test_undisturbed_each_task_is_done_and_nobody_is_asked(policy: str, result: str | None) -> None:
    life = Life(policy)
    try:
        promotable(life)
        life.end()
        _, verdict, _, tasks, promotion = outcome(life)[0]
    finally:
        life.close()
    assert (verdict, promotion) == ("Promotable", result)
    assert len(tasks) == 4
    assert set(tasks.values()) == {"Succeeded"}
