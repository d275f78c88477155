"""Cases from text: JSON, one after the other or in a list; YAML of one or many documents.

Hostile text is refused, not obeyed: whatever it holds, nothing but BadInput is raised.

Not here: where the text comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from . import plain_yaml
from .cases import Case

MAX_BYTES = 256 * 1024 * 1024
_SPACE = re.compile(r"[ \t\r\n]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class BadInput(ValueError):  # noqa: N818 - it names what it is about
    """What is wrong with the input: where, which field, and the mend."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Without characters that would do something to a terminal: they are written out instead."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def read(text: str, name: str) -> Iterator[Case]:
    """The cases in a text, one after the other; raises BadInput. ``name`` is what it is called."""
    index = 0
    for index, document in enumerate(documents(text, name), 1):
        yield case(document, name, index)
    if not index:
        raise BadInput(f"{name} holds no case: write at least one, with objectives and samples")


def case(document: object, name: str, index: int) -> Case:
    """One document as a case; raises BadInput."""
    if not isinstance(document, dict):
        raise BadInput(
            f"{name}: case {index} is {_kind(document)}, not a map: write name, objectives and samples"
        )
    given = document.get("name")
    title = f" ({given[:60]})" if isinstance(given, str) else ""
    try:
        return Case.model_validate({"name": f"case {index}", **document})
    except ValidationError as error:
        raise BadInput(f"{name}: case {index}{title}: {told(error)}") from None
    except RecursionError:
        raise BadInput(f"{name}: case {index}{title} is nested too deeply") from None


def told(error: ValidationError) -> str:
    """The first things wrong: field, value where it helps, mend."""
    found = error.errors(include_url=False)
    said = [_told(one) for one in found[:3]]
    if len(found) > 3:
        said.append(f"and {len(found) - 3} more")
    return "; ".join(said)


def _told(one: Any) -> str:
    path = "".join(
        f"[{p}]" if isinstance(p, int) else f".{p}" for p in one["loc"] if p != "function-before"
    ).lstrip(".")
    message = one["msg"].removeprefix("Value error, ")
    value = one.get("input")
    if one["type"] == "extra_forbidden":
        message = "there is no such field: see the list of fields in docs/reference/judge-cases.md"
    elif one["type"] == "string_type" and isinstance(value, (bool, int, float)):
        message = f"{_short(value)}: write it in quotes"
    elif one["type"] == "float_type":
        message = f"{_short(value)}: write a number, without a unit and without quotes"
        if "delta" in one["loc"] and isinstance(value, str) and value.endswith("%"):
            message = f"{_short(value)}: a percentage stands without delta, as change: {{lte: 10%}}"
    elif one["type"] == "missing":
        message = "is missing: add it"
    elif isinstance(value, (str, int, float)) and _short(value) not in message:
        message = f"{_short(value)}: {message}"
    return f"{path}: {message}" if path else message


def _short(value: object) -> str:
    try:
        return repr(value)[:60]
    except ValueError:  # an integer too long to be written
        return "a number of thousands of digits"


def documents(text: str, name: str) -> Iterator[object]:
    """The documents in a text: those of a list, of JSON lines, of YAML; raises BadInput."""
    if len(text) > MAX_BYTES:
        raise BadInput(f"{name} has more than {MAX_BYTES // 2**20} MiB: split it")
    if not text.strip():
        raise BadInput(f"{name} is empty: write at least one case")
    try:
        if text.lstrip()[:1] in ("{", "["):
            begun = False
            try:
                for document in _json(text, name):
                    begun = True
                    yield document
                return
            except json.JSONDecodeError as error:
                # YAML may begin so too, but not with a name in quotes.
                if begun or re.match(r'[\s\[]*\{\s*"', text):
                    raise BadInput(f"{name}: line {error.lineno}: no JSON: {error.msg}") from None
        for document in plain_yaml.load_all(text):
            if isinstance(document, list):
                yield from document
            elif document is not None:
                yield document
    except plain_yaml.BadYaml as error:
        line = "" if error.line is None else f" line {error.line}:"
        raise BadInput(f"{name}:{line} no YAML: {error}") from None
    except RecursionError:
        raise BadInput(f"{name} is nested too deeply") from None


class _Refused(ValueError):  # noqa: N818 - it names what it is about
    """What is legal JSON, and would not be read as it was meant."""


def _json(text: str, name: str) -> Iterator[object]:
    """Values that stand one after the other, with or without line ends between; lists as their items."""
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer)
    at = _after_space(text, 0)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except _Refused as problem:
            line = text.count("\n", 0, at) + 1
            raise BadInput(f"{name}: in what begins in line {line}: {problem}") from None
        if isinstance(value, list):
            yield from value
        else:
            yield value
        at = _after_space(text, at)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of two equal names one would be lost."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [k for k, _ in pairs]
        twice = next(k for k in names if names.count(k) > 1)
        raise _Refused(f"{twice[:60]!r} stands twice in one map: write it once")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 400:  # far beyond any count, and any float
        raise _Refused(f"a number of {len(digits):,} digits is too long")
    return int(digits)


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "empty"}.get(type(value), _short(value))
