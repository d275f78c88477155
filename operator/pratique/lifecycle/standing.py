"""Where budgets and agreements stand: a book of counts as the figures and conditions of a status.

Pure. Not here: what is counted (``accounts``), and what it means for a release (``budgets``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..judge import agreements, budgets
from ..judge.numbers import quantity
from ..judge.slices import attained
from ..resources import conditions
from ..resources.agreement import (
    AgreedFigures,
    ServiceLevelAgreementSpec,
    ServiceLevelAgreementStatus,
)
from ..resources.base import format_duration
from ..resources.budget import (
    BudgetGate,
    BurnRate,
    ServiceLevelObjectiveStatus,
    Span,
)
from ..resources.budget_policy import ErrorBudgetPolicy
from ..resources.conditions import Status
from .accounts import Account
from .ledgers import DAY, HOUR, Book, bad_and_total

MINUTE = timedelta(minutes=1)
BURNS = {
    "5m": 5 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR, "2h": 2 * HOUR, "6h": 6 * HOUR,
    "1d": DAY, "3d": 3 * DAY,
}  # fmt: skip
LONGEST = timedelta(days=9999)

Wanted = list[tuple[str, Status, str, str]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there are no figures."""

    reason: str
    message: str
    waiting: bool = False
    """Nothing is wrong: it only takes its time."""


def budget(
    account: Account,
    book: Book,
    before: ServiceLevelObjectiveStatus | None,
    *,
    policies: Iterable[tuple[str, ErrorBudgetPolicy]],
    generation: int,
    now: datetime,
    recorded: str | None,
) -> ServiceLevelObjectiveStatus:
    """An objective's status."""
    last = before or ServiceLevelObjectiveStatus()
    frame, target = book.frame, account.target
    whole = book.whole()
    lost, total = bad_and_total(whole, frame.rule)
    known = whole.measured > 0
    period = frame.period.length.total_seconds()
    elapsed = period if frame.rolling else (book.until - frame.period.begin).total_seconds()
    left = budgets.remaining(lost, total, target, elapsed=elapsed, period=period) if known else None
    rates = _burn_rates(book, target) if known else {}
    empty = budgets.time_to_empty(left, rates.get("1h"), period)
    message = _budget_sentence(account, book, left, lost, total)
    wanted: Wanted = [("Ready", "True", "Evaluated", "the budget is reckoned each minute")]
    if left is None:
        wanted.append(("WithinBudget", "Unknown", "NoData", message))
    else:
        inside = left >= 0
        wanted.append(
            ("WithinBudget", "True" if inside else "False",
             "WithinBudget" if inside else "BudgetExhausted", message)
        )  # fmt: skip
    return ServiceLevelObjectiveStatus(
        observed_generation=generation,
        conditions=conditions.merge(last.conditions, wanted, generation=generation, now=now),
        period=Span(from_=frame.period.begin, to=frame.period.end),
        attained=_figure(attained(whole, frame.rule)),
        remaining=_figure(left),
        bad=round(lost, 3) if known else None,
        total=round(total, 3) if known else None,
        coverage=_figure(book.coverage()),
        burn_rates=[BurnRate(window=w, rate=_fine(r)) for w, r in rates.items()],
        time_to_empty=_span(empty),
        gates=gates(left, rates, last.gates, policies, now),
        evaluated_at=now,
        recorded=recorded,
    )


def gates(
    left: float | None,
    rates: dict[str, float],
    before: Sequence[BudgetGate],
    policies: Iterable[tuple[str, ErrorBudgetPolicy]],
    now: datetime,
) -> list[BudgetGate]:
    """What each policy makes of the budget, from what it made of it before."""
    known = {g.policy: g for g in before}
    found = []
    for name, policy in sorted(policies, key=lambda p: p[0])[:32]:
        old = known.get(name)
        was = old.blocked if old else False
        decision = budgets.decide(left, rates, limits(policy), blocked=was)
        since = old.since if old and decision.blocked == was else now
        found.append(BudgetGate(policy=name, blocked=decision.blocked, since=since))
    return found


