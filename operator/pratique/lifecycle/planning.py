"""The plan: a policy with all its references resolved, as it stands when a release begins.

From then on only the plan is read, so an edited policy concerns the next release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..judge.builtin import STAYS_UP
from ..resources.base import format_duration
from ..resources.bounds import check_bounds
from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.objective import IndicatorSource
from ..resources.policy import AnalysisTerms, PolicyObjective, ReleasePolicySpec, Watch
from ..resources.release import (
    Plan,
    PlanAnalysis,
    PlannedBaseline,
    PlannedObjective,
    ProviderPlan,
)
from ..resources.sensitivity import JudgingTerms, ScoringTerms
from .library import Library as Library
from .library import Named as Named
from .library import Provider as Provider
from .library import Unresolved as Unresolved
from .policies import Policy
from .task_plans import planned_tasks, with_owner

DEFAULT_SCRAPE_INTERVAL = timedelta(seconds=15)
"""Used only where a provider neither declares an interval nor answered the probe."""

DEFAULT_PROVIDER = "default"
BASIS_KUBERNETES = "judged by Kubernetes' own signals only"
EXTENSION = 6
"""Windows to which the window may be extended where traffic is little."""
MAX_PLAN_BYTES = 32 * 1024
MAX_PROVIDERS = 16
MAX_OBJECTIVES = 64


@dataclass(frozen=True, slots=True)
class OldPods:
    """The pods of the release before, whose past tells how much figures wander by themselves."""

    pattern: str
    since: datetime | None
    """Where names do not tell the version: since when they were that release's."""


def resolve(
    policy: Policy,
    library: Library,
    *,
    progress_deadline: float | None,
    baselines: Sequence[PlannedBaseline] = (),
    old_pods: OldPods | None = None,
    workload: str | None = None,
    required: Sequence[Policy] = (),
) -> Plan:
    """Resolve a policy in full, or raise Unresolved with the field's path and the mend.

    ``workload`` is the name of the one that is judged, which is no baseline of its own. ``required`` are
    the library's policies whose objectives are added.
    """
    providers: list[ProviderPlan] = []
    objectives: list[PlannedObjective] = []
    for index, entry in enumerate(policy.spec.objectives):
        objectives.append(
            _objective(policy, library, entry, f"spec.objectives[{index}]", providers)
        )
    basis = None
    if not policy.spec.objectives:
        objectives = list(STAYS_UP)
    for more in required:
        objectives = _with_required(policy, more, library, objectives, providers)
    _check_same_minutes(policy, objectives)
    _check_another(policy, workload)
    _check_budgets(policy, library)
    if all(o.indicator.kubernetes for o in objectives):
        basis = BASIS_KUBERNETES
    tasks = planned_tasks(policy.spec.tasks, library, policy.namespace)
    analysis = _analysis(policy.spec.analysis, progress_deadline, providers)
    delay = max((p.delay for p in providers), default=timedelta(0))
    plan = Plan(
        policy=f"{policy.namespace}/{policy.name}",
        policy_generation=policy.generation,
        moved_tag=policy.spec.causes.image,
        required=[f"{p.namespace}/{p.name}@{p.generation}" for p in required],
        analysis=with_owner(analysis, tasks, delay),
        providers=providers,
        objectives=objectives,
        basis=basis,
        mode=policy.spec.mode,
        score=policy.spec.score,
        on_warning=policy.spec.on_warning,
        error_budget_policy=policy.spec.error_budget_policy,
        hold=policy.spec.hold,
        tasks=tasks,
        promotion=policy.spec.promotion,
        old_pods=old_pods.pattern if old_pods else None,
        old_pods_since=old_pods.since if old_pods else None,
        watch_for=watch_for(policy.spec, promotes=promotes(policy.spec)),
        retention=policy.spec.retention,
        baselines=[_slim(b, objectives) for b in baselines],
    )
    size = len(plan.model_dump_json(by_alias=True, exclude_none=True))
    if size > MAX_PLAN_BYTES:
        raise Unresolved(
            "spec.objectives",
            f"the resolved plan has {size:,} bytes, more than {MAX_PLAN_BYTES:,}: use fewer "
            "objectives, shorter queries, or smaller tasks",
        )
    return plan


