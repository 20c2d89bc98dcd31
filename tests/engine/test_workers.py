"""Several workers on one store (I6, I7, I8): shares, the brake's account, and who looks when."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from isthmus.model.flow import Brake
from isthmus.model.state import InboxKind
from isthmus.store import PostgresStore, Worker
from isthmus.sync.engine import Engine
from isthmus.sync.world import World
from isthmus.testing import Trouble
from tests.engine.office import ACME
from tests.engine.test_round import linked

ONLY = {"names": ("Customer",)}


async def workers(o, count):
    """Engines with stores of their own, as different processes have them; the office's own is the first."""
    await o.start()
    engines = [o.engine]
    for number in range(count):
        store = o.store if number == 0 else await PostgresStore.open(o.store.url, clock=o.clock, migrated=True)
        await store.join(Worker(kind="worker", host="test", pid=number))
        if number:
            engines.append(
                Engine(store, World(o.flows()), o.engine.systems, clock=o.clock, new_id=o.new_id, jitter=lambda: 0.0)
            )
    return engines


async def close(engines):
    for engine in engines[1:]:
        await engine.store.close()


def many(o, first, last):
    for n in range(first, last):
        o.crm.people.create("accounts", {**ACME, "name": f"N{n}", "vat": f"V{n}", "city": f"T{n}"})


def noting_writes(o):
    """Slow the ERP's writes down; who is at which record at the same time."""
    resource = o.engine.systems["erp"].resources()["parties"]
    inner, under_way, most = resource.write, Counter(), []

    async def write(writes):
        names = [w.fields.get("name", "?") if hasattr(w, "fields") else "?" for w in writes]
        under_way.update(names)
        most.append((sum(under_way.values()), max(under_way.values())))
        await asyncio.sleep(0.02)
        under_way.subtract(names)
        return await inner(writes)

    resource.write = write
    return most


@pytest.mark.spec(6)
async def test_workers_write_side_by_side_and_never_the_same_record(office):
    o = office(**ONLY, flow_options={"Customer": {"brake": Brake(at_least=10_000)}})
    engines = await workers(o, 4)
    try:
        most = noting_writes(o)
        many(o, 0, 120)
        await o.engine.observe_all()
        counts = await asyncio.gather(*(engine.apply("Customer", "erp") for engine in engines))
        assert all(counts), "every worker got a share"
        assert max(at_once for at_once, _ in most) >= 20, "more than one batch of ten at a time"
        while any(await asyncio.gather(*(engine.apply("Customer", "erp") for engine in engines))):
            pass
        assert len(o.table("erp", "parties")) == 120
        assert max(same for _, same in most) == 1
        shares = [x for x in counts if x]
        assert max(shares) <= 30, "nobody takes more than half of its fair share and a batch at first"
    finally:
        await close(engines)


@pytest.mark.spec(7)
async def test_a_mass_change_through_several_workers_stops_all_the_same(office):
    o = office(**ONLY, flow_options={"Customer": {"brake": Brake(at_least=10)}})
    engines = await workers(o, 3)
    try:
        for part in range(4):
            many(o, part * 6, part * 6 + 6)
            await engines[part % 3].catch_up()
        assert len(o.table("erp", "parties")) == 6, "six went through, then six more would be twelve within a minute"
        assert "creates in erp wait" in (await o.question(InboxKind.BRAKE)).summary
    finally:
        await close(engines)


@pytest.mark.spec(7)
async def test_an_approval_is_spent_once_by_all_workers_together(office):
    o = office(**ONLY, flow_options={"Customer": {"brake": Brake(at_least=5)}})
    engines = await workers(o, 3)
    try:
        many(o, 0, 40)
        await o.engine.catch_up()
        entry = await o.question(InboxKind.BRAKE)
        many(o, 40, 80)
        await o.engine.observe_all()
        await o.decide(entry, "approve")
        for _ in range(20):
            await asyncio.gather(*(engine.apply("Customer", "erp") for engine in engines))
        # Forty are approved; the other forty are more than five.
        assert len(o.table("erp", "parties")) == 40
        assert "40 creates in erp wait" in (await o.question(InboxKind.BRAKE)).summary
        assert await o.rows("select count(*) from approval") == [(0,)]
    finally:
        await close(engines)