def limits(policy: ErrorBudgetPolicy) -> budgets.Limits:
    """A policy's limits as shares."""
    fast, slow = policy.block.fast_burn, policy.block.slow_burn
    return budgets.Limits(
        below=policy.block.remaining_below / 100,
        again=policy.release.remaining_above / 100,
        fast=budgets.BurnLimit(fast.window, fast.above) if fast else None,
        slow=budgets.BurnLimit(slow.window, slow.above) if slow else None,
    )


def agreed(
    account: Account, book: Book, spec: ServiceLevelAgreementSpec, name: str, recorded: str | None
) -> AgreedFigures:
    """One of an agreement's objectives."""
    frame, whole = book.frame, book.whole()
    lost, total = bad_and_total(whole, frame.rule)
    got = agreements.figures(
        whole,
        book.last(DAY),
        frame.rule,
        account.target,
        [(c.below, c.percent) for c in spec.credits],
        elapsed=_counting(account, frame.period.begin, book.until),
        rest=_counting(account, book.until, frame.period.end),
        slice_seconds=frame.step.total_seconds(),
    )
    known = got.attained is not None
    return AgreedFigures(
        name=name,
        target=account.target,
        attained=_figure(got.attained),
        budget_remaining=_figure(got.remaining),
        projected_end_of_period=_figure(got.projected),
        credit_tier=None if got.credit is None else f"{got.credit:g}%",
        bad=round(lost, 3) if known else None,
        total=round(total, 3) if known else None,
        coverage=_figure(book.coverage()),
        message=None if known else "there was no data in the period so far",
        recorded=recorded,
    )


def agreement(
    figures: Sequence[AgreedFigures],
    before: ServiceLevelAgreementStatus | None,
    *,
    trouble: Trouble | None,
    period: Span | None,
    generation: int,
    now: datetime,
) -> ServiceLevelAgreementStatus:
    """An agreement's status from its objectives' figures."""
    last = before or ServiceLevelAgreementStatus()
    wanted: Wanted = []
    if trouble is None:
        wanted.append(
            ("Ready", "True", "Evaluated", "the agreement is reckoned every five minutes")
        )
    else:
        wanted.append(("Ready", "Unknown", trouble.reason, trouble.message))
        if not trouble.waiting:
            wanted.append(("Stalled", "True", trouble.reason, trouble.message))
    wanted += _kept(figures, [standing(f) for f in figures])
    return ServiceLevelAgreementStatus(
        observed_generation=generation,
        conditions=conditions.merge(last.conditions, wanted, generation=generation, now=now),
        period=period or last.period,
        objectives=list(figures),
        evaluated_at=now if trouble is None else last.evaluated_at,
    )


def standing(figures: AgreedFigures) -> agreements.Standing:
    """How an objective stands, from its figures alone."""
    if figures.attained is None or figures.budget_remaining is None:
        return "Unknown"
    if figures.budget_remaining < 0:
        return "Breached"
    return "Met" if figures.attained >= figures.target else "NotMet"


def _kept(figures: Sequence[AgreedFigures], standings: Sequence[agreements.Standing]) -> Wanted:
    said = "; ".join(_agreed_sentence(f) for f in figures)[:2000]
    wanted: Wanted = []
    if "Breached" in standings:
        wanted.append(("Met", "False", "Breached", said))
        wanted.append(("ProjectedMet", "False", "Breached", said))
        return wanted
    unknown = "Unknown" in standings or not standings
    if "NotMet" in standings:
        wanted.append(("Met", "False", "NotMet", said))
    elif unknown:
        wanted.append(("Met", "Unknown", "NoData", said))
    else:
        wanted.append(("Met", "True", "Met", said))
    ahead = [f for f in figures if f.projected_end_of_period is not None]
    if any(_short_of(f) for f in ahead):
        wanted.append(("ProjectedMet", "False", "BreachProjected", said))
    elif unknown:
        wanted.append(("ProjectedMet", "Unknown", "NoData", said))
    else:
        wanted.append(("ProjectedMet", "True", "OnTrack", said))
    return wanted


