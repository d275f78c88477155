"""Short words for questions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pratique.queries.questions import Provider, Question, Scope
from pratique.resources.indicator import ServiceLevelIndicatorSpec

END = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROVIDER = Provider("shop", "default")
ERRORS = {
    "bad": {"metric": "requests_total", "where": [{"label": "code", "matches": "5.."}]},
    "total": {"metric": "requests_total"},
}
LATENCY = {"histogram": "duration_seconds", "quantile": 0.95}


def scope(*pods: str, **more: Any) -> Scope:
    given = {"namespace": "shop", "kind": "Deployment", "workload": "checkout", **more}
    return Scope(pods=pods, **given)


def question(
    *pods: str,
    span: float = 600.0,
    end: datetime = END,
    provider: Provider = PROVIDER,
    scoped: dict[str, Any] | None = None,
    **indicator: Any,
) -> Question:
    spec = ServiceLevelIndicatorSpec.model_validate(indicator or {"ratio": ERRORS})
    return Question(spec, provider, scope(*pods, **(scoped or {})), end, span)


def errors(*pods: str, **more: Any) -> Question:
    return question(*pods, ratio=ERRORS, **more)


def latency(*pods: str, **more: Any) -> Question:
    return question(*pods, latency=LATENCY, **more)


def query(expr: str, *pods: str, aggregate: str | None = None, **more: Any) -> Question:
    said = {"expr": expr} | ({"aggregate": aggregate} if aggregate else {})
    return question(*pods, query=said, **{"attribution": "Workload", **more})
