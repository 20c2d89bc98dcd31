"""Rows of notices: queueing in a transaction, and what the sender needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection

from isthmus.desk.notices import Notice, NoticeState
from isthmus.model.state import Problem
from isthmus.store.codec import from_row, payload
from isthmus.store.queries import query
from isthmus.store.single import SingleQueries

__all__ = ["NoticeOutbox", "PostgresNotices"]


class PostgresNotices:
    """:class:`~isthmus.desk.notices.NoticeRows` on a connection that is inside a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, notice: Notice) -> bool:
        """Queue one; False when it was queued before."""
        return bool(await self._rows("add_notice", {"rows": payload([notice])}))

    async def about(self, document: str, keys: Collection[str]) -> list[Notice]:
        """Notices about these documents, oldest first."""
        rows = await self._rows("notices_about", {"document": document, "keys": list(keys)})
        return [from_row(Notice, row) for row in rows]

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(query(name), parameters)
        return await cursor.fetchall() if cursor.description else []


class NoticeOutbox:
    """Notices as their sender and people see them. Each call is a transaction of its own."""

    def __init__(self, store: SingleQueries) -> None:
        self._store = store

    async def due(self, now: datetime, limit: int) -> list[Notice]:
        """What is to be sent, oldest first; what is ``sending`` was left by a sender that died."""
        rows = await self._store.rows("due_notices", {"now": now, "limit": limit})
        return [from_row(Notice, row) for row in rows]

    async def save(self, notice: Notice) -> None:
        """Store what came of it."""
        await self._store.rows("save_notice", {"rows": payload([notice])})

    async def bounced(self, id: str, problem: Problem) -> bool:
        """Note that it came back; False when that is known, or there is no such notice."""
        return bool(
            await self._store.rows("bounce_notice", {"id": id, "problem": payload(msgspec.to_builtins(problem))})
        )

    async def no_mail(self) -> int:
        """Set aside what waits, because the project sends no mail; how many."""
        return len(await self._store.rows("no_mail", {}))

    async def retry(self, id: str, now: datetime) -> bool:
        """Send it now, again if need be; False when it is under way or was sent."""
        return bool(await self._store.rows("retry_notice", {"id": id, "now": now}))

    async def notices(self, state: NoticeState | None, recipient: str | None, limit: int) -> list[Notice]:
        """The newest ones first."""
        parameters = {"state": state and str(state), "recipient": recipient, "limit": limit}
        return [from_row(Notice, row) for row in await self._store.rows("list_notices", parameters)]

    async def notice(self, id: str) -> Notice | None:
        """One notice."""
        rows = await self._store.rows("one_notice", {"id": id})
        return from_row(Notice, rows[0]) if rows else None

    async def about(self, document: str, key: str) -> list[Notice]:
        """Notices about one document, oldest first."""
        rows = await self._store.rows("notices_about", {"document": document, "keys": [key]})
        return [from_row(Notice, row) for row in rows]
