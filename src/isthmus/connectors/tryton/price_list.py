"""Price lists, for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import FieldInfo, Record
from isthmus.connectors.tryton.changes import Watch
from isthmus.connectors.tryton.collection import Collection, Seen, digest

__all__ = ["PriceLists"]

_READ = (
    *("name", "active", "price", "tax_included", "_timestamp"),
    *(f"lines.{name}" for name in ("sequence", "product", "category", "quantity", "formula", "_timestamp")),
)


class PriceLists(Collection):
    """Resource ``price_list``: which formula applies to what; prices themselves are in ``product``."""

    name = "price_list"
    model = "product.price_list"
    watch: ClassVar[Watch] = {
        "product.price_list": {},
        "product.price_list.line": {"price_list": "product.price_list"},
    }
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "name": FieldInfo(type="text", readonly=True, label="Name"),
        "active": FieldInfo(type="boolean", readonly=True, label="Active"),
        "price": FieldInfo(type="text", readonly=True, label="What a formula calls unit_price"),
        "tax_included": FieldInfo(type="boolean", readonly=True, label="Tax Included"),
        "currency": FieldInfo(type="text", readonly=True, label="Currency of the company"),
        "lines": FieldInfo(type="list", readonly=True, label="Lines, the first that matches wins"),
    }

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Price lists with their lines."""
        return [self._seen(row) for row in await self.rows(_READ, domain, limit)]

    def _seen(self, row: Mapping[str, Any]) -> Seen:
        stamps = {f"product.price_list,{row['id']}": row["_timestamp"]}
        stamps |= {f"product.price_list.line,{line['id']}": line["_timestamp"] for line in row["lines."]}
        ordered = sorted(row["lines."], key=lambda line: (line["sequence"] is not None, line["sequence"], line["id"]))
        fields = {
            "name": row["name"],
            "active": bool(row["active"]),
            "price": row["price"],
            "tax_included": bool(row["tax_included"]),
            "currency": self.tryton.currency,
            "lines": [
                {
                    "id": str(line["id"]),
                    "product": None if line["product"] is None else str(line["product"]),
                    "category": None if line["category"] is None else str(line["category"]),
                    "min_quantity": None if line["quantity"] is None else Decimal(str(line["quantity"])),
                    "formula": line["formula"],
                }
                for line in ordered
            ],
        }
        return Seen(Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields)), stamps)
