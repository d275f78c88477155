"""Hypothesis strategies for documents that are right, in the words of their YAML."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from pratique.resources.base import format_duration, format_time
from pratique.resources.bounds import check_bounds
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from pratique.resources.objective import Bound

durations = st.builds(
    timedelta,
    days=st.integers(0, 9999),
    hours=st.integers(0, 23),
    minutes=st.integers(0, 59),
    seconds=st.integers(0, 59),
    milliseconds=st.integers(0, 999),
)
names = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
metrics = st.from_regex(r"[a-z_:][a-z0-9_]{0,20}[a-rt-z]", fullmatch=True).filter(
    lambda m: not m.endswith(("_bucket", "_sum", "_count"))
)
shares = st.floats(0.01, 0.99)
percents = st.decimals(-100, 10_000, places=3).map(lambda d: f"{d.normalize():f}%")
matchers = st.builds(
    lambda label, how, value: {"label": label, how: value},
    st.sampled_from(["code", "status", "_x"]),
    st.sampled_from(["equals", "notEquals", "matches", "notMatches"]),
    st.sampled_from(["", "5..", "$namespace", "a$workload.b", "(foo|bar)$", "$"]),
)
series = st.fixed_dictionaries(
    {"metric": metrics}, optional={"where": st.lists(matchers, max_size=3)}
)
indicators = st.one_of(
    st.builds(lambda kind, s, t: {"ratio": {kind: s, "total": t}}, st.sampled_from(["good", "bad"]), series, series),
    st.builds(lambda h, q: {"latency": {"histogram": h, "quantile": q}}, metrics, shares),
    st.builds(lambda h, u: {"latency": {"histogram": h, "quantile": 0.5, "unit": u}}, metrics, st.sampled_from(["Seconds", "Milliseconds"])),
    st.sampled_from(["Restarts", "OOMKills", "UnreadyShare"]).map(lambda s: {"kubernetes": {"signal": s}}),
    st.just({"query": {"expr": 'max(up{pod=~"$pods"})', "aggregate": "Max"}}),
    names.map(lambda n: {"ref": n}),
)  # fmt: skip
comparisons = st.one_of(
    st.builds(lambda how, x: {how: x}, st.sampled_from(["lt", "lte", "gt", "gte", "eq"]), shares),
    st.lists(shares, min_size=2, max_size=2).map(lambda xs: {"between": sorted(xs)}),
)
changes = st.one_of(
    st.builds(lambda how, p: {how: p}, st.sampled_from(["lt", "lte", "gt", "gte"]), percents),
    comparisons.map(lambda c: {"delta": c}),
)
bounds = st.one_of(
    comparisons.map(lambda c: {"value": c}),
    changes.map(lambda c: {"change": c}),
    st.builds(lambda c, d: {"value": c, "change": d}, comparisons, changes),
)


def _wide(objective: dict[str, Any]) -> bool:
    """Whether no warning is tighter than passing."""
    kinds = ([Bound.model_validate(b) for b in objective.get(n, [])] for n in ("pass", "warn"))
    try:
        check_bounds(ServiceLevelIndicatorSpec.model_construct(), *kinds)
    except ValueError:
        return False
    return True


objectives = st.fixed_dictionaries(
    {"indicator": indicators, "pass": st.lists(bounds, min_size=1, max_size=3)},
    optional={
        "warn": st.lists(changes.map(lambda c: {"change": c}), max_size=2),
        "minRequests": st.integers(1, 10**9),
    },
).filter(_wide)
analyses = st.fixed_dictionaries(
    {},
    optional={
        "warmUp": durations.map(format_duration),
        "interval": st.integers(1, 600).map(lambda s: f"{s}s"),
        "window": st.integers(600, 86_400).map(lambda s: f"{s}s"),
        "deadline": st.integers(2, 9).map(lambda d: f"{d}d"),
        "failAfter": st.integers(1, 20),
        "baseline": st.fixed_dictionaries(
            {},
            optional={
                "order": st.permutations(
                    [
                        {"source": "LastPromotable", "maxAge": "30d"},
                        {"source": "LastReleases", "count": 3, "aggregate": "P90"},
                        {"source": "Workload", "name": "stable"},
                        {"source": "Fixed", "values": [{"objective": "a", "value": 0.1}]},
                    ]
                ),
                "drift": st.just("50%"),
                "onNoBaseline": st.just("Inconclusive"),
            },
        ),
        "onLittleTraffic": st.sampled_from(["Extend", "Inconclusive"]),
        "noiseHistory": st.just("8h"),
    },
)
policies = st.fixed_dictionaries(
    {
        "targetRefs": st.lists(names, min_size=1, max_size=3, unique=True).map(
            lambda ns: [{"kind": "Deployment", "name": n} for n in ns]
        )
    },
    optional={
        "objectives": st.lists(
            st.one_of(
                st.builds(lambda n, o: {"name": n, **o}, names, objectives),
                names.map(lambda n: {"ref": n}),
            ),
            max_size=4,
            unique_by=lambda o: o.get("name", o.get("ref")),
        ),
        "analysis": analyses,
        "provider": names,
    },
).map(lambda policy: _fixed(policy))


def _named(objectives: list[dict[str, Any]]) -> str | None:
    return next((o.get("name", o.get("ref")) for o in objectives), None)


def _fixed(policy: dict[str, Any]) -> dict[str, Any]:
    """With fixed values of the first objective, or without any."""
    order = policy.get("analysis", {}).get("baseline", {}).get("order")
    if order is None:
        return policy
    name = _named(policy.get("objectives", []))
    kept = [
        {**b, "values": [{"objective": name, "value": 0.1}]} if "values" in b else b
        for b in order
        if name or "values" not in b
    ]
    baseline = {**policy["analysis"]["baseline"], "order": kept}
    return {**policy, "analysis": {**policy["analysis"], "baseline": baseline}}


def document_of(kind: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": "pratique.sh/v1alpha1", "kind": kind, "spec": spec}


counted = st.builds(
    lambda kind, s, t: {"ratio": {kind: s, "total": t}},
    st.sampled_from(["good", "bad"]),
    series,
    series,
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
windows = st.one_of(
    st.integers(1, 90).map(lambda d: {"rolling": f"{d}d"}),
    st.integers(1, 23).map(lambda h: {"rolling": f"{h}h"}),
    st.builds(
        lambda unit, zone: {"calendar": {"unit": unit, "timeZone": zone}},
        st.sampled_from(["Week", "Month", "Quarter"]),
        zones,
    ),
)
slicing = st.one_of(
    st.just({}),
    st.just({"budgetingMethod": "Occurrences"}),
    st.builds(
        lambda length, target, run: {
            "budgetingMethod": "Timeslices",
            "timeSlice": {"length": length, "target": target, "minConsecutive": run},
        },
        st.sampled_from(["10s", "1m", "5m", "1h"]),
        shares,
        st.integers(1, 60),
    ),
    st.just({"budgetingMethod": "RatioTimeslices", "timeSlice": {"length": "5m"}}),
)
budgets = st.builds(
    lambda indicator, target, window, cut: {
        "indicator": indicator,
        "pass": [{"value": {"lte": 0.5}}],
        "target": target,
        "window": window,
        **cut,
    },
    counted,
    shares,
    windows,
    slicing,
)
freezes = st.one_of(
    st.builds(
        lambda days, zone: {"days": days, "from": "17:00", "to": "08:30", "timeZone": zone},
        st.lists(st.sampled_from(["Mon", "Fri", "Sun"]), min_size=1, unique=True),
        zones,
    ),
    st.just({"from": "2026-12-23T17:00", "to": "2027-01-02T08:00", "reason": "holidays"}),
)
budget_policies = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["Enforce", "Warn", "DryRun"]),
        "objectives": st.lists(names, max_size=3, unique=True),
        "block": st.just({"remainingBelow": "5%", "fastBurn": {"window": "1h", "above": 14.4}}),
        "exempt": st.lists(st.sampled_from(["Security", "Fix"]), unique=True),
        "freezeWindows": st.lists(freezes, max_size=3),
    },
)
agreements = st.builds(
    lambda names, indicator, target, zone, cut, effect: {
        "parties": {"provider": "us", "consumers": ["them"]},
        "objectives": [{"name": n, "indicator": indicator, "target": target} for n in names],
        "period": {"timeZone": zone},
        "announcedBefore": "3d",
        "exclusions": [
            {
                "from": "2026-12-24T00:00:00Z",
                "to": "2026-12-24T02:00:00Z",
                "announcedAt": "2026-12-01T00:00:00Z",
                "reason": "works",
            }
        ],
        "credits": [{"below": 0.999, "percent": "10%"}, {"below": 0.99, "percent": "25%"}],
        "effect": effect,
        **cut,
    },
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True),
    counted,
    shares,
    zones,
    slicing,
    st.sampled_from(["Inform", "Block"]),
)
moments = st.integers(0, 30 * 86_400).map(
    lambda s: format_time(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
)
times = st.one_of(
    durations.filter(bool).map(lambda d: {"recent": format_duration(d)}),
    moments.map(lambda m: {"until": m}),
    moments.map(lambda m: {"from": m, "until": "2026-02-01T00:00:00Z"}),
    moments.map(lambda m: {"window": {"from": m, "to": "2026-02-01T00:00:00Z"}}),
)
analyses = st.builds(
    lambda time, what, more: {"workload": {"name": "cart"}, **time, **what, **more},
    times,
    st.one_of(
        names.map(lambda n: {"policy": n}),
        names.map(lambda n: {"objectives": [{"ref": n, "name": "a"}]}),
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "provider": names,
            "args": st.dictionaries(st.sampled_from(["run", "a_1"]), st.just("$x\"'"), max_size=2),
            "baseline": st.sampled_from(
                [
                    {"release": "cart-1"},
                    {"before": "10m"},
                    {"workload": "stable", "onNoBaseline": "Inconclusive"},
                    {"fixed": [{"objective": "a", "value": 1.5}], "onNoBaseline": "Inconclusive"},
                ]
            ),
            "onWarning": st.sampled_from(["Promotable", "NotPromotable"]),
            "retention": st.just({"ttl": "7d"}),
            "score": st.just({"pass": "75%", "warn": "50%"}),
        },
    ),
)
groups = st.builds(
    lambda which, more: {**which, **more},
    st.one_of(
        names.map(lambda n: {"partOf": n}),
        names.map(lambda n: {"selector": {"matchLabels": {"team": n}}}),
        names.map(lambda n: {"targetRefs": [{"kind": "Deployment", "name": n}]}),
    ),
    st.fixed_dictionaries(
        {"objectives": st.just([{"ref": "fast"}, {"ref": "errors"}])},
        optional={
            "optional": names.map(lambda n: [{"kind": "Deployment", "name": n}]),
            "quorum": st.one_of(st.integers(1, 32), st.integers(1, 100).map(lambda n: f"{n}%")),
            "onAdopted": st.sampled_from(["Inconclusive", "Accept"]),
            "settle": durations.map(format_duration),
            "deadline": durations.filter(bool).map(format_duration),
            "provider": names,
            "analysis": st.fixed_dictionaries(
                {},
                optional={
                    "warmUp": durations.map(format_duration),
                    "interval": st.integers(1, 600).map(lambda s: f"{s}s"),
                    "window": st.integers(600, 3600).map(lambda s: f"{s}s"),
                    "maxWindow": st.just("2h"),
                    "failAfter": st.integers(1, 20),
                    "baseline": st.just(
                        {
                            "order": [
                                {"source": "LastReleases", "count": 3},
                                {
                                    "source": "Fixed",
                                    "values": [{"objective": "fast", "value": 1.5}],
                                },
                            ],
                            "onNoBaseline": "Inconclusive",
                        }
                    ),
                },
            ),
            "mode": st.sampled_from(["Enforce", "Warn", "DryRun"]),
        },
    ),
)
documents = st.one_of(
    groups.map(lambda g: document_of("ReleaseGroup", g)),
    analyses.map(lambda a: document_of("Analysis", a)),
    objectives.map(lambda o: document_of("ServiceLevelObjective", o)),
    budgets.map(lambda o: document_of("ServiceLevelObjective", o)),
    agreements.map(lambda a: document_of("ServiceLevelAgreement", a)),
    st.builds(
        lambda p, b: document_of("ReleasePolicy", {**p, "errorBudgetPolicy": b}),
        policies,
        budget_policies,
    ),
    policies.map(lambda p: document_of("ReleasePolicy", p)),
)
