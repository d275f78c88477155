"""Nothing raises: cases that are well formed and odd in every other way; and a crash is no verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pratique.cli import app
from pratique.replay.reading import BadInput, read
from pratique.replay.run import run

odd = st.one_of(
    st.floats(),
    st.sampled_from([0, -0.0, 5e-324, 1e-300, 1e300, 1.7976931348623157e308, 10**30, -(10**400), 0.5, 1, 2]),
    st.integers(-(2**70), 2**70),
)  # fmt: skip
small = st.floats(0, 1).map(lambda x: round(x, 3)) | st.floats(-2, 2)
counts = st.tuples(st.integers(0, 60), st.integers(0, 400)).map(lambda x: [min(x), max(x)])
huge = st.tuples(st.integers(0, 2**66), st.integers(0, 2**66)).map(list)
buckets = st.fixed_dictionaries(
    {"buckets": st.dictionaries(st.sampled_from(["0.1", "0.3", "1", "+Inf", "-1", "1e308"]),
                                st.integers(-2, 10**6), max_size=5)}
)  # fmt: skip
missing = st.fixed_dictionaries(
    {"missing": st.sampled_from(["NoData", "ProviderError", "SeveralSeries", "StaleSeries"])},
    optional={"message": st.text(max_size=30)},
)
look = st.one_of(st.none(), odd, small, counts, counts, huge, buckets, missing)
looks = st.lists(look, min_size=1, max_size=7)
steps = st.lists(st.integers(0, 200), min_size=3, max_size=3).map(
    lambda n: {"buckets": {"0.1": n[0], "0.3": n[0] + n[1], "+Inf": sum(n)}}
)
FITTING = {
    "bad": st.lists(counts | counts | st.none(), min_size=1, max_size=7),
    "good": st.lists(counts | counts | st.none(), min_size=1, max_size=7),
    "value": st.lists(small | small | odd, min_size=1, max_size=7),
    "latency": st.lists(steps | steps | st.none(), min_size=1, max_size=7),
}
"""Looks that its kind can have; the others are mostly refused or no evidence."""
percent = st.integers(-100, 10**6).map(lambda n: f"{n}%")
operators = st.sampled_from(["lt", "lte", "gt", "gte", "eq"])
comparison = st.one_of(
    st.builds(lambda o, v: {o: v}, operators, st.one_of(small, odd)),
    st.lists(small, min_size=2, max_size=2).map(lambda x: {"between": sorted(x)}),
)
change = st.one_of(
    st.builds(lambda o, v: {o: v}, st.sampled_from(["lt", "lte", "gt", "gte"]), percent),
    st.builds(lambda o, v, f: {o: v, "floor": f}, st.sampled_from(["lte", "gte"]), percent, small),
    comparison.map(lambda c: {"delta": c}),
)
bound = st.dictionaries(st.just("value"), comparison, min_size=1) | st.fixed_dictionaries(
    {"change": change}, optional={"value": comparison}
)
objective = st.fixed_dictionaries(
    {
        "shape": st.sampled_from(
            [{"kind": "bad"}, {"kind": "good"}, {"kind": "value", "unit": "s"},
             {"kind": "latency", "quantile": 0.95}, {"kind": "latency", "threshold": "300ms"},
             {"indicator": {"kubernetes": {"signal": "Restarts"}}}]
        ),
        "pass": st.lists(bound, min_size=1, max_size=2),
    },
    optional={
        "warn": st.lists(bound, max_size=1),
        "minRequests": st.integers(0, 10**9),
        "evidence": st.sampled_from(["Point", "Conclusive"]),
        "sensitivity": st.fixed_dictionaries({}, optional={
            "falseAlarm": st.sampled_from(["0.01%", "20%"]), "power": st.sampled_from(["50%", "99.9%"]),
            "detect": st.sampled_from(["1.000001x", "2x", "999999x"])}),
        "mannWhitney": st.fixed_dictionaries({}, optional={
            "tolerance": st.floats(0, 10), "nan": st.sampled_from(["Remove", "Replace"]),
            "outliers": st.just("Remove"), "effect": st.just("Cles"), "mustHaveData": st.booleans(),
            "criticalIncrease": st.floats(1, 5)}),
        "missing": st.dictionaries(
            st.sampled_from(["noData", "notANumber", "partialWindow", "negative"]), st.just("Fail")),
        "weight": st.integers(1, 1000),
        "key": st.booleans(),
        "informational": st.booleans(),
        "dryRun": st.booleans(),
    },
)  # fmt: skip
baseline = st.one_of(
    st.fixed_dictionaries({"value": st.one_of(small, odd)},
                          optional={"samples": st.integers(0, 10**12), "seconds": st.floats(1e-9, 1e12)}),
    st.builds(lambda c: {"bad": c[0], "total": max(c[1], 1)}, counts),
    st.fixed_dictionaries({"looks": looks, "sameMinutes": st.booleans()}),
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(st.lists(objective, min_size=1, max_size=2))
    objectives = [{"name": f"o{i}", **o.pop("shape"), **o} for i, o in enumerate(found)]
    names = [o["name"] for o in objectives]
    odd_ones = draw(st.integers(0, 2)) == 0
    rows = {
        o["name"]: draw(looks if odd_ones else FITTING.get(o.get("kind", ""), looks))
        for o in objectives
    }
    samples: dict[str, Any] = dict(rows)
    if draw(st.booleans()):
        samples[names[0]] = {"looks": rows[names[0]], "whole": draw(look)}
    return {
        "objectives": objectives,
        "samples": samples,
        "baseline": {n: draw(st.lists(baseline, max_size=2)) for n in names if draw(st.booleans())},
        **draw(st.fixed_dictionaries({}, optional={
            "planned": st.integers(1, 12), "maxLooks": st.integers(1, 60), "final": st.booleans(),
            "failAfter": st.integers(1, 4), "interval": st.sampled_from(["1ms", "1m", "99999d"]),
            "score": st.sampled_from([{"pass": "75%"}, {"pass": "90%", "warn": "10%"}]),
            "onWarning": st.just("NotPromotable"), "mode": st.sampled_from(["Warn", "DryRun"]),
            "onNoBaseline": st.just("Inconclusive"), "drift": st.sampled_from(["0%", "20%", "150%", "-5%"]),
            "maxTrafficRatio": st.floats(1.001, 1e6),
            "anchor": st.one_of(st.just({"value": 0.01}), baseline).map(lambda b: {names[0]: b}),
        })),
    }  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(cases())
def test_whatever_a_case_says_it_is_refused_or_judged(case: dict[str, Any]) -> None:
    try:
        [judged] = map(run, read(json.dumps(case), "x"))
    except BadInput:
        return
    shown = judged.dump()
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert yaml.safe_load(yaml.safe_dump(shown)) == shown
    judgement = judged.judgement
    if judged.called_at is not None:
        assert judgement.verdict == "NotPromotable"
    if judgement.verdict == "Promotable":
        assert case.get("final", True)
        assert any(r.result in ("Pass", "Warn") for r in judgement.results)


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "yaml"])
def test_a_fault_of_ours_does_not_end_as_a_verdict(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(case: object) -> None:
        raise ZeroDivisionError("\x1b[2J")

    monkeypatch.setattr("pratique.replay.run.run", broken)
    case = {
        "objectives": [{"name": "o", "kind": "value", "pass": [{"value": {"lte": 1}}]}],
        "samples": {"o": [0]},
    }
    found = CliRunner().invoke(app, ["judge", "-f", "-", "-o", form], input=json.dumps(case))
    assert (found.exit_code, found.stdout) == (2, "")
    assert "please report it: ZeroDivisionError: \\x1b[2J" in found.stderr


def test_names_do_nothing_to_a_terminal() -> None:
    case = {
        "name": "a\x1b[2J\u2028b",
        "objectives": [{"name": "o\x07", "kind": "value", "pass": [{"value": {"lte": 1}}]}],
        "samples": {"o\x07": [{"missing": "NoData", "message": "gone \ud800\x1b]0;x\x07"}]},
    }
    found = CliRunner().invoke(app, ["judge", "-f", "-"], input=json.dumps(case))
    assert found.exit_code == 3
    assert "\\x1b[2J\\u2028b" in found.stdout
    assert not set(found.stdout) & set("\x1b\x07\u2028")
    refused = CliRunner().invoke(app, ["judge", "-f", "-"], input=json.dumps({"name": "\x1b[2J"}))
    assert refused.exit_code == 2
    assert "\x1b" not in refused.stderr


def test_options_that_do_not_fit_together(tmp_path: Any) -> None:
    for args in (
        [],
        ["-f", "-", "--release", "x"],
        ["-f", "-", "--with-policy", str(tmp_path / "p")],
    ):
        found = CliRunner().invoke(app, ["judge", *args], input="{}")
        assert found.exit_code == 2
        assert "--release" in found.stderr
