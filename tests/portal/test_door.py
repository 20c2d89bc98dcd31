"""Every route of the shop has a guard; a customer never sees what another's is."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from isthmus.portal.guard import guard
from isthmus.portal.permissions import BUYER, OPEN, ROUTES, STAFF
from isthmus.store import PostgresStore
from tests.api.office import made
from tests.portal.conftest import Buyer


def address_of(path: str, id: str = "x") -> str:
    return path.replace("{name:str}", "shop.css").replace("{id:str}", id)


async def ask(buyer: Buyer, method: str, path: str) -> Any:
    if method == "GET":
        return await buyer.get(path)
    return await buyer.post(path, files={"file": ("", b"")} if path.startswith("/shop/quick") else None)


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
        ("viewer@office.example", {BUYER, STAFF}),
        ("admin@office.example", {BUYER, STAFF}),
        ("kern@buyer.example", {STAFF}),
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
async def test_a_customer_sees_only_what_is_his_on_every_route(browsers: Any, store: PostgresStore, whom: str) -> None:
    """Two customers with documents of every kind; one goes to every address with the other's ids and names."""
    await made(store, "SalesOrder", {"customer": "other", "number": "SECRET-1", "state": "done"}, "order-other")
    await made(store, "Invoice", {"customer": "other", "number": "SECRET-2", "state": "posted"}, "bill-other")
    await made(store, "Delivery", {"customer": "other", "order": "order-other", "number": "SECRET-3"}, "way-other")
    await made(store, "SalesOrder", {"customer": "kern", "number": "MINE-1", "state": "done"}, "order-kern")
    other: Buyer = await browsers("other@buyer.example")
    theirs = (await other.cart()).removeprefix("/shop/cart/")
    assert "SECRET-1" in (await other.get("/shop/orders")).text
    assert "SECRET-3" in (await other.get("/shop/orders/order-other")).text
    buyer: Buyer = await browsers("kern@buyer.example")
    seen = ""
    for (method, path), needed in ROUTES.items():
        if needed != BUYER:
            continue
        for id in ("order-other", "bill-other", "way-other", "other", theirs, f"order-{theirs}"):
            answer = await ask(buyer, method, address_of(path, id) + whom)
            seen += answer.text
            if "{id" in path:
                assert answer.status_code == 404, (method, path, id)
    assert "MINE-1" in seen
    assert "SECRET" not in seen
    assert "other</script>" not in seen
    assert "&lt;script&gt;other" not in seen
    assert (await store.rows("simulation", {"id": theirs}))[0][-1] is None, "the other's cart was not ordered"


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
