"""What was measured of a release, gathered at its verdict and made small enough to keep.

The looks are found again by asking the same questions with the same times, so a kill between the verdict
and the record loses nothing.

Not here: writing the record, and judging it again (replay/).
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ..judge.objectives import Baseline
from ..judge.samples import Buckets, Counts, Missing, Sample, Value, pool
from ..queries.questions import Question
from ..resources.record import RecordedWorkload, ReleaseRecordSpec
from ..resources.release import ReleaseStatus
from . import compared as compares
from . import grid, looks
from .pods import counted
from .situation import Situation

MAX_BYTES = 64 * 1024
FORMAT = 1


@dataclass(frozen=True)
class Recorded:
    """A release's samples, by objective."""

    ends: tuple[datetime, ...]
    """The begin of the first look, then the end of each."""
    window_from: datetime | None
    """Where the window began; looks before it were of the rollout."""
    looks: Mapping[str, tuple[Sample, ...]]
    """One sample a look."""
    whole: Mapping[str, Sample] = field(default_factory=dict)
    """What one question over the whole window gave, for raw queries."""
    beside: Mapping[str, Mapping[str, tuple[Sample, ...]]] = field(default_factory=dict)
    """Baselines of the same minutes, by objective and source."""
    before: Mapping[str, Baseline] = field(default_factory=dict)
    """What was measured before the rollout."""


def gather(s: Situation, status: ReleaseStatus) -> tuple[Recorded | None, list[Question]]:
    """(the samples, what must be asked before); none where no look was ever due."""
    probe = looks.Looking(status)
    if not status.cohorts or not status.looks:
        return None, []
    interval, first = s.spec.plan.analysis.interval, status.cohorts[0].from_
    last = status.looks[-1].at
    ends = list(grid.ends(first, last, interval))
    if not ends:
        return None, []
    rows = [looks.look_at(s, probe, e) for e in ends]
    objectives = s.spec.plan.objectives
    whole: dict[str, Sample] = {}
    begin, end = status.window_from, looks.window_end(s, status)
    if begin is not None and end is not None and last >= end:
        for objective in objectives:
            if objective.indicator.query:
                question = s.question(
                    objective, end, end - begin, pods=counted(s.spec, status, end)
                )
                answer = probe.want(s, question, end + s.delay(objective))
                if answer is not None:
                    whole[objective.name] = answer.sample
    none = Missing("ProviderError", "it was not answered when the record was written")
    recorded = Recorded(
        ends=(ends[0] - interval, *ends),
        window_from=begin,
        looks={
            o.name: tuple(x if (x := row.samples[i]) is not None else none for row in rows)
            for i, o in enumerate(objectives)
        },
        whole=whole,
        beside={
            o.name: found
            for i, o in enumerate(objectives)
            if (found := compares.gathered([row.beside[i] for row in rows]))
        },
        before={
            b.name: Baseline(b.source, b.release, b.value, b.samples, b.seconds)
            for b in status.baseline
        },
    )
    return recorded, list(dict.fromkeys(probe.ask))


def record(s: Situation, status: ReleaseStatus, recorded: Recorded) -> ReleaseRecordSpec:
    """The record's spec: as much of the samples as its size allows, and what was left out."""
    assert status.verdict is not None
    workload = s.spec.workload
    note, kept = None, recorded
    data = encode(kept)
    if len(data) > MAX_BYTES and kept.beside:
        kept, note = replace(kept, beside={}), "baselines of the same minutes"
        data = encode(kept)
    while len(data) > MAX_BYTES and len(kept.ends) > 2:
        kept = _halved(kept)
        note = f"looks pooled, {len(kept.ends) - 1} are left"
        data = encode(kept)
    return ReleaseRecordSpec(
        release=s.name,
        workload=RecordedWorkload(kind=workload.kind, name=workload.name),
        verdict=status.verdict,
        looks=len(kept.ends) - 1,
        data=data,
        note=f"too large: {note}" if note else None,
    )


def encode(recorded: Recorded) -> str:
    """JSON, compressed, in base64; the same samples always give the same text."""
    edges: list[tuple[float, ...]] = []

    def samples(given: Sequence[Sample]) -> list[Any]:
        return [_written(x, edges) for x in given]

    content = {
        "from": recorded.ends[0].isoformat(),
        "ends": [round((e - recorded.ends[0]).total_seconds(), 3) for e in recorded.ends[1:]],
        "window": recorded.window_from.isoformat() if recorded.window_from else None,
        "looks": {name: samples(given) for name, given in recorded.looks.items()},
        "whole": {name: _written(x, edges) for name, x in recorded.whole.items()},
        "beside": {
            name: {source: samples(given) for source, given in sources.items()}
            for name, sources in recorded.beside.items()
        },
        "before": {
            name: [b.source, b.release, b.value, b.samples, b.seconds]
            for name, b in recorded.before.items()
        },
        "edges": [["+Inf" if e == float("inf") else e for e in given] for given in edges],
    }
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def decode(data: str) -> Recorded:
    """What ``encode`` made; ValueError for anything else."""
    try:
        opener = zlib.decompressobj()
        text = opener.decompress(base64.b64decode(data, validate=True), 64 * 2**20)
        content = json.loads(text)
        edges = [tuple(float(e) for e in given) for given in content["edges"]]
        begin = datetime.fromisoformat(content["from"])

        def samples(given: Sequence[Any]) -> tuple[Sample, ...]:
            return tuple(_read(x, edges) for x in given)

        return Recorded(
            ends=(begin, *(begin + timedelta(seconds=e) for e in content["ends"])),
            window_from=datetime.fromisoformat(content["window"]) if content["window"] else None,
            looks={name: samples(given) for name, given in content["looks"].items()},
            whole={name: _read(x, edges) for name, x in content["whole"].items()},
            beside={
                name: {source: samples(given) for source, given in sources.items()}
                for name, sources in content["beside"].items()
            },
            before={name: Baseline(*given) for name, given in content["before"].items()},
        )
    except (KeyError, TypeError, ValueError, IndexError, zlib.error, binascii.Error) as error:
        raise ValueError(f"the record's data cannot be read: {error}") from None


def _written(sample: Sample, edges: list[tuple[float, ...]]) -> Any:
    """[part, total]; a number; {edges, counts} by the index of equal edges; {reason, message}."""
    match sample:
        case Counts(part, total):
            return [part, total]
        case Value(value):
            return value
        case Buckets(given, counts):
            if given not in edges:
                edges.append(given)
            return {"e": edges.index(given), "c": list(counts)}
        case Missing(reason, message):
            return {"r": reason, "m": message}
    raise TypeError(f"{type(sample).__name__} belongs to no look")


def _read(written: Any, edges: Sequence[tuple[float, ...]]) -> Sample:
    if isinstance(written, list):
        return Counts(int(written[0]), int(written[1]))
    if isinstance(written, dict):
        if "e" in written:
            return Buckets(edges[written["e"]], tuple(int(c) for c in written["c"]))
        return Missing(written["r"], written["m"])
    return Value(float(written))


def _halved(recorded: Recorded) -> Recorded:
    """Neighbouring looks together, two by two; an odd last one stays alone."""

    def pairs(given: Sequence[Sample]) -> tuple[Sample, ...]:
        return tuple(pool(given[i : i + 2]) for i in range(0, len(given), 2))

    ends = recorded.ends[1:]
    kept = [*ends[1::2], *(ends[-1:] if len(ends) % 2 else ())]
    return replace(
        recorded,
        ends=(recorded.ends[0], *kept),
        looks={name: pairs(given) for name, given in recorded.looks.items()},
    )
