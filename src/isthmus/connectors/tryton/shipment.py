"""Customer shipments, for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import FieldInfo, Record
from isthmus.connectors.tryton.changes import Watch
from isthmus.connectors.tryton.codec import iso
from isthmus.connectors.tryton.collection import Collection, Seen, digest
from isthmus.connectors.tryton.origins import SALE_LINE, refer

__all__ = ["Shipments"]

_READ = (
    *("number", "reference", "state", "customer", "planned_date", "effective_date", "_timestamp"),
    *(f"outgoing_moves.{name}" for name in ("product", "quantity", "origin", "state", "_timestamp")),
    "outgoing_moves.unit.name",
)


class Shipments(Collection):
    """Resource ``shipment``."""

    name = "shipment"
    model = "stock.shipment.out"
    watch: ClassVar[Watch] = {"stock.shipment.out": {}, "stock.move": {"shipment": ""}}
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "number": FieldInfo(type="text", readonly=True, label="Number"),
        "reference": FieldInfo(type="text", readonly=True, label="Reference"),
        "state": FieldInfo(type="text", readonly=True, label="State"),
        "shipped": FieldInfo(type="boolean", readonly=True, label="Shipped or done"),
        "party": FieldInfo(type="key", target="party", readonly=True, label="Customer"),
        "sale": FieldInfo(type="key", target="sale", readonly=True, label="First of the sales"),
        "sales": FieldInfo(type="list", target="sale", readonly=True, label="Sales"),
        "planned_date": FieldInfo(type="date", readonly=True, label="Planned Date"),
        "effective_date": FieldInfo(type="date", readonly=True, label="Effective Date"),
        "backorder": FieldInfo(type="boolean", readonly=True, label="An earlier shipment took part of these lines"),
        "lines": FieldInfo(type="list", readonly=True, label="Outgoing moves"),
    }

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Shipments with their goods, and one more call for the sales they come from."""
        rows = await self.rows(_READ, domain, limit)
        origins = {line for row in rows for move in row["outgoing_moves."] if (line := _line(move["origin"]))}
        sale_lines: dict[int, Mapping[str, Any]] = {}
        if origins:
            fields = ["sale", "moves.shipment", "moves.state"]
            found = await self.rows(fields, [["id", "in", sorted(origins)]], model=SALE_LINE)
            sale_lines = {int(line["id"]): line for line in found}
        return [self._seen(row, sale_lines) for row in rows]

    def _seen(self, row: Mapping[str, Any], sale_lines: Mapping[int, Mapping[str, Any]]) -> Seen:
        stamps = {f"stock.shipment.out,{row['id']}": row["_timestamp"]}
        moves = sorted(row["outgoing_moves."], key=lambda move: int(move["id"]))
        stamps |= {f"stock.move,{move['id']}": move["_timestamp"] for move in moves}
        origins = [sale_lines[line] for move in moves if (line := _line(move["origin"])) and line in sale_lines]
        sales = list(dict.fromkeys(str(line["sale"]) for line in origins))
        fields: dict[str, Any] = {
            "number": row["number"],
            "reference": row["reference"],
            "state": row["state"],
            "shipped": row["state"] in ("shipped", "done"),
            "party": str(row["customer"]),
            "sale": sales[0] if sales else None,
            "sales": sales,
            "planned_date": iso(row["planned_date"]),
            "effective_date": iso(row["effective_date"]),
            "backorder": any(_follows(int(row["id"]), line) for line in origins),
            "lines": [
                {
                    "id": str(move["id"]),
                    "product": str(move["product"]),
                    "quantity": Decimal(str(move["quantity"] or 0)),
                    "unit": (move["unit."] or {}).get("name"),
                    "sale_line": _text(_line(move["origin"])),
                    "state": move["state"],
                }
                for move in moves
                if move["state"] != "cancelled" or row["state"] == "cancelled"
            ],
        }
        return Seen(Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields)), stamps)


def _follows(shipment: int, line: Mapping[str, Any]) -> bool:
    """Whether an earlier shipment already took goods of this sale line away."""
    for move in line["moves."]:
        model, _, other = str(move["shipment"] or "").partition(",")
        if model == "stock.shipment.out" and move["state"] == "done" and int(other) < shipment:
            return True
    return False


def _line(origin: str | None) -> int | None:
    """Id of the sale line a move comes from."""
    return refer(SALE_LINE, origin)


def _text(identity: int | None) -> str | None:
    return None if identity is None else str(identity)
