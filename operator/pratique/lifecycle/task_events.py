"""What tasks and promotion tell the outside, and what of them is worth a write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from ..resources.release import ReleaseSpec, ReleaseStatus

Told = tuple[str, Literal["Normal", "Warning"], str, str, str, datetime]
"""The fields of an announcement."""

_BY_PEOPLE = ("AwaitingGroup", "AwaitingApproval")
"""Reasons of the condition Promoted whose message changes only when somebody did something."""


def task_events(spec: ReleaseSpec, status: ReleaseStatus) -> Iterator[Told]:
    """Each end of a task, each outcome that nobody knows, and what the promotion came to."""
    at = {t.name: t.at for t in spec.plan.tasks}
    for task in status.tasks:
        when = task.completed_at or task.started_at
        if when is None:
            continue
        said = f"task {task.name} ({at.get(task.name, '')})"
        if task.state == "Succeeded":
            yield (
                f"task/{task.name}",
                "Normal",
                "TaskSucceeded",
                "RunTask",
                f"{said} succeeded",
                when,
            )
        elif task.state == "Failed":
            message = f"{said} failed ({task.reason}): {task.message}"
            yield f"task/{task.name}", "Warning", "TaskFailed", "RunTask", message, when
        elif task.state == "Cancelled":
            message = f"{said} was cancelled: {task.message}"
            yield f"task/{task.name}", "Normal", "TaskCancelled", "RunTask", message, when
        elif task.state == "UnknownOutcome":
            key = f"task/{task.name}/unknown/{task.attempts}"
            yield key, "Warning", "UnknownOutcome", "RunTask", task.message or said, when
    promotion = status.promotion
    if promotion is None:
        return
    if promotion.approved_by and promotion.approved_at:
        message = f"{promotion.approved_by} approved the promotion"
        yield "approved", "Normal", "Approved", "Promote", message, promotion.approved_at
    if promotion.began_at is not None:
        yield "promoting", "Normal", "Promoting", "Promote", "promotion begins", promotion.began_at
    if promotion.completed_at is not None:
        done = promotion.result == "Promoted"
        reason, message = promotion.reason or "Promoted", promotion.message or ""
        key = "promotion"
        yield (
            key,
            "Normal" if done else "Warning",
            reason,
            "Promote",
            message,
            promotion.completed_at,
        )


def task_meaning(status: ReleaseStatus) -> tuple[object, ...]:
    """What of it, if it changed, is written."""
    promotion = status.promotion
    return (
        [(t.name, t.state, t.attempts, t.url) for t in status.tasks],
        (promotion.approved_by, promotion.began_at, promotion.completed_at) if promotion else None,
        _awaited(status),
    )


def _awaited(status: ReleaseStatus) -> list[str]:
    """Which group does not agree and why, or what is amiss with an approval: the reason stays the same."""
    approves = status.hold is not None and status.hold.waiting == ["Approval"]
    return [
        c.message
        for c in status.conditions
        if (c.type == "Promoted" and c.reason in _BY_PEOPLE)
        or (c.type == "Held" and c.reason == "Waiting" and approves)
    ]
