"""What the cluster says now, as slim records. Kopf's events and the lists at start fill it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from ..cluster.workloads import BY_PLURAL
from ..lifecycle.analyses import expires
from ..lifecycle.budgets import Agreement, Budget, Gating
from ..lifecycle.groups import KIND, Group
from ..lifecycle.history import remember
from ..lifecycle.noticing import Fingerprint, Known, fingerprint
from ..lifecycle.planning import Library, Named, Provider
from ..lifecycle.policies import Policy, choose, matches, required
from ..lifecycle.view import View, Workload
from ..resources.agreement import (
    ServiceLevelAgreement,
    ServiceLevelAgreementSpec,
    ServiceLevelAgreementStatus,
)
from ..resources.analysis import Analysis
from ..resources.base import ObjectMeta
from ..resources.budget import ServiceLevelObjectiveStatus
from ..resources.budget_policy import OVERRIDE_ANNOTATION
from ..resources.conditions import find
from ..resources.group import ReleaseGroup, ReleaseGroupStatus
from ..resources.indicator import ServiceLevelIndicator, ServiceLevelIndicatorSpec
from ..resources.objective import ServiceLevelObjective, ServiceLevelObjectiveSpec
from ..resources.policy import ReleasePolicy, ReleasePolicyStatus
from ..resources.provider import MetricsProvider
from ..resources.release import FINISHED_LABEL, Plan, Release, ReleaseStatus
from ..resources.task import TaskTemplate, TaskTemplateSpec
from .clock import Key

logger = logging.getLogger(__name__)

K = TypeVar("K")
L = TypeVar("L")
V = TypeVar("V")
Body = Mapping[str, Any]
Name = tuple[str, str]
"""(namespace, name)."""


_WIDE = "*"
"""No namespace is called so."""
_RECKONED = {
    "servicelevelobjectives": "ServiceLevelObjective",
    "servicelevelagreements": "ServiceLevelAgreement",
    "analyses": "Analysis",
    "releasegroups": "ReleaseGroup",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload without its template, which only its fingerprint is needed of."""

    workload: Workload
    fingerprint: Fingerprint


@dataclass(slots=True)
class Record:
    """A Release: slim once finished, whole and with its working status before."""

    metadata: ObjectMeta
    known: Known
    generation: int
    """The workload's generation when it was noticed."""
    finished: bool
    superseded: bool
    release: Release | None
    status: ReleaseStatus
    """The working status: what was written plus what is not yet worth a write."""


@dataclass(frozen=True, slots=True)
class AnalysisRecord:
    """An Analysis: slim once it has its verdict."""

    metadata: ObjectMeta
    analysis: Analysis | None
    """None once it is finished."""
    expires: datetime | None
    """When it is to be deleted."""


