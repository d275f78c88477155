"""The test on counts: exact where it can be enumerated, and what holds for any counts."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pratique.judge.statistics.laws import QUIET, Noise, binomial, hypergeometric
from pratique.judge.statistics.ratios import Examined, Look, Terms, _examine, deal, examine
from pratique.judge.statistics.spending import spent
from pratique.judge.statistics.traffic import events_needed, harm_seen, power_of
from pratique.judge.statistics.walk import Walk


def ended(looks: list[Look | None], terms: Terms) -> Examined:
    return examine(tuple(looks), terms, ended=True)


# Laws


@pytest.mark.parametrize("case", [(30, 50, 12), (100, 100, 3), (5, 200, 60), (1000, 800, 150)])
def test_without_a_change_the_law_is_the_hypergeometric(case: tuple[int, int, int]) -> None:
    released, based, events = case
    low, rows = hypergeometric(released, based, events, 1.0)
    x = np.arange(low, low + rows.shape[1])
    assert rows[0] == pytest.approx(
        stats.hypergeom(released + based, released, events).pmf(x), abs=1e-12
    )


@pytest.mark.parametrize("odds", [0.3, 1.5, 4.0])
def test_with_a_change_it_is_fishers_noncentral(odds: float) -> None:
    low, rows = hypergeometric(120, 90, 40, odds)
    x = np.arange(low, low + rows.shape[1])
    wanted = stats.nchypergeom_fisher(210, 120, 40, odds).pmf(x)
    assert rows[0] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("case", [(50, 0.02), (2000, 0.01), (100_000, 0.3)])
def test_a_bounds_law_is_the_binomial(case: tuple[int, float]) -> None:
    events, share = case
    low, rows = binomial(events, share)
    x = np.arange(low, low + rows.shape[1])
    assert rows[0] == pytest.approx(stats.binom(events, share).pmf(x), abs=1e-10)
    assert rows.sum() == pytest.approx(1)


# Spending


@given(st.integers(1, 300), st.floats(1e-4, 0.2), st.integers(0, 900))
def test_spending_grows_to_what_may_be_spent(looks: int, alpha: float, more: int) -> None:
    extended = looks + more if more else 0
    curve = [spent(k, looks, alpha, extended=extended) for k in range(max(looks, extended) + 1)]
    assert curve[0] >= 0
    assert all(a <= b + 1e-15 for a, b in pairwise(curve))
    assert curve[-1] == pytest.approx(alpha)


# One look is the exact conditional test


@pytest.mark.parametrize("looks", [(200, 9, 200, 2), (300, 20, 900, 20), (80, 7, 80, 0)])
def test_at_one_look_it_calls_as_fishers_exact_test(looks: tuple[int, int, int, int]) -> None:
    n1, e1, n0, e0 = looks
    p = stats.fisher_exact([[e1, n1 - e1], [e0, n0 - e0]], alternative="greater").pvalue
    for alpha in (0.001, 0.01, 0.05, 0.2):
        found = ended([Look(*looks)], Terms(looks=1, harm=2, alpha=alpha))
        assert (found.ending == "Harm") == (p <= alpha)


def test_at_one_look_a_bound_is_the_exact_binomial_test() -> None:
    for events in range(12, 30):
        p = stats.binomtest(events, 1000, 0.01, alternative="greater").pvalue
        found = ended([Look(1000, events)], Terms(looks=1, harm=2, bound=0.01))
        assert (found.ending == "Harm") == (p <= 0.01)


def test_the_false_alarms_over_all_looks_are_enumerated_and_kept() -> None:
    """Every path of three looks against a bound of 20 %, with its probability."""
    terms = Terms(looks=3, harm=2, alpha=0.05, bound=0.2)
    sizes, alarms = (6, 9, 5), 0.0
    for path in product(*(range(n + 1) for n in sizes)):
        chance = math.prod(stats.binom.pmf(e, n, 0.2) for e, n in zip(path, sizes, strict=True))
        looks = [Look(n, e) for n, e in zip(sizes, path, strict=True)]
        if ended(looks, terms).ending == "Harm":
            alarms += chance
    assert 0.5 * terms.alpha < alarms <= terms.alpha * (1 + 1e-9)


def test_the_walk_knows_what_it_spent() -> None:
    walk = Walk()
    for k in range(1, 11):
        walk.add(binomial(50, 0.1))
        walk.cut(spent(k, 10, 0.02))
    assert 0 < walk.spent <= 0.02
    assert walk.tail(0) == pytest.approx(1 - walk.spent, abs=1e-9)


# Ends


def test_no_events_on_both_sides_say_nothing_but_a_floor_does() -> None:
    looks: list[Look | None] = [Look(500, 0, 500, 0)] * 10
    assert ended(looks, Terms(looks=10, harm=2)).ending == "Scarce"
    assert ended(looks, Terms(looks=10, harm=2, floor=0.005)).ending == "Safe"
    assert ended(looks, Terms(looks=10, harm=2, bound=0.005)).ending == "Safe"


def test_a_look_without_data_is_skipped_and_spends_nothing() -> None:
    looks: list[Look | None] = [Look(100, 9, 100, 1), None, Look(100, 9, 100, 1)]
    with_gap = ended(looks, Terms(looks=3, harm=2))
    assert with_gap.events == 18
    assert with_gap.ending == "Harm"


def test_seven_of_seven_is_the_least_that_calls_against_nothing() -> None:
    def at(events: int) -> str:
        return ended([Look(10_000, events, 10_000, 0)], Terms(looks=1, harm=2)).ending

    assert (at(6), at(7)) == ("Scarce", "Harm")


def test_an_extension_keeps_a_fifth_for_later() -> None:
    looks: list[Look | None] = [Look(100, 2)] * 10
    plain = examine(tuple(looks), Terms(looks=10, harm=2, bound=0.01), ended=True)
    kept = examine(tuple(looks), Terms(looks=10, harm=2, bound=0.01, extended=60), ended=True)
    assert plain.cut is not None
    assert kept.cut is not None
    assert kept.cut >= plain.cut


# What holds for any counts

counts = st.tuples(st.integers(0, 400), st.floats(0, 1), st.integers(0, 400), st.floats(0, 1)).map(
    lambda x: Look(x[0], round(x[0] * x[1]), x[2], round(x[2] * x[3]))
)
noises = st.sampled_from([Noise(), Noise(0.5, 0.9, True), Noise(2.0, 0.0, True)])
anything = st.builds(
    Terms,
    looks=st.integers(1, 12),
    harm=st.floats(1.01, 20),
    bound=st.none() | st.floats(0, 1),
    allowed=st.floats(-0.9, 5),
    added=st.floats(-1, 1),
    floor=st.none() | st.floats(1e-6, 0.999),
    alpha=st.floats(1e-5, 0.2),
    noise=noises,
    beforehand=st.none() | st.tuples(st.integers(1, 5000), st.integers(0, 3)),
    extended=st.sampled_from([0, 24]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | counts, min_size=1, max_size=8), anything, st.booleans())
def test_nothing_raises_and_figures_are_probabilities(
    looks: list[Look | None], terms: Terms, final: bool
) -> None:
    found = examine(tuple(looks), terms, ended=final)
    assert found.ending in ("Harm", "Safe", "Open", "Scarce", "Ambiguous")
    assert (found.ending == "Open") <= (not final)
    for share in (found.p_value, found.p_harm, found.power):
        assert share is None or -1e-9 <= share <= 1 + 1e-9
    assert found.events >= 0
    assert found.needed is None or found.needed > 0


@settings(max_examples=150, deadline=None)
@given(st.lists(counts, min_size=2, max_size=8), st.integers(1, 7))
def test_a_call_once_made_stands(looks: list[Look], more: int) -> None:
    terms = Terms(looks=len(looks), harm=2)
    first = examine(tuple(looks[:more]), terms, ended=False)
    if first.ending == "Harm":
        later = examine(tuple(looks), terms, ended=True)
        assert (later.ending, later.at) == ("Harm", first.at)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 10_000), st.integers(0, 200), st.integers(1, 60))
def test_what_is_dealt_out_is_all_there_was(requests: int, events: int, parts: int) -> None:
    dealt = deal(requests, events, parts)
    assert sum(n for n, _ in dealt) == requests
    assert sum(e for _, e in dealt) == min(events, requests)
    assert all(0 <= e <= n for n, e in dealt)
    assert max(e for _, e in dealt) - min(e for _, e in dealt) <= 1
    assert max(n for n, _ in dealt) - min(n for n, _ in dealt) <= 2


@pytest.mark.parametrize(("looks", "requests", "based"), [(10, 300, 1000), (30, 20, 600)])
def test_a_baseline_known_beforehand_calls_no_more_than_alpha(
    looks: int, requests: int, based: int
) -> None:
    draw = np.random.default_rng(7)
    called = 0
    for _ in range(1500):
        terms = Terms(looks=looks, harm=2, beforehand=(based, int(draw.binomial(based, 0.01))))
        drawn = [Look(requests, int(x)) for x in draw.binomial(requests, 0.01, looks)]
        called += ended(list(drawn), terms).ending == "Harm"
    # 15 are allowed; these have 5 or 6 on average.
    assert called <= 15


def test_a_verdict_does_not_hang_on_two_requests_of_the_baseline() -> None:
    events = (6, 4, 5, 10, 8, 8, 5, 5, 6, 2)
    found = {
        ended([Look(300, x) for x in events], Terms(looks=10, harm=2, beforehand=(n, 10))).ending
        for n in (996, 998, 999, 1000, 1001, 1003)
    }
    assert len(found) == 1


# Traffic


@pytest.mark.parametrize(
    ("harm", "power", "wanted"),
    [(1.5, 0.8, 104), (2, 0.5, 18), (2, 0.8, 31), (2, 0.95, 48), (3, 0.8, 10.5), (10, 0.8, 1.4)],
)
def test_the_events_needed_are_near_the_exact_ones(
    harm: float, power: float, wanted: float
) -> None:
    """Expected baseline events by enumeration of the exact test (equal traffic, alpha 1 %)."""
    assert events_needed(alpha=0.01, power=power, harm=harm) == pytest.approx(
        wanted, rel=0.12, abs=2
    )


@given(st.floats(3, 10_000), st.floats(0.1, 10))
def test_power_need_and_visible_harm_agree(expected: float, ratio: float) -> None:
    harm = harm_seen(expected, alpha=0.01, power=0.8, ratio=ratio)
    assert power_of(expected, alpha=0.01, harm=harm, ratio=ratio) == pytest.approx(0.8, abs=1e-6)
    assert events_needed(alpha=0.01, power=0.8, harm=harm, ratio=ratio) == pytest.approx(expected)


@pytest.mark.parametrize("requests", [10**6, 10**8, 10**17])
@pytest.mark.parametrize("noise", [QUIET, Noise(0.1, 0.5, known=True)], ids=["quiet", "noisy"])
@pytest.mark.parametrize("before", [False, True], ids=["beside", "before"])
def test_so_many_requests_that_they_are_counted_by_the_dozen(
    requests: int, noise: Noise, before: bool
) -> None:
    beforehand = (40 * requests, 40 * requests // 100) if before else None
    based = (0, 0) if before else (requests, requests // 100)
    terms = Terms(looks=10, harm=2.0, noise=noise, beforehand=beforehand)

    def found(rate: float) -> Examined:
        looks = tuple(Look(requests, int(requests * rate), *based) for _ in range(10))
        return examine(looks, terms, ended=True)

    same, worse = found(0.01), found(0.02)
    assert (same.ending, same.events) == ("Safe", 10 * (requests // 100))
    assert same.requests == 10 * requests
    assert worse.ending == "Harm"
    assert worse.at is not None
    assert worse.events == worse.at * int(requests * 0.02)
    assert worse.gross or (worse.cut is not None and worse.cut <= worse.events)


def test_counting_by_the_dozen_keeps_what_the_finer_count_says() -> None:
    noise = Noise(0.2, 0.3, known=True)
    terms = Terms(looks=8, harm=2.0, bound=0.01, noise=noise)
    for rate, ending in ((0.008, "Safe"), (0.018, "Harm")):
        looks = tuple(Look(300_000, int(300_000 * rate)) for _ in range(8))
        coarser = examine(looks, terms, ended=True)
        finer = _examine(looks, terms, ended=True)
        assert coarser.ending == finer.ending == ending
        assert coarser.events == finer.events
        assert coarser.cut is not None
        assert finer.cut is not None
        # Never sooner, and later by no more than the few percent that chance is taken for larger.
        assert finer.cut <= coarser.cut <= finer.cut * 1.05
