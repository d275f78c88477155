"""Hold: a new version's rollout does not begin before its checks have passed.

A reducer that stands before all others while the workload is held. Each decision is derived from the workload's marks and the Release's status: letting
go twice is letting go once.

Not here: how a workload is held and let go (``cluster/holding``), and the checks themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from ..resources.conditions import Status
from ..resources.hold import BY_ADMISSION, HOLD_LABEL
from ..resources.judgement import Judgement
from ..resources.release import HoldStatus, ReleaseStatus
from .checks import checks
from .letting_go import LOOK_AGAIN, Hold, LetGo, next_attempt, opted_out
from .noticing import Known
from .situation import Situation, Turn
from .view import Workload

SIGHT = timedelta(seconds=30)
"""How long it is tried to pause a rollout that was not held at admission."""


def hold(s: Situation, status: ReleaseStatus) -> Turn:
    """What is to be done while the release's workload is held; with ``waits``, nothing else is."""
    if s.view is None:
        return Turn(status)
    workload, before = s.view.workload, status.hold
    if not _current(s, status):
        return _overtaken(s, status)
    if before is not None and before.let_go_at is not None:
        if not workload.held:
            return Turn(status)
        # Held again without a new version, as after its user's own pause.
        return _letting_go(s, status, waits=False)
    if not workload.held:
        if before is None or not before.seen:
            return _not_held(s, status)
        said = before.why or "somebody else let it go"
        return Turn(_with(status, before, waiting=[], why=said, let_go_at=s.now))
    if before is None or not before.seen:
        before = HoldStatus(
            since=before.since if before else s.now,
            by="Admission" if workload.hold_mark == BY_ADMISSION else "Sight",
            seen=True,
        )
        status = status.model_copy(update={"hold": before})
    if before.decided_at is not None:
        return _letting_go(s, status)
    why = _at_once(s)
    if why is not None:
        return _letting_go(s, _with(status, before, decided_at=s.now, why=why, waiting=[]))
    return _waiting(s, status, before)


def _current(s: Situation, status: ReleaseStatus) -> bool:
    """Whether the workload's template is still this release's, as far as is known."""
    return s.template_hash in (None, status.template_hash or s.spec.template_hash)


def _overtaken(s: Situation, status: ReleaseStatus) -> Turn:
    """A newer template came, whose release has not begun: what is held is that one."""
    before, terms = status.hold, s.spec.plan.hold
    if before is None or before.let_go_at is not None or terms is None:
        return Turn(status)
    end = before.since + terms.deadline
    turn = Turn(status, due=[end], waits=True)
    if s.now >= end:
        said = "a newer template took its place, whose release could not begin"
        turn.judgement = _judged("Inconclusive", "HeldTooLong", said, s)
    return turn


def _waiting(s: Situation, status: ReleaseStatus, before: HoldStatus) -> Turn:
    terms = s.spec.plan.hold
    assert terms is not None
    found = checks(s, status)
    status = found.status
    open_ = [c for c in found.checks if c.state != "Passed"]
    waiting = [c.check for c in open_]
    status = _with(status, before, waiting=waiting)
    turn = Turn(status, ask=found.ask, actions=found.actions, due=found.due, waits=True)
    failed = next((c for c in open_ if c.state == "Failed"), None)
    if failed is not None:
        turn.judgement = _judged("NotPromotable", failed.reason, failed.message, s)
        return turn
    if not open_:
        why = "what it waited for has passed" if before.waiting else "there is nothing to wait for"
        return _letting_go(s, _with(status, before, decided_at=s.now, why=why, waiting=[]))
    end = before.since + terms.deadline
    if s.now < end:
        turn.due += [end, s.now + LOOK_AGAIN]
        return turn
    said = "; ".join(c.message for c in open_)
    if terms.on_timeout == "LetGo":
        why = f"it was held for as long as its policy lets it, though {said}"[:512]
        return _letting_go(s, _with(status, before, decided_at=s.now, why=why, waiting=[]))
    frozen = next((c for c in open_ if c.check == "FreezeWindows"), None)
    if frozen is not None:
        turn.judgement = _judged("NotPromotable", frozen.reason, frozen.message, s)
    else:
        turn.judgement = _judged("Inconclusive", "HeldTooLong", said, s)
    return turn


