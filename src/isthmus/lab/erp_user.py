"""A person who works in the ERP: does and sees there what the official client would, over JSON-RPC."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from isthmus.errors import LabError

from .json_client import send
from .tryton.values import decode, encode, flat

__all__ = ["ErpFault", "ErpUser"]

PARTY = (
    "name", "code", "active", "write_uid", "create_uid", "replaced_by", "credit_limit_amount", "credit_amount",
    "receivable", "customer_payment_term.name", "sale_price_list.name",
    "addresses.street", "addresses.postal_code", "addresses.city", "addresses.country.code", "addresses.active",
    "contact_mechanisms.type", "contact_mechanisms.value", "contact_mechanisms.name", "contact_mechanisms.active",
    "identifiers.type", "identifiers.code",
)  # fmt: skip
PRODUCT = (
    "code", "name", "description", "active", "template", "list_price_used", "cost_price", "default_uom.symbol",
    "write_uid",
)  # fmt: skip
SALE = (
    "number", "reference", "state", "invoice_state", "shipment_state", "party.name", "party", "currency.code",
    "sale_date", "untaxed_amount", "tax_amount", "total_amount", "payment_term.name", "shipments", "invoices",
    "write_uid", "create_uid", "lines.product.code", "lines.quantity", "lines.unit_price", "lines.base_price",
    "lines.discount_rate", "lines.amount", "lines.description", "lines.actual_quantity",
)  # fmt: skip
SHIPMENT = (
    "number", "state", "reference", "effective_date", "planned_date",
    "outgoing_moves.product.code", "outgoing_moves.quantity", "outgoing_moves.state",
    "inventory_moves.product.code", "inventory_moves.quantity", "inventory_moves.state",
)  # fmt: skip
INVOICE = (
    "number", "state", "reference", "type", "party.name", "invoice_date", "untaxed_amount", "tax_amount",
    "total_amount", "amount_to_pay", "currency.code", "reconciled",
)  # fmt: skip


class ErpFault(LabError):
    """Tryton refused; ``kind`` is its own name for why (UserError, UserWarning, ...), ``details`` the rest."""

    def __init__(self, kind: str, details: Any) -> None:
        super().__init__(f"Tryton: {kind}: {details}")
        self.kind = kind
        self.details = details


class ErpUser:
    """Acts on Tryton as ``login``. Records are plain dicts; decimals are Decimal, dates are dates.

    Warnings are accepted as a person would who presses Yes, unless a method says otherwise.
    Raises ErpFault when Tryton refuses and LabError when it does not answer.
    """

    def __init__(self, url: str, database: str, login: str, password: str) -> None:
        self._url = f"{url}/{database}/rpc/"
        self._headers: dict[str, str] = {}
        self._context: dict[str, Any] = {}
        self.login = login
        self.id, token, *_ = self._send("common.db.login", [login, {"password": password}])
        session = base64.b64encode(f"{login}:{self.id}:{token}".encode()).decode()
        self._headers = {"Authorization": f"Session {session}"}
        self._context = self.call("model.res.user.get_preferences", True)

    # the wire

    def call(self, method: str, *arguments: Any, **context: Any) -> Any:
        """One remote call with the user's context and ``context`` added."""
        return self._send(method, [*arguments, {**self._context, **context}])

    def insist(self, method: str, *arguments: Any, **context: Any) -> Any:
        """A call whose warnings are answered with Yes."""
        for _ in range(6):
            try:
                return self.call(method, *arguments, **context)
            except ErpFault as fault:
                if fault.kind != "UserWarning":
                    raise
                self.call("model.res.user.warning.skip", fault.details[0])
        raise LabError(f"Tryton keeps warning about {method}.")

    def read(self, model: str, domain: Sequence[Any], fields: Sequence[str], **context: Any) -> list[dict[str, Any]]:
        """Records of ``model``, inactive ones too, in the order they were made; dotted fields as in Tryton."""
        arguments = (list(domain), 0, None, [["id", "ASC"]], list(fields))
        found: list[dict[str, Any]] = self.call(f"model.{model}.search_read", *arguments, active_test=False, **context)
        return [flat(record) for record in found]

    def _send(self, method: str, parameters: list[Any]) -> Any:
        body = {"id": 0, "method": method, "params": parameters}
        answer = send("POST", self._url, body, headers=self._headers, encode=encode, decode=decode)
        if error := answer.get("error"):
            raise ErpFault(str(error[0]), error[1] if len(error) > 1 else "")
        return answer.get("result")

    def _one(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> dict[str, Any] | None:
        found = self.read(model, domain, fields)
        if len(found) > 1:
            raise LabError(f"{len(found)} records of {model} fit {domain}.")
        return found[0] if found else None

    # customers

    def party(self, key: int | str) -> dict[str, Any] | None:
        """The customer with this id, or this exact name; None when there is none."""
        return self._one("party.party", [["id" if isinstance(key, int) else "name", "=", key]], PARTY)

    def parties(self, domain: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """All customers that fit ``domain``."""
        return self.read("party.party", domain, PARTY)

    def create_customer(self, name: str, **values: Any) -> int:
        """A new customer; ``email``, ``phone``, ``street``, ``postal_code``, ``city``, ``country`` (code), ``vat``
        (type, code), ``people`` (name, email) and any field of party.party. Its id."""
        address: dict[str, Any] = {key: values.pop(key) for key in ("street", "postal_code", "city") if key in values}
        if country := values.pop("country", None):
            address["country"] = self._id("country.country", "code", country)
        mechanisms = [{"type": kind, "value": values.pop(kind)} for kind in ("email", "phone") if values.get(kind)]
        for person, email in values.pop("people", ()):
            mechanisms.append({"type": "email", "value": email, "name": person})
        record = {"name": name, "addresses": [["create", [address]]], **values}
        if mechanisms:
            record["contact_mechanisms"] = [["create", mechanisms]]
        if vat := record.pop("vat", None):
            record["identifiers"] = [["create", [{"type": vat[0], "code": vat[1]}]]]
        return int(self.call("model.party.party.create", [record])[0])

    def patch_party(self, party: int, **values: Any) -> None:
        """Write fields of a customer, for instance name, credit_limit_amount, active."""
        self.call("model.party.party.write", [party], values)

    def patch_address(self, party: int, **values: Any) -> None:
        """Write the first address of a customer; ``country`` is a code."""
        if "country" in values:
            values["country"] = self._id("country.country", "code", values["country"])
        (first, *_) = self.read("party.address", [["party", "=", party], ["active", "=", True]], ["id"])
        self.call("model.party.address.write", [first["id"]], values)

    def set_contact(self, party: int, kind: str, value: str) -> None:
        """Give the company itself this e-mail or phone, in place of the first one it has of that kind."""
        domain = [["party", "=", party], ["type", "=", kind], ["name", "=", None]]
        if found := self.read("party.contact_mechanism", domain, ["id"]):
            self.call("model.party.contact_mechanism.write", [found[0]["id"]], {"value": value})
        else:
            values = {"party": party, "type": kind, "value": value}
            self.call("model.party.contact_mechanism.create", [values])

    def set_payment_term(self, party: int, name: str) -> None:
        """``Immediate``, ``30 days`` or ``60 days``."""
        self.patch_party(party, customer_payment_term=self._id("account.invoice.payment_term", "name", name))

    def set_price_list(self, party: int, name: str | None) -> None:
        """``Retail``, ``Dealer`` or none."""
        self.patch_party(party, sale_price_list=name and self._id("product.price_list", "name", name))

    def deactivate_party(self, party: int) -> None:
        """Hide a customer, as one does instead of deleting."""
        self.patch_party(party, active=False)

    def delete_party(self, party: int) -> None:
        """Delete a customer. Raises ErpFault when documents name it."""
        self.insist("model.party.party.delete", [party])

    def merge_parties(self, source: int, destination: int) -> None:
        """The wizard that replaces a duplicate by another party; ``source`` is inactive afterwards."""
        wizard = "wizard.party.replace"
        context = {"active_model": "party.party", "active_id": source, "active_ids": [source]}
        session, *_ = self.call(f"{wizard}.create", **context)
        self.insist(
            f"{wizard}.execute", session, {"ask": {"source": source, "destination": destination}}, "replace", **context
        )
        self.call(f"{wizard}.delete", session)

    # products, prices, stock

    def product(self, code: str) -> dict[str, Any] | None:
        """The variant with this code."""
        return self._one("product.product", [["code", "=", code]], PRODUCT)

    def change_list_price(self, code: str, price: Decimal | str) -> None:
        """A new list price, on the template."""
        self.call("model.product.template.write", [self._template(code)], {"list_price": Decimal(price)})

    def patch_product(self, code: str, **values: Any) -> None:
        """Write fields of the template, for instance name or active."""
        self.call("model.product.template.write", [self._template(code)], values)

    def create_product(
        self, code: str, name: str, price: Decimal | str, *, cost: Decimal | str | None = None,
        kept_in: str = "Unit", sold_in: str = "Unit",
    ) -> int:  # fmt: skip
        """A product that can be sold; the id of its variant."""
        unit = self._id("product.uom", "name", kept_in)
        category = self._id("product.category", "name", "Goods")
        variant: dict[str, Any] = {} if cost is None else {"cost_price": Decimal(cost)}
        sold = self._id("product.uom", "name", sold_in)
        values = {
            "name": name, "code": code, "type": "goods", "default_uom": unit, "sale_uom": sold, "salable": True,
            "list_price": Decimal(price), "account_category": category, "products": [["create", [variant]]],
        }  # fmt: skip
        (template,) = self.call("model.product.template.create", [values])
        (made,) = self.read("product.product", [["template", "=", template]], ["id"])
        return int(made["id"])

    def sale_price(self, code: str, party: int, quantity: float = 1.0) -> Decimal:
        """What this customer pays for one, by the price list of the customer."""
        line = self._line(self._order(party), party, code, quantity)
        price: Decimal = line["unit_price"]
        return price

    def stock(self, code: str) -> Decimal:
        """Pieces in the warehouse."""
        return self._stock(code, "quantity")

    def stock_forecast(self, code: str) -> Decimal:
        """Pieces in the warehouse after all that is planned."""
        return self._stock(code, "forecast_quantity")

    def set_stock(self, code: str, quantity: float) -> None:
        """An inventory that finds ``quantity`` pieces."""
        storage = self._id("stock.location", "code", "STO")
        line = {"product": self._product(code), "quantity": float(quantity)}
        (inventory,) = self.call("model.stock.inventory.create", [{"location": storage, "lines": [["create", [line]]]}])
        self.insist("model.stock.inventory.confirm", [inventory])

    def expect_goods(self, code: str, quantity: float, day: date) -> int:
        """Goods under way from a supplier, to come on this day; the id of the move."""
        supplier, storage = (self._id("stock.location", "code", place) for place in ("SUP", "STO"))
        move = {
            "product": self._product(code), "quantity": float(quantity),
            "unit": self._id("product.uom", "name", "Unit"),
            "from_location": supplier, "to_location": storage, "planned_date": day, "unit_price": Decimal(1),
            "company": self.call("model.res.user.get_preferences", True)["company"],
            "currency": self._id("currency.currency", "code", "EUR"),
        }  # fmt: skip
        return int(self.call("model.stock.move.create", [move])[0])

    def cancel_goods(self, move: int) -> None:
        """They will not come after all."""
        self.call("model.stock.move.cancel", [move])

    # orders

    def create_sale(self, party: int, items: Mapping[str, float], *, reference: str | None = None) -> int:
        """A draft order as the client makes it, prices from the price list: {product code: quantity}. Its id."""
        order = self._order(party)
        lines = [self._line(order, party, code, quantity) for code, quantity in items.items()]
        return int(
            self.call("model.sale.sale.create", [{**order, "reference": reference, "lines": [["create", lines]]}])[0]
        )

    def confirm_sale(self, sale: int) -> dict[str, Any]:
        """Quote it, unless it is quoted, and confirm; the order as it is then, processing."""
        if self.sale(sale)["state"] == "draft":
            self.insist("model.sale.sale.quote", [sale])
        self.insist("model.sale.sale.confirm", [sale])
        return self.sale(sale)

    def sale(self, sale: int) -> dict[str, Any]:
        """An order with its lines. Raises LabError when there is none."""
        found = self._one("sale.sale", [["id", "=", sale]], SALE)
        if found is None:
            raise LabError(f"There is no order {sale}.")
        return found

    def sales(self, reference: str) -> list[dict[str, Any]]:
        """The orders with this reference (that of the CRM's document)."""
        return self.read("sale.sale", [["reference", "=", reference]], SALE)

    def cancel_sale(self, sale: int) -> None:
        """Cancel an order that is not processing yet."""
        self.insist("model.sale.sale.cancel", [sale])

    def shipments(self, sale: int) -> list[dict[str, Any]]:
        """The shipments of an order, the backorder last."""
        ids = self.sale(sale)["shipments"]
        return self.read("stock.shipment.out", [["id", "in", ids]], SHIPMENT)

    def ship(self, sale: int, quantities: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
        """Ship what waits of an order, or only ``quantities`` {product code: pieces}, the rest becoming a backorder.

        The order's shipments afterwards. Raises LabError when nothing waits or stock is short.
        """
        waiting = [shipment for shipment in self.shipments(sale) if shipment["state"] in {"waiting", "assigned"}]
        if not waiting:
            raise LabError(f"Nothing of order {sale} waits to be shipped.")
        for shipment in waiting:
            if quantities is not None:
                for move in shipment["inventory_moves"]:
                    wanted = quantities.get(move["product.code"], 0.0)
                    if wanted < move["quantity"]:
                        self.call("model.stock.move.write", [move["id"]], {"quantity": float(wanted)})
            ids = [shipment["id"]]
            self.insist("model.stock.shipment.out.assign_try", ids)
            (now,) = self.read("stock.shipment.out", [["id", "in", ids]], ["state"])
            if now["state"] != "assigned":
                raise LabError(f"Shipment {shipment['number']} cannot be assigned: stock is short.")
            for step in ("pick", "pack", "do"):
                self.insist(f"model.stock.shipment.out.{step}", ids)
        return self.shipments(sale)

    # invoices and payments

    def invoices(self, sale: int) -> list[dict[str, Any]]:
        """The invoices of an order."""
        return self.read("account.invoice", [["id", "in", self.sale(sale)["invoices"]]], INVOICE)

    def post_invoice(self, invoice: int) -> dict[str, Any]:
        """Number and book an invoice; the invoice afterwards."""
        self.insist("model.account.invoice.post", [invoice])
        return self.invoice(invoice)

    def invoice(self, invoice: int) -> dict[str, Any]:
        """An invoice. Raises LabError when there is none."""
        found = self._one("account.invoice", [["id", "=", invoice]], INVOICE)
        if found is None:
            raise LabError(f"There is no invoice {invoice}.")
        return found

    def open_amount(self, invoice: int) -> Decimal:
        """What the customer still owes on it."""
        amount: Decimal = self.invoice(invoice)["amount_to_pay"]
        return amount

    def pay(self, invoice: int, amount: Decimal | str | None = None) -> dict[str, Any]:
        """Book a payment of ``amount``, or of all that is open; the invoice afterwards."""
        wizard = "wizard.account.invoice.pay"
        context = {"active_model": "account.invoice", "active_id": invoice, "active_ids": [invoice]}
        session, state, _ = self.call(f"{wizard}.create", **context)
        view = self.call(f"{wizard}.execute", session, {}, state, **context)["view"]
        start = {**view.get("defaults", {}), **view.get("value", {}), **view.get("values", {})}
        start["payment_method"] = self._id("account.invoice.payment.method", "name", "Bank transfer")
        if amount is not None:
            start["amount"] = Decimal(amount)
        start = {key: value for key, value in start.items() if not key.endswith(".") and "." not in key}
        answer = self.call(f"{wizard}.execute", session, {"start": start}, "choice", **context)
        if view := answer.get("view"):
            ask = {**view.get("defaults", {}), **view.get("value", {}), "type": "partial"}
            ask = {key: value for key, value in ask.items() if "." not in key}
            self.call(f"{wizard}.execute", session, {"start": start, "ask": ask}, "pay", **context)
        self.call(f"{wizard}.delete", session)
        return self.invoice(invoice)

    # details

    def _order(self, party: int) -> dict[str, Any]:
        names = ["company", "currency", "warehouse", "invoice_method", "shipment_method"]
        values = {**self.call("model.sale.sale.default_get", names, False), "party": party}
        changed = self.call("model.sale.sale.on_change", {**values, "lines": [], "payment_term": None}, ["party"])
        kept = ("payment_term", "invoice_address", "shipment_address", "price_list", "invoice_party", "shipment_party")
        order = {key: values[key] for key in (*names, "party") if key in values}
        order["warehouse"] = order.get("warehouse") or self._id("stock.location", "code", "WH")
        return {**order, **{key: changed[key] for key in kept if key in changed}}

    def _line(self, order: dict[str, Any], party: int, code: str, quantity: float) -> dict[str, Any]:
        line = {"type": "line", "product": self._product(code), "quantity": float(quantity)}
        parent = {f"_parent_sale.{key}": value for key, value in {**order, "id": None, "sale_date": None}.items()}
        known = {
            **line, "unit": None, "unit_price": None, "taxes": [], "company": order["company"],
            "currency": order["currency"], "customer": party, "sale_state": "draft", "sale_date": None, **parent,
        }  # fmt: skip
        changed = self.call("model.sale.line.on_change", known, ["product", "quantity"])
        line |= {key: changed[key] for key in ("unit", "unit_price", "base_price", "discount_rate") if key in changed}
        taxes = changed.get("taxes") or {}
        line["taxes"] = [["add", [tax[1]["id"] for tax in taxes.get("add", [])]]] if isinstance(taxes, dict) else []
        return line

    def _stock(self, code: str, field: str) -> Decimal:
        warehouse = self._id("stock.location", "code", "WH")
        context = {"locations": [warehouse], "with_childs": True}
        (row,) = self.call("model.product.product.read", [self._product(code)], [field], **context)
        return Decimal(str(row[field]))

    def _id(self, model: str, field: str, value: str) -> int:
        found = self.read(model, [[field, "=", value]], ["id"])
        if not found:
            raise LabError(f"Tryton has no {model} whose {field} is {value!r}.")
        return int(found[0]["id"])

    def _product(self, code: str) -> int:
        return self._id("product.product", "code", code)

    def _template(self, code: str) -> int:
        product = self.product(code)
        if product is None:
            raise LabError(f"Tryton has no product {code!r}.")
        return int(product["template"])
