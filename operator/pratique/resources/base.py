"""What every model shares: strictness, camelCase, durations, times, percentages, CRD hints.

Not here: any kind's own fields. Nothing in this package does I/O or reads a clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

GROUP = "pratique.sh"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
DURATION_PATTERN = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
_UNITS = ("days", "hours", "minutes", "seconds", "milliseconds")


class Model(BaseModel):
    """Base of every model: unknown fields are errors, YAML names are camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def dump(self) -> dict[str, Any]:
        """As it stands in YAML: camelCase, JSON types, nothing that was not said."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_duration(value: object) -> object:
    """``"1m30s"`` → timedelta; anything that is not a string is left to pydantic."""
    if not isinstance(value, str):
        if isinstance(value, timedelta):
            return value
        raise ValueError(
            f"{value!r} is not a duration: write a number with a unit, such as 90s or 5m"
        )
    found = _DURATION.fullmatch(value)
    if not value or found is None:
        raise ValueError(
            f"{value!r} is not a duration: write a number with a unit, such as 90s or 5m"
        )
    return timedelta(**{u: int(n) for u, n in zip(_UNITS, found.groups(), strict=True) if n})


def format_duration(value: timedelta) -> str:
    """The shortest form of a duration: 90 s → ``1m30s``, nothing → ``0s``."""
    milliseconds = round(value.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "minLength": 2, "maxLength": 32},
    ),
]
"""A span of time, written ``500ms``, ``90s``, ``1m30s``, ``2h``, ``7d``."""


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC; fractions of a second only where there are any."""
    value = value.astimezone(UTC).replace(tzinfo=None)
    return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"


Time = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253),
]
"""The name of a Kubernetes object."""

Text = Annotated[str, StringConstraints(max_length=1024)]
LongText = Annotated[str, StringConstraints(max_length=4096)]

LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=128)]
"""The name of a Prometheus label."""

MetricName = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", min_length=1, max_length=256)
]


def _parse_percent(value: object) -> object:
    if isinstance(value, str):
        found = re.fullmatch(r"([-+]?\d+(?:\.\d+)?)%", value)
        if found:
            return float(found[1])
    raise ValueError(f"{value!r} is not a percentage: write it with its sign, such as 10%")


def _format_percent(value: float) -> str:
    return f"{value:.10g}%"


Percent = Annotated[
    float,
    BeforeValidator(lambda v: v if isinstance(v, float) else _parse_percent(v)),
    PlainSerializer(_format_percent, return_type=str),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 16,
            "x-kubernetes-validations": [
                {
                    "rule": r"type(self) == string && string(self).matches('^[-+]?[0-9]+([.][0-9]+)?%$')",
                    "message": "write a change as a percentage with its sign, such as 10%",
                }
            ],
        }
    ),
]
"""A percentage, written ``10%``; held as the number 10.0."""


def cel(rule: str, message: str, **more: Any) -> dict[str, Any]:
    """One CEL rule of a CRD, for a model's ``json_schema_extra``."""
    return {"rule": rule, "message": message, **more}


def rules(*given: dict[str, Any]) -> ConfigDict:
    """Model configuration that carries CEL rules into the CRD."""
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": list(given)})


def keyed_list(key: str = "name", **more: Any) -> dict[str, Any]:
    """A list whose items are told apart by ``key``: server-side apply merges by it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key], **more}


class ObjectMeta(BaseModel):
    """The part of Kubernetes' metadata that we read; the rest is left alone."""

    model_config = ConfigDict(
        extra="ignore", alias_generator=to_camel, populate_by_name=True, frozen=True
    )

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
