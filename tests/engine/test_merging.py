"""What becomes of the rest when two records are one, or turn out not to be (I7)."""

from __future__ import annotations

import pytest

from isthmus.connector import Deletes
from isthmus.model.flow import DeletePolicy, MergePolicy
from isthmus.model.state import InboxKind, LinkState
from isthmus.testing import Trouble
from tests.engine.office import ACME
from tests.engine.test_deleting import delete_while_unsure, merged, policy
from tests.engine.test_round import linked


@pytest.mark.spec(7)
async def test_what_the_winner_of_a_far_merge_knows_nothing_of_it_gets_from_the_loser(office):
    sides = {("Customer", "erp"): {"merge": MergePolicy.KEEP}}
    feed = {"feed": True, "deletes": Deletes.REPORTED}
    o = office(names=("Customer",), sides=sides, resources={("crm", "accounts"): feed})
    winner = o.crm.people.create("accounts", {**ACME, "phone": None})
    loser = o.crm.people.create("accounts", {**ACME, "name": "Old", "vat": "ATU9", "phone": "+43 1 5544"})
    await o.settle(2)
    o.crm.people.merge("accounts", loser, winner)
    await o.settle()
    (item,) = await o.items()
    assert (item.fields["name"], item.fields["phone"]) == ("Acme GmbH", "+4315544")
    assert o.one("crm", "accounts")[1]["phone"] == "+4315544", "not emptied, and told to the winner"


async def unsettled(office):
    """A merge about whose second record in the ERP a person is asked."""
    o = await merged(office, MergePolicy.HOLD)
    entry = await o.question(InboxKind.MERGE)
    return o, entry, entry.detail["key"]


@pytest.mark.spec(7)
async def test_separated_after_a_merge_the_item_lives_again_with_its_id_and_what_was_edited_meanwhile(office):
    o, entry, key = await unsettled(office)
    (lost,) = await o.items("alias_of is not null")
    o.erp.people.edit("parties", key, {"telephone": "+43199"})
    await o.settle()
    await o.decide(entry, "separate")
    await o.settle()
    assert await o.inbox() == []
    assert {x.fields["name"]: (x.id == lost.id, x.fields["phone"]) for x in await o.items()} == {
        "Acme GmbH": (False, lost.fields["phone"]),
        "Acme Old": (True, "+43199"),
    }
    assert sorted(x["phone"] for x in o.table("crm", "accounts")) == sorted([lost.fields["phone"], "+43199"])


@pytest.mark.spec(7)
async def test_one_answer_settles_all_systems_in_which_the_merged_item_has_a_record(office):
    sides = {("Customer", name): {"merge": MergePolicy.HOLD} for name in ("erp", "erp2")}
    feed = {"feed": True, "deletes": Deletes.REPORTED}
    o = office(("crm", "erp", "erp2"), names=("Customer",), sides=sides, resources={("crm", "accounts"): feed})
    winner = o.crm.people.create("accounts", ACME)
    loser = o.crm.people.create("accounts", {**ACME, "name": "Acme Old", "vat": "ATU9"})
    await o.settle(2)
    o.crm.people.merge("accounts", loser, winner)
    await o.settle()
    first, second = await o.inbox(InboxKind.MERGE)
    assert {first.detail["system"], second.detail["system"]} == {"erp", "erp2"}
    await o.decide(first, "separate")
    await o.settle()
    assert await o.inbox() == []
    assert [len(o.table(name, "parties")) for name in ("erp", "erp2")] == [2, 2], "no record was made once more"
    assert len(await o.items()) == 2


@pytest.mark.spec(7)
async def test_a_doubtful_record_that_vanishes_takes_nothing_with_it(office):
    o = await merged(office, MergePolicy.HOLD, delete=DeletePolicy.PROPAGATE)
    o.flow_changes["sides"][("Customer", "crm")] = {"delete": DeletePolicy.PROPAGATE}
    entry = await o.question(InboxKind.MERGE)
    await o.start()
    o.erp.people.delete("parties", entry.detail["key"])
    await o.settle()
    assert await o.inbox() == []
    assert [x["name"] for x in o.table("crm", "accounts")] == ["Acme GmbH"]
    assert [x["name"] for x in o.table("erp", "parties")] == ["Acme GmbH"]


