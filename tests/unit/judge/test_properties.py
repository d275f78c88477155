"""What holds for every sample, bound and baseline, however odd."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from pratique.judge.fit import fit, size
from pratique.judge.objectives import Baseline, Evidence, judge_objective, measure
from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value, pool
from pratique.judge.statistics.laws import Noise
from pratique.judge.verdicts import conclude
from pratique.resources.judgement import Judgement
from pratique.resources.release import PlannedObjective
from unit.judge.cases import INDICATORS, baseline, evidence, objective, window

REASONS = (
    *(
        "NoData",
        "NotANumber",
        "Infinite",
        "StaleSeries",
        "SeveralSeries",
        "ProviderError",
        "QueryRejected",
    ),
    *("NegativeValue", "MismatchedBuckets", "PartExceedsTotal", "UnexpectedSample"),
)
finite = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-5, 5000) | st.integers()
missing = st.builds(Missing, st.sampled_from(REASONS), st.text(max_size=40))
percents = st.floats(-100, 1e6, allow_nan=False).map(lambda x: f"{x:.9f}%")


@st.composite
def honest_counts(draw: st.DrawFn) -> Counts:
    total = draw(st.integers(20, 5000) | st.integers(0, 20))
    return Counts(draw(st.integers(0, total)), total)


@st.composite
def honest_buckets(draw: st.DrawFn) -> Buckets:
    edges = draw(st.lists(st.floats(0.001, 60), min_size=1, max_size=8, unique=True))
    steps = draw(st.lists(st.integers(0, 300), min_size=len(edges) + 1, max_size=len(edges) + 1))
    counts = tuple(sum(steps[: i + 1]) for i in range(len(steps)))
    return Buckets((*sorted(edges), math.inf), counts)


any_buckets = st.builds(
    Buckets,
    st.lists(st.floats(), max_size=6).map(tuple),
    st.lists(integers, max_size=6).map(tuple),
)
samples: st.SearchStrategy[Sample] = st.one_of(
    honest_counts(),
    honest_buckets(),
    st.builds(Value, finite),
    st.builds(Value, st.floats()),
    st.builds(Counts, integers, integers),
    any_buckets,
    missing,
)


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(["lt", "lte", "gt", "gte", "eq", "between"]))
    number = st.floats(0, 1) | finite
    return {name: sorted(draw(st.tuples(number, number))) if name == "between" else draw(number)}


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, Any]:
    percent = st.dictionaries(
        st.sampled_from(["lt", "lte", "gt", "gte"]), percents, min_size=1, max_size=1
    )
    change = percent | st.fixed_dictionaries({"delta": comparisons()})
    value = st.fixed_dictionaries({"value": comparisons()})
    changed = st.fixed_dictionaries({"change": change})
    both = st.fixed_dictionaries({"value": comparisons(), "change": change})
    return draw(value | changed | both)


@st.composite
def plans(draw: st.DrawFn, name: str = "objective") -> PlannedObjective:
    return objective(
        draw(st.sampled_from(sorted(INDICATORS))),
        draw(st.lists(bounds(), min_size=1, max_size=3)),
        draw(st.lists(bounds(), max_size=2)),
        min_requests=draw(st.sampled_from([0, 1, 1, 20])),
        name=name,
    )


baselines: st.SearchStrategy[list[Baseline]] = st.none() | st.builds(
    Baseline,
    st.text(max_size=40),
    st.text(max_size=300),
    st.floats() | st.floats(0, 1),
    st.none() | integers,
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[PlannedObjective, Evidence, list[Baseline]]:
    """Mostly what an indicator really gives, so that every result comes up; also anything else."""
    plan = draw(plans())
    fitting: st.SearchStrategy[Sample] = st.builds(Value, finite | st.floats(0, 1))
    if plan.indicator.ratio:
        fitting = honest_counts()
    elif plan.indicator.latency:
        fitting = honest_buckets()
    odd = draw(st.integers(0, 9))
    if odd < 4:
        return _look_by_look(draw, plan, fitting)
    looks = draw(st.integers(0 if odd == 9 else 1, 12))
    seen = evidence(
        draw(samples if odd == 8 else fitting),
        looks=looks,
        answered=draw(st.integers(0, looks)) if odd == 9 else looks,
        final=draw(st.booleans()),
    )
    return plan, seen, [b for b in [draw(baselines)] if b is not None]


def _look_by_look(
    draw: st.DrawFn, plan: PlannedObjective, fitting: st.SearchStrategy[Sample]
) -> tuple[PlannedObjective, Evidence, list[Baseline]]:
    """Judged conclusively: samples look by look, gaps, baselines before and of the same minutes."""
    plan = plan.model_copy(update={"evidence": "Conclusive"})
    gap = st.just(Missing("NoData", "nothing came"))
    looks = draw(st.lists(fitting | fitting | fitting | gap | samples, min_size=1, max_size=6))
    seen = replace(
        evidence(looks[0], final=draw(st.booleans())),
        looks=tuple(looks),
        whole=None,
        planned=draw(st.integers(1, 12)),
        extended=draw(st.sampled_from([0, 0, 24])),
        noise=draw(st.sampled_from([None, Noise(0.4, 0.9, True)])),
    )
    given = [b for b in [draw(baselines)] if b is not None]
    if draw(st.booleans()):
        beside = draw(st.lists(fitting | gap, min_size=len(looks), max_size=len(looks)))
        given.insert(0, Baseline("Workload", "stable", math.nan, looks=tuple(beside)))
    return plan, seen, given


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_nothing_raises_and_everything_is_a_valid_result(
    case: tuple[PlannedObjective, Evidence, list[Baseline]],
) -> None:
    plan, seen, base = case
    result = judge_objective(plan, seen, base)
    event(f"{result.result} {result.reason}")
    again = type(result).model_validate(json.loads(json.dumps(result.dump(), allow_nan=False)))
    assert again == result
    assert result.message
    assert len(result.message) <= 1024


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_nothing_passes_without_evidence(
    case: tuple[PlannedObjective, Evidence, list[Baseline]],
) -> None:
    plan, seen, base = case
    if judge_objective(plan, seen, base).result not in ("Pass", "Warn"):
        return
    measured = measure(plan.indicator, seen.sample)
    assert not isinstance(seen.sample, Missing)
    assert not isinstance(measured, Missing)
    assert measured.interval is not None
    assert math.isfinite(measured.interval[0])
    assert seen.answered * 5 >= len(seen.looks) * 4
    assert seen.answered > 0
    if measured.samples is not None:
        assert measured.samples >= max(1, plan.min_requests)


rows = st.lists(cases(), max_size=3)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows)
def test_promotable_means_that_every_objective_passed_with_data(
    given_rows: list[tuple[PlannedObjective, Evidence, list[Baseline]]],
) -> None:
    results = [
        judge_objective(plan.model_copy(update={"name": f"o{i}"}), seen, base)
        for i, (plan, seen, base) in enumerate(given_rows)
    ]
    judgement = conclude(results, window=window(), basis="as far as known")
    event(judgement.verdict)
    assert [r.name for r in judgement.results] == [r.name for r in results]
    assert "(as far as known)" in judgement.message
    every = bool(results) and all(r.result in ("Pass", "Warn") for r in results)
    assert (judgement.verdict == "Promotable") == every
    assert (judgement.verdict == "NotPromotable") == any(r.result == "Fail" for r in results)
    if any(isinstance(seen.sample, Missing) for _, seen, _ in given_rows):
        assert judgement.verdict != "Promotable"


good = st.builds(Value, st.floats(0, 1)).map(
    lambda v: judge_objective(objective("query", [{"value": {"lte": 1}}]), evidence(v))
)


@given(st.lists(good, max_size=5), missing, st.integers(0, 5))
def test_one_missing_anywhere_is_never_promotable(passed: list[Any], gap: Missing, at: int) -> None:
    lost = judge_objective(objective("query", [{"value": {"lte": 1}}]), evidence(gap))
    results = [*passed[:at], lost, *passed[at:]]
    assert all(r.result == "Pass" for r in passed)
    assert conclude(results, window=window()).verdict == "Inconclusive"


# --- the unit does not matter -----------------------------------------------------------------------

percent_bounds = st.lists(
    st.fixed_dictionaries(
        {
            "change": st.dictionaries(
                st.sampled_from(["lt", "lte", "gt", "gte"]),
                st.integers(-100, 300).map(lambda p: f"{p}%"),
                min_size=1,
                max_size=1,
            )
        }
    ),
    min_size=1,
    max_size=3,
)
moderate = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(percent_bounds, percent_bounds, moderate, moderate, st.integers(-40, 40))
def test_changes_do_not_depend_on_the_unit(
    passes: list[dict[str, Any]],
    warns: list[dict[str, Any]],
    value: float,
    was: float,
    power: int,
) -> None:
    plan = objective("query", passes, warns)
    scale = 2.0**power
    here = judge_objective(plan, evidence(Value(value)), [baseline(was)])
    there = judge_objective(plan, evidence(Value(value * scale)), [baseline(was * scale)])
    assert (here.result, here.reason) == (there.result, there.reason)
    assert here.change_percent == there.change_percent


@given(st.integers(1, 10**6), st.integers(-100, 400), st.sampled_from([1, 1000, 0.001, 1e6, 3]))
def test_a_change_of_exactly_the_bound_holds_in_every_unit(
    was: int, percent: int, scale: float
) -> None:
    value = was * (100 + percent) / 100
    plan = objective("query", [{"change": {"lte": f"{percent}%"}}])
    strict = objective("query", [{"change": {"lt": f"{percent}%"}}])
    args = evidence(Value(value * scale)), [baseline(was * scale)]
    assert judge_objective(plan, *args).result == "Pass"
    assert judge_objective(strict, *args).result == "Fail"


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=12))
def test_sums_of_decimals_keep_the_bound_that_they_equal(cents: list[int]) -> None:
    total = 0.0
    for cent in cents:
        total += cent / 100
    assume(sum(cents) != 0)
    bound = sum(cents) / 100
    for comparator, result in (("lte", "Pass"), ("gte", "Pass"), ("eq", "Pass"), ("lt", "Fail")):
        plan = objective("query", [{"value": {comparator: bound}}])
        assert judge_objective(plan, evidence(Value(total))).result == result


# --- pooling ----------------------------------------------------------------------------------------


@given(st.lists(honest_counts(), min_size=1, max_size=12))
def test_pooled_counts_are_judged_as_their_sum(looks: list[Counts]) -> None:
    plan = objective("bad", [{"value": {"lte": 0.01}}])
    total = Counts(sum(c.part for c in looks), sum(c.total for c in looks))
    one = judge_objective(plan, evidence(pool(looks)))
    assert one == judge_objective(plan, evidence(total))
    assert one == judge_objective(plan, evidence(pool(looks[::-1])))


@given(st.lists(samples, max_size=8))
def test_pooling_never_raises(looks: list[Sample]) -> None:
    pool(looks)


of_one_kind = st.one_of(
    st.lists(honest_counts(), min_size=1, max_size=8),
    st.lists(st.builds(Value, finite), min_size=1, max_size=8),
    honest_buckets().flatmap(lambda b: st.lists(st.just(b), min_size=1, max_size=8)),
)


@given(of_one_kind, st.data())
def test_gaps_change_nothing(looks: list[Sample], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(looks)))
    assert pool([*looks[:at], data.draw(missing), *looks[at:]]) == pool(looks)


@given(honest_buckets(), st.floats(0.001, 60))
def test_a_threshold_is_bracketed_truly(buckets: Buckets, threshold: float) -> None:
    least, most = buckets.within(threshold)
    low, high = buckets.neighbours(threshold)
    by_edge = dict(zip(buckets.edges, buckets.counts, strict=True))
    assert 0 <= least <= most <= buckets.total
    assert low < threshold < high
    if least != most:
        assert (least, most) == (by_edge.get(low, 0), by_edge[high])


# --- quantity of evidence ----------------------------------------------------------------------------


@given(st.integers(0, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_four_of_five_looks_are_needed(counted: tuple[int, int]) -> None:
    looks, answered = counted
    plan = objective("query", [{"value": {"lte": 1}}])
    result = judge_objective(plan, evidence(Value(0.5), looks=looks, answered=answered))
    enough = answered > 0 and answered / looks >= 0.8 - 1e-12
    assert result.result == ("Pass" if enough else "NoData")


@given(rows, st.integers(0, 4000))
def test_what_is_fitted_is_the_same_judgement(
    given_rows: list[tuple[PlannedObjective, Evidence, list[Baseline]]], limit: int
) -> None:
    results = [
        judge_objective(plan.model_copy(update={"name": f"o{i}"}), seen, base)
        for i, (plan, seen, base) in enumerate(given_rows)
    ]
    before = conclude(results, window=window())
    after = fit(before, limit)
    assert size(after) <= max(limit, size(fit(before, 0)))
    assert Judgement.model_validate(after.dump()) == after
    assert (after.verdict, after.reason) == (before.verdict, before.reason)
    assert [(r.name, r.result, r.reason, r.value) for r in after.results] == [
        (r.name, r.result, r.reason, r.value) for r in before.results
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@given(bound=bounds())
def test_what_is_no_number_never_passes(value: float, bound: dict[str, Any]) -> None:
    result = judge_objective(objective("query", [bound]), evidence(Value(value)), [baseline(1.0)])
    assert (result.result, result.reason) == (
        "NoData",
        "NotANumber" if math.isnan(value) else "Infinite",
    )
