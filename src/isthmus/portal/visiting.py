"""Visitors: people who are not signed in write to the house."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.response import Redirect, Response

from isthmus.app.asking import LONGEST_QUESTION
from isthmus.app.enquiring import Enquiry, enquire
from isthmus.desk.quoting import WantedLine
from isthmus.errors import NeedsPerson
from isthmus.portal.front import Form
from isthmus.portal.lines import lines_of, new_key, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

LONGEST = 200
TRAP = "homepage"
"""A field that nobody sees: only programs fill it in."""
PERSON = ("company", "name", "email", "phone")


def _form(request: Call, status: int = 200, **values: Any) -> Response[str]:
    given = dict.fromkeys((*PERSON, "text", "lines", "problem"), "") | {"faults": [], "key": new_key()} | values
    return render(request, "enquiry.html", status=status, longest=LONGEST_QUESTION, trap=TRAP, **given)


@get("/enquiry")
async def enquiry(request: Call) -> Response[Any]:
    """The form; with a part number in it when the address names one."""
    if request.state.me is not None:
        return Redirect("/shop")
    sku = readable(request.query_params.get("sku"), 100)
    return _form(request, lines=f"{sku}; 1" if sku else "")


@post("/enquiry", status_code=200)
async def send_enquiry(request: Call, data: Form) -> Response[Any]:
    """Write it down for sales, in the CRM and as a quote to make. What a program sent is thanked for and forgotten."""
    shop, address = shop_of(request), request.client.host if request.client is not None else ""
    if request.state.me is not None:
        return Redirect("/shop", status_code=303)
    typed = {name: readable(data.get(name), LONGEST).strip() for name in PERSON}
    typed |= {"text": readable(data.get("text"), 4 * LONGEST_QUESTION), "lines": readable(data.get("lines"))}
    key = str(data.get("key", ""))[:60]
    if data.get(TRAP):
        return render(request, "enquired.html")
    if shop.enquiries.closed(address) or shop.all_enquiries.closed(""):
        return _form(request, 429, problem="often", key=key, **typed)
    lines, faults = await lines_of(request, typed["lines"])
    if faults:
        return _form(request, 422, faults=faults, key=key, **typed)
    asked = Enquiry(
        **{name: typed[name] for name in PERSON}, text=typed["text"],
        lines=[WantedLine(sku=line.sku, quantity=line.quantity) for line in lines],
    )  # fmt: skip
    if len(asked.text) > LONGEST_QUESTION:
        return _form(request, 422, problem="long", key=key, **typed)
    try:
        made = await enquire(shop.business, asked, quotes="quotes" in shop.features, key=_own_key(key))
    except NeedsPerson:
        return _form(request, 422, problem="who", key=key, **typed)
    shop.enquiries.failed(address)
    shop.all_enquiries.failed("")
    await shop.access.note("", "enquiry written", made.id, {"address": address, "lines": len(lines)})
    return render(request, "enquired.html")


def _own_key(key: str) -> str:
    """The form's key; a new one when it is none of ours."""
    return key if key.replace("-", "").isalnum() and key.isascii() and len(key) >= 8 else new_key()


ROUTES = [enquiry, send_enquiry]
