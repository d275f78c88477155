"""Ledgers: counted hour by hour and kept, the same as counted at once; and what must be asked."""

from __future__ import annotations

import base64
import random
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge import slices
from pratique.judge.calendars import Period, rolling
from pratique.judge.slices import Rule, Slice, Tally, tally
from pratique.lifecycle import ledgers
from pratique.lifecycle.ledgers import Book, Chunk, Frame, Ledger
from pratique.queries.slices import MAX_POINTS

T0 = datetime(2026, 3, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def frame(begin: datetime, end: datetime, *, roll: bool = False, rule: Rule | None = None) -> Frame:
    return Frame(
        rule=rule or Rule("Timeslices", 0.5, 3),
        step=FIVE,
        record=FIVE,
        period=Period(begin, end),
        rolling=roll,
        mark="m",
    )


def world(chunk: Chunk, pattern: list[int | None]) -> list[Slice]:
    """Slices by their time alone: whoever asks gets the same."""
    many = round((chunk.end - chunk.begin) / chunk.step)
    found = []
    for number in range(many):
        index = round((chunk.begin + number * chunk.step - T0) / FIVE)
        good = pattern[index % len(pattern)]
        found.append(Slice(None, None) if good is None else Slice(float(good), 10.0))
    return found


def kept(of: Frame, packed: str | None, until: datetime, pattern: list[int | None]) -> Book:
    """As the controller does it, to the end."""
    ledger = ledgers.opened(of, packed)
    while chunks := ledgers.missing(of, ledger, until):
        for chunk in chunks:
            ledger = ledgers.record(of, ledger, chunk, world(chunk, pattern))
    tail = ledgers.trailing(of, ledger, until)
    return Book(of, ledger, tail, world(tail, pattern) if tail else [])


patterns = st.lists(st.none() | st.integers(0, 10), min_size=1, max_size=50)
rules = st.sampled_from(
    [
        Rule("Timeslices", 0.5, 3),
        Rule("Timeslices", 0.8),
        Rule("Occurrences"),
        Rule("RatioTimeslices"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    patterns,
    rules,
    st.integers(1, 3000),
    st.lists(st.integers(1, 900), max_size=4),
    st.integers(0, 11),
)
def test_kept_and_looked_at_now_and_then_is_the_same_as_counted_at_once(
    pattern: list[int | None], rule: Rule, minutes: int, looks: list[int], offset: int
) -> None:
    """A month that begins anywhere within an hour, its ledger packed and opened again at each look."""
    begin = T0 + offset * FIVE
    of = frame(begin, begin + timedelta(days=31), rule=rule)
    packed, until = None, begin
    for gap in [*looks, minutes]:
        until += gap * timedelta(minutes=1)
        book = kept(of, packed, until, pattern)
        packed = ledgers.packed(book.ledger)
    end = ledgers.floor(until, FIVE)
    at_once = tally(world(Chunk(begin, end, FIVE), pattern), rule)
    whole = book.whole()
    assert (whole.slices, whole.measured) == (at_once.slices, at_once.measured)
    assert whole.total == pytest.approx(at_once.total)
    assert slices.bad(whole, rule) == pytest.approx(slices.bad(at_once, rule))
    if end > begin:
        assert book.coverage() == pytest.approx(at_once.measured / at_once.slices)
    # The last hour is held slice by slice, whatever was recorded.
    last = tally(world(Chunk(max(begin, end - HOUR), end, FIVE), pattern), rule)
    assert slices.bad(book.last(HOUR), rule) == pytest.approx(slices.bad(last, rule))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20_000), st.integers(1, 35))
def test_a_rolling_window_forgets_what_lies_before_it(minutes: int, days: int) -> None:
    now = T0 + timedelta(days=40, minutes=minutes)
    packed = None
    for at in (now - timedelta(hours=5), now):
        of = frame(*_ends(at, days), roll=True, rule=Rule("Timeslices", 0.5))
        book = kept(of, packed, at, [10])
        packed = ledgers.packed(book.ledger)
    assert book.ledger.begin <= of.period.begin < book.ledger.begin + HOUR
    # What cuts an hour counts by its share: off by less than a slice.
    assert book.whole().total == pytest.approx(days * 288, abs=1.5)


def _ends(at: datetime, days: int) -> tuple[datetime, datetime]:
    period = rolling(at, timedelta(days=days))
    return period.begin, period.end


def test_a_month_is_asked_a_day_at_a_time_and_then_only_its_end() -> None:
    of = frame(T0, T0 + timedelta(days=31))
    now = T0 + timedelta(days=10, hours=3, minutes=7)
    ledger = ledgers.opened(of, None)
    asked = []
    while chunks := ledgers.missing(of, ledger, now):
        assert len(chunks) <= 4
        for chunk in chunks:
            asked.append(chunk)
            ledger = ledgers.record(of, ledger, chunk, world(chunk, [10]))
    assert len(asked) == 11
    assert all((c.end - c.begin) <= timedelta(days=1) for c in asked)
    assert all((c.end - c.begin) / c.step <= MAX_POINTS for c in asked)
    tail = ledgers.trailing(of, ledger, now)
    assert tail == Chunk(now.replace(hour=2, minute=5), now.replace(hour=3, minute=5), FIVE)
    later = ledgers.opened(of, ledgers.packed(ledger))
    assert ledgers.missing(of, later, now + timedelta(minutes=50)) == []
    assert len(ledgers.missing(of, later, now + timedelta(minutes=53))) == 1


def test_ten_second_slices_keep_to_what_one_query_may_ask() -> None:
    of = Frame(Rule("Timeslices", 0.5), timedelta(seconds=10), timedelta(seconds=10),
               Period(T0, T0 + timedelta(days=31)), rolling=False, mark="m")  # fmt: skip
    for chunk in ledgers.missing(of, ledgers.opened(of, None), T0 + timedelta(days=9)):
        assert 0 < (chunk.end - chunk.begin) / chunk.step <= MAX_POINTS


def test_another_mark_another_month_or_rubbish_begins_anew() -> None:
    of = frame(T0, T0 + timedelta(days=31))
    packed = ledgers.packed(kept(of, None, T0 + timedelta(hours=9), [10]).ledger)
    assert len(ledgers.opened(of, packed).tallies) == 9
    april = frame(T0 + timedelta(days=31), T0 + timedelta(days=61))
    assert ledgers.opened(april, packed).tallies == ()
    other = Ledger("other", T0, ledgers.opened(of, packed).tallies)
    assert ledgers.opened(of, ledgers.packed(other)).tallies == ()
    bomb = base64.b64encode(zlib.compress(b" " * 50_000_000)).decode()
    for rubbish in ("", "?", "AAAA", base64.b64encode(zlib.compress(b"[]")).decode(), bomb):
        assert ledgers.opened(of, rubbish) == Ledger("m", T0)


@given(st.text(max_size=50), st.binary(max_size=50))
def test_whatever_was_kept_is_no_error(text: str, raw: bytes) -> None:
    of = frame(T0, T0 + timedelta(days=31))
    for packed in (text, base64.b64encode(zlib.compress(raw)).decode()):
        assert ledgers.opened(of, packed).mark == "m"


def test_a_busy_quarter_stays_small() -> None:
    """Ninety-two days of uneven figures, packed: some kB, a fraction of what the field may hold."""
    of = Frame(Rule("Occurrences"), FIVE, FIVE, Period(T0, T0 + timedelta(days=92)),
               rolling=False, mark="m")  # fmt: skip
    draw = random.Random(7)
    counted = tuple(
        Tally(36, 36, float(draw.randrange(10**6, 10**7)), round(draw.uniform(0, 10**4), 3))
        for _ in range(92 * 8)
    )
    ledger = Ledger("m", T0, counted)
    packed = ledgers.packed(ledger)
    assert len(packed) < 16_000
    assert ledgers.opened(of, packed) == ledger
