"""``open_processes``: a hub with hundreds of processes that wait for people and goods: what it costs while nothing
happens, and how fast they are listed."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
from msgspec.structs import replace

from benchmarks.figures import Figure, machine
from benchmarks.linking import until_calm
from benchmarks.processes import cpu_seconds
from isthmus.app.bootstrap import STATE_FOLDER, clock, new_id, open_hub, open_store
from isthmus.app.business import OpenBusiness
from isthmus.app.ordering import place as place_order
from isthmus.app.organisation import add_unit
from isthmus.app.quoting import request_quote
from isthmus.app.requesting import make_request
from isthmus.app.returns import announce_return
from isthmus.app.settlements import close_month, note_repair
from isthmus.cli.demo import Stage
from isthmus.cli.process import drawn
from isthmus.cli.show import console
from isthmus.desk.ordering import VALID_FOR, Asked, AskedLine, Simulation
from isthmus.desk.quoting import WantedLine
from isthmus.desk.simulating import ask_truth
from isthmus.lab.people import ErpWarehouse
from isthmus.process import OPEN, ProcessState
from isthmus.store import EmbeddedServer, PostgresStore, Reads

__all__ = ["open_processes"]

EACH = {"full": 200, "small": 200}
"""Open processes of each kind."""
SECONDS = {"full": 60.0, "small": 30.0}
SETTLE = 15.0
"""Seconds of rest before measuring starts."""
CALM = 600.0
SHARE = 3.0
"""Target: per cent of one core."""
LIST = 0.2
"""Target: seconds."""
TIMES = 20
SHOWN = 50
"""Rows, when nobody says how many."""
RULES = """\
currency: EUR
rules:
  - {rule: requests, document: MaterialRequest, ask: nobody}
  - {rule: orders, document: SalesOrder, ask: [{stage: credit, who: money@bench.example}]}
