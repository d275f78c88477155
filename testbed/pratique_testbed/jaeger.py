"""A real Jaeger (all-in-one, in memory) on free loopback ports: takes OTLP, answers queries.

Not here: anything else of the test bed; a test of traces alone needs no cluster.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
START = 20.0
"""Seconds until it must answer."""
LISTENERS = (
    "collector.otlp.http",
    "query.http-server",
    "admin.http",
    "collector.otlp.grpc",
    "collector.grpc-server",
    "collector.http-server",
    "query.grpc-server",
)
"""All that it opens; each gets a port of its own, so that several run side by side."""
MODULE = Path(__file__).parents[1] / "modules" / "jaeger"
"""The Go module (go.mod, go.sum) that pins it."""


class JaegerServer:
    """Runs while it is entered; raises RuntimeError with its log's end where it does not start."""

    otlp_url: str
    """Where spans go: the value of OTEL_EXPORTER_OTLP_ENDPOINT."""
    query_url: str
    """Where they are read back, beneath /api."""

    def __init__(self, binary: Path | None = None) -> None:
        self._binary = binary

    def __enter__(self) -> Self:
        binary = self._binary or build()
        ports = dict(zip(LISTENERS, _free_ports(len(LISTENERS)), strict=True))
        self.otlp_url = f"http://{HOST}:{ports['collector.otlp.http']}"
        self.query_url = f"http://{HOST}:{ports['query.http-server']}"
        self._admin = f"http://{HOST}:{ports['admin.http']}/"
        self._log = tempfile.TemporaryFile()
        listen = [f"--{name}.host-port={HOST}:{port}" for name, port in ports.items()]
        self._process = subprocess.Popen(
            [binary, "--collector.otlp.enabled=true", "--log-level=warn", *listen],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours: we end it
        )
        try:
            self._await()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _await(self) -> None:
        limit = time.monotonic() + START
        while not _answers(self._admin):
            if self._process.poll() is not None or time.monotonic() > limit:
                self._log.seek(0)
                tail = self._log.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"jaeger did not start; the end of its log:\n{tail}")
            time.sleep(0.05)

    def _end(self) -> None:
        self._process.kill()  # it keeps nothing, and would wait for open connections
        self._process.wait()
        self._log.close()


def build() -> Path:
    """Its binary: from the user's cache, else built once by Go (about two minutes)."""
    if not (MODULE / "go.sum").exists():
        raise RuntimeError(f"{MODULE} has no go.mod and go.sum: they pin the jaeger to build")
    key = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "pratique-testbed" / f"jaeger-{key.hexdigest()[:16]}"
    binary = folder / "all-in-one"
    if not binary.exists():
        go = shutil.which("go")
        if go is None:
            raise RuntimeError("jaeger is built by Go, and there is none: install Go 1.26 or newer")
        print("building jaeger (once, about two minutes) …", file=sys.stderr, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            subprocess.run(
                [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{fresh}/", "tool"],
                cwd=MODULE,
                env={**os.environ, "CGO_ENABLED": "0"},
                check=True,
            )
            folder.mkdir(exist_ok=True)
            Path(fresh, binary.name).replace(binary)  # whole or not at all
    return binary


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_ports(count: int) -> list[int]:
    """Ports that were free at once a moment ago."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [s.getsockname()[1] for s in held]
    finally:
        for s in held:
            s.close()
