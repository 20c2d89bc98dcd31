"""What the twin's documents do: prices, orders, shipments, invoices, payments."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from isthmus.connectors.tryton.twin_models import Computed
from isthmus.connectors.tryton.twin_store import Refused, Store

__all__ = ["COMPUTED", "Business", "warning_name"]

type Row = dict[str, Any]
type Context = Mapping[str, Any]

_CENT = Decimal("0.01")
_TAX = Decimal("0.19")
_FACTOR = re.compile(r"unit_price \* (\d+(?:\.\d+)?)$")


def _template(name: str) -> Computed:
    return lambda store, row, context: store.row("product.template", row["template"])[name]


def _code(store: Store, row: Row, context: Context) -> str | None:
    return (store.row("product.template", row["template"])["code"] or "") + (row["suffix_code"] or "") or None


def _list_price(store: Store, row: Row, context: Context) -> Decimal | None:
    shared: Decimal | None = store.row("product.template", row["template"])["list_price"]
    return shared if row["list_price"] is None else row["list_price"]


def _sale_price(store: Store, row: Row, context: Context) -> Decimal | None:
    price = _list_price(store, row, context)
    price_list = context.get("price_list")
    if not price_list or price is None:
        return price
    lines = store.search("product.price_list.line", [["price_list", "=", price_list]], context)
    for line in sorted(lines, key=lambda one: (one["sequence"] or 0, one["id"])):
        if float(context.get("quantity") or 0) >= (line["quantity"] or 0):
            found = _FACTOR.search(line["formula"])
            if not found:
                raise Refused("UserError", f"Invalid formula {line['formula']}.", "", None)
            return (price * Decimal(found[1])).quantize(Decimal("0.0001"))
    return None


def _amount(store: Store, row: Row, context: Context) -> Decimal:
    return (Decimal(str(row["quantity"] or 0)) * (row["unit_price"] or Decimal(0))).quantize(_CENT)


def _untaxed(model: str) -> Computed:
    def total(store: Store, row: Row, context: Context) -> Decimal:
        lines = [store.row(model, one) for one in store.value(_PARENT[model], row, "lines", context)]
        return sum((_amount(store, line, context) for line in lines), Decimal(0))

    return total


_PARENT = {"sale.line": "sale.sale", "account.invoice.line": "account.invoice"}


def _tax(model: str) -> Computed:
    return lambda store, row, context: (_untaxed(model)(store, row, context) * _TAX).quantize(_CENT)


def _total(model: str) -> Computed:
    return lambda store, row, context: _untaxed(model)(store, row, context) + _tax(model)(store, row, context)


def _to_pay(store: Store, row: Row, context: Context) -> Decimal:
    if row["state"] != "posted":
        return Decimal(0)
    paid = sum((store.row("account.move.line", one)["credit"] for one in row["payment_lines"]), Decimal(0))
    total: Decimal = _total("account.invoice.line")(store, row, context)
    return total - paid


def _shipments(model: str) -> Computed:
    def ids(store: Store, row: Row, context: Context) -> list[int]:
        origins = [f"sale.line,{one}" for one in store.value("sale.sale", row, "lines", context)]
        moves = store.search("stock.move", [["origin", "in", origins]], context)
        places = [str(move["shipment"] or "").partition(",") for move in moves]
        return sorted({int(identity) for of, _, identity in places if of == model})

    return ids


def _invoices(store: Store, row: Row, context: Context) -> list[int]:
    origins = [f"sale.line,{one}" for one in store.value("sale.sale", row, "lines", context)]
    lines = store.search("account.invoice.line", [["origin", "in", origins]], context)
    return sorted({int(line["invoice"]) for line in lines})


def _sales(store: Store, row: Row, context: Context) -> list[int]:
    found = [store.row("account.invoice.line", one) for one in store.value("account.invoice", row, "lines", context)]
    origins = [str(line["origin"] or "").partition(",") for line in found]
    lines = [int(identity) for model, _, identity in origins if model == "sale.line"]
    return sorted({int(store.row("sale.line", line)["sale"]) for line in lines})


def _credit(store: Store, row: Row, context: Context) -> Decimal:
    invoices = store.search("account.invoice", [["party", "=", row["id"]]], context)
    return sum((_to_pay(store, invoice, context) for invoice in invoices), Decimal(0))


def _movable(store: Store, row: Row, context: Context) -> bool:
    return bool(row["product"]) and (
        _template("type")(store, store.row("product.product", row["product"]), context) != "service"
    )


COMPUTED: Mapping[tuple[str, str], Computed] = {
    **{("product.product", name): _template(name) for name in ("name", "type", "default_uom")},
    ("product.product", "code"): _code,
    ("product.product", "list_price_used"): _list_price,
    ("product.product", "sale_price_uom"): _sale_price,
    ("party.party", "credit_amount"): _credit,
    ("sale.line", "amount"): _amount,
    ("sale.line", "movable"): _movable,
    ("account.invoice.line", "amount"): _amount,
    ("sale.sale", "untaxed_amount"): _untaxed("sale.line"),
    ("sale.sale", "tax_amount"): _tax("sale.line"),
    ("sale.sale", "total_amount"): _total("sale.line"),
    ("sale.sale", "shipments"): _shipments("stock.shipment.out"),
    ("sale.sale", "shipment_returns"): _shipments("stock.shipment.out.return"),
    ("sale.sale", "invoices"): _invoices,
    ("account.invoice", "untaxed_amount"): _untaxed("account.invoice.line"),
    ("account.invoice", "tax_amount"): _tax("account.invoice.line"),
    ("account.invoice", "total_amount"): _total("account.invoice.line"),
    ("account.invoice", "amount_to_pay"): _to_pay,
    ("account.invoice", "sales"): _sales,
}


def warning_name(kind: str, record: str) -> str:
    """What Tryton calls a warning about a record."""
    return f"{hashlib.md5(record.encode(), usedforsecurity=False).hexdigest()}.{kind}"


class Business:
    """Buttons, defaults and the payment wizard over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.skipped: set[str] = set()
        """Names of warnings that were confirmed."""

    def check(self, model: str, values: Mapping[str, Any]) -> None:
        """Refuse what Tryton refuses of a new or changed row."""
        for command in values.get("identifiers") or ():
            for one in command[-1] if command[0] == "create" else [command[-1]]:
                if isinstance(one, dict) and one.get("type") == "eu_vat" and one.get("code", "")[:2] == "XX":
                    text = f'The European VAT Number "{one["code"]}" for party "{values.get("name")}" is not valid.'
                    raise Refused("UserError", text, "", None)
        if model == "product.template" and values.get("code"):
            same = self._store.search(model, [["code", "=", values["code"]]], {})
            if any(row["active"] for row in same):
                raise Refused("UserError", "Code of active product must be unique.", "", None)

    def sale_on_change(self, values: Mapping[str, Any]) -> Row:
        """What the party decides in a new sale."""
        party = self._store.row("party.party", values["party"])
        addresses = self._store.value("party.party", party, "addresses", {})
        first = addresses[0] if addresses else None
        return {
            **{name: value for name, value in values.items() if name != "lines"},
            "payment_term": party["customer_payment_term"],
            "price_list": party["sale_price_list"],
            "invoice_address": first,
            "shipment_address": first,
        }

    def line_on_change(self, values: Mapping[str, Any]) -> Row:
        """What product and quantity decide in a line."""
        product = self._store.row("product.product", values["product"])
        context = {"price_list": values.get("_parent_sale.price_list"), "quantity": values["quantity"]}
        template = self._store.row("product.template", product["template"])
        return {
            "unit": values.get("unit") or template["sale_uom"],
            "unit_price": _sale_price(self._store, product, context),
            "base_price": _list_price(self._store, product, context),
            "taxes": {"add": [[0, {"id": 1}]]},
        }

    def press(self, model: str, button: str, ids: list[int]) -> None:
        """A button on some records."""
        for identity in ids:
            row = self._store.row(model, identity)
            match (model, button, row["state"]):
                case ("sale.sale", "quote", "draft"):
                    self._store.write(
                        model, [identity], {"state": "quotation", "number": row["number"] or f"S{identity}"}
                    )
                case ("sale.sale", "confirm", "quotation"):
                    self._confirm(row)
                case ("sale.sale", "cancel", "draft" | "quotation"):
                    self._store.write(model, [identity], {"state": "cancelled"})
                case ("account.invoice", "post", "draft"):
                    self._post(row)

    def _confirm(self, sale: Row) -> None:
        store = self._store
        party = store.row("party.party", sale["party"])
        limit, warning = party["credit_limit_amount"], warning_name("credit_limit_amount", f"sale.sale,{sale['id']}")
        total = store.value("sale.sale", sale, "untaxed_amount", {})
        if limit is not None and _credit(store, party, {}) + total > limit and warning not in self.skipped:
            raise Refused("UserWarning", warning, f'Party "{party["name"]}" would exceed its credit limit.', "")
        lines = [store.row("sale.line", one) for one in store.value("sale.sale", sale, "lines", {})]
        self._ship([line for line in lines if _movable(store, line, {})], sale)
        items = [
            {
                **{name: line[name] for name in ("product", "quantity", "unit", "unit_price", "description")},
                "origin": f"sale.line,{line['id']}",
            }
            for line in lines
        ]
        store.create(
            "account.invoice",
            {"party": sale["party"], "currency": sale["currency"], "lines": [["create", items]]},
        )
        today = dt.datetime.now(dt.UTC).date()
        states = {"shipment_state": "waiting", "invoice_state": "pending"}
        store.write("sale.sale", [sale["id"]], {"state": "processing", "sale_date": today, **states})

    def _ship(self, lines: list[Row], sale: Row) -> None:
        if not lines:
            return
        values = {"customer": sale["party"], "planned_date": dt.datetime.now(dt.UTC).date()}
        shipment = self._store.create("stock.shipment.out", values)
        self._store.write("stock.shipment.out", [shipment], {"number": f"D{shipment}"})
        for line in lines:
            move = {name: line[name] for name in ("product", "quantity", "unit")}
            origin = {"origin": f"sale.line,{line['id']}", "shipment": f"stock.shipment.out,{shipment}"}
            self._store.create("stock.move", {**move, **origin})

    def _post(self, invoice: Row) -> None:
        store = self._store
        total = store.value("account.invoice", invoice, "total_amount", {})
        today = dt.datetime.now(dt.UTC).date()
        move = store.create("account.move", {"journal": 1})
        values = {"move": move, "debit": total, "credit": Decimal(0), "maturity_date": today, "party": invoice["party"]}
        line = store.create("account.move.line", values)
        changed = {"state": "posted", "number": f"I{invoice['id']}", "invoice_date": today, "move": move}
        store.write("account.invoice", [invoice["id"]], {**changed, "lines_to_pay": [["add", [line]]]})

    def ship(self, shipment: int, quantities: Mapping[int, float] | None = None) -> None:
        """People in the warehouse ship: ``quantities`` per move when only a part goes; the rest becomes a backorder."""
        store, left = self._store, []
        row = store.row("stock.shipment.out", shipment)
        for identity in store.value("stock.shipment.out", row, "outgoing_moves", {}):
            move = store.row("stock.move", identity)
            sent = (quantities or {}).get(identity, move["quantity"])
            if sent < move["quantity"]:
                left.append(
                    {**{n: move[n] for n in ("product", "unit", "origin")}, "quantity": move["quantity"] - sent}
                )
            store.write("stock.move", [identity], {"quantity": sent, "state": "done"})
        done = {"state": "done", "effective_date": dt.datetime.now(dt.UTC).date()}
        store.write("stock.shipment.out", [shipment], done)
        if left:
            more = store.create("stock.shipment.out", {"customer": row["customer"]})
            for values in left:
                store.create("stock.move", {**values, "shipment": f"stock.shipment.out,{more}"})

    def pay(self, invoice: int, start: Mapping[str, Any]) -> None:
        """The last step of the payment wizard."""
        store, row = self._store, self._store.row("account.invoice", invoice)
        move = store.create("account.move", {"journal": 1, "description": start["description"]})
        store.write("account.move", [move], {"number": str(move)})
        values = {"move": move, "debit": Decimal(0), "credit": start["amount"], "date": start["date"]}
        line = store.create("account.move.line", {**values, "party": row["party"]})
        store.write("account.invoice", [invoice], {"payment_lines": [["add", [line]]]})
        if not _to_pay(store, row, {}):
            store.write("account.invoice", [invoice], {"state": "paid"})
