"""The gate: what error budgets, agreements at risk and freezes make of a release that met its objectives.

Pure. A release that failed, or has no evidence, stays what it is: nothing here makes a release
promotable. A rollback is never held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..judge import budgets, calendars
from ..judge.numbers import clip, quantity
from ..resources.agreement import ServiceLevelAgreementSpec, ServiceLevelAgreementStatus
from ..resources.budget import ServiceLevelObjectiveStatus
from ..resources.budget_policy import ErrorBudgetPolicy, Override, parse_override
from ..resources.conditions import find
from ..resources.judgement import Judgement
from ..resources.objective import ServiceLevelObjectiveSpec
from ..resources.release import PlannedObjective, ReleaseSpec
from .standing import limits

FRESH = timedelta(minutes=10)
"""An older figure of a budget tells nothing of now."""
AGREEMENT_FRESH = timedelta(minutes=30)
MAX_MESSAGE = 2048
_ORDER = ("BudgetExhausted", "AgreementAtRisk", "FreezeWindow", "BudgetUnknown")


@dataclass(frozen=True)
class Budget:
    """A ServiceLevelObjective with a target, as it stands."""

    spec: ServiceLevelObjectiveSpec
    status: ServiceLevelObjectiveStatus | None


@dataclass(frozen=True)
class Agreement:
    """A ServiceLevelAgreement, as it stands."""

    spec: ServiceLevelAgreementSpec
    status: ServiceLevelAgreementStatus | None


@dataclass(frozen=True)
class Gating:
    """What the gate looks at beside the Release: the namespace's budgets and agreements by name."""

    policy: str = ""
    """The ReleasePolicy's name, under which a budget's status keeps its gate."""
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    agreements: Mapping[str, Agreement] = field(default_factory=dict)
    change_class: str | None = None
    """The workload's annotation pratique.sh/change-class."""
    override: str | None = None
    """The Release's annotation pratique.sh/override."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that holds the release back."""

    reason: str
    message: str


def gate(judgement: Judgement, spec: ReleaseSpec, gating: Gating, now: datetime) -> Judgement:
    """The judgement with what its policy's budgets, agreements and freezes mean for it."""
    policy = spec.plan.error_budget_policy
    if policy is None or judgement.verdict != "Promotable":
        return judgement
    spent = _spent(judgement, spec, gating)
    found = findings(policy, spec, gating, now)
    if not found:
        return _said(judgement, spent)
    reasons = sorted((f.reason for f in found), key=_ORDER.index)
    why = "; ".join(f.message for f in found)
    if spec.cause == "Rollback":
        return _said(judgement, f"A rollback is never held back, though {why}.", spent)
    if gating.change_class and gating.change_class in policy.exempt:
        return _said(judgement, f"It is exempt as {gating.change_class}, though {why}.", spent)
    if policy.mode != "Enforce":
        dry = "a dry run" if policy.mode == "DryRun" else "it only warns"
        return _said(
            judgement, f"Its error budget policy would hold it back ({dry}): {why}.", spent
        )
    override, refused = _override(gating.override, now)
    if override is not None:
        message = (
            f"Promotable: {override.by} let it pass until {override.until:%Y-%m-%d %H:%M %Z} "
            f"({override.reason}), though {why}."
        )
        return _changed(judgement, "Promotable", "Overridden", message, spent)
    if all(r == "BudgetUnknown" for r in reasons):
        message = f"Inconclusive: {why}. {refused}".rstrip()
        return _changed(judgement, "Inconclusive", "BudgetUnknown", message, spent)
    reason = next(r for r in reasons if r != "BudgetUnknown")
    message = f"Not promotable: {why}. {refused}".rstrip()
    return _changed(judgement, "NotPromotable", reason, message, spent)


