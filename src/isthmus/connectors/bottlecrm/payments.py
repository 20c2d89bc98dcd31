"""Payments, which BottleCRM keeps below their invoice: the key of one is ``invoice/payment``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from isthmus.connector import Change, Create, Found, Gone, Key, Page, Record, Traits, Update, WriteAnswer
from isthmus.connectors.bottlecrm.fields import Field, body_of, decimal_of, values_of
from isthmus.connectors.bottlecrm.paging import Walk, Where, next_page
from isthmus.connectors.bottlecrm.resource import CrmResource, is_uuid
from isthmus.errors import Rejected, UnknownOutcome

__all__ = ["Payments"]

_INVOICES = "/api/invoices/"
_TOKEN = re.compile(r"\s*\[isthmus:([^\]]*)\]\s*$")
"""How the token of the create is kept, at the end of the notes."""


class Payments(CrmResource):
    """Payments of invoices. They are made and deleted, never changed. A scan goes over the invoices on which
    something was paid."""

    name: ClassVar[str] = "payment"
    path: ClassVar[str] = _INVOICES
    rows_in: ClassVar[str] = "results"
    record_in: ClassVar[str] = ""
    fields_of: ClassVar[Mapping[str, Field]] = {
        "invoice": Field("key", "Invoice", target="invoice"),
        "amount": Field("decimal", "Amount"),
        "currency": Field("text", "Currency (must be the invoice's)"),
        "payment_date": Field("date", "Paid on"),
        "payment_method": Field("text", "Method"),
        "reference_number": Field("text", "Reference"),
        "notes": Field("text", "Notes"),
        "created_at": Field("datetime", "Created", readonly=True),
    }
    traits = Traits(write_batch=20, fetch_batch=50, concurrency=4, updates=False)

    async def fetch_one(self, key: Key) -> Change:
        """One payment, out of its invoice."""
        invoice, _, payment = key.partition("/")
        data = await self.client.read(f"{_INVOICES}{invoice}/") if is_uuid(invoice) and is_uuid(payment) else None
        document = self._part(data, "invoice") if data is not None else {}
        for row in document.get("payments") or ():
            if row.get("id") == payment:
                return _record(row, document.get("currency"))
        return Gone(key=key)

    async def scan(self, after: str | None) -> Page:
        """As ``Resource.scan``: a page of invoices, and the payments of those on which something was paid."""
        walk = Walk(read=self.read_rows, place=self.place, unique=False, size=self.page_size)
        rows, then = await next_page(walk, Where.of(after))
        items: list[Change] = []
        for row in rows:
            if decimal_of(row.get("amount_paid") or 0):
                items += await self._payments_of(row)
        return Page(items=items, cursor=then.cursor() if then else None, more=then is not None)

    async def _payments_of(self, invoice: Mapping[str, Any]) -> Sequence[Record]:
        rows = await self.client.read_list(f"{_INVOICES}{invoice['id']}/payments/")
        return [_record(row, invoice.get("currency")) for row in rows or ()]

    async def create(self, create: Create) -> WriteAnswer:
        """Record a payment. BottleCRM refuses more than what is open, and any on a cancelled invoice."""
        invoice = str(create.fields.get("invoice") or "")
        if not is_uuid(invoice):
            raise Rejected("A payment needs its invoice.", field="invoice")
        body = body_of(create.fields, self.fields_of)
        body.pop("invoice")
        await self._check_currency(invoice, body.pop("currency", None))
        body["notes"] = f"{body.get('notes') or ''}\n[isthmus:{create.token}]".strip()
        sent = {"payment_method": "OTHER"}
        sent |= {name: value for name, value in body.items() if value is not None and value != ""}
        made = await self.client.send("POST", f"{_INVOICES}{invoice}/payments/", sent)
        if made is None:
            raise Rejected("The invoice of this payment does not exist.", field="invoice")
        row = made.get("payment")
        if not isinstance(row, Mapping) or "id" not in row:
            raise UnknownOutcome("BottleCRM answered without the payment, so it may have been made.")
        return _record(row, (made.get("invoice") or {}).get("currency"))

    async def _check_currency(self, invoice: str, currency: Any) -> None:
        """BottleCRM takes a payment's amount in its invoice's currency, whatever it was paid in."""
        data = await self.client.read(f"{_INVOICES}{invoice}/") if currency else None
        if data is not None and (kept := self._part(data, "invoice").get("currency")) != currency:
            raise Rejected(f"The payment is in {currency}, its invoice in {kept}.", field="currency")

    async def update(self, update: Update) -> WriteAnswer:
        """Never."""
        raise Rejected("BottleCRM does not change payments.", advice="Delete it and make another one.")

    async def delete(self, key: Key) -> WriteAnswer:
        """Take a payment back; the invoice's status follows."""
        invoice, _, payment = key.partition("/")
        if is_uuid(invoice) and is_uuid(payment):
            await self.client.send("DELETE", f"{_INVOICES}{invoice}/payments/{payment}/")
        return Gone(key=key)

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """As ``Findable.find_created``, by the token in the notes."""
        invoice = str(create.fields.get("invoice") or "")
        data = await self.client.read(f"{_INVOICES}{invoice}/") if is_uuid(invoice) else None
        document = self._part(data, "invoice") if data is not None else {}
        return [
            Found(record=_record(row, document.get("currency")), certain=True)
            for row in document.get("payments") or ()
            if (match := _TOKEN.search(row.get("notes") or "")) and match[1] == create.token
        ]


def _record(row: Mapping[str, Any], currency: Any) -> Record:
    values = values_of(row, Payments.fields_of)
    values["notes"] = _TOKEN.sub("", row.get("notes") or "") or None
    values["currency"] = currency or None
    return Record(key=f"{row['invoice']}/{row['id']}", fields=values)
