"""The test bed's programs: taken from this machine when new enough, else built once and cached.

Cached under ``$XDG_CACHE_HOME/pratique/testbed/<module>-<hash>/``, where the hash is over the
Go module's go.mod and go.sum and the build's flags, so a changed version never meets an old
binary. Nothing is written into the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pratique_testbed import golang
from pratique_testbed.errors import BedError
from pratique_testbed.golang import Say, version_of

MODULES = Path(__file__).resolve().parents[1] / "modules"


@dataclass(frozen=True)
class Tool:
    """One program: its name here, its Go package, and when one found elsewhere will do."""

    name: str
    package: str
    minimum: tuple[int, ...] | None = None  # None: never from PATH
    ask_version: tuple[str, ...] = ("--version",)
    in_assets: bool = False  # KUBEBUILDER_ASSETS carries it

    @property
    def built_name(self) -> str:
        """What `go build` calls it: the package's last part that is no major version."""
        return next(p for p in reversed(self.package.split("/")) if p != "v3")


@dataclass(frozen=True)
class Module:
    """One Go module of ``testbed/modules`` and what is built from it."""

    name: str
    flags: tuple[str, ...]
    tools: tuple[Tool, ...]

    @property
    def folder(self) -> Path:
        return MODULES / self.name

    def key(self) -> str:
        """Hash over go.mod, go.sum and flags: another version or flag, another folder."""
        digest = hashlib.sha256()
        for file in ("go.mod", "go.sum"):
            digest.update((self.folder / file).read_bytes())
        digest.update("\0".join(self.flags).encode())
        return digest.hexdigest()[:16]


_KUBERNETES = "1.36.3"
_VERSION = "k8s.io/component-base/version"
# MutatingAdmissionPolicy v1, which holds rollouts, came with 1.36.
_SERVER = (1, 36)

CONTROLPLANE = Module(
    "controlplane",
    (
        "-trimpath",
        "-ldflags",
        f"-s -w -X {_VERSION}.gitVersion=v{_KUBERNETES} "
        f"-X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36",
    ),
    (
        Tool("etcd", "go.etcd.io/etcd/server/v3", (3, 5), in_assets=True),
        Tool("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", _SERVER, in_assets=True),
        Tool("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", _SERVER),
        Tool("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", _SERVER),
        Tool(
            "kubectl",
            "k8s.io/kubernetes/cmd/kubectl",
            (1, 35),
            ("version", "--client"),
            in_assets=True,
        ),
        Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", (0, 8)),
    ),
)
PROMETHEUS = Module(
    "prometheus",
    (
        "-trimpath",
        "-tags",
        "netgo,remove_all_sd",
        "-ldflags",
        "-s -w -X github.com/prometheus/common/version.Version=3.16.0",
    ),
    (
        Tool("prometheus", "github.com/prometheus/prometheus/cmd/prometheus", (3, 0)),
        Tool("promtool", "github.com/prometheus/prometheus/cmd/promtool", (3, 0)),
    ),
)
JAEGER = Module(
    "jaeger",
    ("-trimpath", "-ldflags", "-s -w"),
    (Tool("all-in-one", "github.com/jaegertracing/jaeger/cmd/all-in-one"),),
)


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/pratique/testbed``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pratique" / "testbed"


def say_on_terminal(line: str) -> None:
    """Progress for a person: on standard error, so that outputs stay clean."""
    print(f"  {line}", file=sys.stderr, flush=True)


def programs(module: Module, say: Say = say_on_terminal) -> dict[str, Path]:
    """Path by name of each of the module's programs; what is missing is built now.

    The first build takes minutes, a later call milliseconds. Several processes may call it at
    once: one builds, the others wait for it. Raises MissingPart and BuildFailed.
    """
    found = {t.name: path for t in module.tools if (path := _elsewhere(t))}
    missing = [t for t in module.tools if t.name not in found]
    folder = cache_folder() / f"{module.name}-{module.key()}" / "bin"
    if not all((folder / t.name).exists() for t in missing):
        with _lock(module, say):
            to_build = [t for t in missing if not (folder / t.name).exists()]
            if to_build:
                _build(module, to_build, folder, say)
    return {t.name: found.get(t.name, folder / t.name) for t in module.tools}


def kwok_stages(say: Say = say_on_terminal) -> Path:
    """The folder ``kustomize/stage`` of the KWOK module, copied once into the cache."""
    folder = cache_folder() / f"{CONTROLPLANE.name}-{CONTROLPLANE.key()}" / "stage"
    if not folder.exists():
        with _lock(CONTROLPLANE, say):
            if not folder.exists():
                _copy_stages(folder, say)
    return folder


def _elsewhere(tool: Tool) -> Path | None:
    """The program as found on this machine, if new enough."""
    places: list[str | None] = []
    if tool.in_assets and (assets := os.environ.get("KUBEBUILDER_ASSETS")):
        places.append(shutil.which(tool.name, path=assets))
    if tool.minimum is not None:
        places.append(shutil.which(tool.name))
    for place in places:
        if place and tool.minimum and _version(place, tool.ask_version) >= tool.minimum:
            return Path(place)
    return None


def _version(program: str, ask: Sequence[str]) -> tuple[int, ...]:
    try:
        told = subprocess.run(
            [program, *ask], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return version_of((told.stdout or told.stderr).partition("\n")[0])


def _build(module: Module, tools: Sequence[Tool], folder: Path, say: Say) -> None:
    go = golang.find(cache_folder(), say)
    say(f"building {', '.join(t.name for t in tools)} (the first time takes minutes)")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as made:
        golang.build(
            go,
            module.folder,
            [t.package for t in tools],
            Path(made),
            flags=module.flags,
            say=say,
        )
        for tool in tools:  # a rename is atomic: there is never half a binary
            (Path(made) / tool.built_name).rename(folder / tool.name)


def _copy_stages(folder: Path, say: Say) -> None:
    go = golang.find(cache_folder(), say)
    kwok = "sigs.k8s.io/kwok"
    go.run("mod", "download", kwok, folder=CONTROLPLANE.folder)
    source = Path(go.run("list", "-m", "-f", "{{.Dir}}", kwok, folder=CONTROLPLANE.folder).strip())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        copied = Path(made) / "stage"
        # Go's module cache is read-only, and a read-only copy could not be cleaned up.
        for file in (source / "kustomize" / "stage").rglob("*.yaml"):
            target = copied / file.relative_to(source / "kustomize" / "stage")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
        copied.rename(folder)


@contextmanager
def _lock(module: Module, say: Say) -> Iterator[None]:
    """Only one process builds a module; the others wait and then find what it built."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        file = (cache / f"{module.name}.lock").open("w")
    except OSError as error:
        raise BedError(
            f"the cache {cache} cannot be written ({error.strerror}): "
            "set XDG_CACHE_HOME to a folder of your own"
        ) from error
    with file:
        said = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    say(f"another process builds {module.name}; waiting for it")
                    said = True
                time.sleep(0.2)
        yield