def findings(
    policy: ErrorBudgetPolicy, spec: ReleaseSpec, gating: Gating, now: datetime
) -> list[Finding]:
    """Everything that holds the release back, worst first."""
    found = [f for name in budget_names(policy, spec, gating)
             if (f := _budget(policy, name, gating, now)) is not None]  # fmt: skip
    found += [
        f
        for name, agreement in sorted(gating.agreements.items())
        if (f := _agreement(name, agreement, spec.workload.name, gating, now)) is not None
    ]
    for window in policy.freeze_windows:
        frozen = calendars.frozen(window, now)
        if frozen is not None:
            because = f" ({window.reason})" if window.reason else ""
            end = frozen.end.strftime("%Y-%m-%d %H:%M UTC")
            found.append(Finding("FreezeWindow", f"changes are frozen until {end}{because}"))
    if policy.on_unknown == "Ignore":
        found = [f for f in found if f.reason != "BudgetUnknown"]
    return sorted(found, key=lambda f: _ORDER.index(f.reason))


def lifted(policy: ErrorBudgetPolicy, spec: ReleaseSpec, gating: Gating, now: datetime) -> bool:
    """Whether nothing that is found holds this release back: ``gate`` says why, at the verdict."""
    return (
        spec.cause == "Rollback"
        or policy.mode != "Enforce"
        or (gating.change_class is not None and gating.change_class in policy.exempt)
        or _override(gating.override, now)[0] is not None
    )


def budget_names(policy: ErrorBudgetPolicy, spec: ReleaseSpec, gating: Gating) -> list[str]:
    """The budgets that count for a release: those that the policy names; else those of its objectives,
    and those that the namespace has for its workload."""
    if policy.objectives is not None:
        return list(policy.objectives)
    prefix = f"ServiceLevelObjective/{spec.plan.policy.partition('/')[0]}/"
    referred = [
        o.source.removeprefix(prefix).rpartition("@")[0]
        for o in spec.plan.objectives
        if o.source.startswith(prefix)
    ]
    own = [n for n, b in sorted(gating.budgets.items()) if b.spec.workload == spec.workload.name]
    return [n for n in dict.fromkeys([*referred, *own]) if n in gating.budgets]


def _budget(policy: ErrorBudgetPolicy, name: str, gating: Gating, now: datetime) -> Finding | None:
    budget = gating.budgets.get(name)
    if budget is None:
        return Finding(
            "BudgetUnknown",
            f"there is no ServiceLevelObjective {name} with a target in the policy's namespace",
        )
    status = budget.status
    if status is None or status.evaluated_at is None or status.remaining is None:
        return Finding(
            "BudgetUnknown", f"the error budget of {name} is not known yet{_why(status)}"
        )
    if now - status.evaluated_at > FRESH:
        return Finding(
            "BudgetUnknown",
            f"the error budget of {name} was last reckoned at {status.evaluated_at:%H:%M} UTC"
            f"{_why(status)}",
        )
    before = next((g for g in status.gates if g.policy == gating.policy), None)
    rates: dict[str, float | None] = {r.window: r.rate for r in status.burn_rates}
    decision = budgets.decide(
        status.remaining, rates, limits(policy), blocked=before is not None and before.blocked
    )
    if not decision.blocked:
        return None
    return Finding("BudgetExhausted", _sentence(policy, name, status.remaining, rates, decision))


def _sentence(
    policy: ErrorBudgetPolicy,
    name: str,
    left: float,
    rates: Mapping[str, float | None],
    decision: budgets.Decision,
) -> str:
    held = limits(policy)
    if decision.because in ("FastBurn", "SlowBurn"):
        limit = held.fast if decision.because == "FastBurn" else held.slow
        assert limit is not None
        rate = rates.get(limit.window) or 0.0
        return (
            f"the error budget of {name} burns {rate:.3g} times as fast as allowed over "
            f"{limit.window} (limit {limit.above:g})"
        )
    if decision.because == "Recovering":
        return (
            f"the error budget of {name} was overspent, and {quantity(left, 'ratio')} of it is "
            f"left: releases go on at {held.again * 100:g} %"
        )
    if left < 0:
        return f"the error budget of {name} is overspent by {quantity(-left, 'ratio')}"
    return (
        f"{quantity(left, 'ratio', beside=[held.below])} of the error budget of {name} is left, "
        f"less than {held.below * 100:g} %"
    )


