"""One request: what reached the other side and what did not is told apart, and little is ever read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pratique.calls.errors import CallError, Forbidden, Lost, NotSent
from pratique.calls.http import Caller, Reply

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(speak: Speak) -> AsyncIterator[str]:
    handled: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current = asyncio.current_task()
        assert current is not None
        handled.append(current)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speak(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        await asyncio.gather(*handled, return_exceptions=True)


async def call(url: str, *, seconds: float = 5, most: int = 100) -> Reply:
    caller = Caller()
    try:
        return await caller.call("POST", url, headers={}, body=b"", seconds=seconds, most=most)
    finally:
        await caller.close()
        await asyncio.sleep(0)  # the transports are closed in the loop's next turn


def saying(text: bytes) -> Speak:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return speak


async def test_an_answer_is_read_up_to_its_limit() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    async with serving(saying(long)) as url:
        reply = await call(url)
    assert reply.status == 200
    assert len(reply.body) <= 100


async def test_a_redirect_is_an_answer() -> None:
    text = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(text)) as url:
        assert (await call(url)).status == 302


async def test_a_broken_answer_is_lost() -> None:
    async with serving(saying(b"")) as url:
        with pytest.raises(Lost, match="broke off"):
            await call(url)


async def test_no_answer_in_time_is_lost() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as url:
        with pytest.raises(Lost, match="no answer within"):
            await call(url, seconds=0.2)


async def test_what_nobody_listens_to_is_not_sent() -> None:
    async with serving(saying(b"")) as url:
        pass
    with pytest.raises(NotSent, match="cannot be reached"):
        await call(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0/",
        "http://[fd00:ec2::254]/latest/meta-data",
        "http://100.100.100.200/latest/meta-data",
        "http://192.0.0.192/",
    ],
)
async def test_addresses_of_clouds_credentials_are_not_called(url: str) -> None:
    with pytest.raises(Forbidden):
        await call(url)


async def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(CallError):
        await call("http://example.invalid:70000/")
