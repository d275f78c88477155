"""What is told to the outside, derived from spec and status: after a kill the same list comes again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..resources.release import Diagnosis, ReleaseSpec, ReleaseStatus
from .task_events import task_events, task_meaning
from .watch import due_mark


@dataclass(frozen=True, slots=True)
class Announcement:
    """One Kubernetes Event; ``key`` is the same whenever it is derived again."""

    key: str
    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    message: str
    at: datetime


def announcements(spec: ReleaseSpec, status: ReleaseStatus) -> list[Announcement]:
    """Every transition that the status tells of, oldest first."""
    found = []
    rollout = status.rollout
    if rollout.diagnosis is not None:
        found.append(
            Announcement(
                f"diagnosis/{rollout.diagnosis.cause}",
                "Warning",
                rollout.diagnosis.cause,
                "Diagnose",
                _diagnosis(rollout.diagnosis),
                rollout.diagnosis.since,
            )
        )
    if status.cause is not None:
        found.append(
            Announcement(
                "moved-tag",
                "Warning",
                "SameTagAnotherDigest",
                "Notice",
                status.cause.message,
                status.cause.since,
            )
        )
    held = status.hold
    if held is not None and held.seen:
        found.append(
            Announcement(
                "held",
                "Normal",
                "Held",
                "Hold",
                "no pod of this version is started before its checks have passed"
                if held.by == "Admission"
                else "its rollout was paused until its checks have passed",
                held.since,
            )
        )
        if held.let_go_at is not None:
            why = held.why or ""
            found.append(Announcement("let-go", "Normal", "LetGo", "Hold", why, held.let_go_at))
    if rollout.completed_at is not None and spec.purpose != "Measure":
        found.append(
            Announcement(
                "rolled-out",
                "Normal",
                "RolledOut",
                "FollowRollout",
                _rolled_out(spec, status),
                rollout.completed_at,
            )
        )
    if status.completed_at is not None and status.judgement is not None:
        judgement = status.judgement
        found.append(
            Announcement(
                "verdict",
                "Normal" if judgement.verdict == "Promotable" else "Warning",
                judgement.verdict,
                "Judge",
                f"{judgement.reason}: {judgement.message}",
                status.completed_at,
            )
        )
        if status.revoked is not None:
            found.append(
                Announcement(
                    "revoked",
                    "Warning",
                    "Revoked",
                    "Watch",
                    f"{status.revoked.reason}: {status.revoked.message}",
                    status.revoked.at,
                )
            )
    elif status.completed_at is not None:
        found.append(
            Announcement(
                "measured",
                "Normal",
                "Measured" if spec.purpose == "Measure" else "Recorded",
                "Measure",
                "measured as a baseline for the next release"
                if spec.purpose == "Measure"
                else f"its cause ({spec.cause}) is only recorded: measured, not judged",
                status.completed_at,
            )
        )
    elif spec.purpose != "Measure":
        found.insert(
            0,
            Announcement(
                "noticed",
                "Normal",
                "Noticed",
                "Notice",
                f"release {spec.number} of {spec.workload.kind} {spec.workload.name} ({_cause(spec)})"
                if spec.attempt_of is None
                else f"attempt {spec.attempt} of release {spec.number}: {spec.attempt_of.message}",
                spec.noticed_at,
            ),
        )
    return [*found, *(Announcement(*event) for event in task_events(spec, status))]


def _diagnosis(diagnosis: Diagnosis) -> str:
    return (
        f"{diagnosis.message}; look at: {diagnosis.next}" if diagnosis.next else diagnosis.message
    )


def _cause(spec: ReleaseSpec) -> str:
    if spec.rollback_to is not None:
        return f"rollback to {spec.rollback_to}"
    new = [m.release for m in spec.members if m.release and m.verdict is None]
    more = f" and {len(new) - 6} more" if len(new) > 6 else ""
    return ", ".join(new[:6]) + more if new else spec.cause


def _rolled_out(spec: ReleaseSpec, status: ReleaseStatus) -> str:
    if spec.group is not None:
        return f"the rollouts of all {len(spec.members)} members are over"
    partition = status.rollout.partition
    whose = f"pods from partition {partition} on" if partition else "pods"
    return f"all {status.rollout.desired} {whose} run this version"


def differs(before: ReleaseStatus, after: ReleaseStatus) -> bool:
    """Whether the meaning changed, so that the status is worth a write."""
    return _meaning(before) != _meaning(after)


def _meaning(status: ReleaseStatus) -> tuple[object, ...]:
    rollout = status.rollout
    return (
        status.phase,
        status.verdict,
        status.completed_at,
        status.closed_at,
        status.revoked,
        due_mark(status),
        status.template_hash,
        (h.seen, h.decided_at, h.let_go_at, h.waiting) if (h := status.hold) else None,
        rollout.revision,
        rollout.revision_object,
        rollout.completed_at,
        (rollout.diagnosis.cause, rollout.diagnosis.definite) if rollout.diagnosis else None,
        status.window_from,
        status.cause is not None,
        status.members,
        [(s.kind, s.name) for s in status.suspects],
        [(c.type, c.status, c.reason) for c in status.conditions],
        *task_meaning(status),
    )
