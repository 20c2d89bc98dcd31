"""The database fixtures, and the stores that must behave alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from isthmus.store import PostgresStore
from isthmus.store.postgres import utc_now
from isthmus.testing import MemoryDatabase, MemoryStore

type Sessions = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["postgres", "memory"])
async def sessions(request: pytest.FixtureRequest) -> AsyncIterator[Sessions]:
    """Opens sessions on one and the same memory of a hub: on PostgreSQL, and on the store of the simulator. A test of
    what the engine may count on (``sync/ports.py``) uses it, so that the one in memory cannot lie."""
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            url = request.getfixturevalue("database_url")

            async def opened(clock: Any = utc_now) -> Any:
                return await stack.enter_async_context(await PostgresStore.open(url, clock=clock))

        else:
            database = MemoryDatabase(utc_now)

            async def opened(clock: Any = utc_now) -> Any:
                database.now = clock
                return MemoryStore(database)

        yield opened


@pytest.fixture
async def either(sessions: Sessions) -> Any:
    """A store of its own for this test: PostgreSQL, then the one in memory."""
    return await sessions()
