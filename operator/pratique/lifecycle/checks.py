"""The checks that a held version waits for, each: passed, waiting, or failed for good.

Pure. Not here: what follows from them (``hold``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ..queries.questions import Question
from ..resources.hold import HoldCheck, HoldTerms
from ..resources.release import ReleaseStatus
from . import budgets, tasks
from .actions import Action
from .approval import approval
from .situation import Situation


@dataclass(frozen=True, slots=True)
class Check:
    """How one check stands."""

    check: HoldCheck
    state: Literal["Passed", "Waiting", "Failed"]
    reason: str = ""
    message: str = ""


@dataclass
class Checked:
    """How all of them stand, and what they want done for it."""

    status: ReleaseStatus
    checks: list[Check] = field(default_factory=list)
    ask: list[Question] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)


def checks(s: Situation, status: ReleaseStatus) -> Checked:
    """The checks that the plan's hold names, in the order in which they are told."""
    terms = s.spec.plan.hold
    found = Checked(status)
    if terms is None:
        return found
    if "Tasks" in terms.until:
        _tasks(s, found)
    gate = _gate(s)
    found.checks += [c for c in gate if c.check in terms.until]
    if "Approval" in terms.until:
        found.checks.append(_approval(s, terms))
    return found


def _tasks(s: Situation, found: Checked) -> None:
    """The tasks at Before, which begin now."""
    turn = tasks.turn(s, found.status, "Before")
    found.status = turn.status
    found.actions += [*turn.actions, *tasks.tidy(s, turn.status).actions]
    found.due += turn.due
    if turn.judgement is not None:
        judged = turn.judgement
        found.checks.append(Check("Tasks", "Failed", judged.reason, judged.message))
    elif turn.waits:
        reason, message = tasks.waiting(s, turn.status, ("Before",)) or (
            "AwaitingTasks",
            "tasks at Before are to come",
        )
        found.checks.append(Check("Tasks", "Waiting", reason, message))


def _approval(s: Situation, terms: HoldTerms) -> Check:
    answer = approval(s.annotations, "Rollout", terms.approvers, f"{s.name} -n {s.namespace}")
    if answer.said == "Approved":
        return Check("Approval", "Passed")
    if answer.said == "Rejected":
        return Check("Approval", "Failed", "ApprovalRejected", answer.message)
    return Check("Approval", "Waiting", "AwaitingApproval", answer.message)


def _gate(s: Situation) -> list[Check]:
    """Budgets, agreements and freezes, as they stand now."""
    policy = s.spec.plan.error_budget_policy
    if policy is None or budgets.lifted(policy, s.spec, s.gating, s.now):
        return []
    states: list[Check] = []
    for finding in budgets.findings(policy, s.spec, s.gating, s.now):
        if finding.reason == "FreezeWindow":
            check: HoldCheck = "FreezeWindows"
            state: Literal["Waiting", "Failed"] = "Waiting"
        else:
            check = "Budget"
            # What is not known yet may be known soon.
            state = "Waiting" if finding.reason == "BudgetUnknown" else "Failed"
        states.append(Check(check, state, finding.reason, finding.message))
    return states
