"""``compare``: a complete comparison of a million records with a million links that are in step but for a few, on a far
system in this process that has its pages ready.

The floor is one FULL JOIN of two bare tables with the same keys and digests, in the same PostgreSQL. The join of the
comparison is measured against it; reading the pages, giving them to the database and looking at the suspects are stated
apart, and so is the memory that all of it takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.figures import Figure, largest_memory, machine
from benchmarks.server import own_server
from benchmarks.workers import flow
from isthmus.app.bootstrap import clock
from isthmus.connector import Gone, Page, Record, Traits
from isthmus.reconcile import compare_flow
from isthmus.store import PostgresStore, Reads
from isthmus.store.comparing import CompareWorkspace
from isthmus.sync.world import World

__all__ = ["compare", "fill"]

RECORDS = {"full": 1_000_000, "small": 50_000}
PAGE = 1000
EDITED, LOST, NEW = 997, 5003, 7001
"""Every so manieth record was edited, deleted, is new in the far system."""
TARGET = 3.0
MEMORY = 300.0
"""MiB that the process may grow to, however many records."""
RUNS = 3

ITEMS = """
insert into isthmus.item (id, entity, version, fields, set_by)
select 'i' || n, 'Customer', 1, jsonb_build_object('name', 'Company ' || n, 'tax_id', 'V' || n, 'phone',
    '+49' || lpad(n::text, 9, '0'), 'email', n || '@x.example'), '{}'
from generate_series(1, %(count)s) as n
"""
LINKS = """
insert into isthmus.link (id, flow, system, resource, key, item, state, base, far, digest, conflicts, not_held,
    attempts, seen_at, agreed_at)
select system || n, 'customer', system, 'customers', n::text, 'i' || n, 'linked', item.fields, item.fields,
    given.digest, '{}', '{}', 0, now(), now()
from given join isthmus.item on item.id = 'i' || n
"""
FLOOR = "select count(*) from bare_a full join bare_b using (key) where bare_a.digest is distinct from bare_b.digest"


class Customers:
    """The records of a system, made when a page is asked for. ``moved``: whether some differ from what the hub has."""

    name = "customers"
    traits = Traits(fetch_batch=500)

    def __init__(self, count: int, moved: bool) -> None:
        self._count, self._moved = count, moved
        self.seconds = 0.0
        """Spent in making pages."""

    async def scan(self, cursor: str | None) -> Page:
        began = time.perf_counter()
        start = int(cursor or 1)
        rows = [row for n in range(start, min(start + PAGE, self._count + 1)) if (row := self._row(n))]
        if self._moved:
            rows += [_record(f"new{n}", n) for n in range(start, start + PAGE) if n % NEW == 0]
        more = start + PAGE <= self._count
        self.seconds += time.perf_counter() - began
        return Page(items=rows, cursor=str(start + PAGE), more=more)

    async def fetch(self, keys: Sequence[str]) -> list[Record | Gone]:
        found = [_record(key, int(key[3:])) if key.startswith("new") else self._row(int(key)) for key in keys]
        return [row or Gone(key=key) for key, row in zip(keys, found, strict=True)]

    def _row(self, n: int) -> Record | None:
        if self._moved and n % LOST == 0:
            return None
        return _record(str(n), n, **({"phone": "+491"} if self._moved and n % EDITED == 0 else {}))


def _record(key: str, n: int, **more: Any) -> Record:
    fields = {"name": f"Company {n}", "vat": f"V{n}", "phone": f"+49{n:09}", "email": f"{n}@x.example", **more}
    return Record(key=key, fields=fields)


class _Timed(CompareWorkspace):
    """Notes how long each step of the database takes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.spent: dict[str, float] = {}

    async def add_far(self, rows: Any) -> None:
        began = time.perf_counter()
        await super().add_far(rows)
        self.spent["copy"] = self.spent.get("copy", 0.0) + time.perf_counter() - began

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        began = time.perf_counter()
        found = await super()._rows(name, parameters)
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began
        return found


class _TimedStore:
    """Gives that workspace."""

    def __init__(self, store: PostgresStore) -> None:
        self._store, self.spent = store, list[dict[str, float]]()

    @asynccontextmanager
    async def comparing(self) -> AsyncIterator[_Timed]:
        async with self._store.comparing() as room:
            timed = _Timed(room._connection, room._url, room._clock)
            yield timed
            self.spent.append(timed.spent)


