"""Orders by the API: simulated, placed once, followed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from httpx import AsyncClient

from isthmus.api.v1 import ApiSite
from isthmus.store import Reads
from tests.api.office import PretendBusiness, Program, made
from tests.console.people import a_person
from tests.desk.hub import rules_of

ASKED = {"customer": "K1", "lines": [{"sku": "BRG-1", "quantity": "2.5"}]}


async def simulated(program: Program) -> str:
    answer = await program.post("/order-simulations", ASKED)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def orders(api: ApiSite) -> int:
    return len(await Reads(api.store).referencing("kern", "SalesOrder"))


async def test_a_simulation_tells_the_erps_truth_and_can_be_looked_at_again(program: Program) -> None:
    answer = await program.post("/order-simulations", ASKED)
    found = answer.json()
    [line] = found["lines"]
    assert (line["sku"], line["quantity"], line["amount"], line["date"]) == ("BRG-1", "2.5", "250.0", "2031-05-06")
    assert (found["total"], found["currency"], found["customer"]) == ("250.0", "EUR", "kern")
    assert found["credit"] == {"limit": "1000000", "used": "0", "after": "250.0", "exceeded": False}
    assert (await program.get(f"/order-simulations/{found['id']}")).json() == found
    assert (await program.get("/order-simulations/none")).status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"customer": "nobody"}, 422),
        ({"lines": [{"sku": "NONE", "quantity": "1"}]}, 422),
        ({"lines": [{"sku": "BRG-1", "quantity": "0"}]}, 422),
        ({"lines": []}, 400),
        ({"lines": [{"sku": "BRG-1", "quantity": "-1"}]}, 400),
        ({"lines": [{"sku": "BRG-1", "quantity": "1e9"}]}, 400),
        ({"lines": [{"sku": "BRG-1", "quantity": "NaN"}]}, 400),
        ({"wanted_on": "soon"}, 400),
        ({"customer": "K1\x00"}, 400),
        ({"reference": "\x00"}, 400),
        ({"more": 1}, 400),
    ],
)
async def test_what_cannot_be_asked_is_told(program: Program, change: dict[str, object], status: int) -> None:
    answer = await program.post("/order-simulations", ASKED | change)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


async def test_the_same_customer_twice_is_told_as_doubtful(program: Program, api: ApiSite) -> None:
    await made(api.store, "Customer", {"number": "K1", "name": "Other"})
    answer = await program.post("/order-simulations", ASKED)
    assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous")


async def test_an_order_is_placed_once_by_simulation_and_by_key(program: Program, api: ApiSite) -> None:
    simulation = await simulated(program)
    calls = [program.post("/orders?wait=0", {"simulation": simulation}) for _ in range(4)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["order"] for answer in answers} == {f"order-{simulation}"}
    assert answers[0].headers["location"] == f"/api/v1/orders/order-{simulation}"
    assert await orders(api) == 1
    # The same key, another simulation of the same cart.
    one, other = await simulated(program), await simulated(program)
    first = await program.post("/orders?wait=0", {"simulation": one}, idempotency_key="cart-7")
    again = await program.post("/orders?wait=0", {"simulation": one}, idempotency_key="cart-7")
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]
    wrong = await program.post("/orders?wait=0", {"simulation": other}, idempotency_key="cart-7")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "key-reused")
    assert await orders(api) == 2


async def test_a_key_under_way_and_the_key_of_an_error(
    program: Program, api: ApiSite, business: PretendBusiness
) -> None:
    business.down = True
    down = await program.post("/order-simulations", ASKED, idempotency_key="k")
    assert (down.status_code, down.json()["code"]) == (503, "unavailable")
    assert down.headers["retry-after"]
    business.down = False
    assert (await program.post("/order-simulations", ASKED, idempotency_key="k")).status_code == 201
    slow = asyncio.Event()
    asked = business.ask

    async def slowly(*given: object, **more: object) -> object:
        await slow.wait()
        return await asked(*given, **more)  # type: ignore[arg-type]

    business.ask = slowly  # type: ignore[method-assign,assignment]
    first = asyncio.create_task(program.post("/order-simulations", ASKED, idempotency_key="slow"))
    for _ in range(200):
        if await api.store.rows("api_call", {"login": "all@office.example", "key": "slow"}):
            break
        await asyncio.sleep(0.01)
    second = await program.post("/order-simulations", ASKED, idempotency_key="slow")
    assert (second.status_code, second.json()["code"]) == (409, "under-way")
    slow.set()
    assert (await first).status_code == 201
    assert (await program.post("/order-simulations", ASKED, idempotency_key="slow")).json() == (await first).json()


async def test_two_people_may_use_the_same_key(program: Program, api: ApiSite) -> None:
    await api.access.people.save(a_person("sales"))
    other = Program(program.client, (await api.access.add_token("sales@office.example", "t", ["order"], by="t"))[1])
    one = await program.post("/order-simulations", ASKED, idempotency_key="same")
    two = await other.post("/order-simulations", ASKED, idempotency_key="same")
    assert one.json()["id"] != two.json()["id"]


async def test_costs_are_told_with_the_scope_for_them_only(
    client: AsyncClient, api: ApiSite, program: Program, token: Any
) -> None:
    await api.access.people.save(a_person("sales", roles=["sales", "cost"], login="boss@office.example"))
    sees = Program(client, await token("see", "order", "cost", login="boss@office.example"))
    blind = Program(client, await token("see", "order", login="boss@office.example"))
    answer = await sees.post("/order-simulations", ASKED, idempotency_key="one")
    found = answer.json()
    assert found["lines"][0]["costs"] == found["costs"] == {"cost": "153.42", "margin": "96.58", "rate": "0.3863"}
    for other in (blind, program):
        shown = await other.get(f"/order-simulations/{found['id']}")
        assert (shown.json()["costs"], shown.json()["lines"][0]["costs"]) == (None, None)
        assert "153.42" not in shown.text
        assert "61.37" not in shown.text
    # Not from the memory of what the other token was answered, either.
    again = await blind.post("/order-simulations", ASKED, idempotency_key="one")
    assert again.status_code == 422
    placed = await blind.post("/orders?wait=0", {"simulation": found["id"]})
    assert "61.37" not in placed.text
    assert "61.37" not in (await blind.get(f"/orders/{placed.json()['order']}")).text


async def test_moved_terms_are_told_and_nothing_is_ordered(
    program: Program, api: ApiSite, business: PretendBusiness
) -> None:
    simulation = await simulated(program)
    business.price = Decimal(110)
    answer = await program.post("/orders?wait=0", {"simulation": simulation}, idempotency_key="moved")
    found = answer.json()
    assert (answer.status_code, found["code"]) == (409, "terms-moved")
    assert next((one["what"], one["before"], one["now"]) for one in found["order"]["differences"]) == (
        "price",
        "100",
        "110",
    )
    assert await orders(api) == 0
    second = await program.post("/orders?wait=0", {"simulation": found["order"]["simulation"]}, idempotency_key="moved")
    assert second.status_code == 202, "after an error the key may be used again"
    assert await orders(api) == 1


async def test_an_order_beyond_the_credit_limit_is_refused(
    program: Program, api: ApiSite, business: PretendBusiness
) -> None:
    business.limit = Decimal(10)
    answer = await program.post("/orders?wait=0", {"simulation": await simulated(program)})
    assert (answer.status_code, answer.json()["code"]) == (422, "order-refused")
    assert await orders(api) == 0
    assert (await program.post("/orders", {"simulation": "none"})).status_code == 404


async def test_an_order_beyond_the_credit_limit_is_checked_where_the_rules_say_by_whom(
    program: Program, api: ApiSite, business: PretendBusiness
) -> None:
    business.limit, business.rules = Decimal(10), rules_of("SalesOrder")
    simulation = await simulated(program)
    answer = await program.post("/orders?wait=0", {"simulation": simulation})
    assert (answer.status_code, answer.json()["state"]) == (202, "checking")
    assert "10" not in answer.json()["reason"]
    shown = await program.get(f"/orders/{answer.json()['order']}")
    assert shown.json()["order"]["fields"]["state"] == "checking"
    again = await program.post("/orders?wait=0", {"simulation": simulation})
    assert (again.status_code, again.json()["order"]) == (202, answer.json()["order"])
    told = await program.post(f"/orders/{answer.json()['order']}/answer", {"accept": True})
    assert told.status_code == 422, "whoever ordered does not decide"
    assert await orders(api) == 1


async def test_an_order_placed_while_the_erp_is_down_is_kept(program: Program, business: PretendBusiness) -> None:
    simulation = await simulated(program)
    business.down = True
    answer = await program.post("/orders?wait=0", {"simulation": simulation})
    assert (answer.status_code, answer.json()["state"]) == (202, "kept")
    shown = await program.get(f"/orders/{answer.json()['order']}")
    assert shown.status_code == 200
    assert shown.json()["ledger"]["lines"][0]["ordered"] == "2.5"
    told = await program.post(f"/orders/{answer.json()['order']}/answer", {"accept": True})
    assert (told.status_code, told.json()["code"]) == (422, "needs-person"), "nothing is asked yet"
    assert (await program.post("/orders/none/answer", {"accept": True})).status_code == 404


async def test_orders_are_listed_page_by_page_by_customer_and_state(program: Program, api: ApiSite) -> None:
    for number in range(7):
        await made(api.store, "SalesOrder", {"customer": "kern", "number": f"S{number}", "state": "done"})
    await made(api.store, "SalesOrder", {"customer": "other", "state": "done"})
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        page = (await program.get(f"/orders?customer=kern&state=done&limit=2{cursor}")).json()
        seen += [one["fields"]["number"] for one in page["items"]]
        cursor = f"&cursor={page['next']}"
        if page["next"] is None:
            break
    assert sorted(seen) == [f"S{number}" for number in range(7)]
    assert (await program.get("/orders?cursor=rubbish")).json()["code"] == "bad-cursor"
    assert (await program.get("/orders?limit=0")).status_code == 400
    assert (await program.get("/orders/S3")).json()["order"]["fields"]["number"] == "S3"
    assert (await program.get("/orders/none")).status_code == 404
