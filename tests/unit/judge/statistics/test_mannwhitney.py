"""The judge by ranks: as Kayenta's where it was measured, invariant where that was not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pratique.judge.statistics.mannwhitney import (
    Classified,
    MannWhitneyTerms,
    classify,
    group_score,
    summary_score,
)

UP = MannWhitneyTerms(direction="Increase")
KAYENTA = replace(UP, invariant=False)


def found(share_before: float, share_now: float, points: int, requests: int) -> float:
    """How often a change of an error rate is called High, in percent."""
    draw = np.random.default_rng(11)
    high = 0
    for _ in range(400):
        control = draw.binomial(requests, share_before, points) / requests
        experiment = draw.binomial(requests, share_now, points) / requests
        high += classify(list(control), list(experiment), KAYENTA).classification == "High"
    return high / 4


@pytest.mark.parametrize(
    ("case", "published"),
    [((0.01, 0.02, 30, 100), 19.4), ((0.01, 0.02, 60, 100), 38.6), ((0.001, 0.01, 30, 100), 33.8)],
)
def test_it_finds_as_much_as_the_original(case: Any, published: float) -> None:
    assert found(*case) == pytest.approx(published, abs=7.5), "three standard errors of 400"


def test_the_interval_is_that_of_the_inverted_test() -> None:
    control = [10.0, 11.0, 9.5, 10.4, 10.9, 9.1, 10.2, 11.3, 9.9, 10.6]
    experiment = [v + 5 for v in control[:8]]
    got = classify(control, experiment, KAYENTA)
    assert got.classification == "High"
    assert got.interval is not None
    low, high = got.interval
    for edge in (low, high):
        p = stats.mannwhitneyu([e - edge for e in experiment], control, method="asymptotic").pvalue
        assert p == pytest.approx(0.02, abs=0.015)


@pytest.mark.parametrize(
    ("control", "experiment", "more", "wanted"),
    [
        ([1, 2, 3], [1, 2, 3], {}, "Pass"),
        ([], [1, 2, 3], {}, "Nodata"),
        ([], [1, 2, 3], {"must_have_data": True}, "NodataFailMetric"),
        ([], [], {"nan": "Replace"}, "Pass"),
        ([0] * 30, [0] * 25 + [1] * 5, {}, "Pass"),  # errors from nothing: the known weakness
        ([1] * 10, [2] * 10, {}, "High"),
        ([2] * 10, [1] * 10, {}, "Pass"),
        ([2] * 10, [1] * 10, {"direction": "Decrease"}, "Low"),
        ([2] * 10, [1] * 10, {"direction": "Either"}, "Low"),
        ([10] * 10, [11] * 10, {"allowed_increase": 1.5}, "Pass"),
        ([10] * 10, [16] * 10, {"allowed_increase": 1.5}, "High"),
    ],
)
def test_classes(
    control: list[float], experiment: list[float], more: dict[str, Any], wanted: str
) -> None:
    assert classify(control, experiment, replace(UP, **more)).classification == wanted


def test_critical_by_the_effects_size() -> None:
    terms = replace(UP, critical_increase=2.0)
    assert not classify([10] * 10, [15] * 10, terms).critical
    assert classify([10] * 10, [25] * 10, terms).critical


def test_scores_of_groups() -> None:
    ok, high, none = Classified("Pass"), Classified("High"), Classified("Nodata")
    assert group_score([ok, ok, high, none]) == pytest.approx(200 / 3)
    assert summary_score({"a": [ok, high], "b": [ok]}, {"a": 60}) == (70.0, "")
    assert summary_score({"a": [ok], "b": [none]}, {})[0] == 0.0
    assert summary_score({"a": [replace(high, critical=True)], "b": [ok]}, {})[0] == 0.0


odd = st.lists(st.floats() | st.sampled_from([0.0, 1.0, -1.0]), max_size=12)
settings_ = st.builds(
    MannWhitneyTerms,
    direction=st.sampled_from(["Increase", "Decrease", "Either"]),
    nan=st.sampled_from(["Remove", "Replace"]),
    outliers=st.sampled_from(["Keep", "Remove"]),
    effect=st.sampled_from(["MeanRatio", "Cles"]),
    allowed_increase=st.none() | st.just(1.2),
    critical_increase=st.none() | st.just(2.0),
    must_have_data=st.booleans(),
    invariant=st.booleans(),
)


@settings(max_examples=400, deadline=None)
@given(odd, odd, settings_)
def test_nothing_raises(
    control: list[float], experiment: list[float], terms: MannWhitneyTerms
) -> None:
    got = classify(control, experiment, terms)
    assert got.classification in ("Pass", "High", "Low", "Nodata", "NodataFailMetric", "Error")
    assert math.isfinite(got.deviation)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=3, max_size=15),
    st.lists(st.integers(1, 60), min_size=3, max_size=15),
)
def test_the_unit_does_not_matter(control: list[int], experiment: list[int]) -> None:
    plain = classify(list(map(float, control)), list(map(float, experiment)), UP)
    # A power of two scales floating-point numbers without rounding.
    tiny = classify([c / 2**20 for c in control], [e / 2**20 for e in experiment], UP)
    assert tiny.classification == plain.classification