@pytest.mark.spec(9)
async def test_a_resource_is_looked_at_once_an_interval_whoever_does_it(office):
    o = office(**ONLY)
    engines = await workers(o, 2)
    try:
        assert await engines[1].seconds_until_look("crm", "accounts") == 0
        await engines[0].poll("crm", "accounts")
        every = o.engine.world.every("crm", "accounts")
        assert every - 1 < await engines[1].seconds_until_look("crm", "accounts") <= every
        o.clock.advance(every)
        assert await engines[1].seconds_until_look("crm", "accounts") == 0
    finally:
        await close(engines)


@pytest.mark.spec(8)
async def test_first_contact_that_another_worker_is_at_is_asked_for_again(office):
    o = office(**ONLY)
    engines = await workers(o, 2)
    try:
        assert await engines[1].store.try_lock("meet/Customer")
        assert await engines[0].meet_all() is None
        await engines[1].store.unlock("meet/Customer")
        assert await engines[0].meet_all() == 0
    finally:
        await close(engines)


@pytest.mark.spec(8)
async def test_an_earlier_write_that_arrives_late_is_overwritten_again(office):
    """A worker died over a write that was still on its way; another one has written what came after it."""
    o = await linked(office, names=("Customer",))
    account, _ = o.one("crm", "accounts")
    party, _ = o.one("erp", "parties")
    o.erp.faults.add(Trouble.BEFORE, on="write", times=1)
    o.crm.people.edit("accounts", account, {"name": "First AG"})
    await o.sync()
    o.crm.people.edit("accounts", account, {"name": "Second AG"})
    resource = o.engine.systems["erp"].resources()["parties"]
    write = resource.write
    late = [lambda: o.erp.people.edit("parties", party, {"name": "First AG"})]

    async def write_and_be_overtaken(writes):
        answers = await write(writes)
        while late:
            late.pop()()
            answers = [o.erp.record("parties", party)]
        return answers

    resource.write = write_and_be_overtaken
    await o.settle(3)
    assert not late
    assert o.erp.records("parties")[party]["name"] == "Second AG"
    assert o.crm.records("accounts")[account]["name"] == "Second AG"


@pytest.mark.spec(12)
async def test_a_system_that_keeps_an_earlier_value_is_asked_twice_and_no_more(office):
    o = await linked(office, names=("Customer",), resources={("erp", "parties"): {"normalise": {"name": shortened}}})
    account, _ = o.one("crm", "accounts")
    for name in ("Acme Berlin", "Acme Berlin West"):
        o.crm.people.edit("accounts", account, {"name": name})
        await o.settle(2)
    o.forget_calls()
    await o.settle(3)
    assert o.writes() == 0
    assert o.one("erp", "parties")[1]["name"] == "Acme Berlin"
    assert o.one("crm", "accounts")[1]["name"] == "Acme Berlin West"


def shortened(value):
    return value[:11] if isinstance(value, str) else value


@pytest.mark.spec(9)
async def test_a_hint_at_a_resource_that_another_is_reading_is_not_used_up(office):
    o = await linked(office, names=("Customer",))
    async with await PostgresStore.open(o.store.url, clock=o.clock, migrated=True) as other:
        assert await other.try_lock("read/erp/parties")
        assert await o.engine.look("erp", "parties", []) is None
        assert await o.engine.poll("erp", "parties") == 0
        await other.unlock("read/erp/parties")
    o.erp.people.edit("parties", o.one("erp", "parties")[0], {"name": "Changed AG"})
    assert await o.engine.look("erp", "parties", []) == 1
