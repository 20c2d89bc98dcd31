"""Sales orders: read with what was shipped and invoiced per line, made by Tryton's own defaults, confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import Create, FieldInfo, Found, Gone, Record, Traits, Update
from isthmus.connectors.tryton.changes import Changed, Watch
from isthmus.connectors.tryton.codec import date_of, iso
from isthmus.connectors.tryton.collection import Seen, digest, identify
from isthmus.connectors.tryton.coming_back import NOTHING, Back, read_back
from isthmus.connectors.tryton.ordering import Ordering, token_note
from isthmus.connectors.tryton.origins import SALE_LINE, ends, root_sales
from isthmus.connectors.tryton.refusals import CREDIT_LIMIT
from isthmus.connectors.tryton.saleline import LINE_FIELDS, read_line
from isthmus.connectors.tryton.writing import WritableCollection
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Sales"]

_READ = (
    *("number", "reference", "description", "comment", "state", "party", "sale_date", "shipping_date", "_timestamp"),
    *("invoice_address", "shipment_address", "untaxed_amount", "tax_amount", "total_amount"),
    *("shipment_state", "invoice_state", "shipments", "invoices"),
    *("currency.code", "currency.digits", "payment_term.name"),
    *LINE_FIELDS,
)
_CONFIRMED = frozenset({"confirmed", "processing", "done"})
_CANCELLABLE = frozenset({"draft", "quotation"})
_WHY = "Cancelled by Isthmus: "
"""Before the reason, in the comment: Tryton has no place for it, and what people wrote there stays."""


class Sales(WritableCollection):
    """Resource ``sale``."""

    name = "sale"
    model = "sale.sale"
    watch: ClassVar[Watch] = {
        "sale.sale": {},
        "sale.line": {"sale": "sale.sale"},
        "stock.move": {},
        "stock.shipment.out": {},
        "stock.shipment.out.return": {},
        "account.invoice": {},
    }
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "number": FieldInfo(type="text", readonly=True, label="Number"),
        "reference": FieldInfo(type="text", label="Reference"),
        "party": FieldInfo(type="key", target="party", label="Party"),
        "state": FieldInfo(type="text", readonly=True, label="State"),
        "confirmed": FieldInfo(type="boolean", label="Confirmed, processing or done"),
        "cancelled": FieldInfo(type="boolean", label="Cancelled; can be asked for before it is processed"),
        "cancel_reason": FieldInfo(type="text", label="Why it was cancelled from outside, at the end of the comment"),
        "over_limit": FieldInfo(type="boolean", label="May be confirmed beyond the credit limit"),
        "sale_date": FieldInfo(type="date", label="Sale Date"),
        "shipping_date": FieldInfo(type="date", label="Shipping Date"),
        "currency": FieldInfo(type="text", label="Currency"),
        "payment_term": FieldInfo(type="text", label="Payment Term"),
        "description": FieldInfo(type="text", label="Description"),
        "comment": FieldInfo(type="text", label="Comment"),
        "invoice_address": FieldInfo(type="text", readonly=True, label="Id of the invoice address"),
        "shipment_address": FieldInfo(type="text", readonly=True, label="Id of the shipment address"),
        "lines": FieldInfo(type="list", label="Lines"),
        "untaxed_amount": FieldInfo(type="decimal", readonly=True, label="Untaxed"),
        "tax_amount": FieldInfo(type="decimal", readonly=True, label="Tax"),
        "total_amount": FieldInfo(type="decimal", readonly=True, label="Total"),
        "discount_amount": FieldInfo(type="decimal", readonly=True, label="Discount over all lines"),
        "shipment_state": FieldInfo(type="text", readonly=True, label="Shipment State"),
        "invoice_state": FieldInfo(type="text", readonly=True, label="Invoice State"),
        "shipments": FieldInfo(type="list", readonly=True, target="shipment", label="Shipments"),
        "invoices": FieldInfo(type="list", readonly=True, target="invoice", label="Invoices"),
    }
    writes = Traits(write_batch=20, guarded_writes=True, idempotent_create=True, concurrency=2)

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Sales with lines, moves and invoice lines in one call, and what came back of them."""
        fields = [name for name in _READ if name != "lines.base_price" or self.tryton.has("sale_discount")]
        rows = await self.rows(fields, domain, limit)
        back = await read_back(self, rows)
        return [self._seen(row, back) for row in rows]

    def _seen(self, row: Mapping[str, Any], back: Mapping[int, Back]) -> Seen:
        stamps = {f"sale.sale,{row['id']}": row["_timestamp"]}
        for line in row["lines."]:
            stamps[f"sale.line,{line['id']}"] = line["_timestamp"]
        ended = row["state"] in ("done", "cancelled")
        ordered = sorted(row["lines."], key=lambda line: (line["sequence"] is not None, line["sequence"], line["id"]))
        lines = [
            read_line(line, back.get(line["id"], NOTHING), ended=ended) for line in ordered if line["type"] == "line"
        ]
        cent = Decimal(1).scaleb(-int(row["currency."]["digits"]))
        discount = sum(((line["base_price"] - line["unit_price"]) * line["quantity"] for line in lines), Decimal(0))
        fields: dict[str, Any] = {
            "number": row["number"],
            "reference": row["reference"],
            "party": str(row["party"]),
            "state": row["state"],
            "confirmed": row["state"] in _CONFIRMED,
            "cancelled": row["state"] == "cancelled",
            "cancel_reason": (row["comment"] or "").partition(_WHY)[2] or None,
            "sale_date": iso(row["sale_date"]),
            "shipping_date": iso(row["shipping_date"]),
            "currency": row["currency."]["code"],
            "payment_term": (row["payment_term."] or {}).get("name"),
            "description": row["description"],
            "comment": row["comment"],
            "invoice_address": _key(row["invoice_address"]),
            "shipment_address": _key(row["shipment_address"]),
            "lines": lines,
            **{name: row[name] for name in ("untaxed_amount", "tax_amount", "total_amount")},
            "discount_amount": discount.quantize(cent),
            "shipment_state": row["shipment_state"],
            "invoice_state": row["invoice_state"],
            "shipments": [str(one) for one in sorted(row["shipments"])],
            "invoices": [str(one) for one in sorted(row["invoices"])],
        }
        if row["state"] not in _CONFIRMED:
            # Tryton keeps no such thing: it is said when a sale is confirmed, and is no matter afterwards.
            fields["over_limit"] = None
        return Seen(Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields)), stamps)

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Sales themselves, and those whose goods moved or came back, or were invoiced or credited."""
        ids = identify(rows, self.model)
        origins: set[str | None] = set()
        if moves := list(set(identify(rows, "stock.move"))):
            origins |= {row["origin"] for row in await self.rows(["origin"], [["id", "in", moves]], model="stock.move")}
        if invoices := list(set(identify(rows, "account.invoice"))):
            # A credit note is a bill of what it credits only by its lines.
            domain = [["invoice", "in", invoices], ["origin", "!=", None]]
            found = await self.rows(["origin"], domain, model="account.invoice.line")
            origins |= {row["origin"] for row in found}
        if lines := set((await ends(self, origins)).values()):
            ids += [
                int(row["sale"]) for row in await self.rows(["sale"], [["id", "in", sorted(lines)]], model=SALE_LINE)
            ]
        for model, field in (("stock.shipment.out", "shipments"), ("stock.shipment.out.return", "shipment_returns")):
            if shipments := list(set(identify(rows, model))):
                ids += [int(row["id"]) for row in await self.rows(["id"], [[f"{field}.id", "in", shipments]])]
        if not ids:
            return ids
        known = {row["id"]: row["origin"] for row in await self.rows(["origin"], [["id", "in", sorted(set(ids))]])}
        return [*ids, *(await root_sales(self, known)).values()]

    async def make(self, creates: Sequence[Create]) -> list[int | IsthmusError]:
        """Drafts by Tryton's own defaults; a create whose token is there already answers the sale it made."""
        there = await self._by_token([create.token for create in creates])
        ordering = Ordering(self.tryton)
        fresh = list({create.token: create for create in creates if create.token not in there}.values())
        made = await self.make_rows(fresh, lambda create: ordering.values(create.fields, create.token))
        outcomes = dict(zip((create.token for create in fresh), made, strict=True)) | there
        if self.tryton.config.quote_orders:
            await self.press("quote", {key: {} for key in made if isinstance(key, int)})
        return [outcomes[create.token] for create in creates]

    async def _by_token(self, tokens: Sequence[str]) -> dict[str, int]:
        notes = {token_note(token): token for token in tokens}
        found = await self.rows(["sale", "note"], [["note", "in", list(notes)]], model="sale.line")
        return {notes[row["note"]]: int(row["sale"]) for row in found}

    async def plan(self, update: Update, seen: Seen) -> tuple[int, dict[str, Any]] | None:
        """Values of the sale; its confirmation is done afterwards."""
        values: dict[str, Any] = {}
        for field, value in update.fields.items():
            match field:
                case "reference" | "description" | "comment":
                    values[field] = value or None
                case "sale_date" | "shipping_date":
                    values[field] = date_of(value)
                case "payment_term":
                    values["payment_term"] = await self.tryton.names.optional(
                        "account.invoice.payment_term", "name", value, ours=field, what="payment term"
                    )
                case "lines":
                    values["lines"] = await Ordering(self.tryton).changed_lines(int(update.key), value, seen.record)
                case "over_limit":
                    pass  # Heeded when it is confirmed.
                case "cancelled":
                    _check_cancelling(bool(value), seen.record.fields)
                case "cancel_reason":
                    if value == seen.record.fields["cancel_reason"]:
                        continue
                    kept = (seen.record.fields["comment"] or "").partition(_WHY)[0].rstrip()
                    values["comment"] = "\n\n".join(filter(None, [kept, f"{_WHY}{value}" if value else ""])) or None
                case "confirmed" if value or not seen.record.fields["confirmed"]:
                    pass
                case "confirmed":
                    raise Rejected("A confirmed sale is not taken back from outside Tryton.", field="confirmed")
                case _:
                    raise Rejected(f"The field '{field}' of a sale cannot be changed.", field=field)
        return (int(update.key), values) if values else None

    async def change(self, updates: Sequence[tuple[int, Update]]) -> dict[int, int | Gone | IsthmusError]:
        """Fields first, then the confirmations that were asked for; those that may exceed the credit limit apart,
        so that no other passes with them."""
        outcomes, writes = await super().change(updates), dict(updates)
        asked = {
            outcome: at
            for at, update in updates
            if isinstance(outcome := outcomes[at], int) and update.fields.get("confirmed")
        }
        released = {key for key, at in asked.items() if writes[at].fields.get("over_limit")}
        found = await self.seen_after(list(asked), outcomes, asked)
        for button, states in (("quote", ("draft",)), ("confirm", ("draft", "quotation"))):
            stamps = {key: one.stamps for key, one in found.items() if one.record.fields["state"] in states}
            for accept, keys in (((), set(stamps) - released), ((CREDIT_LIMIT,), set(stamps) & released)):
                failed = await self.press(button, {key: stamps[key] for key in keys}, accept)
                for key, error in failed.items():
                    outcomes[asked[key]] = error
                    del found[key]
            if button == "quote" and stamps:
                found = await self.seen_after(list(found), outcomes, asked)
        await self._cancel(writes, outcomes)
        return outcomes

    async def _cancel(self, writes: Mapping[int, Update], outcomes: dict[int, int | Gone | IsthmusError]) -> None:
        """Cancel those that are to be, and are not yet."""
        asked = {
            outcome: at
            for at, update in writes.items()
            if isinstance(outcome := outcomes[at], int) and update.fields.get("cancelled")
        }
        found = await self.seen_after(list(asked), outcomes, asked) if asked else {}
        stamps = {key: one.stamps for key, one in found.items() if one.record.fields["state"] in _CANCELLABLE}
        for key, error in (await self.press("cancel", stamps)).items():
            outcomes[asked[key]] = error

    async def remove(self, keys: Sequence[int]) -> None:
        """Cancel, then delete: Tryton deletes no sale that is under way."""
        await self.tryton.rpc.call("model.sale.sale.cancel", list(keys), safe=False)
        await self.tryton.rpc.call("model.sale.sale.delete", list(keys), safe=False)

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """The sale whose line carries the token; it stays there as long as the line. It is quoted in a call of its own,
        and confirmed by an update: after a kill in between it is only a draft."""
        keys = list((await self._by_token([create.token])).values())
        users = {int(row["id"]): row for row in await self.rows(["create_uid", "write_uid"], [["id", "in", keys]])}
        return [
            Found(
                record=one.record,
                certain=True,
                untouched=users[key]["write_uid"] in (None, users[key]["create_uid"]),
            )
            for key, one in (await self.seen([key for key in keys if key in users])).items()
        ]


def _check_cancelling(wanted: bool, sale: Mapping[str, Any]) -> None:
    """Raise ``Rejected`` when Tryton's people have to do it themselves."""
    if wanted and sale["state"] not in (*_CANCELLABLE, "cancelled"):
        raise Rejected(
            f"The sale {sale['number']} is {sale['state']} in Tryton, and is not cancelled from outside any more.",
            field="cancelled",
            advice="Cancel its shipments and invoices in Tryton, or let it be delivered.",
        )
    if not wanted and sale["cancelled"]:
        raise Rejected("A cancelled sale is not opened again from outside Tryton.", field="cancelled")


def _key(identity: int | None) -> str | None:
    return None if identity is None else str(identity)
