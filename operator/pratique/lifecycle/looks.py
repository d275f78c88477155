"""Looks: asking at each grid point, failing early, and the verdict at the window's end.

A look ending at E is asked at E + the provider's delay with ``time=E``, so after a kill the same question
has the same answer. Looks during the rollout may fail the release and never pass it; passing needs
every look of the window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..judge.objectives import Evidence, glance, judge_objective, tested
from ..judge.samples import Buckets, Counts, Missing, Sample
from ..judge.verdicts import Scoring, certain, conclude, counting
from ..queries.describe import describe
from ..queries.questions import Question
from ..resources.base import format_duration
from ..resources.judgement import Judgement, ObjectiveResult, Window
from ..resources.release import Look, PlannedObjective, ReleaseStatus
from . import compared as compares
from . import grid, noise, signals
from .actions import Action
from .compared import Compared
from .pods import births, counted, window_owner
from .situation import RETRY_AFTER, Answer, Situation

MAX_LOOKS = 40
"""How many looks the status shows."""
ROLLOUT_SHARE = 0.1
"""The part of the false alarms that is kept for the looks during the rollout, where there are any."""
LETTERS = {"Pass": "P", "Warn": "W", "Fail": "F"}


@dataclass
class Looking:
    """What one pass of looking found."""

    status: ReleaseStatus
    ask: list[Question] = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
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
    end = window_end(s, status)
    # While no window is known only the looks that can be asked matter, not the last ones at all.
    until = s.now - _delay(s) if end is None else min(s.now, end)
    ends = _needed(s, status, list(grid.ends(first, until, analysis.interval)))
    following = (ends[-1] if ends else first) + analysis.interval
    if end is None or following <= end:
        found.due.append(following + _delay(s))
    rows = {e: look_at(s, found, e) for e in ends}
    compared = compares.baselines(s, found, _rates(s, rows))
    if not noise.known(s, found) or compared.waiting:
        return _late(s, found, ends)
    complete = _record(s, found, rows, compared)
    early = _early(s, found, rows, compared)
    if early is not None:
        found.judgement = early
    elif end is not None and complete and ends and ends[-1] == end:
        _end(s, found, rows, compared)
    return found if found.judgement is not None else _late(s, found, ends)


def _rates(s: Situation, rows: Rows) -> dict[str, float]:
    """Each objective's requests a second, over the looks that were answered."""
    rates = {}
    for i, objective in enumerate(s.spec.plan.objectives):
        counts = [x.total for r in rows.values() if isinstance(x := r.samples[i], Counts | Buckets)]
        if counts:
            rates[objective.name] = sum(counts) / (len(counts) * _interval(s).total_seconds())
    return rates


def _needed(s: Situation, status: ReleaseStatus, ends: list[datetime]) -> list[datetime]:
    """The looks that still decide: the whole window's; before it, the rollout's first and last ones."""
    analysis = s.spec.plan.analysis
    if status.window_from is not None:
        early = [e for e in ends if e <= status.window_from]
        return early[-analysis.fail_after :] + ends[len(early) :]
    first = planned_looks(s)
    if len(ends) <= first + analysis.fail_after:
        return ends
    # A test over the rollout has as many looks as the window; later only looks in a row count.
    return ends[:first] + ends[-analysis.fail_after :]


def planned_looks(s: Situation) -> int:
    """How many looks the window has."""
    analysis = s.spec.plan.analysis
    return max(1, math.ceil(analysis.window / analysis.interval - 1e-9))


def _longest(s: Situation) -> int:
    """How many looks it may have in all where it may be extended, else 0."""
    analysis = s.spec.plan.analysis
    if analysis.max_window is None:
        return 0
    longest = math.ceil(analysis.max_window / analysis.interval - 1e-9)
    return longest if longest > planned_looks(s) else 0


