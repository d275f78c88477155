"""What a provider may answer, and that each trouble comes out typed, in one attempt, in time."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pratique.judge.samples import Missing
from pratique.queries.grouping import Query
from pratique.queries.vectors import Row
from pratique.sources import guarded
from pratique.sources.answers import answer
from pratique.sources.errors import Malformed, NoToken, Rejected, SourceError, TooLarge, Unavailable
from pratique.sources.probing import probe
from pratique.sources.prometheus import WORKERS, PrometheusSource
from unit.queries.asking import END, PROVIDER, query
from unit.sources.scripted import Asked, Reply, Scripted, failure, success

SECRET = "t0p-s3cret-token"
EXPR = 'sum(secret_metric{pod="x"})'


@asynccontextmanager
async def asking(
    reply: Reply | Callable[[Asked], Reply], **more: Any
) -> AsyncIterator[tuple[PrometheusSource, Scripted]]:
    with Scripted(reply) as server:
        source = PrometheusSource(url=server.url + "/", **{"timeout": 5.0, **more})
        try:
            yield source, server
        finally:
            await source.close()


def html(status: int = 200) -> Reply:
    return Reply(b"<html>Sign in</html>", status, "text/html")


GOOD = success([{"metric": {"a": "b"}, "value": [1, "2"]}])


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (failure(503, "timeout", "query timed out"), Unavailable, "query timed out"),
        (failure(422, "timeout", "query timed out"), Unavailable, "query timed out"),
        (failure(400, "bad_data", "parse error: oh\nno"), Rejected, "HTTP 400: parse error: oh no"),
        (failure(422, "execution", "many-to-many"), Rejected, "many-to-many"),
        (failure(400, "bad_data", "x" * 5000), Rejected, "xx…"),
        (Reply(b"busy", 503, "text/plain"), Unavailable, "HTTP 503"),
        (Reply(b"", 429), Unavailable, "HTTP 429"),
        (html(401), Unavailable, "check auth"),
        (html(403), Unavailable, "check auth"),
        (html(404), Malformed, "url's path"),
        (html(413), TooLarge, "no query so long"),
        (html(414), TooLarge, "no query so long"),
        (html(405), Rejected, "HTTP 405"),
        (failure(422, "execution", "query would load too many samples"), TooLarge, "too many"),
        (html(400), Rejected, "HTTP 400"),
        (html(), Malformed, "text/html instead of JSON"),
        (Reply(b""), Malformed, "instead of JSON"),
        (Reply(b"[1]"), Malformed, "instead of JSON"),
        (Reply(GOOD.body[:-9]), Malformed, "broken JSON"),
        (Reply(GOOD.body[:-9], length=len(GOOD.body)), Unavailable, "broke off"),
        (Reply(b'{"status":"success"}'), Malformed, "broken JSON"),
        (Reply(b'{"data":[]}'), Malformed, "broken JSON"),
        (success({"metric": {}}), Malformed, "no answer of Prometheus"),
        (success("text"), Malformed, "no answer of Prometheus"),
        (success([{"value": [1, "2"]}]), Malformed, "no answer of Prometheus"),
        (success([{"metric": {}, "value": [1, "two"]}]), Malformed, "no answer of Prometheus"),
        (success([1, "text"], "string"), Malformed, "no answer of Prometheus"),
        (
            success([{"metric": {}, "histogram": [1, {"count": "1"}]}]),
            Malformed,
            "native histogram",
        ),
    ],
)
async def test_trouble_is_typed_in_one_attempt(
    reply: Reply, error: type[SourceError], says: str
) -> None:
    async with asking(reply) as (source, server):
        began = time.monotonic()
        with pytest.raises(error) as raised:
            await source.evaluate(EXPR)
    assert type(raised.value) is error
    assert says in raised.value.message
    assert "secret_metric" not in str(raised.value)
    assert len(raised.value.message) < 500
    assert len(server.asked) == 1
    assert time.monotonic() - began < 5


async def test_a_redirect_is_not_followed() -> None:
    with Scripted(GOOD) as elsewhere:
        away = Reply(b"", 302, headers={"Location": f"{elsewhere.url}/api/v1/query?query=1"})
        async with asking(away) as (source, _):
            with pytest.raises(Malformed, match="redirects"):
                await source.evaluate(EXPR)
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    "reply",
    [Reply(GOOD.body, wait=30), Reply(GOOD.body, drip=0.1), Reply(b"x", 503, wait=30)],
    ids=["silent", "dripping", "silent error"],
)
async def test_a_slow_answer_is_given_up_in_time(reply: Reply) -> None:
    async with asking(reply, timeout=0.4) as (source, server):
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"0\.4 s"):
            await source.evaluate(EXPR)
        assert time.monotonic() - began < 5
        assert len(server.asked) == 1


async def test_nobody_listening() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        source = PrometheusSource(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(Unavailable, match="cannot be reached: Connection refused"):
            await source.evaluate(EXPR)
        await source.close()
    assert time.monotonic() - began < 5


async def test_an_answer_packed_against_our_wish_is_bounded_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guarded, "MAX_BODY", 2**20)
    packed = {"Content-Encoding": "gzip"}
    async with asking(Reply(gzip.compress(GOOD.body), headers=packed)) as (source, server):
        assert len(await source.evaluate("1")) == 1
        server.reply = Reply(gzip.compress(b"{" + b" " * 2**24), headers=packed)
        with pytest.raises(Rejected, match="larger than 1 MiB"):
            await source.evaluate("1")
        server.reply = Reply(b"not packed", headers=packed)
        with pytest.raises(Unavailable, match="broke off"):
            await source.evaluate("1")


async def test_a_huge_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "MAX_BODY", 2**20)
    async with asking(Reply(b"{" + b" " * 2**21)) as (source, _):
        with pytest.raises(TooLarge, match="larger than 1 MiB"):
            await source.evaluate(EXPR)


async def test_shapes() -> None:
    replies = iter(
        [
            success([{"metric": {"a": "b"}, "value": [1.5, "2.25"]}]),
            success([3, "4"], "scalar"),
            success([{"metric": {}, "values": [[1, "2"], [3, "4"]]}], "matrix"),
            success([{"metric": {}, "value": [1, v]} for v in ("NaN", "+Inf", "-Inf")]),
            success([]),
            success([{"metric": {}, "value": [1, "1"]}, {"metric": {"a": ""}, "value": [1, "2"]}]),
        ]
    )
    async with asking(lambda _: next(replies)) as (source, _):
        got = [await source.evaluate("x") for _ in range(6)]
    assert got[0].rows == (Row({"a": "b"}, ((1.5, 2.25),)),)
    assert got[1].rows == (Row({}, ((3.0, 4.0),)),)
    assert got[2].rows == (Row({}, ((1.0, 2.0), (3.0, 4.0)), ranged=True),)
    nan, high, low = (row.value for row in got[3])
    assert math.isnan(nan)
    assert (high, low) == (math.inf, -math.inf)
    assert len(got[4]) == 0
    assert [row.value for row in got[5]] == [1, 2]


async def test_what_is_sent() -> None:
    async with asking(GOOD, timeout=2.5) as (source, server):
        await source.ask(Query(PROVIDER, EXPR, END))
    (asked,) = server.asked
    assert asked.path == "/api/v1/query"
    assert asked.params["query"] == EXPR
    assert asked.params["time"] == "1767268800.000"
    assert asked.params["timeout"] == "2500ms"
    assert asked.params["partial_response"] == "false"  # Thanos
    assert asked.params["deny_partial_response"] == "1"  # VictoriaMetrics
    assert asked.headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in asked.headers


LONG = f'sum(x{{pod=~"{"|".join(f"checkout-{n}" for n in range(1000))}"}})'


async def test_a_long_query_goes_in_the_body() -> None:
    async with asking(GOOD) as (source, server):
        assert len(await source.ask(Query(PROVIDER, LONG, END))) == 1
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/query")
    assert asked.params["query"] == LONG
    assert asked.params["time"] == "1767268800.000"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("status", [403, 404, 405, 411, 413, 501])
async def test_who_takes_no_post_may_take_less_by_get(status: int) -> None:
    async with asking(Reply(b"", status)) as (source, server):
        with pytest.raises(TooLarge, match=f"by POST .HTTP {status}"):
            await source.evaluate(LONG)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "reply", [Reply(GOOD.body, wait=30), Reply(GOOD.body, drip=0.1)], ids=["silent", "dripping"]
)
async def test_a_slow_answer_to_a_long_query_is_given_up_too(reply: Reply) -> None:
    async with asking(reply, timeout=0.4) as (source, server):
        with pytest.raises(Unavailable, match=r"0\.4 s"):
            await source.evaluate(LONG)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"warnings": ["remote_read: connection\nrefused"]}, "remote_read: connection refused"),
        ({"warnings": ["PromQL warning: odd", "no store matched"]}, "no store matched"),
        ({"isPartial": True}, "storage is away"),
        ({"warnings": ["PromQL warning: odd"], "infos": ["PromQL info: no counter"]}, None),
        ({"warnings": [], "isPartial": False}, None),
        ({"warnings": None}, None),
    ],
)
async def test_an_answer_in_part_is_none(more: dict[str, Any], says: str | None) -> None:
    whole = {"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}
    async with asking(Reply(json.dumps(whole | more).encode())) as (source, _):
        if says is None:
            assert len(await source.evaluate("1")) == 1
        else:
            with pytest.raises(Unavailable, match=says):
                await source.evaluate("1")


async def test_labels_that_look_like_warnings_are_none() -> None:
    labels = {"warnings": 'x","warnings":["no"],"isPartial":true,"', "isPartial": "true"}
    async with asking(success([{"metric": labels, "value": [1, "2"]}])) as (source, _):
        assert (await source.evaluate("1")).rows[0].labels == labels


async def test_the_token_is_asked_for_each_query_and_never_told() -> None:
    tokens = iter(["first", SECRET])

    async def token() -> str | None:
        return next(tokens)

    refusing = failure(403, "forbidden", f"token {SECRET} is not allowed")
    replies = iter([GOOD, refusing])
    async with asking(lambda _: next(replies), token=token) as (source, server):
        await source.evaluate("1")
        with pytest.raises(Unavailable) as raised:
            await source.evaluate("1")
    assert [a.headers["Authorization"] for a in server.asked] == [
        "Bearer first",
        f"Bearer {SECRET}",
    ]
    assert SECRET not in str(raised.value)
    assert "***" in raised.value.message


async def test_a_token_is_taken_without_the_newline_that_files_end_with() -> None:
    async def token() -> str | None:
        return f"{SECRET}\n"

    async with asking(GOOD, token=token) as (source, server):
        await source.evaluate("1")
    assert server.asked[0].headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("bad", ["", "\n", f"{SECRET}\r\nX-Evil: 1", f"{SECRET}\u20ac"])
async def test_what_is_no_token_is_not_sent(bad: str) -> None:
    async def token() -> str | None:
        return bad

    async with asking(GOOD, token=token) as (source, server):
        with pytest.raises(NoToken, match=r"no HTTP header|empty") as raised:
            await source.evaluate("1")
        found = await probe(source)
    assert server.asked == []
    assert SECRET not in str(raised.value)
    assert (found.reachable, found.reason) == (False, "SecretUnreadable")


async def test_a_secret_that_cannot_be_read_is_the_providers_trouble() -> None:
    async def token() -> str | None:
        raise LookupError("Secret shop/prometheus has no key token")

    async with asking(GOOD, token=token) as (source, _):
        asked = query("x")
        (sample,) = (await answer([asked], source.ask)).values()
    assert isinstance(sample, Missing)
    assert sample.reason == "ProviderError"
    assert "Secret shop/prometheus has no key token" in sample.message


async def test_tokens_of_queries_at_the_same_time_are_not_mixed_up() -> None:
    numbers = iter(range(40))

    async def token() -> str | None:
        return f"token-{next(numbers)}"

    async with asking(Reply(GOOD.body, wait=0.01), token=token) as (source, server):
        await asyncio.gather(*(source.evaluate("1") for _ in range(40)))
    sent = sorted(a.headers["Authorization"] for a in server.asked)
    assert sent == sorted(f"Bearer token-{n}" for n in range(40))


async def test_so_many_at_a_time_and_no_more() -> None:
    now, most = 0, 0

    async with asking(Reply(GOOD.body, wait=0.05)) as (source, server):
        counting = server.reply

        def reply(_: Asked) -> Reply:
            nonlocal now, most
            now += 1
            most = max(most, now)
            time.sleep(0.05)
            now -= 1
            assert isinstance(counting, Reply)
            return Reply(counting.body)

        server.reply = reply
        await asyncio.gather(*(source.evaluate("1") for _ in range(4 * WORKERS)))
    assert 1 < most <= WORKERS


async def test_the_environment_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with asking(GOOD) as (source, _):
        assert len(await source.evaluate("1")) == 1


async def test_a_closed_source_is_unavailable() -> None:
    source = PrometheusSource(url="http://127.0.0.1:9")
    await source.close()
    with pytest.raises(Unavailable, match="closed"):
        await source.evaluate("1")


async def test_letters_that_are_none_are_rejected() -> None:
    async with asking(GOOD) as (source, server):
        with pytest.raises(Rejected, match="Unicode"):
            await source.evaluate('x{a="\ud800"}')
        assert server.asked == []


async def test_an_answer_full_of_brackets_breaks_nothing() -> None:
    async with asking(Reply(b'{"data":' + b"[" * 100_000)) as (source, _):
        with pytest.raises(Malformed):
            await source.evaluate("1")
