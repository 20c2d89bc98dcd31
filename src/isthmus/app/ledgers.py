"""The ledger of an order, from the documents that the hub has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from isthmus.desk.ledger import Ledger, ledger_of
from isthmus.model.state import Item
from isthmus.store import Reads

__all__ = ["Documents", "StoredDocuments", "ledger_of_order", "part_numbers", "skus"]


class Documents(Protocol):
    """Where documents are looked up."""

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """Items by id."""

    async def children(self, item: str, entity: str) -> list[Item]:
        """Items of this entity that refer to the item."""


class StoredDocuments:
    """Documents as the store has them."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """Items by id."""
        return await self._reads.items(ids)

    async def children(self, item: str, entity: str) -> list[Item]:
        """Items of this entity that refer to the item."""
        return await self._reads.referencing(item, entity)


async def ledger_of_order(documents: Documents, order: Item) -> Ledger:
    """The ledger of this order; deleted documents do not count."""
    invoices = await documents.children(order.id, "Invoice")
    payments = [one for invoice in invoices for one in await documents.children(invoice.id, "Payment")]
    deliveries = await documents.children(order.id, "Delivery")
    return ledger_of(order.fields, _alive(deliveries), _alive(invoices), _alive(payments), await skus(documents, order))


def _alive(items: Sequence[Item]) -> list[Mapping[str, Any]]:
    return [item.fields for item in items if item.deleted_at is None and item.alias_of is None]


async def skus(documents: Documents, order: Item) -> dict[str, str]:
    """Product -> what people call it, for all lines of the order."""
    lines = [*(order.fields.get("lines") or []), *(order.fields.get("ordered") or [])]
    products = await documents.items({line["product"] for line in lines if line.get("product")})
    return part_numbers(products)


def part_numbers(products: Mapping[str, Item]) -> dict[str, str]:
    """Product -> its part number, or its name when it has none."""
    return {id: str(one.fields.get("sku") or one.fields.get("name") or id) for id, one in products.items()}
