"""A Cluster that speaks to a scripted API server, and bodies as a real one gave them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pratique.cluster.client import Cluster
from unit.cluster.scripted import Script

BODIES = Path(__file__).parent / "bodies"


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def cluster(script: Script, tmp_path: Path) -> AsyncIterator[Cluster]:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://api"}}],
        "users": [{"name": "u", "user": {"token": "the-token"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    made = Cluster.connect(path, transport=script)
    yield made
    await made.close()


@pytest.fixture
def body() -> Callable[[str], dict[str, Any]]:
    """A body as a real API server gave it, by its file's name."""
    return lambda name: json.loads((BODIES / f"{name}.json").read_text())  # type: ignore[no-any-return]
