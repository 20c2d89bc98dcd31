"""The inbox as one transaction in memory sees it."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from isthmus.model.state import InboxEntry
from isthmus.sync.ports import Batch
from isthmus.testing.memory_database import MemoryDatabase, stored

__all__ = ["InboxRows"]


class InboxRows:
    """A part of :class:`~isthmus.testing.memory_transaction.MemoryTransaction`: the entries it has written, over those
    that others have committed."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._inbox: dict[str, InboxEntry] = {}

    def _entries(self) -> list[InboxEntry]:
        return list({**self._database.inbox, **self._inbox}.values())

    async def last_decided(self, kind: str, subject: str) -> InboxEntry | None:
        """The entry of this kind and subject that a person decided last."""
        found = [
            (entry.decided_at, entry.id)
            for entry in self._entries()
            if (entry.kind, entry.subject) == (kind, subject)
            and entry.decided_at is not None
            and entry.decision != "withdrawn"
        ]
        return await self.inbox_entry(max(found)[1]) if found else None

    async def inbox_entry(self, id: str) -> InboxEntry | None:
        """One entry, open or decided."""
        await self._database.rows.take(self, "inbox", [id])
        return self._inbox.get(id) or self._database.inbox.get(id)

    async def open_entries(self, kind: str, subjects: Collection[str]) -> list[InboxEntry]:
        """Open entries of this kind for these subjects, by id."""
        wanted = set(subjects)
        found = [e for e in self._entries() if e.decided_at is None and e.kind == kind and e.subject in wanted]
        await self._database.rows.take(self, "inbox", (entry.id for entry in found))
        return sorted(found, key=lambda entry: entry.id)

    async def all_open_entries(self) -> list[InboxEntry]:
        """All open entries, oldest first."""
        found = [entry for entry in self._entries() if entry.decided_at is None]
        return sorted(found, key=lambda entry: (entry.opened_at, entry.id))

    async def _save_inbox(self, batch: Batch) -> None:
        now, closed = self._database.now(), set(batch.close_inbox)
        for entry in self._entries():
            if entry.decided_at is None and (entry.kind, entry.subject) in closed:
                self._inbox[entry.id] = replace(entry, decided_at=now, decision="withdrawn", decided_by="hub")
        for entry in [*batch.open_inbox, *batch.decided]:
            if entry.decided_at is not None:
                self._inbox[entry.id] = stored(entry)
        for entry in batch.open_inbox:
            if entry.decided_at is None:
                old = await self.open_entries(entry.kind, [entry.subject])
                kept = replace(entry, id=old[0].id, opened_at=old[0].opened_at) if old else entry
                self._inbox[kept.id] = stored(kept)
