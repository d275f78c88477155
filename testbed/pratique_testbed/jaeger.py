"""A real Jaeger that keeps traces in memory: takes OTLP, and answers what it was told."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from pratique_testbed import binaries
from pratique_testbed.ports import free_port, give_back
from pratique_testbed.processes import Child, wait_until
from pratique_testbed.prometheus import answers


class JaegerServer:
    """A Jaeger on free ports; a context manager, or `start` and `stop`.

    `otlp_url` is for OTEL_EXPORTER_OTLP_ENDPOINT (http/protobuf), `query_url` for people and for
    `/api/traces?service=…`.
    """

    def __init__(self, *, state: Path | None = None) -> None:
        self._own_state = state is None
        self.state = state or Path(tempfile.mkdtemp(prefix="pratique-jaeger-"))
        self._ports = [free_port() for _ in range(7)]
        self.query_url = f"http://127.0.0.1:{self._ports[0]}"
        self.otlp_url = f"http://127.0.0.1:{self._ports[1]}"
        self._admin_url = f"http://127.0.0.1:{self._ports[3]}"
        self.child: Child | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, return when it answers."""
        program = binaries.programs(binaries.JAEGER)["all-in-one"]
        # Every listener is named: those left out would take Jaeger's usual ports on all addresses.
        listeners = [
            "query.http-server.host-port",
            "collector.otlp.http.host-port",
            "collector.otlp.grpc.host-port",
            "admin.http.host-port",
            "query.grpc-server.host-port",
            "collector.http-server.host-port",
            "collector.grpc-server.host-port",
        ]
        flags = [
            f"--{name}=127.0.0.1:{port}" for name, port in zip(listeners, self._ports, strict=True)
        ]
        folder = self.state if self._own_state else self.state.parent / "logs"
        self.child = Child(
            "jaeger",
            [program, "--collector.otlp.enabled=true", "--log-level=warn", *flags],
            folder / "jaeger.log",
            environment={"SPAN_STORAGE_TYPE": "memory"},
        )
        self.child.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it takes and answers."""
        assert self.child is not None
        wait_until(
            lambda: answers(self._admin_url) and answers(f"{self.query_url}/api/services"),
            what="jaeger",
            children=[self.child],
        )

    def stop(self) -> None:
        """End it; what it was told is gone."""
        if self.child:
            self.child.stop(0)
        if self._own_state:
            shutil.rmtree(self.state, ignore_errors=True)
        for port in self._ports:
            give_back(port)
