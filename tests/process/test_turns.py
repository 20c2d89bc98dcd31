"""Processes in real workers that are killed, on a real database that is killed as well (I8)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shutil
import signal as signals
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbos import DBOS
from msgspec.structs import replace

from isthmus.app.bootstrap import clock
from isthmus.errors import NeedsPerson, StoreUnavailable
from isthmus.model.state import Item, Link, LinkState
from isthmus.process import (
    MOVED,
    OPEN,
    Definition,
    Entry,
    EntryKind,
    Process,
    ProcessState,
    Run,
    cancel,
    process,
    retry,
    signal,
    start,
)
from isthmus.process.turn import take_turn
from isthmus.store import EmbeddedServer, PostgresStore, Reads
from isthmus.store.turns import Turns
from isthmus.sync.ports import Batch
from tests.process.workers import Workers, far_rows, make_project


@process("approval")
async def approval(run: Run, request: object) -> None:
    """Only its name: the workers have the real one."""


async def begin(store: PostgresStore, count: int, patience: float) -> list[str]:
    ids = [f"p{number}" for number in range(count)]
    for number, id in enumerate(ids):
        given = {"amount": number, "patience": 0.5 if number % 5 == 0 else patience}
        async with store.transaction() as tx:
            assert await start(tx, approval, given, id=id, now=clock())
            assert not await start(tx, approval, given, id=id, now=clock()), "an id is one process"
    return ids


async def decide(store: PostgresStore, id: str) -> None:
    """A manager clicks twice."""
    for _ in range(2):
        async with store.transaction() as tx:
            await signal(tx, id, "decision", f"yes {id}", id=f"click-{id}", by="anna", now=clock())


async def waiting(store: PostgresStore) -> list[Process]:
    return await Reads(store).processes([ProcessState.WAITING], 1000)


async def until_waiting(store: PostgresStore, count: int) -> None:
    for _ in range(2400):
        if len(await waiting(store)) >= count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{count} never wait: {await Reads(store).processes((), 100)}")


async def until_over(store: PostgresStore, seconds: float) -> None:
    left: list[Process] = []
    for _ in range(int(seconds / 0.2)):
        try:
            left = await Reads(store).processes(OPEN, 1000)
            if not left:
                return
        except StoreUnavailable:
            pass
        await asyncio.sleep(0.2)
    raise AssertionError(f"still open after {seconds} s: {left}")


def check_ends(far_url: str, found: list[Process], ids: list[str]) -> None:
    """Every process came to its end, every effect is there once."""
    assert {p.id: p.state for p in found} == dict.fromkeys(ids, ProcessState.DONE)
    wanted = {}
    for number, id in enumerate(ids):
        late = number % 5 == 0
        wanted[f"{id}/request"] = "requested"
        wanted[f"{id}/notice"] = "too late" if late else "ordered"
        if not late:
            wanted[f"{id}/order"] = f"yes {id} by anna"
    assert dict(far_rows(far_url, "far_effect")) == wanted
    assert {p.result for p in found} == {"late", *(f"ordered, yes {id}" for n, id in enumerate(ids) if n % 5)}


@pytest.mark.spec(8)
@pytest.mark.timeout(400)
async def test_workers_killed_at_random_leave_no_process_behind(tmp_path: Path, database_url: str) -> None:
    dice = random.Random(3)
    async with await PostgresStore.open(database_url) as store:
        workers = Workers(make_project(tmp_path / "project", database_url), database_url, database_url)
        try:
            for _ in range(3):
                await workers.start()
            ids = await begin(store, 60, 3600)
            decided: set[str] = set()
            kills = 0
            while kills < 6 or len(decided) < 48:
                for one in await waiting(store):
                    if one.input["patience"] > 1 and one.id not in decided and dice.random() < 0.5:
                        assert (one.who, one.question) == ("manager", f"Order {one.input['amount']}?")
                        await decide(store, one.id)
                        decided.add(one.id)
                await asyncio.sleep(dice.uniform(0.3, 1.0))
                if kills < 6 and await store.workers() >= 2:
                    await workers.kill(dice.choice(workers.living))
                    await workers.start()
                    kills += 1
            await until_over(store, 180)
            check_ends(database_url, await Reads(store).processes((), 1000), ids)
        finally:
            await workers.close()


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    folder = Path(tempfile.mkdtemp(prefix="isthmus-"))
    folder.chmod(0o711)
    server = EmbeddedServer(folder / "pg")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.spec(8)
@pytest.mark.timeout(400)
async def test_a_killed_database_leaves_no_process_behind(
    tmp_path: Path, database_url: str, own_server: EmbeddedServer
) -> None:
    """Over a Unix socket, where the library alone would leave turns under way for good."""
    url = await asyncio.to_thread(own_server.start)
    async with await PostgresStore.open(url) as store:
        workers = Workers(make_project(tmp_path / "project", database_url), url, database_url)
        try:
            await workers.start()
            ids = await begin(store, 20, 3600)
            await until_waiting(store, 10)
            for number, id in enumerate(ids):
                if number % 5 and number % 2:
                    await decide(store, id)
            await asyncio.sleep(0.3)
            pid = own_server.pid()
            assert pid is not None
            os.kill(pid, signals.SIGKILL)
            await asyncio.sleep(2)
            await asyncio.to_thread(own_server.start)
            for number, id in enumerate(ids):
                if number % 5 and not number % 2:
                    for _ in range(50):
                        try:
                            await decide(store, id)
                            break
                        except StoreUnavailable:
                            await asyncio.sleep(0.1)
            await until_over(store, 180)
            check_ends(database_url, await Reads(store).processes((), 1000), ids)
        finally:
            await workers.close()


# -- opening the library ---------------------------------------------------------------------------------------------


async def until_taken(turns: Turns, store: PostgresStore, taken: list[str]) -> None:
    """Runs, and takes a turn that is asked for. What was connected to a dead server finds out one by one."""

    async def run() -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                await turns.run()
            await asyncio.sleep(0.05)

    async def ask() -> None:
        with contextlib.suppress(StoreUnavailable):
            async with store.transaction() as tx:
                await start(tx, approval, None, id="p", now=clock())

    running = asyncio.create_task(run())
    try:
        async with asyncio.timeout(30):
            while not taken:
                assert not running.done()
                await ask()
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert taken == ["p"]


@pytest.mark.parametrize("passed", range(4))
async def test_a_database_that_dies_while_the_library_is_opened_is_down_and_no_fault(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, passed: int
) -> None:
    """At whichever of its connections, and the next attempt is as good as the first."""
    taken: list[str] = []
    connect, calls = psycopg.connect, itertools.count()

    def dying(*words: Any, **more: Any) -> Any:
        if next(calls) < passed:
            return connect(*words, **more)
        raise psycopg.OperationalError("connection is bad: no such file or directory")

    async def take(id: str) -> None:
        taken.append(id)

    turns = Turns(store, "worker", take)
    monkeypatch.setattr(psycopg, "connect", dying)
    with pytest.raises(StoreUnavailable, match="connection is bad"):
        await turns.run()
    monkeypatch.setattr(psycopg, "connect", connect)
    await until_taken(turns, store, taken)


@pytest.mark.timeout(120)
async def test_a_database_that_is_killed_while_the_library_is_opened_is_down_and_no_fault(
    own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    async def take(id: str) -> None:
        taken.append(id)

    url = await asyncio.to_thread(own_server.start)
    async with await PostgresStore.open(url) as store:
        turns = Turns(store, "worker", take)
        launch, pid = DBOS.launch, own_server.pid()
        assert pid is not None

        def killed() -> None:
            os.kill(pid, signals.SIGKILL)
            launch()

        with monkeypatch.context() as patched:
            patched.setattr(DBOS, "launch", killed)
            with pytest.raises(StoreUnavailable):
                await turns.run()
        await asyncio.to_thread(own_server.start)
        await until_taken(turns, store, taken)


# -- one turn at a time, without the library -------------------------------------------------------------------------


async def turn(store: PostgresStore, definition: Definition, id: str = "p") -> Process:
    await take_turn(store, {definition.name: definition}, id, clock=clock, jitter=lambda: 0.0)
    return await state(store, id)


async def state(store: PostgresStore, id: str) -> Process:
    found = await Reads(store).process(id)
    assert found is not None
    return found[0]


async def test_a_process_that_fails_goes_on_at_that_step_after_a_retry(store: PostgresStore) -> None:
    calls: list[str] = []

    async def work(name: str) -> str:
        calls.append(name)
        if name == "second" and calls.count("second") == 1:
            raise NeedsPerson("It is refused.")
        return name

    @process("steps")
    async def steps(run: Run, given: object) -> list[str]:
        return [await run.step(name, lambda name=name: work(name)) for name in ("first", "second", "third")]  # type: ignore[misc]

    async with store.transaction() as tx:
        await start(tx, steps, None, id="p", now=clock())
    failed = await turn(store, steps)
    assert (failed.state, failed.step) == (ProcessState.FAILED, "second")
    assert failed.problem is not None
    assert failed.problem.message == "It is refused."
    assert (await turn(store, steps)).state is ProcessState.FAILED, "by itself it does nothing"
    async with store.transaction() as tx:
        await retry(tx, "p", now=clock())
    done = await turn(store, steps)
    assert (done.state, done.result) == (ProcessState.DONE, ["first", "second", "third"])
    assert calls == ["first", "second", "second", "third"]


async def test_a_process_that_kills_every_worker_is_given_up_until_somebody_retries(store: PostgresStore) -> None:
    @process("deadly")
    async def deadly(run: Run, given: object) -> str:
        return "done"

    async with store.transaction() as tx:
        for id in ("p", "harmless"):
            await start(tx, deadly, None, id=id, now=clock())
    poison = "update dbos.workflow_status set status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', updated_at = {} where {}"
    ours = "queue_partition_key = 'p'"
    async with await psycopg.AsyncConnection.connect(store.url, autocommit=True) as connection:
        await connection.execute(poison.format("extract(epoch from now() + interval '1 s') * 1000", ours))
        turns = Turns(store, "worker", _never)
        await turns.keep_house(clock())
        given_up, harmless = [await state(store, id) for id in ("p", "harmless")]
        assert (given_up.state, harmless.state) == (ProcessState.FAILED, ProcessState.RUNNING)
        assert given_up.problem is not None
        assert "20 workers died over it" in given_up.problem.message
        async with store.transaction() as tx:
            await retry(tx, "p", now=clock() + timedelta(seconds=2))
        await turns.keep_house(clock())
    assert (await state(store, "p")).state is ProcessState.RUNNING, "what happened before the retry counts no more"
    assert (await turn(store, deadly)).state is ProcessState.DONE


async def _never(process: str) -> None:
    raise AssertionError(process)


async def test_what_is_over_is_forgotten_when_it_is_old_and_nothing_else(store: PostgresStore) -> None:
    @process("short")
    async def short(run: Run, given: object) -> object:
        if given == "waits":
            return await run.wait("decision", "?", who="anna")
        if given == "fails":
            raise NeedsPerson("No.")
        return await run.step("work", _work)

    for id in ("p", "cancelled", "waits", "fails"):
        async with store.transaction() as tx:
            await start(tx, short, id, id=id, now=clock())
            await signal(tx, id, "topic", 1, id="s", by="anna", now=clock())
    async with store.transaction() as tx:
        await cancel(tx, "cancelled", by="anna", now=clock())
    for id in ("p", "waits", "fails"):
        await turn(store, short, id)
    assert await store.forget_processes(1, clock()) == 0
    assert await store.forget_processes(1, clock() + timedelta(days=32)) == 2
    left = {process.id: process.state for process in await Reads(store).processes((), 10)}
    assert left == {"waits": ProcessState.WAITING, "fails": ProcessState.FAILED}
    assert await Reads(store).process("p") is None
    async with await psycopg.AsyncConnection.connect(store.url) as connection:
        for table in ("process_history", "process_signal"):
            rows = await connection.execute(f"select distinct process from isthmus.{table}")
            assert {id for (id,) in await rows.fetchall()} <= {"waits", "fails"}


async def _work() -> str:
    return "done"


async def test_a_cancelled_process_does_nothing_more(store: PostgresStore) -> None:
    @process("long")
    async def long(run: Run, given: object) -> None:
        await run.wait("never", "Well?", who="anna")

    async with store.transaction() as tx:
        await start(tx, long, None, id="p", now=clock())
    assert (await turn(store, long)).state is ProcessState.WAITING
    async with store.transaction() as tx:
        await cancel(tx, "p", by="anna", now=clock())
    assert (await turn(store, long)).state is ProcessState.CANCELLED
    async with store.transaction() as tx:
        with pytest.raises(NeedsPerson):
            await signal(tx, "p", "never", 1, id="s", by="anna", now=clock())
        with pytest.raises(NeedsPerson):
            await cancel(tx, "p", by="anna", now=clock())


async def test_a_function_that_no_longer_fits_its_history_stops_that_process_only(store: PostgresStore) -> None:
    async def nothing() -> None:
        return None

    @process("changing")
    async def before(run: Run, given: object) -> None:
        await run.step("old", nothing)
        await run.wait("go", "Go?", who="anna")

    @process("changing")
    async def after(run: Run, given: object) -> None:
        await run.step("new", nothing)

    async with store.transaction() as tx:
        await start(tx, before, None, id="p", now=clock())
    await turn(store, before)
    stopped = await turn(store, after)
    assert stopped.state is ProcessState.FAILED
    assert stopped.problem is not None
    assert stopped.problem.code == "process-changed"


@pytest.mark.spec(8)
async def test_of_two_turns_that_overlap_one_gets_through(store: PostgresStore) -> None:
    both, calls = asyncio.Barrier(2), 0

    async def work() -> int:
        nonlocal calls
        calls += 1
        async with asyncio.timeout(60):
            await both.wait()
        return calls

    async def after() -> str:
        nonlocal calls
        calls += 10
        return "after"

    @process("overlap")
    async def overlap(run: Run, given: object) -> str:
        await run.step("work", work)
        return str(await run.step("after", after))

    async with store.transaction() as tx:
        await start(tx, overlap, None, id="p", now=clock())
    await asyncio.gather(turn(store, overlap), turn(store, overlap))
    found = await Reads(store).process("p")
    assert found is not None
    assert found[0].state is ProcessState.DONE
    assert calls == 12, "the slower of the two did not go on"


async def test_what_a_process_changes_in_the_hub_is_committed_with_its_step(store: PostgresStore) -> None:
    @process("inner")
    async def inner(run: Run, given: object) -> None:
        raise AssertionError

    @process("outer")
    async def outer(run: Run, given: object) -> bool:
        async def begin_inner(tx: PostgresStore) -> bool:
            return await start(tx, inner, None, id=f"{run.id}/inner", now=clock())  # type: ignore[arg-type]

        return bool(await run.change("begin", begin_inner))

    async with store.transaction() as tx:
        await start(tx, outer, None, id="p", now=clock())
    assert (await turn(store, outer)).result is True
    assert await Reads(store).process("p/inner") is not None
    assert (await turn(store, inner, "p/inner")).state is ProcessState.FAILED


async def test_a_start_that_is_rolled_back_never_was(store: PostgresStore) -> None:
    async def start_and_fail() -> None:
        async with store.transaction() as tx:
            await start(tx, approval, {}, id="p", now=clock())
            await signal(tx, "nobody", "decision", 1, id="s", by="anna", now=clock())

    with pytest.raises(NeedsPerson):
        await start_and_fail()
    assert await Reads(store).process("p") is None
    assert await store.rows("lost_turns", {}) == []


@process("sleeper")
async def sleeper(run: Run, given: object) -> str:
    await run.sleep("nap", timedelta(hours=1), topic=MOVED)
    return "awake"


async def test_a_sleep_ends_early_by_a_signal_that_came_before_or_after_it_began(store: PostgresStore) -> None:
    for id, early in (("p1", True), ("p2", False)):
        async with store.transaction() as tx:
            await start(tx, sleeper, None, id=id, now=clock())
        if not early:
            asleep = await turn(store, sleeper, id)
            assert (asleep.state, asleep.wake_at is not None) == (ProcessState.SLEEPING, True)
            assert (await turn(store, sleeper, id)).state is ProcessState.SLEEPING, "a turn alone wakes nobody"
        async with store.transaction() as tx:
            await signal(tx, id, MOVED, None, id="s", by="hub", now=clock())
        assert (await turn(store, sleeper, id)).result == "awake"


async def test_a_sleep_of_an_older_release_goes_on_to_its_end(store: PostgresStore) -> None:
    async with store.transaction() as tx:
        await start(tx, sleeper, None, id="p", now=clock())
        until = clock() + timedelta(hours=1)
        await tx.processes.add_entry(
            Entry(process="p", seq=1, kind=EntryKind.SLEEP, name="nap", until=until, at=clock())
        )
        await signal(tx, "p", MOVED, None, id="s", by="hub", now=clock())
    assert (await turn(store, sleeper)).state is ProcessState.SLEEPING
    await take_turn(store, {"sleeper": sleeper}, "p", clock=lambda: until + timedelta(seconds=1), jitter=lambda: 0.0)
    assert (await state(store, "p")).result == "awake"


async def test_a_process_that_bears_the_id_of_an_item_is_told_of_it_once_until_it_looks(store: PostgresStore) -> None:
    """In the transaction of the change, and again when its record in a system changes; others are told nothing."""

    async def told(id: str) -> list[str]:
        return [topic for _, _, topic, *_ in await store.rows("signals_of_process", {"id": id})]

    for id in ("order-7", "order-8"):
        async with store.transaction() as tx:
            await start(tx, sleeper, None, id=id, now=clock())
    item = Item(id="order-7", entity="SalesOrder", version=1)
    link = Link(id="l", flow="web_order", system="erp", resource="sale", item="order-7", state=LinkState.CREATING)
    async with store.transaction() as tx:
        await tx.save(Batch(items=[item]))
    async with store.transaction() as tx:
        await tx.save(Batch(items=[replace(item, version=2)]))
    assert (await told("order-7"), await told("order-8")) == ([MOVED], [])
    assert (await turn(store, sleeper, "order-7")).result == "awake"
    async with store.transaction() as tx:
        await start(tx, sleeper, None, id="order-9", now=clock())
        await tx.save(Batch(items=[replace(item, id="order-9")]))
    assert (await turn(store, sleeper, "order-9")).result == "awake"
    async with store.transaction() as tx:
        await tx.save(Batch(items=[replace(item, id="order-8")], links=[replace(link, item="order-8")]))
    assert await told("order-8") == [MOVED]
    assert (await turn(store, sleeper, "order-8")).result == "awake"
