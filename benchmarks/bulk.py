"""``bulk``: two systems with a bulk API over HTTP, in a process of their own.

``bulk_create``: 10,000 records from one into the other, from an empty hub to the last answer. ``bulk_change``:
1,000 of them changed, picked up and written. ``hint_to_write``: one change, told to an idle hub, until its write
reaches the other system.

The floors make the same calls with the same bodies over the same connections, and keep nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import msgspec
from aiohttp import ClientSession, web

from benchmarks.figures import Figure, machine, percentile
from benchmarks.server import own_server
from benchmarks.throughput import Null
from benchmarks.workers import flow
from isthmus.app.bootstrap import clock
from isthmus.app.collecting import collect_rarely
from isthmus.app.service import Service
from isthmus.connector import Change, Create, Deletes, FieldInfo, Gone, Page, Record, Traits, Update, Write
from isthmus.store import PostgresStore
from isthmus.sync.engine import Engine
from isthmus.sync.world import World

__all__ = ["bulk"]

RECORDS = {"full": 10_000, "small": 1_000}
CHANGED = {"full": 1_000, "small": 100}
HINTS = {"full": 100, "small": 20}
PAGE = 1000
CREATE_RATIO, CREATE_SECONDS, CHANGE_RATIO = 3.5, 1.0, 2.0
P50, P99 = 5.0, 25.0
"""Milliseconds above the floor."""


# -- the systems -----------------------------------------------------------------------------------------------------


class Twin:
    """Both systems' tables: ``crm`` numbers its changes, ``erp`` takes rows in bulk."""

    def __init__(self, count: int) -> None:
        self.rows = {f"V{n}": _fields(f"V{n}", 0) for n in range(count)}
        self.log = list(self.rows)
        self.taken: dict[str, dict[str, Any]] = {}
        self.written = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/crm", self._changes),
            web.get("/crm/{key}", self._one),
            web.post("/edit", self._edit),
            web.post("/erp", self._take),
            web.post("/erp/fetch", self._fetch),
            web.get("/written", self._written),
        ]

    async def _changes(self, request: web.Request) -> web.Response:
        start = int(request.query["after"])
        keys = self.log[start : start + PAGE]
        return _json([{"key": key, "fields": self.rows[key]} for key in keys])

    async def _one(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        return _json({"key": key, "fields": self.rows[key]})

    async def _edit(self, request: web.Request) -> web.Response:
        """Somebody changes these records: key -> number."""
        for key, number in msgspec.json.decode(await request.read()).items():
            self.rows[key] = _fields(key, number)
            self.log.append(key)
        self.written.clear()
        return _json({})

    async def _take(self, request: web.Request) -> web.Response:
        found = []
        for row in msgspec.json.decode(await request.read()):
            key = row["key"] or f"B{len(self.taken)}"
            self.taken[key] = {**self.taken.get(key, {}), **row["fields"]}
            found.append({"key": key, "fields": self.taken[key]})
        self.written.set()
        return _json(found)

    async def _fetch(self, request: web.Request) -> web.Response:
        keys = msgspec.json.decode(await request.read())
        return _json([{"key": key, "fields": self.taken[key]} for key in keys if key in self.taken])

    async def _written(self, request: web.Request) -> web.Response:
        """Answers as soon as a write has come since the last edit."""
        await self.written.wait()
        return _json({})


def _fields(key: str, number: int) -> dict[str, Any]:
    return {
        "vat": key,
        "name": f"Company {key} number {number}",
        "email": f"{number}@{key}.example",
        "phone": f"+49{number:09d}",
    }


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _serve(count: int, told: Connection) -> None:
    async def run() -> None:
        app = web.Application(client_max_size=2**28)
        app.add_routes(Twin(count).routes())
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.send(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await asyncio.Event().wait()

    asyncio.run(run())


@contextlib.asynccontextmanager
async def _twin(count: int) -> AsyncIterator[Caller]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(count, theirs), daemon=True)
    process.start()
    try:
        async with ClientSession(await asyncio.to_thread(ours.recv)) as session:
            yield Caller(session)
    finally:
        process.kill()
        process.join()


# -- the client ------------------------------------------------------------------------------------------------------


class Caller:
    """Calls, each with its body; the hub's are kept to be made again by the floor."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.calls: list[tuple[str, str, bytes | None]] = []

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else msgspec.json.encode(body)
        self.calls.append((method, path, data))
        return msgspec.json.decode(await self.raw(method, path, data))

    async def raw(self, method: str, path: str, data: bytes | None) -> bytes:
        async with self._session.request(method, path, data=data) as answer:
            return await answer.read()


class Feeding:
    """The CRM's customers."""

    name = "customers"
    traits = Traits(deletes=Deletes.REPORTED, fetch_batch=PAGE)

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def fields(self) -> Mapping[str, FieldInfo]:
        return {}

    async def fetch(self, keys: Sequence[str]) -> Sequence[Change]:
        return [_record(await self._call("GET", f"/crm/{key}")) for key in keys]

    async def scan(self, after: str | None) -> Page:
        return Page(items=[], cursor=None)

    async def changes(self, since: str | None) -> Page:
        if since is None:
            return Page(items=[], cursor="0")
        rows = await self._call("GET", f"/crm?after={since}")
        return Page(items=[_record(row) for row in rows], cursor=str(int(since) + len(rows)), more=len(rows) == PAGE)


class Taking:
    """The ERP's customers."""

    name = "customers"
    traits = Traits(deletes=Deletes.REPORTED, write_batch=PAGE, fetch_batch=PAGE)

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def fields(self) -> Mapping[str, FieldInfo]:
        return {}

    async def fetch(self, keys: Sequence[str]) -> Sequence[Change]:
        found = {row["key"]: _record(row) for row in await self._call("POST", "/erp/fetch", list(keys))}
        return [found.get(key) or Gone(key=key) for key in keys]

    async def scan(self, after: str | None) -> Page:
        return Page(items=[], cursor=None)

    async def changes(self, since: str | None) -> Page:
        return Page(items=[], cursor="0")

    async def write(self, writes: Sequence[Write]) -> Sequence[Record]:
        rows = [{"key": None if isinstance(w, Create) else w.key, "fields": dict(_values(w))} for w in writes]
        return [_record(row) for row in await self._call("POST", "/erp", rows)]


def _values(write: Write) -> Mapping[str, Any]:
    assert isinstance(write, Create | Update)
    return write.fields


def _record(row: Mapping[str, Any]) -> Record:
    return Record(key=row["key"], fields=row["fields"])


# -- the runs --------------------------------------------------------------------------------------------------------


async def _again(call: Caller, calls: Sequence[tuple[str, str, bytes | None]]) -> float:
    """Seconds of the same calls, with their answers decoded."""
    began = time.perf_counter()
    for method, path, data in calls:
        msgspec.json.decode(await call.raw(method, path, data))
    return time.perf_counter() - began


async def _measure(url: str, size: str, say: Callable[[str], None]) -> dict[str, Any]:
    count, changed, found = RECORDS[size], CHANGED[size], dict[str, Any]()
    collect_rarely()
    async with _twin(count) as call, await PostgresStore.open(url) as store:
        engine = Engine(
            store,
            World({"customer": flow()}),
            {"crm": Null(Feeding(call)), "erp": Null(Taking(call))},
            clock=clock,
            new_id=lambda: str(uuid.uuid4()),
            jitter=lambda: 0.0,
        )
        began = time.perf_counter()
        # The first look takes the position of the feed, the second one reads it.
        await engine.catch_up()
        done = await engine.catch_up()
        found["create"] = time.perf_counter() - began
        assert done.problems == {}
        created, call.calls = call.calls, []
        assert sum(len(msgspec.json.decode(data or b"[]")) for _, path, data in created if path == "/erp") == count
        say(f"{count:,} records created in {found['create']:.2f} s by {len(created)} calls")

        await call("POST", "/edit", {f"V{n * (count // changed)}": n + 1 for n in range(changed)})
        call.calls.clear()
        began = time.perf_counter()
        await engine.catch_up()
        found["change"] = time.perf_counter() - began
        updates, call.calls = call.calls, []
        assert sum(len(msgspec.json.decode(data or b"[]")) for _, path, data in updates if path == "/erp") == changed
        say(f"{changed:,} changes picked up and written in {found['change']:.2f} s by {len(updates)} calls")
        found["hints"], found["trips"] = await _hints(engine, store, call, HINTS[size])
    async with _twin(count) as bare:
        found["create_floor"] = await _again(bare, created)
        found["change_floor"] = await _again(bare, updates)
    return found


async def _hints(engine: Engine, store: PostgresStore, call: Caller, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each change until its write has come, and of a bare round trip beside it."""

    async def nothing() -> None:
        """The database does not die here."""

    async def never(system: str) -> Any:
        raise AssertionError(system)

    hints, trips, stop = [], [], asyncio.Event()
    service = asyncio.create_task(Service(engine, store, clock, reopen=never, revive=nothing).run(stop))
    await asyncio.sleep(1)
    for number in range(count):
        key = f"V{number}"
        await call("POST", "/edit", {key: 1_000_000 + number})
        waiting = asyncio.create_task(call("GET", "/written"))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await store.add_hints([("crm", "customers", key)])
        await asyncio.wait_for(waiting, 30)
        hints.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        await call("GET", f"/crm/{key}")
        trips.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.05)
    stop.set()
    await service
    return hints, trips


def bulk(size: str, say: Callable[[str], None]) -> list[Figure]:
    """Creates and changes in bulk, and single ones by hint."""
    where = machine()
    with own_server() as server:
        found = asyncio.run(_measure(server.start(), size, say))
    named: dict[str, Any] = {"machine": where, "size": f"{RECORDS[size]:,} records, {CHANGED[size]:,} changed"}
    figures = [
        Figure(
            name="bulk_create",
            value=found["create"],
            unit="s",
            floor=found["create_floor"],
            target=CREATE_RATIO,
            of_ratio=True,
            **named,
        ),
        Figure(name="bulk_create_seconds", value=found["create"], unit="s", target=CREATE_SECONDS, **named),
        Figure(
            name="bulk_change",
            value=found["change"],
            unit="s",
            floor=found["change_floor"],
            target=CHANGE_RATIO,
            of_ratio=True,
            **named,
        ),
    ]
    for part, above in ((0.5, P50), (0.99, P99)):
        floor = percentile(found["trips"], part)
        figures.append(
            Figure(
                name=f"hint_to_write_p{part * 100:.0f}",
                value=percentile(found["hints"], part),
                unit="ms",
                floor=floor,
                target=floor + above,
                **named,
            )
        )
    return figures
