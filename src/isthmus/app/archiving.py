"""History that is older than the project wants to keep in the database is put away."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus import events
from isthmus.app.bootstrap import clock
from isthmus.errors import Misconfigured
from isthmus.project import Project
from isthmus.store import PostgresStore
from isthmus.store.archive import Archived, archive_history

__all__ = ["archive"]


async def archive(project: Project, store: PostgresStore, keep_months: int | None = None) -> Sequence[Archived]:
    """Put away what is older than ``keep_months`` (None: as the project says); which months. Nothing when another
    process is at it. Raises ``Misconfigured`` when neither says how long to keep, or the folder cannot be written."""
    keep = keep_months or project.hub.keep_months
    if keep is None:
        raise Misconfigured(
            "Nobody has said how long history is kept.",
            advice='Give --older-than, or set keep_history = "18 months" in the [hub] table of isthmus.toml.',
        )
    if not await store.try_lock("archive"):
        return []
    try:
        done = await archive_history(store, keep, project.folder / project.hub.archive, clock())
    finally:
        await store.unlock("archive")
    for one in done:
        events.emit(events.HISTORY_ARCHIVED, table=one.table, month=one.month, rows=one.rows)
    return done
