"""How much of an order can still come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.app.ledgers import Documents, ledger_of_order
from isthmus.model.state import Item

__all__ = ["Returnable", "returnable"]

ZERO = Decimal(0)


class Returnable(msgspec.Struct, frozen=True, kw_only=True):
    """A product of an order: how much was shipped, and how much of that neither came back nor is announced to. In the
    order's ``unit``; ``unit_price`` was paid for one."""

    product: str
    sku: str
    unit: str | None
    unit_price: Decimal | None
    shipped: Decimal
    left: Decimal


async def returnable(documents: Documents, order: Item) -> list[Returnable]:
    """Products of the order that were shipped, in its order. What the ERP has taken back counts, and so do returns that
    were announced here until the ERP has them: its document bears the return's number."""
    shipped: dict[str, Decimal] = defaultdict(Decimal)
    back: dict[str, Decimal] = defaultdict(Decimal)
    names: dict[str, str] = {}
    for line in (await ledger_of_order(documents, order)).lines:
        if line.product is not None:
            names.setdefault(line.product, line.name)
            shipped[line.product] += line.shipped
            back[line.product] += line.returned
    deliveries = [one.fields for one in await documents.children(order.id, "Delivery") if one.deleted_at is None]
    there = {one.get("reference") for one in deliveries if one.get("state") in ("received", "done")}
    for one in await documents.children(order.id, "Return"):
        announced = one.fields.get("state") != "cancelled" and one.fields.get("number") not in there
        if one.fields.get("order") == order.id and announced:
            for position in one.fields.get("lines") or ():
                back[position["product"]] += _coming(position)
    return [
        Returnable(
            product=product,
            sku=name,
            unit=_unit(order, product),
            unit_price=_paid(order, product),
            shipped=shipped[product],
            left=max(ZERO, shipped[product] - back[product]),
        )
        for product, name in names.items()
        if shipped[product] > 0
    ]


def _coming(position: Mapping[str, Any]) -> Decimal:
    """The latest that is known of how much comes back."""
    said = (position.get(name) for name in ("settled", "sent", "announced"))
    return Decimal(str(next((one for one in said if one is not None), 0)))


def _lines(order: Item, product: str) -> list[Mapping[str, Any]]:
    return [line for line in order.fields.get("lines") or () if line.get("product") == product]


def _unit(order: Item, product: str) -> str | None:
    return next((line.get("unit") for line in _lines(order, product)), None)


def _paid(order: Item, product: str) -> Decimal | None:
    """The lowest, where several lines of one product have several prices: nobody gets back more than was paid."""
    prices = [Decimal(str(line["unit_price"])) for line in _lines(order, product) if line.get("unit_price") is not None]
    return min(prices, default=None)
