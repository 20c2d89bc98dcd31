"""Whatever went wrong is seen, explained and retried (I10); freshness (I9); two ERPs (I11); exact money (I12)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from isthmus.errors import IsthmusError, Unauthorized
from isthmus.model.state import InboxKind
from isthmus.sync.decide import retry
from isthmus.testing import Trouble
from isthmus.testing.memory import rounds
from tests.engine.flows import money, p
from tests.engine.office import ACME, ACME_ERP
from tests.engine.test_round import linked

ONLY = {"names": ("Customer",)}


async def feed(o, system, resource):
    async with o.store.transaction() as tx:
        return await tx.feed(system, resource)


@pytest.mark.spec(2)
async def test_a_write_that_waits_for_its_retry_is_not_forgotten_when_the_record_is_read_again(office):
    o = await linked(office)
    o.erp.faults.add(Trouble.BEFORE, on="write", times=1)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    await o.sync()
    assert (await o.link("system = 'erp'")).problem.code == "unknown-outcome"
    # Two readings crossed meanwhile, and nobody knows which is newer.
    await o.rows("update link set waits_for = 'read', digest = null where system = 'erp' returning id")
    await o.settle()
    assert o.one("erp", "parties")[1]["name"] == "Acme SE"


@pytest.mark.spec(9)
async def test_the_hub_knows_when_it_looked_and_since_when_a_resource_fails(office):
    o = await linked(office)
    state = await feed(o, "erp", "parties")
    assert state.polled_at is not None
    assert state.scanned_at is not None
    assert state.failing_since is None
    o.erp.faults.add(Trouble.DOWN)
    before = o.clock.now
    o.clock.advance(60)
    await o.sync()
    failing = await feed(o, "erp", "parties")
    assert failing.failing_since > before
    assert failing.polled_at == state.polled_at
    assert failing.problem.code == "unavailable"
    o.clock.advance(60)
    await o.sync()
    assert (await feed(o, "erp", "parties")).failing_since == failing.failing_since
    o.erp.faults.heal()
    await o.settle(2)
    healed = await feed(o, "erp", "parties")
    assert (healed.failing_since, healed.problem) == (None, None)
    assert healed.polled_at > failing.polled_at


@pytest.mark.spec(2)
@pytest.mark.parametrize("restarted", [False, True], ids=["by the same process", "by another process"])
async def test_what_an_outage_left_waiting_is_tried_as_soon_as_the_system_answers(office, restarted):
    o = await linked(office)
    o.erp.faults.add(Trouble.BEFORE, on="write", times=9)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    await o.settle(9)
    waiting = await o.link("system = 'erp'")
    assert (waiting.due_at - o.clock.now).total_seconds() > 200  # its own pause has grown
    o.erp.faults.add(Trouble.DOWN)
    await o.sync()
    assert (await feed(o, "erp", "parties")).problem.code == "unavailable"
    o.erp.faults.heal()
    if restarted:
        await o.restart()
    o.clock.advance(11)  # a system that is down is left alone for ten seconds at most
    await o.sync()
    assert o.one("erp", "parties")[1]["name"] == "Acme SE"
    assert (await o.link("system = 'erp'")).due_at is None


@pytest.mark.spec(9)
async def test_what_failed_once_is_due_for_a_look_whatever_its_interval(office):
    """A hint that could not be followed must not wait for the next interval, nor a system that is back look broken."""
    o = await linked(office)
    assert await o.engine.seconds_until_look("erp", "parties") > 0
    (party,) = o.erp.records("parties")
    o.erp.faults.add(Trouble.DOWN)
    with pytest.raises(IsthmusError):
        await o.engine.look("erp", "parties", {party})
    assert await o.engine.seconds_until_look("erp", "parties") == 0
    o.erp.faults.heal()
    await o.engine.poll("erp", "parties")
    assert await o.engine.seconds_until_look("erp", "parties") > 0
    assert (await feed(o, "erp", "parties")).failing_since is None


@pytest.mark.spec(9)
async def test_a_look_that_shows_nothing_new_is_no_change(office):
    o = await linked(office)
    before = await feed(o, "erp", "parties")
    o.clock.advance(60)
    await o.sync()
    after = await feed(o, "erp", "parties")
    assert after.polled_at > before.polled_at
    assert after.changed_at == before.changed_at


@pytest.mark.spec(9)
async def test_what_waits_is_known_with_its_age(office):
    o = await linked(office)
    o.erp.faults.add(Trouble.DOWN, on="write")
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    edited = o.clock.now
    for _ in range(3):
        await o.sync()
        o.clock.advance(400)
    assert edited < (await o.store.due_at())["Customer", "erp"].at < o.clock.now


@pytest.mark.spec(10)
async def test_a_system_that_is_down_delays_only_what_is_due_there(office):
    o = await linked(office, systems=("crm", "erp", "erp2"))
    o.erp.faults.add(Trouble.DOWN)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    done = await o.sync()
    assert list(done.problems) == ["erp"]
    assert o.one("erp2", "parties")[1]["name"] == "Acme SE"
    assert o.one("erp", "parties")[1]["name"] == "Acme GmbH"
    o.erp.faults.heal()
    await o.settle(2)
    assert o.one("erp", "parties")[1]["name"] == "Acme SE"


@pytest.mark.spec(10)
@pytest.mark.parametrize("side", ["crm", "erp"])
async def test_a_refused_write_is_parked_with_its_reason_and_goes_on_after_a_correction(office, side):
    refuse = {"name": lambda value: "Names may not be loud." if value and value.isupper() else None}
    o = await linked(office, resources={("erp", "parties"): {"refuse": refuse}})
    key = o.one("crm", "accounts")[0]
    o.crm.people.edit("accounts", key, {"name": "LOUD", "email": "x@acme.example"})
    await o.settle(3)
    entry = await o.question(InboxKind.FAILURE)
    assert "Names may not be loud." in entry.summary
    assert entry.detail["field"] == "name"
    # As it was sent, in the system's own words.
    assert entry.detail["request"] == {"kind": "update", "fields": {"name": "LOUD", "email": "x@acme.example"}}
    writes = o.writes("erp")
    await o.settle(2)
    assert o.writes("erp") == writes
    if side == "crm":
        o.crm.people.edit("accounts", key, {"name": "Quiet"})
    else:
        await o.decide(entry, "retry", fields={"name": "Quiet"})
    await o.settle(2)
    assert o.one("erp", "parties")[1]["name"] == o.one("crm", "accounts")[1]["name"] == "Quiet"
    assert o.one("erp", "parties")[1]["email"] == "x@acme.example"
    assert await o.inbox() == []


@pytest.mark.spec(10)
@pytest.mark.parametrize("by", ["entry", "link"])
async def test_a_parked_write_is_tried_again_when_somebody_says_so(office, by):
    closed = ["closed"]
    refuse = {"name": lambda value: "The period is closed." if closed else None}
    o = office(**ONLY, resources={("erp", "parties"): {"refuse": refuse}})
    o.crm.people.create("accounts", ACME)
    await o.settle(2)
    entry = await o.question(InboxKind.FAILURE)
    closed.clear()
    if by == "entry":
        await o.decide(entry, "retry")
    else:
        assert await retry(o.store, [entry.subject], o.clock()) == 1
    await o.settle(2)
    assert o.one("erp", "parties")[1]["name"] == "Acme GmbH"
    assert await o.inbox() == []


@pytest.mark.spec(10)
async def test_a_field_that_cannot_be_read_is_set_aside_and_the_rest_flows(office):
    o = await linked(office)
    key = o.one("crm", "accounts")[0]
    o.crm.people.edit("accounts", key, {"limit": "a lot", "name": "Acme SE"})
    await o.settle(2)
    entry = await o.question(InboxKind.FAILURE)
    assert list(entry.detail["fields"]) == ["credit_limit"]
    assert o.one("erp", "parties")[1]["name"] == "Acme SE"
    assert o.one("erp", "parties")[1]["credit_limit"] == Decimal(1000)
    o.crm.people.edit("accounts", key, {"limit": Decimal(2000)})
    await o.settle(2)
    assert await o.inbox() == []
    assert o.one("erp", "parties")[1]["credit_limit"] == Decimal(2000)


ODD = {
    "half a surrogate pair": {"name": "a\ud800b"},
    "a NUL": {"name": "a\x00b"},
    "a list for a text": {"name": ["x"]},
    "a text for a number": {"limit": "1e999999999"},
    "a list for a boolean": {"active": ["maybe"]},
    "a number for a text": {"city": 7.5},
}


@pytest.mark.spec(10)
@pytest.mark.parametrize("odd", list(ODD))
async def test_one_odd_record_stops_nobody_else(office, odd):
    o = office(**ONLY)
    o.crm.people.create("accounts", {**ACME, **ODD[odd]})
    o.crm.people.create("accounts", {**ACME, "name": "Fine", "vat": "V2", "city": "Wien"})
    done = await o.settle(2)
    assert done.problems == {}
    assert "Fine" in [x.get("name") for x in o.table("erp", "parties")]


@pytest.mark.spec(10)
@pytest.mark.parametrize("odd", [[1, 2], "text", {"a": 1}, [None], 7])
async def test_a_list_that_is_none_stops_nobody_else(office, odd):
    o = office()
    account = o.crm.people.create("accounts", ACME)
    product = o.crm.people.create("products", {"sku": "P-1", "name": "Pump"})
    line = {"product": product, "quantity": "2"}
    for title, lines in (("odd", odd), ("fine", [line])):
        o.crm.people.create("deals", {"account": account, "title": title, "won": True, "lines": lines})
    done = await o.settle(2)
    assert done.problems == {}
    assert "fine" in [x["reference"] for x in o.table("erp", "sales")]
    assert [e.kind for e in await o.inbox()] == [InboxKind.FAILURE]


@pytest.mark.spec(10)
async def test_a_value_that_cannot_be_expressed_is_parked_and_corrected(office):
    o = await linked(office, exprs={("Customer", "erp", "name"): p("name", "choice(Acme GmbH=Acme GmbH, B=Beta)")})
    key = o.one("crm", "accounts")[0]
    o.crm.people.edit("accounts", key, {"name": "Gamma"})
    await o.settle(2)
    assert "has no counterpart" in (await o.question(InboxKind.FAILURE)).summary
    o.crm.people.edit("accounts", key, {"name": "Beta"})
    await o.settle(2)
    assert o.one("erp", "parties")[1]["name"] == "B"
    assert await o.inbox() == []


@pytest.mark.spec(10)
async def test_a_write_that_always_meets_a_moved_record_does_not_run_in_circles(office):
    o = await linked(office)
    await o.start()
    resource = o.engine.systems["erp"].resources()["parties"]
    inner = resource.fetch

    async def fetch(keys):
        return [replace(x, version="000000009999") for x in await inner(keys)]

    resource.fetch = fetch
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    await o.sync()
    assert o.writes("erp") < 10


@pytest.mark.spec(10)
async def test_every_write_leaves_a_trace(office):
    o = await linked(office)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    await o.sync()
    effects = await o.rows("select system, kind, outcome, changes::text from effect where kind <> 'create'")
    assert effects == [("erp", "update", "done", '{"name": ["Acme GmbH", "Acme SE"]}')]
    journal = await o.rows("select changes::text, cause ->> 'by' from journal order by seq desc limit 1")
    assert journal == [('{"name": ["Acme GmbH", "Acme SE"]}', "crm")]


@pytest.mark.spec(11)
async def test_two_erps_keep_apart_and_in_step(office):
    o = office(systems=("crm", "erp", "erp2"), names=("Customer",))
    # The same key in both ERPs means two different records.
    o.erp.people.create("parties", {**ACME_ERP}, key="77")
    o.worlds["erp2"].people.create("parties", {**ACME_ERP, "name": "Beta", "tax_code": "B", "addresses": []}, key="77")
    await o.settle(3)
    for system in ("erp", "erp2"):
        assert sorted(x["name"] for x in o.table(system, "parties")) == ["Acme GmbH", "Beta"]
    assert len(await o.items()) == 2
    assert sorted(x.system for x in await o.links("key = '77'")) == ["erp", "erp2"]
    o.erp.people.edit("parties", "77", {"name": "Acme SE"})
    await o.settle(2)
    assert o.worlds["erp2"].records("parties")["77"]["name"] == "Beta"
    assert sorted(x["name"] for x in o.table("erp2", "parties")) == ["Acme SE", "Beta"]
    assert sorted(x["name"] for x in o.table("crm", "accounts")) == ["Acme SE", "Beta"]


@pytest.mark.spec(12)
async def test_an_amount_the_system_rounds_is_shown_as_not_held_and_not_sent_again(office):
    o = await linked(office, resources={("erp", "parties"): {"normalise": {"credit_limit": rounds(2)}}})
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"limit": Decimal("10.555")})
    await o.settle(3)
    assert o.writes("erp") == 1
    held = (await o.link("system = 'erp'")).not_held["credit_limit"]
    assert held.wanted == {"amount": "10.555", "currency": "EUR"}
    assert held.got["amount"] in ("10.55", "10.56")
    assert o.one("crm", "accounts")[1]["limit"] == Decimal("10.555")
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"limit": Decimal("10.5")})
    await o.settle(2)
    assert o.one("erp", "parties")[1]["credit_limit"] == Decimal("10.5")
    assert (await o.link("system = 'erp'")).not_held == {}


@pytest.mark.spec(12)
@pytest.mark.parametrize("text", ["0.1", "1234567890123456789.123456789", "-0.005", "1e3"])
async def test_amounts_go_through_exactly(office, text):
    o = await linked(office)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"limit": Decimal(text)})
    await o.settle(2)
    assert o.one("erp", "parties")[1]["credit_limit"] == Decimal(text)


@pytest.mark.spec(12)
async def test_another_currency_than_the_systems_own_is_refused(office):
    exprs = {("Customer", "crm", "credit_limit"): money("limit")}
    exprs["Customer", "crm", "credit_limit"].parts["currency"] = p("note")  # type: ignore[index]
    o = office(**ONLY, exprs=exprs)
    o.crm.people.create("accounts", {**ACME, "note": "USD"})
    await o.settle(2)
    entry = await o.question(InboxKind.FAILURE)
    assert "USD" in entry.summary
    assert o.table("erp", "parties") == []


@pytest.mark.spec(12)
async def test_an_amount_without_its_currency_is_refused(office):
    exprs = {("Customer", "crm", "credit_limit"): money("limit")}
    exprs["Customer", "crm", "credit_limit"].parts["currency"] = p("note")  # type: ignore[index]
    o = office(**ONLY, exprs=exprs)
    o.crm.people.create("accounts", ACME)
    await o.settle(2)
    assert "currency" in (await o.question(InboxKind.FAILURE)).summary
    assert o.one("erp", "parties")[1].get("credit_limit") is None


@pytest.mark.spec(2)
async def test_a_hint_makes_the_hub_look_at_once(office):
    o = await linked(office)
    key = o.one("erp", "parties")[0]
    await o.start()
    await o.engine.systems["erp"].subscribe("https://hub.example/hook")
    o.erp.people.edit("parties", key, {"name": "Hinted"})
    headers, body = o.erp.outbox[-1]
    o.forget_calls()
    for hint in o.engine.systems["erp"].verify(headers, body, o.clock()):
        await o.engine.look("erp", hint.resource, hint.keys)
    await o.engine.settle_system("crm")
    assert o.one("crm", "accounts")[1]["name"] == "Hinted"
    assert {c.kind for c in o.erp.calls} == {"fetch"}


@pytest.mark.spec(2)
async def test_a_change_the_feed_lost_is_found_by_a_scan(office):
    o = await linked(office)
    gone = o.erp.people.create("parties", {**ACME_ERP, "name": "Beta", "tax_code": "B", "addresses": []})
    await o.settle(2)
    o.erp.people.edit("parties", o.one("erp", "parties", name="Acme GmbH")[0], {"name": "Acme SE"})
    o.erp.people.delete("parties", gone)
    del o.erp.tables["parties"].log[-2:]
    await o.settle(2)
    assert o.one("crm", "accounts", name="Acme GmbH")
    await o.engine.observers["erp"].scan("parties")
    await o.settle(2)
    assert [x["name"] for x in o.table("crm", "accounts")] == ["Acme SE"]


@pytest.mark.spec(10)
async def test_a_system_that_refuses_our_login_stops_alone(office):
    o = await linked(office)
    await o.start()
    resource = o.engine.systems["erp"].resources()["parties"]

    async def changes(since):
        raise Unauthorized("The token was withdrawn.")

    resource.changes = changes
    with pytest.raises(IsthmusError):
        await o.engine.poll("erp", "parties")
    assert o.engine.health.is_down("erp", "parties")
    done = await o.sync()
    assert "withdrawn" in done.problems["erp"]
    assert (await feed(o, "erp", "parties")).problem.code == "unauthorized"
