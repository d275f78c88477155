"""One operator process as ``controller/app`` makes it, and the world around it on a clock of its own.

The store is filled by a LIST and then by what a watch tells, the clock is asked and never waited for. A
killed process leaves nothing but what it wrote.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pratique.cluster.errors import ClusterError
from pratique.cluster.watching import NamespaceWatch, Watches
from pratique.controller import retaining
from pratique.controller.acting import Actor
from pratique.controller.app import PLURALS
from pratique.controller.asking import Asker
from pratique.controller.clock import Key
from pratique.controller.holds import hold_or_let_go
from pratique.controller.policies import PolicyWriter
from pratique.controller.reconcile import Reconciler
from pratique.controller.retaining import Retainer
from pratique.controller.store import Store
from pratique.lifecycle.actions import Action, Outcome
from pratique.lifecycle.letting_go import LetGo
from pratique.lifecycle.task_actions import TaskAction
from pratique.resources.release import FINISHED_LABEL
from pratique.telemetry.metrics import Metrics
from unit.controller.api_server import ApiServer, Body, Connection, Killed, Planned
from unit.controller.kubernetes import Kubernetes
from unit.controller.ledger import Ledger
from unit.controller.outside import Outside
from unit.lifecycle.builders import LIBRARY, NAMESPACE, T0

METRICS = Metrics()
MOST_STEPS = 400
"""Steps after which a process that is left alone ought to have come to rest."""
LONGEST_BACKOFF = 60.0


class PodWatches(Watches):
    """Shows the pods as they are."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.view = kubernetes.view
        self.holders: set[Hashable] = set()

    async def acquire(
        self, namespace: str, holder: Hashable, kind: str = "Deployment"
    ) -> NamespaceWatch:
        self.holders.add(holder)
        return self  # type: ignore[return-value]  # it shows a view too

    async def release(self, namespace: str, holder: Hashable) -> None:
        self.holders.discard(holder)


class Answers(Asker):
    """Asks the model's provider at once."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.ask = kubernetes.ask  # type: ignore[assignment,method-assign]


class Process:
    """From its start, which lists everything, to its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.connection = Connection(world.server)
        if world.doom:
            self.connection.planned.append(world.doom.pop(0))
        self.store = Store(LIBRARY)
        self.watches = PodWatches(world.kubernetes)
        self.reconciler = Reconciler(
            store=self.store,
            cluster=self.connection,
            watches=self.watches,
            asker=Answers(world.kubernetes),
            metrics=METRICS,
            exporter=None,
            actor=Actor(self._perform),
            wake=self.wake,
            now=lambda: world.now,
        )
        self._policies = PolicyWriter(
            store=self.store,
            cluster=self.connection,
            beginner=self.reconciler.beginner,
            metrics=METRICS,
        )
        self._retainer = Retainer(
            store=self.store, cluster=self.connection, metrics=METRICS, now=lambda: world.now
        )
        self._inbox: list[tuple[str, Body | None, Body | None]] = []
        self._woken: dict[Key, None] = {}
        self._failures: dict[Key, int] = {}
        self.due: dict[Key, datetime] = {}
        for plural in PLURALS:
            for body in world.server.list(plural):
                self._put(plural, body)
        world.server.told.append(self._heard)

    def wake(self, key: Key) -> None:
        self._woken[key] = None

    def pods_changed(self, name: str) -> None:
        key = (NAMESPACE, "Deployment", name)
        if key in self.watches.holders:
            self.wake(key)

    async def run(self) -> None:
        """Until nothing is left to do now."""
        for _ in range(MOST_STEPS):
            await self._others()
            if self._world.now >= self._world.behind_until:
                self._deliver()
            if not self._woken:
                return
            key = next(iter(self._woken))
            del self._woken[key]
            self.due.pop(key, None)
            await self._step(key)
        raise AssertionError(f"it never comes to rest: {sorted(self._woken)}")

    def end(self) -> None:
        """Nothing that it began goes on."""
        self.connection.dead = True
        if self._heard in self._world.server.told:
            self._world.server.told.remove(self._heard)

    async def _step(self, key: Key) -> None:
        try:
            due = await self._handle(key)
        except (ClusterError, TimeoutError):
            count = self._failures[key] = self._failures.get(key, 0) + 1
            wait = min(LONGEST_BACKOFF, 0.5 * 2 ** min(count, 10))
            self.due[key] = self._world.now + timedelta(seconds=wait)
        else:
            self._failures.pop(key, None)
            if due is not None:
                self.due[key] = due

    async def _handle(self, key: Key) -> datetime | None:
        match key[1]:
            case "ReleasePolicy":
                return await self._policies.step(key)
            case "MetricsProvider" | "ServiceLevelObjective" | "Analysis":
                return None
            case kind if kind.startswith(retaining.PREFIX):
                return await self._retainer.step(key)
            case _:
                return await self.reconciler.step(key)

    async def _perform(self, action: Action) -> Outcome:
        if isinstance(action, TaskAction):
            return await self._world.outside.perform(self.connection, action)
        if not isinstance(action, LetGo):
            self._world.outside.broken.append(f"{action} is not played here")
            raise TypeError(type(action).__name__)
        outcome = await hold_or_let_go(self.connection, action)
        return replace(outcome, at=self._world.now)  # those who carry it out have the real clock

    async def _others(self) -> None:
        """Let the tasks go on that wait for nothing but their turn."""
        for _ in range(12):  # turns that an action takes at most which waits for nothing else
            if len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0)
        if self.connection.dead:
            raise Killed("in a task")

    def _heard(self, plural: str, before: Body | None, after: Body | None) -> None:
        if plural in PLURALS:
            self._inbox.append((plural, before, after))

    def _deliver(self) -> None:
        heard, self._inbox = self._inbox, []
        for plural, before, after in heard:
            if after is not None:
                self._put(plural, after)
            elif before is not None:
                meta = before["metadata"]
                for key in self.store.drop(plural, meta.get("namespace", ""), meta["name"]):
                    self.wake(key)

    def _put(self, plural: str, body: Body) -> None:
        for key in self.store.put(plural, body):
            self.wake(key)


