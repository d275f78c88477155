"""An Analysis resolved: its window, its looks, its plan, and whose series are meant.

Everything follows from the Analysis, the moment it was created, and what it refers to; so after a kill
the same is asked again.

Not here: asking and judging (analyses).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..judge.objectives import Terms
from ..queries import podnames, templates
from ..queries.questions import ARGUMENT, Provider, Question, Scope
from ..resources.analysis import AnalysisSpec
from ..resources.base import format_duration
from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.judgement import Window
from ..resources.policy import AnalysisTerms, PolicyObjective, ReleasePolicySpec
from ..resources.release import Plan, PlannedObjective
from .baselines import pods_of
from .noticing import Known
from .planning import Library, Unresolved, resolve
from .policies import Policy
from .spans import check_looks, cut, shortest, usual_interval, window_of

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """An Analysis as it stands in the cluster."""

    namespace: str
    name: str
    generation: int
    created: datetime
    spec: AnalysisSpec


@dataclass(frozen=True)
class Around:
    """What an Analysis may refer to."""

    library: Library
    policies: Mapping[tuple[str, str], Policy]
    exists: bool
    """Whether the workload is there."""
    version: str | None
    """The version that its template names now."""
    releases: Mapping[str, Known]
    """The workload's Releases, by name."""


@dataclass(frozen=True)
class Assignment:
    """What is to be asked and judged."""

    asked: Asked
    plan: Plan
    window: Window
    ends: tuple[datetime, ...]
    """Of the looks; the first begins with the window."""
    pods: str
    """A regular expression of the pods that are judged."""
    version: str | None
    policy: str | None
    """namespace/name@generation."""
    compared_pods: str | None
    """A regular expression of the pods that are compared with."""
    compared: Known | None
    """The Release that is compared with."""
    past: str | None
    """A regular expression of the pods whose past tells how much rates wander by themselves."""
    terms: Terms

    @property
    def delay(self) -> timedelta:
        """How long after a moment all that is asked of it is there."""
        return max((p.delay for p in self.plan.providers), default=timedelta(0))

    def looks(self) -> Iterator[tuple[datetime, datetime]]:
        """Each look's begin and end."""
        return zip((self.window.from_, *self.ends), self.ends, strict=False)

    def provider(self, objective: PlannedObjective) -> str:
        """namespace/name of who is asked."""
        assert objective.provider is not None
        planned = self.plan.providers[objective.provider]
        return f"{planned.namespace}/{planned.name}"

    def question(
        self,
        objective: PlannedObjective,
        begin: datetime,
        end: datetime,
        *,
        pods: str | None = None,
        workload: str | None = None,
        step: timedelta | None = None,
    ) -> Question:
        """The objective's indicator over (begin, end], of the pods that are judged, or of others."""
        assert objective.provider is not None
        planned, indicator = self.plan.providers[objective.provider], objective.indicator
        spec = self.asked.spec
        by_pod = indicator.attribution == "Pod"
        return Question(
            indicator=indicator,
            provider=Provider(
                planned.namespace,
                planned.name,
                planned.scope_label,
                planned.scrape_interval.total_seconds(),
            ),
            scope=Scope(
                namespace=self.asked.namespace,
                kind=spec.workload.kind,
                workload=workload or spec.workload.name,
                release=(spec.workload.release or "") if indicator.query else "",
                version=(self.version or "") if workload is None else "",
                pod_pattern=(pods or self.pods) if by_pod else None,
                baseline_pattern=self.compared_pods if indicator.query else None,
                args=tuple(
                    (name, value)
                    for name, value in sorted(spec.args.items())
                    if name in arguments(indicator)
                ),
            ),
            end=end,
            span=(end - begin).total_seconds(),
            step=0.0 if step is None else step.total_seconds(),
        )


def assign(asked: Asked, around: Around) -> Assignment:
    """The Analysis resolved in full; raises Unresolved with the field's path and the mend."""
    window = window_of(asked.spec, asked.created)
    policy = _policy(asked, around)
    pods, version = _subject(asked, around, window)
    plan = _plan(asked, around, policy, window)
    _check_arguments(asked, plan)
    _check_fixed(asked, plan)
    baseline = asked.spec.baseline
    compared = _compared(asked, around)
    compared_pods = None
    if baseline is not None and baseline.workload:
        compared_pods = podnames.of_any_version(asked.spec.workload.kind, baseline.workload)
    elif compared is not None and compared.revision_object:
        compared_pods = pods_of(compared)
    return Assignment(
        asked=asked,
        plan=plan,
        window=window,
        ends=cut(window, plan.analysis.interval, shortest(plan)),
        pods=pods,
        version=version,
        policy=f"{policy.namespace}/{policy.name}@{policy.generation}" if policy else None,
        compared_pods=compared_pods,
        compared=compared,
        past=_past(asked, around, compared),
        terms=(
            Terms(baseline.max_traffic_ratio, baseline.on_no_baseline)
            if baseline
            else Terms(plan.analysis.max_traffic_ratio, plan.analysis.no_baseline)
        ),
    )


