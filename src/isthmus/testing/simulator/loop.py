"""An event loop whose time is made up: it never waits, it goes to the next thing that will happen.

Whatever runs on it (timers, queues, task groups, timeouts) is the real thing of asyncio; only ``sleep(30)`` takes no
time. With one seed for all delays two runs are the same to the last call.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["VirtualLoop", "run_virtually"]


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time goes on only when nothing is left to do at this moment. ``seconds``: since the start."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.outside = 0
        """Calls to the world outside (a real database) under way: time stands still until they are answered."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Made-up seconds since the start."""
        return self.seconds

    @contextmanager
    def real(self) -> Iterator[None]:
        """Around a call that really waits for something."""
        self.outside += 1
        try:
            yield
        finally:
            self.outside -= 1


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type,unused-ignore]
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._own = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        idle = timeout is None or timeout > 0
        # One descriptor is the loop's own; others belong to a real database.
        events = []
        if len(self.get_map()) > 1 or self._loop.outside:
            events = super().select(None if idle and self._loop.outside else 0)
        if events or not idle:
            return events
        if timeout is None:
            raise AssertionError("Everybody waits, and nothing will ever happen.")
        self._loop.seconds += timeout
        return events


def run_virtually[T](work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own; as fast as the processor goes."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
