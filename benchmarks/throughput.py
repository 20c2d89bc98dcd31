"""``throughput``: changes a second from one system into another one, both null systems: a feed that has its pages ready
and a bulk write that answers at once. Everything is stored as always (PostgreSQL with fsync, in a folder of its own).

The floor does what no hub could do without: it copies each page of the same changes into a log, keeps the newest state
of each record, follows the log with a cursor and keeps what the other side has. One process, one page after the other,
as the hub does here.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import psycopg

from benchmarks.figures import Figure, machine
from benchmarks.server import own_server
from benchmarks.workers import flow
from isthmus.app.bootstrap import clock
from isthmus.app.collecting import collect_rarely
from isthmus.connector import Change, Create, Deletes, FieldInfo, Gone, Page, Record, SystemInfo, Traits, Update, Write
from isthmus.store import PostgresStore
from isthmus.sync.engine import Engine
from isthmus.sync.world import World

__all__ = ["throughput"]

CHANGES = {"full": 100_000, "small": 10_000}
RECORDS = {"full": 20_000, "small": 2_000}
PAGE = 2000
TARGET_RATE, TARGET_RATIO = 20_000.0, 0.7
TRAITS = Traits(deletes=Deletes.REPORTED, versioned=True, guarded_writes=True, write_batch=1000, fetch_batch=1000)

FLOOR_TABLES = """
create table log (id bigint generated always as identity primary key, key text, data jsonb);
create table snapshot (key text primary key, data jsonb);
create table crosswalk (key text primary key, far text, data jsonb);
create table cursors (name text primary key, pos bigint);
insert into cursors values ('b', 0);
"""
FLOOR_SNAPSHOT = """
insert into snapshot select distinct on (key) key, data from log where id > %(pos)s order by key, id desc
on conflict (key) do update set data = excluded.data
"""
FLOOR_CROSSWALK = """
insert into crosswalk select distinct on (key) key, 'b' || key, data from log where id > %(pos)s order by key, id desc
on conflict (key) do update set data = excluded.data
"""


def _fields(key: str, number: int) -> dict[str, Any]:
    return {
        "vat": key,
        "name": f"Company {key} number {number}",
        "email": f"{number}@{key}.example",
        "phone": f"+49{number:09d}",
    }


class Feeding:
    """The first system: changes of the same records again and again, a page at a time."""

    name = "customers"
    traits = TRAITS

    def __init__(self, changes: int, records: int) -> None:
        self.changes_in_all, self.records = changes, records

    async def fields(self) -> Mapping[str, FieldInfo]:
        return {}

    async def fetch(self, keys: Sequence[str]) -> Sequence[Change]:
        return [Gone(key=key) for key in keys]

    async def scan(self, after: str | None) -> Page:
        return Page(items=[], cursor=None)

    async def changes(self, since: str | None) -> Page:
        start = int(since or 0)
        numbers = range(start, min(self.changes_in_all, start + PAGE)) if since is not None else range(0)
        items = [self.record(number) for number in numbers]
        return Page(items=items, cursor=str(start + len(items)))

    def record(self, number: int) -> Record:
        key = f"V{number % self.records}"
        return Record(key=key, fields=_fields(key, number), version=str(number))


class Taking:
    """The second system: takes everything in bulk and shows it."""

    name = "customers"
    traits = TRAITS

    def __init__(self) -> None:
        self.rows: dict[str, Record] = {}
        self.writes = 0

    async def fields(self) -> Mapping[str, FieldInfo]:
        return {}

    async def fetch(self, keys: Sequence[str]) -> Sequence[Change]:
        return [self.rows.get(key) or Gone(key=key) for key in keys]

    async def scan(self, after: str | None) -> Page:
        return Page(items=[], cursor=None)

    async def changes(self, since: str | None) -> Page:
        return Page(items=[], cursor="0")

    async def write(self, writes: Sequence[Write]) -> Sequence[Record]:
        return [self._one(write) for write in writes]

    def _one(self, write: Write) -> Record:
        self.writes += 1
        if isinstance(write, Create):
            record = Record(key=f"B{self.writes}", fields=dict(write.fields), version=str(self.writes))
        else:
            assert isinstance(write, Update)
            fields = {**self.rows[write.key].fields, **write.fields}
            record = Record(key=write.key, fields=fields, version=str(self.writes))
        self.rows[record.key] = record
        return record


class Null:
    """A system of one resource."""

    def __init__(self, resource: Any) -> None:
        self._resources = {resource.name: resource}

    def resources(self) -> Mapping[str, Any]:
        return self._resources

    async def check(self) -> SystemInfo:
        return SystemInfo(product="null", version="1")

    async def close(self) -> None:
        """Nothing to release."""


def throughput(size: str, say: Callable[[str], None]) -> list[Figure]:
    """The hub's rate and the floor's."""
    where = machine()
    changes, records = CHANGES[size], RECORDS[size]
    with own_server() as server:
        url = server.start()
        rate, cpu, writes = asyncio.run(_hub(url, changes, records))
        say(f"hub: {rate:.0f} changes/s, {writes} writes")
        floor = _floor(url, changes, records)
        say(f"floor: {floor:.0f} changes/s")
    named: dict[str, Any] = {"machine": where, "size": size}
    return [
        Figure(name="throughput", value=rate, unit="changes/s", floor=floor, at_least=TARGET_RATE, **named),
        Figure(
            name="throughput_to_floor",
            value=rate,
            unit="changes/s",
            floor=floor,
            at_least=TARGET_RATIO,
            of_ratio=True,
            **named,
        ),
        Figure(name="throughput_cpu", value=cpu * 1e6, unit="µs a change", **named),
    ]


async def _hub(url: str, changes: int, records: int) -> tuple[float, float, int]:
    feeding, taking = Feeding(records, records), Taking()
    collect_rarely()
    async with await PostgresStore.open(url) as store:
        engine = Engine(
            store,
            World({"customer": flow()}),
            {"crm": Null(feeding), "erp": Null(taking)},
            clock=clock,
            new_id=lambda: str(uuid.uuid4()),
            jitter=lambda: 0.0,
        )
        # Everything linked first: the figure is of changes, not of first contact.
        for _ in range(-(-records // PAGE) + 1):
            await engine.catch_up()
        assert len(taking.rows) == records, "all linked"
        before, feeding.changes_in_all = taking.writes, records + changes
        began, cpu = time.perf_counter(), time.process_time()
        while await engine.poll("crm", "customers"):
            while await engine.settle_system("erp"):
                pass
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    last = {
        f"V{number % records}": _fields(f"V{number % records}", number) for number in range(changes, changes + records)
    }
    shown = {row.fields["vat"]: dict(row.fields) for row in taking.rows.values()}
    assert shown == last, "everything arrived"
    return changes / seconds, cpu / changes, taking.writes - before


def _floor(url: str, changes: int, records: int) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema floor; set search_path = floor")
        connection.execute(FLOOR_TABLES)
        began = time.perf_counter()
        for start in range(0, changes, PAGE):
            page = [(f"V{number % records}", number) for number in range(start, min(changes, start + PAGE))]
            with connection.transaction(), connection.cursor() as cursor:
                before = cursor.execute("select coalesce(max(id), 0) from log").fetchone()
                with cursor.copy("copy log (key, data) from stdin") as copy:
                    for key, number in page:
                        copy.write_row((key, msgspec.json.encode(_fields(key, number)).decode()))
                cursor.execute(FLOOR_SNAPSHOT, {"pos": before[0] if before else 0})
            with connection.transaction(), connection.cursor() as cursor:
                place = cursor.execute("select pos from cursors where name = 'b' for update").fetchone()
                assert place is not None
                cursor.execute(FLOOR_CROSSWALK, {"pos": place[0]})
                cursor.execute("update cursors set pos = (select max(id) from log) where name = 'b'")
        return changes / (time.perf_counter() - began)
