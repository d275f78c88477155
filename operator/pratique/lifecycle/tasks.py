"""The tasks of a release: each begun once, tried again as declared, ended at its deadline.

One engine for all four times. It says how far each task got and what is to be done next; it does
nothing itself, and it knows no verdict but the one it is given. A task's state is written before the
call is made (``actions``), so a call that a killed process made is told from one that was never made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ..resources.conditions import Status
from ..resources.judgement import Judgement
from ..resources.release import ReleaseStatus
from ..resources.task import ATS, OUTCOME_ANNOTATION, At, PlannedTask, TaskStatus
from . import pods, task_actions
from .actions import Outcome
from .situation import Situation, Turn

TASK_FAILED = "TaskFailed"
GRACE = timedelta(seconds=10)
"""After its deadline, in which who carries a task out may still say why it took so long."""
SOON = timedelta(milliseconds=100)
TIDY = timedelta(minutes=10)
"""How long it is tried to tidy up after a Job; what is left over goes with its Release."""
MAX_MESSAGE = 240
ALL_MESSAGES = 1200
"""Bytes that the messages of all tasks may take; beyond that the longest are cut."""
ROOM = 300
"""Bytes that a task takes in the status, over and done with."""


def turn(s: Situation, status: ReleaseStatus, at: At) -> Turn:
    """Take the tasks of one time further.

    ``waits`` while a task that must succeed is not over; ``judgement`` once one of those at Before or
    During has failed.
    """
    found = Turn(status)
    if s.spec.purpose != "Judge":
        return found
    mine = [t for t in s.spec.plan.tasks if t.at == at and _concerns(task=t, status=status)]
    for task in _in_order(mine):
        _step(s, found, task)
    found.waits = any(t.on_failure == "Fail" and not over(found.status, t) for t in mine)
    if at in ("Before", "During"):
        found.judgement = _failed(found.status, mine)
    return found


def failed(s: Situation, status: ReleaseStatus, at: At) -> list[TaskStatus]:
    """Tasks of that time that had to succeed and did not."""
    return [
        entry
        for t in s.spec.plan.tasks
        if t.at == at and t.on_failure == "Fail" and (entry := of(status, t.name)) is not None
        and entry.over and entry.state != "Succeeded" and not _by_choice(entry)
    ]  # fmt: skip


def unfinished(s: Situation, status: ReleaseStatus, at: At) -> list[PlannedTask]:
    """Tasks of that time that are still to come, or under way."""
    return [
        t
        for t in s.spec.plan.tasks
        if t.at == at and _concerns(task=t, status=status) and not over(status, t)
    ]


def cancel(s: Situation, status: ReleaseStatus, ats: Iterable[At], why: str) -> ReleaseStatus:
    """What is under way is given up; what has not begun never does."""
    ended = tuple(ats)
    for task in s.spec.plan.tasks:
        entry = of(status, task.name)
        if task.at in ended and entry is not None and not entry.over:
            status = _put(status, _over(entry, s.now, "Cancelled", "Cancelled", why))
    return status


def tidy(s: Situation, status: ReleaseStatus) -> Turn:
    """Jobs whose results stand in the status get their time to live; those given up are ended."""
    found = Turn(status)
    for task in s.spec.plan.tasks:
        entry = of(status, task.name)
        if task.job is None or entry is None or not entry.over or entry.job is None:
            continue
        key = f"task/{task.name}/end"
        given_up = (entry.completed_at or s.now) + TIDY
        if key not in s.outcomes and s.now < given_up:
            found.actions.append(task_actions.end_job(s, task, key))
            found.due.append(given_up)
            found.waits = True
    return found


def of(status: ReleaseStatus, name: str) -> TaskStatus | None:
    """How far the task of that name got; None: it has not begun."""
    return next((t for t in status.tasks if t.name == name), None)


def over(status: ReleaseStatus, task: PlannedTask) -> bool:
    """Whether nothing more comes of it."""
    entry = of(status, task.name)
    return entry is not None and entry.over


def waiting(s: Situation, status: ReleaseStatus, ats: Iterable[At]) -> tuple[str, str] | None:
    """(reason, sentence) of what the tasks of those times wait for; None where they wait for nothing."""
    chosen = tuple(ats)
    said = []
    for task in s.spec.plan.tasks:
        entry = of(status, task.name)
        if task.at not in chosen or entry is None or entry.over:
            continue
        if entry.state == "UnknownOutcome":
            return "UnknownOutcome", entry.message or ""
        words = {
            "Calling": "is begun",
            "Running": "runs",
            "Waiting": "is tried again",
        }
        until = _until(s, status, task)
        when = f" until {until:%H:%M:%S} UTC at the latest" if until else ""
        why = f" ({entry.message})" if entry.message else ""
        said.append(f"task {task.name} {words[entry.state]}{when}{why}")
    return ("AwaitingTasks", "; ".join(said)) if said else None


def condition(s: Situation, status: ReleaseStatus) -> tuple[Status, str, str] | None:
    """TasksSucceeded: status, reason and message; None where the plan has no tasks."""
    if not s.spec.plan.tasks or s.spec.purpose != "Judge":
        return None
    bad = [t for t in status.tasks if t.state == "Failed"]
    if bad:
        said = "; ".join(f"{t.name} ({t.reason}): {t.message}" for t in bad)
        return "False", TASK_FAILED, f"failed: {said}"[:512]
    said_now = waiting(s, status, ATS)
    if said_now is not None:
        return "Unknown", said_now[0], said_now[1][:512]
    if status.closed_at is None and _some_to_come(s, status):
        return "Unknown", "AwaitingTasks", "its tasks are done as their time comes"
    gone = [t.name for t in status.tasks if t.state == "Cancelled"]
    if gone:
        return "False", "TaskCancelled", f"cancelled: {', '.join(gone)}"
    return "True", "TasksSucceeded", "all of its tasks that were to run succeeded"


def _some_to_come(s: Situation, status: ReleaseStatus) -> bool:
    if status.completed_at is None:
        return True
    promotes = status.verdict == "Promotable" and (
        status.promotion is None or status.promotion.completed_at is None
    )
    return bool(unfinished(s, status, "After")) or (
        promotes and bool(unfinished(s, status, "Promotion"))
    )


def reserve(s: Situation, status: ReleaseStatus) -> int:
    """Bytes of the status that must be kept free for what its tasks and promotion will still say."""
    plan = s.spec.plan
    if not plan.tasks and plan.promotion is None:
        return 0
    open_ = [t for t in plan.tasks if not over(status, t)]
    return 400 + ALL_MESSAGES // 2 + sum(ROOM - _length(of(status, t.name)) for t in open_)


def _length(entry: TaskStatus | None) -> int:
    if entry is None:
        return 0
    return min(ROOM, len(entry.model_dump_json(by_alias=True, exclude_none=True).encode()))


# One task


def _step(s: Situation, found: Turn, task: PlannedTask) -> None:
    entry = of(found.status, task.name)
    if entry is None:
        entry = _begin(s, found, task)
        if entry is None:
            return
    if not entry.over:
        until = _until(s, found.status, task)
        assert until is not None
        entry = _further(s, found, task, entry, until)
        if not entry.over:
            found.due.append(until)
            if s.now >= until + GRACE or (
                s.now >= until and entry.state in ("Waiting", "UnknownOutcome")
            ):
                entry = _late(s, task, entry)
            elif s.now >= until:
                found.due.append(until + GRACE)
    found.status = _put(found.status, entry)


def _begin(s: Situation, found: Turn, task: PlannedTask) -> TaskStatus | None:
    """The entry of a task that may begin now, or never will; None while it may not."""
    needed = [of(found.status, n) for n in task.needs]
    for need in needed:
        if need is not None and need.over and need.state != "Succeeded":
            blank = TaskStatus(name=task.name, state="Skipped", attempts=0)
            message = f"it needs {need.name}, which is {need.state.lower()}"
            chosen = _by_choice(need)
            return _over(
                blank, s.now, "Skipped" if chosen else "Failed",
                "NotChosen" if chosen else "NeedsFailed", message,
            )  # fmt: skip
    for name in task.needs:
        if _never(s, found.status, name):
            blank = TaskStatus(name=task.name, state="Skipped", attempts=0)
            return _over(blank, s.now, "Skipped", "NotChosen", f"it needs {name}, which is not run")
    since = _since(s, found.status, task)
    if since is None:
        return None
    if s.now < since:
        found.due.append(since)
        return None
    entry = TaskStatus(name=task.name, state="Calling", started_at=s.now)
    if task.job is not None:
        entry = entry.model_copy(update={"job": task_actions.job_name(s, task)})
    missing = _missing(s, task)
    return _over(entry, s.now, "Failed", "Refused", missing) if missing else entry


def _further(
    s: Situation, found: Turn, task: PlannedTask, entry: TaskStatus, until: datetime
) -> TaskStatus:
    match entry.state:
        case "Waiting":
            assert entry.retry_at is not None
            if s.now < entry.retry_at:
                found.due.append(entry.retry_at)
                return entry
            return _try(s, found, task, _again(entry), until)
        case "UnknownOutcome":
            return _answered(s, found, task, entry, until)
        case "Running":
            return _running(s, found, task, entry, until)
        case _:
            return _try(s, found, task, entry, until)


def _try(
    s: Situation, found: Turn, task: PlannedTask, entry: TaskStatus, until: datetime
) -> TaskStatus:
    """Begun, with an outcome or not yet."""
    key = f"task/{task.name}/{entry.attempts}"
    outcome = s.outcomes.get(key)
    action = task_actions.start(s, found.status, task, key, until)
    if outcome is None:
        fresh = of(found.status, task.name) is None or of(found.status, task.name) != entry
        if fresh or key in s.begun or _repeatable(task):
            found.actions.append(action)
            return entry
        return _lost(s, found, task, entry, until, "the operator was ended while it was called")
    if outcome.ok:
        entry = _learned(entry, outcome)
        if task.job is not None or (task.github is not None and task.github.wait):
            running = entry.model_copy(
                update={"state": "Running", "running_since": _second(outcome.at), "message": None}
            )
            return _running(s, found, task, running, until)
        return _over(entry, outcome.at, "Succeeded", None, outcome.message)
    match dict(outcome.facts).get("fate", "Unknown"):
        case "Again":
            return _later(s, found, task, entry, outcome)
        case "Unknown":
            return _lost(s, found, task, entry, until, outcome.message)
        case _:
            return _ended(entry, outcome)


def _running(
    s: Situation, found: Turn, task: PlannedTask, entry: TaskStatus, until: datetime
) -> TaskStatus:
    key = f"task/{task.name}/{entry.attempts}/end"
    outcome = s.outcomes.get(key)
    if outcome is None:
        since = entry.started_at or s.now
        found.actions.append(task_actions.go_on(s, task, key, since, until))
        return entry
    entry = _learned(entry, outcome)
    if outcome.ok:
        return _over(entry, outcome.at, "Succeeded", None, outcome.message)
    return _ended(entry, outcome)


def _lost(
    s: Situation, found: Turn, task: PlannedTask, entry: TaskStatus, until: datetime, why: str
) -> TaskStatus:
    """A call was made, or may have been, and nobody knows what came of it."""
    if task.github is not None:
        key = f"task/{task.name}/{entry.attempts}/find"
        outcome = s.outcomes.get(key)
        if outcome is None:
            since = entry.started_at or s.now
            found.actions.append(task_actions.find_run(s, task, key, since, until))
            return entry
        if outcome.ok:
            entry = _learned(entry, outcome)
            if not task.github.wait:
                return _over(entry, outcome.at, "Succeeded", None, outcome.message)
            running = entry.model_copy(
                update={"state": "Running", "running_since": _second(outcome.at)}
            )
            return _running(s, found, task, running, until)
        why = f"{why}; {outcome.message}"
    if _repeatable(task) or task.on_unknown_outcome == "Retry":
        return _later(s, found, task, entry, Outcome(ok=False, message=why, at=s.now))
    name = f"{OUTCOME_ANNOTATION}{task.name}"
    message = (
        f"task {task.name}: {_clip(why, 70)}. Say what came of it: kubectl annotate --overwrite "
        f"rel {s.name} {name}=done (or failed, or retry-{entry.attempts})"
    )
    unknown = entry.model_copy(
        update={"state": "UnknownOutcome", "reason": "UnknownOutcome", "message": message[:256]}
    )
    return _answered(s, found, task, unknown, until)


def _answered(
    s: Situation, found: Turn, task: PlannedTask, entry: TaskStatus, until: datetime
) -> TaskStatus:
    said = s.annotations.get(f"{OUTCOME_ANNOTATION}{task.name}", "").strip()
    if said == "done":
        return _over(entry, s.now, "Succeeded", None, "somebody said that it was done")
    if said == "failed":
        return _over(entry, s.now, "Failed", "UnknownOutcome", "somebody said that it failed")
    if said == f"retry-{entry.attempts}":
        return _try(s, found, task, _again(entry), until)
    return entry


def _later(
    s: Situation, found: Turn, task: PlannedTask, entry: TaskStatus, outcome: Outcome
) -> TaskStatus:
    """Tried again after a while, as often as declared."""
    if entry.attempts > task.tries.limit:
        return _ended(entry, outcome)
    retry_at = outcome.at + backoff(task, entry.attempts, task_actions.idempotency_key(s, task))
    # Heard of late, it may be over already: then at once.
    found.due.append(max(retry_at, s.now + SOON))
    return entry.model_copy(
        update={
            "state": "Waiting",
            "retry_at": retry_at.replace(microsecond=retry_at.microsecond // 1000 * 1000),
            "message": _clip(outcome.message),
            "reason": dict(outcome.facts).get("reason", "CallFailed"),
        }
    )


def backoff(task: PlannedTask, attempt: int, key: str) -> timedelta:
    """How long to wait after that attempt: doubling, give or take a fifth, the same in every process."""
    wait: timedelta = min(task.tries.backoff * 2.0 ** (attempt - 1), task.tries.max_backoff)
    digest = hashlib.sha256(f"{key}/{attempt}".encode()).digest()
    return wait * (0.8 + 0.4 * int.from_bytes(digest[:4], "big") / 2**32)


def _again(entry: TaskStatus) -> TaskStatus:
    return entry.model_copy(
        update={
            "state": "Calling",
            "attempts": entry.attempts + 1,
            "retry_at": None,
            "reason": None,
            "message": None,
        }
    )


def _repeatable(task: PlannedTask) -> bool:
    """Whether doing it twice is doing it once: Jobs have their names, patches say how it is to be."""
    return (
        task.job is not None
        or task.patch is not None
        or (task.http is not None and task.http.repeatable)
    )


def _late(s: Situation, task: PlannedTask, entry: TaskStatus) -> TaskStatus:
    if entry.state == "UnknownOutcome":
        return _over(
            entry,
            s.now,
            "Failed",
            "UnknownOutcome",
            "nobody said until its deadline what came of it",
        )
    last = f": {entry.message}" if entry.message else ""
    return _over(
        entry, s.now, "Failed", "DeadlineExceeded", f"it was not over at its deadline{last}"
    )


def _missing(s: Situation, task: PlannedTask) -> str | None:
    """Why a task cannot even be begun."""
    if task.patch is None or task.patch.image is None:
        return None
    if not s.spec.images:
        return (
            "patch.image: a group's release has no image: let each member's policy hand its own on"
        )
    if task.patch.image.from_ is None:
        return None
    names = [i.container for i in s.spec.images]
    if task.patch.image.from_ in names:
        return None
    return f"patch.image.from: there is no container {task.patch.image.from_!r} in this release: it has {', '.join(names)}"


# When


def _in_order(mine: Sequence[PlannedTask]) -> list[PlannedTask]:
    """Each after those that it needs."""
    ordered: list[PlannedTask] = []
    waiting = list(mine)
    while waiting:
        named = {t.name for t in waiting}
        ready = [t for t in waiting if not named & set(t.needs)]
        ordered += ready or waiting
        waiting = [t for t in waiting if t not in ready] if ready else []
    return ordered


def _since(s: Situation, status: ReleaseStatus, task: PlannedTask) -> datetime | None:
    """From when on it may begin: its time has come, and what it needs has succeeded."""
    match task.at:
        case "Before":
            begin: datetime | None = s.spec.noticed_at
        case "During":
            begin = pods.warm_at(s, status) if task.owns_window else status.window_from
        case "After":
            begin = status.completed_at
        case "Promotion":
            begin = status.promotion.began_at if status.promotion else None
    moments = [begin]
    for name in task.needs:
        need = of(status, name)
        moments.append(need.completed_at if need is not None and need.over else None)
    known = [m for m in moments if m is not None]
    return max(known) if len(known) == len(moments) else None


def _until(s: Situation, status: ReleaseStatus, task: PlannedTask) -> datetime | None:
    """Its deadline."""
    entry = of(status, task.name)
    since = _since(s, status, task)
    begun = entry.started_at if entry is not None and task.owns_window else None
    moment = begun or since or (entry.started_at if entry is not None else None)
    return None if moment is None else moment + task.limit


def _concerns(status: ReleaseStatus, task: PlannedTask) -> bool:
    """Whether the verdict, once there is one, is one that it is for."""
    if task.at != "After":
        return True
    if task.when:
        return status.verdict in task.when
    return _reason(status) not in ("Superseded", "WorkloadDeleted")


def _never(s: Situation, status: ReleaseStatus, name: str) -> bool:
    """Whether the needed task is one that is not run on this verdict."""
    need = next(t for t in s.spec.plan.tasks if t.name == name)
    begun = of(status, name) is not None
    missed = need.at in ("Before", "During") and status.completed_at is not None
    return not begun and (
        missed or (status.completed_at is not None and not _concerns(status, need))
    )


def _reason(status: ReleaseStatus) -> str:
    return status.judgement.reason if status.judgement else ""


def _by_choice(entry: TaskStatus) -> bool:
    return entry.state == "Skipped"


# What it comes to


def _failed(status: ReleaseStatus, mine: Iterable[PlannedTask]) -> Judgement | None:
    said = []
    for task in mine:
        entry = of(status, task.name)
        if task.on_failure == "Fail" and entry is not None and entry.state == "Failed":
            said.append(f"task {task.name} failed ({entry.reason}): {entry.message}")
    if not said:
        return None
    return Judgement(verdict="NotPromotable", reason=TASK_FAILED, message="; ".join(said)[:2048])


def _learned(entry: TaskStatus, outcome: Outcome) -> TaskStatus:
    facts = dict(outcome.facts)
    url = facts.get("url")
    return entry.model_copy(update={"url": url[:256]}) if url else entry


def _ended(entry: TaskStatus, outcome: Outcome) -> TaskStatus:
    reason = dict(outcome.facts).get("reason", "CallFailed")
    return _over(_learned(entry, outcome), outcome.at, "Failed", reason, outcome.message)


def _over(
    entry: TaskStatus, at: datetime, state: str, reason: str | None, message: str | None
) -> TaskStatus:
    return entry.model_copy(
        update={
            "state": state,
            "completed_at": _second(at),
            "retry_at": None,
            "reason": reason,
            "message": _clip(message) if message else None,
        }
    )


def _put(status: ReleaseStatus, entry: TaskStatus) -> ReleaseStatus:
    known = of(status, entry.name) is not None
    found = [entry if t.name == entry.name else t for t in status.tasks]
    found = found if known else [*found, entry]
    while sum(_said(t) for t in found) > ALL_MESSAGES:
        longest = max(found, key=_said)
        short = longest.model_copy(update={"message": _clip(longest.message or "", 60)})
        if _said(short) >= _said(longest):
            break
        found = [short if t is longest else t for t in found]
    return status.model_copy(update={"tasks": found})


def _said(entry: TaskStatus) -> int:
    return len((entry.message or "").encode())


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _clip(text: str, size: int = MAX_MESSAGE) -> str:
    text = " ".join(text.split())
    return text if len(text) <= size else text[: size - 1] + "…"
