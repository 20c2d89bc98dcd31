"""A person answers what came of a create while the hub is looking that up: the answer stands."""

from __future__ import annotations

import pytest

from isthmus.model.state import InboxKind
from isthmus.testing import Trouble
from tests.engine.office import ACME, ACME_ERP

ONLY = {"names": ("Customer",)}
BOREAS = {"name": "Boreas", "tax_code": None, "email": "info@boreas.example", "telephone": None, "addresses": []}


@pytest.mark.spec(5)
@pytest.mark.parametrize("seen", ["nothing", "the other", "both"])
@pytest.mark.parametrize("choice", ["link", "unlink"])
async def test_what_a_person_has_answered_stands_whatever_a_look_up_under_way_finds(office, choice, seen):
    o = office(**ONLY, resources={("erp", "parties"): {"keeps_token": False}})
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    await o.sync()
    o.erp.people.create("parties", dict(o.one("erp", "parties")[1]))
    await o.settle()
    entry = await o.question(InboxKind.FAILURE)
    first, other = sorted(choice.removeprefix("link:") for choice in entry.choices if choice.startswith("link:"))
    await o.rows("update link set due_at = '2030-01-01' where system = 'erp' and state = 'creating' returning id")
    resource = o.engine.systems["erp"].resources()["parties"]
    find = resource.find_created

    async def find_created(create, since):
        found = await find(create, since)
        await o.decide(entry, f"link:{first}" if choice == "link" else choice)
        return [f for f in found if seen == "both" or (seen == "the other" and f.record.key == other)]

    resource.find_created = find_created
    await o.engine.settle_system("erp")
    resource.find_created = find
    assert await o.inbox(InboxKind.FAILURE) == []
    state, key = ("linked", first) if choice == "link" else ("unlinked", other if seen == "the other" else None)
    (link,) = await o.links("system = 'erp' and item is not null")
    assert (link.state, link.key) == (state, key)
    await o.settle()
    assert len(o.table("erp", "parties")) == 2


async def set_apart(office, trouble):
    """Made in the CRM, its create in the ERP set apart while nobody knows what came of it; deleted in the CRM then."""
    o = office(**ONLY, resources={("erp", "parties"): {"findable": False}})
    key = o.crm.people.create("accounts", ACME)
    o.erp.faults.add(trouble, on="write", times=1)
    await o.sync()
    o.clock.advance(400)
    await o.engine.settle_system("erp")
    await o.decide(await o.question(InboxKind.FAILURE), "unlink")
    o.crm.people.delete("accounts", key)
    return o


@pytest.mark.spec(5)
@pytest.mark.spec(7)
@pytest.mark.parametrize("choice", ["separate", "ignore"])
async def test_what_came_of_a_create_that_was_set_apart_is_asked_about_when_its_item_was_deleted(office, choice):
    o = await set_apart(office, Trouble.AFTER)
    await o.settle()
    assert o.table("crm", "accounts") == []
    question = await o.question(InboxKind.MATCH)
    assert question.summary.endswith("Looks like a duplicate of a record that was set apart (same tax_id).")
    assert question.choices == ("separate", "ignore")
    assert [candidate["deleted"] for candidate in question.detail["candidates"]] == [True]
    await o.decide(question, choice)
    await o.settle()
    assert len(o.table("erp", "parties")) == 1
    assert len(o.table("crm", "accounts")) == (choice == "separate")
    assert await o.inbox() == []


@pytest.mark.spec(5)
async def test_another_record_than_the_one_that_was_set_apart_is_a_new_thing(office):
    o = await set_apart(office, Trouble.BEFORE)
    o.erp.people.create("parties", {**ACME_ERP, **BOREAS})
    await o.settle()
    assert [row["name"] for row in o.table("crm", "accounts")] == ["Boreas"]
    assert await o.inbox() == []