"""
REPAIRS = """\
time_zone: Europe/Berlin
accounts: {expense: "5.1.3", payable: "2.1.1", journal: MISC}
levels: {minor: {EUR: 15}}
rules: [{level: minor}]
"""
BY = "bench@bench.example"


def open_processes(place: Stage, size: str, say: Callable[[str], None]) -> list[Figure]:
    """On a linked stage, whose hub does not run yet."""
    where, each = machine(), EACH[size]
    for name, text in (("approvals.yaml", RULES), ("repairs.yaml", REPAIRS)):
        (place.folder / name).write_text(text, encoding="utf-8")
    bare, _ = _idle(place, size, say)
    say(f"nothing is open: {bare:.2f} % of a core")
    asyncio.run(_begin(place, each, say))
    share, stored = _idle(place, size, say)
    kinds, listed, everything = asyncio.run(_listed(place.folder))
    command = _whole_command(place.folder)
    say(f"{sum(kinds.values())} open: {share:.2f} % of a core; listed in {listed * 1000:.0f} ms")
    named: dict[str, Any] = {"size": size, "machine": where}
    detail = {"open": dict(kinds), "nothing_open": bare}
    return [
        Figure(name="open_processes_hub", value=share, unit="% of a core", target=SHARE, detail=detail, **named),
        Figure(name="open_processes_postgresql", value=stored, unit="% of a core", **named),
        Figure(
            name="open_processes_list", value=listed, unit="s", target=LIST, detail={"whole_command": command}, **named
        ),
        Figure(name="open_processes_list_all", value=everything, unit="s", **named),
    ]


def _idle(place: Stage, size: str, say: Callable[[str], None]) -> tuple[float, float]:
    """Share of a core that the running hub takes while nothing happens, and that of its database."""
    since = clock()
    place.start_hub()
    try:
        asyncio.run(until_calm(place.folder, since))
        asyncio.run(_all_wait(place.folder))
        time.sleep(SETTLE)
        say(f"nothing happens for {SECONDS[size]:.0f} s")
        pid, database = place.hub_pid(), EmbeddedServer(place.folder / STATE_FOLDER / "pg").pid()
        assert pid is not None
        assert database is not None
        hub, server = psutil.Process(pid), psutil.Process(database)
        began, cpu, stored = time.monotonic(), cpu_seconds(hub), cpu_seconds(server, children=True)
        time.sleep(SECONDS[size])
        seconds = time.monotonic() - began
        spent, kept = cpu_seconds(hub) - cpu, cpu_seconds(server, children=True) - stored
    finally:
        place.stop_hub()
    return spent / seconds * 100, kept / seconds * 100


async def _all_wait(folder: Path) -> None:
    """Until no process has anything to do by itself."""
    limit = time.monotonic() + CALM
    busy = [ProcessState.RUNNING, ProcessState.RETRYING, ProcessState.SLEEPING]
    async with open_store(folder) as (_, store):
        while found := await Reads(store).processes(busy, 1000):
            if time.monotonic() > limit:
                raise RuntimeError(f"Still under way: {Counter((one.name, one.state) for one in found)}")
            await asyncio.sleep(1)


async def _begin(place: Stage, each: int, say: Callable[[str], None]) -> None:
    """Each kind waits for somebody, by the use cases that people have: an order and an approval for whoever decides
    about credit, a quote for sales, a request for its goods, a return for its sender, a settlement for its report."""
    erp, warehouse = place.erp_user(), ErpWarehouse(place.erp_user())
    async with open_hub(place.folder) as hub:
        business = OpenBusiness(hub)
        sku, customer, party = await _chosen(hub.store)
        erp.patch_party(party, credit_limit_amount=Decimal(1))
        warehouse.create_consignment_place("BENCH", "Bench", party)
        await add_unit(business, number="HO", name="Head office", kind="head_office", by=BY)
        await add_unit(business, number="C", name="Centre", kind="centre", below="HO", by=BY)
        await add_unit(
            business, number="S", name="Station", kind="station", below="C", by=BY, customer_name=customer,
            consignment_place="BENCH", credit=("50000000", "EUR"),
        )  # fmt: skip
        line = (sku, Decimal(1))
        say(f"beginning {each} of each kind")
        for at in range(each):
            await make_request(business, "S", [line], supply="fill_up", requester=BY)
            await announce_return(business, "S", [line], requester=BY)
            await request_quote(business, [WantedLine(sku=sku, quantity=Decimal(1))], customer=customer, by=BY)
            month = date(2024 - at // 12, 12 - at % 12, 3)
            await note_repair(business, "S", method="cleaning", repaired_on=month, currency="EUR", by=BY)
        for at in reversed(range(each)):
            await close_month(business, "C", f"{2024 - at // 12}-{12 - at % 12:02}", by=BY)
        await _orders(business, sku, customer, each)


async def _chosen(store: PostgresStore) -> tuple[str, str, int]:
    """SKU of a product; name and party of a customer that the ERP has."""
    reads = Reads(store)
    goods, people = await reads.search("-00", limit=500), await reads.search("GmbH", limit=500)
    sku = next(str(item.fields["sku"]) for item in goods if item.entity == "Product" and item.fields.get("sku"))
    for item in people:
        links = await reads.links_of_items([item.id])
        keys = [link.key for link in links if link.system == "erp" and link.key is not None]
        if item.entity == "Customer" and keys:
            return sku, str(item.fields["name"]), int(keys[0])
    raise RuntimeError("The lab has no customer for this.")


async def _orders(business: OpenBusiness, sku: str, name: str, each: int) -> None:
    customer = (await business.find("Customer", "name", name))[0]
    product = (await business.find("Product", "sku", sku))[0]
    asked = Asked(customer=customer.id, lines=(AskedLine(product=product.id, sku=sku, quantity=Decimal(1)),))
    truth, now = await ask_truth(business, asked), business.now()
    for at in range(each):
        one = Simulation(
            id=new_id(), asked=replace(asked, reference=f"bench {at}"), truth=truth, made_at=now,
            expires_at=now + VALID_FOR,
        )  # fmt: skip
        async with business.transaction() as tx:
            await tx.simulations.add(one)
        done = await place_order(business, one.id, by=BY, role="sales", patience=0)
        assert done.state == "checking", done


async def _listed(folder: Path) -> tuple[Counter[str], float, float]:
    """How many of each kind are open; seconds to read and draw the list as the command does when nothing is said (the
    newest ones), and all of it."""
    times: dict[int, list[float]] = {SHOWN: [], 10_000: []}
    async with open_store(folder) as (_, store):
        reads = Reads(store)
        found = await reads.processes(list(OPEN), 10_000)
        for most in [*times] * TIMES:
            began = time.perf_counter()
            shown = await reads.processes([*OPEN, ProcessState.FAILED], most)
            with console.capture():
                console.print(drawn(shown, datetime.now(UTC)))
            times[most].append(time.perf_counter() - began)
    return Counter(one.name for one in found), statistics.median(times[SHOWN]), statistics.median(times[10_000])


def _whole_command(folder: Path) -> float:
    """Seconds; it begins with starting Python and the hub's database."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "isthmus", "process", "list", "-C", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
