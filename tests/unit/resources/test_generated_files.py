"""``pratique crds`` and ``pratique docs`` as their user meets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pratique import __version__
from pratique.cli import app

run = CliRunner()
COMMANDS = [("crds", "pratique.sh_releases.yaml"), ("docs", "kinds.md")]


@pytest.mark.parametrize(("command", "file"), COMMANDS)
def test_writes_then_finds_nothing_to_do(tmp_path: Path, command: str, file: str) -> None:
    folder = tmp_path / "new" / "folder"
    first = run.invoke(app, [command, "-o", str(folder)])
    assert first.exit_code == 0
    assert f"wrote {folder / file}" in first.stdout
    again = run.invoke(app, [command, "-o", str(folder), "--check"])
    assert again.exit_code == 0
    assert "up to date" in again.stdout


@pytest.mark.parametrize(("command", "file"), COMMANDS)
def test_names_the_drifted_file_and_the_mend(tmp_path: Path, command: str, file: str) -> None:
    run.invoke(app, [command, "-o", str(tmp_path)])
    path = tmp_path / file
    path.write_text(path.read_text(encoding="utf-8").replace("Promotable", "Perfect"))
    before = path.read_bytes()
    checked = run.invoke(app, [command, "-o", str(tmp_path), "--check"])
    assert checked.exit_code == 1
    assert f"{path} differs from the models" in checked.stderr
    assert f"To mend it: pratique {command} -o {tmp_path}" in checked.stderr
    assert path.read_bytes() == before
    run.invoke(app, [command, "-o", str(tmp_path)])
    assert run.invoke(app, [command, "-o", str(tmp_path), "--check"]).exit_code == 0


@pytest.mark.parametrize(("command", "file"), COMMANDS)
def test_a_missing_file_is_named(tmp_path: Path, command: str, file: str) -> None:
    run.invoke(app, [command, "-o", str(tmp_path)])
    (tmp_path / file).unlink()
    checked = run.invoke(app, [command, "-o", str(tmp_path), "--check"])
    assert checked.exit_code == 1
    assert f"{tmp_path / file} is missing" in checked.stderr


def test_a_kind_that_went_is_taken_away_but_others_files_are_not(tmp_path: Path) -> None:
    run.invoke(app, ["crds", "-o", str(tmp_path)])
    old = tmp_path / "pratique.sh_gone.yaml"
    old.write_bytes((tmp_path / "pratique.sh_releases.yaml").read_bytes())
    own = tmp_path / "kustomization.yaml"
    own.write_text("resources: []\n")
    checked = run.invoke(app, ["crds", "-o", str(tmp_path), "--check"])
    assert checked.exit_code == 1
    assert f"{old} is not generated any more" in checked.stderr
    assert str(own) not in checked.stderr
    run.invoke(app, ["crds", "-o", str(tmp_path)])
    assert not old.exists()
    assert own.exists()


def test_version() -> None:
    assert run.invoke(app, ["--version"]).stdout == f"pratique {__version__}\n"


def test_the_reference_links_to_types_that_it_has() -> None:
    text = (Path(__file__).parents[3] / "docs/reference/kinds.md").read_text(encoding="utf-8")
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")}
    targets = {part.split(")")[0] for part in text.split("](#")[1:]}
    assert targets
    assert targets <= headings
