"""Rows that are known already: nothing is believed that the database does not confirm."""

from __future__ import annotations

import asyncio
import re

import pytest
from msgspec.structs import replace

from isthmus.model.state import Link, LinkState
from isthmus.store import PostgresStore
from isthmus.store.codec import payload
from isthmus.store.connections import connect
from isthmus.store.known_rows import MOST, KnownRows
from isthmus.store.queries import query
from isthmus.store.transaction import READING
from isthmus.sync.ports import Batch
from tests.store.examples import HOUR, NOW, a_link, an_item

WAITING = b"select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


async def test_what_another_process_changed_is_read_anew(store: PostgresStore) -> None:
    async with await PostgresStore.open(store.url) as other:
        await _save(store, Batch(items=[an_item("i")], links=[a_link("a", item="i"), a_link("b", item="i")]))
        mine = await _links(store, "a", "b")
        await _save(other, Batch(links=[replace(mine[0], far={"name": "theirs"})], items=[an_item("i", version=7)]))
        again = await _links(store, "a", "b")
        assert [link.far for link in again] == [{"name": "theirs"}, dict(mine[1].far)]
        async with store.transaction() as transaction:
            assert (await transaction.items(["i"]))["i"].version == 7


async def test_a_change_by_a_statement_of_its_own_is_seen(store: PostgresStore) -> None:
    await _save(store, Batch(links=[a_link("child", waits_for="erp/party/1")]))
    assert (await _links(store, "child"))[0].due_at is None
    await _save(store, Batch(wake=["erp/party/1"]))
    woken = (await _links(store, "child"))[0]
    assert (woken.waits_for, woken.due_at is not None) == ("read", True)


async def test_a_child_saved_and_woken_in_one_go_is_known_as_it_was_woken(store: PostgresStore) -> None:
    child = a_link("child", waits_for="erp/party/1")
    await _save(store, Batch(links=[child]))
    async with store.transaction() as transaction:
        link = (await transaction.links(["child"]))[0]
        await transaction.save(Batch(links=[replace(link, far={"name": "b"})], wake=["erp/party/1"]))
        assert (await transaction.links(["child"]))[0].waits_for == "read"
    assert (await _links(store, "child"))[0].waits_for == "read"


async def test_what_was_rolled_back_is_not_believed(store: PostgresStore) -> None:
    await _save(store, Batch(links=[a_link("a")]))
    before = (await _links(store, "a"))[0]

    async def fail() -> None:
        async with store.transaction() as transaction:
            link = (await transaction.links(["a"]))[0]
            await transaction.save(Batch(links=[replace(link, far={"name": "never"})]))
            assert (await transaction.links(["a"]))[0].far == {"name": "never"}, "it sees its own writes"
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await fail()
    assert await _links(store, "a") == [before]


async def test_whoever_waited_for_a_row_gets_what_the_other_left(store: PostgresStore) -> None:
    await _save(store, Batch(links=[a_link("a")]))
    await _links(store, "a")
    async with await PostgresStore.open(store.url) as other, await connect(store.url) as looking:
        async with other.transaction() as theirs:
            link = (await theirs.links(["a"]))[0]
            waiting = asyncio.create_task(_links(store, "a"))
            for _ in range(3000):
                if await (await looking.execute(WAITING)).fetchall():
                    break
                await asyncio.sleep(0.01)
            await theirs.save(Batch(links=[replace(link, far={"name": "late"})]))
        assert (await waiting)[0].far == {"name": "late"}


async def test_saved_rows_are_known_as_the_database_has_them(store: PostgresStore) -> None:
    rows = [
        a_link("mark", due_at=NOW),
        a_link("whole", far={"name": "Łódź", "lines": [{"n": 1}]}),
        a_link("odd", far={"name": "half \x00 a text"}),
    ]
    await _save(store, Batch(links=rows))
    loaded = await _links(store, "mark", "odd", "whole")
    changed = [
        replace(loaded[0], due_at=None, attempts=3, seen_at=NOW + HOUR, digest=b"\x01\x02", state=LinkState.GONE),
        replace(loaded[1], problem=None, far={"name": "b\x00d"}),
        replace(loaded[2], base={"name": "Łódź"}, key="another key"),
    ]
    async with store.transaction() as transaction:
        await transaction.links(["mark", "odd", "whole"])
        await transaction.save(Batch(links=changed))
    here = await _links(store, "mark", "odd", "whole")
    async with await PostgresStore.open(store.url) as fresh:
        assert here == await _links(fresh, "mark", "odd", "whole")
    assert here[0] == changed[0]
    assert here[1].far == {"name": "b\ufffdd"}
    assert here[2] == changed[2]


async def test_two_links_swap_their_keys_beside_one_that_only_becomes_due(store: PostgresStore) -> None:
    await _save(store, Batch(links=[a_link("a", key="1"), a_link("b", key="2"), a_link("c", key="3")]))
    async with store.transaction() as transaction:
        a, b, c = await transaction.links(["a", "b", "c"])
        await transaction.save(Batch(links=[replace(a, key="2"), replace(b, key="1"), replace(c, due_at=NOW)]))
    assert [(link.key, link.due_at) for link in await _links(store, "a", "b", "c")] == [
        ("2", None),
        ("1", None),
        ("3", NOW),
    ]


async def test_a_transaction_that_only_read_writes_nothing(store: PostgresStore) -> None:
    await _save(store, Batch(links=[a_link("a")]))
    async with store.transaction() as transaction:
        await transaction.lock(["Customer"])
        await transaction.links(["a"])
        await transaction.resolve([("crm", "customers", "1")])
        assert transaction.ending == b"rollback"
        await transaction.note_traffic("x", ["a"], NOW, NOW - HOUR)
        assert transaction.ending == b"set local synchronous_commit = off; commit"
        await transaction.retry_now("crm", ["unavailable"], NOW)
        assert transaction.ending == b"commit"


@pytest.mark.parametrize("name", sorted(READING))
def test_queries_that_are_said_to_read_change_nothing(name: str) -> None:
    text = query(name).decode().replace("for no key update", "")
    assert not re.search(r"\b(insert|update|delete|nextval|notify)\b", text)


def test_only_so_many_rows_are_kept() -> None:
    known = KnownRows()
    for number in range(5 * MOST):
        known.links.keep(str(number), ("(0,1)", "1"), a_link(str(number)))
        assert known.links.find("0", ("(0,1)", "1")) is not None, "what is asked for stays"
    kept = [number for number in range(5 * MOST) if known.links.find(str(number), ("(0,1)", "1")) is not None]
    assert len(kept) <= 2 * MOST + 1
    assert known.links.find(str(5 * MOST - 1), ("(0,2)", "1")) is None, "another version"
    assert payload([a_link("x")]).exact


async def _save(store: PostgresStore, batch: Batch) -> None:
    async with store.transaction() as transaction:
        await transaction.save(batch)


async def _links(store: PostgresStore, *ids: str) -> list[Link]:
    async with store.transaction() as transaction:
        return await transaction.links(ids)
