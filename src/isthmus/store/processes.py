"""Rows of processes, within a transaction of the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection

from isthmus.process.state import Entry, Process, Signal
from isthmus.store.codec import from_row, payload
from isthmus.store.queries import query

__all__ = ["PostgresProcesses"]


class PostgresProcesses:
    """:class:`~isthmus.process.ports.ProcessRows` on a connection that is inside a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, process: Process) -> bool:
        """Store a new process; False when there is one of this id."""
        return bool(await self._write("add_process", process))

    async def load(self, id: str) -> Process | None:
        """The process, locked."""
        rows = await self._rows("process", {"id": id})
        return from_row(Process, rows[0]) if rows else None

    async def history(self, id: str) -> list[Entry]:
        """Its history, in order."""
        return [from_row(Entry, row) for row in await self._rows("process_history", {"id": id})]

    async def save(self, process: Process) -> bool:
        """Store its row; False when it was overtaken or is over."""
        return bool(await self._write("save_process", process, over=False))

    async def reopen(self, process: Process) -> bool:
        """Store its row, also of one that is over; what it was refused last is forgotten."""
        await self._rows("forget_refusal", {"id": process.id})
        return bool(await self._write("save_process", process, over=True))

    async def add_entry(self, entry: Entry) -> bool:
        """Append to the history; False when the process is over or another turn was there."""
        return bool(await self._write("add_entry", entry))

    async def close_entry(self, entry: Entry) -> bool:
        """Store what came of an open entry; False when it is closed."""
        return bool(await self._write("close_entry", entry))

    async def add_signal(self, signal: Signal) -> bool:
        """Keep a signal; False when one of this id came before."""
        return bool(await self._write("add_signal", signal))

    async def take_signal(self, id: str, topic: str) -> Signal | None:
        """Take the oldest signal of this topic."""
        rows = await self._rows("take_signal", {"process": id, "topic": topic})
        return from_row(Signal, rows[0]) if rows else None

    async def request_turn(self, id: str, at: datetime | None = None) -> None:
        """Enqueue a turn."""
        await self._rows("request_turn", {"id": id, "at": at})

    async def give_up(self, id: str, reason: str, now: datetime) -> None:
        """Fail an open process from outside."""
        await self._rows("give_up", {"id": id, "reason": reason, "now": now})

    async def _write(self, name: str, row: msgspec.Struct, **more: Any) -> list[tuple[Any, ...]]:
        return await self._rows(name, {"rows": payload([row]), **more})

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(query(name), parameters)
        return await cursor.fetchall() if cursor.description else []