def arguments(indicator: ServiceLevelIndicatorSpec) -> frozenset[str]:
    """The arguments that an indicator uses, by name."""
    texts: list[str] = []
    if indicator.query:
        texts.append(indicator.query.expr)
    where = list(indicator.latency.where) if indicator.latency else []
    if indicator.ratio:
        for series in (indicator.ratio.good, indicator.ratio.bad, indicator.ratio.total):
            where += series.where if series else []
    for m in where:
        texts += [t for t in (m.equals, m.not_equals, m.matches, m.not_matches) if t is not None]
    used = frozenset[str]().union(*(templates.variables(t) for t in texts))
    return frozenset(n.removeprefix(ARGUMENT) for n in used if n.startswith(ARGUMENT))


def _policy(asked: Asked, around: Around) -> Policy | None:
    name = asked.spec.policy
    if name is None:
        return None
    found = around.policies.get((asked.namespace, name))
    if found is None:
        raise Unresolved(
            "spec.policy",
            f"there is no ReleasePolicy {name!r} in namespace {asked.namespace}: apply it, or say "
            "objectives",
        )
    if all(_of_kubernetes(o) for o in found.spec.objectives):
        raise Unresolved(
            "spec.policy",
            f"ReleasePolicy {name!r} judges by Kubernetes' own signals only, which cannot be asked "
            "for the past: say objectives",
        )
    return found


def _of_kubernetes(objective: PolicyObjective) -> bool:
    return objective.indicator is not None and objective.indicator.kubernetes is not None


def _subject(asked: Asked, around: Around, window: Window) -> tuple[str, str | None]:
    """(a regular expression of the pods, the version)."""
    workload = asked.spec.workload
    if workload.release is None:
        if not around.exists and not around.releases:
            raise Unresolved(
                "spec.workload.name",
                f"there is no {workload.kind} {workload.name!r} in namespace {asked.namespace}, and "
                "no Release of one: correct the name",
            )
        return podnames.of_any_version(workload.kind, workload.name), around.version
    found = around.releases.get(workload.release)
    if found is None:
        raise Unresolved(
            "spec.workload.release",
            f"{workload.kind} {workload.name} has no Release {workload.release!r}: see "
            f"kubectl get releases.pratique.sh -n {asked.namespace}",
        )
    pods = pods_of(found)
    if pods is None:
        raise Unresolved("spec.workload.release", f"{found.name} has had no pods yet", waiting=True)
    if not podnames.tells_version(workload.kind):
        _check_time(workload.kind, found, around, window)
    return pods, found.version


def _check_time(kind: str, found: Known, around: Around, window: Window) -> None:
    """Pods whose names do not tell their version are a release's own only while nothing else ran."""
    begin = found.rolled_out_at
    if begin is None:
        raise Unresolved(
            "spec.workload.release", f"{found.name} is not rolled out yet", waiting=True
        )
    later = [k.noticed_at for k in around.releases.values() if k.number > found.number]
    end = min(later, default=None)
    if window.from_ < begin or (end is not None and window.to > end):
        until = f"to {end:%Y-%m-%d %H:%M:%S} UTC" if end else "on"
        raise Unresolved(
            "spec.workload.release",
            f"the pods of a {kind} do not tell their version by name, and {found.name} ran alone from "
            f"{begin:%Y-%m-%d %H:%M:%S} UTC {until}: choose the window within that time",
        )


def _compared(asked: Asked, around: Around) -> Known | None:
    baseline = asked.spec.baseline
    if baseline is None or baseline.release is None:
        return None
    found = around.releases.get(baseline.release)
    if found is None:
        raise Unresolved(
            "spec.baseline.release",
            f"{asked.spec.workload.kind} {asked.spec.workload.name} has no Release "
            f"{baseline.release!r}: name one that it has",
        )
    if not found.values:
        raise Unresolved(
            "spec.baseline.release",
            f"{found.name} has no values to compare with: only a release that is promotable by "
            "evidence, or adopted, has some; name another",
        )
    return found


