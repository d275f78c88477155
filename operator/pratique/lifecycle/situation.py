"""What ``advance`` is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..judge.samples import Missing, Sample
from ..queries.questions import Provider, Question, Scope
from ..resources.judgement import Judgement
from ..resources.release import PlannedObjective, ReleaseSpec, ReleaseStatus
from .actions import Action, Outcome
from .baselines import pods_of
from .budgets import Gating
from .noticing import Known
from .suspects import Surroundings
from .view import View

RETRY_AFTER = timedelta(seconds=5)
"""How long after a provider's failure the same question is asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question's sample and when it came."""

    sample: Sample
    at: datetime

    def settled(self, now: datetime) -> bool:
        """Whether asking again would give the same; a provider's failure stands only for moments."""
        failed = isinstance(self.sample, Missing) and self.sample.reason == "ProviderError"
        return not failed or now < self.at + RETRY_AFTER

    @property
    def trouble(self) -> bool:
        """Whether the provider failed: to be asked again."""
        return isinstance(self.sample, Missing) and self.sample.reason == "ProviderError"


@dataclass(frozen=True, slots=True)
class Joined:
    """A member of a group's release, as it stands now."""

    release: Known | None
    """The release that the group's one names; None: there is none, or it is gone."""
    newest: str | None
    """The member's newest release that is not only recorded."""
    recorded: tuple[Known, ...] = ()
    """Releases after that one which are only recorded: other pods of what was judged."""


@dataclass(frozen=True)
class Situation:
    """One release, the cluster as seen now, and what the providers answered so far."""

    name: str
    namespace: str
    generation: int
    spec: ReleaseSpec
    view: View | None
    """None: the workload is gone."""
    now: datetime
    uid: str = ""
    """The Release's."""
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    superseded_by: str | None = None
    newer_attempt: bool = False
    """Whether what supersedes it is a further attempt to judge the same version."""
    gating: Gating = field(default_factory=Gating)
    """What may hold a release back that met its objectives."""
    disagrees: str | None = None
    """Who else must agree before it is promoted and does not yet, such as its group; in one sentence."""
    around: Surroundings | None = None
    """What stands around the workload, where it was looked at: when the release fails."""
    members: Mapping[tuple[str, str], Joined] | None = None
    """A group's release: its members by (kind, name). None: the group is gone."""
    hold_asked: bool = True
    """Whether the workload's policy as it stands still asks for hold."""
    known_good: str | None = None
    """Why this version needs no checks before its rollout, where it goes back to one known as good."""
    template_hash: str | None = None
    """Of the workload as it is now, where it is known."""
    clocks: tuple[str, ...] = ()
    """Of providers whose clock is off by so much that looks may be spoilt: what is to be said of it."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """The Release's own: what people say of it."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """How the actions ended that this process carried out, by key."""
    begun: frozenset[str] = frozenset()
    """Keys of the actions that this process began. One that the status says was begun, and that is not
    among these, was begun by a process that is gone: its outcome is not known."""

    def question(
        self,
        objective: PlannedObjective,
        end: datetime,
        span: timedelta,
        *,
        pods: tuple[str, ...] = (),
        births: tuple[tuple[str, datetime], ...] = (),
        pod_pattern: str | None = None,
        workload: str | None = None,
        step: timedelta | None = None,
    ) -> Question:
        """The objective's indicator over (end − span, end], of these pods where it is told by pod.

        ``workload`` names another one beside it, with which it is compared.
        """
        assert objective.provider is not None
        planned = self.spec.plan.providers[objective.provider]
        by_pod = objective.indicator.attribution == "Pod"
        kind, name = self.spec.workload.kind, workload or self.spec.workload.name
        if self.spec.group is not None:
            pods, pod_pattern = (), self.members_pods()
        before = next((b.pod_pattern for b in self.spec.plan.baselines if b.pod_pattern), None)
        return Question(
            indicator=objective.indicator,
            provider=Provider(
                planned.namespace,
                planned.name,
                planned.scope_label,
                planned.scrape_interval.total_seconds(),
            ),
            scope=Scope(
                namespace=self.namespace,
                kind=kind,
                workload=name,
                release=self.name if objective.indicator.query else "",
                version=(self.spec.version or "") if workload is None else "",
                pods=pods if by_pod else (),
                births=births if by_pod and not objective.indicator.query else (),
                pod_pattern=pod_pattern if by_pod else None,
                baseline_pattern=before if objective.indicator.query else None,
            ),
            end=end,
            span=span.total_seconds(),
            step=0.0 if step is None else step.total_seconds(),
        )

    def members_pods(self) -> str | None:
        """A regular expression of the pods of all members that count, if there are any."""
        patterns = {
            pods_of(known)
            for m in self.spec.members
            if not m.optional and (joined := (self.members or {}).get((m.kind, m.name))) is not None
            for known in (joined.release, *joined.recorded)
            if known is not None
        }
        return "|".join(sorted(p for p in patterns if p)) or None

    def delay(self, objective: PlannedObjective) -> timedelta:
        """How long after a moment all samples of it are there."""
        if objective.provider is None:
            return timedelta(0)
        return self.spec.plan.providers[objective.provider].delay


@dataclass(frozen=True, slots=True)
class Step:
    """The status as it should be, what to ask next, and when to look again at the latest."""

    status: ReleaseStatus
    ask: tuple[Question, ...] = ()
    due: datetime | None = None
    actions: tuple[Action, ...] = ()
    """To be carried out once the status is written."""


@dataclass
class Turn:
    """What one reducer of a row made of the status."""

    status: ReleaseStatus
    ask: list[Question] = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    waits: bool = False
    """Whether those after it in the row must wait for it."""
    lingers: bool = False
    """Whether the release stays open for it, though nothing after it has to wait."""
    judgement: Judgement | None = None
    """Before the verdict: what ends the release."""
