"""Nobody is overwritten silently (I3): conflicts, owners, merge rules, decisions of people."""

from __future__ import annotations

import pytest

from isthmus.errors import NeedsPerson
from isthmus.model.state import InboxKind
from isthmus.testing import Trouble
from tests.engine.office import ACME, ACME_ERP
from tests.engine.test_round import linked


async def in_conflict(office, **options):
    o = await linked(office, **options)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Of the CRM"})
    for system in o.names[1:]:
        o.worlds[system].people.edit("parties", o.one(system, "parties")[0], {"name": f"Of {system}"})
    await o.settle()
    return o


def names(o):
    return [o.one(s, "accounts" if s == "crm" else "parties")[1]["name"] for s in o.names]


@pytest.mark.spec(3)
async def test_a_conflict_freezes_the_field_and_asks_and_all_else_flows(office):
    o = await in_conflict(office)
    assert names(o) == ["Of the CRM", "Of erp"]
    entry = await o.question(InboxKind.CONFLICT)
    assert entry.detail["fields"]["name"]["base"] == "Acme GmbH"
    assert {entry.detail["fields"]["name"]["hub"], entry.detail["fields"]["name"]["far"]} == {"Of the CRM", "Of erp"}
    assert o.writes() == 0
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"email": "new@acme.example"})
    await o.settle()
    assert o.one("erp", "parties")[1]["email"] == "new@acme.example"
    assert names(o) == ["Of the CRM", "Of erp"]
    assert (await o.question(InboxKind.CONFLICT)).id == entry.id


@pytest.mark.spec(3)
@pytest.mark.parametrize("choice", ["hub", "far", "value"])
async def test_a_decision_is_carried_out_everywhere_and_recorded(office, choice):
    o = await in_conflict(office)
    entry = await o.question(InboxKind.CONFLICT)
    fields = {"name": "Agreed"} if choice == "value" else None
    done = await o.decide(entry, choice, fields=fields)
    assert (done.decision, done.decided_by) == (choice, "anna")
    await o.settle()
    wanted = "Agreed" if choice == "value" else entry.detail["fields"]["name"][choice]
    assert names(o) == [wanted, wanted]
    assert await o.inbox() == []
    async with o.store.transaction() as tx:
        kept = await tx.inbox_entry(entry.id)
    assert kept is not None
    assert (kept.decision, kept.decided_by) == (choice, "anna")
    causes = await o.rows("select cause ->> 'by' from journal where cause ->> 'kind' = 'person'")
    assert causes == [("anna",)]


@pytest.mark.spec(3)
async def test_a_decision_cannot_be_taken_twice_or_freely(office):
    o = await in_conflict(office)
    entry = await o.question(InboxKind.CONFLICT)
    with pytest.raises(NeedsPerson, match="not offered"):
        await o.decide(entry, "delete")
    with pytest.raises(NeedsPerson, match="Give a value"):
        await o.decide(entry, "value")
    with pytest.raises(NeedsPerson, match="not in conflict"):
        await o.decide(entry, "value", fields={"name": "X", "email": "y"})
    await o.decide(entry, "hub")
    with pytest.raises(NeedsPerson, match="decided this already"):
        await o.decide(entry, "far")


@pytest.mark.spec(3)
@pytest.mark.parametrize("value", ["base", "other side"])
@pytest.mark.parametrize("side", ["crm", "erp"])
async def test_a_correction_on_either_side_ends_the_conflict_by_itself(office, side, value):
    o = await in_conflict(office)
    mine, theirs = ("Of the CRM", "Of erp") if side == "crm" else ("Of erp", "Of the CRM")
    wanted = "Acme GmbH" if value == "base" else theirs
    resource = "accounts" if side == "crm" else "parties"
    o.worlds[side].people.edit(resource, o.one(side, resource)[0], {"name": wanted})
    await o.settle()
    assert await o.inbox() == []
    assert names(o) == [theirs, theirs], mine


@pytest.mark.spec(3)
@pytest.mark.parametrize("owner", ["crm", "erp"])
async def test_the_owner_wins(office, owner):
    o = await in_conflict(office, rules={("Customer", "name"): {"owner": owner}})
    wanted = "Of the CRM" if owner == "crm" else "Of erp"
    assert names(o) == [wanted, wanted]
    assert await o.inbox() == []


@pytest.mark.spec(3)
async def test_a_merge_rule_combines_both(office):
    o = await in_conflict(office, rules={("Customer", "name"): {"merge": "max"}})
    assert names(o) == ["Of the CRM", "Of the CRM"]
    assert await o.inbox() == []


