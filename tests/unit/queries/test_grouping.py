"""Many questions as few queries, and each one's answer the same as if it had been asked alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge.samples import Buckets, Counts, Missing, Sample
from pratique.queries import grouping
from pratique.queries.grouping import plan
from pratique.queries.questions import Provider, Question
from pratique.sources.answers import answer
from unit.queries.asking import END, ERRORS, PROVIDER, errors, latency, query, question
from unit.queries.world import World

E = END.timestamp()


def releases(many: int) -> list[Question]:
    """Each of three pods and the same five indicators, in forty namespaces."""
    good = {"metric": "messages_total", "where": [{"label": "ok", "equals": "true"}]}
    indicators: list[dict[str, Any]] = [
        {"ratio": ERRORS},
        {"latency": {"histogram": "duration_seconds", "quantile": 0.95}},
        {"latency": {"histogram": "duration_seconds", "threshold": "300ms"}},
        {"latency": {"histogram": "query_duration_seconds", "quantile": 0.5}},
        {"ratio": {"good": good, "total": {"metric": "messages_total"}}},
    ]
    return [
        question(
            *(f"service-{n:04d}-7d9f8c{n:04d}-{tail}{n % 1000:03d}" for tail in ("aa", "bb", "cc")),
            scoped={"namespace": f"team-{n % 40}", "workload": f"service-{n:04d}"},
            **indicator,
        )
        for n in range(many)
        for indicator in indicators
    ]


@pytest.mark.parametrize(("many", "most"), [(1, 6), (100, 6), (1000, 20)])
def test_many_releases_need_few_queries(many: int, most: int) -> None:
    batches = plan(releases(many)).batches
    assert len(batches) <= most
    for batch in batches:
        assert len(quote_plus(batch.query.expr)) <= grouping.MAX_POSTED
    told = [(b.counter, m) for b in batches for m in b.members]
    assert len(told) == len(set(told)) == 6 * 3 * many


def test_what_is_split_fits_a_url() -> None:
    (batch,) = (b for b in plan(releases(100)).batches if "ok=" in b.query.expr)
    parts = batch.split()
    assert 2 < len(parts) <= 10
    for part in parts:
        assert len(quote_plus(part.query.expr)) <= grouping.MAX_ENCODED
    assert sorted(m.values for p in parts for m in p.members) == sorted(
        m.values for m in batch.members
    )
    smaller = parts[0].split()
    assert [len(p.members) for p in smaller] == [
        len(parts[0].members) // 2,
        -(-len(parts[0].members) // 2),
    ]
    assert smaller[0].members + smaller[1].members == parts[0].members


def test_patterns_stand_alone_and_in_short_queries() -> None:
    asked = [
        latency(scoped={"pod_pattern": f"service-{n:04d}-7d9f8c{n:04d}-[a-z0-9]+"})
        for n in range(100)
    ]
    batches = plan([*asked, latency("cart-1-x", "cart-1-y")]).batches
    assert len(batches) > 2
    for batch in batches:
        assert len({m.pattern for m in batch.members}) == 1
        assert len(quote_plus(batch.query.expr)) <= grouping.MAX_ENCODED


def test_equal_counters_of_different_indicators_are_asked_once() -> None:
    within = question("a-1-x", latency={"histogram": "duration_seconds", "threshold": "300ms"})
    other = question(
        "a-1-x",
        ratio={
            "good": {"metric": "requests_total", "where": [{"label": "code", "equals": "200"}]},
            "total": {"metric": "requests_total"},
        },
    )
    batches = plan([latency("a-1-x"), within, errors("a-1-x"), other, errors("a-1-x")]).batches
    assert len(batches) == 4  # the histogram, all requests, the bad ones, the good ones


def test_what_differs_is_not_mixed() -> None:
    other = Provider("shop", "other", scope_label="ns")
    asked = [
        errors("a-1-x"),
        errors("a-1-x", span=60.0),
        errors("a-1-x", end=END - timedelta(minutes=1)),
        errors("a-1-x", provider=other),
        question("a-1-x", ratio=ERRORS, labels={"pod": "kubernetes_pod"}),
    ]
    batches = plan(asked).batches
    assert len(batches) == 10
    exprs = [b.query.expr for b in batches if b.query.provider == other]
    assert all('ns="shop"' in e and "namespace" not in e for e in exprs)


def test_a_pattern_is_asked_as_it_is() -> None:
    (batch,) = plan([latency(scoped={"pod_pattern": "checkout-7d9f8c-.*"})]).batches
    assert 'namespace="shop",pod=~"checkout-7d9f8c-.*"' in batch.query.expr


def test_workloads_and_versions_are_merged_too() -> None:
    asked = [
        question(
            ratio=ERRORS,
            attribution="Workload",
            labels={"workload": "service"},
            scoped={"workload": name},
        )
        for name in ("checkout", "cart")
    ] + [question(ratio=ERRORS, attribution="Version", scoped={"version": v}) for v in ("1.0", "2")]
    exprs = [b.query.expr for b in plan(asked).batches]
    assert len(exprs) == 4
    assert any('service=~"(cart|checkout)"' in e for e in exprs)
    assert any('version=~"(1\\\\.0|2)"' in e for e in exprs)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (errors(), "NoData"),
        (question(ratio=ERRORS, attribution="Version"), "NoData"),
        (query('x{p=~"$pods"}'), "NoData"),
        (query('x{p=~"$baselinePods"}', "a-1-x"), "NoData"),
        (query("x{p=`$namespace`}"), "QueryRejected"),
        (latency(scoped={"pod_pattern": "("}), "QueryRejected"),
    ],
)
def test_settled_without_asking(asked: Question, reason: str) -> None:
    planned = plan([asked])
    assert not planned.batches
    assert not planned.singles
    (sample,) = planned.deal({}, {}).values()
    assert isinstance(sample, Missing)
    assert sample.reason == reason


def test_kubernetes_indicators_are_not_ours() -> None:
    with pytest.raises(ValueError, match="kubernetes"):
        plan([question("a", kubernetes={"signal": "Restarts"})])


# Each answered alone and all together must be the same, however they are split.

PODS = [f"{w}-{h}-{t}" for w in ("cart", "pay.ment") for h in ("a1", "b2") for t in ("xx", "yy")]
SERIES = st.lists(st.integers(0, 20), min_size=1, max_size=4)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World()
    for namespace in ("shop", "bank"):
        for pod in draw(st.lists(st.sampled_from(PODS), unique=True)):
            # One look of a minute; samples each 20 s, the first ones before it.
            for code in ("200", "500"):
                samples = [(E - 70 + 20 * i, float(v)) for i, v in enumerate(draw(SERIES))]
                world.add("requests_total", samples, namespace=namespace, pod=pod, code=code)
            for le in ("0.3", "+Inf"):
                samples = [(E - 70 + 20 * i, 7.0 * i * len(le)) for i in range(4)]
                world.add("duration_seconds_bucket", samples, namespace=namespace, pod=pod, le=le)
    return world


@st.composite
def askings(draw: st.DrawFn) -> list[Question]:
    out = []
    for _ in range(draw(st.integers(1, 8))):
        make = draw(st.sampled_from([errors, latency]))
        scoped = {"namespace": draw(st.sampled_from(["shop", "bank"]))}
        if draw(st.booleans()):
            out.append(make(*draw(st.lists(st.sampled_from(PODS))), span=60.0, scoped=scoped))
        else:
            pattern = draw(st.sampled_from(["cart-a1-.*", r"pay\.ment-.*", ".*-xx", "nobody"]))
            out.append(make(span=60.0, scoped=scoped | {"pod_pattern": pattern}))
    return out


def expected(world: World, asked: Question) -> Sample:
    """From the samples, with no query at all."""
    import re

    from pratique.queries.counting import growth

    scope = asked.scope
    found: dict[tuple[str, str], int] = {}
    for key, samples in world.series.items():
        labels = dict(key)
        pod = labels["pod"]
        ours = pod in scope.pods or (
            not scope.pods and scope.pod_pattern and re.fullmatch(scope.pod_pattern, pod)
        )
        grown = growth(samples, E - 60, E)
        if ours and labels["namespace"] == scope.namespace and grown is not None:
            at = (labels["__name__"], labels.get("code") or labels["le"])
            found[at] = found.get(at, 0) + round(grown)
    if asked.indicator.latency:
        counts = [found.get(("duration_seconds_bucket", le)) for le in ("0.3", "+Inf")]
        if None in counts:
            return Missing("NoData", "")
        return Buckets((0.3, float("inf")), tuple(c or 0 for c in counts))
    by_code = {k[1]: n for k, n in found.items() if k[0] == "requests_total"}
    if not by_code:
        return Missing("NoData", "")
    return Counts(by_code.get("500", 0), sum(by_code.values()))


def plainly(sample: Sample) -> object:
    return sample.reason if isinstance(sample, Missing) else sample


@settings(max_examples=150, deadline=None)
@given(worlds(), askings(), st.sampled_from([300, 1500, 6500]))
async def test_answers_do_not_depend_on_grouping_or_splitting(
    world: World, asked: list[Question], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "MAX_ENCODED", size)
        patch.setattr(grouping, "MAX_POSTED", 2 * size)
        together = await answer(asked, world.ask)
    for one in asked:
        assert plainly(together[one]) == plainly(expected(world, one))
        alone = await answer([one], world.ask)
        assert plainly(alone[one]) == plainly(together[one])


async def test_many_pods_of_one_question_are_split_and_summed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grouping, "MAX_POSTED", 6500)
    world = World()
    pods = [f"checkout-7d9f8c-{n:05d}" for n in range(500)]
    for n, pod in enumerate(pods):
        samples = [(E - 70, float(n)), (E - 10, float(n + 2))]
        world.add("requests_total", samples, namespace="shop", pod=pod, code="200")
    asked = errors(*pods, span=60.0)
    assert await answer([asked], world.ask) == {asked: Counts(0, 1000)}
    assert len(world.asked) > 2
    assert world.asked[0].provider == PROVIDER


async def test_a_young_pod_whose_name_another_had_is_counted_from_its_samples() -> None:
    world = World()
    begin = E - 60
    for code, old, new in (("200", 50, 90), ("500", 4, 9)):
        samples = [(begin - 40, float(old)), (begin + 5, float(new) - 1), (begin + 20, float(new))]
        world.add("requests_total", samples, namespace="shop", pod="db-0", code=code)

    def born(seconds: float) -> Question:
        at = END - timedelta(seconds=60 - seconds)
        return errors("db-0", span=60.0, scoped={"births": (("db-0", at),)})

    async def counts(asked: Question) -> tuple[Sample, int]:
        world.asked.clear()
        got = await answer([asked], world.ask)
        return got[asked], len(world.asked)

    # Another pod's last values stand before the span, and nothing was reset.
    assert await counts(errors("db-0", span=60.0)) == (Counts(5, 45), 2)
    assert await counts(born(-10)) == (Counts(9, 99), 4)
    # Told to the second: it may have been created a moment before it counts.
    assert await counts(born(-0.5)) == (Counts(9, 99), 4)
    # Old enough: whatever stands in the look-back is its own.
    assert await counts(born(-3600)) == (Counts(5, 45), 2)
