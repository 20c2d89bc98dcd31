"""Edits in the hub itself (I13): they go the way of every other change, once, and never past a rule."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from isthmus.errors import Ambiguous, Conflict, NeedsPerson, Unmappable
from isthmus.model.entities import EntityType
from isthmus.model.fields import FieldType, Kind
from isthmus.model.flow import CreatePolicy, DeletePolicy
from isthmus.model.state import Cause, InboxKind
from isthmus.sync.editing import HubEdits
from isthmus.sync.world import World
from isthmus.testing import Trouble
from isthmus.testing.simulator.gate import Gate
from tests.engine.conftest import emptied
from tests.engine.flows import make_flows
from tests.engine.office import ACME, Clock, Office

ANNA = Cause("person", "anna")
BETA = {"name": "Beta AG", "tax_id": "ATU2", "email": "info@beta.example", "active": True}


@asynccontextmanager
async def edits(o, cause=ANNA, entities=None):
    world = o.engine.world if o.engine else World(o.flows())
    async with o.store.transaction() as tx:
        yield HubEdits(tx, world, cause, now=o.clock(), new_id=o.new_id, entities=entities)


@pytest.mark.spec(13)
async def test_an_item_made_in_the_hub_is_made_once_in_every_system(office):
    o = office(names=("Customer",))
    await o.settle()
    for _ in range(2):
        async with edits(o, entities=["Customer"]) as hub:
            made = await hub.create("Customer", BETA, id="web-1")
    assert (made.id, made.version) == ("web-1", 1)
    o.erp.faults.add(Trouble.AFTER, on="write", resource="parties", times=1)
    await o.settle()
    assert o.one("erp", "parties")[1]["tax_code"] == "ATU2"
    assert o.one("crm", "accounts")[1]["name"] == "Beta AG"
    async with o.store.transaction() as tx:
        [entry] = await tx.journal_since(["web-1"], datetime.min.replace(tzinfo=UTC))
    assert entry.cause == ANNA
    assert entry.changes["name"] == (None, "Beta AG")
    o.forget_calls()
    await o.settle()
    assert o.writes() == 0


@pytest.mark.spec(13)
@pytest.mark.spec(8)
@pytest.mark.timeout(300)
async def test_killed_anywhere_what_the_hub_made_is_there_once(engine_database):
    """The process dies at any far call and at any commit of the round that makes the records."""

    async def lived(gate):
        store = await emptied(engine_database, Clock())
        try:
            o = Office(store, store._clock, names=("Customer",))
            await o.settle(2)
            async with edits(o) as hub:
                await hub.create("Customer", BETA, id="web-1")
            await o.run_until_killed(gate)
            await o.start()
            await o.settle(3)
            return await o.fingerprint()
        finally:
            await store.close()

    gate = Gate()
    wanted = await lived(gate)
    assert len(wanted["erp.parties"]) == len(wanted["crm.accounts"]) == 1
    assert gate.passed > 10
    for at in range(1, gate.passed + 1, 3):
        assert await lived(Gate(at)) == wanted, f"killed at {at}"


@pytest.mark.spec(13)
async def test_an_edit_and_its_undoing_reach_every_system(office):
    o = office(names=("Customer",))
    o.crm.people.create("accounts", ACME)
    await o.settle()
    [item] = await o.items()
    async with edits(o) as hub:
        changed = await hub.change(item.id, {"phone": "+4930777", "name": "Acme GmbH"}, expected=item.version)
    await o.settle()
    assert {o.one("erp", "parties")[1]["telephone"], o.one("crm", "accounts")[1]["phone"]} == {"+4930777"}
    assert changed.set_by["phone"].by == "anna"
    assert changed.set_by["name"].by != "anna", "a value that is the same already is nobody's edit"
    async with edits(o, Cause("process", "cleaning", "p1")) as hub:
        await hub.change(item.id, {"phone": item.fields["phone"]})
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == "+4930123456"


@pytest.mark.spec(13)
async def test_an_edit_meets_one_made_elsewhere_at_the_same_time_as_any_other_does(office):
    """Nobody is overwritten silently, by the hub's own people neither."""
    o = office(names=("Customer",))
    o.crm.people.create("accounts", ACME)
    await o.settle()
    [item] = await o.items()
    o.erp.people.edit("parties", o.one("erp", "parties")[0], {"telephone": "+4930999", "email": "new@acme.example"})
    async with edits(o) as hub:
        await hub.change(item.id, {"phone": "+4930777"})
    await o.settle()
    question = await o.question(InboxKind.CONFLICT)
    assert o.one("erp", "parties")[1]["telephone"] == "+4930999"
    assert o.one("crm", "accounts")[1]["email"] == "new@acme.example"
    async with edits(o) as hub:
        await hub.change(item.id, {"phone": "+4930999"})
    await o.settle()
    assert question.id not in {entry.id for entry in await o.inbox()}, "the hub's value is theirs now"
    assert o.one("crm", "accounts")[1]["phone"] == "+4930999"


