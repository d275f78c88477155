"""The worked examples of the page say what comes of them, and its tables name every field."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pratique.cli import app
from pratique.replay.cases import Case, CaseBaseline, CaseObjective

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "judge-cases.md").read_text("utf-8")
BLOCKS = re.findall(
    r"^```(yaml case|yaml expect|text output|text error)\n(.*?)^```", PAGE, re.M | re.S
)


def examples() -> list[Any]:
    """Each expectation with the case before it."""
    found, case = [], ""
    for kind, text in BLOCKS:
        if kind == "yaml case":
            case = text
        else:
            title = yaml.safe_load(case)["name"]
            found.append(pytest.param(case, kind, text, id=f"{title}: {kind}"))
    return found


def judge(case: str, *args: str) -> Any:
    return CliRunner().invoke(app, ["judge", "-f", "-", *args], input=case)


def test_every_case_says_what_comes_of_it() -> None:
    kinds = [kind for kind, _ in BLOCKS]
    assert kinds.count("yaml case") >= 10
    assert all(b != "yaml case" for a, b in itertools.pairwise(kinds) if a == "yaml case")
    assert kinds[-1] != "yaml case"
    assert PAGE.count("```yaml") == sum(k.startswith("yaml") for k in kinds)


@pytest.mark.parametrize(("case", "kind", "expected"), examples())
def test_example(case: str, kind: str, expected: str) -> None:
    if kind == "text output":
        assert judge(case).stdout == expected
    elif kind == "text error":
        found = judge(case)
        assert (found.exit_code, found.stderr) == (2, expected)
    else:
        found = judge(case, "-o", "json")
        [shown] = yaml.safe_load(found.stdout)
        flat = {**shown["judgement"], **{k: v for k, v in shown.items() if k != "judgement"}}
        wanted = yaml.safe_load(expected)
        assert wanted == like(flat, wanted)
        assert ("calledAt" in shown) == ("calledAt" in wanted) or "results" in wanted
        code = {"Promotable": 0, "NotPromotable": 1, "Inconclusive": 3}[wanted["verdict"]]
        assert found.exit_code == code


def like(shown: Any, wanted: Any) -> Any:
    """Of what is shown as much as the page tells."""
    if isinstance(wanted, dict):
        return {k: like(shown.get(k), v) for k, v in wanted.items()}
    if isinstance(wanted, list):
        return [like(s, w) for s, w in zip(shown, wanted, strict=True)]
    return shown


def test_every_field_is_named() -> None:
    table = PAGE.partition("## A case's fields")[2]
    for model in (Case, CaseObjective, CaseBaseline):
        names = {f.alias or n for n, f in model.model_fields.items()} - {"name"}
        assert not {n for n in names if f"`{n}`" not in table}
