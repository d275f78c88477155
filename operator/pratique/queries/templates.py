"""People's own expressions: variables become values, escaped for where they stand, or are refused.

Not a PromQL parser: it knows strings, comments and brackets, enough that a value cannot break out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .promql import escape, re2

REGEX_VARIABLES = ("pods", "baselinePods")
"""Their values are RE2 expressions already."""

_TOKEN = re.compile(
    r"""
    (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
  | (?P<literal> `[^`]*` )
  | (?P<comment> \#[^\n]* )
  | (?P<window> \[\s*\$window\s*(?=[]:]) )
  | (?P<open> ["'`] )
  | (?P<variable> \$[a-zA-Z_]\w* )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_VARIABLE = re.compile(r"\$([a-zA-Z_]\w*)", re.ASCII)


class TemplateError(ValueError):
    """A variable where no value can stand safely; the message says the mend."""


def variables(expr: str) -> frozenset[str]:
    """The variables that an expression names, without their $."""
    return frozenset(_VARIABLE.findall(expr))


def render(expr: str, values: Mapping[str, str]) -> str:
    """The expression with its variables' values; raises TemplateError.

    ``values`` by name without $; ``window`` is a PromQL duration, ``pods`` and ``baselinePods`` are
    RE2 expressions, the others plain text, which is escaped inside ``=~`` and ``!~`` too.
    """
    out: list[str] = []
    for found in _TOKEN.finditer(expr):
        kind, text = found.lastgroup, found[0]
        if kind == "open":
            raise TemplateError(f"a string that begins with {text} has no end: close it")
        if kind == "string":
            before = expr[: found.start()].rstrip()
            out.append(_string(text, before.endswith(("=~", "!~")), values))
        elif kind == "window":
            out.append(text.replace("$window", values["window"]))
        elif kind in ("literal", "comment", "variable") and (named := _VARIABLE.search(text)):
            raise TemplateError(_misplaced(named[1], kind))
        else:
            out.append(text)
    return "".join(out)


def _string(text: str, regex: bool, values: Mapping[str, str]) -> str:
    quote = text[0]

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            raise TemplateError(f"${name} is unknown: there are {_known(values)}")
        if name in REGEX_VARIABLES:
            if not regex:
                raise TemplateError(
                    f'${name} is a regular expression: write it after =~, as in pod=~"${name}"'
                )
            return escape(f"(?:{values[name]})", quote)
        return escape(re2(values[name]) if regex else values[name], quote)

    inner = text[1:-1]
    for found in _VARIABLE.finditer(inner):
        # An odd number of backslashes before it would swallow the first character of the value.
        slashes = len(inner[: found.start()]) - len(inner[: found.start()].rstrip("\\"))
        if slashes % 2:
            raise TemplateError(f"\\${found[1]}: leave out the backslash before ${found[1]}")
    return f"{quote}{_VARIABLE.sub(value, inner)}{quote}"


def _misplaced(name: str, kind: str) -> str:
    if kind == "literal":
        return f'${name} cannot stand inside backticks: use double quotes, as in "${name}"'
    if kind == "comment":
        return f"${name} stands in a comment: take it out"
    if name == "window":
        return "$window stands inside brackets: write [$window]"
    return f'${name} stands outside quotes: write it inside, as in "${name}"'


def _known(values: Mapping[str, str]) -> str:
    return " ".join(f"${name}" for name in sorted(values))
