"""Ledgers: what was counted hour by hour, so that a month is asked once and only the new part each minute.

A ledger is a row of tallies, one for each hour (three hours where the window is longer than 35 days)
from the window's begin on, without gaps; hours begin at multiples in UTC. It is kept packed in a status
and begins anew where what is counted changes. Pure: what must be asked next is said, not asked.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import reduce

from ..judge import slices
from ..judge.calendars import Period
from ..judge.slices import EMPTY, Rule, Slice, Tally, merge, part, tally
from ..queries.slices import MAX_POINTS

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG = timedelta(days=35)
MAX_PACKED = 65_536
_MAX_UNPACKED = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Slices to be asked in one query: those that end after ``begin`` and up to ``end``."""

    begin: datetime
    end: datetime
    step: timedelta


@dataclass(frozen=True)
class Frame:
    """What a ledger counts: how, over which time, in which slices."""

    rule: Rule
    step: timedelta
    """A slice's length."""
    record: timedelta
    """The slices' length for whole hours: coarser where only sums matter."""
    period: Period
    """The window: of a rolling one its last so many days, of a calendar one all of it."""
    rolling: bool
    mark: str
    """What is counted, hashed: a ledger with another mark is of no use."""
    exclusions: tuple[tuple[datetime, datetime], ...] = ()

    @property
    def slot(self) -> timedelta:
        """What is recorded as one."""
        return HOUR if self.period.length <= LONG else 3 * HOUR

    def excluded(self, begin: datetime, end: datetime) -> bool:
        """Whether the slice touches an exclusion."""
        return any(a < end and begin < b for a, b in self.exclusions)


@dataclass(frozen=True)
class Ledger:
    """Tallies of whole slots; the first may be shorter, where a month begins within an hour."""

    mark: str
    begin: datetime
    tallies: tuple[Tally, ...] = field(default=())

    def edge(self, number: int, slot: timedelta) -> datetime:
        """Where the slot of this number begins."""
        return self.begin if number == 0 else floor(self.begin, slot) + number * slot

    def end(self, slot: timedelta) -> datetime:
        """Up to where it is recorded."""
        return self.edge(len(self.tallies), slot)


def floor(at: datetime, step: timedelta) -> datetime:
    """The last multiple of the step, counted from 1970 in UTC, at or before the moment."""
    return _EPOCH + (at - _EPOCH) // step * step


def opened(frame: Frame, packed: str | None) -> Ledger:
    """The ledger as it was kept, without what lies before the window; else an empty one."""
    slot = frame.slot
    begin = floor(frame.period.begin, slot if frame.rolling else frame.step)
    kept = _unpack(packed) if packed else None
    if kept is None or kept.mark != frame.mark or (not frame.rolling and kept.begin != begin):
        return Ledger(frame.mark, begin)
    if kept.begin > begin or kept.end(slot) <= begin:
        return Ledger(frame.mark, begin)
    old = round((floor(begin, slot) - floor(kept.begin, slot)) / slot)
    if old <= 0:
        return kept
    return Ledger(kept.mark, kept.edge(old, slot), kept.tallies[old:])


