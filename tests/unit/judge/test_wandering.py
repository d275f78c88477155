"""How much a rate wanders by itself is that of the harmful events, whichever of the two are counted."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from pratique.judge.statistics.laws import QUIET
from pratique.judge.statistics.noise import fit
from pratique.judge.wandering import noise_of
from unit.judge.cases import objective


def past(share: float, looks: int = 480) -> list[tuple[int, int]]:
    """(requests, bad ones): 2,000 a look, whose share wanders slowly by a half."""
    chance, wander, found = random.Random(3), 0.0, []
    for _ in range(looks):
        wander = 0.9 * wander + math.sqrt(1 - 0.81) * chance.gauss(0, 1)
        rate = share * math.exp(0.5 * wander)
        found.append((2000, round(2000 * rate + chance.gauss(0, math.sqrt(2000 * rate)))))
    return [(n, max(0, e)) for n, e in found]


BAD = past(0.02)
GOOD = [(n, n - e) for n, e in BAD]
AT_LEAST: list[dict[str, Any]] = [{"value": {"gte": 0.95}}]
AT_MOST: list[dict[str, Any]] = [{"value": {"lte": 0.05}}]


@pytest.mark.parametrize(
    ("indicator", "bounds"),
    [
        ("good", AT_LEAST),
        ("within-300ms", AT_LEAST),
        ("good", [{"change": {"gt": "-5%"}}]),
        ("good", [{"change": {"delta": {"gte": -0.01}}}]),
        ("good", [{"value": {"between": [0.5, 0.99]}}]),
    ],
)
def test_good_events_and_bad_ones_tell_the_same_noise(
    indicator: str, bounds: list[dict[str, Any]]
) -> None:
    by_bad = noise_of(objective("bad", AT_MOST, evidence="Conclusive"), BAD)
    assert by_bad == fit(BAD)
    assert by_bad.sd > 0.4
    assert noise_of(objective(indicator, bounds, evidence="Conclusive"), GOOD) == by_bad
    assert fit(GOOD).sd < 0.05, "that of the good ones would have been next to none"


def test_a_past_without_the_part_tells_nothing() -> None:
    # No bucket has this edge: not one request was within it, and all would be harmful.
    plan = objective("within-250ms", AT_LEAST, evidence="Conclusive")
    assert noise_of(plan, [(n, 0) for n, _ in BAD]) == QUIET
    assert noise_of(plan, []) == QUIET
    assert not QUIET.known
