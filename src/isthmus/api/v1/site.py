"""What the API answers from: the project, the store, and the use cases over them."""

from __future__ import annotations

from typing import Any

from litestar import Request

from isthmus.app.access import Access
from isthmus.desk.ports import BusinessHub
from isthmus.errors import Unavailable
from isthmus.project import Project
from isthmus.store import ApiCalls, ApprovalReads, Pages, PostgresStore, Reads
from isthmus.sync.world import World

__all__ = ["ApiSite", "Call"]

Call = Request[Any, Any, Any]


class ApiSite:
    """One API. ``business`` is None where the far systems are not open."""

    def __init__(self, project: Project, store: PostgresStore, world: World, business: BusinessHub | None) -> None:
        self.project, self.store, self.world = project, store, world
        self.reads, self.pages, self.approvals = Reads(store), Pages(store), ApprovalReads(store)
        self.access, self.calls = Access(store), ApiCalls(store)
        self._business = business

    def renew(self, project: Project, world: World) -> None:
        """Answer for these flows from now on."""
        self.project, self.world = project, world

    @property
    def business(self) -> BusinessHub:
        """The hub with its far systems. Raises ``Unavailable`` where they are not open."""
        if self._business is None:
            raise Unavailable("The far systems are not open here.", advice="Ask where 'isthmus run' serves.")
        return self._business