def window_end(s: Situation, status: ReleaseStatus) -> datetime | None:
    """When the window is over: the first grid point at or after its length, or with the task that owns it."""
    if status.window_from is None:
        return None
    if status.extended_to is not None:
        return status.extended_to
    owned, owner = window_owner(s, status)
    if owned and owner is not None and owner.running_since is not None:
        if owner.completed_at is None:
            return None
        # Whole looks of its time; one at least.
        interval = s.spec.plan.analysis.interval
        ended = grid.ceil(owner.completed_at + timedelta(microseconds=1), interval) - interval
        return max(ended, status.window_from + interval)
    return grid.ceil(
        status.window_from + s.spec.plan.analysis.window, s.spec.plan.analysis.interval
    )


def deadline(s: Situation, status: ReleaseStatus) -> datetime | None:
    """When the verdict must be there, once the rollout is complete."""
    completed, analysis = status.rollout.completed_at, s.spec.plan.analysis
    if completed is None:
        return None
    limit = completed + analysis.deadline
    if status.extended_to is not None:
        limit = max(limit, status.extended_to + _delay(s) + 2 * analysis.interval)
    return limit


def _delay(s: Situation) -> timedelta:
    return max((s.delay(o) for o in s.spec.plan.objectives), default=timedelta(0))


@dataclass
class Row:
    """One look of all objectives."""

    samples: list[Sample | None]
    """In the plan's order; None while awaited."""
    beside: list[dict[str, Sample | None]]
    """The baselines of the same minutes, by source."""

    @property
    def complete(self) -> bool:
        """Whether all has been answered, and nobody failed to."""
        given = [*self.samples, *(x for found in self.beside for x in found.values())]
        return not any(
            x is None or (isinstance(x, Missing) and x.reason == "ProviderError") for x in given
        )

    @property
    def answered(self) -> bool:
        """Whether nothing is awaited."""
        return not any(
            x is None for x in (*self.samples, *(x for b in self.beside for x in b.values()))
        )


Rows = dict[datetime, Row]


def look_at(s: Situation, found: Looking, end: datetime) -> Row:
    """Each objective's sample over the look that ends there; None while it is awaited."""
    objectives = s.spec.plan.objectives
    return Row(
        [_sample(s, found, objective, end) for objective in objectives],
        [compares.beside(s, found, objective, end) for objective in objectives],
    )


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
        if found.status.rollout.partition:
            return Missing(
                "NoData",
                "series of the whole workload speak of the pods below the partition too",
            )
    question = s.question(
        objective,
        end,
        interval,
        pods=counted(s.spec, found.status, begin),
        births=births(s.spec, found.status, begin),
    )
    answer = found.want(s, question, end + s.delay(objective))
    return None if answer is None else answer.sample


def _record(s: Situation, found: Looking, rows: Rows, compared: Compared) -> bool:
    """Write the looks that are answered in full; whether all that were due are."""
    recorded = list(found.status.looks)
    last = recorded[-1].at if recorded else None
    complete = True
    for end, row in rows.items():
        if not row.complete:
            complete = False
        elif complete and (last is None or end > last):
            recorded.append(_glanced(s, end, row, compared))
    if recorded != found.status.looks:
        found.status = found.status.model_copy(update={"looks": recorded[-MAX_LOOKS:]})
    return complete


def _glanced(s: Situation, end: datetime, row: Row, compared: Compared) -> Look:
    """One look alone, by the plain values: for people, and for looks in a row."""
    values: list[float | None] = []
    letters = ""
    for i, objective in enumerate(s.spec.plan.objectives):
        sample = row.samples[i]
        assert sample is not None
        given = compared.of(objective, compares.gathered([row.beside[i]]))
        seen = glance(objective, sample, given)
        values.append(_short(seen.value))
        letter = LETTERS.get(seen.result, "U")
        letters += letter if seen.decides else letter.lower()
    return Look(at=end, values=values, results=letters)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _interval(s: Situation) -> timedelta:
    return s.spec.plan.analysis.interval


