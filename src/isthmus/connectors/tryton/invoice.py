"""Customer invoices: read with what is still to pay, and posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import Create, FieldInfo, Gone, Record, Traits, Update
from isthmus.connectors.tryton.changes import Changed, Watch
from isthmus.connectors.tryton.codec import iso
from isthmus.connectors.tryton.collection import Collection, Seen, digest, identify
from isthmus.connectors.tryton.writing import WritableCollection
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Invoices", "touched_invoices"]

_READ = (
    *("number", "reference", "description", "state", "party", "sales", "invoice_date", "_timestamp", "payment_lines"),
    *("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay", "currency.code"),
    *(f"lines.{name}" for name in ("sequence", "type", "product", "description", "quantity", "unit_price", "amount")),
    *("lines.unit.name", "lines._timestamp", "lines_to_pay.maturity_date"),
)
_WATCH: Watch = {
    "account.invoice": {},
    "account.move.line": {"move": "account.move"},
    "account.move.reconciliation": {},
}


class Invoices(WritableCollection):
    """Resource ``invoice``."""

    name = "invoice"
    model = "account.invoice"
    domain: ClassVar[Sequence[Any]] = (["type", "=", "out"],)
    watch: ClassVar[Watch] = _WATCH
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "number": FieldInfo(type="text", readonly=True, label="Number"),
        "reference": FieldInfo(type="text", readonly=True, label="Reference"),
        "description": FieldInfo(type="text", readonly=True, label="Description"),
        "party": FieldInfo(type="key", target="party", readonly=True, label="Party"),
        "sale": FieldInfo(type="key", target="sale", readonly=True, label="First of the sales"),
        "sales": FieldInfo(type="list", target="sale", readonly=True, label="Sales"),
        "state": FieldInfo(type="text", readonly=True, label="State"),
        "posted": FieldInfo(type="boolean", label="Posted or paid"),
        "payment_state": FieldInfo(type="text", readonly=True, label="draft, open, partially_paid, paid, cancelled"),
        "invoice_date": FieldInfo(type="date", readonly=True, label="Invoice Date"),
        "due_date": FieldInfo(type="date", readonly=True, label="Earliest maturity"),
        "currency": FieldInfo(type="text", readonly=True, label="Currency"),
        "lines": FieldInfo(type="list", readonly=True, label="Lines"),
        "untaxed_amount": FieldInfo(type="decimal", readonly=True, label="Untaxed"),
        "tax_amount": FieldInfo(type="decimal", readonly=True, label="Tax"),
        "total_amount": FieldInfo(type="decimal", readonly=True, label="Total"),
        "amount_to_pay": FieldInfo(type="decimal", readonly=True, label="Amount to Pay"),
    }
    writes = Traits(write_batch=20, guarded_writes=True, creates=False, deletable=False, concurrency=2)

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Invoices with lines, in one call."""
        return [self._seen(row) for row in await self.rows(_READ, domain, limit)]

    def _seen(self, row: Mapping[str, Any]) -> Seen:
        stamps = {f"account.invoice,{row['id']}": row["_timestamp"]}
        stamps |= {f"account.invoice.line,{line['id']}": line["_timestamp"] for line in row["lines."]}
        ordered = sorted(row["lines."], key=lambda line: (line["sequence"] is not None, line["sequence"], line["id"]))
        sales = [str(one) for one in sorted(row["sales"])]
        due = [line["maturity_date"] for line in row["lines_to_pay."] if line["maturity_date"]]
        fields: dict[str, Any] = {
            "number": row["number"],
            "reference": row["reference"],
            "description": row["description"],
            "party": str(row["party"]),
            "sale": sales[0] if sales else None,
            "sales": sales,
            "state": row["state"],
            "posted": row["state"] in ("posted", "paid"),
            "payment_state": _payment_state(row),
            "invoice_date": iso(row["invoice_date"]),
            "due_date": iso(min(due, default=None)),
            "currency": row["currency."]["code"],
            "lines": [_line(line) for line in ordered if line["type"] == "line"],
            **{name: row[name] for name in ("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay")},
        }
        if row["state"] not in ("posted", "paid", "cancelled"):
            # Tryton says 0 before an invoice is posted; nothing is asked for yet, but nothing is paid either.
            fields["amount_to_pay"] = row["total_amount"]
        return Seen(Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields)), stamps)

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Invoices themselves, and those whose ledger lines moved."""
        return await touched_invoices(self, rows)

    async def make(self, creates: Sequence[Create]) -> list[int | IsthmusError]:
        """Invoices come from sales."""
        return [Rejected("Invoices are made by Tryton from sales.") for _ in creates]

    async def remove(self, keys: Sequence[int]) -> None:
        """Invoices are cancelled or credited by people."""
        raise Rejected("Invoices are not deleted from outside Tryton.")

    async def plan(self, update: Update, seen: Seen) -> None:
        """Only posting can be asked for; it is done afterwards."""
        for field, value in update.fields.items():
            if field != "posted":
                raise Rejected(f"The field '{field}' of an invoice cannot be changed.", field=field)
            if not value and seen.record.fields["posted"]:
                raise Rejected("A posted invoice is not taken back from outside Tryton.", field="posted")

    async def change(self, updates: Sequence[tuple[int, Update]]) -> dict[int, int | Gone | IsthmusError]:
        """Post the invoices that were asked for and are not posted yet."""
        outcomes = await super().change(updates)
        asked = {
            outcome: at
            for at, update in updates
            if isinstance(outcome := outcomes[at], int) and update.fields.get("posted")
        }
        found = await self.seen_after(list(asked), outcomes, asked)
        stamps = {key: one.stamps for key, one in found.items() if not one.record.fields["posted"]}
        for key, error in (await self.press("post", stamps)).items():
            outcomes[asked[key]] = error
        return outcomes


async def touched_invoices(collection: Collection, rows: Sequence[Changed]) -> list[int]:
    """Ids of customer invoices that changed ledger lines belong to, besides those changed themselves."""
    ids = identify(rows, "account.invoice")
    moves = list(set(identify(rows, "account.move")))
    lines = list(set(identify(rows, "account.move.line")))
    if moves or lines:
        domain = [
            *Invoices.domain,
            ["OR", ["move", "in", moves], ["payment_lines.move", "in", moves], ["payment_lines", "in", lines]],
        ]
        ids += [int(row["id"]) for row in await collection.rows(["id"], domain, model="account.invoice")]
    return ids


def _payment_state(row: Mapping[str, Any]) -> str:
    if row["state"] in ("draft", "validated"):
        return "draft"
    if row["state"] != "posted":
        return str(row["state"])
    return "partially_paid" if row["payment_lines"] else "open"


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(line["id"]),
        "product": None if line["product"] is None else str(line["product"]),
        "description": line["description"],
        "quantity": Decimal(str(line["quantity"] or 0)),
        "unit": (line["unit."] or {}).get("name"),
        "unit_price": line["unit_price"],
        "amount": line["amount"],
    }
