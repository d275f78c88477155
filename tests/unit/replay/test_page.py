"""The worked examples of the page say what comes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pratique.replay.reading import read
from pratique.replay.run import run

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "judge-cases.md"
EXAMPLES = re.findall(
    r"```yaml case\n(.*?)```\s+```yaml expect\n(.*?)```",
    PAGE.read_text(encoding="utf-8"),
    re.DOTALL,
)


def test_every_example_says_what_comes_of_it() -> None:
    assert len(EXAMPLES) == PAGE.read_text(encoding="utf-8").count("```yaml case") >= 6


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_example(text: str, expected: str) -> None:
    [case] = read(text, "the page")
    judged = run(case)
    shown = {
        "verdict": judged.judgement.verdict,
        "reason": judged.judgement.reason,
        **({} if judged.called_at is None else {"calledAt": judged.called_at}),
    }
    assert shown == yaml.safe_load(expected), judged.judgement.message
