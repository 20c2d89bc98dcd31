"""Created once (I5), and order where it matters (I6)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from isthmus.errors import UnknownOutcome
from isthmus.model.flow import Brake, CreatePolicy, DeletePolicy
from isthmus.model.state import InboxKind
from isthmus.testing import Trouble
from tests.engine.office import ACME, ACME_ERP

ONLY = {"names": ("Customer",)}
TROUBLES = [Trouble.AFTER, Trouble.BEFORE, Trouble.GARBAGE, Trouble.BROKEN, Trouble.TOO_MANY, Trouble.DOWN]


def lose_the_answer(o, edit):
    """Somebody edits what the next write to the ERP makes, and nobody tells the hub what came of it."""
    parties = o.engine.systems["erp"].resources()["parties"]
    write = parties.write

    async def lost(writes):
        parties.write = write
        for answer in await write(writes):
            o.erp.people.edit("parties", answer.key, edit)
        return [UnknownOutcome("No answer.") for _ in writes]

    parties.write = lost


@pytest.mark.spec(5)
@pytest.mark.parametrize("moved", [False, True])
async def test_an_edit_of_a_create_whose_answer_was_lost_is_not_overwritten(office, moved):
    o = office(names=("Customer",))
    o.crm.people.create("accounts", ACME)
    await o.start()
    lose_the_answer(o, {"telephone": "+4930999"})
    if moved:
        await o.sync()
        o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"phone": "+4930555"})
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == "+4930999"
    link = await o.link("system = 'erp'")
    assert (list(link.not_held), list(link.conflicts)) == ([], ["phone"] if moved else [])
    assert o.one("crm", "accounts")[1]["phone"] == ("+4930555" if moved else "+4930999")


@pytest.mark.spec(5)
@pytest.mark.parametrize(
    ("edit", "moved", "erp", "crm"),
    [
        ({"telephone": "+4930999"}, {}, ("+4930999", "info@acme.example"), ("+4930999", "info@acme.example")),
        (
            {"telephone": "+4930999"},
            {"phone": "+4930555"},
            ("+4930999", "info@acme.example"),
            ("+4930555", "info@acme.example"),
        ),
        (
            {"email": "desk@acme.example"},
            {"phone": "+4930555"},
            ("+4930555", "desk@acme.example"),
            ("+4930555", "desk@acme.example"),
        ),
        ({"email": "desk@acme.example"}, {"phone": None}, (None, "desk@acme.example"), (None, "desk@acme.example")),
    ],
    ids=["edited there", "edited on both sides", "changed in the hub", "emptied in the hub"],
)
async def test_a_create_sent_again_may_be_answered_with_what_people_made_of_the_first(office, edit, moved, erp, crm):
    """The look by content does not find what somebody has edited, and the system answers the known token with it."""
    sides = {("Customer", "erp"): {"adopt": False}}
    promises = {"keeps_token": False, "idempotent_create": True}
    o = office(**ONLY, sides=sides, resources={("erp", "parties"): promises})
    account = o.crm.people.create("accounts", ACME)
    await o.start()
    lose_the_answer(o, edit)
    await o.sync()
    o.crm.people.edit("accounts", account, moved)
    await o.settle()
    party = o.one("erp", "parties")[1]
    assert (party["telephone"], party["email"]) == erp
    known = o.one("crm", "accounts")[1]
    assert (known["phone"], known["email"]) == crm
    link = await o.link("system = 'erp'")
    assert (dict(link.not_held), list(link.conflicts)) == ({}, ["phone"] if erp != crm else [])


@pytest.mark.spec(5)
async def test_what_a_create_had_not_come_to_when_it_broke_off_is_done_afterwards(office):
    """An order that was made and not confirmed yet: nobody has touched it, so its state is nobody's edit."""
    o = office(names=("Customer",))
    o.crm.people.create("accounts", {**ACME, "phone": "+4930111"})
    await o.start()
    parties = o.engine.systems["erp"].resources()["parties"]
    write = parties.write

    async def half(writes):
        parties.write = write
        await write([replace(one, fields={**one.fields, "telephone": "none yet"}) for one in writes])
        return [UnknownOutcome("No answer.") for _ in writes]

    parties.write = half
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == "+4930111"
    assert o.one("crm", "accounts")[1]["phone"] == "+4930111"
    assert (await o.link("system = 'erp'")).not_held == {}
    assert await o.inbox() == []


