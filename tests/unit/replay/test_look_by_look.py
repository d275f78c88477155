"""Passing over looks after which nothing changes comes to the same as judging after each of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pratique.replay.cases import Case
from pratique.replay.run import Course, Judged, _steady, _Walk, course, run

KINDS = {"bad": ("lte", 0.05), "good": ("gte", 0.95), "value": ("lte", 1.2), "slow": ("lte", 0.3),
         "within": ("gte", 0.9)}  # fmt: skip


def each_look(name: str, given: Course) -> Judged:
    """After every look, then at the end: as the operator, which knows no short cut."""
    walk = _Walk(given)
    walk._candidates = lambda: range(1, given.looks + 1)  # type: ignore[method-assign]
    return walk.judged(name)


def drawn(chance: random.Random) -> dict[str, Any]:
    """A case of all kinds, with much harm, many gaps and little traffic."""
    looks = chance.choice([1, 2, 3, 5, 8, 12])
    objectives, samples, baselines = [], {}, {}
    for name in ("one", "two")[: chance.choice([1, 1, 2])]:
        kind = chance.choice([*KINDS, "bad", "good"])
        times = chance.choice([0.8, 1, 1.3, 2])

        def look(kind: str = kind, times: float = times) -> Any:
            if chance.random() < 0.1:
                return None
            if kind in ("bad", "good"):
                total = chance.choice([0, 5, 30, 100, 1000])
                part = round(total * chance.choice([0, 0.01, 0.05, 0.2, 0.9]))
                return [part if kind == "bad" else total - part, total]
            if kind == "value":
                return round(chance.gauss(1, 0.2) * times, 3)
            total = chance.choice([5, 50, 500])
            within = round(total * chance.choice([0.5, 0.9, 0.99]))
            return {"buckets": {"0.1": within // 2, "0.3": within, "+Inf": total}}

        operator, bound = KINDS[kind]
        of: dict[str, Any] = {"kind": kind}
        if kind in ("slow", "within"):
            of = {"kind": "latency"}
            of |= {"quantile": 0.95} if kind == "slow" else {"threshold": "300ms"}
        entry: dict[str, Any] = {}
        if chance.random() < 0.7:
            entry["value"] = {operator: bound if chance.random() < 0.9 or kind != "bad" else 0}
        if chance.random() < 0.5 or not entry:
            entry["change"] = {operator: "10%" if operator == "lte" else "-10%"}
        given = {"name": name, **of, "pass": [entry]}
        if chance.random() < 0.2:
            given["pass"].append({"value": {operator: bound}})
        for field, value in (
            ("evidence", "Point"), ("informational", True), ("dryRun", True), ("key", True),
            ("minRequests", chance.choice([0, 1, 200])), ("missing", {"noData": "Fail"}),
        ):  # fmt: skip
            if chance.random() < 0.12:
                given[field] = value
        objectives.append(given)
        samples[name] = [look() for _ in range(looks)]
        found = []
        for _ in range(chance.choice([0, 1, 1, 2])):
            form = chance.choice(["value", "counts", "looks", "before"])
            if form in ("looks", "before"):
                found.append(
                    {"looks": [look() for _ in range(looks)], "sameMinutes": form == "looks"}
                )
            elif form == "counts" and kind in ("bad", "good"):
                total = chance.choice([10, 500, 5000])
                found.append({"total": total, kind: round(total * abs(bound - 0.03))})
                if chance.random() < 0.4:
                    found[-1]["seconds"] = chance.choice([60, 600])
            else:
                found.append({"value": bound * chance.choice([0.3, 0.9])})
        if found:
            baselines[name] = found
    case: dict[str, Any] = {"objectives": objectives, "samples": samples, "baseline": baselines}
    for field, value in (
        ("score", {"pass": "60%"}), ("planned", looks + 3), ("maxLooks", looks + 9), ("final", False),
        ("failAfter", chance.choice([1, 2])), ("onNoBaseline", "Inconclusive"),
    ):  # fmt: skip
        if chance.random() < 0.2:
            case[field] = value
    return case


@pytest.mark.parametrize("seed", range(4))
def test_it_comes_to_the_same_as_judging_after_every_look(seed: int) -> None:
    seen = {"short": 0, "called": 0, "late": 0}
    for number in range(250):
        given = course(Case.model_validate(drawn(random.Random(seed * 1000 + number))))
        wanted = each_look("case", given)
        assert _Walk(given).judged("case") == wanted
        seen["short"] += all(_steady(t) for t in given.tracks)
        seen["called"] += wanted.called_at is not None
        seen["late"] += (wanted.called_at or 0) > 1
    assert min(seen.values()) > 15, "the draws hold too little of it"


def judged(looks: list[Any], **objective: Any) -> Judged:
    of = {"name": "o", "kind": "bad", "pass": [{"value": {"lte": 0.01}}], **objective}
    return run(Case.model_validate({"objectives": [of], "samples": {"o": looks}}))


def test_harm_is_called_only_once_there_are_requests_enough() -> None:
    # 8 of 8 bad: the test would call it at once, but 20 requests are wanted first.
    found = judged([[8, 8], [8, 8], [8, 8], [0, 9]])
    assert (found.judgement.verdict, found.called_at) == ("NotPromotable", 3)


def test_one_bad_event_where_none_is_allowed_is_called_at_its_look() -> None:
    found = judged([[0, 50], [0, 50], [1, 50], [0, 50]], **{"pass": [{"value": {"lte": 0}}]})
    assert (found.judgement.verdict, found.called_at) == ("NotPromotable", 3)


@pytest.mark.parametrize(
    ("entry", "baseline"),
    [
        ({"change": {"lte": "10%"}}, {"value": 0.01}),
        ({"change": {"delta": {"lte": 0.001}}}, {"value": 0.01}),
        ({"change": {"delta": {"between": [-0.005, 0.001]}}}, {"value": 0.01}),
        ({"change": {"lte": "0%", "floor": 0.01}}, {"value": 0}),
        ({"value": {"lte": 0.01}}, None),
    ],
    ids=str,
)
def test_one_bad_request_in_ten_is_not_harm_whatever_it_is_compared_with(
    entry: dict[str, Any], baseline: dict[str, Any] | None
) -> None:
    def found(looks: list[Any]) -> Judged:
        of = {"name": "o", "kind": "bad", "pass": [entry], "minRequests": 1}
        case = {"objectives": [of], "samples": {"o": looks}}
        return run(
            Case.model_validate(case | ({"baseline": {"o": [baseline]}} if baseline else {}))
        )

    unlucky = found([[1, 10], *[[50, 10000]] * 4])
    assert unlucky.called_at is None
    bad = found([[1, 10], [10, 100], [10, 100], [0, 10]])
    assert (bad.judgement.verdict, bad.called_at) == ("NotPromotable", 2)


def test_equality_is_judged_at_the_end() -> None:
    looks = [[1, 100], [3, 100], [2, 100]]
    found = judged(looks, **{"pass": [{"value": {"eq": 0.02}}]})
    assert (found.judgement.verdict, found.called_at) == ("Promotable", None)


def test_what_is_known_so_far_may_fail_and_never_pass() -> None:
    case = {
        "objectives": [{"name": "o", "kind": "bad", "pass": [{"value": {"lte": 0.01}}]}],
        "samples": {"o": [[0, 5000]] * 3},
        "planned": 5,
        "final": False,
    }
    assert run(Case.model_validate(case)).judgement.reason == "Evaluating"
    case["samples"] = {"o": [[900, 5000]] * 3}
    assert run(Case.model_validate(case)).judgement.verdict == "NotPromotable"
