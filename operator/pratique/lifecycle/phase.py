"""Phase and conditions: derived from what happened, never stored first."""

from __future__ import annotations

from ..resources import conditions
from ..resources.base import format_duration
from ..resources.conditions import Status
from ..resources.release import Phase, ReleaseStatus
from . import hold, joint, promotion, tasks
from .compared import forecasts
from .looks import window_end
from .rollout import waiting_for
from .situation import Situation


def phase(s: Situation, status: ReleaseStatus) -> Phase:
    """Where the release is."""
    if status.completed_at is not None:
        if promotion.promoting(s, status):
            return "Promoting"
        watched = status.closed_at is None and status.watch and status.watch.ended_at is None
        return "Watching" if watched else "Completed"
    if hold.is_held(status):
        return "Held"
    if s.spec.purpose == "Measure":
        return "Measuring"
    if status.rollout.completed_at is None:
        return "RollingOut"
    if s.spec.group is not None and not s.spec.plan.objectives:
        return "Evaluating"
    if status.window_from is None or s.now < status.window_from:
        return "WarmingUp"
    return "Evaluating"


def derive(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """The status with its phase and conditions."""
    now_in = phase(s, status)
    wanted: list[tuple[str, Status, str, str]] = [
        ("Ready", "True", "Processed", "the operator follows this release")
    ]
    wanted.append(("Promotable", *_promotable(s, status, now_in)))
    if status.completed_at is None:
        wanted.append(("Reconciling", "True", now_in, "the release is being judged"))
    held = hold.condition(s, status)
    if held is not None:
        wanted.append(held)
    promoted = promotion.condition(s, status)
    if promoted is not None:
        wanted.append(("Promoted", *promoted))
    done = tasks.condition(s, status)
    if done is not None:
        wanted.append(("TasksSucceeded", *done))
    if s.superseded_by:
        wanted.append(("Superseded", "True", *superseded(s.superseded_by, s.newer_attempt)))
    return status.model_copy(
        update={
            "phase": now_in,
            "observed_generation": s.generation,
            "conditions": conditions.merge(
                status.conditions, wanted, generation=s.generation, now=s.now
            ),
        }
    )


def superseded(by: str, attempt: bool) -> tuple[str, str]:
    """(reason, sentence): by a newer version, or by a further attempt to judge this one."""
    if attempt:
        return "NewAttempt", f"{by} judges this version again; this record stays"
    return "NewerRelease", f"{by} is newer; this record stays"


def _promotable(s: Situation, status: ReleaseStatus, now_in: Phase) -> tuple[Status, str, str]:
    if status.revoked is not None:
        return "False", "Revoked", f"revoked: {status.revoked.message}"
    truth, reason, message = _standing(s, status, now_in)
    if status.cause is not None and now_in != "Completed":
        message = f"{message}; {status.cause.message}"
    return truth, reason, message


def _recorded(s: Situation, status: ReleaseStatus) -> str:
    """What came of a release that is only recorded."""
    got = [r for r in status.measured if r.value is not None]
    text = (
        f"its cause ({s.spec.cause}) is only recorded: not judged, but measured "
        f"({len(got)} of {len(s.spec.plan.objectives)} objectives had data)"
    )
    if status.rollout.completed_at is None:
        diagnosis = status.rollout.diagnosis
        text += "; its rollout was not complete"
        text += f": {diagnosis.cause}: {diagnosis.message}" if diagnosis else ""
    return text


def _standing(s: Situation, status: ReleaseStatus, now_in: Phase) -> tuple[Status, str, str]:
    if status.judgement is not None:
        judgement = status.judgement
        truth: Status = (
            "True"
            if judgement.verdict == "Promotable"
            else "False"
            if judgement.verdict == "NotPromotable"
            else "Unknown"
        )
        return truth, judgement.reason, judgement.message
    if now_in == "Completed" and s.spec.purpose == "Record":
        return "Unknown", "Recorded", _recorded(s, status)
    if now_in == "Completed":
        got = [r for r in status.measured if r.value is not None]
        return (
            "Unknown",
            "Adopted",
            "it ran before a policy spoke of it: not judged, but measured as a baseline for the next "
            f"release ({len(got)} of {len(s.spec.plan.objectives)} objectives had data)",
        )
    if now_in == "Measuring":
        return "Unknown", "Measuring", "it ran before a policy spoke of it: being measured"
    said = tasks.waiting(s, status, ("Before", "During"))
    if said is not None and said[0] == "UnknownOutcome":
        return ("Unknown", *said)
    if now_in == "Held":
        return "Unknown", "Held", hold.sentence(s, status)
    if s.spec.group is not None and (now_in == "RollingOut" or not s.spec.plan.objectives):
        tasked = said is not None and not joint.awaited(s, status)
        return ("Unknown", *(said if tasked and said else joint.waiting(s, status)))
    if now_in == "RollingOut":
        return ("Unknown", *waiting_for(s, status))
    if s.view is not None and s.view.workload.desired == 0:
        return (
            "Unknown",
            "ScaledToZero",
            "the workload is scaled to zero: unless pods come before the window is over, it ends without "
            "a verdict",
        )
    if now_in == "WarmingUp":
        begin = status.window_from
        text = (
            f"the rollout is complete; the window begins at {begin:%H:%M:%S} UTC"
            if begin
            else "the rollout is complete; waiting for its pods to be warm"
        )
        return "Unknown", "WarmingUp", "; ".join([text, *forecasts(s, status)])
    end = window_end(s, status)
    if said is not None and end is not None and s.now >= end:
        return ("Unknown", *said)
    text = f"the window ends at {end:%H:%M:%S} UTC" if end else "the window ends with its task"
    if status.extended_to is not None:
        text += ", extended as there was too little traffic"
    more = [said[1]] if said else []
    return (
        "Unknown",
        "Evaluating",
        "; ".join([text, _figures(s, status), *more, *forecasts(s, status)]),
    )


def _figures(s: Situation, status: ReleaseStatus) -> str:
    if not status.looks:
        return f"a look every {format_duration(s.spec.plan.analysis.interval)}"
    look = status.looks[-1]
    words = {"P": "passes", "W": "warns", "F": "fails", "U": "has no data"}
    return "last look: " + ", ".join(
        f"{o.name} {words.get(letter.upper(), letter)}"
        for o, letter in zip(s.spec.plan.objectives, look.results, strict=False)
    )
