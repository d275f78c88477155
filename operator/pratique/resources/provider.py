"""MetricsProvider: where metrics are asked."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .base import (
    Duration,
    LabelName,
    Model,
    Name,
    PositiveDuration,
    Says,
    Time,
    cel,
    keyed_list,
    rules,
)
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


NEAR = (
    r"^(https://|http://(127[.][0-9.]+|localhost|\[::1\]|[a-z0-9.-]+[.]svc([.]cluster[.]local)?)"
    r"(:[0-9]+)?(/|$))"
)
SAY_NEAR = (
    "a token over plain http can be read on the way: use an https:// URL, "
    "or inside the cluster NAME.NAMESPACE.svc"
)


class MetricsProviderSpec(Model):
    """Where and how metrics are asked."""

    model_config = rules(cel(f"!has(self.auth) || self.url.matches(r'{NEAR}')", SAY_NEAR))
    # A refused URL may carry a password, which must not stand in a log.
    model_config |= ConfigDict(hide_input_in_errors=True)

    type: Literal["Prometheus"] = "Prometheus"
    """Prometheus, or anything that speaks its query API."""
    url: Annotated[
        str,
        StringConstraints(max_length=1024),
        Says.matches(
            r"https?://[^/\s][^\s]*",
            "write the base URL with http:// or https://, such as "
            "http://prometheus.monitoring.svc:9090",
            secret=True,
        ),
        Says.matches(
            "[^@]*",
            "a user name or password in the URL can be read by all who may read this object: "
            "use auth with a Secret",
            secret=True,
        ),
        Says.matches("[^?#]*", "leave out the URL's query and fragment", secret=True),
    ]
    """The base URL, such as http://prometheus.monitoring.svc:9090 (no user name, query or fragment)."""
    auth: Auth | None = None
    """How we say who we are."""
    scrape_interval: PositiveDuration | None = None
    """How often targets are scraped; measured by the probe when left out."""
    delay: Duration | None = None
    """How long after a moment all its samples are there; default twice the scrape interval."""
    timeout: PositiveDuration = Field(default="10s", validate_default=True)
    """How long one query may take."""
    scope: ProviderScope = ProviderScope()
    """Which data may be asked for."""

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.auth and not re.match(NEAR, self.url):
            raise ValueError(SAY_NEAR)
        return self


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

    model_config = ConfigDict(hide_input_in_errors=True)

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
