"""Telling customers of milestones of their documents: from what happened to an item to a notice in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from isthmus.app.bootstrap import clock
from isthmus.desk.notices import language_of, queue_notice
from isthmus.model.state import Item
from isthmus.store import PostgresStore, Reads

__all__ = ["TOPICS", "CustomerNotices"]

TOPICS: Final[Mapping[str, str]] = {
    "order.kept": "order_kept",
    "order.changed": "order_changed",
    "order.confirmed": "order_confirmed",
    "order.checking": "order_checking",
    "order.declined": "order_declined",
    "order.withdrawn": "order_cancelled",
    "order.cancelled": "order_cancelled",
    "delivery.shipped": "dispatched",
    "delivery.delivered": "delivered",
    "invoice.issued": "invoice_issued",
    "payment.received": "payment_received",
    "return.received": "return_received",
    "return.difference": "return_difference",
    "settlement.booked": "settlement_booked",
}
"""What processes tell -> the milestone that customers are told. Anything else (a refusal of the ERP) is for staff, who
find it in the inbox."""


class CustomerNotices:
    """Where processes tell what happened; the customer of the item gets a mail in the customer's language."""

    def __init__(self, store: PostgresStore, *, now: Any = clock) -> None:
        self._store, self._reads, self._now = store, Reads(store), now

    async def tell(self, topic: str, item: str, detail: Mapping[str, Any], *, token: str) -> None:
        """Tell the customer that this happened to this item; the same token again is the same notice. Nothing happens
        for topics that are not for customers, and for customers without an address."""
        milestone = TOPICS.get(topic)
        found = (await self._reads.items([item])).get(item)
        if milestone is None or found is None:
            return
        customer = await self._customer_of(found)
        address = str(customer.fields.get("email") or "") if customer else ""
        if customer is None or "@" not in address:
            return
        now: datetime = self._now()
        async with self._store.transaction() as tx:
            await queue_notice(
                tx,
                milestone,
                document=found.entity,
                key=item,
                recipient=address,
                language=language_of(customer.fields.get("language")),
                context=_context(found, detail),
                detail=token,
                now=now,
            )

    async def _customer_of(self, item: Item) -> Item | None:
        """The customer a document is for; a customer that was merged into another is that one."""
        wanted = item.fields.get("customer")
        return await self._reads.heir(wanted) if isinstance(wanted, str) else None


def _context(item: Item, detail: Mapping[str, Any]) -> dict[str, Any]:
    """What the text says: the document's own fields, and what the process adds."""
    fields = item.fields
    number = detail.get("number") or fields.get("number") or fields.get("reference") or item.id[:8]
    context = {
        "number": str(number),
        "reference": str(fields.get("reference") or ""),
        "total": _money(fields.get("total")),
        "amount": _money(fields.get("amount")),
        "due": str(fields.get("due_on") or ""),
    }
    told = {name: str(value) for name, value in detail.items() if name in _TOLD and value}
    differences = detail.get("differences") or ()
    details = {
        " ".join(str(part) for part in (one.get("sku"), one.get("what")) if part): f"{one['before']} → {one['now']}"
        for one in differences
    }
    return {**context, **told, "details": details}


_TOLD = frozenset({"date", "carrier", "tracking", "lines", "outstanding", "period", "reason"})
"""What a process may add, as text to be read."""


def _money(value: Any) -> str:
    """An amount as text; empty when there is none."""
    if not isinstance(value, Mapping) or value.get("amount") is None:
        return ""
    try:
        return f"{Decimal(str(value['amount'])):,.2f} {value.get('currency') or ''}".strip()
    except InvalidOperation:
        return ""