@dataclass
class Store:
    """Caches by (namespace, name); releases by workload."""

    library_namespace: str
    workloads: dict[Key, Seen] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Their labels."""
    policies: dict[Name, Policy] = field(default_factory=dict)
    policy_status: dict[Name, ReleasePolicyStatus | None] = field(default_factory=dict)
    refused: dict[Name, str] = field(default_factory=dict)
    """Policies that the models do not take, and why."""
    objectives: dict[Name, Named[ServiceLevelObjectiveSpec]] = field(default_factory=dict)
    indicators: dict[Name, Named[ServiceLevelIndicatorSpec]] = field(default_factory=dict)
    providers: dict[Name, Provider] = field(default_factory=dict)
    templates: dict[Name, Named[TaskTemplateSpec]] = field(default_factory=dict)
    agreements: dict[Name, Named[ServiceLevelAgreementSpec]] = field(default_factory=dict)
    budget_status: dict[Name, ServiceLevelObjectiveStatus] = field(default_factory=dict)
    """Of objectives, as last read or written."""
    agreement_status: dict[Name, ServiceLevelAgreementStatus] = field(default_factory=dict)
    refused_accounts: dict[Key, str] = field(default_factory=dict)
    """Objectives, agreements, analyses and groups that the models do not take, and why."""
    groups: dict[Name, Group] = field(default_factory=dict)
    group_status: dict[Name, ReleaseGroupStatus | None] = field(default_factory=dict)
    analyses: dict[Name, AnalysisRecord] = field(default_factory=dict)
    releases: dict[Key, dict[str, Record]] = field(default_factory=dict)
    _owner: dict[Name, Key] = field(default_factory=dict)
    _unfinished: set[Name] = field(default_factory=set)
    """Releases that are still followed."""
    _versions: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(plural, namespace, name): at which resourceVersion it was last taken in."""
    _near: dict[str, dict[Key, Seen]] = field(default_factory=dict)
    """Workloads by namespace: what concerns one need not look at all."""
    _policies_near: dict[str, dict[Name, Policy]] = field(default_factory=dict)
    """Policies that speak of one namespace, by it; those that speak of many stand under ``_WIDE``."""

    @property
    def library(self) -> Library:
        """Everything that a policy may refer to."""
        return Library(
            self.objectives,
            self.indicators,
            self.providers,
            self.library_namespace,
            self.templates,
        )

    def history(self, key: Key) -> list[Record]:
        """The workload's Releases, oldest first, each attempt of a version in turn."""
        return sorted(
            self.releases.get(key, {}).values(), key=lambda r: (r.known.number, r.known.attempt)
        )

    @property
    def active(self) -> int:
        """How many Releases are still followed."""
        return len(self._unfinished)

    def workloads_in(self, namespace: str) -> Iterator[Workload]:
        """The workloads of one namespace."""
        return (seen.workload for seen in self._near.get(namespace, {}).values())

    def record(self, namespace: str, name: str) -> Record | None:
        """One Release by its name."""
        owner = self._owner.get((namespace, name))
        return self.releases[owner].get(name) if owner else None

    def gating(self, record: Record, view: View | None) -> Gating:
        """What may hold a release back: its namespace's budgets and agreements, an override."""
        release, namespace = record.release, record.metadata.namespace
        if release is None or release.spec.plan.error_budget_policy is None:
            return Gating()
        return Gating(
            policy=release.spec.plan.policy.rpartition("/")[2],
            budgets={
                name: Budget(o.spec, self.budget_status.get((ns, name)))
                for (ns, name), o in self.objectives.items()
                if ns == namespace and o.spec.target is not None
            },
            agreements={
                name: Agreement(a.spec, self.agreement_status.get((ns, name)))
                for (ns, name), a in self.agreements.items()
                if ns == namespace
            },
            change_class=view.workload.change_class if view else None,
            override=record.metadata.annotations.get(OVERRIDE_ANNOTATION),
        )

    def there(self, key: Key) -> bool:
        """Whether what a Release speaks of is there: a workload, or a group."""
        return key in self.workloads or (key[1] == KIND and (key[0], key[2]) in self.groups)

    def clocks(self, plan: Plan) -> tuple[str, ...]:
        """What is to be said of the plan's providers whose clocks are off."""
        said = []
        for planned in plan.providers:
            provider = self.providers.get((planned.namespace, planned.name))
            ready = (
                find(provider.status.conditions, "Ready") if provider and provider.status else None
            )
            if ready is not None and ready.reason == "ClockSkew":
                said.append(f"MetricsProvider {planned.namespace}/{planned.name}: {ready.message}")
        return tuple(said)

    def policy_of(self, workload: Workload) -> Policy | None:
        """The one policy that judges the workload."""
        return choose(workload, self._speaking_to(workload.namespace), self.namespaces)

    def required_of(self, workload: Workload, judging: Policy) -> list[Policy]:
        """The policies whose objectives are added to that of the one that judges."""
        return required(workload, judging, self._speaking_to(workload.namespace), self.namespaces)

    def speaks_of(self, policy: Policy) -> Iterator[Workload]:
        """The workloads that the policy matches, whoever judges them."""
        near = self.workloads if policy.wide else self._near.get(policy.namespace, {})
        for seen in near.values():
            if matches(policy, seen.workload, self.namespaces):
                yield seen.workload

    def _speaking_to(self, namespace: str) -> Iterator[Policy]:
        """The policies that may speak of that namespace's workloads."""
        for place in (namespace, _WIDE):
            yield from self._policies_near.get(place, {}).values()

    def _keep_policy(self, name: Name, policy: Policy | None) -> Policy | None:
        """Put a policy in its place, or take it away; returns the one that was there."""
        old = self.policies.pop(name, None)
        if old is not None:
            _take_out(self._policies_near, _place(old), name)
        if policy is not None:
            self.policies[name] = policy
            self._policies_near.setdefault(_place(policy), {})[name] = policy
        return old

    def put(self, plural: str, body: Body) -> set[Key]:
        """Take in an object as it is now; returns the keys that must be looked at."""
        meta = ObjectMeta.model_validate(dict(body["metadata"]))
        name = (meta.namespace, meta.name)
        version = _version(meta)
        if version < self._versions.get((plural, *name), 0):
            return set()  # a page of a LIST that is older than what a watch told meanwhile
        self._versions[(plural, *name)] = version
        try:
            match plural:
                case _ if plural in BY_PLURAL:
                    return self._put_workload(plural, body)
                case "namespaces":
                    return self._put_namespace(meta)
                case "releases":
                    return self._put_release(meta, body)
                case "releasepolicies":
                    return self._put_policy(meta, body)
                case "releasegroups":
                    return self._put_group(meta, body)
                case "servicelevelobjectives":
                    objective = ServiceLevelObjective.model_validate(_ours(body))
                    if _newer(objective.status, self.budget_status.get(name)):
                        assert objective.status is not None
                        self.budget_status[name] = objective.status
                    before = self.objectives.get(name)
                    named = Named(*name, meta.generation, objective.spec)
                    self.refused_accounts.pop((name[0], _RECKONED[plural], name[1]), None)
                    self.objectives[name] = named
                    if named == before:  # its status alone
                        return set()
                    return self._waiting(meta.namespace) | {
                        (*name[:1], "ServiceLevelObjective", name[1])
                    }
                case "servicelevelagreements":
                    agreement = ServiceLevelAgreement.model_validate(_ours(body))
                    if agreement.status is not None:
                        self.agreement_status[name] = agreement.status
                    self.refused_accounts.pop((name[0], _RECKONED[plural], name[1]), None)
                    promised = self.agreements.get(name)
                    self.agreements[name] = Named(*name, meta.generation, agreement.spec)
                    if promised == self.agreements[name]:
                        return set()
                    return {(*name[:1], "ServiceLevelAgreement", name[1])}
                case "analyses":
                    return self._put_analysis(meta, body)
                case "servicelevelindicators":
                    indicator = ServiceLevelIndicator.model_validate(_ours(body))
                    self.indicators[name] = Named(*name, meta.generation, indicator.spec)
                case "tasktemplates":
                    template = TaskTemplate.model_validate(_ours(body))
                    self.templates[name] = Named(*name, meta.generation, template.spec)
                case "metricsproviders":
                    provider = MetricsProvider.model_validate(_ours(body))
                    old = self.providers.get(name)
                    new = Provider(*name, meta.generation, provider.spec, provider.status)
                    self.providers[name] = new
                    if old == new:
                        return set()
                    return self._waiting(meta.namespace) | {(*name[:1], "MetricsProvider", name[1])}
        except ValidationError as error:
            # The CRDs refuse almost all of this already; a rule of ours may still be stricter.
            sentence = _first(error)
            logger.warning("%s %s/%s is not understood: %s", plural, *name, sentence)
            self.drop(plural, *name)
            if plural == "releasepolicies":
                self.refused[name] = sentence
                return {(meta.namespace, "ReleasePolicy", meta.name)}
            if plural in _RECKONED:
                key = (meta.namespace, _RECKONED[plural], meta.name)
                self.refused_accounts[key] = sentence
                return {key} | self._waiting(meta.namespace)
        return self._waiting(meta.namespace)

    def drop(self, plural: str, namespace: str, name: str) -> set[Key]:
        """Forget an object; returns the keys that must be looked at."""
        at = (namespace, name)
        self._versions.pop((plural, *at), None)
        match plural:
            case _ if plural in BY_PLURAL:
                key = (namespace, BY_PLURAL[plural].kind, name)
                gone = self.workloads.pop(key, None)
                _take_out(self._near, namespace, key)
                woken = self._policies_of(gone.workload) if gone else set()
                return {key} | woken | self._groups_in(namespace)
            case "namespaces":
                self.namespaces.pop(name, None)
                return set()
            case "releases":
                owner = self._owner.pop(at, None)
                self._unfinished.discard(at)
                if owner:
                    _take_out(self.releases, owner, name)
                    return {owner}
                return set()
            case "releasepolicies":
                self.refused.pop(at, None)
                self.policy_status.pop(at, None)
                policy = self._keep_policy(at, None)
                woken = {w.key for w in self.speaks_of(policy)} if policy else set()
                return woken | self._analyses_in(namespace)
            case "releasegroups":
                self.groups.pop(at, None)
                self.group_status.pop(at, None)
                self.refused_accounts.pop((namespace, _RECKONED[plural], name), None)
                return {(namespace, "ReleaseGroup", name)}
            case "analyses":
                self.analyses.pop(at, None)
                self.refused_accounts.pop((namespace, _RECKONED[plural], name), None)
                return {(namespace, "Analysis", name)}
            case "servicelevelobjectives":
                self.objectives.pop(at, None)
                self.budget_status.pop(at, None)
                self.refused_accounts.pop((namespace, _RECKONED[plural], name), None)
            case "servicelevelagreements":
                self.agreements.pop(at, None)
                self.agreement_status.pop(at, None)
                self.refused_accounts.pop((namespace, _RECKONED[plural], name), None)
                return set()
            case "servicelevelindicators":
                self.indicators.pop(at, None)
            case "tasktemplates":
                self.templates.pop(at, None)
            case "metricsproviders":
                self.providers.pop(at, None)
                return self._waiting(namespace) | {(namespace, "MetricsProvider", name)}
        return self._waiting(namespace)

    def knows(self, plural: str, name: Name) -> bool:
        """Whether that object was taken in, and not forgotten since."""
        return (plural, *name) in self._versions

    def names(self, plural: str) -> set[Name]:
        """The objects of the kind that were taken in."""
        if plural in BY_PLURAL:
            kind = BY_PLURAL[plural].kind
            return {(k[0], k[2]) for k in self.workloads if k[1] == kind}
        mine: Iterable[Name] = {
            "namespaces": [("", n) for n in self.namespaces],
            "releases": self._owner,
            "releasepolicies": self.policies,
            "releasegroups": self.groups,
            "servicelevelobjectives": self.objectives,
            "servicelevelagreements": self.agreements,
            "analyses": self.analyses,
            "servicelevelindicators": self.indicators,
            "tasktemplates": self.templates,
            "metricsproviders": self.providers,
        }[plural]
        return set(mine)

    def _put_workload(self, plural: str, body: Body) -> set[Key]:
        workload = BY_PLURAL[plural].read(body)
        found = Seen(replace(workload, template={}), fingerprint(workload.template))
        old = self.workloads.get(workload.key)
        self.workloads[workload.key] = found
        self._near.setdefault(workload.namespace, {})[workload.key] = found
        if old == found:
            return set()
        woken = {workload.key}
        if old is None:
            woken |= self._analyses_in(workload.namespace)
        if old is None or old.workload.labels != workload.labels:
            woken |= self._policies_of(workload) | self._groups_in(workload.namespace)
        return woken

    def _put_namespace(self, meta: ObjectMeta) -> set[Key]:
        old = self.namespaces.get(meta.name)
        self.namespaces[meta.name] = meta.labels
        if old == meta.labels:
            return set()
        return set(self._near.get(meta.name, ())) | {
            (ns, "ReleasePolicy", name) for ns, name in self._policies_near.get(_WIDE, ())
        }

    def _put_policy(self, meta: ObjectMeta, body: Body) -> set[Key]:
        parsed = ReleasePolicy.model_validate(_ours(body))
        name = (meta.namespace, meta.name)
        assert meta.creation_timestamp is not None
        new = Policy(
            *name, meta.uid, meta.generation, meta.creation_timestamp, parsed.spec,
            library=meta.namespace == self.library_namespace,
        )  # fmt: skip
        old = self._keep_policy(name, new)
        self.policy_status[name] = parsed.status
        self.refused.pop(name, None)
        if old == new:
            return set()
        woken = {w.key for p in (old, new) if p for w in self.speaks_of(p)}
        woken |= self._analyses_in(meta.namespace)
        return woken | {
            (ns, "ReleasePolicy", name)
            for place in (meta.namespace, _WIDE)
            for ns, name in self._policies_near.get(place, ())
        }

    def _put_group(self, meta: ObjectMeta, body: Body) -> set[Key]:
        parsed = ReleaseGroup.model_validate(_ours(body))
        name = (meta.namespace, meta.name)
        assert meta.creation_timestamp is not None
        new = Group(*name, meta.uid, meta.generation, meta.creation_timestamp, parsed.spec)
        old = self.groups.get(name)
        self.groups[name] = new
        self.group_status[name] = parsed.status
        self.refused_accounts.pop(new.key, None)
        return set() if old == new else {new.key}

    def _put_release(self, meta: ObjectMeta, body: Body) -> set[Key]:
        release = Release.model_validate(_ours(body))
        workload = release.spec.workload
        key = (meta.namespace, workload.kind, workload.name)
        siblings = self.releases.setdefault(key, {})
        old = siblings.get(meta.name)
        if old and _version(old.metadata) >= _version(meta):
            return set()  # an echo of what was read or written already
        status = release.status or ReleaseStatus()
        finished = meta.labels.get(FINISHED_LABEL) == "true"
        self._owner[(meta.namespace, meta.name)] = key
        if finished:
            self._unfinished.discard((meta.namespace, meta.name))
        else:
            self._unfinished.add((meta.namespace, meta.name))
        siblings[meta.name] = Record(
            metadata=meta,
            known=remember(meta, release.spec, status),
            generation=status.ignored.generation if status.ignored else release.spec.generation,
            finished=finished,
            superseded=any(c.type == "Superseded" for c in status.conditions),
            release=None if finished else release,
            status=ReleaseStatus() if finished else status,
        )
        return {key} | self._analyses_in(meta.namespace)

    def _put_analysis(self, meta: ObjectMeta, body: Body) -> set[Key]:
        name = (meta.namespace, meta.name)
        old = self.analyses.get(name)
        if old and _version(old.metadata) >= _version(meta):
            return set()  # an echo of what was read or written already
        analysis = Analysis.model_validate(_ours(body))
        status = analysis.status
        finished = status is not None and status.completed_at is not None
        self.refused_accounts.pop((name[0], _RECKONED["analyses"], name[1]), None)
        self.analyses[name] = AnalysisRecord(
            metadata=meta,
            analysis=None if finished else analysis,
            expires=expires(analysis.spec, status) if status else None,
        )
        return {(meta.namespace, "Analysis", meta.name)}

    def _analyses_in(self, namespace: str) -> set[Key]:
        """Unfinished analyses that may refer to something in that namespace."""
        return {
            (ns, "Analysis", name)
            for (ns, name), record in self.analyses.items()
            if record.analysis is not None and namespace in (ns, self.library_namespace)
        }

    def _groups_in(self, namespace: str) -> set[Key]:
        """Groups that may refer to something in that namespace."""
        return {
            g.key
            for g in self.groups.values()
            if namespace in (g.namespace, self.library_namespace)
        }

    def _policies_of(self, workload: Workload) -> set[Key]:
        return {
            (p.namespace, "ReleasePolicy", p.name)
            for p in self._speaking_to(workload.namespace)
            if matches(p, workload, self.namespaces)
        }

    def _waiting(self, namespace: str) -> set[Key]:
        """Whatever may refer to something in that namespace: policies, their workloads, analyses, groups."""
        near = (
            list(self.policies.values())
            if namespace == self.library_namespace
            else [p for p in self._speaking_to(namespace) if p.namespace == namespace]
        )
        return (
            self._analyses_in(namespace)
            | self._groups_in(namespace)
            | {w.key for p in near for w in self.speaks_of(p)}
            | {(p.namespace, "ReleasePolicy", p.name) for p in near}
        )


def _place(policy: Policy) -> str:
    return _WIDE if policy.wide else policy.namespace


def _take_out(from_: dict[K, dict[L, V]], place: K, name: L) -> None:
    """What stands in a place, and the place too once it is empty."""
    there = from_.get(place)
    if there is not None:
        there.pop(name, None)
        if not there:
            del from_[place]


def _newer(
    read: ServiceLevelObjectiveStatus | None, known: ServiceLevelObjectiveStatus | None
) -> bool:
    """Whether what was read is news: what we reckoned is not always written at once."""
    if read is None or known is None or known.evaluated_at is None:
        return read is not None
    return read.evaluated_at is not None and read.evaluated_at > known.evaluated_at


def _ours(body: Body) -> dict[str, Any]:
    return {k: body[k] for k in ("spec", "status") if body.get(k)}


def _version(meta: ObjectMeta) -> int:
    return int(meta.resource_version or 0)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
    return f"{path}: {first['msg'].removeprefix('Value error, ')}"
