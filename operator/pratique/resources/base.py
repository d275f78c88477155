"""What every model shares: strictness, camelCase, durations, times, percentages, CRD hints.

Not here: any kind's own fields. Nothing in this package does I/O or reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

GROUP = "pratique.sh"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
OWN = "x-pratique-"
"""Begins what our generators alone read: it goes into no CRD."""
SIMPLE_TYPE = OWN + "type"
"""What the reference calls a simple type, such as duration."""
NO_DEFAULTS = OWN + "no-defaults"
"""Marks a model whose own fields' defaults do not go into the CRD; read by the generator only."""

# Few enough digits that every duration fits a timedelta, and the nanoseconds of CEL's durations.
_DURATION_TEXT = "([0-9]{1,5}d)?([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?([0-9]{1,9}ms)?"
_DURATION = re.compile(_DURATION_TEXT)
DURATION_PATTERN = f"^{_DURATION_TEXT}$"
_NO_DAYS = f"^{_DURATION_TEXT.partition('?')[2]}$"
"""The durations that CEL's own ``duration()`` takes."""
_SAY_DURATION = "write a number with its unit, such as 90s, 5m or 1h30m (units: d h m s ms)"
_UNITS = ("days", "hours", "minutes", "seconds", "milliseconds")


def cel(rule: str, message: str, **more: Any) -> dict[str, Any]:
    """One CEL rule of a CRD, for a model's ``json_schema_extra``."""
    return {"rule": rule, "message": message, **more}


def rules(*given: dict[str, Any], **more: Any) -> ConfigDict:
    """Model configuration that carries CEL rules into the CRD."""
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": list(given), **more})


def keyed_list(key: str = "name", **more: Any) -> dict[str, Any]:
    """A list whose items are told apart by ``key``: server-side apply merges by it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key], **more}


@dataclass(frozen=True)
class Says:
    """A rule for one value with one sentence that says the mend, held by model and CRD alike."""

    rule: str
    """In CEL, about ``self``."""
    holds: Callable[[Any], bool]
    """The same in Python, about the value as parsed."""
    message: str
    secret: bool = False
    """The value may carry a secret: our message does not repeat it."""
    simple_type: str = ""
    """What the reference calls the type that this rule makes."""

    @classmethod
    def matches(
        cls, pattern: str, message: str, *, secret: bool = False, simple_type: str = ""
    ) -> Says:
        """The whole string matches the pattern, which reads the same in RE2 and in Python."""
        compiled = re.compile(pattern, re.ASCII)
        return cls(
            rule=f"self.matches(r'^(?:{pattern})$')",
            holds=lambda value: compiled.fullmatch(value) is not None,
            message=message,
            secret=secret,
            simple_type=simple_type,
        )

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def check(value: object) -> object:
            if not self.holds(value):
                said = format_duration(value) if isinstance(value, timedelta) else repr(value)
                raise ValueError(self.message if self.secret else f"{said}: {self.message}")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        given = handler(schema)
        said = given.get("x-kubernetes-validations", [])
        return {
            **given,
            **({SIMPLE_TYPE: self.simple_type} if self.simple_type else {}),
            "x-kubernetes-validations": [*said, cel(self.rule, self.message)],
        }


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
        raise ValueError(f"{value!r} is not a duration: {_SAY_DURATION}")
    found = _DURATION.fullmatch(value)
    if not value or found is None:
        raise ValueError(f"{value!r} is not a duration: {_SAY_DURATION}")
    return timedelta(
        **{u: int(n.rstrip("dhms")) for u, n in zip(_UNITS, found.groups(), strict=True) if n}
    )


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
        {
            "type": "string",
            SIMPLE_TYPE: "duration",
            "maxLength": 32,
            "x-kubernetes-validations": [
                cel(f"self != '' && self.matches('{DURATION_PATTERN}')", _SAY_DURATION)
            ],
        }
    ),
]
"""A span of time, written ``500ms``, ``90s``, ``1m30s``, ``2h``, ``7d``."""


PositiveDuration = Annotated[
    Duration,
    Says(
        rule="!self.matches('^[0a-z]*$')",
        holds=lambda value: value > timedelta(0),
        message="this time must be longer than zero",
    ),
]
"""A span of time longer than zero."""


def cel_no_shorter(longer: str, shorter: str) -> str:
    """CEL: ``longer`` is at least ``shorter`` where both are there and both are durations.

    CEL's ``duration()`` knows no days, and counting them costs more than the API server grants:
    with days the models alone compare.
    """
    unknown = [f"!has({f}) || {cel_no_duration(f)}" for f in (longer, shorter)]
    return " || ".join([*unknown, f"duration({longer}) >= duration({shorter})"])


def cel_no_duration(field: str) -> str:
    """CEL: the field's text is none that CEL's ``duration()`` takes (malformed, or with days)."""
    return f"{field} == '' || !{field}.matches('{_NO_DAYS}')"


LookInterval = Annotated[
    Duration,
    Says(
        rule=f"!self.contains('d') && ({cel_no_duration('self')} "
        "|| (duration(self) >= duration('1s') && duration(self) <= duration('24h')))",
        holds=lambda value: 1 <= value.total_seconds() <= 86_400,
        message="the interval is at least 1s and at most 24h",
    ),
]
"""The time from look to look."""


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
    StringConstraints(max_length=253),
    Says.matches(
        "[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
        "write the name of a Kubernetes object: lower-case letters, digits, - and .",
        simple_type="object name",
    ),
]
"""The name of a Kubernetes object."""

Text = Annotated[str, StringConstraints(max_length=1024)]
LongText = Annotated[str, StringConstraints(max_length=4096)]

LabelName = Annotated[
    str,
    StringConstraints(max_length=128),
    Says.matches(
        "[a-zA-Z_][a-zA-Z0-9_]*",
        "write the name of a Prometheus label: letters, digits and _, with no digit first",
        simple_type="label name",
    ),
]
"""The name of a Prometheus label."""

MetricName = Annotated[
    str,
    StringConstraints(max_length=256),
    Says.matches(
        "[a-zA-Z_:][a-zA-Z0-9_:]*",
        "write the metric's name alone, without labels or functions; labels go to where",
        simple_type="metric name",
    ),
]

Number = Annotated[float, Field(strict=True)]
"""A finite number; text such as "0.3" is refused, as the API server does."""


_PERCENT = r"([-+]?[0-9]{1,9}(?:[.][0-9]{1,9})?)%"
_SAY_PERCENT = "write a change as a percentage with its sign, such as 10%"
_SAY_FALL = "nothing can fall by more than 100%"


def _parse_percent(value: object) -> float:
    found = re.fullmatch(_PERCENT, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r}: {_SAY_PERCENT}")
    if float(found[1]) < -100:
        raise ValueError(f"{value!r}: {_SAY_FALL}")
    return float(found[1])


def _format_percent(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") + "%"


_IS_PERCENT = f"type(self) == string && string(self).matches(r'^{_PERCENT}$')"

Percent = Annotated[
    float,
    BeforeValidator(_parse_percent),
    PlainSerializer(_format_percent, return_type=str),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            SIMPLE_TYPE: "percentage",
            "maxLength": 24,
            "x-kubernetes-validations": [
                cel(_IS_PERCENT, _SAY_PERCENT),
                cel(
                    f"!({_IS_PERCENT}) || double(string(self).replace('%', '')) >= -100.0",
                    _SAY_FALL,
                ),
            ],
        }
    ),
]
"""A percentage, written ``10%``; held as the number 10.0."""


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
