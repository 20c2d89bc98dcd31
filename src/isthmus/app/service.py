"""The hub running continuously: looks at every resource in its interval, follows hints at once, settles what is due.

One task drives each system, so a slow one delays nobody else. Everything is level-triggered: a lost notice or hint
costs at most one interval, because timers look anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from isthmus import events
from isthmus.connector import System
from isthmus.errors import IsthmusError, StoreUnavailable
from isthmus.model.state import Pause
from isthmus.store import Notice
from isthmus.sync.engine import Engine
from isthmus.sync.health import LONGEST
from isthmus.sync.outcome import pause
from isthmus.sync.ports import Store

__all__ = ["HubStore", "Service"]

HOUSEKEEPING = 60.0
"""Seconds between checks for lost wake-ups, forgotten readings and coming partitions."""
CHORES = 3600.0
"""Seconds between chores."""
LONGEST_SLEEP = 30.0
"""Seconds a system's driver sleeps at most before it looks at what is due."""
TAKEN = 0.2
"""Seconds before something is looked at again that another process is working on."""


class HubStore(Store, Protocol):
    """A store that also tells what happens in other processes."""

    def notifications(self) -> AsyncIterator[Notice]:
        """Where to look, as it is committed; first of all, and after a lost connection: everywhere."""

    async def add_hints(self, hints: Collection[tuple[str, str, str]]) -> None:
        """Keep (system, resource, key) until somebody takes them; tells whoever listens."""

    async def take_hints(self, system: str) -> list[tuple[str, str]]:
        """Take the (resource, key) hints of a system; key "" means the whole resource."""

    async def rejoin(self) -> None:
        """Be counted among the workers again after a lost connection."""

    async def wake_missed(self) -> int:
        """Wait until links begin to wait for their parents, then wake those whose parent came at that moment."""

    async def make_partitions(self) -> int:
        """Make room for the coming months."""


