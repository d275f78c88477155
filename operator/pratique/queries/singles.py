"""A raw query's expression for one question."""

from __future__ import annotations

from ..judge.samples import Missing
from . import promql, templates
from .errors import Unasked
from .needs import check_arguments, required
from .questions import Question


def expression(question: Question) -> str:
    """The indicator's expression with its variables' values; raises Unasked."""
    query, scope = question.indicator.query, question.scope
    if query is None:
        raise ValueError("only query indicators have an expression")
    pods = promql.alternatives(scope.pods) if scope.pods else scope.pod_pattern
    values = {
        "namespace": scope.namespace,
        "workload": scope.workload,
        "kind": scope.kind,
        "release": scope.release,
        "version": scope.version,
        "window": promql.duration(question.span),
        "pods": pods,
        "baselinePods": scope.baseline_pattern,
        **scope.arguments,
    }
    used = templates.variables(query.expr)
    check_arguments(used, scope)
    try:
        return templates.render(
            query.expr, {n: required(n, v) for n, v in values.items() if n in used}
        )
    except templates.TemplateError as error:
        raise Unasked(Missing("QueryRejected", f"query.expr: {error}")) from error
