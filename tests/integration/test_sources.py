"""A real Prometheus takes what is built: strings, patterns, long queries, people's expressions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.judge.samples import Buckets, Counts, Missing, Value
from pratique.queries import promql
from pratique.queries.describe import describe
from pratique.queries.questions import Question
from pratique.sources.answers import answer
from pratique.sources.errors import Rejected, TooLarge
from pratique.sources.probing import probe
from pratique.sources.prometheus import PrometheusSource
from pratique_testbed.prometheus import PrometheusServer
from unit.queries.asking import LATENCY, errors, latency, query, question
from unit.sources.scripted import Asked, Reply, Scripted

pytestmark = pytest.mark.integration

BASE = 1_767_225_600
END = datetime.fromtimestamp(BASE + 900, UTC)
PODS = [f"checkout-7d9f8c-{n:05d}" for n in range(300)]


def history() -> str:
    """Each pod: 3 requests a scrape of which 1 fails from its tenth on, latencies, 15 s apart."""
    counters, buckets = ["# TYPE requests counter"], ["# TYPE duration_seconds histogram"]
    for pod in PODS:
        for tick in range(61):
            at, labels = BASE + 15 * tick, f'namespace="shop",pod="{pod}"'
            counters.append(f'requests_total{{{labels},code="200"}} {3 * tick} {at}')
            if tick >= 10:
                counters.append(f'requests_total{{{labels},code="500"}} {tick - 9} {at}')
            if pod in PODS[:3]:
                for le, many in (("0.1", 1), ("0.3", 3), ("1.0", 4), ("+Inf", 5)):
                    buckets.append(
                        f'duration_seconds_bucket{{{labels},le="{le}"}} {many * tick} {at}'
                    )
    # Samples of one series must stand together, in time order.
    for lines in (counters, buckets):
        lines[1:] = sorted(
            lines[1:], key=lambda line: (line.partition("}")[0], int(line.rsplit(" ", 1)[1]))
        )
    return "\n".join([*counters, *buckets, "# EOF", ""])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    exporter = Scripted(Reply(b"x 1\n", kind="text/plain; version=0.0.4"))
    with (
        exporter,
        PrometheusServer(
            [exporter.url.removeprefix("http://")],
            scrape_interval="1s",
            blocks_from_openmetrics=history(),
        ) as server,
    ):
        yield server.url


@pytest.fixture
async def source(url: str) -> AsyncIterator[PrometheusSource]:
    made = PrometheusSource(url=url)
    yield made
    await made.close()


TEXT = st.text(
    # $ has a meaning of its own in label_replace, not in strings.
    st.characters(exclude_categories=["Cs"], exclude_characters="$")
    | st.sampled_from("\\\"'`\n{}[]()|.*+?^\ufffd,=~# ax-"),
    min_size=1,
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=TEXT)
async def test_a_real_prometheus_reads_the_values_that_were_meant(
    source: PrometheusSource, text: str
) -> None:
    labelled = f'label_replace(vector(1),"a",{promql.quoted(text)},"","")'
    matched = f'label_replace({labelled},"b","yes","a",{promql.quoted(promql.re2(text))})'
    other = f'label_replace({matched},"c","no","a",{promql.quoted(promql.re2(text + "x"))})'
    (row,) = await source.evaluate(other)
    assert row.labels == {"a": text, "b": "yes"}


async def test_a_probe_measures(source: PrometheusSource) -> None:
    for _ in range(60):
        found = await probe(source)
        if found.scrape_interval is not None:
            break
        await asyncio.sleep(0.5)
    assert found.reachable, found
    assert found.scrape_interval == 1.0
    assert found.clock_skew is not None
    assert abs(found.clock_skew) < 1
    assert found.message.startswith("answers; scrapes each 1 s; its clock is")


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("sum(", "parse error"),
        ("x[1y2x]", "bad number or duration"),
        ("requests_total * on() requests_total", "duplicate series|many-to-many"),
    ],
)
async def test_wrong_queries_are_rejected_in_prometheus_words(
    source: PrometheusSource, expr: str, says: str
) -> None:
    with pytest.raises(Rejected, match=says):
        await source.evaluate(expr, END)


@pytest.mark.parametrize(
    ("pods", "expected"),
    [(PODS[:1], Counts(40, 160)), (PODS, Counts(300 * 40, 300 * 160))],
    ids=["one pod", "300 pods"],
)
async def test_pods_by_name_and_by_pattern(
    source: PrometheusSource, pods: list[str], expected: Counts
) -> None:
    by_name = errors(*pods, end=END)
    pattern = "checkout-7d9f8c-.*" if len(pods) > 1 else pods[0]
    by_pattern = errors(end=END, scoped={"pod_pattern": pattern})
    got = await answer([by_name, by_pattern], source.ask)
    assert got == {by_name: expected, by_pattern: expected}


async def test_many_pods_through_what_only_lets_get_pass(url: str) -> None:
    def forward(asked: Asked) -> Reply:
        if asked.method != "GET":
            return Reply(b"", 405)
        return Reply(requests.get(f"{url}{asked.path}", asked.params, timeout=10).content)

    with Scripted(forward) as proxy:
        source = PrometheusSource(url=proxy.url)
        everyone = errors(*PODS, end=END)
        got = await answer([everyone], source.ask)
        await source.close()
    assert got == {everyone: Counts(300 * 40, 300 * 160)}
    assert {a.method for a in proxy.asked} == {"GET", "POST"}


async def test_a_prometheus_that_holds_few_samples_is_asked_in_parts() -> None:
    few = ["--query.max-samples=3000"]
    with PrometheusServer(blocks_from_openmetrics=history(), extra_flags=few) as server:
        source = PrometheusSource(url=server.url)
        with pytest.raises(TooLarge, match="too many samples"):
            await source.evaluate("requests_total[10m]", END)
        everyone = errors(*PODS, end=END)
        got = await answer([everyone], source.ask)
        await source.close()
    assert got == {everyone: Counts(300 * 40, 300 * 160)}


@pytest.mark.parametrize(
    "asked",
    [
        errors(PODS[0], end=END),
        errors(*PODS, end=END),
        errors(PODS[0], end=datetime.fromtimestamp(BASE + 120, UTC), span=60.0),
        latency(*PODS[:3], end=END),
        question(PODS[1], end=END, latency={"histogram": "duration_seconds", "threshold": "300ms"}),
        question(PODS[1], end=END, latency={"histogram": "duration_seconds", "threshold": "1s"}),
        question(PODS[1], end=END, latency=LATENCY | {"unit": "Milliseconds"}),
        query('sum(requests_total{pod=~"$pods"})', *PODS[:2], end=END),
    ],
    ids=str,
)
async def test_what_people_paste_gives_the_same_figure(
    source: PrometheusSource, asked: Question
) -> None:
    sample = (await answer([asked], source.ask))[asked]
    indicator = asked.indicator
    match sample:
        case Counts() | Value():
            figure = sample.value
        case Buckets() if indicator.latency and indicator.latency.quantile:
            figure = sample.quantile(indicator.latency.quantile)
        case Buckets() if indicator.latency and indicator.latency.threshold:
            within, _ = sample.within(indicator.latency.threshold.total_seconds())
            figure = within / sample.total
        case _:
            raise AssertionError(sample)
    # The time stands in the expression; a raw one is people's own and has none.
    at = END if indicator.query else None
    (row,) = await source.evaluate(describe(asked), at)
    assert row.value == pytest.approx(figure)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (query('sum(requests_total{pod=~"$pods",code="200"})', *PODS[:2], end=END), Value(360)),
        (query("avg(increase(requests_total[$window]))", end=END, span=60.0), None),
        (query("scalar(vector(2))", end=END), Value(2)),
        (query("requests_total", *PODS, end=END), "SeveralSeries"),
        (query("requests_total", *PODS, end=END, aggregate="Max"), Value(180)),
        (query("vector(0)/vector(0)", end=END), "NotANumber"),
        (query("vector(1)/vector(0)", end=END), "Infinite"),
        (query("requests_total[5m]", end=END), "QueryRejected"),
        (query("nothing", end=END), "NoData"),
        (query("sum(", end=END), "QueryRejected"),
        (query('"text"', end=END), "ProviderError"),
    ],
    ids=str,
)
async def test_expressions_of_ones_own(
    source: PrometheusSource, asked: Question, expected: Value | str | None
) -> None:
    got = (await answer([asked], source.ask))[asked]
    if expected is None:
        assert isinstance(got, Value)
    else:
        assert (got.reason if isinstance(got, Missing) else got) == expected
