"""Every question gets a sample, whatever becomes of the others."""

from __future__ import annotations

import pytest

from pratique.judge.samples import Counts, Missing, Value
from pratique.queries.grouping import Query
from pratique.queries.questions import Provider, Question
from pratique.queries.vectors import Row, Vector
from pratique.sources.answers import answer
from pratique.sources.errors import Malformed, Rejected, SourceError, TooLarge, Unavailable
from unit.queries.asking import END, errors, latency, query, question
from unit.queries.world import World

E = END.timestamp()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("is away"), "ProviderError"),
        (Malformed("is away"), "ProviderError"),
        (Rejected("is away"), "QueryRejected"),
    ],
)
async def test_trouble_of_one_group_is_its_own(error: SourceError, reason: str) -> None:
    world = World()
    world.add("requests_total", [(E - 5, 4.0)], namespace="shop", pod="a-1-x", code="200")

    async def ask(query: Query) -> Vector:
        if query.provider.name == "broken" or "duration" in query.expr or query.expr == "y":
            raise error
        return Vector.of(({}, 7)) if query.expr == "x" else await world.ask(query)

    good = errors("a-1-x", span=60.0)
    broken = errors("a-1-x", span=60.0, provider=Provider("shop", "broken"))
    slow, seven, none = latency("a-1-x", span=60.0), query("x"), query("y")
    got = await answer([good, broken, slow, seven, none, good], ask)
    assert got[good] == Counts(0, 4)
    assert got[seven] == Value(7)
    assert got[broken] == Missing(reason, "metrics provider broken: is away")
    assert got[slow] == got[none] == Missing(reason, "metrics provider default: is away")
    assert len(got) == 5


async def test_trouble_with_the_raw_samples_is_trouble() -> None:
    world = World()
    samples = [(E - 70, 9.0), (E - 30, 2.0), (E - 10, 3.0)]
    world.add("requests_total", samples, namespace="shop", pod="a-1-x", code="200")

    async def ask(query: Query) -> Vector:
        if not query.expr.startswith("sum by("):
            raise Unavailable("is away")
        return await world.ask(query)

    asked = errors("a-1-x", span=60.0)
    assert await answer([asked], world.ask) == {asked: Counts(0, 3)}
    got = await answer([asked], ask)
    assert got[asked] == Missing("ProviderError", "metrics provider default: is away")


NAMESPACES = ("bank", "pay", "shop")
REPLICAS = [f"cart-{n}" for n in range(200)]
"""The same names in each namespace, as those of a StatefulSet are."""


def restarted() -> World:
    """Each pod counted 12 in the minute, with a reset."""
    world = World()
    samples = [(E - 70, 90.0), (E - 30, 9.0), (E - 10, 3.0)]
    for namespace in NAMESPACES:
        for pod in REPLICAS:
            world.add("requests_total", samples, namespace=namespace, pod=pod, code="200")
    return world


def everyone(namespace: str, how: str) -> Question:
    if how == "names":
        return errors(*REPLICAS, span=60.0, scoped={"namespace": namespace})
    return errors(span=60.0, scoped={"namespace": namespace, "pod_pattern": "cart-.*"})


@pytest.mark.parametrize("most", [700, 3000, 8000, 10**6])
@pytest.mark.parametrize("how", ["names", "pattern"])
async def test_what_is_too_large_is_asked_in_parts(most: int, how: str) -> None:
    world = restarted()

    async def ask(query: Query) -> Vector:
        if len(query.expr) > most:
            raise TooLarge("takes no query so long")
        return await world.ask(query)

    asked = [everyone(namespace, how) for namespace in NAMESPACES]
    got = await answer(asked, ask)
    assert got == dict.fromkeys(asked, Counts(0, 12 * len(REPLICAS)))


