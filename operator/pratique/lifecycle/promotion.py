"""Promotion: when a promotable release may be handed on, and the tasks that do it.

It begins once: when the verdict is Promotable and stands, people approved, it soaked, a promotion window is
open and no budget or freeze speaks against it. Then nothing stops its tasks but their own deadlines. It
never touches the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..judge import calendars
from ..resources.base import format_duration
from ..resources.conditions import Status
from ..resources.promotion import PromotionStatus, PromotionTerms
from ..resources.release import ReleaseSpec, ReleaseStatus
from . import tasks
from .approval import approval
from .budgets import gate
from .situation import Situation, Turn

LOOK_AGAIN = timedelta(seconds=30)
"""How often what nobody wakes us for is looked at: budgets, freezes."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a promotion waits for."""

    reason: str
    message: str
    due: datetime | None = None


def planned(spec: ReleaseSpec) -> bool:
    """Whether the release is to be promoted at all."""
    return spec.purpose == "Judge" and (
        spec.plan.promotion is not None or any(t.at == "Promotion" for t in spec.plan.tasks)
    )


def follow(s: Situation, status: ReleaseStatus) -> Turn:
    """Tasks after the verdict, then the promotion: a reducer of ``afterwards``."""
    status = tasks.cancel(s, status, ("Before", "During"), "the verdict came before it was over")
    found = tasks.turn(s, status, "After")
    found.waits = False  # it keeps nobody waiting, it only keeps the release open
    if tasks.unfinished(s, found.status, "After"):
        found.lingers = True
    if planned(s.spec) and found.status.verdict == "Promotable":
        _promote(s, found)
    ended = tasks.tidy(s, found.status)
    found.actions += ended.actions
    found.due += ended.due
    found.lingers = found.lingers or ended.waits
    return found


def _promote(s: Situation, found: Turn) -> None:
    status = found.status
    so_far = status.promotion or PromotionStatus()
    if so_far.completed_at is not None:
        return
    if so_far.began_at is None:
        so_far = _approved(s, so_far)
        stopped = _stopped(s, status, so_far)
        wait = _waiting(s, status, so_far)
        if stopped is not None:
            reason, message = stopped
            so_far = _over(s, so_far, "Stopped", reason, message)
        elif wait is not None:
            found.lingers = True
            found.due.append(_deadline(s, status))
            found.due.append(wait.due or s.now + LOOK_AGAIN)
        else:
            so_far = so_far.model_copy(update={"began_at": s.now})
        found.status = status.model_copy(update={"promotion": so_far})
        if so_far.began_at is None:
            return
    turn = tasks.turn(s, found.status, "Promotion")
    found.status = turn.status
    found.due += turn.due
    found.actions += turn.actions
    bad = tasks.failed(s, turn.status, "Promotion")
    if tasks.unfinished(s, turn.status, "Promotion"):
        found.lingers = True
        return
    to = _promoted_to(s, turn.status)
    if bad:
        message = "; ".join(f"task {t.name} failed ({t.reason}): {t.message}" for t in bad)
        so_far = _over(s, so_far, "Failed", "PromotionFailed", message)
    else:
        where = f" to {', '.join(to)}" if to else ""
        so_far = _over(s, so_far, "Promoted", "Promoted", f"it was promoted{where}")
    so_far = so_far.model_copy(update={"promoted_to": to})
    found.status = turn.status.model_copy(update={"promotion": so_far})


def condition(s: Situation, status: ReleaseStatus) -> tuple[Status, str, str] | None:
    """Promoted: status, reason and message; None where promotion is not planned, or not due yet."""
    if not planned(s.spec) or status.completed_at is None:
        return None
    if status.verdict != "Promotable":
        return "False", "NotPromotable", f"its verdict is {status.verdict}: it is not promoted"
    so_far = status.promotion or PromotionStatus()
    if so_far.result is not None:
        truth: Status = "True" if so_far.result == "Promoted" else "False"
        return truth, so_far.reason or "Promoted", so_far.message or ""
    if so_far.began_at is not None:
        said = tasks.waiting(s, status, ("Promotion",))
        reason = said[0] if said and said[0] == "UnknownOutcome" else "Promoting"
        return "Unknown", reason, said[1] if said else "it is being promoted"
    wait = _waiting(s, status, so_far)
    if wait is None:
        return "Unknown", "Promoting", "its promotion begins"
    until = _deadline(s, status)
    return "Unknown", wait.reason, f"{wait.message}; until {_when(until)} at the latest"


