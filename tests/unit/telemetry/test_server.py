"""What a kubelet and a Prometheus see of the operator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from pratique.telemetry.metrics import Metrics
from pratique.telemetry.server import Readiness, StatusServer

state = {"alive": Readiness(ok=True), "ready": Readiness(ok=True)}


@pytest.fixture
async def server() -> AsyncIterator[StatusServer]:
    made = StatusServer(
        host="127.0.0.1",
        port=0,
        metrics=Metrics(),
        ready=lambda: state["ready"],
        alive=lambda: state["alive"],
    )
    await made.start()
    yield made
    await made.stop()


async def get(server: StatusServer, path: str, **headers: str) -> tuple[int, str, str, str]:
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"http://127.0.0.1:{server.port}{path}") as answer,
    ):
        return (
            answer.status,
            answer.headers["Content-Type"],
            await answer.text(),
            answer.headers.get("Server", ""),
        )


@pytest.mark.parametrize(("path", "which"), [("/healthz", "alive"), ("/readyz", "ready")])
async def test_each_says_what_it_is_told_anew_each_time(
    server: StatusServer, path: str, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, body, _ = await get(server, path)
    assert (status, body) == (200, '{"ok": true, "facts": {}}')
    monkeypatch.setitem(state, which, Readiness(ok=False, facts={"apiServer": "no answer for 40s"}))
    status, kind, body, _ = await get(server, path)
    assert status == 503
    assert kind.startswith("application/json")
    assert body == '{"ok": false, "facts": {"apiServer": "no answer for 40s"}}'
    other = {"/healthz": "/readyz", "/readyz": "/healthz"}[path]
    assert (await get(server, other))[0] == 200


async def test_metrics_speak_the_format_that_is_asked_for(server: StatusServer) -> None:
    status, kind, body, _ = await get(server, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert "pratique_build_info" in body
    _, kind, body, _ = await get(server, "/metrics", Accept="application/openmetrics-text")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


async def test_it_tells_nothing_else(server: StatusServer) -> None:
    status, _, _, told = await get(server, "/debug")
    assert status == 404
    assert told == ""


async def test_a_port_that_is_taken_is_said_and_nothing_stays(server: StatusServer) -> None:
    second = StatusServer(
        host="127.0.0.1",
        port=server.port,
        metrics=Metrics(),
        ready=lambda: state["ready"],
        alive=lambda: state["alive"],
    )
    with pytest.raises(OSError, match=str(server.port)):
        await second.start()
    with pytest.raises(RuntimeError, match="before it is started"):
        assert second.port
    await second.stop()
