"""The watch after the verdict: looks go on, and where health turns bad the verdict is revoked.

The verdict itself stays what it was. Looks without data never revoke: they only stop the time until which
the verdict is backed. It keeps nobody waiting; it only keeps the release open.

Not here: how one objective is tried (judge/watching).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from ..judge import watching
from ..judge.numbers import clip
from ..judge.objectives import Baseline
from ..judge.samples import Missing, Sample
from ..judge.verdicts import Scoring, certain, failing
from ..resources.judgement import ObjectiveResult, Window
from ..resources.release import (
    Look,
    PlannedObjective,
    ReleaseSpec,
    ReleaseStatus,
    Revocation,
    WatchStatus,
)
from . import compared as compares
from . import grid, noise, pods, rollout, signals
from .looks import LETTERS, Looking
from .situation import Situation, Turn
from .sizes import MAX_STATUS_BYTES, fitted, size_of

GIVE_UP = timedelta(minutes=1)
"""How long, or two intervals, after a look was due it counts as one without data."""
MOST_BEHIND = 60
"""After an outage of the operator no more looks than this are asked for; those before are left out."""
MESSAGE = 512
"""Characters of what revoked a verdict: it stands in the condition too."""
SHOWN_VALUES = 16
"""With more objectives than this the looks show no values."""


def watch(s: Situation, status: ReleaseStatus) -> Turn:
    """One step of the watch; it begins with the verdict."""
    if status.verdict != "Promotable" or status.judgement is None:
        return Turn(status)
    window = status.judgement.window
    if status.evaluated_through is None and window is not None:
        status = status.model_copy(update={"evaluated_through": window.to})
    if status.watch is None:
        status = _begun(s, status)
    if status.watch is None or status.watch.ended_at is not None:
        return Turn(status)
    if s.superseded_by or s.view is None or s.view.workload.deleting:
        return Turn(_over(s, status))
    status = rollout.follow(s, status)
    status = _with(status, signals=signals.watched(s, status))
    revoked = _sick(s, status)
    if revoked is not None:
        return Turn(_ended(s, status, revoked))
    return _look(s, status)


def room(spec: ReleaseSpec) -> int:
    """Bytes that the watch may take in the status, to be kept free by the judgement."""
    if spec.plan.watch_for is None:
        return 0
    objectives = spec.plan.objectives
    looks = spec.plan.analysis.fail_after * (60 + len(objectives) * (10 if _shown(spec) else 1))
    counts = sum(
        20
        + 60 * len(watching.rises(o)) * (any(b.source == "Workload" for b in spec.plan.baselines))
        for o in objectives
        if watching.tested(o)
    )
    return 800 + looks + counts


def due_mark(status: ReleaseStatus) -> int | None:
    """A number that changes six times a watch: as often what was seen is worth a write by itself."""
    if status.watch is None:
        return None
    length = status.watch.until - status.watch.since
    return int(6 * ((status.watch.looked_at - status.watch.since) / length)) if length else 0


def _begun(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    judgement, length = status.judgement, s.spec.plan.watch_for
    assert judgement is not None
    # Who overrides a verdict has decided already.
    if length is None or judgement.window is None or judgement.reason == "Overridden":
        return status
    assert status.completed_at is not None
    since = judgement.window.to
    begun = WatchStatus(since=since, until=status.completed_at + length, looked_at=since)
    return status.model_copy(update={"watch": begun})


def _with(status: ReleaseStatus, **changes: object) -> ReleaseStatus:
    assert status.watch is not None
    return status.model_copy(update={"watch": status.watch.model_copy(update=changes)})


def _ended(s: Situation, status: ReleaseStatus, revoked: Revocation) -> ReleaseStatus:
    status = _over(s, status)
    bare = revoked.model_copy(update={"message": ""})
    rest = fitted(s, status.model_copy(update={"revoked": bare}))
    # It stands twice, in the condition too.
    left = (MAX_STATUS_BYTES - size_of(rest)) // 2 - 40  # its signs take several bytes
    message = clip(revoked.message, max(64, min(MESSAGE, left)))
    return status.model_copy(update={"revoked": revoked.model_copy(update={"message": message})})


def _over(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """What was counted is needed no more."""
    return _with(status, ended_at=s.now, counts=[], beside=[])


def _sick(s: Situation, status: ReleaseStatus) -> Revocation | None:
    """What the pods themselves say against the version, once it stood as long as during a rollout."""
    diagnosis, fails_at = status.rollout.diagnosis, rollout.fails_at(s, status)
    if diagnosis is None or fails_at is None or s.now < fails_at:
        return None
    message = f"after the verdict: {rollout.told(s, status)}"
    return Revocation(at=s.now, reason=diagnosis.cause, message=message[:1024])


# Looks


def _look(s: Situation, status: ReleaseStatus) -> Turn:
    """Take in the looks that are answered, in order, up to the first that is not."""
    assert status.watch is not None
    interval, until = s.spec.plan.analysis.interval, status.watch.until
    found = Looking(status)
    ahead = list(grid.ends(status.watch.looked_at, min(s.now, until), interval))
    if len(ahead) > MOST_BEHIND:
        ahead = ahead[-MOST_BEHIND:]
    compared = compares.baselines(s, Looking(status))
    for end in ahead:
        samples, beside = _asked(s, found, status, end)
        if not _answered(samples) and s.now < _gives_up(s, end):
            found.due.append(_gives_up(s, end))
            return Turn(status, found.ask, found.due, lingers=True)
        status = _taken(s, status, end, samples, beside)
        results = _results(s, status, compared)
        scoring = Scoring(s.spec.plan.score, s.spec.plan.on_warning, s.spec.plan.mode)
        if certain(results, scoring):
            said = " ".join(f"{r.name}: {r.message}" for r in failing(results))
            revoked = Revocation(
                at=s.now, reason="ObjectiveFailed", message=f"after the verdict: {said}"[:1024]
            )
            return Turn(_ended(s, status, revoked))
    assert status.watch is not None
    following = status.watch.looked_at + interval
    if following > until:
        if s.now < until:
            return Turn(status, due=[*found.due, until], lingers=True)
        return Turn(_over(s, status))
    found.due.append(following + _delay(s))
    fails_at = rollout.fails_at(s, status)
    if fails_at is not None:
        found.due.append(fails_at)
    return Turn(status, found.ask, found.due, lingers=True)


def _delay(s: Situation) -> timedelta:
    return max((s.delay(o) for o in s.spec.plan.objectives), default=timedelta(0))


def _gives_up(s: Situation, end: datetime) -> datetime:
    return end + _delay(s) + max(2 * s.spec.plan.analysis.interval, GIVE_UP)


def _asked(
    s: Situation, found: Looking, status: ReleaseStatus, end: datetime
) -> tuple[list[Sample | None], list[Sample | None]]:
    """Each objective's sample over the look, and that of a workload beside it where one was compared."""
    interval = s.spec.plan.analysis.interval
    names = pods.present(s, status, end - interval)
    samples: list[Sample | None] = []
    beside: list[Sample | None] = []
    for objective in s.spec.plan.objectives:
        if objective.indicator.kubernetes:
            samples.append(signals.watched_sample(objective.indicator.kubernetes, s, status))
            beside.append(None)
            continue
        if objective.indicator.attribution == "Pod" and not names:
            samples.append(Missing("NoData", "no pod of this release is there"))
            beside.append(None)
            continue
        question = s.question(objective, end, interval, pods=names)
        answer = found.want(s, question, end + s.delay(objective))
        samples.append(None if answer is None else answer.sample)
        other = None
        if _baseline_of(status, objective) == "Workload" and watching.tested(objective):
            other = compares.beside(s, found, objective, end).get("Workload")
            if other is None:
                samples[-1] = None
        beside.append(other)
    return samples, beside


