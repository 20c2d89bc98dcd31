"""A kill is harmless (I8): a process that dies at any far call and at any commit, and is started again, comes to the
same end as one that does not; and so do several processes on one store."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from isthmus.connector import Deletes
from isthmus.testing import Trouble
from isthmus.testing.simulator.gate import Gate, Killed
from tests.engine.conftest import emptied
from tests.engine.flows import p
from tests.engine.office import ACME, ACME_ERP, Clock, Office

FLOWS = ("Customer", "Contact")
OPTIONS = {"names": FLOWS, "resources": {("crm", "accounts"): {"deletes": Deletes.SILENT}}}


def first_day(o):
    """Everything is new: equal ones, lonely ones, children."""
    acme = o.crm.people.create("accounts", ACME)
    o.crm.people.create("contacts", {"account": acme, "full_name": "Anna Lee", "email": "anna@acme.example"})
    o.erp.people.create("parties", ACME_ERP)
    o.erp.people.create("parties", {"name": "Beta AG", "tax_code": "ATU2", "active": True})


def second_day(o):
    """Edits on both sides, a delete, a new one, and an answer that gets lost."""
    acme, beta = (o.one("crm", "accounts", name=n)[0] for n in ("Acme GmbH", "Beta AG"))
    o.crm.people.edit("accounts", acme, {"name": "Acme SE", "limit": Decimal("5.50")})
    o.erp.people.edit("parties", o.one("erp", "parties", name="Acme GmbH")[0], {"email": "erp@acme.example"})
    o.crm.people.delete("accounts", beta)
    gamma = o.crm.people.create("accounts", {"name": "Gamma", "vat": "ATU3", "active": True})
    o.crm.people.create("contacts", {"account": gamma, "full_name": "Cy Gam", "email": "cy@gamma.example"})
    o.erp.faults.add(Trouble.AFTER, on="write", resource="parties", times=1)


DAYS = {"first": [first_day], "second": [first_day, second_day]}


async def lived(store, days, gate=None):
    """The fingerprint after these days; the process of the last one dies at the gate."""
    o = Office(store, store._clock, **OPTIONS)
    for day in days[:-1]:
        day(o)
        await o.settle(2)
    days[-1](o)
    killed = await o.run_until_killed(gate or Gate())
    await o.start()
    await o.settle(3)
    return killed, await o.fingerprint()


@pytest.mark.spec(8)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("days", list(DAYS))
async def test_killed_anywhere_the_end_is_the_same(engine_database, days, part):
    gate = Gate()
    store = await emptied(engine_database, Clock())
    _, wanted = await lived(store, DAYS[days], gate)
    await store.close()
    assert not wanted["waiting"]
    assert not wanted["inbox"]
    for at in range(1 + part, gate.passed + 1, 4):
        store = await emptied(engine_database, Clock())
        try:
            dying = Gate(at)
            killed, found = await lived(store, DAYS[days], dying)
            assert killed or dying.passed < at
            assert found == wanted, f"killed at {at}: {dying.log[-1]}"
        finally:
            await store.close()


@pytest.mark.spec(8)
async def test_two_processes_on_one_store_come_to_the_same_as_one(engine_database):
    store = await emptied(engine_database, Clock())
    _, wanted = await lived(store, DAYS["second"])
    await store.close()
    store = await emptied(engine_database, Clock())
    try:
        o = Office(store, store._clock, **OPTIONS)
        engines = [await o.start(), await o.start()]
        for day in DAYS["second"]:
            day(o)
            for _ in range(3):
                await asyncio.gather(*(engine.catch_up() for engine in engines))
                o.clock.advance(400)
        found = await o.fingerprint()
        assert found == wanted
    finally:
        await store.close()


@pytest.mark.spec(8)
async def test_an_interrupted_scan_goes_on_where_it_stopped(office):
    o = office(names=("Customer",))
    for n in range(10):
        o.crm.people.create("accounts", {**ACME, "name": f"N{n}", "vat": f"V{n}", "city": f"T{n}"})
    o.crm.faults.add(Trouble.DOWN, on="scan", skip=2, times=1)
    await o.sync()
    assert len(o.table("erp", "parties")) == 6
    o.forget_calls()
    o.clock.advance(400)
    await o.sync()
    assert len(o.table("erp", "parties")) == 10
    assert sum(c.kind == "scan" for c in o.crm.calls) == 2


@pytest.mark.spec(8)
async def test_a_scan_interrupted_under_an_older_mapping_begins_again(office):
    o = office(names=("Customer",), resources={("crm", "accounts"): {"feed": True}})
    for n in range(7):
        o.crm.people.create("accounts", {**ACME, "name": f"N{n}", "vat": f"V{n}", "city": f"T{n}", "note": f"note{n}"})
    o.crm.faults.add(Trouble.DOWN, on="scan", skip=1, times=1)
    await o.sync()
    assert len(o.table("erp", "parties")) == 3
    o.flow_changes["exprs"] = {("Customer", "crm", "name"): p("note")}
    await o.start()
    await o.settle(2)
    assert sorted(x["name"] for x in o.table("erp", "parties")) == [f"note{n}" for n in range(7)]


class WriteGate(Gate):
    """Dies when a write is done and its answer not yet stored."""

    def step(self, where: str) -> None:
        self.alive()
        if where.startswith("write "):
            self.dead = True
            raise Killed(where)


@pytest.mark.spec(3)
@pytest.mark.spec(8)
@pytest.mark.parametrize("owner", [None, "crm", "erp"])
async def test_an_unrecorded_write_of_ours_is_nobodys_edit(office, owner):
    """Killed after the ERP took a name; then somebody edits the name once more in the CRM: no conflict, and no owner
    who wins with a value that was never his."""
    o = office(names=("Customer",), rules={("Customer", "name"): {"owner": owner}})
    key = o.crm.people.create("accounts", ACME)
    await o.settle(2)
    o.crm.people.edit("accounts", key, {"name": "Second"})
    assert await o.run_until_killed(WriteGate())
    assert o.one("erp", "parties")[1]["name"] == "Second"
    o.crm.people.edit("accounts", key, {"name": "Third"})
    await o.start()
    await o.engine.poll("crm", "accounts")
    await o.settle(2)
    assert [o.one("crm", "accounts")[1]["name"], o.one("erp", "parties")[1]["name"]] == ["Third", "Third"]
    assert await o.inbox() == []


@pytest.mark.spec(3)
async def test_an_edit_there_is_an_edit_though_a_write_of_ours_was_lost(office):
    o = office(names=("Customer",))
    key = o.crm.people.create("accounts", ACME)
    await o.settle(2)
    o.crm.people.edit("accounts", key, {"name": "Second"})
    assert await o.run_until_killed(WriteGate())
    o.erp.people.edit("parties", o.one("erp", "parties")[0], {"name": "Of the ERP"})
    o.crm.people.edit("accounts", key, {"name": "Third"})
    await o.start()
    await o.engine.poll("crm", "accounts")
    await o.settle(2)
    assert o.one("erp", "parties")[1]["name"] == "Of the ERP"
    assert len(await o.inbox()) == 1
