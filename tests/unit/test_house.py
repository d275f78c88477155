"""What holds for the house as a whole: its folders, its pins, its image, and what its papers promise."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from pratique.judge import verdicts
from pratique.judge.samples import MissingReason
from pratique.lifecycle import causes
from pratique.resources.judgement import Verdict
from pratique.resources.release import Phase

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "pratique"
REASONS = ROOT / "docs" / "reference" / "reasons.md"
CAUSES = ROOT / "docs" / "reference" / "causes.md"


def tracked() -> list[Path]:
    """The files of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_operator_is_no_package_since_it_would_shadow_the_standard_librarys_operator() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_python_finds_its_own_operator_from_the_repositorys_root() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import operator; print(operator.__file__)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not Path(done.stdout.strip()).is_relative_to(ROOT / "operator")


def test_pip_runs_from_the_repositorys_root(tmp_path: Path) -> None:
    def pip(python: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command = [python, "-m", "pip", "--version"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    # Not every environment holds pip: one that has it elsewhere must have it here.
    pythons = (sys.executable, sys._base_executable)  # type: ignore[attr-defined]
    having = [python for python in pythons if pip(python, tmp_path).returncode == 0]
    assert having, f"none of {pythons} has pip: make the environment with make venv"
    done = pip(having[0], ROOT)
    assert done.returncode == 0, done.stderr


def test_no_file_names_where_packages_are_downloaded() -> None:
    # Put together here, so that this file does not name them either.
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("proxy", "golang", "org"),
            ("registry", "npmjs", "org"),
        )
    ]
    files = tracked()
    assert len(files) > 100
    for path in files:
        text = path.read_text(errors="ignore")
        assert not [h for h in hosts if h in text], path


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "build.txt"])
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    pins = re.findall(r"^[a-z0-9][^\s=]*==[^\s]+.*\\\n +--hash=", text, re.MULTILINE)
    assert pins
    entries = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line, re.IGNORECASE)]
    assert len(entries) == len(pins), "a line without ==, or without hashes after it"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda p: p.name
)
def test_the_pins_name_no_address(path: Path) -> None:
    lines = [line.split("#")[0] for line in path.read_text().splitlines()]
    options = [x for x in lines if re.match(r"\s*(-i\b|-f\b|--(extra-)?index|--find|--trusted)", x)]
    assert not options
    assert not [x for x in lines if "://" in x or " @ " in x]


def test_the_image_installs_what_the_tests_run_on() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text()
        return dict(re.findall(r"^([a-z0-9][^\s=]*)==([^\s;]+)", text, re.MULTILINE))

    tested = pins("dev.txt")
    assert {n: tested.get(n) for n in pins("runtime.txt")} == pins("runtime.txt")


