"""Random traffic of one pod: how many requests, how many failed, how long they took.

Pure: time is passed in, and the same seed and the same times give the same numbers. Counts are
whole requests, drawn, not expected values: an error ratio of 1 % over 100 requests is sometimes
0 errors and sometimes 3, as in life.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist

PREFIX = "sim.pratique.sh/"
EDGES = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    *(0.4, 0.5, 0.6, 0.75, 1.0, 2.5, 5.0, 10.0),
)
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Behaviour:
    """What a pod's annotations say.

    `latency`: the 95th percentile in seconds of a log-normal; `sigma`: its spread (the standard
    deviation of the logarithm); `error_ratio`: the share of requests answered 500; `rps`:
    requests per second; `silent`: the pod has no metrics endpoint.
    """

    latency: float = 0.1
    sigma: float = 0.2
    error_ratio: float = 0.0
    rps: float = 20.0
    silent: bool = False


def behaviour(annotations: Mapping[str, str]) -> Behaviour | None:
    """The behaviour that annotations ask for; None if no ``sim.pratique.sh/…`` is among them.

    Raises ValueError naming the annotation, its value and what is allowed.
    """
    given = {k.removeprefix(PREFIX): v for k, v in annotations.items() if k.startswith(PREFIX)}
    if not given:
        return None
    default = Behaviour()
    unknown = given.keys() - {"latency", "sigma", "error-ratio", "rps", "silent"}
    if unknown:
        raise ValueError(
            f"{PREFIX}{min(unknown)} is unknown: use latency, sigma, error-ratio, rps or silent"
        )
    silent = given.get("silent", "false")
    if silent not in ("true", "false"):
        raise ValueError(f'{PREFIX}silent is {silent!r}: write "true" or "false"')
    return Behaviour(
        latency=_seconds(given["latency"]) if "latency" in given else default.latency,
        sigma=_number(given, "sigma", default.sigma, 0.001, 5),
        error_ratio=_number(given, "error-ratio", default.error_ratio, 0, 1),
        rps=_number(given, "rps", default.rps, 0, 1e6),
        silent=silent == "true",
    )


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s|m)", text.strip())
    value = float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[found[2]] if found else 0
    if value <= 0:
        raise ValueError(f"{PREFIX}latency is {text!r}: write a duration such as 200ms or 1.5s")
    return value


def _number(given: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    if name not in given:
        return default
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(
            f"{PREFIX}{name} is {given[name]!r}: write a number from {low} to {high:g}"
        )
    return value


def poisson(rng: random.Random, mean: float) -> int:
    """One draw of a Poisson: Knuth's product below 30, the rounded normal from there on."""
    if mean <= 0:
        return 0
    if mean >= 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def binomial(rng: random.Random, trials: int, chance: float) -> int:
    """One draw of a binomial: by the gaps between successes (Devroye, 1986, X.4.3) while few are
    expected, else the rounded normal.
    """
    if trials <= 0 or chance <= 0:
        return 0
    if chance >= 1:
        return trials
    if chance > 0.5:
        return trials - binomial(rng, trials, 1 - chance)
    if trials * chance > 100:
        spread = math.sqrt(trials * chance * (1 - chance))
        return min(trials, max(0, round(rng.gauss(trials * chance, spread))))
    count, position, logarithm = 0, 0, math.log1p(-chance)
    while True:
        gap = math.log(1.0 - rng.random()) / logarithm
        if gap >= trials - position:
            return count
        position += int(gap) + 1
        count += 1


@dataclass(frozen=True)
class Shape:
    """A log-normal cut at EDGES: each bucket's share and mean, the last one above all edges."""

    shares: tuple[float, ...]
    means: tuple[float, ...]

    @classmethod
    def of(cls, p95: float, sigma: float) -> Shape:
        location = math.log(p95) - _NORMAL.inv_cdf(0.95) * sigma
        cuts = [(math.log(edge) - location) / sigma for edge in EDGES]
        shares = _between([_NORMAL.cdf(cut) for cut in cuts])
        # The mean within a bucket is the partial expectation over the share (Johnson et al.,
        # Continuous Univariate Distributions 1, ch. 14).
        whole = math.exp(location + sigma**2 / 2)
        parts = _between([_NORMAL.cdf(cut - sigma) for cut in cuts])
        means = tuple(
            whole * part / share if share > 1e-12 else 0.0
            for part, share in zip(parts, shares, strict=True)
        )
        return cls(shares, means)


def _between(cumulative: Sequence[float]) -> tuple[float, ...]:
    bounds = [0.0, *cumulative, 1.0]
    return tuple(high - low for low, high in pairwise(bounds))


@dataclass
class Traffic:
    """The counters of one container since its start; `advance` draws what came since then.

    Attributes: ``codes``, requests by status code, a code only from its first request on;
    ``buckets``, requests by latency bucket, not cumulated, the last above all edges; ``seconds``,
    the sum of all latencies.
    """

    behaviour: Behaviour
    seed: str
    at: float
    codes: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._shape = Shape.of(self.behaviour.latency, self.behaviour.sigma)

    def behave(self, behaviour: Behaviour, now: float, *, serving: bool) -> None:
        """Behave so from `now` on; until then it was as before. Counters go on."""
        self.advance(now, serving=serving)
        self.behaviour = behaviour
        self._shape = Shape.of(behaviour.latency, behaviour.sigma)

    def advance(self, now: float, *, serving: bool) -> None:
        """Draw the requests from the last call until `now`; none came unless `serving`."""
        elapsed, self.at = max(0.0, now - self.at), max(now, self.at)
        if not serving:
            return
        requests = poisson(self._rng, self.behaviour.rps * elapsed)
        failed = binomial(self._rng, requests, self.behaviour.error_ratio)
        for code, count in (("200", requests - failed), ("500", failed)):
            if count:
                self.codes[code] = self.codes.get(code, 0) + count
        left, share_left = requests, 1.0
        for index, share in enumerate(self._shape.shares):
            if not left:
                break
            last = index == len(self._shape.shares) - 1
            count = left if last else binomial(self._rng, left, min(1.0, share / share_left))
            self.buckets[index] += count
            self.seconds += count * self._shape.means[index]
            left -= count
            share_left = max(share_left - share, 1e-15)

    def exposition(self) -> str:
        """Prometheus' text format; empty before the first request."""
        if not self.codes:
            return ""
        lines = ["# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{code="{c}"}} {n}' for c, n in sorted(self.codes.items())]
        lines.append("# TYPE http_request_duration_seconds histogram")
        name, total = "http_request_duration_seconds", 0
        for edge, count in zip((*EDGES, math.inf), self.buckets, strict=True):
            total += count
            le = "+Inf" if math.isinf(edge) else f"{edge:g}"
            lines.append(f'{name}_bucket{{le="{le}"}} {total}')
        lines += [f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}", ""]
        return "\n".join(lines)
