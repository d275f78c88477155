"""YAML read without recursion gives what PyYAML gives, where both know a thing, and JSON's numbers."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.replay.plain_yaml import BadYaml, load_all

numbers = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False)
any_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
words = st.text("abxyz_-:#'\" é&*!|>%@`,[]{}?", max_size=8)
"""Without digits: what is a number without quotes is another matter for YAML 1.1."""


def trees(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        numbers | text,
        lambda x: st.lists(x, max_size=4) | st.dictionaries(text.filter(bool), x, max_size=4),
        max_leaves=15,
    )


@settings(max_examples=300, deadline=None)
@given(trees(words), st.booleans())
def test_what_pyyaml_writes_is_read_as_it_was(value: Any, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert list(load_all(text)) == [value]


@settings(max_examples=300, deadline=None)
@given(trees(any_text))
def test_what_stands_in_quotes_with_its_type_is_read_as_it_was(value: Any) -> None:
    text = yaml.safe_dump(value, default_style='"', allow_unicode=True)
    assert list(load_all(text)) == [value]


@settings(max_examples=300, deadline=None)
@given(trees(any_text))
def test_what_is_json_is_read_as_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert list(load_all(text)) == [json.loads(text)]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text("-?:[]{}&*!|>#'\"a1 \n", max_size=60))
def test_whatever_the_text_is_nothing_else_is_raised(text: str) -> None:
    with contextlib.suppress(BadYaml):
        list(load_all(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1e-3, 2E5, .5, 5., +1.5, 0x1F, 0o17, 1_000]", [1e-3, 2e5, 0.5, 5.0, 1.5, 31, 15, 1000]),
        ("[.inf, -.inf, ~, '', 'yes', yes, Off]", [math.inf, -math.inf, None, "", "yes", True, False]),
        ("{on: 1, 0.3: 2, +Inf: 3, 2026-01-01: 4}", {"on": 1, "0.3": 2, "+Inf": 3, "2026-01-01": 4}),
        ("[2026-03-01T12:00:00Z, 1:30, 1.2.3, 5m, -, '1']", ["2026-03-01T12:00:00Z", "1:30", "1.2.3", "5m", "-", "1"]),
        ("a: &x [1, 2]\nb: *x\nc: *x", {"a": [1, 2], "b": [1, 2], "c": [1, 2]}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", {"a": {"k": 1, "l": 2}, "b": {"l": 3, "k": 1}}),
        ("[!!str 1, !!float 1, !!int 2, !!null '']", ["1", 1, 2, None]),
        ("# " + "[" * 100 + "\na: '" + "{" * 100 + "'", {"a": "{" * 100}),
    ],
)  # fmt: skip
def test_what_things_are(text: str, value: Any) -> None:
    assert list(load_all(text)) == [value]


def test_not_a_number() -> None:
    [[value]] = list(load_all("[.nan]"))
    assert math.isnan(value)


def test_documents_know_nothing_of_each_other() -> None:
    assert list(load_all("--- &x 1\n--- 2\n---\n")) == [1, 2, None]
    with pytest.raises(BadYaml):
        list(load_all("a: &x 1\n---\nb: *x"))


def test_aliases_may_stand_for_much_but_not_for_too_much() -> None:
    shared = "shared: &s [" + ", ".join("1" * 1000) + "]\n"
    assert len(next(load_all(shared + "all: [" + ", ".join(["*s"] * 900) + "]"))["all"]) == 900
    with pytest.raises(BadYaml, match="write it out") as found:
        list(load_all(shared + "all: [" + ", ".join(["*s"] * 1100) + "]"))
    assert found.value.line == 2