def _short_of(figures: AgreedFigures) -> bool:
    projected = figures.projected_end_of_period
    return projected is not None and projected < figures.target - 1e-9


def troubled(
    before: ServiceLevelObjectiveStatus | None,
    trouble: Trouble,
    *,
    generation: int,
    now: datetime,
    recorded: str | None,
) -> ServiceLevelObjectiveStatus:
    """An objective's status without new figures: the last ones stay, and their time with them."""
    last = before or ServiceLevelObjectiveStatus()
    wanted: Wanted = [("Ready", "Unknown", trouble.reason, trouble.message)]
    wanted.append(("WithinBudget", "Unknown", trouble.reason, trouble.message))
    if not trouble.waiting:
        wanted.append(("Stalled", "True", trouble.reason, trouble.message))
    return last.model_copy(
        update={
            "observed_generation": generation,
            "conditions": conditions.merge(last.conditions, wanted, generation=generation, now=now),
            "recorded": recorded or last.recorded,
        }
    )


def _burn_rates(book: Book, target: float) -> dict[str, float]:
    """By window, of those that are no longer than the whole and no shorter than a slice."""
    rates = {}
    for name, span in BURNS.items():
        if span < book.frame.step or span > book.frame.period.length:
            continue
        counted = book.last(span)
        lost, total = bad_and_total(counted, book.frame.rule)
        rate = budgets.burn(lost, total, target) if counted.measured else None
        if rate is not None:
            rates[name] = rate
    return rates


def _budget_sentence(
    account: Account, book: Book, left: float | None, lost: float, total: float
) -> str:
    frame = book.frame
    window = (
        f"in the last {format_duration(frame.period.length)}"
        if frame.rolling
        else f"since {frame.period.begin:%d %B %H:%M} UTC"
    )
    if left is None:
        return f"there was no data {window}: nothing is known of the budget"
    what = "events" if frame.rule.method == "Occurrences" else "slices"
    said = (
        f"{_plain(lost)} of {_plain(total)} {what} were bad {window}; "
        f"the target of {account.target * 100:.6g} % leaves "
        f"{quantity(max(left, 0.0), 'ratio')} of the budget"
    )
    return said if left >= 0 else f"{said}: it is overspent by {quantity(-left, 'ratio')}"


def _agreed_sentence(f: AgreedFigures) -> str:
    if f.attained is None:
        return f"{f.name}: {f.message or 'there was no data in the period so far'}"
    said = f"{f.name}: {quantity(f.attained, 'ratio', beside=[f.target])} attained of {f.target * 100:.6g} %"
    if f.projected_end_of_period is not None:
        ahead = quantity(f.projected_end_of_period, "ratio", beside=[f.target])
        said += f", {ahead} by the end of the period as things go"
    return said + (f", credit {f.credit_tier}" if f.credit_tier else "")


def _counting(account: Account, begin: datetime, end: datetime) -> float:
    """Seconds from one to the other that count: exclusions left out (they may overlap)."""
    cuts = sorted((max(a, begin), min(b, end)) for a, b in account.frame.exclusions)
    left, at = max(0.0, (end - begin).total_seconds()), begin
    for a, b in cuts:
        a = max(a, at)
        if a < b:
            left -= (b - a).total_seconds()
            at = b
    return max(0.0, left)


def _figure(number: float | None) -> float | None:
    return None if number is None else round(number, 9)


def _fine(rate: float) -> float:
    return round(rate, 4)


def _span(seconds: float | None) -> timedelta | None:
    if seconds is None:
        return None
    minutes = min(seconds, LONGEST.total_seconds()) // 60
    return timedelta(minutes=minutes)


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) else f"{number:,.1f}"
