"""The bench of the judge as it is run: a small run writes the whole page, and plots that do not change."""

from __future__ import annotations

from pathlib import Path

import pytest

from pratique_testbed import bench_judge
from pratique_testbed.bench_judge import GRID, MORE, NOISY, PROMISES, Found, cells, main, plots


def test_a_small_run_writes_the_whole_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    published = bench_judge.PAGE.read_bytes()
    assert main(["--repetitions", "2", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "\n2 repetitions a cell" in text, "it says how often it drew"
    for promise in PROMISES:
        assert f"| {promise.text} | " in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for looks, rpm, _ in GRID:
        assert sum(r.startswith(f"| {looks} | {rpm:,} |") for r in rows) == 1
    for name, rpm, _ in NOISY:
        assert sum(r.startswith(f"| {name} | {rpm:,} |") for r in rows) == 1
    for name, _ in MORE:
        assert sum(r.startswith(f"| {name} |") for r in rows) == 1
    assert "nan" not in text
    assert bench_judge.PAGE.read_bytes() == published, "trying leaves the published page alone"
    assert f"{len(cells())}/{len(cells())} cells" in capsys.readouterr().out


def test_the_same_figures_give_the_same_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = dict.fromkeys(cells(), Found(50.0, 40.0, 10.0, 9.0, 8.0, 30.0, 45.0))
    drawn = []
    for name in ("one", "two"):
        monkeypatch.setattr(bench_judge, "PLOTS", tmp_path / name)
        plots(found)
        drawn.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert set(drawn[0]) == {"path.svg", "power.svg", "traffic.svg"}
    assert drawn[0] == drawn[1]
    for plot, content in drawn[0].items():
        assert len(content) < 40_000, f"{plot} is small"
        assert b"<dc:date>" not in content
