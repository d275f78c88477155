"""Looks: asking at each grid point, failing early, and the verdict at the window's end.

A look ending at E is asked at E + the provider's delay with ``time=E``, so after a kill the same question
has the same answer. Looks during the rollout may fail the release and never pass it; passing needs
every look of the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..judge.objectives import Baseline, Evidence, judge_objective, measure
from ..judge.samples import Missing, Sample, pool
from ..judge.verdicts import conclude
from ..queries.describe import describe
from ..queries.questions import Question
from ..resources.base import format_duration
from ..resources.judgement import Judgement, ObjectiveResult, Window
from ..resources.release import BaselineEntry, Look, PlannedObjective, ReleaseStatus
from . import grid, signals
from .planning import indicator_hash
from .pods import counted
from .situation import RETRY_AFTER, Answer, Situation

MAX_LOOKS = 40
"""How many looks the status shows."""
LETTERS = {"Pass": "P", "Warn": "W", "Fail": "F"}


@dataclass
class Looking:
    """What one pass of looking found."""

    status: ReleaseStatus
    ask: list[Question] = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)
    judgement: Judgement | None = None

    def want(self, s: Situation, question: Question, due: datetime) -> Answer | None:
        """The answer if it is there and settled; else it is asked, now or when it is due."""
        answer = s.answers.get(question)
        if answer is not None and answer.settled(s.now):
            if answer.trouble:
                self.due.append(answer.at + RETRY_AFTER)
            return answer
        if s.now >= due:
            self.ask.append(question)
        else:
            self.due.append(due)
        return None


def judge(s: Situation, status: ReleaseStatus) -> Looking:
    """Ask what is due, record the looks that are answered in full, and conclude where possible."""
    found = Looking(status)
    if not status.cohorts:
        return _late(s, found, [])
    analysis = s.spec.plan.analysis
    first = status.cohorts[0].from_
    baselines = _baselines(s, found)
    end = window_end(s, status)
    # While no window is known only the last looks that can be asked matter, not the last ones at all.
    until = s.now - _delay(s) if end is None else min(s.now, end)
    ends = list(grid.ends(first, until, analysis.interval))
    if status.window_from is not None:
        early = [e for e in ends if e <= status.window_from]
        ends = early[-analysis.fail_after :] + ends[len(early) :]
    else:
        ends = ends[-analysis.fail_after :]
    following = (ends[-1] if ends else first) + analysis.interval
    if end is None or following <= end:
        found.due.append(following + _delay(s))
    samples = {e: _look(s, found, e) for e in ends}
    if baselines is None:
        return _late(s, found, ends)
    complete = _record(s, found, samples, baselines)
    early_verdict = _early(s, found, samples, baselines)
    if early_verdict is not None:
        found.judgement = early_verdict
    elif end is not None and complete and ends and ends[-1] == end:
        found.judgement = _final(s, found, samples, baselines, s.now)
    return found if found.judgement is not None else _late(s, found, ends)


def window_end(s: Situation, status: ReleaseStatus) -> datetime | None:
    """When the window is over: the first grid point at or after its length."""
    if status.window_from is None:
        return None
    return grid.ceil(
        status.window_from + s.spec.plan.analysis.window, s.spec.plan.analysis.interval
    )


def deadline(s: Situation, status: ReleaseStatus) -> datetime | None:
    """When the verdict must be there, once the rollout is complete."""
    completed = status.rollout.completed_at
    return None if completed is None else completed + s.spec.plan.analysis.deadline


def _delay(s: Situation) -> timedelta:
    return max((s.delay(o) for o in s.spec.plan.objectives), default=timedelta(0))


def _look(s: Situation, found: Looking, end: datetime) -> list[Sample | None]:
    """Each objective's sample over the look that ends there; None while it is awaited."""
    return [_sample(s, found, objective, end) for objective in s.spec.plan.objectives]


def _sample(
    s: Situation, found: Looking, objective: PlannedObjective, end: datetime
) -> Sample | None:
    interval = s.spec.plan.analysis.interval
    if objective.indicator.kubernetes:
        return signals.sample(objective.indicator.kubernetes, s, found.status)
    begin = end - interval
    if objective.indicator.attribution == "Workload":
        window_from = found.status.window_from
        if window_from is None or begin < window_from:
            return Missing(
                "NoData",
                "series of the whole workload speak of this release only once it is rolled out",
            )
    question = s.question(objective, end, interval, pods=counted(found.status, begin))
    answer = found.want(s, question, end + s.delay(objective))
    return None if answer is None else answer.sample


