"""Connections to PostgreSQL, set up for the hub."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from isthmus.store.codec import register
from isthmus.store.faults import parsed

__all__ = ["connect", "pool", "set_up"]

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


async def connect(url: str) -> AsyncConnection:
    """A connection set up for the hub, in autocommit mode. Raises psycopg's errors."""
    connection = await AsyncConnection.connect(url, autocommit=True, **_with_defaults(url))
    await set_up(connection)
    return connection


def pool(url: str, least: int, most: int) -> AsyncConnectionPool:
    """So many connections set up for the hub; to be opened."""
    return AsyncConnectionPool(
        url,
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
