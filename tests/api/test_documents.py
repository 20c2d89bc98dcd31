"""Quotes and documents of stations by the API: listed, shown, made once, acted on as the caller saw them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from isthmus.api.v1 import ApiSite
from isthmus.app.bootstrap import clock
from isthmus.desk.processes.quote import quote
from isthmus.process.turn import take_turn
from tests.api.office import PretendBusiness, Program, documents_made, made

LINES = [{"sku": "BRG-1", "quantity": "2"}]
QUOTE = {"customer": "K1", "lines": LINES}


async def turn(business: PretendBusiness, document: dict[str, Any]) -> None:
    """What a worker does."""
    run = str(document["document"]["fields"]["process"])
    store = business._hub.store
    await take_turn(store, {"quote": quote}, run, clock=clock, jitter=lambda: 0.0, hub=business)


async def sent(program: Program, business: PretendBusiness, **more: Any) -> str:
    made_one = (await program.post("/quotes", QUOTE | more)).json()
    number = str(made_one["document"]["fields"]["number"])
    assert (await program.post(f"/quotes/{number}/send")).status_code == 200
    await turn(business, made_one)
    return number


async def test_a_quote_is_made_once_shown_and_revised(program: Program) -> None:
    body = QUOTE | {"discount": "0.1", "valid_until": "2099-12-31"}
    answers = [await program.post("/quotes", body, idempotency_key="q-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[1].headers["idempotency-replayed"] == "true"
    document = answers[0].json()["document"]
    assert answers[0].headers["location"] == f"/api/v1/quotes/{document['id']}"
    [line] = document["fields"]["lines"]
    assert (Decimal(line["unit_price"]), document["fields"]["valid_until"][:10]) == (90, "2099-12-31")
    number = document["fields"]["number"]
    shown = await program.get(f"/quotes/{number}")
    assert shown.headers["etag"] == f'"{document["version"]}"'
    assert (shown.json()["skus"], shown.json()["versions"]) == ({"bearing": "BRG-1"}, [number])
    stale = await program.post(f"/quotes/{number}/revise", {}, if_match='"99"')
    assert (stale.status_code, stale.json()["code"]) == (412, "moved-on")
    second = await program.post(f"/quotes/{number}/revise", {"discount": "0"}, if_match=shown.headers["etag"])
    assert (second.status_code, second.json()["document"]["fields"]["number"]) == (201, f"{number}.2")
    assert second.json()["versions"] == [number, f"{number}.2"]
    again = await program.post(f"/quotes/{number}/revise", {})
    assert (again.status_code, again.json()["code"]) == (422, "needs-person")
    listed = (await program.get("/quotes?customer=kern&state=draft")).json()
    assert [one["fields"]["number"] for one in listed["items"]] == [f"{number}.2"]


async def test_the_key_of_a_quote_counts_longer_than_the_answer_is_remembered(program: Program, api: ApiSite) -> None:
    first = (await program.post("/quotes", QUOTE, idempotency_key="old")).json()
    await api.calls.drop("all@office.example", "old")
    again = (await program.post("/quotes", QUOTE, idempotency_key="old")).json()
    assert again["document"]["id"] == first["document"]["id"]


async def test_a_quote_is_accepted_once(program: Program, business: PretendBusiness) -> None:
    number = await sent(program, business)
    answers = [await program.post(f"/quotes/{number}/accept?wait=0", {}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    assert answers[0].json()["order"] == answers[1].json()["order"]
    assert answers[0].json()["quote"] == number
    assert (await program.get(f"/quotes/{number}")).json()["document"]["fields"]["state"] == "accepted"
    assert (await program.post(f"/quotes/{number}/reject", {})).status_code == 422


async def test_what_cannot_be_kept_is_told_before_anything_is_ordered(
    program: Program, business: PretendBusiness
) -> None:
    number = await sent(program, business)
    business.price = Decimal(150)
    business.limit = Decimal(10)
    answer = await program.post(f"/quotes/{number}/accept?wait=0", {})
    found = answer.json()
    assert (answer.status_code, found["code"]) == (409, "terms-moved")
    assert [one["what"] for one in found["order"]["differences"]] == ["credit"]
    assert [(one["what"], one["now"]) for one in found["order"]["held"]] == [("own price", "150")]
    refused = await program.post(f"/quotes/{number}/accept?wait=0", {"seen": found["order"]["simulation"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "order-refused")
    business.limit = Decimal(1000)
    kept = await program.post(f"/quotes/{number}/accept?wait=0", {"seen": found["order"]["simulation"]})
    assert kept.status_code == 202, kept.text
    wrong = await program.post(f"/quotes/{await sent(program, business)}/accept?wait=0", {"seen": "none"})
    assert wrong.status_code == 422


async def test_a_request_for_a_quote_is_answered_by_sales(program: Program) -> None:
    asked = await program.post("/quote-requests", {"lines": LINES, "prospect": "New", "email": "n@new.example"})
    assert asked.status_code == 201, asked.text
    number = asked.json()["document"]["fields"]["number"]
    assert (await program.post("/quote-requests", {"lines": LINES})).status_code == 422
    made_one = await program.post("/quotes", {"request": number, "customer": "K1"})
    assert made_one.json()["document"]["fields"]["number"] == number
    assert (await program.post(f"/quotes/{number}/reject", {"reason": "No"})).json()["document"]["fields"]["state"] == (
        "withdrawn"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"lines": [{"sku": "BRG-1", "quantity": "-1"}]},
        {"discount": "1.5"},
        {"discount": "5 %"},
        {"valid_until": "soon"},
        {"more": 1},
    ],
)
async def test_what_is_no_quote_is_refused(program: Program, change: dict[str, Any]) -> None:
    assert (await program.post("/quotes", QUOTE | change)).status_code == 400


@pytest.mark.parametrize(
    ("place", "number", "wanted"),
    [
        ("quotes", "Q1", "customer=kern&state=sent"),
        ("material-requests", "MR1", "station=kiel&state=refused"),
        ("returns", "RT1", "station=kiel&state=announced"),
        ("repairs", "RR1", "station=kiel"),
        ("settlements", "LS1", "centre=north&period=2026-10&state=draft"),
    ],
)
async def test_documents_are_listed_and_shown(
    program: Program, api: ApiSite, place: str, number: str, wanted: str
) -> None:
    await documents_made(api.store)
    page = (await program.get(f"/{place}?{wanted}")).json()
    assert [one["fields"]["number"] for one in page["items"]] == [number]
    assert (await program.get(f"/{place}?{wanted.replace('=k', '=x').replace('=n', '=x')}")).json()["items"] == []
    shown = await program.get(f"/{place}/{number}")
    assert (shown.json()["document"], shown.json()["waits"]) == (page["items"][0], None)
    assert (await program.get(f"/{place}/none")).status_code == 404
    # A document of another kind is none of this kind.
    other = "RT1" if place != "returns" else "MR1"
    assert (await program.get(f"/{place}/{other}")).status_code == 404


async def test_a_material_request_is_made_once_and_withdrawn(program: Program, api: ApiSite) -> None:
    await documents_made(api.store)
    body = {"station": "S", "lines": LINES, "supply": "transfer"}
    first = await program.post("/material-requests", body, idempotency_key="mr")
    assert first.status_code == 201, first.text
    await api.calls.drop("all@office.example", "mr")
    again = (await program.post("/material-requests", body, idempotency_key="mr")).json()
    assert again["document"]["id"] == first.json()["document"]["id"]
    number = again["document"]["fields"]["number"]
    assert again["document"]["fields"]["requester"] == "all@office.example"
    assert again["waits"]["process"] == f"material_request/{number}"
    assert (await program.post(f"/material-requests/{number}/correct", {"lines": LINES})).status_code == 422
    assert (await program.post(f"/material-requests/{number}/rest", {"decision": "close"})).status_code == 422
    gone = await program.post(f"/material-requests/{number}/cancel", if_match=first.headers["etag"])
    assert (gone.status_code, gone.json()["document"]["fields"]["state"]) == (200, "cancelled")
    assert (await program.post("/material-requests", body | {"supply": "fill_up"})).status_code == 422
    assert (await program.post("/material-requests", body | {"supply": "magic"})).status_code == 400


async def test_a_return_is_announced_sent_once_and_taken_back(program: Program, api: ApiSite) -> None:
    await documents_made(api.store)
    body = {"station": "S", "lines": LINES, "reason": "Worn", "credited": True}
    made_one = await program.post("/returns", body, idempotency_key="rt")
    assert made_one.status_code == 201, made_one.text
    number = made_one.json()["document"]["fields"]["number"]
    assert (await program.post(f"/returns/{number}/send", {"tracking": "T1"})).status_code == 200
    twice = await program.post(f"/returns/{number}/send", {"tracking": "T1"})
    assert (twice.status_code, twice.json()["code"]) == (422, "needs-person")
    early = await program.post(f"/returns/{number}/count", {"lines": LINES})
    assert early.status_code == 422
    blames = {"differences": [{"sku": "BRG-1", "responsible": "carrier", "evidence": "photo"}]}
    assert (await program.post(f"/returns/{number}/settle", blames)).status_code == 422
    assert (await program.post(f"/returns/{number}/again")).status_code == 422
    gone = await program.post(f"/returns/{number}/cancel")
    assert gone.json()["document"]["fields"]["state"] == "cancelled"


async def test_repairs_are_noted_once_settled_and_taken_back(program: Program, api: ApiSite) -> None:
    await documents_made(api.store)
    repair = {"station": "S", "method": "overhaul", "repaired_on": "2020-10-05", "parts": LINES}
    made_one = await program.post("/repairs", repair, idempotency_key="rr")
    assert made_one.status_code == 201, made_one.text
    number = made_one.json()["document"]["fields"]["number"]
    assert made_one.json()["document"]["fields"]["fee"] == {"amount": "80", "currency": "EUR"}
    right = repair | {"corrects": number, "withdrawn": True}
    assert (await program.post("/repairs", right)).status_code == 201
    assert (await program.post("/repairs", right)).status_code == 422, "put right already"
    assert (await program.post("/repairs", repair | {"repaired_on": "2099-01-01"})).status_code == 422
    for _ in range(2):
        closed = await program.post("/settlements", {"centre": "C", "period": "2020-10"})
        assert closed.status_code == 201
        [settlement] = closed.json()["items"]
        assert settlement["fields"]["total"] == {"amount": "80", "currency": "EUR"}
    assert (await program.post("/settlements", {"period": "2020-13"})).status_code == 422
    for step in ("report", "withdraw", "again"):
        assert (await program.post(f"/settlements/{number}/{step}")).status_code == 404
    gone = await program.post("/settlements/LS1/withdraw")
    assert (gone.status_code, gone.json()["document"]["fields"]["state"]) == (200, "withdrawn")


async def test_without_rules_for_repairs_nothing_is_settled(
    program: Program, api: ApiSite, business: PretendBusiness
) -> None:
    await documents_made(api.store)
    business.repairs = None
    repair = {"station": "S", "method": "overhaul", "repaired_on": "2026-10-05", "parts": LINES}
    assert (await program.post("/repairs", repair)).status_code == 501
    assert (await program.post("/settlements", {"period": "2026-10"})).status_code == 501
    assert (await program.post("/settlements/LS1/report")).status_code == 422


async def test_scopes_keep_sales_and_service_apart(
    program: Program, api: ApiSite, token: Callable[..., Awaitable[str]]
) -> None:
    await documents_made(api.store)
    await made(api.store, "Quote", {"number": "Q2", "original": "Q2", "version": 1, "state": "draft"})
    sales, desk = Program(program.client, await token("see", "order")), Program(program.client, await token("decide"))
    assert (await sales.post("/returns", {"station": "S", "lines": LINES})).status_code == 403
    assert (await desk.post("/quotes", QUOTE)).status_code == 403
    assert (await desk.get("/quotes/Q2")).status_code == 403
    assert (await sales.get("/returns/RT1")).status_code == 200
