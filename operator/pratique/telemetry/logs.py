"""Logging: one line a record, as JSON for machines or as text for people, to standard error.

Not here: what is logged. No record carries an object's body: the libraries' loggers that would, or that
repeat addresses with their queries, are quietened.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal, get_args

Format = Literal["json", "text"]
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
QUIET = {
    "kopf": "WARNING",
    "aiohttp.access": "WARNING",
    "asyncio": "WARNING",
    "httpcore2": "WARNING",
    "httpx2": "WARNING",
    # Its warnings repeat whole addresses; who asks tells of the failure in our words.
    "urllib3": "ERROR",
    # ``export`` tells once of a collector that does not answer; this would, each time.
    "opentelemetry.exporter.otlp.proto.http.trace_exporter": "CRITICAL",
}
"""Loggers of libraries, and from which level on they are heard at all."""
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\t",
}


def configure_logging(format: Format, level: str) -> None:
    """Set up the root logger; raises ValueError where an argument is none of the known ones."""
    if format not in get_args(Format):
        raise ValueError(f"log format {format!r}: write json or text")
    if level.upper() not in LEVELS:
        raise ValueError(f"log level {level!r}: write one of {', '.join(LEVELS).lower()}")
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "message"} and, where there is one, "exception"."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """``time LEVEL logger: message``; line breaks are shown as \\n, so nobody can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}: {self.formatException(record.exc_info)}"
        said = text.translate(_ESCAPES)
        return f"{_time(record)} {record.levelname:<7} {record.name}: {said}"


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"