def trouble(policy: Policy, library: Library, workloads: Iterable[str]) -> str | None:
    """What will keep the next release of these workloads from beginning, told before there is one."""
    try:
        resolve(policy, library, progress_deadline=None)
        for workload in workloads:
            _check_another(policy, workload)
    except Unresolved as problem:
        return None if problem.waiting else str(problem)
    return None


def _with_required(
    policy: Policy,
    more: Policy,
    library: Library,
    given: Sequence[PlannedObjective],
    providers: list[ProviderPlan],
) -> list[PlannedObjective]:
    """The objectives with those that a required policy adds; each of these must pass, whatever scores.

    They are found, and their provider too, as the required policy itself would find them: what is
    required cannot be led elsewhere by whom it is required of. The rhythm is the judging policy's.
    """
    source = f"ReleasePolicy/{more.namespace}/{more.name}@{more.generation}"
    rhythm = replace(more, spec=more.spec.model_copy(update={"analysis": policy.spec.analysis}))
    found: list[PlannedObjective] = []
    try:
        for index, entry in enumerate(more.spec.objectives):
            where = f"spec.objectives[{index}]"
            found.append(_objective(rhythm, library, entry, where, providers))
    except Unresolved as problem:
        field = problem.field
        if not field.startswith("spec.analysis."):
            field = f"{source}: {field}"
        raise Unresolved(field, problem.message, waiting=problem.waiting) from None
    objectives = list(given)
    for objective in found or list(STAYS_UP):
        mine = objective.model_copy(
            update={
                "source": objective.source if objective.source != "inline" else source,
                "key": not objective.informational,
            }
        )
        names = [o.name for o in objectives]
        if mine.name in names:
            at = names.index(mine.name)
            if objectives[at].model_copy(update={"key": mine.key, "weight": mine.weight}) == mine:
                objectives[at] = objectives[at].model_copy(update={"key": mine.key})
                continue  # the team has it already
            mine = mine.model_copy(update={"name": f"{more.name}.{mine.name}"})
        objectives.append(mine)
    if len(objectives) > MAX_OBJECTIVES:
        raise Unresolved(
            "spec.objectives",
            f"with those of {source} there are {len(objectives)} objectives, more than "
            f"{MAX_OBJECTIVES}: use fewer",
        )
    return objectives


def promotes(spec: ReleasePolicySpec) -> bool:
    """Whether something is done with a promotable release."""
    return spec.promotion is not None or any(t.at == "Promotion" for t in spec.tasks)


def watch_for(spec: ReleasePolicySpec, *, promotes: bool) -> timedelta | None:
    """How long a promotable release is watched: as declared, else 1 h where something is promoted."""
    if spec.watch is None:
        return Watch().for_ if promotes else None
    return spec.watch.for_ or None


def _slim(baseline: PlannedBaseline, objectives: Sequence[PlannedObjective]) -> PlannedBaseline:
    """Without values of other objectives, and with values look by look only where ranks want them."""
    known = {o.name: o for o in objectives}
    values = [
        v if known[v.name].mann_whitney is not None else v.model_copy(update={"looks": []})
        for v in baseline.values
        if v.name in known
    ]
    return baseline.model_copy(update={"values": values})


