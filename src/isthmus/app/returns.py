"""Returns as people use them: announcing, sending, counting, settling, having the ERP asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.app.returnable import returnable
from isthmus.desk.documents import stop_process
from isthmus.desk.naming import document, in_states, name_of, product, skus_of, unit
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.processes.goods_return import AGAIN, COUNTED, SENT, SETTLE, counted_of, goods_return
from isthmus.desk.returning import Blame, Responsible, unsettled
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause, Item
from isthmus.process import Process, signal, start

__all__ = [
    "ReturnView",
    "announce_from_order",
    "announce_return",
    "ask_again",
    "cancel_return",
    "count_return",
    "list_returns",
    "send_return",
    "settle_return",
    "show_return",
]

ENTITY = "Return"
STATES = ("announced", "sent", "counted", "difference", "settled", "received", "credited", "closed", "cancelled")
NOT_COUNTED = ("announced", "sent")


class ReturnView(msgspec.Struct, frozen=True, kw_only=True):
    """A return, with what its process waits for and from whom. ``station``: name of the station or customer."""

    document: Item
    station: str
    skus: dict[str, str]
    process: Process | None


async def announce_return(
    hub: BusinessHub,
    station: str,
    lines: Sequence[tuple[str, Decimal]],
    *,
    requester: str,
    reason: str = "",
    credited: bool = False,
    key: str | None = None,
) -> Item:
    """Announce goods that will come back. The same ``key`` again is the same return. Raises :class:`NeedsPerson`."""
    place = await unit(hub, station)
    if not place.fields.get("customer"):
        raise NeedsPerson(f"{place.fields.get('name')} has no customer, from whom the ERP could take goods back.")
    positions: list[dict[str, Any]] = []
    for at, (sku, quantity) in enumerate(lines, 1):
        one = await product(hub, sku)
        if quantity <= 0 or any(before["product"] == one.id for before in positions):
            raise NeedsPerson(f"{sku}: once, and with a quantity above zero.", field="lines")
        unit_name = one.fields.get("unit")
        positions.append({"id": str(at), "product": one.id, "unit": unit_name, "announced": quantity})
    if not positions:
        raise NeedsPerson("A return needs a line.", field="lines")
    item = f"return-{key}" if key else f"return-{hub.new_id()}"
    async with hub.transaction() as tx:
        await tx.lock([ENTITY])
        known = (await tx.items([item])).get(item)
        if known is not None:
            return known
        fields = {
            "station": place.id,
            "requester": requester.strip().lower(),
            "reason": reason or None,
            "credited": credited,
            "lines": positions,
        }
        return await _begin(hub, tx, item, fields, sender="station", by=requester)


async def _begin(
    hub: BusinessHub, tx: DeskTransaction, item: str, fields: Mapping[str, Any], *, sender: str, by: str
) -> Item:
    """Number it and start its process."""
    number = f"RT-{hub.now():%Y}-{await tx.next_number(f'RT-{hub.now():%Y}'):05d}"
    run = f"goods_return/{number}"
    numbered = {"number": number, **fields, "state": "announced", "process": run}
    made = await hub.edits(tx, Cause("person", by), ENTITY).create(ENTITY, numbered, id=item, alike=True)
    given = {"return": item} if sender == "station" else {"return": item, "sender": sender}
    await start(tx, goods_return, given, id=run, now=hub.now())
    return made


async def announce_from_order(
    hub: BusinessHub, order: Item, wanted: Mapping[str, Decimal], *, reason: str, by: str, key: str | None = None
) -> Item:
    """A customer announces goods of an order (product -> how many of its unit) that will come back; what was paid for
    them is given back once they are received. The same ``key`` again is the same return. Raises :class:`NeedsPerson`
    for more than was shipped and did not come back yet."""
    asked = {product: quantity for product, quantity in wanted.items() if quantity}
    if not asked:
        raise NeedsPerson("Say how much of what comes back.", field="lines")
    item = f"return-{key}" if key else f"return-{hub.new_id()}"
    async with hub.transaction() as tx:
        await tx.lock([ENTITY])
        known = (await tx.items([item])).get(item)
        if known is not None:
            return known
        left = {one.product: one for one in await returnable(hub, order)}
        for product, quantity in asked.items():
            most = left[product].left if product in left else Decimal(0)
            if not Decimal(0) < quantity <= most:
                name = left[product].sku if product in left else product
                raise NeedsPerson(f"{name}: at most {most:f} can come back.", field="lines")
        positions = [
            {"id": str(at), "product": product, "unit": left[product].unit, "announced": quantity,
             "unit_price": left[product].unit_price}
            for at, (product, quantity) in enumerate(asked.items(), 1)
        ]  # fmt: skip
        fields = {
            "customer": order.fields["customer"],
            "order": order.id,
            "requester": by.strip().lower(),
            "reason": reason.strip() or None,
            "credited": True,
            "lines": positions,
        }
        return await _begin(hub, tx, item, fields, sender="customer", by=by)


async def send_return(
    hub: BusinessHub, number: str, lines: Sequence[tuple[str, Decimal]], *, tracking: str = "", by: str
) -> None:
    """The station has sent it: what was announced, or these quantities. Raises :class:`NeedsPerson` when it has been
    sent already."""
    found = await document(hub, ENTITY, number)
    _must_be(found, ("announced",), "was sent already")
    sent = await _quantities(hub, found, lines)
    value = {
        "lines": [
            {**line, "sent": sent.get(str(line["id"]), line["announced"] if not lines else "0")}
            for line in found.fields["lines"]
        ],
        "tracking": tracking or None,
        "sent_on": hub.now().date().isoformat(),
    }
    await _signal(hub, found, SENT, value, by=by)


async def count_return(hub: BusinessHub, number: str, lines: Sequence[tuple[str, Decimal]], *, by: str) -> None:
    """The centre has counted what arrived; what is not named has not arrived. While a difference is not settled it may
    be counted anew. Raises :class:`NeedsPerson` when it is settled or received already."""
    found = await document(hub, ENTITY, number)
    _must_be(found, ("sent", "difference"), "is not to be counted")
    counted = await _quantities(hub, found, lines)
    topic = COUNTED if found.fields.get("state") == "sent" else SETTLE
    await _signal(hub, found, topic, {"counted": counted, "by": by}, by=by)


async def settle_return(hub: BusinessHub, number: str, blames: Mapping[str, Blame], *, by: str) -> None:
    """Say for each SKU that differs who is responsible, and by what evidence; then the ERP hears of it. Raises
    :class:`NeedsPerson` with what is still missing."""
    found = await document(hub, ENTITY, number)
    _must_be(found, ("difference",), "has no difference to settle")
    ids = await _ids(hub, found, list(blames))
    by_id = {ids[sku]: blame for sku, blame in blames.items()}
    missing = unsettled(counted_of(found.fields), by_id)
    if missing:
        raise NeedsPerson(" ".join(missing), advice=f"Responsible is one of {', '.join(Responsible)}.")
    told = {id: {"responsible": str(one.responsible), "evidence": one.evidence} for id, one in by_id.items()}
    await _signal(hub, found, SETTLE, {"blames": told, "by": by}, by=by)


async def ask_again(hub: BusinessHub, number: str, *, by: str) -> None:
    """Have the ERP asked again that has refused it."""
    found = await document(hub, ENTITY, number)
    await _signal(hub, found, AGAIN, "again", by=by, only_if_waiting=True)


async def cancel_return(hub: BusinessHub, number: str, *, by: str) -> Item:
    """Take back a return that nobody has counted yet."""
    found = await document(hub, ENTITY, number)
    async with hub.transaction() as tx:
        await tx.lock([ENTITY])
        now = (await tx.items([found.id]))[found.id]
        _must_be(now, NOT_COUNTED, "is not cancelled any more")
        await stop_process(hub, tx, str(now.fields["process"]), by=by)
        return await hub.edits(tx, Cause("person", by), ENTITY).change(found.id, {"state": "cancelled"})


async def show_return(hub: BusinessHub, number: str) -> ReturnView:
    """One return."""
    found = await document(hub, ENTITY, number)
    async with hub.transaction() as tx:
        process = await tx.processes.load(str(found.fields.get("process") or ""))
    return ReturnView(
        document=found,
        station=await name_of(hub, str(found.fields.get("station") or found.fields.get("customer"))),
        skus=await skus_of(hub, found),
        process=process,
    )


async def list_returns(hub: BusinessHub, states: Sequence[str], limit: int) -> list[Item]:
    """Returns in these states (any, when none is given), the newest first."""
    found = await in_states(hub, ENTITY, states, STATES)
    return sorted(found, key=lambda one: str(one.fields.get("number")), reverse=True)[:limit]


def _must_be(found: Item, states: Sequence[str], what: str) -> None:
    state = found.fields.get("state")
    if state not in states:
        raise NeedsPerson(f"{found.fields.get('number')} {what}: it is {state}.")


async def _ids(hub: BusinessHub, found: Item, skus: Sequence[str]) -> dict[str, str]:
    """SKU -> position."""
    products = {line["product"]: str(line["id"]) for line in found.fields["lines"]}
    ids = {}
    for sku in skus:
        one = await product(hub, sku)
        if one.id not in products:
            raise NeedsPerson(f"{sku} is not in {found.fields.get('number')}.", field="lines")
        ids[sku] = products[one.id]
    return ids


async def _quantities(hub: BusinessHub, found: Item, lines: Sequence[tuple[str, Decimal]]) -> dict[str, str]:
    ids = await _ids(hub, found, [sku for sku, _ in lines])
    return {ids[sku]: str(quantity) for sku, quantity in lines}


async def _signal(
    hub: BusinessHub, found: Item, topic: str, value: Any, *, by: str, only_if_waiting: bool = False
) -> None:
    """Tell its process, once for what somebody saw: a double click is no second word."""
    process = str(found.fields["process"])
    async with hub.transaction() as tx:
        if only_if_waiting:
            running = await tx.processes.load(process)
            if running is None or running.step != topic:
                raise NeedsPerson(f"The ERP has not refused {found.fields.get('number')}.")
        id = f"{topic}/{hub.new_id() if only_if_waiting else found.version}"
        if not await signal(tx, process, topic, value, id=id, by=by, now=hub.now()):
            raise NeedsPerson(f"{found.fields.get('number')}: that was said already, and is being worked on.")
