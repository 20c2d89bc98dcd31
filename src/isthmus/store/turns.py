"""Turns of processes as workflows of the library ``dbos``, on the hub's own database.

The library hands each turn to one worker, turns of one process one after the other, those of a time when it has come;
and remembers what a dead worker had under way. What a turn does is the hub's own (``isthmus.process.turn``), on the
hub's own event loop; the library's threads only wait for it. Nothing of a process is in memory while it waits.

Importing this module takes a third of a second: only a worker that has processes, and the making of tables, do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
from dbos import DBOS, DBOSConfig
from dbos._queue import queue_worker_thread

from isthmus import events
from isthmus.errors import StoreUnavailable
from isthmus.store.faults import driver_errors, translated
from isthmus.store.postgres import PostgresStore

__all__ = ["Turns", "make_schema"]

APPLICATION = "isthmus"
"""Name and version that the library keeps with each turn. Never another one: a worker takes only turns of its own
version, and what a turn may do is guarded by the process's history, not by the library."""
QUEUE = "isthmus_turns"
TURN = "isthmus.turn"
AT_ONCE = 50
"""Turns under way in one worker."""
TOLD = "isthmus_turns"
"""Channel on which a turn that is wanted at once is notified."""
LOOK_SECONDS = 2.0
"""How often turns are looked for all the same: those whose time has come, and what a notice was lost of."""
SETTLED_SECONDS = 0.05
"""After a turn the library notes that it is over; then the next one of the same process may begin."""
SWEEP_SECONDS = 1.0
STRANDED_SWEEPS = 5
"""So many sweeps a turn of ours may be under way for the library without being so here."""
MOST_DEATHS = 20
"""Workers that may die over one turn before it is given up."""
KEPT = timedelta(days=7)
"""How long finished turns are kept."""


def make_schema(url: str) -> None:
    """Make the library's tables, or bring them up to date. Blocks."""
    logging.getLogger("dbos").setLevel(logging.WARNING)
    DBOS.migrate(_sqlalchemy_url(url))


class _Alarm(threading.Event):
    """What the library's thread waits on between two looks: the time, its end, or being woken."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is to end."""
        self._news.wait(timeout)
        self._news.clear()
        return self.is_set()

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def set(self) -> None:
        """End."""
        super().set()
        self._news.set()