class Service:
    """Runs an engine until told to stop.

    ``reopen`` opens a system that could not be opened at the start (raising what it raises); ``revive`` starts the
    hub's own database again when it runs embedded and has died; ``jitter`` gives numbers from 0 to 1 that spread what
    would happen at one moment; ``chores`` are done at the start and then now and then; ``pauses`` gives what is paused;
    ``flows`` is called when flows may have changed.
    """

    def __init__(
        self,
        engine: Engine,
        store: HubStore,
        clock: Callable[[], datetime],
        *,
        reopen: Callable[[str], Awaitable[System]],
        revive: Callable[[], Awaitable[None]],
        chores: Sequence[Callable[[], Awaitable[object]]] = (),
        pauses: Callable[[], Awaitable[Collection[Pause]]] | None = None,
        flows: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._engine, self._store, self._clock, self._jitter = engine, store, clock, jitter
        self._reopen, self._revive, self._chores, self._pauses, self._flows = reopen, revive, chores, pauses, flows
        self._kicks: dict[str, asyncio.Event] = {}
        self._told: dict[str, set[str]] = {}
        """Per system the flows of which was told that something is due there."""
        self._hinted: dict[str, asyncio.Event] = {}
        self._doubts: dict[str, list[asyncio.Event]] = {}
        """Per system one for each poller: something there failed, ask anew when to look."""
        self._meet = asyncio.Event()
        self._news = asyncio.Event()
        """The chores are to be done now."""
        self.rounds = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set, by the caller or by a notice in the store. A fault in one of the tasks ends the
        service (and is raised)."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._listen(stop)), group.create_task(self._meeting())]
            tasks += [group.create_task(self._housekeeping()), group.create_task(self._do_chores())]
            tasks.append(group.create_task(self._wake_missed()))
            for system in self._engine.world.systems():
                if system in self._engine.systems:
                    tasks += self._attend(group, system)
                else:
                    tasks.append(group.create_task(self._wait_for(group, tasks, system)))
            await stop.wait()
            for task in tasks:
                task.cancel()

    def _attend(self, group: asyncio.TaskGroup, system: str) -> list[asyncio.Task[None]]:
        """The tasks of one open system."""
        self._kicks[system] = asyncio.Event()
        self._told[system] = set()
        self._hinted[system] = asyncio.Event()
        resources = {name: asyncio.Event() for name in self._engine.world.resources(system)}
        self._doubts[system] = list(resources.values())
        jobs = [
            self._drive(system),
            self._follow(system),
            *(self._poll(system, name, doubt) for name, doubt in resources.items()),
        ]
        return [group.create_task(job) for job in jobs]

    async def _wait_for(self, group: asyncio.TaskGroup, tasks: list[asyncio.Task[None]], system: str) -> None:
        """Try to open a system again and again, each time after a longer pause."""
        tries = 0
        while True:
            await asyncio.sleep(min(pause(tries, self._jitter()), LONGEST).total_seconds())
            if self._engine.pauses.of(system) is not None:
                continue
            tries += 1
            try:
                opened = await self._reopen(system)
            except IsthmusError as error:
                for name in self._engine.world.resources(system)[:1]:
                    await self._engine.note_down(system, name, error)
                continue
            self._engine.add_system(system, opened)
            tasks += self._attend(group, system)
            self._meet.set()
            return

    def kick(self, system: str | None = None) -> None:
        """Look now at what is due in a system, or in all."""
        for name, event in self._kicks.items():
            if system in (None, name):
                event.set()

    # -- tasks ---------------------------------------------------------------------------------------------------

    async def _poll(self, system: str, resource: str, doubt: asyncio.Event) -> None:
        every = self._engine.world.every(system, resource)
        # Spread the first looks a little, so that not everything asks at the same moment for ever after.
        await asyncio.sleep(self._jitter() * min(1.0, every / 10))
        # Whoever starts looks at once: hints may have been lost while nobody was there.
        wait = 0.0
        while True:
            if self._engine.pauses.of(system, resource) is not None:
                await doubt.wait()
                doubt.clear()
                wait = 0.0
                continue
            if not wait and not self._engine.health.is_down(system, resource):
                if await self._attempt(self._engine.poll(system, resource)):
                    self._meet.set()
                wait = await self._attempt(self._engine.seconds_until_look(system, resource))
            # Due and yet not looked at: it failed, or another worker is at it.
            rest = wait or min(every, self._down_for(system, resource) or TAKEN * 5)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, rest)):
                    await doubt.wait()
            doubt.clear()
            wait = await self._attempt(self._engine.seconds_until_look(system, resource))

    async def _attempt[N](self, work: Awaitable[N], system: str | None = None) -> N | int:
        """What the work gives; 0 when it failed. What failed in ``system`` is looked at as soon as that is
        back, and not only in its interval."""
        try:
            return await work
        except IsthmusError as error:
            for doubt in self._doubts[system] if system is not None else ():
                doubt.set()
            await self._endure(error)
            return 0

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            yield
        except IsthmusError as error:
            await self._endure(error)

    async def _endure(self, error: IsthmusError) -> None:
        """Failures of far systems are noted by the engine and shown by status; the hub's own database is revived."""
        if not isinstance(error, StoreUnavailable):
            return
        if error.wait is None:
            events.emit(events.STORE_DOWN, logging.ERROR, message=error.message)
            with contextlib.suppress(IsthmusError):
                await self._revive()
        await asyncio.sleep(error.wait or TAKEN * 5)

    def _down_for(self, system: str, resource: str | None = None) -> float:
        back = self._engine.health.back_at(system, resource)
        return 0.0 if back is None else max(0.0, (back - self._clock()).total_seconds())

    async def _listen(self, stop: asyncio.Event) -> None:
        async for notice in self._store.notifications():
            if notice.stop:
                stop.set()
            elif notice.fields:
                # Another worker has found that a schema has changed: what it may not write, nobody may.
                self._news.set()
            elif notice.pauses:
                await self._renew_pauses()
            elif notice.flows:
                self._flows()
            elif notice.meet:
                self._meet.set()
            elif notice.flow is None and notice.system is not None:
                if notice.system in self._hinted:
                    self._hinted[notice.system].set()
            elif notice.system is None:
                async with self._patience():
                    await self._store.rejoin()
                await self._renew_pauses()
                self._flows()
                for event in self._hinted.values():
                    event.set()
                self._meet.set()
                self.kick()
            else:
                if notice.flow is not None and notice.system in self._told:
                    self._told[notice.system].add(notice.flow)
                self.kick(notice.system)

    async def _renew_pauses(self) -> None:
        """Leave alone what was paused, and look at what was resumed at once."""
        if self._pauses is None:
            return
        changed: set[str] = set()
        async with self._patience():
            changed = self._engine.pauses.fill(await self._pauses())
        for system in changed:
            for event in (*self._doubts.get(system, ()), *filter(None, [self._hinted.get(system)])):
                event.set()
            self.kick(system)

    async def _follow(self, system: str) -> None:
        """Hints of one system, so that one that does not answer delays no other's. First what came before."""
        event = self._hinted[system]
        while True:
            event.clear()
            await self._follow_hints(system)
            await event.wait()

    async def _follow_hints(self, system: str) -> None:
        hints: dict[str, set[str]] = {}
        async with self._patience():
            for resource, key in await self._store.take_hints(system):
                hints.setdefault(resource, set())
                if key:
                    hints[resource].add(key)
        known = self._engine.systems[system].resources()
        busy: list[tuple[str, str, str]] = []
        for resource, keys in hints.items():
            if resource not in known or resource not in self._engine.world.resources(system):
                continue
            events.emit(events.HINT_RECEIVED, logging.DEBUG, system=system, resource=resource, keys=len(keys))
            # A hint whose look fails is not lost: the resource counts as failing, and is looked at when it can be.
            if await self._attempt(self._engine.look(system, resource, keys), system) is None:
                busy.append((system, resource, ""))
        # What has become due is told by the store as it commits; only what is new goes another way.
        if self._engine.took_strangers(system):
            self._meet.set()
        if busy:
            await asyncio.sleep(TAKEN)
            async with self._patience():
                await self._store.add_hints(busy)

    async def _meeting(self) -> None:
        """First contact, as soon as there are new readings; afterwards everything that became due. What the hub's own
        memory kept from being done is tried again."""
        while True:
            await self._meet.wait()
            self._meet.clear()
            met: int | None = None
            async with self._patience():
                met = await self._engine.meet_all()
            if met != 0:
                self._meet.set()
            self.kick()
            if met is None:
                await asyncio.sleep(TAKEN)

    async def _drive(self, system: str) -> None:
        kick = self._kicks[system]
        while True:
            kick.clear()
            told, self._told[system] = self._told[system], set()
            handled = await self._attempt(self._engine.settle_system(system, told), system)
            self.rounds += 1
            if handled:
                self._meet.set()
            if handled or told:
                # Whatever else is due is asked for without being told.
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(await self._sleep_for(system)):
                    await kick.wait()

    async def _sleep_for(self, system: str) -> float:
        due: list[datetime] = []
        async with self._patience():
            due = [due.at for (_, name), due in (await self._store.due_at()).items() if name == system]
        if not due:
            return LONGEST_SLEEP
        wait = (min(due) - self._clock()).total_seconds()
        # Overdue and yet not handled: a brake holds it, another worker has it, or the system is down.
        wait = wait if wait > 0 else max(TAKEN * 5, self._down_for(system))
        return min(LONGEST_SLEEP, max(TAKEN, wait))

    async def _wake_missed(self) -> None:
        """First what somebody left who was killed, and nobody else looks for. Links that are woken are told like all
        that is due."""
        async with self._patience():
            await self._store.wake_ready()
        while True:
            async with self._patience():
                await self._store.wake_missed()

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            # A process may have died between its reading and first contact, and a notice may have been lost.
            self._meet.set()
            await self._renew_pauses()
            async with self._patience():
                await self._store.make_partitions()
                if await self._store.wake_ready():
                    self.kick()

    async def _do_chores(self) -> None:
        """At the start, then once an hour and when there is news; a chore that fails keeps no other from being done."""
        while True:
            self._news.clear()
            for chore in self._chores:
                try:
                    await chore()
                except IsthmusError as error:
                    events.emit(events.CHORE_FAILED, logging.WARNING, code=error.code, message=error.message)
                    await self._endure(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHORES):
                    await self._news.wait()