def test_kopf_starts_with_the_images_environment_as_a_user_without_a_name() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "USER 65532:65532" in dockerfile
    final = dockerfile.rsplit("\nFROM ", 1)[1]
    environment = dict(
        word.split("=", 1)
        for line in re.findall(r"^ENV (.+)$", final, re.MULTILINE)
        for word in line.split()
    )
    # As under a user id that no passwd file knows, which is what the image has.
    asked = """
import pwd
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
from kopf._core.engines.peering import detect_own_id
print(detect_own_id(manual=True))
"""
    names = {k: v for k, v in environment.items() if k != "PATH"}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=names, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def layers() -> tuple[list[str], set[str]]:
    """The layers' contract as (names, the packages that are there), both without "pratique."."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(c for c in tool["contracts"] if c["type"] == "layers")
    named = [
        part.strip().removeprefix("pratique.")
        for row in contract["layers"]
        for part in row.split("|")
    ]
    there = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return named, there


def test_every_layer_of_the_contract_exists_and_every_package_is_in_a_layer() -> None:
    named, there = layers()
    assert len(named) == len(set(named))
    assert set(named) == there


def _words(node: ast.expr | None) -> Iterator[str]:
    """The words that an expression may be: both of ``a if c else b``."""
    match node:
        case ast.Constant(value=str(word)):
            yield word
        case ast.IfExp(body=one, orelse=other):
            yield from (*_words(one), *_words(other))
        case ast.Tuple(elts=[first, *_]):
            yield from _words(first)


_TRUTHS = {"True", "False", "Unknown"}
_POSITIONS = {"Missing": 0, "found": 1, "ProbeResult": 1, "Ranked": 1, "Announcement": 2}
"""Which argument is the reason, of calls that do not name it."""


def _reasons_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="reason", value=value):
                yield from _words(value)
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in _POSITIONS:
                yield from _words(dict(enumerate(arguments)).get(_POSITIONS[name]))
            case ast.Tuple(elts=elements):
                # (type, status, reason, message), or without its type
                for status, reason in pairwise(elements):
                    if set(_words(status)) & {*_TRUTHS, *get_args(Verdict)}:
                        yield from _words(reason)
            case ast.Return(value=ast.Tuple(elts=[first, _])):
                yield from _words(first)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for name, value in zip(names, values, strict=False):
                    if isinstance(name, ast.Name) and name.id == "reason":
                        yield from _words(value)
            case ast.Assign(targets=[ast.Name(id="reason")], value=value):
                yield from _words(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in (
                "PENDING",
                "ROLLOUT_FAILED",
            ):
                yield from _words(value)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if "reason" in _words(key):
                        yield from _words(value)


def reasons() -> set[str]:
    """Every reason of a condition, an objective's result or an Event that the code can give."""
    found = {*get_args(MissingReason), *verdicts.ORDER, *causes.ORDER}
    found |= set(get_args(Phase)) - {"Completed"}
    for folder in ("judge", "lifecycle", "sources", "controller"):
        for path in sorted((PACKAGE / folder).glob("*.py")):
            found |= set(_reasons_in(ast.parse(path.read_text())))
    words = {word for word in found if re.fullmatch(r"[A-Z][a-z]*(?:[A-Z]+[a-z]*)*", word)}
    return words - _TRUTHS - {"NotJudged", *get_args(Verdict)}


def explained() -> set[str]:
    """The first column of the reference's tables, and the second of those that begin with a condition."""
    words: set[str] = set()
    for line in (REASONS.read_text() + CAUSES.read_text()).splitlines():
        if line.startswith("| `"):
            columns = line.split("|")[1:3]
            words |= {w for c in columns for w in re.findall(r"`([A-Z][A-Za-z]+)`", c)}
    return words


def test_every_reason_is_explained() -> None:
    found = reasons()
    # One of each way of saying it in the code, so that a blind spot here is seen.
    assert found >= {
        "AllObjectivesMet", "ObjectiveFailed", "RolloutFailed", "ScaledToZero", "RollingOut",
        "WarmingUp", "Adopted", "Processed", "NewerRelease", "PartialWindow", "InsufficientTraffic",
        "WithinBounds", "ChangeOutOfBounds", "ThresholdBetweenBuckets", "NoData", "ImageMissing",
        "Superseded", "Reachable", "ClockSkew", "SecretUnreadable", "InProgress", "AllPromotable",
        "NoWorkload", "AnotherPolicy", "Unresolved", "Invalid", "Noticed", "RolledOut", "Measured",
    }  # fmt: skip
    assert not found - explained(), f"explain them in {REASONS.relative_to(ROOT)}"


def test_every_reason_that_is_explained_can_be_met() -> None:
    source = "\n".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))
    assert not [r for r in explained() if not re.search(rf"\b{r}\b", source)]


def test_links_between_the_papers_lead_somewhere() -> None:
    papers = [path for path in tracked() if path.suffix == ".md"]
    links = [
        (paper, target)
        for paper in papers
        for target in re.findall(r"\]\(([^)#\s]+)", paper.read_text())
        if "://" not in target
    ]
    assert links
    assert not [(p.name, target) for p, target in links if not (p.parent / target).exists()]
