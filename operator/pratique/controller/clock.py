"""The only place that waits: a heap of due times and a queue of keys to look at.

A key is handled by one worker at a time; waking it meanwhile makes it run once more. An error puts it
off with a growing delay, never out.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

logger = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""(namespace, kind, name)."""

MAX_BACKOFF = 60.0


class Clock:
    """Calls ``handle(key)`` when the key is woken or due; the handler returns when it is due again."""

    def __init__(
        self,
        handle: Callable[[Key], Awaitable[datetime | None]],
        *,
        workers: int = 16,
        on_lag: Callable[[float], None] = lambda _: None,
        on_error: Callable[[], None] = lambda: None,
    ) -> None:
        self._handle = handle
        self._workers = workers
        self._on_lag = on_lag
        self._on_error = on_error
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()
        self.last_turn = time.monotonic()
        """When the waiting loop last turned: its age tells whether it lives."""

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        return self._queue.qsize()

    def wake(self, key: Key) -> None:
        """Look at the key as soon as a worker is free."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._queue.put_nowait(key)

    def schedule(self, key: Key, at: datetime | None) -> None:
        """Look at the key at that time; the last call for a key stands, None forgets it."""
        if at is None:
            self._due.pop(key, None)
            return
        moment = at.timestamp()
        if self._due.get(key) == moment:
            return  # it stands in the heap already
        self._due[key] = moment
        heapq.heappush(self._heap, (moment, key))
        if len(self._heap) > 2 * len(self._due) + 64:
            # What was put off leaves its old time behind; far ones would pile up for a day.
            self._heap = [(then, whose) for whose, then in self._due.items()]
            heapq.heapify(self._heap)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wait(), name="clock")
            for n in range(self._workers):
                tasks.create_task(self._work(), name=f"worker-{n}")

    async def _wait(self) -> None:
        while True:
            self.last_turn = time.monotonic()
            self._changed.clear()
            now = datetime.now(UTC).timestamp()
            while self._heap and self._heap[0][0] <= now:
                moment, key = heapq.heappop(self._heap)
                if self._due.get(key) == moment:
                    del self._due[key]
                    self._on_lag(now - moment)
                    self.wake(key)
            left = min(5.0, self._heap[0][0] - now) if self._heap else 5.0
            try:
                async with asyncio.timeout(max(left, 0.001)):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._queued.discard(key)
            self._running.add(key)
            try:
                due = await self._handle(key)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._put_off(key, error)
            else:
                self._failures.pop(key, None)
                self.schedule(key, due)
            finally:
                self._running.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    if key not in self._failures:
                        self.wake(key)

    def _put_off(self, key: Key, error: Exception) -> None:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        wait = min(MAX_BACKOFF, 0.5 * 2 ** min(count, 10)) * random.uniform(0.8, 1.2)  # noqa: S311
        self._on_error()
        logger.warning("%s %s/%s: %s; again in %.1f s", key[1], key[0], key[2], error, wait)
        logger.debug("where it came from", exc_info=error)
        self.schedule(key, datetime.fromtimestamp(datetime.now(UTC).timestamp() + wait, UTC))
