"""Making the texts by which items are found, a moment after they changed: see ``store/sql/queries/search.sql``.

Any process may do so, several at once too. Until it is done a search looks at what changed as it is, as long as that is
little; so nothing is found late but while very much changes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic

from isthmus.errors import StoreUnavailable
from isthmus.store import PostgresStore

__all__ = ["keep_search", "refresh_search", "searchable"]

BATCH = 500
"""Changed items at a time: short transactions, of which none waits long for another."""
EVERY = 1.0
"""Seconds between looks."""
AGAIN = 5.0


async def keep_search(store: PostgresStore) -> None:
    """Until cancelled; at most half of the time, so that much that changes at once is not held up by it."""
    while True:
        try:
            began = monotonic()
            done = await store.refresh_search(BATCH)
            await asyncio.sleep(EVERY if done < BATCH else min(EVERY, monotonic() - began))
        except StoreUnavailable as error:
            await asyncio.sleep(error.wait or AGAIN)


async def refresh_search(store: PostgresStore) -> int:
    """Until nothing is left that changed; how often something had."""
    count = 0
    while done := await store.refresh_search(BATCH):
        count += done
    return count


@contextlib.asynccontextmanager
async def searchable(store: PostgresStore) -> AsyncIterator[None]:
    """For work that ends: what changes in the block can be found after it, whether a hub runs or not."""
    keeping = asyncio.create_task(keep_search(store))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    await refresh_search(store)
