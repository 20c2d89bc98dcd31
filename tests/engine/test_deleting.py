"""Deletes, merges, restores and the brake (I7)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from isthmus.connector import Deletes, Gone
from isthmus.errors import NeedsPerson, UnknownOutcome
from isthmus.model.flow import Brake, CreatePolicy, DeletePolicy, MergePolicy
from isthmus.model.state import InboxKind
from isthmus.testing import Trouble
from isthmus.testing.memory import rounds
from tests.engine.office import ACME, ACME_ERP
from tests.engine.test_round import linked


def policy(which, system="erp", **more):
    return {"sides": {("Customer", system): {"delete": which, "archive": {"active": False}, **more}}}


async def deleted_in_crm(office, which, **more):
    o = await linked(office, **policy(which), **more)
    o.crm.people.delete("accounts", o.one("crm", "accounts")[0])
    await o.settle()
    return o


@pytest.mark.spec(7)
async def test_propagate_deletes_the_counterpart(office):
    o = await deleted_in_crm(office, DeletePolicy.PROPAGATE)
    assert o.table("erp", "parties") == []
    assert await o.items() == []
    assert {x.state for x in await o.links()} == {"gone"}
    o.forget_calls()
    await o.settle()
    assert o.writes() == 0


@pytest.mark.spec(7)
async def test_archive_keeps_the_counterpart_out_of_use(office):
    o = await deleted_in_crm(office, DeletePolicy.ARCHIVE)
    assert o.one("erp", "parties")[1]["active"] is False
    assert o.table("crm", "accounts") == []
    o.forget_calls()
    await o.settle()
    assert o.writes() == 0


@pytest.mark.spec(7)
async def test_restore_makes_the_vanished_record_again(office):
    o = await deleted_in_crm(office, DeletePolicy.RESTORE)
    assert o.one("crm", "accounts")[1]["name"] == "Acme GmbH"
    assert o.one("erp", "parties")[1]["name"] == "Acme GmbH"
    o.forget_calls()
    await o.settle()
    assert o.writes() == 0
    assert len(await o.items()) == 1


@pytest.mark.spec(7)
async def test_restore_works_with_several_counterparts(office):
    sides = {("Customer", s): {"delete": DeletePolicy.RESTORE} for s in ("erp", "erp2")}
    o = await linked(office, systems=("crm", "erp", "erp2"), sides=sides)
    o.crm.people.delete("accounts", o.one("crm", "accounts")[0])
    await o.settle()
    assert o.one("crm", "accounts")[1]["name"] == "Acme GmbH"
    assert len(o.table("erp", "parties")) == len(o.table("erp2", "parties")) == 1


@pytest.mark.spec(7)
async def test_unlink_leaves_the_counterpart_alone(office):
    o = await deleted_in_crm(office, DeletePolicy.UNLINK)
    o.erp.people.edit("parties", o.one("erp", "parties")[0], {"name": "Later"})
    await o.settle()
    assert o.one("erp", "parties")[1]["name"] == "Later"
    assert o.table("crm", "accounts") == []


@pytest.mark.spec(7)
@pytest.mark.parametrize("choice", ["propagate", "archive", "restore", "unlink"])
async def test_hold_asks_and_does_as_decided(office, choice):
    o = await deleted_in_crm(office, DeletePolicy.HOLD)
    assert o.one("erp", "parties")[1]["active"] is True
    entry = await o.question(InboxKind.DELETE)
    await o.decide(entry, choice)
    await o.settle()
    assert len(o.table("erp", "parties")) == (choice != "propagate")
    assert len(o.table("crm", "accounts")) == (choice == "restore")
    if choice == "archive":
        assert o.one("erp", "parties")[1]["active"] is False
    assert await o.inbox() == []


@pytest.mark.spec(7)
@pytest.mark.parametrize("choice", ["propagate", "restore"])
async def test_what_was_deleted_is_made_nowhere_while_it_is_asked_about(office, choice):
    """Its create in a third system had not been sent yet when it was deleted."""
    hold = {("Customer", "erp"): {"delete": DeletePolicy.HOLD}}
    o = office(("crm", "erp", "erp2"), names=("Customer",), sides=hold)
    o.worlds["erp2"].faults.add(Trouble.DOWN, on="write", times=1)
    o.crm.people.create("accounts", ACME)
    await o.sync()
    assert (len(o.table("erp", "parties")), len(o.table("erp2", "parties"))) == (1, 0)
    o.crm.people.delete("accounts", o.one("crm", "accounts")[0])
    await o.settle(3)
    entry = await o.question(InboxKind.DELETE)
    assert (len(o.table("erp", "parties")), len(o.table("erp2", "parties"))) == (1, 0)
    await o.decide(entry, choice)
    await o.settle(3)
    left = 1 if choice == "restore" else 0
    assert [len(o.table(*place)) for place in (("crm", "accounts"), ("erp", "parties"), ("erp2", "parties"))] == [
        left
    ] * 3


@pytest.mark.spec(7)
async def test_a_delete_reported_by_the_feed_arrives(office):
    o = await linked(office)
    o.erp.people.delete("parties", o.one("erp", "parties")[0])
    await o.settle(2)
    assert o.table("crm", "accounts") == []


@pytest.mark.spec(7)
async def test_a_scan_cut_short_deletes_nothing(office):
    o = office(names=("Customer",))
    for number in range(7):
        o.crm.people.create("accounts", {**ACME, "name": f"N{number}", "vat": f"V{number}", "city": f"T{number}"})
    await o.settle(2)
    o.crm.people.delete("accounts", o.one("crm", "accounts", name="N0")[0])
    o.crm.faults.add(Trouble.DOWN, on="scan", skip=1, times=1)
    await o.sync()
    assert len(o.table("erp", "parties")) == 7
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 6


@pytest.mark.spec(7)
async def test_what_a_scan_did_not_show_is_fetched_before_it_counts_as_gone(office):
    """A record moved between pages while the scan ran."""
    o = await linked(office)
    await o.start()
    resource = o.engine.systems["crm"].resources()["accounts"]
    inner = resource.scan

    async def scan(after):
        page = await inner(after)
        return replace(page, items=[])

    resource.scan = scan
    await o.sync()
    assert len(o.table("erp", "parties")) == 1
    assert {x.state for x in await o.links()} == {"linked"}


@pytest.mark.spec(7)
async def test_a_record_deleted_before_it_was_made_elsewhere_is_not_made(office):
    o = office(names=("Customer",))
    key = o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.DOWN, on="write")
    await o.sync()
    o.crm.people.delete("accounts", key)
    await o.sync()
    o.erp.faults.heal()
    await o.settle()
    assert o.table("erp", "parties") == []
    assert await o.items() == []


async def delete_while_unsure(o, trouble):
    """Made in the CRM, and deleted there while its create in the ERP is unsure."""
    key = o.crm.people.create("accounts", ACME)
    o.erp.faults.add(trouble, on="write", times=1)
    o.erp.faults.add(Trouble.DOWN, on="find", times=2)
    await o.sync()
    o.crm.people.delete("accounts", key)


@pytest.mark.spec(7)
@pytest.mark.parametrize("trouble", [Trouble.AFTER, Trouble.BEFORE])
async def test_a_record_deleted_while_its_create_is_unsure_ends_up_nowhere(office, trouble):
    o = office(names=("Customer",))
    await delete_while_unsure(o, trouble)
    await o.settle(6)
    assert o.table("erp", "parties") == []
    assert o.table("crm", "accounts") == []
    assert await o.items() == []
    assert await o.inbox() == []


async def deleted_while_unsure(office, which, made=None):
    """Deleted in the CRM while its create in the ERP is unsure. The ERP rounds amounts and knows no tokens, so that a
    look-up by content finds nothing; what is there was read, though. ``made``: by somebody else, instead of the
    create."""
    how = {"keeps_token": False, "normalise": {"credit_limit": rounds(0)}}
    o = office(names=("Customer",), **policy(which), resources={("erp", "parties"): how})
    key = o.crm.people.create("accounts", {**ACME, "limit": Decimal("1000.25")})
    o.erp.faults.add(Trouble.BEFORE if made else Trouble.AFTER, on="write", times=1)
    o.erp.faults.add(Trouble.DOWN, on="find", times=2)
    await o.sync()
    if made:
        o.erp.people.create("parties", made)
    await o.sync()
    assert [x.state for x in await o.links("system = 'erp'")] == ["creating", "new"]
    o.crm.people.delete("accounts", key)
    await o.settle(6)
    assert o.table("crm", "accounts") == []
    assert await o.links("state in ('creating', 'new')") == []
    return o


@pytest.mark.spec(5)
@pytest.mark.spec(7)
@pytest.mark.parametrize("which", [DeletePolicy.PROPAGATE, DeletePolicy.ARCHIVE, DeletePolicy.UNLINK])
async def test_what_came_of_an_unsure_create_goes_with_its_item_though_a_look_up_finds_nothing(office, which):
    o = await deleted_while_unsure(office, which)
    assert [x["active"] for x in o.table("erp", "parties")] == {"archive": [False], "unlink": [True]}.get(which, [])
    assert len(await o.items()) == (which is DeletePolicy.ARCHIVE)
    assert await o.inbox() == []


@pytest.mark.spec(5)
@pytest.mark.spec(7)
@pytest.mark.parametrize("choice", ["propagate", "restore", "unlink"])
async def test_what_may_have_come_of_an_unsure_create_and_shows_something_else_is_asked_about(office, choice):
    o = await deleted_while_unsure(office, DeletePolicy.PROPAGATE, {**ACME_ERP, "telephone": "+49 30 77"})
    await o.decide(await o.question(InboxKind.DELETE), choice)
    await o.settle()
    assert len(o.table("erp", "parties")) == (choice != "propagate")
    assert len(o.table("crm", "accounts")) == (choice == "restore")
    assert await o.inbox(InboxKind.DELETE) == []


@pytest.mark.spec(5)
@pytest.mark.spec(7)
@pytest.mark.parametrize("choice", ["propagate", "archive", "restore", "unlink"])
async def test_what_came_of_an_unsure_create_is_still_asked_about_though_a_look_up_finds_nothing(office, choice):
    o = await deleted_while_unsure(office, DeletePolicy.HOLD)
    assert len(o.table("erp", "parties")) == 1
    question = await o.question(InboxKind.DELETE)
    assert question.detail["key"] == o.one("erp", "parties")[0]
    await o.decide(question, choice)
    await o.settle()
    shown = [x["active"] for x in o.table("erp", "parties")]
    assert shown == {"propagate": [], "archive": [False]}.get(choice, [True])
    assert len(o.table("crm", "accounts")) == (choice == "restore")
    assert await o.inbox() == []


@pytest.mark.spec(5)
@pytest.mark.spec(7)
async def test_a_create_that_did_not_happen_is_forgotten_when_nothing_else_is_left_of_its_item(office):
    o = office(names=("Customer",), **policy(DeletePolicy.HOLD))
    await delete_while_unsure(o, Trouble.BEFORE)
    await o.sync()
    assert await o.inbox(InboxKind.DELETE)
    await o.settle(6)
    assert o.table("erp", "parties") == []
    assert await o.items() == []
    assert await o.inbox() == []


@pytest.mark.spec(5)
@pytest.mark.spec(7)
@pytest.mark.parametrize("choice", ["propagate", "restore", "unlink"])
async def test_a_create_that_did_not_happen_is_not_sent_again_while_it_is_asked_about_its_item(office, choice):
    hold = {"delete": DeletePolicy.HOLD}
    o = office(
        ("crm", "erp", "shop"), names=("Customer",), sides={("Customer", "erp"): hold, ("Customer", "shop"): hold}
    )
    await delete_while_unsure(o, Trouble.BEFORE)
    await o.settle(6)
    assert o.table("erp", "parties") == []
    question = await o.question(InboxKind.DELETE)
    assert question.detail["system"] == "shop"
    await o.decide(question, choice)
    await o.settle()
    left = [len(o.table(*place)) for place in (("crm", "accounts"), ("erp", "parties"), ("shop", "parties"))]
    assert left == {"propagate": [0, 0, 0], "restore": [1, 1, 1], "unlink": [0, 0, 1]}[choice]
    assert await o.inbox() == []


@pytest.mark.spec(7)
async def test_a_create_of_what_was_deleted_since_is_not_made_by_a_person_who_says_that_it_is_not_there(office):
    o = office(names=("Customer",), resources={("erp", "parties"): {"findable": False}})
    key = o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.BEFORE, on="write", times=1)
    await o.sync()
    o.crm.people.delete("accounts", key)
    await o.settle()
    await o.decide(await o.question(InboxKind.FAILURE), "create")
    await o.settle()
    assert o.table("erp", "parties") == []
    assert await o.items() == []
    assert await o.links("state = 'creating'") == []
    assert await o.inbox() == []


@pytest.mark.spec(7)
@pytest.mark.parametrize("trouble", [Trouble.DOWN, Trouble.TOO_MANY])
async def test_a_create_that_is_refused_while_its_item_is_deleted_is_forgotten(office, trouble):
    o = office(names=("Customer",))
    key = o.crm.people.create("accounts", ACME)
    await o.start()
    resource = o.engine.systems["erp"].resources()["parties"]
    write = resource.write

    async def slow(writes):
        o.crm.people.delete("accounts", key)
        await o.engine.poll("crm", "accounts")
        return await write(writes)

    resource.write = slow
    o.erp.faults.add(trouble, on="write", times=1)
    await o.sync()
    del resource.write
    await o.settle()
    assert o.table("erp", "parties") == []
    assert await o.items() == []
    assert await o.links("state = 'creating'") == []


@pytest.mark.spec(7)
async def test_a_restored_record_takes_up_its_old_link(office):
    o = await linked(office, **policy(DeletePolicy.HOLD))
    key, _ = o.one("crm", "accounts")
    before = (await o.link(f"key = '{key}'")).id
    o.crm.people.delete("accounts", key)
    await o.settle(2)
    assert len(await o.inbox(InboxKind.DELETE)) == 1
    o.crm.people.restore("accounts", key)
    o.crm.people.edit("accounts", key, {"email": "back@acme.example"})
    await o.settle(2)
    link = await o.link(f"key = '{key}'")
    assert (link.id, link.state) == (before, "linked")
    assert o.one("erp", "parties")[1]["email"] == "back@acme.example"
    assert await o.inbox() == []


@pytest.mark.spec(7)
async def test_a_record_restored_after_its_counterpart_was_deleted_has_one_again(office):
    o = await linked(office)
    key, _ = o.one("crm", "accounts")
    o.crm.people.delete("accounts", key)
    await o.settle(2)
    assert o.table("erp", "parties") == []
    o.crm.people.restore("accounts", key)
    await o.settle(2)
    assert o.one("erp", "parties")[1]["name"] == "Acme GmbH"
    assert len(await o.items()) == 1
    assert await o.inbox() == []


@pytest.mark.spec(7)
async def test_a_record_restored_before_its_counterpart_was_deleted_keeps_it(office):
    o = await linked(office)
    key, _ = o.one("crm", "accounts")
    o.crm.people.delete("accounts", key)
    o.erp.faults.add(Trouble.DOWN, on="write")
    await o.sync()
    o.crm.people.restore("accounts", key)
    await o.sync()
    o.erp.faults.heal()
    await o.settle(2)
    assert len(o.table("erp", "parties")) == len(o.table("crm", "accounts")) == 1


@pytest.mark.spec(7)
@pytest.mark.parametrize("lost", [True, False])
async def test_a_delete_that_is_seen_before_its_answer_is_over(office, lost):
    o = await linked(office, **policy(DeletePolicy.PROPAGATE))
    key = o.one("erp", "parties")[0]
    parties = o.engine.systems["erp"].resources()["parties"]
    write = parties.write

    async def crossed(writes):
        answers = await write(writes)
        await o.engine.look("erp", "parties", [key])
        return [UnknownOutcome("No answer.") for _ in answers] if lost else answers

    parties.write = crossed
    o.crm.people.delete("accounts", o.one("crm", "accounts")[0])
    await o.settle()
    assert o.table("erp", "parties") == []
    assert await o.links("due_at is not null or problem is not null") == []


@pytest.mark.spec(7)
async def test_what_is_restored_by_one_decision_is_asked_about_no_more(office):
    hold = {("Customer", system): {"delete": DeletePolicy.HOLD} for system in ("erp", "erp2")}
    o = await linked(office, systems=("crm", "erp", "erp2"), sides=hold)
    o.crm.people.delete("accounts", o.one("crm", "accounts")[0])
    await o.settle()
    first, second = await o.inbox(InboxKind.DELETE)
    await o.decide(first, "restore")
    with pytest.raises(NeedsPerson, match="decided this already"):
        await o.decide(second, "restore")
    await o.settle()
    assert [len(o.table(s, "accounts" if s == "crm" else "parties")) for s in o.names] == [1, 1, 1]
    assert await o.inbox() == []


@pytest.mark.spec(7)
async def test_a_question_about_a_record_that_vanished_is_asked_no_more(office):
    o = await merged(office, MergePolicy.HOLD)
    entry = await o.question(InboxKind.MERGE)
    o.erp.people.delete("parties", entry.detail["key"])
    await o.settle()
    assert await o.inbox(InboxKind.MERGE) == []


async def merged(office, which, *, overlap=0, **more):
    sides = {("Customer", "erp"): {"merge": which, "archive": {"active": False}, **more}}
    feed = {"feed": True, "deletes": Deletes.REPORTED, "overlap": overlap}
    o = office(names=("Customer",), sides=sides, resources={("crm", "accounts"): feed})
    winner = o.crm.people.create("accounts", ACME)
    loser = o.crm.people.create("accounts", {**ACME, "name": "Acme Old", "vat": "ATU9", "city": "Wien"})
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 2
    o.crm.people.merge("accounts", loser, winner)
    o.forget_calls()
    await o.settle()
    assert len(await o.items()) == 1
    return o


@pytest.mark.spec(7)
@pytest.mark.parametrize("which", [MergePolicy.KEEP, MergePolicy.HOLD])
async def test_a_merge_told_on_the_same_page_as_its_unchanged_winner_is_carried_out(office, which):
    o = await merged(office, which, overlap=5)
    if which is MergePolicy.HOLD:
        await o.decide(await o.question(InboxKind.MERGE), "keep")
        await o.settle()
    assert [x["name"] for x in o.table("erp", "parties")] == ["Acme GmbH", "Acme GmbH"]


@pytest.mark.spec(7)
async def test_a_far_merge_joins_the_items_and_holds_the_rest(office):
    o = await merged(office, MergePolicy.HOLD)
    entry = await o.question(InboxKind.MERGE)
    assert sorted(x["name"] for x in o.table("erp", "parties")) == ["Acme GmbH", "Acme Old"]
    await o.decide(entry, "archive")
    await o.settle()
    assert await o.inbox() == []
    assert {x["name"]: x["active"] for x in o.table("erp", "parties")} == {"Acme GmbH": True, "Acme Old": False}
    assert o.one("crm", "accounts")[1]["active"] is True


@pytest.mark.spec(7)
async def test_a_far_merge_archives_the_losers_record_and_not_the_winner(office):
    o = await merged(office, MergePolicy.ARCHIVE)
    assert {x["name"]: x["active"] for x in o.table("erp", "parties")} == {"Acme GmbH": True, "Acme Old": False}
    assert o.one("crm", "accounts")[1]["active"] is True
    assert await o.inbox() == []


@pytest.mark.spec(7)
async def test_a_far_merge_may_keep_both_records_in_step(office):
    o = await merged(office, MergePolicy.KEEP)
    assert [x["name"] for x in o.table("erp", "parties")] == ["Acme GmbH", "Acme GmbH"]
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    await o.settle(2)
    assert [x["name"] for x in o.table("erp", "parties")] == ["Acme SE", "Acme SE"]


@pytest.mark.spec(7)
async def test_after_a_merge_a_record_can_be_set_apart_again(office):
    o = await merged(office, MergePolicy.HOLD)
    await o.decide(await o.question(InboxKind.MERGE), "separate")
    await o.settle()
    assert len(await o.items()) == 2
    assert sorted(x["name"] for x in o.table("crm", "accounts")) == ["Acme GmbH", "Acme Old"]


@pytest.mark.spec(7)
async def test_children_of_a_merged_parent_can_still_be_written(office):
    o = office(
        systems=("crm", "erp", "erp2"),
        names=("Customer", "Contact"),
        sides={
            ("Customer", "erp"): {"merge": MergePolicy.KEEP},
            ("Customer", "erp2"): {"merge": MergePolicy.KEEP},
            ("Contact", "erp2"): {"create": CreatePolicy.NEVER},
        },
        resources={("crm", "accounts"): {"feed": True, "deletes": Deletes.REPORTED}},
    )
    winner = o.crm.people.create("accounts", ACME)
    loser = o.crm.people.create("accounts", {**ACME, "name": "Acme Old", "vat": "ATU9", "city": "Wien"})
    await o.settle(2)
    old_party = o.one("erp", "parties", name="Acme Old")[0]
    o.erp.people.create("people", {"party": old_party, "first_name": "A", "last_name": "Lee", "email": "a@x.example"})
    await o.settle(2)
    o.crm.people.merge("accounts", loser, winner)
    await o.settle(2)
    o.flow_changes["sides"] = {**o.flow_changes["sides"], ("Contact", "erp2"): {"create": CreatePolicy.ALWAYS}}
    await o.start()
    o.erp.people.edit("people", o.one("erp", "people")[0], {"phone": "1"})
    await o.settle(2)
    assert len(o.table("erp2", "people")) == 1


@pytest.mark.spec(7)
async def test_a_mass_delete_stops_and_asks_and_an_approval_counts_writes(office):
    o = office(names=("Customer",), flow_options={"Customer": {"brake": Brake(deletes_at_least=3)}})
    keys = [
        o.crm.people.create("accounts", {**ACME, "name": f"N{n}", "vat": f"V{n}", "city": f"T{n}"}) for n in range(8)
    ]
    await o.settle(2)
    for key in keys[:5]:
        o.crm.people.delete("accounts", key)
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 8
    entry = await o.question(InboxKind.BRAKE)
    assert (entry.detail["waiting"], entry.detail["limit"]) == (5, 3)
    await o.decide(entry, "approve")
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 3
    assert await o.inbox() == []
    o.crm.people.delete("accounts", keys[5])
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 2


@pytest.mark.spec(7)
async def test_a_mass_of_creates_is_held_and_goes_on_when_approved(office):
    o = office(names=("Customer",), flow_options={"Customer": {"brake": Brake(at_least=3)}})
    for n in range(6):
        o.crm.people.create("accounts", {**ACME, "name": f"N{n}", "vat": f"V{n}", "city": f"T{n}"})
    await o.settle(2)
    assert o.table("erp", "parties") == []
    entry = await o.question(InboxKind.BRAKE)
    assert entry.summary.startswith("6 creates in erp")
    await o.decide(entry, "approve")
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 6


@pytest.mark.spec(7)
async def test_a_held_brake_stays_held_without_asking_every_round(office):
    o = office(names=("Customer",), flow_options={"Customer": {"brake": Brake(at_least=3)}})
    for n in range(6):
        o.crm.people.create("accounts", {**ACME, "name": f"N{n}", "vat": f"V{n}", "city": f"T{n}"})
    await o.settle(2)
    await o.decide(await o.question(InboxKind.BRAKE), "hold")
    await o.settle(3)
    assert o.table("erp", "parties") == []
    [(entries,)] = await o.rows("select count(*) from inbox where kind = 'brake'")
    assert entries <= 2


@pytest.mark.spec(7)
async def test_records_of_a_person_are_not_taken_for_gone_when_a_late_page_shows_them(office):
    """A page read before the delete comes in after it: the record must not rise again."""
    o = await linked(office, resources={("crm", "accounts"): {"deletes": Deletes.REPORTED, "feed": True}})
    key = o.one("crm", "accounts")[0]
    await o.start()
    began = o.clock()
    page = [o.crm.record("accounts", key)]
    o.crm.people.delete("accounts", key)
    await o.settle(2)
    assert o.table("erp", "parties") == []
    await o.engine.observers["crm"].ingest("accounts", page, began)
    await o.settle(2)
    assert o.table("erp", "parties") == []
    assert await o.items() == []


@pytest.mark.spec(7)
async def test_a_fetch_right_after_a_create_that_shows_nothing_deletes_nothing(office):
    """A replica that does not know the new record yet."""
    o = office(names=("Customer",), resources={("erp", "parties"): {"settle": timedelta(seconds=30)}})
    o.crm.people.create("accounts", ACME)
    await o.sync()
    key = o.one("erp", "parties")[0]
    await o.engine.observers["erp"].ingest("parties", [Gone(key=key)], o.clock())
    await o.settle()
    assert len(o.table("crm", "accounts")) == len(o.table("erp", "parties")) == 1