@pytest.mark.spec(2)
async def test_an_edit_made_right_after_our_write_is_an_edit_of_it_and_no_conflict(office):
    o = await linked(office)
    key = o.one("erp", "parties")[0]
    parties = o.engine.systems["erp"].resources()["parties"]
    write = parties.write

    async def crossed(writes):
        answers = await write(writes)
        if o.erp.records("parties")[key]["name"] == "Of the CRM":
            o.erp.people.edit("parties", key, {"name": "Of the ERP, later"})
            await o.engine.look("erp", "parties", [key])
        return answers

    parties.write = crossed
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Of the CRM"})
    await o.settle()
    assert await o.inbox() == []
    assert names(o) == ["Of the ERP, later"] * 2


@pytest.mark.spec(3)
@pytest.mark.parametrize("owner", [None, "erp"])
async def test_our_own_write_whose_answer_was_lost_is_no_edit_of_the_other_side(office, owner):
    o = await linked(office, rules={("Customer", "name"): {"owner": owner}})
    account = o.one("crm", "accounts")[0]
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    o.crm.people.edit("accounts", account, {"name": "First"})
    await o.engine.poll("crm", "accounts")
    await o.engine.settle_system("erp")
    assert o.one("erp", "parties")[1]["name"] == "First"
    o.crm.people.edit("accounts", account, {"name": "Second"})
    await o.engine.poll("crm", "accounts")
    await o.settle()
    assert await o.inbox() == []
    assert names(o) == ["Second", "Second"]


@pytest.mark.spec(3)
@pytest.mark.parametrize("entered", ["+493099", None], ids=["changed", "emptied"])
@pytest.mark.parametrize("trouble", [Trouble.BEFORE, Trouble.AFTER])
async def test_an_edit_after_a_write_without_an_answer_is_its_rival_whether_it_was_carried_out_or_not(
    office, trouble, entered
):
    """What the hub is shown is the same in both cases, so what it does is: the owner's rule decides."""
    o = await linked(office, rules={("Customer", "phone"): {"owner": "crm"}})
    account, key = o.one("crm", "accounts")[0], o.one("erp", "parties")[0]
    before = o.one("erp", "parties")[1]["telephone"]
    o.erp.faults.add(trouble, on="write", times=1)
    o.crm.people.edit("accounts", account, {"phone": "+493011"})
    await o.engine.poll("crm", "accounts")
    await o.engine.settle_system("erp")
    assert (o.one("erp", "parties")[1]["telephone"] == before) == (trouble is Trouble.BEFORE)
    o.erp.people.edit("parties", key, {"telephone": entered})
    await o.settle()
    assert o.one("crm", "accounts")[1]["phone"] == o.one("erp", "parties")[1]["telephone"] == "+493011"
    assert await o.inbox() == []


@pytest.mark.spec(3)
async def test_equal_edits_on_both_sides_are_no_conflict(office):
    o = await linked(office)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Same"})
    o.erp.people.edit("parties", o.one("erp", "parties")[0], {"name": "Same"})
    await o.settle()
    assert await o.inbox() == []
    assert o.writes() == 0


@pytest.mark.spec(3)
async def test_different_values_at_first_contact_are_asked_about(office):
    o = office(names=("Customer",))
    o.crm.people.create("accounts", {**ACME, "phone": "+49301"})
    o.erp.people.create("parties", {**ACME_ERP, "telephone": "+49302"})
    await o.settle()
    assert list((await o.question(InboxKind.CONFLICT)).detail["fields"]) == ["phone"]
    assert o.writes() == 0


@pytest.mark.spec(3)
@pytest.mark.parametrize("first", ["crm", "erp"])
async def test_the_preferred_system_decides_at_first_contact(office, first):
    o = office(names=("Customer",), flow_options={"Customer": {"first": first}})
    o.crm.people.create("accounts", {**ACME, "phone": "+49301"})
    o.erp.people.create("parties", {**ACME_ERP, "telephone": "+49302"})
    await o.settle()
    wanted = "+49301" if first == "crm" else "+49302"
    assert o.one("crm", "accounts")[1]["phone"] == o.one("erp", "parties")[1]["telephone"] == wanted
    assert await o.inbox() == []


@pytest.mark.spec(3)
async def test_three_sides_in_conflict_end_with_one_value(office):
    o = await in_conflict(office, systems=("crm", "erp", "erp2"))
    while questions := await o.inbox(InboxKind.CONFLICT):
        await o.decide(questions[0], "value", fields={"name": "Agreed"})
        await o.settle(2)
    assert names(o) == ["Agreed"] * 3