def _analysis(
    analysis: AnalysisTerms, progress_deadline: float | None, providers: Sequence[ProviderPlan]
) -> PlanAnalysis:
    minutes = timedelta(minutes=1)
    # Both ends of the window are rounded up to the grid, and its last samples come late.
    delay = max((p.delay for p in providers), default=timedelta(0))
    extended = None
    if analysis.on_little_traffic == "Extend":
        extended = analysis.max_window or EXTENSION * analysis.window
        if analysis.deadline is not None:
            # A declared deadline is kept: the window is extended as far as it lets it.
            room = analysis.deadline - analysis.warm_up - 2 * analysis.interval - delay
            extended = min(extended, max(room, analysis.window))
    judging = max(2 * analysis.window, analysis.window + 2 * analysis.interval + delay)
    return PlanAnalysis(
        warm_up=analysis.warm_up,
        window=analysis.window,
        interval=analysis.interval,
        fail_after=analysis.fail_after,
        rollout_deadline=analysis.rollout_deadline
        or timedelta(seconds=progress_deadline or 600) + minutes,
        deadline=analysis.deadline or analysis.warm_up + judging + 5 * minutes,
        fail_fast_after=analysis.fail_fast.after,
        max_window=extended,
        noise_history=analysis.noise_history or None,
        max_traffic_ratio=analysis.baseline.max_traffic_ratio,
        drift=analysis.baseline.drift,
        no_baseline=analysis.baseline.on_no_baseline,
    )


def _objective(
    policy: Policy,
    library: Library,
    entry: PolicyObjective,
    field: str,
    providers: list[ProviderPlan],
) -> PlannedObjective:
    namespace, source = policy.namespace, "inline"
    if entry.ref:
        found = library.find(library.objectives, policy.namespace, entry.ref)
        if found is None:
            raise Unresolved(
                f"{field}.ref",
                f"there is no ServiceLevelObjective {entry.ref!r} in namespace {policy.namespace} "
                f"nor in {library.namespace}: apply it, or write the objective out here",
            )
        spec, namespace = found.spec, found.namespace
        source = f"ServiceLevelObjective/{found.namespace}/{found.name}@{found.generation}"
        field = f"{field} ({source}).spec"
    else:
        spec = entry.inline()
    indicator, indicator_namespace = _indicator(
        library, spec.indicator, namespace, f"{field}.indicator"
    )
    provider = None
    if indicator.kubernetes is None:
        provider = _provider(
            policy, library, indicator, indicator_namespace, f"{field}.indicator", providers
        )
    try:
        check_bounds(indicator, spec.pass_, spec.warn)
    except ValueError as problem:  # a reference hid from the bounds what is measured
        raise Unresolved(f"{field}.pass", str(problem)) from None
    return PlannedObjective(
        name=entry.title,
        source=source,
        indicator=indicator,
        pass_=spec.pass_,
        warn=spec.warn,
        min_requests=spec.min_requests,
        provider=provider,
        **{n: getattr(spec, n) for n in JudgingTerms.model_fields},
        **{n: getattr(entry, n) for n in ScoringTerms.model_fields},
    )


def _indicator(
    library: Library, source: IndicatorSource, namespace: str, field: str
) -> tuple[ServiceLevelIndicatorSpec, str]:
    if source.ref is None:
        fields = {n: getattr(source, n) for n in ServiceLevelIndicatorSpec.model_fields}
        return ServiceLevelIndicatorSpec.model_construct(**fields), namespace
    found = library.find(library.indicators, namespace, source.ref)
    if found is None:
        raise Unresolved(
            f"{field}.ref",
            f"there is no ServiceLevelIndicator {source.ref!r} in namespace {namespace} nor in "
            f"{library.namespace}: apply it, or write the indicator out here",
        )
    return found.spec, found.namespace


