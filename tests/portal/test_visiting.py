"""Visitors: what somebody sees who is not signed in, and how they write to the house."""

from __future__ import annotations

import re
from typing import Any

import pytest

from isthmus.portal.permissions import OPEN, ROUTES, VISITOR
from isthmus.project import ShopSettings
from isthmus.store import PostgresStore, Reads
from tests.api.office import PretendBusiness, made
from tests.portal.conftest import Buyer
from tests.portal.test_door import address_of, ask

ANN = {"company": "Neuland <b>KG", "name": "Ann", "email": "Ann@Neuland.example", "phone": "+49 40 1"}


@pytest.fixture
def visiting() -> ShopSettings:
    return ShopSettings(visitors=True, list_prices=True)


async def goods(store: PostgresStore) -> None:
    secret = {"cost": {"amount": "31.07", "currency": "EUR"}, "stock_on_hand": "471.13", "unit": "Unit"}
    price = {"list_price": {"amount": "59.90", "currency": "EUR"}}
    await made(
        store, "Product", {"sku": "AAA-1", "name": "Valve", "stock_available": "471.13", **secret, **price}, "v1"
    )
    await made(store, "Product", {"sku": "AAA-2", "name": "Pump", "stock_available": "0", **secret}, "v2")
    await made(store, "Product", {"sku": "AAA-3", "name": "Old pump", "active": False, **secret}, "v3")


async def enquiry(visitor: Buyer, **fields: str) -> Any:
    page = await visitor.get("/shop/enquiry")
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key is not None
    return await visitor.post("/shop/enquiry", {"key": key[1], **ANN, **fields})


async def test_a_visitor_sees_products_and_nothing_that_is_ours_or_a_customers(
    browsers: Any, store: PostgresStore, business: PretendBusiness
) -> None:
    await goods(store)
    visitor: Buyer = await browsers()
    page = (await visitor.get("/shop?q=AAA")).text
    assert ("Valve" in page, "Pump" in page, "Old pump" in page) == (True, True, False)
    assert "€59.90" in page
    assert ("available" in page, "not in stock" in page) == (True, True)
    assert ("471.13" in page, "31.07" in page) == (False, False)
    assert business.asked == 0, "the ERP was asked for somebody's terms"
    # What is not shown cannot be found out by searching for it either.
    for text in ("31.07", "471.13"):
        assert "Nothing found" in (await visitor.get(f"/shop?q={text}")).text
    for (method, path), needed in ROUTES.items():
        if needed not in (OPEN, VISITOR):
            assert (await ask(visitor, method, address_of(path))).status_code == 401, (method, path)


async def test_a_customer_does_not_find_products_by_their_cost_either(browsers: Any, store: PostgresStore) -> None:
    await goods(store)
    buyer: Buyer = await browsers("kern@buyer.example")
    assert "Valve" in (await buyer.get("/shop?q=valve")).text
    assert "Nothing found" in (await buyer.get("/shop?q=31.07")).text


@pytest.mark.parametrize("visiting", [ShopSettings(visitors=True)])
async def test_list_prices_are_shown_only_when_the_project_says_so(browsers: Any, store: PostgresStore) -> None:
    await goods(store)
    visitor: Buyer = await browsers()
    page = (await visitor.get("/shop")).text
    assert "Valve" in page
    assert "59.90" not in page


@pytest.mark.parametrize("visiting", [ShopSettings()])
async def test_without_the_setting_nobody_visits(browsers: Any) -> None:
    nobody: Buyer = await browsers()
    await nobody.get("/shop/sign-in")
    for method, path in (("GET", "/shop"), ("GET", "/shop/enquiry"), ("POST", "/shop/enquiry")):
        answer = await ask(nobody, method, path)
        assert answer.status_code == 401
        assert "Write to us" not in answer.text


