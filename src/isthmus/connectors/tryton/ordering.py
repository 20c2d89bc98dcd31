"""Making a sale the way Tryton's own client does: defaults, then what its fields change in each other.

So price list, taxes, discount, payment term, addresses and methods are Tryton's; the hub gives only what is ordered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from isthmus.connector import Record
from isthmus.connectors.tryton.codec import date_of, quantity
from isthmus.connectors.tryton.collection import needed
from isthmus.connectors.tryton.installation import Installation
from isthmus.connectors.tryton.sublists import commands
from isthmus.errors import Rejected

__all__ = ["Ordering", "token_note"]

_DEFAULTS = ("company", "currency", "warehouse", "invoice_method", "shipment_method", "state", "payment_term")
_OF_PARTY = (
    *("party", "company", "currency", "warehouse", "invoice_method", "shipment_method", "payment_term"),
    *("invoice_address", "shipment_address", "price_list"),
)
_PRICE = Decimal("0.0001")
"""Grain of unit prices (Tryton's default price digits)."""


def token_note(token: str) -> str:
    """What a line's internal note says, so that a sale can be found by the token it was made with."""
    return f"isthmus:{token}"


class Ordering:
    """Works out values of sales; one instance per batch, so that defaults are asked for once."""

    def __init__(self, tryton: Installation) -> None:
        self._tryton = tryton
        self._defaults: dict[str, Any] | None = None

    async def values(self, fields: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Values of a new sale. Raises ``Rejected``."""
        sale = await self.head(fields)
        wanted = fields.get("lines") or []
        if not wanted:
            raise Rejected("An order needs a line.", field="lines")
        lines = await asyncio.gather(*(self._line(sale, line) for line in wanted))
        for name in ("reference", "description", "comment"):
            if fields.get(name):
                sale[name] = fields[name]
        lines[0]["note"] = token_note(token)
        sale["lines"] = [["create", lines]]
        return sale

    async def head(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a sale without its lines: the defaults, and what its party changes in them. Raises ``Rejected``."""
        rpc, names = self._tryton.rpc, self._tryton.names
        party = needed(fields.get("party"), "party", "party")
        if self._defaults is None:
            self._defaults = await rpc.call("model.sale.sale.default_get", list(_DEFAULTS), False)
        given = {name: value for name, value in self._defaults.items() if name in _DEFAULTS}
        changed = await rpc.call("model.sale.sale.on_change", {**given, "party": party, "lines": []}, ["party"])
        sale = {name: changed.get(name, given.get(name)) for name in _OF_PARTY if name in changed or name in given}
        sale["party"] = party
        # Where there are several warehouses Tryton chooses none by itself.
        sale["warehouse"] = sale.get("warehouse") or self._tryton.warehouse
        if fields.get("currency"):
            sale["currency"] = await names.need(
                "currency.currency", "code", fields["currency"], ours="currency", what="currency"
            )
        if fields.get("payment_term"):
            sale["payment_term"] = await names.need(
                "account.invoice.payment_term", "name", fields["payment_term"], ours="payment_term", what="payment term"
            )
        if fields.get("sale_date"):
            sale["sale_date"] = date_of(fields["sale_date"])
        return sale

    async def _line(self, sale: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a line in a sale with these values."""
        amount = quantity(line.get("quantity"))
        if amount is None:
            raise Rejected("A line of a sale needs a quantity.", field="lines")
        unit = await self._unit(line["unit"]) if line.get("unit") else None
        values: dict[str, Any] = {"type": "line", "quantity": amount, "unit": unit}
        if line.get("product") is not None:
            values["product"] = needed(line["product"], "lines", "product")
            values |= await self._priced(sale, values)
            values.pop("amount", None)  # Tryton works it out itself
        if line.get("unit_price") is not None:
            values["unit_price"] = Decimal(str(line["unit_price"])).quantize(_PRICE)
        elif line.get("discount_rate") and values.get("base_price") is not None:
            rate = Decimal(str(line["discount_rate"]))
            values["unit_price"] = (values["base_price"] * (1 - rate)).quantize(_PRICE)
        if line.get("description"):
            values["description"] = line["description"]
        return values

    async def priced(self, sale: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
        """A line of a product at Tryton's own price, with its ``amount``, as it would stand in a sale with these
        values. Raises ``Rejected``."""
        unit = await self._unit(line["unit"]) if line.get("unit") else None
        values: dict[str, Any] = {"type": "line", "quantity": quantity(line["quantity"]), "unit": unit}
        values["product"] = needed(line["product"], "lines", "product")
        values |= await self._priced(sale, values)
        if line.get("unit_price") is not None:
            values["own_price"] = values["unit_price"]
            values["unit_price"] = Decimal(str(line["unit_price"])).quantize(_PRICE)
            values["amount"] = await self._amount(sale, values)
        return values

    async def _amount(self, sale: Mapping[str, Any], line: Mapping[str, Any]) -> Decimal:
        """What Tryton makes of a line whose price is not its own."""
        given = {name: line[name] for name in ("type", "product", "quantity", "unit", "unit_price")}
        head = {"_parent_sale.currency": sale["currency"], "_parent_sale.id": None, "currency": sale["currency"]}
        changed = await self._tryton.rpc.call("model.sale.line.on_change_with", {**head, **given}, ["amount"])
        return Decimal(changed["amount"])

    async def _unit(self, name: str) -> int:
        names = self._tryton.names
        found = await names.find("product.uom", "name", name)
        return found or await names.need("product.uom", "symbol", name, ours="lines", what="unit")

    async def _priced(self, sale: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        parent = {f"_parent_sale.{name}": value for name, value in sale.items() if name != "lines"}
        parent |= {f"_parent_sale.{name}": None for name in ("id", "invoice_party", "shipment_party")}
        parent.setdefault("_parent_sale.sale_date", None)
        changed = await self._tryton.rpc.call(
            "model.sale.line.on_change",
            {
                **parent,
                **values,
                "unit_price": None,
                "taxes": [],
                "company": sale["company"],
                "currency": sale["currency"],
                "customer": sale["party"],
                "sale_state": "draft",
                "sale_date": sale.get("sale_date"),
            },
            ["product", "quantity"],
        )
        priced = {name: changed[name] for name in ("unit", "unit_price", "base_price", "amount") if name in changed}
        added = changed["taxes"].get("add", []) if isinstance(changed.get("taxes"), dict) else []
        priced["taxes"] = [["add", [int(tax["id"]) for _, tax in added]]] if added else []
        return priced

    async def changed_lines(self, key: int, wanted: Sequence[Mapping[str, Any]], before: Record) -> list[list[Any]]:
        """Commands that make a draft's lines the wanted ones; prices of new and changed lines are Tryton's."""
        rows = await self._tryton.rpc.call("model.sale.sale.read", [key], [*_OF_PARTY, "sale_date"])
        sale = {name: value for name, value in rows[0].items() if name != "id"}
        old = {line["id"]: line for line in before.fields["lines"]}

        async def values(line: Mapping[str, Any]) -> dict[str, Any]:
            then = old.get(str(line.get("id")))
            if then is None:
                return await self._line(sale, line)
            if line is then or all(line.get(name) == then[name] for name in _ORDERED if name in line):
                return {}
            # Its old price belongs to the old quantity, unless the price itself was changed.
            fixed = {"unit_price", "discount_rate"} - {
                name for name in ("unit_price", "discount_rate") if line.get(name) != then[name]
            }
            new = await self._line(sale, {name: value for name, value in line.items() if name not in fixed})
            taxes = new.pop("taxes", [])
            if taxes and str(line.get("product")) != then["product"]:
                new["taxes"] = taxes
            return new

        return await commands(wanted, before.fields["lines"], values, delete=True)


_ORDERED = ("product", "quantity", "unit", "unit_price", "discount_rate", "description")
"""What of a line can be ordered; the rest is Tryton's answer."""