def _failed_in_a_row(s: Situation, status: ReleaseStatus) -> set[str]:
    """Objectives without a test of their own that failed in each of the last ``failAfter`` looks."""
    count = s.spec.plan.analysis.fail_after
    looks = status.looks[-count:]
    if len(looks) < count or looks[-1].at - looks[0].at != (count - 1) * _interval(s):
        return set()
    return {
        o.name
        for i, o in enumerate(s.spec.plan.objectives)
        if all(look.results[i] == "F" for look in looks)
    }


def _early(s: Situation, found: Looking, rows: Rows, compared: Compared) -> Judgement | None:
    """The judgement before the window's end, if what failed already decides."""
    status, objectives = found.status, s.spec.plan.objectives
    if not status.looks or not rows:
        return None
    window_from = status.window_from
    # The looks of this phase: those of the window, or of the rollout as long as there is none.
    phase = {e: row for e, row in rows.items() if window_from is None or e > window_from}
    if window_from is None:
        phase = dict(list(phase.items())[: planned_looks(s)])
    failed = {
        o.name
        for i, o in enumerate(objectives)
        if (tested(o) or compares.is_compared(o))
        and o.mann_whitney is None
        and phase
        and all(r.answered for r in phase.values())
        and _over(s, found, compared, i, phase, final=False).result == "Fail"
    }
    in_a_row = _failed_in_a_row(s, status)
    if not failed and not in_a_row:
        return None
    looks = status.looks[-s.spec.plan.analysis.fail_after :]
    since = looks[0].at - _interval(s)
    last = {e: row for e, row in rows.items() if since < e <= looks[-1].at}
    if not all(row.answered for row in last.values()) or (in_a_row and len(last) < len(looks)):
        return None  # after a restart: they are being asked again
    results = [
        _over(
            s,
            found,
            compared,
            i,
            last if o.name in in_a_row else phase or last,
            final=o.name in in_a_row,
        )
        for i, o in enumerate(objectives)
    ]
    if not certain(results, _scoring(s)):
        return None
    begin = since if not failed else min(phase) - _interval(s)
    window = Window(from_=begin, to=looks[-1].at)
    judgement = conclude(results, window=window, basis=_basis(s, status), scoring=_scoring(s))
    return judgement if judgement.verdict == "NotPromotable" else None


def _end(s: Situation, found: Looking, rows: Rows, compared: Compared) -> None:
    """The judgement over the whole window, or its extension where there was too little traffic."""
    status = found.status
    begin, end = status.window_from, window_end(s, status)
    assert begin is not None
    assert end is not None
    whole: dict[str, Sample] = {}
    for objective in s.spec.plan.objectives:
        if objective.indicator.query:
            question = s.question(objective, end, end - begin, pods=counted(s.spec, status, end))
            answer = found.want(s, question, end + s.delay(objective))
            if answer is None or (answer.trouble and s.now < (deadline(s, status) or s.now)):
                return
            whole[objective.name] = answer.sample
    window = {e: row for e, row in rows.items() if e > begin}
    judgement = _conclude(s, found, window, compared, begin, end, whole)
    further = _further(s, judgement, begin, end)
    if further is None:
        found.judgement = judgement
    else:
        found.status = status.model_copy(update={"extended_to": further})
        found.due.append(end + _interval(s) + _delay(s))


def _further(s: Situation, judgement: Judgement, begin: datetime, end: datetime) -> datetime | None:
    """To when the window is extended, if more traffic is all that a verdict wants.

    By the requests that came and those that are needed, never by how many of them were bad.
    """
    longest = 0 if any(t.owns_window for t in s.spec.plan.tasks) else _longest(s)
    limit = begin + longest * _interval(s)
    if judgement.verdict != "Inconclusive" or not longest or end >= limit:
        return None
    open_ = [r for r in counting(judgement.results) if r.result not in ("Pass", "Warn", "Fail")]
    if not open_ or any(r.reason != "InsufficientTraffic" for r in open_):
        return None
    wanted = 1.0
    for result in open_:
        needed = result.statistic.needed if result.statistic else None
        if not needed or not result.samples:
            return limit
        wanted = max(wanted, needed / result.samples)
    at = begin + wanted * (end - begin)
    return min(limit, max(grid.ceil(at, _interval(s)), end + _interval(s)))