async def test_an_enquiry_becomes_one_case_and_one_quote_to_make(
    browsers: Any, store: PostgresStore, business: PretendBusiness
) -> None:
    visitor: Buyer = await browsers()
    page = await visitor.get("/shop/enquiry?sku=BRG-01")
    assert "BRG-01; 1" in page.text
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key is not None
    form = {"key": key[1], **ANN, "lines": "BRG-01; 3", "text": "Soon, please. 谢谢"}
    for _ in range(2):
        assert "Thank you" in (await visitor.post("/shop/enquiry", form)).text
    found = await Reads(store).items([f"enquiry-{key[1]}", f"quote-enquiry-{key[1]}"])
    case, quote = found[f"enquiry-{key[1]}"].fields, found[f"quote-enquiry-{key[1]}"].fields
    assert "Quote: Neuland" in case["subject"]
    assert case.get("customer") is None
    for part in ("Ann <ann@neuland.example>", "Neuland <b>KG", "+49 40 1", "3 × BRG-01", "谢谢", quote["number"]):
        assert part in case["description"]
    assert (quote["state"], quote["prospect"], quote["email"]) == ("requested", "Neuland <b>KG", "ann@neuland.example")
    assert quote["lines"][0]["product"] == "p01"
    assert len(await Reads(store).search("Neuland", 10, "ServiceCase")) == 1, "sent twice"


async def test_who_wants_to_become_a_customer_needs_no_lines(browsers: Any, store: PostgresStore) -> None:
    visitor: Buyer = await browsers()
    assert "Thank you" in (await enquiry(visitor, text="We build ships.")).text
    (case,) = await Reads(store).search("Neuland", 10, "ServiceCase")
    assert "New customer: Neuland" in str(case.fields["subject"])
    assert "We build ships." in str(case.fields["description"])
    assert await Reads(store).search("Neuland", 10, "Quote") == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"company": " "}, "Say who you are"),
        ({"name": ""}, "Say who you are"),
        ({"email": "nobody"}, "Say who you are"),
        ({"email": "@"}, "Say who you are"),
        ({"lines": "=1+1; 3"}, "looks like a formula"),
        ({"lines": "NONE; 3"}, "no such part number"),
        ({"text": "x" * 5001}, "too long"),
    ],
)
async def test_what_cannot_be_taken_is_told_and_what_was_typed_stays(
    browsers: Any, store: PostgresStore, fields: dict[str, str], words: str
) -> None:
    visitor: Buyer = await browsers()
    answer = await enquiry(visitor, **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'value="+49 40 1"' in answer.text
    assert await Reads(store).search("Neuland", 10, "ServiceCase") == []


async def test_a_program_that_fills_in_everything_is_thanked_and_forgotten(browsers: Any, store: PostgresStore) -> None:
    visitor: Buyer = await browsers()
    page = await visitor.get("/shop/enquiry")
    trap = re.search(r'name="(\w+)" tabindex="-1"', page.text)
    assert trap is not None
    assert "Thank you" in (await enquiry(visitor, **{trap[1]: "https://spam.example"})).text
    assert await Reads(store).search("Neuland", 10, "ServiceCase") == []


async def test_five_enquiries_an_hour_are_enough(browsers: Any, store: PostgresStore) -> None:
    visitor: Buyer = await browsers()
    for _ in range(5):
        assert "Thank you" in (await enquiry(visitor)).text
    answer = await enquiry(visitor, text="Once more.")
    assert answer.status_code == 429
    assert "Once more." in answer.text
    assert len(await Reads(store).search("Neuland", 10, "ServiceCase")) == 5


async def test_without_the_token_of_a_page_nothing_is_written(browsers: Any, store: PostgresStore) -> None:
    visitor: Buyer = await browsers()
    assert (await visitor.client.post("/shop/enquiry", data=ANN)).status_code == 403
    assert await Reads(store).search("Neuland", 10, "ServiceCase") == []


async def test_who_is_signed_in_asks_in_their_own_name(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    assert (await buyer.get("/shop/enquiry")).headers["location"] == "/shop"
    assert (await buyer.post("/shop/enquiry", ANN)).headers["location"] == "/shop"
    page = (await buyer.get("/shop")).text
    assert ("Write to us" in page, "Sign out" in page) == (False, True)
