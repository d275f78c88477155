"""Release, ReleaseRecord and ReleasePolicy from documents, with errors that name what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from ..lifecycle import records
from ..resources.base import Time
from ..resources.judgement import Verdict
from ..resources.objective import ServiceLevelObjectiveSpec
from ..resources.policy import ReleasePolicySpec
from ..resources.record import ReleaseRecordSpec
from ..resources.release import NoiseEntry, ReleaseSpec
from .reading import BadInput, documents, told

M = TypeVar("M", bound=BaseModel)


class _Status(BaseModel):
    """Of a Release's status only what its judgement rested on: the rest may be of another version."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)

    noise: list[NoiseEntry] = []
    extended_to: Time | None = None


@dataclass(frozen=True)
class Recorded:
    """A release with all that its judgement rested on."""

    name: str
    spec: ReleaseSpec
    samples: records.Recorded
    verdict: Verdict
    """What was said then."""
    noise: tuple[NoiseEntry, ...] = ()
    """How much the old version's figures wandered by themselves."""
    extended_to: datetime | None = None
    """To when the window was extended."""
    note: str | None = None
    """What of the samples was left out for their size."""


def of(release: Mapping[str, Any], record: Mapping[str, Any], what: str) -> Recorded:
    """From the two bodies; raises BadInput."""
    spec = _part(ReleaseSpec, release.get("spec"), f"{what}: the Release: spec")
    status = _part(_Status, release.get("status") or {}, f"{what}: the Release: status")
    kept = _part(ReleaseRecordSpec, record.get("spec"), f"{what}: the ReleaseRecord: spec")
    metadata = release.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return Recorded(
        name=str(name or what),
        spec=spec,
        samples=_samples(kept, what),
        verdict=kept.verdict,
        noise=tuple(status.noise),
        extended_to=status.extended_to,
        note=kept.note,
    )


def _part(model: type[M], given: object, where: str) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise BadInput(f"{where}.{told(error)}") from None


def _samples(kept: ReleaseRecordSpec, what: str) -> records.Recorded:
    """The record's data, which anybody may have written; raises BadInput."""
    if kept.format != records.FORMAT:
        raise BadInput(
            f"{what}: the record has format {kept.format}, and {records.FORMAT} is known: use a "
            "pratique of the operator's version"
        )
    try:
        found = records.decode(kept.data)
        ordered = all(a < b for a, b in pairwise(found.ends)) and len(found.ends) > 1
        looks = [*found.looks.values(), *(x for o in found.beside.values() for x in o.values())]
        fits = all(len(x) == len(found.ends) - 1 for x in looks)
        aware = all(t.tzinfo is not None for t in (*found.ends, found.window_from) if t is not None)
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise BadInput(f"{what}: {str(error) or type(error).__name__}") from None
    if not (ordered and fits and aware):
        raise BadInput(f"{what}: the record's data cannot be read: its looks and times do not fit")
    return found


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


@dataclass(frozen=True)
class Changed:
    """A policy by which a recorded release is judged, with what of its references is at hand."""

    spec: ReleasePolicySpec
    objectives: Mapping[str, ServiceLevelObjectiveSpec]
    """By name."""


def policy_in(text: str, what: str) -> Changed:
    """The one ReleasePolicy in a text, and the ServiceLevelObjectives beside it; raises BadInput."""
    policies, objectives = [], {}
    for document in _listed(documents(text, what)):
        kind, spec = document.get("kind"), document.get("spec")
        if kind == "ReleasePolicy":
            policies.append(spec)
        elif kind == "ServiceLevelObjective":
            meta = document.get("metadata")
            title = str(meta.get("name")) if isinstance(meta, dict) else ""
            if title in objectives:
                raise BadInput(f"{what} holds two ServiceLevelObjectives {title!r}: keep one")
            at = f"{what}: ServiceLevelObjective {title}: spec"
            objectives[title] = _part(ServiceLevelObjectiveSpec, spec, at)
    if len(policies) != 1:
        raise BadInput(f"{what} must hold one ReleasePolicy, and holds {len(policies)}")
    return Changed(_part(ReleasePolicySpec, policies[0], f"{what}: spec"), objectives)


def _listed(given: Iterator[object]) -> Iterator[dict[str, Any]]:
    """Documents, and the items of those that are lists."""
    for document in given:
        if isinstance(document, dict):
            items = document.get("items")
            if isinstance(items, list):
                yield from (i for i in items if isinstance(i, dict))
            else:
                yield document
