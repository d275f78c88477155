"""The test on values look by look: its error rates by simulation, and what holds for any values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge.spreads import spread
from pratique.judge.statistics.values import ValueTerms, compare
from pratique.resources.release import Spread

TERMS = ValueTerms(looks=30, allowed=0.0, harm=1.5)


def shares(
    change: float, repetitions: int, *, pairs: bool = False, seed: int = 5
) -> dict[str, float]:
    draw = np.random.default_rng(seed)
    ends: dict[str, float] = {}
    for _ in range(repetitions):
        before = 1 + 0.1 * draw.normal(size=30)
        after = 1 + change + 0.1 * draw.normal(size=30)
        reference = tuple(map(float, before)) if pairs else spread(list(map(float, before)))
        assert reference is not None
        found = compare(list(map(float, after)), reference, TERMS, ended=True)
        assert found is not None
        ends[found.ending] = ends.get(found.ending, 0) + 100 / repetitions
    return ends


def test_ten_percent_more_is_found_and_nothing_is_hardly_ever() -> None:
    assert shares(0.1, 600)["Harm"] > 86, "91 %, less three standard errors and more"
    assert shares(0.0, 1500).get("Harm", 0) < 2, "1 %, and three standard errors"
    assert shares(0.0, 1500, pairs=True).get("Harm", 0) < 2
    assert shares(0.0, 300)["Safe"] > 97


def test_what_is_allowed_is_no_harm() -> None:
    draw = np.random.default_rng(1)
    before = spread(list(map(float, 1 + 0.1 * draw.normal(size=60))))
    assert before is not None
    after = list(map(float, 1.1 * (1 + 0.1 * draw.normal(size=30))))
    wide = ValueTerms(looks=30, allowed=0.2, harm=1.5)
    found = compare(after, before, wide, ended=True)
    assert found is not None
    assert found.ending == "Safe"


def test_a_fall_is_harm_where_it_is_declared() -> None:
    before = spread([1.0, 1.01, 0.99, 1.02, 0.98, 1.0])
    assert before is not None
    down = ValueTerms(looks=6, allowed=0.05, harm=0.7, up=False)
    found = compare([0.5, 0.51, 0.49, 0.5, 0.5, 0.51], before, down, ended=True)
    assert found is not None
    assert (found.ending, found.at) == ("Harm", 3)
    assert found.change == pytest.approx(-0.5, abs=0.02)
    higher = compare([2.0] * 6, before, down, ended=True)
    assert higher is not None
    assert higher.ending == "Safe"


def test_too_few_values_are_not_tested() -> None:
    before = Spread(count=10, mean=0.0, sd=0.1, logs=True)
    assert compare([1.0, 1.1], before, TERMS, ended=True) is None
    assert (
        compare([1.0] * 30, Spread(count=10, mean=0.0, sd=0.1, logs=False), TERMS, ended=True)
        is None
    )
    assert compare([1.0, -1.0, 2.0, 1.0], before, TERMS, ended=True) is None
    assert spread([1.0, math.nan, 2.0]) is None


def test_constant_values_are_compared_as_they_are() -> None:
    before = Spread(count=10, mean=math.log(0.2), sd=0.0, logs=True)
    terms = ValueTerms(looks=5, allowed=0.1, harm=1.5)
    same = compare([0.2] * 5, before, terms, ended=True)
    more = compare([0.23] * 5, before, terms, ended=True)
    assert same is not None
    assert more is not None
    assert (same.ending, more.ending, more.at) == ("Safe", "Harm", 3)


positive = st.lists(st.none() | st.floats(1e-3, 1e3), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(
    positive, st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=30), st.sampled_from([1e-6, 1e3])
)
def test_the_unit_does_not_matter(
    release: list[float | None], before: list[float], scale: float
) -> None:
    one = compare(
        release, spread(before) or Spread(count=3, mean=0, sd=1, logs=True), TERMS, ended=True
    )
    scaled = [None if v is None else v * scale for v in release]
    other = compare(
        scaled,
        spread([v * scale for v in before]) or Spread(count=3, mean=0, sd=1, logs=True),
        TERMS,
        ended=True,
    )
    assert (one is None) == (other is None)
    if one is not None and other is not None and 1e-6 < (one.p_value or 0) < 1:
        assert one.p_value == pytest.approx(other.p_value, rel=1e-4, abs=1e-9)
        assert one.at == other.at


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=12),
    st.lists(st.none() | st.floats(), max_size=12),
    st.booleans(),
)
def test_nothing_raises(
    release: list[float | None], before: list[float | None], final: bool
) -> None:
    compare(release, before, TERMS, ended=final)
    reference = spread([v for v in before if v is not None])
    if reference is not None:
        compare(release, reference, TERMS, ended=final)
