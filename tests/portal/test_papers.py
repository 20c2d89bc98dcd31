"""Invoices and open items, quotes, returns, questions of a customer."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from typing import Any

from isthmus.connector.support import Replies, Reply
from isthmus.errors import Unavailable
from isthmus.model.state import Cause, Link, LinkState
from isthmus.store import Pages, PostgresStore, Reads
from tests.api.office import PretendBusiness, made
from tests.portal.conftest import Buyer
from tests.portal.papers import bills, sent_quote, shipped


def key_in(page: Any) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


# -- invoices


async def test_open_items_are_totalled_and_what_is_late_is_told(browsers: Any, store: PostgresStore) -> None:
    await bills(store, "kern")
    await bills(store, "other", "SECRET-")
    buyer: Buyer = await browsers("kern@buyer.example")
    page = (await buyer.get("/shop/invoices")).text
    assert "€160.00" in page, "119 + 50 less the credit note of 9"
    assert page.count("€119.00") == 3, "late: as a sum, and the invoice with total and what is open"
    assert 'class="pill failed">overdue' in page
    assert 'href="/shop/orders/order-kern"' in page
    assert ("€777.00" in page, "bill-draft-kern" in page) == (False, False), "a draft is nobody's business yet"
    only = (await buyer.get("/shop/invoices?show=open")).text
    assert ("bill-late-kern" in only, "bill-paid-kern" in only) == (True, False)
    one = (await buyer.get("/shop/invoices/bill-paid-kern")).text
    assert ("BANK" in one, "BRG-01" in one, "SO-1" in one) == (True, True, True)
    assert (await buyer.get("/shop/invoices/bill-draft-kern")).status_code == 404
    for start in ("-1", "x", "9" * 30, "٣"):
        assert (await buyer.get(f"/shop/invoices?from={start}")).status_code == 200


async def test_when_nothing_is_open_it_says_so(browsers: Any, store: PostgresStore) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    assert "No invoices yet" in (await buyer.get("/shop/invoices")).text
    await made(store, "Invoice", {"customer": "kern", "number": "P", "state": "paid", "issued_on": "2020-01-01"}, "p")
    assert "Everything is paid" in (await buyer.get("/shop/invoices")).text
    assert "Nothing is open" in (await buyer.get("/shop/invoices?show=open")).text


# -- quotes


async def test_a_quote_is_asked_for_from_the_cart_and_once(browsers: Any, store: PostgresStore) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    cart = (await buyer.cart("BRG-01, 3\nBRG-02, 1")).removeprefix("/shop/cart/")
    form = await buyer.get(f"/shop/quotes/new?cart={cart}")
    assert "BRG-01; 3\nBRG-02; 1" in form.text
    asked = {"text": "BRG-01; 3", "note": "Cheaper, please <b>", "wanted_on": "", "key": key_in(form)}
    answers = [await buyer.post("/shop/quotes", asked) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    (quote,) = await Reads(store).referencing("kern", "Quote")
    assert (quote.fields["state"], quote.fields["requester"]) == ("requested", "kern@buyer.example")
    page = (await buyer.get(answers[0].headers["location"])).text
    assert "We are working on it" in page
    assert "Cheaper, please &lt;b&gt;" in page
    other: Buyer = await browsers("other@buyer.example")
    assert (await other.get(f"/shop/quotes/new?cart={cart}")).status_code == 404


async def test_what_was_typed_is_kept_when_a_quote_cannot_be_asked_for(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    for text, day, told in (
        ("NONE-1, 2", "", "no such part number"),
        ("BRG-01", "31.12.", "no day"),
    ):
        page = await buyer.post("/shop/quotes", {"text": text, "note": "keep me", "wanted_on": day, "key": "k" * 20})
        assert page.status_code == 422
        assert told in page.text
        assert "keep me" in page.text
        assert text in page.text
        assert f'value="{"k" * 20}"' in page.text


async def test_a_quote_is_accepted_once_at_its_own_price(
    browsers: Any, business: PretendBusiness, store: PostgresStore
) -> None:
    id, number = await sent_quote(business, "kern")
    buyer: Buyer = await browsers("kern@buyer.example")
    assert number in (await buyer.get("/shop/quotes")).text
    page = (await buyer.get(f"/shop/quotes/{id}")).text
    assert "€100.00" in page, "the price that the ERP of these tests gives, whatever is offered"
    assert "own_price" not in page
    answers = await asyncio.gather(*(buyer.post(f"/shop/quotes/{id}/accept") for _ in range(3)))
    assert {one.status_code for one in answers} == {303}
    assert len(await Reads(store).referencing("kern", "SalesOrder")) == 1
    assert "Accepted:" in (await buyer.get(f"/shop/quotes/{id}")).text
    late = await buyer.post(f"/shop/quotes/{id}/reject", {"why": "too late <i>"})
    assert (late.status_code, "too late &lt;i&gt;" in late.text) == (422, False), "there is no form for it any more"


async def test_what_moved_is_shown_before_a_quote_is_an_order(
    browsers: Any, business: PretendBusiness, store: PostgresStore
) -> None:
    id, _ = await sent_quote(business, "kern", "100")
    business.price, business.takes_prices = Decimal(120), False
    buyer: Buyer = await browsers("kern@buyer.example")
    await buyer.get(f"/shop/quotes/{id}")
    page = await buyer.post(f"/shop/quotes/{id}/accept")
    assert page.status_code == 409
    assert "Nothing was ordered yet" in page.text
    assert await Reads(store).referencing("kern", "SalesOrder") == []
    seen = page.text.split('name="seen" value="')[1].split('"')[0]
    assert (await buyer.post(f"/shop/quotes/{id}/accept", {"seen": "nonsense"})).status_code == 422
    assert (await buyer.post(f"/shop/quotes/{id}/accept", {"seen": seen})).status_code == 303


async def test_a_quote_is_turned_down_with_the_reason(
    browsers: Any, business: PretendBusiness, store: PostgresStore
) -> None:
    id, _ = await sent_quote(business, "kern")
    buyer: Buyer = await browsers("kern@buyer.example")
    await buyer.get(f"/shop/quotes/{id}")
    assert (await buyer.post(f"/shop/quotes/{id}/reject", {"why": "too dear"})).status_code == 303
    fields = (await Reads(store).items([id]))[id].fields
    assert (fields["state"], fields["reason"]) == ("rejected", "too dear")
    assert (await buyer.post(f"/shop/quotes/{id}/accept")).status_code == 422


async def test_drafts_of_sales_are_not_shown_and_requests_show_no_price(
    browsers: Any, business: PretendBusiness, store: PostgresStore
) -> None:
    id, number = await sent_quote(business, "kern")
    buyer: Buyer = await browsers("kern@buyer.example")
    async with business.transaction() as tx:
        edits = business.edits(tx, Cause("person", "t"), "Quote")
        await edits.change(id, {"state": "draft", "sent_at": None})
    assert number not in (await buyer.get("/shop/quotes")).text
    for method, path in ((buyer.get, ""), (buyer.post, "/accept"), (buyer.post, "/reject")):
        assert (await method(f"/shop/quotes/{id}{path}")).status_code == 404
    async with business.transaction() as tx:
        edits = business.edits(tx, Cause("person", "t"), "Quote")
        await edits.change(id, {"requester": "kern@buyer.example"})
    page = (await buyer.get(f"/shop/quotes/{id}")).text
    assert ("We are working on it" in page, "€" in page) == (True, False)


# -- returns


async def test_a_return_is_announced_from_an_order_once_and_never_more_than_was_shipped(
    browsers: Any, store: PostgresStore
) -> None:
    await shipped(store, "kern", "order-back")
    buyer: Buyer = await browsers("kern@buyer.example")
    assert "/shop/orders/order-back/return" in (await buyer.get("/shop/orders/order-back")).text
    form = await buyer.get("/shop/orders/order-back/return")
    assert "5 shipped, at most 5 can come back" in form.text
    key = key_in(form)
    for typed, told in (("6", "not possible"), ("x", "not possible"), ("0", "how much of what"), ("-1", "not poss")):
        page = await buyer.post("/shop/orders/order-back/return", {"n-p01": typed, "reason": "worn <b>", "key": key})
        assert (page.status_code, told in page.text) == (422, True), typed
        assert (f'value="{typed}"' in page.text, "worn &lt;b&gt;" in page.text) == (True, True)
    page = await buyer.post("/shop/orders/order-back/return", {"n-p01": "3", "reason": " ", "key": key})
    assert (page.status_code, "why it comes back" in page.text) == (422, True)
    sent = {"n-p01": "3", "reason": "worn", "key": key}
    answers = await asyncio.gather(*(buyer.post("/shop/orders/order-back/return", sent) for _ in range(2)))
    answers.append(await buyer.post("/shop/orders/order-back/return", sent))
    assert {one.status_code for one in answers} == {303}
    (found,) = await Reads(store).referencing("order-back", "Return")
    assert (found.fields["customer"], found.fields["credited"]) == ("kern", True)
    assert found.fields["lines"][0]["unit_price"] == "80", "what was paid"
    assert "at most 2 can come back" in (await buyer.get("/shop/orders/order-back/return")).text
    rest = {"n-p01": "3", "reason": "worn", "key": "another-key"}
    assert (await buyer.post("/shop/orders/order-back/return", rest)).status_code == 422
    assert found.fields["number"] in (await buyer.get("/shop/returns")).text
    assert found.fields["number"] in (await buyer.get("/shop/orders/order-back")).text
    page = (await buyer.get(f"/shop/returns/{found.id}")).text
    assert "Is it on its way?" in page
    assert (await buyer.post(f"/shop/returns/{found.id}/sent", {"tracking": "DHL 1"})).status_code == 303
    again = await buyer.post(f"/shop/returns/{found.id}/sent", {"tracking": "DHL 2"})
    assert (again.status_code, "DHL 2" in again.text) == (422, True)


async def test_a_return_that_was_cancelled_can_be_announced_anew(browsers: Any, store: PostgresStore) -> None:
    await shipped(store, "kern", "order-anew")
    buyer: Buyer = await browsers("kern@buyer.example")
    await buyer.get("/shop/orders/order-anew/return")
    for key in ("first-key", "second-key"):
        form = {"n-p01": "5", "reason": "all", "key": key}
        made_at = (await buyer.post("/shop/orders/order-anew/return", form)).headers["location"]
        assert (await buyer.post(f"{made_at}/cancel")).status_code == 303
        assert "cancelled" in (await buyer.get(made_at)).text


# -- questions


async def test_a_question_becomes_one_case_and_its_answers_are_shown(
    browsers: Any, business: PretendBusiness, store: PostgresStore, monkeypatch: Any
) -> None:
    await shipped(store, "kern", "order-ask")
    buyer: Buyer = await browsers("kern@buyer.example")
    form = await buyer.get("/shop/questions/new?order=order-ask")
    assert "SO-order-ask" in form.text
    asked = {"kind": "order", "about": "order-ask", "subject": "Where <b>is it</b>?", "text": "I wait.\n\nSince May."}
    asked["key"] = key_in(form)
    answers = [await buyer.post("/shop/questions", asked) for _ in range(2)]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    (case,) = await Reads(store).referencing("kern", "ServiceCase")
    assert case.fields["order"] == "order-ask"
    assert case.fields["subject"] == f"{case.fields['number']} Where <b>is it</b>?"
    assert "about order SO-order-ask:\n\nI wait.\n\nSince May." in case.fields["description"]
    linked: list[Link] = []

    async def links(items: Any) -> list[Link]:
        return linked

    monkeypatch.setattr(business, "links", links)
    monkeypatch.setattr(business, "answering", lambda operation, entity: "crm")
    page = (await buyer.get(answers[0].headers["location"])).text
    assert "I wait.\n\nSince May." in page
    assert "asks in the shop" not in page
    assert "None yet" in page, "the CRM does not have it yet"
    linked.append(
        Link(id="l", flow="case", system="crm", resource="case", key="7", item=case.id, state=LinkState.LINKED)
    )

    async def ask(system: str, operation: str, given: Any, *, token: str = "") -> Replies:
        if business.down:
            raise Unavailable("crm does not answer")
        assert (system, operation, given.case) == ("crm", "case_replies", "7")
        return Replies(replies=(Reply(text="Tomorrow <i>", at="2026-11-20T10:00:00+00:00"),))

    monkeypatch.setattr(business, "ask", ask)
    assert "Tomorrow &lt;i&gt;" in (await buyer.get(f"/shop/questions/{case.id}")).text
    business.down = True
    page = await buyer.get(f"/shop/questions/{case.id}")
    assert (page.status_code, "cannot be read for now" in page.text) == (200, True)


async def test_a_question_without_words_is_told_and_nothing_typed_is_lost(browsers: Any) -> None:
    buyer: Buyer = await browsers("kern@buyer.example")
    for subject, text, told in (("", "words", "what it is about"), ("x", " ", "what it is"), ("x", "y" * 5001, "long")):
        page = await buyer.post("/shop/questions", {"subject": subject, "text": text, "key": "a-key-of-mine"})
        assert (page.status_code, told in page.text) == (422, True)
        assert text.strip() in page.text
        assert "a-key-of-mine" in page.text


async def test_cases_that_began_in_the_crm_are_not_shown(browsers: Any, store: PostgresStore) -> None:
    await made(store, "ServiceCase", {"customer": "kern", "subject": "difficult customer", "number": "7"}, "case-7")
    buyer: Buyer = await browsers("kern@buyer.example")
    assert "difficult" not in (await buyer.get("/shop/questions")).text
    assert (await buyer.get("/shop/questions/case-7")).status_code == 404


async def test_a_quote_is_asked_for_in_words_and_made_of_them_by_staff(
    browsers: Any, business: PretendBusiness, store: PostgresStore
) -> None:
    buyer = await browsers("kern@buyer.example")
    await buyer.get("/shop/quotes/new")
    nothing = await buyer.post("/shop/quotes", {"text": "", "note": "  "})
    assert nothing.status_code == 422
    assert "say in words what you need" in nothing.text
    words = "Six bearings for the <b>old</b> mill, as last year"
    asked = await buyer.post("/shop/quotes", {"text": "", "note": words, "key": "word-0001"})
    assert asked.status_code == 303
    address = asked.headers["location"]
    page = (await buyer.get(address)).text
    assert "&lt;b&gt;old&lt;/b&gt; mill" in page
    assert "We are working on it" in page
    assert "/offer" not in page
    again = await buyer.post("/shop/quotes", {"text": "", "note": words, "key": "word-0001"})
    assert again.headers["location"] == address
    for method, place in (("get", f"{address}/offer"), ("post", f"{address}/offer"), ("post", f"{address}/send")):
        assert (await getattr(buyer, method)(place)).status_code == 403, (method, place)
    assert (await buyer.get("/shop/desk/quotes")).status_code == 403

    staff = await browsers("sales@office.example")
    wanted = (await staff.get("/shop/desk/quotes")).text
    assert "&lt;b&gt;old&lt;/b&gt; mill" in wanted
    form = f"{address}/offer?for=kern"
    assert f"{form}" in wanted
    assert "&lt;b&gt;old&lt;/b&gt; mill" in (await staff.get(form)).text
    for text, discount, told in (
        ("", "", "There is no line in it"),
        ("BRG-01; 6; free", "", "the quantity must be a number above zero"),
        ("=1+1; 6", "", "looks like a formula"),
        ("BRG-01; 6", "100", "less than 100"),
        ("NONE-1; 6", "", "There is no Product"),
    ):
        refused = await staff.post(form, {"text": text, "discount": discount})
        assert refused.status_code == 422, text
        assert told in refused.text, text
    business.down = True
    down = await staff.post(form, {"text": "BRG-01; 6"})
    assert (down.status_code, "BRG-01; 6" in down.text) == (503, True), "nothing that was typed is lost"
    business.down = False
    made = await staff.post(form, {"text": "BRG-01; 6; 90,50\nBRG-02; 1", "discount": "10", "note": "As last year."})
    assert made.status_code == 303, made.text
    (quote,) = await Pages(store).documents("Quote", customer="kern", limit=5)
    lines = [(line["unit_price"], line["quantity"]) for line in quote.fields["lines"]]
    assert (quote.fields["state"], lines, quote.fields["note"]) == (
        "draft", [("90.5", "6"), ("90", "1")], "As last year.",
    )  # fmt: skip
    waiting = (await staff.get("/shop/desk/quotes")).text
    assert "priced, not sent" in waiting, "nobody forgets to send it"
    assert f'href="{address}?for=kern"' in waiting
    # The customer sees no price before it is sent, staff do.
    assert "90.50" not in (await buyer.get(address)).text
    shown = (await staff.get(f"{address}?for=kern")).text
    assert "90.50" in shown
    assert "priced, not sent" in shown
    again = await staff.get(form)
    assert "BRG-01; 6; 90.5" in again.text, "the draft can be changed"
    changed = await staff.post(form, {"text": "BRG-01; 7; 80"})
    assert changed.status_code == 303
    newer = changed.headers["location"]
    assert newer.partition("?")[0] != address
    await staff.get(newer)
    sent = await staff.post(newer.replace("?", "/send?"))
    assert sent.status_code == 303
    async with business.transaction() as tx:
        process = await tx.processes.load(f"quote/{quote.fields['number']}.2")
        assert process is not None
