"""Asking the ERP what an order would come to, in the hub's terms."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from isthmus.connector.services import (
    AVAILABLE_TO_PROMISE,
    CREDIT,
    SIMULATE_ORDER,
    CreditAsked,
    CreditStanding,
    OrderAsked,
    StockAsked,
    WantedLine,
)
from isthmus.desk.ordering import Asked, Truth, truth_of
from isthmus.desk.ports import BusinessHub
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.model.state import Link, LinkState

__all__ = ["ask_truth"]


async def ask_truth(hub: BusinessHub, asked: Asked) -> Truth:
    """Price, stock and credit as they are now, asked side by side.

    Raises :class:`NeedsPerson` when customer or products are not in the ERP or it refuses them, ``Unavailable`` when
    it cannot be reached, ``Misconfigured`` when no system can answer.
    """
    system = hub.answering(SIMULATE_ORDER.name, "SalesOrder")
    products = [line.product for line in asked.lines]
    links = await hub.links({asked.customer, *products})
    party = _key(links, asked.customer, system, "customer")
    wanted = tuple(
        WantedLine(
            product=_key(links, line.product, system, line.sku), quantity=line.quantity, unit_price=line.unit_price
        )
        for line in asked.lines
    )
    priced, stock, standing = await asyncio.gather(
        hub.ask(system, SIMULATE_ORDER.name, OrderAsked(party=party, lines=wanted)),
        hub.ask(system, AVAILABLE_TO_PROMISE.name, StockAsked(lines=wanted, wanted_on=asked.wanted_on)),
        _credit(hub, system, party),
    )
    return truth_of(asked, priced, stock, standing)


async def _credit(hub: BusinessHub, system: str, party: str) -> CreditStanding | None:
    try:
        hub.answering(CREDIT.name, "SalesOrder")
    except Misconfigured:
        return None
    answer: CreditStanding = await hub.ask(system, CREDIT.name, CreditAsked(party=party))
    return answer


def _key(links: Sequence[Link], item: str, system: str, what: str) -> str:
    for link in links:
        if link.item == item and link.system == system and link.state is LinkState.LINKED and link.key is not None:
            return link.key
    raise NeedsPerson(f"{what} is not in {system} (yet).", advice="See: isthmus explain")