def _baselines(s: Situation, found: Looking) -> dict[str, Baseline] | None:
    """Each objective's baseline; None while one is still to be measured."""
    known = {b.name: b for b in found.status.baseline}
    waiting = False
    entries: list[BaselineEntry] = []
    for objective in s.spec.plan.objectives:
        entry = known.get(objective.name)
        if entry is None:
            entry, awaited = _find_baseline(s, found, objective)
            waiting |= awaited
        if entry is not None:
            entries.append(entry)
    if entries != found.status.baseline:
        found.status = found.status.model_copy(update={"baseline": entries})
    if waiting:
        return None
    return {e.name: Baseline(e.source, e.release, e.value, e.samples) for e in entries}


def _find_baseline(
    s: Situation, found: Looking, objective: PlannedObjective
) -> tuple[BaselineEntry | None, bool]:
    """(the first baseline in the plan's order that has a value, whether one is still awaited)."""
    compared = any(b.change for b in (*objective.pass_, *objective.warn))
    what = indicator_hash(objective.indicator)
    for planned in s.spec.plan.baselines:
        if planned.source == "LastPromotable":
            value = next(
                (
                    v
                    for v in planned.values
                    if v.name == objective.name and v.indicator_hash == what
                ),
                None,
            )
            if value is not None:
                return (
                    BaselineEntry(
                        name=objective.name,
                        source=planned.source,
                        release=planned.release,
                        value=value.value,
                        samples=value.samples,
                    ),
                    False,
                )
        elif compared and objective.provider is not None and planned.from_ and planned.to:
            if objective.indicator.attribution != "Pod":
                continue  # one series speaks for old and new pods alike
            question = s.question(
                objective, planned.to, planned.to - planned.from_, pod_pattern=planned.pod_pattern
            )
            answer = found.want(s, question, planned.to + s.delay(objective))
            if answer is None or answer.trouble:
                return None, True
            measured = measure(objective.indicator, answer.sample)
            if not isinstance(measured, Missing) and measured.value is not None:
                return (
                    BaselineEntry(
                        name=objective.name,
                        source=planned.source,
                        release=planned.release,
                        value=measured.value,
                        samples=measured.samples,
                    ),
                    False,
                )
    return None, False


def _record(
    s: Situation,
    found: Looking,
    samples: dict[datetime, list[Sample | None]],
    baselines: dict[str, Baseline],
) -> bool:
    """Write the looks that are answered in full; whether all that were due are."""
    recorded = list(found.status.looks)
    last = recorded[-1].at if recorded else None
    complete = True
    for end, row in samples.items():
        if any(x is None or (isinstance(x, Missing) and x.reason == "ProviderError") for x in row):
            complete = False
        elif complete and (last is None or end > last):
            results = [
                judge_objective(
                    o, _evidence(s, o, [x], 1, end - _interval(s), end), baselines.get(o.name)
                )
                for o, x in zip(s.spec.plan.objectives, row, strict=True)
                if x is not None
            ]
            recorded.append(
                Look(
                    at=end,
                    values=[_short(r.value) for r in results],
                    results="".join(LETTERS.get(r.result, "U") for r in results),
                )
            )
    if recorded != found.status.looks:
        found.status = found.status.model_copy(update={"looks": recorded[-MAX_LOOKS:]})
    return complete


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _interval(s: Situation) -> timedelta:
    return s.spec.plan.analysis.interval


def _fails_early(s: Situation, status: ReleaseStatus) -> bool:
    """Whether some objective failed in each of the last ``failAfter`` neighbouring looks."""
    count = s.spec.plan.analysis.fail_after
    looks = status.looks[-count:]
    if len(looks) < count or looks[-1].at - looks[0].at != (count - 1) * _interval(s):
        return False
    return any(
        all(look.results[i] == "F" for look in looks) for i in range(len(s.spec.plan.objectives))
    )


def _evidence(
    s: Situation,
    objective: PlannedObjective,
    samples: Sequence[Sample],
    looks: int,
    begin: datetime,
    end: datetime,
    *,
    final: bool = False,
    query: Question | None = None,
) -> Evidence:
    provider = "kubernetes"
    if objective.provider is not None:
        planned = s.spec.plan.providers[objective.provider]
        provider = f"{planned.namespace}/{planned.name}"
    return Evidence(
        sample=pool(samples),
        looks=looks,
        answered=sum(not isinstance(x, Missing) for x in samples),
        window=Window(from_=begin, to=end),
        release=s.name,
        provider=provider,
        query=describe(query) if query is not None else None,
        final=final,
    )