@pytest.mark.spec(5)
async def test_what_a_create_that_was_sent_again_ignores_is_no_edit_where_nobody_has_touched_its_record(office):
    o = office(**ONLY, resources={("erp", "parties"): {"idempotent_create": True}})
    o.crm.people.create("accounts", {**ACME, "phone": "+4930111"})
    await o.start()
    parties = o.engine.systems["erp"].resources()["parties"]
    write = parties.write

    async def ignoring(writes):
        parties.write = write
        return await write([replace(one, fields={**one.fields, "telephone": "none yet"}) for one in writes])

    async def never_came(writes):
        parties.write = ignoring
        return [UnknownOutcome("No answer.") for _ in writes]

    parties.write = never_came
    await o.settle()
    assert o.one("erp", "parties")[1]["telephone"] == "+4930111"
    assert o.one("crm", "accounts")[1]["phone"] == "+4930111"
    assert await o.inbox() == []


@pytest.mark.spec(5)
@pytest.mark.parametrize("keeps_token", [True, False])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_whatever_happens_to_the_answer_there_is_one_record(office, trouble, keeps_token):
    o = office(**ONLY, resources={("erp", "parties"): {"keeps_token": keeps_token}})
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(trouble, on="write", times=1)
    await o.settle()
    assert len(o.table("erp", "parties")) == 1
    assert len(o.table("crm", "accounts")) == 1
    assert len(await o.items()) == 1
    assert await o.inbox() == []
    assert {x.state for x in await o.links()} == {"linked"}
    o.forget_calls()
    await o.settle(2)
    assert o.writes() == 0


@pytest.mark.spec(5)
@pytest.mark.parametrize("keeps_token", [True, False])
async def test_an_item_edited_while_its_create_is_unsure_is_still_made_once(office, keeps_token):
    o = office(**ONLY, resources={("erp", "parties"): {"keeps_token": keeps_token}})
    key = o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    await o.sync()
    o.crm.people.edit("accounts", key, {"name": "Acme SE", "email": None})
    await o.settle()
    assert o.one("erp", "parties")[1]["name"] == "Acme SE"
    assert await o.inbox() == []


@pytest.mark.spec(5)
async def test_a_new_reading_waits_while_a_create_is_unsure(office):
    """The feed shows the record before its create was looked up: it must not be taken for a stranger."""
    o = office(**ONLY)
    o.crm.people.create("accounts", {**ACME, "vat": None, "city": None})
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    o.erp.faults.add(Trouble.DOWN, on="find", times=3)
    for _ in range(3):
        await o.sync()
        o.clock.advance(5)
    assert [x.state for x in await o.links("system = 'erp' and key is not null")] == ["new"]
    await o.settle(6)
    assert len(o.table("erp", "parties")) == len(o.table("crm", "accounts")) == 1
    assert [x.state for x in await o.links("system = 'erp'")] == ["linked"]


@pytest.mark.spec(5)
async def test_a_reading_that_began_before_a_create_was_sent_may_show_what_came_of_it(office):
    """The page was asked for before the create was sent, and answered after it was carried out."""
    o = office(**ONLY)
    await o.settle(2)
    o.crm.people.create("accounts", {**ACME, "vat": None, "city": None})
    await o.engine.observe_all()
    parties = o.engine.systems["erp"].resources()["parties"]
    changes = parties.changes

    async def slowly(cursor):
        parties.changes = changes
        o.erp.faults.add(Trouble.AFTER, on="write", times=1)
        await o.engine.apply("Customer", "erp")
        return await changes(cursor)

    parties.changes = slowly
    await o.engine.poll("erp", "parties")
    await o.engine.meet_all()
    assert [x.state for x in await o.links("system = 'erp' and key is not null")] == ["new"]
    await o.settle()
    assert len(o.table("erp", "parties")) == len(o.table("crm", "accounts")) == 1
    assert [x.state for x in await o.links("system = 'erp'")] == ["linked"]
    assert await o.inbox() == []


