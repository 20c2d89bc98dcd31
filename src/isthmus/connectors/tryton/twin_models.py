"""The twin's models: which fields they have, what is computed, and what a new installation holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["DATA", "MODELS", "Field"]


class Field(NamedTuple):
    """A field: ``one`` (id of target), ``many`` (rows of target whose ``inverse`` is this one), ``list`` (ids of
    target), ``float``, or plain."""

    kind: str = "plain"
    target: str = ""
    inverse: str = ""
    default: Any = None


def _plain(*names: str, **defaults: Any) -> dict[str, Field]:
    return {name: Field() for name in names} | {name: Field(default=value) for name, value in defaults.items()}


def _one(**targets: str) -> dict[str, Field]:
    return {name: Field("one", target) for name, target in targets.items()}


def _many(name: str, target: str, inverse: str) -> dict[str, Field]:
    return {name: Field("many", target, inverse)}


def _floats(*names: str) -> dict[str, Field]:
    return {name: Field("float") for name in names}


MODELS: Mapping[str, Mapping[str, Field]] = {
    "company.company": _plain("rec_name") | _one(currency="currency.currency", party="party.party"),
    "currency.currency": _plain("code", digits=2),
    "country.country": _plain("code", "name"),
    "country.subdivision": _plain("code", "name") | _one(country="country.country"),
    "ir.lang": _plain("code"),
    "ir.module": _plain("name", state="activated"),
    "account.invoice.payment_term": _plain("name"),
    "account.invoice.payment.method": _plain("name", company=1) | _one(journal="account.journal"),
    "account.journal": _plain("name"),
    "stock.location": _plain("code", "type"),
    "product.category": _plain("name", accounting=True),
    "product.uom": _plain("name", "symbol", digits=0) | _floats("factor"),
    "party.party": _plain("name", "code", "credit_limit_amount", "replaced_by", active=True)
    | _one(lang="ir.lang", customer_payment_term="account.invoice.payment_term", sale_price_list="product.price_list")
    | _many("addresses", "party.address", "party")
    | _many("contact_mechanisms", "party.contact_mechanism", "party")
    | _many("identifiers", "party.identifier", "party"),
    "party.address": _plain("sequence", "street", "city", "postal_code", "party_name", active=True)
    | _one(party="party.party", country="country.country", subdivision="country.subdivision"),
    "party.contact_mechanism": _plain("sequence", "type", "value", "name", active=True) | _one(party="party.party"),
    "party.identifier": _plain("sequence", "type", "code", active=True) | _one(party="party.party"),
    "product.template": _plain("name", "code", "list_price", "salable", type="goods", active=True)
    | _one(default_uom="product.uom", sale_uom="product.uom", account_category="product.category")
    | _many("products", "product.product", "template"),
    "product.product": _plain("suffix_code", "description", "list_price", "cost_price", active=True)
    | _floats("quantity", "forecast_quantity")
    | _one(template="product.template"),
    "product.price_list": _plain("name", "price", tax_included=False, active=True)
    | _many("lines", "product.price_list.line", "price_list"),
    "product.price_list.line": _plain("sequence", "product", "category", "formula")
    | _floats("quantity")
    | _one(price_list="product.price_list"),
    "sale.sale": _plain("number", "reference", "description", "comment", "sale_date", "shipping_date", "company")
    | _plain("warehouse", "invoice_method", "shipment_method", "price_list", "invoice_address", "shipment_address")
    | _plain("origin", state="draft", shipment_state="none", invoice_state="none")
    | _one(party="party.party", currency="currency.currency", payment_term="account.invoice.payment_term")
    | _many("lines", "sale.line", "sale"),
    "sale.line": _plain("sequence", "description", "unit_price", "base_price", "note", type="line")
    | _floats("quantity")
    | _one(sale="sale.sale", product="product.product", unit="product.uom")
    | {"taxes": Field("list", "account.tax", default=()), "moves_ignored": Field("list", "stock.move", default=())}
    | _many("moves", "stock.move", "origin")
    | _many("invoice_lines", "account.invoice.line", "origin"),
    "stock.move": _plain("origin", "shipment", "effective_date", state="draft")
    | _floats("quantity")
    | _one(product="product.product", unit="product.uom"),
    "stock.shipment.out": _plain("number", "reference", "planned_date", "effective_date", state="waiting")
    | _one(customer="party.party")
    | _many("outgoing_moves", "stock.move", "shipment"),
    "stock.shipment.out.return": _plain("number", "reference", "planned_date", "effective_date", state="draft")
    | _one(customer="party.party")
    | _many("incoming_moves", "stock.move", "shipment"),
    "account.invoice": _plain("number", "reference", "description", "invoice_date", state="draft", type="out")
    | _one(party="party.party", currency="currency.currency", move="account.move", cancel_move="account.move")
    | {"payment_lines": Field("list", "account.move.line", default=())}
    | {"lines_to_pay": Field("list", "account.move.line", default=())}
    | _many("lines", "account.invoice.line", "invoice"),
    "account.invoice.line": _plain("sequence", "origin", "description", "unit_price", type="line")
    | _floats("quantity")
    | _one(invoice="account.invoice", product="product.product", unit="product.uom"),
    "account.move": _plain("number", "description", "origin") | _one(journal="account.journal"),
    "account.move.line": _plain("debit", "credit", "amount_second_currency", "date", "maturity_date", "reconciliation")
    | _one(move="account.move", party="party.party"),
    "account.move.reconciliation": {},
}

DATA: Mapping[str, list[dict[str, Any]]] = {
    "currency.currency": [{"code": "EUR"}],
    "company.company": [{"rec_name": "Twin Trading", "currency": 1}],
    "country.country": [{"code": code, "name": code} for code in ("DE", "BE", "US", "CN")],
    "country.subdivision": [{"code": "DE-BY", "name": "Bayern", "country": 1}],
    "ir.lang": [{"code": code} for code in ("en", "de", "zh_CN")],
    "ir.module": [
        {"name": name} for name in ("account_credit_limit", "sale", "sale_discount", "sale_price_list", "stock")
    ],
    "account.invoice.payment_term": [{"name": "Immediate"}, {"name": "30 days"}],
    "account.journal": [{"name": "Cash"}],
    "account.invoice.payment.method": [{"name": "Bank transfer", "journal": 1}],
    "stock.location": [{"code": "WH", "type": "warehouse"}],
    "product.category": [{"name": "Goods"}],
    "product.uom": [
        {"name": "Unit", "symbol": "u", "factor": 1.0},
        {"name": "Kilogram", "symbol": "kg", "factor": 1.0, "digits": 2},
    ],
    "product.price_list": [
        {
            "name": "Dealer",
            "price": "list_price",
            "lines": [
                [
                    "create",
                    [
                        {"sequence": 1, "quantity": 10.0, "formula": "unit_price * 0.8"},
                        {"sequence": 2, "formula": "unit_price * 0.9"},
                    ],
                ]
            ],
        }
    ],
}

type Computed = Callable[[Any, dict[str, Any], Mapping[str, Any]], Any]
"""(store, row, context) -> value."""
