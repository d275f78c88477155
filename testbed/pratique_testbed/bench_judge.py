"""How often the judge is right and wrong: simulated through the shipped engine, written as a page with plots.

``python -m pratique_testbed.bench_judge`` writes docs/reference/operating-characteristics.md and its
plots; every draw has a fixed seed, so that the same engine gives the same page.

Not here: the judge itself; nothing is judged but by ``pratique.judge.statistics``.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pratique.judge.spreads import spread
from pratique.judge.statistics.laws import QUIET, Noise
from pratique.judge.statistics.mannwhitney import MannWhitneyTerms, classify
from pratique.judge.statistics.noise import fit
from pratique.judge.statistics.ratios import Look, Terms, examine
from pratique.judge.statistics.traffic import events_needed, harm_seen
from pratique.judge.statistics.values import ValueTerms, compare

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "operating-characteristics.md"
PLOTS = PAGE.parent / "characteristics"
KAYENTA = MannWhitneyTerms(direction="Increase", invariant=False)
REPETITIONS = 2000


@dataclass(frozen=True)
class Counts:
    """One cell on counts: what is drawn, and how it is judged."""

    before: float
    """The baseline's rate, or the bound."""
    now: float
    """The release's rate."""
    looks: int = 30
    rpm: int = 100
    """Requests a minute on the release's side."""
    based: float = 1.0
    """How many times as many on the baseline's."""
    beforehand: bool = False
    bound: bool = False
    allowed: float = 0.0
    floor: float | None = None
    harm: float = 2.0
    extended: int = 0
    noise: tuple[str, float, float] | None = None
    """(form, coefficient of variation, ρ) of AR(1) noise on each side: lognormal or clipped."""
    history: int = 0
    """Minutes of the old version's past that the judge is given."""


@dataclass(frozen=True)
class Values:
    """One cell on one value a minute."""

    change: float
    looks: int = 30
    sd: float = 0.1
    pairs: bool = False
    rho: float = 0.0


@dataclass(frozen=True)
class Latency:
    """One cell on requests above a bucket's edge: all times grow by the change."""

    change: float
    sigma: float
    quantile: float
    """Where the edge lies among the baseline's times."""
    looks: int = 30
    rpm: int = 100


Cell = Counts | Values | Latency


@dataclass(frozen=True)
class Found:
    """Shares in percent, and looks until harm was called."""

    harm: float
    safe: float
    open: float
    looks: float
    """Until the end, called or not."""
    called: float
    """Until the call, where there was one."""
    kayenta: float | None = None
    by_window: float | None = None
    """Of those called, in percent of all, by the window's end where it may be extended."""

    def error(self, share: float, repetitions: int) -> float:
        """The standard error of a share, in points."""
        p = share / 100
        return 100 * math.sqrt(max(p * (1 - p), 1 / repetitions) / repetitions)


def run(job: tuple[Cell, int]) -> Found:
    """One cell, so many times; the seed is the cell's own."""
    cell, repetitions = job
    draw = np.random.default_rng(zlib.crc32(repr(cell).encode()))
    ends = [_once(cell, draw) for _ in range(repetitions)]
    share = {e: 100 * sum(x[0] == e for x in ends) / repetitions for e in ("Harm", "Safe")}
    called = [x[1] for x in ends if x[0] == "Harm"]
    window = cell.looks
    rivals = [x[2] for x in ends if x[2] is not None]
    return Found(
        share["Harm"],
        share["Safe"],
        abs(round(100 - share["Harm"] - share["Safe"], 6)),
        sum(x[1] for x in ends) / repetitions,
        sum(called) / len(called) if called else math.nan,
        100 * sum(rivals) / len(rivals) if rivals else None,
        100 * sum(at <= window for at in called) / repetitions,
    )


