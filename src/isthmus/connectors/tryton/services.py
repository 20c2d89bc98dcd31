"""What a Tryton answers about an order before it is made: its price, its stock, the customer's credit.

Prices and taxes come from Tryton's own ``on_change``, exactly as for an order that is made (:mod:`.ordering`); its
interface prices one line per call, so the lines are asked side by side.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any

from isthmus.connector.accounting import ENTRIES, POST_ENTRY
from isthmus.connector.logistics import (
    RECEIVE_RETURN,
    RETURNS,
    SALE_SHIPMENTS,
    STATIONED,
    TRANSFER_STOCK,
    TRANSFERS,
)
from isthmus.connector.services import (
    AVAILABLE_TO_PROMISE,
    CREDIT,
    SIMULATE_ORDER,
    Availability,
    Available,
    CreditAsked,
    CreditStanding,
    Operation,
    OrderAsked,
    OrderPriced,
    PricedLine,
    StockAsked,
    WantedLine,
)
from isthmus.connectors.tryton.codec import date_of
from isthmus.connectors.tryton.collection import needed
from isthmus.connectors.tryton.installation import Installation
from isthmus.connectors.tryton.journal import Journal
from isthmus.connectors.tryton.ordering import Ordering
from isthmus.connectors.tryton.promising import Movement, first_day
from isthmus.connectors.tryton.returning import Returning
from isthmus.connectors.tryton.transfers import Transfers
from isthmus.errors import Rejected, Unauthorized

__all__ = ["TrytonServices"]

_LIFETIME = 300.0
"""Seconds for which defaults of orders, units and the places of the warehouse are believed."""
_OPEN = ("staging", "draft", "assigned")
_STOCK = ("type", "consumable", "quantity", "forecast_quantity", "default_uom.factor", "sale_uom.factor")
_UNITS = ("default_uom.name", "sale_uom.name", "default_uom.symbol", "sale_uom.symbol")


class TrytonServices:
    """The operations of one open Tryton."""

    def __init__(self, tryton: Installation) -> None:
        self._tryton = tryton
        self._operations: dict[Operation, Callable[[Any], Coroutine[Any, Any, Any]]] = {
            SIMULATE_ORDER: self._simulate,
            AVAILABLE_TO_PROMISE: self._available,
        }
        self._operations |= _of_documents(tryton)
        if tryton.has("account_credit_limit"):
            self._operations[CREDIT] = self._credit
        self._renew_at = 0.0
        self._ordering = Ordering(tryton)
        self._places: list[int] = []
        self._units: dict[int, str] = {}
        self._factors: dict[int, Decimal] = {}
        self._digits: dict[int, tuple[str, int]] = {}

    def operations(self) -> Mapping[str, Operation]:
        """What this Tryton offers, by its modules."""
        return {operation.name: operation for operation in self._operations}

    async def call(self, operation: str, given: Any) -> Any:
        """Answer one question. Raises ``LookupError`` for an operation there is not."""
        work = {known.name: one for known, one in self._operations.items()}[operation]
        self._forget_old()
        return await work(given)

    def _forget_old(self) -> None:
        if time.monotonic() > self._renew_at:
            self._renew_at = time.monotonic() + _LIFETIME
            self._ordering = Ordering(self._tryton)
            self._places, self._units, self._digits = [], {}, {}

    async def _simulate(self, asked: OrderAsked) -> OrderPriced:
        if not asked.lines:
            raise Rejected("An order needs a line.", field="lines")
        fields = {"party": asked.party, "currency": asked.currency, "sale_date": asked.date}
        sale, costs, _ = await asyncio.gather(self._ordering.head(fields), self._costs(asked.lines), self._read_units())
        lines = await asyncio.gather(*(self._ordering.priced(sale, _wanted(line)) for line in asked.lines))
        code, digits = await self._currency(sale["currency"])
        totals = await self._tryton.rpc.call(
            "model.sale.sale.on_change", {**sale, "lines": [_line_values(line) for line in lines]}, ["lines"]
        )
        if code != self._tryton.currency:
            costs = {}  # they are in the company's currency
        priced = tuple(self._priced(wanted, line, costs) for wanted, line in zip(asked.lines, lines, strict=True))
        discount = sum(((one.list_price - one.unit_price) * one.quantity for one in priced), Decimal(0))
        return OrderPriced(
            currency=code,
            lines=priced,
            untaxed=totals["untaxed_amount"],
            tax=totals["tax_amount"],
            total=totals["total_amount"],
            discount=discount.quantize(Decimal(1).scaleb(-digits)),
            # Tryton weighs orders against the limit without their tax.
            credit_amount=totals["untaxed_amount"],
        )

    def _priced(
        self, wanted: WantedLine, line: Mapping[str, Any], costs: Mapping[int, Mapping[str, Any]]
    ) -> PricedLine:
        unit_price, base = line["unit_price"], line.get("base_price")
        if unit_price is None:
            raise Rejected(f"Tryton has no price for the product {wanted.product}.", field="lines")
        list_price = unit_price if base is None else base
        return PricedLine(
            product=wanted.product,
            quantity=wanted.quantity,
            unit=self._units.get(line["unit"], ""),
            list_price=list_price,
            unit_price=unit_price,
            discount_rate=(1 - unit_price / list_price).quantize(Decimal("0.0001")) if list_price else Decimal(0),
            amount=line["amount"],
            own_price=line.get("own_price"),
            cost_price=self._cost_price(costs.get(line["product"]), line["unit"]),
        )

    async def _costs(self, lines: Sequence[WantedLine]) -> dict[int, Mapping[str, Any]]:
        """Cost price and own unit of the products; empty when the hub's user may not see it."""
        ids = list(dict.fromkeys(needed(line.product, "lines", "product") for line in lines))
        try:
            rows = await self._tryton.rpc.call("model.product.product.read", ids, ["cost_price", "default_uom"])
        except Unauthorized:
            return {}
        return {row["id"]: row for row in rows}

    def _cost_price(self, row: Mapping[str, Any] | None, unit: int) -> Decimal | None:
        """For one of the line's unit. Tryton's default is zero: nobody has said what it costs."""
        if row is None or not row["cost_price"]:
            return None
        # A factor says how many of the smallest unit are in one.
        return Decimal(row["cost_price"]) * self._factors[unit] / self._factors[row["default_uom"]]

    async def _read_units(self) -> None:
        if not self._units:
            names = ["id", "name", "factor"]
            rows = await self._tryton.rpc.call("model.product.uom.search_read", [], 0, None, None, names)
            self._factors = {row["id"]: Decimal(str(row["factor"])) for row in rows}
            self._units = {row["id"]: row["name"] for row in rows}

    async def _currency(self, id: int) -> tuple[str, int]:
        if id not in self._digits:
            (row,) = await self._tryton.rpc.call("model.currency.currency.read", [id], ["code", "digits"])
            self._digits[id] = row["code"], int(row["digits"])
        return self._digits[id]

    async def _available(self, asked: StockAsked) -> Available:
        warehouse = self._tryton.warehouse
        if warehouse is None:
            raise Rejected("This Tryton has no warehouse.", advice="Make one, or set 'warehouse'.")
        if not self._places:
            within = [["parent", "child_of", [warehouse]]]
            rows = await self._tryton.rpc.call("model.stock.location.search_read", within, 0, None, None, ["id"])
            self._places = [row["id"] for row in rows]
        ids = list(dict.fromkeys(needed(line.product, "lines", "product") for line in asked.lines))
        rows, moves = await asyncio.gather(
            self._tryton.rpc.call(
                "model.product.product.read",
                ids,
                [*_STOCK, *_UNITS],
                context={"locations": [warehouse], "with_childs": True, "active_test": False},
            ),
            self._moves(ids),
        )
        products = {row["id"]: row for row in rows}
        today = max(date_of(asked.wanted_on) or dt.date.min, dt.datetime.now(dt.UTC).date())
        taken: dict[int, Decimal] = {}
        answers = []
        for line in asked.lines:
            id = needed(line.product, "lines", "product")
            row = products[id]
            factor = _factor(row, line.unit)
            if row["type"] == "service" or row["consumable"]:
                answers.append(Availability(product=line.product, on_hand=None, forecast=None, date=today.isoformat()))
                continue
            # Earlier lines of the same product take from the same stock.
            taken[id] = taken.get(id, Decimal(0)) + line.quantity * factor
            on_hand = Decimal(row["quantity"] or 0)
            day = first_day(on_hand, moves.get(id, []), taken[id], today)
            answers.append(
                Availability(
                    product=line.product,
                    on_hand=_in_unit(on_hand, factor),
                    forecast=_in_unit(on_hand + sum((amount for _, amount in moves.get(id, [])), Decimal(0)), factor),
                    date=None if day is None else day.isoformat(),
                )
            )
        return Available(lines=tuple(answers))

    async def _moves(self, products: Sequence[int]) -> dict[int, list[Movement]]:
        """What is still to come into the warehouse or to leave it, in each product's own unit."""
        inside = self._places
        rows = await self._tryton.rpc.call(
            "model.stock.move.search_read",
            [
                ["product", "in", list(products)],
                ["state", "in", list(_OPEN)],
                [
                    "OR",
                    [["from_location", "in", inside], ["to_location", "not in", inside]],
                    [["from_location", "not in", inside], ["to_location", "in", inside]],
                ],
            ],
            0,
            None,
            None,
            ["product", "internal_quantity", "planned_date", "to_location"],
        )
        found: dict[int, list[Movement]] = {}
        for row in rows:
            amount = Decimal(row["internal_quantity"] or 0)
            movement = (row["planned_date"], amount if row["to_location"] in inside else -amount)
            found.setdefault(row["product"], []).append(movement)
        return found

    async def _credit(self, asked: CreditAsked) -> CreditStanding:
        (row,) = await self._tryton.rpc.call(
            "model.party.party.read",
            [needed(asked.party, "party", "party")],
            ["name", "credit_amount", "credit_limit_amount"],
        )
        return CreditStanding(
            currency=self._tryton.currency, limit=row["credit_limit_amount"], used=row["credit_amount"]
        )


