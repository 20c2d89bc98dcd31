"""Parts of a struct that a system leaves out for a while say nothing, and nobody is overwritten when they are back
(I3, I4)."""

from __future__ import annotations

import pytest

from isthmus.connector import FieldInfo
from isthmus.model.flow import CreatePolicy
from isthmus.model.state import InboxKind
from tests.engine.office import ACME, ACME_ERP
from tests.engine.test_round import linked

pytestmark = [pytest.mark.spec(3), pytest.mark.spec(4)]


def without_city(o):
    """The CRM leaves the town out from now on, and nobody has told the hub of it."""
    del o.crm.tables["accounts"].fields["city"]
    o.crm.touch("accounts")


def with_city(o):
    o.crm.tables["accounts"].fields["city"] = FieldInfo()
    o.crm.touch("accounts")


async def known_in_the_erp(office):
    """A customer of the ERP in Berlin, whom the CRM is going to know in Wien."""
    o = office(names=("Customer",), sides={("Customer", "crm"): {"create": CreatePolicy.NEVER}})
    o.erp.people.create("parties", ACME_ERP)
    await o.settle()
    return o


def cities(o):
    return o.one("crm", "accounts")[1]["city"], o.one("erp", "parties")[1]["addresses"][0]["city"]


async def test_a_conflict_about_a_part_outlives_the_absence_of_the_part(office):
    o = await known_in_the_erp(office)
    key = o.crm.people.create("accounts", {**ACME, "city": "Wien"})
    await o.settle()
    await o.question(InboxKind.CONFLICT)
    without_city(o)
    o.crm.people.edit("accounts", key, {"email": "new@acme.example"})
    await o.settle()
    question = await o.question(InboxKind.CONFLICT)
    assert question.detail["fields"]["address"]["far"] == {"street": "Hauptstr. 1", "city": "Wien"}
    assert o.one("erp", "parties")[1]["email"] == "new@acme.example", "all else flows"
    with_city(o)
    await o.settle()
    assert cities(o) == ("Wien", "Berlin"), "nobody was overwritten"
    await o.decide(await o.question(InboxKind.CONFLICT), "far")
    await o.settle()
    assert cities(o) == ("Wien", "Wien")
    assert o.one("erp", "parties")[1]["addresses"][0]["zip"] == "10115"
    assert await o.inbox() == []


@pytest.mark.parametrize("city", ["Wien", "Berlin", None])
async def test_a_part_that_was_left_out_at_first_contact_is_met_when_it_is_shown(office, city):
    o = await known_in_the_erp(office)
    without_city(o)
    o.crm.insert("accounts", {name: value for name, value in ACME.items() if name != "city"})
    await o.settle()
    assert await o.inbox() == []
    key = o.one("crm", "accounts")[0]
    with_city(o)
    o.crm.people.edit("accounts", key, {"city": city})
    await o.settle()
    assert cities(o) == (city or "Berlin", "Berlin")
    asked = [entry.detail["fields"]["address"]["far"]["city"] for entry in await o.inbox(InboxKind.CONFLICT)]
    assert asked == (["Wien"] if city == "Wien" else [])


async def test_a_part_that_was_agreed_on_keeps_its_base_while_it_is_left_out(office):
    o = await linked(office)
    key = o.one("crm", "accounts")[0]
    without_city(o)
    o.crm.people.edit("accounts", key, {"email": "new@acme.example"})
    await o.settle()
    with_city(o)
    o.crm.people.edit("accounts", key, {"city": "Wien"})
    await o.settle()
    assert cities(o) == ("Wien", "Wien"), "an edit is an edit"
    assert await o.inbox() == []
