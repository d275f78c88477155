"""The operator as a process beside the test bed, with its own ServiceAccount's rights and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from .bed import Testbed
from .ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def install(bed: Testbed) -> None:
    """CRDs and RBAC, as a user would apply them."""
    bed.apply(ROOT / "crds")
    bed.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    bed.apply(ROOT / "deploy" / "rbac.yaml")


class OperatorProcess:
    """``pratique run`` until the context ends; ``kill`` and ``start`` again for the tests of faults."""

    def __init__(self, bed: Testbed, *, environment: dict[str, str] | None = None) -> None:
        self._bed = bed
        self._environment = environment or {}
        self.port = free_port()
        self.log = bed.state / "logs" / f"pratique-{self.port}.log"
        self.kubeconfig = bed.service_account_kubeconfig("pratique-system", "pratique")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where /healthz, /readyz and /metrics are."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout: float = 30) -> None:
        """Start it and wait until it is ready."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "pratique",
                    "run",
                    "--host=127.0.0.1",
                    f"--port={self.port}",
                    "--log-format=text",
                ],
                env={**environment, "KUBECONFIG": str(self.kubeconfig), **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        limit = time.monotonic() + timeout
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > limit:
                tail = self.log.read_text()[-3000:]
                raise RuntimeError(f"the operator did not become ready; its log ends:\n{tail}")
            time.sleep(0.05)

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def metrics(self) -> str:
        """What /metrics says."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 25) -> None:
        """SIGTERM, and the time that Kubernetes gives."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
