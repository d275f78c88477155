"""Release, ReleaseRecord and ReleasePolicy from documents, with errors that name what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..resources.policy import ReleasePolicySpec
from ..resources.record import ReleaseRecordSpec
from ..resources.release import ReleaseSpec
from .reading import BadInput, documents, told


@dataclass(frozen=True)
class Recorded:
    """A release with its record's data."""

    name: str
    spec: ReleaseSpec
    data: str


def of(release: Mapping[str, Any], record: Mapping[str, Any], what: str) -> Recorded:
    """From the two bodies; raises BadInput."""
    try:
        spec = ReleaseSpec.model_validate(release.get("spec"))
        kept = ReleaseRecordSpec.model_validate(record.get("spec"))
    except ValidationError as error:
        raise BadInput(f"{what}: {told(error)}") from None
    return Recorded(str(release.get("metadata", {}).get("name", what)), spec, kept.data)


def recorded_in(text: str, what: str, name: str | None) -> Recorded:
    """Release and record from one text that holds both; raises BadInput."""
    found: dict[str, dict[str, dict[str, Any]]] = {"Release": {}, "ReleaseRecord": {}}
    for document in _listed(documents(text, what)):
        kind = document.get("kind")
        if isinstance(kind, str) and kind in found:
            meta = document.get("metadata")
            title = str(meta.get("name")) if isinstance(meta, dict) else ""
            found[kind][title] = document
    both = sorted(found["Release"].keys() & found["ReleaseRecord"].keys())
    if name is None and len(both) > 1:
        raise BadInput(f"{what} holds {', '.join(both)}: choose one by --release")
    chosen = name if name is not None else next(iter(both), None)
    if chosen is None or chosen not in both:
        raise BadInput(
            f"{what} must hold a Release and a ReleaseRecord of one name: "
            "kubectl get rel,relrec NAME -o yaml"
        )
    return of(found["Release"][chosen], found["ReleaseRecord"][chosen], what)


def policy_in(text: str, what: str) -> ReleasePolicySpec:
    """The one ReleasePolicy in a text; raises BadInput."""
    policies = [d for d in _listed(documents(text, what)) if d.get("kind") == "ReleasePolicy"]
    if len(policies) != 1:
        raise BadInput(f"{what} must hold one ReleasePolicy, and holds {len(policies)}")
    try:
        return ReleasePolicySpec.model_validate(policies[0].get("spec"))
    except ValidationError as error:
        raise BadInput(f"{what}: spec.{told(error)}") from None


def _listed(given: Iterator[object]) -> Iterator[dict[str, Any]]:
    """Documents, and the items of those that are lists."""
    for document in given:
        if isinstance(document, dict):
            items = document.get("items")
            if isinstance(items, list):
                yield from (i for i in items if isinstance(i, dict))
            else:
                yield document
