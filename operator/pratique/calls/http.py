"""One HTTP request: one attempt, bounded in time and size, no redirect, no cookie, no proxy of the environment.

Not here: what is asked and what an answer means (``controller/task_calls``, ``github``), and trying again.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from .errors import CallError, Forbidden, Lost, NotSent

METADATA = frozenset(
    ipaddress.ip_address(a) for a in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)
"""Where some clouds keep a node's credentials outside the link-local addresses."""
MAX_ANSWER = 1024 * 1024
"""Bytes that are read of an answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    body: bytes


class Caller:
    """Makes requests; one connection pool, none open before the first call."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        most: int = MAX_ANSWER,
    ) -> Reply:
        """The answer, of which at most ``most`` bytes are kept; raises CallError."""
        try:
            target = URL(url, encoded=True)
            host = target.host or ""
        except ValueError as error:
            raise CallError(f"its URL is none: {_words(error)}", "Refused") from None
        if (found := _address(host)) is not None and _forbidden(found):
            raise _refused(host)
        try:
            async with self._opened().request(
                method,
                target,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=seconds),
            ) as response:
                return Reply(response.status, await response.content.read(most) if most else b"")
        except CallError:
            raise
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
                error.os_error, _AddressError
            ):
                raise _refused(host) from None
            why = getattr(error, "os_error", None) or "no connection in time"
            raise NotSent(f"{host} cannot be reached: {_words(why)}", "Unreachable") from None
        except (aiohttp.InvalidURL, ValueError) as error:
            raise CallError(f"the request cannot be made: {_words(error)}", "Refused") from None
        except TimeoutError:
            raise Lost(f"{host} gave no answer within {seconds:g} s", "NoAnswer") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Lost(f"{host} broke off: {type(error).__name__}", "NoAnswer") from None

    async def close(self) -> None:
        """End every connection; calls under way fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=64, limit_per_host=16, resolver=_Resolver(), use_dns_cache=False
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        return self._session


class _AddressError(OSError):
    """A name that leads to an address that is not called."""


class _Resolver(AbstractResolver):
    """The usual one, without the addresses that are not called for anybody."""

    def __init__(self) -> None:
        self._usual = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name."""
        found = await self._usual.resolve(host, port, family)
        for each in found:
            address = _address(each["host"])
            if address is not None and _forbidden(address):
                raise _AddressError(f"{host} is a link-local or a cloud's metadata address")
        return found

    async def close(self) -> None:
        """Nothing is kept open."""
        await self._usual.close()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _forbidden(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Link-local addresses, where clouds keep a node's credentials, and what is no host's."""
    mapped = getattr(address, "ipv4_mapped", None)
    real = mapped or address
    return real.is_link_local or real.is_multicast or real.is_unspecified or real in METADATA


def _refused(host: str) -> Forbidden:
    return Forbidden(
        f"{host} is a link-local or a cloud's metadata address, which is not called", "Refused"
    )


def _words(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:120]
    return " ".join(str(error).split())[:120]
