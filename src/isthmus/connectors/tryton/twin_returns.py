"""What people of the twin do when goods come back and bills are credited: Tryton's return shipments and wizards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from isthmus.connectors.tryton.twin_business import Business
from isthmus.connectors.tryton.twin_store import Refused, Store

__all__ = ["Returns"]

_RETURN = "stock.shipment.out.return"


class Returns:
    """Over the twin's store; each call inside a transaction of the caller's."""

    def __init__(self, store: Store, business: Business) -> None:
        self._store, self._business = store, business

    def return_sale(self, sale: int, keep: Mapping[int, float]) -> int:
        """The wizard: a draft sale of the same lines below zero, of which only ``keep`` {product: pieces} stay."""
        store = self._store
        row = store.row("sale.sale", sale)
        copied = ("party", "currency", "company", "warehouse", "invoice_method", "shipment_method", "payment_term")
        lines = [store.row("sale.line", one) for one in store.value("sale.sale", row, "lines", {})]
        made = [
            {
                **{name: line[name] for name in ("type", "product", "unit", "unit_price", "base_price", "description")},
                "quantity": -keep[line["product"]],
            }
            for line in lines
            if line["product"] in keep
        ]
        values = {name: row[name] for name in copied}
        return store.create("sale.sale", {**values, "origin": f"sale.sale,{sale}", "lines": [["create", made]]})

    def confirm(self, sale: int) -> tuple[int, int]:
        """A return sale becomes a return shipment and a draft credit note: their ids."""
        store, row = self._store, self._store.row("sale.sale", sale)
        lines = [store.row("sale.line", one) for one in store.value("sale.sale", row, "lines", {})]
        shipment = self.take_back(
            row["party"],
            [
                {"product": line["product"], "quantity": -line["quantity"], "origin": f"sale.line,{line['id']}"}
                for line in lines
            ],
        )
        items = [
            {
                **{name: line[name] for name in ("product", "quantity", "unit", "unit_price", "description")},
                "origin": f"sale.line,{line['id']}",
            }
            for line in lines
        ]
        values = {"party": row["party"], "currency": row["currency"], "lines": [["create", items]]}
        store.write("sale.sale", [sale], {"state": "processing", "number": f"S{sale}"})
        return shipment, store.create("account.invoice", values)

    def take_back(self, party: int, moves: list[dict[str, Any]]) -> int:
        """A return shipment, as a draft; moves have product, quantity and origin. Its id."""
        store = self._store
        shipment = store.create(_RETURN, {"customer": party})
        store.write(_RETURN, [shipment], {"number": f"R{shipment}"})
        for move in moves:
            store.create("stock.move", {"unit": 1, **move, "shipment": f"{_RETURN},{shipment}"})
        return shipment

    def end(self, shipment: int, state: str) -> None:
        """The goods are received, or it is cancelled."""
        store = self._store
        row = store.row(_RETURN, shipment)
        today = dt.datetime.now(dt.UTC).date()
        done = state != "cancelled"
        for move in store.value(_RETURN, row, "incoming_moves", {}):
            changed = {"state": "done", "effective_date": today} if done else {"state": "cancelled"}
            store.write("stock.move", [move], changed)
        store.write(_RETURN, [shipment], {"state": state, **({"effective_date": today} if state == "done" else {})})

    def credit(self, invoice: int, *, refund: bool, keep: Mapping[int, float]) -> int:
        """The wizard: a credit note of ``keep`` {product: pieces}; with ``refund`` of the whole, which is posted at
        once and cancels the invoice. Its id."""
        store = self._store
        row = store.row("account.invoice", invoice)
        lines = [store.row("account.invoice.line", one) for one in store.value("account.invoice", row, "lines", {})]
        if row["state"] not in ("posted", "paid"):
            raise Refused("UserError", "Only posted invoices are credited.", "", None)
        items = [
            {
                **{name: line[name] for name in ("product", "unit", "unit_price", "description")},
                "quantity": -(line["quantity"] if refund else keep[line["product"]]),
                "origin": f"account.invoice.line,{line['id']}",
            }
            for line in lines
            if refund or line["product"] in keep
        ]
        values = {"party": row["party"], "currency": row["currency"], "lines": [["create", items]]}
        note = store.create("account.invoice", values)
        if refund:
            self._business.press("account.invoice", "post", [note])
            store.write("account.invoice", [note], {"state": "paid"})
            move = store.row("account.invoice", note)["move"]
            store.write("account.move", [move], {"origin": f"account.invoice,{note}"})
            store.write("account.invoice", [invoice], {"state": "cancelled", "cancel_move": move})
        return note
