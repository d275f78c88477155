"""The table of what the judge must say, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique.judge.objectives import judge_objective
from pratique.judge.verdicts import conclude
from unit.judge.cases import read_case, window

ROWS = yaml.safe_load((Path(__file__).parent / "conformance.yaml").read_text(encoding="utf-8"))


def test_the_table_tells_its_rows_apart() -> None:
    names = [(row["indicator"], row["name"]) for row in ROWS]
    assert len(set(names)) == len(names) >= 40


@pytest.mark.parametrize("row", ROWS, ids=[r["name"] for r in ROWS])
def test_row(row: dict[str, Any]) -> None:
    result = judge_objective(*read_case(row))
    assert [result.result, result.reason] == row["expect"], result.message
    if "change" in row:
        assert result.change_percent == pytest.approx(row["change"])
    if result.result in ("NoData", "Error"):
        assert result.value is None, "what is no evidence must not become a baseline"


@pytest.mark.parametrize("row", ROWS, ids=[r["name"] for r in ROWS])
def test_the_verdict_of_this_objective_alone(row: dict[str, Any]) -> None:
    result = judge_objective(*read_case(row))
    judgement = conclude([result], window=window())
    wanted = {"Pass": "Promotable", "Warn": "Promotable", "Fail": "NotPromotable"}
    assert judgement.verdict == wanted.get(row["expect"][0], "Inconclusive")
    if judgement.verdict == "Inconclusive":
        assert judgement.reason == result.reason