def missing(frame: Frame, ledger: Ledger, until: datetime, *, most: int = 4) -> list[Chunk]:
    """The next whole slots that are not recorded, as few queries of at most a day each."""
    slot = frame.slot
    chunks: list[Chunk] = []
    longest = min(DAY, frame.record * MAX_POINTS)
    begin, last = ledger.end(slot), floor(min(until, frame.period.end), slot)
    while begin < last and len(chunks) < most:
        end = min(last, floor(begin, slot) + max(slot, longest // slot * slot))
        # A first slot that begins within an hour may not be a multiple of the coarser step.
        fits = floor(begin, frame.record) == begin
        chunks.append(Chunk(begin, end, frame.record if fits else frame.step))
        begin = end
    return chunks


def trailing(frame: Frame, ledger: Ledger, until: datetime) -> Chunk | None:
    """The slices since the last whole slot, and at least those of the last hour."""
    end = floor(min(until, frame.period.end), frame.step)
    begin = min(ledger.end(frame.slot), floor(end - HOUR, frame.step))
    begin = max(begin, ledger.begin, end - frame.step * MAX_POINTS)
    return Chunk(begin, end, frame.step) if begin < end else None


def record(frame: Frame, ledger: Ledger, chunk: Chunk, counted: Sequence[Slice]) -> Ledger:
    """The ledger with a chunk of ``missing`` added; one that does not follow it leaves it as it is."""
    slot = frame.slot
    if chunk.begin != ledger.end(slot):
        return ledger
    added, begin = [], chunk.begin
    while begin < chunk.end:
        end = floor(begin, slot) + slot
        added.append(_between(frame, chunk, counted, begin, end))
        begin = end
    return replace(ledger, tallies=(*ledger.tallies, *added))


@dataclass(frozen=True)
class Book:
    """A ledger with the slices that followed it: everything that is known of the window."""

    frame: Frame
    ledger: Ledger
    chunk: Chunk | None
    tail: Sequence[Slice] = ()

    @property
    def until(self) -> datetime:
        """Up to when it speaks."""
        return self.chunk.end if self.chunk else self.ledger.end(self.frame.slot)

    def whole(self) -> Tally:
        """The window's tally."""
        return self.since(self.frame.period.begin)

    def last(self, span: timedelta) -> Tally:
        """That of the last so much time, or of the window where that is shorter."""
        return self.since(max(self.until - span, self.frame.period.begin))

    def coverage(self) -> float | None:
        """The share of the window's time up to now for which there was data."""
        begin, slot = self.frame.period.begin, self.frame.slot
        seconds = (self.until - begin).total_seconds()
        if seconds <= 0:
            return None
        covered = 0.0
        for number, counted in enumerate(self.ledger.tallies):
            a, b = self.ledger.edge(number, slot), self.ledger.edge(number + 1, slot)
            if counted.slices and b > begin:
                share = counted.measured / counted.slices
                covered += share * (b - max(a, begin)).total_seconds()
        if self.chunk is not None:
            recorded = max(self.ledger.end(slot), begin)
            tail = _between(self.frame, self.chunk, self.tail, recorded, self.chunk.end)
            covered += tail.measured * self.chunk.step.total_seconds()
        return min(1.0, covered / seconds)

    def since(self, begin: datetime) -> Tally:
        """The tally from the moment on; a slot that it cuts counts by its share."""
        if self.chunk is not None and begin >= self.chunk.begin:
            return _between(self.frame, self.chunk, self.tail, begin, self.chunk.end)
        slot, rule = self.frame.slot, self.frame.rule
        parts = []
        for number, counted in enumerate(self.ledger.tallies):
            a, b = self.ledger.edge(number, slot), self.ledger.edge(number + 1, slot)
            if b > begin:
                parts.append(counted if a >= begin else part(counted, (b - begin) / (b - a)))
        if self.chunk is not None:
            recorded = self.ledger.end(slot)
            parts.append(_between(self.frame, self.chunk, self.tail, recorded, self.chunk.end))
        return reduce(lambda x, y: merge(x, y, rule), parts, EMPTY)


def _between(
    frame: Frame, chunk: Chunk, counted: Sequence[Slice], begin: datetime, end: datetime
) -> Tally:
    """The tally of the chunk's slices that lie in the span; excluded ones count as nothing."""

    first = max(0, -((chunk.begin - begin) // chunk.step))
    last = min(len(counted), (end - chunk.begin) // chunk.step)

    def each() -> Iterable[Tally]:
        for number in range(first, last):
            at = chunk.begin + number * chunk.step
            if frame.exclusions and frame.excluded(at, at + chunk.step):
                yield Tally(slices=1, measured=1)
            else:
                yield tally(counted[number : number + 1], frame.rule)

    return reduce(lambda x, y: merge(x, y, frame.rule), each(), EMPTY)


def packed(ledger: Ledger) -> str:
    """A ledger as short text: columns as JSON, deflated, base64."""
    columns = [
        [getattr(t, name) for t in ledger.tallies]
        for name in ("slices", "measured", "total", "bad", "head", "tail")
    ]
    columns = [[round(x, 6) if x % 1 else int(x) for x in column] for column in columns]
    document = {"v": 1, "mark": ledger.mark, "begin": ledger.begin.timestamp(), "columns": columns}
    raw = json.dumps(document, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(raw, 9)).decode()


def _unpack(text: str) -> Ledger | None:
    """None for what is no ledger: it begins anew."""
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(text, validate=True), _MAX_UNPACKED)
        document = json.loads(raw)
        if document["v"] != 1:
            return None
        rows = zip(*document["columns"], strict=True)
        return Ledger(
            str(document["mark"]),
            datetime.fromtimestamp(float(document["begin"]), UTC),
            tuple(
                Tally(int(n), int(m), float(t), float(b), int(h), int(e))
                for n, m, t, b, h, e in rows
            ),
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        OSError,
        zlib.error,
        binascii.Error,
        RecursionError,
    ):
        return None


def bad_and_total(counted: Tally, rule: Rule) -> tuple[float, float]:
    """Bad events (or slices) and all that count."""
    return slices.bad(counted, rule), counted.total
