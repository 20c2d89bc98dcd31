"""A line of a sale as the hub sees it: ordered, shipped, returned, invoiced, credited and still open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from isthmus.connectors.tryton.coming_back import Back, came_back, is_billed

__all__ = ["LINE_FIELDS", "read_line"]

LINE_FIELDS = (
    *(f"lines.{name}" for name in ("sequence", "type", "product", "description", "quantity", "unit_price")),
    *(f"lines.{name}" for name in ("base_price", "amount", "movable", "_timestamp", "moves_ignored")),
    *("lines.unit.name", "lines.unit.factor", "lines.sale"),
    *("lines.moves.state", "lines.moves.quantity", "lines.moves.shipment", "lines.moves.unit.factor"),
    *(f"lines.invoice_lines.{name}" for name in ("quantity", "unit.factor", "invoice.state")),
    "lines.invoice_lines.invoice.cancel_move.origin",
)
"""What is read of each line, as dotted names from the sale."""

_GRAIN = Decimal("0.000001")


def read_line(line: Mapping[str, Any], back: Back, *, ended: bool) -> dict[str, Any]:
    """The line, with what came ``back`` of it; nothing is open any more when the sale has ``ended``."""
    unit = line["unit."] or {}
    factor = Decimal(str(unit.get("factor") or 1))
    quantity = Decimal(str(line["quantity"] or 0))
    sign = -1 if quantity < 0 else 1
    # Tryton counts goods that came back for a line as sent for it once more.
    moves = [move for move in line["moves."] if sign < 0 or not came_back(move)]
    done = [move for move in moves if move["state"] == "done"]
    given_up = [move for move in moves if move["id"] in line["moves_ignored"]]
    bills = [bill for bill in line["invoice_lines."] if is_billed(bill)]
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
        "returned": _in_unit(back.returned, factor),
        "invoiced": invoiced,
        "credited": _in_unit(back.credited, factor),
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


def _in_unit(amount: Decimal, factor: Decimal) -> Decimal:
    """An amount of base units in the unit that has ``factor``."""
    if not amount or factor == 1:
        return amount
    return (amount / factor).quantize(_GRAIN).normalize()
