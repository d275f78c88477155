"""Letting go: the actions, their attempts, and what becomes of a hold that no release waits for.

Pure. Not here: a release's own hold (``hold``), and how it is done (``controller/holds``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..resources.hold import BY_ADMISSION, HOLD_LABEL, HoldTerms
from .actions import Action, Outcome
from .noticing import Known
from .view import Workload

GRACE = timedelta(seconds=10)
"""How long a new workload's hold waits for a policy: they are often applied together."""
LOOK_AGAIN = timedelta(seconds=15)
"""How often it is looked whether what is waited for is there: not all of it tells by itself."""
SEEN_AFTER = timedelta(seconds=5)
"""Within which the cluster should show what was done to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo(Action):
    """Take our pause (or partition) and our marks off a workload."""

    namespace: str
    kind: str
    name: str
    uid: str
    template_hash: str
    """Of the version that this was decided about; another one stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(LetGo):
    """Pause a workload whose new version was not held at admission."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which attempt is next, and from when on."""

    key: str
    at: datetime | None = None
    """None: now."""
    message: str = ""
    """What the last one came to, where that was no success."""
    refused: bool = False


def next_attempt(outcomes: Mapping[str, Outcome], prefix: str, now: datetime) -> Attempt:
    mine = [o for key, o in outcomes.items() if key.startswith(prefix)]
    key = f"{prefix}{len(mine)}"
    if not mine:
        return Attempt(key)
    last = max(mine, key=lambda o: o.at)
    facts = dict(last.facts)
    if last.ok:
        wait = SEEN_AFTER  # the cluster shows it soon
    elif facts.get("error") == "Conflict":
        wait = timedelta(milliseconds=500)
    else:
        wait = min(timedelta(seconds=2 ** min(len(mine), 5)), timedelta(seconds=30))
    due = last.at + wait
    message = "" if last.ok else last.message
    refused = facts.get("error") == "Refused"
    return Attempt(key, due if now < due else None, message, refused)


def opted_out(workload: Workload) -> bool:
    """Whether the workload's label says that it is not to be held."""
    said = workload.labels.get(HOLD_LABEL)
    # Who was paused on sight need not carry the label.
    return said == "false" or (workload.hold_mark == BY_ADMISSION and said != "true")


def stray(
    workload: Workload,
    template_hash: str,
    known: Sequence[Known],
    terms: HoldTerms | None,
    now: datetime,
    *,
    policy: bool,
    stalled: bool,
) -> tuple[bool, datetime | None]:
    """(whether a hold that no release waits for is to be let go now, else when to look again).

    ``terms`` are those of the policy as it stands, ``policy`` is whether there is one; ``stalled``:
    no release can begin under it.
    """
    if workload.hold_mark is None or workload.deleting:
        return False, None
    if not workload.held:
        return True, None  # a mark left over
    newest = known[-1] if known else None
    same = newest is not None and newest.template_hash == template_hash
    if newest is not None and same and not newest.completed:
        return False, None  # its release's own
    if terms is None:
        end = (workload.created or now) + GRACE
        return (False, end) if not policy and now < end else (True, None)
    if opted_out(workload):
        return True, None
    if newest is not None and same:
        return not newest.kept_held, None
    end = (workload.held_since or workload.created or now) + terms.deadline
    if stalled and terms.on_timeout == "LetGo" and now >= end:
        return True, None
    return False, end if now < end else None


def let_go_stray(
    workload: Workload, template_hash: str, outcomes: Mapping[str, Outcome], now: datetime
) -> tuple[LetGo | None, datetime | None]:
    """The action that lets a stray hold go, or when to try again."""
    again = next_attempt(outcomes, "let-go/", now)
    if again.at is not None:
        return None, again.at
    action = LetGo(
        key=again.key,
        namespace=workload.namespace,
        kind=workload.kind,
        name=workload.name,
        uid=workload.uid,
        template_hash=template_hash,
    )
    return action, now + LOOK_AGAIN
