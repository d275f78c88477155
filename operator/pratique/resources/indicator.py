"""ServiceLevelIndicator: what is measured."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    LabelName,
    MetricName,
    Model,
    Name,
    Number,
    PositiveDuration,
    Says,
    Text,
    cel,
    rules,
)

VARIABLES = (
    "$namespace",
    "$workload",
    "$kind",
    "$release",
    "$version",
    "$window",
    "$pods",
    "$baselinePods",
)
"""What a raw query may use."""
MATCHER_VARIABLES = ("$namespace", "$workload", "$version")
"""What a matcher's value may use."""
ARGUMENT = "arg_[a-z][a-z0-9_]*"
"""What an Analysis' arguments are called, as variables: $arg_run is the one called run."""


def _only(variables: tuple[str, ...]) -> Says:
    """Every $name in the text is one of these; a regular expression's bare $ is left alone."""
    names = "|".join([*(v.removeprefix("$") for v in variables), ARGUMENT])
    return Says.matches(
        rf"([^$]|[$]({names})\b|[$][^a-zA-Z_$])*[$]?",
        f"unknown variable: there are {' '.join(variables)}, and $arg_NAME in an Analysis",
    )


MatchText = Annotated[str, StringConstraints(max_length=512), _only(MATCHER_VARIABLES)]


class Matcher(Model):
    """A label and what its value must be: exactly one of equals, notEquals, matches, notMatches.

    Values may use $namespace, $workload and $version, and in an Analysis $arg_NAME.
    """

    model_config = rules(
        cel(
            "[has(self.equals), has(self.notEquals), has(self.matches), has(self.notMatches)]"
            ".filter(x, x).size() == 1",
            "say exactly one of equals, notEquals, matches, notMatches",
        ),
    )

    label: LabelName
    """The label's name."""
    equals: MatchText | None = None
    """The label's value is this."""
    not_equals: MatchText | None = None
    """The label's value is not this."""
    matches: MatchText | None = None
    """The label's value matches this RE2 expression, wholly."""
    not_matches: MatchText | None = None
    """The label's value does not match this RE2 expression."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (
            sum(
                v is not None
                for v in (self.equals, self.not_equals, self.matches, self.not_matches)
            )
            != 1
        ):
            raise ValueError("say exactly one of equals, notEquals, matches, notMatches")
        return self


Where = Annotated[
    list[Matcher], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})
]


class Series(Model):
    """A metric and the labels that choose its series."""

    metric: MetricName
    """The metric's name, such as http_requests_total."""
    where: Where = []
    """Which of its series: all of these must hold."""


class RatioIndicator(Model):
    """The share of good, or of bad, events among all: two counters.

    The value is that of what is declared: with ``bad`` the share of bad events (bounds say lte),
    with ``good`` the share of good ones (bounds say gte).
    """

    model_config = rules(
        cel("has(self.good) != has(self.bad)", "say exactly one of good and bad"),
    )

    good: Series | None = None
    """Counter of the good events."""
    bad: Series | None = None
    """Counter of the bad events; no series of it means that none happened."""
    total: Series
    """Counter of all events."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.good is None) == (self.bad is None):
            raise ValueError("say exactly one of good and bad")
        return self


class LatencyIndicator(Model):
    """Latency from a histogram: either a quantile in seconds, or the share within a threshold."""

    model_config = rules(
        cel(
            "has(self.quantile) != has(self.threshold)", "say exactly one of quantile and threshold"
        ),
    )

    histogram: Annotated[
        MetricName,
        Says(
            rule="!self.matches('_(bucket|sum|count)$')",
            holds=lambda name: not re.search("_(bucket|sum|count)$", name),
            message="leave off _bucket, _sum or _count: the histogram's own name is meant",
        ),
    ]
    """The histogram's name without _bucket, such as http_request_duration_seconds."""
    where: Where = []
    """Which of its series: all of these must hold."""
    quantile: (
        Annotated[
            Number,
            Says(
                rule="self > 0.0 && self < 1.0",
                holds=lambda value: 0 < value < 1,
                message="a quantile lies between 0 and 1: write 0.95 for the 95th percentile",
            ),
        ]
        | None
    ) = None
    """The value is this quantile, in seconds: 0.95 is the time within which 95 % are answered."""
    threshold: PositiveDuration | None = None
    """The value is the share of requests answered within this time (bounds say gte)."""
    unit: Literal["Seconds", "Milliseconds"] = "Seconds"
    """The unit of the histogram's edges; values and bounds are in seconds either way."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.quantile is None) == (self.threshold is None):
            raise ValueError("say exactly one of quantile and threshold")
        return self


class QueryIndicator(Model):
    """A PromQL expression that gives one number.

    Variables: $namespace $workload $kind $release $version $window $pods $baselinePods, and in an
    Analysis $arg_NAME. $pods and $baselinePods are regular expressions: write pod=~"$pods". Others
    stand inside quotes, $window inside brackets.
    """

    expr: Annotated[str, StringConstraints(min_length=1, max_length=4096), _only(VARIABLES)]
    """The expression."""
    aggregate: Literal["Sum", "Min", "Max", "Mean"] | None = None
    """How several series become one number; without it several series are an error."""


class KubernetesIndicator(Model):
    """What Kubernetes itself says of the release's pods; needs no metrics provider."""

    signal: Literal["Restarts", "OOMKills", "UnreadyShare"]
    """Restarts and OOMKills are counts; UnreadyShare is unready pod-time over pod-time."""


