"""Missing data: each kind has its reason, fails where that is declared, and never passes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pratique.judge.objectives import Evidence, Terms, judge_objective
from pratique.judge.samples import Counts, Missing, Sample, Value
from pratique.resources.judgement import ObjectiveResult
from pratique.resources.sensitivity import MissingPolicy
from unit.judge.cases import evidence, objective, window


def judged(indicator: str, rows: list[Sample], **missing: Any) -> ObjectiveResult:
    plan = objective(indicator, [{"value": {"lte": 0.5}}], evidence="Conclusive").model_copy(
        update={"missing": MissingPolicy.model_validate(missing)} if missing else {}
    )
    return judge_objective(
        plan,
        Evidence(
            looks=tuple(rows),
            planned=len(rows),
            window=window(),
            release="checkout-2",
            provider=None,
            query=None,
            final=True,
        ),
    )


GAP = Missing("NoData", "nothing came")
KINDS: list[tuple[str, str, list[Sample], str]] = [
    ("noData", "query", [GAP] * 4, "NoData"),
    ("notANumber", "query", [Value(math.nan)] * 4, "NotANumber"),
    ("infinite", "query", [Value(math.inf)] * 4, "Infinite"),
    ("stale", "query", [Missing("StaleSeries", "an hour old")] * 4, "StaleSeries"),
    ("severalSeries", "query", [Missing("SeveralSeries", "3 series")] * 4, "SeveralSeries"),
    ("partialWindow", "bad", [Counts(0, 900), GAP, GAP, Counts(0, 900)], "PartialWindow"),
]


@pytest.mark.parametrize(
    ("field", "indicator", "looks", "reason"), KINDS, ids=[k[0] for k in KINDS]
)
def test_each_kind_is_inconclusive_or_fails_as_declared(
    field: str, indicator: str, looks: list[Sample], reason: str
) -> None:
    safe = judged(indicator, looks)
    assert safe.result in ("NoData", "Error")
    assert safe.reason == reason
    strict = judged(indicator, looks, **{field: "Fail"})
    assert (strict.result, strict.reason) == ("Fail", reason)
    assert "the objective says that this fails" in strict.message
    others = {f: "Fail" for f, *_ in KINDS if f != field}
    assert judged(indicator, looks, **others).result == safe.result


def test_a_negative_value_is_a_value_unless_it_is_said_to_be_none() -> None:
    assert judged("query", [Value(-1.0)] * 3).result == "Pass"
    refused = judged("query", [Value(-1.0)] * 3, negative="Inconclusive")
    assert (refused.result, refused.reason) == ("NoData", "NegativeValue")
    assert judged("query", [Value(-1.0)] * 3, negative="Fail").result == "Fail"
    assert judged("bad", [Counts(-1, 90)] * 3).reason == "NegativeValue"


def test_how_many_looks_must_have_data_is_declared() -> None:
    looks: list[Sample] = [Counts(0, 900), GAP, Counts(0, 900), Counts(0, 900)]
    assert judged("bad", looks).reason == "PartialWindow"
    assert judged("bad", looks, looks="75%").result == "Pass"


def test_harm_shown_in_spite_of_gaps_is_harm() -> None:
    result = judged("bad", [Counts(800, 900), GAP, GAP, Counts(800, 900)])
    assert (result.result, result.reason) == ("Fail", "ValueOutOfBounds")


@pytest.mark.parametrize("kind", ["Point", "Conclusive"])
@pytest.mark.parametrize(
    ("bad", "found"), [(0, ("NotJudged", "NoBaseline")), (500, ("Fail", "ValueOutOfBounds"))]
)
def test_where_a_baseline_is_needed_a_value_that_breaks_its_bound_fails_without(
    kind: str, bad: int, found: tuple[str, str]
) -> None:
    both = [{"value": {"lte": 0.01}, "change": {"lte": "10%"}}]
    seen = evidence(Counts(bad, 1000))
    terms = Terms(no_baseline="Inconclusive")
    result = judge_objective(objective("bad", both, evidence=kind), seen, [], terms)
    assert (result.result, result.reason) == found
    assert "its change was not judged, as there is no baseline yet" in result.message
