"""One step of an Analysis: what to ask, and its status, up to the one verdict.

The same engine as a release's: the window in looks, counts tested, values compared, missing data never
passed. What is asked follows from the Analysis alone, so nothing is lost by a kill.

Not here: what its words refer to (assignments), and asking the providers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..judge.fit import fit, size
from ..judge.objectives import Evidence, judge_objective, tested
from ..judge.samples import Sample
from ..judge.verdicts import Scoring, certain, conclude
from ..queries.describe import describe
from ..queries.questions import Question
from ..resources import conditions
from ..resources.analysis import AnalysisSpec, AnalysisStatus
from ..resources.conditions import Status
from ..resources.judgement import Judgement, ObjectiveResult, Window
from ..resources.release import PlannedObjective
from .assignments import Around, Asked, Assignment, assign
from .compared import is_compared
from .gathered import Desk, Gathered, filled, gather
from .planning import Unresolved
from .situation import Answer
from .spans import window_of

GRACE = timedelta(minutes=5)
"""How long after the last look's samples are there the verdict may take."""
MAX_STATUS_BYTES = 8 * 1024
AGAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Step:
    """The status as it should be, what to ask next, and when to look again at the latest."""

    status: AnalysisStatus
    ask: tuple[Question, ...] = ()
    due: datetime | None = None


def advance(
    asked: Asked,
    status: AnalysisStatus,
    around: Around,
    answers: Mapping[Question, Answer],
    now: datetime,
) -> Step:
    """The status as it should be now, what must be asked for that, and when to look again.

    Deterministic in its arguments; calling it again with its own result changes nothing. A verdict
    once given is never touched.
    """
    if status.completed_at is not None:
        return Step(status)
    try:
        assignment = assign(asked, around)
    except Unresolved as problem:
        return _unresolved(asked, status, problem, now)
    desk = Desk(answers, now)
    limit = _deadline(asked, assignment.window, assignment.delay)
    status = status.model_copy(
        update={
            "window": assignment.window,
            "deadline": limit,
            "policy": assignment.policy,
        }
    )
    known = {o.name: gather(assignment, desk, o) for o in assignment.plan.objectives}
    judgement = _judgement(assignment, desk, known, late=now >= limit)
    if judgement is not None:
        return Step(_concluded(asked, status, judgement, now))
    status = _pending(asked, status, assignment, desk)
    due = min((d for d in (*desk.due, limit) if d > now), default=None)
    # Look by look: who asks only some of it at a time asks all objectives of a moment together.
    ask = sorted(dict.fromkeys(desk.ask), key=lambda q: q.end)
    return Step(status, tuple(ask), due)


def expires(spec: AnalysisSpec, status: AnalysisStatus) -> datetime | None:
    """When a finished Analysis is deleted, if ever."""
    if spec.retention is None or status.completed_at is None:
        return None
    return status.completed_at + spec.retention.ttl


def _deadline(asked: Asked, window: Window, delay: timedelta) -> datetime:
    return max(window.to + delay, asked.created) + GRACE


# --- judging -----------------------------------------------------------------------------------------


def _judgement(
    a: Assignment, desk: Desk, known: Mapping[str, Gathered], *, late: bool
) -> Judgement | None:
    """The verdict: once all has come, at the deadline, or as soon as what failed decides."""
    over = desk.now >= a.window.to
    if over and not desk.ask and not desk.due:
        return _concluding(a, known)
    if late:
        return _late(a, _concluding(a, known), desk)
    if over or desk.ask or desk.trouble:
        return None  # a window that is over is judged whole
    return _early(a, known)


def _early(a: Assignment, known: Mapping[str, Gathered]) -> Judgement | None:
    """The judgement before the window's end, if a test that failed already decides."""
    answered = min(_answered(g.looks) for g in known.values())
    if not 0 < answered < len(a.ends):
        return None
    objectives = a.plan.objectives
    results = [_result(a, o, known[o.name], answered, final=False) for o in objectives]
    called = any(
        r.result == "Fail" and (tested(o) or is_compared(o)) and o.mann_whitney is None
        for o, r in zip(objectives, results, strict=True)
    )
    # A plain value that missed its bound in one look may still come back: it decides at the end only.
    results = [
        r if tested(o) or is_compared(o) or r.result != "Fail"
        else r.model_copy(update={"result": "NotJudged", "reason": "Evaluating"})
        for o, r in zip(objectives, results, strict=True)
    ]  # fmt: skip
    if not called or not certain(results, _scoring(a)):
        return None
    window = Window(from_=a.window.from_, to=a.ends[answered - 1])
    judgement = conclude(results, window=window, basis=a.plan.basis, scoring=_scoring(a))
    return judgement if judgement.verdict == "NotPromotable" else None


def _answered(looks: Sequence[Sample | None]) -> int:
    """How many of the first looks have come."""
    return next((i for i, x in enumerate(looks) if x is None), len(looks))


def _concluding(a: Assignment, known: Mapping[str, Gathered]) -> Judgement:
    looks = len(a.ends)
    results = [_result(a, o, known[o.name], looks, final=True) for o in a.plan.objectives]
    return conclude(results, window=a.window, basis=a.plan.basis, scoring=_scoring(a))


