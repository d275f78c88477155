"""Which policy judges a workload: targetRefs beat selector, then the older, then by name."""

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

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return (self.namespace, self.name)


def matches(policy: Policy, workload: Workload) -> bool:
    """Whether the policy speaks of the workload, whoever else does."""
    if policy.namespace != workload.namespace:
        return False
    if policy.spec.target_refs is not None:
        return any(
            t.kind == workload.kind and t.name == workload.name for t in policy.spec.target_refs
        )
    return policy.spec.selector is not None and selects(policy.spec.selector, workload.labels)


def choose(workload: Workload, policies: Iterable[Policy]) -> Policy | None:
    """The one policy that judges the workload, if any."""
    candidates = [p for p in policies if matches(p, workload)]
    return min(
        candidates,
        key=lambda p: (p.spec.target_refs is None, p.created, p.name),
        default=None,
    )


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Kubernetes' label selector: every label and every requirement must hold."""
    return all(labels.get(k) == v for k, v in (selector.match_labels or {}).items()) and all(
        _holds(r, labels) for r in selector.match_expressions or []
    )


def _holds(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
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
