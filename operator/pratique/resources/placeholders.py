"""Placeholders in people's texts: ``$name``, ``${name}``, and ``$$`` for a dollar. Strict: an unknown one is an error.

How a value is escaped is the caller's to say, by where the text stands. Not for queries, whose strings
are PromQL's (``queries/templates``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

_TOKEN = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<braced>[a-zA-Z]\w*)\}|(?P<plain>[a-zA-Z]\w*)|(?P<bad>))", re.ASCII
)


def check(text: str, known: Iterable[str]) -> None:
    """Raises ValueError, with the mend, where the text could not be rendered."""
    render(text, dict.fromkeys(known, ""))


def render(
    text: str, values: Mapping[str, str], escape: Callable[[str], str] = lambda value: value
) -> str:
    """The text with its placeholders' values, each escaped; raises ValueError."""

    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        name = found["braced"] or found["plain"]
        if name is None:
            raise ValueError(f"{text[found.start() :][:16]!r}: write $$ for a dollar")
        if name not in values:
            known = " ".join(f"${n}" for n in sorted(values))
            raise ValueError(f"${name} is unknown: there are {known}; write $$ for a dollar")
        return escape(values[name])

    return _TOKEN.sub(value, text)


def rendered(given: object, values: Mapping[str, str]) -> object:
    """A JSON value with every string in it rendered; keys stay as they are."""
    if isinstance(given, str):
        return render(given, values)
    if isinstance(given, list):
        return [rendered(item, values) for item in given]
    if isinstance(given, dict):
        return {key: rendered(item, values) for key, item in given.items()}
    return given
