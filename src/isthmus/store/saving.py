"""Writing batches: what the engine decided, in as few statements as there are tables, none of which is waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection

from isthmus.process.state import MOVED
from isthmus.store.codec import Texts, columns, payload
from isthmus.store.processes import PostgresProcesses
from isthmus.store.queries import query
from isthmus.store.row_access import RowAccess
from isthmus.sync.ports import Batch

__all__ = ["BatchWriter"]

HUBS_OWN = 36
"""Length of the ids that the hub makes for items. Those of documents that have a process of the same id are their
makers' and longer."""


class _Posted(msgspec.Struct):
    """What follows from what was saved, done when all of it was sent."""

    wake: list[str] = []
    """``waits_for`` values that have come true."""
    places: set[str] = set()
    """``flow/system`` in which something became due; ``meet``: new readings may meet their items."""
    items: set[str] = set()


class BatchWriter:
    """The writes of one transaction."""

    def __init__(
        self, connection: AsyncConnection, access: RowAccess, clock: Callable[[], datetime], *, notify: bool
    ) -> None:
        """``notify`` False keeps other processes in the dark (dry runs)."""
        self._connection, self._access, self._clock, self._notify = connection, access, clock, notify
        self._posted: _Posted | None = None
        self.asleep: set[str] = set()
        """Links that this transaction lets wait for another."""

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        """See :meth:`isthmus.sync.ports.Transaction.posting`."""
        if self._posted is not None:
            yield
            return
        # Nobody waits for an answer in between: one way to the server and back instead of one for each statement.
        posted = self._posted = _Posted()
        try:
            async with self._connection.pipeline():
                yield
                await self._spread(posted)
        finally:
            self._posted = None
        await self._access.keep()

    async def save(self, batch: Batch) -> None:
        """See :meth:`isthmus.store.transaction.PostgresTransaction.save`."""
        async with self.posting():
            await self._save_all(batch)

    async def _save_all(self, batch: Batch) -> None:
        if batch.drop_links:
            await self._do("drop_links", {"ids": Texts(batch.drop_links)})
            self._access.forget(batch.drop_links)
        await self._access.save_items(list({item.id: item for item in batch.items}.values()))
        links = {link.id: link for link in batch.links}
        await self._access.save_links(list(links.values()))
        await self._save("save_journal", dict(enumerate(batch.journal)))
        await self._save("save_effects", dict(enumerate(batch.effects)))
        if batch.evidence_of:
            await self._do("drop_evidence", {"items": Texts(batch.evidence_of)})
        await self._save("save_evidence", dict(enumerate(batch.evidence)))
        await self._save_inbox(batch)
        await self._save("save_feeds", {(feed.system, feed.resource): feed for feed in batch.feeds})
        self.asleep |= {id for id, link in links.items() if link.waits_for not in (None, "read")}
        assert self._posted is not None
        self._posted.wake.extend(batch.wake)
        self._posted.places |= {f"{link.flow}/{link.system}" for link in links.values() if link.due_at is not None}
        self._posted.places |= {"meet"} if batch.meet else set()
        self._posted.items |= {item.id for item in batch.items}
        self._posted.items |= {link.item for link in batch.links if link.item is not None}

    async def _save_inbox(self, batch: Batch) -> None:
        if batch.close_inbox:
            given = columns(batch.close_inbox, "kinds", "subjects")
            await self._do("close_inbox", {**given, "now": self._clock()})
        decided = {entry.id: entry for entry in [*batch.open_inbox, *batch.decided] if entry.decided_at is not None}
        await self._save("decide_inbox", decided)
        still_open = (entry for entry in batch.open_inbox if entry.decided_at is None)
        await self._save("open_inbox", {(entry.kind, entry.subject): entry for entry in still_open})

    async def _spread(self, posted: _Posted) -> None:
        """Wake and tell whoever waits for something of what was saved."""
        if posted.wake:
            woken = await self._rows("wake", {"wake": Texts(posted.wake), "now": self._clock()})
            self._access.changed([id for id, _, _ in woken])
            posted.places |= {f"{flow}/{system}" for _, flow, system in woken}
        await self.tell(posted.places)
        await self._tell_processes(posted.items)

    async def tell(self, places: Collection[str]) -> None:
        """Wake the hub processes that listen, when this transaction commits."""
        if places and self._notify:
            await self._do("notify", {"places": sorted(places)})

    async def _tell_processes(self, items: Collection[str]) -> None:
        """In the same transaction as what they are told of: they may look before it commits, and then get a turn."""
        if not self._notify:
            return  # A scratch copy: there is nobody to tell.
        if items := {item for item in items if len(item) != HUBS_OWN}:
            given = {"items": Texts(items), "topic": MOVED, "now": self._clock()}
            for (process,) in await self._rows("tell_processes", given):
                await PostgresProcesses(self._connection).request_turn(process)

    async def _save(self, name: str, rows: Mapping[Any, msgspec.Struct]) -> None:
        if rows:
            await self._do(name, {"rows": payload(rows.values())})

    async def _do(self, name: str, parameters: Mapping[str, Any]) -> None:
        await self._connection.execute(query(name), parameters)

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return await (await self._connection.execute(query(name), parameters)).fetchall()