def _answered(samples: Sequence[Sample | None]) -> bool:
    return not any(
        x is None or (isinstance(x, Missing) and x.reason == "ProviderError") for x in samples
    )


def _taken(
    s: Situation,
    status: ReleaseStatus,
    end: datetime,
    samples: Sequence[Sample | None],
    beside: Sequence[Sample | None],
) -> ReleaseStatus:
    """The status with one more look."""
    assert status.watch is not None
    counted = _counted(s, status.watch)
    letters, values = "", []
    for i, objective in enumerate(s.spec.plan.objectives):
        sample = samples[i]
        if sample is None:
            sample = Missing("ProviderError", "the provider did not answer in time")
        seen = watching.alone(objective, sample)
        letter = LETTERS.get(seen.result, "U")
        if watching.tested(objective):
            letter = letter.lower()
            counted[i] = watching.take_in(
                objective, counted[i], sample, beside[i], noise.of(status, objective)
            )
        letters += letter
        shown = seen.value is not None and math.isfinite(seen.value)
        values.append(float(f"{seen.value:.6g}") if shown and seen.value is not None else None)
    look = Look(at=end, values=values if _shown(s.spec) else [], results=letters)
    count = s.spec.plan.analysis.fail_after
    status = _with(
        status,
        looked_at=end,
        looks=[*status.watch.looks, look][-count:],
        counts=[_short(c) for c in counted],
        beside=[[x for logs in c.beside for x in logs] for c in counted]
        if any(c.beside for c in counted)
        else [],
    )
    if all(letters[i].upper() != "U" for i, o in enumerate(s.spec.plan.objectives) if _decides(o)):
        status = status.model_copy(update={"evaluated_through": end})
    return status


