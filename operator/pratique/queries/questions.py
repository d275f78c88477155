"""What the lifecycle wants to know: one indicator of one release over one span of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..resources.indicator import ServiceLevelIndicatorSpec

ARGUMENT = "arg_"
"""How the variables of an Analysis' arguments begin."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A metrics provider as the plan resolved it; the address and Secrets are the adapter's."""

    namespace: str
    name: str
    scope_label: str = "namespace"
    scrape_interval: float = 15.0
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose series are meant."""

    namespace: str
    kind: str
    workload: str
    release: str = ""
    version: str = ""
    pods: tuple[str, ...] = ()
    """Exact pod names, for attribution Pod …"""
    births: tuple[tuple[str, datetime], ...] = ()
    """When those of them were created whose names others had before: what is older is not theirs."""
    pod_pattern: str | None = None
    """… or an RE2 expression for them (anchored by Prometheus)."""
    baseline_pattern: str | None = None
    """An RE2 expression of the release before's pods, for $baselinePods."""
    args: tuple[tuple[str, str], ...] = ()
    """(name, value) of an Analysis' arguments that the indicator uses, for $arg_NAME."""

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments as variables, without their $."""
        return {f"{ARGUMENT}{name}": value for name, value in self.args}


@dataclass(frozen=True)
class Question:
    """One indicator of one scope over the span (end − span, end].

    Questions are equal, and then asked once, when all their fields are.
    """

    indicator: ServiceLevelIndicatorSpec
    provider: Provider
    scope: Scope
    end: datetime
    span: float
    """Seconds."""
    step: float = 0.0
    """Above 0 a history is asked: the counts of each step of so many seconds in the span. Answered by
    a History; of ratio and latency indicators told by pod or workload only."""

    def __hash__(self) -> int:
        return hash(
            (
                self.provider,
                self.scope,
                self.end,
                self.span,
                self.step,
                self.indicator.model_dump_json(),
            )
        )
