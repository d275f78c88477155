"""A scripted API server: it answers what a test wrote down, request by request, and keeps what was asked."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from typing import Any

import httpx2

Answer = httpx2.Response | Exception


def failure(code: int, reason: str = "", message: str = "no", **details: Any) -> httpx2.Response:
    """A Status document, as the API server sends it with an error."""
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return httpx2.Response(code, json={**body, "details": details} if details else body)


def page(*items: dict[str, Any], version: str = "10", go_on: str = "") -> httpx2.Response:
    """One page of a LIST."""
    meta = {"resourceVersion": version, **({"continue": go_on} if go_on else {})}
    return httpx2.Response(200, json={"kind": "List", "metadata": meta, "items": list(items)})


def stream(*lines: Any, then: Exception | None = None) -> httpx2.Response:
    """A WATCH that sends the lines (dicts, or raw text) and ends, or breaks."""

    async def chunks() -> AsyncIterator[bytes]:
        for line in lines:
            yield (line if isinstance(line, str) else json.dumps(line)).encode() + b"\n"
        if then:
            raise then

    return httpx2.Response(200, content=chunks())


class Script(httpx2.AsyncBaseTransport):
    """Answers by ``METHOD plural`` (``LIST`` and ``WATCH`` for reading collections), in order.

    Where the answers are used up a WATCH stays silent, and there are no Events; anything else fails
    the test.
    """

    def __init__(self) -> None:
        self.answers: dict[str, deque[Answer]] = defaultdict(deque)
        self.asked: list[tuple[str, httpx2.Request]] = []

    def on(self, what: str, *answers: Answer) -> None:
        self.answers[what].extend(answers)

    def requests(self, what: str) -> list[httpx2.Request]:
        return [r for w, r in self.asked if w == what]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        what = self._what(request)
        self.asked.append((what, request))
        if not self.answers[what]:
            if what == "LIST events":
                return page()
            assert what.startswith("WATCH"), f"the test wrote no answer to {what} {request.url}"
            return httpx2.Response(200, content=_silence())
        answer = self.answers[what].popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    @staticmethod
    def _what(request: httpx2.Request) -> str:
        parts = request.url.path.strip("/").split("/")
        version = next(v for v in ("v1alpha1", "v2", "v1") if v in parts)
        tail = parts[parts.index(version) + 1 :]
        if tail[0] == "namespaces" and len(tail) > 2:
            tail = tail[2:]
        method = request.method
        if method == "GET" and len(tail) == 1:
            method = "WATCH" if "watch" in request.url.params else "LIST"
        return f"{method} {tail[0]}"


async def _silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""
