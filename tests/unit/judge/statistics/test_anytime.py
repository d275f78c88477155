"""The watch without an end: hardly ever a false alarm, however long; harm is called all the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge.statistics.anytime import watch
from pratique.judge.statistics.ratios import Look, Terms

SEQUENCES, LOOKS, ALPHA = 1000, 500, 0.05


def called(
    rate: float, before: float, terms: Terms, *, looks: int, sequences: int
) -> list[int | None]:
    draw = np.random.default_rng(17)
    ends = []
    for _ in range(sequences):
        events = draw.binomial(100, rate, looks)
        based = draw.binomial(100, before, looks)
        ends.append(
            watch(
                [Look(100, int(e), 100, int(b)) for e, b in zip(events, based, strict=True)], terms
            ).at
        )
    return ends


@pytest.mark.parametrize("bound", [None, 0.02])
def test_five_hundred_looks_at_a_healthy_release_raise_hardly_an_alarm(bound: float | None) -> None:
    terms = Terms(looks=1, harm=2, bound=bound, alpha=ALPHA)
    ends = called(0.02, 0.02, terms, looks=LOOKS, sequences=SEQUENCES)
    assert sum(at is not None for at in ends) <= ALPHA * SEQUENCES


def test_doubled_errors_are_called_within_two_hours() -> None:
    terms = Terms(looks=1, harm=2, bound=0.01, alpha=0.01)
    ends = called(0.02, 0.01, terms, looks=120, sequences=200)
    assert sum(at is not None for at in ends) >= 190
    beside = Terms(looks=1, harm=2, alpha=0.01)
    assert sum(at is not None for at in called(0.04, 0.01, beside, looks=120, sequences=200)) >= 190


def test_a_gross_change_is_called_at_once() -> None:
    assert watch([Look(100, 40, 100, 1)], Terms(looks=1, harm=2)).at == 1


counts = st.tuples(st.integers(0, 300), st.floats(0, 1), st.integers(0, 300), st.floats(0, 1)).map(
    lambda x: Look(x[0], round(x[0] * x[1]), x[2], round(x[2] * x[3]))
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.none() | counts, max_size=20),
    st.none() | st.floats(0, 1),
    st.floats(0, 5),
)
def test_nothing_raises_and_more_looks_never_take_back_a_call(
    looks: list[Look | None], bound: float | None, allowed: float
) -> None:
    terms = Terms(looks=1, harm=2, bound=bound, allowed=allowed)
    first = watch(looks[: len(looks) // 2], terms)
    whole = watch(looks, terms)
    assert whole.evidence >= 0
    assert first.at is None or whole.at == first.at
