"""One database per worker, emptied for each test: cheaper than a database per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from isthmus.store import PostgresStore
from tests.engine.office import Clock, Office
from tests.store_fixtures import TEMPLATE, _database

TABLES = (
    "item, link, journal, effect, evidence, inbox, feed, scan_seen, approval, traffic, hint, meta, drift, far_field"
)


@pytest.fixture(scope="session")
def engine_database(pg_server: str) -> Iterator[str]:
    yield from _database(pg_server, TEMPLATE)


async def emptied(url: str, clock: Clock) -> PostgresStore:
    store = await PostgresStore.open(url, clock=clock, migrated=True)
    async with store._connection() as connection:
        await connection.execute(f"truncate {TABLES} cascade".encode())
    return store


@pytest.fixture
async def office(engine_database: str) -> AsyncIterator[Callable[..., Office]]:
    """Makes the office of this test; call it once."""
    clock = Clock()
    store = await emptied(engine_database, clock)

    def make(*arguments: object, **options: object) -> Office:
        return Office(store, clock, *arguments, **options)  # type: ignore[arg-type]

    yield make
    await store.close()