def _once(cell: Cell, draw: np.random.Generator) -> tuple[str, int, bool | None]:
    """(ending, look of the end, whether Kayenta's judge called it High on the same draw)."""
    if isinstance(cell, Values):
        return _value(cell, draw)
    if isinstance(cell, Latency):
        edge = math.exp(cell.sigma * _quantile(cell.quantile))
        sides = []
        for shift in (1 + cell.change, 1.0):
            times = shift * np.exp(cell.sigma * draw.normal(size=(cell.looks, cell.rpm)))
            sides.append((times > edge).sum(axis=1))
        looks = [Look(cell.rpm, int(a), cell.rpm, int(b)) for a, b in zip(*sides, strict=True)]
        found = examine(tuple(looks), Terms(looks=cell.looks, harm=2.0), ended=True)
        return found.ending, found.at or cell.looks, None
    return _counts(cell, draw)


def _counts(cell: Counts, draw: np.random.Generator) -> tuple[str, int, bool | None]:
    total = max(cell.looks, cell.extended)
    based = round(cell.rpm * cell.based)
    released = draw.binomial(cell.rpm, _rates(cell.now, cell.noise, total, draw), total)
    before = draw.binomial(based, _rates(cell.before, cell.noise, total, draw), total)
    noise = QUIET
    if cell.history:
        past = draw.binomial(
            cell.rpm, _rates(cell.before, cell.noise, cell.history, draw), cell.history
        )
        noise = fit([(cell.rpm, int(e)) for e in past])
    terms = _terms(cell, noise, (based * total, int(before.sum())))
    looks = tuple(
        Look(cell.rpm, int(a), based, int(b)) for a, b in zip(released, before, strict=True)
    )
    found = examine(looks, terms, ended=True)
    rival = None
    if not cell.bound and not cell.extended:
        rival = classify(list(before / based), list(released / cell.rpm), KAYENTA)
    return (
        found.ending,
        found.at or total,
        None if rival is None else rival.classification == "High",
    )


def _terms(cell: Counts, noise: Noise, baseline: tuple[int, int]) -> Terms:
    return Terms(
        looks=cell.looks,
        harm=cell.harm,
        bound=cell.before if cell.bound else None,
        allowed=cell.allowed,
        floor=cell.floor,
        noise=noise,
        beforehand=baseline if cell.beforehand else None,
        extended=cell.extended,
    )


def _rates(
    rate: float, noise: tuple[str, float, float] | None, looks: int, draw: np.random.Generator
) -> Any:
    if noise is None:
        return rate
    form, variation, rho = noise
    wander = np.empty(looks)
    wander[0] = draw.normal()
    steps = math.sqrt(1 - rho * rho) * draw.normal(size=looks)
    for k in range(1, looks):
        wander[k] = rho * wander[k - 1] + steps[k]
    if form == "clipped":
        return np.clip(rate * (1 + variation * wander), 0, 1)
    sd = math.sqrt(math.log1p(variation**2))
    return np.minimum(1, rate * np.exp(sd * wander - sd * sd / 2))


def _value(cell: Values, draw: np.random.Generator) -> tuple[str, int, bool | None]:
    sides = draw.normal(size=(2, cell.looks))
    if cell.rho:
        for k in range(1, cell.looks):
            sides[:, k] = cell.rho * sides[:, k - 1] + math.sqrt(1 - cell.rho**2) * sides[:, k]
    before = [float(x) for x in 1 + cell.sd * sides[0]]
    now = [float(x) for x in 1 + cell.change + cell.sd * sides[1]]
    reference = tuple(before) if cell.pairs else spread(before)
    assert reference is not None
    terms = ValueTerms(looks=cell.looks, allowed=0.0, harm=1.5)
    found = compare(now, reference, terms, ended=True)
    assert found is not None
    high = classify(before, now, KAYENTA).classification == "High"
    return found.ending, found.at or cell.looks, high


def _quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


# --- the cells ---------------------------------------------------------------------------------------

DAY = 8 * 60
LOG = ("log-normal", 0.3, 0.9)


