"""Every route of the shop has a guard; a customer never sees what another's is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from isthmus.portal.guard import guard
from isthmus.portal.permissions import BUYER, FEATURES, OPEN, ROUTES, STAFF, STATION, VISITOR
from isthmus.store import PostgresStore, Reads
from tests.api.office import PretendBusiness, made
from tests.portal.conftest import Buyer
from tests.portal.papers import bills, sent_quote, shipped, station


def address_of(path: str, id: str = "x") -> str:
    return path.replace("{name:str}", "shop.css").replace("{id:str}", id)


async def ask(buyer: Buyer, method: str, path: str, fields: dict[str, str] | None = None) -> Any:
    """Ask it; who asks for more pages in a second than the server gives waits for the next one."""
    files = {"file": ("", b"")} if path.startswith("/shop/quick") else None
    for _ in range(50):
        answer = await (buyer.get(path) if method == "GET" else buyer.post(path, fields, files))
        if answer.status_code != 429:
            break
        await asyncio.sleep(0.2)
    return answer


def test_every_route_says_who_may_and_is_behind_the_guard(app: Litestar) -> None:
    shop = [route for route in app.routes if isinstance(route, HTTPRoute) and route.path.startswith("/shop")]
    served = {(method, route.path) for route in shop for method in route.route_handler_map if method != "OPTIONS"}
    assert served == set(ROUTES)
    for route in shop:
        assert all(guard in one.resolve_guards() for one in route.route_handlers if "OPTIONS" not in one.http_methods)


async def test_who_is_not_signed_in_gets_the_door(browsers: Any) -> None:
    nobody: Buyer = await browsers()
    await nobody.get("/shop/sign-in")
    for (method, path), needed in ROUTES.items():
        if needed != OPEN:
            answer = await ask(nobody, method, address_of(path))
            assert answer.status_code == 401, (method, path)
            assert 'name="password"' in answer.text


async def test_staff_without_the_right_and_customers_stay_out_of_what_is_not_theirs(browsers: Any) -> None:
    for login, shut in (
        ("viewer@office.example", {BUYER, STAFF, STATION, VISITOR}),
        ("admin@office.example", {BUYER, STAFF, STATION, VISITOR}),
        ("kern@buyer.example", {STAFF, STATION}),
    ):
        buyer: Buyer = await browsers(login)
        for (method, path), needed in ROUTES.items():
            if needed in shut:
                assert (await ask(buyer, method, address_of(path))).status_code == 403, (login, method, path)


async def test_a_customer_reaches_nothing_of_the_console(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    home = await buyer.get("/")
    assert (home.is_redirect, home.headers["location"]) == (True, "/shop")
    for path in ("/records", "/records/kern", "/inbox", "/trace?q=1", "/people", "/audit", "/processes"):
        assert (await buyer.get(path)).status_code == 403, path


@pytest.mark.parametrize("whom", ["", "?for=other", "?for=kern&for=other"])
async def test_a_customer_sees_only_what_is_his_on_every_route(
    browsers: Any, store: PostgresStore, business: PretendBusiness, whom: str
) -> None:
    """Two customers with documents of every kind; one goes to every address with the other's ids and names."""
    way = {"customer": "other", "order": "order-other", "number": "SECRET-3"}
    await made(store, "Delivery", way, "way-other")
    await made(store, "SalesOrder", {"customer": "kern", "number": "MINE-1", "state": "done"}, "order-kern")
    await bills(store, "other", "SECRET-")
    await shipped(store, "other", "order-back", price="471.13")
    quote, _ = await sent_quote(business, "other")
    await station(store, "other", "HIDDEN")
    await station(store, "kern", "MINE-2")
    case = {"customer": "other", "number": "SQ-9", "requester": "other@buyer.example", "subject": "SECRET"}
    await made(store, "ServiceCase", {**case, "description": "x\n\nSECRET"}, "question-other")
    back = {"customer": "other", "order": "order-back", "number": "SECRET-RT", "state": "announced", "process": "p"}
    await made(store, "Return", {**back, "lines": [{"id": "1", "product": "p01", "announced": "1"}]}, "return-other")
    other: Buyer = await browsers("other@buyer.example")
    theirs = (await other.cart()).removeprefix("/shop/cart/")
    assert "SECRET-SO-1" in (await other.get("/shop/orders")).text
    assert "SECRET-3" in (await other.get("/shop/orders/order-other")).text
    mine_of_other = await Reads(store).referencing("other", "SalesOrder")
    buyer: Buyer = await browsers("kern@buyer.example")
    seen = ""
    ids = ("order-other", "order-back", "bill-open-other", "way-other", "other", theirs, f"order-{theirs}", quote)
    ids += ("station-HIDDEN", "request-HIDDEN", "return-HIDDEN", "repair-HIDDEN", "question-other", "return-other")
    for (method, path), needed in ROUTES.items():
        if needed not in (BUYER, STATION, VISITOR):
            continue
        for id in ids:
            answer = await ask(buyer, method, address_of(path, id) + whom)
            seen += answer.text
            if "{id" in path:
                assert answer.status_code == 404, (method, path, id)
    for kind in ("order", "invoice", "product"):
        join = "&" if whom else "?"
        for id in ids:
            answer = await ask(buyer, "GET", f"/shop/questions/new{whom}{join}{kind}={id}")
            assert answer.status_code == 404, (kind, id)
            form = {"kind": kind, "about": id, "subject": "x", "text": "y"}
            assert (await ask(buyer, "POST", f"/shop/questions{whom}", form)).status_code == 404
    assert "MINE-1" in seen
    assert "Station MINE-2" in seen
    for theirs_too in ("471.13", "Station HIDDEN", "MR-HIDDEN", "RT-HIDDEN", "RR-HIDDEN"):
        assert theirs_too not in seen
    assert await Reads(store).referencing("other", "SalesOrder") == mine_of_other
    assert (await Reads(store).items([quote]))[quote].fields["state"] == "sent"
    assert (await Reads(store).items(["return-other"]))["return-other"].fields["state"] == "announced"
    assert "SECRET" not in seen
    assert "other</script>" not in seen
    assert "&lt;script&gt;other" not in seen
    assert (await store.rows("simulation", {"id": theirs}))[0][-1] is None, "the other's cart was not ordered"


async def test_a_shop_has_only_the_pages_whose_packs_are_used(browsers: Any, app: Litestar) -> None:
    app.state.shop.features = frozenset()
    buyer: Buyer = await browsers("kern@buyer.example")
    page = (await buyer.get("/shop/orders")).text
    for part in ("quotes", "returns", "questions", "station"):
        assert f'href="/shop/{part}' not in page
    for (method, path), needed in ROUTES.items():
        if needed in (BUYER, STATION) and set(path.split("/")) & set(FEATURES):
            assert (await ask(buyer, method, address_of(path))).status_code == 404, (method, path)


async def test_forms_without_their_token_are_refused(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    cart = await buyer.cart()
    buyer.token = "wrong"
    assert (await buyer.post(cart)).status_code == 403


async def test_tries_at_one_door_count_at_the_other(browsers: Any) -> None:
    buyer: Buyer = await browsers()
    for number in range(10):
        door = "/shop/sign-in" if number % 2 else "/sign-in"
        await buyer.get(door)
        assert (await buyer.post(door, {"login": "kern@buyer.example", "password": "guess"})).status_code == 422
    for door in ("/shop/sign-in", "/sign-in"):
        await buyer.get(door)
        assert (await buyer.post(door, {"login": "kern@buyer.example", "password": "guess"})).status_code == 429
