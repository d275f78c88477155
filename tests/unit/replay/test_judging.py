"""`pratique judge`: forms, exit codes, what is said of bad input; and that nothing raises."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pratique.cli import app
from pratique.replay.reading import BadInput, documents, read
from pratique.replay.run import run

GOOD: dict[str, Any] = {
    "name": "good",
    "objectives": [{"name": "errors", "kind": "bad", "pass": [{"value": {"lte": 0.01}}]}],
    "samples": {"errors": [[2, 600], [4, 590], [3, 610]]},
}
BAD = {**GOOD, "name": "bad", "samples": {"errors": [[60, 600]] * 3}}
SILENT = {**GOOD, "name": "silent", "samples": {"errors": [None] * 3}}


def judge(*args: str, text: str | None = None) -> Any:
    return CliRunner().invoke(app, ["judge", *args], input=text)


@pytest.mark.parametrize(
    ("cases", "code"),
    [([GOOD], 0), ([GOOD, BAD], 1), ([GOOD, SILENT], 3), ([SILENT, BAD], 1)],
)
def test_the_exit_code_is_that_of_the_worst(cases: list[Any], code: int) -> None:
    assert judge("-f", "-", text=json.dumps(cases)).exit_code == code
    assert judge("-f", "-", "--exit-zero", text=json.dumps(cases)).exit_code == 0


def test_every_form_of_input_comes_to_the_same(tmp_path: Path) -> None:
    both = [GOOD, BAD]
    forms = {
        "list.json": json.dumps(both),
        "lines.jsonl": "\n".join(map(json.dumps, both)),
        "documents.yaml": yaml.safe_dump_all(both),
        "list.yaml": yaml.safe_dump(both),
        "indented.json": json.dumps(both, indent=2),
    }
    outputs = set()
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        outputs.add(judge("-f", str(tmp_path / name), "-o", "json").stdout)
    [output] = outputs
    assert [c["name"] for c in json.loads(output)] == ["good", "bad"]


def test_the_past_tells_how_much_it_wanders_by_itself() -> None:
    worse = {**GOOD, "name": "x", "samples": {"errors": [[16, 1000], [17, 1000], [18, 1000]]}}
    calm = judge("-f", "-", text=json.dumps(worse))
    assert calm.exit_code == 1, calm.output
    assert "how much it wanders by itself is not known" in calm.stdout
    past = [[3, 1000], [30, 1000], [9, 1000], [2, 1000]] * 30
    told = judge("-f", "-", text=json.dumps({**worse, "history": {"errors": past}}))
    assert told.exit_code == 3, told.output
    assert "wanders" not in told.stdout
    lost = judge("-f", "-", text=json.dumps({**worse, "history": {"slow": past}}))
    assert "history.slow belongs to no objective" in lost.stderr


def test_cases_without_a_name_are_told_apart() -> None:
    text = "\n".join(json.dumps({k: v for k, v in GOOD.items() if k != "name"}) for _ in range(2))
    found = json.loads(judge("-f", "-", "-o", "json", text=text).stdout)
    assert [one["name"] for one in found] == ["case 1", "case 2"]


def test_every_form_of_output_holds_the_judgement() -> None:
    text = json.dumps([GOOD, BAD])
    whole = json.loads(judge("-f", "-", "-o", "json", text=text).stdout)
    lines = judge("-f", "-", "-o", "jsonl", text=text).stdout
    assert [json.loads(line) for line in lines.splitlines()] == whole
    assert list(yaml.safe_load_all(judge("-f", "-", "-o", "yaml", text=text).stdout)) == whole
    assert whole[0]["judgement"]["verdict"] == "Promotable"
    assert whole[1]["calledAt"] == 1
    people = judge("-f", "-", text=text).stdout
    assert "bad: NotPromotable (ObjectiveFailed, called at look 1)" in people


def test_values_fail_by_looks_in_a_row_as_in_the_operator() -> None:
    case = {
        "objectives": [{"name": "heap", "kind": "value", "pass": [{"value": {"lte": 100}}]}],
        "samples": {"heap": [90, 120, 90, 130, 140, 150, 90, 90]},
    }
    [judged] = map(run, read(json.dumps(case), "x"))
    assert (judged.judgement.verdict, judged.called_at) == ("NotPromotable", 6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": {}}, "samples has nothing for objective 'errors': add samples.errors"),
        ({"samples": {"errors": []}}, "samples.errors.looks: List should have at least 1 item"),
        ({"samples": {"errors": [[1, 2, 3]]}}, "samples.errors.looks[0]"),
        ({"samples": {"errors": [[1.5, 3]]}}, "the first is 1.5, which is no count"),
        ({"samples": {"errors": ["many"]}}, "write a look as a number"),
        (
            {"samples": {"errors": [{"missing": "Gone"}]}},
            "'Gone' is no reason: choose one of NoData",
        ),
        ({"samples": {"error": [1]}}, "samples has nothing for objective 'errors'"),
        (
            {"baseline": {"slow": {"value": 1}}},
            "baseline.slow belongs to no objective: there are errors",
        ),
        ({"baseline": {"errors": {"release": "x"}}}, "say exactly one of value, counts"),
        ({"objectives": [{"name": "errors", "kind": "bad"}]}, "an objective needs pass"),
        (
            {"objectives": [{"name": "errors", "pass": [{"value": {"lte": 1}}]}]},
            "say exactly one of kind",
        ),
        (
            {"objectives": [{"name": "errors", "kind": "bad", "pass": [{"value": {"lte": 5}}]}]},
            "write 5 % as 0.05",
        ),
        (
            {"objectives": [{"name": "errors", "kind": "bad", "pass": [{"value": {"lte": "1%"}}]}]},
            "pass[0].value.lte: '1%': write a number, without a unit and without quotes",
        ),
        (
            {
                "objectives": [
                    {
                        "name": "errors",
                        "kind": "bad",
                        "pass": [{"change": {"delta": {"lte": "10%"}}}],
                    }
                ]
            },
            "'10%': a percentage stands without delta, as change: {lte: 10%}",
        ),
        ({"drift": "-5%"}, "drift: '-5%': -5.0: write a percentage from 0% to 100000%"),
        ({"interval": "soon"}, "interval: 'soon' is not a duration"),
        ({"planed": 5}, "planed: there is no such field"),
        ({"description": 5}, "description: 5: write it in quotes"),
        ({"from": "2026-03-01T12:00:00"}, "from: '2026-03-01T12:00:00': a time needs its zone"),
        ({"from": "9999-12-31T23:59:59Z"}, "choose a time between the years 1970 and 9000"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "choose a time between the years 1970 and 9000"),
        (
            {"from": "8999-12-31T00:00:00Z", "interval": "99999d99999h"},
            "3 looks of this interval end beyond the year 9000",
        ),
        ({"samples": {"errors": [{"missing": "NoData", "message": [1]}]}}, "write a text"),
        ({"samples": {"errors": [{"missing": ["NoData"]}]}}, "is no reason: choose one of NoData"),
        ({"baseline": {"errors": {"bad": 10, "total": 5}}}, "10 of 5 events cannot be"),
        (
            {"baseline": {"errors": {"looks": [[1, 2]] * 4}}},
            "baseline.errors[0].looks has 4 looks, the release 3: give no more",
        ),
    ],
)
def test_bad_input_names_case_field_and_mend(change: dict[str, Any], said: str) -> None:
    result = judge("-f", "-", text=json.dumps({**GOOD, **change}))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "standard input: case 1 (good)" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("{", "no YAML"),
        ('{"name": "a",\n "objectives": [}', "line 2: no JSON"),
        ("a: b: c", "line 1: no YAML"),
        ("just words", "not a map"),
        ("- 1\n- 2", "case 1 is 1, not a map"),
        ("[" * 5000, "nested too deeply"),
        ("- " * 5000 + "a", "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{n}: &{n} [{', '.join(['*' + p] * 10)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)),
            "the aliases stand for too much",
        ),
        ("a: &a\n  b: *a\n", "*a stands for nothing that is complete"),
        ("? " * 100_000 + "a", "a key is a list or a map"),
        ("- ? " * 20_000 + "a", "a key is a list or a map"),
        ("\n".join(" " * i + "-" for i in range(300)), "line 41: no YAML: nested too deeply"),
        ("\n".join(" " * i + "a:" for i in range(300)), "line 41: no YAML: nested too deeply"),
        ("name: &a [1]\nname: *a", "line 2: no YAML: 'name' stands twice"),
        ('{"name": "a",\n "name": "b"}', "'name' stands twice in one map"),
        ("name: !!python/object/apply:os.system [id]", "is not known: leave it out"),
        ("name: !!binary aaa", "is not known: leave it out"),
        ("name: !!int many", "'many' is no !!int"),
        ("a: &a {x: 1}\nb: {<<: [1]}", "<< takes a map"),
        ("name: *nothing", "*nothing stands for nothing"),
        ("n: " + "1" * 5000, "a number of 5,000 digits is too long"),
        ('{"n": ' + "1" * 5000 + "}", "a number of 5,000 digits is too long"),
        ("[]", "holds no case"),
        ("# a comment alone", "holds no case"),
        ("---\n---\n", "holds no case"),
        ("name: a\0b", "no YAML"),
        ("[[1]]", "case 1 is a list, not a map"),
        (json.dumps(GOOD) + "\n3\n", "case 2 is 3, not a map"),
        (json.dumps(GOOD) + "\n{bad\n", "line 2: no JSON"),
    ],
)  # fmt: skip
def test_hostile_text_is_refused(text: str, said: str) -> None:
    result = judge("-f", "-", text=text)
    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_a_file_that_is_not_there() -> None:
    result = judge("-f", "nowhere.yaml")
    assert result.exit_code == 2
    assert "nowhere.yaml: No such file or directory" in result.stderr


def test_no_text_at_all_in_utf8(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"name: \xff")
    assert "byte 6 is no UTF-8" in judge("-f", str(tmp_path / "x.yaml")).stderr


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=8), x, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    ["samples", "baseline", "objectives", "planned", "score", "anchor", "interval"]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(fields, anything, max_size=3))
def test_whatever_a_case_holds_nothing_but_bad_input_raises(change: dict[str, Any]) -> None:
    try:
        for case in read(json.dumps({**GOOD, **change}), "x"):
            run(case)
    except BadInput:
        pass


looks = st.lists(
    st.none()
    | st.floats()
    | st.tuples(st.integers(-3, 400), st.integers(-3, 400)).map(list)
    | st.just({"buckets": {"0.3": 5, "+Inf": 9}}),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(looks, looks, st.sampled_from(["bad", "good", "value"]), st.booleans(), st.booleans())
def test_whatever_the_looks_hold_there_is_a_judgement(
    given_looks: list[Any], beside: list[Any], kind: str, same: bool, final: bool
) -> None:
    beside = (beside * 8)[: len(given_looks)]
    case = {
        "objectives": [
            {"name": "o", "kind": kind, "pass": [{"value": {"lte": 0.5}, "change": {"lte": "10%"}}]}
        ],
        "samples": {"o": given_looks},
        "baseline": {"o": {"looks": beside, "sameMinutes": same}},
        "final": final,
    }
    [judged] = map(run, read(json.dumps(case), "x"))
    assert judged.judgement.verdict in ("Promotable", "NotPromotable", "Inconclusive")
    json.dumps(judged.dump(), allow_nan=False)
    assert final or judged.judgement.verdict != "Promotable"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_whatever_the_text_is_nothing_but_bad_input_raises(text: str) -> None:
    with contextlib.suppress(BadInput):
        list(documents(text, "x"))


def test_numbers_that_are_none_are_no_evidence() -> None:
    case = {
        "objectives": [{"name": "o", "kind": "value", "pass": [{"value": {"lte": 1}}]}],
        "samples": {"o": [math.nan, math.inf, math.nan]},
    }
    [judged] = map(run, read(json.dumps(case), "x"))
    assert (judged.judgement.verdict, judged.judgement.reason) == ("Inconclusive", "NotANumber")
