"""Service stations of the buyer: what they ask for, send back, repair and are paid."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.ledgers import part_numbers
from isthmus.app.requesting import cancel_request, correct_request, make_request, ways_of_supply
from isthmus.app.returns import announce_return
from isthmus.app.station_view import station_view
from isthmus.errors import NeedsPerson
from isthmus.model.state import Item
from isthmus.portal.front import Form
from isthmus.portal.guard import loaded, me_of, own_of_station, station_of, whom_of
from isthmus.portal.lines import goods_of, key_of, lines_of, new_key, products_in, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

LONGEST_REASON = 1000
BEFORE_ORDER = ("new", "checked", "refused")
"""States of a request that can be withdrawn."""


@get("/station")
async def stations(request: Call) -> Response[str]:
    """One of the buyer's stations (``at``: which; else the first), and the others to choose from; with the repair that
    was just noted, when the address names one."""
    shop, id, at = shop_of(request), *(request.query_params.get(name, "")[:200] for name in ("noted", "at"))
    noted = own_of_station(request, await loaded(request, id), "RepairRecord") if id else None
    if noted is not None:
        at = str(noted.fields["station"])
    station = station_of(request, at) if at else request.state.stations[0]
    view = await station_view(shop.reads, shop.pages, station)
    return render(request, "station.html", view=view, noted=noted)


def _form(request: Call, what: str, station: Item, status: int = 200, **values: Any) -> Response[str]:
    given: dict[str, Any] = {"text": "", "supply": "", "reason": "", "credited": False, "faults": [], "problem": ""}
    given |= {"refusal": "", "key": new_key(), "ways": ways_of_supply(station)}
    return render(request, f"station_{what}.html", status=status, station=station, **(given | values))


@get("/station/{id:str}/request")
async def new_request(id: FromPath[str], request: Call) -> Response[str]:
    """The form of a material request."""
    return _form(request, "request", station_of(request, id))


@post("/station/{id:str}/request", status_code=200)
async def ask_for_material(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Ask for material."""
    shop, me, station = shop_of(request), me_of(request), station_of(request, id)
    text, supply = readable(data.get("text")), str(data.get("supply", ""))[:20]
    typed = {"text": text, "supply": supply, "key": str(data.get("key", ""))[:60]}
    lines, faults = await lines_of(request, text)
    if faults or not lines:
        return _form(request, "request", station, 422, faults=faults, problem="" if faults else "empty", **typed)
    asked = [(line.sku, line.quantity) for line in lines]
    await shop.access.note(me.login, "material requested", station.id, {"via": "shop"})
    try:
        made = await make_request(
            shop.business, station.id, asked, supply=supply or None, requester=me.login, key=key_of(request, data)
        )
    except NeedsPerson as error:
        return _form(request, "request", station, 422, refusal=error.message, **typed)
    return Redirect(f"/shop/requests/{made.id}{whom_of(request)}", status_code=303)


@get("/station/{id:str}/return")
async def new_return(id: FromPath[str], request: Call) -> Response[str]:
    """The form of a station's return."""
    return _form(request, "return", station_of(request, id))


@post("/station/{id:str}/return", status_code=200)
async def announce(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Announce what a station sends back."""
    shop, me, station = shop_of(request), me_of(request), station_of(request, id)
    text, reason = readable(data.get("text")), readable(data.get("reason"), LONGEST_REASON)
    credited = data.get("credited") == "yes"
    typed = {"text": text, "reason": reason, "credited": credited, "key": str(data.get("key", ""))[:60]}
    lines, faults = await lines_of(request, text)
    if faults or not lines or not reason.strip():
        problem = "" if faults else "reason" if lines else "empty"
        return _form(request, "return", station, 422, faults=faults, problem=problem, **typed)
    asked = [(line.sku, line.quantity) for line in lines]
    await shop.access.note(me.login, "return announced", station.id, {"via": "shop"})
    try:
        made = await announce_return(
            shop.business, station.id, asked, requester=me.login, reason=reason.strip(), credited=credited,
            key=key_of(request, data),
        )  # fmt: skip
    except NeedsPerson as error:
        return _form(request, "return", station, 422, refusal=error.message, **typed)
    return Redirect(f"/shop/returns/{made.id}{whom_of(request)}", status_code=303)


async def _page(request: Call, found: Item, status: int = 200, **values: Any) -> Response[str]:
    goods = await goods_of(request, products_in(found))
    names = part_numbers(goods)
    station = station_of(request, str(found.fields["station"]))
    lines = found.fields.get("lines") or ()
    text = "\n".join(f"{names.get(line['product'], '')}; {line['quantity']}" for line in lines)
    order = await loaded(request, str(found.fields.get("order") or ""))
    mine = order is not None and order.fields.get("customer") == request.state.buyer.id
    given = {"text": text, "faults": [], "refusal": "", "problem": ""} | values
    return render(
        request, "request.html", status=status, found=found, station=station, goods=goods, names=names,
        order=order if mine else None, cancellable=found.fields.get("state") in BEFORE_ORDER, **given,
    )  # fmt: skip


@get("/requests/{id:str}")
async def one_request(id: FromPath[str], request: Call) -> Response[str]:
    """One material request, with its deliveries."""
    return await _page(request, own_of_station(request, await loaded(request, id), "MaterialRequest"))


@post("/requests/{id:str}/correct", status_code=200)
async def correct(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Hand a refused request in again with other quantities."""
    shop, me = shop_of(request), me_of(request)
    found = own_of_station(request, await loaded(request, id), "MaterialRequest")
    text = readable(data.get("text"))
    lines, faults = await lines_of(request, text)
    if faults or not lines:
        return await _page(request, found, 422, faults=faults, problem="" if faults else "empty", text=text)
    asked = [(line.sku, line.quantity) for line in lines]
    await shop.access.note(me.login, "request corrected", found.id, {"via": "shop"})
    try:
        await correct_request(shop.business, str(found.fields["number"]), asked, by=me.login)
    except NeedsPerson as error:
        return await _page(request, found, 422, refusal=error.message, text=text)
    return Redirect(f"/shop/requests/{found.id}{whom_of(request)}", status_code=303)


@post("/requests/{id:str}/cancel", status_code=200)
async def cancel(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Withdraw a request that is not ordered yet."""
    shop, me = shop_of(request), me_of(request)
    found = own_of_station(request, await loaded(request, id), "MaterialRequest")
    await shop.access.note(me.login, "request cancelled", found.id, {"via": "shop"})
    try:
        await cancel_request(shop.business, str(found.fields["number"]), by=me.login)
    except NeedsPerson as error:
        return await _page(request, found, 422, refusal=error.message)
    return Redirect(f"/shop/requests/{found.id}{whom_of(request)}", status_code=303)


ROUTES = [stations, new_request, ask_for_material, new_return, announce, one_request, correct, cancel]
