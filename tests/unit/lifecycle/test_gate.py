"""What budgets, agreements, freezes, exemptions and overrides make of a judgement."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.lifecycle.budgets import Agreement, Budget, Gating, gate
from pratique.resources.agreement import ServiceLevelAgreementSpec, ServiceLevelAgreementStatus
from pratique.resources.budget import ServiceLevelObjectiveStatus
from pratique.resources.judgement import Judgement
from pratique.resources.objective import ServiceLevelObjectiveSpec
from pratique.resources.release import ReleaseSpec
from unit.lifecycle.builders import ERRORS, plan, release_spec

NOW = datetime(2026, 7, 17, 15, 30, tzinfo=UTC)  # a Friday, 17:30 in Berlin
FREEZE = {
    "days": ["Fri"],
    "from": "17:00",
    "to": "24:00",
    "timeZone": "Europe/Berlin",
    "reason": "weekend",
}
MET = Judgement.model_validate(
    {
        "verdict": "Promotable",
        "reason": "AllObjectivesMet",
        "message": "Promotable: all is met.",
        "results": [
            {"name": "errors", "result": "Pass", "reason": "WithinBounds", "message": "fine",
             "value": 0.01, "unit": "ratio", "samples": 4000},
        ],
    }
)  # fmt: skip


def spec(budget_policy: dict[str, Any] | None, **more: Any) -> ReleaseSpec:
    objective = {**ERRORS, "source": "ServiceLevelObjective/shop/cart-errors@3"}
    made = plan([objective]).model_dump(by_alias=True, exclude_none=True, mode="json")
    if budget_policy is not None:
        made["errorBudgetPolicy"] = budget_policy
    return release_spec(type(plan()).model_validate(made), **more)


def budget(left: float | None, *, blocked: bool = False, age: float = 30, workload: str | None = None,
           **burns: float) -> Budget:  # fmt: skip
    status = {
        "remaining": left,
        "total": 1_000_000,
        "evaluatedAt": (NOW - timedelta(seconds=age)).isoformat(),
        "burnRates": [{"window": w.removeprefix("w"), "rate": r} for w, r in burns.items()],
        "gates": [{"policy": "cart", "blocked": blocked, "since": NOW.isoformat()}],
    }
    given = {
        "indicator": ERRORS["indicator"], "pass": [{"value": {"lte": 0.05}}],
        "target": 0.99, "window": {"rolling": "28d"}, "workload": workload,
    }  # fmt: skip
    return Budget(
        ServiceLevelObjectiveSpec.model_validate({k: v for k, v in given.items() if v}),
        ServiceLevelObjectiveStatus.model_validate(status),
    )


def agreement(
    reason: str = "BreachProjected", *, effect: str = "Block", ref: str = "cart-errors"
) -> Agreement:
    status = {
        "evaluatedAt": NOW.isoformat(),
        "conditions": [
            {"type": "ProjectedMet", "status": "False", "reason": reason,
             "message": "up: 99.1 % by the end of the period", "lastTransitionTime": NOW.isoformat()},
        ],
    }  # fmt: skip
    given = {
        "parties": {"provider": "us"}, "effect": effect,
        "objectives": [{"name": "up", "ref": ref, "target": 0.99}],
    }  # fmt: skip
    return Agreement(
        ServiceLevelAgreementSpec.model_validate(given),
        ServiceLevelAgreementStatus.model_validate(status),
    )


def gating(left: float | None = 0.5, **more: Any) -> Gating:
    burns = {k: more.pop(k) for k in list(more) if k.startswith("w")}
    known = {k: more.pop(k) for k in ("blocked", "age") if k in more}
    return Gating(policy="cart", budgets={"cart-errors": budget(left, **known, **burns)}, **more)


def override(until: str = "2026-07-17T18:00:00Z") -> str:
    return json.dumps({"by": "alice", "reason": "mends the outage", "until": until})


BURNING = {"block": {"fastBurn": {"window": "1h", "above": 14.4}}}
ROWS = [
    ("no policy of budgets", None, gating(-1.0), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("plenty left", {}, gating(0.5), {}, ("Promotable", "AllObjectivesMet"), "This release spent 0.4 %"),
    ("overspent", {}, gating(-0.2), {}, ("NotPromotable", "BudgetExhausted"), "overspent by 20 %"),
    ("recovering", {}, gating(0.05, blocked=True), {}, ("NotPromotable", "BudgetExhausted"), "releases go on at 10 %"),
    ("recovered", {}, gating(0.1, blocked=True), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("never was blocked", {}, gating(0.05), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("burning", BURNING, gating(0.9, w1h=20, w5m=30), {}, ("NotPromotable", "BudgetExhausted"), "20 times as fast"),
    ("burnt out", BURNING, gating(0.9, w1h=20, w5m=0), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("a rollback", {}, gating(-9.0), {"cause": "Rollback", "rollback_to": 1}, ("Promotable", "AllObjectivesMet"), "A rollback is never held back, though the error budget"),
    ("a rollback in a freeze of what is not known", {"freezeWindows": [FREEZE]}, gating(None), {"cause": "Rollback"}, ("Promotable", "AllObjectivesMet"), "frozen until"),
    ("exempt", {"exempt": ["Security"]}, gating(-1.0, change_class="Security"), {}, ("Promotable", "AllObjectivesMet"), "exempt as Security"),
    ("exempt from what the policy does not name", {"exempt": ["Security"]}, gating(-1.0, change_class="Fix"), {}, ("NotPromotable", "BudgetExhausted"), ""),
    ("warned", {"mode": "Warn"}, gating(-1.0), {}, ("Promotable", "AllObjectivesMet"), "would hold it back (it only warns)"),
    ("dry run", {"mode": "DryRun"}, gating(-1.0), {}, ("Promotable", "AllObjectivesMet"), "(a dry run)"),
    ("frozen", {"freezeWindows": [FREEZE]}, gating(), {}, ("NotPromotable", "FreezeWindow"), "frozen until 2026-07-17 22:00 UTC (weekend)"),
    ("frozen and overspent", {"freezeWindows": [FREEZE]}, gating(-1.0), {}, ("NotPromotable", "BudgetExhausted"), "frozen"),
    ("overridden", {}, gating(-1.0, override=override()), {}, ("Promotable", "Overridden"), "alice let it pass until 2026-07-17 18:00 UTC (mends the outage)"),
    ("overridden in vain", {}, gating(0.5, override=override()), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("an override that ended", {}, gating(-1.0, override=override("2026-07-17T15:30:00Z")), {}, ("NotPromotable", "BudgetExhausted"), "The override by alice ended"),
    ("an override that is none", {}, gating(-1.0, override="please"), {}, ("NotPromotable", "BudgetExhausted"), "is not understood"),
    ("an override without its zone", {}, gating(-1.0, override=override("2026-07-17T18:00:00")), {}, ("NotPromotable", "BudgetExhausted"), "time zone"),
    ("nothing known", {}, gating(None), {}, ("Inconclusive", "BudgetUnknown"), "is not known yet"),
    ("known long ago", {}, gating(0.5, age=601), {}, ("Inconclusive", "BudgetUnknown"), "last reckoned at 15:19"),
    ("nothing known, and nobody minds", {"onUnknown": "Ignore"}, gating(None), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("nothing known, overridden", {}, gating(None, override=override()), {}, ("Promotable", "Overridden"), ""),
    ("a budget that is not there", {"objectives": ["gone"]}, gating(0.5), {}, ("Inconclusive", "BudgetUnknown"), "there is no ServiceLevelObjective gone"),
    ("another's budget", {}, Gating(policy="cart", budgets={"x": budget(-1.0, workload="other")}), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("the workload's own budget", {}, Gating(policy="cart", budgets={"x": budget(-1.0, workload="cart")}), {}, ("NotPromotable", "BudgetExhausted"), "of x is overspent"),
    ("an agreement at risk", {}, gating(agreements={"gold": agreement()}), {}, ("NotPromotable", "AgreementAtRisk"), "agreement gold heads for a breach: up: 99.1 %"),
    ("one that only informs", {}, gating(agreements={"gold": agreement(effect="Inform")}), {}, ("Promotable", "AllObjectivesMet"), ""),
    ("a breach that happened does not block its mend", {}, gating(agreements={"gold": agreement("Breached")}), {}, ("Promotable", "AllObjectivesMet"), ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "seen", "more", "says", "words"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_the_gate(policy: Any, seen: Gating, more: Any, says: tuple[str, str], words: str) -> None:
    got = gate(MET, spec(policy, **more), seen, NOW)
    assert (got.verdict, got.reason) == says, got.message
    assert words in got.message
    assert MET.message in got.message
    assert got.results == MET.results


def test_what_the_release_spent_is_said_of_the_budget_it_is_measured_by() -> None:
    message = gate(MET, spec({}), gating(0.5), NOW).message
    assert (
        "This release spent 0.4 % of the error budget of cart-errors (40 bad of 4,000 in its window)."
        in message
    )


anything = st.one_of(st.none(), st.floats(-10, 2))


@given(
    st.sampled_from(["NotPromotable", "Inconclusive", "Promotable"]),
    anything,
    st.booleans(),
    st.sampled_from([None, "Security", "Fix", "Rollback", "nonsense"]),
    st.sampled_from([None, override(), override("2020-01-01T00:00:00Z"), "{", "[]"])
    | st.text(max_size=60),
    st.sampled_from(["Image", "Config", "Rollback"]),
    st.sampled_from(["Enforce", "Warn", "DryRun"]),
    st.sampled_from(["Inconclusive", "Ignore"]),
    st.booleans(),
)
def test_the_gate_makes_nothing_promotable_and_stops_no_rollback(
    verdict: Any, left: float | None, blocked: bool, change: str | None, note: str | None,
    cause: str, mode: str, unknown: str, freeze: bool,
) -> None:  # fmt: skip
    before = MET.model_copy(update={"verdict": verdict})
    policy = {
        "mode": mode, "onUnknown": unknown, "exempt": ["Security", "Fix"],
        "freezeWindows": [FREEZE] if freeze else [],
    }  # fmt: skip
    seen = gating(left, blocked=blocked, change_class=change, override=note)
    after = gate(before, spec(policy, cause=cause), seen, NOW)
    if verdict != "Promotable":
        assert after == before
    elif cause == "Rollback" or mode != "Enforce" or change in ("Security", "Fix"):
        assert (after.verdict, after.reason) == (before.verdict, before.reason)
    elif note == override():
        assert after.verdict == "Promotable"
    elif (left is not None and left < 0) or freeze:
        assert after.verdict == "NotPromotable"
    elif left is None and unknown == "Inconclusive":
        assert (after.verdict, after.reason) == ("Inconclusive", "BudgetUnknown")
    assert len(after.message) <= 2048
    assert Judgement.model_validate(after.dump()) == after


def test_the_rows_are_told_apart() -> None:
    names = [r[0] for r in ROWS]
    assert all(a != b for a, b in itertools.combinations(names, 2))
