"""Connections to PostgreSQL, set up for the hub."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from typing import Any

from psycopg import AsyncConnection, AsyncCursor
from psycopg.sql import SQL, Literal
from psycopg_pool import AsyncConnectionPool

from isthmus.store.codec import register
from isthmus.store.faults import parsed

__all__ = ["HubConnection", "connect", "pool", "set_up"]

SEND_BUFFER = 4 * 1024 * 1024
"""Bytes on their way through a local socket that nobody waits for; the system may allow less."""
DEFAULTS: Mapping[str, Any] = {
    "connect_timeout": 10,
    "application_name": "isthmus",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
SESSION = (
    b"set search_path = isthmus; set timezone = 'UTC'; set idle_in_transaction_session_timeout = '60s';"
    b"set lock_timeout = '30s'; set jit = off"
)


LOCK = SQL("select pg_advisory_xact_lock(hashtextextended('isthmus entity ' || {name}, 0))")


class HubConnection(AsyncConnection):
    """A connection whose transactions begin with the first thing that is asked in them: one way to the server less,
    and none at all where nothing was asked."""

    _to_begin = False

    def begin_later(self) -> None:
        """What is asked from now on is asked within one transaction."""
        self._to_begin = True

    async def lock_entities(self, names: Collection[str]) -> None:
        """Wait until no other transaction holds one of these; given back at the end of this one. In a fixed order, so
        that no two wait for each other."""
        statements = [LOCK.format(name=Literal(name)).as_string(self) for name in sorted(set(names))]
        if self._to_begin:
            statements.insert(0, "begin")
            self._to_begin = False
        if statements:
            await super().execute("; ".join(statements).encode(), prepare=False)

    async def execute(self, query: Any, params: Any = None, **options: Any) -> AsyncCursor[Any]:
        """As the driver's own, after the transaction has begun."""
        if self._to_begin:
            self._to_begin = False
            await super().execute(b"begin", prepare=False)
        return await super().execute(query, params, **options)

    async def rollback(self) -> None:
        """As the driver's own, for a transaction that failed."""
        self._to_begin = False
        await super().rollback()

    async def end(self, ending: bytes) -> None:
        """Commit, or whatever ends the transaction, if it has begun at all."""
        if self._to_begin:
            self._to_begin = False
        else:
            await super().execute(ending, prepare=False)


async def connect(url: str) -> HubConnection:
    """A connection set up for the hub, in autocommit mode. Raises psycopg's errors."""
    connection = await HubConnection.connect(url, autocommit=True, **_with_defaults(url))
    await set_up(connection)
    return connection


def pool(url: str, least: int, most: int) -> AsyncConnectionPool[HubConnection]:
    """So many connections set up for the hub; to be opened."""
    return AsyncConnectionPool(
        url,
        connection_class=HubConnection,
        kwargs=_with_defaults(url),
        min_size=least,
        max_size=most,
        timeout=10,
        open=False,
        configure=set_up,
        name="isthmus",
    )


async def set_up(connection: AsyncConnection) -> None:
    """Types and session settings of every connection."""
    register(connection)
    if connection.info.host.startswith("/"):
        # So that the next part of a batch can be sent while the server works on the one before. (Buffers of TCP grow by
        # themselves.)
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    await connection.set_autocommit(True)
    await connection.execute(SESSION)


def _with_defaults(url: str) -> dict[str, Any]:
    given = parsed(url)
    return {name: value for name, value in DEFAULTS.items() if name not in given}
