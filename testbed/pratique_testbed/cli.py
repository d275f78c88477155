"""The test bed's commands: build, up, status, kubectl, down."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from pratique_testbed import background, binaries
from pratique_testbed.errors import BedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code, 1 with a sentence on standard error where it failed."""
    given = _parser().parse_args(arguments)
    state: Path = given.state.resolve()
    try:
        if given.command == "build":
            return _build()
        if given.command == "up":
            return _up(state, given)
        if given.command == "status":
            return _status(state)
        if given.command == "kubectl":
            return _kubectl(state, given.arguments)
        if given.command == "down":
            print("down" if background.down(state) else "no test bed was up")
            return 0
        background.serve(
            state, jaeger=given.jaeger, nodes=given.nodes, scrape_interval=given.scrape_interval
        )
    except BedError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing is left running", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pratique_testbed",
        description="A real control plane, Prometheus and a workload simulator on loopback.",
    )
    parser.add_argument(
        "--state", type=Path, default=Path(".testbed"), help="folder for data and logs"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build what is missing, and start nothing")
    for name, words in (("up", "start in the background"), ("serve", "start in the foreground")):
        command = commands.add_parser(name, help=words)
        command.add_argument("--nodes", type=int, default=3)
        command.add_argument("--scrape-interval", default="1s", metavar="DURATION")
        command.add_argument("--jaeger", action="store_true", help="with a Jaeger for traces")
    commands.add_parser("status", help="what runs, and where")
    kubectl = commands.add_parser("kubectl", help="kubectl as the administrator")
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("down", help="end it")
    return parser


def _build() -> int:
    for module in (binaries.CONTROLPLANE, binaries.PROMETHEUS, binaries.JAEGER):
        for name, path in binaries.programs(module).items():
            print(f"{name:<24} {path}")
    binaries.kwok_stages()
    return 0


def _up(state: Path, given: argparse.Namespace) -> int:
    begun = time.monotonic()
    told = background.up(
        state, jaeger=given.jaeger, nodes=given.nodes, scrape_interval=given.scrape_interval
    )
    print(f"up in {time.monotonic() - begun:.1f} s")
    for name, url in told["urls"].items():
        print(f"  {name:<12} {url}")
    print(f"  {'kubeconfig':<12} {state / 'kubeconfig'}")
    return 0


def _status(state: Path) -> int:
    told = background.read(state)
    if not told["alive"]:
        print("no test bed is up: `make up`")
        return 1
    for name, pid in told["components"].items():
        print(f"{name:<24} {_how(pid, name in told['crashed'])}")
    for name, url in told["urls"].items():
        print(f"{name:<24} {url}")
    print(f"{'kubeconfig':<24} {state / 'kubeconfig'}")
    for words in told["crashed"].values():
        print(f"\n{words}", file=sys.stderr)
    return 1 if told["crashed"] or not told["ready"] else 0


def _how(pid: int, crashed: bool) -> str:
    if not crashed:
        try:
            memory = psutil.Process(pid).memory_info().rss
            return f"running, process {pid}, {memory / 2**20:.0f} MiB"
        except psutil.NoSuchProcess:
            pass
    return "crashed"


def _kubectl(state: Path, arguments: Sequence[str]) -> int:
    if not background.read(state)["ready"]:
        raise BedError("no test bed is up: `make up`")
    program = binaries.programs(binaries.CONTROLPLANE)["kubectl"]
    environment = {
        **os.environ,
        "KUBECONFIG": str(state / "kubeconfig"),
        "KUBECACHEDIR": str(state / "kubectl-cache"),
    }
    sys.stdout.flush()
    os.execve(program, ["kubectl", *arguments], environment)  # noqa: S606 (Ctrl-C is kubectl's)
