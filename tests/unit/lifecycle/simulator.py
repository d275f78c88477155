"""One release driven through its life on a clock of its own: answers are delivered, dues are jumped to.

The operator's loop in small: ``advance`` until it asks nothing more, write the status where the
operator would, jump to the next due time or the cluster's next change, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value
from pratique.lifecycle.advance import advance
from pratique.lifecycle.announcements import differs
from pratique.lifecycle.situation import Answer, Situation, Step
from pratique.lifecycle.view import View
from pratique.queries.questions import Question
from pratique.resources.release import ReleaseSpec, ReleaseStatus
from unit.lifecycle.builders import at, pod, rolling, seconds, situation, view, workload

Provider = Callable[[Question, float], Sample | None]
"""(question, second at which it is asked) → the sample; None: no answer came at all."""

EDGES = (0.1, 0.3, 1.0, float("inf"))
LOOKS_UNWRITTEN = 5
MOST_STEPS = 400


@dataclass(frozen=True)
class Change:
    """What the cluster looks like from this second on."""

    at: float
    seen: View | None
    superseded_by: str | None = None


def rolled_out(ready: float = 20, *, begin: float = 0) -> list[Change]:
    """Three pods: one Ready at ``ready``, the others 5 and 10 seconds later, which completes it."""
    names = ("a", "b", "c")
    changes = [Change(begin, view(rolling(updated=1, available=3, total=4), [pod("a")]))]
    for i in range(3):
        pods = [pod(n, ready=ready + 5 * j) for j, n in enumerate(names[: i + 1])]
        done = i == 2
        of = workload() if done else rolling(updated=i + 1, available=3, total=4)
        changes.append(Change(ready + 5 * i, view(of, pods)))
    return changes


def good(question: Question, _: float) -> Sample:
    """1 % errors; 95 % well within 300 ms; heap 50."""
    return answer(question, share=0.01, slow=0.01, value=50.0)


def bad(question: Question, _: float) -> Sample:
    """30 % errors; a third slower than 300 ms; heap 500."""
    return answer(question, share=0.3, slow=0.33, value=500.0)


def answer(
    question: Question, *, share: float, slow: float, value: float, total: int = 1000
) -> Sample:
    """A sample of the shape that the indicator wants; ``total`` requests come in a minute."""
    indicator = question.indicator
    total = round(total * question.span / 60)
    if indicator.ratio:
        return Counts(round(share * total), total)
    if indicator.latency:
        within = round((1 - slow) * total)
        return Buckets(EDGES, (within // 2, within, total, total))
    return Value(value)


def down(_: Question, __: float) -> Sample:
    return Missing("ProviderError", "connection refused")


def silent(_: Question, __: float) -> Sample:
    return Missing("NoData", "no series")


def silence(_: Question, __: float) -> None:
    """The question is sent and no answer ever comes."""


@dataclass
class Play:
    """One release's life; ``run`` plays it to its verdict."""

    spec: ReleaseSpec
    changes: Sequence[Change]
    provider: Provider = good
    killed: Callable[[int], bool] = lambda _: False
    """Whether the operator is killed after the n-th step: it keeps what was written only."""
    now: float = 0.0
    status: ReleaseStatus = field(default_factory=ReleaseStatus)
    written: ReleaseStatus = field(default_factory=ReleaseStatus)
    answers: dict[Question, Answer] = field(default_factory=dict)
    asked: list[tuple[float, Question]] = field(default_factory=list)
    steps: list[tuple[float, Step]] = field(default_factory=list)
    writes: int = 0

    def situation(self) -> Situation:
        current = [c for c in self.changes if c.at <= self.now][-1]
        return situation(
            self.spec,
            current.seen,
            self.now,
            self.answers,
            superseded_by=current.superseded_by,
        )

    def step(self) -> Step:
        """One round of the operator's loop at this moment, with its write."""
        for _ in range(8):
            found = advance(self.situation(), self.status)
            self.status = found.status
            new = {q: self._answered(q) for q in found.ask}
            heard = {q: a for q, a in new.items() if a is not None}
            self.answers.update(heard)
            if not heard:
                break
        self._write()
        self.steps.append((self.now, found))
        return found

    def _answered(self, question: Question) -> Answer | None:
        assert self.now >= seconds(question.end), "the future was asked"
        self.asked.append((self.now, question))
        sample = self.provider(question, self.now)
        return None if sample is None else Answer(sample, at(self.now))

    def _write(self) -> None:
        last = self.written.looks[-1].at if self.written.looks else None
        looks = sum(last is None or x.at > last for x in self.status.looks)
        if differs(self.written, self.status) or looks >= LOOKS_UNWRITTEN:
            # As the API server would: only what can be written and read survives.
            self.written = ReleaseStatus.model_validate(self.status.dump())
            self.writes += 1

    def kill(self) -> None:
        self.answers = {}
        self.status = self.written

    def run(self, *, until: float = 7200, closed: bool = False) -> ReleaseStatus:
        """Play to the verdict, or to the end of all that follows it; fails where it would wait for ever."""
        for n in range(MOST_STEPS):
            found = self.step()
            ended = found.status.closed_at if closed else found.status.completed_at
            if ended is not None:
                return found.status
            if self.killed(n):
                self.kill()
            ahead = [c.at for c in self.changes if c.at > self.now]
            if found.due is not None:
                assert seconds(found.due) > self.now, "a due time that is over"
                ahead.append(seconds(found.due))
            assert found.due is not None, f"nothing will ever wake it: {found.status.phase}"
            self.now = min(ahead)
            assert self.now <= until, f"no verdict by second {until}"
        raise AssertionError(f"no verdict after {MOST_STEPS} steps, at second {self.now}")


def ended(status: ReleaseStatus) -> tuple[str | None, str | None]:
    """(verdict, reason)"""
    return status.verdict, status.judgement.reason if status.judgement else None


def after(moment: float, first: Provider, then: Provider) -> Provider:
    """One provider until that second of the clock, another from then on."""
    return lambda q, now: (first if now < moment else then)(q, now)


def for_looks_ending(begin: float, end: float, inside: Provider, else_: Provider) -> Provider:
    """One provider for spans that end in [begin, end], whenever they are asked."""
    return lambda q, now: (inside if begin <= seconds(q.end) <= end else else_)(q, now)


def whole(spec: ReleaseSpec, question: Question) -> bool:
    """Whether the question is about more than one look."""
    return timedelta(seconds=question.span) > spec.plan.analysis.interval