def _counted(s: Situation, watched: WatchStatus) -> list[watching.Counted]:
    """What the status says was counted, objective by objective."""
    found = []
    for i, _ in enumerate(s.spec.plan.objectives):
        counts = watched.counts[i] if i < len(watched.counts) else []
        logs = watched.beside[i] if i < len(watched.beside) else []
        size = watching.HARMS
        apart = tuple(tuple(logs[j : j + size]) for j in range(0, len(logs), size))
        requests, least, most = (*counts, *counts[1:])[:3] if counts else (0, 0, 0)
        found.append(watching.Counted(requests, least, most, apart))
    return found


def _short(counted: watching.Counted) -> list[int]:
    """As it is written."""
    if not counted.requests:
        return []
    several = [] if counted.most == counted.least else [counted.most]
    return [counted.requests, counted.least, *several]


def _decides(objective: PlannedObjective) -> bool:
    """Whether it could speak against the release at all; then its silence backs nothing."""
    bounded = any(b.value is not None for b in (*objective.pass_, *objective.warn))
    return not (objective.informational or objective.dry_run) and (
        bounded or watching.tested(objective)
    )


def _shown(spec: ReleaseSpec) -> bool:
    return len(spec.plan.objectives) <= SHOWN_VALUES


def _results(
    s: Situation, status: ReleaseStatus, compared: compares.Compared
) -> list[ObjectiveResult]:
    """What each objective says by now: only what surely turned bad fails."""
    assert status.watch is not None
    counted = _counted(s, status.watch)
    window = Window(from_=status.watch.since, to=status.watch.looked_at)
    row = _in_a_row(s, status.watch)
    results = []
    for i, objective in enumerate(s.spec.plan.objectives):
        if watching.tested(objective):
            results.append(
                watching.examine(
                    objective,
                    counted[i],
                    _baseline(status, objective, compared),
                    noise.of(status, objective),
                    window,
                )
            )
        else:
            last = status.watch.looks[-1].values
            value = last[i] if last else None
            failed = bool(row) and all(x.results[i] == "F" for x in row)
            results.append(watching.plainly(objective, failed, value, len(row)))
    return results


def _in_a_row(s: Situation, watched: WatchStatus) -> list[Look]:
    """The last looks, if there are as many in a row as must fail."""
    count, looks = s.spec.plan.analysis.fail_after, watched.looks
    apart = (count - 1) * s.spec.plan.analysis.interval
    return looks if len(looks) == count and looks[-1].at - looks[0].at == apart else []


def _baseline_of(status: ReleaseStatus, objective: PlannedObjective) -> str | None:
    """Where the baseline was found that the verdict was drawn with."""
    used = _used(status, objective)
    return used[0] if used else None


def _used(status: ReleaseStatus, objective: PlannedObjective) -> tuple[str, str] | None:
    assert status.judgement is not None
    result = next((r for r in status.judgement.results if r.name == objective.name), None)
    if result is None or result.baseline is None:
        return None
    return result.baseline.source, result.baseline.release


def _baseline(
    status: ReleaseStatus, objective: PlannedObjective, compared: compares.Compared
) -> Baseline | None:
    """The baseline that the verdict was drawn with; of old pods nothing is left to compare with."""
    used = _used(status, objective)
    if used is None or used[0] == "OldPods":
        return None
    return next(
        (b for b in compared.known.get(objective.name, []) if (b.source, b.release) == used),
        None,
    )
