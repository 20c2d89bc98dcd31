"""Links by hand: each act is looked at first, does just that, and can be taken back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.app.access import Principal
from isthmus.app.linking import ActKind, LinkAct, Linking, LinkPlan
from isthmus.errors import Conflict, NeedsPerson
from isthmus.model.flow import CreatePolicy, MergePolicy
from isthmus.model.state import InboxKind, LinkState
from isthmus.testing import Trouble
from tests.engine.office import ACME, ACME_ERP, Office

ONLY = {"names": ("Customer",)}
NOTHING_MADE = {
    **ONLY,
    "sides": {("Customer", s): {"create": CreatePolicy.NEVER, "archive": {"active": False}} for s in ("crm", "erp")},
}


def hands(o: Office) -> Linking:
    return Linking(o.store, o.engine.world, Principal(login="anna", name="Anna"), now=o.clock, ids=o.new_id)


async def act(o: Office, kind: ActKind, item: str, **more: Any) -> LinkPlan:
    """Look, then do; what was shown is what is done."""
    wanted = LinkAct(kind=kind, item=item, **more)
    before = await o.rows("select count(*) from journal")
    seen = await hands(o).preview(wanted)
    assert await o.rows("select count(*) from journal") == before, "a preview has changed something"
    done = await hands(o).carry_out(wanted, stamp=seen.stamp)
    assert [one.kind for one in done.writes] == [one.kind for one in seen.writes]
    assert list(done.changes.values()) == list(seen.changes.values())
    assert done.apart == seen.apart
    return done


async def in_step(o: Office) -> tuple[str, str, str]:
    """One customer in both systems: item, account, party."""
    account = o.crm.people.create("accounts", ACME)
    party = o.erp.people.create("parties", ACME_ERP)
    await o.settle()
    (item,) = await o.items()
    return item.id, account, party


async def link_in(o: Office, system: str, key: str) -> str:
    return (await o.link(f"system = '{system}' and key = '{key}'")).id


@pytest.mark.spec(7)
async def test_an_unlinked_record_is_left_alone_until_it_is_linked_again(office):
    o = office(**ONLY)
    item, account, party = await in_step(o)
    erp = await link_in(o, "erp", party)
    plan = await act(o, ActKind.UNLINK, item, link=erp)
    assert plan.apart == [f"erp/parties/{party}"]
    assert plan.writes == []
    o.crm.people.edit("accounts", account, {"phone": "+49301"})
    o.erp.people.edit("parties", party, {"email": "new@acme.example"})
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == ACME_ERP["telephone"]
    assert o.one("crm", "accounts")[1]["email"] == ACME["email"]
    assert (await o.link(f"id = '{erp}'")).state is LinkState.UNLINKED
    # Linked again it goes on where it stopped: nobody's edit is lost.
    plan = await act(o, ActKind.LINK, item, link=erp)
    assert [one.kind for one in plan.writes] == ["read"]
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == "+49301"
    assert o.one("crm", "accounts")[1]["email"] == "new@acme.example"
    assert await o.inbox() == []
    journal = await o.rows("select changes from journal where cause ->> 'by' = 'anna' order by seq")
    assert [sorted(changes) for (changes,) in _decoded(journal)] == [["@unlinked"], ["@linked"]]


@pytest.mark.spec(7)
async def test_a_record_that_is_set_apart_while_a_write_to_it_is_under_way_stays_apart(office):
    o = office(**ONLY)
    item, account, party = await in_step(o)
    erp = await link_in(o, "erp", party)
    o.during_the_next_write("erp", "parties", lambda: act(o, ActKind.UNLINK, item, link=erp))
    o.crm.people.edit("accounts", account, {"phone": "+49301"})
    await o.settle()
    assert (await o.link(f"id = '{erp}'")).state is LinkState.UNLINKED
    o.crm.people.edit("accounts", account, {"phone": "+49302"})
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == "+49301", "the write that was under way, and none after it"
    await act(o, ActKind.LINK, item, link=erp)
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == "+49302", "what was written then is nobody's edit"
    assert await o.inbox() == []


@pytest.mark.spec(7)
async def test_a_record_is_linked_with_another_one_and_the_old_one_set_apart(office):
    o = office(**NOTHING_MADE)
    item, _, party = await in_step(o)
    right = o.erp.people.create("parties", {**ACME_ERP, "name": "Acme Holding", "tax_code": "DE129273398"})
    await o.settle()
    (found,) = [one for one in await hands(o).find((await o.items(f"id = '{item}'"))[0], right) if one.key == right]
    with pytest.raises(NeedsPerson, match="only record"):
        await act(o, ActKind.LINK, item, link=found.link)
    # The wrong one first gets an item of its own; then the right one is free to be linked by merging the two.
    assert found.item is not None
    plan = await act(o, ActKind.MERGE, item, other=found.item, policy=MergePolicy.HOLD)
    assert len(plan.questions) == 1
    entry = await o.question(InboxKind.MERGE)
    await o.decide(entry, "separate")
    await o.settle()
    assert {link.state for link in await o.links("system = 'erp'")} == {LinkState.LINKED}
    del party


@pytest.mark.spec(7)
async def test_a_wrong_pair_is_separated_and_each_gets_a_partner_of_its_own(office):
    o = office(**ONLY)
    item, account, party = await in_step(o)
    plan = await act(o, ActKind.SEPARATE, item, link=await link_in(o, "erp", party))
    assert plan.item != item
    assert sorted((one.kind, one.system) for one in plan.writes) == [("create", "crm"), ("create", "erp")]
    await o.settle()
    assert (len(o.table("crm", "accounts")), len(o.table("erp", "parties"))) == (2, 2)
    o.crm.people.edit("accounts", account, {"phone": "+49301"})
    await o.settle()
    assert dict(o.erp.records("parties"))[party]["telephone"] == ACME_ERP["telephone"]
    assert len(await o.items()) == 2


@pytest.mark.spec(7)
@pytest.mark.parametrize("policy", [MergePolicy.KEEP, MergePolicy.ARCHIVE])
async def test_two_items_become_one_and_are_parted_again(office, policy):
    o = office(**NOTHING_MADE)
    item, account, party = await in_step(o)
    other = {"name": "ACME Holding", "tax_code": "DE129273398", "email": "x@acme.example", "active": True}
    double = o.erp.people.create("parties", other)
    await o.settle()
    (lost,) = [one.id for one in await o.items() if one.id != item]
    plan = await act(o, ActKind.MERGE, item, other=lost, policy=policy)
    kinds = {one.key: one.kind for one in plan.writes}
    assert kinds == {double: "update" if policy is MergePolicy.KEEP else "archive"}
    await o.settle()
    rows = o.erp.records("parties")
    if policy is MergePolicy.KEEP:
        assert (rows[double]["name"], rows[double]["email"]) == (ACME["name"], ACME["email"])
    else:
        assert rows[double]["active"] is False
    assert rows[party]["name"] == ACME["name"]
    assert [one.id for one in await hands(o).merged(item)] == [lost]
    assert len(await o.items()) == 1

    plan = await act(o, ActKind.PART, item, other=lost)
    await o.settle()
    assert {one.id for one in await o.items()} == {item, lost}
    if policy is MergePolicy.ARCHIVE:
        assert [(one.kind, one.key) for one in plan.writes] == [("restore", double)]
        row = o.erp.records("parties")[double]
        assert (row["active"], row["name"], row["email"]) == (True, "ACME Holding", "x@acme.example")
        link = await o.link(f"key = '{double}'")
        assert (link.item, link.state, link.doom) == (lost, LinkState.LINKED, None)
        o.erp.people.edit("parties", double, {"email": "new@holding.example"})
        await o.settle()
        (kept,) = [one for one in await o.items() if one.id == lost]
        assert kept.fields["email"] == "new@holding.example", "it is in step again"
    if policy is MergePolicy.KEEP:
        assert plan.writes[0].fields["name"] == (ACME["name"], "ACME Holding")
        assert o.erp.records("parties")[double]["name"] == "ACME Holding"
    assert o.erp.records("parties")[party]["name"] == ACME["name"]
    assert await hands(o).merged(item) == []
    with pytest.raises(NeedsPerson):
        await act(o, ActKind.PART, item, other=lost)
    del account


@pytest.mark.spec(7)
async def test_a_record_that_a_merge_deleted_is_made_anew_when_it_is_parted(office):
    o = office(**ONLY)
    item, _, party = await in_step(o)
    other = {"name": "Borealis", "tax_code": "DE129273398", "email": "x@borealis.example", "active": True}
    double = o.erp.people.create("parties", other)
    await o.settle()
    assert len(o.crm.records("accounts")) == 2
    (lost,) = [one.id for one in await o.items() if one.id != item]
    await act(o, ActKind.MERGE, item, other=lost, policy=MergePolicy.ARCHIVE)
    await o.settle()
    assert set(o.erp.records("parties")) == {party}
    assert len(o.crm.records("accounts")) == 1
    plan = await act(o, ActKind.PART, item, other=lost)
    assert sorted((one.kind, one.system) for one in plan.writes) == [("create", "crm"), ("create", "erp")]
    await o.settle()
    (made,) = [row for key, row in o.erp.records("parties").items() if key != party]
    assert (made["name"], made["email"]) == ("Borealis", "x@borealis.example")
    assert double not in o.erp.records("parties")
    assert len(o.crm.records("accounts")) == 2
    assert {one.id for one in await o.items()} == {item, lost}
    assert await o.inbox() == []


@pytest.mark.spec(7)
async def test_what_the_winner_lacks_it_gets_from_the_loser_until_they_are_parted(office):
    o = office(**NOTHING_MADE)
    account = o.crm.people.create("accounts", {**ACME, "phone": None, "vat": None, "name": "Acme"})
    o.erp.people.create("parties", {**ACME_ERP, "name": "Something quite different"})
    await o.settle()
    assert await o.inbox() == []
    (winner,) = [one for one in await o.items() if one.fields["name"] == "Acme"]
    (loser,) = [one for one in await o.items() if one.id != winner.id]
    plan = await act(o, ActKind.MERGE, winner.id, other=loser.id)
    assert plan.changes[winner.id]["phone"] == (None, ACME_ERP["telephone"])
    await o.settle()
    assert o.crm.records("accounts")[account]["phone"] == ACME_ERP["telephone"]
    await act(o, ActKind.PART, winner.id, other=loser.id)
    await o.settle()
    assert o.crm.records("accounts")[account]["phone"] is None
    assert o.one("erp", "parties")[1]["telephone"] == ACME_ERP["telephone"]


@pytest.mark.spec(7)
async def test_a_merge_does_not_make_a_second_record_where_the_loser_has_one(office):
    o = office(**ONLY, sides={("Customer", "crm"): {"create": CreatePolicy.NEVER}})
    o.crm.people.create("accounts", {**ACME, "vat": None, "name": "Acme"})
    o.erp.faults.add(Trouble.DOWN, on="write", times=1000)
    o.erp.people.create("parties", {**ACME_ERP, "name": "Something quite different"})
    await o.sync()
    (winner,) = [one for one in await o.items() if one.fields["name"] == "Acme"]
    (loser,) = [one for one in await o.items() if one.id != winner.id]
    assert (await o.link("state = 'creating'")).item == winner.id
    await act(o, ActKind.MERGE, winner.id, other=loser.id)
    o.erp.faults.heal()
    await o.settle()
    assert len(o.table("erp", "parties")) == 1
    assert len(await o.items()) == 1


@pytest.mark.spec(7)
async def test_who_was_slower_is_told_and_nothing_is_done(office):
    o = office(**ONLY)
    item, _, party = await in_step(o)
    wanted = LinkAct(kind=ActKind.UNLINK, item=item, link=await link_in(o, "erp", party))
    seen = await hands(o).preview(wanted)
    await hands(o).carry_out(wanted, stamp=seen.stamp)
    with pytest.raises(NeedsPerson):
        await hands(o).carry_out(wanted, stamp=seen.stamp)
    again = LinkAct(kind=ActKind.LINK, item=item, link=wanted.link)
    with pytest.raises(Conflict):
        await hands(o).carry_out(again, stamp=seen.stamp)


@pytest.mark.spec(7)
async def test_what_may_be_on_its_way_is_not_touched(office):
    o = office(**ONLY)
    o.crm.people.create("accounts", {**ACME, "vat": None, "city": None})
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    o.erp.faults.add(Trouble.DOWN, on="find", times=3)
    await o.sync()
    (item,) = await o.items()
    link = await o.link("system = 'erp' and state = 'creating'")
    assert link.intent is not None
    assert link.intent.sent_at is not None
    with pytest.raises(NeedsPerson, match="not known yet"):
        await hands(o).preview(LinkAct(kind=ActKind.UNLINK, item=item.id, link=link.id))


def _decoded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(msgspec.json.decode(one) for one in row) for row in rows]
