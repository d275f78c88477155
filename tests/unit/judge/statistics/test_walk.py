"""The walk's fast ways give what adding up term by term gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pratique.judge.statistics.laws import Array, Noise, binomial, logistic, moves, states
from pratique.judge.statistics.walk import Walk


@pytest.mark.parametrize("events", [0, 1, 2, 7, 64, 65, 300, 5000])
def test_each_state_has_its_own_binomial(events: int) -> None:
    shares = logistic(0.4 * states()[0])
    for _ in range(2):  # what is kept from the first time is the same
        low, rows = binomial(events, shares)
        x = np.arange(low, low + rows.shape[1])
        for share, row in zip(shares, rows, strict=True):
            np.testing.assert_allclose(row, stats.binom(events, share).pmf(x), rtol=0, atol=1e-12)
        assert rows.sum(axis=1) == pytest.approx(np.ones(len(shares)), abs=1e-12)


def test_what_is_kept_cannot_be_changed() -> None:
    _, rows = binomial(5, logistic(0.4 * states()[0]))
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 1.0


def plainly(looks: list[tuple[int, int]], noise: Noise, allowed: list[float]) -> list[int]:
    """The cuts: all sums kept, every product added by itself, nothing dropped."""
    points, weights = states()
    f: Array = weights[:, None]
    used, cuts = 0.0, []
    for k, ((events, centre), allowance) in enumerate(zip(looks, allowed, strict=True)):
        if k:
            f = np.einsum("ij,ik->jk", moves(noise.rho), f)
        shares = 1 / (1 + np.exp(-(centre + noise.sd * points)))
        law = stats.binom.pmf(np.arange(events + 1)[None, :], events, shares[:, None])
        f = np.vstack([np.convolve(a, b) for a, b in zip(f, law, strict=True)])
        tails = f.sum(axis=0)[::-1].cumsum()[::-1]
        cut = int(np.argmax(np.append(tails, 0.0) <= allowance - used))
        used += float(np.append(tails, 0.0)[cut])
        f = f[:, :cut]
        cuts.append(cut)
    return cuts


@pytest.mark.parametrize("mean", [1, 4, 12, 40, 250])
@pytest.mark.parametrize("noise", [Noise(0.4, 0.9, known=True), Noise(1.5, 0.0, known=True)])
def test_with_noise_the_cuts_and_tails_are_those_of_a_plain_sum(mean: int, noise: Noise) -> None:
    """From a handful of events to sums so wide that they are transformed and moved in blocks."""
    draw = np.random.default_rng(mean)
    looks = [(int(e), float(draw.normal(scale=0.3))) for e in draw.poisson(mean, 12)]
    allowed = [0.01 * (k + 1) / 12 for k in range(12)]
    walk, cuts = Walk(noise), []
    for (events, centre), allowance in zip(looks, allowed, strict=True):
        walk.add(binomial(events, logistic(centre + noise.sd * states()[0])))
        cuts.append(walk.cut(allowance))
    wanted = plainly(looks, noise, allowed)
    # Beyond what can happen at all the cut is one above the most: both say that nothing is called.
    most = np.cumsum([e for e, _ in looks])
    assert [min(c, m + 1) for c, m in zip(cuts, most, strict=True)] == [
        min(c, m + 1) for c, m in zip(wanted, most, strict=True)
    ]


@pytest.mark.parametrize("widths", [(1, 9), (5, 200), (40, 5), (8, 20), (30, 700), (600, 1200)])
def test_every_way_of_adding_up_is_exact_to_rounding(widths: tuple[int, int]) -> None:
    noise = Noise(0.4, 0.9, known=True)
    draw = np.random.default_rng(7)
    laws = []
    for width in widths:
        rows = draw.random((17, width)) + 0.1
        laws.append(rows / rows.sum(axis=1, keepdims=True))
    walk = Walk(noise)
    for rows in laws:
        walk.add((3, rows))
    first = laws[0] * states()[1][:, None]
    moved = np.einsum("ij,ik->jk", moves(noise.rho), first)
    sums = sum(np.convolve(a, b) for a, b in zip(moved, laws[1], strict=True))
    tails = np.asarray(sums)[::-1].cumsum()[::-1]
    measured = [walk.tail(6 + k) for k in range(len(tails))]
    np.testing.assert_allclose(measured, tails, rtol=0, atol=1e-12)
    heads = [walk.head(6 + k) for k in range(len(tails))]
    np.testing.assert_allclose(heads, np.asarray(sums).cumsum(), rtol=0, atol=1e-12)


def test_one_law_for_all_states_is_added_to_each() -> None:
    noise = Noise(0.4, 0.9, known=True)
    for width in (4, 30, 90):
        row = np.full((1, width), 1 / width)
        walk, same = Walk(noise), Walk(noise)
        for _ in range(3):
            walk.add((0, row))
            same.add((0, np.repeat(row, 17, axis=0)))
        assert walk.tail(width) == pytest.approx(same.tail(width), abs=1e-14)
