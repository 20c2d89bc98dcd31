"""``steady``: changes come at a given rate for some minutes, most in the CRM, some in the ERP, some of them new
records, and the whole service carries them to the other side. It holds when the lag does not grow. When it does, lower
rates are tried: the largest of them at which it does not is reported.

Both systems are null systems in the hub's own process: each keeps its rows and a log of what changed, with the hub's
own writes in it, as a real feed shows them. The lag of a change is the time from its instant by the clock until it is
written on the other side; one that was overtaken by a later change of the same record does not count.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import psutil
from msgspec.structs import replace

from benchmarks.figures import Figure, machine, percentile
from benchmarks.server import own_server
from benchmarks.throughput import Null
from benchmarks.workers import flow
from isthmus.app.bootstrap import clock
from isthmus.app.collecting import collect_rarely
from isthmus.app.service import Service
from isthmus.connector import Change, Create, Deletes, FieldInfo, Gone, Page, Record, Traits, Update, Write
from isthmus.model.flow import Flow
from isthmus.store import PostgresStore
from isthmus.sync.engine import Engine
from isthmus.sync.world import World

__all__ = ["steady"]

RATE, SECONDS = {"full": 2_000, "small": 100}, {"full": 300, "small": 20}
RECORDS = {"full": 20_000, "small": 1_000}
PAGE = 1000
EVERY = 0.5
"""Seconds between looks at a feed."""
SLACK = 1.0
"""Seconds by which the lag may differ between two thirds of the time without having grown."""
TRIES = 5
CLOSE = 1.3
"""A rate that holds and one so many times as large that does not: close enough."""


def changes_at(number: int, records: int) -> tuple[str, int]:
    """System and record of each change: of ten seven are edits in the CRM, two in the ERP, and one is a new customer.
    No record is edited on both sides: that would be conflicts, which wait for people."""
    kind = number % 10
    if kind == 9:
        return "crm", records + number // 10
    in_erp = kind in (3, 6)
    return "erp" if in_erp else "crm", number * 7919 % records // 2 * 2 + in_erp


class Side:
    """One system's customers."""

    name = "customers"
    traits = Traits(deletes=Deletes.REPORTED, versioned=True, guarded_writes=True, write_batch=PAGE, fetch_batch=PAGE)

    def __init__(self, prefix: str, arrived: Callable[[str], None]) -> None:
        self._prefix, self._arrived = prefix, arrived
        self.rows: dict[str, Record] = {}
        self.of_vat: dict[str, str] = {}
        self.log: list[str] = []
        self.catch_up: Callable[[], None] = lambda: None

    def put(self, key: str, fields: Mapping[str, Any]) -> Record:
        """Keep a row."""
        self.log.append(key)
        self.rows[key] = Record(key=key, fields=dict(fields), version=str(len(self.log)))
        self.of_vat[fields["vat"]] = key
        return self.rows[key]

    async def fields(self) -> Mapping[str, FieldInfo]:
        return {}

    async def fetch(self, keys: Sequence[str]) -> Sequence[Change]:
        return [self.rows.get(key) or Gone(key=key) for key in keys]

    async def scan(self, after: str | None) -> Page:
        return Page(items=[], cursor=None)

    async def changes(self, since: str | None) -> Page:
        self.catch_up()
        if since is None:
            return Page(items=[], cursor="0")
        keys = self.log[int(since) : int(since) + PAGE]
        items = [self.rows[key] for key in dict.fromkeys(keys)]
        return Page(items=items, cursor=str(int(since) + len(keys)), more=len(keys) == PAGE)

    async def write(self, writes: Sequence[Write]) -> Sequence[Record]:
        return [self._one(write) for write in writes]

    def _one(self, write: Write) -> Record:
        if isinstance(write, Create):
            record = self.put(f"{self._prefix}{len(self.log)}", write.fields)
        else:
            assert isinstance(write, Update)
            record = self.put(write.key, {**self.rows[write.key].fields, **write.fields})
        if "phone" in write.fields:
            self._arrived(record.fields["phone"])
        return record


class Run:
    """One rate for one time."""

    def __init__(self, rate: int, seconds: int, records: int) -> None:
        self._rate, self._seconds, self._records = rate, seconds, records
        self._made, self._began = 0, 0.0
        self.lags: list[tuple[float, float]] = []
        """When each arrived, counted from the beginning, and how long it had taken."""
        self.sides = {"crm": Side("C", self._note), "erp": Side("E", self._note)}
        for side in self.sides.values():
            side.catch_up = self._make

    def fill(self) -> None:
        """The records that are there before."""
        for n in range(self._records):
            self.sides["crm"].put(f"C-{n}", _fields(n, "+49"))

    def begin(self) -> None:
        """The clock starts."""
        self._began = time.monotonic()

    def _make(self) -> None:
        if not self._began:
            return
        now = min(time.monotonic() - self._began, self._seconds)
        while self._made < now * self._rate:
            system, n = changes_at(self._made, self._records)
            side = self.sides[system]
            # The phone says when the change was made; the record of the other side may be on its way still.
            key = side.of_vat.get(f"V{n}", f"C-{n}")
            if system == "crm" or key in side.rows:
                known = side.rows[key].fields if key in side.rows else _fields(n, "")
                side.put(key, {**known, "phone": f"+48{self._made}"})
            self._made += 1

    def _note(self, phone: str) -> None:
        if phone.startswith("+48"):
            now = time.monotonic() - self._began
            self.lags.append((now, now - int(phone[3:]) / self._rate))


