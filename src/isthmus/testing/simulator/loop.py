"""An event loop whose time is made up: it never waits, it goes to the next thing that will happen.

Whatever runs on it (timers, queues, task groups, timeouts) is the real thing of asyncio; only ``sleep(30)`` takes no
time. With one seed for all delays two runs are the same to the last call.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["MadeUp", "VirtualLoop", "run_virtually"]

BEGIN = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time goes on only when nothing is left to do at this moment. ``seconds``: since the start."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Made-up seconds since the start."""
        return self.seconds


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type,unused-ignore]
    """Nothing comes from outside: to wait means to let time pass."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("Everybody waits, and nothing will ever happen.")
        self._loop.seconds += max(timeout, 0.0)
        return []


class MadeUp:
    """Clock and ids of whatever runs on such a loop."""

    def __init__(self) -> None:
        self._last, self._ids = BEGIN, 0

    def now(self) -> datetime:
        """The hub's clock: never the same twice, as no two things happen at once."""
        at = BEGIN + timedelta(seconds=asyncio.get_running_loop().time())
        self._last = max(at, self._last + timedelta(microseconds=1))
        return self._last

    def new_id(self) -> str:
        """A new id."""
        self._ids += 1
        return f"id{self._ids:06d}"


def run_virtually[T](work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own; as fast as the processor goes."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
