"""Making ready, after a server has begun to answer, what its first readers would have to wait for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from isthmus.console import Site, make_ready
from isthmus.portal import load_pages

__all__ = ["warm"]


@contextlib.asynccontextmanager
async def warm(site: Site) -> AsyncIterator[None]:
    """While the block runs, once. Whoever comes meanwhile waits for the same."""
    task = asyncio.create_task(_warm(site))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _warm(site: Site) -> None:
    await asyncio.to_thread(load_pages)
    await make_ready(site)
