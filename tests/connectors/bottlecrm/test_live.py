"""Facts of the real BottleCRM that the connector and its twin rely on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from isthmus.connector import Create, Delete, FieldInfo, Gone, Record, Update, WriteAnswer
from isthmus.connectors.bottlecrm import BottleCrm, Config, connector
from isthmus.connectors.bottlecrm.resource import CrmResource
from isthmus.connectors.bottlecrm.twin import BottleCrmTwin
from isthmus.errors import Rejected
from isthmus.lab import Lab

pytestmark = pytest.mark.lab
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture
async def real(lab_small: Lab) -> AsyncIterator[BottleCrm]:
    crm = lab_small.bottlecrm
    login = crm.credentials["hub"]
    system = await connector.open(
        Config(url=crm.url, token=login["token"], admin_token=login["jwt"], send_documents=True)
    )
    yield system
    await system.close()


@pytest.fixture
def tag() -> str:
    return f"live{secrets.token_hex(4)}"


def resource(system: BottleCrm, name: str) -> CrmResource:
    found = system.resources()[name]
    assert isinstance(found, CrmResource)
    return found


async def answer(system: BottleCrm, name: str, write: Create | Update | Delete) -> WriteAnswer:
    (given,) = await resource(system, name).write([write])
    return given


async def make(system: BottleCrm, name: str, /, **fields: Any) -> Record:
    made = await answer(system, name, Create(token=secrets.token_hex(8), fields=fields))
    assert isinstance(made, Record), made
    return made


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("account", {}),
    ("account", {"name": "x", "email": "no mail", "phone": "1", "country": "XX"}),
    ("account", {"name": "x" * 256}),
    ("contact", {"first_name": "A", "email": "no mail"}),
    ("contact", {"email": "a@example.com"}),
    ("opportunity", {"name": "x", "stage": "CLOSED_WON"}),
    ("opportunity", {"name": "x", "stage": "CLOSED_LOST"}),
    ("case", {"name": "x", "status": "New", "priority": "Enormous"}),
    ("product", {"name": "", "price": Decimal("1.00")}),
    ("product", {"name": "x", "price": Decimal("1.005")}),
    ("invoice", {"invoice_title": "x" * 101, "account": NOBODY, "contact": NOBODY}),
]


@pytest.mark.parametrize(("name", "fields"), REFUSED)
async def test_the_twin_refuses_as_the_real_system_does(
    real: BottleCrm, crm: BottleCrm, name: str, fields: dict[str, Any]
) -> None:
    answers = [await answer(system, name, Create(token="t", fields=fields)) for system in (real, crm)]
    theirs, twins = (given if isinstance(given, Rejected) else None for given in answers)
    assert theirs is not None
    assert twins is not None
    assert theirs.field == twins.field
    if name != "opportunity" and fields.get("stage") is None and NOBODY not in fields.values():
        assert set(theirs.message.split("; ")) == set(twins.message.split("; "))


async def test_a_second_account_name_is_refused_with_the_same_words(real: BottleCrm, crm: BottleCrm, tag: str) -> None:
    for system in (real, crm):
        await make(system, "account", name=f"Twice {tag}")
        error = await answer(system, "account", Create(token="t", fields={"name": f"TWICE {tag}"}))
        assert isinstance(error, Rejected)
        assert (error.field, error.message) == (
            "name",
            "BottleCRM refuses: name: Account already exists with this name",
        )


async def test_a_second_sku_crashes_bottlecrm_so_it_is_looked_up_first(
    real: BottleCrm, crm: BottleCrm, twin: BottleCrmTwin, lab_small: Lab, tag: str
) -> None:
    await make(real, "product", name="Pump", sku=tag)
    await make(crm, "product", name="Pump", sku=tag)
    installations = (
        (lab_small.bottlecrm.url, lab_small.bottlecrm.credentials["hub"]["token"]),
        (twin.url, twin.token),
    )
    async with aiohttp.ClientSession() as session:
        for url, token in installations:
            headers = {"Authorization": f"Bearer {token}"}
            body = {"name": "Pump", "sku": tag}
            async with session.post(f"{url}/api/invoices/products/", json=body, headers=headers) as crash:
                assert crash.status == 500
    error = await answer(real, "product", Create(token="t", fields={"name": "Pump", "sku": tag}))
    assert isinstance(error, Rejected)
    assert error.field == "sku"


async def test_custom_fields_merge_and_unknown_ones_are_dropped(real: BottleCrm, lab_small: Lab, tag: str) -> None:
    wanted = {"account": {f"custom_fields.{name}_{tag}": FieldInfo(type=name) for name in ("text", "decimal", "date")}}
    assert len(await real.prepare(wanted)) >= 3
    assert await real.prepare(wanted) == []
    values = {f"text_{tag}": "北京", f"decimal_{tag}": Decimal("1234.56"), f"date_{tag}": "2026-11-22"}
    made = await make(real, "account", name=f"Custom {tag}", custom_fields=values)
    assert {key: made.fields["custom_fields"][key] for key in values} == values
    headers = {"Authorization": f"Bearer {lab_small.bottlecrm.credentials['hub']['token']}"}
    url = f"{lab_small.bottlecrm.url}/api/accounts/{made.key}/"
    async with aiohttp.ClientSession(headers=headers) as session:
        body = {"custom_fields": {f"text_{tag}": "", "no_such_field": "lost"}}
        async with session.patch(url, json=body) as done:
            assert done.status == 200
    (now,) = await resource(real, "account").fetch([made.key])
    assert isinstance(now, Record)
    kept = {key: now.fields["custom_fields"].get(key) for key in values}
    assert kept == values | {f"text_{tag}": None}
    assert "no_such_field" not in now.fields["custom_fields"]


async def test_deleting_an_account_would_take_its_deals_along(real: BottleCrm, lab_small: Lab, tag: str) -> None:
    account = await make(real, "account", name=f"Acme {tag}")
    deal = await make(real, "opportunity", name=f"Deal {tag}", account=account.key)
    error = await answer(real, "account", Delete(key=account.key))
    assert isinstance(error, Rejected)
    assert "1 deals" in error.message
    headers = {"Authorization": f"Bearer {lab_small.bottlecrm.credentials['hub']['token']}"}
    url = f"{lab_small.bottlecrm.url}/api/accounts/{account.key}/"
    async with aiohttp.ClientSession(headers=headers) as session, session.delete(url) as done:
        assert done.status == 200
    assert await resource(real, "opportunity").fetch([deal.key]) == [Gone(key=deal.key)]


async def test_an_estimate_is_accepted_by_the_customer_in_the_portal(real: BottleCrm, lab_small: Lab, tag: str) -> None:
    account = await make(real, "account", name=f"Acme {tag}")
    contact = await make(real, "contact", first_name="王伟", last_name=None, account=account.key)
    assert (contact.fields["first_name"], contact.fields["last_name"]) == ("王伟", None)
    lines = [{"name": "Pump", "quantity": Decimal(3), "unit_price": Decimal("9.90")}]
    quote = await make(
        real,
        "estimate",
        title=f"Quote {tag}",
        contact=contact.key,
        line_items=lines,
        tax_amount=Decimal("5.64"),
        client_email="ann@example.com",
        status="Sent",
    )
    assert (quote.fields["status"], quote.fields["accepted"]) == ("Sent", False)
    assert (quote.fields["account"], quote.fields["total_amount"]) == (account.key, Decimal("35.34"))
    crm = lab_small.bottlecrm
    headers = {"Authorization": f"Bearer {crm.credentials['hub']['token']}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{crm.url}/api/invoices/estimates/{quote.key}/", headers=headers) as detail:
            token = (await detail.json())["estimate"]["public_token"]
        accept = f"{crm.url}/api/public/estimate/{token}/accept/"
        async with session.post(accept, json={"name": "Ann", "email": "ann@example.com"}) as done:
            assert done.status == 200
    (after,) = await resource(real, "estimate").fetch([quote.key])
    assert isinstance(after, Record)
    assert (after.fields["status"], after.fields["accepted"]) == ("Accepted", True)


async def test_an_invoice_is_paid_and_cancelled(real: BottleCrm, tag: str) -> None:
    account = await make(real, "account", name=f"Acme {tag}")
    await make(real, "contact", first_name="Ann", last_name="Bee", account=account.key)
    lines = [{"name": "Pump", "quantity": Decimal(3), "unit_price": Decimal("9.90")}]
    fields = {"account": account.key, "currency": "EUR", "line_items": lines}
    made = await make(real, "invoice", invoice_title=f"4711 {tag}", **fields)
    payment: dict[str, Any] = {
        "invoice": made.key,
        "currency": "EUR",
        "payment_date": "2026-11-22",
        "payment_method": "CASH",
    }
    part = await make(real, "payment", amount=Decimal("10.00"), **payment)
    await make(real, "payment", amount=Decimal("19.70"), **payment)
    (paid,) = await resource(real, "invoice").fetch([made.key])
    assert isinstance(paid, Record)
    assert (paid.fields["status"], paid.fields["amount_due"]) == ("Paid", 0)
    locked = await answer(real, "invoice", Update(before=paid, fields={"line_items": []}))
    assert isinstance(locked, Rejected)
    assert "only be changed while it is a Draft" in locked.message
    assert await answer(real, "payment", Delete(key=part.key)) == Gone(key=part.key)
    (open_again,) = await resource(real, "invoice").fetch([made.key])
    assert isinstance(open_again, Record)
    assert open_again.fields["status"] == "Partially_Paid"
    other = await make(real, "invoice", invoice_title=f"4712 {tag}", **fields)
    cancelled = await answer(real, "invoice", Update(before=other, fields={"status": "Cancelled"}))
    assert isinstance(cancelled, Record)
    assert cancelled.fields["status"] == "Cancelled"
    late = await answer(
        real, "payment", Create(token="t", fields={**payment, "invoice": other.key, "amount": Decimal(1)})
    )
    assert isinstance(late, Rejected)
    assert "cancelled" in late.message


async def test_the_real_system_calls_the_hub(real: BottleCrm, tag: str) -> None:
    calls: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        calls.put_nowait(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post(f"/hooks/{tag}", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/{tag}"
    try:
        await real.subscribe(url)
        await real.subscribe(url)
        account = await make(real, "account", name=f"Acme {tag}")
        deal = await make(real, "opportunity", name=f"Deal {tag}", account=account.key, amount=Decimal(5))
        won = {"stage": "CLOSED_WON", "closed_on": "2026-11-22"}
        assert isinstance(await answer(real, "opportunity", Update(before=deal, fields=won)), Record)
        await answer(real, "opportunity", Delete(key=deal.key))
        wanted = [("account", account.key), *[("opportunity", deal.key)] * 3]
        heard: list[tuple[str, str]] = []
        while len(heard) < len(wanted):
            headers, body = await asyncio.wait_for(calls.get(), 60)
            hints = real.verify(headers, body, datetime.now(UTC))
            heard += [(hint.resource, key) for hint in hints for key in hint.keys]
            heard = [place for place in heard if place in wanted]
        assert sorted(heard) == sorted(wanted)
    finally:
        client = real._webhooks._client
        assert client is not None
        for endpoint in ((await client.read("/api/webhooks/")) or {})["endpoints"]:
            if endpoint["url"] == url:
                await client.send("DELETE", f"/api/webhooks/{endpoint['id']}/")
        await runner.cleanup()
