"""A judgement shrinks to the room there is and stays the same judgement."""

from __future__ import annotations

import pytest

from pratique.judge.fit import fit, size
from pratique.judge.verdicts import conclude
from pratique.resources.judgement import Judgement, ObjectiveResult
from unit.judge.cases import window


def judgement(count: int, *, fails: int = 1) -> Judgement:
    results = [
        ObjectiveResult(
            name=f"objective-{i}",
            result="Fail" if i < fails else "Pass",
            reason="ValueOutOfBounds" if i < fails else "WithinBounds",
            message=f"objective {i} says “≤ 0.3 s” in {'so many words ' * 40}",
            value=i / 7,
            unit="s",
            bound="≤ 0.3 s",
            samples=1000,
            provider="monitoring/default",
            query="sum(rate(http_requests_total[5m]))" * 20,
        )
        for i in range(count)
    ]
    return conclude(results, window=window())


def kept(given: Judgement) -> list[object]:
    """What must never change."""
    rows = [(r.name, r.result, r.reason, r.value, r.samples) for r in given.results]
    return [given.verdict, given.reason, given.window, given.basis, rows]


def test_what_fits_is_left_alone() -> None:
    given = judgement(2)
    assert fit(given, size(given)) is given


def test_queries_of_what_passed_go_first() -> None:
    given = judgement(3)
    got = fit(given, size(given) - 1)
    assert [r.query is None for r in got.results] == [False, True, True]
    assert [r.message for r in got.results] == [r.message for r in given.results]


def test_then_the_messages_of_what_passed_grow_shorter() -> None:
    given = judgement(3)
    bare = given.model_copy(
        update={"results": [r.model_copy(update={"query": None}) for r in given.results]}
    )
    got = fit(given, size(bare) - 1)
    assert got.results[0].message == given.results[0].message
    assert all(len(r.message) <= 512 and r.message.endswith("…") for r in got.results[1:])
    assert got.message == given.message


@pytest.mark.parametrize("count", [1, 8, 30, 64])
@pytest.mark.parametrize("limit", [100_000, 30_000, 12_000, 7_000])
def test_every_limit_is_kept_and_no_result_lost(count: int, limit: int) -> None:
    if (count, limit) == (64, 7_000):
        limit = 9_000  # 64 bare results need more than 7,000 bytes
    given = judgement(count, fails=count // 2)
    got = fit(given, limit)
    assert size(got) <= limit
    assert kept(got) == kept(given)
    assert Judgement.model_validate(got.dump()) == got


def test_where_even_the_barest_is_too_large_the_barest_comes_back() -> None:
    given = judgement(8)
    got = fit(given, 0)
    assert kept(got) == kept(given)
    assert size(got) < size(given) / 5
