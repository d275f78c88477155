"""Budgets, agreements, calendars: tables worked by hand, and what holds for any figures."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pratique.judge import agreements, budgets, calendars, slices
from pratique.judge.slices import EMPTY, Rule, Slice, Tally, merge, tally
from pratique.resources.budget_policy import FreezeWindow

TABLES = yaml.safe_load((Path(__file__).parent / "budgets.yaml").read_text())
LIMITS = budgets.Limits(fast=budgets.BurnLimit("1h", 14.4), slow=budgets.BurnLimit("6h", 6.0))
Row = dict[str, Any]


def rows(name: str) -> Any:
    return pytest.mark.parametrize(
        "row", TABLES[name], ids=lambda r: str(r.get("name", next(iter(r.values()))))
    )


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, abs=1e-9)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@rows("remaining")
def test_what_is_left(row: Row) -> None:
    more = {k: row[k] for k in ("elapsed", "period") if k in row}
    assert budgets.remaining(row["bad"], row["total"], row["target"], **more) == near(row["is"])


@rows("burn")
def test_burn(row: Row) -> None:
    assert budgets.burn(row["bad"], row["total"], row["target"]) == near(row["is"])


@rows("consumed")
def test_consumed(row: Row) -> None:
    assert budgets.consumed(row["rate"], row["window"], row["period"]) == near(row["is"])


@rows("empty")
def test_time_to_empty(row: Row) -> None:
    assert budgets.time_to_empty(row["left"], row["rate"], row["period"]) == near(row["is"])


@rows("spent")
def test_spent_by_a_release(row: Row) -> None:
    assert budgets.spent_by(row["bad"], row["total"], row["target"]) == near(row["is"])


@rows("decisions")
def test_decisions(row: Row) -> None:
    got = budgets.decide(row["left"], row.get("burns", {}), LIMITS, blocked=row["was"])
    assert (got.blocked, got.because) == (row["blocked"], row["because"])


def cut(text: str) -> Slice:
    if text == "-":
        return Slice(None, None)
    good, total = map(float, text.split("/"))
    return Slice(good, total)


def rule(row: Row) -> Rule:
    return Rule(row.get("method", "Timeslices"), 0.9, row.get("run", 1), row.get("idle", "Good"))


@rows("slices")
def test_slices(row: Row) -> None:
    got = tally(map(cut, row["slices"]), rule(row))
    assert slices.bad(got, rule(row)) == near(row["bad"])
    assert got.total == near(row["total"])
    assert got.slices == len(row["slices"])
    assert got.measured == row.get("measured", sum(s != "-" for s in row["slices"]))


@rows("agreements")
def test_agreements(row: Row) -> None:
    bad, total = row["recent"]
    got = agreements.figures(
        Tally(int(row["total"]), int(row["total"]), row["total"], row["bad"]),
        Tally(total, total, total, bad),
        Rule("Timeslices", 0.99),
        row["target"],
        [(0.999, 10), (0.99, 25), (0.95, 100)],
        elapsed=row["elapsed"],
        rest=row["rest"],
        slice_seconds=60,
    )
    assert got.attained == near(row["attained"])
    assert got.remaining == near(row["remaining"])
    assert got.projected == near(row["projected"])
    assert (got.standing, got.projected_met, got.credit) == (
        row["standing"], row["met"], row["credit"],
    )  # fmt: skip


@rows("moments")
def test_local_times(row: Row) -> None:
    local = datetime.fromisoformat(row["local"])
    found = calendars.moment(local, "Europe/Berlin", later=row.get("later", False))
    assert found == at(row["is"])


@rows("periods")
def test_periods(row: Row) -> None:
    got = calendars.period(at(row["at"]), row["unit"], row["zone"])
    assert (got.begin, got.end) == (at(row["from"]), at(row["to"]))
    assert got.length == timedelta(hours=row["hours"])


@rows("freezes")
def test_freezes(row: Row) -> None:
    got = calendars.frozen(FreezeWindow.model_validate(row["window"]), at(row["at"]))
    assert (got and got.end) == (row["until"] and at(row["until"]))


# For any figures

anything = st.none() | st.floats()
numbers = st.floats()
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kolkata", "Australia/Lord_Howe",
     "Pacific/Apia", "America/St_Johns", "Africa/Casablanca"]
)  # fmt: skip
moments = st.datetimes(at("1990-01-01"), at("2090-01-01")).map(lambda d: d.replace(tzinfo=UTC))
rules = st.builds(
    Rule,
    st.sampled_from(["Occurrences", "Timeslices", "RatioTimeslices"]),
    st.floats(0.01, 0.99),
    st.integers(1, 6),
    st.sampled_from(["Good", "Exclude", "Bad"]),
)
some_slices = st.lists(
    st.builds(Slice, st.none() | st.integers(0, 9), st.none() | st.integers(0, 9)), max_size=30
)


@given(anything, anything, numbers, numbers, numbers, st.booleans())
def test_nothing_raises_and_nothing_is_nan(
    a: float | None, b: float | None, c: float, d: float, e: float, blocked: bool
) -> None:
    burnt = budgets.burn(a, b, c)
    left = budgets.remaining(a, b, c, elapsed=d, period=e)
    found = [
        burnt, left, budgets.consumed(a, c, d), budgets.time_to_empty(a, b, c),
        budgets.spent_by(a, b, c),
    ]  # fmt: skip
    assert all(x is None or math.isfinite(x) for x in found)
    decision = budgets.decide(a, {"1h": b, "5m": b, "6h": c}, LIMITS, blocked=blocked)
    if a is None or math.isnan(a):
        assert decision.blocked == blocked
    elif a < 0:
        assert decision.blocked


@given(
    st.lists(st.builds(Slice, anything, anything), max_size=8),
    rules,
    numbers,
    numbers,
    numbers,
    numbers,
)
def test_no_slice_and_no_agreement_raises(
    given_slices: list[Slice], how: Rule, target: float, elapsed: float, rest: float, length: float
) -> None:
    counted = tally(given_slices, how)
    share = slices.attained(counted, how)
    assert share is None or 0 <= share <= 1
    got = agreements.figures(
        counted, counted, how, target, [(0.99, 10)], elapsed=elapsed, rest=rest,
        slice_seconds=length,
    )  # fmt: skip
    for figure in (got.attained, got.projected):
        assert figure is None or 0 <= figure <= 1
    assert got.remaining is None or math.isfinite(got.remaining)


@given(some_slices, some_slices, some_slices, rules)
def test_hours_add_up_however_they_are_cut(
    a: list[Slice], b: list[Slice], c: list[Slice], how: Rule
) -> None:
    """Counted in parts, in whichever order merged: the same as counted at once."""
    at_once = tally([*a, *b, *c], how)
    x, y, z = tally(a, how), tally(b, how), tally(c, how)
    for merged in (merge(merge(x, y, how), z, how), merge(x, merge(y, z, how), how)):
        assert merged.slices == at_once.slices
        assert (merged.head, merged.tail) == (at_once.head, at_once.tail)
        assert slices.bad(merged, how) == pytest.approx(slices.bad(at_once, how))
        assert merged.total == pytest.approx(at_once.total)
    assert merge(EMPTY, x, how) == x == merge(x, EMPTY, how)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 8))
def test_runs_are_counted_as_by_hand(good: list[bool], run: int) -> None:
    how = Rule("Timeslices", 0.5, run)
    text = "".join("g" if g else "b" for g in good)
    by_hand = sum(len(part) for part in text.split("g") if len(part) >= run)
    assert slices.bad(tally([Slice(float(g), 1.0) for g in good], how), how) == by_hand


@given(some_slices, rules, st.floats(-1, 2))
def test_a_part_is_no_more_than_the_whole(
    given_slices: list[Slice], how: Rule, share: float
) -> None:
    whole = tally(given_slices, how)
    some = slices.part(whole, share)
    assert 0 <= some.total <= whole.total
    assert some.measured <= whole.measured
    assert slices.bad(some, how) <= some.slices or how.method == "Occurrences"


@given(moments, zones, st.sampled_from(["Week", "Month", "Quarter"]))
def test_periods_hold_their_moment_and_follow_each_other(
    at: datetime, zone: str, unit: Any
) -> None:
    found = calendars.period(at, unit, zone)
    assert found.holds(at)
    after = calendars.period(found.end, unit, zone)
    assert after.begin == found.end
    # A day may be left out (Samoa, 2011) or a clock changed: never more than a day and an hour.
    least = {"Week": 7, "Month": 28, "Quarter": 90}[unit]
    most = {"Week": 7, "Month": 31, "Quarter": 92}[unit]
    slack = timedelta(hours=25)
    assert timedelta(days=least) - slack <= found.length <= timedelta(days=most) + slack


@given(st.datetimes(at("1990-01-01"), at("2090-01-01")), zones, st.booleans())
def test_a_local_time_that_is_there_is_shown_by_the_clocks(
    local: datetime, zone: str, later: bool
) -> None:
    found = calendars.moment(local, zone, later=later)
    shown = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    # Else the clocks leave it out, and it means the time that they show instead.
    assert shown == local or shown > local


@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_less_left_never_opens_the_door(a: float, b: float, blocked: bool) -> None:
    low, high = sorted((a - 0.5, b - 0.5))
    one = budgets.decide(low, {}, LIMITS, blocked=blocked)
    other = budgets.decide(high, {}, LIMITS, blocked=blocked)
    assert one.blocked >= other.blocked


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=40))
def test_the_door_does_not_flutter(lefts: list[float]) -> None:
    """Between two changes of the decision the budget went from below 0 to 10 % or back."""
    blocked, crossed = False, math.inf
    for left in lefts:
        decision = budgets.decide(left, {}, LIMITS, blocked=blocked)
        if decision.blocked != blocked:
            assert (left < 0) if decision.blocked else (left >= 0.1)
            blocked, crossed = decision.blocked, left
        elif blocked:
            assert left < 0.1
        else:
            assert left >= 0
    assert crossed
