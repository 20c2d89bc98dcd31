"""The call centre's search."""

from __future__ import annotations

from litestar import get
from litestar.response import Response

from isthmus.app.calling import find
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]


@get("/desk")
async def desk(request: Call) -> Response[str]:
    """Customers, people, orders and documents by phone, name, order or serial number."""
    text = request.query_params.get("q", "").strip()[:200].replace("\x00", "")
    return render(request, "desk.html", q=text, found=await find(shop_of(request).reads, text))


ROUTES = [desk]
