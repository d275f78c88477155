"""All that an Analysis asks for, objective by objective: looks, the whole, what is compared with, noise.

Not here: what is made of it (analyses).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from ..judge.objectives import Baseline, measure, tested
from ..judge.samples import History, Missing, Sample, pool
from ..judge.spreads import spread
from ..judge.wandering import noise_of
from ..queries.questions import Question
from ..resources.release import PlannedObjective
from . import grid
from .assignments import Assignment
from .compared import is_compared
from .noise import MAX_STEPS
from .planning import indicator_hash
from .situation import RETRY_AFTER, Answer

if TYPE_CHECKING:
    from ..judge.statistics.laws import Noise


@dataclass
class Desk:
    """What came, what is awaited, and when to look again."""

    answers: Mapping[Question, Answer]
    now: datetime
    ask: list[Question] = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)
    trouble: Missing | None = None
    """What a provider said last, where one does not answer."""

    def want(self, question: Question, delay: timedelta) -> Sample | None:
        """The sample if it is there and settled; else it is asked, now or when it is due."""
        answer = self.answers.get(question)
        if answer is not None and answer.trouble:
            assert isinstance(answer.sample, Missing)
            self.trouble = answer.sample
        if answer is not None and answer.settled(self.now):
            if not answer.trouble:
                return answer.sample
            self.due.append(answer.at + RETRY_AFTER)
        elif self.now >= question.end + delay:
            self.ask.append(question)
        else:
            self.due.append(question.end + delay)
        return None


@dataclass
class Gathered:
    """All that is known of one objective."""

    looks: list[Sample | None]
    whole: Sample | None = None
    baseline: Baseline | None = None
    noise: Noise | None = None

    def first(self, count: int) -> tuple[tuple[Sample, ...], list[Baseline]]:
        """Its first so many looks, and what they are compared with."""
        baseline = self.baseline
        if baseline is not None and baseline.looks:
            baseline = replace(baseline, looks=baseline.looks[:count])
        return filled(self.looks[:count]), [] if baseline is None else [baseline]


def gather(a: Assignment, desk: Desk, objective: PlannedObjective) -> Gathered:
    """What there is of an objective; what is missing is asked, or waited for."""
    delay = _delay(a, objective)
    found = Gathered([])
    for begin, end in a.looks():
        found.looks.append(desk.want(a.question(objective, begin, end), delay))
    if objective.indicator.query and len(a.ends) > 1:
        question = a.question(objective, a.window.from_, a.window.to)
        found.whole = desk.want(question, delay)
    if is_compared(objective):
        found.baseline = _baseline(a, desk, objective)
    if tested(objective):
        found.noise = _noise(a, desk, objective)
    return found


def _delay(a: Assignment, objective: PlannedObjective) -> timedelta:
    assert objective.provider is not None
    return a.plan.providers[objective.provider].delay


def _baseline(a: Assignment, desk: Desk, objective: PlannedObjective) -> Baseline | None:
    """What the objective is compared with, as far as it is known."""
    said = a.asked.spec.baseline
    if said is None:
        return None
    if said.fixed is not None:
        values = [v for v in said.fixed if v.objective == objective.name]
        return next((Baseline("Fixed", "the analysis", v.value, v.samples) for v in values), None)
    if a.compared is not None:
        what = indicator_hash(objective.indicator)
        for v in a.compared.values:
            if v.name == objective.name and v.indicator_hash in (what, None):
                return Baseline(
                    "Release", a.compared.name, v.value, v.samples, v.seconds, v.spread,
                    numbers=tuple(v.looks),
                )  # fmt: skip
        return None
    if said.workload is not None:
        looks = [
            desk.want(
                a.question(objective, begin, end, pods=a.compared_pods, workload=said.workload),
                _delay(a, objective),
            )
            for begin, end in a.looks()
        ]
        return Baseline("Workload", said.workload, math.nan, looks=filled(looks))
    return _earlier(a, desk, objective)


def _earlier(a: Assignment, desk: Desk, objective: PlannedObjective) -> Baseline | None:
    """The same workload over another time, in looks of the same length."""
    said = a.asked.spec.baseline
    assert said is not None
    if said.window is not None:
        begin, end = said.window.from_, said.window.to
    else:
        assert said.before is not None
        begin, end = a.window.from_ - said.before, a.window.from_
    delay, interval = _delay(a, objective), a.plan.analysis.interval
    count = max(1, round((end - begin) / interval))
    edges = [begin + (end - begin) * k / count for k in range(count + 1)]
    looks = [desk.want(a.question(objective, one, other), delay) for one, other in pairwise(edges)]
    whole = None
    if objective.indicator.query and count > 1:
        whole = desk.want(a.question(objective, begin, end), delay)
    given = filled(looks)
    measured = measure(objective.indicator, whole if whole is not None else pool(given))
    if isinstance(measured, Missing) or measured.value is None:
        return None
    numbers = tuple(
        None if isinstance(m := measure(objective.indicator, x), Missing) else m.value
        for x in given
    )
    return Baseline(
        "Window",
        f"{a.asked.spec.workload.name} from {begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC",
        measured.value,
        measured.samples,
        (end - begin).total_seconds(),
        spread(numbers),
        numbers=numbers,
    )


def _noise(a: Assignment, desk: Desk, objective: PlannedObjective) -> Noise | None:
    """How much its rate wanders by itself, from the time before the window; none where unknown."""
    analysis, by_pod = a.plan.analysis, objective.indicator.attribution == "Pod"
    if not analysis.noise_history or (by_pod and a.past is None):
        return None
    span = min(analysis.noise_history, MAX_STEPS * analysis.interval)
    end = grid.ceil(a.window.from_, analysis.interval) - analysis.interval
    if span < 2 * analysis.interval:
        return None
    question = a.question(
        objective,
        end - (span - timedelta(microseconds=span.microseconds)),
        end,
        pods=a.past,
        step=analysis.interval,
    )
    sample = desk.want(question, _delay(a, objective))
    if not isinstance(sample, History):
        return None
    noise = noise_of(objective, sample.counts)
    return noise if noise.known else None


def filled(looks: Sequence[Sample | None]) -> tuple[Sample, ...]:
    """What did not come counts as the provider's failure."""
    none = Missing("ProviderError", "the provider did not answer in time")
    return tuple(x if x is not None else none for x in looks)