def _provider(
    policy: Policy,
    library: Library,
    indicator: ServiceLevelIndicatorSpec,
    indicator_namespace: str,
    field: str,
    providers: list[ProviderPlan],
) -> int:
    if indicator.provider:
        name, namespace, path = indicator.provider, indicator_namespace, f"{field}.provider"
    else:
        name = policy.spec.provider or DEFAULT_PROVIDER
        namespace, path = policy.namespace, "spec.provider"
    found = library.find(library.providers, namespace, name)
    if found is None:
        raise Unresolved(
            path,
            f"there is no MetricsProvider {name!r} in namespace {namespace} nor in "
            f"{library.namespace}: apply one (its spec needs only a url), or name another",
        )
    if not found.probed:
        raise Unresolved(
            path, f"waiting for the first probe of {found.namespace}/{found.name}", waiting=True
        )
    if indicator.query and found.spec.scope.raw == "Deny":
        raise Unresolved(
            f"{field}.query",
            f"MetricsProvider {found.namespace}/{found.name} takes no raw queries: use ratio or "
            "latency, or let its owner set spec.scope.raw: Allow",
        )
    known = found.scrape_interval
    _check_rhythm(policy.spec.analysis, known, f"{found.namespace}/{found.name}")
    scrape = known or DEFAULT_SCRAPE_INTERVAL
    planned = ProviderPlan(
        namespace=found.namespace,
        name=found.name,
        scrape_interval=scrape,
        delay=found.spec.delay if found.spec.delay is not None else 2 * scrape,
        scope_label=found.spec.scope.label,
    )
    if planned not in providers:
        if len(providers) >= MAX_PROVIDERS:
            raise Unresolved(
                path, f"{name!r} is one provider too many: a policy may ask {MAX_PROVIDERS} of them"
            )
        providers.append(planned)
    return providers.index(planned)


def _check_rhythm(analysis: AnalysisTerms, scrape: timedelta | None, provider: str) -> None:
    """Counts need two samples in each look and four in the window, or they say nothing."""
    if scrape is None:
        return
    for field, value, times in (
        ("interval", analysis.interval, 2),
        ("window", analysis.window, 4),
    ):
        if value < times * scrape:
            raise Unresolved(
                f"spec.analysis.{field}",
                f"{format_duration(value)} is too short: {provider} scrapes every "
                f"{format_duration(scrape)}, so it must be at least "
                f"{format_duration(times * scrape)}",
            )


def indicator_hash(indicator: ServiceLevelIndicatorSpec) -> str:
    """What is measured, as 16 hex digits: values of equal hashes may be compared."""
    what = indicator.model_dump_json(exclude={"description", "unit", "provider"})
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def _check_same_minutes(policy: Policy, objectives: Sequence[PlannedObjective]) -> None:
    """Old pods cannot be told from new ones by series of the whole workload."""
    for index, choice in enumerate(policy.spec.analysis.baseline.order):
        if choice.source != "OldPods":
            continue
        for objective in objectives:
            compared = any(b.change for b in (*objective.pass_, *objective.warn))
            if compared and objective.indicator.attribution == "Workload":
                raise Unresolved(
                    f"spec.analysis.baseline.order[{index}].source",
                    f"OldPods cannot serve objective {objective.name!r}, whose attribution is "
                    "Workload: its series speak for old and new pods alike; use LastPromotable, or "
                    "attribution: Pod",
                )


def _check_another(policy: Policy, workload: str | None) -> None:
    """What is compared with itself never changes; a selector does not tell whom it will match."""
    for index, choice in enumerate(policy.spec.analysis.baseline.order):
        if choice.name is not None and choice.name == workload:
            raise Unresolved(
                f"spec.analysis.baseline.order[{index}].name",
                f"{workload} would be compared with itself, and never change: name another "
                "Deployment, or give this one a policy of its own",
            )


def _check_budgets(policy: Policy, library: Library) -> None:
    """A budget that nobody keeps would leave every release inconclusive."""
    budgets = policy.spec.error_budget_policy
    for index, name in enumerate((budgets.objectives if budgets else None) or []):
        found = library.objectives.get((policy.namespace, name))
        if found is None or found.spec.target is None:
            raise Unresolved(
                f"spec.errorBudgetPolicy.objectives[{index}]",
                f"there is no ServiceLevelObjective {name!r} with a target in namespace "
                f"{policy.namespace}: apply it, or leave it off the list",
            )