class Turns:
    """The library in one worker. One per process of the operating system: the library allows no second."""

    def __init__(self, store: PostgresStore, worker: str, take: Callable[[str], Awaitable[None]]) -> None:
        """``worker`` is an id that no other process ever had; ``take`` takes a turn of the process with this id, and
        raises only :class:`StoreUnavailable`."""
        self._store, self._worker, self._take = store, worker, take
        self._under_way: dict[str, int] = {}
        self._stranded: dict[str, int] = {}
        self._alarm = _Alarm()
        self._looking: threading.Thread | None = None

    async def run(self) -> None:
        """Until cancelled: takes turns, and sees that no turn is lost. Raises :class:`StoreUnavailable` when the
        library cannot be started."""
        await self._store.keep_lock(_life(self._worker))
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._start, loop)
        hearing = asyncio.create_task(self._hear())
        try:
            while True:
                with contextlib.suppress(StoreUnavailable):
                    await self.sweep()
                await asyncio.sleep(SWEEP_SECONDS)
        finally:
            hearing.cancel()
            # Turns that are still under way stay so in the database, and are another worker's in a moment.
            await asyncio.shield(asyncio.to_thread(self._end))

    async def _hear(self) -> None:
        async for _ in self._store.told(TOLD):
            self._alarm.wake()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        config: DBOSConfig = {
            "name": APPLICATION,
            "application_version": APPLICATION,
            "executor_id": self._worker,
            "system_database_url": _sqlalchemy_url(self._store.url),
            "sys_db_pool_size": 5,
            "db_engine_kwargs": {"creator": self._connect, "isolation_level": "READ COMMITTED"},
            "max_executor_threads": 8,
            # What goes wrong in here is raised, and told by who called.
            "log_level": "CRITICAL",
            "enable_otlp": False,
        }
        with self._translating(), contextlib.ExitStack() as undo:
            # What was not opened to the end stands in the way of the next attempt.
            undo.callback(DBOS.destroy, destroy_registry=True)
            library = DBOS(config=config)
            # Its own thread would look ten times a second, or make every signal wait. Ours is woken by notices.
            DBOS.listen_queues([])

            @DBOS.workflow(name=TURN, max_recovery_attempts=MOST_DEATHS)
            async def turn(process: str) -> None:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._turn(process), loop))

            DBOS.launch()
            DBOS.register_queue(
                QUEUE,
                worker_concurrency=AT_ONCE,
                partition_concurrency=1,
                polling_interval_sec=LOOK_SECONDS,
                on_conflict="always_update",
            )
            queue = library._sys_db.get_queue(QUEUE)
            undo.pop_all()
        logging.getLogger("dbos").setLevel(logging.WARNING)
        assert queue is not None
        self._alarm = _Alarm()
        self._looking = threading.Thread(
            target=queue_worker_thread, args=(self._alarm, library, queue), name=QUEUE, daemon=True
        )
        self._looking.start()

    def _end(self) -> None:
        self._alarm.set()
        if self._looking is not None:
            self._looking.join()
        DBOS.destroy(destroy_registry=True)

    def _connect(self) -> Any:
        """A connection for the library. Over a Unix socket the driver says "connection is bad", which the library does
        not take for a failure that passes: turns would stay under way for good after a restart of the server."""
        try:
            return psycopg.connect(self._store.url, connect_timeout=10)
        except psycopg.OperationalError as error:
            raise psycopg.OperationalError(f"connection failed: {error}") from error

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        """The library retries most of what fails, but not while it is opened."""
        try:
            with driver_errors():
                yield
        except psycopg.Error as error:
            raise translated(error, self._store.url) from error

    async def _asked[**P](self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        with self._translating():
            await asyncio.to_thread(work, *args, **kwargs)

    async def _turn(self, process: str) -> None:
        self._under_way[process] = self._under_way.get(process, 0) + 1
        try:
            while True:
                try:
                    return await self._take(process)
                except StoreUnavailable as error:
                    await asyncio.sleep(error.wait or SWEEP_SECONDS)
        finally:
            self._under_way[process] -= 1
            if not self._under_way[process]:
                del self._under_way[process]
            asyncio.get_running_loop().call_later(SETTLED_SECONDS, self._alarm.wake)

    # -- nothing is lost -----------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Hand on what dead workers had under way, and what the library lost of our own."""
        ours = set()
        for worker, turns in await self._store.rows("turns_under_way", {}):
            if worker == self._worker:
                ours = {turn for turn in turns if turn.rpartition("@")[0] not in self._under_way}
                continue
            # A worker holds its lock as long as its session lives: who gets the lock has found it dead.
            if await self._store.try_lock(_life(worker)):
                try:
                    await self._asked(DBOS._recover_pending_workflows, [worker])
                finally:
                    await self._store.unlock(_life(worker))
                events.emit(events.PROCESS_RECOVERED, worker=worker, turns=len(turns))
        self._stranded = {turn: self._stranded.get(turn, 0) + 1 for turn in ours}
        stranded = [turn for turn, sweeps in self._stranded.items() if sweeps > STRANDED_SWEEPS]
        if stranded:
            await self._asked(DBOS.resume_workflows, stranded)
            self._stranded.clear()

    async def keep_house(self, now: datetime) -> None:
        """Ask anew for turns that got lost altogether, give up those that kill every worker, forget old ones. Call it
        every minute or so. Forgetting waits until the library is open."""
        for (process,) in await self._store.rows("lost_turns", {}):
            async with self._store.transaction() as tx:
                await tx.processes.request_turn(process)
        for (process,) in await self._store.rows("poisoned", {}):
            async with self._store.transaction() as tx:
                await tx.processes.give_up(process, f"{MOST_DEATHS} workers died over it.", now)
        old = [turn for (turn,) in await self._store.rows("old_turns", {"before": now - KEPT})]
        if old and self._looking is not None and self._looking.is_alive():
            await self._asked(DBOS.delete_workflows, old)


def _life(worker: str) -> str:
    return f"turns/{worker}"


def _sqlalchemy_url(url: str) -> str:
    return url.replace("postgres://", "postgresql://", 1)