@dataclass(frozen=True)
class Promise:
    """A figure that was promised, and the cell that shows it."""

    text: str
    cell: Cell
    figure: Callable[[Found], float]
    least: float | None = None
    most: float | None = None
    unit: str = "%"
    why: str = ""
    """What bounds it, where it is missed."""


def harmful(found: Found) -> float:
    return found.harm


def until(found: Found) -> float:
    return found.called


PROMISES = (
    Promise("1 → 2 % found in 30 looks", Counts(0.01, 0.02), harmful, least=75),
    Promise("1 → 2 % found in 60 looks", Counts(0.01, 0.02, looks=60), harmful, least=97),
    Promise("0.1 → 1 % found in 30 looks", Counts(0.001, 0.01), harmful, least=98),
    Promise("0 → 1 % found in 30 looks", Counts(0.0, 0.01), harmful, least=98),
    Promise("1 → 2 % found in 30 looks, 4 × the baseline", Counts(0.01, 0.02, based=4), harmful,
            least=94),
    Promise("false alarms without a change", Counts(0.01, 0.01), harmful, most=1.0),
    Promise("false alarms without a change, 60 looks", Counts(0.01, 0.01, looks=60), harmful, most=1.0),
    Promise("false alarms without a change, baseline known beforehand",
            Counts(0.01, 0.01, beforehand=True), harmful, most=1.0),
    Promise("false alarms at the edge of an allowed +10 %", Counts(0.01, 0.011, rpm=1000, allowed=0.1),
            harmful, most=1.2),
    Promise("false alarms at the edge of an allowed +50 %", Counts(0.01, 0.015, rpm=1000, allowed=0.5),
            harmful, most=1.2),
    Promise("false alarms under noise (ρ 0.9, CV 0.3), 8 h of history",
            Counts(0.01, 0.01, noise=LOG, history=DAY), harmful, most=2.0),
    Promise("the same at 1,000 requests a minute",
            Counts(0.01, 0.01, rpm=1000, noise=LOG, history=DAY), harmful, most=2.0,
            why="at this traffic chance is nothing and the fit of the noise is everything: the level "
            "rests on eight hours that hold some 25 independent stretches"),
    Promise("looks until 1 → 10 % is called", Counts(0.01, 0.1), until, most=2.1, unit="looks"),
    Promise("the same, baseline known beforehand", Counts(0.01, 0.1, beforehand=True), until, most=1.2,
            unit="looks"),
    Promise("+10 % of a value with sd 10 % found in 30 looks", Values(0.1), harmful, least=90),
    Promise("false alarms of values without a change", Values(0.0), harmful, most=1.2),
)  # fmt: skip
CHANGES = (
    ("same", 1.0),
    ("+25 %", 1.25),
    ("1.5 ×", 1.5),
    ("2 ×", 2.0),
    ("3 ×", 3.0),
    ("10 ×", 10.0),
)
GRID = tuple(
    (looks, rpm, [Counts(0.01, 0.01 * times, looks=looks, rpm=rpm) for _, times in CHANGES])
    for looks in (10, 30, 60)
    for rpm in (10, 100, 1000)
)
NOISES = (
    ("none", None),
    ("log-normal CV 0.3 ρ 0.9", LOG),
    ("log-normal CV 0.5 ρ 0.9", ("log-normal", 0.5, 0.9)),
    ("log-normal CV 0.3 ρ 0.5", ("log-normal", 0.3, 0.5)),
    ("clipped CV 0.3 ρ 0.9", ("clipped", 0.3, 0.9)),
    ("clipped CV 0.5 ρ 0.9", ("clipped", 0.5, 0.9)),
)
NOISY = tuple(
    (name, rpm, [Counts(0.01, 0.01 * times, rpm=rpm, noise=noise, history=DAY) for times in (1, 2)])
    for name, noise in NOISES
    for rpm in (100, 1000)
)
MORE = (
    ("bound 1 %, rate 1 %", Counts(0.01, 0.01, bound=True)),
    ("bound 1 %, rate 2 %", Counts(0.01, 0.02, bound=True)),
    ("bound 1 %, rate 0.5 %", Counts(0.01, 0.005, bound=True)),
    ("bound 1 %, rate 2 %, 10 a minute", Counts(0.01, 0.02, bound=True, rpm=10)),
    ("floor 0.5 %: 0 → 0", Counts(0.0, 0.0, floor=0.005)),
    ("floor 0.5 %: 0 → 0.3 %", Counts(0.0, 0.003, floor=0.005)),
    ("floor 0.5 %: 0 → 2 %", Counts(0.0, 0.02, floor=0.005)),
    ("baseline beforehand: same", Counts(0.01, 0.01, beforehand=True)),
    ("baseline beforehand: 2 ×", Counts(0.01, 0.02, beforehand=True)),
    ("baseline beforehand, 3 × the data: 2 ×", Counts(0.01, 0.02, based=3, beforehand=True)),
    ("allowed +10 %: 2 ×", Counts(0.01, 0.02, allowed=0.1)),
    ("allowed +50 %: 2 ×", Counts(0.01, 0.02, allowed=0.5)),
    ("may be extended to 60: same", Counts(0.01, 0.01, extended=60)),
    ("may be extended to 60: 2 ×", Counts(0.01, 0.02, extended=60)),
)
LATENCIES = tuple(
    (f"σ {sigma:g}, edge at p{round(100 * q)}", Latency(change, sigma, q))
    for sigma in (0.5, 1.0)
    for q in (0.5, 0.75, 0.9, 0.95, 0.99)
    for change in (0.1,)
)
VALUES = (
    ("+10 %, two samples", Values(0.1)),
    ("+10 %, pairs of minutes", Values(0.1, pairs=True)),
    ("+5 %, two samples", Values(0.05)),
    ("+25 %, 10 looks", Values(0.25, looks=10)),
    ("same, pairs of minutes", Values(0.0, pairs=True)),
    ("same, AR(1) ρ 0.5", Values(0.0, rho=0.5)),
    ("same, AR(1) ρ 0.9", Values(0.0, rho=0.9)),
)
CURVE = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
CURVES = tuple(
    (rpm, [Counts(0.01, 0.01 * h, rpm=rpm) for h in CURVE]) for rpm in (30, 100, 300, 1000)
)


