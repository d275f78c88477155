"""The kinds this operator serves, and how a YAML document becomes one of their models.

Not here: the models themselves, and anything that talks to a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

from .agreement import ServiceLevelAgreement
from .analysis import Analysis
from .base import API_VERSION, GROUP, VERSION, Model
from .group import ReleaseGroup
from .indicator import ServiceLevelIndicator
from .objective import ServiceLevelObjective
from .policy import ReleasePolicy
from .provider import MetricsProvider
from .record import ReleaseRecord
from .release import Release
from .task import TaskTemplate

KindModel = (
    type[MetricsProvider]
    | type[ServiceLevelIndicator]
    | type[ServiceLevelObjective]
    | type[ServiceLevelAgreement]
    | type[ReleasePolicy]
    | type[ReleaseGroup]
    | type[Release]
    | type[ReleaseRecord]
    | type[Analysis]
    | type[TaskTemplate]
)
AnyKind = (
    MetricsProvider
    | ServiceLevelIndicator
    | ServiceLevelObjective
    | ServiceLevelAgreement
    | ReleasePolicy
    | ReleaseGroup
    | Release
    | ReleaseRecord
    | Analysis
    | TaskTemplate
)

KINDS: tuple[KindModel, ...] = (
    MetricsProvider,
    ServiceLevelIndicator,
    ServiceLevelObjective,
    ServiceLevelAgreement,
    ReleasePolicy,
    ReleaseGroup,
    Release,
    ReleaseRecord,
    Analysis,
    TaskTemplate,
)
"""The models of all kinds, in the order in which they are read about."""
WATCHED: tuple[KindModel, ...] = tuple(m for m in KINDS if getattr(m, "watched", True))
"""Those that the operator follows: a record is written and read, and never watched."""

_DOCUMENT_FIELDS = ("apiVersion", "kind", "metadata")


class _Named(Protocol):
    plural: ClassVar[str]
    short_names: ClassVar[list[str]]
    columns: ClassVar[list[tuple[str, str, str]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What Kubernetes calls a kind, and how it is listed."""

    group: str
    version: str
    kind: str
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[tuple[str, str, str], ...]
    """(heading, type, JSON path) of what ``kubectl get`` prints."""
    wide_columns: tuple[str, ...]
    """The headings that only ``kubectl get -o wide`` prints."""
    selectable: tuple[str, ...]
    """JSON paths by which ``--field-selector`` chooses."""

    @property
    def api_version(self) -> str:
        """group/version, as in a document."""
        return f"{self.group}/{self.version}"

    @property
    def crd_name(self) -> str:
        """The name of the CustomResourceDefinition: plural.group."""
        return f"{self.plural}.{self.group}"


def kind_of(model: KindModel) -> Kind:
    """The names of a model's kind."""
    named = cast(type[_Named], model)
    return Kind(
        group=GROUP,
        version=VERSION,
        kind=model.__name__,
        plural=named.plural,
        short_names=tuple(named.short_names),
        columns=tuple(named.columns),
        wide_columns=tuple(getattr(model, "wide_columns", ())),
        selectable=tuple(getattr(model, "selectable", ())),
    )


def model_of(kind: str) -> KindModel:
    """The model of a kind by its name; ValueError names the kinds there are."""
    for model in KINDS:
        if model.__name__ == kind:
            return model
    known = ", ".join(m.__name__ for m in KINDS)
    raise ValueError(f"{kind!r} is not a kind of {API_VERSION}: use one of {known}")


def read(document: Mapping[str, Any]) -> AnyKind:
    """A YAML document as its kind's model.

    Raises ValueError (pydantic's ValidationError is one) that names field, value and mend.
    ``metadata`` is the API server's and is not looked at.
    """
    version = document.get("apiVersion")
    if version != API_VERSION:
        raise ValueError(f"apiVersion is {version!r}: write {API_VERSION}")
    model = model_of(str(document.get("kind")))
    return model.model_validate(
        {name: value for name, value in document.items() if name not in _DOCUMENT_FIELDS}
    )


def write(value: AnyKind, *, name: str, namespace: str | None = None) -> dict[str, Any]:
    """A model as a YAML document of that name."""
    metadata = {"name": name, **({} if namespace is None else {"namespace": namespace})}
    body: Model = value
    return {
        "apiVersion": API_VERSION,
        "kind": type(value).__name__,
        "metadata": metadata,
        **body.dump(),
    }
