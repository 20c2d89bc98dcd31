"""The rows, locks and listeners behind :class:`~isthmus.testing.memory_store.MemoryStore`: what would be the server.

It keeps to what the engine may count on of PostgreSQL at *read committed*: a transaction sees what was committed before
each of its reads and its own writes; rows read through it and entities it locked are its own until it ends; who waits
for the other in a circle is told to try again; notices go out at commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from isthmus.errors import StoreUnavailable
from isthmus.model.state import Effect, FeedState, InboxEntry, Item, JournalEntry, Link, Sighting
from isthmus.store import Notice
from isthmus.store.codec import payload
from isthmus.sync.ports import Approval, Evidence

__all__ = ["MemoryDatabase", "Ownership", "stored"]

_DECODERS: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {}


def stored[S: msgspec.Struct](row: S) -> S:
    """The row as it comes back from a database: by way of JSON, so it shares nothing with the writer's."""
    kind = type(row)
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
    rows: list[S] = decoder.decode(payload([row]))
    return rows[0]


async def _at_once(place: str) -> None:
    """Nobody else gets a turn."""


class MemoryDatabase:
    """One hub's memory. Open sessions on it with :class:`~isthmus.testing.memory_store.MemoryStore`.

    ``now``: the clock of all sessions; ``pace``: awaited at the named places of every transaction (``begin``, ``lock``,
    ``commit``, ``committed``), where a real one would wait for the server, so that others get their turn.
    """

    def __init__(self, now: Callable[[], datetime], pace: Callable[[str], Awaitable[None]] = _at_once) -> None:
        self.now, self.pace = now, pace
        self.items: dict[str, Item] = {}
        self.links: dict[str, Link] = {}
        self.inbox: dict[str, InboxEntry] = {}
        self.feeds: dict[tuple[str, str], FeedState] = {}
        self.evidence: dict[str, list[Evidence]] = {}
        """By item."""
        self.scanned: dict[tuple[str, str], set[str]] = {}
        self.approvals: dict[str, Approval] = {}
        self.traffic: dict[str, list[tuple[datetime, frozenset[str]]]] = {}
        self.sightings: list[Sighting] = []
        self.workers: dict[object, str] = {}
        self.journal: list[JournalEntry] = []
        self.effects: list[Effect] = []
        self.hints: set[tuple[str, str, str]] = set()
        self.locks: dict[str, object] = {}
        """Session locks: name -> who holds it."""
        self.rows = Ownership()
        self._begun = 0
        self._under_way: dict[object, int] = {}
        """Transactions that have not ended, in the order in which they began, with their numbers."""
        self._listeners: dict[object, asyncio.Queue[Notice]] = {}

    def begin(self, transaction: object) -> None:
        """A transaction is under way."""
        self._under_way[transaction] = self._begun
        self._begun += 1

    def end(self, transaction: object) -> None:
        """It has ended, one way or the other: what it owned is free."""
        del self._under_way[transaction]
        self.rows.release(transaction)

    def in_flight(self) -> tuple[int, int]:
        """Numbers of the oldest transaction under way and of the next to begin."""
        return next(iter(self._under_way.values()), self._begun), self._begun

    def forget_sightings(self, taken: Iterable[Sighting]) -> None:
        """These were looked at."""
        gone = {id(sighting) for sighting in taken}
        self.sightings = [sighting for sighting in self.sightings if id(sighting) not in gone]

    def tell(self, places: Iterable[str]) -> None:
        """Notices of one commit, to every session that listens."""
        for place in sorted(set(places)):
            for queue in self._listeners.values():
                queue.put_nowait(Notice.of(place))

    def listen(self, who: object) -> asyncio.Queue[Notice]:
        """Begin to listen; the first notice says: look everywhere."""
        queue: asyncio.Queue[Notice] = asyncio.Queue()
        queue.put_nowait(Notice(None, None))
        self._listeners[who] = queue
        return queue

    def deafen(self, who: object) -> None:
        """The session's listening connection broke: what was not taken yet is lost, and as after any new connection
        it is told to look everywhere."""
        queue = self._listeners.get(who)
        if queue is not None:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(Notice(None, None))

    def forget(self, who: object) -> None:
        """The session ended: its locks are free."""
        self._listeners.pop(who, None)
        self.workers.pop(who, None)
        for name in [name for name, holder in self.locks.items() if holder is who]:
            del self.locks[name]


class Ownership:
    """Who owns which rows and entities until the end of a transaction, and who waits for whom."""

    def __init__(self) -> None:
        self._owner: dict[tuple[str, str], object] = {}
        self._waiting: dict[object, object] = {}
        self._ends: dict[object, asyncio.Event] = {}

    async def take(self, who: object, kind: str, names: Iterable[str]) -> bool:
        """Own these, in order; whether anybody had to be waited for. Raises ``StoreUnavailable`` where two would wait
        for each other."""
        waited = False
        for name in sorted(set(names)):
            while (owner := self._owner.get((kind, name))) is not None and owner is not who:
                waited = True
                self._refuse_circle(who, owner)
                self._waiting[who] = owner
                try:
                    await self._ends.setdefault(owner, asyncio.Event()).wait()
                finally:
                    self._waiting.pop(who, None)
            self._owner[(kind, name)] = who
        return waited

    def _refuse_circle(self, who: object, owner: object | None) -> None:
        while owner is not None:
            if owner is who:
                raise StoreUnavailable("Two transactions wait for each other.", wait=0.05)
            owner = self._waiting.get(owner)

    def release(self, who: object) -> None:
        """The transaction ended."""
        for place in [place for place, owner in self._owner.items() if owner is who]:
            del self._owner[place]
        end = self._ends.pop(who, None)
        if end is not None:
            end.set()
