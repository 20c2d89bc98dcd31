"""Noticing that the ERP shows something else of documents that processes wait for: all of them are asked for at once,
and only where something is different the process is told to look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import xxhash

from isthmus.connector.logistics import SALE_SHIPMENTS, TRANSFERS, References, SalesAsked, Shipment
from isthmus.desk.ports import BusinessHub
from isthmus.desk.processes.material_request import EVERY, LOOK, MOVED, SENDING
from isthmus.desk.supplying import deliveries_of, supplier
from isthmus.errors import NeedsPerson
from isthmus.model.state import Item, LinkState
from isthmus.process import signal

__all__ = ["FOLLOWERS", "follow_requests"]


async def follow_requests(hub: BusinessHub) -> int:
    """Tell the processes of material requests whose deliveries have moved; how many. Raises ``Unavailable``."""
    items = [item for state in SENDING for item in await hub.find("MaterialRequest", "state", state, EVERY)]
    if not items:
        return 0
    system = supplier(hub)
    sales = await _sales(hub, system, items)
    references = {reference: item.id for item in items for reference in item.fields.get("transfers") or ()}
    shipments: dict[str, list[Shipment]] = {item.id: [] for item in items}
    closed: set[str] = set()
    if references:
        answer = await hub.ask(system, TRANSFERS.name, References(references=tuple(references)))
        for one in answer.shipments:
            shipments[references[one.document]].append(one)
    if sales:
        answer = await hub.ask(system, SALE_SHIPMENTS.name, SalesAsked(sales=tuple(sales)))
        for one in answer.shipments:
            shipments[sales[one.document]].append(one)
        closed = {sales[key] for key in answer.closed}
    told = 0
    for item in items:
        shown = [_face(one) for one in deliveries_of(shipments[item.id], {})]
        known = [_face(one) for one in item.fields.get("deliveries") or ()]
        if shown != known or item.id in closed:
            told += await _tell(hub, item, MOVED, LOOK, shown)
    return told


async def _sales(hub: BusinessHub, system: str, items: Sequence[Item]) -> dict[str, str]:
    """Key of the ERP's sale -> the request it was made for."""
    orders = {item.fields["order"]: item.id for item in items if item.fields.get("order")}
    return {
        link.key: orders[link.item]
        for link in await hub.links(list(orders))
        if link.system == system and link.state is LinkState.LINKED and link.key is not None and link.item in orders
    }


def _face(delivery: dict[str, Any]) -> Any:
    """What of a delivery is worth a look when it changes."""
    lines = [(line.get("quantity"), line.get("unit")) for line in delivery.get("lines") or ()]
    return (delivery["id"], delivery["state"], delivery.get("number"), lines)


async def _tell(hub: BusinessHub, item: Item, topic: str, value: str, shown: Any) -> int:
    """Once a minute while the document is not as the ERP shows it: it gets another version when the process has looked."""
    process = item.fields.get("process")
    if not process:
        return 0
    async with hub.transaction() as tx:
        try:
            digest = xxhash.xxh3_64_hexdigest(msgspec.json.encode(shown))
            id = f"{topic}/{item.version}/{digest}/{hub.now():%Y%m%d%H%M}"
            return int(await signal(tx, process, topic, value, id=id, by="erp", now=hub.now()))
        except NeedsPerson:
            # It was cancelled or is over: nobody follows the document any more.
            return 0


FOLLOWERS: Final[Mapping[str, Callable[[BusinessHub], Awaitable[int]]]] = {"material_request": follow_requests}
"""Process -> what looks for it."""
