"""What came back of a sale by other documents than its own: returned goods and credited bills, in base units.

A return shipment may name the line of the sale, or the move that it takes back; a return sale (Tryton's wizard, or a
negative sale of somebody who fills in its origin) names the whole sale, so its lines are told by product; a credit note
names the invoice line.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection as Several
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.connectors.tryton.collection import Collection
from isthmus.connectors.tryton.origins import refer

__all__ = ["NOTHING", "Back", "came_back", "is_billed", "is_credited", "read_back"]

_RETURN = "stock.shipment.out.return"
_MOVE = ("quantity", "state", "unit.factor")
_BILL = ("quantity", "unit.factor", "invoice.state", "invoice.cancel_move.origin")
_BILL_LINE = "account.invoice.line"
_BILLED = frozenset({"posted", "paid"})
ZERO = Decimal(0)

type Rows = list[dict[str, Any]]


class Back(msgspec.Struct, frozen=True):
    """Of one line."""

    returned: Decimal = ZERO
    credited: Decimal = ZERO


NOTHING = Back()


def came_back(move: Mapping[str, Any]) -> bool:
    """Whether a move belongs to a return shipment."""
    return str(move["shipment"] or "").startswith(f"{_RETURN},")


def is_billed(line: Mapping[str, Any]) -> bool:
    """Whether an invoice line counts: its invoice is posted, or was and is taken back by a credit note, which counts
    against it."""
    invoice = line["invoice."]
    return bool(invoice) and (invoice["state"] in _BILLED or is_credited(invoice))


def is_credited(invoice: Mapping[str, Any]) -> bool:
    """Whether a cancelled invoice was taken back by a credit note, which counts against it, and not by a mere entry."""
    reference = (invoice["cancel_move."] or {}).get("origin") if invoice["state"] == "cancelled" else None
    return refer("account.invoice", reference) is not None


async def read_back(collection: Collection, rows: Sequence[Mapping[str, Any]]) -> dict[int, Back]:
    """Line of these sales -> what came back of it, where something did. ``rows``: sales with their lines, the moves and
    invoice lines of those. Three calls more at once, whatever the number of sales; none for those with no documents."""
    lines = [line for row in rows for line in row["lines."] if (line["quantity"] or 0) > 0]
    lines = [line for line in lines if line["moves."] or line["invoice_lines."]]
    if not lines:
        return {}
    returned: dict[int, Decimal] = defaultdict(Decimal)
    credited: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        if direct := [move for move in line["moves."] if came_back(move) and move["state"] == "done"]:
            returned[line["id"]] += _amount(direct)
    # Not of what came back: its own move into the storage names it as well.
    sent = {f"stock.move,{move['id']}": line["id"] for line in lines for move in line["moves."] if not came_back(move)}
    billed = {f"{_BILL_LINE},{bill['id']}": line["id"] for line in lines for bill in line["invoice_lines."]}
    moves, bills, sales = await asyncio.gather(
        _taken_back(collection, sent), _credits(collection, billed), _return_lines(collection, lines)
    )
    for move in moves:
        returned[sent[move["origin"]]] += _amount([move])
    for bill in bills:
        credited[billed[bill["origin"]]] -= _amount([bill]) if is_billed(bill) else ZERO
    for line in sales:
        sale = refer("sale.sale", line["sale."]["origin"])
        own = [one for one in lines if int(one["sale"]) == sale and one["product"] == line["product"]]
        _fill(own, returned, _amount(move for move in line["moves."] if move["state"] == "done"))
        _fill(own, credited, -_amount(bill for bill in line["invoice_lines."] if is_billed(bill)))
    found = {line["id"]: Back(returned[line["id"]], credited[line["id"]]) for line in lines}
    return {id: back for id, back in found.items() if back != NOTHING}


async def _taken_back(collection: Collection, sent: Several[str]) -> Rows:
    """Moves of return shipments that name one of these moves."""
    domain = [["origin", "in", sorted(sent)], ["shipment", "like", f"{_RETURN},%"], ["state", "=", "done"]]
    return await collection.rows(["origin", *_MOVE], domain, model="stock.move") if sent else []


async def _credits(collection: Collection, billed: Several[str]) -> Rows:
    """Lines of credit notes that name one of these invoice lines."""
    return (
        await collection.rows(["origin", *_BILL], [["origin", "in", sorted(billed)]], model=_BILL_LINE)
        if billed
        else []
    )


async def _return_lines(collection: Collection, lines: Sequence[Mapping[str, Any]]) -> Rows:
    """Lines of return sales of these lines' sales."""
    fields = ["product", "quantity", "sale.origin"]
    fields += [*(f"moves.{name}" for name in _MOVE), *(f"invoice_lines.{name}" for name in _BILL)]
    sales = sorted({f"sale.sale,{line['sale']}" for line in lines})
    return await collection.rows(fields, [["sale.origin", "in", sales], ["quantity", "<", 0]], model="sale.line")


def _fill(lines: Sequence[Mapping[str, Any]], amounts: dict[int, Decimal], amount: Decimal) -> None:
    """Spread an amount; what is more than was ordered is the last line's, so that it shows."""
    for line in lines:
        room = _amount([line]) - amounts[line["id"]]
        part = amount if line is lines[-1] else max(ZERO, min(amount, room))
        amounts[line["id"]] += part
        amount -= part


def _amount(parts: Iterable[Mapping[str, Any]]) -> Decimal:
    """Total quantity in base units; what has no unit is counted in pieces."""
    return sum((Decimal(str(one["quantity"] or 0)) * _factor(one) for one in parts), ZERO)


def _factor(part: Mapping[str, Any]) -> Decimal:
    return Decimal(str((part["unit."] or {}).get("factor") or 1))