@pytest.mark.spec(5)
@pytest.mark.parametrize("findable", [True, False])
async def test_an_unsure_create_is_not_sent_again_when_its_item_has_got_a_record_by_a_merge(office, findable):
    o = office(**ONLY, resources={("erp", "parties"): {"findable": findable}})
    known = o.crm.people.create("accounts", ACME)
    await o.settle(2)
    party = o.one("erp", "parties")[0]
    winner = o.crm.people.create("accounts", {**ACME, "name": "Wind AG", "vat": "ATU1", "city": "Wien"})
    o.erp.faults.add(Trouble.BEFORE, on="write", times=1)
    await o.sync()
    o.crm.people.merge("accounts", known, winner)
    await o.settle()
    assert o.one("erp", "parties")[0] == party
    assert [x.state for x in await o.links("system = 'erp'")] == ["linked"]
    assert await o.inbox() == []


@pytest.mark.spec(5)
@pytest.mark.parametrize("choice", [None, "create"])
async def test_who_links_a_record_answers_what_came_of_the_create_that_was_unsure(office, choice):
    """Else it could still be chosen to make it: there would be two."""
    o = office(**ONLY, resources={("erp", "parties"): {"findable": False}})
    o.crm.people.create("accounts", ACME)
    await o.settle(2)
    # Another record with the tax number of the first: somebody has mistyped it.
    stray = o.erp.people.create("parties", {**ACME_ERP, "name": "Wind AG", "addresses": []})
    await o.settle(2)
    match = await o.question(InboxKind.MATCH)
    o.crm.people.create("accounts", {**ACME, "name": "Wind AG", "vat": "ATU1", "city": "Wien"})
    o.erp.faults.add(Trouble.BEFORE, on="write", times=1)
    await o.settle(2)
    lost = await o.question(InboxKind.FAILURE)
    wind = (await o.link("system = 'erp' and state = 'creating'")).item
    await o.decide(match, "link", item=wind)
    if choice is not None:
        await o.decide(lost, choice)
    await o.settle()
    assert [x.key for x in await o.links(f"system = 'erp' and item = '{wind}'")] == [stray]
    assert len(o.table("erp", "parties")) == 2
    assert await o.inbox(InboxKind.FAILURE) == []


@pytest.mark.spec(5)
async def test_a_create_is_looked_up_with_the_parent_that_it_was_sent_with(office):
    """The parent was deleted and made anew meanwhile: by its new key nothing would be found, and be made again."""
    o = office(
        names=("Customer", "Contact"),
        sides={("Customer", "crm"): {"delete": DeletePolicy.RESTORE}},
        resources={("erp", "people"): {"keeps_token": False}},
    )
    account = o.crm.people.create("accounts", ACME)
    await o.settle(2)
    o.crm.people.create("contacts", {"account": account, "full_name": "Ada Lovelace", "email": "ada@acme.example"})
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    await o.sync()
    assert (await o.link("system = 'erp' and resource = 'people'")).intent.sent_at is not None
    before = o.one("erp", "parties")[0]
    o.erp.people.delete("parties", before)
    o.erp.faults.add(Trouble.DOWN, on="find", times=2)
    for _ in range(4):
        await o.sync()
        o.clock.advance(20)
    await o.settle()
    assert o.one("erp", "parties")[0] != before
    assert len(o.table("erp", "people")) == len(o.table("crm", "contacts")) == 1
    assert [x.state for x in await o.links("resource = 'people'")] == ["linked"]


async def unanswered(office, **fields):
    """A create without an answer in a system that knows no tokens. Its record was read, and waits for the look-up."""
    o = office(**ONLY, resources={("erp", "parties"): {"keeps_token": False}}, **fields)
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    o.erp.faults.add(Trouble.DOWN, on="find", times=2)
    await o.sync()
    await o.sync()
    assert [x.state for x in await o.links("system = 'erp'")] == ["creating", "new"]
    return o, o.one("erp", "parties")[0]


