"""An HTTP server on loopback that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass
class Reply:
    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """Content-Length, when it is a lie."""
    wait: float = 0.0
    """Seconds before anything is said."""
    drip: float = 0.0
    """Seconds between the single bytes of the body."""


@dataclass
class Asked:
    path: str
    params: dict[str, str]
    """Of the URL or, for POST, of the body."""
    headers: dict[str, str]
    method: str = "GET"


def success(result: Any, kind: str = "vector") -> Reply:
    data = {"resultType": kind, "result": result}
    return Reply(json.dumps({"status": "success", "data": data}).encode())


def failure(status: int, kind: str, error: str) -> Reply:
    body = {"status": "error", "errorType": kind, "error": error}
    return Reply(json.dumps(body).encode(), status)


class Scripted:
    """``with Scripted(reply or function of what was asked) as server:``"""

    def __init__(self, reply: Reply | Callable[[Asked], Reply]) -> None:
        self.reply = reply
        self.asked: list[Asked] = []
        self._stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                params = {k: v[0] for k, v in parse_qs(body or parts.query).items()}
                asked = Asked(parts.path, params, dict(self.headers), self.command)
                outer.asked.append(asked)
                reply = outer.reply if isinstance(outer.reply, Reply) else outer.reply(asked)
                outer._stop.wait(reply.wait)
                try:
                    self._say(reply)
                except OSError:
                    self.close_connection = True

            def do_POST(self) -> None:
                self.do_GET()

            def _say(self, reply: Reply) -> None:
                self.send_response(reply.status)
                length = len(reply.body) if reply.length is None else reply.length
                for name, value in {
                    "Content-Type": reply.kind,
                    "Content-Length": str(length),
                    **reply.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply.drip:
                    for byte in reply.body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        if outer._stop.wait(reply.drip):
                            break
                else:
                    self.wfile.write(reply.body)
                self.close_connection = length != len(reply.body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
