"""What is kept of a workload's history, whatever the policy says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.lifecycle.baselines import find_baselines, trusted
from pratique.lifecycle.retention import Kept, clear
from pratique.resources.policy import Retention
from pratique.resources.release import BaselineObjective
from unit.lifecycle.builders import FAST, at, known, policy

VALUE = (BaselineObjective(name="fast", value=0.2, samples=1000),)
GOOD: dict[str, Any] = {"values": VALUE}
BAD: dict[str, Any] = {"verdict": "NotPromotable", "reason": "ObjectiveFailed"}


def history(*kinds: dict[str, Any], days: float = 1) -> list[Kept]:
    count = len(kinds)
    return [
        Kept(known(i, ended_at=at(-86_400 * days * (count - i)), **more), finished=True)
        for i, more in enumerate(kinds, 1)
    ]


def cleared(
    kept: list[Kept], gone: float | None = None, drift: bool = False, **retention: Any
) -> list[str]:
    found = clear(
        kept,
        Retention.model_validate(retention),
        drift=drift,
        anchor=None,
        gone_since=None if gone is None else at(-86_400 * gone),
        now=at(0),
    )
    return list(found.delete)


def test_the_newest_ten_are_kept_by_default() -> None:
    assert cleared(history(*[GOOD] * 10)) == []
    assert cleared(history(*[GOOD] * 12)) == ["cart-1", "cart-2"]


def test_older_ones_go_by_age_and_the_next_due_is_told() -> None:
    kept = history(*[GOOD] * 6)
    assert cleared(kept, age="3d") == ["cart-1", "cart-2", "cart-3"]
    found = clear(
        kept, Retention.model_validate({"age": "100d"}), drift=False, anchor=None,
        gone_since=None, now=at(0),
    )  # fmt: skip
    assert found.delete == ()
    assert found.due == at(-86_400 * 5) + timedelta(days=100)


def test_the_last_baseline_is_kept_however_far_back_it_lies() -> None:
    assert cleared(history(GOOD, GOOD, BAD, BAD, BAD, BAD), count=2) == [
        "cart-1",
        "cart-3",
        "cart-4",
    ]


def test_drifts_anchor_is_kept() -> None:
    kept = history(GOOD, GOOD, GOOD, BAD, BAD)
    assert cleared(kept, count=1, drift=True) == ["cart-2", "cart-4"]
    assert cleared(kept, count=1) == ["cart-1", "cart-2", "cart-4"]


def test_a_revoked_release_is_not_the_last_baseline() -> None:
    kept = history(GOOD, {**GOOD, "revoked": True}, BAD, BAD)
    assert cleared(kept, count=1) == ["cart-2", "cart-3"]


def test_after_the_workload_is_gone_only_what_a_next_one_needs_is_kept() -> None:
    kept = history(GOOD, GOOD, BAD, BAD)
    assert cleared(kept, gone=6, afterDeletion="7d") == []
    assert cleared(kept, gone=8, afterDeletion="7d") == ["cart-1", "cart-3"]
    everything = ["cart-1", "cart-2", "cart-3", "cart-4"]
    assert cleared(kept, gone=8, afterDeletion="7d", lastBaseline="Delete") == everything
    assert cleared(kept, gone=6, afterDeletion="7d", lastBaseline="Delete") == []


def test_what_is_not_finished_is_never_deleted() -> None:
    kept = [Kept(k.known, finished=False) for k in history(BAD, BAD, BAD)]
    assert cleared(kept, gone=99, count=1, age="1s", lastBaseline="Delete") == []


kinds = st.sampled_from(
    [GOOD, BAD, {**GOOD, "revoked": True}, {"measured": True, **GOOD, "verdict": None}]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(kinds, st.booleans()), max_size=15),
    st.integers(1, 12),
    st.none() | st.integers(1, 20),
    st.none() | st.floats(0, 40),
    st.booleans(),
)
def test_whatever_is_set_a_next_release_finds_its_baselines(
    made: list[tuple[dict[str, Any], bool]],
    count: int,
    age: int | None,
    gone: float | None,
    drift: bool,
) -> None:
    kept = [
        Kept(k.known, finished)
        for k, (_, finished) in zip(history(*[m for m, _ in made]), made, strict=True)
    ]
    more = {} if age is None else {"age": f"{age}d"}
    deleted = cleared(kept, gone, drift, count=count, **more)
    left = [k for k in kept if k.known.name not in deleted]
    assert all(k.finished for k in kept if k.known.name in deleted)
    if kept:
        assert left[-1].known == kept[-1].known, "the newest stays"
    order = {"baseline": {"order": [{"source": "LastPromotable"}]}}
    if drift:
        order["baseline"]["drift"] = "20%"
    of = policy([FAST], analysis=order)
    before = find_baselines(of, None, [k.known for k in kept], now=at(0))
    assert find_baselines(of, None, [k.known for k in left], now=at(0)) == before
    if age is None and gone is None:
        protected = {k.known.name for k in kept if trusted(k.known) or not k.finished}
        others = [k for k in left if k.known.name not in protected]
        assert len(others) <= count
    again = cleared(left, gone, drift, count=count, **more)
    assert again == [], "once is enough"
