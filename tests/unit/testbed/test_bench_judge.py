"""The page of operating characteristics: every promise is measured, and told as it is."""

from __future__ import annotations

import pytest
from scipy import stats

from pratique_testbed.bench_judge import PROMISES, Counts, Found, cells, page, run


def test_a_single_look_has_the_power_that_enumeration_gives() -> None:
    """78.8 % of doublings at 3,000 requests a side: Fisher's exact test, enumerated."""
    before, now = stats.binom(3000, 0.01), stats.binom(3000, 0.02)
    power = sum(
        float(before.pmf(a) * now.pmf(b))
        for a in range(80)
        for b in range(10, 130)
        if stats.hypergeom(6000, 3000, a + b).sf(b - 1) <= 0.01
    )
    assert power == pytest.approx(0.788, abs=0.004)
    found = run((Counts(0.01, 0.02, looks=1, rpm=3000), 1500))
    assert found.harm == pytest.approx(100 * power, abs=3.3), "three standard errors of 1,500"


def test_the_same_cell_always_gives_the_same() -> None:
    cell = Counts(0.01, 0.02)
    assert run((cell, 30)) == run((cell, 30))


def test_a_promise_that_is_missed_is_said_to_be() -> None:
    good = Found(99.0, 1.0, 0.0, 1.0, 1.0, 50.0, 99.0)
    found = dict.fromkeys(cells(), good)
    text = page(found, 2000)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "±" in line]
    assert len(rows) == sum(p.unit == "%" for p in PROMISES)
    held = [r for r in rows if r.endswith("| held |")]
    missed = [r for r in rows if "**missed**" in r]
    assert len(held) == sum(p.least is not None and p.unit == "%" for p in PROMISES)
    assert len(missed) == sum(p.most is not None and p.unit == "%" for p in PROMISES)
