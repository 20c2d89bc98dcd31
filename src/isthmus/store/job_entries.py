"""Questions that a job decides, one by one: which, and what came of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

import msgspec
from psycopg import AsyncConnection

from isthmus.store.codec import from_row, payload
from isthmus.store.jobs import Job
from isthmus.store.queries import query
from isthmus.store.reads import Rows

__all__ = ["EntryNote", "EntryReason", "EntryState", "JobEntries", "PostgresJobEntries"]


class EntryState(StrEnum):
    """What came of one question."""

    WAITING = "waiting"
    DONE = "done"
    PASSED = "passed"
    """It was not open any more when its turn came."""
    REFUSED = "refused"


class EntryNote(msgspec.Struct, frozen=True):
    """One question of a job."""

    entry: str
    state: EntryState
    reason: str = ""
    """Why it was passed over or refused."""


class EntryReason(msgspec.Struct, frozen=True):
    """Why so many were passed over or refused."""

    state: EntryState
    reason: str
    entries: int
    first: int
    """Place of the first one of them."""


class PostgresJobEntries:
    """Noting on a connection that is inside a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(self, job: str, notes: Collection[EntryNote]) -> None:
        """What came of questions that wait still; what was noted before stays."""
        await self._connection.execute(query("note_entries"), {"job": job, "rows": payload(notes)})


class JobEntries:
    """Reads and writes over a store; each call is a transaction of its own."""

    def __init__(self, store: Rows) -> None:
        self._store = store

    async def ask(self, job: Job, entries: Sequence[str]) -> Job:
        """Put a job of decisions in the queue together with its questions."""
        values = {name: getattr(job, name) for name in ("id", "flow", "asked_by", "asked_at")}
        given = {**values, "task": payload(job.task), "entries": list(entries)}
        return from_row(Job, (await self._store.rows("ask_decisions", given))[0])

    async def jobs(self, limit: int) -> list[Job]:
        """Jobs of decisions: those that are not done, then the others, the newest first."""
        return [from_row(Job, row) for row in await self._store.rows("decision_jobs", {"limit": limit})]

    async def under_way(self, entries: Collection[str]) -> dict[str, str]:
        """Question -> who has asked a job to decide it that is not done."""
        rows = await self._store.rows("entries_under_way", {"entries": list(entries)})
        return dict(reversed(rows))

    async def waiting(self, job: str, limit: int) -> list[str]:
        """The first questions of which nothing is noted."""
        return [entry for (entry,) in await self._store.rows("waiting_entries", {"job": job, "limit": limit})]

    async def left(self, job: str) -> list[str]:
        """Questions that were refused, or that it did not come to."""
        return [entry for (entry,) in await self._store.rows("left_entries", {"job": job})]

    async def note(self, job: str, notes: Collection[EntryNote]) -> None:
        """As :meth:`PostgresJobEntries.note`."""
        await self._store.rows("note_entries", {"job": job, "rows": payload(notes)})

    async def counts(self, jobs: Collection[str]) -> dict[str, dict[EntryState, int]]:
        """Job -> state -> questions; states that none is in are left out."""
        found: dict[str, dict[EntryState, int]] = {job: {} for job in jobs}
        for job, state, count in await self._store.rows("count_entries", {"jobs": list(jobs)}):
            found[job][EntryState(state)] = count
        return found

    async def reasons(self, job: str, limit: int) -> list[EntryReason]:
        """Why questions were refused, then why they were passed over, the most frequent reasons first."""
        rows = await self._store.rows("entry_reasons", {"job": job, "limit": limit})
        return [from_row(EntryReason, row) for row in rows]

    async def not_done(self, job: str, limit: int) -> list[EntryNote]:
        """Questions that were refused, then those that were passed over."""
        rows = await self._store.rows("not_done_entries", {"job": job, "limit": limit})
        return [from_row(EntryNote, row) for row in rows]
