"""Several workers, several processes, and a server that goes away."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import psycopg
import pytest

from isthmus.errors import StoreUnavailable, Unavailable
from isthmus.model.state import FarField, LinkState
from isthmus.store import Notice, PostgresStore, Reads, Worker
from isthmus.sync.ports import Batch, LaneDue
from tests.store.conftest import Sessions
from tests.store.examples import HOUR, NOW, a_link, an_item, save


@pytest.fixture
async def two(sessions: Sessions) -> tuple[Any, Any]:
    """Two processes on one memory: on PostgreSQL, then on the store of the simulator."""
    return await sessions(), await sessions()


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[PostgresStore]:
    """A second process, as far as the database can tell."""
    async with await PostgresStore.open(database_url) as opened:
        yield opened


async def count_up(store: PostgresStore, ids: list[str], times: int) -> None:
    for _ in range(times):
        async with store.transaction() as transaction:
            links = await transaction.links(ids)
            items = await transaction.items([f"i{id}" for id in ids])
            more = [msgspec.structs.replace(link, attempts=link.attempts + 1) for link in links]
            newer = [msgspec.structs.replace(item, version=item.version + 1) for item in items.values()]
            await transaction.save(Batch(links=more, items=newer))


async def test_writers_of_the_same_rows_neither_block_for_good_nor_lose_updates(two: tuple[Any, Any]) -> None:
    store, other = two
    ids = [f"l{number:02}" for number in range(30)]
    await save(store, items=[an_item(f"i{id}") for id in ids], links=[a_link(id) for id in ids])
    orders = [ids, ids[::-1], ids[10:] + ids[:10], ids[5:25]]
    await asyncio.gather(*(count_up((store, other)[turn % 2], order, 15) for turn, order in enumerate(orders)))
    async with store.transaction() as transaction:
        attempts = {link.id: link.attempts for link in await transaction.links(ids)}
        versions = {item.id: item.version for item in (await transaction.items([f"i{id}" for id in ids])).values()}
    expected = {id: 60 if id in ids[5:25] else 45 for id in ids}
    assert attempts == expected
    assert versions == {f"i{id}": count + 1 for id, count in expected.items()}


async def test_a_link_that_another_worker_took_care_of_is_not_due_any_more(two: tuple[Any, Any]) -> None:
    store, other = two
    await save(store, links=[a_link("l1", due_at=NOW), a_link("l2", due_at=NOW)])

    async def look() -> list[str]:
        async with other.transaction() as transaction:
            return [link.id for link in await transaction.due_links("customer", "crm", NOW, 10)]

    async with store.transaction() as transaction:
        await transaction.links(["l1"])
        late = asyncio.create_task(look())
        await asyncio.sleep(0.2)
        assert not late.done(), "it waits for the row's lock"
        await transaction.save(Batch(links=[a_link("l1", due_at=NOW + HOUR)]))
    assert await late == ["l2"]


async def test_the_second_to_store_the_same_record_is_told_to_look_again(two: tuple[Any, Any]) -> None:
    store, other = two
    await save(store, links=[a_link("mine", key="1")])
    with pytest.raises(StoreUnavailable):
        await save(other, links=[a_link("yours", key="1")])
    async with store.transaction() as transaction:
        assert [link.id for link in await transaction.links_by_key("crm", "account", ["1"])] == ["mine"]


async def test_a_deadlock_is_reported_as_try_again(two: tuple[Any, Any]) -> None:
    store, other = two
    await save(store, links=[a_link("a"), a_link("b")])
    ready = asyncio.Barrier(2)

    async def grab(which: PostgresStore, first: str, second: str) -> str:
        try:
            async with which.transaction() as transaction:
                await transaction.links([first])
                await ready.wait()
                await transaction.links([second])
        except Unavailable as error:
            return f"again in {error.wait} s"
        return "done"

    assert sorted(await asyncio.gather(grab(store, "a", "b"), grab(other, "b", "a"))) == ["again in 0.05 s", "done"]


async def test_a_lock_has_one_holder_anywhere(two: tuple[Any, Any]) -> None:
    store, other = two
    assert await store.try_lock("customer/crm")
    assert not await store.try_lock("customer/crm"), "nor a second time in the same process"
    assert not await other.try_lock("customer/crm")
    assert await other.try_lock("customer/erp")
    assert await store.holds("customer/crm")
    assert not await other.holds("customer/crm")
    await other.unlock("customer/crm")
    assert not await other.try_lock("customer/crm"), "who does not hold it cannot give it back"
    await store.unlock("customer/crm")
    assert await other.try_lock("customer/crm")
    await other.close()
    assert await store.try_lock("customer/crm")


@pytest.mark.spec(6)
async def test_a_lane_has_one_holder_anywhere(store: PostgresStore, other: PostgresStore) -> None:
    lanes = [LaneDue(number, 10, NOW) for number in (5, 3, 9, 1)]
    assert await store.take_lanes("apply/customer/crm", lanes, 15) == {5, 3}, "in the order given, until it is enough"
    assert await other.take_lanes("apply/customer/erp", lanes, 15) == {5, 3}, "another place has lanes of its own"
    assert await store.take_lanes("apply/customer/crm", lanes[:2], 15) == set(), "nor a second time in one process"
    assert await other.take_lanes("apply/customer/crm", lanes, 1000) == {9, 1}
    await other.give_lanes("apply/customer/crm", {5, 9})
    assert await store.take_lanes("apply/customer/crm", lanes, 1000) == {9}, "only a holder can give back"
    await other.close()
    for _ in range(500):
        if await store.take_lanes("apply/customer/crm", lanes, 1000) == {1}:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the lane of a closed session stays taken")


async def test_workers_are_seen_while_they_live(store: PostgresStore, other: PostgresStore) -> None:
    assert await store.workers() == 1, "whoever asks counts"
    await store.join(Worker(kind="run", host="one.example", pid=11))
    await other.join(Worker(kind="worker", host="x" * 80, pid=12))
    assert await store.workers() == 2
    first, second = await Reads(store).workers()
    assert (first.kind, first.host, first.pid) == ("run", "one.example", 11)
    assert (second.kind, second.pid, set(second.host)) == ("worker", 12, {"x"})
    assert second.since is not None
    await other.close()
    for _ in range(500):
        if await store.workers() == 1:
            break
        await asyncio.sleep(0.01)
    assert [worker.pid for worker in await Reads(store).workers()] == [11]


async def test_a_worker_that_lost_its_session_is_counted_again(store: PostgresStore, other: PostgresStore) -> None:
    await store.join(Worker(kind="run", host="one.example", pid=11))
    end_sessions(store.url)
    with contextlib.suppress(StoreUnavailable):
        await other.workers()
    assert await Reads(other).workers() == []
    await store.rejoin()
    assert [worker.pid for worker in await Reads(other).workers()] == [11]


async def test_workers_are_told_to_stop(store: PostgresStore, other: PostgresStore) -> None:
    notices = other.notifications()
    assert await next_notice(notices) == Notice(None, None)
    await store.tell_stop()
    assert (await next_notice(notices)).stop


HOLDER = """
import asyncio, sys
from isthmus.model.state import FarField, LinkState
from isthmus.store import PostgresStore
async def main():
    store = await PostgresStore.open(sys.argv[1])
    assert await store.try_lock("lane")
    async with store.transaction() as transaction:
        assert await transaction.links(["l1"])
        print("held", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_a_killed_process_holds_neither_locks_nor_rows(store: PostgresStore) -> None:
    await save(store, links=[a_link("l1")])
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, store.url, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    assert not await store.try_lock("lane")
    holder.kill()
    await holder.wait()
    for _ in range(500):
        if await store.try_lock("lane"):
            break
        await asyncio.sleep(0.01)
    assert await store.holds("lane")
    async with store.transaction() as transaction:
        assert len(await transaction.links(["l1"])) == 1


def end_sessions(url: str) -> None:
    """What a restart of the server does to its clients."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
        )


async def test_lost_connections_lose_the_lock_and_are_made_anew(store: PostgresStore, other: PostgresStore) -> None:
    assert await store.try_lock("lane")
    await asyncio.gather(*(count_up(store, [], 1) for _ in range(5)))
    end_sessions(store.url)
    assert not await store.holds("lane")
    assert await other.try_lock("lane")
    assert not await store.try_lock("lane")
    failures = 0
    for _ in range(10):
        try:
            await save(store, links=[a_link("l1")])
        except Unavailable:
            failures += 1
    assert failures <= 1, "one failure is enough to find all dead connections"
    await store.unlock("lane")


async def test_a_transaction_cut_off_is_unavailable_and_leaves_nothing(store: PostgresStore) -> None:
    async def save_and_lose() -> None:
        async with store.transaction() as transaction:
            await transaction.save(Batch(links=[a_link("l1")]))
            end_sessions(store.url)
            await transaction.links(["l1"])

    with pytest.raises(Unavailable):
        await save_and_lose()
    async with store.transaction() as transaction:
        assert await transaction.links(["l1"]) == []


async def next_notice(notices: AsyncIterator[Notice]) -> Notice:
    async with asyncio.timeout(10):
        return await anext(notices)


async def test_due_links_and_hints_wake_other_processes_when_they_are_committed(two: tuple[Any, Any]) -> None:
    store, other = two
    notices = other.notifications()
    assert await next_notice(notices) == Notice(None, None)
    await save(store, links=[a_link("quiet"), a_link("l1", due_at=NOW), a_link("l2", due_at=NOW)])
    assert await next_notice(notices) == Notice("customer", "crm")
    await save(store, links=[a_link("l3", system="erp", waits_for="crm/account/1")])
    await save(store, wake=["crm/account/1"])
    assert await next_notice(notices) == Notice("customer", "erp")
    await store.add_hints([("crm", "account", "1")])
    assert await next_notice(notices) == Notice(None, "crm")
    await save(store, meet=["customer"])
    assert await next_notice(notices) == Notice(None, None, meet=True)


async def test_a_far_field_that_changed_is_told_to_every_worker(store: PostgresStore, other: PostgresStore) -> None:
    notices = other.notifications()
    assert await next_notice(notices) == Notice(None, None)
    await store.save_far_fields([])
    await store.save_far_fields([FarField(system="crm", resource="account", name="phone", type="text", gone_at=NOW)])
    assert await next_notice(notices) == Notice(None, None, fields=True)
    await store.tell_stop()
    assert await next_notice(notices) == Notice(None, None, stop=True)


async def test_a_listener_that_lost_its_connection_is_told_to_look_everywhere(
    store: PostgresStore, other: PostgresStore
) -> None:
    notices = other.notifications()
    assert await next_notice(notices) == Notice(None, None)
    end_sessions(store.url)
    assert await next_notice(notices) == Notice(None, None)


async def test_hints_are_taken_once(two: tuple[Any, Any]) -> None:
    store, other = two
    hints = [("crm", "account", str(number)) for number in range(50)]
    await store.add_hints([*hints, ("crm", "contact", ""), ("erp", "party", "1")])
    await other.add_hints(hints[:10])
    await other.add_hints([])
    takes = await asyncio.gather(*(each.take_hints("crm") for each in (store, other, store, other)))
    taken = [hint for take in takes for hint in take]
    assert sorted(taken) == sorted([(resource, key) for _, resource, key in hints] + [("contact", "")])
    assert await store.take_hints("crm") == []
    assert await store.take_hints("erp") == [("party", "1")]


async def test_transactions_that_ask_something_outside_of_themselves_never_wait_for_each_other(
    store: PostgresStore,
) -> None:
    """As many at once as no pool has connections for: each holds one and asks by another."""
    reads = Reads(store)

    async def work(number: int) -> int:
        async with store.transaction() as tx:
            await tx.lock([f"own {number}"])
            await asyncio.sleep(0.05)  # by then all connections for transactions are taken
            await reads.items([f"none-{number}"])
        return number

    async with asyncio.timeout(8):
        assert await asyncio.gather(*(work(number) for number in range(60))) == list(range(60))


@pytest.mark.spec(2)
@pytest.mark.parametrize("waits_for", [pytest.param("i1/erp", id="written"), pytest.param("erp/party/7", id="read")])
async def test_a_child_that_begins_to_wait_as_its_parent_comes_is_woken_at_once(
    two: tuple[Any, Any], waits_for: str
) -> None:
    store, other = two
    await save(store, items=[an_item("i1"), an_item("i2")])
    child = a_link("child", flow="contact", system="erp", item="i2", key=None, state=LinkState.CREATING)
    parent = a_link("parent", system="erp", resource="party", item="i1", key="7")
    await save(store, links=[child])
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        async with other.transaction() as coming:
            await coming.save(Batch(links=[parent], wake=["i1/erp", "erp/party/7"]))
            async with store.transaction() as waiting:
                [child] = await waiting.links(["child"])
                assert await waiting.far_keys([("erp", "party", "i1")]) == {}
                await waiting.save(Batch(links=[msgspec.structs.replace(child, waits_for=waits_for)]))
            missed = group.create_task(store.wake_missed())
            await asyncio.sleep(0.1)
            assert not missed.done(), "the parent is not there yet"
        assert await missed == 1
    async with store.transaction() as transaction:
        [woken] = await transaction.links(["child"])
    assert woken.waits_for == ("read" if waits_for.count("/") == 2 else None)
    assert woken.due_at is not None


@pytest.mark.spec(2)
async def test_a_child_that_looked_for_its_parent_before_it_came_and_waits_afterwards_is_woken_at_once(
    two: tuple[Any, Any],
) -> None:
    """Planning looks; what came of the plan is kept in a transaction of its own, and the parent may come in between."""
    store, other = two
    await save(store, items=[an_item("i1"), an_item("i2")])
    child = a_link("child", flow="contact", system="erp", item="i2", key=None, state=LinkState.CREATING)
    await save(store, links=[child])
    async with store.transaction() as planning:
        assert await planning.far_keys([("erp", "party", "i1")]) == {}
    async with other.transaction() as coming:
        parent = a_link("parent", system="erp", resource="party", item="i1", key="7")
        await coming.save(Batch(links=[parent], wake=["i1/erp"]))
    async with store.transaction() as waiting:
        [child] = await waiting.links(["child"])
        await waiting.save(Batch(links=[msgspec.structs.replace(child, waits_for="i1/erp")]))
    async with asyncio.timeout(10):
        assert await store.wake_missed() == 1
    async with store.transaction() as transaction:
        [woken] = await transaction.links(["child"])
    assert (woken.waits_for, woken.due_at is None) == (None, False)


@pytest.mark.spec(2)
async def test_what_begins_to_wait_and_is_not_there_yet_goes_on_waiting(two: tuple[Any, Any]) -> None:
    store, _ = two
    await save(store, items=[an_item("i1"), an_item("i2")])
    child = a_link("child", flow="contact", system="erp", item="i2", key=None, state=LinkState.CREATING)
    await save(store, links=[msgspec.structs.replace(child, waits_for="i1/erp")])
    async with asyncio.timeout(10):
        assert await store.wake_missed() == 0
    async with store.transaction() as transaction:
        [asleep] = await transaction.links(["child"])
    assert (asleep.waits_for, asleep.due_at) == ("i1/erp", None)
