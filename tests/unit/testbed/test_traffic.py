"""Traffic is drawn, honest in its distribution, and the same for the same seed."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique_testbed.traffic import EDGES, Behaviour, Shape, Traffic, behaviour, binomial, poisson


def test_only_pods_that_say_so_speak() -> None:
    assert behaviour({}) is None
    assert behaviour({"prometheus.io/scrape": "true"}) is None
    assert behaviour({"sim.pratique.sh/rps": "5"}) == Behaviour(rps=5)


def test_annotations_say_how() -> None:
    assert behaviour(
        {
            "sim.pratique.sh/latency": "1.5s",
            "sim.pratique.sh/sigma": "0.4",
            "sim.pratique.sh/error-ratio": "0.01",
            "sim.pratique.sh/silent": "true",
        }
    ) == Behaviour(latency=1.5, sigma=0.4, error_ratio=0.01, silent=True)
    assert behaviour({"sim.pratique.sh/latency": "250ms"}) == Behaviour(latency=0.25)


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("latency", "200", "write a duration such as 200ms"),
        ("latency", "0s", "write a duration such as 200ms"),
        ("error-ratio", "2", "write a number from 0 to 1"),
        ("error-ratio", "nan", "write a number from 0 to 1"),
        ("rps", "many", "write a number from 0 to 1e\\+06"),
        ("silent", "yes", 'write "true" or "false"'),
        ("laetncy", "200ms", "use latency, sigma, error-ratio, rps or silent"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend(name: str, value: str, mend: str) -> None:
    with pytest.raises(ValueError, match=mend) as wrong:
        behaviour({f"sim.pratique.sh/{name}": value})
    assert f"sim.pratique.sh/{name}" in str(wrong.value)


@pytest.mark.parametrize("mean", [0.3, 5, 29.9, 30, 1000])
def test_poissons_mean_and_variance_are_its_mean(mean: float) -> None:
    rng = random.Random(7)
    drawn = [poisson(rng, mean) for _ in range(4000)]
    error = 5 * math.sqrt(mean / 4000)
    assert statistics.fmean(drawn) == pytest.approx(mean, abs=error)
    assert statistics.variance(drawn) == pytest.approx(mean, rel=0.15)


@pytest.mark.parametrize(
    ("trials", "chance"), [(1, 0.5), (20, 0.01), (20, 0.3), (50, 0.9), (1000, 0.02), (5000, 0.4)]
)
def test_binomials_mean_and_variance(trials: int, chance: float) -> None:
    rng = random.Random(7)
    drawn = [binomial(rng, trials, chance) for _ in range(4000)]
    variance = trials * chance * (1 - chance)
    assert all(0 <= n <= trials for n in drawn)
    assert statistics.fmean(drawn) == pytest.approx(
        trials * chance, abs=5 * math.sqrt(variance / 4000)
    )
    assert statistics.variance(drawn) == pytest.approx(variance, rel=0.15)


@given(st.integers(0, 300), st.floats(0, 1), st.integers())
def test_a_binomial_is_never_more_than_its_trials(trials: int, chance: float, seed: int) -> None:
    assert 0 <= binomial(random.Random(seed), trials, chance) <= trials


@pytest.mark.parametrize("p95", [0.02, 0.2, 0.6, 3.0])
def test_the_latency_asked_for_is_the_95th_percentile(p95: float) -> None:
    shape = Shape.of(p95, 0.2)
    assert sum(shape.shares) == pytest.approx(1)
    below = sum(share for edge, share in zip(EDGES, shape.shares, strict=False) if edge <= p95)
    above = next((edge for edge in EDGES if edge > p95), math.inf)
    at_next = sum(share for edge, share in zip(EDGES, shape.shares, strict=False) if edge <= above)
    assert below <= 0.95 + 1e-9 <= at_next + 2e-9
    low = 0.0
    for edge, mean, share in zip((*EDGES, math.inf), shape.means, shape.shares, strict=True):
        assert share < 1e-9 or low <= mean <= edge, "a bucket's mean lies within it"
        low = edge


def served(behave: Behaviour, seconds: float, seed: str = "a", step: float = 1.0) -> Traffic:
    traffic, now = Traffic(behave, seed, 0.0), 0.0
    while now < seconds:
        now += step
        traffic.advance(now, serving=True)
    return traffic


@given(
    st.builds(
        Behaviour,
        latency=st.floats(0.001, 20),
        error_ratio=st.floats(0, 1),
        rps=st.floats(0, 2000),
    ),
    st.integers(),
    st.lists(st.tuples(st.floats(0, 60), st.booleans()), max_size=8),
)
def test_counters_agree_and_never_go_back(
    behave: Behaviour, seed: int, steps: list[tuple[float, bool]]
) -> None:
    traffic, now = Traffic(behave, str(seed), 0.0), 0.0
    before: dict[str, int] = {}
    for elapsed, serving in steps:
        now += elapsed
        traffic.advance(now, serving=serving)
        assert sum(traffic.codes.values()) == sum(traffic.buckets)
        assert all(traffic.codes[code] >= count for code, count in before.items())
        assert 0 not in traffic.codes.values(), "a code is there from its first request on"
        assert serving or traffic.codes == before
        before = dict(traffic.codes)


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    behave = Behaviour(error_ratio=0.1)
    assert served(behave, 30).exposition() == served(behave, 30).exposition()
    assert served(behave, 30).exposition() != served(behave, 30, seed="b").exposition()


def test_rates_and_ratios_are_as_asked() -> None:
    traffic = served(Behaviour(latency=0.2, rps=50, error_ratio=0.02), 400)
    total = sum(traffic.codes.values())
    assert total == pytest.approx(20_000, abs=5 * math.sqrt(20_000))
    assert traffic.codes["500"] == pytest.approx(400, abs=5 * math.sqrt(400))
    # A log-normal's mean is exp(mu + sigma²/2); here mu = ln 0.2 - 1.645 * 0.2.
    assert traffic.seconds / total == pytest.approx(0.1468, rel=0.02)


def test_counts_vary_as_in_life() -> None:
    counts = {sum(served(Behaviour(), 1, seed=str(n)).codes.values()) for n in range(20)}
    assert len(counts) > 5


def test_nothing_is_exposed_before_the_first_request() -> None:
    assert Traffic(Behaviour(), "a", 0.0).exposition() == ""


def test_the_exposition_is_cumulative_and_complete() -> None:
    traffic = served(Behaviour(latency=20, sigma=0.5), 20)
    lines = traffic.exposition().splitlines()
    buckets = [int(line.split()[1]) for line in lines if "_bucket{" in line]
    assert buckets == sorted(buckets)
    assert len(buckets) == len(EDGES) + 1
    assert f"http_request_duration_seconds_count {buckets[-1]}" in lines
    assert 'http_request_duration_seconds_bucket{le="0.3"} 0' in lines
    assert any(line.startswith('http_request_duration_seconds_bucket{le="+Inf"}') for line in lines)
    assert not any('code="500"' in line for line in lines)


def test_a_change_concerns_only_what_comes() -> None:
    traffic = served(Behaviour(), 10)
    traffic.behave(Behaviour(error_ratio=1), 10.0, serving=True)
    good = traffic.codes["200"]
    assert "500" not in traffic.codes
    traffic.advance(20.0, serving=True)
    assert traffic.codes["200"] == good
    assert traffic.codes["500"] > 100
