"""Counting from samples: resets, births, and that neighbouring spans add up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.queries.counting import growth


def ticks(*values: float) -> list[tuple[float, float]]:
    return [(float(t), v) for t, v in enumerate(values)]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (ticks(1, 2, 3, 4, 5, 6), 3),  # steady: (2, 5] is 3 → 6
        (ticks(9, 9, 9, 9, 9, 9), 0),
        ([(3.0, 5.0)], 5),  # born with 5
        ([(3.0, 5.0), (4.0, 2.0)], 7),  # and restarted
        (ticks(10, 10, 10, 1, 2, 3), 3),  # reset at the very begin
        (ticks(1, 2, 3, 8, 1, 1), 6),
        (ticks(1, 2, 3, 4), 1),  # gone
        (ticks(1, 2, 3), None),
        ([], None),
        ([(6.0, 5.0)], None),  # born later
        ([(2.0, 5.0), (5.0, 7.0)], 2),  # the span is open at its begin, closed at its end
    ],
)
def test_growth(samples: list[tuple[float, float]], expected: float | None) -> None:
    assert growth(samples, 2.0, 5.0) == expected


@given(
    st.dictionaries(st.integers(0, 40), st.integers(0, 9), max_size=30),
    st.lists(st.integers(0, 40), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_neighbouring_spans_add_up(values: dict[int, int], edges: list[int]) -> None:
    samples = [(float(t), float(v)) for t, v in sorted(values.items())]
    parts = [growth(samples, a, b) for a, b in pairwise(edges)]
    assert (growth(samples, edges[0], edges[-1]) or 0) == sum(p or 0 for p in parts)


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        (None, 25.0),  # as if one pod had counted on from 5
        (0.5, 25.0),  # it was born before all of them
        (1.0, 30.0),  # the sample of that very moment is another's
        (2.0, 30.0),
    ],
)
def test_what_is_older_than_the_pod_is_anothers(born: float | None, expected: float) -> None:
    assert growth([(1.0, 5.0), (3.0, 20.0), (4.0, 30.0)], 2.0, 5.0, born) == expected