def _scoring(s: Situation) -> Scoring:
    plan = s.spec.plan
    return Scoring(plan.score, plan.on_warning, plan.mode)


def _over(
    s: Situation,
    found: Looking,
    compared: Compared,
    index: int,
    rows: Rows,
    *,
    final: bool,
    whole: Sample | None = None,
    window: Window | None = None,
) -> ObjectiveResult:
    """One objective's result over these looks."""
    objective, status = s.spec.plan.objectives[index], found.status
    looks = tuple(x for row in rows.values() if (x := row.samples[index]) is not None)
    if window is None:
        window = Window(from_=min(rows) - _interval(s), to=max(rows))
    if objective.indicator.kubernetes:
        looks = looks[-1:]  # accumulated already
    provider, question = "kubernetes", None
    if objective.provider is not None:
        planned = s.spec.plan.providers[objective.provider]
        provider = f"{planned.namespace}/{planned.name}"
        if (
            window.to > window.from_
        ):  # else nothing was asked: the deadline came before the first look
            question = s.question(
                objective,
                window.to,
                window.to - window.from_,
                pods=counted(s.spec, status, window.to),
            )
    window_from = status.window_from
    rolling = window_from is None
    early = (
        bool(status.cohorts) and window_from is not None and status.cohorts[0].from_ < window_from
    )
    evidence = Evidence(
        looks=looks,
        planned=planned_looks(s),
        window=window,
        release=s.name,
        provider=provider,
        query=describe(question) if question is not None else None,
        final=final,
        whole=whole,
        extended=0 if rolling else _longest(s),
        noise=noise.of(status, objective),
        share=ROLLOUT_SHARE if rolling else 1 - ROLLOUT_SHARE if early else 1.0,
    )
    given = compared.of(objective, compares.gathered([row.beside[index] for row in rows.values()]))
    return judge_objective(objective, evidence, given, compares.terms(s, objective))


def _conclude(
    s: Situation,
    found: Looking,
    rows: Rows,
    compared: Compared,
    begin: datetime,
    end: datetime,
    whole: dict[str, Sample],
) -> Judgement:
    window = Window(from_=begin, to=end)
    results = [
        _over(s, found, compared, i, rows, final=True, whole=whole.get(o.name), window=window)
        for i, o in enumerate(s.spec.plan.objectives)
    ]
    return conclude(results, window=window, basis=_basis(s, found.status), scoring=_scoring(s))


def _basis(s: Situation, status: ReleaseStatus) -> str | None:
    """What the judgement rests on, where that is less than one would think."""
    partition = status.rollout.partition
    partial = f"partial: only pods {partition} and above run it" if partition else None
    return "; ".join(t for t in (partial, s.spec.plan.basis) if t) or None


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
    objectives = s.spec.plan.objectives
    rows: Rows = {}
    for e in ends:
        if e > begin and e + _delay(s) <= s.now:
            row = look_at(s, probe, e)
            rows[e] = Row([x if x is not None else _unanswered() for x in row.samples], row.beside)
    compared = compares.baselines(s, probe)
    if not rows:
        none = Missing("NoData", "there was no look of the window before the deadline")
        rows = {end: Row([none for _ in objectives], [{} for _ in objectives])}
    whole: dict[str, Sample] = {o.name: _unanswered() for o in objectives if o.indicator.query}
    judgement = _conclude(s, found, rows, compared, begin, end, whole)
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
