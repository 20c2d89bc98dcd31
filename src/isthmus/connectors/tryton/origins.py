"""Which order a line of a document comes from at last, however many documents lie in between: a credit note's line
names the invoice line it credits, a move the move it takes back, a return sale the sale it returns."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping
from typing import Any

import msgspec

from isthmus.connectors.tryton.collection import Collection

__all__ = ["SALE_LINE", "Sold", "ends", "refer", "root_sales", "sold_by"]

SALE_LINE = "sale.line"
_PASSED = ("account.invoice.line", "stock.move")
"""Models whose rows have an origin of their own."""
_DEPTH = 6
"""Documents between a line and its order at most: a credit note of a credit note of a return is two."""


class Sold(msgspec.Struct, frozen=True):
    """How something was sold: by which ``order``, the first of its sales."""

    order: int
    returned_as: str | None
    """Reference of the return sale by which it came back; None when it came back, or was billed, without one."""


def refer(model: str, reference: str | None) -> int | None:
    """The id in a reference such as ``sale.line,7``; None when it is none to this model."""
    known, _, identity = (reference or "").partition(",")
    return int(identity) if known == model and identity.isdigit() else None


async def ends(collection: Collection, origins: Several[str | None]) -> dict[str, int]:
    """Origin of a line (``model,id``) -> the line of a sale that it comes from at last. Those that come from none are
    left out. One call for each document in between, and none where all origins are lines of sales."""
    found = {origin: origin for origin in origins if origin}
    for _ in range(_DEPTH):
        above: dict[str, str | None] = {}
        for model in _PASSED:
            ids = {identity for at in found.values() if (identity := refer(model, at)) is not None}
            if ids:
                rows = await collection.rows(["origin"], [["id", "in", sorted(ids)]], model=model)
                above |= dict.fromkeys((f"{model},{one}" for one in ids), None)
                above |= {f"{model},{row['id']}": row["origin"] for row in rows}
        if not above:
            break
        found = {origin: last for origin, at in found.items() if (last := above.get(at, at)) is not None}
    return {origin: line for origin, at in found.items() if (line := refer(SALE_LINE, at)) is not None}


async def sold_by(collection: Collection, origins: Several[str | None]) -> dict[str, Sold]:
    """Origin of a line -> how it was sold; those that come from no sale are left out."""
    lines = await ends(collection, origins)
    if not lines:
        return {}
    domain = [["id", "in", sorted(set(lines.values()))]]
    rows = await collection.rows(["quantity", "sale", "sale.origin", "sale.reference"], domain, model=SALE_LINE)
    orders = await root_sales(collection, {int(row["sale"]): row["sale."]["origin"] for row in rows})
    sold = {
        int(row["id"]): Sold(
            order=orders[int(row["sale"])],
            returned_as=row["sale."]["reference"] if (row["quantity"] or 0) < 0 else None,
        )
        for row in rows
    }
    return {origin: sold[line] for origin, line in lines.items() if line in sold}


async def root_sales(collection: Collection, origins: Mapping[int, str | None]) -> dict[int, int]:
    """Sale -> the sale that it returns at last, itself for one that returns none. ``origins``: sale -> its origin, as
    read already; one call more for each return of a return."""
    known = dict(origins)
    for _ in range(_DEPTH):
        unread = {above for at in known.values() if (above := refer("sale.sale", at)) is not None} - known.keys()
        if not unread:
            break
        rows: list[dict[str, Any]] = await collection.rows(
            ["origin"], [["id", "in", sorted(unread)]], model="sale.sale"
        )
        known |= dict.fromkeys(unread, None) | {int(row["id"]): row["origin"] for row in rows}
    return {sale: _root(sale, known) for sale in origins}


def _root(sale: int, origins: Mapping[int, str | None]) -> int:
    for _ in range(_DEPTH):
        above = refer("sale.sale", origins.get(sale))
        if above is None or above == sale:
            break
        sale = above
    return sale
