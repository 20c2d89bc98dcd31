"""The hub's memory on PostgreSQL 15 or newer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier
from psycopg_pool import AsyncConnectionPool

from isthmus.connector import Quota
from isthmus.errors import Unavailable
from isthmus.model.state import FarField, FlowVersion, Pause, Sighting
from isthmus.store.codec import payload
from isthmus.store.comparing import CompareWorkspace
from isthmus.store.connections import HubConnection, connect, pool
from isthmus.store.faults import check_version, parsed, place, translated
from isthmus.store.known_rows import KnownRows
from isthmus.store.locks import SessionLocks
from isthmus.store.migrate import migrate
from isthmus.store.queries import planned_each_time, query
from isthmus.store.scratch import ScratchStore
from isthmus.store.sleepers import Sleepers
from isthmus.store.transaction import PostgresTransaction
from isthmus.store.workers import Worker
from isthmus.sync.ports import DueAt, LaneDue

__all__ = ["Notice", "PostgresStore"]

PARTITION_MONTHS = 3
"""Monthly partitions made ahead, the present month included."""
RECONNECT_SECONDS = 1.0
QUIET_SECONDS = 30.0
"""After this long without a notice the listening connection is proven to be alive."""


class Notice(msgspec.Struct, frozen=True):
    """Look at this place now. ``flow`` None: hints wait for the system. Both None: look everywhere (the connection
    was made anew, so notices may have been lost). ``stop``: end. ``fields``: those of a far system have changed.
    ``pauses``: somebody paused or resumed something. ``flows``: a changed flow was approved. ``meet``: new readings
    that had to wait may meet their items."""

    flow: str | None
    system: str | None
    stop: bool = False
    fields: bool = False
    pauses: bool = False
    flows: bool = False
    meet: bool = False

    @classmethod
    def of(cls, told: str) -> Notice:
        """What was told: ``FLOW/SYSTEM``, ``/SYSTEM`` or a word."""
        flow, slash, system = told.rpartition("/")
        if slash:
            return cls(flow or None, system)
        return cls(None, None, **{told: True} if told in ("stop", "fields", "pauses", "flows", "meet") else {})


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class PostgresStore:
    """A :class:`~isthmus.sync.ports.Store`. Made by :meth:`open`."""

    def __init__(self, url: str, clock: Callable[[], datetime], connections: int) -> None:
        """Use :meth:`open`."""
        self.url = url
        self._clock = clock
        self._pool = pool(url, 1, connections)
        # Whoever is in a transaction may ask something outside of it. From the same pool, many who hold a connection
        # each would wait for ever for a second one.
        self._asking = pool(url, 0, max(2, connections // 2))
        self._locks = SessionLocks(url, connect)
        self._known = KnownRows()
        self._sleepers = Sleepers(self._in_flight, self.wake_ready)

    @classmethod
    async def open(
        cls, url: str, *, clock: Callable[[], datetime] = utc_now, connections: int = 8, migrated: bool = False
    ) -> PostgresStore:
        """Connect, check the server, bring the tables up to date, make the coming partitions.

        ``clock`` gives the instant at which woken links become due and withdrawn entries are closed. ``migrated``
        skips the check of the tables. Raises :class:`Misconfigured` (URL, login, version, rights, tables of a newer
        hub) or :class:`Unavailable`.
        """
        parsed(url)
        store = cls(url, clock, connections)
        try:
            async with await connect(url) as connection:
                check_version(connection.info.server_version, url)
            if not migrated:
                await asyncio.to_thread(migrate, url)
            await store._pool.open(wait=True, timeout=10)
            await store._asking.open()
            await store.make_partitions()
        except psycopg.Error as error:
            await store.close()
            raise translated(error, url) from None
        return store

    async def __aenter__(self) -> PostgresStore:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Begin; commits at the end of the block. Raises :class:`Unavailable` when the database is away or the
        transaction lost against another (nothing was changed), :class:`Stale` when another process stored the same
        row first."""
        async with self._connection() as connection:
            transaction = PostgresTransaction(connection, self._clock, self._known, notify=True)
            connection.begin_later()
            try:
                yield transaction
            except BaseException:
                with suppress(psycopg.Error):
                    await connection.rollback()
                raise
            # A commit waits for the disk also for locks. (The driver's own rollback has statements prepared anew.)
            await connection.end(transaction.ending)
        self._sleepers.add(transaction.asleep)

    @asynccontextmanager
    async def _connection(self, pool: AsyncConnectionPool[HubConnection] | None = None) -> AsyncIterator[HubConnection]:
        try:
            async with (pool or self._pool).connection() as connection:
                yield connection
        except psycopg.Error as error:
            fault = translated(error, self.url)
            if isinstance(fault, Unavailable) and isinstance(error, psycopg.OperationalError):
                self._known.forget()
                # After a restart of the server all pooled connections are dead: find out now, not one by one.
                await self._pool.check()
                await self._asking.check()
            raise fault from error

    async def try_lock(self, name: str) -> bool:
        """Take a lock; False when anybody (in this process too) holds it."""
        return await self._locks.try_lock(name)

    async def unlock(self, name: str) -> None:
        """Give the lock back; nothing happens when it is not held."""
        await self._locks.unlock(name)

    async def holds(self, name: str) -> bool:
        """Whether this process still holds the lock: it is lost when its connection breaks."""
        return await self._locks.holds(name)

    async def take_lanes(self, place: str, lanes: Sequence[LaneDue], enough: int) -> set[int]:
        """Take lanes that nobody has, in this order, until ``enough`` links are due in them."""
        return await self._locks.take_lanes(place, lanes, enough)

    async def give_lanes(self, place: str, lanes: Collection[int]) -> None:
        """Give lanes back."""
        await self._locks.give_lanes(place, lanes)

    async def join(self, worker: Worker) -> None:
        """Be counted as a worker, for as long as this process lives."""
        await self._locks.join(worker.title)

    async def keep_lock(self, name: str) -> None:
        """Hold a lock for as long as this process lives."""
        await self._locks.keep(name)

    async def rejoin(self) -> None:
        """Be counted again, when the connection was lost; call it now and then."""
        await self._locks.rejoin()

    async def workers(self) -> int:
        """How many workers share this store now; at least one, whoever asks."""
        return max(1, len(await self.rows("workers", {})))

    async def tell_stop(self) -> None:
        """Ask all workers of this store to end."""
        await self.rows("tell_stop", {})

    async def due_at(self) -> dict[tuple[str, str], DueAt]:
        """When there is something to do next, per (flow, system)."""
        return {(flow, system): DueAt(at, read) for flow, system, at, read in await self.rows("due_at", {})}

    async def wake_ready(self, among: Collection[str] | None = None) -> int:
        """See :meth:`PostgresTransaction.wake_ready`."""
        async with self.transaction() as transaction:
            return await transaction.wake_ready(among)

    async def wake_missed(self) -> int:
        """Wait until links of this process began to wait for their parents; then wake those whose parent came at that
        very moment, how many."""
        return await self._sleepers.wake_missed()

    async def add_hints(self, hints: Collection[tuple[str, str, str]], sightings: Collection[Sighting] = ()) -> None:
        """Hand (system, resource, key) to whichever process runs the hub; key "" means the whole resource.
        ``sightings`` are kept for a minute, or until they are taken."""
        if not hints:
            return
        systems, resources, keys = (list(column) for column in zip(*hints, strict=True))
        given = {"systems": systems, "resources": resources, "keys": keys, "sure": bool(sightings)}
        async with self._connection() as connection:
            if not sightings:
                await connection.execute(query("add_hints"), given)
                return
            async with connection.transaction():
                await connection.execute(query("add_sightings"), {"rows": payload(sightings)})
                await connection.execute(query("add_hints"), given)

    async def take_hints(self, system: str) -> list[tuple[str, str]]:
        """Take the (resource, key) hints of a system; each is taken by one process only."""
        return sorted((resource, key) for resource, key, _ in await self.rows("take_hints", {"system": system}))

    async def notifications(self) -> AsyncIterator[Notice]:
        """What happened in any process, as it commits; reconnects by itself, and then says "look everywhere", as at the
        start. Ends only by cancelling or ``aclose``."""
        async for told in self.told("isthmus"):
            yield Notice(None, None) if told is None else Notice.of(told)

    async def told(self, channel: str) -> AsyncGenerator[str | None]:
        """What is notified on a channel of the database, as it commits; None at the start and after a reconnect: what
        was notified before was not heard. Ends only by cancelling or ``aclose``."""
        while True:
            try:
                async with await connect(self.url) as connection:
                    await connection.execute(SQL("listen {}").format(Identifier(channel)))
                    yield None
                    while True:
                        async for notice in connection.notifies(timeout=QUIET_SECONDS):
                            yield notice.payload
                        await connection.execute(b"select")
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[ScratchStore]:
        """A copy of the whole memory that is thrown away at the end of the block: the engine can run on it for a plan
        that changes nothing. Nothing is notified."""
        try:
            connection = await connect(self.url)
        except psycopg.Error as error:
            raise translated(error, self.url) from error
        async with connection:
            store = ScratchStore(connection, self.url, self._clock)
            await store.fill()
            yield store

    @asynccontextmanager
    async def comparing(self) -> AsyncIterator[CompareWorkspace]:
        """Room for a complete comparison, in a session of its own."""
        try:
            connection = await connect(self.url)
        except psycopg.Error as error:
            raise translated(error, self.url) from error
        async with connection:
            workspace = CompareWorkspace(connection, self.url, self._clock)
            await workspace.make()
            yield workspace

    async def save_far_fields(self, fields: Sequence[FarField]) -> None:
        """Remember fields as they are now."""
        if fields:
            await self.rows("save_far_fields", {"rows": payload(fields)})
            await self.rows("tell_fields", {})

    async def add_flow_versions(self, versions: Sequence[FlowVersion]) -> None:
        """Note versions of flows, each after the last one of its flow, unless that is the same. Gives the numbers."""
        if versions:
            await self.rows("add_flow_version", {"rows": payload(versions)})

    async def decide_flow_change(self, given: Mapping[str, Any], *, tell: bool) -> list[tuple[Any, ...]]:
        """Decide about a changed flow, one after the other over all processes; ``tell`` whoever listens."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(query("lock_flow_changes"))
            rows = await (await connection.execute(query("decide_flow_change"), given)).fetchall()
            if rows and tell:
                await connection.execute(query("tell_flows"))
            return rows

    async def forget_processes(self, months: int, now: datetime) -> int:
        """Forget processes that are done or cancelled for longer than that; how many."""
        count = 0
        while found := await self.rows("forget_processes", {"months": months, "now": now}):
            count += len(found)
        return count

    async def add_pause(self, pause: Pause) -> bool:
        """No process calls it from now on; False when it is paused already. Tells whoever listens."""
        return bool(await self.rows("add_pause", msgspec.structs.asdict(pause)))

    async def end_pause(self, system: str, resource: str) -> bool:
        """It is called again; False when it is not paused. Tells whoever listens."""
        return bool(await self.rows("end_pause", {"system": system, "resource": resource}))

    async def save_quotas(self, system: str, quotas: Collection[Quota]) -> None:
        """Remember what a system said of its limits, unless somebody has heard something newer."""
        await self.rows("save_quotas", {"system": system, "rows": payload(list(quotas))})

    async def count_hook(self, system: str, now: datetime, *, refused: bool) -> None:
        """Count a webhook."""
        await self.rows(
            "count_hook", {"system": system, "now": now, "taken": int(not refused), "refused": int(refused)}
        )

    async def read_anew(self, system: str, resource: str) -> None:
        """At the next look every record of this resource is read and taken in, whether it changed or not."""
        await self.rows("read_anew", {"system": system, "resource": resource})

    async def remember(self, name: str, value: Any) -> None:
        """Keep a small JSON fact about this hub."""
        await self.rows("remember", {"name": name, "value": payload({"": value})})

    async def recall(self, name: str) -> Any:
        """The fact of this name; None when there is none."""
        rows = await self.rows("recall", {"name": name})
        return msgspec.json.decode(rows[0][0])[""] if rows else None

    async def made_once(self, name: str, value: Any) -> Any:
        """The fact of this name; the given value when there was none, kept from then on, whoever comes first."""
        rows = await self.rows("make_fact", {"name": name, "value": payload({"": value})})
        # Another one may have made it in this very moment, unseen by our statement.
        return msgspec.json.decode(rows[0][0])[""] if rows else await self.recall(name)

    async def refresh_search(self, limit: int) -> int:
        """Make the texts by which items are found, of at most so many that changed; how many those were."""
        return int((await self.rows("refresh_search", {"limit": limit}))[0][0])

    async def make_partitions(self) -> int:
        """Make the partitions of the coming months; call it daily in a hub that runs for long. Without it nothing
        fails: rows then go to a default partition."""
        return int((await self.rows("make_partitions", {"months": PARTITION_MONTHS}))[0][0])

    async def _in_flight(self) -> tuple[int, int]:
        ((oldest, coming),) = await self.rows("in_flight", {})
        return oldest, coming

    async def rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one named query on its own."""
        async with self._connection(self._asking) as connection:
            prepare = False if planned_each_time(name) else None
            cursor = await connection.execute(query(name), parameters, prepare=prepare)
            return await cursor.fetchall() if cursor.description else []

    async def close(self) -> None:
        """Release connections, and with them the locks. A second call does nothing."""
        await self._pool.close()
        await self._asking.close()
        await self._locks.close()

    def __repr__(self) -> str:
        return f"PostgresStore({place(self.url)})"