async def looked_up(o):
    for _ in range(4):
        o.clock.advance(20)
        await o.sync()
    await o.settle()


@pytest.mark.spec(2)
@pytest.mark.spec(5)
@pytest.mark.parametrize("first", [None, "crm"])
async def test_an_edit_of_a_record_that_was_read_as_its_create_had_made_it_is_an_edit(office, first):
    """Somebody edits what a create without an answer had made, so that the look-up by content does not find it. It was
    read before that, though, and meets its item: what it showed then was agreed on."""
    o, key = await unanswered(office, flow_options={"Customer": {"first": first}})
    o.erp.people.edit("parties", key, {"telephone": "+49 30 99"})
    await looked_up(o)
    assert o.one("erp", "parties")[1]["telephone"] == "+49 30 99"
    assert o.one("crm", "accounts")[1]["phone"] == "+49 30 99"
    assert await o.inbox() == []


@pytest.mark.spec(2)
@pytest.mark.spec(5)
@pytest.mark.parametrize("first", [None, "erp"])
async def test_what_the_hub_changed_after_a_create_that_is_not_found_is_written(office, first):
    o, key = await unanswered(office, flow_options={"Customer": {"first": first}})
    o.erp.people.edit("parties", key, {"telephone": "+49 30 99"})
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"email": "new@acme.example"})
    await looked_up(o)
    assert o.one("erp", "parties")[1]["email"] == o.one("crm", "accounts")[1]["email"] == "new@acme.example"
    assert o.one("erp", "parties")[1]["telephone"] == o.one("crm", "accounts")[1]["phone"] == "+49 30 99"
    assert await o.inbox() == []


@pytest.mark.spec(3)
@pytest.mark.spec(5)
async def test_what_somebody_else_entered_beside_a_create_without_an_answer_is_asked_about(office):
    """The create did not happen; somebody entered the same customer at that moment, and edited it."""
    o = office(**ONLY, resources={("erp", "parties"): {"keeps_token": False}})
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.BEFORE, on="write", times=1)
    o.erp.faults.add(Trouble.DOWN, on="find", times=2)
    await o.sync()
    key = o.erp.people.create("parties", {**ACME_ERP, "telephone": "+49 30 77"})
    await o.sync()
    o.erp.people.edit("parties", key, {"telephone": "+49 30 99"})
    await looked_up(o)
    assert o.one("erp", "parties")[1]["telephone"] == "+49 30 99"
    assert o.one("crm", "accounts")[1]["phone"] == ACME["phone"]
    assert list((await o.question(InboxKind.CONFLICT)).detail["fields"]) == ["phone"]


@pytest.mark.spec(5)
async def test_a_request_that_outlives_its_sender_does_not_create_twice(office):
    """A worker died; what it had sent is carried out only after the next worker has looked for it."""
    o = office(**ONLY)
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.BEFORE, on="write", times=1)
    await o.sync()
    sent = (await o.link("system = 'erp'")).intent
    o.clock.advance(2)
    await o.sync()
    assert o.table("erp", "parties") == []
    o.erp.insert("parties", {"name": "Acme GmbH", "tax_code": "DE811907980"}, token=sent.token)
    await o.settle()
    assert len(o.table("erp", "parties")) == 1
    assert (await o.link("system = 'erp'")).state == "linked"


@pytest.mark.spec(5)
@pytest.mark.parametrize("there", [True, False])
async def test_where_nobody_can_look_a_person_decides(office, there):
    o = office(**ONLY, resources={("erp", "parties"): {"findable": False}})
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.AFTER if there else Trouble.BEFORE, on="write", times=1)
    await o.settle()
    entry = await o.question(InboxKind.FAILURE)
    assert "create" in entry.choices
    assert len(o.table("erp", "parties")) == there
    if not there:
        await o.decide(entry, "create")
        await o.settle()
        assert len(o.table("erp", "parties")) == 1
        assert await o.inbox() == []


