"""Accounts: objectives with a target, and agreements' objectives, resolved to what is counted and how.

Pure. Not here: the figures (``standing``), and asking.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..judge import calendars
from ..judge.calendars import Period
from ..judge.slices import Rule
from ..queries.questions import Provider as Asked
from ..queries.slices import Source
from ..resources.agreement import AgreedObjective, ServiceLevelAgreementSpec
from ..resources.base import format_duration, parse_duration
from ..resources.budget import BudgetWindow, Slice, TimeSlice, TimeZone
from ..resources.indicator import ServiceLevelIndicatorSpec
from ..resources.objective import IndicatorSource, ServiceLevelObjectiveSpec
from .ledgers import Frame
from .planning import (
    DEFAULT_PROVIDER,
    DEFAULT_SCRAPE_INTERVAL,
    Library,
    Named,
    Provider,
    Unresolved,
)

_MINUTE = timedelta(minutes=1)
_RECORD = timedelta(minutes=5)
STEPS = tuple(
    timedelta(seconds=s) for s in (10, 15, 20, 30, 60, 120, 180, 240, 300, 600, 900, 1800, 3600)
)
"""Slices in which events are counted where no slices are declared."""


@dataclass(frozen=True)
class Account:
    """What is counted against a target."""

    source: Source
    frame: Frame
    target: float
    delay: timedelta
    """How long after a moment all its samples are there."""


def of_objective(
    library: Library, objective: Named[ServiceLevelObjectiveSpec], now: datetime
) -> Account:
    """The account of an objective with a target; raises Unresolved with the field and the mend."""
    spec = objective.spec
    assert spec.target is not None
    assert spec.window is not None
    indicator, home = _indicator(library, spec.indicator, objective.namespace, "spec.indicator")
    provider = _provider(library, indicator, home, "spec.indicator")
    rule = _rule(spec.budgeting_method or "Occurrences", spec.time_slice, "Good")
    return _account(
        indicator=indicator,
        provider=provider,
        namespace=objective.namespace,
        workload=spec.workload,
        rule=rule,
        slices=spec.time_slice,
        period=_period(spec.window, now),
        rolling=spec.window.rolling is not None,
        target=spec.target,
        zone=spec.window.calendar.time_zone if spec.window.calendar else "",
        exclusions=(),
    )


def of_agreement(
    library: Library,
    agreement: Named[ServiceLevelAgreementSpec],
    agreed: AgreedObjective,
    now: datetime,
) -> Account:
    """The account of one of an agreement's objectives; raises Unresolved."""
    spec, field = agreement.spec, f"spec.objectives[{agreed.name}]"
    source, home, workload = agreed.indicator, agreement.namespace, agreed.workload
    if agreed.ref is not None:
        found = library.find(library.objectives, agreement.namespace, agreed.ref)
        if found is None:
            raise Unresolved(
                f"{field}.ref",
                f"there is no ServiceLevelObjective {agreed.ref!r} in namespace "
                f"{agreement.namespace} nor in {library.namespace}: apply it, or write the "
                "indicator out here",
            )
        source, home, workload = found.spec.indicator, found.namespace, found.spec.workload
    assert source is not None
    indicator, home = _indicator(library, source, home, f"{field}.indicator")
    return _account(
        indicator=indicator,
        provider=_provider(library, indicator, home, f"{field}.indicator"),
        namespace=agreement.namespace,
        workload=workload,
        rule=_rule(spec.budgeting_method, spec.time_slice, spec.on_no_traffic),
        slices=spec.time_slice,
        period=calendars.period(now, "Month", spec.period.time_zone),
        rolling=False,
        target=agreed.target,
        zone=spec.period.time_zone,
        exclusions=tuple((e.from_, e.to) for e in spec.exclusions),
    )


