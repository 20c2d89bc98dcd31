"""Goods that come back to Tryton's warehouse: received once, with or without a credit note.

A return that is credited is a sale of negative quantities, as Tryton's own wizard makes it: receipt and credit note
both follow from it. One that is not is a return shipment alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from isthmus.connector.logistics import (
    CreditNote,
    GoodsMoved,
    References,
    ReturnAsked,
    Returns,
    ReturnStanding,
)
from isthmus.connectors.tryton.codec import iso, quantity
from isthmus.connectors.tryton.collection import needed
from isthmus.connectors.tryton.installation import Installation
from isthmus.connectors.tryton.ordering import Ordering, token_note
from isthmus.connectors.tryton.refusals import Confirmation
from isthmus.errors import Rejected

__all__ = ["Returning"]

_MODEL = "stock.shipment.out.return"
_OUT = "stock.shipment.out"
_READ = (
    *("number", "reference", "state", "effective_date"),
    *(f"incoming_moves.{name}" for name in ("product", "quantity", "state", "effective_date", "unit.name")),
)
_SALE = ("reference", "state", "shipment_returns", "invoices")
_INVOICE = ("number", "state", "total_amount", "currency.code")
_BEGUN = ("draft", "quotation")


class Returning:
    """The operations about returns."""

    def __init__(self, tryton: Installation) -> None:
        self._tryton = tryton

    async def receive(self, asked: ReturnAsked) -> ReturnStanding:
        """Receive the goods into the warehouse, unless that was done. Raises ``Rejected`` for products there are not,
        and when it was received with other quantities or is cancelled."""
        if not asked.lines or any(line.quantity <= 0 for line in asked.lines):
            raise Rejected("A return needs lines with quantities above zero.", field="lines")
        await self._confirm(await self._sales(asked.reference))
        known = await self._known(asked.reference)
        if known is None:
            await self._announce(asked)
            await self._confirm(await self._sales(asked.reference))
            known = await self._known(asked.reference)
            assert known is not None, "a return that was made just now is there"
        _check_same(asked, known)
        await self._clear(asked.reference, known)
        for state, button in (("draft", "receive"), ("received", "do")):
            if known.state == state:
                await self._press(button, int(known.key))
                known = await self._known(asked.reference)
                assert known is not None, "a return that is received is there"
        return known

    async def standing(self, asked: References) -> Returns:
        """Returns with these references."""
        found = [await self._known(reference) for reference in asked.references]
        return Returns(returns=tuple(one for one in found if one is not None))

    async def _known(self, reference: str) -> ReturnStanding | None:
        sale = next((sale for sale in await self._sales(reference) if sale["shipment_returns"]), None)
        direct: list[Any] = [["reference", "=", reference]]
        domain = [["id", "in", sale["shipment_returns"]]] if sale else direct
        rows = await self._call(f"model.{_MODEL}.search_read", domain, 0, None, [["id", "ASC"]], list(_READ))
        counts = next((row for row in rows if row["state"] in ("received", "done")), rows[0] if rows else None)
        if counts is None:
            return None
        note = await self._credit_note(sale) if sale else None
        return _standing(counts, reference, note)

    async def _sales(self, reference: str) -> list[dict[str, Any]]:
        """The sales that were made for this return: they bear its token."""
        line = [["note", "=", token_note(reference)]]
        rows = await self._call("model.sale.line.search_read", line, 0, None, None, ["sale"])
        ids = [row["sale"] for row in rows]
        if not ids:
            return []
        found: list[dict[str, Any]] = await self._call(
            "model.sale.sale.search_read", [["id", "in", ids]], 0, None, [["id", "ASC"]], list(_SALE)
        )
        return found

    async def _announce(self, asked: ReturnAsked) -> None:
        if asked.credited:
            lines = [
                {
                    "product": line.product,
                    "quantity": -line.quantity,
                    "unit": line.unit,
                    # What the customer paid; Tryton's price list knows only what it costs today.
                    "unit_price": line.unit_price,
                }
                for line in asked.lines
            ]
            fields = {"party": asked.party, "reference": asked.reference, "lines": lines}
            values = await Ordering(self._tryton).values(fields, asked.reference)
            if asked.sale is not None:
                values["origin"] = f"sale.sale,{needed(asked.sale, 'sale', 'sale')}"
            await self._write("model.sale.sale.create", [values])
        else:
            await self._write(f"model.{_MODEL}.create", [await self._values(asked)])

    async def _confirm(self, sales: Sequence[Mapping[str, Any]]) -> None:
        """Confirm the first of them, which makes the return shipment; others are left-overs of lost requests."""
        for sale in sales[1:]:
            if sale["state"] in _BEGUN:
                await self._write("model.sale.sale.cancel", [sale["id"]])
        for sale in sales[:1]:
            if sale["state"] == "draft":
                await self._write("model.sale.sale.quote", [sale["id"]])
            if sale["state"] in _BEGUN:
                await self._write("model.sale.sale.confirm", [sale["id"]])

    async def _values(self, asked: ReturnAsked) -> dict[str, Any]:
        party = needed(asked.party, "party", "party")
        (customer,) = await self._call("model.party.party.read", [party], ["addresses", "customer_location"])
        if not customer["addresses"]:
            raise Rejected("The customer has no address to take goods back from.", field="party")
        warehouse = self._tryton.warehouse
        (house,) = await self._call("model.stock.location.read", [warehouse], ["input_location", "storage_location"])
        currency = await self._tryton.names.need(
            "currency.currency", "code", self._tryton.currency, ours="lines", what="currency"
        )
        moves = await asyncio.gather(
            *(
                self._move(line.product, line.quantity, line.unit, customer["customer_location"], house)
                for line in asked.lines
            )
        )
        if asked.sale is not None:
            moves = await self._named(moves, needed(asked.sale, "sale", "sale"))
        priced = {"currency": currency, "unit_price": Decimal(0), "company": self._tryton.company}
        return {
            "reference": asked.reference,
            "company": self._tryton.company,
            "customer": party,
            "contact_address": customer["addresses"][0],
            "warehouse": warehouse,
            "warehouse_input": house["input_location"],
            "warehouse_storage": house["storage_location"],
            "incoming_moves": [["create", [move | priced for move in moves]]],
        }

    async def _move(
        self, product: str, amount: Decimal, unit: str | None, source: int, house: Mapping[str, Any]
    ) -> dict[str, Any]:
        key = needed(product, "lines", "product")
        rows = await self._call("model.product.product.search_read", [["id", "=", key]], 0, 1, None, ["default_uom"])
        if not rows:
            raise Rejected(f"Tryton has no product {product}.", field="lines")
        chosen = rows[0]["default_uom"]
        if unit:
            chosen = await self._tryton.names.need("product.uom", "name", unit, ours="lines", what="unit")
        return {
            "product": key,
            "quantity": quantity(amount),
            "unit": chosen,
            "from_location": source,
            "to_location": house["input_location"],
        }

    async def _named(self, moves: Sequence[dict[str, Any]], sale: int) -> list[dict[str, Any]]:
        """The moves with those that they take back, where the sale has delivered such. Not with the line of the sale:
        Tryton would count them as delivered once more."""
        domain = [["origin.sale", "=", sale, "sale.line"], ["state", "=", "done"], ["shipment", "like", f"{_OUT},%"]]
        rows = await self._call("model.stock.move.search_read", domain, 0, None, [["id", "ASC"]], ["product"])
        sent = {row["product"]: f"stock.move,{row['id']}" for row in rows}
        return [move | ({"origin": sent[move["product"]]} if move["product"] in sent else {}) for move in moves]

    async def _press(self, button: str, id: int) -> None:
        """A return without a sale has no origin: Tryton asks whether that is meant, and it is."""
        method = f"model.{_MODEL}.{button}"
        try:
            await self._write(method, [id])
        except Confirmation as asked:
            await self._call("model.res.user.warning.skip", asked.name)
            await self._write(method, [id])

    async def _credit_note(self, sale: Mapping[str, Any]) -> CreditNote | None:
        ids = sale["invoices"]
        if not ids:
            return None
        rows = await self._call("model.account.invoice.search_read", [["id", "in", ids]], 0, 1, None, list(_INVOICE))
        if not rows:
            return None
        row = rows[0]
        return CreditNote(
            key=str(row["id"]),
            number=row["number"],
            state=row["state"],
            total=-row["total_amount"],
            currency=row["currency."]["code"],
        )

    async def _clear(self, reference: str, counts: ReturnStanding) -> None:
        """Second drafts of the same return, which requests that were taken for lost have left."""
        own = [["reference", "=", reference], ["state", "=", "draft"], ["id", "!=", int(counts.key)]]
        for row in await self._call(f"model.{_MODEL}.search_read", own, 0, None, None, ["id"]):
            for step in ("cancel", "delete"):
                await self._write(f"model.{_MODEL}.{step}", [row["id"]])

    async def _call(self, method: str, *params: Any) -> Any:
        return await self._tryton.rpc.call(method, *params)

    async def _write(self, method: str, *params: Any) -> Any:
        return await self._tryton.rpc.call(method, *params, safe=False)


def _check_same(asked: ReturnAsked, known: ReturnStanding) -> None:
    if known.state == "cancelled":
        raise Rejected(
            f"The return {asked.reference} is cancelled in Tryton.", advice="Make it a draft there again, or cancel it."
        )
    wanted: dict[str, Decimal] = {}
    for line in asked.lines:
        wanted[line.product] = wanted.get(line.product, Decimal(0)) + line.quantity
    there: dict[str, Decimal] = {}
    for moved in known.lines:
        there[moved.product] = there.get(moved.product, Decimal(0)) + moved.quantity
    if wanted != there:
        raise Rejected(
            f"Tryton has the return {asked.reference} ({known.number}, {known.state}) with other quantities already.",
            field="lines",
            advice="A return is received once. What came later is a return of its own.",
        )


def _standing(row: Mapping[str, Any], reference: str, note: CreditNote | None) -> ReturnStanding:
    moves = [move for move in row["incoming_moves."] if row["state"] == "cancelled" or move["state"] != "cancelled"]
    received = [move["effective_date"] for move in moves if move["effective_date"]]
    return ReturnStanding(
        key=str(row["id"]),
        reference=reference,
        number=row["number"],
        state=row["state"],
        received_on=iso(max(received)) if received else None,
        lines=tuple(
            GoodsMoved(
                product=str(move["product"]),
                quantity=Decimal(move["quantity"] or 0),
                unit=str((move["unit."] or {}).get("name") or ""),
            )
            for move in sorted(moves, key=lambda one: int(one["id"]))
        ),
        credit_note=note,
    )