@pytest.mark.spec(13)
async def test_what_does_not_go_is_refused_and_leaves_nothing(office):
    o = office(names=("Customer",))
    o.crm.people.create("accounts", ACME)
    await o.settle()
    [item] = await o.items()
    before = await o.fingerprint()
    refused = [
        (NeedsPerson, "no field 'nmae'", lambda hub: hub.change(item.id, {"nmae": "x"})),
        (Unmappable, "active", lambda hub: hub.change(item.id, {"active": "perhaps"})),
        (Unmappable, "currency", lambda hub: hub.change(item.id, {"credit_limit": {"amount": "1"}})),
        (NeedsPerson, "Only erp and erp2 may set 'number'", lambda hub: hub.change(item.id, {"number": "7"})),
        (Conflict, "changed meanwhile", lambda hub: hub.change(item.id, {"name": "x"}, expected=item.version - 1)),
        (NeedsPerson, "There is no item", lambda hub: hub.change("nobody", {"name": "x"})),
        (NeedsPerson, "no entity", lambda hub: hub.create("Custumer", BETA)),
        (Ambiguous, "same tax_id", lambda hub: hub.create("Customer", {**BETA, "tax_id": "de811907980"})),
        (NeedsPerson, "may set 'number'", lambda hub: hub.create("Customer", {**BETA, "number": "7"})),
    ]
    for kind, words, attempt in refused:
        with pytest.raises(kind, match=words):
            async with edits(o) as hub:
                await attempt(hub) if kind is not NeedsPerson or "entity" not in words else await attempt(_any(hub))
    await o.settle()
    assert await o.fingerprint() == before
    async with edits(o) as hub:
        await hub.create("Customer", {**BETA, "tax_id": "DE811907980"}, alike=True)
    assert len(await o.items()) == 2


def _any(hub):
    """The entity is not known at all, so it is in no list of those to be edited either."""
    hub._entities = hub._entities | {"Custumer"}
    return hub


@pytest.mark.spec(13)
async def test_the_hub_may_set_what_it_is_named_a_writer_of(office):
    o = office(names=("Customer",), rules={("Customer", "number"): {"writers": ("hub",)}})
    await o.settle()
    async with edits(o) as hub:
        await hub.create("Customer", {**BETA, "number": "H7"})
    await o.settle()
    key, party = o.one("erp", "parties")
    assert party["number"] == "H7"
    o.erp.people.edit("parties", key, {"number": "E8"})
    await o.settle()
    assert o.one("erp", "parties")[1]["number"] == "H7", "edits elsewhere are written back"


