"""A policy's status: what became of the workloads that it judges. This is what GitOps tools read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..resources import conditions
from ..resources.conditions import Status
from ..resources.policy import ReleasePolicyStatus, WorkloadVerdict
from .hold import coverage
from .noticing import Known
from .policies import Policy
from .view import Workload

PENDING = "InProgress"
MAX_WORKLOADS = 50
_ORDER = {"NotPromotable": 0, "Inconclusive": 1, None: 2, "Promotable": 3}


@dataclass(frozen=True, slots=True)
class Judged:
    """A workload that the policy judges, with its newest release, if there is one yet."""

    workload: Workload
    newest: Known | None
    generation: int = 0
    """The workload's generation that the newest release speaks of."""


def summarize(
    policy: Policy,
    before: ReleasePolicyStatus | None,
    judged: Sequence[Judged],
    *,
    shadowed: Sequence[str],
    problem: str | None,
    now: datetime,
) -> ReleasePolicyStatus:
    """The policy's status; equal to ``before`` where nothing changed.

    ``shadowed`` names workloads that this policy speaks of and another one judges, with that; ``problem`` is why
    it cannot be turned into a plan.
    """
    rows = [_row(policy, j) for j in judged if j.newest is not None]
    rows.sort(key=lambda r: (_ORDER[r.verdict], r.namespace or "", r.kind, r.name))
    counts = {
        verdict: sum(r.verdict == verdict for r in rows)
        for verdict in ("Promotable", "NotPromotable", "Inconclusive")
    }
    status = ReleasePolicyStatus(
        observed_generation=policy.generation,
        conditions=conditions.merge(
            before.conditions if before else [],
            [
                *_conditions(rows, len(judged), shadowed, problem, policy.spec.mode),
                *([coverage(j.workload for j in judged)] if policy.spec.hold and judged else []),
            ],
            generation=policy.generation,
            now=now,
        ),
        total=len(judged),
        promotable=counts["Promotable"],
        not_promotable=counts["NotPromotable"],
        inconclusive=counts["Inconclusive"],
        pending=len(judged) - sum(counts.values()),
        workloads=rows[:MAX_WORKLOADS],
        evaluated_at=before.evaluated_at if before else None,
    )
    return status if status == before else status.model_copy(update={"evaluated_at": now})


def _row(policy: Policy, judged: Judged) -> WorkloadVerdict:
    newest = judged.newest
    assert newest is not None
    elsewhere = judged.workload.namespace != policy.namespace
    return WorkloadVerdict(
        namespace=judged.workload.namespace if elsewhere else None,
        kind=judged.workload.kind,
        name=judged.workload.name,
        release=newest.name,
        generation=judged.generation,
        verdict=newest.stands,
        reason=newest.reason if newest.completed else PENDING,
    )


def _conditions(
    rows: Sequence[WorkloadVerdict],
    total: int,
    shadowed: Sequence[str],
    problem: str | None,
    mode: str,
) -> list[tuple[str, Status, str, str]]:
    wanted: list[tuple[str, Status, str, str]] = []
    if problem is None:
        wanted.append(("Ready", "True", "Accepted", "the policy is in force"))
    else:
        wanted.append(("Ready", "Unknown", "Stalled", "the policy cannot be applied as it stands"))
        wanted.append(("Stalled", "True", "Unresolved", problem))
    if shadowed:
        more = f" and {len(shadowed) - 10} more" if len(shadowed) > 10 else ""
        text = f"another policy judges {', '.join(sorted(shadowed)[:10])}{more}"
        wanted.append(("Shadowed", "True", "AnotherPolicy", text))
    truth, reason, message = _promotable(rows, total, bool(shadowed))
    if mode != "Enforce" and truth == "False":
        # Those who wait for this are not held back, nor told that all is well.
        truth, reason, message = "Unknown", "DryRun", f"nothing is enforced; {message}"
    wanted.append(("Promotable", truth, reason, message))
    return wanted


def _promotable(
    rows: Sequence[WorkloadVerdict], total: int, shadowed: bool
) -> tuple[Status, str, str]:
    bad = [r for r in rows if r.verdict == "NotPromotable"]
    if bad:
        return "False", bad[0].reason, _named("not promotable", bad)
    good = [r for r in rows if r.verdict == "Promotable"]
    if total and len(good) == total:
        return (
            "True",
            "AllPromotable",
            f"the newest releases of all {total} workloads are promotable",
        )
    unseen = [r for r in rows if r.verdict == "Inconclusive"]
    if unseen:
        return "Unknown", unseen[0].reason, _named("inconclusive", unseen)
    waiting = [r for r in rows if r.verdict is None and r.reason != PENDING]
    pending = total - len(good) - len(waiting)
    if total == 0 and shadowed:
        return (
            "Unknown",
            "NoWorkload",
            "every workload that matches is judged by another policy: see the condition Shadowed",
        )
    if total == 0:
        return (
            "Unknown",
            "NoWorkload",
            "no workload matches: compare targetRefs or selector with it",
        )
    if pending == 0:
        return "Unknown", waiting[0].reason, _named("only measured so far", waiting)
    return (
        "Unknown",
        PENDING,
        f"{pending} of {total} workloads {'have' if pending > 1 else 'has'} no verdict yet",
    )


def _named(what: str, rows: Sequence[WorkloadVerdict]) -> str:
    names = ", ".join(
        f"{r.namespace + '/' if r.namespace else ''}{r.release} ({r.reason})" for r in rows[:5]
    )
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"{what}: {names}{more}"
