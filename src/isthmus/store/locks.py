"""Locks that live as long as the session that took them: nobody's clock decides whether a worker is dead.

All of one process are on one connection of their own. When it breaks, they are lost; whoever takes them next plans from
the state as it is then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection

from isthmus.store.faults import translated
from isthmus.store.queries import query
from isthmus.sync.ports import LaneDue

__all__ = ["SessionLocks"]


class SessionLocks:
    """The session locks of one process. ``connect`` opens the connection they are on, when the first is asked for."""

    def __init__(self, url: str, connect: Callable[[str], Awaitable[AsyncConnection]]) -> None:
        self._url, self._connect = url, connect
        self._connection: AsyncConnection | None = None
        self._guard = asyncio.Lock()
        self._held: set[str] = set()
        self._title: str | None = None
        self._kept: set[str] = set()

    async def join(self, title: str) -> None:
        """Be counted as a worker of this name from now on, also after the connection was made anew."""
        async with self._guard:
            self._title = title
            await self._run("join_workers", {"title": title})

    async def rejoin(self) -> None:
        """Be counted again at once when the connection broke; nothing happens when it lives."""
        async with self._guard:
            if (self._title is not None or self._kept) and not await self._lives():
                await self._run("workers", {})

    async def keep(self, name: str) -> None:
        """Hold a lock for good, also after the connection was made anew (as far as nobody took it in between)."""
        async with self._guard:
            self._kept.add(name)
            await self._run("try_lock", {"name": name})
            self._held.add(name)

    async def try_lock(self, name: str) -> bool:
        """Take a lock; False when anybody (in this process too) holds it."""
        async with self._guard:
            if name in self._held and await self._lives():
                return False
            rows = await self._run("try_lock", {"name": name})
            if rows[0][0]:
                self._held.add(name)
            return bool(rows[0][0])

    async def unlock(self, name: str) -> None:
        """Give the lock back; nothing happens when it is not held."""
        async with self._guard:
            if name in self._held:
                await self._free("unlock", {"name": name})
            self._held.discard(name)

    async def holds(self, name: str) -> bool:
        """Whether this process still holds the lock: it is lost when its connection breaks."""
        async with self._guard:
            return name in self._held and await self._lives()

    async def take_lanes(self, place: str, lanes: Sequence[LaneDue], enough: int) -> set[int]:
        """Take lanes that nobody (in this process too) has, in this order, until ``enough`` links are due in them."""
        async with self._guard:
            # The database would give a session the same lock twice.
            free = [lane for lane in lanes if f"{place}/{lane.lane}" not in self._held]
            if not free:
                return set()
            numbers = {"lanes": [lane.lane for lane in free], "due": [lane.due for lane in free]}
            rows = await self._run("take_lanes", {"place": place, "enough": enough, **numbers})
            taken = {int(row[0]) for row in rows}
            self._held |= {f"{place}/{lane}" for lane in taken}
            return taken

    async def give_lanes(self, place: str, lanes: Collection[int]) -> None:
        """Give lanes back; those that are not held any more are passed over."""
        async with self._guard:
            held = [lane for lane in lanes if f"{place}/{lane}" in self._held]
            if held:
                await self._free("give_lanes", {"place": place, "lanes": held})
            self._held -= {f"{place}/{lane}" for lane in held}

    async def close(self) -> None:
        """Give everything back with the connection."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                # The server notices that we left a moment later; whoever comes next need not wait for that.
                await self._connection.execute(query("unlock_all"))
                await self._connection.close()
        self._connection = None
        self._held.clear()

    async def _lives(self) -> bool:
        return await self._try(b"select", {}) is not None

    async def _free(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Run a query that gives locks back; a connection that broke has done so already."""
        try:
            await self._try(query(name), parameters)
        except psycopg.Error as error:
            raise translated(error, self._url) from error

    async def _run(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a query, on a new connection when the old one has broken: then nothing of it holds any more."""
        try:
            found = await self._try(query(name), parameters)
            if found is None:
                self._connection = await self._connect(self._url)
                if self._title is not None and name != "join_workers":
                    await self._connection.execute(query("join_workers"), {"title": self._title})
                for kept in self._kept:
                    await self._connection.execute(query("try_lock"), {"name": kept})
                    self._held.add(kept)
                found = await (await self._connection.execute(query(name), parameters)).fetchall()
            return found
        except psycopg.Error as error:
            raise translated(error, self._url) from error

    async def _try(self, text: bytes, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]] | None:
        """The rows; None when there is no connection, or none any more: all locks are lost then."""
        if self._connection is not None:
            try:
                cursor = await self._connection.execute(text, parameters)
                return await cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if not self._connection.broken and not self._connection.closed:
                    raise
                self._connection = None
        self._held.clear()
        return None
