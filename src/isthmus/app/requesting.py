"""Material requests as people use them: asking, looking, correcting, withdrawing, deciding about the rest."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.desk.documents import keys_in, stop_process
from isthmus.desk.naming import document, in_states, name_of, product, skus_of, unit
from isthmus.desk.ports import BusinessHub
from isthmus.desk.processes.material_request import CLOSE, DELIVER, MOVED, material_request, stock_item
from isthmus.desk.requesting import Supply, supplies
from isthmus.desk.supplying import station_stock, supplier
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause, Item
from isthmus.process import Process, signal, start

__all__ = [
    "RequestView",
    "StationStock",
    "cancel_request",
    "correct_request",
    "decide_rest",
    "list_requests",
    "make_request",
    "show_request",
    "station_stock_of",
    "ways_of_supply",
]

ENTITY = "MaterialRequest"
STATES = ("new", "checked", "approved", "ordered", "partly_shipped", "shipped", "complete", "refused", "cancelled")
BEFORE_ORDER = ("new", "checked", "refused")


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A request, with what its process waits for and from whom."""

    request: Item
    station: str
    skus: dict[str, str]
    process: Process | None


class StationStock(msgspec.Struct, frozen=True, kw_only=True):
    """Stock of one product at a station: as the ERP says, and as the hub keeps it (None: it never looked)."""

    place: str
    sku: str
    on_hand: str
    in_transit: str
    kept: dict[str, str] | None


async def make_request(
    hub: BusinessHub,
    station: str,
    lines: Sequence[tuple[str, Decimal]],
    *,
    supply: str | None = None,
    requester: str,
    key: str | None = None,
) -> Item:
    """Ask for material; its process starts with it. The same ``key`` again is the same request.

    Raises :class:`NeedsPerson` for what is not known, and for a way of supply that the station does not have.
    """
    place = await unit(hub, station)
    if "@" not in requester:
        raise NeedsPerson(f"'{requester}' is no login.", advice="Logins are mail addresses.")
    chosen = _supply(place, supply)
    positions = await _positions(hub, lines)
    item = f"request-{key}" if key else f"request-{hub.new_id()}"
    async with hub.transaction() as tx:
        await tx.lock([ENTITY])
        known = (await tx.items([item])).get(item)
        if known is not None:
            return known
        number = f"MR-{hub.now():%Y}-{await tx.next_number(f'MR-{hub.now():%Y}'):05d}"
        run = f"material_request/{number}"
        fields = {
            "number": number,
            "station": place.id,
            "requester": requester.strip().lower(),
            "requested_at": hub.now(),
            "supply": chosen,
            "lines": positions,
            "state": "new",
            "process": run,
        }
        edits = hub.edits(tx, Cause("person", requester), ENTITY)
        made = await edits.create(ENTITY, fields, id=item, alike=True)
        await start(tx, material_request, {"request": item}, id=run, now=hub.now())
    return made


async def correct_request(
    hub: BusinessHub, number: str, lines: Sequence[tuple[str, Decimal]], *, supply: str | None = None, by: str
) -> Item:
    """Hand a refused request in again, with other quantities: it is checked and approved anew."""
    found = await document(hub, ENTITY, number)
    station = await unit(hub, str(found.fields["station"]))
    chosen = _supply(station, supply or str(found.fields.get("supply")))
    positions = await _positions(hub, lines)
    async with hub.transaction() as tx:
        await tx.lock([ENTITY])
        now = (await tx.items([found.id]))[found.id]
        if now.fields.get("state") != "refused":
            raise NeedsPerson(f"{number} is {now.fields.get('state')}; only a refused request is handed in again.")
        run = _next_run(str(now.fields["process"]))
        fields = {"lines": positions, "supply": chosen, "state": "new", "reason": None, "process": run}
        made = await hub.edits(tx, Cause("person", by), ENTITY).change(found.id, fields)
        await start(tx, material_request, {"request": found.id}, id=run, now=hub.now())
    return made


async def cancel_request(hub: BusinessHub, number: str, *, by: str) -> Item:
    """Withdraw a request that is not ordered yet; what is in the ERP is cancelled there, and shows here."""
    found = await document(hub, ENTITY, number)
    async with hub.transaction() as tx:
        await tx.lock([ENTITY])
        now = (await tx.items([found.id]))[found.id]
        if now.fields.get("state") not in BEFORE_ORDER:
            raise NeedsPerson(
                f"{number} is {now.fields.get('state')}.", advice="Cancel its document in the ERP: that shows here."
            )
        await stop_process(hub, tx, str(now.fields["process"]), by=by)
        return await hub.edits(tx, Cause("person", by), ENTITY).change(found.id, {"state": "cancelled"})


