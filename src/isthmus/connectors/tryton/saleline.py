"""A line of a sale as the hub sees it: ordered, shipped, invoiced and still open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

__all__ = ["LINE_FIELDS", "read_line"]

LINE_FIELDS = (
    *(f"lines.{name}" for name in ("sequence", "type", "product", "description", "quantity", "unit_price")),
    *(f"lines.{name}" for name in ("base_price", "amount", "movable", "_timestamp", "moves_ignored")),
    *("lines.unit.name", "lines.unit.factor"),
    *("lines.moves.state", "lines.moves.quantity", "lines.moves.unit.factor"),
    *("lines.invoice_lines.quantity", "lines.invoice_lines.unit.factor", "lines.invoice_lines.invoice.state"),
)
"""What is read of each line, as dotted names from the sale."""

_INVOICED = frozenset({"posted", "paid"})
_GRAIN = Decimal("0.000001")


def read_line(line: Mapping[str, Any], *, ended: bool) -> dict[str, Any]:
    """The line; nothing is open any more when the sale has ``ended``."""
    unit = line["unit."] or {}
    factor = Decimal(str(unit.get("factor") or 1))
    quantity = Decimal(str(line["quantity"] or 0))
    done = [move for move in line["moves."] if move["state"] == "done"]
    given_up = [move for move in line["moves."] if move["id"] in line["moves_ignored"]]
    bills = [bill for bill in line["invoice_lines."] if (bill["invoice."] or {}).get("state") in _INVOICED]
    sign = -1 if quantity < 0 else 1
    shipped = _sum(done, factor) * sign
    invoiced = _sum(bills, factor)
    settled = shipped + _sum(given_up, factor) * sign if line["movable"] else invoiced
    unit_price = line["unit_price"] if line["unit_price"] is not None else Decimal(0)
    base = line.get("base_price")
    base_price = base if base is not None else unit_price
    return {
        "id": str(line["id"]),
        "product": None if line["product"] is None else str(line["product"]),
        "description": line["description"],
        "quantity": quantity,
        "unit": unit.get("name"),
        "unit_price": unit_price,
        "base_price": base_price,
        "discount_rate": (1 - unit_price / base_price).quantize(Decimal("0.0001")) if base_price else Decimal(0),
        "amount": line["amount"],
        "shipped": shipped,
        "invoiced": invoiced,
        "open": Decimal(0) if ended or (quantity - settled) * sign < 0 else quantity - settled,
    }


def _sum(parts: Sequence[Mapping[str, Any]], factor: Decimal) -> Decimal:
    """Total quantity of moves or invoice lines, in the unit that has ``factor``."""
    total = Decimal(0)
    for part in parts:
        own = Decimal(str((part["unit."] or {}).get("factor") or factor))
        quantity = Decimal(str(part["quantity"] or 0))
        total += quantity if own == factor else (quantity * own / factor).quantize(_GRAIN).normalize()
    return total
