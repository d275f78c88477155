"""The table of bad documents, read once for both doors: the models here, the API server elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).parents[2] / "integration" / "data" / "refusals" / "table.yaml"


@dataclass(frozen=True)
class Refusal:
    """One bad document and what each door must say about it."""

    name: str
    document: dict[str, Any]
    server: str
    model: str | None
    """None where only the API server can know."""
    at: str
    """The field to be named, such as spec.analysis.window."""


def refusals() -> list[Refusal]:
    """The table's rows; a row that says nothing at some door is an error of the table."""
    rows = []
    for row in yaml.safe_load(TABLE.read_text(encoding="utf-8")):
        document = {
            "apiVersion": "pratique.sh/v1alpha1",
            "metadata": {"name": "bad"},
            **row.pop("document"),
        }
        says = row.pop("says", None)
        rows.append(
            Refusal(
                name=row.pop("name"),
                document=document,
                server=row.pop("server", says),
                model=row.pop("model", says),
                at=row.pop("at", ""),
            )
        )
        assert not row, f"{rows[-1].name}: unknown columns {sorted(row)}"
        assert rows[-1].server, f"{rows[-1].name}: the API server must say something"
    return rows
