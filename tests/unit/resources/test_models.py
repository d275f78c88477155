"""Documents go through the models and come out as they were; bad ones fail in words, never oddly."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pratique.resources import kinds
from pratique.resources.base import format_duration, parse_duration
from pratique.resources.bounds import check_bounds
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from pratique.resources.objective import Bound, ChangeComparison
from unit.resources.documents import document_of, documents, durations, shares

ROOT = Path(__file__).parents[3]
EXAMPLES = [
    (
        f"{path.relative_to(ROOT)}#{next(iter(document['metadata'].values()))}-{document['kind']}",
        document,
    )
    for path in sorted((ROOT / "slo_examples").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]


def _within(said: Any, came_out: Any) -> bool:
    """Everything that was said came out as it was said; defaults may stand beside it."""
    if isinstance(said, dict):
        return all(k in came_out and _within(v, came_out[k]) for k, v in said.items())
    if isinstance(said, list):
        return len(said) == len(came_out) and all(map(_within, said, came_out))
    return bool(said == came_out)


# --- round trips --------------------------------------------------------------------------------


@given(documents)
def test_what_was_said_comes_out(document: dict[str, Any]) -> None:
    model = kinds.read(document)
    again = kinds.write(model, name="x")
    came_out, said = again["spec"], document["spec"]
    analysis = said.get("analysis", {})
    for name in ("warmUp", "interval", "window", "deadline"):
        if name in analysis:  # 90s comes out as 1m30s: the same time in its shortest form
            assert parse_duration(analysis[name]) == parse_duration(came_out["analysis"][name])
            came_out["analysis"][name] = analysis[name]
    assert _within(said, came_out)
    assert kinds.read(again) == model


@pytest.mark.parametrize(("name", "document"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_examples_are_valid_and_come_out(name: str, document: dict[str, Any]) -> None:
    model = kinds.read(document)
    assert _within(document["spec"], kinds.write(model, name="x")["spec"])


def test_examples_are_as_short_as_promised() -> None:
    def lines(name: str) -> int:
        return len((ROOT / "slo_examples" / name).read_text(encoding="utf-8").splitlines())

    assert lines("smallest.yaml") == 6
    assert lines("one-service.yaml") <= 15


def test_the_library_is_whole() -> None:
    """Every objective's indicator is there; each project has errors and latency."""
    library = [d for name, d in EXAMPLES if name.startswith("slo_examples/library/")]
    by_kind = {
        kind: {d["metadata"]["name"] for d in library if d["kind"] == kind}
        for kind in ("ServiceLevelIndicator", "ServiceLevelObjective")
    }
    projects = {"otel-http", "ingress-nginx", "istio", "grpc", "spring-boot"}
    wanted = {f"{p}-{what}" for p in projects for what in ("errors", "latency")}
    assert by_kind == dict.fromkeys(by_kind, wanted)
    indicators_by_name = {
        d["metadata"]["name"]: kinds.read(d).spec
        for d in library
        if d["kind"] == "ServiceLevelIndicator"
    }
    for document in library:
        if document["kind"] == "ServiceLevelObjective":
            spec = kinds.read(document).spec
            resolved = indicators_by_name[spec.indicator.ref]
            check_bounds(resolved, spec.pass_, spec.warn)


# --- nothing fails oddly ------------------------------------------------------------------------

junk = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.just([]), st.just({}), st.just({"name": 1}), st.just([None]),
    st.sampled_from(["9" * 30 + "d", "99999d99999h", "1e999", "-0%", "10%%", "nan", "5m ", "５m"]),
)  # fmt: skip


def _spoiled(value: Any, data: st.DataObject) -> Any:
    """One place anywhere in the document replaced by something else."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: _spoiled(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], _spoiled(value[index], data), *value[index + 1 :]]
    return data.draw(junk)


@given(documents, st.data())
def test_bad_documents_fail_in_words(document: dict[str, Any], data: st.DataObject) -> None:
    spoiled = {**document, "spec": _spoiled(document["spec"], data)}
    try:
        model = kinds.read(spoiled)
    except ValueError:
        return  # refused in words; any other exception fails this test
    assert kinds.read(kinds.write(model, name="x")) == model


# --- durations and percentages ------------------------------------------------------------------


@given(durations)
def test_durations_survive(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@given(st.from_regex(r"([0-9]{1,3}d)?([0-9]{1,3}h)?([0-9]{1,3}m)?([0-9]{1,3}s)?", fullmatch=True))
def test_every_form_of_a_duration_means_one_time(text: str) -> None:
    if not text:
        with pytest.raises(ValueError, match="is not a duration"):
            parse_duration(text)
        return
    value = parse_duration(text)
    assert isinstance(value, timedelta)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "5m1h", "1.5h", "-5m", "5M", "5m\n", "５m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write a number with its unit, such as 90s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (90, "1m30s"),
        (0, "0s"),
        (0.25, "250ms"),
        (86_400, "1d"),
        (3_600, "1h"),
        (90_061, "1d1h1m1s"),
    ],
)
def test_durations_are_written_shortly(value: float, text: str) -> None:
    assert format_duration(timedelta(seconds=value)) == text


@given(st.decimals(-100, 999_999_999, places=6))
def test_percentages_survive(number: Any) -> None:
    change = ChangeComparison.model_validate({"lte": f"{number}%"})
    assert change.lte == pytest.approx(float(number))
    assert ChangeComparison.model_validate(change.dump()) == change


@pytest.mark.parametrize("text", ["10", 10, 10.0, "10 %", "%", "1e3%", "１0%", "10%\n", True])
def test_what_is_no_percentage(text: object) -> None:
    with pytest.raises(ValueError, match="write a change as a percentage with its sign"):
        ChangeComparison.model_validate({"lte": text})


# --- impossible bounds --------------------------------------------------------------------------


@given(st.sampled_from(["lt", "lte"]), shares, shares, st.booleans())
def test_a_warning_must_be_the_wider(how: str, passes: float, warns: float, change: bool) -> None:
    """Whatever passes and whatever only warns: a value exists that warns, or it is refused."""
    latency = ServiceLevelIndicatorSpec.model_validate(
        {"latency": {"histogram": "h", "quantile": 0.5}}
    )
    pass_ = Bound.model_validate(
        {"value": {how: passes}, **({"change": {"lte": "10%"}} if change else {})}
    )
    warn = Bound.model_validate({"value": {how: warns}})
    if warns < passes and not change:
        with pytest.raises(ValueError, match="make warn the wider of the two"):
            check_bounds(latency, [pass_], [warn])
    else:
        check_bounds(latency, [pass_], [warn])


@pytest.mark.parametrize(
    ("comparison", "fine"),
    [
        ({"lte": 0}, True), ({"lte": 1}, True), ({"lte": 1.01}, False), ({"lte": -0.1}, False),
        ({"lt": 0}, False), ({"lt": 1}, True), ({"gt": 1}, False), ({"gt": 0}, True),
        ({"gte": 1}, True), ({"gte": 99}, False), ({"eq": 0}, True), ({"eq": 2}, False),
        ({"between": [0, 1]}, True), ({"between": [0, 5]}, False),
    ],
)  # fmt: skip
def test_shares_lie_between_0_and_1(comparison: dict[str, Any], fine: bool) -> None:
    document = document_of(
        "ServiceLevelObjective",
        {
            "indicator": {"latency": {"histogram": "h", "threshold": "300ms"}},
            "pass": [{"value": comparison}],
        },
    )
    if fine:
        kinds.read(document)
    else:
        with pytest.raises(ValueError, match="a share from 0 to 1"):
            kinds.read(document)
