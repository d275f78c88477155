"""Expressions of pods' names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.queries import podnames


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_ordinals_on_both_sides_of_a_partition(partition: int, ordinal: int) -> None:
    above = re.fullmatch(podnames.at_least(partition), str(ordinal))
    below = re.fullmatch(podnames.less_than(partition), str(ordinal))
    assert (above is not None, below is not None) == (ordinal >= partition, ordinal < partition)


def test_a_partition_that_holds_everything_back_keeps_to_the_limit() -> None:
    pattern = podnames.of_version("StatefulSet", "x" * 63, None, 2_147_483_647)
    assert len(pattern) <= 512
    assert re.fullmatch(pattern, "x" * 63 + "-0") is None
    assert re.fullmatch(podnames.below("x", 2_147_483_647), "x-2147483646")


@pytest.mark.parametrize(
    ("pattern", "mine", "others"),
    [
        (
            podnames.of_version("Deployment", "cart", "cart-7d9f8c"),
            ["cart-7d9f8c-x2k4p"],
            ["cart-7d9f8c", "cart-0", "cart-5bd9c8-x2k4p"],
        ),
        (
            podnames.of_version("StatefulSet", "cart", "cart-5bd9c8"),
            ["cart-0", "cart-17"],
            ["cart-x2k4p", "cart-5bd9c8-0", "carts-0"],
        ),
        (podnames.of_version("StatefulSet", "cart", None, 2), ["cart-2", "cart-10"], ["cart-1"]),
        (podnames.below("cart", 2), ["cart-0", "cart-1"], ["cart-2", "cart-10"]),
        (podnames.below("cart", 0), [], ["cart-0", "cart-1"]),
        (
            podnames.of_version("DaemonSet", "cart", "cart-5bd9c8"),
            ["cart-x2k4p"],
            ["cart-0", "cart-7d9f8c-x2k4p"],
        ),
        (
            podnames.of_any_version("Deployment", "cart"),
            ["cart-7d9f8c-x2k4p"],
            ["cart-x2k4p", "cart-0"],
        ),
        (podnames.of_version("StatefulSet", "a.b", None), ["a.b-0"], ["axb-0"]),
    ],
)
def test_whose_pods_match(pattern: str, mine: list[str], others: list[str]) -> None:
    assert [n for n in mine + others if re.fullmatch(pattern, n)] == mine


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (podnames.of_version("Deployment", "cart", "cart-7d9f8c"), "cart-7d9f8c"),
        (podnames.of_version("StatefulSet", "a.b", None), "a.b"),
        (podnames.of_version("StatefulSet", "cart", None, 2), "cart"),
        (podnames.of_version("DaemonSet", "cart", None), "cart"),
    ],
)
def test_the_shared_name_is_found_again(pattern: str, name: str) -> None:
    found = podnames.split(pattern)
    assert found is not None
    assert found[0] == name
    assert pattern.endswith(found[1])


def test_an_expression_of_somebody_else_has_no_shared_name() -> None:
    assert podnames.split("cart-.*") is None
