"""Invoices of the buyer, and what is open."""

from __future__ import annotations

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Response

from isthmus.app.ledgers import part_numbers
from isthmus.portal.guard import loaded, own
from isthmus.portal.lines import goods_of, offset_of, page_of, products_in
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

SHOWN = 50
UNPAID = ("open", "partially_paid", "posted")
SEEN = (*UNPAID, "paid", "credited")
"""States of invoices that the customer has; a draft is not theirs yet, a cancelled one no more, unless a credit note
that they have as well took it back."""


@get("/invoices")
async def invoices(request: Call) -> Response[str]:
    """All of them or those that are open, the newest first, and what is open together."""
    shop, buyer = shop_of(request), request.state.buyer
    only_open = request.query_params.get("show") == "open"
    offset = offset_of(request)
    found = await shop.pages.documents(
        "Invoice", customer=buyer.id, states=UNPAID if only_open else SEEN, limit=SHOWN + 1, offset=offset
    )
    today = shop.business.now().date()
    orders = await shop.reads.items({one.fields["order"] for one in found if one.fields.get("order")})
    shown, following = page_of(found, offset, SHOWN)
    return render(
        request,
        "invoices.html",
        invoices=shown,
        orders={id: one for id, one in orders.items() if one.fields.get("customer") == buyer.id},
        sums=await shop.pages.open_items(buyer.id, UNPAID, today),
        today=today.isoformat(),
        only_open=only_open,
        next=following,
    )


@get("/invoices/{id:str}")
async def invoice(id: FromPath[str], request: Call) -> Response[str]:
    """One invoice: its lines, what was paid on it, what is open."""
    shop, found = shop_of(request), own(request, await loaded(request, id), "Invoice")
    if found.fields.get("state") not in SEEN:
        raise NotFoundException
    payments = [
        one
        for one in await shop.reads.referencing(found.id, "Payment")
        if one.fields.get("invoice") == found.id and one.deleted_at is None
    ]
    order = await loaded(request, str(found.fields.get("order") or ""))
    mine = order is not None and order.fields.get("customer") == request.state.buyer.id
    goods = await goods_of(request, products_in(found))
    return render(
        request,
        "invoice.html",
        invoice=found,
        order=order if mine else None,
        goods=goods,
        names=part_numbers(goods),
        payments=sorted(payments, key=lambda one: str(one.fields.get("paid_on"))),
        today=shop.business.now().date().isoformat(),
    )


ROUTES = [invoices, invoice]
