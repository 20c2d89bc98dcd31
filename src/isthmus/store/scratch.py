"""A throw-away copy of the hub's memory, for plans that change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg

from isthmus.store.connections import HubConnection
from isthmus.store.faults import translated
from isthmus.store.known_rows import KnownRows
from isthmus.store.queries import query, statements
from isthmus.store.transaction import PostgresTransaction
from isthmus.sync.ports import DueAt, LaneDue

__all__ = ["ScratchStore"]


class ScratchStore:
    """A :class:`~isthmus.sync.ports.Store` on one session, in which every table is shadowed by a temporary copy.

    Transactions follow one another. Locks are this copy's own: nobody else can see it. Made by
    :meth:`PostgresStore.scratch`.
    """

    def __init__(self, connection: HubConnection, url: str, clock: Callable[[], datetime]) -> None:
        """``connection`` is used by nobody else."""
        self._connection = connection
        self._url = url
        self._clock = clock
        self._turn = asyncio.Lock()
        self._held: set[str] = set()
        self._known = KnownRows()

    async def fill(self) -> None:
        """Copy the tables as they are at one instant."""
        try:
            await self._connection.execute(b"set temp_buffers = '64MB'")
            async with self._connection.transaction():
                await self._connection.execute(b"set transaction isolation level repeatable read")
                for statement in statements("shadow"):
                    await self._connection.execute(statement)
            for statement in statements("analyze_shadow"):
                await self._connection.execute(statement)
        except psycopg.Error as error:
            raise translated(error, self._url) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Begin, when the one before has ended; a transaction inside another never begins."""
        async with self._turn:
            try:
                async with self._connection.transaction():
                    yield PostgresTransaction(self._connection, self._clock, self._known, notify=False)
            except psycopg.Error as error:
                raise translated(error, self._url) from error

    async def try_lock(self, name: str) -> bool:
        """Take a lock of this copy."""
        if name in self._held:
            return False
        self._held.add(name)
        return True

    async def unlock(self, name: str) -> None:
        """Give the lock back."""
        self._held.discard(name)

    async def take_lanes(self, place: str, lanes: Sequence[LaneDue], enough: int) -> set[int]:
        """Take all lanes that are free: nobody shares this copy."""
        taken = {lane.lane for lane in lanes if f"{place}/{lane.lane}" not in self._held}
        self._held |= {f"{place}/{lane}" for lane in taken}
        return taken

    async def give_lanes(self, place: str, lanes: Collection[int]) -> None:
        """Give lanes back."""
        self._held -= {f"{place}/{lane}" for lane in lanes}

    async def workers(self) -> int:
        """One: nobody shares this copy."""
        return 1

    async def due_at(self) -> dict[tuple[str, str], DueAt]:
        """When there is something to do next, per (flow, system)."""
        return {(flow, system): DueAt(at, read) for flow, system, at, read in await self.rows("due_at", {})}

    async def rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one named query on its own; never inside a transaction of this copy."""
        async with self._turn:
            try:
                cursor = await self._connection.execute(query(name), parameters)
                return await cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                raise translated(error, self._url) from error

    async def wake_ready(self) -> int:
        """See :meth:`PostgresTransaction.wake_ready`."""
        async with self.transaction() as transaction:
            return await transaction.wake_ready()

    async def close(self) -> None:
        """Throw the copy away."""
        await self._connection.close()
