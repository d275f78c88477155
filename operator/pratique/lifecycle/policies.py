"""Which policy judges a workload: one of its own namespace before the library's; of those, targetRefs
beat selector, then the older, then by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..resources.policy import LabelRequirement, LabelSelector, ReleasePolicySpec
from .view import Workload


@dataclass(frozen=True, slots=True)
class Policy:
    """A ReleasePolicy as it stands in the cluster."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: datetime
    spec: ReleasePolicySpec
    library: bool = False
    """Whether it stands in the library namespace, and may so speak of other namespaces."""

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return (self.namespace, self.name)

    @property
    def wide(self) -> bool:
        """Whether it speaks of namespaces by their labels."""
        return self.spec.namespace_selector is not None


Labels = Mapping[str, str]
Namespaces = Mapping[str, Labels]
"""Labels by namespace."""


def misplaced(policy: Policy, library: str) -> str | None:
    """Why the policy speaks of nothing at all: field and mend."""
    if not policy.wide or policy.library:
        return None
    return (
        f"spec.namespaceSelector: only a policy in the library namespace {library} may speak of other "
        "namespaces: move it there, or leave namespaceSelector out"
    )


def matches(policy: Policy, workload: Workload, namespaces: Namespaces) -> bool:
    """Whether the policy speaks of the workload, whoever else does."""
    if policy.spec.namespace_selector is not None:
        labels = namespaces.get(workload.namespace)
        if not policy.library or labels is None:
            return False
        if not selects(policy.spec.namespace_selector, labels):
            return False
    elif policy.namespace != workload.namespace:
        return False
    if policy.spec.target_refs is not None:
        return any(
            t.kind == workload.kind and t.name == workload.name for t in policy.spec.target_refs
        )
    return policy.spec.selector is not None and selects(policy.spec.selector, workload.labels)


def choose(workload: Workload, policies: Iterable[Policy], namespaces: Namespaces) -> Policy | None:
    """The one policy that judges the workload, if any."""
    candidates = [p for p in policies if matches(p, workload, namespaces)]
    return min(
        candidates,
        key=lambda p: (p.wide, p.spec.target_refs is None, p.created, p.name),
        default=None,
    )


def required(
    workload: Workload, judging: Policy, policies: Iterable[Policy], namespaces: Namespaces
) -> list[Policy]:
    """The library's policies whose objectives the one that judges must take over."""
    found = [
        p
        for p in policies
        if p.spec.require and p.key != judging.key and matches(p, workload, namespaces)
    ]
    return sorted(found, key=lambda p: p.name)


def selects(selector: LabelSelector, labels: Labels) -> bool:
    """Kubernetes' label selector: every label and every requirement must hold."""
    return all(labels.get(k) == v for k, v in (selector.match_labels or {}).items()) and all(
        _holds(r, labels) for r in selector.match_expressions or []
    )


def _holds(requirement: LabelRequirement, labels: Labels) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
