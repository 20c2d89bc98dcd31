"""Staff make the offer that a customer asked for, and send it: by lines they find for what was written in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.quoting import make_quote, revise_quote, send_quote
from isthmus.app.shopping import read_offer
from isthmus.errors import NeedsPerson, Retryable
from isthmus.model.state import Item
from isthmus.portal.front import Form
from isthmus.portal.guard import loaded, me_of, own, whom_of
from isthmus.portal.lines import number_of, offset_of, page_of, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

SHOWN = 50
LONGEST_NOTE = 2000
TO_PRICE = ("requested",)
TO_CHANGE = ("draft", "refused")
"""Not sent yet: another version may take its place without the customer knowing of it."""
HUNDRED = Decimal(100)


async def _quote(request: Call, id: str) -> Item:
    return own(request, await loaded(request, id), "Quote")


def _form(request: Call, quote: Item, status: int = 200, **values: Any) -> Response[str]:
    given = {"text": "", "discount": "", "until": "", "note": "", "faults": [], "problem": "", "reason": ""}
    today = shop_of(request).business.now().date().isoformat()
    return render(request, "offer.html", status=status, quote=quote, today=today, **given | values)


@get("/desk/quotes")
async def wanted_quotes(request: Call) -> Response[str]:
    """What customers and prospects have asked for and nobody has priced, and what is priced and not sent, the oldest
    first."""
    shop, offset = shop_of(request), offset_of(request)
    found = await shop.pages.in_state("Quote", (*TO_PRICE, *TO_CHANGE), limit=SHOWN + 1, offset=offset)
    customers = await shop.reads.items({str(one.fields["customer"]) for one in found if one.fields.get("customer")})
    shown, following = page_of(found, offset, SHOWN)
    return render(request, "wanted.html", quotes=shown, customers=customers, next=following)


@get("/quotes/{id:str}/offer")
async def offer_form(id: FromPath[str], request: Call) -> Response[Any]:
    """The form: with the lines that were asked for, or those of the draft."""
    shop, quote = shop_of(request), await _quote(request, id)
    if quote.fields.get("state") not in (*TO_PRICE, *TO_CHANGE):
        return Redirect(f"/shop/quotes/{quote.id}{whom_of(request)}")
    lines = quote.fields.get("lines") or ()
    products = await shop.reads.items({line["product"] for line in lines if line.get("product")})
    text = "\n".join(_line(line, products) for line in lines if line.get("product") in products)
    until = str(quote.fields.get("valid_until") or "")[:10]
    return _form(request, quote, text=text, until=until)


def _line(line: Any, products: Any) -> str:
    """As it is typed; with its price where that is not the ERP's own."""
    words = [str(products[line["product"]].fields.get("sku")), str(line.get("quantity"))]
    price = line.get("unit_price")
    if price is not None and Decimal(str(price)) != Decimal(str(line.get("own_price") or price)):
        words.append(str(price))
    return "; ".join(words)


@post("/quotes/{id:str}/offer", status_code=200)
async def offer(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Price it: a draft, at the ERP's own prices or below them. Nothing is sent yet."""
    shop, me, quote = shop_of(request), me_of(request), await _quote(request, id)
    text, note = readable(data.get("text")), readable(data.get("note"), LONGEST_NOTE)
    discount, until = str(data.get("discount", ""))[:12], str(data.get("until", ""))[:10]
    typed = {"text": text, "note": note, "discount": discount, "until": until}
    lines, faults = read_offer(text)
    if faults or not lines:
        return _form(request, quote, 422, faults=faults, problem="" if faults else "empty", **typed)
    share = number_of(discount)
    if share is None or share >= HUNDRED:
        return _form(request, quote, 422, problem="discount", **typed)
    number = str(quote.fields["number"])
    await shop.access.note(me.login, "quote priced", number, {"via": "shop", "lines": len(lines)})
    share, until_day = share / HUNDRED, until or None
    try:
        if quote.fields.get("state") in TO_PRICE:
            made = await make_quote(
                shop.business, lines, request=number, discount=share, valid_until=until_day, by=me.login,
                note=note.strip() or str(quote.fields.get("note") or ""),
            )  # fmt: skip
        else:
            made = await revise_quote(
                shop.business, number, lines, discount=share, valid_until=until_day, note=note.strip() or None,
                by=me.login,
            )  # fmt: skip
    except Retryable:
        return _form(request, quote, 503, problem="down", **typed)
    except NeedsPerson as error:
        return _form(request, quote, 422, reason=error.message, **typed)
    return Redirect(f"/shop/quotes/{made.id}{whom_of(request)}", status_code=303)


@post("/quotes/{id:str}/send", status_code=200)
async def send(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Let the customer have it; where the rules ask for it, it is approved first."""
    shop, me, quote = shop_of(request), me_of(request), await _quote(request, id)
    number = str(quote.fields["number"])
    await shop.access.note(me.login, "quote sent", number, {"via": "shop"})
    await send_quote(shop.business, number, by=me.login)
    return Redirect(f"/shop/quotes/{quote.id}{whom_of(request)}", status_code=303)


ROUTES = [wanted_quotes, offer_form, offer, send]
