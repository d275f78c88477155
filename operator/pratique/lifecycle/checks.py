"""The checks that a held version waits for, each: passed, waiting, or failed for good.

Pure. Not here: what follows from them (``hold``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ..queries.questions import Question
from ..resources.hold import HoldCheck
from ..resources.release import ReleaseStatus
from . import budgets
from .actions import Action
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
    gate = _gate(s)
    found.checks += [c for c in gate if c.check in terms.until]
    return found


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
