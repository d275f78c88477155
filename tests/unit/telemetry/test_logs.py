"""One line a record, whatever is in it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from pratique.telemetry.logs import QUIET, configure_logging


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logging.root, "handlers", [])
    levels = {name: logging.getLogger(name).level for name in ("", *QUIET)}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def speak() -> None:
    logger = logging.getLogger("pratique.test")
    logger.debug("too much")
    logger.info("first\nsecond\x1b[31m %s", "é")
    try:
        raise ValueError("broken\nhere")
    except ValueError:
        logger.exception("it failed")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    speak()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(x["level"], x["message"]) for x in lines] == [
        ("INFO", "first\nsecond\x1b[31m é"),
        ("ERROR", "it failed"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0]["time"])
    assert lines[0]["logger"] == "pratique.test"
    assert lines[1]["exception"].endswith("ValueError: broken\nhere")


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text", "INFO")
    speak()
    first, second = capsys.readouterr().err.split("\n")[:-1]
    assert first.endswith(r" INFO    pratique.test: first\nsecond\x1b[31m é")
    assert second.endswith(r"ValueError: broken\nhere")


def test_libraries_are_quiet_also_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text", "DEBUG")
    logging.getLogger("kopf.objects").info("Handler succeeded")
    logging.getLogger("urllib3.connectionpool").warning("Retrying: /api/v1/query?query=…")
    logging.getLogger("kopf.objects").warning("heard")
    logging.getLogger("pratique").debug("heard too")
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "heard",
        "heard too",
    ]


@pytest.mark.parametrize(
    ("format", "level", "mend"), [("yaml", "info", "json or text"), ("json", "loud", "debug, info")]
)
def test_what_is_not_known_is_refused_with_its_mend(format: str, level: str, mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        configure_logging(cast(Any, format), level)
