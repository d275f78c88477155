"""PromQL text: no value leaves its string, regular expressions match just their names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.queries import promql
from unit.queries.world import selected, unquoted

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NASTY = TEXT | st.text(st.sampled_from("\\\"'`\n{}[]()|.*+?^$\ufffd,=~# ax-"))
NAMES = st.lists(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,6}[a-z0-9])?", fullmatch=True), min_size=1)


@given(NASTY, st.sampled_from("\"'"))
def test_a_value_never_ends_its_string(text: str, quote: str) -> None:
    assert unquoted(quote + promql.escape(text, quote) + quote + "!") == (text, "!")


@given(NASTY, NASTY)
def test_a_selector_holds_just_the_matchers_that_were_meant(one: str, two: str) -> None:
    text = promql.selector("m", [promql.one_of("a", [one]), promql.matcher("b", "!=", two, {})])
    assert selected(text) == ("m", [("a", "=", one), ("b", "!=", two)], "")


@given(NASTY)
def test_re2_matches_just_the_text(text: str) -> None:
    assert re.fullmatch(promql.re2(text), text)
    assert not re.fullmatch(promql.re2(text), text + "x")


@given(NAMES, NAMES)
def test_alternatives_match_these_names_and_no_others(names: list[str], others: list[str]) -> None:
    expression = re.compile(promql.alternatives(names))
    for name in names + others:
        assert bool(expression.fullmatch(name)) == (name in names)


def test_pods_of_one_replica_set_share_their_stem() -> None:
    names = ["checkout-7d9f8c-bbbbb", "checkout-7d9f8c-aaaaa", "cart-1-x"]
    assert promql.alternatives(names) == "cart-1-x|checkout-7d9f8c-(aaaaa|bbbbb)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90, "1m30s"), (600, "10m"), (86400, "1d"), (0.25, "250ms"), (3661.5, "1h1m1s500ms")],
)
def test_durations(seconds: float, text: str) -> None:
    assert promql.duration(seconds) == text


@pytest.mark.parametrize("seconds", [0, -1, 0.0001])
def test_no_span_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        promql.duration(seconds)


@pytest.mark.parametrize(
    ("comparison", "text", "expected"),
    [
        ("=", "$workload", 'l="a.b"'),
        ("!=", "$workload-$version", 'l!="a.b-1+\\"x"'),
        ("=~", "$workload-.*$", 'l=~"a\\\\.b-.*$"'),
        ("!~", "($version)", 'l!~"(1\\\\+\\"x)"'),
        ("=", "$workloads", 'l="$workloads"'),
    ],
)
def test_matchers_take_variables_as_plain_text(comparison: str, text: str, expected: str) -> None:
    values = {"workload": "a.b", "version": '1+"x'}
    assert promql.matcher("l", comparison, text, values) == expected


def test_a_value_that_looks_like_a_variable_stays_as_it_is() -> None:
    values = {"workload": "$version", "version": "1"}
    assert promql.matcher("l", "=", "$workload", values) == 'l="$version"'
