"""``hint_latency``: how long after a person's change in one system it can be seen in the other, by webhooks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.figures import Figure, machine, percentile
from benchmarks.linking import until_calm
from isthmus.app.bootstrap import clock, open_store, open_system, read_project
from isthmus.app.explain import explain
from isthmus.cli.demo import Stage
from isthmus.connector import Record, System, Update, Writable
from isthmus.errors import IsthmusError
from isthmus.lab.people import CrmUser, ErpUser
from isthmus.store import Reads

__all__ = ["hint_latency"]

CHANGES = {"full": 100, "small": 30}
FLOORS = {"full": 20, "small": 10}
"""How many changes are also made by the bare calls, per direction."""
RECORDS = 10
"""How many customers and products are changed in turn."""
LOOK = 0.020
"""Seconds between two looks at the other system."""
PATIENCE = 90.0
"""Seconds until a change that is not seen counts as lost."""
MEDIAN, P95 = 1.0, 2.0
"""Targets in seconds."""


class _Pair(msgspec.Struct, frozen=True):
    """Two records that the hub has linked."""

    crm: str
    erp: str


class _People:
    """What people do and see, each in a system of their own; nothing here goes through the hub."""

    def __init__(self, place: Stage, customers: list[_Pair], products: list[_Pair]) -> None:
        self.crm: CrmUser = place.crm_user()
        self.erp: ErpUser = place.erp_user()
        self.customers = list(islice((pair for pair in customers if self._one_phone(pair)), RECORDS))
        self.products = products[:RECORDS]
        rows = self.erp.read("product.product", [["id", "in", [int(p.erp) for p in self.products]]], ["template"])
        self._templates = {str(row["id"]): int(row["template"]) for row in rows}
        self._count = 0

    def _one_phone(self, pair: _Pair) -> bool:
        account = self.crm.account(pair.crm)
        return bool(account and account.get("phone")) and len(self._phones(pair.erp)) == 1

    def _phones(self, party: str) -> list[dict[str, Any]]:
        domain = [["party", "=", int(party)], ["type", "=", "phone"], ["name", "=", None], ["active", "=", True]]
        return self.erp.read("party.contact_mechanism", domain, ["value"])

    def new_phone(self) -> str:
        """A number that nobody has."""
        self._count += 1
        return f"+49 30 5550{self._count:04d}"

    def change_phone(self, pair: _Pair, phone: str) -> Callable[[], bool]:
        """Carl changes the phone of a customer in the CRM; how to see it in the ERP."""
        self.crm.patch_account(pair.crm, phone=phone)
        digits = _digits(phone)
        return lambda: any(_digits(row["value"]) == digits for row in self._phones(pair.erp))

    def change_price(self, pair: _Pair, price: Decimal) -> Callable[[], bool]:
        """Erin changes a list price in the ERP; how to see it in the CRM."""
        self.erp.call("model.product.template.write", [self._templates[pair.erp]], {"list_price": price})
        return lambda: self._crm_price(pair.crm) == price

    def _crm_price(self, key: str) -> Decimal:
        answer = self.crm.call("GET", f"/invoices/products/{key}/")
        return Decimal(str(answer.get("product", answer)["price"]))

    def new_price(self) -> Decimal:
        """A price that nobody has."""
        self._count += 1
        return Decimal("100.00") + Decimal(self._count) / 100


def hint_latency(place: Stage, size: str, say: Callable[[str], None]) -> list[Figure]:
    """Make single changes on a linked stage with the hub running, and wait for each."""
    where = machine()
    customers, products = asyncio.run(_pairs(place.folder))
    people = _People(place, customers, products)
    if not people.customers or not people.products:
        raise RuntimeError("There are no linked customers with one phone, or no linked products.")
    floors = asyncio.run(_floors(place.folder, people, FLOORS[size]))
    say("starting the hub")
    since = clock()
    place.start_hub()
    asyncio.run(until_calm(place.folder, since))
    say(f"{CHANGES[size]} changes, one after the other")
    phones, prices = _changes(people, place.folder, CHANGES[size], say)
    place.stop_hub()
    return _figures(phones, prices, floors, where, size)


def _changes(people: _People, folder: Path, count: int, say: Callable[[str], None]) -> tuple[list[float], list[float]]:
    phones, prices = list[float](), list[float]()
    pause = random.Random(1)
    for number in range(count):
        if number % 2:
            pair = people.products[number // 2 % len(people.products)]
            changed = people.change_price(pair, people.new_price())
            prices.append(_seen_after(changed, folder, "erp", "product", pair.erp))
        else:
            pair = people.customers[number // 2 % len(people.customers)]
            changed = people.change_phone(pair, people.new_phone())
            phones.append(_seen_after(changed, folder, "crm", "account", pair.crm))
        if number % 10 == 9:
            latest = [*phones[-5:], *prices[-5:]]
            say(f"{number + 1} changes; the last ten after {min(latest):.2f} to {max(latest):.2f} s")
        # Not in step with anything the hub does by the clock.
        time.sleep(pause.uniform(0.2, 0.7))
    return phones, prices


def _seen_after(seen: Callable[[], bool], folder: Path, *record: str) -> float:
    """Seconds from now (the person's write to this record has just been answered) until it is seen."""
    began = time.perf_counter()
    look = began
    while not seen():
        if time.perf_counter() - began > PATIENCE:
            told = asyncio.run(_told(folder, *record))
            raise TimeoutError(f"A change of {' '.join(record)} did not arrive within {PATIENCE:.0f} s. {told}")
        look = max(look + LOOK, time.perf_counter())
        time.sleep(max(0.0, look - time.perf_counter()))
    return time.perf_counter() - began


async def _told(folder: Path, system: str, resource: str, key: str) -> str:
    """What the hub itself says of the record, and what it asks people in the meantime."""
    async with open_store(folder) as (project, store):
        reads = Reads(store)
        answer = await explain(reads, project, system, resource, key, clock())
        asked = await reads.inbox(limit=3)
    return " ".join(["The hub says:", answer.sentence, answer.advice, *(entry.summary for entry in asked)])


async def _pairs(folder: Path) -> tuple[list[_Pair], list[_Pair]]:
    async with open_store(folder) as (_, store), store.transaction() as tx:
        found = []
        for flow in ("customer", "product"):
            crm, erp = await tx.linked_keys(flow, "crm"), await tx.linked_keys(flow, "erp")
            there = {item: key for key, item in erp.items()}
            found.append([_Pair(key, there[item]) for key, item in sorted(crm.items()) if item in there])
    return found[0], found[1]


async def _floors(folder: Path, people: _People, count: int) -> dict[str, list[float]]:
    """The calls that a change cannot do without: read the record here by key, write it there."""
    project = read_project(folder)
    crm, erp = await open_system(project, "crm"), await open_system(project, "erp")
    for system in (crm, erp):
        if isinstance(system, IsthmusError):
            raise system
    assert not isinstance(crm, IsthmusError)
    assert not isinstance(erp, IsthmusError)
    try:
        phones = [
            await _bare(crm, "account", pair.crm, erp, "party", pair.erp, _with_phone, people.new_phone())
            for pair in _turns(people.customers, count)
        ]
        prices = [
            await _bare(erp, "product", pair.erp, crm, "product", pair.crm, _with_price, people.new_price())
            for pair in _turns(people.products, count)
        ]
    finally:
        await crm.close()
        await erp.close()
    return {"phones": phones, "prices": prices}


def _turns(pairs: list[_Pair], count: int) -> list[_Pair]:
    return [pairs[number % len(pairs)] for number in range(count)]


async def _bare(
    here: System,
    read: str,
    read_key: str,
    there: System,
    write: str,
    write_key: str,
    fields: Callable[[Record, Any], dict[str, Any]],
    value: Any,
) -> float:
    near, far = here.resources()[read], there.resources()[write]
    assert isinstance(far, Writable)
    (before,) = await far.fetch([write_key])
    assert isinstance(before, Record)
    update = Update(before=before, fields=fields(before, value))
    began = time.perf_counter()
    await near.fetch([read_key])
    (answer,) = await far.write([update])
    seconds = time.perf_counter() - began
    if isinstance(answer, IsthmusError):
        raise answer
    return seconds


def _with_phone(before: Record, phone: str) -> dict[str, Any]:
    mechanisms = [
        {**one, "value": phone} if one["type"] == "phone" else one for one in before.fields["contact_mechanisms"]
    ]
    return {"contact_mechanisms": mechanisms}


def _with_price(before: Record, price: Decimal) -> dict[str, Any]:
    return {"price": price}


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())


