"""The proxy with bad days does what it says, and nothing when it is healthy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from isthmus.connector import HttpClient, HttpSettings
from isthmus.errors import RateLimited, Unavailable, UnknownOutcome
from isthmus.testing import Fault, FaultyProxy


class Counter:
    """A system that counts its writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method == "POST":
            self.writes.append(body)
        if request.path == "/chunked":
            answer = web.StreamResponse()
            answer.enable_chunked_encoding()
            await answer.prepare(request)
            for part in (b"one ", b"two ", b"three"):
                await answer.write(part)
            return answer
        if request.path == "/nothing":
            return web.Response(status=204)
        return web.json_response({"path": request.path_qs, "size": len(body), "host": request.host})

    @asynccontextmanager
    async def behind_proxy(self, path: str = "") -> AsyncIterator[tuple[FaultyProxy, HttpClient]]:
        app = web.Application(client_max_size=10**8)
        app.router.add_route("*", "/{rest:.*}", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with (
            FaultyProxy(f"http://127.0.0.1:{runner.addresses[0][1]}{path}") as proxy,
            HttpClient(proxy.url, settings=HttpSettings(read_timeout=2.0)) as client,
        ):
            yield proxy, client
        await runner.cleanup()


async def test_healthy_proxy_changes_nothing() -> None:
    async with Counter().behind_proxy("/base") as (proxy, client):
        answer = await client.request("POST", "/a?b=%C3%A4", body=b"x" * 300_000)
        assert answer.json()["path"] == "/base/a?b=%C3%A4"
        assert answer.json()["size"] == 300_000
        assert f"http://{answer.json()['host']}/base" == proxy.url
        assert (await client.request("GET", "/../chunked")).body == b"one two three"
        assert (await client.request("GET", "/../nothing")).status == 204
        answers = await asyncio.gather(*(client.request("GET", f"/{at}") for at in range(20)))
        assert {each.json()["path"] for each in answers} == {f"/base/{at}" for at in range(20)}
        assert [request.number for request in proxy.seen] == list(range(1, 24))


@pytest.mark.parametrize(
    ("fault", "error", "forwarded"),
    [
        (Fault.DROP, UnknownOutcome, 0),
        (Fault.BUSY, Unavailable, 0),
        (Fault.TOO_MANY, RateLimited, 0),
        (Fault.BROKEN, UnknownOutcome, 0),
        (Fault.NOISE, UnknownOutcome, 0),
        (Fault.HALF, UnknownOutcome, 1),
        (Fault.SWALLOW, UnknownOutcome, 1),
        (Fault.DELAY, UnknownOutcome, 1),
    ],
)
async def test_faults_of_a_write(fault: Fault, error: type[Exception], forwarded: int) -> None:
    system = Counter()
    async with system.behind_proxy() as (proxy, client):
        proxy.fail(fault, delay=3.0)
        with pytest.raises(error) as caught:
            await client.request("POST", "/a", body=b"once")
        assert type(caught.value) is error
        assert len(system.writes) == forwarded
        await proxy.heal()
        assert (await client.request("GET", "/a")).status == 200


@pytest.mark.parametrize(("fault", "forwarded"), [(Fault.GARBAGE, 0), (Fault.GARBAGE_AFTER, 1)])
async def test_garbage_is_no_json(fault: Fault, forwarded: int) -> None:
    system = Counter()
    async with system.behind_proxy() as (proxy, client):
        proxy.fail(fault)
        answer = await client.request("POST", "/a", body=b"once")
        with pytest.raises(Unavailable, match="is not JSON"):
            answer.json()
        assert len(system.writes) == forwarded


async def test_faults_hit_what_they_are_aimed_at() -> None:
    async with Counter().behind_proxy() as (proxy, client):
        proxy.fail(Fault.BUSY, when=lambda request: request.path.startswith("/bad"), times=1)
        assert (await client.request("GET", "/good")).status == 200
        with pytest.raises(Unavailable):
            await client.request("GET", "/bad")
        assert (await client.request("GET", "/bad")).status == 200


async def test_stopped_proxy_is_a_system_that_is_down_until_it_heals() -> None:
    async with Counter().behind_proxy() as (proxy, client):
        address = proxy.url
        await proxy.stop()
        with pytest.raises(Unavailable, match="cannot be reached"):
            await client.request("POST", "/a", body=b"never")
        await proxy.heal()
        assert proxy.url == address
        assert (await client.request("GET", "/a")).status == 200


async def test_short_delay_is_only_slow() -> None:
    async with Counter().behind_proxy() as (proxy, client):
        proxy.fail(Fault.DELAY, delay=0.2)
        started = time.perf_counter()
        assert (await client.request("GET", "/a")).status == 200
        assert time.perf_counter() - started >= 0.2


def test_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a web address"):
        FaultyProxy("localhost:80")
