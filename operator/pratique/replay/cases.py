"""A case: objectives and samples, as people write them, and as the judge wants them.

Not here: files and formats (reading), and the judging (run).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from ..judge.objectives import Baseline
from ..judge.samples import Buckets, Counts, Missing, MissingReason, Sample, Value
from ..judge.spreads import spread
from ..resources.base import Model, PositiveDuration, Text, Time
from ..resources.bounds import check_bounds
from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.objective import Bounds
from ..resources.policy import ScoreThresholds
from ..resources.release import PlannedObjective
from ..resources.sensitivity import Drift, JudgingTerms, ScoringTerms

BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""When a case without times of its own begins."""
MAX_LOOKS = 10_000
MOST = 2**63
"""More events than this nobody counted."""
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_SAY_SAMPLE = (
    "write a look as a number, as [bad or good, total], as {bad: …, total: …}, {good: …, total: …}, "
    '{value: …}, {buckets: {"0.3": …, "+Inf": …}}, {missing: NoData}, or null for no data'
)
_REASONS = MissingReason.__args__  # type: ignore[attr-defined]


def _count(value: object, what: str) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, float) and value.is_integer():
        value, whole = int(value), True
    if not whole:
        raise ValueError(f"{what} is {str(value)[:60]}, which is no count: write a whole number")
    return int(value)  # type: ignore[call-overload, no-any-return]


def read_sample(value: object) -> Sample:
    """One look's sample from any of the forms in which it may be written; ValueError says the mend."""
    if value is None:
        return Missing("NoData", "the case has no data for it")
    if isinstance(value, (Counts, Buckets, Value, Missing)):
        return value
    if isinstance(value, bool):
        raise ValueError(f"{value!r}: {_SAY_SAMPLE}")
    if isinstance(value, (int, float)):
        return Value(float(value) if abs(value) < 1e300 or isinstance(value, float) else math.inf)
    if isinstance(value, list) and len(value) == 2:
        return Counts(_count(value[0], "the first"), _count(value[1], "the total"))
    if isinstance(value, dict):
        return _from_map(value)
    raise ValueError(f"{str(value)[:80]!r}: {_SAY_SAMPLE}")


def _from_map(given: Mapping[str, Any]) -> Sample:
    keys = set(given)
    if keys in ({"bad", "total"}, {"good", "total"}, {"part", "total"}):
        part = next(k for k in ("bad", "good", "part") if k in given)
        return Counts(_count(given[part], part), _count(given["total"], "total"))
    if keys == {"value"} and isinstance(given["value"], (int, float)):
        return read_sample(given["value"])
    if keys == {"buckets"} and isinstance(given["buckets"], dict):
        edges = [(_edge(e), _count(n, f"bucket {e}")) for e, n in given["buckets"].items()]
        edges.sort()
        return Buckets(tuple(e for e, _ in edges), tuple(n for _, n in edges))
    if "missing" in keys <= {"missing", "message"}:
        reason, message = given["missing"], given.get("message", "so says the case")
        if not isinstance(reason, str) or reason not in _REASONS:
            said = str(reason)[:60]
            raise ValueError(f"{said!r} is no reason: choose one of {', '.join(_REASONS)}")
        if not isinstance(message, str):
            raise ValueError(f"the message is {str(message)[:60]!r}: write a text")
        # Half a character, which JSON can write, fits no output.
        message = message[:512].encode("utf-8", "replace").decode()
        return Missing(reason, message)  # type: ignore[arg-type]
    raise ValueError(f"{sorted(map(str, keys))}: {_SAY_SAMPLE}")


def _edge(text: object) -> float:
    try:
        edge = float(str(text))
    except ValueError:
        edge = math.nan
    if math.isnan(edge):
        raise ValueError(f"{text!r} is no bucket's edge: write its upper edge in seconds, or +Inf")
    return edge


class _Lax(Model):
    """Holds samples, which are no pydantic models."""

    model_config = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=True)


Look = Annotated[Any, BeforeValidator(read_sample)]


def _as_samples(value: object) -> object:
    return {"looks": value} if isinstance(value, list) else value


