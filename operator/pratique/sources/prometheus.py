"""Prometheus' query API through prometheus-api-client: one attempt, bounded waits, typed errors.

Not here: what is asked (``queries``), and when it is asked again (the next look).
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from ..queries.grouping import Query
from ..queries.vectors import Row, Vector
from .errors import Malformed, NoToken, Rejected, SourceError, Unavailable
from .guarded import GuardedSession

T = TypeVar("T")
_TOKEN = re.compile(r"[\x21-\x7e]+")
WORKERS = 8
"""Queries in flight at a time; the threads are the source's own, so slow ones starve nobody else."""


def connect(
    url: str, *, pool: int = 16, timeout: float = 10, headers: Mapping[str, str] | None = None
) -> PrometheusConnect:
    """PrometheusConnect with one attempt per call, a bounded wait and a pool that fits the threads.

    Proxies and .netrc of the environment are not used. Its calls raise SourceError for answers that
    are none, and requests' own exceptions where nothing came.
    """
    url = url.rstrip("/")
    # Retries belong to the schedule of looks; read=False lets a read timeout be told as one.
    once = Retry(0, read=False, raise_on_status=False)
    session = GuardedSession()
    session.trust_env = False
    client = PrometheusConnect(
        url=url,
        session=session,
        retry=once,
        timeout=timeout,
        headers={"Accept-Encoding": "identity", **(headers or {})},
    )
    # After construction on purpose: PrometheusConnect mounts an adapter of its own there.
    session.mount(url, HTTPAdapter(pool_maxsize=pool, max_retries=once))
    return client


class PrometheusSource:
    """One Prometheus, asked from asyncio."""

    def __init__(
        self,
        *,
        url: str,
        timeout: float = 10.0,
        token: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """``timeout`` in seconds for one query; ``token`` is called for each and may rotate."""
        self._timeout = timeout
        self._token = token
        self._client = connect(url, pool=WORKERS, timeout=timeout)
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="prometheus")
        self._free = asyncio.Semaphore(WORKERS)

    async def ask(self, query: Query) -> Vector:
        """The answer as of ``query.time``; raises SourceError."""
        return await self.evaluate(query.expr, query.time)

    async def evaluate(self, expr: str, time: datetime | None = None) -> Vector:
        """The answer as of ``time``, else of the provider's own now; raises SourceError."""
        params = {
            "timeout": f"{round(self._timeout * 1000)}ms",
            # Thanos' and VictoriaMetrics' words for: all of it, or an error.
            "partial_response": "false",
            "deny_partial_response": "1",
        }
        if time is not None:
            params["time"] = f"{time.timestamp():.3f}"

        def call(client: PrometheusConnect) -> Vector:
            return parse(client.custom_query(expr, params=params))

        return await self._call(call)

    async def version(self) -> str | None:
        """What the server calls itself, such as ``3.12.0``; none where it does not say."""

        def call(client: PrometheusConnect) -> str | None:
            response = client._session.request(
                method="GET",
                url=f"{client.url}/api/v1/status/buildinfo",
                headers=client.headers,
                timeout=self._timeout,
            )
            return str(response.json()["data"]["version"])[:128] or None

        try:
            return await self._call(call)
        except SourceError:
            return None

    async def close(self) -> None:
        """End connections; queries under way end by their own timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _secret(self) -> str | None:
        if self._token is None:
            return None
        try:
            token = await self._token()
        except SourceError:
            raise
        # Whatever reads the token has errors of its own; one provider's must not fail the others.
        except Exception as error:
            raise NoToken(f"cannot be asked without its token: {error}") from error
        if token is None:
            return None
        token = token.strip()  # files and Secrets often end with a newline
        if not _TOKEN.fullmatch(token):
            raise NoToken(
                "cannot be asked: the token in its Secret is empty or holds characters that no "
                "HTTP header may carry"
            )
        return token

    async def _call(self, call: Callable[[PrometheusConnect], T]) -> T:
        async with self._free:
            token = await self._secret()
            client = copy.copy(self._client)  # headers of its own, the session shared
            if token:
                client.headers = {**client.headers, "Authorization": f"Bearer {token}"}
            loop = asyncio.get_running_loop()
            try:
                work = loop.run_in_executor(self._threads, _typed, call, client, self._timeout)
            except RuntimeError:
                raise Unavailable("is no longer asked: its connection was closed") from None
            try:
                # The sockets' timeout is per read; this bounds the whole, as seen from here.
                return await asyncio.wait_for(work, 2 * self._timeout + 1)
            except TimeoutError:
                raise Unavailable(f"gave no answer within {self._timeout:g} s") from None
            except SourceError as error:
                if token and token in error.message:
                    raise type(error)(error.message.replace(token, "***")) from None
                raise


def parse(result: Any) -> Vector:
    """``data.result`` of any type as rows; raises Malformed.

    prometheus-api-client drops the type, so the shape tells: a list of series, or one [time, value].
    """
    try:
        if isinstance(result, list) and len(result) == 2 and not isinstance(result[0], dict):
            return Vector((Row({}, (_point(result),)),))
        return Vector(tuple(_row(series) for series in result))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise Malformed("answered JSON that is no answer of Prometheus' query API") from None


def _row(series: Any) -> Row:
    labels = {str(name): str(value) for name, value in series["metric"].items()}
    if "values" in series:
        return Row(labels, tuple(map(_point, series["values"])), ranged=True)
    if "value" in series:
        return Row(labels, (_point(series["value"]),))
    if "histograms" in series or "histogram" in series:
        raise Malformed("answered a native histogram, where classic buckets or numbers are asked")
    raise KeyError("value")


def _point(pair: Any) -> tuple[float, float]:
    time, value = pair
    return float(time), float(value)


def _typed(call: Callable[[PrometheusConnect], T], client: PrometheusConnect, timeout: float) -> T:
    """Call, with whatever may go wrong on the way as SourceError."""
    try:
        return call(client)
    except SourceError:
        raise
    except requests.Timeout:
        raise Unavailable(f"gave no answer within {timeout:g} s") from None
    except (requests.JSONDecodeError, KeyError, TypeError, RecursionError):
        raise Malformed("answered broken JSON: is something between us and Prometheus?") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
        raise Malformed("cannot be asked: its url is none") from None
    except requests.exceptions.SSLError as error:
        raise Unavailable(f"TLS fails: {_root(error)}") from None
    except requests.RequestException as error:
        raise Unavailable(f"cannot be reached: {_root(error)}") from None
    except UnicodeError:
        raise Rejected("the query holds characters that are no Unicode text") from None


def _root(error: BaseException) -> str:
    """The operating system's or TLS' own words; requests' would repeat the whole query."""
    seen: BaseException | None = error
    said = type(error).__name__
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            said = seen.strerror
        seen = seen.__cause__ or seen.__context__
    return said[:200]