def cells() -> list[Cell]:
    """Every cell once, in an order that does not change."""
    every: list[Cell] = [p.cell for p in PROMISES]
    for _, _, row in (*GRID, *NOISY):
        every += row
    groups: tuple[Sequence[tuple[str, Cell]], ...] = (MORE, LATENCIES, VALUES)
    every += [c for group in groups for _, c in group]
    for _, curve in CURVES:
        every += curve
    return list(dict.fromkeys(every))


def repeated(cell: Cell, repetitions: int) -> int:
    """How often a cell is drawn: what must be rare five times as often as the others."""
    rare = {p.cell for p in PROMISES if p.most is not None and p.unit == "%"}
    return 5 * repetitions if cell in rare else repetitions


def measure(repetitions: int) -> dict[Cell, Found]:
    """All cells, on all cores; says how far it is."""
    todo, begin = cells(), time.monotonic()
    found: dict[Cell, Found] = {}
    # The costly ones first, so that no core is left with one of them at the end.
    todo.sort(key=lambda c: -(c.looks * (40 if isinstance(c, Counts) and c.noise else 1)))
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        jobs = pool.imap(run, [(c, repeated(c, repetitions)) for c in todo])
        for n, (cell, one) in enumerate(zip(todo, jobs, strict=True), 1):
            found[cell] = one
            if n % 10 == 0 or n == len(todo):
                print(f"  {n}/{len(todo)} cells, {time.monotonic() - begin:.0f} s", flush=True)
    return found


# --- the page ----------------------------------------------------------------------------------------


