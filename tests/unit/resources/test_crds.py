"""What every CustomResourceDefinition must be: structural, limited, described, the same each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from pratique.resources import crds, kinds, reference
from pratique.resources.base import Model, rules

ROOT = Path(__file__).parents[3]
OBJECT_FIELDS = {".apiVersion", ".kind", ".metadata"}


def _nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    if "items" in node:
        yield from _nodes(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from _nodes(node["additionalProperties"], f"{path}.*")


def _schema(model: kinds.KindModel) -> dict[str, Any]:
    version = crds.crd(model)["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


@pytest.fixture(params=kinds.KINDS, ids=lambda m: m.__name__)
def model(request: pytest.FixtureRequest) -> kinds.KindModel:
    given: kinds.KindModel = request.param
    return given


def test_every_field_is_described(model: kinds.KindModel) -> None:
    silent = [
        f"{path}.{name}"
        for path, node in _nodes(_schema(model))
        for name, child in node.get("properties", {}).items()
        if f"{path}.{name}" != ".metadata" and not child.get("description")
    ]
    assert silent == []


def test_everything_is_limited(model: kinds.KindModel) -> None:
    """Without limits the API server must expect the worst when it reckons what a rule costs."""
    unlimited = []
    for path, node in _nodes(_schema(model)):
        if path in OBJECT_FIELDS:
            continue
        kind = node.get("type")
        if (
            (kind == "string" and not {"maxLength", "enum", "format"} & node.keys())
            or (kind == "array" and "maxItems" not in node)
            or ("additionalProperties" in node and "maxProperties" not in node)
            or (node.get("x-kubernetes-int-or-string") and "maxLength" not in node)
        ):
            unlimited.append(path)
    assert unlimited == []


def test_schemas_are_structural(model: kinds.KindModel) -> None:
    for path, node in _nodes(_schema(model)):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert not {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const"} & node.keys(), (
            path
        )


def test_every_list_says_how_it_is_merged(model: kinds.KindModel) -> None:
    unsaid = [
        path
        for path, node in _nodes(_schema(model))
        if node.get("type") == "array"
        and node["items"].get("type") == "object"
        and "x-kubernetes-list-type" not in node
    ]
    assert unsaid == []


def test_rules_say_the_mend(model: kinds.KindModel) -> None:
    for path, node in _nodes(_schema(model)):
        for rule in node.get("x-kubernetes-validations", ()):
            assert len(rule["message"].split()) >= 4, (path, rule)
            assert "\n" not in rule["message"], (path, rule)


def test_status_is_a_subresource_without_defaults(model: kinds.KindModel) -> None:
    version = crds.crd(model)["spec"]["versions"][0]
    status = _schema(model)["properties"].get("status")
    assert (version.get("subresources") == {"status": {}}) == (status is not None)
    assert [path for path, node in _nodes(status or {}) if "default" in node] == []


def test_defaults_are_those_of_the_models() -> None:
    fields = _schema(kinds.ReleasePolicy)["properties"]["spec"]["properties"]
    assert fields["analysis"]["default"] == {}
    assert fields["analysis"]["properties"]["window"]["default"] == "10m"
    assert fields["analysis"]["properties"]["failFast"]["default"] == {}
    assert "default" not in fields["analysis"]["properties"]["deadline"]
    assert "default" not in fields["objectives"]


def test_names_are_as_documented() -> None:
    names = {m.__name__: crds.crd(m)["spec"]["names"] for m in kinds.KINDS}
    assert {kind: n["shortNames"] for kind, n in names.items()} == {
        "MetricsProvider": ["mp"],
        "ServiceLevelIndicator": ["sli"],
        "ServiceLevelObjective": ["slobj"],
        "ServiceLevelAgreement": ["sla"],
        "ReleaseRecord": ["relrec"],
        "TaskTemplate": ["tt"],
        "Analysis": ["ana"],
        "ReleasePolicy": ["relpol"],
        "ReleaseGroup": ["relgrp"],
        "Release": ["rel"],
    }
    assert all(n["categories"] == ["pratique"] for n in names.values())


def test_columns_and_selectors_point_at_fields_that_exist(model: kinds.KindModel) -> None:
    known = {path for path, _ in _nodes(_schema(model))}
    kind = kinds.kind_of(model)
    for _, _, path in kind.columns:
        plain = path.partition("[?")[0]
        assert plain in known or plain.startswith(".metadata."), path
    assert set(kind.selectable) <= known
    assert set(kind.wide_columns) <= {heading for heading, _, _ in kind.columns}


def test_what_a_crd_cannot_say_is_an_error() -> None:
    class Spec(Model):
        either: Annotated[int | str, Field(description="Either.")]

    class Kind(Model):
        spec: Spec

    with pytest.raises(ValueError, match=r"Kind\.spec\.either: .* cannot say anyOf"):
        crds.schema(Kind)  # type: ignore[arg-type]


def test_a_rule_of_a_field_joins_those_of_its_type() -> None:
    class Part(Model):
        model_config = rules({"rule": "a", "message": "of the type"})
        name: str

    class Kind(Model):
        part: Annotated[
            Part,
            Field(
                json_schema_extra={
                    "x-kubernetes-validations": [{"rule": "b", "message": "of the field"}]
                }
            ),
        ]

    schema = crds.schema(Kind)  # type: ignore[arg-type]
    said = [r["message"] for r in schema["properties"]["part"]["x-kubernetes-validations"]]
    assert said == ["of the type", "of the field"]


@pytest.mark.parametrize(("module", "folder"), [("crds", "crds"), ("reference", "docs/reference")])
def test_the_same_bytes_every_time(module: str, folder: str) -> None:
    """In another process, with another hash seed; and what is committed is what is generated."""
    given = {"crds": crds, "reference": reference}[module].files()
    code = (
        f"import json, sys; sys.path.insert(0, {str(ROOT / 'operator')!r}); "
        f"from pratique.resources.{module} import files; print(json.dumps(files()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert yaml.safe_load(ran.stdout) == given
    for name, text in given.items():
        assert (ROOT / folder / name).read_text(encoding="utf-8") == text, (
            f"{folder}/{name} has drifted from the models: run `pratique {folder.split('/')[0]}`"
        )
