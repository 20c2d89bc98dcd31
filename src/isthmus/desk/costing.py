"""What an order costs the company and leaves of its price: told to nobody who has not the role for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from isthmus.desk.approval_state import ApprovalRequest
from isthmus.desk.ordering import LineTruth, Simulation, Truth
from isthmus.desk.ports import DeskTransaction

__all__ = ["COST", "Costs", "costs_of", "costs_of_line", "margin_in", "margin_of", "without_costs", "without_margin"]

COST: Final = "cost"
"""The role: it also shows the cost of products where a flow says so."""
SHARE = Decimal("0.0001")


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Of a line or an order, without tax. ``rate``: the margin as a share of the price; None where that is nothing."""

    cost: Decimal
    margin: Decimal
    rate: Decimal | None


def costs_of_line(line: LineTruth) -> Costs | None:
    """None when the ERP has not told what the product costs."""
    if line.cost_price is None:
        return None
    return _costs((line.cost_price * line.quantity).quantize(_grain(line.amount)), line.amount)


def costs_of(truth: Truth) -> Costs | None:
    """Of all lines together; None when it is not known of each: half of the costs would show a margin that is not."""
    lines = [costs_of_line(line) for line in truth.lines]
    known = [line for line in lines if line is not None]
    if not known or len(known) < len(lines):
        return None
    return _costs(sum((line.cost for line in known), Decimal(0)), truth.untaxed)


def margin_of(truth: Truth) -> Decimal | None:
    """The share that approval rules know; None when it is not known."""
    found = costs_of(truth)
    return None if found is None else found.rate


def margin_in(simulation: str) -> Callable[[Any], Awaitable[Decimal | None]]:
    """What :func:`~isthmus.desk.approvals.get_approval` weighs: the margin of this simulation."""

    async def weigh(tx: DeskTransaction) -> Decimal | None:
        found = await tx.simulations.load(simulation)
        return None if found is None else margin_of(found.truth)

    return weigh


def without_costs(found: Simulation) -> Simulation:
    """As everybody may see it."""
    lines = tuple(replace(line, cost_price=None) for line in found.truth.lines)
    return replace(found, truth=replace(found.truth, lines=lines))


def without_margin(request: ApprovalRequest) -> ApprovalRequest:
    """As everybody may see it."""
    return replace(request, facts={name: fact for name, fact in request.facts.items() if name != "margin"})


def _costs(cost: Decimal, price: Decimal) -> Costs:
    margin = price - cost
    return Costs(cost=cost, margin=margin, rate=(margin / price).quantize(SHARE) if price > 0 else None)


def _grain(amount: Decimal) -> Decimal:
    """As many decimals as the line's amount has, at least two."""
    exponent = amount.as_tuple().exponent
    return Decimal(1).scaleb(min(exponent if isinstance(exponent, int) else 0, -2))
