"""Bad documents are refused by the models with sentences that say the mend."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pratique.resources import kinds
from unit.resources.refusals import Refusal, refusals

ROWS = refusals()


def _path(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


@pytest.mark.parametrize("row", [r for r in ROWS if r.model], ids=lambda row: row.name)
def test_models_refuse_and_say_the_mend(row: Refusal) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the sentence is checked below
        kinds.read(row.document)
    if not isinstance(caught.value, ValidationError):
        assert row.model in str(caught.value)
        return
    said = [(_path(e["loc"]), e["msg"]) for e in caught.value.errors()]
    assert [path for path, message in said if row.model in message] == [row.at], said


def test_the_table_is_worth_having() -> None:
    assert len(ROWS) >= 30
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_a_refused_url_does_not_repeat_its_password() -> None:
    document = {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "MetricsProvider",
        "spec": {"url": "https://me:s3cret@prometheus.example.com"},
    }
    with pytest.raises(ValidationError) as caught:
        kinds.read(document)
    assert "s3cret" not in str(caught.value)
