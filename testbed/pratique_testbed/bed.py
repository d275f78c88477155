"""The whole test bed as one object: control plane, nodes, Prometheus, simulator, Jaeger."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from pratique_testbed import credentials
from pratique_testbed.controlplane import ControlPlane
from pratique_testbed.errors import BedError
from pratique_testbed.jaeger import JaegerServer
from pratique_testbed.ports import free_port, give_back
from pratique_testbed.processes import Child, stop_all, wait_until
from pratique_testbed.prometheus import PrometheusServer, answers

_PACKAGES = Path(__file__).resolve().parents[1]


class Testbed:
    """A cluster and its monitoring on loopback; a context manager, or `start` and `stop`.

    `state` is the folder for data, keys and ``logs/``, emptied at the start; without one a
    temporary folder is used, and removed at the end unless a component crashed. With
    `simulator`, Prometheus scrapes every running pod that carries a ``sim.pratique.sh/…``
    annotation. `jaeger` adds a Jaeger. Several test beds may run at once.

    Raises MissingPart or BuildFailed when a program is not to be had, ComponentCrashed and
    NotReady when one does not start.
    """

    __test__ = False  # its name begins as a test class' does

    kubeconfig: Path
    api_url: str
    prometheus_url: str
    jaeger_query_url: str | None = None
    jaeger_otlp_url: str | None = None
    simulator_url: str
    state: Path

    def __init__(
        self,
        state: Path | None = None,
        *,
        scrape_interval: str = "1s",
        nodes: int = 3,
        simulator: bool = True,
        jaeger: bool = False,
    ) -> None:
        self._own_state = state is None
        self._given_state = state
        self._scrape_interval = scrape_interval
        self._nodes = nodes
        self._with_simulator = simulator
        self._with_jaeger = jaeger
        self._plane: ControlPlane | None = None
        self._prometheus: PrometheusServer | None = None
        self._jaeger: JaegerServer | None = None
        self._simulator_port: int | None = None
        self._children: dict[str, Child] = {}
        self._crashed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def children(self) -> Mapping[str, Child]:
        """The components by name, in starting order."""
        return dict(self._children)

    @property
    def kubectl_path(self) -> Path:
        """The kubectl in use, for those who run it themselves."""
        return self._running().kubectl

    @property
    def pods_job(self) -> dict[str, Any]:
        """The job by which a Prometheus scrapes the simulator's pods, also one of your own."""
        return {"job_name": "pods", "file_sd_configs": [{"files": [str(self._targets)]}]}

    @property
    def _targets(self) -> Path:
        return self.state / "targets" / "pods.json"

    def start(self) -> None:
        """Build what is missing, start everything, return when all of it is ready."""
        if self._children:
            raise BedError("this test bed was started already; stop() it first")
        try:
            self._start()
        except BaseException as error:
            self._crashed = isinstance(error, BedError)
            self.stop()
            raise

    def _start(self) -> None:
        self.state = self._empty_state()
        self._plane = plane = ControlPlane(self.state)
        self._children.update(plane.children)
        self.kubeconfig, self.api_url = plane.kubeconfig, plane.api_url
        self._simulator_port = free_port()
        self.simulator_url = f"http://127.0.0.1:{self._simulator_port}"
        targets = self._targets
        targets.parent.mkdir()
        self._prometheus = PrometheusServer(
            [self.pods_job] if self._with_simulator else [],
            scrape_interval=self._scrape_interval,
            scrape_itself=True,
            state=self.state / "prometheus",
        )
        self.prometheus_url = self._prometheus.url
        self._prometheus.start(wait=False)
        assert self._prometheus.child is not None
        self._children["prometheus"] = self._prometheus.child
        if self._with_jaeger:
            self._start_jaeger()
        plane.start()
        if self._with_simulator:
            self._children["simulator"] = Child(
                "simulator",
                [
                    *(sys.executable, "-m", "pratique_testbed.simulator"),
                    f"--kubeconfig={plane.kubeconfig}",
                    f"--port={self._simulator_port}",
                    f"--targets={targets}",
                ],
                self.state / "logs" / "simulator.log",
                environment={"PYTHONPATH": str(_PACKAGES)},
            )
            self._children["simulator"].start()
        self.apply(*(_node(number) for number in range(self._nodes)))
        for name in self._children:
            self._wait_for(name)
        if self._nodes:
            self.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=30s")
        # Without it pods are refused: it is how one sees that the controllers work.
        self.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        self.check()

    def _start_jaeger(self) -> None:
        self._jaeger = JaegerServer(state=self.state / "jaeger")
        self.jaeger_query_url = self._jaeger.query_url
        self.jaeger_otlp_url = self._jaeger.otlp_url
        self._jaeger.start(wait=False)
        assert self._jaeger.child is not None
        self._children["jaeger"] = self._jaeger.child

    def stop(self) -> None:
        """End everything. Nothing is asked politely: none of the data is needed again."""
        stop_all(list(self._children.values()))
        self._children.clear()
        if self._prometheus:
            self._prometheus.stop()
        if self._jaeger:
            self._jaeger.stop()
        if self._plane:
            self._plane.give_back()
        if self._simulator_port:
            give_back(self._simulator_port)
        self._plane = self._prometheus = self._jaeger = self._simulator_port = None
        if self._own_state and hasattr(self, "state"):
            if self._crashed:
                print(f"the test bed's logs are in {self.state / 'logs'}", file=sys.stderr)
            else:
                shutil.rmtree(self.state, ignore_errors=True)

    def check(self) -> None:
        """Raise ComponentCrashed if a component ended by itself."""
        for child in self._children.values():
            try:
                child.check()
            except BedError:
                self._crashed = True
                raise

    def kubectl(
        self, *args: str, input: str | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator. With `check`, BedError carries its words if it fails."""
        plane = self._running()
        # kubectl remembers what a server at an address serves; another bed may have had ours.
        environment = {**os.environ, "KUBECACHEDIR": str(self.state / "kubectl-cache")}
        done = subprocess.run(
            [plane.kubectl, f"--kubeconfig={self.kubeconfig}", *args],
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            check=False,
        )
        if check and done.returncode != 0:
            self.check()
            raise BedError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done

    def apply(self, *documents: dict[str, Any] | str | Path) -> None:
        """`kubectl apply`: dictionaries and YAML texts together, then each path (file or folder)."""
        texts = [
            d if isinstance(d, str) else yaml.safe_dump(d)
            for d in documents
            if not isinstance(d, Path)
        ]
        if texts:
            self.kubectl("apply", "-f", "-", input="\n---\n".join(texts))
        for path in documents:
            if isinstance(path, Path):
                self.kubectl("apply", "-f", str(path))

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a day's token of the service account: its rights and no others."""
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=24h").stdout
        return credentials.kubeconfig(
            self.state / "kubeconfigs" / f"{namespace}-{name}",
            server=self.api_url,
            ca=self._running().ca,
            token=token.strip(),
            namespace=namespace,
        )

    def kill(self, component: str) -> None:
        """SIGKILL a component; it stays away until `restart`."""
        self._child(component).stop(0)

    def restart(self, component: str) -> None:
        """End a component if it runs, start it on its old data and port, wait until ready."""
        child = self._child(component)
        child.stop()
        child.start()
        self._wait_for(component)

    def _running(self) -> ControlPlane:
        if self._plane is None:
            raise BedError("the test bed is not running: start() it first")
        return self._plane

    def _child(self, component: str) -> Child:
        try:
            return self._children[component]
        except KeyError:
            names = ", ".join(self._children)
            raise BedError(f"no component {component!r} here; there are: {names}") from None

    def _wait_for(self, component: str) -> None:
        if component == "prometheus" and self._prometheus:
            self._prometheus.wait()
        elif component == "jaeger" and self._jaeger:
            self._jaeger.wait()
        elif component in ("etcd", "kube-apiserver") and self._plane:
            self._plane.wait()
        elif component == "simulator":
            url = f"{self.simulator_url}/ready"
            wait_until(
                lambda: answers(url), what="the simulator", children=[self._children["simulator"]]
            )

    def _empty_state(self) -> Path:
        if self._given_state is None:
            return Path(tempfile.mkdtemp(prefix="pratique-testbed-"))
        state = self._given_state.resolve()
        state.mkdir(parents=True, exist_ok=True)
        for name in (
            "etcd",
            "prometheus",
            "certificates",
            "kubectl-cache",
            "kubeconfigs",
            "targets",
            "logs",
        ):
            shutil.rmtree(state / name, ignore_errors=True)
        return state


def _node(number: int) -> dict[str, Any]:
    name = f"node-{number}"
    room = {"cpu": "64", "memory": "256Gi", "pods": "500"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": f"zone-{number % 3}",
            },
        },
        "spec": {"podCIDR": f"10.{10 + number}.0.0/16"},  # KWOK's default has room for 254 pods
        "status": {"allocatable": room, "capacity": room},
    }