class World:
    """Everything that outlives a process."""

    def __init__(self) -> None:
        self.now = T0
        self.behind_until = T0
        """Until when the process hears nothing of what changes; pods it sees."""
        self.server = ApiServer(lambda: self.now)
        self.kubernetes = Kubernetes(self.server, lambda: self.now)
        self.ledger = Ledger(self.kubernetes, lambda: self.now)
        self.outside = Outside(self.server, lambda: self.now)
        self.server.told.append(self.ledger.written)
        self.kubernetes.changed = self._pods_changed
        self.process: Process | None = None
        self.kills = 0
        self.doom: list[Planned] = []
        """What befalls the next processes, one each."""
        logging.disable()  # what is told at each kill would fill pages
        self._runner = asyncio.Runner()
        self._runner.get_loop().set_exception_handler(lambda loop, context: None)

    def close(self) -> None:
        self.stop()
        self._runner.close()
        logging.disable(logging.NOTSET)

    def start(self) -> None:
        """Start a process, if none runs."""
        if self.process is None:
            self.process = Process(self)
            self.run()

    def stop(self) -> None:
        """The process is gone, between two steps."""
        if self.process is not None:
            self.process.end()
            self.process = None
            self._runner.run(_cancel_the_rest())

    def run(self) -> None:
        """Let the process do what there is to do now; one that is killed is started again at once."""
        while self.process is not None:
            try:
                self._runner.run(self.process.run())
                return
            except Killed:
                self.kills += 1
                self.stop()
                self.process = Process(self)

    def advance(self, seconds: float) -> None:
        """Let time pass; whatever falls due meanwhile is done in its moment."""
        until = self.now + timedelta(seconds=seconds)
        self.run()
        while (moment := self.next_due()) is not None and moment <= until:
            self._go_to(moment)
        self.now = until
        self.run()

    def behind_for(self, seconds: float) -> None:
        """For so long the process hears nothing of what changes."""
        self.behind_until = self.now + timedelta(seconds=seconds)

    def next_due(self) -> datetime | None:
        if self.process is None:
            return None
        dues = list(self.process.due.values())
        if self.behind_until > self.now:
            dues.append(self.behind_until)
        return min(dues, default=None)

    def to_the_next_due(self) -> bool:
        """Whether there was one."""
        moment = self.next_due()
        if moment is None:
            return False
        self._go_to(moment)
        return True

    def _go_to(self, moment: datetime) -> None:
        # As the real clock: a due time in the past costs a turn too.
        self.now = max(self.now + timedelta(milliseconds=1), moment)
        assert self.process is not None
        for key in [k for k, d in self.process.due.items() if d <= self.now]:
            self.process.wake(key)
        self.run()

    def releases(self) -> list[Body]:
        return sorted(
            self.server.list("releases"),
            key=lambda b: (b["spec"]["number"], b["spec"].get("attempt") or 1),
        )

    def unfinished(self) -> list[Body]:
        return [
            r
            for r in self.releases()
            if r["metadata"].get("labels", {}).get(FINISHED_LABEL) != "true"
        ]

    def create(self, kind: str, plural: str, namespace: str, name: str, **more: Any) -> None:
        meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
        self.server.create(plural, {"kind": kind, "metadata": meta, **more})

    def _pods_changed(self, name: str) -> None:
        if self.process is not None:
            self.process.pods_changed(name)


async def _cancel_the_rest() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