def page(found: dict[Cell, Found], repetitions: int) -> str:
    """The page's text."""
    lines = [INTRODUCTION.format(repetitions=repetitions)]
    lines += ["## Promises", "", "| What | Promised | Measured | |", "| --- | --- | --- | --- |"]
    for p in PROMISES:
        one = found[p.cell]
        value = p.figure(one)
        held = (p.least is None or value >= p.least) and (p.most is None or value <= p.most)
        error = one.error(value, repeated(p.cell, repetitions)) if p.unit == "%" else None
        near = error is not None and (
            (p.most is not None and value <= p.most + 2 * error)
            or (p.least is not None and value >= p.least - 2 * error)
        )
        limit = f"≥ {p.least:g}" if p.least is not None else f"≤ {p.most:g}"
        says = "held" if held else "within chance of it" if near else "**missed**"
        if not held and p.why:
            says += f": {p.why}"
        shown = f"{value:.1f} ± {error:.1f} %" if error is not None else f"{value:.2f} {p.unit}"
        lines.append(f"| {p.text} | {limit} {p.unit} | {shown} | {says} |")
    lines += ["", GRID_TEXT, "",
              "| Looks | Requests a minute | " + " | ".join(n for n, _ in CHANGES) + " |",
              "| --- | --- " + "| --- " * len(CHANGES) + "|"]  # fmt: skip
    for looks, rpm, row in GRID:
        texts = [_cell(found[c]) for c in row]
        lines.append(f"| {looks} | {rpm:,} | " + " | ".join(texts) + " |")
    lines += ["", "![Power against the harm](characteristics/power.svg)", "", NOISE_TEXT, "",
              "| Noise | Requests a minute | Same: called / passed | 2 ×: called | Kayenta: same called |",
              "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, rpm, (same, twice) in NOISY:
        a, b = found[same], found[twice]
        lines.append(
            f"| {name} | {rpm:,} | {a.harm:.1f} / {a.safe:.0f} | {b.harm:.1f} | {a.kayenta:.1f} |"
        )
    lines += ["", MORE_TEXT, "", "| Case | Called | Passed | Open | Looks until called |",
              "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, cell in MORE:
        one = found[cell]
        at = f"{one.called:.1f}" if math.isfinite(one.called) else "–"
        early = f" (by look 30: {one.by_window:.1f})" if getattr(cell, "extended", 0) else ""
        lines.append(f"| {name} | {one.harm:.1f}{early} | {one.safe:.0f} | {one.open:.0f} | {at} |")
    lines += ["", LATENCY_TEXT, "", "| Times | +10 % called |", "| --- | --- |"]
    lines += [f"| {name} | {found[c].harm:.1f} |" for name, c in LATENCIES]
    lines += ["", VALUE_TEXT, "", "| Case | Called | Passed | Kayenta calls |",
              "| --- | --- | --- | --- |"]  # fmt: skip
    for name, value_cell in VALUES:
        one = found[value_cell]
        lines.append(f"| {name} | {one.harm:.1f} | {one.safe:.0f} | {one.kayenta:.1f} |")
    lines += ["", *_traffic(), "", LIMITS]
    return "\n".join(lines) + "\n"


def _cell(one: Found) -> str:
    text = f"{_share(one.harm)} / {_share(one.safe)} / {_share(one.open)}"
    if one.harm >= 50:
        text += f" ({one.called:.1f})"
    return f"{text}; {one.kayenta:.0f}"


def _share(percent: float) -> str:
    return f"{percent:.1f}" if percent < 3 else f"{percent:.0f}"


def _traffic() -> list[str]:
    harms = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
    lines = [TRAFFIC_TEXT, "", "| Harm | " + " | ".join(f"at {r:g} %" for r in (10, 1, 0.1)) + " |",
             "| --- | --- | --- | --- |"]  # fmt: skip
    for harm in harms:
        events = events_needed(alpha=0.01, power=0.8, harm=harm)
        lines.append(
            f"| {harm:g} × | "
            + " | ".join(f"{_rounded(events / r):,}" for r in (0.1, 0.01, 0.001))
            + " |"
        )
    lines += ["", "| Requests on each side | harm that can be seen at 10 % | at 1 % | at 0.1 % |",
              "| --- | --- | --- | --- |"]  # fmt: skip
    for requests in (300, 1000, 3000, 10_000, 100_000):
        seen = [harm_seen(requests * r, alpha=0.01, power=0.8) for r in (0.1, 0.01, 0.001)]
        texts = [f"{h:.2g} ×" if math.isfinite(h) and h < 1000 else "none" for h in seen]
        lines.append(f"| {requests:,} | " + " | ".join(texts) + " |")
    return [*lines, "", "![Requests against the harm](characteristics/traffic.svg)"]


def _rounded(count: float) -> int:
    size = 10 ** max(0, len(str(int(count))) - 2)
    return int(math.ceil(count / size) * size)


def plots(found: dict[Cell, Found]) -> None:
    """The plots, the same bytes for the same figures."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "pratique", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    PLOTS.mkdir(parents=True, exist_ok=True)

    def save(figure: Any, name: str) -> None:
        figure.tight_layout()
        figure.savefig(PLOTS / name, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6))
    for rpm, curve in CURVES:
        axes.plot(
            CURVE, [found[c].harm for c in curve], marker="o", ms=3, label=f"{rpm:,} a minute"
        )
    kayenta = [found[c].kayenta or 0.0 for c in CURVES[1][1]]
    axes.plot(CURVE, kayenta, ls="--", color="grey", label="100 a minute, Kayenta")
    axes.set_xlabel("the release's errors, as a multiple of the baseline's 1 %")
    axes.set_ylabel("called harm in 30 looks, %")
    axes.axhline(1, lw=0.6, color="black")
    axes.legend()
    save(figure, "power.svg")

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6))
    harms = np.linspace(1.2, 10, 120)
    for rate in (0.1, 0.01, 0.001):
        needed = [events_needed(alpha=0.01, power=0.8, harm=float(h)) / rate for h in harms]
        axes.plot(harms, needed, label=f"{100 * rate:g} % errors")
    axes.set_yscale("log")
    axes.set_xlabel("harm that is to be seen, as a multiple")
    axes.set_ylabel("requests needed on each side")
    axes.legend()
    save(figure, "traffic.svg")

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6))
    for name, rate, colour in (("1 → 1 %", 0.01, "C0"), ("1 → 2 %", 0.02, "C3")):
        draw = np.random.default_rng(2)
        before, now = draw.binomial(100, 0.01, 30), draw.binomial(100, rate, 30)
        looks = [Look(100, int(a), 100, int(b)) for a, b in zip(now, before, strict=True)]
        cuts, sums = [], []
        for k in range(1, 31):
            one = examine(tuple(looks[:k]), Terms(looks=30, harm=2.0), ended=False)
            cuts.append(one.cut)
            sums.append(one.events)
            if one.at:
                break
        axes.step(
            range(1, len(sums) + 1), sums, where="post", color=colour, label=f"{name}: errors"
        )
        axes.step(range(1, len(cuts) + 1), cuts, where="post", color=colour, ls=":",  # type: ignore[arg-type]
                  label=f"{name}: called from here on")  # fmt: skip
    axes.set_xlabel("look")
    axes.set_ylabel("errors on the release so far")
    axes.legend()
    save(figure, "path.svg")


INTRODUCTION = """# Operating characteristics of the judge

How often the judge is right and wrong, measured by simulation through the shipped engine (`make bench-judge`):
{repetitions:,} repetitions a cell, fixed seeds, a look every minute, 100 requests a minute on each side unless said,
1 % errors before, `falseAlarm: 1%`, `detect: 2x`. At 2,000 repetitions the standard error is 1 point near 77 %, and
0.2 points near 1 % (promised false alarms: five times the repetitions, 0.1 points). "Called" is *not promotable*, "passed" is *promotable*, "open" is *inconclusive*.

For on-call, in three lines:

- A healthy release is called harmful once in a hundred windows at most, however often it is looked.
- Ten times the errors are called within two minutes; a doubling of 1 % takes some 3,000 requests on each side.
- What has too little traffic to show the declared harm does not pass: it is extended, then inconclusive.

![The sum of errors and the cut](characteristics/path.svg)

The cut is where harm is called: the errors on the release add up, and the cut follows from the errors on both sides
together.
"""
GRID_TEXT = """## Changes of an error rate of 1 %

Called / passed / open in percent, in brackets the looks until the call; after the semicolon what Kayenta's judge calls
on the same draws (rates per minute, tolerance 0.25, confidence 0.98)."""
NOISE_TEXT = """## Noise

A rate that wanders by itself, on each side for itself; the judge reads 8 hours of the old version's past. Noise that is
common to both sides, as by a dependency, cancels where the baseline is of the same minutes. Thirty minutes of noise that
lasts (ρ 0.9) are worth some two independent minutes: no judge sees a doubling through it. Clipped noise makes the rate
touch zero; there the promise of 2 % fails, as the fit supposes log-normal noise."""
MORE_TEXT = """## Bounds, floors, baselines, extension

In percent; 30 looks, 100 requests a minute. Against a bound nothing is unknown but the release, so the same traffic shows
more. A window that may be extended keeps a fifth of the false alarms for the extension. Of a baseline known beforehand
only the totals are known; they are spread evenly over the window, so that no verdict hangs on a draw. At early looks that
is the stricter reckoning: fewer false alarms, and a doubling is found some three points more rarely than beside a
baseline of the same minutes. Gross harm is not affected: a guard beside it compares with the whole baseline."""
LATENCY_TEXT = """## Latency as a share above an edge

Log-normal times, all 10 % slower; the share above a bucket's edge is judged as a ratio. An edge near the median or p75
shows most, and p99 hardly anything."""
VALUE_TEXT = """## One value a minute

A t test on logarithms, sd 10 %, 30 looks. Values that stay alike from minute to minute (AR(1)) are corrected by what the
window itself shows of it, which is not enough at ρ 0.9: prefer counts, or a baseline of the same minutes."""
TRAFFIC_TEXT = """## Requests and the harm that can be seen

Requests needed on each side to call a harm with 80 % power, by the baseline's error rate; and the other way round."""
LIMITS = """## Limits

- 95 % power for 1 → 2 % in 30 minutes at 100 requests a minute cannot be had with an equal baseline: the exact single test
  reaches 78.8 %, the best conceivable 81.4 %. Four times as much baseline reaches it.
- Under noise the level rests on the fit. It was set on these families; other shapes are not measured here.
- With an allowed change, or a difference of rates, the edge is approximate: the baseline's rate is taken from the totals.
- Each objective has its own false alarms: with five objectives a healthy release fails up to five times as often.
  `falseAlarm: 0.2%` on each keeps 1 % for the release.
- A baseline measured beforehand mistakes the hour of the day for harm; one of the same minutes does not."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, and write page and plots."""
    parser = argparse.ArgumentParser(prog="make bench-judge", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--page", type=Path, default=None, help="write here instead, without plots")
    given = parser.parse_args(arguments)
    print(f"==> {len(cells())} cells, {given.repetitions:,} repetitions each", flush=True)
    found = measure(given.repetitions)
    text = page(found, given.repetitions)
    if given.page is not None:
        given.page.write_text(text, encoding="utf-8")
        print(f"wrote {given.page}")
        return 0
    PAGE.write_text(text, encoding="utf-8")
    plots(found)
    print(f"wrote {PAGE.relative_to(ROOT)} and {PLOTS.relative_to(ROOT)}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
