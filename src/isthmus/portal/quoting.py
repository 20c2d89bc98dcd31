"""Quotes in the shop: asked for, looked at, accepted or not. Customers see prices only of what was sent to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.quote_answers import Accepted, accept_quote, reject_quote
from isthmus.app.quoting import request_quote, show_quote
from isthmus.desk.quoting import WantedLine
from isthmus.errors import NeedsPerson
from isthmus.model.state import Item
from isthmus.portal.front import Form
from isthmus.portal.guard import loaded, me_of, own, role_of, whom_of
from isthmus.portal.lines import goods_of, key_of, lines_of, new_key, products_in, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

SHOWN = 50
PATIENCE = 8.0
"""Seconds that somebody waits for the ERP's number."""
LONGEST_NOTE = 2000


def _shown(quote: Item) -> bool:
    """Whether it is the customer's to know of: they asked for it, or it was sent to them."""
    fields = quote.fields
    return bool(fields.get("sent_at")) or fields.get("requester") != fields.get("salesperson")


def _state(request: Call, quote: Item) -> str:
    """The state as customers are told: until it is sent somebody works on it, and a day that has passed counts. Staff
    see what is done inside."""
    state, until = str(quote.fields.get("state")), quote.fields.get("valid_until")
    if state in ("draft", "approving", "refused") and me_of(request).customer is not None:
        return "requested"
    over = until is not None and shop_of(request).business.now() > msgspec.convert(until, datetime)
    return "expired" if state == "sent" and over else state


@get("/quotes")
async def quotes(request: Call) -> Response[str]:
    """The buyer's quotes, the newest first."""
    found = await shop_of(request).pages.documents("Quote", customer=request.state.buyer.id, limit=SHOWN)
    staff = me_of(request).customer is None
    rows = [(one, _state(request, one)) for one in found if staff or _shown(one)]
    return render(request, "quotes.html", quotes=rows)


def _form(request: Call, status: int = 200, **values: Any) -> Response[str]:
    given = {"text": "", "note": "", "wanted_on": "", "faults": [], "problem": "", "key": new_key()} | values
    today = shop_of(request).business.now().date().isoformat()
    return render(request, "quote_new.html", status=status, today=today, **given)


@get("/quotes/new")
async def new_quote(request: Call) -> Response[str]:
    """The form; filled from a cart when one is named."""
    cart = request.query_params.get("cart", "")[:100].replace("\x00", "")
    text = ""
    if cart:
        async with shop_of(request).store.transaction() as tx:
            found = await tx.simulations.load(cart)
        if found is None or found.asked.customer != request.state.buyer.id:
            raise NotFoundException
        text = "\n".join(f"{line.sku}; {line.quantity:f}" for line in found.asked.lines)
    return _form(request, text=text)


@post("/quotes", status_code=200)
async def ask_for_quote(request: Call, data: Form) -> Response[Any]:
    """Ask sales for a quote: of a list of part numbers, in one's own words, or both."""
    shop, me = shop_of(request), me_of(request)
    text, note = readable(data.get("text")), readable(data.get("note"), LONGEST_NOTE)
    wanted_on, key = str(data.get("wanted_on", ""))[:10], str(data.get("key", ""))[:60]
    typed = {"text": text, "note": note, "wanted_on": wanted_on, "key": key}
    lines, faults = await lines_of(request, text)
    if faults or not (lines or note.strip()):
        return _form(request, 422, faults=faults, problem="" if faults else "empty", **typed)
    if wanted_on and not _is_day(wanted_on):
        return _form(request, 422, problem="day", **typed)
    asked = [WantedLine(sku=line.sku, quantity=line.quantity) for line in lines]
    await shop.access.note(me.login, "quote asked for", request.state.buyer.id, {"via": "shop", "lines": len(asked)})
    made = await request_quote(
        shop.business, asked, customer=request.state.buyer.id, email=me.login if me.customer else "", note=note.strip(),
        wanted_on=wanted_on or None, by=me.login, key=key_of(request, data),
    )  # fmt: skip
    return Redirect(f"/shop/quotes/{made.id}{whom_of(request)}", status_code=303)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


async def _quote(request: Call, id: str) -> Item:
    found = own(request, await loaded(request, id), "Quote")
    if not _shown(found) and me_of(request).customer is not None:
        raise NotFoundException
    return found


async def _page(request: Call, quote: Item, status: int = 200, **values: Any) -> Response[str]:
    shop = shop_of(request)
    view = await show_quote(shop.business, str(quote.fields["number"]))
    others = await shop.reads.items_by_field("Quote", "original", quote.fields.get("original"), SHOWN)
    given: Mapping[str, Any] = {"moved": None, "reason": "", "why": ""} | values
    mine = (one for one in others if one.fields.get("customer") == request.state.buyer.id and _shown(one))
    versions = sorted(mine, key=lambda one: int(one.fields.get("version") or 1))
    return render(
        request,
        "quote.html",
        status=status,
        quote=quote,
        state=_state(request, quote),
        priced=bool(quote.fields.get("sent_at"))
        or (me_of(request).customer is None and bool(quote.fields.get("total"))),
        goods=await goods_of(request, products_in(quote)),
        names=view.skus,
        versions=versions,
        order=view.order,
        **given,
    )


@get("/quotes/{id:str}")
async def quote(id: FromPath[str], request: Call) -> Response[str]:
    """One version of a quote, with the others."""
    return await _page(request, await _quote(request, id))


@post("/quotes/{id:str}/accept", status_code=200)
async def accept(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Accept it: one order, however often. What the ERP cannot keep is shown first, and nothing is ordered."""
    shop, me, found = shop_of(request), me_of(request), await _quote(request, id)
    number, seen = str(found.fields["number"]), str(data.get("seen", ""))[:100].replace("\x00", "") or None
    await shop.access.note(me.login, "quote accepted", number, {"via": "shop", "seen": seen})
    try:
        done: Accepted = await accept_quote(
            shop.business, number, by=me.login, role=role_of(request), seen=seen, patience=PATIENCE
        )
    except NeedsPerson as error:
        return await _page(request, found, 422, reason=error.message)
    if done.state == "moved":
        return await _page(request, found, 409, moved=done)
    if done.state == "refused" and done.order is None:
        return await _page(request, found, 422, reason=done.reason)
    return Redirect(f"/shop/orders/{done.order}{whom_of(request)}", status_code=303)


@post("/quotes/{id:str}/reject", status_code=200)
async def reject(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Say that one does not want it, or does not want one any more."""
    shop, me, found = shop_of(request), me_of(request), await _quote(request, id)
    number, why = str(found.fields["number"]), readable(data.get("why"), LONGEST_NOTE)
    await shop.access.note(me.login, "quote rejected", number, {"via": "shop"})
    try:
        await reject_quote(shop.business, number, reason=why, by=me.login)
    except NeedsPerson as error:
        return await _page(request, found, 422, reason=error.message, why=why)
    return Redirect(f"/shop/quotes/{found.id}{whom_of(request)}", status_code=303)


ROUTES = [quotes, new_quote, ask_for_quote, quote, accept, reject]
