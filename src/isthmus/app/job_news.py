"""Telling open pages that a job has moved: one listener for all readers of this process, and only while there are
any."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection, Iterator

from isthmus.store import PostgresStore, job_notices

__all__ = ["JobNews", "Watch"]


class Watch:
    """Of one reader, over some jobs."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = frozenset(ids)
        self._moved = set(ids)
        self._rung = asyncio.Event()

    def tell(self, id: str) -> None:
        """This job has moved; without an id any of them may have."""
        self._moved |= self._ids & {id} if id else self._ids
        if self._moved:
            self._rung.set()

    async def moved(self, seconds: float) -> AsyncGenerator[set[str]]:
        """Jobs that have moved, again and again; at first all, and all when nobody told of anything for so long."""
        while True:
            yield self._take()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()

    def _take(self) -> set[str]:
        found, self._moved = self._moved or set(self._ids), set()
        self._rung.clear()
        return found


class JobNews:
    """What happens to jobs, in whichever process."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._watches: set[Watch] = set()
        self._listening: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def watch(self, ids: Collection[str]) -> Iterator[Watch]:
        """For as long as the block lasts."""
        watch = Watch(ids)
        self._watches.add(watch)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            if not self._watches and self._listening is not None:
                self._listening.cancel()
                self._listening = None

    async def _listen(self) -> None:
        async for notice in job_notices(self._store):
            for watch in self._watches:
                watch.tell(notice.id)
