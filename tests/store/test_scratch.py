"""A plan runs on a copy: the same engine code, and nothing of the real tables changes."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from isthmus.model.state import LinkState
from isthmus.process import Process, ProcessState
from isthmus.store import PostgresStore, Reads
from isthmus.sync.ports import Approval, DueAt, Evidence
from tests.store.examples import (
    HOUR,
    NOW,
    a_change,
    a_feed,
    a_full_item,
    a_full_link,
    a_link,
    a_question,
    a_write,
    an_item,
    save,
)

TABLES = ("item", "link", "journal", "effect", "evidence", "inbox", "feed", "scan_seen", "approval", "hint", "meta")


def fingerprint(url: str) -> dict[str, Any]:
    """Every row with its row version and place, what the server counted, and the sequences."""
    with psycopg.connect(url) as connection:
        found: dict[str, Any] = {}
        for table in TABLES:
            rows = connection.execute(
                f"select tableoid, ctid, xmin, xmax, t::text from isthmus.{table} as t order by 1, 2"
            )
            found[table] = rows.fetchall()
        found["sequences"] = connection.execute(
            "select sequencename, last_value from pg_sequences where schemaname = 'isthmus' order by 1"
        ).fetchall()
        found["written"] = connection.execute(
            "select relname, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_user_tables where schemaname = 'isthmus' "
            "order by 1"
        ).fetchall()
        return found


async def fill(store: PostgresStore) -> None:
    await save(
        store,
        items=[a_full_item(), an_item("i2")],
        links=[a_full_link(), a_link("l2", item="i2", due_at=NOW)],
        journal=[a_change("i1")],
        effects=[a_write("l2")],
        evidence=[Evidence("Customer", "tax_id", "1", "i2")],
        evidence_of=["i2"],
        open_inbox=[a_question("q1")],
        feeds=[a_feed(cursor="c")],
    )
    async with store.transaction() as transaction:
        await transaction.approve("customer/crm/update", 9)
        await transaction.scan_seen("crm", "account", ["1"], start=True)
        # A process of the item's own: it would be told of a change.
        await transaction.processes.add(
            Process(
                id="i2", name="order", input=None, state=ProcessState.SLEEPING, version=0, step="pause", question="",
                who="", since=NOW, wake_at=None, attempts=0, result=None, problem=None, started_at=NOW,
            )
        )  # fmt: skip
    await store.add_hints([("crm", "account", "1")])
    await store.remember("a", 1)


async def change_everything(store: Any) -> None:
    """What a run of the engine may do."""
    await save(
        store,
        items=[an_item("i2", version=2), an_item("i3")],
        links=[a_link("l2", attempts=5), a_link("l3", state=LinkState.NEW, due_at=NOW, item="i3")],
        drop_links=["full"],
        journal=[a_change("i2", 2)],
        effects=[a_write("l2", at=NOW + HOUR)],
        evidence=[Evidence("Customer", "tax_id", "2", "i2")],
        evidence_of=["i2"],
        open_inbox=[a_question("q2", subject="l3")],
        close_inbox=[("conflict", "l1")],
        feeds=[a_feed(cursor="d")],
        wake=["erp/party/1"],
    )
    async with store.transaction() as transaction:
        await transaction.use_approval("customer/crm/update", ["l3"])
        await transaction.end_approval("customer/crm/update", ["l3"])
        await transaction.note_traffic("customer/crm/update", ["l3"], NOW, NOW)
        await transaction.scan_seen("crm", "account", ["2"], start=True)


async def test_a_scratch_copy_changes_nothing_real(store: PostgresStore) -> None:
    await fill(store)
    # Sessions report what they counted when they end.
    await store.close()
    before = fingerprint(store.url)
    async with await PostgresStore.open(store.url, migrated=True) as opened, opened.scratch() as scratch:
        await change_everything(scratch)
        async with scratch.transaction() as transaction:
            assert [link.id for link in await transaction.links(["full", "l2", "l3"])] == ["l2", "l3"]
            assert await transaction.brake_approvals(["customer/crm/update"], NOW) == {
                "customer/crm/update": Approval(8)
            }
            assert await transaction.find_evidence("Customer", [("tax_id", "2")]) == {("tax_id", "2"): ["i2"]}
        assert (await Reads(scratch).history("i2")) == [a_change("i2", 2)]
        assert fingerprint(store.url) == before
    assert fingerprint(store.url) == before


async def test_the_copy_sees_what_was_there_when_it_was_made(store: PostgresStore) -> None:
    await fill(store)
    async with store.scratch() as scratch:
        await save(store, links=[a_link("later")])
        async with scratch.transaction() as transaction:
            assert await transaction.links(["full", "later"]) == [a_full_link()]
            assert await transaction.items(["i1"]) == {"i1": a_full_item()}
            assert await transaction.feed("crm", "account") == a_feed(cursor="c")
            assert [entry.id for entry in await transaction.open_entries("conflict", ["l1"])] == ["q1"]
        assert await scratch.due_at() == {("customer", "crm"): DueAt(NOW)}


async def test_the_copy_wakes_nobody_and_locks_nobody_out(store: PostgresStore) -> None:
    async with store.scratch() as scratch:
        notices = store.notifications()
        await anext(notices)
        await save(scratch, links=[a_link("l1", due_at=NOW)])
        await store.add_hints([("crm", "account", "1")])
        async with asyncio.timeout(10):
            assert (await anext(notices)).flow is None, "the first notice is the hint's"
        assert await scratch.try_lock("customer/crm")
        assert not await scratch.try_lock("customer/crm")
        assert await store.try_lock("customer/crm")
        await scratch.unlock("customer/crm")
        assert await scratch.try_lock("customer/crm")


async def test_transactions_on_the_copy_take_turns(store: PostgresStore) -> None:
    async with store.scratch() as scratch:

        async def add(number: int) -> None:
            async with scratch.transaction() as transaction:
                count = len(await transaction.links([f"l{each}" for each in range(10)]))
                await asyncio.sleep(0)
                assert count == len(await transaction.links([f"l{each}" for each in range(10)]))
            await save(scratch, links=[a_link(f"l{number}")])

        await asyncio.gather(*(add(number) for number in range(10)))
        async with scratch.transaction() as transaction:
            assert len(await transaction.links([f"l{each}" for each in range(10)])) == 10
