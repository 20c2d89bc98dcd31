"""Webhooks: one endpoint per hub, signatures that are checked, calls that become hints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from isthmus.connector import Create, Delete, Hint, Record, Writable
from isthmus.connectors.bottlecrm import BottleCrm, Config, connector
from isthmus.connectors.bottlecrm.twin import BottleCrmTwin
from isthmus.connectors.bottlecrm.twin_hooks import signature
from isthmus.connectors.bottlecrm.webhook import EVENTS, hints
from isthmus.errors import Misconfigured, Rejected, Unauthorized

URL = "http://hub.example.com:8443/hooks/crm"
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
SECRET = "whsec_known"


def told(event: str, **data: Any) -> bytes:
    return json.dumps({"id": "1", "event": event, "data": data}).encode()


@pytest.mark.parametrize(
    ("event", "resource"),
    [
        ("account.created", "account"),
        ("contact.updated", "contact"),
        ("deal.deleted", "opportunity"),
        ("ticket.updated", "case"),
        ("invoice.updated", "invoice"),
    ],
)
def test_events_become_hints(event: str, resource: str) -> None:
    assert hints(told(event, id="k", status="Draft")) == [Hint(resource=resource, keys=["k"])]


def test_a_paid_invoice_also_hints_at_its_payments() -> None:
    wanted = [Hint(resource="invoice", keys=["k"]), Hint(resource="payment")]
    assert hints(told("invoice.paid", id="k")) == wanted
    assert hints(told("invoice.updated", id="k", status="Partially_Paid")) == wanted


def test_what_is_not_ours_is_no_hint() -> None:
    for event in ("ping", "lead.created", "task.updated", "ticket.comment_added"):
        assert hints(told(event, id="k")) == []


def test_an_event_without_a_key_hints_at_the_whole_resource() -> None:
    assert hints(told("deal.updated")) == [Hint(resource="opportunity", keys=[])]


async def test_signature_and_age_are_checked(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    system = await connector.open(Config(url=twin.url, token=twin.token, webhook_secret=SECRET))
    body = told("deal.updated", id="k")
    sent = int(NOW.timestamp())
    good = {"x-bottlecrm-signature": signature(SECRET, body, sent)}
    assert system.verify(good, body, NOW) == [Hint(resource="opportunity", keys=["k"])]
    assert system.verify(good, body, NOW + timedelta(minutes=5))
    for late in (timedelta(minutes=6), timedelta(minutes=-6)):
        with pytest.raises(Unauthorized, match="too old"):
            system.verify(good, body, NOW + late)
    other = {"x-bottlecrm-signature": signature("whsec_other", body, sent)}
    moved = {"x-bottlecrm-signature": good["x-bottlecrm-signature"].replace(str(sent), str(sent + 1))}
    for bad in ({}, other, moved, {"x-bottlecrm-signature": f"t={sent}"}, {"x-bottlecrm-signature": "t=é,v1=é"}):
        with pytest.raises(Unauthorized, match="signature"):
            system.verify(bad, body, NOW)
    with pytest.raises(Unauthorized):
        system.verify(good, body + b" ", NOW)
    with pytest.raises(Unauthorized, match="no signing secret"):
        crm.verify(good, body, NOW)
    with pytest.raises(Rejected):
        system.verify({"x-bottlecrm-signature": signature(SECRET, b"[]", sent)}, b"[]", NOW)
    await system.close()


async def test_subscribing_makes_one_endpoint_and_uses_it_again(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await crm.subscribe(URL)
    await crm.subscribe(URL)
    (endpoint,) = twin.hooks.endpoints
    assert (endpoint["url"], endpoint["events"], endpoint["is_active"]) == (URL, list(EVENTS), True)
    body = told("deal.updated", id="k")
    now = datetime.now(UTC)
    assert crm.verify({"x-bottlecrm-signature": signature(endpoint["secret"], body, int(now.timestamp()))}, body, now)


async def test_another_process_gets_a_new_secret_for_the_same_endpoint(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await crm.subscribe(URL)
    first = twin.hooks.endpoints[0]["secret"]
    other = await connector.open(Config(url=twin.url, token=twin.token, admin_token=twin.admin_token))
    await other.subscribe(URL)
    (endpoint,) = twin.hooks.endpoints
    assert endpoint["secret"] != first
    await other.close()


async def test_a_configured_secret_is_kept(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await crm.subscribe(URL)
    secret = twin.hooks.endpoints[0]["secret"]
    config = Config(url=twin.url, token=twin.token, admin_token=twin.admin_token, webhook_secret=secret)
    other = await connector.open(config)
    await other.subscribe(URL)
    assert [endpoint["secret"] for endpoint in twin.hooks.endpoints] == [secret]
    await other.close()


async def test_an_endpoint_that_was_switched_off_or_narrowed_is_mended(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await crm.subscribe(URL)
    twin.hooks.endpoints[0] |= {"is_active": False, "events": ["lead.created"]}
    await crm.subscribe(URL)
    (endpoint,) = twin.hooks.endpoints
    assert endpoint["is_active"]
    assert endpoint["events"] == list(EVENTS)


async def test_only_our_endpoint_on_another_port_is_replaced(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await crm.subscribe("http://hub.example.com:1111/hooks/crm")
    await crm.subscribe("http://hub.example.com:1111/hooks/other")
    twin.hooks.endpoints.append({**twin.hooks.endpoints[0], "id": "theirs", "description": "Zapier"})
    await crm.subscribe(URL)
    assert [endpoint["url"] for endpoint in twin.hooks.endpoints] == [
        "http://hub.example.com:1111/hooks/other",
        "http://hub.example.com:1111/hooks/crm",
        URL,
    ]
    assert twin.hooks.endpoints[1]["id"] == "theirs"


async def test_an_eleventh_endpoint_is_refused_with_bottlecrms_reason(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    for number in range(10):
        await crm.subscribe(f"http://hub.example.com/hooks/{number}")
    with pytest.raises(Rejected, match="at most 10 webhooks"):
        await crm.subscribe(URL)


async def test_webhooks_need_a_session_or_a_secret(twin: BottleCrmTwin) -> None:
    system = await connector.open(Config(url=twin.url, token=twin.token))
    with pytest.raises(Misconfigured, match="admin_token"):
        await system.subscribe(URL)
    assert any("scans only" in warning for warning in (await system.check()).warnings)
    await system.close()
    by_hand = await connector.open(Config(url=twin.url, token=twin.token, webhook_secret=SECRET))
    await by_hand.subscribe(URL)
    assert twin.hooks.endpoints == []
    await by_hand.close()


@pytest_asyncio.fixture
async def listener() -> AsyncIterator[tuple[str, asyncio.Queue[tuple[dict[str, str], bytes]]]]:
    calls: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        calls.put_nowait((headers, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks/crm", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/crm", calls
    await runner.cleanup()


async def test_a_change_calls_the_hub(
    crm: BottleCrm, twin: BottleCrmTwin, listener: tuple[str, asyncio.Queue[tuple[dict[str, str], bytes]]]
) -> None:
    url, calls = listener
    await crm.subscribe(url)
    accounts = crm.resources()["account"]
    assert isinstance(accounts, Writable)
    (made,) = await accounts.write([Create(token="t", fields={"name": "Acme"})])
    assert isinstance(made, Record)
    await accounts.write([Delete(key=made.key)])
    for _ in range(2):
        headers, body = await asyncio.wait_for(calls.get(), 5)
        assert crm.verify(headers, body, datetime.now(UTC)) == [Hint(resource="account", keys=[made.key])]
    assert twin.hooks.delivered == [("account.created", 204), ("account.deleted", 204)]


@pytest.mark.parametrize(("seconds", "shown"), [(1, True), (9, False), (-9, False)])
def test_a_call_made_at_once_shows_the_record(seconds: int, shown: bool) -> None:
    data = {"id": "k", "website": "", "phone": "+49", "annual_revenue": "1.5", "assigned_to": [], "created_at": "x"}
    event = {"event": "account.updated", "created_at": NOW.isoformat(), "data": data}
    (hint,) = hints(json.dumps(event).encode(), NOW + timedelta(seconds=seconds))
    assert hint.shown == ({"website": None, "phone": "+49", "annual_revenue": Decimal("1.5")} if shown else {})


@pytest.mark.parametrize("when", [None, "yesterday", "2026-11-22T06:00:00"])
def test_a_call_of_unknown_age_shows_nothing(when: str | None) -> None:
    event = {"event": "account.updated", "created_at": when, "data": {"id": "k", "phone": "+49"}}
    assert hints(json.dumps(event).encode(), NOW)[0].shown == {}
