"""Customer invoices: read with what is still to pay, and posted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import Create, FieldInfo, Gone, Record, Traits, Update
from isthmus.connectors.tryton.changes import Changed, Watch
from isthmus.connectors.tryton.codec import iso
from isthmus.connectors.tryton.collection import Collection, Seen, digest, identify
from isthmus.connectors.tryton.coming_back import is_credited
from isthmus.connectors.tryton.origins import Sold, refer, sold_by
from isthmus.connectors.tryton.writing import WritableCollection
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Invoices", "touched_invoices"]

_READ = (
    *("number", "reference", "description", "state", "party", "invoice_date", "_timestamp", "payment_lines"),
    *("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay", "currency.code"),
    *(f"lines.{name}" for name in ("sequence", "type", "product", "description", "quantity", "unit_price", "amount")),
    *("lines.unit.name", "lines.origin", "lines._timestamp", "lines_to_pay.maturity_date", "cancel_move.origin"),
)
_LINE = "account.invoice.line"
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
        "payment_state": FieldInfo(
            type="text", readonly=True, label="draft, open, partially_paid, paid, credited, cancelled"
        ),
        "credit_note": FieldInfo(type="boolean", readonly=True, label="Its total is below zero; empty when it is not"),
        "credits": FieldInfo(type="text", readonly=True, label="Numbers of the invoices it credits"),
        "credit_notes": FieldInfo(type="text", readonly=True, label="Numbers of posted credit notes against it"),
        "credited_amount": FieldInfo(type="decimal", readonly=True, label="Their total with tax, above zero"),
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
        """Invoices with lines, and the sales they come from: of a credit note those of the invoice it credits, of the
        bill of a return sale those that it returns."""
        rows = await self.rows(_READ, domain, limit)
        origins = {line["origin"] for row in rows for line in row["lines."]}
        sold, credited, notes = await asyncio.gather(
            sold_by(self, origins), self._credited(rows), self._credit_notes(rows)
        )
        return [self._seen(row, sold, credited, notes.get(row["id"], {})) for row in rows]

    async def _credited(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Origin of a credit note's line -> number of the invoice it credits."""
        ids = {one for row in rows for line in row["lines."] if (one := refer(_LINE, line["origin"])) is not None}
        if not ids:
            return {}
        found = await self.rows(["invoice.number"], [["id", "in", sorted(ids)]], model=_LINE)
        return {f"{_LINE},{row['id']}": number for row in found if (number := (row["invoice."] or {}).get("number"))}

    async def _credit_notes(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Decimal]]:
        """Invoice -> numbers of the posted credit notes against it, with their totals. One that credits several
        invoices counts for each by its lines, without tax; Tryton's wizard makes none such."""
        billed = {f"{_LINE},{line['id']}": int(row["id"]) for row in rows if row["number"] for line in row["lines."]}
        if not billed:
            return {}
        fields = ["origin", "amount", "invoice.number", "invoice.state", "invoice.total_amount", "invoice.lines.origin"]
        domain = [["origin", "in", sorted(billed)], ["invoice.state", "in", ["posted", "paid"]]]
        found: dict[int, dict[str, Decimal]] = {}
        for line in await self.rows(fields, domain, model=_LINE):
            note, counted = line["invoice."], found.setdefault(billed[line["origin"]], {})
            others = {one["origin"] for one in note["lines."]} - billed.keys() - {None}
            against = {billed[one["origin"]] for one in note["lines."] if one["origin"] in billed}
            if len(against) == 1 and not others:
                counted[note["number"]] = -note["total_amount"]
            else:
                counted[note["number"]] = counted.get(note["number"], Decimal(0)) - line["amount"]
        return found

    def _seen(
        self,
        row: Mapping[str, Any],
        sold: Mapping[str, Sold],
        credited: Mapping[str, str],
        notes: Mapping[str, Decimal],
    ) -> Seen:
        stamps = {f"account.invoice,{row['id']}": row["_timestamp"]}
        stamps |= {f"account.invoice.line,{line['id']}": line["_timestamp"] for line in row["lines."]}
        ordered = sorted(row["lines."], key=lambda line: (line["sequence"] is not None, line["sequence"], line["id"]))
        orders = {sold[line["origin"]].order for line in ordered if line["origin"] in sold}
        sales = [str(one) for one in sorted(orders)]
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
            "credit_note": True if row["total_amount"] < 0 else None,
            "credit_notes": ", ".join(sorted(notes)) or None,
            "credited_amount": sum(notes.values(), Decimal(0)) if notes else None,
            "credits": ", ".join(sorted({credited[one["origin"]] for one in ordered if one["origin"] in credited}))
            or None,
            "lines": [_line(line) for line in ordered if line["type"] == "line"],
            **{name: row[name] for name in ("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay")},
        }
        if row["state"] not in ("posted", "paid", "cancelled"):
            # Tryton says 0 before an invoice is posted; nothing is asked for yet, but nothing is paid either.
            fields["amount_to_pay"] = row["total_amount"]
        return Seen(Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields)), stamps)

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Invoices themselves, those whose ledger lines moved, and those that a changed credit note credits."""
        ids = await touched_invoices(self, rows)
        if not ids:
            return ids
        domain = [["invoice", "in", sorted(set(ids))], ["origin", "like", f"{_LINE},%"]]
        credited = [refer(_LINE, row["origin"]) for row in await self.rows(["origin"], domain, model=_LINE)]
        if lines := sorted({one for one in credited if one is not None}):
            found = await self.rows(["invoice"], [["id", "in", lines], ["invoice", "!=", None]], model=_LINE)
            ids += [int(row["invoice"]) for row in found]
        return ids

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
    if is_credited(row):
        return "credited"
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
