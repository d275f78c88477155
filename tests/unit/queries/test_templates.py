"""Raw expressions: where variables may stand, and how their values are written there."""

from __future__ import annotations

import pytest
from hypothesis import given

from pratique.queries.templates import TemplateError, render
from unit.queries.test_promql import NASTY
from unit.queries.world import selected

VALUES = {
    "namespace": "shop",
    "workload": "check.out",
    "version": '1.0"+\\',
    "window": "10m",
    "pods": r"a\.b-(x|y)",
}


@pytest.mark.parametrize(
    ("expr", "rendered"),
    [
        ('sum(rate(x{ns="$namespace"}[$window]))', 'sum(rate(x{ns="shop"}[10m]))'),
        ("x{ns='$namespace'}", "x{ns='shop'}"),
        ('x{p=~"$pods"}', r'x{p=~"(?:a\\.b-(x|y))"}'),
        ('x{p !~ "$pods|z"}', r'x{p !~ "(?:a\\.b-(x|y))|z"}'),
        ('x{w="$workload"}', 'x{w="check.out"}'),
        ('x{w=~"$workload-.+$"}', r'x{w=~"check\\.out-.+$"}'),
        ('x{v="$version"}', r'x{v="1.0\"+\\"}'),
        ("max_over_time(x[$window:1m])", "max_over_time(x[10m:1m])"),
        ("x[ $window ]", "x[ 10m ]"),
        ("x # it's", "x # it's"),
        ('x{a="# $namespace"}', 'x{a="# shop"}'),
        ('x{a="\\"$namespace"}', 'x{a="\\"shop"}'),
        ('x{a=`"`,b="$namespace"}', 'x{a=`"`,b="shop"}'),
        ("x # `\n + y{a='$namespace'}", "x # `\n + y{a='shop'}"),
    ],
)
def test_rendered(expr: str, rendered: str) -> None:
    assert render(expr, VALUES) == rendered


@pytest.mark.parametrize(
    ("expr", "mend"),
    [
        ("x{ns=$namespace}", "inside"),
        ("$namespace", "inside"),
        ("x offset $window", r"\[\$window\]"),
        ("x{ns=`$namespace`}", "double quotes"),
        ("x # $namespace", "take it out"),
        ('x{p="$pods"}', "after =~"),
        ("x{p=~`$pods`}", "double quotes"),
        ("x[$pods]", "inside"),
        ('x{a="$nonsense"}', "there are"),
        ('x{a="\\$namespace"}', "backslash"),
        ('x{a="no end $namespace}', "close it"),
        ('x{a="over\nlines $namespace"}', "close it"),
        ("x{a=`no end", "close it"),
    ],
)
def test_refused_with_the_mend(expr: str, mend: str) -> None:
    with pytest.raises(TemplateError, match=mend):
        render(expr, VALUES)


@given(NASTY)
def test_no_value_leaves_its_string(text: str) -> None:
    values = {"namespace": text, "pods": text}
    for quote in "\"'":
        expr = f"x{{a={quote}$namespace{quote},b={quote}<$namespace>{quote}}}"
        assert selected(render(expr, values)) == (
            "x",
            [("a", "=", text), ("b", "=", f"<{text}>")],
            "",
        )
        pods = render(f"x{{a=~{quote}$pods{quote}}}", values)
        assert selected(pods) == ("x", [("a", "=~", f"(?:{text})")], "")
