"""Estimates (quotes) and invoices with their line items.

Their lists lack lines, tax and custom fields, so a scan reads each document by itself: exact, but one call each.
The tax of a document is *its* ``tax_rate`` on the sum of its lines; the rate on a line is only shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

from isthmus.connector import Change, Create, Gone, Key, Record, Traits, Update, WriteAnswer
from isthmus.connectors.bottlecrm.client import Client
from isthmus.connectors.bottlecrm.custom_fields import CustomFields
from isthmus.connectors.bottlecrm.fields import Field, decimal_of
from isthmus.connectors.bottlecrm.lines import line_body, line_changes, net, read_lines, stored, write_line
from isthmus.connectors.bottlecrm.resource import CrmResource
from isthmus.errors import Rejected

__all__ = ["Estimates", "Invoices", "rate_for"]

_CENT = Decimal("0.01")
_CLIENT = {
    "client_name": Field("text", "Client name"),
    "client_email": Field("text", "Client email"),
    "client_phone": Field("text", "Client phone"),
    "client_address_line": Field("text", "Client address"),
    "client_city": Field("text", "Client city"),
    "client_state": Field("text", "Client state"),
    "client_postcode": Field("text", "Client postal code"),
    "client_country": Field("text", "Client country"),
}
_LINKS = {
    "account": Field("key", "Account", target="account", write_as="account_id"),
    "contact": Field("key", "Contact", target="contact", write_as="contact_id"),
    "opportunity": Field("key", "Opportunity", target="opportunity", write_as="opportunity_id"),
}
_SUMS = {
    "currency": Field("text", "Currency"),
    "line_items": Field("lines", "Line items"),
    "discount_type": Field("text", "Discount type"),
    "discount_value": Field("decimal", "Discount (as entered)"),
    "discount_amount": Field("decimal", "Discount", readonly=True),
    "tax_rate": Field("decimal", "Tax rate (%)"),
    "tax_amount": Field("decimal", "Tax (settable: the nearest rate is chosen)"),
    "subtotal": Field("decimal", "Net of the lines", readonly=True),
    "total_amount": Field("decimal", "Total", readonly=True),
}


class Documents(CrmResource):
    """What estimates and invoices share."""

    rows_in: ClassVar[str] = "results"
    page_size: ClassVar[int] = 40
    update_method: ClassVar[str] = "PUT"
    title: ClassVar[str]
    """Name of the field with the title."""
    traits = Traits(versioned=True, whole_saves=True, write_batch=20, fetch_batch=50, concurrency=4)

    def __init__(self, client: Client, custom: CustomFields, may_send: bool) -> None:
        super().__init__(client, custom)
        self._may_send = may_send

    async def complete(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Change]:
        """The documents of the rows, read one by one; one that was deleted meanwhile is left out."""
        found = await self.fetch([str(row["id"]) for row in rows])
        return [change for change in found if isinstance(change, Record)]

    def special(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The lines."""
        return {"line_items": read_lines(row.get("line_items"))}

    def _amounts(self, body: dict[str, Any], given: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
        """Turn a given tax amount into the rate that yields it."""
        tax = body.pop("tax_amount", None)
        if tax is not None and "tax_rate" not in given:
            body["tax_rate"] = rate_for(decimal_of(tax), _taxable(whole))

    async def create_body(self, create: Create) -> dict[str, Any]:
        """As for any, with the lines, a contact (which BottleCRM demands) and a tax rate."""
        self._check_status(create.fields.get("status"), None)
        lines = create.fields.get("line_items") or []
        line_changes(lines, [])
        body = await super().create_body(create)
        body.pop("status", None)
        if lines:
            body["line_items"] = [
                {"order": at, **line_body(_written(line), "product")} for at, line in enumerate(lines)
            ]
        self._amounts(body, create.fields, create.fields)
        return {**await self._recipient(body), **body}

    async def _recipient(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """BottleCRM demands an account and a contact: a missing account is the contact's, a missing contact the
        account's oldest one."""
        account, contact = body.get("account_id"), body.get("contact_id")
        if contact and not account:
            data = await self.client.read(f"/api/contacts/{contact}/")
            owner = (data or {}).get("contact_obj", {}).get("account")
            return {"account_id": owner} if owner else {}
        if contact or not account:
            return {}
        data = await self.client.read(f"/api/accounts/{account}/")
        if data is None:
            raise Rejected("The account of this document does not exist.", field="account")
        if not data.get("contacts"):
            raise Rejected(
                "BottleCRM makes no document without a contact, and the account has none.",
                field="contact",
                advice="Add a contact to the account.",
            )
        oldest = min(data["contacts"], key=lambda each: str(each.get("created_at")))
        email = oldest.get("email") or data["account_obj"].get("email")
        named = {"contact_id": oldest["id"], "client_name": data["account_obj"].get("name"), "client_email": email}
        return {name: value for name, value in named.items() if value}

    async def after_create(self, key: Key, create: Create) -> None:
        """Bring a new draft into the wanted status."""
        await self._move(key, create.fields.get("status"), "Draft")

    async def update_body(self, update: Update) -> dict[str, Any]:
        """As for any, with a tax rate; status and lines have calls of their own."""
        before = update.before.fields
        if "status" in update.fields:
            self._check_status(update.fields["status"], before.get("status"))
        self._check_lines(update)
        body = await super().update_body(update)
        body.pop("status", None)
        if body.keys() & {"tax_amount"}:
            self._amounts(body, update.fields, {**before, **update.fields})
        return body

    def _check_lines(self, update: Update) -> None:
        """Refuse lines that cannot be written, before anything is."""

    async def after_update(self, update: Update) -> None:
        """Bring the document into the wanted status."""
        await self._move(update.key, update.fields.get("status"), update.before.fields.get("status"))

    def _check_status(self, wanted: Any, now: Any) -> None:
        if wanted in (None, now, "Draft") and (now is None or wanted in (None, now)):
            return
        if wanted == "Sent" and self._may_send:
            return
        if wanted == "Cancelled" and self.name == "invoice":
            return
        hint = "Set send_documents to let the hub send it, which e-mails it." if wanted == "Sent" else ""
        raise Rejected(f"BottleCRM does not let the status be set to {wanted}.", field="status", advice=hint)

    async def _move(self, key: Key, wanted: Any, now: Any) -> None:
        step = {"Sent": "send", "Cancelled": "cancel"}.get(wanted) if wanted != now else None
        if step:
            await self.client.send("POST", f"{self.path}{key}/{step}/", {})

    async def candidates(self, fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Documents with the same title, complete."""
        words = str(fields.get(self.title) or "").strip()[:100]
        rows = await self.read_rows({"search": words, "limit": "50", "offset": "0"})
        found = []
        for row in rows:
            data = await self.client.read(f"{self.path}{row['id']}/")
            if data is not None:
                found.append(self._part(data, self.record_in))
        return found


class Estimates(Documents):
    """Quotes. ``accepted`` once the customer has (people send a quote, customers accept it in the portal). Changing
    lines is refused: BottleCRM would give all of them new ids."""

    name: ClassVar[str] = "estimate"
    path: ClassVar[str] = "/api/invoices/estimates/"
    record_in: ClassVar[str] = "estimate"
    title: ClassVar[str] = "title"
    fields_of: ClassVar[Mapping[str, Field]] = {
        "estimate_number": Field("text", "Number", readonly=True),
        "title": Field("text", "Title"),
        "status": Field("text", "Status"),
        "accepted": Field("boolean", "Accepted", readonly=True),
        **_LINKS,
        **_CLIENT,
        **_SUMS,
        "issue_date": Field("date", "Issued on"),
        "expiry_date": Field("date", "Valid until"),
        "notes": Field("text", "Notes"),
        "terms": Field("text", "Terms"),
        "introduction": Field("text", "Introduction"),
        "created_at": Field("datetime", "Created", readonly=True),
        "custom_fields": Field("object", "Custom fields"),
    }

    def special(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The lines, and whether it was accepted."""
        return {**super().special(row), "accepted": row.get("status") == "Accepted"}

    def _check_lines(self, update: Update) -> None:
        old = update.before.fields.get("line_items") or []
        if "line_items" in update.fields and line_changes(update.fields["line_items"] or [], old):
            raise Rejected("The lines of a quote cannot be changed without losing their identity.", field="line_items")


class Invoices(Documents):
    """Invoices. The number is BottleCRM's; lines and amounts can be changed while it is a draft; payments decide over
    paid and partially paid; there is no deleting, only cancelling."""

    name: ClassVar[str] = "invoice"
    path: ClassVar[str] = "/api/invoices/"
    record_in: ClassVar[str] = "invoice"
    title: ClassVar[str] = "invoice_title"
    fields_of: ClassVar[Mapping[str, Field]] = {
        "invoice_number": Field("text", "Number", readonly=True),
        "invoice_title": Field("text", "Title"),
        "status": Field("text", "Status"),
        **_LINKS,
        **_CLIENT,
        **_SUMS,
        "shipping_amount": Field("decimal", "Shipping"),
        "amount_paid": Field("decimal", "Paid", readonly=True),
        "amount_due": Field("decimal", "Open", readonly=True),
        "issue_date": Field("date", "Issued on"),
        "due_date": Field("date", "Due on"),
        "payment_terms": Field("text", "Payment terms"),
        "po_number": Field("text", "Purchase order number"),
        "notes": Field("text", "Notes"),
        "terms": Field("text", "Terms"),
        "payments": Field("lines", "Payments", readonly=True),
        "created_at": Field("datetime", "Created", readonly=True),
        "custom_fields": Field("object", "Custom fields"),
    }
    traits = Traits(versioned=True, whole_saves=True, write_batch=20, fetch_batch=50, concurrency=4, deletable=False)

    def special(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The lines, and the payments with their keys in the resource ``payment``."""
        payments = [
            {
                "id": f"{row['id']}/{payment['id']}",
                "amount": decimal_of(payment["amount"]),
                "payment_date": payment.get("payment_date"),
                "payment_method": payment.get("payment_method"),
                "reference_number": payment.get("reference_number") or None,
            }
            for payment in sorted(row.get("payments") or (), key=lambda payment: str(payment["id"]))
        ]
        return {**super().special(row), "payments": payments}

    def _check_lines(self, update: Update) -> None:
        if "line_items" in update.fields:
            line_changes(update.fields["line_items"] or [], update.before.fields.get("line_items") or [])

    async def after_update(self, update: Update) -> None:
        """Lines that were added, changed or taken out; then the status."""
        if "line_items" in update.fields:
            old = update.before.fields.get("line_items") or []
            for step in line_changes(update.fields["line_items"] or [], old):
                path = f"{self.path}{update.key}/line-items/"
                if await write_line(self.client, path, step, "product") is None:
                    raise Rejected("The invoice or one of its lines is not there any more.", field="line_items")
        await super().after_update(update)

    async def create(self, create: Create) -> WriteAnswer:
        """Make a draft and bring it into its status. A draft cannot be taken away again."""
        body = await self.create_body(create)
        made = await self.client.send("POST", self.path, body)
        if made is None:
            raise Rejected("BottleCRM says that what this invoice belongs to does not exist.")
        key = self._key_in(made)
        await self.after_create(key, create)
        return await self.read_back(key)

    async def delete(self, key: Key) -> WriteAnswer:
        """Invoices stay."""
        if isinstance(await self.fetch_one(key), Gone):
            return Gone(key=key)
        raise Rejected("BottleCRM does not delete invoices.", advice="Set the status to Cancelled instead.")


def _written(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored(line).items() if name != "order"}


def _taxable(fields: Mapping[str, Any]) -> Decimal:
    """What the tax is computed on: the lines less the document's discount."""
    subtotal = sum((net(stored(line)) for line in fields.get("line_items") or ()), Decimal(0))
    off = Decimal(fields.get("discount_value") or 0)
    return subtotal - (subtotal * off / 100 if fields.get("discount_type") == "PERCENTAGE" else min(off, subtotal))


def rate_for(tax: Decimal, taxable: Decimal) -> Decimal:
    """The plainest rate (in percent, at most two decimals) that yields this tax to the cent, else the nearest rate.

    >>> rate_for(Decimal("5.64"), Decimal("29.70"))
    Decimal('19')
    """
    if not taxable:
        return Decimal(0)
    exact = tax * 100 / taxable
    for step in (Decimal(1), Decimal("0.1"), _CENT):
        rate = exact.quantize(step, ROUND_HALF_UP)
        if (taxable * rate / 100).quantize(_CENT, ROUND_HALF_UP) == tax:
            return rate
    return exact.quantize(_CENT, ROUND_HALF_UP)
