"""Links that begin to wait for their parents in the moment these come.

Two transactions that do not see each other cannot tell each other: the child still reads that there is no parent, and
the parent wakes nobody. So whoever lets links wait looks again when all that was under way then has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from isthmus.errors import IsthmusError, StoreUnavailable

__all__ = ["Sleepers"]

MOMENT_STEP, MOMENT_LOOKS = 0.01, 500
"""Seconds between two looks whether the transactions of one moment have ended, and how many looks at most."""


class Sleepers:
    """Those of one process. ``in_flight`` tells the oldest transaction under way and the next to come; ``wake`` wakes
    those of these links whose parent is there, how many."""

    def __init__(
        self,
        in_flight: Callable[[], Awaitable[tuple[int, int]]],
        wake: Callable[[Collection[str]], Awaitable[int]],
    ) -> None:
        self._in_flight, self._wake = in_flight, wake
        self._asleep: set[str] = set()
        self._fell_asleep = asyncio.Event()

    def add(self, links: Collection[str]) -> None:
        """These were committed as waiting."""
        if links:
            self._asleep.update(links)
            self._fell_asleep.set()

    async def wake_missed(self) -> int:
        """Wait until there are any, and until what was under way then has ended; then wake those that were missed.
        When that fails they are still to be looked for: at once, in the next call, where the failure passes."""
        await self._fell_asleep.wait()
        self._fell_asleep.clear()
        asleep, self._asleep = self._asleep, set()
        try:
            _, horizon = await self._in_flight()
            for _ in range(MOMENT_LOOKS):
                oldest, _ = await self._in_flight()
                if oldest >= horizon:
                    break
                await asyncio.sleep(MOMENT_STEP)
            return await self._wake(asleep)
        except IsthmusError as error:
            self._asleep |= asleep
            if isinstance(error, StoreUnavailable):
                # Who calls lets a while pass first, as after any such failure. Any other would come back at once.
                self._fell_asleep.set()
            raise