@pytest.mark.spec(5)
async def test_of_several_possible_outcomes_a_person_names_one(office):
    o = office(**ONLY, resources={("erp", "parties"): {"keeps_token": False}})
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    await o.sync()
    twin = dict(o.one("erp", "parties")[1])
    o.erp.people.create("parties", twin)
    await o.settle()
    entry = await o.question(InboxKind.FAILURE)
    choices = [c for c in entry.choices if c.startswith("link:")]
    assert len(choices) == 2
    await o.decide(entry, choices[0])
    await o.settle()
    assert (await o.link("system = 'erp' and state = 'linked'")).key == choices[0].removeprefix("link:")
    # The twin is a stranger with the same tax number: asked about, not made in the CRM.
    assert len(o.table("crm", "accounts")) == 1
    assert len(await o.inbox(InboxKind.MATCH)) == 1


@pytest.mark.spec(5)
async def test_a_system_that_answers_with_a_record_of_somebody_else_is_asked_about(office):
    """A far system that takes a create for one it has already must not block the rest of the batch."""
    o = office(**ONLY)
    o.crm.people.create("accounts", ACME)
    await o.settle(2)
    taken = o.one("erp", "parties")[0]
    await o.start()
    resource = o.engine.systems["erp"].resources()["parties"]
    resource._create = lambda create, inner=resource._create: (
        o.erp.record("parties", taken) if create.fields["name"] == "Twin" else inner(create)
    )
    o.crm.people.create("accounts", {**ACME, "name": "Twin", "vat": "ATU1", "city": "Wien"})
    o.crm.people.create("accounts", {**ACME, "name": "Other", "vat": "ATU2", "city": "Graz"})
    await o.settle()
    assert sorted(x["name"] for x in o.table("erp", "parties")) == ["Acme GmbH", "Other"]
    assert "Twin" in (await o.question(InboxKind.FAILURE)).summary


@pytest.mark.spec(6)
async def test_parents_are_made_before_their_children(office):
    o = office(names=("Customer", "Contact"))
    account = o.crm.people.create("accounts", ACME)
    o.crm.people.create("contacts", {"account": account, "full_name": "Anna Maria Lee", "email": "a@acme.example"})
    await o.settle(2)
    party, _ = o.one("erp", "parties")
    person = o.one("erp", "people")[1]
    assert (person["party"], person["first_name"], person["last_name"]) == (party, "Anna Maria", "Lee")
    o.forget_calls()
    await o.settle(2)
    assert o.writes() == 0


@pytest.mark.spec(6)
async def test_a_child_waits_for_its_parent_and_goes_on_by_itself(office):
    refuse = {"name": lambda value: "not this name" if value == "Refused" else None}
    o = office(names=("Customer", "Contact"), resources={("erp", "parties"): {"refuse": refuse}})
    account = o.crm.people.create("accounts", {**ACME, "name": "Refused"})
    other = o.crm.people.create("accounts", {**ACME, "name": "Fine", "vat": "ATU1", "city": "Wien"})
    o.crm.people.create("contacts", {"account": account, "full_name": "Child One", "email": "1@x.example"})
    o.crm.people.create("contacts", {"account": other, "full_name": "Child Two", "email": "2@x.example"})
    await o.settle(2)
    assert [x["name"] for x in o.table("erp", "parties")] == ["Fine"]
    assert [x["last_name"] for x in o.table("erp", "people")] == ["Two"]
    waiting = await o.link("flow = 'Contact' and system = 'erp' and waits_for is not null")
    assert (waiting.state, waiting.problem) == ("creating", None)
    assert len(await o.inbox()) == 1
    o.crm.people.edit("accounts", account, {"name": "Accepted"})
    await o.settle(2)
    assert sorted(x["last_name"] for x in o.table("erp", "people")) == ["One", "Two"]
    assert await o.inbox() == []