def _early(
    s: Situation,
    found: Looking,
    samples: dict[datetime, list[Sample | None]],
    baselines: dict[str, Baseline],
) -> Judgement | None:
    """The judgement over the looks in a row that failed, if they did."""
    if not _fails_early(s, found.status):
        return None
    looks = found.status.looks[-s.spec.plan.analysis.fail_after :]
    since, until = looks[0].at - _interval(s), looks[-1].at
    rows = [row for end, row in samples.items() if since < end <= until]
    if len(rows) < len(looks) or any(x is None for row in rows for x in row):
        return None  # after a restart: they are being asked again
    judgement = _conclude(s, found, rows, baselines, since, until, {})
    return judgement if judgement.verdict == "NotPromotable" else None


def _final(
    s: Situation,
    found: Looking,
    samples: dict[datetime, list[Sample | None]],
    baselines: dict[str, Baseline],
    now: datetime,
) -> Judgement | None:
    """The judgement over the whole window; None while a query over all of it is awaited."""
    begin, end = found.status.window_from, window_end(s, found.status)
    assert begin is not None
    assert end is not None
    whole: dict[str, Sample] = {}
    for objective in s.spec.plan.objectives:
        if objective.indicator.query:
            question = s.question(objective, end, end - begin, pods=counted(found.status, end))
            answer = found.want(s, question, end + s.delay(objective))
            if answer is None or (answer.trouble and now < (deadline(s, found.status) or now)):
                return None
            whole[objective.name] = answer.sample
    rows = [row for e, row in samples.items() if e > begin]
    return _conclude(s, found, rows, baselines, begin, end, whole)


def _conclude(
    s: Situation,
    found: Looking,
    rows: Sequence[Sequence[Sample | None]],
    baselines: dict[str, Baseline],
    begin: datetime,
    end: datetime,
    whole: dict[str, Sample],
) -> Judgement:
    results: list[ObjectiveResult] = []
    for i, objective in enumerate(s.spec.plan.objectives):
        given = [x for row in rows if (x := row[i]) is not None]
        if objective.indicator.kubernetes:
            given = given[-1:]  # accumulated already
        elif objective.name in whole and not isinstance(pool(given), Missing):
            answer = whole[objective.name]
            # No look stands for the whole window: without its own answer there is no value.
            given = [answer] if isinstance(answer, Missing) else [*given, answer]
        question = None
        if objective.provider is not None:
            question = s.question(objective, end, end - begin, pods=counted(found.status, end))
        evidence = _evidence(
            s, objective, given, max(len(given), 1), begin, end, final=True, query=question
        )
        results.append(judge_objective(objective, evidence, baselines.get(objective.name)))
    window = Window(from_=begin, to=end)
    return conclude(results, window=window, basis=s.spec.plan.basis)


def _late(s: Situation, found: Looking, ends: Sequence[datetime]) -> Looking:
    """No verdict yet: at the deadline, the judgement of what there is."""
    limit = deadline(s, found.status)
    if limit is None:
        return found
    if s.now < limit:
        found.due.append(limit)
        return found
    begin = found.status.window_from or found.status.rollout.completed_at or s.now
    end = window_end(s, found.status) or s.now
    found.judgement = late_judgement(s, found, ends, begin, max(begin, min(end, s.now)))
    found.ask.clear()
    return found


def late_judgement(
    s: Situation, found: Looking, ends: Sequence[datetime], begin: datetime, end: datetime
) -> Judgement:
    """What is known when time is up; what is awaited counts as the provider's failure."""
    probe = Looking(found.status)
    rows: list[list[Sample | None]] = []
    for e in ends:
        if e > begin and e + _delay(s) <= s.now:
            rows.append([x if x is not None else _unanswered() for x in _look(s, probe, e)])
    baselines = _baselines(s, probe) or {}
    if not rows:
        none = Missing("NoData", "there was no look of the window before the deadline")
        rows = [[none for _ in s.spec.plan.objectives]]
    whole: dict[str, Sample] = {
        o.name: _unanswered() for o in s.spec.plan.objectives if o.indicator.query
    }
    judgement = _conclude(s, found, rows, baselines, begin, end, whole)
    if judgement.verdict == "Promotable":
        judgement = judgement.model_copy(update={"verdict": "Inconclusive"})
    if judgement.verdict == "Inconclusive":
        message = (
            f"no verdict within {format_duration(s.spec.plan.analysis.deadline)} after the rollout: "
            f"{judgement.message}"
        )
        reason = judgement.reason if judgement.reason == "ProviderError" else "DeadlineExceeded"
        judgement = judgement.model_copy(update={"reason": reason, "message": message[:2048]})
    return judgement


def _unanswered() -> Missing:
    return Missing("ProviderError", "the provider did not answer in time")
