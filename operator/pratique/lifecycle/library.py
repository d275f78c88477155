"""What a policy may refer to, and what is said where a reference does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.objective import ServiceLevelObjectiveSpec
from ..resources.provider import MetricsProviderSpec, MetricsProviderStatus
from ..resources.task import TaskTemplateSpec


@dataclass(frozen=True, slots=True)
class Provider:
    """A MetricsProvider as it stands in the cluster."""

    namespace: str
    name: str
    generation: int
    spec: MetricsProviderSpec
    status: MetricsProviderStatus | None

    @property
    def probed(self) -> bool:
        """Whether this generation was probed at least once, with whichever outcome."""
        return self.status is not None and self.status.observed_generation == self.generation

    @property
    def scrape_interval(self) -> timedelta | None:
        """Declared, else measured."""
        if self.spec.scrape_interval is not None:
            return self.spec.scrape_interval
        return self.status.scrape_interval if self.status else None


T = TypeVar("T")


@dataclass(frozen=True)
class Named(Generic[T]):
    """A namespaced document with its generation."""

    namespace: str
    name: str
    generation: int
    spec: T


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that a policy may refer to, by (namespace, name)."""

    objectives: Mapping[tuple[str, str], Named[ServiceLevelObjectiveSpec]]
    indicators: Mapping[tuple[str, str], Named[ServiceLevelIndicatorSpec]]
    providers: Mapping[tuple[str, str], Provider]
    namespace: str
    """The library namespace, asked where nothing stands beside the policy."""
    templates: Mapping[tuple[str, str], Named[TaskTemplateSpec]] = field(default_factory=dict)

    def find(self, kind: Mapping[tuple[str, str], T], namespace: str, name: str) -> T | None:
        """Beside the user, else in the library namespace."""
        return kind.get((namespace, name)) or kind.get((self.namespace, name))


class Unresolved(Exception):  # noqa: N818 - an outcome of resolving, named as such
    """The policy cannot be turned into a plan: which field, why, and the mend."""

    def __init__(self, field: str, message: str, *, waiting: bool = False) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.waiting = waiting
        """Only a question of moments: the provider was not probed yet."""
