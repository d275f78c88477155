"""etcd, the API server, the controllers, the scheduler and KWOK: their flags and their order.

RBAC is on and clients verify the server's certificate. Nothing is tuned away from what a cluster
does, except that nothing waits for a disk and nobody elects a leader.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path

from pratique_testbed import binaries, credentials, stages
from pratique_testbed.ports import free_port, give_back
from pratique_testbed.processes import Child, wait_until


class ControlPlane:
    """The control plane's children, made but not started; `start` starts them in order.

    Attributes: ``children`` by name, in starting order; ``api_url``; ``kubeconfig`` (the
    administrator's) and ``ca``, both there once started; ``kubectl``, the program.
    """

    def __init__(self, state: Path) -> None:
        programs = binaries.programs(binaries.CONTROLPLANE)
        self._ports = client, peer, secure = [free_port() for _ in range(3)]
        self.kubectl = programs["kubectl"]
        self.api_url = f"https://127.0.0.1:{secure}"
        self.kubeconfig = state / "kubeconfig"
        self.ca = state / "ca.crt"
        self._certificates = state / "certificates"
        self._token = credentials.token_file(state / "tokens.csv")
        key = credentials.signing_key(state / "sa.key")
        etcd, etcd_peer = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        commands: dict[str, list[str | Path]] = {
            "etcd": [
                programs["etcd"],
                f"--data-dir={state / 'etcd'}",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={etcd_peer}",
                f"--initial-advertise-peer-urls={etcd_peer}",
                f"--initial-cluster=default={etcd_peer}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            "kube-apiserver": [
                programs["kube-apiserver"],
                f"--etcd-servers={etcd}",
                f"--secure-port={secure}",
                "--bind-address=127.0.0.1",
                f"--cert-dir={self._certificates}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                f"--token-auth-file={state / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--endpoint-reconciler-type=none",
            ],
            "kube-controller-manager": [
                programs["kube-controller-manager"],
                f"--kubeconfig={self.kubeconfig}",
                f"--service-account-private-key-file={key}",
                f"--root-ca-file={self.ca}",
                "--use-service-account-credentials",
                "--leader-elect=false",
                "--secure-port=0",
                "--controllers=*,-nodeipam,-cloud-node-lifecycle,-node-route-controller",
            ],
            "kube-scheduler": [
                programs["kube-scheduler"],
                f"--kubeconfig={self.kubeconfig}",
                "--leader-elect=false",
                "--secure-port=0",
            ],
            "kwok": [
                programs["kwok"],
                f"--kubeconfig={self.kubeconfig}",
                "--manage-all-nodes=true",
                "--node-port=0",
                f"--config={stages.write(state / 'stages.yaml')}",
            ],
        }
        self.children = {
            name: Child(name, command, state / "logs" / f"{name}.log")
            for name, command in commands.items()
        }

    def start(self) -> None:
        """Start all; returns when the API server is ready. The others need no waiting for."""
        self.children["etcd"].start()
        self.children["kube-apiserver"].start()
        certificate = self._certificates / "apiserver.crt"
        key = self._certificates / "apiserver.key"
        both = [self.children["etcd"], self.children["kube-apiserver"]]
        wait_until(
            lambda: certificate.exists() and key.exists() and certificate.stat().st_size > 0,
            what="the API server's certificate",
            children=both,
        )
        credentials.authority(certificate, self.ca)
        credentials.kubeconfig(self.kubeconfig, server=self.api_url, ca=self.ca, token=self._token)
        self.wait()
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self.children[name].start()

    def wait(self) -> None:
        """Until the API server is ready."""
        context = ssl.create_default_context(cafile=str(self.ca))
        request = urllib.request.Request(
            f"{self.api_url}/readyz", headers={"Authorization": f"Bearer {self._token}"}
        )

        def ready() -> bool:
            try:
                with urllib.request.urlopen(request, timeout=5, context=context):
                    return True
            except (urllib.error.URLError, OSError):
                return False

        servers = [self.children["etcd"], self.children["kube-apiserver"]]
        wait_until(ready, what="kube-apiserver", children=[c for c in servers if c.pid is not None])

    def give_back(self) -> None:
        """Let others take the ports."""
        for port in self._ports:
            give_back(port)
