"""/healthz, /readyz and /metrics on one port.

Says nothing of users' objects: it is open to whoever reaches the port. Not here: the HTTP API and page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from .metrics import Metrics


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether all is well, and the facts that say so."""

    ok: bool
    facts: Mapping[str, str] = field(default_factory=dict)
    """For people: no secret, no user's object."""


class StatusServer:
    """Serves from ``start`` to ``stop``. ``alive`` and ``ready`` are asked anew each time."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        metrics: Metrics,
        ready: Callable[[], Readiness],
        alive: Callable[[], Readiness],
    ) -> None:
        self._host = host
        self._port = port
        self._metrics = metrics
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", _answer(alive)),
                web.get("/readyz", _answer(ready)),
                web.get("/metrics", self._render),
            ]
        )
        app.on_response_prepare.append(_nameless)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    @property
    def port(self) -> int:
        """The port listened on, also where 0 was asked for; raises RuntimeError before ``start``."""
        if not self._runner.addresses:
            raise RuntimeError("the status server has no port before it is started")
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen; raises OSError where the port is taken (``stop`` it then too)."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening; open requests have a second to end."""
        await self._runner.cleanup()

    async def _render(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})


def _answer(ask: Callable[[], Readiness]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        found = ask()
        return web.json_response(
            {"ok": found.ok, "facts": dict(found.facts)}, status=200 if found.ok else 503
        )

    return handle


async def _nameless(request: web.Request, response: web.StreamResponse) -> None:
    """Versions of what runs here are nobody's business."""
    response.headers.pop("Server", None)
