"""One step of a release's life: the row of reducers, in order."""

from __future__ import annotations

from dataclasses import replace

from ..judge.fit import fit, size
from ..judge.numbers import clip
from ..judge.sentences import SUMMARY
from ..resources.judgement import Judgement
from ..resources.release import ReleaseStatus
from . import digests, hold, joint, looks, measuring, pods, rollout, signals, suspects, tasks
from .afterwards import afterwards
from .budgets import gate
from .situation import Situation, Step, Turn
from .sizes import MAX_STATUS_BYTES, fitted, size_of
from .watch import room

JUDGEMENT_BYTES = 4 * 1024
"""Old looks give way so that the judgement has this much, where it needs it."""
ROLLOUT_FAILED = "RolloutFailed"


def advance(s: Situation, status: ReleaseStatus) -> Step:
    """The status as it should be now, what must be asked for that, and when to look again.

    Deterministic in its arguments; calling it again with its own result changes nothing. A verdict
    once given is never touched.
    """
    if status.completed_at is not None:
        return afterwards(s, status)
    ended = _ended(s)
    if ended is not None:
        return _conclude(s, status, ended)
    if s.spec.group is not None:
        status, held = joint.gather(s, status), Turn(status)
    else:
        held = hold.hold(s, status)
        status = held.status
        if held.judgement is not None:
            return _conclude(s, status, held.judgement)
        if held.waits:
            due = min((d for d in held.due if d > s.now), default=None)
            status = fitted(s, status, MAX_STATUS_BYTES)
            return Step(status, tuple(held.ask), due, tuple(held.actions))
        status = digests.observe(s, rollout.follow(s, status))
        if s.spec.purpose == "Measure":
            return _step(s, measuring.measure_adopted(s, status))
        status = suspects.keep(s.spec, s.around, status)
        status = pods.count(s, status)
    before = tasks.turn(s, status, "Before")
    during = tasks.turn(s, before.status, "During")
    status = pods.latch_window(s, during.status)
    if status.window_from != during.status.window_from:
        during = tasks.turn(s, status, "During")  # it has begun: so do they
        status = during.status
    status = signals.accumulate(s, status)
    failed = _failed_rollout(s, status) or before.judgement or during.judgement
    if failed is not None:
        return _conclude(s, status, failed)
    found = joint.judge(s, status) if s.spec.group is not None else looks.judge(s, status)
    promotable = found.judgement is not None and found.judgement.verdict == "Promotable"
    if promotable and _to_come(s, found.status):
        found.judgement = None  # their outcome is evidence too; each has its deadline
    tidied = tasks.tidy(s, found.status)
    found.due += [*before.due, *during.due, *tidied.due]
    found.actions += [*before.actions, *during.actions, *tidied.actions]
    if status.rollout.completed_at is None and s.spec.group is None:
        found.due.append(rollout.deadline(s, status))
    fails_at = rollout.fails_at(s, status)
    found.due += [at for at in (fails_at, rollout.unready_at(s, status)) if at is not None]
    if status.window_from is not None and s.now < status.window_from:
        found.due.append(status.window_from)
    found.due += held.due
    step = _step(s, found)
    return replace(step, actions=(*step.actions, *held.actions))


def _step(s: Situation, found: looks.Looking) -> Step:
    if found.judgement is not None:
        return _conclude(s, found.status, _at_zero(s, found.judgement))
    if found.status.completed_at is not None:  # measured, not judged
        return afterwards(s, found.status)
    due = min((d for d in found.due if d > s.now), default=None)
    status = fitted(s, found.status, MAX_STATUS_BYTES - tasks.reserve(s, found.status))
    return Step(status, tuple(found.ask), due, tuple(found.actions))


def _to_come(s: Situation, status: ReleaseStatus) -> bool:
    """Whether a task that must succeed before the verdict is not over."""
    return any(
        task.on_failure == "Fail"
        for at in ("Before", "During")
        for task in tasks.unfinished(s, status, at)
    )


def _conclude(s: Situation, status: ReleaseStatus, judgement: Judgement) -> Step:
    """Verdict, completion and conditions in one; of what is only recorded no verdict."""
    if not digests.judged(s.spec, status):
        return _record(s, status, judgement)
    judgement = suspects.named(gate(judgement, s.spec, s.gating, s.now), s.spec, s.around)
    if s.clocks:
        message = (
            f"{judgement.message.rstrip('. ')}. The looks may be spoilt: {'; '.join(s.clocks)}"
        )
        judgement = judgement.model_copy(update={"message": clip(message, SUMMARY)})
    # The message stands twice: in the condition too. The rest of the allowance is for new fields.
    twice = len(judgement.message.encode()) + 512 + room(s.spec)
    wanted = min(size(judgement) + twice, JUDGEMENT_BYTES)
    allowed = MAX_STATUS_BYTES - tasks.reserve(s, status)
    rest = fitted(s, status.model_copy(update={"judgement": None}), allowed - wanted)
    judgement = fit(judgement, allowed - size_of(rest) - twice)
    status = rest.model_copy(
        update={"judgement": judgement, "verdict": judgement.verdict, "completed_at": s.now}
    )
    return afterwards(s, status)


def _record(s: Situation, status: ReleaseStatus, judgement: Judgement) -> Step:
    measured = digests.recorded(judgement) if s.spec.purpose == "Record" else []
    done = {"measured": measured, "judgement": None, "completed_at": s.now}
    return afterwards(s, fitted(s, status.model_copy(update=done), MAX_STATUS_BYTES))


def _at_zero(s: Situation, judgement: Judgement) -> Judgement:
    """What has no evidence because its pods were taken away says so."""
    if judgement.verdict != "Inconclusive" or s.view is None or s.view.workload.desired:
        return judgement
    message = f"the workload is scaled to zero: {judgement.message}"
    return judgement.model_copy(update={"reason": "ScaledToZero", "message": message[:2048]})


def _ended(s: Situation) -> Judgement | None:
    """Whether something outside ended the release before its verdict."""
    if s.superseded_by:
        return Judgement(
            verdict="Inconclusive",
            reason="Superseded",
            message=f"{s.superseded_by} replaced it before its verdict",
        )
    gone = s.view is None or s.view.workload.deleting
    if s.members is None if s.spec.group is not None else gone:
        return Judgement(
            verdict="Inconclusive",
            reason="WorkloadDeleted",
            message=f"{s.spec.workload.kind} {s.spec.workload.name} was deleted before the verdict",
        )
    return None


def _failed_rollout(s: Situation, status: ReleaseStatus) -> Judgement | None:
    if s.spec.group is not None:
        return None  # its members' own matter
    diagnosis = status.rollout.diagnosis
    fails_at = rollout.fails_at(s, status)
    if diagnosis and fails_at is not None and s.now >= fails_at:
        return Judgement(
            verdict="NotPromotable",
            reason=ROLLOUT_FAILED,
            message=f"the rollout failed: {rollout.told(s, status)}",
        )
    if status.rollout.completed_at is not None or s.now < rollout.deadline(s, status):
        return None
    reason, waiting = rollout.waiting_for(s, status)
    if rollout.waits_for_people(s, status) or reason == "ScaledToZero":
        return Judgement(
            verdict="Inconclusive",
            reason=reason if reason == "ScaledToZero" else "DeadlineExceeded",
            message=f"the rollout was not complete at its deadline: {waiting}",
        )
    return Judgement(
        verdict="NotPromotable",
        reason=ROLLOUT_FAILED,
        message=f"the rollout was not complete at its deadline: {waiting}",
    )
