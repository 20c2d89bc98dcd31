"""The twin's estimates and invoices, their lines and payments, and the lines of deals: sums and states as BottleCRM
computes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from isthmus.connectors.bottlecrm.lines import net
from isthmus.connectors.bottlecrm.twin_rules import LINE, MODELS, Refused, cents, clean

if TYPE_CHECKING:
    from isthmus.connectors.bottlecrm.twin import BottleCrmTwin

__all__ = ["TwinDocuments"]

type Row = dict[str, Any]
_LOCKED = ("line_items", "currency", "tax_rate", "discount_type", "discount_value", "shipping_amount")
_HIDDEN_IN_LISTS = ("line_items", "payments", "custom_fields", "updated_at", "tax_amount", "tax_rate", "subtotal")


class TwinDocuments:
    """The document side of a twin."""

    def __init__(self, twin: BottleCrmTwin) -> None:
        self._twin = twin

    def routes(self, router: web.UrlDispatcher) -> None:
        """Add the endpoints of lines, payments and states."""
        lines = "/api/{of:opportunities|invoices}/{id}/line-items/"
        router.add_post(lines, self._add_line)
        router.add_put(lines + "{line}/", self._change_line)
        router.add_delete(lines + "{line}/", self._drop_line)
        payments = "/api/invoices/{id}/payments/"
        router.add_get(payments, self._payments)
        router.add_post(payments, self._pay)
        router.add_delete(payments + "{payment}/", self._unpay)
        router.add_post("/api/invoices/{id}/{step:send|cancel}/", self._move)
        router.add_post("/api/invoices/estimates/{id}/send/", self._send_estimate)
        router.add_post("/api/public/estimate/{id}/accept/", self._accept)

    # documents

    def create(self, name: str, values: Row, body: Mapping[str, Any]) -> Row:
        """A new draft with its lines."""
        given = body.get("line_items") or []
        lines = [self._line({}, {"order": at, **line}) for at, line in enumerate(given)]
        self._check_contact(values)
        count = sum(1 for _ in self._twin.rows[name]) + 1
        number = f"{name[:3].upper()}-{self._twin.now()[:10].replace('-', '')}-{count:04d}"
        row = {f"{name}_number": number, "status": "Draft", **values, "line_items": lines}
        row |= {"public_token": uuid4().hex} | ({"amount_paid": "0.00"} if name == "invoice" else {})
        stored = self._twin.add(name, row)
        _sum_up(stored)
        return stored

    def update(self, row: Row, values: Row, body: Mapping[str, Any]) -> None:
        """Change a document; amounts only of a draft."""
        _refuse_issued(
            row, {name for name in _LOCKED if name in body and (name not in row or row[name] != values.get(name))}
        )
        if "line_items" in body:
            row["line_items"] = [self._line({}, {"order": at, **line}) for at, line in enumerate(body["line_items"])]
        row.update(values)
        if row["status"] == "Draft":
            _sum_up(row)

    def shown(self, name: str, row: Row, *, short: bool) -> Row:
        """A document as the API gives it."""
        shown = dict(row)
        if short:
            for field in _HIDDEN_IN_LISTS:
                shown.pop(field, None)
            return shown
        for field in ("account", "contact", "opportunity"):
            held = self._twin.rows[field].get(row.get(field) or "")
            shown[field] = {"id": row[field], "name": held.get("name")} if held else None
        if name == "invoice":
            shown["payments"] = self._payments_of(row["id"])
        return shown

    def _check_contact(self, values: Row) -> None:
        contact = self._twin.rows["contact"][values["contact"]]
        if contact.get("account") and contact["account"] != values["account"]:
            text = "Contact does not belong to the selected account"
            raise Refused(400, {"error": True, "errors": {"contact_id": [text]}})

    # lines

    def _holder(self, request: web.Request) -> tuple[str, Row]:
        name = "opportunity" if request.match_info["of"] == "opportunities" else "invoice"
        row = self._twin.get(name, request.match_info["id"])
        if name == "invoice":
            _refuse_issued(row, {"line_items"}, plain=True)
        return name, row

    def _line(self, old: Row, body: Mapping[str, Any]) -> Row:
        given = {("product" if name == "product_id" else name): value for name, value in body.items()}
        values = clean(LINE, given, partial=bool(old), today="")
        line = {"id": str(uuid4()), **old, **values}
        product = self._twin.rows["product"].get(line.get("product") or "")
        if line.get("product") and product is None:
            raise Refused(400, {"error": True, "errors": {"product": ["Product not found"]}})
        if product is not None:
            line["name"] = line["name"] or product["name"]
        if Decimal(line["quantity"]) <= 0:
            raise Refused(400, {"error": True, "errors": {"quantity": ["Quantity must be more than zero."]}})
        gross, amount = Decimal(line["quantity"]) * Decimal(line["unit_price"]), net(line)
        sums = {"subtotal": cents(gross), "discount_amount": cents(gross - amount), "net_amount": cents(amount)}
        return line | sums | {"total": cents(amount), "tax_amount": "0.00"}

    async def _add_line(self, request: web.Request) -> web.Response:
        name, row = self._holder(request)
        row.setdefault("line_items", []).append(self._line({}, await request.json()))
        return self._lines_changed(name, row, 201)

    async def _change_line(self, request: web.Request) -> web.Response:
        name, row = self._holder(request)
        old = self._find_line(row, request)
        row["line_items"][row["line_items"].index(old)] = self._line(old, await request.json())
        return self._lines_changed(name, row, 200)

    async def _drop_line(self, request: web.Request) -> web.Response:
        name, row = self._holder(request)
        row["line_items"].remove(self._find_line(row, request))
        return self._lines_changed(name, row, 200)

    @staticmethod
    def _find_line(row: Row, request: web.Request) -> Row:
        for line in row.get("line_items", ()):
            if line["id"] == request.match_info["line"]:
                assert isinstance(line, dict)
                return line
        raise Refused(404, {"error": True, "message": "Line item not found"})

    def _lines_changed(self, name: str, row: Row, status: int) -> web.Response:
        row["line_items"].sort(key=lambda line: int(line["order"]))
        if name == "invoice":
            _sum_up(row)
        else:
            row["amount"] = cents(sum((net(line) for line in row["line_items"]), Decimal(0)))
        self._twin.changed(name, row)
        return web.json_response({"error": False, "message": "Line item saved"}, status=status)

    # payments and states

    def _payments_of(self, invoice: str) -> list[Row]:
        return [row for row in self._twin.rows["payment"].values() if row["invoice"] == invoice]

    async def _payments(self, request: web.Request) -> web.Response:
        row = self._twin.get("invoice", request.match_info["id"])
        return web.json_response(self._payments_of(row["id"]))

    async def _pay(self, request: web.Request) -> web.Response:
        row = self._twin.get("invoice", request.match_info["id"])
        values = clean(MODELS["payment"], await request.json(), partial=False, today="")
        if row["status"] == "Cancelled":
            text = "Cannot record a payment against a cancelled invoice."
            raise Refused(400, {"error": True, "errors": {"non_field_errors": [text]}})
        if Decimal(values["amount"]) <= 0:
            raise Refused(400, {"error": True, "errors": {"amount": ["Payment amount must be greater than zero."]}})
        if Decimal(values["amount"]) > Decimal(row["amount_due"]):
            text = f"Payment amount exceeds the amount due ({row['amount_due']})."
            raise Refused(400, {"error": True, "errors": {"amount": [text]}})
        payment = self._twin.add("payment", {"invoice": row["id"], **values})
        self._settle(row)
        answer = {"error": False, "message": "Payment recorded", "payment": payment, "invoice": row}
        return web.json_response(answer, status=201)

    async def _unpay(self, request: web.Request) -> web.Response:
        row = self._twin.get("invoice", request.match_info["id"])
        if self._twin.rows["payment"].pop(request.match_info["payment"], None) is None:
            raise Refused(404, {"error": True, "message": "Payment not found"})
        self._settle(row)
        return web.json_response({"error": False, "message": "Payment deleted"})

    def _settle(self, row: Row) -> None:
        paid = sum((Decimal(each["amount"]) for each in self._payments_of(row["id"])), Decimal(0))
        due = Decimal(row["total_amount"]) - paid
        row |= {"amount_paid": cents(paid), "amount_due": cents(due)}
        row["status"] = "Paid" if due <= 0 else "Partially_Paid" if paid else "Draft"
        self._twin.changed("invoice", row)

    async def _move(self, request: web.Request) -> web.Response:
        row, step = self._twin.get("invoice", request.match_info["id"]), request.match_info["step"]
        if row["status"] in ("Paid", "Cancelled"):
            raise Refused(400, {"error": True, "message": f"Cannot {step} a {row['status'].lower()} invoice"})
        if step == "cancel":
            row["status"] = "Cancelled"
        elif row["status"] == "Draft":
            row["status"] = "Sent"
        self._twin.changed("invoice", row)
        return web.json_response({"error": False, "message": f"Invoice {step} done"})

    async def _send_estimate(self, request: web.Request) -> web.Response:
        row = self._twin.get("estimate", request.match_info["id"])
        if row["status"] in ("Accepted", "Declined", "Expired"):
            raise Refused(400, {"error": True, "message": f"Cannot send a {row['status'].lower()} estimate"})
        row["status"] = "Sent"
        self._twin.changed("estimate", row)
        return web.json_response({"error": False, "message": "Estimate sent successfully"})

    async def _accept(self, request: web.Request) -> web.Response:
        """What the customer does in the portal, with the document's own token."""
        token = request.match_info["id"]
        row = next((row for row in self._twin.rows["estimate"].values() if row["public_token"] == token), None)
        if row is None or not re.fullmatch("Sent|Viewed", row["status"]):
            raise Refused(400, {"error": True, "message": "Estimate cannot be accepted in current state"})
        row["status"] = "Accepted"
        self._twin.changed("estimate", row)
        return web.json_response({"error": False, "message": "Estimate accepted successfully"})


def _refuse_issued(row: Row, fields: set[str], *, plain: bool = False) -> None:
    if row["status"] == "Draft" or not fields:
        return
    status = row["status"].replace("_", " ")
    text = f"This invoice is {status}. Its lines and amounts can only be changed while it is a Draft."
    body = {"message": text} if plain else {"errors": {name: [text] for name in sorted(fields)}}
    raise Refused(400, {"error": True, **body})


def _sum_up(row: Row) -> None:
    """Totals of a draft: the tax is the document's rate on its lines less its discount."""
    subtotal = sum((net(line) for line in row["line_items"]), Decimal(0))
    off = Decimal(row["discount_value"])
    discount = subtotal * off / 100 if row["discount_type"] == "PERCENTAGE" else min(off, subtotal)
    taxable = subtotal - discount
    tax = taxable * Decimal(row["tax_rate"]) / 100
    total = taxable + tax + Decimal(row.get("shipping_amount") or 0)
    row |= {"subtotal": cents(subtotal), "discount_amount": cents(discount), "tax_amount": cents(tax)}
    row["total_amount"] = cents(total)
    if "amount_paid" in row:
        row["amount_due"] = cents(total - Decimal(row["amount_paid"]))
