"""Looking when there is news, and now and then all the same: a notice is only a reason to look, and may be lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from isthmus.store import PostgresStore

__all__ = ["Bell"]


class Bell:
    """Rings for what is notified on a channel of the database, of which ``wanted`` says whether it is worth a look."""

    def __init__(self, store: PostgresStore, channel: str, wanted: Callable[[str], bool] = lambda told: True) -> None:
        self._store, self._channel, self._wanted = store, channel, wanted
        self._rung = asyncio.Event()

    async def listen(self) -> None:
        """Until cancelled. What was told before nobody listened may have been anything: that rings too."""
        async for told in self._store.told(self._channel):
            if told is None or self._wanted(told):
                self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it rings, and at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()
