"""What is kept of a release's samples: all of it where it fits, found again after a kill."""

from __future__ import annotations

import base64
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge.objectives import Baseline
from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value
from pratique.lifecycle.records import MAX_BYTES, Recorded, decode, encode, gather, record
from pratique.lifecycle.situation import Answer
from unit.lifecycle.builders import ERRORS, FAST, HEAP, RESTARTS, at, plan, release_spec, situation
from unit.lifecycle.simulator import Play, good, rolled_out

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
counts = st.builds(Counts, st.integers(0, 10**12), st.integers(0, 10**12))
values = st.builds(Value, st.floats(allow_nan=False, allow_infinity=False))
buckets = st.lists(st.integers(0, 10**9), min_size=1, max_size=5).map(
    lambda c: Buckets((*(0.1 * (i + 1) for i in range(len(c) - 1)), math.inf), tuple(c))
)
missing = st.builds(Missing, st.sampled_from(["NoData", "ProviderError"]), st.text(max_size=20))
samples = counts | values | buckets | missing


@st.composite
def recorded(draw: st.DrawFn) -> Recorded:
    looks = draw(st.integers(1, 6))
    rows = st.lists(samples, min_size=looks, max_size=looks).map(tuple)
    return Recorded(
        ends=tuple(BEGIN + timedelta(seconds=7.5 * k) for k in range(looks + 1)),
        window_from=draw(st.none() | st.just(BEGIN)),
        looks={"a": draw(rows), "b": draw(rows)},
        whole=draw(st.dictionaries(st.just("a"), samples)),
        beside=draw(st.dictionaries(st.just("b"), st.dictionaries(st.just("OldPods"), rows))),
        before={"a": Baseline("BeforeRollout", "cart-1", 0.1, 90, 600.0)},
    )


@settings(max_examples=200, deadline=None)
@given(recorded())
def test_what_is_written_is_read_again(given_: Recorded) -> None:
    text = encode(given_)
    assert decode(text) == given_
    assert encode(decode(text)) == text


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_what_is_no_record_is_said_to_be_none(data: bytes) -> None:
    for text in (data.decode(errors="replace"), base64.b64encode(data).decode()):
        with pytest.raises(ValueError, match="cannot be read"):
            decode(text)


def played(*objectives: dict[str, Any]) -> Play:
    made = Play(release_spec(plan(objectives)), rolled_out(), good)
    made.run()
    return made


def test_a_finished_release_keeps_every_look() -> None:
    made = played(ERRORS, FAST, HEAP, RESTARTS)
    found, ask = gather(made.situation(), made.status)
    assert ask == []
    assert found is not None
    assert set(found.looks) == {"errors", "fast", "heap", "restarts"}
    assert found.looks["errors"] == (Counts(10, 1000),) * 5
    assert isinstance(found.whole["heap"], Value)
    spec = record(made.situation(), made.status, found)
    assert (spec.verdict, spec.looks, spec.note) == ("Promotable", 5, None)
    assert decode(spec.data) == found


def test_after_a_kill_the_same_is_asked_again() -> None:
    made = played(ERRORS, HEAP)
    whole, _ = gather(made.situation(), made.status)
    made.kill()
    _, ask = gather(made.situation(), made.status)
    assert ask
    made.answers.update({q: Answer(good(q, made.now), at(made.now)) for q in ask})
    again, more = gather(made.situation(), made.status)
    assert more == []
    assert again == whole


def test_what_is_too_large_is_pooled_and_that_is_said() -> None:
    chance = random.Random(3)
    made = played(ERRORS)

    def row() -> tuple[Sample, ...]:
        return tuple(
            Buckets(
                (*(float(e) for e in range(20)), math.inf),
                tuple(sorted(chance.randrange(10**9) for _ in range(21))),
            )
            for _ in range(360)
        )

    large = Recorded(
        ends=tuple(BEGIN + timedelta(minutes=k) for k in range(361)),
        window_from=BEGIN,
        looks={f"o{i}": row() for i in range(4)},
    )
    spec = record(situation(made.spec, None, 0), made.status, large)
    assert len(spec.data) <= MAX_BYTES
    assert spec.note is not None
    assert f"{spec.looks} are left" in spec.note
    kept = decode(spec.data)
    assert kept.ends[0] == large.ends[0]
    assert kept.ends[-1] == large.ends[-1]
    first, pooled = large.looks["o0"], kept.looks["o0"]
    assert sum(b.total for b in pooled if isinstance(b, Buckets)) == sum(
        b.total for b in first if isinstance(b, Buckets)
    )
