"""Where a process can die: a store and systems as a process sees them that may be killed at any call and any commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from isthmus.connector import System
from isthmus.model.state import Sighting
from isthmus.store import Notice
from isthmus.sync.ports import DueAt, LaneDue

__all__ = ["Gate", "GatedStore", "Killed", "gated"]

CALLS = ("fetch", "scan", "changes", "write", "find_created")
SAVES = ("save", "scan_seen", "use_approval", "end_approval", "note_traffic", "approve", "take_sightings", "retry_now")


class Killed(BaseException):
    """The process is no more."""


class Gate:
    """Counts the places where a process can die: after each commit that changed something and after each write to a
    system, as the world outside is the same until the next of them. Dies at ``at`` (from 1) and everywhere after."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.passed, self.dead = at, 0, False
        self.log: list[str] = []

    async def enter(self, where: str, subject: Any = None) -> None:
        """Before a call (``subject``: what it carries)."""
        self.alive()

    async def leave(self, where: str, *, changed: bool) -> None:
        """After a call; ``changed``: the world outside is another one now."""
        if changed:
            self.step(where)
        self.alive()

    def step(self, where: str) -> None:
        """Pass one place, or die there."""
        self.alive()
        self.passed += 1
        self.log.append(where)
        if self.passed == self.at:
            self.dead = True
            raise Killed(where)

    def alive(self) -> None:
        """Raises ``Killed`` when the process died already."""
        if self.dead:
            raise Killed("dead")


class GatedStore:
    """The store as a process that may die sees it."""

    def __init__(self, store: Any, gate: Gate) -> None:
        self._store, self._gate = store, gate

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """As of the store."""
        await self._gate.enter("begin")
        saved: list[str] = []
        async with self._store.transaction() as tx:
            for name in SAVES:
                setattr(tx, name, _noting(getattr(tx, name), saved))
            yield tx
            self._gate.alive()
        await self._gate.leave("commit", changed=bool(saved))

    async def try_lock(self, name: str) -> bool:
        """As of the store."""
        self._gate.alive()
        return bool(await self._store.try_lock(name))

    async def unlock(self, name: str) -> None:
        """As of the store; that of a dead process frees its locks by itself."""
        await self._store.unlock(name)

    async def take_lanes(self, place: str, lanes: Sequence[LaneDue], enough: int) -> set[int]:
        """As of the store."""
        self._gate.alive()
        taken: set[int] = await self._store.take_lanes(place, lanes, enough)
        return taken

    async def give_lanes(self, place: str, lanes: Collection[int]) -> None:
        """As of the store; that of a dead process frees its locks by itself."""
        await self._store.give_lanes(place, lanes)

    async def workers(self) -> int:
        """As of the store."""
        self._gate.alive()
        return int(await self._store.workers())

    async def rejoin(self) -> None:
        """As of the store."""
        self._gate.alive()
        await self._store.rejoin()

    async def wake_ready(self) -> int:
        """As of the store."""
        self._gate.alive()
        return int(await self._store.wake_ready())

    async def wake_missed(self) -> int:
        """As of the store."""
        self._gate.alive()
        return int(await self._store.wake_missed())

    async def due_at(self) -> Mapping[tuple[str, str], DueAt]:
        """As of the store."""
        self._gate.alive()
        found: Mapping[tuple[str, str], DueAt] = await self._store.due_at()
        return found

    async def take_hints(self, system: str) -> list[tuple[str, str]]:
        """As of the store."""
        self._gate.alive()
        found: list[tuple[str, str]] = await self._store.take_hints(system)
        return found

    async def add_hints(self, hints: Collection[tuple[str, str, str]], sightings: Collection[Sighting] = ()) -> None:
        """As of the store."""
        self._gate.alive()
        await self._store.add_hints(hints, sightings)

    async def notifications(self) -> AsyncIterator[Notice]:
        """As of the store."""
        async for notice in self._store.notifications():
            self._gate.alive()
            yield notice

    async def make_partitions(self) -> int:
        """As of the store."""
        return int(await self._store.make_partitions())

    async def close(self) -> None:
        """The store itself is closed by who opened it."""


def _noting(call: Callable[..., Any], notes: list[str]) -> Callable[..., Any]:
    async def noted(*arguments: Any, **options: Any) -> Any:
        notes.append(call.__name__)
        return await call(*arguments, **options)

    return noted


class _GatedSystem:
    """A system as a process that may die sees it."""

    def __init__(self, system: System, gate: Gate) -> None:
        self._resources = {name: _gated(resource, gate) for name, resource in system.resources().items()}

    def resources(self) -> Mapping[str, Any]:
        return self._resources

    async def close(self) -> None:
        """Nothing to release."""


def gated(system: System, gate: Gate) -> Any:
    """The system with a gate around every call that reads or writes records."""
    return _GatedSystem(system, gate)


def _gated(resource: Any, gate: Gate) -> Any:
    def wrapped(name: str) -> Callable[..., Any]:
        inner = getattr(type(resource), name)

        async def call(self: Any, *arguments: Any) -> Any:
            await gate.enter(f"{name} {resource.name}", (self, arguments))
            answer = await inner(self, *arguments)
            await gate.leave(f"{name} {resource.name}", changed=name == "write")
            return answer

        return call

    kind = type(resource)
    made: Any = object.__new__(type("Gated", (kind,), {name: wrapped(name) for name in CALLS if hasattr(kind, name)}))
    made.__dict__.update(resource.__dict__)
    return made
