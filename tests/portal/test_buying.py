"""Products at one's own terms, lists of part numbers, carts, orders; the call centre."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar

from isthmus.app import shopping
from isthmus.app.shopping import MOST_LINES, read_lines
from isthmus.model.state import Cause
from isthmus.store import PostgresStore, Reads
from tests.api.office import PretendBusiness, made
from tests.console.people import a_person
from tests.desk.hub import CHIEF, rules_of
from tests.portal.conftest import Buyer


async def test_the_catalogue_shows_own_terms_and_says_when_they_are_old(
    browsers: Any, business: PretendBusiness, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    page = await buyer.get("/shop")
    assert "€100.00" in page.text
    assert "9 in stock" in page.text
    assert "Bearing &lt;b&gt;" in page.text
    asked = business.asked
    await buyer.get("/shop")
    assert business.asked == asked, "asked again within the half minute"
    business.down = True
    monkeypatch.setattr(shopping, "FRESH", timedelta(0))
    page = await buyer.get("/shop")
    assert page.status_code == 200
    assert "cannot be asked for now" in page.text
    assert "€100.00" in page.text
    other: Buyer = await browsers("other@buyer.example")
    page = await other.get("/shop")
    assert "Price on request" in page.text
    assert "€" not in page.text, "another customer's price"


async def test_the_catalogue_is_searched_and_paged(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    page = (await buyer.get("/shop")).text
    assert page.count('class="card"') == 12
    follow = page.split('class="pages"><a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    assert (await buyer.get(follow)).text.count('class="card"') == 2
    assert (await buyer.get("/shop?q=brg-07")).text.count('class="card"') == 1
    assert "three letters" in (await buyer.get("/shop?q=x")).text
    assert "Nothing found" in (await buyer.get("/shop?q=nothing%20like%20it")).text


async def test_a_list_becomes_a_cart_and_the_cart_one_order(browsers: Any, store: PostgresStore) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    cart = await buyer.cart("sku;quantity\nBRG-01;2\nBRG-02\t1,5\nBRG-03")
    page = await buyer.get(cart)
    assert "€450.00" in page.text
    answers = await asyncio.gather(*(buyer.post(cart) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await Reads(store).referencing("kern", "SalesOrder")) == 1
    page = await buyer.get(answers[0].headers["location"])
    assert "kept and will be confirmed" in page.text
    assert (await buyer.get(cart)).headers["location"] == answers[0].headers["location"]
    assert "will be confirmed" in (await buyer.get("/shop/orders")).text


async def test_lines_say_what_they_are_and_an_order_without_a_number_what_its_buyer_calls_it(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    typed = {"text": "BRG-01, 2", "reference": "PO-77"}
    cart = (await buyer.post("/shop/quick", typed, files={"file": ("", b"")})).headers["location"]
    assert "Bearing &lt;b&gt;" in (await buyer.get(cart)).text
    order = (await buyer.post(cart)).headers["location"]
    page = (await buyer.get(order)).text
    assert "Bearing &lt;b&gt;" in page
    assert "Your order number: PO-77" in page
    assert f'<a href="{order}"><b>PO-77</b></a>' in (await buyer.get("/shop/orders")).text


async def test_moved_terms_are_shown_before_anything_is_ordered(
    browsers: Any, business: PretendBusiness, store: PostgresStore
) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    cart = await buyer.cart()
    business.price = Decimal(110)
    page = await buyer.post(cart)
    assert page.status_code == 409
    assert "Nothing was ordered yet" in page.text
    assert await Reads(store).referencing("kern", "SalesOrder") == []
    again = page.text.split('action="/shop/cart/')[1].split('"')[0]
    assert (await buyer.post(f"/shop/cart/{again}")).status_code == 303


async def test_an_order_over_the_limit_is_being_checked_and_the_customer_is_told_what_came_of_it(
    browsers: Any, business: PretendBusiness, store: PostgresStore
) -> None:
    business.limit, business.rules = Decimal(20), rules_of("SalesOrder")
    buyer: Buyer = await browsers("kern@buyer.example")
    cart = await buyer.cart()
    order = (await buyer.post(cart)).headers["location"]
    page = await buyer.get(order)
    assert "Your order is being checked" in page.text
    assert 'name="word"' not in page.text, "the customer does not decide"
    assert CHIEF not in page.text
    assert "limit" not in page.text
    assert "being checked" in (await buyer.get("/shop/orders")).text
    item = order.rpartition("/")[2]
    async with store.transaction() as tx:
        edits = business.edits(tx, Cause("process", "order", item), "SalesOrder")
        await edits.change(item, {"state": "refused", "reason": "Please <b>pay</b> first."})
    page = await buyer.get(order)
    assert "We cannot carry out this order" in page.text
    assert "Please &lt;b&gt;pay&lt;/b&gt; first." in page.text
    assert (await buyer.post(cart)).headers["location"] == order, "ordered again it is still this order"


async def test_costs_are_for_staff_with_the_role_and_on_no_page_of_a_customer(
    browsers: Any, business: PretendBusiness, store: PostgresStore, app: Litestar
) -> None:
    await app.state.shop.access.people.save(a_person("sales", roles=["sales", "cost"], login="boss@office.example"))
    boss: Buyer = await browsers("boss@office.example")
    cart = await boss.cart(whom="?for=kern")
    page = await boss.get(cart)
    assert "€122.74" in page.text, "two at 61.37"
    assert "€77.26 (38.63%)" in page.text
    for login, whom in (("sales@office.example", "?for=kern"), ("kern@buyer.example", "")):
        other: Buyer = await browsers(login)
        address = f"{cart.partition('?')[0]}{whom}"
        for shown in (await other.get(address), await other.get(f"/shop/{whom}"), await other.post(address)):
            assert shown.status_code in (200, 302, 303)
            assert "122.74" not in shown.text
            assert "61.37" not in shown.text
            assert "Margin" not in shown.text
    business.cost = None
    assert "not known of every line" in (await boss.get(await boss.cart(whom="?for=kern"))).text


async def test_while_the_erp_is_down_nothing_typed_is_lost(browsers: Any, business: PretendBusiness) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    cart = await buyer.cart()
    business.down = True
    page = await buyer.post("/shop/quick", {"text": "BRG-01, 7"}, files={"file": ("", b"")})
    assert page.status_code == 503
    assert "BRG-01, 7" in page.text
    assert (await buyer.post(cart)).status_code == 303, "what was shown can be ordered; it is kept"


HOSTILE = {
    "formula": b'=cmd|"/c calc"!A1,1\n+1+1,2\n@SUM(A1),1',
    "unknown": b"BRG-01,1\nNONE-1,1\n<script>alert(1)</script>,1",
    "quantity": b"BRG-01,1e9\nBRG-02,-1\nBRG-03,0\nBRG-04,NaN",
    "long": b"A" * 500 + b",1",
    "many": b"BRG-01,1\n" * (MOST_LINES + 5),
}


@pytest.mark.parametrize("why", list(HOSTILE))
async def test_a_hostile_file_is_told_line_by_line_and_nothing_of_it_is_done(browsers: Any, why: str) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    page = await buyer.post("/shop/quick", {"text": ""}, files={"file": ("order.csv", HOSTILE[why], "text/csv")})
    assert page.status_code == 422
    assert "Correct these lines" in page.text
    assert "Line " in page.text
    assert "<script>alert" not in page.text


async def test_files_that_are_too_large_or_no_text_are_refused(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    large = await buyer.post("/shop/quick", {"text": ""}, files={"file": ("a.csv", b"BRG-01,1\n" * 100_000)})
    assert large.status_code == 413
    packed = await buyer.post("/shop/quick", {"text": ""}, files={"file": ("a.csv", bytes(range(128, 256)))})
    assert (packed.status_code, "CSV UTF-8" in packed.text) == (422, True)
    empty = await buyer.post("/shop/quick", {"text": "  "}, files={"file": ("", b"")})
    assert (empty.status_code, "no line" in empty.text) == (422, True)


@settings(deadline=None, derandomize=True, max_examples=300, database=None)
@given(st.text(max_size=300))
def test_whatever_is_pasted_comes_to_sound_lines_or_told_faults(text: str) -> None:
    lines, faults = read_lines(text)
    assert len(lines) <= MOST_LINES
    for line in lines:
        assert line.quantity > 0
        assert line.sku[0] not in "=+-@"
        assert line.sku.isprintable()
    assert all(fault.line >= 1 and fault.why for fault in faults)


async def test_the_call_centre_finds_and_orders_for_a_customer(browsers: Any, store: PostgresStore) -> None:
    clerk: Buyer = await browsers("sales@office.example")
    assert "Who is calling?" in (await clerk.get("/shop/desk")).text
    assert (await clerk.get("/shop/orders")).status_code == 400, "for whom?"
    for text in ("kern", "K1", "+49 40 5 15500", "040515500"):
        page = await clerk.get(f"/shop/desk?q={text.replace('+', '%2B')}")
        assert "/shop/quick?for=kern" in page.text, text
    await made(store, "SalesOrder", {"customer": "kern", "number": "S-4711", "state": "done"}, "order-k")
    assert "/shop/orders/order-k?for=kern" in (await clerk.get("/shop/desk?q=S-4711")).text
    assert (await clerk.get("/shop/orders/order-k?for=other")).status_code == 404
    cart = await clerk.cart(whom="?for=kern")
    assert cart.endswith("?for=kern")
    done = await clerk.post(cart)
    assert done.headers["location"].endswith("?for=kern")
    placed = [one for one in await Reads(store).referencing("kern", "SalesOrder") if one.id != "order-k"]
    assert len(placed) == 1
    assert (await Reads(store).history(placed[0].id))[0].cause.by == "sales@office.example"


async def test_the_shop_speaks_chinese(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    answer = await buyer.post("/shop/language", {"language": "zh", "place": "/shop/orders"})
    assert answer.headers["location"] == "/shop/orders"
    assert "还没有订单" in (await buyer.get("/shop/orders")).text
    outside = await buyer.post("/shop/language", {"language": "zh", "place": "//evil.example"})
    assert outside.headers["location"] == "/shop"