@pytest.mark.spec(7)
@pytest.mark.parametrize("by", ["delete", "merge"])
async def test_of_two_records_that_are_one_thing_one_is_enough(office, by):
    o = await merged(office, MergePolicy.KEEP)
    o.flow_changes["sides"][("Customer", "crm")] = {"delete": DeletePolicy.PROPAGATE}
    await o.start()
    one, other = sorted(o.erp.records("parties"))
    if by == "delete":
        o.erp.people.delete("parties", one)
    else:
        o.erp.people.merge("parties", one, other)
    await o.settle()
    assert [x["name"] for x in o.table("crm", "accounts")] == ["Acme GmbH"]
    assert [x["name"] for x in o.table("erp", "parties")] == ["Acme GmbH"]
    o.erp.people.delete("parties", other)
    await o.settle()
    assert o.table("crm", "accounts") == [], "the last one is not"


@pytest.mark.spec(5)
@pytest.mark.spec(7)
async def test_a_create_that_is_unsure_when_its_item_is_deleted_is_set_apart_when_it_turns_up(office):
    o = office(names=("Customer",), **policy(DeletePolicy.UNLINK))
    await delete_while_unsure(o, Trouble.AFTER)
    await o.settle(6)
    assert o.table("crm", "accounts") == [], "it did not come back"
    assert len(o.table("erp", "parties")) == 1
    assert {(x.system, x.state) for x in await o.links()} == {("crm", LinkState.GONE), ("erp", LinkState.UNLINKED)}
    assert await o.items() == []


@pytest.mark.spec(1)
async def test_an_older_reading_before_a_write_is_no_agreement(office):
    writers = {("Customer", "credit_limit"): {"writers": ("erp",)}}
    o = await linked(
        office, rules=writers, resources={("crm", "accounts"): {"versioned": True, "ordered_versions": True}}
    )
    key = o.one("crm", "accounts")[0]
    before = o.one("crm", "accounts")[1]["limit"]
    o.crm.people.edit("accounts", key, {"limit": 77})
    # The look at the change is up to date, the reading before the write comes from a replica that lags.
    o.crm.faults.add(Trouble.STALE, on="fetch", times=1)
    await o.settle()
    assert o.one("crm", "accounts")[1]["limit"] == before


@pytest.mark.spec(3)
async def test_a_part_that_a_system_shows_for_the_first_time_overwrites_nobody_silently(office):
    o = await linked(office)
    erp_key = o.one("erp", "parties")[0]
    (link,) = await o.links("system = 'crm'")
    # As if the part had been added to the mapping later: never seen there, and another one than the ERP's.
    await o.rows(
        f"update link set base = base #- '{{address,city}}', digest = null where id = '{link.id}' returning id"
    )
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"city": "Wien"})
    await o.settle()
    question = await o.question(InboxKind.CONFLICT)
    assert question.detail["fields"]["address"]["far"]["city"] == "Wien"
    assert o.erp.records("parties")[erp_key]["addresses"][0]["city"] == "Berlin"


@pytest.mark.spec(3)
@pytest.mark.spec(7)
async def test_what_was_edited_while_a_merge_was_asked_about_is_not_written_over_when_both_are_kept(office):
    o, entry, key = await unsettled(office)
    o.erp.people.edit("parties", key, {"name": "Edited meanwhile"})
    await o.settle()
    await o.decide(entry, "keep")
    await o.settle()
    assert o.erp.records("parties")[key]["name"] == "Edited meanwhile"
    question = await o.question(InboxKind.CONFLICT)
    assert question.detail["fields"]["name"] == {"base": "Acme Old", "hub": "Acme GmbH", "far": "Edited meanwhile"}


@pytest.mark.spec(5)
@pytest.mark.spec(6)
async def test_a_record_that_a_person_linked_while_its_create_was_unsure_stops_nobody(office):
    o = office(names=("Customer",))
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    o.erp.faults.add(Trouble.DOWN, on="find", times=1)
    await o.sync()
    (item,) = await o.items()
    (made,) = o.erp.records("parties")
    # The record was read and waited to be matched; a person was quicker than the look-up.
    await o.engine.observers["erp"].look("parties", [made])
    link = await o.link("key is not null and system = 'erp'")
    await o.rows(f"update link set item = '{item.id}', state = 'linked' where id = '{link.id}' returning id")
    o.crm.people.create("accounts", {**ACME, "name": "Another", "vat": "ATU7"})
    await o.settle()
    assert sorted(x["name"] for x in o.table("erp", "parties")) == ["Acme GmbH", "Another"]
    assert {x.state for x in await o.links()} == {LinkState.LINKED}


