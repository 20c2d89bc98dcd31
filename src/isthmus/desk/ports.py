"""What business code needs of the hub. Implemented by ``isthmus.app.business`` over store, engine and open systems."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from isthmus.desk.approval_ports import ApprovalRows
from isthmus.desk.approval_rules import ApprovalRules
from isthmus.desk.notices import NoticeRows
from isthmus.desk.ordering import Simulation
from isthmus.desk.repairing import RepairRules
from isthmus.model.fields import Canonical
from isthmus.model.state import Cause, Item, Link
from isthmus.process.ports import ProcessRows
from isthmus.sync.editing import HubEdits
from isthmus.sync.ports import Transaction

__all__ = ["BusinessHub", "DeskTransaction", "Notices", "SimulationRows"]


class SimulationRows(Protocol):
    """Simulated orders, in the transaction they were asked from."""

    async def add(self, simulation: Simulation) -> None:
        """Keep a new one."""

    async def load(self, id: str) -> Simulation | None:
        """This one, locked until the transaction ends."""

    async def by_key(self, client_key: str) -> Simulation | None:
        """The one that was placed with this key of its client."""

    async def by_order(self, item: str) -> Simulation | None:
        """The one that became this order."""

    async def placed(self, id: str, *, order: str, client_key: str | None) -> None:
        """It became this order."""


class DeskTransaction(Transaction, Protocol):
    """A transaction of the hub in which business code works."""

    @property
    def processes(self) -> ProcessRows:
        """The rows of processes."""

    @property
    def simulations(self) -> SimulationRows:
        """The rows of simulated orders."""

    @property
    def approvals(self) -> ApprovalRows:
        """The rows of approvals."""

    @property
    def notices(self) -> NoticeRows:
        """The rows of notices."""

    async def next_number(self, name: str) -> int:
        """The next number of a range, from 1 on, without gaps."""


class Notices(Protocol):
    """Tells customers and staff. The same token twice is one notice."""

    async def tell(self, topic: str, item: str, detail: Mapping[str, Any], *, token: str) -> None:
        """Tell whoever is to know that this happened to this item (``order.confirmed`` ...)."""


class BusinessHub(Protocol):
    """The hub as business code sees it. ``notices`` is None where the project sends no mail."""

    @property
    def notices(self) -> Notices | None:
        """Where milestones are told."""

    @property
    def approval_rules(self) -> ApprovalRules | None:
        """Who must approve what; None where the project does not say."""

    @property
    def repair_rules(self) -> RepairRules | None:
        """What repairs are worth; None where the project does not say."""

    def now(self) -> datetime:
        """The hub's clock."""

    def new_id(self) -> str:
        """A new random id."""

    def transaction(self) -> AbstractAsyncContextManager[DeskTransaction]:
        """Begin; commits at the end of the block."""

    def edits(self, tx: Transaction, cause: Cause, *entities: str) -> HubEdits:
        """Edits of items in this transaction."""

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """Items by id; aliases are not followed."""

    async def find(self, entity: str, field: str, value: Canonical, limit: int = 50) -> list[Item]:
        """Items whose field has exactly this value."""

    async def find_all(self, entity: str, field: str, values: Collection[str]) -> dict[str, list[Item]]:
        """Value -> items whose field has exactly this text, two of them at most; a value that none has is left out."""

    async def children(self, item: str, entity: str) -> list[Item]:
        """Items of this entity that refer to the item."""

    async def links(self, items: Collection[str]) -> list[Link]:
        """All links of these items."""

    def answering(self, operation: str, entity: str) -> str:
        """The system that carries hub-made items of the entity and has this operation. Raises ``Misconfigured``."""

    async def ask(self, system: str, operation: str, given: Any, *, token: str = "") -> Any:
        """Have a system perform an operation. Raises what it raises; ``Unavailable`` when it is not open."""
