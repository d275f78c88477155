"""From a policy to a plan: references, refusals with their mend, rhythm, size; and baselines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pratique.lifecycle.baselines import find_baselines
from pratique.lifecycle.planning import (
    BASIS_KUBERNETES,
    Library,
    Unresolved,
    indicator_hash,
    resolve,
    trouble,
)
from pratique.lifecycle.policies import Policy
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from pratique.resources.release import BaselineObjective, Plan
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    HEAP,
    LIBRARY,
    NAMESPACE,
    RESTARTS,
    at,
    known,
    library,
    policy,
    provider,
    workload,
)

SPEC_OF_FAST = {k: FAST[k] for k in ("indicator", "pass")}


def planned(of: Policy, lib: Library | None = None) -> Plan:
    return resolve(of, lib or library(), progress_deadline=600)


def refusal(of: Policy, lib: Library | None = None) -> Unresolved:
    with pytest.raises(Unresolved) as caught:
        planned(of, lib)
    return caught.value


# References


def test_what_stands_beside_the_policy_beats_the_library() -> None:
    slow = {**SPEC_OF_FAST, "pass": [{"value": {"lte": 9.0}}]}
    both = {(NAMESPACE, "fast"): SPEC_OF_FAST, (LIBRARY, "fast"): slow}
    [found] = planned(policy([{"ref": "fast"}]), library(objectives=both)).objectives
    assert found.source == f"ServiceLevelObjective/{NAMESPACE}/fast@1"
    assert found.pass_[0].value is not None
    assert found.pass_[0].value.lte == 0.3


def test_the_library_supplies_what_is_not_beside_the_policy() -> None:
    lib = library(objectives={(LIBRARY, "fast"): SPEC_OF_FAST})
    [found] = planned(policy([{"ref": "fast", "name": "quick"}]), lib).objectives
    assert (found.name, found.source) == ("quick", f"ServiceLevelObjective/{LIBRARY}/fast@1")


def test_an_objective_of_another_namespace_is_not_found() -> None:
    lib = library(objectives={("elsewhere", "fast"): SPEC_OF_FAST})
    assert refusal(policy([{"ref": "fast"}]), lib).field == "spec.objectives[0].ref"


def test_an_indicator_is_looked_up_beside_the_objective_that_names_it() -> None:
    by_ref = {"indicator": {"ref": "latency"}, "pass": [{"value": {"lte": 1.0}}]}
    elsewhere = {"latency": {"histogram": "other_seconds", "quantile": 0.5}}
    lib = library(
        objectives={(LIBRARY, "fast"): by_ref},
        indicators={(NAMESPACE, "latency"): elsewhere, (LIBRARY, "latency"): FAST["indicator"]},
    )
    [found] = planned(policy([{"ref": "fast"}]), lib).objectives
    assert found.indicator == ServiceLevelIndicatorSpec.model_validate(FAST["indicator"])


@pytest.mark.parametrize(
    ("entry", "field", "mend"),
    [
        ({"ref": "gone"}, "spec.objectives[0].ref", "apply it, or write the objective out"),
        (
            {"name": "x", "indicator": {"ref": "gone"}, "pass": [{"value": {"lte": 1}}]},
            "spec.objectives[0].indicator.ref",
            "apply it, or write the indicator out",
        ),
        (
            {**FAST, "indicator": {**FAST["indicator"], "provider": "gone"}},
            "spec.objectives[0].indicator.provider",
            "apply one",
        ),
    ],
)
def test_an_unknown_reference_names_the_field_and_the_mend(
    entry: dict[str, Any], field: str, mend: str
) -> None:
    problem = refusal(policy([entry]))
    assert problem.field == field
    assert "'gone'" in problem.message
    assert mend in problem.message
    assert not problem.waiting


def test_a_referenced_objectives_own_unknown_reference_is_told_with_its_place() -> None:
    by_ref = {"indicator": {"ref": "gone"}, "pass": [{"value": {"lte": 1.0}}]}
    problem = refusal(policy([{"ref": "fast"}]), library(objectives={(LIBRARY, "fast"): by_ref}))
    assert problem.field == (
        f"spec.objectives[0] (ServiceLevelObjective/{LIBRARY}/fast@1).spec.indicator.ref"
    )


def test_an_unknown_default_provider_is_the_policys_field() -> None:
    problem = refusal(policy([FAST]), library(provider("other")))
    assert problem.field == "spec.provider"
    assert "'default'" in problem.message


def test_bounds_are_checked_against_the_indicator_that_a_reference_leads_to() -> None:
    # A share is at most 1, so "at most 5" could never fail.
    entry = {"name": "errors", "indicator": {"ref": "share"}, "pass": [{"value": {"lte": 5}}]}
    lib = library(indicators={(LIBRARY, "share"): ERRORS["indicator"]})
    problem = refusal(policy([entry]), lib)
    assert problem.field == "spec.objectives[0].pass"
    assert "write 5 % as 0.05" in problem.message


def test_a_workload_that_a_selector_chose_is_no_baseline_of_its_own() -> None:
    order = {
        "baseline": {
            "order": [{"source": "LastPromotable"}, {"source": "Workload", "name": "stable"}]
        }
    }
    of = policy([ERRORS], analysis=order, selector={"matchLabels": {"app": "shop"}})
    with pytest.raises(Unresolved, match="would be compared with itself") as caught:
        resolve(of, library(), progress_deadline=600, workload="stable")
    assert caught.value.field == "spec.analysis.baseline.order[1].name"
    assert resolve(of, library(), progress_deadline=600, workload="cart")


def test_what_will_keep_the_next_release_is_told_before_there_is_one() -> None:
    order = {"baseline": {"order": [{"source": "Workload", "name": "stable"}]}}
    of = policy([ERRORS], analysis=order, selector={"matchLabels": {"app": "shop"}})
    assert trouble(of, library(), ["cart"]) is None
    itself = trouble(of, library(), ["cart", "stable"])
    assert itself is not None
    assert itself.startswith("spec.analysis.baseline.order[0].name: stable would be compared")
    gone = trouble(policy([{"ref": "gone"}]), library(), [])
    assert gone is not None
    assert gone.startswith("spec.objectives[0].ref: there is no ServiceLevelObjective 'gone'")
    unprobed = library(provider(probed=False))
    assert trouble(policy([ERRORS]), unprobed, ["cart"]) is None, "only a question of moments"


@pytest.mark.parametrize(
    "kept", [{}, {(NAMESPACE, "fast"): SPEC_OF_FAST}, {(LIBRARY, "month"): None}]
)
def test_a_budget_that_nobody_keeps_names_the_field_and_the_mend(kept: dict[Any, Any]) -> None:
    month = {
        "indicator": ERRORS["indicator"], "pass": [{"value": {"lte": 0.01}}],
        "target": 0.99, "window": {"rolling": "30d"},
    }  # fmt: skip
    name = next((n for _, n in kept), "month")
    of = policy([ERRORS], errorBudgetPolicy={"objectives": [name]})
    problem = refusal(of, library(objectives={k: v or month for k, v in kept.items()}))
    assert problem.field == "spec.errorBudgetPolicy.objectives[0]"
    assert "apply it, or leave it off the list" in problem.message
    of = policy([ERRORS], errorBudgetPolicy={"objectives": ["month"]})
    assert planned(of, library(objectives={(NAMESPACE, "month"): month})).error_budget_policy


# Providers


def test_providers_are_planned_once_and_told_by_index() -> None:
    lib = library(provider("default"), provider("second", delay="5s"))
    second = {**ERRORS, "indicator": {**ERRORS["indicator"], "provider": "second"}}
    plan = planned(policy([FAST, second, {**FAST, "name": "fast-2"}]), lib)
    assert [o.provider for o in plan.objectives] == [0, 1, 0]
    assert [(p.name, p.delay.total_seconds()) for p in plan.providers] == [
        ("default", 30),
        ("second", 5),
    ]


def test_too_many_providers_are_refused_with_a_sentence() -> None:
    names = [f"p{i}" for i in range(17)]
    entries = [
        {**FAST, "name": f"o{i}", "indicator": {**FAST["indicator"], "provider": name}}
        for i, name in enumerate(names)
    ]
    assert len(planned(policy(entries[:16]), library(*map(provider, names))).providers) == 16
    problem = refusal(policy(entries), library(*map(provider, names)))
    assert problem.field == "spec.objectives[16].indicator.provider"
    assert "16" in problem.message


def test_a_provider_not_probed_yet_is_waited_for() -> None:
    problem = refusal(policy([FAST]), library(provider(probed=False)))
    assert problem.waiting


def test_a_raw_query_is_refused_where_the_provider_denies_it() -> None:
    problem = refusal(policy([HEAP]))
    assert problem.field == "spec.objectives[0].indicator.query"
    assert "spec.scope.raw: Allow" in problem.message
    allowed = library(provider(scope={"raw": "Allow"}))
    assert planned(policy([HEAP]), allowed).objectives[0].indicator.query is not None


# Rhythm


@pytest.mark.parametrize(
    ("analysis", "field", "least"),
    [
        ({"interval": "29s"}, "spec.analysis.interval", "30s"),
        ({"interval": "30s", "window": "59s"}, "spec.analysis.window", "1m"),
    ],
)
def test_too_short_for_the_scrape_interval_says_how_long_it_must_be(
    analysis: dict[str, str], field: str, least: str
) -> None:
    problem = refusal(policy([FAST], analysis=analysis))
    assert problem.field == field
    assert f"at least {least}" in problem.message


def test_the_shortest_rhythm_that_is_allowed() -> None:
    analysis = planned(policy([FAST], analysis={"interval": "30s", "window": "1m"})).analysis
    assert analysis.window == timedelta(minutes=1)


def test_a_declared_scrape_interval_beats_the_measured_one() -> None:
    quick = library(provider(scrapeInterval="5s", measured="60s"))
    assert planned(policy([FAST]), quick).providers[0].scrape_interval == timedelta(seconds=5)
    slow = library(provider(scrapeInterval=None, measured="60s"))
    assert refusal(policy([FAST]), slow).field == "spec.analysis.interval"


def test_kubernetes_signals_alone_need_no_scrape_interval() -> None:
    assert planned(policy([RESTARTS], analysis={"interval": "1s", "window": "2s"})).providers == []


def test_every_default_is_explicit() -> None:
    analysis = planned(policy([FAST], analysis={"warmUp": "30s", "window": "5m"})).analysis
    assert analysis.rollout_deadline == timedelta(minutes=11)
    assert analysis.deadline == timedelta(seconds=30 + 2 * 300 + 300)
    assert analysis.fail_fast_after == timedelta(minutes=2)


# What it rests on, and size


def test_the_smallest_policy_judges_that_the_workload_stays_up_and_says_so() -> None:
    plan = planned(policy(), library(provider("unused", probed=False)))
    assert [o.name for o in plan.objectives] == [
        "stays-up-restarts",
        "stays-up-oom",
        "stays-up-ready",
    ]
    assert plan.basis == BASIS_KUBERNETES
    assert plan.providers == []


def test_metrics_beside_kubernetes_signals_need_no_caveat() -> None:
    assert planned(policy([RESTARTS])).basis == BASIS_KUBERNETES
    assert planned(policy([RESTARTS, FAST])).basis is None


def test_a_plan_larger_than_32_kib_is_refused() -> None:
    lib = library(provider(scope={"raw": "Allow"}))
    expr = 'max(heap_bytes{pod=~"$pods"}) + ' + "0" * 3500

    def heaps(count: int) -> list[dict[str, Any]]:
        return [
            {**HEAP, "name": f"heap-{i}", "indicator": {"query": {"expr": expr}}}
            for i in range(count)
        ]

    assert len(planned(policy(heaps(8)), lib).objectives) == 8
    problem = refusal(policy(heaps(10)), lib)
    assert problem.field == "spec.objectives"
    assert "32,768" in problem.message


def test_a_plan_survives_being_written_and_read() -> None:
    plan = planned(policy([FAST, ERRORS, RESTARTS]))
    again = Plan.model_validate(plan.dump())
    assert again == plan
    assert [indicator_hash(o.indicator) for o in again.objectives] == [
        indicator_hash(o.indicator) for o in plan.objectives
    ]


# Baselines


def values(number: float = 0.2) -> tuple[Any, ...]:
    return (BaselineObjective(name="fast", value=number, samples=900, indicator_hash="h"),)


def order(*sources: str) -> dict[str, Any]:
    return {"order": [{"source": source} for source in sources]}


def sources(*history: Any, **analysis: Any) -> list[tuple[str, str]]:
    of = policy([FAST], analysis=analysis)
    return [(b.source, b.release) for b in find_baselines(of, workload(), history, now=at(0))]


def test_the_first_release_has_nothing_to_be_compared_with() -> None:
    assert sources() == []


def test_the_last_promotable_release_and_the_pods_before_the_rollout() -> None:
    history = [known(1, values=values(0.1)), known(2, values=values())]
    assert sources(*history) == [("LastPromotable", "cart-2"), ("BeforeRollout", "cart-2")]
    assert sources(*history, baseline=order("BeforeRollout")) == [("BeforeRollout", "cart-2")]
    assert (
        sources(*history, baseline=order("BeforeRollout", "LastPromotable"))[0][0]
        == "BeforeRollout"
    )


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ("NotPromotable", "ObjectiveFailed"),
        ("Inconclusive", "NoData"),
        ("Inconclusive", "Superseded"),
        (None, "Evaluating"),
    ],
)
def test_a_release_that_was_not_good_is_no_baseline(verdict: Any, reason: str) -> None:
    bad = known(2, verdict=verdict, reason=reason, completed=verdict is not None)
    assert sources(known(1, values=values()), bad) == [("LastPromotable", "cart-1")]


def test_an_adopted_release_is_a_baseline() -> None:
    adopted = known(1, verdict=None, reason="Adopted", measured=True, values=values())
    assert sources(adopted) == [("LastPromotable", "cart-1"), ("BeforeRollout", "cart-1")]


def test_a_release_that_lacked_only_a_baseline_serves_by_its_pods() -> None:
    first = known(1, verdict="Inconclusive", reason="NoBaseline")
    assert sources(first) == [("BeforeRollout", "cart-1")]


def test_pods_that_ran_for_less_than_a_look_are_no_baseline() -> None:
    # Warm-up 1 m, interval 1 m: 2 m after completion there is one look's worth of them.
    assert sources(known(1, rolled_out_at=at(-119))) == []
    assert sources(known(1, rolled_out_at=at(-120))) == [("BeforeRollout", "cart-1")]


def test_the_pods_before_are_measured_over_one_window_at_most_and_after_their_warm_up() -> None:
    of = policy([FAST])
    [long] = find_baselines(of, workload(), [known(1)], now=at(0))
    assert (long.from_, long.to) == (at(-600), at(0))
    assert long.pod_pattern == "cart-rs1-[a-z0-9]+"
    [short] = find_baselines(of, workload(), [known(1, rolled_out_at=at(-300))], now=at(0))
    assert (short.from_, short.to) == (at(-240), at(0))


def test_pods_never_seen_are_no_baseline() -> None:
    assert sources(known(1, revision_object=None)) == []


def test_the_hash_of_an_indicator_ignores_words_and_provider_only() -> None:
    spec = FAST["indicator"]

    def of(**more: Any) -> str:
        return indicator_hash(ServiceLevelIndicatorSpec.model_validate({**spec, **more}))

    assert of() == of(description="how fast it is") == of(provider="other")
    assert of() != of(latency={**spec["latency"], "quantile": 0.99})
    assert of() != of(attribution="Version")


def test_several_releases_together_and_how_old_they_may_be() -> None:
    history = [known(n, values=values(v), noticed_at=at(-3600 * (9 - n))) for n, v in
               ((1, 0.5), (2, 0.1), (3, 0.2), (4, 0.3))]  # fmt: skip

    def one(**choice: Any) -> Any:
        of = policy([FAST], analysis={"baseline": {"order": [choice]}})
        found = find_baselines(of, workload(), history, now=at(0))
        if found and found[0].unfit:
            assert not found[0].values
            return found[0].unfit
        return (found[0].release, found[0].values[0].value) if found else None

    several = {"source": "LastReleases", "count": 3}
    assert one(**several) == ("cart-2 to cart-4 (median of 3)", 0.2)
    assert one(**several, aggregate="Max") == ("cart-2 to cart-4 (max of 3)", 0.3)
    assert one(**several, aggregate="P90") == ("cart-2 to cart-4 (p90 of 3)", pytest.approx(0.28))
    assert one(**several, maxAge="5h30m") == ("cart-4 (median of 1)", 0.3)
    too_old = "cart-4 is 5h old, more than 1h"
    assert one(source="LastPromotable", maxAge="1h") == one(**several, maxAge="1h") == too_old
    fixed = {"source": "Fixed", "values": [{"objective": "fast", "value": 0.25}]}
    assert one(**fixed) == ("the policy", 0.25)


def test_drift_counts_from_the_oldest_or_the_named_release() -> None:
    history = [known(n, values=values(n / 10)) for n in (1, 2, 3)]

    def anchor(**baseline: Any) -> str:
        of = policy([FAST], analysis={"baseline": {"drift": "50%", **baseline}})
        [found] = [b for b in find_baselines(of, workload(), history, now=at(0)) if b.anchor]
        return found.release

    assert anchor() == "cart-1"
    assert anchor(anchor="cart-2") == "cart-2"


def test_old_pods_cannot_be_told_by_series_of_the_workload() -> None:
    shared = {
        "name": "errors",
        "indicator": {
            "ratio": {"bad": {"metric": "e"}, "total": {"metric": "t"}},
            "attribution": "Workload",
            "labels": {"workload": "service"},
        },
        "pass": [{"change": {"lte": "10%"}}],
    }
    problem = refusal(policy([shared], analysis={"baseline": order("OldPods")}))
    assert problem.field == "spec.analysis.baseline.order[0].source"
    assert "use LastPromotable, or attribution: Pod" in problem.message


# What the library requires


def must(*objectives: Any, **more: Any) -> Policy:
    given: dict[str, Any] = {
        "selector": {"matchLabels": {"app": "cart"}},
        "namespaceSelector": {"matchLabels": {"team": "shop"}},
        "require": True,
        **more,
    }
    made = policy(list(objectives), name="must", namespace=LIBRARY, **given)
    return replace(made, library=True)


def with_required(of: Policy, *more: Policy, lib: Library | None = None) -> Plan:
    return resolve(of, lib or library(), progress_deadline=600, required=more)


def test_required_objectives_are_added_and_each_must_pass() -> None:
    of = policy([FAST], score={"pass": "50%"})
    made = with_required(of, must(ERRORS))
    assert [(o.name, o.key) for o in made.objectives] == [("fast", False), ("errors", True)]
    assert made.objectives[1].source == f"ReleasePolicy/{LIBRARY}/must@1"
    assert made.required == [f"{LIBRARY}/must@1"]
    assert made.policy == f"{NAMESPACE}/cart"


def test_what_the_team_calls_alike_stays_beside_it_and_what_it_has_is_not_doubled() -> None:
    loose = {**ERRORS, "pass": [{"value": {"lte": 0.5}}]}
    assert [o.name for o in with_required(policy([loose]), must(ERRORS)).objectives] == [
        "errors",
        "must.errors",
    ]
    shared = library(
        objectives={(LIBRARY, "errors"): {k: ERRORS[k] for k in ("indicator", "pass")}}
    )
    ref = {"ref": "errors"}
    once = with_required(policy([ref]), must(ref), lib=shared)
    assert [(o.name, o.key) for o in once.objectives] == [("errors", True)]


def test_the_team_cannot_lead_what_is_required_to_another_provider() -> None:
    theirs = provider("default", NAMESPACE, url="http://always-good:9090")
    lib = library(provider(), theirs)
    made = with_required(policy([FAST]), must(ERRORS), lib=lib)
    asked = [made.providers[o.provider or 0].namespace for o in made.objectives]
    assert asked == [NAMESPACE, LIBRARY]


def test_a_required_policy_without_objectives_wants_that_it_stays_up() -> None:
    made = with_required(policy([FAST]), must())
    first, *others = made.objectives
    assert first.name == "fast"
    assert others
    assert all(o.indicator.kubernetes for o in others)
    assert made.basis is None


def test_a_fault_in_what_is_required_names_its_policy() -> None:
    with pytest.raises(Unresolved) as caught:
        with_required(policy([FAST]), must({"ref": "nowhere"}))
    assert caught.value.field == f"ReleasePolicy/{LIBRARY}/must@1: spec.objectives[0].ref"
    with pytest.raises(Unresolved) as caught:
        with_required(policy(analysis={"interval": "5s"}), must(ERRORS))
    assert caught.value.field == "spec.analysis.interval"


def test_too_many_with_those_that_are_required() -> None:
    many = [{**FAST, "name": f"fast-{n}"} for n in range(40)]
    with pytest.raises(Unresolved, match="there are 80 objectives"):
        with_required(policy(many), must(*({**ERRORS, "name": f"errors-{n}"} for n in range(40))))