class Samples(_Lax):
    """What one objective's looks gave, oldest first."""

    looks: Annotated[list[Look], Field(min_length=1, max_length=MAX_LOOKS)]
    """One entry a look."""
    whole: Look = None
    """What one question over the whole window gave, where looks cannot be added up."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return _as_samples(value)


class CaseBaseline(_Lax):
    """What an objective is compared with."""

    source: Annotated[str, Field(max_length=32)] = "Fixed"
    """How it was found."""
    release: Annotated[str, Field(max_length=253)] = "the baseline"
    """The release, for the sentence."""
    value: float | None = None
    """Its value; or give counts, or looks."""
    samples: Annotated[int, Field(strict=True, ge=0)] | None = None
    """How many requests it rests on."""
    bad: Annotated[int, Field(strict=True, ge=0)] | None = None
    """Bad events of ``total``."""
    good: Annotated[int, Field(strict=True, ge=0)] | None = None
    """Good events of ``total``."""
    total: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Events in all."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """Over how long, which gives the rate of requests."""
    looks: Annotated[list[Look], Field(max_length=MAX_LOOKS)] | None = None
    """Its looks."""
    same_minutes: bool = True
    """Whether these are of the same minutes as the release's; else it was measured beforehand."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        counts = self.total is not None
        if counts != ((self.bad is None) != (self.good is None)):
            raise ValueError("counts are total with exactly one of bad and good")
        if (self.value is not None) + counts + (self.looks is not None) != 1:
            raise ValueError("say exactly one of value, counts (bad or good, and total) and looks")
        part = self.bad if self.bad is not None else self.good
        if self.total is not None and part is not None and part > self.total:
            raise ValueError(
                f"{part:,} of {self.total:,} events cannot be: total counts all of them"
            )
        if self.total is not None and self.total > MOST:
            raise ValueError(f"{self.total:.3g} events nobody counted: {MOST:.3g} are the most")
        if self.samples is not None and self.value is None:
            raise ValueError("samples belongs to value: counts and looks tell their own")
        return self

    def build(self) -> Baseline:
        """As the judge wants it."""
        if self.looks is not None and self.same_minutes:
            return Baseline(self.source, self.release, math.nan, looks=tuple(self.looks))
        if self.looks is not None:
            return self._beforehand()
        if self.total is not None:
            part = self.bad if self.bad is not None else self.good or 0
            return Baseline(self.source, self.release, part / self.total, self.total, self.seconds)
        value = math.nan if self.value is None else self.value
        return Baseline(self.source, self.release, value, self.samples, self.seconds)

    def _beforehand(self) -> Baseline:
        numbers = [x.value for x in self.looks or [] if isinstance(x, (Value, Counts))]
        counts = [x for x in self.looks or [] if isinstance(x, Counts)]
        total = sum(x.total for x in counts)
        finite = [v for v in numbers if v is not None and math.isfinite(v)]
        value = sum(finite) / len(finite) if finite else math.nan
        if total:
            value = sum(x.part for x in counts) / total
        return Baseline(
            self.source,
            self.release,
            value,
            total or None,
            self.seconds,
            spread(numbers),
            numbers=tuple(numbers),
        )


def _with_zone(value: datetime) -> datetime:
    """Without a zone the same case would mean another moment on another machine."""
    if value.tzinfo is None:
        raise ValueError("a time needs its zone: write it as 2026-03-01T12:00:00Z")
    if not FIRST <= value <= LAST:
        raise ValueError("choose a time between the years 1970 and 9000")
    return value.astimezone(UTC)


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


_SHORT: dict[str, dict[str, Any]] = {
    "bad": {"ratio": {"bad": {"metric": "bad_requests"}, "total": {"metric": "requests"}}},
    "good": {"ratio": {"good": {"metric": "good_requests"}, "total": {"metric": "requests"}}},
    "value": {"query": {"expr": "value"}, "attribution": "Workload"},
}


@lru_cache(maxsize=1024)
def _indicator(
    kind: str, quantile: float | None, threshold: timedelta | None, unit: str | None
) -> ServiceLevelIndicatorSpec:
    """What a kind stands for; many cases say the same few."""
    if kind == "latency":
        given = {"histogram": "latency_seconds", "quantile": quantile, "threshold": threshold}
        return ServiceLevelIndicatorSpec.model_validate({"latency": given})
    return ServiceLevelIndicatorSpec.model_validate({**_SHORT[kind], "unit": unit})


