"""Calendar periods and local times of IANA time zones, with their real lengths.

A month has 28 to 31 days and, where clocks change, an hour less or more; nothing here counts 30 days or
24 hours. Local times that a clock change leaves out or brings twice have a defined meaning: see
``moment``. Pure: the time zone database is read, no clock is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from ..resources.budget import CalendarUnit
from ..resources.budget_policy import FreezeWindow

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """The time from ``begin`` on and before ``end``, in UTC."""

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """Its real length."""
        return self.end - self.begin

    def holds(self, at: datetime) -> bool:
        """Whether the moment lies in it."""
        return self.begin <= at < self.end


def moment(local: datetime, zone: str, *, later: bool = False) -> datetime:
    """The moment, in UTC, at which the zone's clocks show the naive local time.

    A time that comes twice (clocks set back) means the first of both, with ``later`` the second. One
    that is left out (clocks set forward) means the same distance after the change: 02:30 becomes
    03:30 (PEP 495's reading of fold=0), with ``later`` likewise.
    """
    there = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    if later:
        second = there.replace(fold=1)
        # In a gap the second reading lies before the first: there only the first is meant.
        if second.astimezone(UTC) > there.astimezone(UTC):
            there = second
    return there.astimezone(UTC)


def period(at: datetime, unit: CalendarUnit, zone: str) -> Period:
    """The week (from Monday), month or quarter of the zone's calendar that holds the moment."""
    day = at.astimezone(ZoneInfo(zone)).date()
    match unit:
        case "Week":
            first = day - timedelta(days=day.weekday())
            after = first + 7 * _DAY
        case "Month":
            first = day.replace(day=1)
            after = _months_on(first, 1)
        case "Quarter":
            first = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
            after = _months_on(first, 3)
    return Period(_midnight(first, zone), _midnight(after, zone))


def rolling(at: datetime, length: timedelta) -> Period:
    """The last ``length`` before the moment."""
    return Period(at - length, at)


def frozen(window: FreezeWindow, at: datetime) -> Period | None:
    """The freeze that holds the moment, or None. A weekly one that ends before it begins ends the day after."""
    if not window.days:
        once = Period(
            moment(datetime.fromisoformat(window.from_), window.time_zone),
            moment(datetime.fromisoformat(window.to), window.time_zone, later=True),
        )
        return once if once.holds(at) else None
    return weekly(window, at)


class Weekly(Protocol):
    """A time of the week: on some days, from one local time to another."""

    @property
    def days(self) -> Sequence[str] | None:
        """The days on which it begins."""

    @property
    def from_(self) -> str:
        """Its begin, hours and minutes."""

    @property
    def to(self) -> str:
        """Its end; before its begin it is the day after."""

    @property
    def time_zone(self) -> str:
        """Whose local time."""


def weekly(window: Weekly, at: datetime) -> Period | None:
    """The time of the week that holds the moment, or None."""
    today = at.astimezone(ZoneInfo(window.time_zone)).date()
    days = (_on(window, day) for day in (today - _DAY, today))
    return next((p for p in days if p is not None and p.holds(at)), None)


def opens(windows: Iterable[Weekly], at: datetime) -> datetime:
    """When the next of these times begins, after the moment."""
    begins = []
    for window in windows:
        today = at.astimezone(ZoneInfo(window.time_zone)).date()
        for ahead in range(9):
            found = _on(window, today + ahead * _DAY)
            if found is not None and found.begin > at:
                begins.append(found.begin)
                break
    return min(begins)


def _on(window: Weekly, day: date) -> Period | None:
    """The time that begins on that day, if one does."""
    if DAYS[day.weekday()] not in (window.days or ()):
        return None
    begin, end = _clock(day, window.from_), _clock(day, window.to)
    if end <= begin:
        end += _DAY
    return Period(moment(begin, window.time_zone), moment(end, window.time_zone, later=True))


def _clock(day: date, text: str) -> datetime:
    hours, minutes = map(int, text.split(":"))
    return datetime.combine(day, time()) + timedelta(hours=hours, minutes=minutes)


def _midnight(day: date, zone: str) -> datetime:
    # Where the change leaves midnight out, the day begins when it ends: moment() says just that.
    return moment(datetime.combine(day, time()), zone)


def _months_on(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)
