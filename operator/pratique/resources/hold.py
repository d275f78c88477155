"""Hold: a rollout that does not begin before its checks have passed. The policy's part, and the marks on workloads.

Not here: the admission policies (``hold_manifests``), and what is decided by it (``lifecycle/hold``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Model, PositiveDuration
from .promotion import Approvers

HOLD_LABEL = "pratique.sh/hold"
"""On a workload: "true" asks for its new versions to be held; "false" in the same apply is the way out."""
HELD_ANNOTATION = "pratique.sh/held"
"""On a workload, set at admission: this pause (or partition) is ours, not its user's."""
PARTITION_ANNOTATION = "pratique.sh/held-partition"
"""On a StatefulSet that is held: its user's own partition, which comes back when it is let go."""
BY_ADMISSION = "true"
"""The held annotation's value where a workload was held at admission."""
BY_SIGHT = "on-sight"
"""Its value where the operator paused the workload once it saw the new version."""
LETTING_GO = "let-go"
"""The held annotation's value by which ``pratique release-holds`` passes the admission policy."""
HELD_PARTITION = 2_147_483_647
"""The partition of a StatefulSet that is held: no ordinal is as high."""

HoldCheck = Literal["Tasks", "Budget", "FreezeWindows", "Approval"]
HOLD_CHECKS: list[HoldCheck] = ["Tasks", "Budget", "FreezeWindows"]


class HoldTerms(Model):
    """What a new version waits for, while no pod of it exists."""

    until: Annotated[
        list[HoldCheck],
        Field(
            min_length=1,
            max_length=4,
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = HOLD_CHECKS
    """Tasks: those at Before have succeeded. Budget: no error budget is exhausted, no agreement at risk.
    FreezeWindows: no freeze is on. Approval: somebody approved it, for Rollout."""
    approvers: Approvers | None = None
    """Approval: who may; default whoever may annotate the Release."""
    deadline: PositiveDuration = Field(default="1h", validate_default=True)
    """How long a version is held at most."""
    on_timeout: Literal["KeepHolding", "LetGo"] = "KeepHolding"
    """What then: KeepHolding ends the release without a verdict on it and the old pods serve on; LetGo
    lets the rollout begin, to be judged as any other."""
