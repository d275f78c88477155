"""A judgement made to fit where room is short: a status, an annotation.

Not here: what is judged. Verdict, reasons, values and the list of results never change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from ..resources.judgement import Judgement, ObjectiveResult
from .numbers import clip

_CAPS = (512, 256, 128, 64, 24, 1)
"""To how many characters messages are shortened, step by step."""
Change = Callable[[ObjectiveResult], ObjectiveResult]


def size(judgement: Judgement) -> int:
    """Bytes of its JSON, without spaces, in UTF-8."""
    text = json.dumps(judgement.dump(), ensure_ascii=False, separators=(",", ":"))
    return len(text.encode())


def fit(judgement: Judgement, limit_bytes: int) -> Judgement:
    """The judgement with as little left out as its JSON needs to be of at most ``limit_bytes``.

    Queries go first, then messages grow shorter, then bounds and providers, tests and units go; at each
    step what passed gives way before what did not. No result is ever dropped: where even the barest form is larger
    than the limit, that form is what comes back.
    """
    for shorter in _steps(judgement):
        judgement = shorter
        if size(judgement) <= limit_bytes:
            break
    return judgement


def _steps(judgement: Judgement) -> Iterator[Judgement]:
    """Ever smaller forms, each made of the one before."""
    yield judgement
    changes: list[tuple[Change, int | None]] = [(_without("query"), None)]
    changes += [(_capped(cap), cap) for cap in _CAPS]
    changes += [(_without("provider", "bound"), None), (_without("statistic", "unit"), None)]
    for change, cap in changes:
        for passed in (True, False):
            judgement = _changed(judgement, change, passed=passed)
            yield judgement
        if cap is not None:
            # The judgement's own message tells the whole: it keeps four times as much.
            message = clip(judgement.message, 4 * cap)
            judgement = judgement.model_copy(update={"message": message})
            yield judgement


def _changed(judgement: Judgement, change: Change, *, passed: bool) -> Judgement:
    results: Sequence[ObjectiveResult] = [
        change(r) if (r.result == "Pass") is passed else r for r in judgement.results
    ]
    return judgement.model_copy(update={"results": list(results)})


def _without(*fields: str) -> Change:
    return lambda r: r.model_copy(update=dict.fromkeys(fields))


def _capped(cap: int) -> Change:
    return lambda r: r.model_copy(update={"message": clip(r.message, cap)})
