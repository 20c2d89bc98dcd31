"""The hub running continuously: looks at every resource in its interval, follows hints at once, settles what is due.

One task drives each system, so a slow one delays nobody else. Everything is level-triggered: a lost notice or hint
costs at most one interval, because timers look anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from isthmus import events
from isthmus.errors import IsthmusError
from isthmus.store import PostgresStore
from isthmus.sync.engine import Engine

__all__ = ["Service"]

HOUSEKEEPING = 60.0
"""Seconds between checks for lost wake-ups and coming partitions."""
LONGEST_SLEEP = 30.0
"""Seconds a system's driver sleeps at most before it looks at what is due."""
TAKEN = 0.2
"""Seconds before something is looked at again that another process is working on."""


class Service:
    """Runs an engine until told to stop."""

    def __init__(self, engine: Engine, store: PostgresStore, clock: Callable[[], datetime]) -> None:
        self._engine, self._store, self._clock = engine, store, clock
        self._kicks = {system: asyncio.Event() for system in engine.systems}
        self._meet = asyncio.Event()
        self.rounds = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. A fault in one of the tasks ends the service (and is raised)."""
        jobs: list[Coroutine[Any, Any, None]] = [self._listen(), self._meeting(), self._housekeeping()]
        for system in self._engine.systems:
            jobs.append(self._drive(system))
            jobs += [self._poll(system, resource) for resource in self._engine.world.resources(system)]
        tasks = [asyncio.create_task(job) for job in jobs]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in [*tasks, stopping]:
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    def kick(self, system: str | None = None) -> None:
        """Look now at what is due in a system, or in all."""
        for name, event in self._kicks.items():
            if system in (None, name):
                event.set()

    # -- tasks ---------------------------------------------------------------------------------------------------

    async def _poll(self, system: str, resource: str) -> None:
        every = self._engine.world.every(system, resource)
        # Spread the first looks a little, so that not everything asks at the same moment for ever after.
        await asyncio.sleep(random.random() * min(1.0, every / 10))  # noqa: S311
        while True:
            began = self._clock()
            if not self._engine.is_down(system):
                with contextlib.suppress(IsthmusError):  # noted by the engine, shown by status
                    if await self._engine.poll(system, resource):
                        self._meet.set()
            spent = (self._clock() - began).total_seconds()
            await asyncio.sleep(max(0.05, every - spent, self._down_for(system)))

    def _down_for(self, system: str) -> float:
        back = self._engine.back_at(system)
        return 0.0 if back is None else max(0.0, (back - self._clock()).total_seconds())

    async def _listen(self) -> None:
        async for notice in self._store.notifications():
            if notice.flow is None and notice.system is not None:
                await self._follow_hints(notice.system)
            elif notice.system is None:
                for system in self._engine.systems:
                    await self._follow_hints(system)
                self._meet.set()
                self.kick()
            else:
                self.kick(notice.system)

    async def _follow_hints(self, system: str) -> None:
        if system not in self._engine.systems:
            return
        hints: dict[str, set[str]] = {}
        for resource, key in await self._store.take_hints(system):
            hints.setdefault(resource, set())
            if key:
                hints[resource].add(key)
        known = self._engine.systems[system].resources()
        for resource, keys in hints.items():
            if resource not in known or resource not in self._engine.world.resources(system):
                continue
            events.emit(events.HINT_RECEIVED, logging.DEBUG, system=system, resource=resource, keys=len(keys))
            try:
                await self._engine.look(system, resource, keys)
            except IsthmusError as error:
                await self._engine.note_down(system, resource, error)
                await self._store.add_hints([(system, resource, key) for key in keys or {""}])
        self._meet.set()

    async def _meeting(self) -> None:
        """First contact, as soon as there are new readings; afterwards everything that became due."""
        while True:
            await self._meet.wait()
            self._meet.clear()
            if await self._engine.meet_all():
                self._meet.set()
            self.kick()

    async def _drive(self, system: str) -> None:
        kick = self._kicks[system]
        while True:
            kick.clear()
            handled = 0
            with contextlib.suppress(IsthmusError):  # noted by the engine, shown by status
                handled = await self._engine.settle_system(system)
            self.rounds += 1
            if handled:
                self._meet.set()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(await self._sleep_for(system)):
                    await kick.wait()

    async def _sleep_for(self, system: str) -> float:
        due = [at for (_, name), at in (await self._store.due_at()).items() if name == system]
        if not due:
            return LONGEST_SLEEP
        wait = (min(due) - self._clock()).total_seconds()
        # Overdue and yet not handled: a brake holds it, another worker has it, or the system is down.
        wait = wait if wait > 0 else max(TAKEN * 5, self._down_for(system))
        return min(LONGEST_SLEEP, max(TAKEN, wait))

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            await self._store.make_partitions()
            if await self._store.wake_ready():
                self.kick()
