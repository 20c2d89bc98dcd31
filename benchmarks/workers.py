"""``workers``: how much faster several workers write to one far system that answers slowly.

A far system that takes 20 ms for each call and one record a call, imitated in each worker's own process, so that only
the hub and its database are measured. The floor is one worker.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.figures import Figure, machine
from benchmarks.server import own_server
from isthmus.app.bootstrap import clock, new_id
from isthmus.connector import Create, Page, Record, Traits
from isthmus.model.entities import BUILT_IN
from isthmus.model.flow import Brake, CreatePolicy, FieldRule, Flow, MatchPart, MatchRule, Side
from isthmus.model.flow import Path as FarPath
from isthmus.project.notation import parse_path
from isthmus.store import PostgresStore, Worker
from isthmus.sync.engine import Engine
from isthmus.sync.world import World

__all__ = ["workers"]

LATENCY = 0.02
RECORDS = {"full": 600, "small": 100}
"""For each worker."""
AT_LEAST = 3.5
MANY = 4


def flow() -> Flow:
    """Customers, from a CRM into an ERP."""
    names = {"name": "name", "tax_id": "vat", "phone": "phone", "email": "email"}
    place = {system: {n: FarPath(parse_path(far)) for n, far in names.items()} for system in ("crm", "erp")}
    return Flow(
        name="customer",
        entity=BUILT_IN["Customer"],
        sides={s: Side(system=s, resource="customers", create=CreatePolicy.ALWAYS) for s in ("crm", "erp")},
        fields={n: FieldRule(name=n, exprs={s: place[s][n] for s in place}) for n in names},
        match=(MatchRule((MatchPart("tax_id"),)),),
        brake=Brake(at_least=10**9),
    )


class Customers:
    """A resource that shows ``count`` records when it is scanned, and takes its time for each write."""

    name = "customers"
    traits = Traits(write_batch=1)

    def __init__(self, count: int, latency: float) -> None:
        self._count, self._latency = count, latency

    async def scan(self, cursor: str | None) -> Page:
        rows = [Record(key=str(n), fields=_fields(n)) for n in range(self._count)]
        return Page(items=rows, cursor=None, more=False)

    async def fetch(self, keys: Sequence[str]) -> list[Record]:
        return [Record(key=key, fields=_fields(int(key))) for key in keys]

    async def write(self, writes: Sequence[Create]) -> list[Record]:
        await asyncio.sleep(self._latency)
        return [Record(key=str(uuid.uuid4()), fields=dict(each.fields)) for each in writes]


def _fields(number: int) -> dict[str, Any]:
    return {
        "name": f"Company {number}",
        "vat": f"V{number}",
        "phone": f"+49{number:09}",
        "email": f"{number}@x.example",
    }


class Far:
    """A system with that resource."""

    def __init__(self, count: int = 0, latency: float = 0.0) -> None:
        self._customers = Customers(count, latency)

    def resources(self) -> dict[str, Any]:
        return {"customers": self._customers}

    async def close(self) -> None:
        """Nothing is open."""


def _engine(store: PostgresStore, systems: dict[str, Any]) -> Engine:
    return Engine(store, World({"customer": flow()}), systems, clock=clock, new_id=new_id, jitter=lambda: 0.0)


async def _work(url: str) -> None:
    """One worker: writes what is due from the moment it is told to until it is stopped."""
    async with await PostgresStore.open(url, migrated=True) as store:
        engine = _engine(store, {"erp": Far(latency=LATENCY)})
        await store.join(Worker(kind="worker", host="benchmark", pid=0))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        while True:
            if not await engine.settle_system("erp"):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _started(url: str, count: int) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "benchmarks.workers", url)
    processes = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(count)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        yield processes
    finally:
        for process in processes:
            process.kill()
            await process.wait()


async def _rate(url: str, count: int, records: int) -> float:
    """Records per second that so many workers create in the far system."""
    async with await PostgresStore.open(url) as store:
        # The ERP is looked at as well: before that nothing is made there.
        engine = _engine(store, {"crm": Far(records), "erp": Far()})
        await engine.observe_all()
        async with _started(url, count) as processes:
            began = time.perf_counter()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(b"\n")
                await process.stdin.drain()
            await _until_done(store)
            return records / (time.perf_counter() - began)


async def _until_done(store: PostgresStore) -> None:
    while True:
        if not await store.due_at():
            return
        await asyncio.sleep(0.02)


def workers(size: str, say: Callable[[str], None]) -> list[Figure]:
    """One worker, then four, each on a fresh database."""
    where, rates = machine(), {}
    for count in (1, MANY):
        with own_server() as server:
            records = RECORDS[size] * count
            rates[count] = asyncio.run(_rate(server.start(), count, records))
            say(f"{count} workers: {records} records, {rates[count]:.1f}/s")
    return [
        Figure(
            name="workers_4_at_20_ms",
            value=rates[MANY],
            unit="records/s",
            floor=rates[1],
            of_ratio=True,
            at_least=AT_LEAST,
            size=size,
            machine=where,
            detail={"latency": LATENCY, "records_each": RECORDS[size]},
        )
    ]


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