class CaseObjective(JudgingTerms, ScoringTerms):
    """An objective: a policy's inline objective, or the same with a kind instead of an indicator."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Its name; its samples stand under it."""
    indicator: ServiceLevelIndicatorSpec | None = None
    """What is measured; only its shape matters here."""
    kind: Literal["bad", "good", "value", "latency"] | None = None
    """In short: a share of bad, or of good events, a value, or a latency from buckets."""
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    """kind latency: which quantile."""
    threshold: PositiveDuration | None = None
    """kind latency: the share within this time."""
    unit: Annotated[str, Field(max_length=32)] | None = None
    """kind value: the unit."""
    pass_: Annotated[Bounds, Field(alias="pass")] = []
    """As in a policy."""
    warn: Bounds = []
    """As in a policy."""
    min_requests: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)] = 20
    """As in a policy."""

    @model_validator(mode="after")
    def _measures(self) -> Self:
        if (self.indicator is None) == (self.kind is None):
            raise ValueError("say exactly one of kind (bad, good, value, latency) and indicator")
        latency = self.kind == "latency"
        if latency != ((self.quantile is None) != (self.threshold is None)):
            raise ValueError("kind latency takes exactly one of quantile and threshold")
        if self.unit is not None and self.kind != "value":
            raise ValueError("unit belongs to kind value")
        if not (self.pass_ or self.informational or self.mann_whitney):
            raise ValueError("an objective needs pass, or informational: true")
        check_bounds(self.measured, self.pass_, self.warn)
        return self

    @property
    def measured(self) -> ServiceLevelIndicatorSpec:
        """The indicator, written out."""
        if self.indicator is not None:
            return self.indicator
        assert self.kind is not None
        return _indicator(self.kind, self.quantile, self.threshold, self.unit)

    def build(self) -> PlannedObjective:
        """As the judge wants it."""
        terms = (*JudgingTerms.model_fields, *ScoringTerms.model_fields)
        return PlannedObjective.model_construct(
            name=self.name,
            source="case",
            indicator=self.measured,
            pass_=self.pass_,
            warn=self.warn,
            min_requests=self.min_requests,
            provider=None,
            **{n: getattr(self, n) for n in terms},
        )


class Case(_Lax):
    """Objectives and samples: one judgement."""

    name: Annotated[str, Field(max_length=253)] = "case"
    """Told in the result."""
    description: Text | None = None
    """For people."""
    objectives: Annotated[list[CaseObjective], Field(min_length=1, max_length=64)]
    """What must be met."""
    samples: dict[str, Samples]
    """By objective: what its looks gave, oldest first."""
    baseline: dict[str, Annotated[list[CaseBaseline], BeforeValidator(_as_list)]] = {}
    """By objective: what it is compared with, or several in order."""
    begin: Annotated[Annotated[Time, AfterValidator(_with_zone)] | None, Field(alias="from")] = None
    """The window's begin; default the year 2000, so that results do not depend on the day."""
    interval: PositiveDuration = timedelta(minutes=1)
    """The time from look to look."""
    planned: Annotated[int, Field(strict=True, ge=1, le=MAX_LOOKS)] | None = None
    """The window's looks; default as many as given."""
    max_looks: Annotated[int, Field(strict=True, ge=1, le=MAX_LOOKS)] | None = None
    """How many looks there might be in all where the window may be extended."""
    final: bool = True
    """The window is over; else: what is known so far."""
    fail_after: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    """Looks in a row that end it early, for values without a test."""
    score: ScoreThresholds | None = None
    """As in a policy."""
    on_warning: Literal["Promotable", "NotPromotable"] = "Promotable"
    """As in a policy."""
    mode: Literal["Enforce", "Warn", "DryRun"] = "Enforce"
    """As in a policy."""
    max_traffic_ratio: Annotated[float, Field(gt=1)] = 3.0
    """As in analysis.baseline."""
    on_no_baseline: Literal["AbsoluteOnly", "Inconclusive"] = "AbsoluteOnly"
    """As in analysis.baseline."""
    drift: Drift | None = None
    """As in analysis.baseline."""
    anchor: dict[str, CaseBaseline] = {}
    """By objective: what drift counts from."""
    history: dict[str, Annotated[list[Look], Field(max_length=MAX_LOOKS)]] = {}
    """By objective: the old version's past look by look, which tells how much it wanders by itself."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        names = [o.name for o in self.objectives]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two objectives are called {name!r}: give one another name")
            if name not in self.samples:
                raise ValueError(f"samples has nothing for objective {name!r}: add samples.{name}")
        for field in ("samples", "baseline", "anchor", "history"):
            for name in getattr(self, field):
                if name not in names:
                    raise ValueError(
                        f"{field}.{name} belongs to no objective: there are {', '.join(names)}"
                    )
        for name, baselines in self.baseline.items():
            for index, given in enumerate(baselines):
                longer = given.same_minutes and len(given.looks or ()) > self.looks
                if longer:
                    raise ValueError(
                        f"baseline.{name}[{index}].looks has {len(given.looks or ())} looks, the "
                        f"release {self.looks}: give no more, or say sameMinutes: false"
                    )
        room = (LAST - (self.begin or BEGIN)).total_seconds()
        if self.looks * self.interval.total_seconds() > room:
            raise ValueError(f"{self.looks} looks of this interval end beyond the year 9000")
        return self

    @property
    def looks(self) -> int:
        """How many looks were given."""
        return max(len(s.looks) for s in self.samples.values())
