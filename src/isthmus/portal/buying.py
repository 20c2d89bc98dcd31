"""Catalogue, quick order, cart, orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body, FromPath
from litestar.response import Redirect, Response

from isthmus.app.ordering import Placed, answer, is_asked, place, show, simulate
from isthmus.app.shopping import LineFault
from isthmus.desk.costing import COST, costs_of, costs_of_line, without_costs
from isthmus.desk.ordering import Difference, Simulation
from isthmus.errors import NeedsPerson, Retryable
from isthmus.portal.front import Form
from isthmus.portal.guard import loaded, me_of, own, role_of, whom_of
from isthmus.portal.lines import goods_of, lines_of, offset_of, page_of, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

SHOWN = 12
SHORTEST = 3
"""Letters of a search, as in the console."""
DOCUMENTS = 50
PATIENCE = 8.0
"""Seconds that somebody waits for the ERP's number."""
Upload = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]


@get("/")
async def catalogue(request: Call) -> Response[str]:
    """Products at the buyer's own terms; for visitors without any."""
    shop, text = shop_of(request), request.query_params.get("q", "").strip()[:200]
    after = request.query_params.get("after", "")[:100]
    if "\x00" in text + after:
        raise NotFoundException
    short = bool(text) and text.isascii() and len(text) < SHORTEST
    found = [] if short else await shop.pages.products(limit=SHOWN + 1, after=after, text=text)
    more, found = len(found) > SHOWN, found[:SHOWN]
    following = str(found[-1].fields["sku"]) if more else ""
    if request.state.me is None:
        return render(request, "visit.html", products=found, q=text, next=following, short=short)
    offers = await shop.catalogue.offers(shop.business, request.state.buyer.id, found)
    return render(request, "catalogue.html", products=found, offers=offers, q=text, next=following, short=short)


@get("/quick")
async def quick(request: Call) -> Response[str]:
    """The form for a list of part numbers."""
    sku = request.query_params.get("sku", "")[:100]
    return render(request, "quick.html", text=f"{sku}, 1" if sku else "", faults=[], problem="", reference="")


@post("/quick", status_code=200)
async def quick_order(request: Call, data: Upload) -> Response[Any]:
    """A list of part numbers becomes a cart: what the ERP says of it."""
    text, reference = str(data.get("text", "")), str(data.get("reference", "")).strip()[:100]
    upload = data.get("file")
    if isinstance(upload, UploadFile) and upload.filename:
        try:
            text = (await upload.read()).decode("utf-8-sig")
        except UnicodeDecodeError:
            return render(
                request, "quick.html", status=422, text=text, faults=[], problem="encoding", reference=reference
            )  # fmt: skip
    text = readable(text)
    lines, faults = await lines_of(request, text)
    if faults or not lines:
        problem = "" if faults else "empty"
        return render(
            request, "quick.html", status=422, text=text, faults=faults, problem=problem, reference=reference
        )  # fmt: skip
    shop, buyer = shop_of(request), request.state.buyer
    asked = [(line.sku, line.quantity) for line in lines]
    try:
        made = await simulate(shop.business, buyer.id, asked, reference=reference.replace("\x00", "") or None)
    except Retryable:
        return render(request, "quick.html", status=503, text=text, faults=[], problem="down", reference=reference)
    except NeedsPerson as error:
        fault = [LineFault(0, "refused", error.message)]
        return render(request, "quick.html", status=422, text=text, faults=fault, problem="", reference=reference)
    return Redirect(f"/shop/cart/{made.id}{whom_of(request)}", status_code=303)


async def _simulation(request: Call, id: str) -> Simulation:
    async with shop_of(request).store.transaction() as tx:
        found = await tx.simulations.load(id.replace("\x00", ""))
    if found is None or found.asked.customer != request.state.buyer.id:
        raise NotFoundException
    return found


