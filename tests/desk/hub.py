"""A hub for business processes without any far system: the real store and edits, and an ERP played by dictionaries."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from isthmus.connector.accounting import Entries, EntryAsked, EntryStanding, EntryState
from isthmus.connector.logistics import (
    CreditNote,
    GoodsMoved,
    References,
    ReturnAsked,
    Returns,
    ReturnStanding,
    SalesAsked,
    Shipment,
    Shipments,
    ShipmentState,
    Stationed,
    StationedAsked,
    StockAtStation,
    TransferAsked,
)
from isthmus.connector.services import (
    Availability,
    Available,
    CreditAsked,
    CreditStanding,
    OrderAsked,
    OrderPriced,
    PricedLine,
    StockAsked,
)
from isthmus.desk.approval_rules import ApprovalRules, Rule, Seat, Stage
from isthmus.desk.repairing import Accounts, LevelRule, RepairRules
from isthmus.errors import Rejected
from isthmus.model.state import Cause, Item, Link, LinkState
from isthmus.store import PostgresStore, Reads
from isthmus.sync.editing import HubEdits
from isthmus.sync.world import World

CHIEF = "chief@acme.example"
NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
REPAIRS = RepairRules(
    time_zone="Europe/Berlin",
    due_day=10,
    accounts=Accounts(expense="5", payable="2"),
    fees={"major": {"EUR": Decimal(80)}, "minor": {"EUR": Decimal("15.50")}},
    rules=(LevelRule(level="major", methods=frozenset({"overhaul"})), LevelRule(level="minor")),
)


def rules_of(*documents: str) -> ApprovalRules:
    """The chief approves these kinds of documents, nobody is asked about others."""
    stage = Stage(name="chief", seats=(Seat(CHIEF, (CHIEF,)),), within=86400.0)
    more = [kind for kind in ("Quote", "SalesOrder") if kind in documents]
    kinds = ("MaterialRequest", "Return", "LabourSettlement", *more)
    return ApprovalRules(
        currency="EUR",
        rules=tuple(
            Rule(name=kind.lower(), document=kind, stages=(stage,) if kind in documents else ()) for kind in kinds
        ),
    )


class Erp:
    """What the ERP keeps; a reference twice is one document. ``sends`` makes a transfer's goods leave."""

    def __init__(self) -> None:
        self.transfers: dict[str, dict[str, Any]] = {}
        self.returns: dict[str, ReturnStanding] = {}
        self.entries: dict[str, EntryStanding] = {}
        self.stock: dict[tuple[str, str], Decimal] = {}
        self.credit_used = Decimal(0)
        self.sale_shipments: list[Shipment] = []
        self.asked: list[str] = []
        self.refuses: set[str] = set()

    def send(self, reference: str, quantities: Mapping[str, Decimal], state: ShipmentState) -> None:
        """Change a transfer as people of the ERP do."""
        transfer = self.transfers[reference]
        transfer["lines"], transfer["state"] = dict(quantities), state
        for product, amount in quantities.items():
            if state is ShipmentState.DONE:
                slot = (transfer["target"], product)
                self.stock[slot] = self.stock.get(slot, Decimal(0)) + amount

    async def call(self, operation: str, given: Any) -> Any:
        """As a system would."""
        self.asked.append(operation)
        if operation in self.refuses:
            raise Rejected(f"The ERP does not {operation}.")
        return getattr(self, f"_{operation}")(given)

    def _available_to_promise(self, given: StockAsked) -> Available:
        lines = (
            Availability(product=line.product, on_hand=Decimal(10), forecast=Decimal(10), date="2026-11-03")
            for line in given.lines
        )
        return Available(lines=tuple(lines))

    def _simulate_order(self, given: OrderAsked) -> OrderPriced:
        lines = tuple(
            PricedLine(
                product=line.product, quantity=line.quantity, unit="Unit", list_price=Decimal(10),
                unit_price=price, discount_rate=1 - price / 10, amount=price * line.quantity, own_price=Decimal(10),
            )
            for line in given.lines
            for price in [Decimal(10) if line.unit_price is None else line.unit_price]
        )  # fmt: skip
        total = sum((line.amount for line in lines), Decimal(0))
        return OrderPriced(
            currency="EUR", lines=lines, untaxed=total, tax=Decimal(0), total=total, discount=Decimal(0),
            credit_amount=total,
        )  # fmt: skip

    def _credit(self, given: CreditAsked) -> CreditStanding:
        return CreditStanding(currency="EUR", limit=Decimal(100), used=self.credit_used)

    def _sale_shipments(self, given: SalesAsked) -> Shipments:
        return Shipments(shipments=tuple(self.sale_shipments))

    def _transfer_stock(self, given: TransferAsked) -> Shipments:
        self.transfers.setdefault(
            given.reference,
            {
                "target": given.target,
                "lines": {line.product: line.quantity for line in given.lines},
                "state": ShipmentState.PLANNED,
            },
        )
        return self._transfers(References(references=(given.reference,)))

    def _transfers(self, given: References) -> Shipments:
        found = []
        for at, (reference, transfer) in enumerate(self.transfers.items(), 1):
            if reference in given.references:
                lines = tuple(
                    GoodsMoved(product=product, quantity=amount, unit="Unit")
                    for product, amount in transfer["lines"].items()
                )
                state = transfer["state"]
                found.append(
                    Shipment(
                        key=str(at),
                        document=reference,
                        number=f"T{at}",
                        state=state,
                        shown=str(state),
                        left_on=None,
                        arrived_on=None,
                        lines=lines,
                    )
                )
        return Shipments(shipments=tuple(found))

    def _stationed(self, given: StationedAsked) -> Stationed:
        zero = Decimal(0)
        return Stationed(
            stock=tuple(
                StockAtStation(place=place, product=product, on_hand=amount, in_transit=zero)
                for (place, product), amount in self.stock.items()
                if place in given.places and product in given.products
            )
        )

    def _receive_return(self, given: ReturnAsked) -> ReturnStanding:
        lines = tuple(GoodsMoved(product=line.product, quantity=line.quantity, unit="Unit") for line in given.lines)
        known = self.returns.get(given.reference)
        if known is not None and known.lines != lines:
            raise Rejected("There is a return with other quantities already.")
        note = (
            CreditNote(key="1", number="CN1", state="posted", total=Decimal(9), currency="EUR")
            if given.credited
            else None
        )
        return self.returns.setdefault(
            given.reference,
            ReturnStanding(
                key=str(len(self.returns) + 1),
                reference=given.reference,
                number=f"R{len(self.returns) + 1}",
                state="done",
                received_on="2026-11-03",
                lines=lines,
                credit_note=note,
            ),
        )

    def _returns(self, given: References) -> Returns:
        return Returns(returns=tuple(self.returns[one] for one in given.references if one in self.returns))

    def _post_entry(self, given: EntryAsked) -> EntryStanding:
        total = sum((line.amount for line in given.lines if line.amount > 0), Decimal(0))
        known = self.entries.get(given.reference)
        if known is not None and known.total != total:
            raise Rejected("There is an entry with another total already.")
        return self.entries.setdefault(
            given.reference,
            EntryStanding(
                key=str(len(self.entries) + 1),
                reference=given.reference,
                number=f"J{len(self.entries) + 1}",
                state=EntryState.POSTED,
                date=given.date,
                total=total,
            ),
        )

    def _entries(self, given: References) -> Entries:
        return Entries(entries=tuple(self.entries[one] for one in given.references if one in self.entries))


