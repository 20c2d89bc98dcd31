"""Pages about papers, each with something on it: accessible as far as axe can tell, and no wider than a phone."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import pytest
from litestar import Litestar

from isthmus.app.ordering import simulate
from isthmus.portal.site import Shop
from isthmus.store import PostgresStore
from isthmus.web import Parts, serve
from tests.api.office import PretendBusiness, made
from tests.console.people import PASSWORD, a_person
from tests.e2e.browser import a_desk, needs_chromium
from tests.portal.papers import bills, euro, sent_quote, shipped, station

ROWS_OF_PLACES = "new Set([...document.querySelectorAll('nav.places a')].map(a => a.offsetTop)).size"
"""A phone has little room: the shop's places take no more than two rows of it."""

pytestmark = [needs_chromium, pytest.mark.timeout(300)]


async def papers(store: PostgresStore, business: PretendBusiness) -> list[str]:
    """Addresses of pages that show something."""
    await bills(store, "kern")
    await shipped(store, "kern", "order-back")
    quote, _ = await sent_quote(business, "kern")
    place = await station(store, "kern", "Kiel")
    share = [{"id": "1", "station": place, "amount": "80"}]
    settlement = {"number": "LS-1", "period": "2026-10", "currency": "EUR", "state": "booked", "lines": share}
    await made(store, "LabourSettlement", settlement, "settlement-1")
    back = {"customer": "kern", "order": "order-back", "number": "RT-2", "state": "credited", "credited": True}
    shown = {"credit_note": "CN-9", "credit_state": "posted", "credit_total": euro("160"), "tracking": "DHL 17"}
    line = {"id": "1", "product": "p01", "announced": "2", "sent": "2", "counted": "2", "received": "2"}
    await made(store, "Return", {**back, **shown, "reason": "W" * 200, "lines": [line], "process": "p"}, "return-2")
    asked = {"customer": "kern", "number": "SQ-1", "requester": "kern@buyer.example", "subject": "SQ-1 When?"}
    told = {"description": f"x:\n\n{'long' * 60}\nWhen?", "order": "order-back", "status": "Assigned"}
    await made(store, "ServiceCase", {**asked, **told}, "question-1")
    for state, why in (("checking", None), ("refused", "Please pay what is due first. " * 8)):
        line = {"product": "p01", "quantity": "12"}
        order = {"customer": "kern", "reference": "PO 7", "state": state, "ordered": [line], "reason": why}
        await made(store, "SalesOrder", {**order, "confirmed": False}, f"order-{state}")
    return [
        *("invoices", "invoices?show=open", "invoices/bill-late-kern", "quotes", "quotes/new", f"quotes/{quote}"),
        *(
            "orders",
            "orders/order-checking",
            "orders/order-refused",
            "orders/order-back",
            "orders/order-back/return",
            "returns",
            "returns/return-2",
            "returns/return-Kiel",
        ),
        *("questions", "questions/new?order=order-back", "questions/question-1", "station"),
        *(f"station/{place}/request", f"station/{place}/return", "requests/request-Kiel"),
    ]


def walk(address: str, pages: list[str], width: int, theme: str, who: str = "kern@buyer.example") -> None:
    """One page after the other in a real browser."""
    pictures = os.environ.get("ISTHMUS_PICTURES")
    with a_desk(address, width, theme) as desk:
        desk.go("/shop/sign-in")
        desk.page.fill("input[name=login]", who)
        desk.page.fill("input[name=password]", PASSWORD)
        desk.page.click("button.main")
        desk.page.wait_for_url(lambda url: "sign-in" not in url)
        desk.complaints.clear()  # staff are asked for whom first, on a page with status 400
        for path in pages:
            desk.go(f"/shop/{path}")
            if pictures:
                name = path.replace("/", "-").replace("?", "-")[:40]
                desk.page.screenshot(path=Path(pictures) / f"{name}-{width}-{theme}.png", full_page=True)
            assert desk.violations() == [], path
            assert not desk.too_wide(), path
            assert desk.page.evaluate(ROWS_OF_PLACES) <= 2, path
        assert desk.complaints == []


@pytest.mark.parametrize("width", [390, 1440])
async def test_a_cart_with_costs_can_be_used_by_everybody(
    app: Litestar, store: PostgresStore, business: PretendBusiness, width: int
) -> None:
    shop: Shop = app.state.shop
    await shop.access.people.save(a_person("sales", roles=["sales", "cost"], login="boss@office.example"))
    found = await simulate(business, "K1", [("BRG-01", Decimal(2)), ("BRG-02", Decimal(12))])
    async with serve(Parts(site=app.state.site, shop=shop), "127.0.0.1", 0) as port:
        pages, who = [f"cart/{found.id}?for=kern"], "boss@office.example"
        await asyncio.to_thread(walk, f"http://127.0.0.1:{port}", pages, width, "light", who)


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1440, "light"), (390, "dark")])
async def test_pages_about_papers_can_be_used_by_everybody(
    app: Litestar, store: PostgresStore, business: PretendBusiness, width: int, theme: str
) -> None:
    pages = await papers(store, business)
    shop: Shop = app.state.shop
    async with serve(Parts(site=app.state.site, shop=shop), "127.0.0.1", 0) as port:
        await asyncio.to_thread(walk, f"http://127.0.0.1:{port}", pages, width, theme)
