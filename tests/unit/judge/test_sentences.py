"""The sentences word by word, and what holds for all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique.judge.numbers import clip, quantity
from pratique.judge.objectives import judge_objective
from pratique.judge.samples import Counts, Value
from pratique.judge.sentences import span
from pratique.resources.judgement import Window
from unit.judge.cases import evidence, objective, read_case

GOLDEN = yaml.safe_load((Path(__file__).parent / "sentences.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", GOLDEN, ids=[r["name"] for r in GOLDEN])
def test_word_by_word(row: dict[str, Any]) -> None:
    result = judge_objective(*read_case(row["given"]))
    assert result.message == row["sentence"].strip()
    assert result.bound == row["bound"]


@pytest.mark.parametrize(
    ("value", "unit", "beside", "text"),
    [
        (0.6021, "s", [], "0.602 s"),
        (0.30004, "s", [0.3], "0.30004 s"),
        (0.29996, "s", [0.3], "0.29996 s"),
        (0.30000000000000004, "s", [0.3], "0.3 s"),
        (0.005, "ratio", [], "0.5 %"),
        (0.99996, "ratio", [], "99.996 %"),
        (0.00001, "share", [], "0.001 %"),
        (1234567.0, "requests", [], "1,234,567 requests"),
        (1234.5678, None, [], "1,235"),
        (0.0, "s", [], "0 s"),
        (-0.0, "s", [], "0 s"),
        (-0.25, "s", [], "-0.25 s"),
        (1.0, "restarts", [], "1 restart"),
        (2.0, "OOM kills", [], "2 OOM kills"),
        (1e-9, "s", [], "1e-09 s"),
        (1.7e308, "s", [], "1.7e+308 s"),
    ],
)
def test_numbers(value: float, unit: str | None, beside: list[float], text: str) -> None:
    assert quantity(value, unit, beside=beside) == text


def test_a_window_over_midnight_says_its_dates() -> None:
    window = Window(
        from_=datetime(2026, 2, 28, 23, 55, tzinfo=UTC), to=datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
    )
    assert span(window) == "10m from 2026-02-28 23:55:00 to 2026-03-01 00:05:00 UTC"


def test_a_long_sentence_is_cut_between_words() -> None:
    assert clip("one two three", 13) == "one two three"
    assert clip("one two three", 9) == "one two…"
    assert clip("x" * 20, 9) == "x" * 8 + "…"


def test_long_names_do_not_burst_the_message() -> None:
    matchers = [{"label": f"l{i}", "matches": "v" * 500} for i in range(16)]
    long = {
        "ratio": {
            "bad": {"metric": "m" * 250, "where": matchers},
            "total": {"metric": "m" * 250},
        }
    }
    entries = [{"value": {"lte": 0.01 + i / 1000}, "change": {"lte": "10%"}} for i in range(8)]
    result = judge_objective(objective(long, entries, name="n" * 253), evidence(Counts(90, 100)))
    assert result.result == "Fail"
    assert len(result.message) <= 1024
    assert "requests in 10m" in result.message, "the figures survive a long name"
    assert result.bound is not None
    assert len(result.bound) <= 256


def test_a_query_too_long_to_paste_is_left_out_whole() -> None:
    plan = objective("query", [{"value": {"lte": 1}}])
    assert judge_objective(plan, evidence(Value(0.5), query="x" * 1024)).query == "x" * 1024
    assert judge_objective(plan, evidence(Value(0.5), query="x" * 1025)).query is None
