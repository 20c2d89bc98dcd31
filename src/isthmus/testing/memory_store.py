"""A store in memory, for simulations and fast tests: a :class:`~isthmus.sync.ports.Store` that also hands out hints and
notices as the real one does. The tests of the port run on it and on PostgreSQL alike, so that it cannot lie.

    database = MemoryDatabase(clock)
    one, other = MemoryStore(database), MemoryStore(database)    # two processes
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from isthmus.model.state import LinkState, Sighting
from isthmus.store import Notice
from isthmus.store.sleepers import Sleepers
from isthmus.sync.ports import DueAt, LaneDue
from isthmus.testing.memory_database import MemoryDatabase, stored
from isthmus.testing.memory_transaction import MemoryTransaction

__all__ = ["MemoryStore"]


class MemoryStore:
    """One session on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self._sleepers = Sleepers(self._in_flight, self.wake_ready)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        """Begin; commits at the end of the block, leaves nothing behind on an exception."""
        await self.database.pace("begin")
        transaction = MemoryTransaction(self.database)
        self.database.begin(transaction)
        try:
            yield transaction
            await self.database.pace("commit")
            transaction.commit()
        finally:
            self.database.end(transaction)
        self._sleepers.add(transaction.asleep)
        await self.database.pace("committed")

    async def try_lock(self, name: str) -> bool:
        """Take a lock; False when anybody (this session too) holds it."""
        if name in self.database.locks:
            return False
        self.database.locks[name] = self
        return True

    async def unlock(self, name: str) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self.database.locks.get(name) is self:
            del self.database.locks[name]

    async def holds(self, name: str) -> bool:
        """Whether this session holds the lock."""
        return self.database.locks.get(name) is self

    async def take_lanes(self, place: str, lanes: Sequence[LaneDue], enough: int) -> set[int]:
        """Take lanes that nobody has, in this order, until ``enough`` links are due in them."""
        taken: set[int] = set()
        due = 0
        for lane in lanes:
            if due >= enough:
                break
            if await self.try_lock(f"{place}/{lane.lane}"):
                taken.add(lane.lane)
                due += lane.due
        return taken

    async def give_lanes(self, place: str, lanes: Collection[int]) -> None:
        """Give lanes back."""
        for lane in lanes:
            await self.unlock(f"{place}/{lane}")

    async def join_workers(self, title: str) -> None:
        """Be counted as a worker until the session ends."""
        self.database.workers[self] = title

    async def rejoin(self) -> None:
        """Nothing to do: this session does not break."""

    async def workers(self) -> int:
        """How many workers share this store now; at least one, whoever asks."""
        return max(1, len(self.database.workers))

    async def due_at(self) -> dict[tuple[str, str], DueAt]:
        """When there is something to do next, per (flow, system)."""
        whole: dict[tuple[str, str], list[datetime]] = {}
        reads: dict[tuple[str, str], list[datetime]] = {}
        for link in self.database.links.values():
            ready = link.waits_for == "read" or (link.waits_for is None and link.state is not LinkState.NEW)
            if link.due_at is not None and ready:
                place = (link.flow, link.system)
                whole.setdefault(place, []).append(link.due_at)
                if link.waits_for == "read":
                    reads.setdefault(place, []).append(link.due_at)
        return {place: DueAt(min(times), min(reads.get(place, ()), default=None)) for place, times in whole.items()}

    async def wake_ready(self, among: Collection[str] | None = None) -> int:
        """Wake links (``among`` these; None: among all) whose parent is there although no wake-up reached them; how
        many."""
        async with self.transaction() as transaction:
            return await transaction.wake_ready(among)

    async def wake_missed(self) -> int:
        """Wait until links of this session began to wait for their parents; then wake those whose parent came at that
        very moment, how many."""
        return await self._sleepers.wake_missed()

    async def _in_flight(self) -> tuple[int, int]:
        return self.database.in_flight()

    async def add_hints(self, hints: Collection[tuple[str, str, str]], sightings: Collection[Sighting] = ()) -> None:
        """Hand (system, resource, key) to whichever process runs the hub; key "" means the whole resource.
        ``sightings`` are kept until they are taken."""
        self.database.hints.update(hints)
        self.database.sightings.extend(stored(sighting) for sighting in sightings)
        self.database.tell(f"/{system}" for system, _, _ in hints)

    async def count_hook(self, system: str, now: datetime, *, refused: bool) -> None:
        """Nobody asks for it here."""

    async def take_hints(self, system: str) -> list[tuple[str, str]]:
        """Take the (resource, key) hints of a system; each is taken by one process only."""
        taken = {hint for hint in self.database.hints if hint[0] == system}
        self.database.hints -= taken
        return sorted((resource, key) for _, resource, key in taken)

    async def notifications(self) -> AsyncIterator[Notice]:
        """What happened in any process, as it commits; first of all "look everywhere"."""
        queue = self.database.listen(self)
        while True:
            yield await queue.get()

    async def make_partitions(self) -> int:
        """Nothing to make here."""
        return 0

    async def close(self) -> None:
        """End the session: its locks are free."""
        self.database.forget(self)
