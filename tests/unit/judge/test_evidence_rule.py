"""The evidence rule: without a conclusive pass of every required objective, never Promotable.

Whole sequences of looks are drawn, with values, counts, gaps, errors, broken answers, and an end that may
come at any moment. What a conclusive pass is, is reckoned here anew, by enumeration and not by the judge.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pratique.judge.objectives import Baseline, Evidence, Terms, judge_objective
from pratique.judge.samples import Counts, Missing, Sample, Value
from pratique.judge.verdicts import Scoring, conclude
from pratique.resources.policy import ScoreThresholds
from pratique.resources.release import PlannedObjective
from unit.judge.cases import objective, window

SEQUENCES = 250
"""Sequences in one example of hypothesis; 400 examples make 10⁵."""
EXAMPLES = 400
LIMIT = 0.05
BETA = 0.05
PLANS: tuple[PlannedObjective, ...] = tuple(
    plan.model_copy(update={"name": f"o{i}", **more})
    for i, (plan, more) in enumerate(
        [
            (objective("bad", [{"value": {"lte": LIMIT}}], evidence="Conclusive"), {}),
            (objective("bad", [{"value": {"lte": LIMIT}}], evidence="Conclusive"), {"weight": 3}),
            (objective("query", [{"value": {"lte": 1}}]), {}),
            (objective("query", [{"value": {"lte": 1}}]), {"key": True}),
            (objective("query", [{"value": {"lte": 1}}]), {"informational": True}),
            (
                objective("bad", [{"value": {"lte": LIMIT}}], evidence="Conclusive"),
                {"dry_run": True},
            ),
            (objective("bad", [{"change": {"lte": "10%"}}], evidence="Conclusive"), {}),
            (
                objective(
                    "bad",
                    [{"value": {"lte": 0.9}, "change": {"delta": {"lte": 0.01}}}],
                    evidence="Conclusive",
                ),
                {"key": True},
            ),
        ]
    )
)
BEFORE = 0.05
BASELINES = tuple(
    Baseline("LastPromotable", "checkout-1", value, samples)
    for value, samples in ((BEFORE, 4000), (BEFORE, 4000), (math.nan, 4000), (BEFORE, 3))
)
NEEDED = Terms(no_baseline="Inconclusive")
"""A change beside a value is judged too, or the objective is not."""
GAPS = tuple(
    Missing(reason, "drawn")
    for reason in ("NoData", "ProviderError", "NotANumber", "StaleSeries", "QueryRejected")
)


@dataclass(frozen=True)
class Life:
    """One objective's looks, and whether they ever came to their end."""

    plan: PlannedObjective
    looks: tuple[Sample, ...]
    planned: int
    final: bool
    baseline: Baseline | None = None


def drawn(chance: random.Random) -> list[Life]:
    """One release: a few objectives, each with its looks, all ended or all cut off."""
    planned = chance.randint(1, 6)
    final = chance.random() < 0.7
    came = planned if final else chance.randint(1, planned)
    plans = chance.sample(PLANS, chance.randint(1, 4))
    health = chance.choice((0.0, 0.002, 0.02, 0.05, 0.2))
    return [
        Life(
            plan,
            tuple(_look(chance, plan, health) for _ in range(came)),
            planned,
            final,
            chance.choice((None, *BASELINES)),
        )
        for plan in plans
    ]


def _look(chance: random.Random, plan: PlannedObjective, health: float) -> Sample:
    odd = chance.random()
    if odd < 0.12:
        return chance.choice(GAPS)
    if odd < 0.15:
        return chance.choice(
            (Value(math.nan), Value(math.inf), Counts(-1, 5), Counts(9, 3), Counts(0, 0))
        )
    if plan.indicator.query:
        return Value(chance.choice((0.5, 1.0, 1.5)))
    total = chance.choice((0, 3, 30, 60, 200))
    return Counts(sum(chance.random() < health for _ in range(total)), total)


@lru_cache(maxsize=100_000)
def _at_most(seen: int, total: int, rate: float) -> float:
    """P(Bin(total, rate) ≤ seen), term by term."""
    return sum(
        math.exp(
            math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
            + k * math.log(rate) + (total - k) * math.log1p(-rate)
        )
        for k in range(seen + 1)
    )  # fmt: skip


def passes_conclusively(life: Life) -> bool:
    """By enumeration: enough looks with data, and the declared harm (2 times) would have shown."""
    good = [x for x in life.looks if not isinstance(x, Missing)]
    if not life.final or not good or 5 * len(good) < 4 * len(life.looks):
        return False
    if life.plan.indicator.query:
        last = good[-1]
        return isinstance(last, Value) and math.isfinite(last.value) and last.value <= 1
    if not all(isinstance(x, Counts) and 0 <= x.part <= x.total for x in good):
        return False
    counts = [x for x in good if isinstance(x, Counts)]
    seen, total = sum(x.part for x in counts), sum(x.total for x in counts)
    if any(b.change for b in life.plan.pass_):
        # What has twice the baseline's errors cannot have ruled them out.
        before = life.baseline
        usable = before is not None and (before.samples or 0) >= 20 and math.isfinite(before.value)
        return total >= 20 and usable and seen < 2 * BEFORE * total
    return total >= 20 and _at_most(seen, total, 2 * LIMIT) <= BETA * (1 + 1e-6)


def judged(lives: list[Life], scoring: Scoring) -> tuple[str, str]:
    results = [
        judge_objective(
            life.plan,
            Evidence(
                looks=life.looks,
                planned=life.planned,
                window=window(60 * life.planned),
                release="checkout-2",
                provider=None,
                query=None,
                final=life.final,
            ),
            [] if life.baseline is None else [life.baseline],
            NEEDED,
        )
        for life in lives
    ]
    judgement = conclude(results, window=window(), scoring=scoring)
    return judgement.verdict, judgement.message


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**64))
def test_never_promotable_without_a_conclusive_pass_of_each_required_objective(seed: int) -> None:
    chance = random.Random(seed)
    promotable = 0
    for _ in range(SEQUENCES):
        lives = drawn(chance)
        scored = chance.random() < 0.3
        scoring = Scoring(
            score=ScoreThresholds(pass_=chance.choice(("0%", "50%", "75%"))) if scored else None,
            mode=chance.choice(("Enforce", "DryRun")),
        )
        verdict, message = judged(lives, scoring)
        if verdict != "Promotable":
            continue
        promotable += 1
        counting = [x for x in lives if not (x.plan.informational or x.plan.dry_run)]
        required = [x for x in counting if x.plan.key] if scored else counting
        assert all(passes_conclusively(x) for x in required), (lives, message)
        assert any(passes_conclusively(x) for x in counting), (lives, message)
    event(f"promotable: {promotable * 10 // SEQUENCES * 10} %")
