"""The bench of cases times what it says: the command, over all cases, in both forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from pratique.replay.reading import read
from pratique.replay.run import run
from pratique_testbed.bench_cases import cases, timed, written


@pytest.mark.parametrize(
    ("mix", "verdicts"),
    [("small", {"Promotable", "NotPromotable"}), ("compared", {"NotPromotable"})],
)
def test_the_mixes_are_always_the_same_and_end_as_they_are_meant_to(
    mix: str, verdicts: set[str], tmp_path: Path
) -> None:
    given = cases(mix, 60)
    assert given == cases(mix, 60)
    text = written(given, "jsonl", tmp_path).read_text()
    assert text != written(given, "yaml", tmp_path).read_text()
    assert verdicts <= {run(c).judgement.verdict for c in read(text, mix)}


@pytest.mark.parametrize("form", ["jsonl", "yaml"])
def test_every_case_is_judged(form: str, tmp_path: Path) -> None:
    took = timed(written(cases("small", 30), form, tmp_path))
    assert took.judged == 30
    assert 0 < took.cpu < 60
    assert took.memory > 10
