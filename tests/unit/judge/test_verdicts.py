"""From results to a verdict, and to the sentence above them all."""

from __future__ import annotations

import pytest

from pratique.judge.builtin import STAYS_UP
from pratique.judge.objectives import judge_objective
from pratique.judge.samples import Buckets, Counts, Missing, MissingReason, Sample, Value
from pratique.judge.verdicts import conclude, failing
from pratique.resources.judgement import ObjectiveResult
from unit.judge.cases import INF, baseline, evidence, objective, window

ERRORS = objective("bad", [{"value": {"lte": 0.01}}], name="errors")
FAST = objective(
    "p95",
    [{"value": {"lte": 0.3}, "change": {"lte": "10%"}}],
    [{"value": {"lte": 0.5}}],
    name="fast",
)
NEW = objective("p95", [{"change": {"lte": "10%"}}], name="steady")
QUICK = Buckets((0.1, 0.2, 0.25, INF), (0, 0, 1204, 1204))
SLOW = Buckets((0.1, 0.5, 0.7, INF), (0, 0, 1204, 1204))
BETWEEN = Buckets((0.1, 0.3, 0.5, INF), (0, 0, 1204, 1204))


def errors(sample: Sample, **more: int) -> ObjectiveResult:
    return judge_objective(ERRORS, evidence(sample, **more))


def fast(sample: Sample) -> ObjectiveResult:
    return judge_objective(FAST, evidence(sample), [baseline(0.24)])


def steady() -> ObjectiveResult:
    return judge_objective(NEW, evidence(QUICK))


def test_all_met() -> None:
    got = conclude([errors(Counts(12, 2400)), fast(QUICK)], window=window())
    assert (got.verdict, got.reason) == ("Promotable", "AllObjectivesMet")
    assert got.message == (
        "Promotable: both objectives are met over 10m from 12:00:10 to 12:10:10 UTC: "
        "errors 0.5 % (≤ 1 %), fast 0.248 s (≤ 0.3 s and change ≤ +10 %)."
    )


def test_one_failed() -> None:
    results = [errors(Counts(12, 2400)), fast(SLOW)]
    got = conclude(results, window=window())
    assert (got.verdict, got.reason) == ("NotPromotable", "ObjectiveFailed")
    assert got.message == (
        "Not promotable: 1 of 2 objectives failed: fast: p95 of http_request_duration_seconds is "
        "0.69 s: above the bound of 0.3 s, and +187 % against checkout-1 (0.24 s), allowed +10 %; "
        "also outside the warning bound ≤ 0.5 s; "
        "1,204 requests in 10m from 12:00:10 to 12:10:10 UTC."
    )
    assert failing(results) == results[1:]


def test_a_failure_outweighs_what_could_not_be_judged_and_names_it() -> None:
    got = conclude([errors(Missing("ProviderError", "no answer")), fast(SLOW)], window=window())
    assert (got.verdict, got.reason) == ("NotPromotable", "ObjectiveFailed")
    assert got.message.endswith(" Not judged: errors (ProviderError).")


def test_a_warning_passes_and_is_told() -> None:
    got = conclude([errors(Counts(12, 2400)), fast(BETWEEN)], window=window())
    assert (got.verdict, got.reason) == ("Promotable", "AllObjectivesMet")
    assert got.message.startswith(
        "Promotable: both objectives are met over 10m from 12:00:10 to 12:10:10 UTC, "
        "with warnings: fast: p95 of http_request_duration_seconds is 0.49 s: above the bound of "
        "0.3 s, and +104 % against checkout-1 (0.24 s), allowed +10 %, but within the warning bound"
    )


def test_nothing_judged_is_no_verdict() -> None:
    got = conclude([], window=None)
    assert (got.verdict, got.reason) == ("Inconclusive", "NoData")
    assert got.message == "Inconclusive: no objective was judged."


def test_the_basis_is_in_the_message() -> None:
    results = [judge_objective(o, evidence(Value(0.0))) for o in STAYS_UP]
    got = conclude(results, window=window(), basis="judged by Kubernetes' own signals only")
    assert got.verdict == "Promotable"
    assert got.basis == "judged by Kubernetes' own signals only"
    assert got.message == (
        "Promotable (judged by Kubernetes' own signals only): all 3 objectives are met over 10m "
        "from 12:00:10 to 12:10:10 UTC: stays-up-restarts 0 restarts (≤ 0 restarts), "
        "stays-up-oom 0 OOM kills (≤ 0 OOM kills), stays-up-ready 0 % (≤ 5 %)."
    )


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("stays-up-restarts", 1.0, "Fail"),
        ("stays-up-oom", 1.0, "Fail"),
        ("stays-up-ready", 0.05, "Pass"),
        ("stays-up-ready", 0.0501, "Fail"),
    ],
)
def test_what_staying_up_means(name: str, value: float, result: str) -> None:
    plan = next(o for o in STAYS_UP if o.name == name)
    assert plan.source == "built-in"
    assert judge_objective(plan, evidence(Value(value))).result == result


@pytest.mark.parametrize(
    ("reasons", "reason"),
    [
        (["NoData", "ProviderError"], "ProviderError"),
        (["ProviderError", "QueryRejected"], "QueryRejected"),
        (["NoData", "NotANumber"], "NotANumber"),
    ],
)
def test_the_most_urgent_reason_is_the_verdicts(reasons: list[MissingReason], reason: str) -> None:
    results = [errors(Missing(r, "so it was")) for r in reasons]
    for order in (results, results[::-1]):
        got = conclude(order, window=window())
        assert (got.verdict, got.reason) == ("Inconclusive", reason)
        assert got.message.startswith(
            "Inconclusive: 2 of 2 objectives could not be judged: errors: "
        )


def test_no_baseline_is_the_reason_only_where_nothing_else_was_missing() -> None:
    alone = conclude([errors(Counts(12, 2400)), steady()], window=window())
    assert (alone.verdict, alone.reason) == ("Inconclusive", "NoBaseline")
    for other in (errors(Counts(1, 3)), errors(Counts(1, 300), answered=3)):
        got = conclude([steady(), other], window=window())
        assert got.reason == other.reason != "NoBaseline"
        assert "steady: " in got.message, "all that was not judged is named"


def test_64_failures_fit() -> None:
    results = [
        fast(SLOW).model_copy(update={"name": f"objective-{i}", "message": "m" * 1000})
        for i in range(64)
    ]
    got = conclude(results, window=window(), basis="b" * 128)
    assert len(got.message) <= 2048
    assert len(got.results) == 64
    assert got.message.startswith(f"Not promotable ({'b' * 128}): 64 of 64 objectives failed: ")
