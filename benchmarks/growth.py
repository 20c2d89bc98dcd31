"""``growth``: what a change costs in a hub with ten, a hundred times as many records, how large its process gets, and
how long it takes to start. Each size has a database and a process of its own; the records are put there by SQL.

The floor of each figure is that of the smallest size.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
import uuid
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.compare import fill
from benchmarks.figures import Figure, largest_memory, machine
from benchmarks.server import own_server
from benchmarks.throughput import Null, Taking
from benchmarks.workers import flow
from isthmus.app.bootstrap import clock
from isthmus.app.collecting import collect_rarely
from isthmus.connector import Change, Deletes, FieldInfo, Page, Record, Traits
from isthmus.model.state import FeedState
from isthmus.store import PostgresStore
from isthmus.sync.engine import Engine, Round
from isthmus.sync.ports import Batch
from isthmus.sync.world import World

__all__ = ["growth"]

SIZES = {"full": (10_000, 100_000, 1_000_000), "small": (1_000, 10_000, 100_000)}
CHANGES = 5_000
PAGE = 1000
RATIO, MEMORY, START = 1.15, 300.0, 2.0


class Feeding:
    """The phones of records all over the table change; a page at a time."""

    name = "customers"
    traits = Traits(deletes=Deletes.REPORTED, fetch_batch=PAGE)

    def __init__(self, count: int) -> None:
        self._count = count

    async def fields(self) -> dict[str, FieldInfo]:
        return {}

    async def scan(self, after: str | None) -> Page:
        return Page(items=[], cursor=None)

    async def changes(self, since: str | None) -> Page:
        start = int(since or 0)
        numbers = range(start, min(CHANGES, start + PAGE)) if since is not None else range(0)
        return Page(items=[self._record(n) for n in numbers], cursor=str(start + len(numbers)))

    def _record(self, number: int) -> Record:
        n = 1 + number * 7919 % self._count
        return Record(key=str(n), fields=fields(n, f"+48{number:09}"))


class Filled(Taking):
    """The other system, which has them all without keeping any that was not written."""

    traits = Traits(deletes=Deletes.REPORTED, write_batch=PAGE, fetch_batch=PAGE)

    async def fetch(self, keys: Any) -> list[Change]:
        return [self._row(key) for key in keys]

    async def write(self, writes: Any) -> list[Record]:
        for write in writes:
            self.rows[write.key] = self._row(write.key)
        return [self._one(write) for write in writes]

    def _row(self, key: str) -> Record:
        return self.rows.get(key) or Record(key=key, fields=fields(int(key), f"+49{int(key):09}"))


def fields(n: int, phone: str) -> dict[str, Any]:
    """As the database was filled."""
    return {"name": f"Company {n}", "vat": f"V{n}", "phone": phone, "email": f"{n}@x.example"}


async def _measure(url: str, count: int) -> dict[str, float]:
    world = World({"customer": flow()})
    collect_rarely()
    async with await PostgresStore.open(url) as store:
        await fill(store, world, count)
        # Both were read as a whole before this hub was stopped.
        feeds = [
            FeedState(system=system, resource="customers", cursor="0", scanned_at=clock(), scanned_for=signature)
            for system in ("crm", "erp")
            if (signature := world.signature(system, "customers"))
        ]
        async with store.transaction() as tx:
            await tx.save(Batch(feeds=feeds))
    began = time.perf_counter()
    async with await PostgresStore.open(url) as store:
        taking = Filled()
        engine = Engine(
            store,
            world,
            {"crm": Null(Feeding(count)), "erp": Null(taking)},
            clock=clock,
            new_id=lambda: str(uuid.uuid4()),
            jitter=lambda: 0.0,
        )
        await engine.settle(Round())
        started = time.perf_counter() - began
        began, cpu = time.perf_counter(), time.process_time()
        while await engine.poll("crm", "customers"):
            while await engine.settle_system("erp"):
                pass
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert taking.writes == CHANGES, taking.writes
    memory = largest_memory()
    return {"change": seconds / CHANGES * 1e6, "cpu": cpu / CHANGES * 1e6, "memory": memory, "start": started}


def _run(url: str, count: int, told: Connection) -> None:
    told.send(asyncio.run(_measure(url, count)))


def growth(size: str, say: Callable[[str], None]) -> list[Figure]:
    """All sizes, the smallest first."""
    figures: list[Figure] = []
    least: dict[str, float] = {}
    for count in SIZES[size]:
        where = machine()
        with own_server() as server:
            ours, theirs = multiprocessing.Pipe()
            args = (server.start(), count, theirs)
            process = multiprocessing.get_context("spawn").Process(target=_run, args=args)
            process.start()
            theirs.close()
            found: dict[str, float] = ours.recv()
            process.join()
        say(f"{count:,} records: {', '.join(f'{name} {value:.2f}' for name, value in found.items())}")
        least = least or found
        named: dict[str, Any] = {"machine": where, "size": f"{count:,} records, {CHANGES:,} changes"}
        ratio: dict[str, Any] = {"target": RATIO, "of_ratio": True} if count != SIZES[size][0] else {}
        figures += [
            Figure(name=f"growth_{count}", value=found["change"], unit="µs", floor=least["change"], **ratio, **named),
            Figure(name=f"growth_{count}_cpu", value=found["cpu"], unit="µs", floor=least["cpu"], **named),
            Figure(name=f"growth_{count}_memory", value=found["memory"], unit="MiB", target=MEMORY, **named),
            Figure(
                name=f"growth_{count}_start",
                value=found["start"],
                unit="s",
                floor=least["start"],
                target=least["start"] + START,
                **named,
            ),
        ]
    return figures
