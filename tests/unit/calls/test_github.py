"""GitHub's API: what is sent, how a run is found again, and which failures leave open what happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pratique.calls.errors import CallError, Lost, NotSent
from pratique.calls.github import Github
from pratique.calls.http import Reply
from pratique.resources.task import GithubTask

SINCE = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Scripted:
    def __init__(self, status: int, body: Any = None) -> None:
        self.reply = Reply(status, json.dumps(body).encode() if body is not None else b"")
        self.asked: list[tuple[str, str, Any]] = []

    async def call(self, method: str, url: str, *, body: bytes | None, **_: Any) -> Reply:
        self.asked.append((method, url, json.loads(body) if body else None))
        return self.reply


def github(scripted: Scripted, **more: Any) -> Github:
    given = {
        "repository": "shop/deploy",
        "token": {"name": "t"},
        **(more or {"eventType": "deploy"}),
    }
    return Github(scripted, GithubTask.model_validate(given), "t0p")  # type: ignore[arg-type]


async def test_dispatches_carry_the_id() -> None:
    scripted = Scripted(204)
    await github(scripted).dispatch({"image": "a:1"}, "deploy", "id-1")
    await github(scripted, workflow="d.yaml", gitRef="v1").dispatch({}, "", "id-2")
    assert scripted.asked == [
        ("POST", "https://api.github.com/repos/shop/deploy/dispatches",
         {"event_type": "deploy", "client_payload": {"image": "a:1", "pratique_id": "id-1"}}),
        ("POST", "https://api.github.com/repos/shop/deploy/actions/workflows/d.yaml/dispatches",
         {"ref": "v1", "inputs": {"pratique_id": "id-2"}}),
    ]  # fmt: skip


async def test_a_run_is_found_by_its_title() -> None:
    runs = [{"id": 1, "display_title": "deploy", "status": "queued"},
            {"id": 2, "display_title": "deploy id-1", "status": "completed", "conclusion": "failure"}]  # fmt: skip
    scripted = Scripted(200, {"workflow_runs": runs})
    found = await github(scripted).find("id-1", SINCE)
    assert found is not None
    assert (found.id, found.completed, found.conclusion) == (2, True, "failure")
    assert "created=%3E%3D2026-03-02T11%3A58%3A00Z" in scripted.asked[0][1]
    assert await github(scripted).find("id-9", SINCE) is None


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, CallError), (404, CallError), (422, CallError), (429, NotSent), (503, NotSent), (500, Lost), (502, Lost)],
)  # fmt: skip
async def test_failures_are_told_apart(status: int, error: type[CallError]) -> None:
    with pytest.raises(CallError) as caught:
        await github(Scripted(status)).dispatch({}, "deploy", "id-1")
    assert type(caught.value) is error
    assert "t0p" not in caught.value.message
