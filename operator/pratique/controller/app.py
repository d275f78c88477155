"""Wiring: everything is made here, started here and stopped here."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import kopf

from ..cluster.client import Cluster
from ..cluster.watching import Watches
from ..cluster.workloads import BY_PLURAL
from ..resources.kinds import WATCHED, kind_of
from ..telemetry.export import TraceExporter
from ..telemetry.logs import configure_logging
from ..telemetry.metrics import Metrics
from ..telemetry.server import Readiness, StatusServer
from . import retaining
from .acting import Actor, perform
from .analyses import Analyst
from .asking import Asker, Sources
from .budgets import BudgetKeeper
from .clock import Clock, Key
from .groups import GroupKeeper
from .handlers import operator_settings, registry
from .mending import mend
from .policies import PolicyWriter
from .probing import Prober
from .reconcile import Reconciler
from .retaining import Retainer
from .settings import Settings
from .store import Store
from .task_calls import TaskCalls

logger = logging.getLogger(__name__)

PLURALS = (
    "namespaces",
    *BY_PLURAL,
    *(kind_of(m).plural for m in WATCHED),
)
MEND_EVERY = timedelta(minutes=10)
"""How often everything is listed, since a watch may miss a deletion when it lists again."""
STUCK_AFTER = 60.0
"""Seconds without a turn of the clock after which the operator is no longer alive."""


class Operator:
    """One operator process, from ``run`` to the stop flag."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.metrics = Metrics()
        self.store = Store(settings.library_namespace)
        self.clock = Clock(
            self._handle,
            workers=settings.workers,
            on_lag=self.metrics.due_lag_seconds.observe,
            on_error=self.metrics.reconcile_errors.inc,
        )
        self.cluster = Cluster.connect(
            settings.kubeconfig,
            on_request=lambda verb, resource: self.metrics.api_requests.labels(
                verb=verb, resource=resource
            ).inc(),
        )
        self.watches = Watches(self.cluster, self.clock.wake)
        self.sources = Sources(
            self.cluster, lambda ns, name: self.store.providers.get((ns, name)), self.metrics
        )
        self.calls = TaskCalls(self.cluster)
        self.exporter = TraceExporter.from_environment(on_dropped=self.metrics.spans_dropped.inc)
        asker = Asker(self.sources)
        self.reconciler = Reconciler(
            store=self.store,
            cluster=self.cluster,
            watches=self.watches,
            asker=asker,
            metrics=self.metrics,
            exporter=self.exporter,
            actor=Actor(partial(perform, self.cluster, self.calls)),
            wake=self.clock.wake,
        )
        self._policies = PolicyWriter(
            store=self.store,
            cluster=self.cluster,
            beginner=self.reconciler.beginner,
            metrics=self.metrics,
        )
        self._groups = GroupKeeper(
            store=self.store,
            cluster=self.cluster,
            reconciler=self.reconciler,
            metrics=self.metrics,
            wake=self.clock.wake,
        )
        self._prober = Prober(
            store=self.store,
            cluster=self.cluster,
            sources=self.sources,
            metrics=self.metrics,
            wake=self.clock.wake,
        )
        self._budgets = BudgetKeeper(
            store=self.store, cluster=self.cluster, sources=self.sources, metrics=self.metrics
        )
        self._analyst = Analyst(
            store=self.store, cluster=self.cluster, asker=asker, metrics=self.metrics
        )
        self._retainer = Retainer(store=self.store, cluster=self.cluster, metrics=self.metrics)
        self._server = StatusServer(
            host=settings.host,
            port=settings.port,
            metrics=self.metrics,
            ready=self._ready,
            alive=self._alive,
        )
        self._watch_restarts = 0
        self._synced = False
        self._kopf_ready = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; raises where a part of it ended by itself."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            await self._server.start()
            await self._mend()
            self._synced = True
            await self._until(stop)
        finally:
            await self._close()

    async def _until(self, stop: asyncio.Event) -> None:
        # Kopf takes tasks made during its life for its own: ours are made before.
        clock = asyncio.create_task(self.clock.run(), name="clock")
        mending = asyncio.create_task(self._mend_for_ever(), name="mending")
        halt = asyncio.Event()
        watching = asyncio.create_task(
            kopf.operator(
                registry=registry(self.store, self.clock.wake),
                settings=operator_settings(),
                # Told, not guessed: Kopf asks for the user's name, and a container's may have none.
                identity=os.environ.get("POD_NAME") or socket.gethostname(),  # type: ignore[arg-type]
                clusterwide=True,
                standalone=True,
                ready_flag=self._kopf_ready,
                stop_flag=halt,
            ),
            name="kopf",
        )
        stopping = asyncio.create_task(stop.wait())
        parts = {clock, mending, watching}
        try:
            done, _ = await asyncio.wait({*parts, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for part in done & parts:
                part.result()
                if part is watching:
                    return  # Kopf takes the signals for its own once it runs, and ends by them
                raise RuntimeError(f"{part.get_name()} ended by itself")
        finally:
            halt.set()
            stopping.cancel()
            clock.cancel()
            mending.cancel()
            await asyncio.wait({*parts, stopping}, timeout=20)

    async def _handle(self, key: Key) -> datetime | None:
        restarts = self.watches.restarts
        self.metrics.watch_restarts.inc(max(0, restarts - self._watch_restarts))
        self._watch_restarts = restarts
        match key[1]:
            case "MetricsProvider":
                return await self._prober.step(key)
            case "ReleasePolicy":
                return await self._policies.step(key)
            case "ReleaseGroup":
                return await self._groups.step(key)
            case "ServiceLevelObjective" | "ServiceLevelAgreement":
                return await self._budgets.step(key)
            case "Analysis":
                return await self._analyst.step(key)
            case kind if kind.startswith(retaining.PREFIX):
                return await self._retainer.step(key)
            case _:
                return await self.reconciler.step(key)

    async def _mend(self) -> None:
        """List everything: the store is whole before anything is decided, and mended later."""
        for plural in PLURALS:
            async for key in mend(self.cluster, self.store, plural, watched=self._synced):
                self.clock.wake(key)

    async def _mend_for_ever(self) -> None:
        while True:
            await asyncio.sleep(MEND_EVERY.total_seconds())
            try:
                await self._mend()
            except Exception as error:
                logger.warning("listing everything failed: %s", error)

    def _alive(self) -> Readiness:
        age = time.monotonic() - self.clock.last_turn
        return Readiness(age < STUCK_AFTER, {"clock": f"turned {age:.1f} s ago"})

    def _ready(self) -> Readiness:
        facts = {
            "listed": str(self._synced),
            "watching": str(self._kopf_ready.is_set()),
            "queued": str(self.clock.depth),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return Readiness(self._synced and self._kopf_ready.is_set(), facts)

    async def _close(self) -> None:
        await self.watches.close()
        await self.sources.close()
        await self.calls.close()
        if self.exporter is not None:
            await self.exporter.close()
        await self.cluster.close()
        await self._server.stop()


def serve(settings: Settings) -> None:
    """Run the operator in this process until it is told to stop."""
    configure_logging(settings.log_format, settings.log_level)
    if settings.kubeconfig:
        # Kopf reads it from there; one place says which cluster.
        os.environ["KUBECONFIG"] = settings.kubeconfig

    async def run() -> None:
        await Operator(settings).run()

    asyncio.run(run())
