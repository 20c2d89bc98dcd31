"""What the API gives of simulated orders."""

from __future__ import annotations

from datetime import datetime

from isthmus.api.v1.views import Number, Shown

__all__ = ["SimulationShown"]


class CostsShown(Shown, frozen=True, kw_only=True):
    """What it costs the company and leaves of its price, without tax. ``rate``: the margin as a share."""

    cost: Number
    margin: Number
    rate: Number | None


class SimulatedLine(Shown, frozen=True, kw_only=True):
    """A line as the ERP would sell and deliver it. ``date`` null: not to be had. ``costs``: with the scope ``cost``
    only, and where the ERP knows them."""

    sku: str
    quantity: Number
    unit: str
    list_price: Number
    unit_price: Number
    discount_rate: Number
    amount: Number
    on_hand: Number | None
    date: str | None
    costs: CostsShown | None


class CreditShown(Shown, frozen=True, kw_only=True):
    """How the customer would stand after the order."""

    limit: Number | None
    used: Number
    after: Number
    exceeded: bool


class SimulationShown(Shown, frozen=True, kw_only=True):
    """What the ERP said at one moment, and until when it may be placed. ``order``: the item that it became. ``costs``:
    with the scope ``cost`` only, and when they are known of every line."""

    id: str
    customer: str
    reference: str | None
    currency: str
    lines: list[SimulatedLine]
    untaxed: Number
    tax: Number
    total: Number
    discount: Number
    credit: CreditShown | None
    costs: CostsShown | None
    made_at: datetime
    expires_at: datetime
    order: str | None
