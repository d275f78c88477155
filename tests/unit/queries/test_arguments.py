"""An Analysis' arguments in queries and matchers: quoted wherever they stand, refused where none were given."""

from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import ValidationError

from pratique.queries.errors import Unasked
from pratique.queries.needs import needs
from pratique.queries.singles import expression
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from unit.queries.asking import query, question
from unit.queries.test_promql import NASTY
from unit.queries.world import selected

RATIO = {
    "bad": {"metric": "bad", "where": [{"label": "run", "equals": "$arg_run"}]},
    "total": {"metric": "all", "where": [{"label": "run", "matches": "x-$arg_run|$arg_run_b"}]},
}


def test_each_stands_for_its_value() -> None:
    asked = query(
        'x{run="$arg_run",b=~"$arg_run_b.*"}', scoped={"args": (("run", "7"), ("run_b", "a.b"))}
    )
    assert expression(asked) == r'x{run="7",b=~"a\\.b.*"}'


def test_matchers_take_them_too() -> None:
    asked = question("p", scoped={"args": (("run", "a.b"), ("run_b", "c"))}, ratio=RATIO)
    bad, total = needs(asked)
    assert bad.counter.matchers == ('run="a.b"',)
    assert total.counter.matchers == (r'run=~"x-a\\.b|c"',)


@given(NASTY.filter(bool))
def test_no_value_leaves_its_string(value: str) -> None:
    text = expression(query('x{run="$arg_run"}', scoped={"args": (("run", value),)}))
    assert selected(text) == ("x", [("run", "=", value)], "")


def test_outside_an_analysis_nothing_is_asked() -> None:
    with pytest.raises(Unasked) as refused:
        expression(query('x{run="$arg_run"}'))
    assert refused.value.missing.reason == "QueryRejected"
    assert "only an Analysis gives arguments, under spec.args.run" in refused.value.missing.message
    with pytest.raises(Unasked, match="arg_run"):
        needs(question("p", ratio=RATIO))


def test_outside_quotes_it_is_refused() -> None:
    with pytest.raises(Unasked) as refused:
        expression(query("x > $arg_limit", scoped={"args": (("limit", "3"),)}))
    assert "inside" in refused.value.missing.message


@pytest.mark.parametrize("name", ["$arg", "$arg_", "$arg_Run", "$args_run", "$arg_1"])
def test_other_spellings_are_refused_at_apply(name: str) -> None:
    with pytest.raises(ValidationError, match=r"and \$arg_NAME in an Analysis"):
        ServiceLevelIndicatorSpec.model_validate(
            {"query": {"expr": f'x{{run="{name}"}}'}, "attribution": "Workload"}
        )
