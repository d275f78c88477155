"""Approval: what the Release's annotation says, and whether it counts. Pure; who may write it is RBAC's and the
admission policy's (deploy/approval-admission.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..resources.promotion import (
    APPROVAL_ANNOTATION,
    PLACEHOLDER,
    Approval,
    Approvers,
    Purpose,
    parse_approval,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What people said so far."""

    said: Literal["Nothing", "Approved", "Rejected"]
    message: str
    """One sentence: who and why, or what is awaited."""
    approval: Approval | None = None


def approval(
    annotations: Mapping[str, str], purpose: Purpose, approvers: Approvers | None, release: str
) -> Answer:
    """Whether that is approved; an annotation for something else, or of nobody named, is none.

    ``release`` is what kubectl finds it by: ``cart-7 -n shop``.
    """
    text = annotations.get(APPROVAL_ANNOTATION)
    asked = _asked(purpose, approvers, release)
    if text is None:
        return Answer("Nothing", asked)
    try:
        given = parse_approval(text)
    except ValueError as problem:
        return Answer("Nothing", str(problem))
    if given.purpose != purpose:
        return Answer("Nothing", asked)
    # Groups are known to the API server alone: there the admission policy holds them.
    if approvers and not approvers.groups and given.by not in approvers.users:
        return Answer("Nothing", f"{given.by} is none of the approvers; {asked}")
    why = f" ({given.reason})" if given.reason else ""
    if given.decision == "Reject":
        return Answer("Rejected", f"{given.by} rejected it{why}", given)
    return Answer("Approved", f"{given.by} approved it{why}", given)


def _asked(purpose: Purpose, approvers: Approvers | None, release: str) -> str:
    by = ""
    if approvers:
        by = (
            f" by one of {', '.join([*approvers.users, *(f'group {g}' for g in approvers.groups)])}"
        )
    return (
        f"waiting for approval{by}: kubectl annotate rel {release} '{APPROVAL_ANNOTATION}="
        f'{{"by":"{PLACEHOLDER}","for":"{purpose}","decision":"Approve"}}\''
    )
