"""An order before it is made: what the ERP said of it, for how long that holds, and what has moved since. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from isthmus.connector.services import Available, CreditStanding, OrderPriced

__all__ = [
    "ORDERED",
    "VALID_FOR",
    "Asked",
    "AskedLine",
    "Credit",
    "Difference",
    "LineTruth",
    "Simulation",
    "Truth",
    "differences",
    "truth_of",
]

ORDERED: Final = frozenset({"confirmed", "processing", "done"})
"""States of an order that the ERP has confirmed, and goes on with."""
VALID_FOR = timedelta(minutes=15)
"""How long a simulation may be placed without being shown again. It is checked anew in any case."""


class AskedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A position that somebody wants. ``product`` is the hub's item; ``unit_price`` was agreed, as in a quote."""

    product: str
    sku: str
    quantity: Decimal
    unit_price: Decimal | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. ``customer`` is the hub's item."""

    customer: str
    lines: tuple[AskedLine, ...]
    wanted_on: str | None = None
    reference: str | None = None

    @property
    def agreed(self) -> bool:
        """Whether a price was agreed for any position: it may be ordered only as what it was agreed in."""
        return any(line.unit_price is not None for line in self.lines)


class LineTruth(msgspec.Struct, frozen=True, kw_only=True):
    """A position as the ERP would sell and deliver it; see :class:`~isthmus.connector.services.PricedLine` and
    :class:`~isthmus.connector.services.Availability`."""

    sku: str
    quantity: Decimal
    unit: str
    list_price: Decimal
    unit_price: Decimal
    discount_rate: Decimal
    amount: Decimal
    on_hand: Decimal | None
    date: str | None
    own_price: Decimal | None = None
    """What the ERP would ask by itself, where another price was agreed."""
    cost_price: Decimal | None = None
    """What one unit costs the company; see :mod:`isthmus.desk.costing` for who is told."""


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """How the customer would stand after the order."""

    limit: Decimal | None
    used: Decimal
    after: Decimal

    @property
    def exceeded(self) -> bool:
        """Whether the ERP would refuse the order for it."""
        return self.limit is not None and self.after > self.limit


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """All that the ERP said at one moment. ``credit`` None: it keeps no limits."""

    currency: str
    lines: tuple[LineTruth, ...]
    untaxed: Decimal
    tax: Decimal
    total: Decimal
    discount: Decimal
    credit: Credit | None


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was given and is kept. ``order``: the item it became."""

    id: str
    asked: Asked
    truth: Truth
    made_at: datetime
    expires_at: datetime
    client_key: str | None = None
    order: str | None = None

    def expired(self, now: datetime) -> bool:
        """Whether it must be shown again before it is placed."""
        return now >= self.expires_at


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was said. ``what``: price, unit, total, date, credit, currency or expired; ``line``
    counts from 1."""

    what: str
    before: str
    now: str
    line: int | None = None
    sku: str | None = None


def truth_of(asked: Asked, priced: OrderPriced, stock: Available, standing: CreditStanding | None) -> Truth:
    """What the three answers say together."""
    credit = None
    if standing is not None:
        after = standing.used + priced.credit_amount
        credit = Credit(limit=standing.limit, used=standing.used, after=after)
    lines = tuple(
        LineTruth(
            sku=line.sku,
            quantity=line.quantity,
            unit=price.unit,
            list_price=price.list_price,
            unit_price=price.unit_price,
            discount_rate=price.discount_rate,
            amount=price.amount,
            on_hand=there.on_hand,
            date=there.date,
            own_price=price.own_price,
            cost_price=price.cost_price,
        )
        for line, price, there in zip(asked.lines, priced.lines, stock.lines, strict=True)
    )
    return Truth(
        currency=priced.currency,
        lines=lines,
        untaxed=priced.untaxed,
        tax=priced.tax,
        total=priced.total,
        discount=priced.discount,
        credit=credit,
    )


def differences(before: Truth, now: Truth) -> tuple[Difference, ...]:
    """What would surprise whoever was told ``before``: any other price, a later day, a limit that is exceeded now. An
    earlier day, other stock with the same day, and credit used within the limit surprise nobody."""
    if before.currency != now.currency:
        return (Difference(what="currency", before=before.currency, now=now.currency),)
    found: list[Difference] = []
    for at, (old, new) in enumerate(zip(before.lines, now.lines, strict=True), 1):
        found += _of_line(at, old, new)
    if before.total != now.total:
        found.append(Difference(what="total", before=str(before.total), now=str(now.total)))
    if now.credit is not None and now.credit.exceeded and not (before.credit and before.credit.exceeded):
        told = str(before.credit.after) if before.credit else "–"
        found.append(Difference(what="credit", before=told, now=f"{now.credit.after} of {now.credit.limit}"))
    return tuple(found)


def _of_line(at: int, old: LineTruth, new: LineTruth) -> Sequence[Difference]:
    found: list[Difference] = []

    def moved(what: str, before: object, now: object) -> None:
        found.append(Difference(what=what, before=str(before), now=str(now), line=at, sku=new.sku))

    if old.unit != new.unit:
        moved("unit", old.unit, new.unit)
    if (old.unit_price, old.amount) != (new.unit_price, new.amount):
        moved("price", old.unit_price, new.unit_price)
    if new.date is None and old.date is not None:
        moved("date", old.date, "none")
    elif new.date is not None and old.date is not None and new.date > old.date:
        moved("date", old.date, new.date)
    return found