@pytest.mark.spec(6)
async def test_a_child_given_to_another_parent_waits_no_longer_for_the_first(office):
    refuse = {"name": lambda value: "not this name" if value == "Refused" else None}
    o = office(names=("Customer", "Contact"), resources={("erp", "parties"): {"refuse": refuse}})
    account = o.crm.people.create("accounts", {**ACME, "name": "Refused"})
    other = o.crm.people.create("accounts", {**ACME, "name": "Fine", "vat": "ATU1", "city": "Wien"})
    child = o.crm.people.create("contacts", {"account": account, "full_name": "Child One", "email": "1@x.example"})
    await o.settle(2)
    assert o.table("erp", "people") == []
    o.crm.people.edit("contacts", child, {"account": other})
    await o.settle(2)
    assert o.one("erp", "people")[1]["party"] == o.one("erp", "parties")[0]


@pytest.mark.spec(6)
async def test_a_refused_child_that_is_to_be_tried_again_still_waits_for_its_parent(office):
    refuse = {"last_name": lambda value: "not this name" if value == "Bad" else None}
    o = office(
        names=("Customer", "Contact"),
        sides={("Customer", "crm"): {"delete": DeletePolicy.HOLD}},
        resources={("erp", "people"): {"refuse": refuse}},
    )
    account = o.crm.people.create("accounts", ACME)
    child = o.crm.people.create("contacts", {"account": account, "full_name": "A Bad", "email": "a@acme.example"})
    await o.settle(2)
    party = o.one("erp", "parties")[0]
    o.erp.people.delete("parties", party)
    await o.settle(2)
    o.crm.people.edit("contacts", child, {"full_name": "A Good"})
    await o.settle(2)
    await o.decide(await o.question(InboxKind.FAILURE), "retry")
    await o.settle(2)
    link = await o.link("flow = 'Contact' and system = 'erp'")
    assert (link.due_at, link.waits_for is not None, link.problem) == (None, True, None)
    o.erp.people.restore("parties", party)
    await o.settle(2)
    assert o.one("erp", "people")[1]["last_name"] == "Good"
    assert await o.inbox() == []


@pytest.mark.spec(6)
async def test_a_child_read_before_its_parent_waits_and_goes_on(office):
    o = office(names=("Customer", "Contact"))
    await o.start()
    account = o.crm.people.create("accounts", ACME)
    o.crm.people.create("contacts", {"account": account, "full_name": "A Lee", "email": "a@acme.example"})
    await o.engine.poll("crm", "contacts")
    await o.engine.meet_all()
    assert (await o.link("flow = 'Contact'")).waits_for == f"crm/accounts/{account}"
    await o.settle(2)
    assert o.one("erp", "people")[1]["last_name"] == "Lee"


@pytest.mark.spec(6)
async def test_an_unlinked_child_whose_parent_appears_is_left_in_peace(office):
    o = office(names=("Customer", "Contact"), resources={("crm", "contacts"): {}})
    await o.start()
    account = o.crm.people.create("accounts", ACME)
    o.crm.people.create("contacts", {"account": account, "full_name": "A Lee", "email": "a\x00b"})
    await o.engine.poll("crm", "contacts")
    await o.engine.meet_all()
    entry = await o.question(InboxKind.FAILURE)
    await o.decide(entry, "unlink")
    await o.settle(2)
    assert (await o.link("flow = 'Contact'")).state == "unlinked"
    assert o.table("erp", "people") == []


@pytest.mark.spec(6)
async def test_an_order_is_made_once_confirmed_with_its_lines(office):
    o = office()
    account = o.crm.people.create("accounts", ACME)
    product = o.crm.people.create("products", {"sku": "P-1", "name": "Pump"})
    deal = o.crm.people.create(
        "deals", {"account": account, "title": "D-1", "won": False, "lines": [{"product": product, "quantity": "2"}]}
    )
    await o.settle(2)
    assert o.table("erp", "sales") == []
    o.crm.people.edit("deals", deal, {"won": True})
    await o.settle(2)
    sale = o.one("erp", "sales")[1]
    assert sale["party"] == o.one("erp", "parties")[0]
    assert [(x["product"], str(x["quantity"])) for x in sale["lines"]] == [(o.one("erp", "goods")[0], "2")]
    o.erp.people.edit("sales", o.one("erp", "sales")[0], {"state": "processing", "number": "S-1", "lines": []})
    await o.settle(2)
    seen = o.one("crm", "deals")[1]
    assert (seen["state"], seen["erp_number"], len(seen["lines"])) == ("processing", "S-1", 1)
    assert o.one("erp", "sales")[1]["lines"] == []
    assert await o.inbox() == []


