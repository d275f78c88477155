"""Nothing stays open for ever: whatever never comes, in whichever phase, a deadline ends it with a reason.

A table of what is missing where. A phase that is new needs a row here: see ``test_no_phase_is_left_out``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest

from pratique.judge.samples import Counts, Missing, Sample
from pratique.lifecycle.announcements import announcements
from pratique.queries.questions import Question
from pratique.resources import conditions
from pratique.resources.release import Phase, Plan, ReleaseSpec
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    HEAP,
    RESTARTS,
    plan,
    pod,
    release_spec,
    rolling,
    seconds,
    view,
    waiting,
    workload,
)
from unit.lifecycle.simulator import (
    Change,
    Play,
    Provider,
    after,
    down,
    good,
    rolled_out,
    silence,
    silent,
)

TESTED = {k: v for k, v in ERRORS.items() if k != "evidence"}
CHANGED = {
    **FAST,
    "name": "no-slower",
    "pass": [{"value": {"lte": 0.3}, "change": {"lte": "10%"}}],
}
BEFORE = {
    "source": "BeforeRollout",
    "release": "cart-1",
    "podPattern": "cart-old-[a-z0-9]+",
    "from": "2026-03-02T11:55:00Z",
    "to": "2026-03-02T12:00:00Z",
}
BESIDE = {"source": "Workload", "release": "stable", "podPattern": "stable-[a-z0-9-]+"}
FREEZE = {"freezeWindows": [{"from": "2026-01-01T00:00", "to": "2026-12-31T00:00"}]}
READY = [pod(n, ready=20) for n in "abc"]


def task(at: str, *, job: bool = False, **more: Any) -> dict[str, Any]:
    """A task that nobody ever carries out."""
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    what = {"job": {"template": template}} if job else {"http": {"url": "https://x.example"}}
    return {"name": "x", "at": at, "deadline": "10m", **what, **more}


@dataclass(frozen=True)
class Case:
    """What never comes, and how it ends."""

    sticks: Phase
    """In which phase it is when its deadline comes."""
    reason: str
    changes: Sequence[Change] = field(default_factory=rolled_out)
    provider: Provider = good
    objectives: Sequence[dict[str, Any]] = (ERRORS,)
    verdict: str | None = "Inconclusive"
    baselines: Sequence[dict[str, Any]] = ()
    analysis: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    until: float = 3600
    """It is over by this second."""

    def of(self) -> ReleaseSpec:
        made = plan(self.objectives, baselines=self.baselines, **self.analysis)
        return release_spec(Plan.model_validate({**made.dump(), **self.plan}), **self.spec)


def stuck(seen: Any) -> list[Change]:
    return [Change(0, view(*seen) if isinstance(seen, tuple) else seen)]


def never_settled() -> Provider:
    """Each time it is asked it fails in another way, and now and then not at all."""
    turns = itertools.cycle(["timeout", "refused", "reset"])
    return lambda q, now: Missing("ProviderError", next(turns))


def half(question: Question, now: float) -> Sample | None:
    """Every second objective is never answered."""
    return good(question, now) if question.indicator.ratio else None


def unless(which: Callable[[Question], bool], missing: Provider) -> Provider:
    return lambda q, now: (missing if which(q) else good)(q, now)


def scarce(question: Question, _: float) -> Sample:
    return Counts(0, 25)


CASES: dict[str, Case] = {
    # Held
    "its checks never pass": Case(
        "Held", "FreezeWindow",
        stuck((workload(labels={"pratique.sh/hold": "true"}, held=True, hold_mark="true", paused=True), [])),
        plan={"hold": {"deadline": "30m"}, "errorBudgetPolicy": FREEZE}, verdict="NotPromotable",
    ),
    "the task that it is held for never ends": Case(
        "Held", "TaskFailed",
        stuck((workload(labels={"pratique.sh/hold": "true"}, held=True, hold_mark="true", paused=True), [])),
        plan={"hold": {"deadline": "30m"}, "tasks": [task("Before")]}, verdict="NotPromotable",
    ),
    "nobody approves what is held": Case(
        "Held", "HeldTooLong",
        stuck((workload(labels={"pratique.sh/hold": "true"}, held=True, hold_mark="true", paused=True), [])),
        plan={"hold": {"deadline": "10m", "until": ["Approval"]}},
    ),
    # Rolling out
    "no pod ever comes": Case(
        "RollingOut", "RolloutFailed", stuck((rolling(updated=0), [])), verdict="NotPromotable"
    ),
    "no revision is ever seen": Case(
        "RollingOut", "RolloutFailed", stuck((rolling(), [], [])), verdict="NotPromotable"
    ),
    "its controller never observes it": Case(
        "RollingOut", "RolloutFailed", stuck((workload(generation=2), READY)),
        verdict="NotPromotable",
    ),
    "a pod is never ready": Case(
        "RollingOut", "RolloutFailed", stuck((rolling(), [pod("a")])), verdict="NotPromotable"
    ),
    "a definite cause stands": Case(
        "RollingOut", "RolloutFailed",
        stuck((rolling(), [pod("a", containers=waiting("ErrImagePull", "no such image"))])),
        verdict="NotPromotable", until=200,
    ),
    "it is never scheduled": Case(
        "RollingOut", "RolloutFailed", stuck((rolling(), [pod("a", unschedulable="0/3 nodes")])),
        verdict="NotPromotable",
    ),
    "it stays paused": Case(
        "RollingOut", "DeadlineExceeded", stuck((rolling(paused=True, updated=0), []))
    ),
    "it stays scaled to zero": Case(
        "RollingOut", "ScaledToZero",
        stuck((workload(desired=0, updated=0, available=0, total=0), [])),
    ),
    "the workload vanishes while rolling out": Case(
        "RollingOut", "WorkloadDeleted", [*stuck((rolling(), [pod("a")])), Change(50, None)],
        until=60,
    ),
    "a newer one comes while rolling out": Case(
        "RollingOut", "Superseded",
        [*stuck((rolling(), [pod("a")])), Change(50, view(rolling(), []), "cart-3")], until=60,
    ),
    "half of the provider's answers never come while rolling out": Case(
        "RollingOut", "RolloutFailed", stuck((rolling(), [pod("a", ready=20)])), silence,
        verdict="NotPromotable",
    ),
    # Warming up
    "its pods are never seen": Case(
        "WarmingUp", "DeadlineExceeded", stuck((workload(), []))
    ),
    "its pods go before they are warm": Case(
        "WarmingUp", "ScaledToZero",
        [*stuck((workload(), [])), Change(100, view(workload(desired=0, updated=0, available=0, total=0), []))],
    ),
    "the workload vanishes while warming up": Case(
        "WarmingUp", "WorkloadDeleted", [*rolled_out(), Change(65, None)], until=66
    ),
    # Evaluating
    "the provider never answers": Case("Evaluating", "ProviderError", provider=silence),
    "the provider is down": Case("Evaluating", "ProviderError", provider=down),
    "its answers never settle": Case("Evaluating", "ProviderError", provider=never_settled()),
    "it has no such series": Case("Evaluating", "NoData", provider=silent),
    "one objective is never answered": Case(
        "Evaluating", "ProviderError", provider=half, objectives=(ERRORS, FAST)
    ),
    "the whole window is never answered": Case(
        "Evaluating", "ProviderError",
        provider=unless(lambda q: q.span > 60, silence), objectives=(HEAP,),
    ),
    "the baseline is never answered": Case(
        "Evaluating", "DeadlineExceeded or ProviderError", baselines=(BEFORE,), objectives=(CHANGED,),
        provider=unless(lambda q: seconds(q.end) <= 0, silence),
    ),
    "the same minutes are never answered": Case(
        "Evaluating", "DeadlineExceeded or ProviderError", baselines=(BESIDE,), objectives=(CHANGED,),
        provider=unless(lambda q: q.scope.workload == "stable", silence),
    ),
    "the history is never answered": Case(
        "Evaluating", "DeadlineExceeded or ProviderError", objectives=(TESTED,),
        plan={"oldPods": "cart-old-[a-z0-9]+"}, analysis={"noiseHistory": "1d"},
        provider=unless(lambda q: q.step > 0, silence),
    ),
    "traffic never comes": Case(
        "Evaluating", "InsufficientTraffic", provider=scarce,
        objectives=({**TESTED, "pass": [{"value": {"lte": 0.0001}}]},),
    ),
    "the provider stops in the middle": Case(
        "Evaluating", "ProviderError", provider=after(200, good, silence)
    ),
    "its pods go in the middle": Case(
        "Evaluating", "ScaledToZero",
        [*rolled_out(), Change(150, view(workload(desired=0, updated=0, available=0, total=0), []))],
        after(150, good, silent), objectives=(ERRORS, RESTARTS),
    ),
    "the workload vanishes while it is evaluated": Case(
        "Evaluating", "WorkloadDeleted", [*rolled_out(), Change(200, None)], until=201
    ),
    "a newer one comes while it is evaluated": Case(
        "Evaluating", "Superseded", [*rolled_out(), Change(200, view(workload(), READY), "cart-3")],
        until=201,
    ),
    "a task before it never ends": Case(
        "Evaluating", "TaskFailed", plan={"tasks": [task("Before")]}, verdict="NotPromotable"
    ),
    "a task during it never ends": Case(
        "Evaluating", "TaskFailed", plan={"tasks": [task("During")]}, verdict="NotPromotable"
    ),
    "the task that owns the window never starts": Case(
        "WarmingUp", "TaskFailed", verdict="NotPromotable",
        plan={"tasks": [task("During", job=True, ownsWindow=True)]},
    ),
    # Promoting
    "nobody approves it": Case(
        "Promoting", "AllObjectivesMet", verdict="Promotable",
        plan={"promotion": {"approval": "Required", "deadline": "12m"}},
    ),
    "no promotion window opens": Case(
        "Promoting", "AllObjectivesMet", verdict="Promotable",
        plan={"promotion": {"deadline": "12m", "windows": [{"days": ["Sun"], "from": "01:00", "to": "02:00"}]}},
    ),
    "a freeze outlasts its promotion": Case(
        "Promoting", "AllObjectivesMet", verdict="Promotable",
        plan={"promotion": {"deadline": "12m", "soak": "1m"},
              "errorBudgetPolicy": {"freezeWindows": [{"from": "2026-03-02T12:09", "to": "2026-12-31T00:00"}]}},
    ),
    "its promotion's task never ends": Case(
        "Promoting", "AllObjectivesMet", verdict="Promotable", plan={"tasks": [task("Promotion")]},
    ),
    "a task after its verdict never ends": Case(
        "Promoting", "AllObjectivesMet", verdict="Promotable",
        plan={"tasks": [task("After")], "promotion": {}},
    ),
    # Measuring
    "what is adopted cannot be measured": Case(
        "Measuring", "Adopted", provider=silence, verdict=None, spec={"purpose": "Measure"}
    ),
    "what is adopted has no revision": Case(
        "Measuring", "Adopted", stuck((workload(), [], [])), verdict=None,
        spec={"purpose": "Measure"},
    ),
    # Watching
    "the provider never answers any more": Case(
        "Watching", "AllObjectivesMet", provider=after(500, good, silence), verdict="Promotable",
        plan={"watchFor": "20m"},
    ),
    "its pods go while it is watched": Case(
        "Watching", "AllObjectivesMet",
        [*rolled_out(), Change(600, view(workload(desired=0, updated=0, available=0, total=0), []))],
        verdict="Promotable", plan={"watchFor": "20m"}, objectives=(ERRORS, RESTARTS),
    ),
    "the workload vanishes while it is watched": Case(
        "Watching", "AllObjectivesMet", [*rolled_out(), Change(600, None)], verdict="Promotable",
        plan={"watchFor": "20m"}, until=601,
    ),
}  # fmt: skip


@pytest.mark.parametrize("killed", [False, True], ids=["", "killed after every step"])
@pytest.mark.parametrize("name", CASES)
def test_whatever_never_comes_it_ends_by_its_deadline(name: str, killed: bool) -> None:
    case = CASES[name]
    played = Play(case.of(), case.changes, case.provider, killed=lambda _: killed)
    # It fails where nothing would wake the release any more, or where it is not over by then.
    status = played.run(until=case.until, closed=True)
    promotable = conditions.find(status.conditions, "Promotable")
    assert promotable is not None
    assert status.verdict == case.verdict
    assert promotable.reason in case.reason.split(" or ")
    assert promotable.message
    phases = [step.status.phase for _, step in played.steps]
    assert phases[-1] == "Completed"
    assert [p for p in phases if p != "Completed"][-1] == case.sticks
    assert announcements(played.spec, status), "it is told"


@pytest.mark.parametrize("name", CASES)
def test_until_then_it_always_says_what_it_waits_for(name: str) -> None:
    case = CASES[name]
    played = Play(case.of(), case.changes, case.provider)
    played.run(until=case.until, closed=True)
    for now, step in played.steps:
        if step.status.closed_at is not None:
            continue
        assert step.due is not None
        # Nothing is left to chance: it is looked at again at the latest by a deadline of its plan.
        assert 0 < seconds(step.due) - now <= 1000
        promotable = conditions.find(step.status.conditions, "Promotable")
        assert promotable is not None
        assert promotable.message


def test_no_phase_is_left_out() -> None:
    covered = {case.sticks for case in CASES.values()} | {"Completed"}
    assert set(get_args(Phase)) == covered, "add a row to CASES: what may never come in that phase?"