@pytest.mark.spec(13)
@pytest.mark.parametrize("policy", [DeletePolicy.PROPAGATE, DeletePolicy.HOLD, DeletePolicy.UNLINK])
async def test_a_delete_follows_the_policy_of_each_system(office, policy):
    o = office(names=("Customer",), sides={("Customer", "erp"): {"delete": policy}})
    o.crm.people.create("accounts", ACME)
    await o.settle()
    [item] = await o.items()
    async with edits(o) as hub:
        await hub.delete(item.id, expected=item.version)
    await o.settle()
    assert o.table("crm", "accounts") == []
    if policy is DeletePolicy.HOLD:
        question = await o.question(InboxKind.DELETE)
        assert "deleted in hub" in question.summary
        await o.decide(question, "propagate")
        await o.settle()
    assert len(o.table("erp", "parties")) == (policy is DeletePolicy.UNLINK)
    assert await o.items() == []
    with pytest.raises(NeedsPerson, match="is deleted"):
        async with edits(o) as hub:
            await hub.change(item.id, {"name": "x"})


@pytest.mark.spec(13)
async def test_a_system_that_restores_keeps_its_record_unless_told_otherwise(office):
    o = office(names=("Customer",), sides={("Customer", "erp"): {"delete": DeletePolicy.RESTORE}})
    o.crm.people.create("accounts", ACME)
    await o.settle()
    [item] = await o.items()
    with pytest.raises(NeedsPerson, match="kept in erp"):
        async with edits(o) as hub:
            await hub.delete(item.id)
    async with edits(o) as hub:
        await hub.delete(item.id, policy=DeletePolicy.PROPAGATE)
    await o.settle()
    assert o.table("erp", "parties") == []


@pytest.mark.spec(13)
async def test_a_create_that_was_not_sent_is_dropped_with_its_item(office):
    o = office(names=("Customer",))
    await o.settle()
    async with edits(o) as hub:
        item = await hub.create("Customer", BETA)
        gone = await hub.delete(item.id)
    assert gone.deleted_at is not None
    await o.settle()
    assert o.table("crm", "accounts") == o.table("erp", "parties") == []


@pytest.mark.spec(13)
async def test_entities_that_no_flow_carries_live_in_the_hub_alone(office):
    o = office(names=("Customer",))
    await o.start()
    quantity = FieldType(kind=Kind.DECIMAL)
    request = EntityType(name="MaterialRequest", fields={"station": FieldType(kind=Kind.TEXT), "quantity": quantity})
    o.engine.world = World(o.flows(), None, {"MaterialRequest": request})
    async with edits(o) as hub:
        made = await hub.create("MaterialRequest", {"station": "S1", "quantity": "5.0"})
        changed = await hub.change(made.id, {"quantity": "7"}, expected=made.version)
    assert (changed.fields, changed.version) == ({"station": "S1", "quantity": "7"}, 2)
    assert await o.links() == []
    async with edits(o) as hub:
        assert (await hub.delete(made.id)).deleted_at is not None
    assert len(await o.rows("select 1 from journal")) == 3


@pytest.mark.spec(13)
async def test_of_several_flows_those_that_take_hub_items_carry_them(office):
    """A condition that comes true later makes the record then."""
    o = office(names=("Customer", "SalesOrder"))
    flows = o.flows()
    order = flows["SalesOrder"]
    linked = {name: replace(side, adopt=False) for name, side in order.sides.items()}
    web = replace(order, name="web_order", hub=True, sides={"erp": linked["erp"]})
    never = {"erp": replace(linked["erp"], create=CreatePolicy.NEVER)}
    o.flows = lambda: {
        **flows,
        "SalesOrder": replace(order, sides=linked),
        "web_order": web,
        "copy": replace(web, name="copy", hub=None, sides=never),
    }
    await o.settle()
    async with edits(o) as hub:
        buyer = await hub.create("Customer", BETA)
        made = await hub.create("SalesOrder", {"customer": buyer.id, "reference": "W1", "ordered": []})
    assert await o.links("flow <> 'Customer'") == []
    async with edits(o) as hub:
        await hub.change(made.id, {"confirmed": True})
    await o.settle()
    assert o.one("erp", "sales")[1]["party"] == o.one("erp", "parties")[0]
    assert [link.flow for link in await o.links("flow <> 'Customer'")] == ["web_order"]


