"""Operations about goods that move: stock transfers, fill-ups of consignment stock, deliveries, returns.

The structs are the vocabulary of systems that keep stock. ``reference`` is the hub's own number of the document: the
same reference twice is one document, and asking again answers the one that is there.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from isthmus.connector.api import Key
from isthmus.connector.services import Operation

__all__ = [
    "RECEIVE_RETURN",
    "RETURNS",
    "SALE_SHIPMENTS",
    "STATIONED",
    "TRANSFERS",
    "TRANSFER_STOCK",
    "CreditNote",
    "GoodsLine",
    "GoodsMoved",
    "References",
    "ReturnAsked",
    "ReturnStanding",
    "Returns",
    "SalesAsked",
    "Shipment",
    "ShipmentState",
    "Shipments",
    "Stationed",
    "StationedAsked",
    "StockAtStation",
    "TransferAsked",
]


class ShipmentState(StrEnum):
    """Where goods are, in the words all systems share."""

    PLANNED = "planned"
    """Nothing has left yet."""
    IN_TRANSIT = "in_transit"
    """Left, and not arrived."""
    DONE = "done"
    CANCELLED = "cancelled"


class GoodsLine(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what. ``unit``: the system's name of it; the product's own when left out. ``unit_price``: what a
    customer gets back for one unit of a credited return; the system's own price when left out."""

    product: Key
    quantity: Decimal
    unit: str | None = None
    unit_price: Decimal | None = None


class GoodsMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a shipment as the system has it: planned, or moved when the shipment has left."""

    product: Key
    quantity: Decimal
    unit: str


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """One shipment. ``document``: what it was asked by, a reference or the key of a sale. ``shown`` is the system's own
    word for its state."""

    key: Key
    document: str
    number: str | None
    state: ShipmentState
    shown: str
    left_on: str | None
    arrived_on: str | None
    lines: tuple[GoodsMoved, ...]


class Shipments(msgspec.Struct, frozen=True, kw_only=True):
    """Shipments in the order in which they were made. What was deleted in the system is not there. ``closed`` are
    documents that ask for no more goods, whatever is still missing."""

    shipments: tuple[Shipment, ...]
    closed: tuple[str, ...] = ()


class TransferAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Goods to be moved from one place of the company's stock to another; a place is named by its code. Without a
    ``source`` they leave the system's main warehouse."""

    reference: str
    target: str
    lines: tuple[GoodsLine, ...]
    source: str | None = None
    planned_on: str | None = None


class References(msgspec.Struct, frozen=True, kw_only=True):
    """The documents with these references."""

    references: tuple[str, ...]


class SalesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The sales with these keys."""

    sales: tuple[Key, ...]


class StationedAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What is at these places (codes), of these products (all, when none is named)?"""

    places: tuple[str, ...]
    products: tuple[Key, ...] = ()


class StockAtStation(msgspec.Struct, frozen=True, kw_only=True):
    """One product at one place, in the product's own unit: what is there, and what has left for it already."""

    place: str
    product: Key
    on_hand: Decimal
    in_transit: Decimal


class Stationed(msgspec.Struct, frozen=True, kw_only=True):
    """Only what is not zero."""

    stock: tuple[StockAtStation, ...]


class ReturnAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Goods of a customer that came back and were counted: they are to be received, once. ``credited``: the customer
    gets their price back by a credit note. ``sale``: the sale by which they were delivered, where that is known."""

    reference: str
    party: Key
    lines: tuple[GoodsLine, ...]
    credited: bool = False
    sale: Key | None = None


class CreditNote(msgspec.Struct, frozen=True, kw_only=True):
    """What the customer gets back; ``total`` with tax, above zero."""

    key: Key
    number: str | None
    state: str
    total: Decimal
    currency: str


class ReturnStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A return as the system has it. ``state``: draft, received, done or cancelled."""

    key: Key
    reference: str
    number: str | None
    state: str
    received_on: str | None
    lines: tuple[GoodsMoved, ...]
    credit_note: CreditNote | None = None


class Returns(msgspec.Struct, frozen=True, kw_only=True):
    """Those that there are."""

    returns: tuple[ReturnStanding, ...]


TRANSFER_STOCK: Final = Operation(
    name="transfer_stock", input=TransferAsked, output=Shipments, changes=True, idempotent=True
)
"""Orders a transfer; answers its shipments as :data:`TRANSFERS` does."""
TRANSFERS: Final = Operation(name="transfers", input=References, output=Shipments)
"""How far transfers are."""
SALE_SHIPMENTS: Final = Operation(name="sale_shipments", input=SalesAsked, output=Shipments)
"""How far the deliveries of sales are."""
STATIONED: Final = Operation(name="stationed", input=StationedAsked, output=Stationed)
"""What stock is at places, and under way to them."""
RECEIVE_RETURN: Final = Operation(
    name="receive_return", input=ReturnAsked, output=ReturnStanding, changes=True, idempotent=True
)
"""Receives a return. Refused when one of this reference was received with other quantities."""
RETURNS: Final = Operation(name="returns", input=References, output=Returns)
"""How far returns are."""
