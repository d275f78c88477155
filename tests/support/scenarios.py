"""Scenarios: plays that run side by side, each in a namespace of its own; tests read what became of each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pratique_testbed.bed import Testbed

from .documents import provider, wait

Play = Callable[[Testbed, str], Any]
Played = Callable[[Play], Any]
"""What became of a play; waits for its end, and raises what it raised."""


class Scenarios:
    """A module's plays: made by decorating them, played by its fixture of module scope."""

    def __init__(self) -> None:
        self._plays: dict[str, Play] = {}

    def __call__(self, play: Play) -> Play:
        self._plays[play.__name__] = play
        return play

    @contextmanager
    def played(
        self,
        bed: Testbed,
        *,
        at_once: int = 4,
        first: Play | None = None,
        timeout: float = 400,
        **provided: Any,
    ) -> Iterator[Played]:
        """Begin them all, so many at once, with a provider in each namespace whose rhythm is known.

        ``first`` is the longest, which begins first; ``provided`` is more of the provider's spec. The
        namespaces are deleted at the end: what still runs in them would be followed by whichever
        operator comes next.
        """
        run = uuid.uuid4().hex[:6]
        names = {name: f"{name.replace('_', '-')[:40]}-{run}" for name in self._plays}
        bed.apply(
            *(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                for namespace in names.values()
            ),
            *(provider(ns, bed.prometheus_url, **provided) for ns in names.values()),
        )
        for namespace in names.values():
            wait(
                bed, "mp", namespace, "default",
                lambda p: "scrapeInterval" in p.get("status", {}), timeout=90,
            )  # fmt: skip
        order = sorted(self._plays, key=lambda name: first is None or name != first.__name__)
        with ThreadPoolExecutor(at_once) as pool:
            futures: dict[str, Future[Any]] = {
                name: pool.submit(self._plays[name], bed, names[name]) for name in order
            }
            yield lambda play: futures[play.__name__].result(timeout=timeout)
        bed.kubectl("delete", "namespace", *names.values(), "--ignore-not-found", "--timeout=90s")
