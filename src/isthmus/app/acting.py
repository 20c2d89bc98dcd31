"""A person who acts upon the hub's memory: what all desks at which people work need."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from isthmus.app.access import Access, Principal
from isthmus.app.bootstrap import clock, new_id
from isthmus.store import PostgresStore, Reads
from isthmus.sync.world import World

__all__ = ["Acting"]


class Acting:
    """Whose acts these are, on which memory, by which flows. Everything done is entered into the audit log."""

    def __init__(
        self,
        store: PostgresStore,
        world: World,
        me: Principal,
        *,
        now: Callable[[], datetime] = clock,
        ids: Callable[[], str] = new_id,
    ) -> None:
        """``now`` and ``ids`` are what the acts are dated and named by."""
        self._store, self._world, self._me, self._now, self._ids = store, world, me, now, ids
        self._reads, self._access = Reads(store), Access(store, now=now)
