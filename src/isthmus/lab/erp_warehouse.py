"""What people at the warehouse and in the books of the ERP do, besides what :class:`~.erp_user.ErpUser` can."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from isthmus.errors import LabError

from .erp_user import ErpUser

__all__ = ["ErpWarehouse"]

TRANSFER = (
    "number", "state", "reference", "transit_location", "effective_start_date", "effective_date",
    "moves.product.code", "moves.quantity", "moves.state", "moves.to_location",
)  # fmt: skip
RETURN = (
    "number", "state", "reference", "customer", "incoming_moves.product.code", "incoming_moves.quantity",
    "incoming_moves.state", "inventory_moves.quantity", "inventory_moves.state",
)  # fmt: skip
ENTRY = (
    "number", "state", "date", "description", "origin", "lines.account.code", "lines.debit", "lines.credit",
    "lines.party.name",
)  # fmt: skip


class ErpWarehouse:
    """Works in the ERP as ``user``."""

    def __init__(self, user: ErpUser) -> None:
        self._user = user

    # places

    def create_warehouse(self, code: str, name: str) -> int:
        """A warehouse with its zones; the id of its storage. Its code stands for it."""
        zones = {}
        for zone in ("input", "output", "storage", "production"):
            kind = "production" if zone == "production" else "storage"
            values = {"name": f"{name} {zone}", "code": f"{code}-{zone[:3].upper()}", "type": kind}
            (zones[f"{zone}_location"],) = self._user.call("model.stock.location.create", [values])
        values = {"name": name, "code": code, "type": "warehouse", **zones}
        self._user.call("model.stock.location.create", [values])
        return int(zones["storage_location"])

    def create_consignment_place(self, code: str, name: str, party: int) -> int:
        """A place at a customer for goods that stay the company's own until they are used."""
        (customers,) = self._user.read("stock.location", [["type", "=", "customer"], ["parent", "=", None]], ["id"])
        values = {
            "name": name,
            "code": code,
            "type": "storage",
            "parent": customers["id"],
            "consignment_party": party,
        }
        return int(self._user.call("model.stock.location.create", [values])[0])

    def stock_at(self, place: int, code: str) -> Decimal:
        """Pieces of a product at a place."""
        (found,) = self._user.read(
            "product.product", [["code", "=", code]], ["quantity"], locations=[place], with_childs=True
        )
        return Decimal(str(found["quantity"] or 0))

    # transfers

    def transfers(self, reference: str) -> list[dict[str, Any]]:
        """Internal shipments of this reference, in the order they were made."""
        return self._user.read("stock.shipment.internal", [["reference", "=", reference]], TRANSFER)

    def send_transfer(self, transfer: int, quantities: Mapping[str, float] | None = None) -> str:
        """Pack and send what waits, or only ``quantities`` {product code: pieces}; the state afterwards: shipped, or
        done where nothing is between the two places. Raises LabError when stock is short."""
        name = "model.stock.shipment.internal"
        (row,) = self._user.read("stock.shipment.internal", [["id", "=", transfer]], TRANSFER)
        if quantities is not None:
            leaving = [move for move in row["moves"] if row["transit_location"] in (None, move["to_location"])]
            for move in leaving:
                wanted = float(quantities.get(move["product.code"], 0.0))
                if wanted < float(move["quantity"]):
                    self._user.call("model.stock.move.write", [move["id"]], {"quantity": wanted})
        self._user.insist(f"{name}.assign_try", [transfer])
        if self._state(transfer) != "assigned":
            raise LabError(f"Transfer {row['number']} cannot be assigned: stock is short.")
        if row["transit_location"] is None:
            self._user.insist(f"{name}.do", [transfer])
        else:
            self._user.insist(f"{name}.pack", [transfer])
            self._user.insist(f"{name}.ship", [transfer])
        return self._state(transfer)

    def receive_transfer(self, transfer: int) -> None:
        """It has arrived at the other place."""
        self._user.insist("model.stock.shipment.internal.do", [transfer])

    def delete_transfer(self, transfer: int) -> None:
        """Cancel it and delete it."""
        self._user.insist("model.stock.shipment.internal.cancel", [transfer])
        self._user.insist("model.stock.shipment.internal.delete", [transfer])

    def _state(self, transfer: int) -> str:
        (row,) = self._user.read("stock.shipment.internal", [["id", "=", transfer]], ["state"])
        return str(row["state"])

    # deliveries of orders

    def give_up_delivery(self, sale: int, shipment: int) -> None:
        """Cancel a delivery that waits, and tell its order that nothing comes in its place. (Tryton deletes no delivery
        whose goods were given up.)"""
        self._user.insist("model.stock.shipment.out.cancel", [shipment])
        wizard, context = (
            "wizard.sale.handle.shipment.exception",
            {"active_model": "sale.sale", "active_id": sale, "active_ids": [sale]},
        )
        session, *_ = self._user.call(f"{wizard}.create", **context)
        shown = self._user.call(f"{wizard}.execute", session, {}, "ask", **context)
        asked = shown["view"]["defaults"]
        moves = list(asked.get("domain_moves") or [])
        given = {"ask": {"domain_moves": moves, "recreate_moves": [], "ignore_moves": moves}}
        self._user.insist(f"{wizard}.execute", session, given, "handle", **context)
        self._user.call(f"{wizard}.delete", session)

    # returns and books

    def returns(self, reference: str) -> list[dict[str, Any]]:
        """Return shipments of this reference, and those of sales that have it."""
        sales = self._user.read("sale.sale", [["reference", "=", reference]], ["shipment_returns"])
        ids = [one for sale in sales for one in sale["shipment_returns"]]
        domain = ["OR", [["reference", "=", reference]], [["id", "in", ids]]]
        return self._user.read("stock.shipment.out.return", domain, RETURN)

    def entries(self, reference: str) -> list[dict[str, Any]]:
        """Journal entries with this description."""
        return self._user.read("account.move", [["description", "=", reference]], ENTRY)

    def cancel_entry(self, entry: int, why: str) -> None:
        """Take a posted entry back by another one."""
        wizard = "wizard.account.move.cancel"
        context = {"active_model": "account.move", "active_id": entry, "active_ids": [entry]}
        session, *_ = self._user.call(f"{wizard}.create", **context)
        given = {"default": {"description": why, "reversal": True}}
        self._user.insist(f"{wizard}.execute", session, given, "cancel", **context)
        self._user.call(f"{wizard}.delete", session)