async def decide_rest(hub: BusinessHub, number: str, decision: str, *, by: str) -> None:
    """The planner says what becomes of what is left. Raises :class:`NeedsPerson` when nothing is asked."""
    if decision not in (DELIVER, CLOSE):
        raise NeedsPerson(f"'{decision}' is neither {DELIVER} nor {CLOSE}.")
    found = await document(hub, ENTITY, number)
    async with hub.transaction() as tx:
        process = await tx.processes.load(str(found.fields["process"]))
        if process is None or process.who != "planner":
            raise NeedsPerson(f"Nothing is to be decided about {number}.")
        id = f"{MOVED}/{decision}/{found.version}"
        await signal(tx, process.id, MOVED, decision, id=id, by=by, now=hub.now())


async def show_request(hub: BusinessHub, number: str) -> RequestView:
    """One request."""
    found = await document(hub, ENTITY, number)
    async with hub.transaction() as tx:
        process = await tx.processes.load(str(found.fields.get("process") or ""))
    return RequestView(
        request=found,
        station=await name_of(hub, str(found.fields["station"])),
        skus=await skus_of(hub, found),
        process=process,
    )


async def list_requests(hub: BusinessHub, states: Sequence[str], limit: int) -> list[Item]:
    """Requests in these states (any, when none is given), the newest first."""
    found = await in_states(hub, ENTITY, states, STATES)
    return sorted(found, key=lambda one: str(one.fields.get("number")), reverse=True)[:limit]


async def station_stock_of(hub: BusinessHub, station: str, skus: Sequence[str]) -> list[StationStock]:
    """What is at a station's places and on the way there, of these products. Raises ``Unavailable``."""
    place = await unit(hub, station)
    products = {one.id: str(one.fields.get("sku")) for one in [await product(hub, sku) for sku in skus]}
    keys = await keys_in(hub, supplier(hub), products)
    shown = await station_stock(hub, {"station": place.id}, keys)
    ids = [stock_item(place.id, one["place"], one["product"]) for one in shown]
    kept = await hub.items(ids)
    return [
        StationStock(
            place=one["place"],
            sku=products[one["product"]],
            on_hand=one["on_hand"],
            in_transit=one["in_transit"],
            kept=None if id not in kept else {k: str(kept[id].fields.get(k)) for k in ("on_hand", "in_transit")},
        )
        for one, id in zip(shown, ids, strict=True)
    ]


def ways_of_supply(station: Item) -> tuple[str, ...]:
    """How a station can be supplied, the usual way first."""
    fields = station.fields
    ways = supplies(
        customer=bool(fields.get("customer")),
        place=bool(fields.get("place")),
        consignment_place=bool(fields.get("consignment_place")),
    )
    return tuple(str(way) for way in ways)


def _supply(station: Item, wanted: str | None) -> str:
    fields, ways = station.fields, ways_of_supply(station)
    if fields.get("kind") != "station" or not ways:
        raise NeedsPerson(f"{fields.get('name')} is no station that can be supplied.", field="station")
    if wanted is None:
        return ways[0]
    if wanted not in tuple(Supply):
        raise NeedsPerson(f"'{wanted}' is no way of supply.", advice=f"Use one of {', '.join(Supply)}.")
    if wanted not in ways:
        raise NeedsPerson(f"{fields.get('name')} has no {wanted}: {', '.join(ways)}.", field="supply")
    return wanted


async def _positions(hub: BusinessHub, lines: Sequence[tuple[str, Decimal]]) -> list[dict[str, Any]]:
    if not lines:
        raise NeedsPerson("A request needs a line.", field="lines")
    found = []
    for at, (sku, quantity) in enumerate(lines, 1):
        if quantity <= 0:
            raise NeedsPerson(f"{sku}: the quantity must be above zero.", field="lines")
        one = await product(hub, sku)
        found.append({"id": str(at), "product": one.id, "quantity": quantity, "unit": one.fields.get("unit")})
    return found


def _next_run(process: str) -> str:
    """``material_request/MR-1`` → ``material_request/MR-1.2`` → …"""
    name, dot, count = process.rpartition(".")
    return f"{name}.{int(count) + 1}" if dot and count.isdigit() else f"{process}.2"
