"""How an objective is judged: on what evidence, how sure, and what missing data means.

Not here: the bounds themselves, and the tests that use these terms.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from .base import SIMPLE_TYPE, Model, Number, Percent, Says, cel, rules

_MULTIPLE = r"([0-9]{1,6}(?:[.][0-9]{1,6})?)x"
_SAY_MULTIPLE = "write how many times with an x, such as 2x or 1.5x, and more than 1x"


def _parse_multiple(value: object) -> float:
    if isinstance(value, float):
        return value
    found = re.fullmatch(_MULTIPLE, value) if isinstance(value, str) else None
    if found is None or float(found[1]) <= 1:
        raise ValueError(f"{value!r}: {_SAY_MULTIPLE}")
    return float(found[1])


Multiple = Annotated[
    float,
    BeforeValidator(_parse_multiple),
    PlainSerializer(lambda v: f"{v:.6f}".rstrip("0").rstrip(".") + "x", return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            SIMPLE_TYPE: "multiple",
            "maxLength": 16,
            "x-kubernetes-validations": [
                cel(
                    f"self.matches(r'^{_MULTIPLE}$') && double(self.replace('x', '')) > 1.0",
                    _SAY_MULTIPLE,
                )
            ],
        }
    ),
]
"""How many times as much, written ``2x``; held as the number 2.0."""


def _between(low: float, high: float) -> Says:
    return Says(
        rule=(
            f"type(self) != string || !string(self).matches(r'^[-+]?[0-9.]+%$') || ("
            f"double(string(self).replace('%', '')) >= {low!r} "
            f"&& double(string(self).replace('%', '')) <= {high!r})"
        ),
        holds=lambda value: low <= value <= high,
        message=f"write a percentage from {low:g}% to {high:.12g}%",
    )


Score = Annotated[Percent, _between(0.0, 100.0)]
"""A share of the possible score, from 0% to 100%."""

Drift = Annotated[Percent, _between(0.0, 100_000.0)]
"""How far a value may go in all, for the worse."""


class Sensitivity(Model):
    """How sure the judge must be, in plain words; the defaults suit most services."""

    false_alarm: Annotated[Percent, _between(0.01, 20.0)] = Field(
        default="1%", validate_default=True
    )
    """How many healthy releases in a hundred may be called harmful, over the whole window and however
    often it is looked."""
    detect: Multiple | None = None
    """The harm that must have shown: this many times the bound, or the baseline where a change is
    bounded. Default 2x where that is 1 % or more, 5x below."""
    power: Annotated[Percent, _between(50.0, 99.9)] = Field(default="80%", validate_default=True)
    """How likely that harm must be to show before little traffic is called enough."""


class MannWhitney(Model):
    """Judged by a Mann-Whitney test of the looks' values against the baseline's, as Kayenta does."""

    model_config = rules(
        cel(
            "!has(self.criticalIncrease) || self.criticalIncrease >= 1.0",
            "an increase is told as a ratio of 1 or more: 1.5 is half as much again",
        ),
    )

    tolerance: Annotated[Number, Field(ge=0, le=10)] = 0.25
    """The part of the estimated difference that its interval must be away from zero."""
    confidence: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.98
    """Of the interval, two-sided."""
    direction: Literal["Increase", "Decrease", "Either"] = "Increase"
    """Which way is harm."""
    nan: Literal["Remove", "Replace"] = "Remove"
    """Looks without a number are left out, or taken as zero."""
    outliers: Literal["Keep", "Remove"] = "Keep"
    """Whether values far outside the quartiles are left out."""
    effect: Literal["MeanRatio", "Cles"] = "MeanRatio"
    """The effect's size: the ratio of the means, or how often a value of the release is the larger."""
    allowed_increase: Annotated[Number, Field(ge=0)] | None = None
    """An effect below this is no harm."""
    allowed_decrease: Annotated[Number, Field(ge=0)] | None = None
    """An effect above this is no harm."""
    critical_increase: Annotated[Number, Field(ge=0)] | None = None
    """An effect of this much fails the whole release, whatever the score."""
    critical_decrease: Annotated[Number, Field(ge=0)] | None = None
    """An effect of this little fails the whole release, whatever the score."""
    must_have_data: bool = False
    """Without data the objective fails."""

    @model_validator(mode="after")
    def _ratios(self) -> Self:
        if self.critical_increase is not None and self.critical_increase < 1:
            raise ValueError(
                "an increase is told as a ratio of 1 or more: 1.5 is half as much again"
            )
        return self


Then = Literal["Inconclusive", "Fail"]


class MissingPolicy(Model):
    """What it means when an indicator gives no usable value; nothing here can ever make it pass."""

    no_data: Then = "Inconclusive"
    """The provider answered, and there was nothing."""
    not_a_number: Then = "Inconclusive"
    """NaN, often from a division by zero."""
    infinite: Then = "Inconclusive"
    """+Inf or -Inf."""
    negative: Literal["Accept", "Inconclusive", "Fail"] = "Accept"
    """A raw query gave a value below zero; a count below zero is never evidence."""
    stale: Then = "Inconclusive"
    """The newest sample is older than the look."""
    partial_window: Then = "Inconclusive"
    """Fewer looks than ``looks`` had data."""
    looks: Annotated[Percent, _between(10.0, 100.0)] = Field(default="80%", validate_default=True)
    """How many of the window's looks must have data."""
    several_series: Then = "Inconclusive"
    """One number was asked and several series came, and no aggregate is declared."""


class JudgingTerms(Model):
    """How one objective is judged."""

    evidence: Literal["Conclusive", "Point"] | None = None
    """Conclusive (the default): counts are tested, so that chance neither passes nor fails a release. Point: the
    plain value against the bound, and the verdict says so."""
    sensitivity: Sensitivity | None = None
    """How sure the judge must be; default falseAlarm 1%, power 80%."""
    mann_whitney: MannWhitney | None = None
    """Judge the looks' values by this test against the baseline, instead of by bounds on the change."""
    missing: MissingPolicy | None = None
    """What missing data means; default: no evidence, so Inconclusive."""


class ScoringTerms(Model):
    """What an objective's result counts for."""

    weight: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    """How much it counts where the policy declares a score."""
    key: bool = False
    """Its Fail fails the whole release, whatever the score."""
    informational: bool = False
    """Shown, never scored: it may stand without bounds."""
    dry_run: bool = False
    """Judged and recorded, and not enforced."""