class PlayedHub:
    """A :class:`~isthmus.desk.ports.BusinessHub` over a real store. Keys in the ERP are the items' own ids."""

    notices = None
    approvals = None

    def __init__(
        self, store: PostgresStore, erp: Erp, rules: ApprovalRules | None, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._store, self.erp, self._reads = store, erp, Reads(store)
        self.approval_rules, self.repair_rules = rules, REPAIRS
        self._world, self._ids = World({}), itertools.count(1)
        self._clock = clock or (lambda: NOW)

    def now(self) -> datetime:
        return self._clock()

    def new_id(self) -> str:
        return f"id-{next(self._ids)}"

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        return self._store.transaction()

    def edits(self, tx: Any, cause: Cause, *entities: str) -> HubEdits:
        return HubEdits(tx, self._world, cause, now=self.now(), new_id=self.new_id, entities=entities or None)

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        return await self._reads.items(ids)

    async def find(self, entity: str, field: str, value: Any, limit: int = 50) -> list[Item]:
        return await self._reads.items_by_field(entity, field, value, limit)

    async def find_all(self, entity: str, field: str, values: Collection[str]) -> dict[str, list[Item]]:
        return await self._reads.items_by_values(entity, field, values)

    async def children(self, item: str, entity: str) -> list[Item]:
        return await self._reads.referencing(item, entity)

    async def links(self, items: Collection[str]) -> list[Link]:
        return [
            Link(
                id=f"link-{item}", flow="any", system="erp", resource="any", key=item, item=item, state=LinkState.LINKED
            )
            for item in items
        ]

    def answering(self, operation: str, entity: str) -> str:
        return "erp"

    async def ask(self, system: str, operation: str, given: Any, *, token: str = "") -> Any:
        return await self.erp.call(operation, given)

    async def make(self, entity: str, id: str, **fields: Any) -> str:
        """An item that is there before anything begins."""
        async with self.transaction() as tx:
            made = await self.edits(tx, Cause("person", "test"), entity).create(entity, fields, id=id, alike=True)
        return made.id


type Work = Callable[[], Awaitable[Any]]