def _account(
    *,
    indicator: ServiceLevelIndicatorSpec,
    provider: Provider,
    namespace: str,
    workload: str | None,
    rule: Rule,
    slices: TimeSlice | None,
    period: Period,
    rolling: bool,
    target: float,
    zone: TimeZone,
    exclusions: tuple[tuple[datetime, datetime], ...],
) -> Account:
    scrape = provider.scrape_interval or DEFAULT_SCRAPE_INTERVAL
    if rule.method == "Occurrences":
        step = next((s for s in STEPS if s >= 4 * scrape), STEPS[-1])
        # An exclusion cuts by whole slices: the finer, the more just.
        coarse = max(step, _MINUTE if exclusions else _RECORD)
    else:
        step = coarse = _length((slices or TimeSlice()).length)
        if step < 2 * scrape:
            raise Unresolved(
                "spec.timeSlice.length",
                f"{format_duration(step)} is too short: {provider.namespace}/{provider.name} "
                f"scrapes every {format_duration(scrape)}, so it must be at least "
                f"{format_duration(2 * scrape)}",
            )
    asked = Asked(
        provider.namespace, provider.name, provider.spec.scope.label, scrape.total_seconds()
    )
    source = Source(indicator, asked, namespace, workload)
    what = (
        indicator.model_dump_json(exclude={"description", "unit"}), asked, namespace, workload,
        rule, step, coarse, rolling, zone, exclusions, period.length if rolling else "",
    )  # fmt: skip
    delay = provider.spec.delay if provider.spec.delay is not None else 2 * scrape
    frame = Frame(
        rule=rule,
        step=step,
        record=coarse,
        period=period,
        rolling=rolling,
        mark=hashlib.sha256(repr(what).encode()).hexdigest()[:16],
        exclusions=exclusions,
    )
    return Account(source, frame, target, delay)


def _rule(method: str, slices: TimeSlice | None, idle: str) -> Rule:
    given = slices or TimeSlice()
    return Rule(
        method=method,  # type: ignore[arg-type]
        target=given.target or 0.0,
        min_consecutive=given.min_consecutive,
        on_no_traffic=idle,  # type: ignore[arg-type]
    )


def _period(window: BudgetWindow, now: datetime) -> Period:
    if window.rolling is not None:
        return calendars.rolling(now, window.rolling)
    assert window.calendar is not None
    return calendars.period(now, window.calendar.unit, window.calendar.time_zone)


def _length(text: Slice) -> timedelta:
    length = parse_duration(text)
    assert isinstance(length, timedelta)
    return length


def _indicator(
    library: Library, source: IndicatorSource, namespace: str, field: str
) -> tuple[ServiceLevelIndicatorSpec, str]:
    if source.ref is None:
        fields = {n: getattr(source, n) for n in ServiceLevelIndicatorSpec.model_fields}
        return ServiceLevelIndicatorSpec.model_construct(**fields), namespace
    found = library.find(library.indicators, namespace, source.ref)
    if found is None:
        raise Unresolved(
            f"{field}.ref",
            f"there is no ServiceLevelIndicator {source.ref!r} in namespace {namespace} nor in "
            f"{library.namespace}: apply it, or write the indicator out here",
        )
    if not (found.spec.ratio or (found.spec.latency and found.spec.latency.threshold)):
        raise Unresolved(
            f"{field}.ref",
            f"{source.ref!r} counts no good events: a target needs a ratio, or a latency with "
            "threshold",
        )
    return found.spec, found.namespace


def _provider(
    library: Library, indicator: ServiceLevelIndicatorSpec, namespace: str, field: str
) -> Provider:
    name = indicator.provider or DEFAULT_PROVIDER
    found = library.find(library.providers, namespace, name)
    if found is None:
        raise Unresolved(
            f"{field}.provider",
            f"there is no MetricsProvider {name!r} in namespace {namespace} nor in "
            f"{library.namespace}: apply one (its spec needs only a url), or name another",
        )
    if not found.probed or found.scrape_interval is None:
        raise Unresolved(
            f"{field}.provider",
            f"waiting until it is known how often {found.namespace}/{found.name} scrapes",
            waiting=True,
        )
    return found
