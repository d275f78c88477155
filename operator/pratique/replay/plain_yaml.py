"""YAML as plain values: maps, lists, text, numbers, booleans, null. Built from the parser's events.

There is no recursion, so no nesting can exhaust the stack; depth, and what aliases stand for, are counted
as they come. Keys stay text: ``on`` is no boolean there and ``0.3`` no number. Numbers are also those of
JSON, such as ``1e-3``; moments stay text, as in JSON. Tags other than those of JSON's types are refused.

Not here: what the values mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 40
MAX_ALIASED = 1_000_000
"""Values that all aliases of a text may stand for together."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {f(w) for w in ("true", "yes", "on") for f in (str.lower, str.title, str.upper)}
_FALSE = {f(w) for w in ("false", "no", "off") for f in (str.lower, str.title, str.upper)}
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_BASED = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:[.][0-9_]*)?|[.][0-9_]+)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = {
    **{f"{s}.{n}": math.inf for s in ("", "+") for n in ("inf", "Inf", "INF")},
    **{f"-.{n}": -math.inf for n in ("inf", "Inf", "INF")},
    **{f".{n}": math.nan for n in ("nan", "NaN", "NAN")},
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,  # as JSON's writers say it
}
_TAGS = "tag:yaml.org,2002:"
_TAGGED = {"str", "int", "float", "bool", "null", "map", "seq"}


class BadYaml(ValueError):  # noqa: N818 - it names what it is about
    """What is wrong, and in which line."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class _Open:
    """A list or a map that is being filled."""

    into: list[Any] | dict[str, Any]
    anchor: str | None
    begun: int
    """How many values there were when it began."""
    key: str | None = None
    keyed: bool = False
    """Whether ``key`` waits for its value."""
    merged: list[Any] = field(default_factory=list)
    """What ``<<`` brought."""


def load_all(text: str) -> Iterator[Any]:
    """One value a document, as it is reached; raises BadYaml."""
    try:
        yield from _documents(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else None, str(error.problem or error)) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise BadYaml(None, " ".join(str(error).split())) from None


def _documents(events: Iterator[Any]) -> Iterator[Any]:
    stack: list[_Open] = []
    anchors: dict[str, tuple[Any, int]] = {}
    scalars: dict[str, Any] = {}
    count = aliased = 0
    root: Any = None
    for event in events:
        match event:
            case yaml.ScalarEvent():
                if stack and type(stack[-1].into) is dict and not stack[-1].keyed:
                    value: Any = event.value
                elif event.implicit[0] and event.tag is None:
                    value = scalars.get(event.value, scalars)
                    if value is scalars:
                        value = scalars[event.value] = _plain(event.value, _line(event))
                else:
                    value = _tagged(event)
                size, anchor = 1, event.anchor
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                _check_tag(event)
                if len(stack) >= MAX_DEPTH:
                    raise BadYaml(
                        _line(event), "nested too deeply: no more than 10 levels are needed"
                    )
                if stack and type(stack[-1].into) is dict and not stack[-1].keyed:
                    raise BadYaml(_line(event), "a key is a list or a map: write a text")
                if event.anchor:
                    anchors.pop(event.anchor, None)
                new: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                stack.append(_Open(new, event.anchor, count))
                continue
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = stack.pop()
                if done.merged:
                    _merge(done, _line(event))
                value, anchor = done.into, done.anchor
                size = 1 + count - done.begun
                count = done.begun
            case yaml.AliasEvent():
                if event.anchor not in anchors:
                    raise BadYaml(
                        _line(event), f"*{event.anchor} stands for nothing that is complete"
                    )
                value, size = anchors[event.anchor]
                anchor = None
                aliased += size
                if aliased > MAX_ALIASED:
                    raise BadYaml(_line(event), "the aliases stand for too much: write it out")
            case yaml.DocumentStartEvent():
                stack, anchors, root, count = [], {}, None, 0
                continue
            case yaml.DocumentEndEvent():
                yield root
                continue
            case _:
                continue
        count += size
        if anchor:
            anchors[anchor] = (value, size)
        if stack:
            _put(stack[-1], value, event)
        else:
            root = value


def _put(into: _Open, value: Any, event: Any) -> None:
    """The next item of a list; of a map a key, or the value of the key before."""
    if isinstance(into.into, list):
        into.into.append(value)
    elif not into.keyed:
        if not isinstance(value, str):
            raise BadYaml(_line(event), "a key is no text: write a text")
        into.key, into.keyed = value, True
    else:
        key, into.keyed = into.key, False
        assert key is not None
        if key == "<<" and isinstance(value, (dict, list)):
            into.merged.append(value)
        elif key in into.into:
            raise BadYaml(_line(event), f"{key[:60]!r} stands twice in one map: write it once")
        else:
            into.into[key] = value


def _merge(done: _Open, line: int) -> None:
    """``<<``: what stands in the map itself comes first, then the maps merged, in order."""
    assert isinstance(done.into, dict)
    for given in done.merged:
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, dict):
                raise BadYaml(line, "<< takes a map, or a list of maps")
            for key, value in one.items():
                done.into.setdefault(key, value)


def _plain(text: str, line: int) -> Any:
    """What a scalar without quotes is."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text in _SPECIAL:
        return _SPECIAL[text]
    if text[0] not in "+-.0123456789":
        return text
    try:
        if _INTEGER.fullmatch(text):
            return int(text.replace("_", ""))
        if _BASED.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
    except ValueError:
        raise BadYaml(line, f"a number of {len(text):,} digits is too long") from None
    return text


def _tagged(event: Any) -> Any:
    """A scalar in quotes is text; with a tag, what the tag says."""
    if event.tag is None or event.tag == "!" or event.tag == f"{_TAGS}str":
        return event.value
    kind = _check_tag(event)
    value = _plain(event.value, _line(event))
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
    }
    if not fits.get(kind, False):
        raise BadYaml(_line(event), f"{event.value[:60]!r} is no !!{kind}")
    return value


def _check_tag(event: Any) -> str:
    tag = event.tag or ""
    kind = str(tag).removeprefix(_TAGS)
    if tag and tag != "!" and kind not in _TAGGED:
        raise BadYaml(_line(event), f"the tag {str(tag)[:60]} is not known: leave it out")
    return kind


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
