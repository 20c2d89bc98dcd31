"""Internal shipments of Tryton: stock transfers between warehouses, fill-ups of consignment stock at customers; and how
far shipments of any kind are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from isthmus.connector.logistics import (
    GoodsMoved,
    References,
    SalesAsked,
    Shipment,
    Shipments,
    ShipmentState,
    Stationed,
    StationedAsked,
    StockAtStation,
    TransferAsked,
)
from isthmus.connectors.tryton.codec import date_of, iso, quantity
from isthmus.connectors.tryton.collection import needed
from isthmus.connectors.tryton.installation import Installation
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Transfers"]

_MODEL = "stock.shipment.internal"
_MOVES = ("product", "quantity", "state", "to_location", "unit.name")
_READ = (
    *("number", "reference", "state", "effective_start_date", "effective_date", "internal_transit_location"),
    *(f"moves.{name}" for name in _MOVES),
)
_READ_OUT = ("number", "state", "effective_date", *(f"outgoing_moves.{name}" for name in _MOVES))
_STATES = {
    "shipped": ShipmentState.IN_TRANSIT,
    "done": ShipmentState.DONE,
    "cancelled": ShipmentState.CANCELLED,
}
_SENT = frozenset({"sent", "none"})


class Transfers:
    """The operations about goods that leave a place."""

    def __init__(self, tryton: Installation) -> None:
        self._tryton = tryton

    async def order(self, asked: TransferAsked) -> Shipments:
        """A waiting internal shipment; one of this reference that is there is answered as it is. Raises ``Rejected``
        for places and products there are not."""
        there = await self._rows([["reference", "=", asked.reference]])
        if not there:
            await self._create(asked)
            there = await self._rows([["reference", "=", asked.reference]])
        counts = _first(there)
        for row in there:
            if row is not counts and row["state"] in ("request", "draft"):
                await self._discard(int(row["id"]))
        if counts is not None and counts["state"] in ("request", "draft"):
            await self._tryton.rpc.call(f"model.{_MODEL}.wait", [counts["id"]], safe=False)
        return await self.standing(References(references=(asked.reference,)))

    async def standing(self, asked: References) -> Shipments:
        """Shipments with these references."""
        rows = await self._rows([["reference", "in", list(asked.references)]])
        return Shipments(shipments=tuple(_internal(row) for row in rows))

    async def of_sales(self, asked: SalesAsked) -> Shipments:
        """Shipments of these sales."""
        rpc = self._tryton.rpc
        ids = [needed(key, "sales", "sale") for key in asked.sales]
        fields = ["state", "shipment_state", "shipments"]
        sales = await rpc.call("model.sale.sale.search_read", [["id", "in", ids]], 0, None, None, fields)
        of_sale = {int(shipment): str(sale["id"]) for sale in sales for shipment in sale["shipments"]}
        rows = await self._rows([["id", "in", sorted(of_sale)]], model="stock.shipment.out", fields=_READ_OUT)
        closed = [
            str(sale["id"])
            for sale in sales
            if sale["state"] in ("done", "cancelled")
            or (sale["state"] == "processing" and sale["shipment_state"] in _SENT)
        ]
        gone = sorted(set(asked.sales) - {str(sale["id"]) for sale in sales})
        return Shipments(
            shipments=tuple(_outgoing(row, of_sale[int(row["id"])]) for row in rows), closed=(*closed, *gone)
        )

    async def stationed(self, asked: StationedAsked) -> Stationed:
        """Stock below each place, and what has left for it."""
        found: list[StockAtStation] = []
        for place in asked.places:
            location, _ = await self._place(place, "places")
            on_hand = await self._on_hand(location, asked.products)
            in_transit = await self._in_transit(location)
            wanted = set(asked.products)
            for product in sorted({*on_hand, *in_transit}, key=int):
                if not wanted or product in wanted:
                    zero = Decimal(0)
                    stock = StockAtStation(
                        place=place,
                        product=product,
                        on_hand=on_hand.get(product, zero),
                        in_transit=in_transit.get(product, zero),
                    )
                    if stock.on_hand or stock.in_transit:
                        found.append(stock)
        return Stationed(stock=tuple(found))

    async def _create(self, asked: TransferAsked) -> None:
        if not asked.lines:
            raise Rejected("A transfer needs a line.", field="lines")
        target, _ = await self._place(asked.target, "target")
        source = (await self._place(asked.source, "source"))[0] if asked.source else await self._main()
        lines = [
            {
                "product": needed(line.product, "lines", "product"),
                "quantity": quantity(line.quantity),
                "unit": await self._unit(line.product, line.unit),
                "from_location": source,
                "to_location": target,
                "company": self._tryton.company,
            }
            for line in asked.lines
        ]
        day = date_of(asked.planned_on)
        values = {
            "reference": asked.reference,
            "company": self._tryton.company,
            "from_location": source,
            "to_location": target,
            "moves": [["create", lines]],
            **({"planned_date": day, "planned_start_date": day} if day else {}),
        }
        await self._tryton.rpc.call(f"model.{_MODEL}.create", [values], safe=False)

    async def _discard(self, id: int) -> None:
        """A second draft of the same transfer, which a request that was taken for lost has left."""
        for step in ("cancel", "delete"):
            try:
                await self._tryton.rpc.call(f"model.{_MODEL}.{step}", [id], safe=False)
            except IsthmusError:
                # Somebody else has taken it in hand: then it is a person's.
                return

    async def _place(self, code: str, field: str) -> tuple[int, str]:
        """Id and type of the place with this code; of a warehouse, its storage."""
        names = self._tryton.names
        found = await names.need("stock.location", "code", code, ours=field, what="stock location")
        (row,) = await self._tryton.rpc.call("model.stock.location.read", [found], ["type", "storage_location"])
        if row["type"] == "warehouse":
            return int(row["storage_location"]), "storage"
        if row["type"] not in ("storage", "view"):
            raise Rejected(f"The place {code} is for {row['type']}, not for stock.", field=field)
        return found, str(row["type"])

    async def _main(self) -> int:
        if self._tryton.warehouse is None:
            raise Rejected("This Tryton has no warehouse.", field="source")
        (row,) = await self._tryton.rpc.call(
            "model.stock.location.read", [self._tryton.warehouse], ["storage_location"]
        )
        return int(row["storage_location"])

    async def _unit(self, product: str, name: str | None) -> int:
        if name:
            names = self._tryton.names
            found = await names.find("product.uom", "name", name)
            return found or await names.need("product.uom", "symbol", name, ours="lines", what="unit")
        key = needed(product, "lines", "product")
        rows = await self._tryton.rpc.call(
            "model.product.product.search_read", [["id", "=", key]], 0, 1, None, ["default_uom"]
        )
        if not rows:
            raise Rejected(f"Tryton has no product {product}.", field="lines")
        return int(rows[0]["default_uom"])

    async def _on_hand(self, location: int, products: Sequence[str]) -> dict[str, Decimal]:
        domain: list[Any] = [["quantity", "!=", 0]]
        if products:
            domain.append(["id", "in", [needed(key, "products", "product") for key in products]])
        rows = await self._tryton.rpc.call(
            "model.product.product.search_read",
            domain,
            0,
            None,
            None,
            ["quantity"],
            context={"locations": [location], "with_childs": True, "active_test": False},
        )
        return {str(row["id"]): Decimal(row["quantity"]) for row in rows}

    async def _in_transit(self, location: int) -> dict[str, Decimal]:
        rows = await self._tryton.rpc.call(
            f"model.{_MODEL}.search_read",
            [["state", "=", "shipped"], ["to_location", "child_of", [location], "parent"]],
            0,
            None,
            None,
            ["id", "incoming_moves.product", "incoming_moves.internal_quantity", "incoming_moves.state"],
        )
        found: dict[str, Decimal] = {}
        for move in (move for row in rows for move in row["incoming_moves."]):
            if move["state"] != "cancelled":
                key = str(move["product"])
                found[key] = found.get(key, Decimal(0)) + Decimal(move["internal_quantity"] or 0)
        return found

    async def _rows(
        self, domain: Sequence[Any], *, model: str = _MODEL, fields: Sequence[str] = _READ
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._tryton.rpc.call(
            f"model.{model}.search_read", list(domain), 0, None, [["id", "ASC"]], list(fields)
        )
        return found


def _first(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one that counts of several with one reference: what somebody works on, else the oldest."""
    begun = [row for row in rows if row["state"] not in ("request", "draft")]
    return next(iter(begun or rows), None)


