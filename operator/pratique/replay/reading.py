"""Cases from text: JSON, JSON lines, YAML of one or many documents. Hostile text is refused, not obeyed.

Not here: where the text comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from .cases import Case

MAX_BYTES = 256 * 1024 * 1024
MAX_NODES = 20_000_000
"""Values that a text may hold once its aliases are written out."""
MAX_DEPTH = 40
_ALIAS = re.compile(r"(?:^|[\s\[{,:-])\*[^\s*]", re.MULTILINE)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadInput(ValueError):  # noqa: N818 - it names what it is about
    """What is wrong with the input: where, which field, and the mend."""


def read(text: str, name: str) -> Iterator[Case]:
    """The cases in a text, one after the other; raises BadInput. ``name`` is what it is called."""
    for index, document in enumerate(documents(text, name), 1):
        yield case(document, name, index)


def case(document: object, name: str, index: int) -> Case:
    """One document as a case; raises BadInput."""
    if not isinstance(document, dict):
        raise BadInput(
            f"{name}: case {index} is {_kind(document)}, not a map: write name, objectives and samples"
        )
    given = document.get("name")
    title = f" ({given[:60]})" if isinstance(given, str) else ""
    try:
        return Case.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{name}: case {index}{title}: {told(error)}") from None
    except RecursionError:
        raise BadInput(f"{name}: case {index}{title} is nested too deeply") from None


def told(error: ValidationError) -> str:
    """The first things wrong: field, value where it helps, mend."""
    said = []
    for one in error.errors(include_url=False)[:3]:
        path = "".join(
            f"[{p}]" if isinstance(p, int) else f".{p}"
            for p in one["loc"]
            if p != "function-before"
        ).lstrip(".")
        message = one["msg"].removeprefix("Value error, ")
        value = one.get("input")
        if isinstance(value, (str, int, float)) and repr(value)[:60] not in message:
            message = f"{repr(value)[:60]}: {message}"
        said.append(f"{path}: {message}" if path else message)
    return "; ".join(said)


def documents(text: str, name: str) -> Iterator[object]:
    """The documents in a text: those of a list, of JSON lines, of YAML; raises BadInput."""
    if len(text) > MAX_BYTES:
        raise BadInput(f"{name} has more than {MAX_BYTES // 2**20} MiB: split it")
    if not text.strip():
        raise BadInput(f"{name} is empty: write at least one case")
    start = text.lstrip()[:1]
    try:
        if start in ("{", "["):
            found = _json(text, name)
            if found is not None:
                yield from found
                return
        yield from _yaml(text, name)
    except RecursionError:
        raise BadInput(f"{name} is nested too deeply") from None


def _json(text: str, name: str) -> list[object] | None:
    """None where it is no JSON at all: YAML may begin so too."""
    try:
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith("{") for line in lines):
            if text.lstrip().startswith("{") and error.pos > 1 and '"' in text[:200]:
                raise BadInput(f"{name}: line {error.lineno}: no JSON: {error.msg}") from None
            return None
    found: list[object] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise BadInput(f"{name}: line {number}: no JSON: {error.msg}") from None
    return found


def _yaml(text: str, name: str) -> Iterator[object]:
    try:
        _check_depth(text, name)
        if _ALIAS.search(text):
            _check_aliases(text, name)
        for document in yaml.load_all(text, Loader=_Loader):
            if isinstance(document, list):
                yield from document
            elif document is not None:
                yield document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}:" if mark else ""
        raise BadInput(f"{name}:{line} no YAML: {error.problem or error}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise BadInput(f"{name}: no YAML: {error}") from None


def _check_depth(text: str, name: str) -> None:
    """Before it is built: by brackets and by indentation, both of which a parser must follow."""
    depth = most = 0
    for character in re.findall(r"[\[\]{}]", text):
        depth += 1 if character in "[{" else -1
        most = max(most, depth)
    indents = {len(i) for i in re.findall(r"^( +)\S", text, re.MULTILINE)}
    dashes = max((len(d) // 2 for d in re.findall(r"^\s*((?:- )+)", text, re.MULTILINE)), default=0)
    if max(most, len(indents), dashes) > MAX_DEPTH:
        raise BadInput(f"{name} is nested too deeply: a case needs no more than 10 levels")


def _check_aliases(text: str, name: str) -> None:
    for node in yaml.compose_all(text, Loader=_Loader):
        if node is not None and _size(node, {}) > MAX_NODES:
            raise BadInput(f"{name}: its aliases stand for too much: write it out")


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values with all aliases written out; an alias to itself counts as too many."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_NODES + 1  # until it is known: an anchor within itself
    total = 1
    if isinstance(node, yaml.SequenceNode):
        total += sum(_size(n, known) for n in node.value)
    elif isinstance(node, yaml.MappingNode):
        total += sum(_size(k, known) + _size(v, known) for k, v in node.value)
    known[id(node)] = total
    return total


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "empty"}.get(type(value), f"{value!r}"[:40])