def _fields(n: int, phone: str) -> dict[str, Any]:
    return {"vat": f"V{n}", "name": f"Company {n}", "email": f"{n}@x.example", "phone": phone}


def _often(found: Flow) -> Flow:
    return replace(found, sides={name: replace(side, every=EVERY) for name, side in found.sides.items()})


async def _hub(url: str, server: int, rate: int, seconds: int, records: int) -> dict[str, float]:
    run = Run(rate, seconds, records)
    run.fill()
    async with await PostgresStore.open(url) as store:
        systems: dict[str, Any] = {name: Null(side) for name, side in run.sides.items()}
        engine = Engine(
            store,
            World({"customer": _often(flow())}),
            systems,
            clock=clock,
            new_id=lambda: str(uuid.uuid4()),
            jitter=lambda: 0.5,
        )
        while len(run.sides["erp"].rows) < records:
            await engine.catch_up()
        collect_rarely()

        async def nothing() -> None:
            """The database does not die here."""

        async def never(system: str) -> Any:
            raise AssertionError(system)

        stop = asyncio.Event()
        service = asyncio.create_task(Service(engine, store, clock, reopen=never, revive=nothing).run(stop))
        await asyncio.sleep(2 * EVERY)
        own, others = time.process_time(), _cpu(server)
        run.begin()
        await asyncio.sleep(seconds)
        own, others = time.process_time() - own, _cpu(server) - others
        stop.set()
        await service
    return {"hub": own / seconds * 100, "postgresql": others / seconds * 100, **_judged(run.lags, seconds)}


def _judged(lags: Sequence[tuple[float, float]], seconds: float) -> dict[str, float]:
    """The lag's median in the second and in the last third of the time, and overall."""
    thirds: list[list[float]] = [[], [], []]
    for at, lag in lags:
        thirds[min(2, int(at * 3 / seconds))].append(lag)
    middle, last = (percentile(part, 0.5) if part else float(seconds) for part in thirds[1:])
    every = [lag for part in thirds for lag in part] or [float(seconds)]
    return {
        "middle": middle,
        "last": last,
        "p50": percentile(every, 0.5),
        "p99": percentile(every, 0.99),
        "written": len(lags) / seconds,
    }


def _cpu(server: int) -> float:
    """Processor seconds of the server and of all its sessions, those that have ended too."""
    found = psutil.Process(server).cpu_times()
    total = found.user + found.system + found.children_user + found.children_system
    for each in psutil.Process(server).children(recursive=True):
        times = each.cpu_times()
        total += times.user + times.system
    return float(total)


def _process(url: str, server: int, rate: int, seconds: int, records: int, told: Connection) -> None:
    told.send(asyncio.run(_hub(url, server, rate, seconds, records)))


def _once(rate: int, seconds: int, records: int) -> dict[str, float]:
    """A database and a process of its own."""
    with own_server() as server:
        url = server.start()
        pid = server.pid()
        assert pid is not None
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_process, args=(url, pid, rate, seconds, records, theirs)
        )
        process.start()
        theirs.close()
        found: dict[str, float] = ours.recv()
        process.join()
        return found


def steady(size: str, say: Callable[[str], None], rate: int | None = None, seconds: int | None = None) -> list[Figure]:
    """The wanted rate first; then, as long as the lag grows, lower ones."""
    where, wanted, seconds = machine(), rate or RATE[size], seconds or SECONDS[size]
    first = found = kept = _once(wanted, seconds, RECORDS[size])
    tried, sustained, too_much = wanted, 0, float("inf")
    # What arrives when it is too much is less than what the hub can do: many changes are overtaken by later ones.
    least = max(1.0, found["written"])
    for left in reversed(range(TRIES)):
        grows = found["last"] > found["middle"] + SLACK
        say(f"{tried}/s: {'the lag grows' if grows else 'no growing lag'}; {_said(found)}")
        if grows:
            too_much = tried
        else:
            sustained, least, kept = tried, tried, found
        if not left or too_much <= least * CLOSE or sustained == wanted:
            break
        tried = round(math.sqrt(least * too_much))
        found = _once(tried, seconds, RECORDS[size])
    found = kept if sustained else found
    named: dict[str, Any] = {"machine": where, "size": f"{wanted}/s for {seconds} s"}
    lower: dict[str, Any] = {"machine": where, "size": f"{sustained or tried}/s for {seconds} s"}
    growth = max(0.0, first["last"] - first["middle"])
    return [
        Figure(name="steady_lag_growth", value=growth, unit="s", target=SLACK, detail=first, **named),
        Figure(name="steady_sustained", value=sustained, unit="changes/s", at_least=wanted, detail=found, **lower),
        Figure(name="steady_lag_p50", value=found["p50"], unit="s", **lower),
        Figure(name="steady_lag_p99", value=found["p99"], unit="s", **lower),
        Figure(name="steady_hub", value=found["hub"], unit="% of a core", **lower),
        Figure(name="steady_postgresql", value=found["postgresql"], unit="% of a core", **lower),
    ]


def _said(found: Mapping[str, float]) -> str:
    return (
        f"lag {found['middle']:.2f} s, then {found['last']:.2f} s; {found['written']:.0f} written a second; "
        f"hub {found['hub']:.0f} %, PostgreSQL {found['postgresql']:.0f} % of a core"
    )
