"""What holds for the house as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from pratique.judge.samples import MissingReason
from pratique.lifecycle import diagnosis

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    """The files of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_operator_is_no_package_since_it_would_shadow_the_standard_librarys_operator() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_pip_runs_from_the_repositorys_root() -> None:
    run = [sys.executable, "-c", "import operator; print(operator.__file__)"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert str(ROOT) not in done.stdout
    pip = subprocess.run(
        [sys._base_executable, "-m", "pip", "--version"],  # type: ignore[attr-defined]
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert pip.returncode == 0, pip.stderr


def test_no_file_names_where_packages_are_downloaded() -> None:
    # Put together here, so that this file does not name them either.
    hosts = [
        ".".join(parts)
        for parts in (("pypi", "org"), ("pythonhosted", "org"), ("proxy", "golang", "org"))
    ]
    hosts.append(".".join(("registry", "npmjs", "org")))
    for path in tracked():
        text = path.read_text(errors="ignore")
        assert not [h for h in hosts if h in text], path


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "build.txt"])
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    pins = re.findall(r"^[a-z0-9][^\s=]*==[^\s]+.*\\$", text, re.MULTILINE)
    assert pins
    entries = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert len(entries) == len(pins), "a line without ==, or without hashes after it"


def test_every_reason_is_explained() -> None:
    text = (ROOT / "docs" / "reference" / "reasons.md").read_text()
    source = "\n".join(
        path.read_text()
        for folder in ("lifecycle", "judge")
        for path in (ROOT / "operator" / "pratique" / folder).glob("*.py")
    )
    reasons = set(re.findall(r'reason="([A-Z]\w+)"', source))
    reasons |= set(get_args(MissingReason)) | set(diagnosis._ORDER)
    assert len(reasons) > 20
    assert not {r for r in reasons if f"`{r}`" not in text}