def _judged(verdict: str, reason: str, message: str, s: Situation) -> Judgement:
    begin = "Not promotable" if verdict == "NotPromotable" else "Inconclusive"
    return Judgement.model_validate(
        {
            "verdict": verdict,
            "reason": reason,
            "message": f"{begin}: {message}. No pod of it was started; it stays held, {ways_out(s)}."[
                :2048
            ],
        }
    )


def ways_out(s: Situation) -> str:
    """What leads out of a hold, in words."""
    kind, name = s.spec.workload.kind.lower(), s.spec.workload.name
    return (
        "until a new version is applied, the old one again, or somebody starts it: "
        f"kubectl label {kind} {name} -n {s.namespace} {HOLD_LABEL}=false --overwrite"
    )


def _at_once(s: Situation) -> str | None:
    """Why it is let go without any check."""
    assert s.view is not None
    if s.spec.plan.hold is None or not s.hold_asked:
        return "its policy does not ask for hold"
    if opted_out(s.view.workload):
        return f'its label {HOLD_LABEL} is not "true" any more'
    if s.spec.plan.mode != "Enforce":
        return f"its policy's mode is {s.spec.plan.mode}: nothing is held back"
    if s.spec.purpose != "Judge":
        return "it is not judged"
    return s.known_good


def _not_held(s: Situation, status: ReleaseStatus) -> Turn:
    """Whether what was not held at admission is paused now that it is seen."""
    assert s.view is not None
    workload, before = s.view.workload, status.hold
    if s.spec.plan.hold is None or s.spec.purpose != "Judge" or s.spec.plan.mode != "Enforce":
        return Turn(status)
    if before is None:
        if workload.paused:
            return Turn(status)  # its user's own pause: what it comes to is held when they resume
        before = HoldStatus(since=s.now, by="Sight")
        never = _never(s, workload)
        if never is not None or s.known_good is not None or not s.hold_asked:
            why = f"it was not held: {never or s.known_good or 'its policy does not ask for it'}"
            return Turn(_with(status, before, decided_at=s.now, why=why[:512], let_go_at=s.now))
        status = status.model_copy(update={"hold": before})
    again = next_attempt(s.outcomes, f"{s.name}/hold/", s.now)
    if s.now >= before.since + SIGHT or again.refused:
        said = again.message or "it could not be paused in time"
        why = f"it was not held: {said}"[:512]
        return Turn(_with(status, before, decided_at=s.now, why=why, let_go_at=s.now))
    turn = Turn(status, due=[before.since + SIGHT], waits=True)
    if again.at is not None:
        turn.due.append(again.at)
    else:
        turn.actions.append(Hold(key=again.key, **_target(s, status)))
    return turn


def _never(s: Situation, workload: Workload) -> str | None:
    """Why it cannot be held after the fact."""
    if workload.labels.get(HOLD_LABEL) == "false":
        return f'its label {HOLD_LABEL} is "false"'
    if (s.spec.attempt or 1) > 1:
        return "a further attempt judges a version whose rollout has begun"
    if workload.kind == "DaemonSet":
        return "a DaemonSet can neither be paused nor partitioned"
    if workload.on_delete:
        return "its pods take a version when they are deleted (OnDelete)"
    if s.spec.cause == "First":
        only = (
            " can only be held at admission" if workload.kind == "Deployment" else " cannot be held"
        )
        return f"a {workload.kind}'s first pods{only}"
    if workload.kind != "Deployment":
        return (
            f"a {workload.kind} can only be held at admission: see that deploy/hold is applied and "
            f'that it carries the label {HOLD_LABEL}: "true"'
        )
    return None


def _letting_go(s: Situation, status: ReleaseStatus, *, waits: bool = True) -> Turn:
    again = next_attempt(s.outcomes, f"{s.name}/let-go/", s.now)
    turn = Turn(status, waits=waits)
    if again.at is not None:
        turn.due.append(again.at)
    else:
        turn.actions.append(LetGo(key=again.key, **_target(s, status)))
        turn.due.append(s.now + LOOK_AGAIN)
    if waits and status.hold is not None and status.hold.decided_at is not None:
        end = status.hold.decided_at + s.spec.plan.analysis.rollout_deadline
        turn.due.append(end)
        if s.now >= end:
            # Whoever lets go of strays goes on trying; a rollout that comes is judged by an attempt.
            trouble = again.message or "it was not seen to go"
            said = f"it was to be let go ({status.hold.why}), and is held still: {trouble}"
            turn.judgement = Judgement(
                verdict="Inconclusive", reason="DeadlineExceeded", message=said[:2048]
            )
    return turn