@pytest.mark.spec(7)
@pytest.mark.parametrize("choice", ["keep", "archive", "separate"])
async def test_what_is_asked_about_while_a_write_to_it_is_under_way_stays_asked_about(office, choice):
    sides = {("Customer", "erp"): {"merge": MergePolicy.HOLD, "archive": {"active": False}}}
    feed = {"feed": True, "deletes": Deletes.REPORTED}
    o = office(names=("Customer",), sides=sides, resources={("crm", "accounts"): feed})
    winner = o.crm.people.create("accounts", ACME)
    loser = o.crm.people.create("accounts", {**ACME, "name": "Acme Old", "vat": "ATU9"})
    await o.settle(2)
    key, _ = o.one("erp", "parties", name="Acme Old")

    async def merge():
        o.crm.people.merge("accounts", loser, winner)
        await o.engine.observers["crm"].poll("accounts")

    o.during_the_next_write("erp", "parties", merge)
    o.crm.people.edit("accounts", loser, {"phone": "+43199"})
    await o.settle()
    question = await o.question(InboxKind.MERGE)
    assert question.detail["key"] == key
    assert (await o.link(f"key = '{key}'")).state is LinkState.DOUBTFUL
    await o.decide(question, choice)
    await o.settle()
    assert await o.inbox() == []
    row, names = o.erp.records("parties")[key], {x.fields["name"] for x in await o.items()}
    separate = choice == "separate"
    assert names == ({"Acme GmbH", "Acme Old"} if separate else {"Acme GmbH"})
    assert row["active"] is (choice != "archive")
    # What was written while it was asked about is no edit of the ERP's.
    assert row["telephone"] == (ACME["phone"] if choice == "keep" else "+43199")
    assert o.one("crm", "accounts", name="Acme GmbH")[1]["phone"] == ACME["phone"]


@pytest.mark.spec(7)
@pytest.mark.parametrize("by", ["a reading", "an answer"])
async def test_of_two_records_that_are_asked_about_one_is_enough_whichever_vanishes(office, by):
    o, entry, key = await unsettled(office)
    o.flow_changes["sides"][("Customer", "crm")] = {"delete": DeletePolicy.PROPAGATE}
    await o.start()
    (other,) = entry.detail["others"]
    o.erp.people.edit("parties", key, {"email": "old@acme.example"})
    if by == "an answer":
        # It is seen only when it is written to.
        o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"phone": "+49301"})
        place = o.engine.systems["erp"].resources()["parties"]
        fetch = place.fetch

        async def too_late(keys):
            answers = await fetch(keys)
            if other in keys and other in o.erp.records("parties"):
                o.erp.people.delete("parties", other)
            return answers

        place.fetch = too_late
        await o.engine.observers["crm"].poll("accounts")
        await o.engine.apply("Customer", "erp")
        assert other not in o.erp.records("parties")
    else:
        o.erp.people.delete("parties", other)
    await o.settle()
    assert await o.inbox() == [], "nothing is left to ask"
    (item,) = await o.items()
    link = await o.link(f"key = '{key}'")
    assert (link.item, link.state) == (item.id, LinkState.LINKED)
    assert item.fields["email"] == "old@acme.example", "what was edited meanwhile is not lost"
    assert o.one("crm", "accounts")[1]["email"] == "old@acme.example"
    assert o.one("erp", "parties")[1]["name"] == "Acme GmbH", "the winner's values stay"


@pytest.mark.spec(7)
async def test_kept_after_everything_else_was_deleted_the_record_has_a_living_item(office):
    o, _, key = await unsettled(office)
    o.flow_changes["sides"][("Customer", "erp")] = {"delete": DeletePolicy.PROPAGATE}
    await o.start()
    o.crm.people.delete("accounts", o.one("crm", "accounts")[0])
    await o.settle()
    assert list(o.erp.records("parties")) == [key]
    assert await o.items() == []
    await o.decide(await o.question(InboxKind.MERGE), "keep")
    await o.settle()
    assert await o.inbox() == []
    (item,) = await o.items()
    assert (await o.link(f"key = '{key}'")).item == item.id
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == item.fields["name"]