def _figures(
    phones: list[float], prices: list[float], floors: dict[str, list[float]], where: str, size: str
) -> list[Figure]:
    values, bare = phones + prices, floors["phones"] + floors["prices"]
    detail = {
        "changes": len(values),
        "crm_to_erp_seconds": {"p50": percentile(phones, 0.5), "p95": percentile(phones, 0.95), "max": max(phones)},
        "erp_to_crm_seconds": {"p50": percentile(prices, 0.5), "p95": percentile(prices, 0.95), "max": max(prices)},
        "seconds_in_order": [round(seconds, 3) for seconds in values],
    }
    rows = [
        Figure(
            name=f"hint_latency_{name}",
            value=percentile(values, part),
            unit="s",
            floor=percentile(bare, part),
            target=target,
            size=size,
            machine=where,
            detail=detail if part == 0.5 else {},
        )
        for name, part, target in (("p50", 0.5, MEDIAN), ("p95", 0.95, P95))
    ]
    for name, seconds, floor in (("crm_to_erp", phones, floors["phones"]), ("erp_to_crm", prices, floors["prices"])):
        rows.append(
            Figure(
                name=f"hint_latency_{name}_p50",
                value=percentile(seconds, 0.5),
                unit="s",
                floor=percentile(floor, 0.5),
                size=size,
                machine=where,
            )
        )
    return rows
