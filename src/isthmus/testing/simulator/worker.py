"""Processes of the hub as they run for real: engine, service and its tasks, on a store and systems with a gate before
each call, where the process may be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from isthmus.app.service import Service
from isthmus.connector import System
from isthmus.errors import IsthmusError
from isthmus.sync.engine import Engine
from isthmus.sync.world import World
from isthmus.testing.memory import MemoryWorld
from isthmus.testing.memory_driver import MemoryConfig, MemoryConnector
from isthmus.testing.simulator.gate import Gate, GatedStore, Killed, gated

__all__ = ["Surroundings", "Worker", "WorkerGate"]


class Surroundings(Protocol):
    """What a worker needs of the simulation around it."""

    worlds: Mapping[str, MemoryWorld]

    def now(self) -> datetime:
        """The hub's clock."""

    def new_id(self) -> str:
        """A new id."""

    def jitter(self) -> float:
        """From 0 to 1."""

    def flows(self) -> World:
        """The flows, compiled anew for each process."""

    async def open_store(self) -> Any:
        """A session of its own on the hub's memory."""

    async def pace(self) -> None:
        """Let time pass, as between any two things that a process does."""

    def note(self, who: str, what: str) -> None:
        """One step was taken."""

    def complain(self, violation: str) -> None:
        """Something is wrong."""


class WorkerGate(Gate):
    """Lets time pass around every call, and kills where it was told to."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker
        self.doomed: str | None = None
        """The call after which the process dies, by the beginning of its name."""

    async def enter(self, where: str, subject: Any = None) -> None:
        """Before a call."""
        self.alive()
        if self.doomed is not None and where.startswith(self.doomed) and self._worker.around.jitter() < 0.3:
            self._die(f"before {where}")
        await self._worker.around.pace()
        self.alive()

    async def leave(self, where: str, *, changed: bool) -> None:
        """After a call."""
        self.alive()
        self._worker.around.note(self._worker.name, where)
        if self.doomed is not None and where.startswith(self.doomed):
            self._die(f"after {where}")
        await self._worker.around.pace()
        self.alive()

    def _die(self, where: str) -> None:
        self._worker.kill()
        raise Killed(where)


class Worker:
    """One process. ``start`` again after ``kill`` makes a new one of the same name."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name, self.around = name, around
        self.gate = WorkerGate(self)
        self.engine: Engine | None = None
        self._store: Any = None
        self._task: asyncio.Task[None] | None = None
        self._inner: set[asyncio.Task[Any]] = set()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._task is not None and not self.gate.dead

    async def start(self) -> None:
        """A new process: opens its store and its systems, and goes to work."""
        self.gate, self.engine = WorkerGate(self), None
        self._store = await self.around.open_store()
        self._task = asyncio.create_task(self._live(self.gate), name=self.name)

    def kill(self) -> None:
        """End at once: nothing it does from now on has an effect, and its locks are free."""
        self.gate.dead = True
        if self._task is not None:
            self._task.cancel()

    async def bury(self) -> None:
        """Wait until nothing of a killed process is left; close its sessions."""
        if self._task is not None:
            await asyncio.wait([self._task])
            self._task = None
        await self._store.close()

    async def _live(self, gate: WorkerGate) -> None:
        try:
            await self._work(gate)
        except (Killed, asyncio.CancelledError):
            pass
        except BaseExceptionGroup as group:
            _, rest = group.split((Killed, asyncio.CancelledError))
            if rest is not None and not gate.dead:
                self.around.complain(f"fell over: {self.name}: {rest.exceptions[0]!r}")
        except IsthmusError as error:
            self.around.complain(f"fell over: {self.name}: {error!r}")

    async def _work(self, gate: WorkerGate) -> None:
        store: Any = GatedStore(self._store, gate)
        connector = MemoryConnector(self.around.worlds)
        world, opened, down = self.around.flows(), dict[str, System](), dict[str, IsthmusError]()

        async def open_system(name: str) -> System:
            system: System = gated(await connector.open(MemoryConfig(world=name)), gate)
            return system

        for name in self.around.worlds:
            try:
                opened[name] = await open_system(name)
            except IsthmusError as error:
                down[name] = error
        around = self.around
        self.engine = Engine(store, world, opened, clock=around.now, new_id=around.new_id, jitter=around.jitter)
        for name, reason in down.items():
            await self.engine.note_down(name, world.resources(name)[0], reason)
        service = Service(self.engine, store, around.now, reopen=open_system, revive=_nothing(), jitter=around.jitter)
        await service.run(asyncio.Event())


def _nothing() -> Callable[[], Awaitable[None]]:
    async def nothing() -> None:
        """The store needs no reviving."""

    return nothing
