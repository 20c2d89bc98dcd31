"""The inbox as people work through it: grouped, assigned, put off, talked about."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from isthmus.model.state import InboxEntry
from isthmus.store.codec import from_row
from isthmus.store.reads import Rows

__all__ = ["Care", "Comment", "InboxGroup", "InboxWork"]


class InboxGroup(msgspec.Struct, frozen=True):
    """Open questions that have the same cause."""

    kind: str
    flow: str
    system: str
    cause: str
    """Fields in conflict, or a system's answer without what differs; empty for other kinds."""
    entries: int
    oldest: datetime


class Care(msgspec.Struct, frozen=True):
    """Who looks after a question, and until when it is left alone."""

    entry: str
    assignee: str | None = None
    snoozed_until: datetime | None = None


class Comment(msgspec.Struct, frozen=True):
    """What somebody wrote about a question."""

    entry: str
    at: datetime
    by: str
    text: str


class InboxWork:
    """Reads and writes over a store."""

    def __init__(self, store: Rows) -> None:
        self._store = store

    async def groups(
        self, now: datetime, *, kind: str | None = None, flow: str | None = None, limit: int = 100
    ) -> list[InboxGroup]:
        """Open questions that are not put off, by cause, the largest group first."""
        values = {"now": now, "kind": kind, "flow": flow, "limit": limit}
        return [from_row(InboxGroup, row) for row in await self._store.rows("inbox_groups", values)]

    async def entries(
        self,
        now: datetime,
        *,
        kind: str | None = None,
        flow: str | None = None,
        cause: str | None = None,
        assignee: str | None = None,
        snoozed: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> list[InboxEntry]:
        """Open questions, the oldest first: those that are put off, or those that are not."""
        values = {
            "now": now,
            "kind": kind,
            "flow": flow,
            "cause": cause,
            "assignee": assignee,
            "snoozed": snoozed,
            "limit": limit,
            "offset": offset,
        }
        return [from_row(InboxEntry, row) for row in await self._store.rows("inbox_filtered", values)]

    async def alike(
        self, now: datetime, *, kind: str | None, flow: str | None, cause: str | None, limit: int
    ) -> dict[str, str]:
        """As :meth:`entries`, of those that are not put off: id -> flow, the oldest first."""
        values = {"now": now, "kind": kind, "flow": flow, "cause": cause, "limit": limit}
        return dict(await self._store.rows("inbox_alike", values))

    async def of(self, ids: Collection[str]) -> dict[str, InboxEntry]:
        """These entries, open or decided, by id."""
        rows = await self._store.rows("inbox_of", {"ids": list(ids)})
        return {entry.id: entry for entry in (from_row(InboxEntry, row) for row in rows)}

    async def decided(self, limit: int = 50) -> list[InboxEntry]:
        """What was decided last, the newest first."""
        return [from_row(InboxEntry, row) for row in await self._store.rows("inbox_decided", {"limit": limit})]

    async def care(self, entries: Collection[str]) -> dict[str, Care]:
        """By entry."""
        rows = await self._store.rows("inbox_care", {"entries": list(entries)})
        return {care.entry: care for care in (from_row(Care, row) for row in rows)}

    async def set_care(self, care: Care) -> None:
        """Remember it."""
        await self._store.rows("set_inbox_care", msgspec.structs.asdict(care))

    async def comment(self, comment: Comment) -> None:
        """Add it."""
        await self._store.rows("add_inbox_comment", msgspec.structs.asdict(comment))

    async def comments(self, entry: str) -> list[Comment]:
        """The oldest first."""
        return [from_row(Comment, row) for row in await self._store.rows("inbox_comments", {"entry": entry})]
