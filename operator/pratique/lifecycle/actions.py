"""What the reducers want done in the world: plain values, carried out by ``controller/acting``.

An action is wanted as long as the status says that it was begun and its outcome is not known. It is
carried out only after that status was written, so that a kill in between is told from a call that was
never meant. Not here: how anything is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do; each kind of action is a subclass with what it needs."""

    key: str
    """The same whenever the action is derived again: it is carried out once a process at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an action ended, as far as the process that carried it out knows."""

    ok: bool
    message: str
    at: datetime
    facts: tuple[tuple[str, str], ...] = ()
    """What else is known of it, such as a name that was given or a status code."""