def _past(asked: Asked, around: Around, compared: Known | None) -> str | None:
    """Pods of one ReplicaSet: of the release compared with, else of the one that is judged."""
    judged = around.releases.get(asked.spec.workload.release or "")
    return next((p for k in (compared, judged) if k and (p := pods_of(k))), None)


def _plan(asked: Asked, around: Around, policy: Policy | None, window: Window) -> Plan:
    spec = asked.spec
    length = window.to - window.from_
    declared = spec.interval
    if declared is not None and declared > length:
        raise Unresolved(
            "spec.interval",
            f"{format_duration(declared)} is longer than the whole window of "
            f"{format_duration(length)}: make it shorter",
        )
    terms = AnalysisTerms().model_copy(
        update={
            "window": length,
            "interval": declared or min(length, DAY),
            "noise_history": policy.spec.analysis.noise_history if policy else DAY,
            "on_little_traffic": "Inconclusive",
        }
    )
    given = spec if policy is None else policy.spec
    judged_by = Policy(
        asked.namespace,
        policy.name if policy else asked.name,
        "",
        policy.generation if policy else asked.generation,
        asked.created,
        ReleasePolicySpec.model_construct(
            provider=spec.provider or given.provider,
            objectives=given.objectives,
            analysis=terms,
            mode="Enforce",
            score=spec.score or given.score,
            on_warning=spec.on_warning or given.on_warning or "Promotable",
            error_budget_policy=None,
        ),
    )
    try:
        plan = resolve(judged_by, around.library, progress_deadline=None)
    except Unresolved as problem:
        raise _renamed(problem, policy) from None
    plan = _without_kubernetes(plan, policy)
    providers = plan.providers
    if spec.delay is not None:
        providers = [p.model_copy(update={"delay": spec.delay}) for p in providers]
    interval = declared or usual_interval(plan, policy, length)
    check_looks(interval, length, len(plan.objectives))
    analysis = plan.analysis.model_copy(update={"interval": interval})
    return plan.model_copy(update={"analysis": analysis, "providers": providers})


def _renamed(problem: Unresolved, policy: Policy | None) -> Unresolved:
    """Under the Analysis' own names, which are not the policy's."""
    field = problem.field
    if field.startswith("spec.analysis."):
        field = field.replace("spec.analysis.", "spec.", 1)
        if field == "spec.window":
            field = "spec (the window)"
    elif policy is not None and field != "spec.provider":
        field = f"spec.policy (ReleasePolicy/{policy.namespace}/{policy.name}).{field}"
    return Unresolved(field, problem.message, waiting=problem.waiting)


def _without_kubernetes(plan: Plan, policy: Policy | None) -> Plan:
    """What Kubernetes itself tells cannot be asked for the past: refused, or left out and said."""
    of_kubernetes = [o for o in plan.objectives if o.indicator.kubernetes]
    if not of_kubernetes:
        return plan
    kept = [o for o in plan.objectives if not o.indicator.kubernetes]
    names = ", ".join(o.name for o in of_kubernetes)
    if policy is None or not kept:
        raise Unresolved(
            "spec.policy" if policy else "spec.objectives",
            f"{names}: Kubernetes' own signals cannot be asked for the past: use ratio, latency or "
            "query",
        )
    basis = f"without Kubernetes' own signals ({names})"
    return plan.model_copy(
        update={
            "objectives": kept,
            "basis": basis if len(basis) <= 128 else "without Kubernetes' own signals",
        }
    )


def _check_arguments(asked: Asked, plan: Plan) -> None:
    for objective in plan.objectives:
        for name in sorted(arguments(objective.indicator) - set(asked.spec.args)):
            raise Unresolved(
                f"spec.args.{name}",
                f"objective {objective.name!r} uses ${ARGUMENT}{name}: give it a value",
            )


def _check_fixed(asked: Asked, plan: Plan) -> None:
    names = [o.name for o in plan.objectives]
    fixed = (asked.spec.baseline.fixed if asked.spec.baseline else None) or []
    for index, value in enumerate(fixed):
        if value.objective not in names:
            raise Unresolved(
                f"spec.baseline.fixed[{index}].objective",
                f"there is no objective {value.objective!r}: the policy has {', '.join(names)}",
            )