def _agreement(
    name: str, agreement: Agreement, workload: str, gating: Gating, now: datetime
) -> Finding | None:
    if agreement.spec.effect != "Block" or not _concerns(agreement.spec, workload, gating):
        return None
    status = agreement.status
    if status is None or status.evaluated_at is None or now - status.evaluated_at > AGREEMENT_FRESH:
        return Finding("BudgetUnknown", f"the standing of agreement {name} is not known yet")
    ahead = find(status.conditions, "ProjectedMet")
    if ahead is None or ahead.reason != "BreachProjected":
        return None
    return Finding(
        "AgreementAtRisk",
        f"agreement {name} heads for a breach: {clip(ahead.message, 400)}",
    )


def _concerns(spec: ServiceLevelAgreementSpec, workload: str, gating: Gating) -> bool:
    """Whether the workload's events count for it."""
    for objective in spec.objectives:
        whose = objective.workload
        if objective.ref is not None and objective.ref in gating.budgets:
            whose = gating.budgets[objective.ref].spec.workload
        if whose in (None, workload):
            return True
    return False


def _override(text: str | None, now: datetime) -> tuple[Override | None, str]:
    """The override that stands, or why there is none."""
    if text is None:
        return None, ""
    try:
        override = parse_override(text)
    except ValueError as error:
        return None, f"{str(error)[:400]}."
    if now >= override.until:
        return None, f"The override by {override.by} ended at {override.until:%Y-%m-%d %H:%M %Z}."
    return override, ""


def _spent(judgement: Judgement, spec: ReleaseSpec, gating: Gating) -> str:
    """What this release's own events are of each budget, where both were counted."""
    said = []
    results = {r.name: r for r in judgement.results}
    for planned in spec.plan.objectives:
        result = results.get(planned.name)
        if result is None or result.value is None or result.samples is None:
            continue
        for name, budget in sorted(gating.budgets.items()):
            status, target = budget.status, budget.spec.target
            if status is None or target is None or not _same(planned, name, spec, budget):
                continue
            if (budget.spec.budgeting_method or "Occurrences") != "Occurrences":
                continue
            inverted = (
                planned.indicator.ratio is not None and planned.indicator.ratio.bad is not None
            )
            share = result.value if inverted else 1.0 - result.value
            bad = round(share * result.samples)
            spent = budgets.spent_by(bad, status.total, target)
            if spent is not None:
                said.append(
                    f"This release spent {quantity(spent, 'ratio')} of the error budget of {name} "
                    f"({bad:,} bad of {result.samples:,} in its window)."
                )
    return " ".join(said)


def _same(planned: PlannedObjective, name: str, spec: ReleaseSpec, budget: Budget) -> bool:
    """Whether an objective measures what the budget counts."""
    home = spec.plan.policy.partition("/")[0]
    if planned.source.startswith(f"ServiceLevelObjective/{home}/{name}@"):
        return True
    own, other = planned.indicator, budget.spec.indicator
    if budget.spec.workload not in (None, spec.workload.name):
        return False
    counted = own.ratio is not None or (own.latency is not None and own.latency.threshold)
    return bool(counted) and (own.ratio, own.latency) == (other.ratio, other.latency)


def _why(status: ServiceLevelObjectiveStatus | None) -> str:
    ready = find(status.conditions, "WithinBudget") if status else None
    return f" ({clip(ready.message, 200)})" if ready and ready.message else ""


def _said(judgement: Judgement, *sentences: str) -> Judgement:
    message = " ".join([judgement.message, *(s for s in sentences if s)])
    return judgement.model_copy(update={"message": clip(message, MAX_MESSAGE)})


def _changed(
    judgement: Judgement, verdict: str, reason: str, message: str, spent: str
) -> Judgement:
    """Another verdict; the objectives' own sentence stays behind it."""
    whole = " ".join(s for s in (message, spent, f"By itself: {judgement.message}") if s)
    return judgement.model_copy(
        update={"verdict": verdict, "reason": reason, "message": clip(whole, MAX_MESSAGE)}
    )
