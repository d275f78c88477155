"""A real Prometheus: alone for tests of queries, or as a part of the test bed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from pratique_testbed import binaries
from pratique_testbed.errors import BedError
from pratique_testbed.ports import free_port, give_back
from pratique_testbed.processes import Child, wait_until


def answers(url: str) -> bool:
    """Whether an HTTP GET of the URL is answered with a 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


class PrometheusServer:
    """A Prometheus on a free port; a context manager, or `start` and `stop`.

    `scrape_targets`: each "host:port" or "host:port/path" (a job of its own), or a mapping, taken
    as a whole entry of scrape_configs. `scrape_itself`: as most installations do. `blocks_from_openmetrics`: a file, or the text itself, in
    the OpenMetrics format with timestamps, written as blocks before the start (history).
    `extra_flags` go to Prometheus as they are. `state` keeps the data; without it a temporary
    folder is used and removed.
    """

    def __init__(
        self,
        scrape_targets: Sequence[str | Mapping[str, Any]] = (),
        *,
        scrape_interval: str = "1s",
        scrape_itself: bool = False,
        blocks_from_openmetrics: Path | str | None = None,
        extra_flags: Sequence[str] = (),
        state: Path | None = None,
    ) -> None:
        self._targets = list(scrape_targets)
        self._interval = scrape_interval
        self._history = blocks_from_openmetrics
        self._extra = list(extra_flags)
        self._own_state = state is None
        self._itself = scrape_itself
        self.state = state or Path(tempfile.mkdtemp(prefix="pratique-prometheus-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
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
        """Start it; with `wait`, return when it answers queries."""
        programs = binaries.programs(binaries.PROMETHEUS)
        self.state.mkdir(parents=True, exist_ok=True)
        config = self.state / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config(), sort_keys=False))
        data = self.state / "data"
        if self._history is not None:
            self._write_history(programs["promtool"], data)
        self.child = Child(
            "prometheus",
            [
                programs["prometheus"],
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=10y",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-lifecycle",
                # By default a new pod waits up to 5 s here before it is scraped.
                "--scrape.discovery-reload-interval=100ms",
                "--log.level=warn",
                *self._extra,
            ],
            self.state.parent / "logs" / "prometheus.log"
            if not self._own_state
            else self.state / "prometheus.log",
        )
        self.child.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it answers queries."""
        assert self.child is not None
        wait_until(lambda: answers(f"{self.url}/-/ready"), what="prometheus", children=[self.child])

    def stop(self) -> None:
        """End it; a temporary state is removed, the port given back."""
        if self.child:
            self.child.stop(0)
        if self._own_state:
            shutil.rmtree(self.state, ignore_errors=True)
        give_back(self.port)

    def _config(self) -> dict[str, Any]:
        jobs = [_job(number, target) for number, target in enumerate(self._targets)]
        if self._itself:
            itself = [{"targets": [f"127.0.0.1:{self.port}"]}]
            jobs.append({"job_name": "prometheus", "static_configs": itself})
        return {
            "global": {
                "scrape_interval": self._interval,
                "scrape_timeout": self._interval,
                "evaluation_interval": self._interval,
            },
            "scrape_configs": jobs,
        }

    def _write_history(self, promtool: Path, data: Path) -> None:
        history = self._history
        if isinstance(history, str):
            source = self.state / "history.om"
            source.write_text(history)
        else:
            assert history is not None
            source = history
        done = subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", str(source), str(data)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BedError(f"promtool took no history from {source}: {done.stderr.strip()}")
        self._history = None  # a restart must not write it twice


def _job(number: int, target: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(target, str):
        return dict(target)
    address, slash, path = target.partition("/")
    return {
        "job_name": f"job-{number}",
        "metrics_path": f"/{path}" if slash else "/metrics",
        "static_configs": [{"targets": [address]}],
    }
