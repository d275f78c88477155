"""MetricsProvider: where metrics are asked."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from .base import Duration, LabelName, Model, Name, Time, cel, keyed_list, rules
from .conditions import Condition


class SecretKey(Model):
    """One key of one Secret in the provider's own namespace."""

    name: Name
    """The Secret's name."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=253)] = "token"
    """The key in the Secret's data."""


class BearerAuth(Model):
    """A bearer token, read from a Secret at each use."""

    secret_ref: SecretKey
    """The Secret that holds the token."""


class Auth(Model):
    """How we say who we are. Leave it out where no authentication is asked."""

    bearer: BearerAuth
    """Send an Authorization header with a bearer token."""


class ProviderScope(Model):
    """Which data this provider may be asked for."""

    label: LabelName = "namespace"
    """The label that carries a series' namespace: structured indicators always match it."""
    raw: Literal["Deny", "Allow"] = "Deny"
    """Whether raw queries, which could read any namespace's data, may be sent here."""


class MetricsProviderSpec(Model):
    """Where and how metrics are asked."""

    model_config = rules(
        cel(
            "!has(self.auth) || self.url.startsWith('https://') "
            "|| self.url.matches('^http://(127[.]|localhost|[[]::1[]]|[a-z0-9.-]+[.]svc([.:/]|$))')",
            "a token over plain http can be read on the way: use an https:// URL",
        ),
    )

    type: Literal["Prometheus"] = "Prometheus"
    """Prometheus, or anything that speaks its query API."""
    url: Annotated[
        str,
        StringConstraints(pattern=r"^https?://[^\s?#@]+$", min_length=8, max_length=1024),
    ]
    """The base URL, such as http://prometheus.monitoring.svc:9090 (no user name, query or fragment)."""
    auth: Auth | None = None
    """How we say who we are."""
    scrape_interval: Duration | None = None
    """How often targets are scraped; measured by the probe when left out."""
    delay: Duration | None = None
    """How long after a moment all its samples are there; default twice the scrape interval."""
    timeout: Duration = Field(default="10s", validate_default=True)
    """How long one query may take."""
    scope: ProviderScope = ProviderScope()
    """Which data may be asked for."""


class MetricsProviderStatus(Model):
    """What the last probe found."""

    observed_generation: int | None = None
    """The generation that was probed."""
    conditions: Annotated[
        list[Condition], Field(max_length=8, json_schema_extra=keyed_list("type"))
    ] = []
    """Ready: whether the provider answers and its clock can be trusted."""
    scrape_interval: Duration | None = None
    """The scrape interval in use: declared or measured."""
    delay: Duration | None = None
    """The delay in use."""
    clock_skew: Annotated[str, StringConstraints(max_length=32)] | None = None
    """The provider's clock minus ours."""
    server_version: Annotated[str, StringConstraints(max_length=128)] | None = None
    """What the server calls itself."""
    probed_at: Time | None = None
    """When it was last probed."""


class MetricsProvider(Model):
    """Where metrics are asked: a Prometheus, its address, authentication and limits."""

    plural: ClassVar[str] = "metricsproviders"
    short_names: ClassVar[list[str]] = ["mp"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("URL", "string", ".spec.url"),
        ("READY", "string", ".status.conditions[?(@.type=='Ready')].status"),
        ("SCRAPE", "string", ".status.scrapeInterval"),
        ("MESSAGE", "string", ".status.conditions[?(@.type=='Ready')].message"),
    ]

    spec: MetricsProviderSpec
    """Where and how metrics are asked."""
    status: MetricsProviderStatus | None = None
    """What the last probe found; written by the operator."""
