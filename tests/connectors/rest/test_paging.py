"""No paging kind skips a record that is there all the time, whatever happens between two pages."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.connector import Response
from isthmus.connectors.rest.connector import RestConfig, connector
from isthmus.connectors.rest.definition import ListDef, Paging
from isthmus.connectors.rest.paging import Lister, Place
from isthmus.connectors.rest.session import Session
from isthmus.errors import Misconfigured, Unavailable


class Shelf:
    """A list that people change between two pages; stands in for the session."""

    def __init__(self, keys: list[int], kind: str, size: int, *, total: bool, newest_first: bool) -> None:
        self.keys, self.size, self.kind, self.total, self.newest_first = keys, size, kind, total, newest_first
        self.calls = 0
        self.last = max(keys, default=0)

    async def call(self, method: str, path: str, *, query: Any, headers: Any) -> Response:
        self.calls += 1
        start = query["offset"] if self.kind == "offset" else query["page"] * self.size
        rows = ", ".join(f'{{"id": {key}}}' for key in self.keys[start : start + self.size])
        return Response(200, {}, f'{{"rows": [{rows}], "count": {len(self.keys)}}}'.encode())

    def disturb(self, chance: random.Random) -> None:
        for _ in range(chance.randrange(4)):
            if self.keys and chance.random() < 0.6:
                self.keys.remove(chance.choice(self.keys[: max(1, len(self.keys) // 2)]))
            else:
                self.last += 1
                self.keys.insert(0 if self.newest_first else len(self.keys), self.last)


def lister(shelf: Shelf, *, verify: bool = True) -> Lister:
    paging = Paging(
        kind=shelf.kind,  # type: ignore[arg-type]
        size=shelf.size,
        size_name="limit",
        first=0,
        total="count" if shelf.total else "",
        verify=verify,
    )
    session: Any = shelf
    return Lister(session, ListDef(records="rows", paging=paging), {}, {}, lambda raw: str(raw["id"]))


async def read_all(shelf: Shelf, chance: random.Random, *, quiet_after: int = 40, verify: bool = True) -> set[int]:
    seen: set[int] = set()
    pages, place = 0, None
    while True:
        page = await lister(shelf, verify=verify).page("/rows", place, {})
        seen |= {raw["id"] for raw in page.raws}
        place, pages = page.next, pages + 1
        if place is None:
            return seen
        assert pages < 500, "the scan does not end"
        if pages < quiet_after:
            shelf.disturb(chance)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 40),
    size=st.integers(2, 7),
    kind=st.sampled_from(["offset", "page"]),
    total=st.booleans(),
    newest_first=st.booleans(),
)
async def test_scan_skips_nothing_that_is_there_all_the_time(
    seed: int, count: int, size: int, kind: str, total: bool, newest_first: bool
) -> None:
    keys = list(range(1, count + 1))
    shelf = Shelf(keys[::-1] if newest_first else keys, kind, size, total=total, newest_first=newest_first)
    before = set(shelf.keys)
    seen = await read_all(shelf, random.Random(seed))
    assert (before & set(shelf.keys)) <= seen


@pytest.mark.parametrize("kind", ["offset", "page"])
async def test_without_the_overlap_records_are_skipped(kind: str) -> None:
    skipped = 0
    for seed in range(30):
        shelf = Shelf(list(range(1, 31)), kind, 4, total=False, newest_first=False)
        before = set(shelf.keys)
        seen = await read_all(shelf, random.Random(seed), verify=False)
        skipped += len((before & set(shelf.keys)) - seen)
    assert skipped > 0


@pytest.mark.parametrize("kind", ["offset", "page"])
@pytest.mark.parametrize("total", [True, False])
async def test_quiet_scan_ends_with_few_calls(kind: str, total: bool) -> None:
    shelf = Shelf(list(range(1, 31)), kind, 10, total=total, newest_first=False)
    assert await read_all(shelf, random.Random(1), quiet_after=0) == set(range(1, 31))
    assert shelf.calls <= 8


def test_place_survives_a_restart() -> None:
    import msgspec

    place = Place(start=20, anchors=["18", "19", "20"])
    assert msgspec.json.decode(msgspec.json.encode(place), type=Place) == place


@asynccontextmanager
async def serving(answers: dict[str, Any], seen: list[str]) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        seen.append(request.path_qs)
        answer = answers[request.path]
        return answer(request) if callable(answer) else web.json_response(answer)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_next_address_on_another_host_gets_no_credentials_from_us() -> None:
    seen: list[str] = []
    first = {"next": "http://evil.example/steal?page=2", "results": [{"id": 1}]}
    definition = {
        "auth": {"kind": "bearer"},
        "resources": {"a": {"path": "/a", "list": {"records": "results", "paging": {"kind": "next", "path": "next"}}}},
    }
    async with serving({"/a": first, "/steal": {"next": None, "results": []}}, seen) as url:
        system = await connector.open(RestConfig(url=url, token="t0ken", definition=definition))
        page = await system.resources()["a"].scan(None)
        assert page.more
        await system.resources()["a"].scan(page.cursor)
        await system.close()
    assert seen == ["/a", "/steal?page=2"]  # both at the configured host


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"rows": {"id": 1}}, Unavailable),
        ({"other": []}, Unavailable),
        ({"rows": [{"name": "without a key"}]}, Unavailable),
        (lambda request: web.json_response({"message": "No such filter."}, status=400), Misconfigured),
        (lambda request: web.Response(status=302, headers={"Location": "http://evil.example/"}), Misconfigured),
    ],
)
async def test_lists_that_are_none_are_told(answer: Any, error: type[Exception]) -> None:
    definition = {"resources": {"a": {"path": "/a", "list": {"records": "rows"}}}}
    async with serving({"/a": answer}, []) as url:
        system = await connector.open(RestConfig(url=url, definition=definition))
        with pytest.raises(error):
            await system.resources()["a"].scan(None)
        await system.close()


async def test_stored_cursor_of_another_definition_is_told() -> None:
    system = await connector.open(RestConfig(url="http://127.0.0.1:9", definition={"resources": {"a": {"path": "/a"}}}))
    with pytest.raises(Misconfigured, match="cursor cannot be read"):
        await system.resources()["a"].scan("what?")
    await system.close()


def test_session_type_is_what_the_lister_wants() -> None:
    assert hasattr(Session, "call")