def promoting(s: Situation, status: ReleaseStatus) -> bool:
    """Whether it waits to be promoted, or is."""
    return (
        planned(s.spec)
        and status.verdict == "Promotable"
        and status.closed_at is None
        and (status.promotion is None or status.promotion.completed_at is None)
    )


def _terms(s: Situation) -> PromotionTerms:
    return s.spec.plan.promotion or PromotionTerms()


def _deadline(s: Situation, status: ReleaseStatus) -> datetime:
    assert status.completed_at is not None
    return status.completed_at + _terms(s).deadline


def _approved(s: Situation, so_far: PromotionStatus) -> PromotionStatus:
    """An approval that was seen stays."""
    terms = _terms(s)
    if terms.approval != "Required" or so_far.approved_by is not None:
        return so_far
    answer = approval(s.annotations, "Promotion", terms.approvers, f"{s.name} -n {s.namespace}")
    if answer.said != "Approved" or answer.approval is None:
        return so_far
    return so_far.model_copy(update={"approved_by": answer.approval.by, "approved_at": s.now})


def _stopped(
    s: Situation, status: ReleaseStatus, so_far: PromotionStatus
) -> tuple[str, str] | None:
    """Why it will not be promoted any more."""
    if s.superseded_by:
        return "Superseded", f"{s.superseded_by} is newer: this release is not promoted any more"
    if status.revoked is not None:
        return "Revoked", f"its verdict was revoked: {status.revoked.message}"
    answer = approval(s.annotations, "Promotion", _terms(s).approvers, f"{s.name} -n {s.namespace}")
    if _terms(s).approval == "Required" and answer.said == "Rejected":
        return "ApprovalRejected", answer.message
    bad = tasks.failed(s, status, "After")
    if bad:
        message = "; ".join(f"task {t.name} failed ({t.reason}): {t.message}" for t in bad)
        return tasks.TASK_FAILED, message
    if s.now >= _deadline(s, status):
        wait = _waiting(s, status, so_far)
        why = f": {wait.message}" if wait else ""
        allowed = format_duration(_terms(s).deadline)
        return "DeadlineExceeded", f"its promotion did not begin within {allowed}{why}"
    return None


def _waiting(s: Situation, status: ReleaseStatus, so_far: PromotionStatus) -> Wait | None:
    """What it waits for first of all; None once it may begin."""
    terms = _terms(s)
    assert status.completed_at is not None
    if any(t.on_failure == "Fail" for t in tasks.unfinished(s, status, "After")):
        said = tasks.waiting(s, status, ("After",))
        return Wait(*(said or ("AwaitingTasks", "tasks after the verdict are to come")))
    if s.disagrees is not None:
        return Wait("AwaitingGroup", s.disagrees)
    if terms.approval == "Required" and so_far.approved_by is None:
        answer = approval(s.annotations, "Promotion", terms.approvers, f"{s.name} -n {s.namespace}")
        return Wait("AwaitingApproval", answer.message, _deadline(s, status))
    soaked = status.completed_at + terms.soak
    if s.now < soaked:
        return Wait("Soaking", f"it soaks until {_when(soaked)}", soaked)
    if terms.windows and not any(calendars.weekly(w, s.now) for w in terms.windows):
        opens = calendars.opens(terms.windows, s.now)
        return Wait("OutsideWindow", f"the next promotion window opens at {_when(opens)}", opens)
    if status.judgement is not None:
        # The budgets' and freezes' word of now: the verdict may be days old.
        again = gate(status.judgement, s.spec, s.gating, s.now)
        if again.verdict != "Promotable":
            return Wait(again.reason, again.message)
    return None


def _over(
    s: Situation, so_far: PromotionStatus, result: str, reason: str, message: str
) -> PromotionStatus:
    return so_far.model_copy(
        update={
            "completed_at": s.now,
            "result": result,
            "reason": reason,
            "message": message[:400],
        }
    )


def _promoted_to(s: Situation, status: ReleaseStatus) -> list[str]:
    """The workloads that now run this release's image."""
    found = []
    for task in s.spec.plan.tasks:
        entry = tasks.of(status, task.name)
        done = entry is not None and entry.state == "Succeeded" and task.at == "Promotion"
        if done and task.patch is not None and task.patch.image is not None:
            found.append(f"{task.patch.namespace}/{task.patch.kind}/{task.patch.name}")
    return list(dict.fromkeys(found))


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
