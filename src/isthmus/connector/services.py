"""Services of a system: questions that only it can answer, such as what an order would cost there.

A system that implements :class:`Services` names operations with typed input and output. Errors are those of writes
(see :mod:`isthmus.connector.api`): a refusal is ``Rejected`` with the system's reason, a lost answer of an operation
that may have changed something is ``UnknownOutcome``. Operations never retry.

The structs here are the vocabulary of operations that systems of one trade have in common; their keys are far keys and
their amounts are in the currency that stands beside them. A connector may have operations of its own besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from isthmus.connector.api import Key

__all__ = [
    "AVAILABLE_TO_PROMISE",
    "CREDIT",
    "SIMULATE_ORDER",
    "Availability",
    "Available",
    "CreditAsked",
    "CreditStanding",
    "Operation",
    "OrderAsked",
    "OrderPriced",
    "PricedLine",
    "Services",
    "StockAsked",
    "WantedLine",
]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A named operation."""

    name: str
    input: type[msgspec.Struct]
    output: type[msgspec.Struct]
    changes: bool = False
    """Whether it changes anything in the system; one that does not may be called as often as one likes."""
    idempotent: bool = False
    """For one that changes something: the same token twice has one effect, and both calls answer it."""


@runtime_checkable
class Services(Protocol):
    """A system with operations."""

    def operations(self) -> Mapping[str, Operation]:
        """What it offers, by name; constant while open."""

    async def call(self, operation: str, given: Any, *, token: str = "") -> Any:
        """Perform an operation: ``given`` is its input struct, the answer its output struct. ``token`` is stable across
        repetitions of one intent. Raises what writes answer with, and ``LookupError`` for an unknown operation."""


class WantedLine(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what. ``unit``: the system's name of it; the product's selling unit when left out. ``unit_price``: a
    price that was agreed, for one unit; a system that cannot keep one answers its own."""

    product: Key
    quantity: Decimal
    unit: str | None = None
    unit_price: Decimal | None = None


class OrderAsked(msgspec.Struct, frozen=True, kw_only=True):
    """An order that somebody thinks of. ``currency`` (ISO 4217): the customer's or company's own when left out."""

    party: Key
    lines: tuple[WantedLine, ...]
    currency: str | None = None
    date: str | None = None
    """Day of the order (ISO 8601), for prices that depend on it; today when left out."""


class PricedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as the system would sell it. ``list_price`` is before, ``unit_price`` after discount, both for one
    ``unit``; ``discount_rate`` is 0.05 for 5 %; ``amount`` is without tax. ``own_price``: what the system would
    ask where another price was agreed. ``cost_price``: what one ``unit`` costs the company, in the order's
    currency; None where the system does not say."""

    product: Key
    quantity: Decimal
    unit: str
    list_price: Decimal
    unit_price: Decimal
    discount_rate: Decimal
    amount: Decimal
    own_price: Decimal | None = None
    cost_price: Decimal | None = None


class OrderPriced(msgspec.Struct, frozen=True, kw_only=True):
    """What the order would come to. ``discount`` is what all lines together cost less than at list price."""

    currency: str
    lines: tuple[PricedLine, ...]
    untaxed: Decimal
    tax: Decimal
    total: Decimal
    discount: Decimal
    credit_amount: Decimal
    """What it would count against the customer's credit limit, by the system's own rule."""


class StockAsked(msgspec.Struct, frozen=True, kw_only=True):
    """From when can these lines be delivered, all taken from the same stock, in this order?"""

    lines: tuple[WantedLine, ...]
    wanted_on: str | None = None
    """Not before this day (ISO 8601); today when left out."""


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one line. Quantities are in the line's unit."""

    product: Key
    on_hand: Decimal | None
    """In stock now; None for what is not kept in stock."""
    forecast: Decimal | None
    """In stock after everything that is planned."""
    date: str | None
    """The first day, not before the wanted one, from which the whole quantity can be taken without leaving anybody
    short who has a promise already; None when there is no such day."""


class Available(msgspec.Struct, frozen=True, kw_only=True):
    """One answer per line, in order."""

    lines: tuple[Availability, ...]


class CreditAsked(msgspec.Struct, frozen=True, kw_only=True):
    """How does this customer stand?"""

    party: Key


class CreditStanding(msgspec.Struct, frozen=True, kw_only=True):
    """``limit`` None: there is none. ``used`` is what is owed and ordered already, by the system's own rule."""

    currency: str
    limit: Decimal | None
    used: Decimal


SIMULATE_ORDER: Final = Operation(name="simulate_order", input=OrderAsked, output=OrderPriced)
"""Prices an order without making it: price list, quantity breaks, discount, taxes."""
AVAILABLE_TO_PROMISE: Final = Operation(name="available_to_promise", input=StockAsked, output=Available)
"""Says from when lines can be delivered: stock and open supply against what is promised already."""
CREDIT: Final = Operation(name="credit", input=CreditAsked, output=CreditStanding)
"""Says how much credit a customer has and uses."""
