"""The door of every route of the shop: who comes, for which customer, and what they get instead when they may not."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotFoundException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.response import Response

from isthmus.app.access import Permission, Principal
from isthmus.app.station_view import stations_of
from isthmus.errors import IsthmusError, NeedsPerson, Retryable
from isthmus.model.state import Item
from isthmus.pages import COOKIE
from isthmus.portal.permissions import BUYER, FEATURES, OPEN, ROUTES, STAFF, STATION, VISITOR
from isthmus.portal.showing import render
from isthmus.portal.site import Call, Shop, shop_of

__all__ = [
    "NoBuyer",
    "guard",
    "handlers",
    "loaded",
    "me_of",
    "own",
    "own_of_station",
    "role_of",
    "station_of",
    "whom_of",
]

_NEEDED = {(method, path.replace(":str}", "}")): needed for (method, path), needed in ROUTES.items()}


class NotSignedIn(HTTPException):
    """Nobody is signed in, or no longer."""

    status_code = 401


class NoBuyer(HTTPException):
    """Staff who have not said for which customer."""

    status_code = 400


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the request in, with ``state.me``, ``state.buyer`` and the buyer's ``state.stations`` set."""
    method = connection.scope["method"]  # type: ignore[typeddict-item]
    template = connection.scope["path_template"]
    needed = _NEEDED["GET" if method == "HEAD" else method, template]
    shop: Shop = connection.app.state.shop
    me = await shop.access.by_session(connection.cookies.get(COOKIE, ""))
    connection.state.me, connection.state.buyer, connection.state.stations = me, None, []
    if needed == OPEN:
        return
    if me is None and not (needed == VISITOR and shop.visiting.visitors):
        raise NotSignedIn
    if any(FEATURES[part] not in shop.features for part in template.split("/") if part in FEATURES):
        raise NotFoundException
    if me is None:
        return
    staff = me.may(Permission.ORDER)
    if not (staff or (needed in (BUYER, STATION, VISITOR) and me.may(Permission.SHOP) and me.customer is not None)):
        raise PermissionDeniedException
    # Whoever belongs to a customer is that customer, whatever the address says.
    wanted = me.customer if me.customer is not None else connection.query_params.get("for")
    if wanted is not None:
        connection.state.buyer = await _customer(shop, wanted)
    if connection.state.buyer is None and needed != STAFF:
        raise NoBuyer
    if connection.state.buyer is not None and "stations" in shop.features:
        connection.state.stations = await stations_of(shop.pages, connection.state.buyer.id)
    if needed == STATION and not connection.state.stations:
        raise PermissionDeniedException


async def _customer(shop: Shop, id: str) -> Item | None:
    found = await shop.reads.heir(id)
    if found is None or found.entity != "Customer" or found.deleted_at is not None:
        return None
    return found


def whom_of(request: Call) -> str:
    """What staff's addresses carry on."""
    return "" if me_of(request).customer is not None else f"?for={request.state.buyer.id}"


def me_of(request: Call) -> Principal:
    """Who is signed in; the guard has seen to it."""
    me: Principal = request.state.me
    return me


def role_of(request: Call) -> str:
    """In which role the buyer's things are done: the customer's own, or sales on behalf."""
    return "customer" if me_of(request).customer is not None else "sales"


def own(request: Call, item: Item | None, entity: str) -> Item:
    """The item, when it is a document of the buyer. Raises ``NotFoundException``: others' do not exist for them."""
    if item is None or item.entity != entity or item.fields.get("customer") != request.state.buyer.id:
        raise NotFoundException
    return item


def own_of_station(request: Call, item: Item | None, entity: str) -> Item:
    """The item, when it is a document of a station of the buyer. Raises ``NotFoundException``."""
    ids = {one.id for one in request.state.stations}
    if item is None or item.entity != entity or item.deleted_at is not None or item.fields.get("station") not in ids:
        raise NotFoundException
    return item


def station_of(request: Call, id: str) -> Item:
    """The buyer's station of this id. Raises ``NotFoundException``."""
    for one in request.state.stations:
        if one.id == id:
            return one  # type: ignore[no-any-return]
    raise NotFoundException


async def loaded(request: Call, id: str) -> Item | None:
    """The item of this id."""
    id = id.replace("\x00", "")
    return (await shop_of(request).reads.items([id])).get(id)


def _told(request: Call, status: int, what: str, error: IsthmusError | None = None) -> Response[Any]:
    return render(request, "told.html", status=status, what=what, error=error)


def handlers() -> dict[Any, Any]:
    """What is shown instead of a page."""
    return {
        NotSignedIn: lambda request, _: render(request, "sign_in.html", status=401, failed=""),
        NoBuyer: lambda request, _: render(request, "desk.html", status=400, q="", found=None),
        PermissionDeniedException: lambda request, _: _told(request, 403, "denied"),
        NotFoundException: lambda request, _: _told(request, 404, "missing"),
        NeedsPerson: lambda request, error: _told(request, 422, "refused", error),
        Retryable: lambda request, error: _told(request, 503, "later", error),
        HTTPException: lambda request, error: _told(request, error.status_code, "bad"),
        500: lambda request, _: _told(request, 500, "fault"),
    }
