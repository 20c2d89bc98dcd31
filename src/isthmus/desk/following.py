"""Noticing that the ERP shows something else of documents that processes wait for: all of them are asked for at once,
and only where something is different the process is told to look."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import xxhash

from isthmus.connector.accounting import ENTRIES, Entries, EntryState
from isthmus.connector.logistics import (
    RETURNS,
    SALE_SHIPMENTS,
    TRANSFERS,
    References,
    Returns,
    SalesAsked,
    Shipment,
)
from isthmus.desk.ports import BusinessHub
from isthmus.desk.processes.goods_return import MOVED as CREDIT_MOVED
from isthmus.desk.processes.goods_return import shown_of
from isthmus.desk.processes.labour_settlement import release
from isthmus.desk.processes.material_request import EVERY, LOOK, MOVED, SENDING
from isthmus.desk.supplying import deliveries_of, sale_of, supplier
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause, Item
from isthmus.process import signal

__all__ = ["FOLLOWERS", "follow_requests", "follow_returns", "follow_settlements"]


NEWEST = 500
"""Returns and settlements that are followed; older ones are done with long since."""


async def follow_requests(hub: BusinessHub) -> int:
    """Tell the processes of material requests whose deliveries have moved; how many. Raises ``Unavailable``."""
    items = [item for state in SENDING for item in await hub.find("MaterialRequest", "state", state, EVERY)]
    if not items:
        return 0
    system = supplier(hub)
    sales, problems = await _sales(hub, system, items)
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
    differing = {}
    for item in items:
        shown = (problems.get(item.id), [_face(one) for one in deliveries_of(shipments[item.id], {})])
        if shown != _known(item) or item.id in closed:
            differing[item.id] = shown
    # While the ERP was asked the processes went on: what they have seen meanwhile is no news to them.
    now = await hub.items(list(differing))
    told = 0
    for id, shown in differing.items():
        item = now[id]
        if item.fields.get("state") in SENDING and (shown != _known(item) or id in closed):
            told += await _tell(hub, item, MOVED, LOOK, shown)
    return told


def _known(item: Item) -> tuple[str | None, list[Any]]:
    return item.fields.get("reason"), [_face(one) for one in item.fields.get("deliveries") or ()]


async def _sales(hub: BusinessHub, system: str, items: Sequence[Item]) -> tuple[dict[str, str], dict[str, str]]:
    """Key of the ERP's sale -> the request it was made for; and what stands in its way, by request."""
    orders = {item.id: str(item.fields["order"]) for item in items if item.fields.get("order")}
    links = await hub.links(list(orders.values()))
    sales, problems = {}, {}
    for request, order in orders.items():
        key, problem = sale_of(links, system, order)
        if problem:
            problems[request] = problem
        if key is not None:
            sales[key] = request
    return sales, problems


def _face(delivery: dict[str, Any]) -> Any:
    """What of a delivery is worth a look when it changes."""
    lines = [(line.get("quantity"), line.get("unit")) for line in delivery.get("lines") or ()]
    return (delivery["id"], delivery["state"], delivery.get("number"), lines)


async def _tell(hub: BusinessHub, item: Item, topic: str, value: str, shown: Any) -> int:
    """Once a minute while the document is not as the ERP shows it; when the process has looked it is."""
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


async def follow_returns(hub: BusinessHub) -> int:
    """Keep state and credit note of received returns equal to the ERP's; how many have changed. A process that waits
    for the credit note is told."""
    items = [item for state in ("received", "credited") for item in await hub.find("Return", "state", state, EVERY)]
    items = sorted(items, key=lambda item: str(item.fields.get("number")))[-NEWEST:]
    if not items:
        return 0
    references = tuple(str(item.fields["number"]) for item in items)
    answer: Returns = await hub.ask(supplier(hub), RETURNS.name, References(references=references))
    there = {one.reference: shown_of(one) for one in answer.returns}
    changed = 0
    for item in items:
        shown = there.get(str(item.fields["number"]))
        names = ("erp_state", "credit_state", "credit_note")
        if shown is None or all(shown[name] == item.fields.get(name) for name in names):
            continue
        changed += 1
        async with hub.transaction() as tx:
            cause = Cause("process", "goods_return", "follower")
            now = await hub.edits(tx, cause, "Return").change(item.id, shown)
            if now.fields.get("credited") and now.fields.get("state") == "received":
                # One whose process is over is followed all the same.
                with contextlib.suppress(NeedsPerson):
                    process, id = str(now.fields["process"]), f"{CREDIT_MOVED}/{now.version}"
                    await signal(tx, process, CREDIT_MOVED, LOOK, id=id, by="erp", now=hub.now())
    return changed


async def follow_settlements(hub: BusinessHub) -> int:
    """Keep the state of booked settlements equal to that of their entries in the ERP's books; how many have changed.
    One whose entry is cancelled there is cancelled, and its repairs are to be settled again."""
    items = [
        item
        for state in ("booked", "cancelled")
        for item in await hub.find("LabourSettlement", "state", state, EVERY)
        if item.fields.get("entry")
    ]
    items = sorted(items, key=lambda item: str(item.fields.get("period")))[-NEWEST:]
    if not items:
        return 0
    references = tuple(str(item.fields["number"]) for item in items)
    answer: Entries = await hub.ask(supplier(hub), ENTRIES.name, References(references=references))
    there = {one.reference: one for one in answer.entries}
    changed = 0
    for item in items:
        shown = there.get(str(item.fields["number"]))
        state = str(shown.state) if shown is not None else "deleted"
        if state == item.fields.get("entry_state"):
            continue
        changed += 1
        async with hub.transaction() as tx:
            cause = Cause("process", "labour_settlement", "follower")
            fields = {"entry_state": state, "entry_cancelled_by": shown.cancelled_by if shown else None}
            if state == EntryState.POSTED:
                edits = hub.edits(tx, cause, "LabourSettlement")
                await edits.change(item.id, {**fields, "state": "booked"})
            elif item.fields.get("state") == "booked":
                await release(hub, tx, item.id, {**fields, "state": "cancelled"}, cause)
    return changed


FOLLOWERS: Final[Mapping[str, Callable[[BusinessHub], Awaitable[int]]]] = {
    "material_request": follow_requests,
    "goods_return": follow_returns,
    "labour_settlement": follow_settlements,
}
"""Process -> what looks for it."""