async def test_what_is_too_large_in_the_smallest_part_is_told() -> None:
    async def ask(query: Query) -> Vector:
        raise TooLarge("takes no query so long")

    one, many = errors("a-1-x"), errors(*REPLICAS, span=60.0)
    missing = Missing("QueryRejected", "metrics provider default: takes no query so long")
    assert await answer([one, many], ask) == {one: missing, many: missing}


async def test_a_provider_in_trouble_is_asked_once() -> None:
    asked: list[Query] = []

    async def ask(query: Query) -> Vector:
        asked.append(query)
        raise Unavailable("is away")

    many = latency(*REPLICAS)
    got = await answer([many], ask)
    assert got == {many: Missing("ProviderError", "metrics provider default: is away")}
    assert len(asked) == 1


async def test_nobody_elses_resets_are_looked_into() -> None:
    world = World()
    for namespace, pod, before in (
        ("shop", "a-0", 1.0),
        ("bank", "a-1", 1.0),
        ("shop", "a-1", 9.0),
    ):
        samples = [(E - 70, before), (E - 10, 3.0)]
        world.add("requests_total", samples, namespace=namespace, pod=pod, code="200")
    asked = [
        errors(pod, span=60.0, scoped={"namespace": namespace})
        for namespace, pod in (("shop", "a-0"), ("bank", "a-1"))
    ]
    assert await answer(asked, world.ask) == dict.fromkeys(asked, Counts(0, 2))
    assert all(query.expr.startswith("sum by(") for query in world.asked)


async def test_too_many_samples_of_one_pod_are_told() -> None:
    world = restarted()

    async def ask(query: Query) -> Vector:
        if not query.expr.startswith("sum by("):
            raise TooLarge("the answer is too large")
        return await world.ask(query)

    asked = everyone("shop", "pattern")
    got = (await answer([asked], ask))[asked]
    assert got == Missing("QueryRejected", "metrics provider default: the answer is too large")


async def test_the_part_that_fails_leaves_the_others() -> None:
    world = restarted()

    async def ask(query: Query) -> Vector:
        if len(query.expr) > 3000:
            raise TooLarge("takes no query so long")
        if "bank" in query.expr:
            raise Unavailable("is away")
        return await world.ask(query)

    good, bad = everyone("shop", "names"), everyone("bank", "names")
    few = errors("cart-0", span=60.0, scoped={"namespace": "shop"})
    got = await answer([good, bad, few], ask)
    assert got[bad] == Missing("ProviderError", "metrics provider default: is away")
    assert got[few] == Counts(0, 12)


async def test_only_who_had_a_reset_is_counted_from_samples() -> None:
    world = World()
    for pod, values in (("a-1-x", (9, 2)), ("a-1-y", (2, 9))):
        samples = [(E - 70, float(values[0])), (E - 10, float(values[1]))]
        world.add("requests_total", samples, namespace="shop", pod=pod, code="200")
    asked = errors("a-1-x", "a-1-y", span=60.0)
    assert await answer([asked], world.ask) == {asked: Counts(0, 9)}
    (raw,) = [q.expr for q in world.asked if "sum by" not in q.expr]
    assert raw == 'requests_total{namespace="shop",pod="a-1-x"}[6m]'


async def test_nobody_is_asked_about_no_pods() -> None:
    async def ask(query: Query) -> Vector:
        raise AssertionError(query)

    asked = errors()
    got = await answer([asked], ask)
    assert got[asked] == Missing("NoData", "no pod of the release counts yet")


async def test_equal_expressions_are_asked_once() -> None:
    asked: list[Query] = []

    async def ask(query: Query) -> Vector:
        asked.append(query)
        return Vector((Row({}, ((0.0, 1.0),)),))

    one, other = query("x"), query("x", scoped={"workload": "cart"})
    assert await answer([one, other], ask) == {one: Value(1), other: Value(1)}
    assert len(asked) == 1


async def test_kubernetes_indicators_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="kubernetes"):
        await answer([question("a", kubernetes={"signal": "Restarts"})], World().ask)