def _of_documents(tryton: Installation) -> dict[Operation, Callable[[Any], Coroutine[Any, Any, Any]]]:
    transfers, returning, journal = Transfers(tryton), Returning(tryton), Journal(tryton)
    return {
        TRANSFER_STOCK: transfers.order,
        TRANSFERS: transfers.standing,
        SALE_SHIPMENTS: transfers.of_sales,
        STATIONED: transfers.stationed,
        RECEIVE_RETURN: returning.receive,
        RETURNS: returning.standing,
        POST_ENTRY: journal.post,
        ENTRIES: journal.standing,
    }


def _wanted(line: WantedLine) -> dict[str, Any]:
    if line.quantity <= 0:
        raise Rejected("A line needs a quantity above zero.", field="lines")
    return {"product": line.product, "quantity": line.quantity, "unit": line.unit, "unit_price": line.unit_price}


def _line_values(line: Mapping[str, Any]) -> dict[str, Any]:
    """A priced line as a client would hand it to the sale it belongs to."""
    taxes = [tax for command in line["taxes"] for tax in command[1]]
    return {
        **{name: line[name] for name in ("type", "product", "quantity", "unit", "unit_price", "amount")},
        "taxes": taxes,
    }


def _factor(row: Mapping[str, Any], unit: str | None) -> Decimal:
    """How many of the product's own unit are in one of the line's."""
    sale, own = row["sale_uom."], row["default_uom."]
    if unit in (None, sale["name"], sale["symbol"]):
        return Decimal(sale["factor"]) / Decimal(own["factor"])
    if unit in (own["name"], own["symbol"]):
        return Decimal(1)
    raise Rejected(f"This product is sold in {sale['name']} and kept in {own['name']}, not in {unit}.", field="lines")


def _in_unit(amount: Decimal, factor: Decimal) -> Decimal:
    return amount if factor == 1 else (amount / factor).quantize(Decimal("0.0001"))
