"""A person who takes goods back and credits invoices in the ERP: by its own wizards and forms."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .erp_user import ErpUser

__all__ = ["ErpReturns"]

_SHIPMENT = "stock.shipment.out.return"


class ErpReturns:
    """Returns and credit notes of one :class:`ErpUser`."""

    def __init__(self, user: ErpUser) -> None:
        self._user = user

    def return_sale(self, sale: int, keep: Mapping[str, float] | None = None) -> int:
        """The wizard that makes a return sale of a sale, as a draft; of its lines only ``keep`` {product code: pieces}
        stay. Its id."""
        wizard, context = "wizard.sale.return_sale", _on("sale.sale", sale)
        session, *_ = self._user.call(f"{wizard}.create", **context)
        shown = self._user.call(f"{wizard}.execute", session, {}, "return_", **context)
        self._user.call(f"{wizard}.delete", session)
        made = int(shown["actions"][0][1]["res_id"][0])
        if keep is not None:
            self._keep("sale.line", [["sale", "=", made]], keep)
        return made

    def shipments(self, sale: int) -> list[dict[str, Any]]:
        """The return shipments of a return sale."""
        (found,) = self._user.read("sale.sale", [["id", "=", sale]], ["shipment_returns"])
        return self._user.read(_SHIPMENT, [["id", "in", found["shipment_returns"]]], ["number", "state", "reference"])

    def take_back(self, party: int, goods: Mapping[str, float], *, of: int | None = None, by_move: bool = False) -> int:
        """A return shipment typed by hand, as a draft, for the lines ``of`` a sale where one is named, or for the moves
        that delivered them. Its id."""
        user = self._user
        (customer,) = user.read("party.party", [["id", "=", party]], ["addresses", "customer_location"])
        (house,) = user.read("stock.location", [["code", "=", "WH"]], ["input_location", "storage_location"])
        (currency,) = user.read("currency.currency", [["code", "=", "EUR"]], ["id"])
        company = user.call("model.res.user.get_preferences", True)["company"]
        moves = []
        for code, quantity in goods.items():
            (product,) = user.read("product.product", [["code", "=", code]], ["default_uom"])
            move = {
                "product": product["id"], "quantity": float(quantity), "unit": product["default_uom"],
                "from_location": customer["customer_location"], "to_location": house["input_location"],
                "unit_price": Decimal(1), "currency": currency["id"], "company": company,
            }  # fmt: skip
            if of is not None:
                (line,) = user.read("sale.line", [["sale", "=", of], ["product.code", "=", code]], ["id"])
                move["origin"] = f"sale.line,{line['id']}"
                if by_move:
                    domain = [["origin", "=", move["origin"]], ["state", "=", "done"]]
                    move["origin"] = f"stock.move,{user.read('stock.move', domain, ['id'])[0]['id']}"
            moves.append(move)
        values = {
            "customer": party, "contact_address": customer["addresses"][0], "company": company,
            "warehouse": house["id"], "warehouse_input": house["input_location"],
            "warehouse_storage": house["storage_location"], "incoming_moves": [["create", moves]],
        }  # fmt: skip
        return int(user.call(f"model.{_SHIPMENT}.create", [values])[0])

    def receive(self, shipment: int) -> None:
        """The goods are there, and put away."""
        self._user.insist(f"model.{_SHIPMENT}.receive", [shipment])
        (now,) = self._user.read(_SHIPMENT, [["id", "=", shipment]], ["state"])
        if now["state"] == "received":
            self._user.insist(f"model.{_SHIPMENT}.do", [shipment])

    def cancel(self, shipment: int) -> None:
        """They did not come after all."""
        self._user.insist(f"model.{_SHIPMENT}.cancel", [shipment])

    def credit(self, invoice: int, *, refund: bool, keep: Mapping[str, float] | None = None) -> int:
        """The wizard that credits an invoice; with ``refund`` the credit note is posted and the invoice cancelled at
        once, else it is a draft, of whose lines only ``keep`` {product code: pieces} stay. Its id."""
        wizard, context = "wizard.account.invoice.credit", _on("account.invoice", invoice)
        session, *_ = self._user.call(f"{wizard}.create", **context)
        start = {"invoice_date": None, "with_refund": refund, "with_refund_allowed": True}
        shown = self._user.insist(f"{wizard}.execute", session, {"start": start}, "credit", **context)
        self._user.call(f"{wizard}.delete", session)
        made = int(shown["actions"][0][1]["res_id"][0])
        if keep is not None:
            self._keep("account.invoice.line", [["invoice", "=", made]], keep)
        return made

    def _keep(self, model: str, lines: list[Any], wanted: Mapping[str, float]) -> None:
        """Of these lines, all below zero, only so many pieces of each product stay."""
        for line in self._user.read(model, lines, ["product.code", "quantity"]):
            pieces = wanted.get(line["product.code"], 0.0)
            if not pieces:
                self._user.call(f"model.{model}.delete", [line["id"]])
            elif pieces != -line["quantity"]:
                self._user.call(f"model.{model}.write", [line["id"]], {"quantity": -float(pieces)})


def _on(model: str, record: int) -> dict[str, Any]:
    return {"active_model": model, "active_id": record, "active_ids": [record]}