def _target(s: Situation, status: ReleaseStatus) -> dict[str, str]:
    assert s.view is not None
    workload = s.view.workload
    return {
        "namespace": workload.namespace,
        "kind": workload.kind,
        "name": workload.name,
        "uid": workload.uid,
        "template_hash": status.template_hash or s.spec.template_hash,
    }


def _with(status: ReleaseStatus, hold_: HoldStatus, **more: object) -> ReleaseStatus:
    return status.model_copy(update={"hold": hold_.model_copy(update=more)})


# What is said of it


def is_held(status: ReleaseStatus) -> bool:
    """Whether the release waits to be let go."""
    return status.hold is not None and status.hold.let_go_at is None


def kept(status: ReleaseStatus) -> bool:
    """Whether the release ended while its workload was held, and is to stay so."""
    if status.completed_at is None or status.hold is None:
        return False
    reason = status.judgement.reason if status.judgement else ""
    gone = reason in ("Superseded", "WorkloadDeleted")
    return status.hold.seen and status.hold.decided_at is None and not gone


def sentence(s: Situation, status: ReleaseStatus) -> str:
    """What a held release waits for, and until when."""
    held = status.hold
    assert held is not None
    if held.decided_at is not None or s.spec.plan.hold is None:
        trouble = next_attempt(s.outcomes, f"{s.name}/let-go/", s.now).message
        return f"it is being let go: {held.why}" + (f"; not yet: {trouble}" if trouble else "")
    if not held.seen:
        return "its rollout was not held at admission: it is being paused"
    end = held.since + s.spec.plan.hold.deadline
    then = "ends" if s.spec.plan.hold.on_timeout == "KeepHolding" else "is let go"
    waits = [c.message for c in checks(s, status).checks if c.state == "Waiting"]
    pods = "no pod of it exists" if held.by == "Admission" else "its rollout is paused"
    return f"held, {pods}: {'; '.join(waits)}; {then} at {end:%Y-%m-%d %H:%M:%S} UTC"


def condition(s: Situation, status: ReleaseStatus) -> tuple[str, Status, str, str] | None:
    """The condition Held, where the release has anything to do with hold."""
    held = status.hold
    if held is None:
        return None
    if held.let_go_at is not None:
        reason = "LetGo" if held.seen else "NotHeld"
        return "Held", "False", reason, held.why or ""
    if status.completed_at is not None and not kept(status):
        text = "it was held until a newer one took its place, or its workload went"
        if status.judgement is not None and status.judgement.reason == "DeadlineExceeded":
            text = "it could not be let go in time"
        return "Held", "False", "NeverLetGo", text
    if kept(status):
        return "Held", "True", "KeptHeld", f"it was held at its verdict, and stays so {ways_out(s)}"
    return "Held", "True", "LettingGo" if held.decided_at else "Waiting", sentence(s, status)


def coverage(workloads: Iterable[Workload]) -> tuple[str, Status, str, str]:
    """A policy's condition Holding: which of its workloads' new versions can be held at admission."""
    never, bare = [], []
    for w in workloads:
        if w.kind == "DaemonSet" or w.on_delete:
            never.append(f"{w.kind} {w.name}")
        elif w.labels.get(HOLD_LABEL) != "true":
            bare.append(f"{w.kind} {w.name}")
    said = []
    if bare:
        said.append(
            f'{_named(bare)}: without the label {HOLD_LABEL}: "true" nothing is held at admission; '
            "Deployments are paused on sight"
        )
    if never:
        said.append(f"{_named(never)}: cannot be held, being a DaemonSet or OnDelete")
    if said:
        return "Holding", "False", "SomeNotHeld", "; ".join(said)
    text = "new versions are held at admission, where deploy/hold is applied"
    return "Holding", "True", "AllLabelled", text


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(sorted(names)[:10]) + more


def known_good(template_hash: str, number: int, known: Sequence[Known]) -> str | None:
    """Why a version needs no checks: it is the last promotable one's template, or the one that runs."""
    earlier = [k for k in known if k.number < number]
    good = next((k for k in reversed(earlier) if k.stands == "Promotable" or k.measured), None)
    if good is not None and good.template_hash == template_hash:
        return f"it goes back to {good.name}, the last promotable one"
    runs = next((k for k in reversed(earlier) if k.rolled_out_at is not None), None)
    if runs is not None and runs.template_hash == template_hash:
        return f"it goes back to {runs.name}, which runs"
    return None
