"""The workload simulator: one process that Prometheus scrapes and that speaks for every pod.

Each running pod with a ``sim.pratique.sh/…`` annotation is a scrape target of its own,
``/metrics/<namespace>/<pod>``, labelled namespace, pod, container and instance as an operator's
PodMonitor would. So a rollout really changes the series, each pod has its own ``up``, and a pod
that goes takes its series away. A pod gets traffic while it is Ready; a container that restarts
begins its counters again; one that waits, or is ``silent``, does not answer the scrape.

Targets are handed over in a file (file_sd) and not by HTTP: Prometheus slows down a source that
speaks on every poll, and passes on a changed file at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pratique_testbed import pods
from pratique_testbed.pods import Pod
from pratique_testbed.traffic import Behaviour, Traffic, behaviour

log = logging.getLogger("simulator")

Key = tuple[str, str]  # namespace, pod


@dataclass
class Speaker:
    """What is known of one pod, and its traffic."""

    uid: str
    container: str
    address: str
    restarts: int
    up: bool  # its container runs: the scrape is answered
    ready: bool  # it gets traffic
    traffic: Traffic


class World:
    """All pods that speak. Fed by the API server's events, read by scrapes."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.speakers: dict[Key, Speaker] = {}
        self.listed = False
        self._changed = changed
        self._complained: set[str] = set()

    def replace(self, every: Sequence[Pod]) -> None:
        """All pods there are: those not among them are gone."""
        keys = {_key(pod) for pod in every}
        for gone in self.speakers.keys() - keys:
            del self.speakers[gone]
        for pod in every:
            self.apply("MODIFIED", pod)
        self.listed = True
        self._changed.set()

    def apply(self, event: str, pod: Pod) -> None:
        """One pod came, changed or went."""
        key, now = _key(pod), time.monotonic()
        how = self._behaviour(pod)
        old = self.speakers.get(key)
        if event == "DELETED" or how is None or pod["status"].get("phase") != "Running":
            if self.speakers.pop(key, None):
                self._changed.set()
            return
        new = _speaker(pod, how, now)
        if old is None or old.uid != new.uid:
            self.speakers[key] = new
            self._changed.set()
            return
        if old.restarts == new.restarts:
            new.traffic = old.traffic
            new.traffic.advance(now, serving=old.ready)
            if how != new.traffic.behaviour:
                new.traffic.behave(how, now, serving=False)
        if old.address != new.address:
            self._changed.set()
        self.speakers[key] = new

    def _behaviour(self, pod: Pod) -> Behaviour | None:
        try:
            return behaviour(pod["metadata"].get("annotations") or {})
        except ValueError as error:
            uid = pod["metadata"]["uid"]
            if uid not in self._complained:
                self._complained.add(uid)
                log.error("pod %s/%s does not speak: %s", *_key(pod), error)
            return None

    def targets(self) -> str:
        """file_sd: one group for each pod; the address is filled in by the caller's own."""
        groups = [
            {
                "targets": ["{address}"],
                "labels": {
                    "__metrics_path__": f"/metrics/{namespace}/{pod}",
                    "namespace": namespace,
                    "pod": pod,
                    "container": speaker.container,
                    "instance": f"{speaker.address}:8080",
                },
            }
            for (namespace, pod), speaker in sorted(self.speakers.items())
        ]
        return json.dumps(groups)

    def scrape(self, key: Key) -> str | None:
        """What the pod says now; None if it does not answer."""
        speaker = self.speakers.get(key)
        if speaker is None or not speaker.up or speaker.traffic.behaviour.silent:
            return None
        speaker.traffic.advance(time.monotonic(), serving=speaker.ready)
        return speaker.traffic.exposition()


def _key(pod: Pod) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _speaker(pod: Pod, how: Behaviour, now: float) -> Speaker:
    status, uid = pod["status"], pod["metadata"]["uid"]
    containers = status.get("containerStatuses") or []
    restarts = sum(c.get("restartCount", 0) for c in containers)
    conditions = status.get("conditions") or []
    return Speaker(
        uid=uid,
        container=pod["spec"]["containers"][0]["name"],
        address=status.get("podIP", ""),
        restarts=restarts,
        up=bool(containers) and all("running" in (c.get("state") or {}) for c in containers),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
        traffic=Traffic(how, f"{uid}/{restarts}", now),
    )


async def _answer(world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, kept open: Prometheus has one for each target."""
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            parts = head.split(b" ", 2)[1].decode(errors="replace").split("/")
            body: str | None = None
            if parts[1] == "metrics" and len(parts) == 4:
                body = world.scrape((parts[2], parts[3]))
            elif parts[1] == "ready":
                body = "ready\n" if world.listed else None
            text = (body or "").encode()
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                b"Content-Length: %d\r\n\r\n%s"
                % (b"503 Service Unavailable" if body is None else b"200 OK", len(text), text)
            )
            await writer.drain()
    writer.close()


async def _write_targets(world: World, changed: asyncio.Event, path: Path, address: str) -> None:
    written = ""
    while True:
        text = world.targets().replace("{address}", address)
        if text != written:
            new = path.with_name(f".{path.name}")
            new.write_text(text)
            os.replace(new, path)  # Prometheus never sees half a file
            written = text
        await changed.wait()
        changed.clear()
        await asyncio.sleep(0.05)  # pods come in bursts


async def simulate(kubeconfig: Path, port: int, targets: Path) -> None:
    """Follow the pods and answer scrapes until cancelled."""
    changed, loop = asyncio.Event(), asyncio.get_running_loop()
    world = World(changed)
    pods.follow(
        kubeconfig,
        lambda every: _in(loop, world.replace, every),
        lambda event, pod: _in(loop, world.apply, event, pod),
    )
    server = await asyncio.start_server(lambda r, w: _answer(world, r, w), "127.0.0.1", port)
    async with server:
        await _write_targets(world, changed, targets, f"127.0.0.1:{port}")


def _in(loop: asyncio.AbstractEventLoop, call: object, *arguments: object) -> None:
    loop.call_soon_threadsafe(call, *arguments)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pratique_testbed.simulator")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--targets", type=Path, required=True, help="file_sd file to write")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(simulate(given.kubeconfig, given.port, given.targets))


if __name__ == "__main__":
    main()