async def fill(store: PostgresStore, world: World, count: int) -> None:
    """Items, links and the digests that a running hub would have, without running it: set-based."""
    async with store._connection() as connection:
        await connection.execute("set synchronous_commit = off")
        await connection.execute("create temp table given (system text, n integer, digest bytea)")
        async with connection.cursor() as cursor, cursor.copy("copy given from stdin (format binary)") as copy:
            copy.set_types(["text", "int4", "bytea"])
            for system in ("crm", "erp"):
                lens = world.lenses[("customer", system)]
                for n in range(1, count + 1):
                    await copy.write_row((system, n, lens.digest(_record(str(n), n).fields)))
        await connection.execute(ITEMS, {"count": count})
        await connection.execute(LINKS)
        for table in ("a", "b"):
            await connection.execute(
                f"create unlogged table bare_{table} (key text primary key, digest bytea)".encode()
            )
        await connection.execute("insert into bare_a select key, digest from isthmus.link where system = 'crm'")
        await connection.execute(
            "insert into bare_b select n::text, case when n % 997 = 0 then '\\x00' else digest end "
            "from given where system = 'crm' and n % 5003 <> 0"
        )
    async with store._connection() as connection:
        await connection.execute("vacuum analyze")


async def _floor(store: PostgresStore) -> float:
    """Seconds of the bare FULL JOIN, the median of some."""
    seconds = []
    async with store._connection() as connection:
        await connection.execute("set work_mem = '256MB'")
        for _ in range(RUNS):
            began = time.perf_counter()
            await connection.execute(FLOOR)
            seconds.append(time.perf_counter() - began)
        await connection.execute("reset work_mem")
    return sorted(seconds)[RUNS // 2]


async def _measure(url: str, count: int, say: Callable[[str], None]) -> dict[str, Any]:
    world = World({"customer": flow()})
    async with await PostgresStore.open(url) as store:
        say(f"filling the hub with {count:,} items and {2 * count:,} links")
        await fill(store, world, count)
        floor = await _floor(store)
        before = largest_memory(anew=True)
        crm, erp = Customers(count, moved=True), Customers(count, moved=False)
        timed: Any = _TimedStore(store)
        say(f"one FULL JOIN takes {floor:.2f} s; comparing")
        began = time.perf_counter()
        places: Any = {"crm": {"customers": crm}, "erp": {"customers": erp}}
        await compare_flow(timed, world, world.flows["customer"], places, clock=clock)
        return {
            "floor": floor,
            "seconds": time.perf_counter() - began,
            "pages": crm.seconds + erp.seconds,
            "memory": largest_memory(),
            "memory_before": before,
            "spent": timed.spent[0],
            "found": await Reads(store).drift_counts(["customer"]),
        }


def _expected(count: int) -> dict[str, int]:
    lost = count // LOST
    edited = sum(1 for n in range(EDITED, count + 1, EDITED) if n % LOST)
    return {"deleted": lost, "edited while paused": edited, "never linked": count // NEW}


def compare(size: str, say: Callable[[str], None]) -> list[Figure]:
    """A comparison on a database of its own."""
    where, count = machine(), RECORDS[size]
    with own_server() as server:
        measured = asyncio.run(_measure(server.start(), count, say))
    if measured["found"] != _expected(count):
        raise RuntimeError(f"The comparison found {measured['found']} instead of {_expected(count)}.")
    spent = measured["spent"]
    named: dict[str, Any] = {"size": f"{count:,} x {count:,}, twice", "machine": where}
    say(f"{measured['seconds']:.1f} s, of which {', '.join(f'{k} {v:.2f}' for k, v in spent.items())}")
    # Two sides are compared; one join is what is promised.
    return [
        Figure(
            name="compare_join",
            value=spent["find_suspects"] / 2,
            unit="s",
            floor=measured["floor"],
            target=TARGET,
            of_ratio=True,
            detail=measured,
            **named,
        ),
        Figure(name="compare_hub_side", value=spent["take_hub_side"] / 2, unit="s", floor=measured["floor"], **named),
        Figure(name="compare_far_copy", value=spent["copy"] / 2, unit="s", **named),
        Figure(name="compare_all", value=measured["seconds"] / 2, unit="s a side", **named),
        Figure(name="compare_memory", value=measured["memory"], unit="MiB", target=MEMORY, **named),
    ]
