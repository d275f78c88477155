"""GitHub's API as tasks need it: dispatch, find the run by its correlation id, see how it ended.

A dispatch answers 204 and names no run; so the id that was sent with it is looked for in the runs' titles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ..resources.task import GithubTask
from .errors import CallError, Lost, NotSent
from .http import Caller

CLOCKS = timedelta(minutes=2)
"""How much their clock and ours may differ."""
VERSION = "2022-11-28"
FULL = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """A workflow's run."""

    id: int
    url: str
    completed: bool
    conclusion: str


class Github:
    """One repository with one token."""

    def __init__(self, caller: Caller, task: GithubTask, token: str) -> None:
        self._caller = caller
        self._task = task
        self._headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "pratique",
            "X-GitHub-Api-Version": VERSION,
        }

    async def dispatch(self, inputs: Mapping[str, str], event_type: str, correlation: str) -> None:
        """Start it; raises CallError, Lost where nobody knows whether it was."""
        sent = {**inputs, self._task.correlation: correlation}
        if self._task.workflow is not None:
            path = f"/actions/workflows/{self._task.workflow}/dispatches"
            body: dict[str, Any] = {"ref": self._task.git_ref, "inputs": sent}
        else:
            path, body = "/dispatches", {"event_type": event_type, "client_payload": sent}
        await self._ask("POST", path, body)

    async def find(self, correlation: str, since: datetime) -> Run | None:
        """The newest run whose title shows the id; None where there is none yet."""
        event = "workflow_dispatch" if self._task.workflow else "repository_dispatch"
        begin = (since - CLOCKS).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = urlencode({"event": event, "created": f">={begin}", "per_page": 100})
        workflow = f"/workflows/{self._task.workflow}" if self._task.workflow else ""
        found = await self._ask("GET", f"/actions{workflow}/runs?{query}")
        for run in found.get("workflow_runs") or ():
            shown = (run.get("display_title"), run.get("name"), run.get("head_branch"))
            if any(correlation in str(text) for text in shown if text):
                return _run(run)
        return None

    async def run(self, run_id: int) -> Run:
        """How far a run is."""
        return _run(await self._ask("GET", f"/actions/runs/{run_id}"))

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        base = self._task.base_url.rstrip("/")
        reply = await self._caller.call(
            method,
            f"{base}/repos/{self._task.repository}{path}",
            headers={**self._headers, **({"Content-Type": "application/json"} if body else {})},
            body=json.dumps(body).encode() if body else None,
            seconds=self._task.timeout.total_seconds(),
            most=FULL,
        )
        if reply.status == 204:
            return {}
        if 200 <= reply.status < 300:
            try:
                return dict(json.loads(reply.body))
            except ValueError:
                raise CallError("GitHub answered no JSON: is it its API?", "Malformed") from None
        raise self._failed(method, reply.status)

    def _failed(self, method: str, status: int) -> CallError:
        said = f"GitHub answered {status}"
        if status in (401, 403):
            return CallError(f"{said}: may the token dispatch and read runs?", "TokenRefused")
        if status in (404, 422):
            what = self._task.workflow or self._task.repository
            return CallError(f"{said}: is there such a repository, workflow and input ({what})?")
        if status == 429 or status == 503 or method == "GET":
            return NotSent(said)
        return Lost(said) if status >= 500 else CallError(said)


def _run(given: Mapping[str, Any]) -> Run:
    try:
        return Run(
            id=int(given["id"]),
            url=str(given.get("html_url") or ""),
            completed=given.get("status") == "completed",
            conclusion=str(given.get("conclusion") or ""),
        )
    except (KeyError, TypeError, ValueError):
        raise CallError("GitHub answered a run without an id", "Malformed") from None
