"""Payments of customer invoices: the ledger lines Tryton keeps with an invoice, made by its own payment wizard."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from isthmus.connector import Create, Cursor, FieldInfo, Found, Page, Record, Traits, Update
from isthmus.connectors.tryton.changes import Changed, Watch
from isthmus.connectors.tryton.codec import iso
from isthmus.connectors.tryton.collection import Seen, digest, identify
from isthmus.connectors.tryton.invoice import touched_invoices
from isthmus.connectors.tryton.paying import pay
from isthmus.connectors.tryton.writing import WritableCollection, after_effect, as_row
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Payments"]

_READ = (
    *("currency.code", "type"),
    *(f"payment_lines.{name}" for name in ("debit", "credit", "amount_second_currency", "date", "_timestamp")),
    *("payment_lines.move.description", "payment_lines.move.number", "payment_lines.move.journal.name"),
    "payment_lines.reconciliation",
)
_MARK = re.compile(r"\s*\(isthmus:([^)]*)\)$")
_PAGE = 500
_OUT = ["type", "=", "out"]


class Payments(WritableCollection):
    """Resource ``payment``; its key is the id of the ledger line that the payment left on the invoice."""

    name = "payment"
    model = "account.invoice"
    watch: ClassVar[Watch] = {
        "account.invoice": {},
        "account.move.line": {"move": "account.move"},
        "account.move.reconciliation": {},
    }
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "invoice": FieldInfo(type="key", target="invoice", label="Invoice"),
        "amount": FieldInfo(type="decimal", label="Amount"),
        "currency": FieldInfo(type="text", label="Currency of the invoice; cannot be another"),
        "date": FieldInfo(type="date", label="Date"),
        "description": FieldInfo(type="text", label="Description"),
        "method": FieldInfo(type="text", label="Payment method when made, journal when read"),
        "number": FieldInfo(type="text", readonly=True, label="Number of the ledger entry"),
    }
    writes = Traits(write_batch=10, idempotent_create=True, updates=False, deletable=False, concurrency=1)

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Payments of the invoices that match."""
        rows = await self.rows(_READ, [_OUT, ["payment_lines.id", "!=", None], *domain], limit)
        return [self._seen(row, line) for row in rows for line in row["payment_lines."]]

    def _seen(self, row: Mapping[str, Any], line: Mapping[str, Any]) -> Seen:
        stamps = {f"account.move.line,{line['id']}": line["_timestamp"]}
        move = line["move."]
        amount = line["credit"] - line["debit"]
        if line["amount_second_currency"] is not None:
            amount = -line["amount_second_currency"]
        fields = {
            "invoice": str(row["id"]),
            "amount": amount,
            "currency": row["currency."]["code"],
            "date": iso(line["date"]),
            "description": _MARK.sub("", move["description"] or "") or None,
            "method": move["journal."]["name"],
            "number": move["number"],
        }
        record = Record(key=str(line["id"]), fields=fields, version=digest(stamps, fields))
        return Seen(record, stamps, {"mark": _MARK.search(move["description"] or "")})

    async def seen(self, ids: Sequence[int]) -> dict[int, Seen]:
        """The payments with these keys."""
        if not ids:
            return {}
        wanted = set(ids)
        found = await self.read([["payment_lines", "in", sorted(wanted)]])
        return {key: one for one in found if (key := int(one.record.key)) in wanted}

    async def scan(self, after: Cursor | None) -> Page:
        """The payments of the next paid invoices."""
        found = await self.read([["id", ">", int(after or 0)]], _PAGE)
        invoices = sorted({int(one.record.fields["invoice"]) for one in found})
        cursor = str(invoices[-1]) if invoices else after
        return Page(items=[one.record for one in found], cursor=cursor, more=len(invoices) == _PAGE)

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Changed ledger lines (gone when they are no payment any more), and payments of changed invoices."""
        ids = identify(rows, "account.move.line")
        if invoices := sorted(set(await touched_invoices(self, rows))):
            ids += [int(one.record.key) for one in await self.read([["id", "in", invoices]])]
        return ids

    async def make(self, creates: Sequence[Create]) -> list[int | IsthmusError]:
        """One payment after the other: each moves what is left to pay."""
        outcomes: list[int | IsthmusError] = []
        for create in creates:
            try:
                outcomes.append(await self._pay(create))
            except IsthmusError as error:
                outcomes.append(error)
        return outcomes

    async def _pay(self, create: Create) -> int:
        if made := await self._by_token(create.token):
            return int(made[0].record.key)
        values = await as_row(pay(self.tryton, create.fields, f"(isthmus:{create.token})"))
        if isinstance(values, IsthmusError):
            raise values
        try:
            made = await self._by_token(create.token)
        except IsthmusError as error:
            raise after_effect(error) from error
        if not made:
            raise Rejected("Tryton's payment wizard ended without a payment.")
        return int(made[0].record.key)

    async def _by_token(self, token: str) -> list[Seen]:
        pattern = f"%(isthmus:{token})"
        found = await self.read([["payment_lines.move.description", "like", pattern]])
        return [one for one in found if one.extra["mark"] and one.extra["mark"][1] == token]

    async def plan(self, update: Update, seen: Seen) -> None:
        """Ledger entries stay as they are."""
        raise Rejected("A payment in Tryton's ledger is not changed from outside.")

    async def remove(self, keys: Sequence[int]) -> None:
        """Ledger entries stay."""
        raise Rejected("A payment in Tryton's ledger is not deleted from outside.")

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """The payment whose ledger entry carries the token in its description."""
        return [Found(record=one.record, certain=True) for one in await self._by_token(create.token)]
