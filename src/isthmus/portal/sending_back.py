"""Returns: announced from an order, and followed until the credit note; those of the buyer's stations too."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.ledgers import part_numbers
from isthmus.app.returnable import Returnable, returnable
from isthmus.app.returns import announce_from_order, cancel_return, send_return
from isthmus.errors import NeedsPerson
from isthmus.model.state import Item
from isthmus.portal.front import Form
from isthmus.portal.guard import loaded, me_of, own, own_of_station, whom_of
from isthmus.portal.lines import goods_of, key_of, new_key, number_of, products_in, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

SHOWN = 50
LONGEST_REASON = 1000


async def _return(request: Call, id: str) -> Item:
    """A return of the buyer, or of a station of theirs."""
    found = await loaded(request, id)
    if found is not None and found.fields.get("station"):
        return own_of_station(request, found, "Return")
    return own(request, found, "Return")


@get("/returns")
async def returns(request: Call) -> Response[str]:
    """Everything that the buyer or a station of theirs sends back, the newest first."""
    pages = shop_of(request).pages
    found = await pages.documents("Return", customer=request.state.buyer.id, limit=SHOWN)
    for station in request.state.stations:
        found += await pages.documents("Return", station=station.id, limit=SHOWN)
    found.sort(key=lambda one: str(one.fields.get("number")), reverse=True)
    return render(request, "returns.html", returns=found[:SHOWN])


def _form(request: Call, order: Item, goods: list[Returnable], status: int = 200, **values: Any) -> Response[str]:
    given = {"typed": {}, "wrong": (), "reason": "", "problem": "", "key": new_key()} | values
    return render(request, "return_new.html", status=status, order=order, goods=goods, **given)


@get("/orders/{id:str}/return")
async def new_return(id: FromPath[str], request: Call) -> Response[str]:
    """What of an order can come back."""
    order = own(request, await loaded(request, id), "SalesOrder")
    return _form(request, order, await returnable(shop_of(request).business, order))


@post("/orders/{id:str}/return", status_code=200)
async def announce(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Announce it."""
    shop, me = shop_of(request), me_of(request)
    order = own(request, await loaded(request, id), "SalesOrder")
    goods = await returnable(shop.business, order)
    typed = {one.product: str(data.get(f"n-{one.product}", ""))[:20] for one in goods}
    said = {product: number_of(words) for product, words in typed.items()}
    wrong = [one.product for one in goods if (number := said[one.product]) is None or number > one.left]
    reason, key = readable(data.get("reason"), LONGEST_REASON), str(data.get("key", ""))[:60]
    kept = {"typed": typed, "wrong": wrong, "reason": reason, "key": key}
    wanted: dict[str, Decimal] = {product: number for product, number in said.items() if number}
    try:
        # A form that was sent twice is one return, though what it asks for is gone from what can come back.
        known = (await shop.reads.items([f"return-{key_of(request, data)}"])).values()
        if not known:
            if wrong or not wanted or not reason.strip():
                problem = "number" if wrong else "empty" if not wanted else "reason"
                return _form(request, order, goods, 422, problem=problem, **kept)
            await shop.access.note(me.login, "return announced", order.id, {"via": "shop"})
        made = next(iter(known), None) or await announce_from_order(
            shop.business, order, wanted, reason=reason, by=me.login, key=key_of(request, data)
        )
    except NeedsPerson:
        # Somebody else has announced some of it in the meantime.
        goods = await returnable(shop.business, order)
        return _form(request, order, goods, 422, problem="number", **kept)
    return Redirect(f"/shop/returns/{made.id}{whom_of(request)}", status_code=303)


async def _page(request: Call, found: Item, status: int = 200, reason: str = "", tracking: str = "") -> Response[str]:
    order = await loaded(request, str(found.fields.get("order") or ""))
    station = next((one for one in request.state.stations if one.id == found.fields.get("station")), None)
    goods = await goods_of(request, products_in(found))
    return render(
        request, "return.html", status=status, found=found, order=order, station=station, goods=goods,
        names=part_numbers(goods), reason=reason, tracking=tracking,
    )  # fmt: skip


@get("/returns/{id:str}")
async def one_return(id: FromPath[str], request: Call) -> Response[str]:
    """One return: what was announced, sent, counted and received, and its credit note."""
    return await _page(request, await _return(request, id))


@post("/returns/{id:str}/sent", status_code=200)
async def sent(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Everything that was announced is on its way."""
    shop, me, found = shop_of(request), me_of(request), await _return(request, id)
    tracking = readable(data.get("tracking"), 100).strip()
    await shop.access.note(me.login, "return sent", found.id, {"via": "shop"})
    try:
        await send_return(shop.business, str(found.fields["number"]), (), tracking=tracking, by=me.login)
    except NeedsPerson as error:
        return await _page(request, found, 422, error.message, tracking)
    return Redirect(f"/shop/returns/{found.id}{whom_of(request)}", status_code=303)


@post("/returns/{id:str}/cancel", status_code=200)
async def cancel(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """It does not come back after all."""
    shop, me, found = shop_of(request), me_of(request), await _return(request, id)
    if found.fields.get("state") not in ("announced", "cancelled"):
        return await _page(request, found, 422, f"{found.fields['number']} is on its way already.")
    await shop.access.note(me.login, "return cancelled", found.id, {"via": "shop"})
    try:
        await cancel_return(shop.business, str(found.fields["number"]), by=me.login)
    except NeedsPerson as error:
        return await _page(request, found, 422, error.message)
    return Redirect(f"/shop/returns/{found.id}{whom_of(request)}", status_code=303)


ROUTES = [returns, new_return, announce, one_return, sent, cancel]
