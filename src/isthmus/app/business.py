"""The hub as business code sees it: store, world and open systems behind :class:`~isthmus.desk.ports.BusinessHub`."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from isthmus.app.bootstrap import Hub, clock, new_id
from isthmus.connector.services import Services
from isthmus.desk.approval_rules import ApprovalRules
from isthmus.desk.ports import DeskTransaction, Notices
from isthmus.desk.repairing import RepairRules
from isthmus.errors import Misconfigured, Unavailable
from isthmus.model.fields import Canonical
from isthmus.model.state import Cause, Item, Link
from isthmus.store import Reads
from isthmus.sync.editing import HubEdits
from isthmus.sync.ports import Transaction

__all__ = ["OpenBusiness"]


class OpenBusiness:
    """A :class:`~isthmus.desk.ports.BusinessHub` over an open hub. Systems that open later are found as well."""

    def __init__(self, hub: Hub, *, notices: Notices | None = None) -> None:
        self._hub = hub
        self._reads = Reads(hub.store)
        self._notices = notices

    @property
    def notices(self) -> Notices | None:
        """Where milestones are told."""
        return self._notices

    @property
    def approval_rules(self) -> ApprovalRules | None:
        """Those of the project."""
        return self._hub.project.approvals

    @property
    def repair_rules(self) -> RepairRules | None:
        """Those of the project."""
        return self._hub.project.repairs

    def now(self) -> datetime:
        """The wall clock."""
        return clock()

    def new_id(self) -> str:
        """A new random id."""
        return new_id()

    def transaction(self) -> AbstractAsyncContextManager[DeskTransaction]:
        """A transaction of the store."""
        return self._hub.store.transaction()

    def edits(self, tx: Transaction, cause: Cause, *entities: str) -> HubEdits:
        """Edits in this transaction."""
        return HubEdits(tx, self._hub.world, cause, now=clock(), new_id=new_id, entities=entities or None)

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """Items by id."""
        return await self._reads.items(ids)

    async def find(self, entity: str, field: str, value: Canonical, limit: int = 50) -> list[Item]:
        """Items whose field has exactly this value."""
        return await self._reads.items_by_field(entity, field, value, limit)

    async def find_all(self, entity: str, field: str, values: Collection[str]) -> dict[str, list[Item]]:
        """Items by the texts of a field."""
        return await self._reads.items_by_values(entity, field, values)

    async def children(self, item: str, entity: str) -> list[Item]:
        """Items of this entity that refer to the item."""
        return await self._reads.referencing(item, entity)

    async def links(self, items: Collection[str]) -> list[Link]:
        """All links of these items."""
        return await self._reads.links_of_items(items)

    def answering(self, operation: str, entity: str) -> str:
        """The system that carries hub-made items of the entity and has the operation; the first one that is down when
        none of them is open."""
        carried = [
            system for flow in sorted(self._hub.world.hub_flows(entity)) for system in self._hub.world.flows[flow].sides
        ]
        down = [system for system in carried if system not in self._hub.engine.systems]
        for system in carried:
            offered = _operations(self._hub.engine.systems.get(system))
            if operation in offered:
                return system
        if down:
            return down[0]
        raise Misconfigured(
            f"No system can {operation.replace('_', ' ')} for a {entity}.",
            advice='Add the pack "order-desk" to isthmus.toml, with an ERP that has this operation.',
        )

    async def ask(self, system: str, operation: str, given: Any, *, token: str = "") -> Any:
        """Have a system perform an operation."""
        self._hub.engine.pauses.check(system)
        opened = self._hub.engine.systems.get(system)
        if opened is None:
            down = self._hub.down.get(system)
            raise Unavailable(f"{system} is not open{f': {down.message}' if down else ''}")
        assert isinstance(opened, Services)
        return await opened.call(operation, given, token=token)


def _operations(opened: object) -> Collection[str]:
    return opened.operations() if isinstance(opened, Services) else ()