VALUE = st.sampled_from(["A", "B", "C", None])
STEP = st.tuples(st.sampled_from(["hub", "crm", "erp", "sync"]), st.sampled_from(["email", "name"]), VALUE)


@pytest.mark.spec(13)
@pytest.mark.timeout(300)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(steps=st.lists(STEP, min_size=1, max_size=8))
async def test_whatever_hub_and_systems_edit_they_end_in_step_or_ask(engine_database, steps):
    store = await emptied(engine_database, Clock())
    try:
        o = Office(store, store._clock, names=("Customer",))
        o.crm.people.create("accounts", ACME)
        await o.settle(2)
        for who, field, value in [*steps, ("sync", "", None)]:
            if who == "sync":
                await o.settle(2)
                continue
            value = f"{(value or 'nobody').lower()}@x.example" if field == "email" else value or "Nobody"
            if who == "hub":
                async with edits(o) as hub:
                    await hub.change((await o.items())[0].id, {field: value})
            else:
                resource = {"crm": "accounts", "erp": "parties"}[who]
                o.worlds[who].people.edit(resource, o.one(who, resource)[0], {field: value})
        [item] = await o.items()
        links = await o.links()
        for link in links:
            for field in ("email", "name"):
                conflict = link.conflicts.get(field)
                assert conflict is not None or link.far[field] == item.fields[field], (link.system, field)
        assert bool(await o.inbox(InboxKind.CONFLICT)) == any(link.conflicts for link in links)
        assert not await o.rows("select 1 from link where due_at is not null")
    finally:
        await store.close()


@pytest.mark.spec(13)
def test_a_sole_flow_takes_hub_items_unless_it_says_otherwise():
    flows = make_flows(names=("Customer", "SalesOrder"))
    assert World(flows).hub_flows("Customer") == {"Customer"}
    assert World({**flows, "Customer": replace(flows["Customer"], hub=False)}).hub_flows("Customer") == set()
    web = replace(flows["SalesOrder"], name="web")
    assert World({**flows, "web": web}).hub_flows("SalesOrder") == set()
    assert World({**flows, "web": replace(web, hub=True)}).hub_flows("SalesOrder") == {"web"}


@pytest.mark.spec(6)
async def test_nobody_waits_for_a_parent_that_the_system_will_never_have(office):
    """A customer whom the hub keeps for the ERP only: the contact is in the CRM all the same, without the customer."""

    def flows():
        made = make_flows(names=("Customer", "Contact"))
        whole = made["Customer"]
        rules = {n: replace(r, exprs={k: e for k, e in r.exprs.items() if k == "erp"}) for n, r in whole.fields.items()}
        side = replace(whole.sides["erp"], adopt=False)
        made["web"] = replace(whole, name="web", sides={"erp": side}, fields=rules, hub=True)
        made["Customer"] = replace(whole, hub=False)
        return made

    o = office(names=("Customer", "Contact"))
    o.flows = flows
    await o.settle()
    async with edits(o) as hub:
        customer = await hub.create("Customer", BETA)
    await o.settle()
    async with edits(o) as hub:
        await hub.create("Contact", {"customer": customer.id, "name": "Eva Stein", "email": "eva@beta.example"})
    await o.settle()
    assert o.table("crm", "accounts") == []
    assert o.one("erp", "people")[1]["party"] == o.one("erp", "parties")[0]
    contact = o.one("crm", "contacts")[1]
    assert contact["full_name"] == "Eva Stein"
    assert not contact.get("account")
    o.forget_calls()
    await o.settle()
    assert o.writes() == 0
    async with edits(o) as hub:
        [person] = [item for item in await o.items() if item.entity == "Contact"]
        await hub.change(person.id, {"phone": "+4930777"})
    await o.settle()
    assert o.one("crm", "contacts")[1]["phone"] == "+4930777"
