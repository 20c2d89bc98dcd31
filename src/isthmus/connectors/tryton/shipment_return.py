"""Goods that customers sent back, for reading: return shipments, whoever made them and by whichever way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import FieldInfo, Record
from isthmus.connectors.tryton.changes import Watch
from isthmus.connectors.tryton.codec import iso
from isthmus.connectors.tryton.collection import Collection, Seen, digest
from isthmus.connectors.tryton.origins import Sold, sold_by

__all__ = ["ShipmentReturns"]

_READ = (
    *("number", "reference", "state", "customer", "planned_date", "effective_date", "_timestamp"),
    *(f"incoming_moves.{name}" for name in ("product", "quantity", "origin", "state", "effective_date", "_timestamp")),
    "incoming_moves.unit.name",
)


class ShipmentReturns(Collection):
    """Resource ``shipment_return``."""

    name = "shipment_return"
    model = "stock.shipment.out.return"
    # A move tells its shipment too: so an outbox that does not know return shipments yet is enough.
    watch: ClassVar[Watch] = {"stock.shipment.out.return": {}, "stock.move": {"shipment": ""}}
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "number": FieldInfo(type="text", readonly=True, label="Number"),
        "reference": FieldInfo(type="text", readonly=True, label="Reference, or that of its return sale"),
        "state": FieldInfo(type="text", readonly=True, label="State"),
        "received": FieldInfo(type="boolean", readonly=True, label="Received or done"),
        "party": FieldInfo(type="key", target="party", readonly=True, label="Customer"),
        "sale": FieldInfo(type="key", target="sale", readonly=True, label="First of the sales the goods were sold by"),
        "sales": FieldInfo(type="list", target="sale", readonly=True, label="Sales the goods were sold by"),
        "planned_date": FieldInfo(type="date", readonly=True, label="Planned Date"),
        "effective_date": FieldInfo(type="date", readonly=True, label="Day on which the first goods were received"),
        "lines": FieldInfo(type="list", readonly=True, label="Incoming moves, their quantities below zero"),
    }

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Return shipments with their goods, and the sales by which those were sold."""
        rows = await self.rows(_READ, domain, limit)
        sold = await sold_by(self, {move["origin"] for row in rows for move in row["incoming_moves."]})
        return [self._seen(row, sold) for row in rows]

    def _seen(self, row: Mapping[str, Any], sold: Mapping[str, Sold]) -> Seen:
        moves = sorted(row["incoming_moves."], key=lambda move: int(move["id"]))
        stamps = {f"{self.model},{row['id']}": row["_timestamp"]}
        stamps |= {f"stock.move,{move['id']}": move["_timestamp"] for move in moves}
        found = [sold[move["origin"]] for move in moves if move["origin"] in sold]
        sales = list(dict.fromkeys(str(one.order) for one in found))
        days = [move["effective_date"] for move in moves if move["effective_date"]]
        fields: dict[str, Any] = {
            "number": row["number"],
            "reference": row["reference"] or next((one.returned_as for one in found if one.returned_as), None),
            "state": row["state"],
            "received": row["state"] in ("received", "done"),
            "party": str(row["customer"]),
            "sale": sales[0] if sales else None,
            "sales": sales,
            "planned_date": iso(row["planned_date"]),
            "effective_date": iso(row["effective_date"] or min(days, default=None)),
            "lines": [
                {
                    "id": str(move["id"]),
                    "product": str(move["product"]),
                    "quantity": -Decimal(str(move["quantity"] or 0)),
                    "unit": (move["unit."] or {}).get("name"),
                    "origin": move["origin"],
                    "state": move["state"],
                }
                for move in moves
                if move["state"] != "cancelled" or row["state"] == "cancelled"
            ],
        }
        return Seen(Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields)), stamps)