def _late(a: Assignment, judgement: Judgement, desk: Desk) -> Judgement:
    """What is known when time is up: it may fail, and passes nothing."""
    if judgement.verdict == "NotPromotable":
        return judgement
    limit = _deadline(a.asked, a.window, a.delay)
    message = f"no verdict until {limit:%H:%M:%S} UTC"
    if desk.trouble is not None:
        message += f", as the provider failed: {desk.trouble.message}"
    return judgement.model_copy(
        update={
            "verdict": "Inconclusive",
            "reason": "ProviderError" if desk.trouble else "DeadlineExceeded",
            "message": f"{message}; {judgement.message}"[:2048],
        }
    )


def _scoring(a: Assignment) -> Scoring:
    return Scoring(a.plan.score, a.plan.on_warning, "Enforce")


def _result(
    a: Assignment, objective: PlannedObjective, known: Gathered, looks: int, *, final: bool
) -> ObjectiveResult:
    """One objective's result over the first so many looks."""
    window = Window(from_=a.window.from_, to=a.ends[looks - 1])
    whole = known.whole
    if whole is None and objective.indicator.query and final and looks > 1:
        whole = filled([None])[0]
    spec = a.asked.spec.workload
    samples, baselines = known.first(looks)
    evidence = Evidence(
        looks=samples,
        planned=len(a.ends),
        window=window,
        release=spec.release or spec.name,
        provider=a.provider(objective),
        query=describe(a.question(objective, window.from_, window.to)),
        final=final,
        whole=whole,
        noise=known.noise,
    )
    return judge_objective(objective, evidence, baselines, a.terms)


# --- the status --------------------------------------------------------------------------------------


def _unresolved(asked: Asked, status: AnalysisStatus, problem: Unresolved, now: datetime) -> Step:
    """Something it refers to is not there: said, awaited, and given up at the deadline."""
    try:
        window = window_of(asked.spec, asked.created)
        limit = _deadline(asked, window, asked.spec.delay or timedelta(0))
    except Unresolved:
        window, limit = None, asked.created + GRACE
    status = status.model_copy(update={"window": window, "deadline": limit})
    if now >= limit:
        judgement = Judgement(
            verdict="Inconclusive",
            reason="Unresolved",
            message=f"given up at the deadline: {problem}"[:2048],
            window=window,
        )
        return Step(_concluded(asked, status, judgement, now))
    wanted: list[tuple[str, Status, str, str]]
    if problem.waiting:
        wanted = [
            ("Ready", "True", "Processed", "the operator follows this analysis"),
            ("Promotable", "Unknown", "Evaluating", str(problem)),
            ("Reconciling", "True", "Evaluating", "it is being judged"),
        ]
    else:
        wanted = [
            ("Ready", "Unknown", "Stalled", "the analysis cannot go on as it stands"),
            ("Promotable", "Unknown", "Unresolved", str(problem)),
            ("Stalled", "True", "Unresolved", str(problem)),
        ]
    return Step(_conditioned(asked, status, wanted, now), due=min(limit, now + AGAIN))


def _pending(asked: Asked, status: AnalysisStatus, a: Assignment, desk: Desk) -> AnalysisStatus:
    text = (
        f"{a.window.from_:%Y-%m-%d %H:%M:%S} to {a.window.to:%H:%M:%S} UTC in {len(a.ends)} looks; "
        f"a verdict by {_deadline(asked, a.window, a.delay):%H:%M:%S} UTC"
    )
    reason = "Evaluating"
    if desk.trouble is not None:
        reason = desk.trouble.reason
        text = f"the provider is asked again: {desk.trouble.message}"
    return _conditioned(
        asked,
        status,
        [
            ("Ready", "True", "Processed", "the operator follows this analysis"),
            ("Promotable", "Unknown", reason, text),
            ("Reconciling", "True", "Evaluating", "it is being judged"),
        ],
        desk.now,
    )


_TRUTH: dict[str, Status] = {"Promotable": "True", "NotPromotable": "False"}


def _concluded(
    asked: Asked, status: AnalysisStatus, judgement: Judgement, now: datetime
) -> AnalysisStatus:
    """Verdict, completion and conditions in one; within what a status may hold."""

    def with_(given: Judgement) -> AnalysisStatus:
        done = status.model_copy(
            update={"judgement": given, "verdict": given.verdict, "completed_at": now}
        )
        wanted: list[tuple[str, Status, str, str]] = [
            ("Ready", "True", "Processed", "the operator followed this analysis to its end"),
            ("Promotable", _TRUTH.get(given.verdict, "Unknown"), given.reason, given.message),
        ]
        return _conditioned(asked, done, wanted, now)

    rest = len(with_(judgement).model_dump_json(by_alias=True, exclude_none=True).encode())
    room = MAX_STATUS_BYTES - (rest - size(judgement))
    return with_(fit(judgement, max(room, MAX_STATUS_BYTES // 2)))


def _conditioned(
    asked: Asked,
    status: AnalysisStatus,
    wanted: Sequence[tuple[str, Status, str, str]],
    now: datetime,
) -> AnalysisStatus:
    merged = conditions.merge(
        status.conditions, wanted, generation=asked.generation, now=now.replace(microsecond=0)
    )
    return status.model_copy(update={"observed_generation": asked.generation, "conditions": merged})
