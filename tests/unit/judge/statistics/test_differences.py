"""An allowed difference of rates is kept too where the baseline has hardly any harmful events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pratique.judge.statistics.ratios import Look, Terms, examine


def called(requests: int, before: float, now: float, times: int, **terms: Any) -> float:
    """The percentage of releases that are called, of so many."""
    draw = np.random.default_rng(11)
    harm = 0
    for _ in range(times):
        sums, based = draw.binomial(requests, now, 30), draw.binomial(requests, before, 30)
        looks = (Look(requests, int(a), requests, int(b)) for a, b in zip(sums, based, strict=True))
        found = examine(tuple(looks), Terms(looks=30, harm=3.0, **terms), ended=True)
        harm += found.ending == "Harm"
    return 100 * harm / times


@pytest.mark.parametrize("requests", [100, 1000])
@pytest.mark.parametrize("before", [0.0, 0.001, 0.01])
@pytest.mark.parametrize("terms", [{"added": 0.01}, {"scaled": 0.01}], ids=["added", "scaled"])
def test_what_is_just_allowed_is_hardly_ever_called(
    requests: int, before: float, terms: dict[str, float]
) -> None:
    now = Terms(looks=30, harm=3.0, **terms).edge(before)  # type: ignore[arg-type]
    assert called(requests, before, now, 400, **terms) <= 3.5, "1 %, and five standard errors"


def test_what_is_well_within_is_not_called() -> None:
    assert called(1000, 0.0, 0.009, 200, added=0.01) == 0.0


@pytest.mark.parametrize("rates", [(0.0, 0.03), (0.001, 0.03), (0.01, 0.04)])
def test_what_is_thrice_as_much_as_is_allowed_is_found(rates: tuple[float, float]) -> None:
    assert called(100, *rates, 200, added=0.01) >= 95.0