class AttributionLabels(Model):
    """What the labels are called that tell whose a series is."""

    namespace: LabelName | None = None
    """The namespace's label; default the provider's scope label."""
    pod: LabelName = "pod"
    """The pod's label, for attribution Pod."""
    workload: LabelName | None = None
    """The workload's label, for attribution Workload."""
    version: LabelName = "version"
    """The version's label, for attribution Version; equals the template's app.kubernetes.io/version."""


ONE_OF = ("ratio", "latency", "query", "kubernetes")
_EXACTLY_ONE = "say exactly one of ratio, latency, query, kubernetes"


ATTRIBUTION_RULES = (
    cel(
        "!has(self.query) || self.query.expr.contains('$pods') || self.query.expr.contains('$version')"
        " || (has(self.attribution) && self.attribution == 'Workload')",
        "a query that uses neither $pods nor $version cannot tell this release from the one "
        "before: use one, or declare attribution: Workload",
    ),
    cel(
        "!(has(self.attribution) && self.attribution == 'Workload') || has(self.query) "
        "|| (has(self.labels) && has(self.labels.workload)) || has(self.kubernetes)",
        "attribution: Workload needs labels.workload, the label that carries the workload's name",
    ),
)


class ServiceLevelIndicatorSpec(Model):
    """What is measured: exactly one of ratio, latency, query, kubernetes."""

    model_config = rules(
        cel(
            "[has(self.ratio), has(self.latency), has(self.query), has(self.kubernetes)]"
            ".filter(x, x).size() == 1",
            _EXACTLY_ONE,
        ),
        *ATTRIBUTION_RULES,
    )

    ratio: RatioIndicator | None = None
    """The share of good or bad events: two counters."""
    latency: LatencyIndicator | None = None
    """A quantile of, or the share within a threshold of, a latency histogram."""
    query: QueryIndicator | None = None
    """A PromQL expression that gives one number."""
    kubernetes: KubernetesIndicator | None = None
    """A signal of Kubernetes itself."""
    attribution: Literal["Pod", "Workload", "Version"] = "Pod"
    """Whose the series are: told by pod, by workload (ingress, mesh: valid only once the rollout is
    complete), or by a version label."""
    labels: AttributionLabels = AttributionLabels()
    """What the labels are called that tell whose a series is."""
    provider: Name | None = None
    """The MetricsProvider to ask; default the policy's, else the one called default."""
    unit: Annotated[str, StringConstraints(max_length=32)] | None = None
    """The unit that messages print behind the value; known for ratio and latency."""
    description: Text | None = None
    """What this measures, for people."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if sum(getattr(self, n) is not None for n in ONE_OF) != 1:
            raise ValueError(_EXACTLY_ONE)
        if (
            self.query
            and self.attribution != "Workload"
            and not any(v in self.query.expr for v in ("$pods", "$version"))
        ):
            raise ValueError(
                "a query that uses neither $pods nor $version cannot tell this release from the "
                "one before: use one, or declare attribution: Workload"
            )
        if self.attribution == "Workload" and not (
            self.query or self.kubernetes or self.labels.workload
        ):
            raise ValueError(
                "attribution: Workload needs labels.workload, the label that carries the workload's name"
            )
        return self


class ServiceLevelIndicator(Model):
    """What is measured: an error ratio, a latency, a query, or a signal of Kubernetes itself."""

    plural: ClassVar[str] = "servicelevelindicators"
    short_names: ClassVar[list[str]] = ["sli"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("ATTRIBUTION", "string", ".spec.attribution"),
        ("DESCRIPTION", "string", ".spec.description"),
    ]

    spec: ServiceLevelIndicatorSpec
    """What is measured."""