@get("/cart/{id:str}")
async def cart(id: FromPath[str], request: Call) -> Response[Any]:
    """What the ERP said of it, and for how long it holds."""
    found = await _simulation(request, id)
    if found.order is not None:
        return Redirect(f"/shop/orders/{found.order}{whom_of(request)}")
    return await _cart(request, found)


async def _cart(
    request: Call, found: Simulation, *, status: int = 200, moved: Sequence[Difference] = (), reason: str = ""
) -> Response[str]:
    """Costs and margins are for staff with the role for it."""
    costs = None
    if me_of(request).customer is None and me_of(request).sees(COST):
        costs = {"lines": [costs_of_line(line) for line in found.truth.lines], "total": costs_of(found.truth)}
    known = await shop_of(request).reads.items_by_values("Product", "sku", {line.sku for line in found.truth.lines}, 1)
    goods = {sku: items[0] for sku, items in known.items() if items}
    return render(
        request, "cart.html", status=status, cart=without_costs(found), goods=goods, costs=costs, moved=moved,
        reason=reason,
    )  # fmt: skip


@post("/cart/{id:str}", status_code=200)
async def order_cart(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Order it. What has moved is shown, and nothing is ordered."""
    shop, me = shop_of(request), me_of(request)
    found = await _simulation(request, id)
    await shop.access.note(me.login, "order placed", found.id, {"via": "shop", "customer": request.state.buyer.id})
    done: Placed = await place(shop.business, found.id, by=me.login, role=role_of(request), patience=PATIENCE)
    if done.state == "moved":
        moved = await _simulation(request, done.simulation.id)
        return await _cart(request, moved, status=409, moved=done.differences)
    if done.state == "refused" and done.order is None:
        return await _cart(request, found, status=422, reason=done.reason)
    return Redirect(f"/shop/orders/{done.order}{whom_of(request)}", status_code=303)


@get("/orders")
async def orders(request: Call) -> Response[str]:
    """The buyer's orders, the newest first."""
    offset = offset_of(request)
    found = await shop_of(request).pages.documents(
        "SalesOrder", customer=request.state.buyer.id, limit=DOCUMENTS + 1, offset=offset
    )
    shown, following = page_of(found, offset, DOCUMENTS)
    return render(request, "orders.html", orders=shown, next=following)


@get("/orders/{id:str}")
async def order(id: FromPath[str], request: Call) -> Response[str]:
    """One order from ordered to paid, with deliveries and invoices."""
    shop, found = shop_of(request), own(request, await loaded(request, id), "SalesOrder")
    view = await show(shop.business, found.id)
    below = {
        entity: [one for one in await shop.reads.referencing(found.id, entity) if one.fields.get("order") == found.id]
        for entity in ("Delivery", "Invoice", "Return")
    }
    async with shop.store.transaction() as tx:
        process = await tx.processes.load(found.id)
    asked = view.simulation is not None and process is not None and is_asked(process)
    back = any(line.shipped > line.returned for line in view.ledger.lines)
    goods = await goods_of(request, (line.product for line in view.ledger.lines))
    return render(request, "order.html", view=view, order=found, goods=goods, below=below, asked=asked, back=back)


@post("/orders/{id:str}/answer", status_code=303)
async def answer_order(id: FromPath[str], request: Call, data: Form) -> Redirect:
    """Accept what has moved while the order was kept, or withdraw it."""
    shop, me, found = shop_of(request), me_of(request), own(request, await loaded(request, id), "SalesOrder")
    yes = data.get("word") == "yes"
    await shop.access.note(me.login, "order answered", found.id, {"accept": yes, "via": "shop"})
    await answer(shop.business, found.id, yes=yes, by=me.login)
    return Redirect(f"/shop/orders/{found.id}{whom_of(request)}", status_code=303)


ROUTES = [
    catalogue,
    quick,
    quick_order,
    cart,
    order_cart,
    orders,
    order,
    answer_order,
]