def _internal(row: Mapping[str, Any]) -> Shipment:
    transit = row["internal_transit_location"]
    cancelled = row["state"] == "cancelled"
    moves = [
        move
        for move in row["moves."]
        if (cancelled or move["state"] != "cancelled") and (transit is None or move["to_location"] == transit)
    ]
    return Shipment(
        key=str(row["id"]),
        document=row["reference"],
        number=row["number"],
        state=_STATES.get(row["state"], ShipmentState.PLANNED),
        shown=row["state"],
        left_on=iso(row["effective_start_date"] or row["effective_date"]),
        arrived_on=iso(row["effective_date"]) if row["state"] == "done" else None,
        lines=tuple(_moved(moves)),
    )


def _outgoing(row: Mapping[str, Any], sale: str) -> Shipment:
    cancelled = row["state"] == "cancelled"
    moves = [move for move in row["outgoing_moves."] if cancelled or move["state"] != "cancelled"]
    return Shipment(
        key=str(row["id"]),
        document=sale,
        number=row["number"],
        state=_STATES.get(row["state"], ShipmentState.PLANNED),
        shown=row["state"],
        left_on=iso(row["effective_date"]),
        arrived_on=iso(row["effective_date"]) if row["state"] == "done" else None,
        lines=tuple(_moved(moves)),
    )


def _moved(moves: Iterable[Mapping[str, Any]]) -> list[GoodsMoved]:
    """Moves, added up by product and unit: Tryton splits a move when only part of it is in stock."""
    sums: dict[tuple[str, str], Decimal] = {}
    for move in sorted(moves, key=lambda one: int(one["id"])):
        slot = (str(move["product"]), str((move["unit."] or {}).get("name") or ""))
        sums[slot] = sums.get(slot, Decimal(0)) + Decimal(move["quantity"] or 0)
    return [GoodsMoved(product=product, quantity=amount, unit=unit) for (product, unit), amount in sums.items()]
