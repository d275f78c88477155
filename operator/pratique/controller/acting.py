"""Carrying out what the reducers want done: each action once a process, in a task of its own.

An action's status was written before; its outcome is handed to the reducers by the next step, which
writes it. Not here: which actions there are to do, and what an outcome means (lifecycle/).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..cluster.client import Cluster
from ..lifecycle.actions import Action, Outcome
from ..lifecycle.letting_go import LetGo
from ..lifecycle.task_actions import TaskAction
from .holds import hold_or_let_go
from .task_calls import TaskCalls

logger = logging.getLogger(__name__)

Perform = Callable[[Action], Awaitable[Outcome]]
"""Carries an action out, within the time that the action allows. What it raises counts as a failure."""


async def perform(cluster: Cluster, calls: TaskCalls, action: Action) -> Outcome:
    """Carry out an action of whichever kind."""
    if isinstance(action, TaskAction):
        return await calls.perform(action)
    if isinstance(action, LetGo):
        return await hold_or_let_go(cluster, action)
    raise TypeError(f"{type(action).__name__} is no action that is known here")


@dataclass
class Actions:
    """The actions of one release that this process began, and how they ended."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def cancel(self) -> None:
        """End what still runs: nobody waits for its outcome any more."""
        for task in self.running.values():
            task.cancel()


class Actor:
    """Begins actions and keeps their outcomes until they were taken in."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform

    def begin(self, mine: Actions, wanted: Iterable[Action], done: Callable[[], None]) -> None:
        """Begin what is wanted and was not begun yet; ``done`` is called as each ends."""
        for action in wanted:
            if action.key in mine.outcomes or action.key in mine.running:
                continue
            task = asyncio.create_task(self._run(mine, action, done), name=action.key)
            mine.running[action.key] = task

    async def _run(self, mine: Actions, action: Action, done: Callable[[], None]) -> None:
        try:
            outcome = await self._perform(action)
        except Exception as error:
            logger.warning("%s: %s", action.key, error)
            outcome = Outcome(ok=False, message=str(error)[:1024], at=datetime.now(UTC))
        finally:
            mine.running.pop(action.key, None)
        mine.outcomes[action.key] = outcome
        done()