@pytest.mark.spec(6)
async def test_a_parked_record_never_blocks_another(office):
    refuse = {"name": lambda value: "not this name" if value.startswith("Bad") else None}
    o = office(**ONLY, resources={("erp", "parties"): {"refuse": refuse, "write_batch": 1}})
    for number in range(6):
        name = f"{'Bad' if number % 2 else 'Good'} {number}"
        o.crm.people.create("accounts", {**ACME, "name": name, "vat": f"V{number}", "city": f"Town {number}"})
    await o.settle(2)
    assert sorted(x["name"] for x in o.table("erp", "parties")) == ["Good 0", "Good 2", "Good 4"]
    assert len(await o.inbox(InboxKind.FAILURE)) == 3


@pytest.mark.spec(6)
async def test_a_held_mass_of_creates_does_not_hold_an_update(office):
    o = office(**ONLY, flow_options={"Customer": {"brake": Brake(at_least=3)}})
    o.crm.people.create("accounts", ACME)
    await o.settle(2)
    for number in range(230):
        o.crm.people.create("accounts", {**ACME, "name": f"N{number}", "vat": f"V{number}", "city": f"T{number}"})
    await o.sync()
    assert len(o.table("erp", "parties")) == 1
    o.clock.advance(60)
    o.crm.people.edit("accounts", o.one("crm", "accounts", name="Acme GmbH")[0], {"email": "new@acme.example"})
    await o.sync()
    assert o.one("erp", "parties")[1]["email"] == "new@acme.example"
    assert len(await o.inbox(InboxKind.BRAKE)) == 1


@pytest.mark.spec(5)
async def test_a_record_that_a_person_made_meanwhile_is_linked_and_not_made_again(office):
    o = office(**ONLY)
    o.crm.people.create("accounts", ACME)
    await o.start()
    await o.engine.observe_all()
    await o.engine.meet_all()
    o.erp.people.create("parties", ACME_ERP)
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 1
    assert await o.inbox() == []


@pytest.mark.spec(5)
async def test_a_record_found_between_planning_and_sending_is_not_made_again(office):
    """Another worker links the reading after this one has planned the create."""
    o = office(**ONLY, sides={("Customer", "crm"): {"create": CreatePolicy.ALWAYS}})
    o.crm.people.create("accounts", ACME)
    await o.start()
    await o.engine.observe_all()
    await o.engine.meet_all()
    applier = o.engine.applier("Customer", "erp")
    inner = applier.plan

    async def plan(due):
        steps = await inner(due)
        o.erp.people.create("parties", ACME_ERP)
        await o.engine.poll("erp", "parties")
        await o.engine.meet_all()
        return steps

    applier.plan = plan
    await applier.apply_due({})
    await o.settle(2)
    assert len(o.table("erp", "parties")) == 1
    assert len(await o.items()) == 1


@pytest.mark.spec(5)
@pytest.mark.parametrize("feed", [True, False])
async def test_a_record_edited_before_anybody_looked_is_not_made_again_before_it_was_read(office, feed):
    """Where the system knows no token, a look-up by content does not find it; a reading does."""
    o = office(**ONLY, resources={("erp", "parties"): {"keeps_token": False, "feed": feed}})
    o.crm.people.create("accounts", ACME)
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    await o.sync()
    key = o.one("erp", "parties")[0]
    o.erp.people.edit("parties", key, {"name": "Acme SE"})
    for _ in range(5):
        o.clock.advance(11)
        await o.engine.settle_system("erp")
        assert [k for k, _ in o.worlds["erp"].records("parties").items()] == [key]
    if feed:
        # It was read for that, whatever the interval of its flow.
        await o.engine.meet_all()
        assert (await o.link("system = 'erp' and state = 'linked'")).key == key
    await o.settle()
    assert o.one("erp", "parties")[0] == key
    assert [x.state for x in await o.links("system = 'erp'")] == ["linked"]
