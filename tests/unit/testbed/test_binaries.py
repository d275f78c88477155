"""Where programs come from: this machine when new enough, else one build for all who wait."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pratique_testbed import binaries, golang
from pratique_testbed.binaries import CONTROLPLANE, PROMETHEUS, Module
from pratique_testbed.errors import BuildFailed, MissingPart
from pratique_testbed.golang import Go, Say


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a machine with nothing installed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


class Builds:
    """Stands in for the Go compiler, which takes minutes: writes a file for each package."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fail = False

    def __call__(
        self,
        go: Go,
        module: Path,
        packages: Sequence[str],
        output: Path,
        *,
        flags: Sequence[str],
        say: Say,
    ) -> None:
        self.asked.append(list(packages))
        for package in packages:
            name = package.removesuffix("/v3").rpartition("/")[2]
            (output / name).write_text("built")
        if self.fail:
            raise BuildFailed("no space left")


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    made = Builds()
    monkeypatch.setattr(golang, "find", lambda cache, say: Go(Path("go")))
    monkeypatch.setattr(golang, "build", made)
    return made


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def quiet(line: str) -> None:
    pass


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_another_version_is_another_folder(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("go.mod", "go.sum"):
        target = tmp_path / "modules" / "prometheus" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROMETHEUS.folder / name, target)
    before = PROMETHEUS.key()
    monkeypatch.setattr(binaries, "MODULES", tmp_path / "modules")
    assert PROMETHEUS.key() == before, "where the checkout lies does not matter"
    with (PROMETHEUS.folder / file).open("a") as edited:
        edited.write("\n// newer\n")
    assert PROMETHEUS.key() != before


def test_other_flags_are_another_folder() -> None:
    assert replace(PROMETHEUS, flags=("-trimpath",)).key() != PROMETHEUS.key()


@pytest.mark.parametrize(
    "module", [CONTROLPLANE, PROMETHEUS, binaries.JAEGER], ids=lambda m: m.name
)
def test_each_tool_is_one_of_its_modules_tools(module: Module) -> None:
    text = (module.folder / "go.mod").read_text()
    for tool in module.tools:
        assert f"\t{tool.package}\n" in text or f"tool {tool.package}\n" in text


def test_versions_in_flags_are_the_modules() -> None:
    text = (CONTROLPLANE.folder / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{binaries._KUBERNETES} " in text
    text = (PROMETHEUS.folder / "go.mod").read_text()
    # Prometheus 3.16.0 is v0.316.0 as a Go module.
    assert "github.com/prometheus/prometheus v0.316.0" in text
    assert any("version.Version=3.16.0" in flag for flag in PROMETHEUS.flags)


def test_built_once_and_then_found(builds: Builds, tmp_path: Path) -> None:
    first = binaries.programs(CONTROLPLANE, quiet)
    assert first == binaries.programs(CONTROLPLANE, quiet)
    assert len(builds.asked) == 1
    assert set(first) == {t.name for t in CONTROLPLANE.tools}
    for name, path in first.items():
        assert path.name == name
        assert path.read_text() == "built"
        assert path.is_relative_to(tmp_path / "cache" / "pratique" / "testbed")


def test_a_failed_build_leaves_nothing_that_looks_built(builds: Builds) -> None:
    builds.fail = True
    with pytest.raises(BuildFailed):
        binaries.programs(PROMETHEUS, quiet)
    assert [p for p in binaries.cache_folder().rglob("*") if p.is_file()] == [
        binaries.cache_folder() / "prometheus.lock"
    ]
    builds.fail = False
    assert binaries.programs(PROMETHEUS, quiet)["promtool"].exists()


def test_of_two_at_once_one_builds_and_the_other_waits(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    building, go_on, told = threading.Event(), threading.Event(), threading.Event()

    def slowly(*args: object, **options: object) -> None:
        building.set()
        assert go_on.wait(10)
        builds(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(golang, "build", slowly)
    results: list[dict[str, Path]] = []

    def ask(say: Say) -> None:
        results.append(binaries.programs(PROMETHEUS, say))

    first = threading.Thread(target=ask, args=(quiet,))
    first.start()
    assert building.wait(10)
    second = threading.Thread(target=ask, args=(lambda line: told.set(),))
    second.start()
    assert told.wait(10), "the second says that it waits"
    go_on.set()
    first.join(10)
    second.join(10)
    assert len(builds.asked) == 1
    assert results[0] == results[1]


def test_new_enough_programs_of_this_machine_are_used(
    builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = program(tmp_path / "assets", "kube-apiserver", "Kubernetes v1.37.0")
    etcd = program(tmp_path / "assets", "etcd", "etcd Version: 3.6.1")
    old = program(tmp_path / "assets", "kubectl", "Client Version: v1.29.0")
    kwok = program(tmp_path / "path", "kwok", "kwok version v0.8.1 go1.26 (linux/amd64)")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    found = binaries.programs(CONTROLPLANE, quiet)
    assert (found["kube-apiserver"], found["etcd"], found["kwok"]) == (server, etcd, kwok)
    assert found["kubectl"] != old
    assert builds.asked == [
        [
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kubectl",
        ]
    ], "only what is missing is built"


@pytest.mark.parametrize("says", ["prometheus, version 2.42.0+ds (branch: x)", "", "hello"])
def test_an_old_or_unknown_prometheus_is_not_used(
    says: str, builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = program(tmp_path / "path", "prometheus", says)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert binaries.programs(PROMETHEUS, quiet)["prometheus"] != old


def test_an_unwritable_cache_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    with pytest.raises(binaries.BedError, match="set XDG_CACHE_HOME"):
        binaries.programs(PROMETHEUS, quiet)


def test_without_go_and_without_an_installer_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(golang.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPart, match="install it so that `go` is on PATH"):
        binaries.programs(PROMETHEUS, quiet)


def test_an_old_go_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "path", "go", "go version go1.22.1 linux/amd64")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    installed = program(
        tmp_path / "cache" / "go" / "go" / "bin", "go", "go version go1.27.3 linux/amd64"
    )
    assert golang.find(tmp_path / "cache", quiet).program == installed


def test_the_command_line_tells_where_it_failed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pratique_testbed", "--state=/nowhere", "kubectl", "get", "pods"],
        env={"PYTHONPATH": str(binaries.MODULES.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "no test bed is up: `make up`\n"
