"""Promotion: what must be true before a promotable release is handed on, and how far that got.

Not here: the tasks that do it (``task``, at: Promotion), and when (``lifecycle/promotion``).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import Duration, Model, PositiveDuration, Says, Time, cel, rules
from .budget import TimeZone
from .budget_policy import Day

APPROVAL_ANNOTATION = "pratique.sh/approval"
"""On a Release: who approves (or rejects) it, for what, and why."""
PLACEHOLDER = "YOUR USER NAME"
"""What the command that is shown has in place of the name; taken literally it would approve for nobody."""
User = Annotated[str, StringConstraints(min_length=1, max_length=256)]

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SAY_CLOCK = 'write a time of day in quotes, such as "09:00"'
_EMPTY = "a window from a time of day to the same one has no length: write 00:00 to 24:00 for a day"


class PromotionWindow(Model):
    """A time of the week in which releases are promoted."""

    model_config = rules(cel("self.from != self.to", _EMPTY))

    days: Annotated[
        list[Day],
        Field(min_length=1, max_length=7, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """The days on which it begins."""
    from_: Annotated[
        str, StringConstraints(max_length=5), Says.matches(_CLOCK, _SAY_CLOCK), Field(alias="from")
    ]
    """Its begin, in local time."""
    to: Annotated[str, StringConstraints(max_length=5), Says.matches(f"24:00|{_CLOCK}", _SAY_CLOCK)]
    """Its end, in local time; a time before ``from`` is that of the next day."""
    time_zone: TimeZone = "UTC"
    """Whose local time."""

    @model_validator(mode="after")
    def _long(self) -> Self:
        if self.from_ == self.to:
            raise ValueError(_EMPTY)
        return self


class Approvers(Model):
    """Who may approve: any of these. Held by the ValidatingAdmissionPolicy of deploy/approval-admission.yaml."""

    model_config = rules(
        cel("has(self.users) || has(self.groups)", "say at least one of users and groups")
    )

    users: Annotated[
        list[User], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """User names, as the API server knows them."""
    groups: Annotated[
        list[User], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """Groups, as the API server knows them."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.users and not self.groups:
            raise ValueError("say at least one of users and groups")
        return self


_NOBODY = "approvers without approval: Required would approve nothing: write approval: Required"
_SOAK = "the soak must be shorter than the deadline: allow longer, or soak less"


class PromotionTerms(Model):
    """What must be true before the tasks at: Promotion begin, beside the verdict Promotable."""

    model_config = rules(
        cel("!has(self.approvers) || self.approval == 'Required'", _NOBODY),
    )

    approval: Literal["None", "Required"] = "None"
    """Required: somebody approves, by the Release's annotation pratique.sh/approval."""
    approvers: Approvers | None = None
    """Who may; default whoever may annotate the Release."""
    with_group: bool = False
    """Only when the ReleaseGroups that have the workload as a member are promotable too."""
    soak: Duration = Field(default="0s", validate_default=True)
    """How long after the verdict it is not promoted yet."""
    windows: Annotated[
        list[PromotionWindow],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """The times of the week in which promotion may begin; none: at any time."""
    deadline: PositiveDuration = Field(default="3d", validate_default=True)
    """How long after the verdict promotion may begin; later the release is not promoted any more."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.approvers is not None and self.approval != "Required":
            raise ValueError(_NOBODY)
        if self.soak >= self.deadline:
            raise ValueError(_SOAK)
        return self


class PromotionStatus(Model):
    """How far the promotion got; latched as it goes."""

    approved_by: User | None = None
    """Who approved it."""
    approved_at: Time | None = None
    """When that was seen."""
    began_at: Time | None = None
    """When its tasks began; from then on a newer release does not stop it."""
    completed_at: Time | None = None
    """When it was over."""
    result: Literal["Promoted", "Failed", "Stopped"] | None = None
    """What came of it."""
    reason: Annotated[str, StringConstraints(max_length=64)] | None = None
    """Why it failed or was stopped, in one word."""
    message: Annotated[str, StringConstraints(max_length=512)] | None = None
    """The same in one sentence."""
    promoted_to: Annotated[
        list[Annotated[str, StringConstraints(max_length=512)]],
        Field(max_length=12, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = []
    """The workloads that were given this release's image: namespace/kind/name."""


Purpose = Literal["Rollout", "Promotion"]


class Approval(Model):
    """Who says yes or no to a release, in the Release's annotation pratique.sh/approval.

    ``by`` can be trusted where deploy/approval-admission.yaml is installed: it demands the requester's
    own user name, and that the policy's approvers name them.
    """

    by: User
    """Who: the user name that the API server knows."""
    purpose: Annotated[Purpose, Field(alias="for")] = "Promotion"
    """For what: the start of a held rollout, or the promotion."""
    decision: Literal["Approve", "Reject"] = "Approve"
    """Yes or no."""
    reason: Annotated[str, StringConstraints(max_length=512)] = ""
    """Why, for people."""


def parse_approval(text: str) -> Approval:
    """The annotation's JSON; raises ValueError with the mend for anything else, doubled keys too."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({k for k, _ in pairs}) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        given = json.loads(text, object_pairs_hook=once)
        if not isinstance(given, dict):
            raise ValueError("it is no JSON object")
        if given.get("by") == PLACEHOLDER:
            raise ValueError("by is nobody's name: kubectl auth whoami tells yours")
        if given.get("by") == PLACEHOLDER:
            raise ValueError("by is nobody's name: kubectl auth whoami tells yours")
        return Approval.model_validate(given)
    except (RecursionError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise ValueError(
            f"the annotation {APPROVAL_ANNOTATION} is not understood ({why}): write "
            '{"by":"USER","for":"Promotion","decision":"Approve"}'
        ) from None
