"""A system that saves whole records: what a save of an older copy has undone is written again (I2, I3)."""

from datetime import timedelta

import pytest

from isthmus.model.state import InboxKind
from isthmus.testing.memory import Trouble, trims
from tests.engine.test_regain import NEW_NAME, NEW_PHONE, OPTIONS, deliver, stage
from tests.engine.test_round import linked


async def written(office, *writes, **options):
    """Everything linked, and these edits of the ERP written to the CRM; with the keys there and there."""
    o = await linked(office, **(OPTIONS | options))
    key, party = o.one("crm", "accounts")[0], o.one("erp", "parties")[0]
    for write in writes:
        o.erp.people.edit("parties", party, write)
        await o.sync()
    return o, key, party


async def saved_from_an_older_copy(office, *writes, save, after=30.0, **options):
    """Our writes to the CRM, then somebody's save there, made of the record as it was before them."""
    o, key, party = await written(office, *writes, **options)
    o.clock.advance(after)
    o.crm.people.edit("accounts", key, save)
    await o.settle(3)
    return o, o.crm.records("accounts")[key], o.erp.records("parties")[party]


@pytest.mark.spec(2)
async def test_our_write_that_a_save_of_an_older_copy_has_undone_is_made_again(office):
    save = {"name": "Acme GmbH", "email": "new@acme.example"}
    o, account, party = await saved_from_an_older_copy(office, NEW_NAME, save=save)
    assert (account["name"], account["email"]) == ("Acme AG", "new@acme.example")
    assert (party["name"], party["email"]) == ("Acme AG", "new@acme.example")
    o.forget_calls()
    await o.settle(2)
    assert o.writes() == 0


@pytest.mark.spec(2)
async def test_several_writes_undone_by_one_save_are_all_made_again(office):
    save = {"name": "Acme GmbH", "phone": "+4930123456", "email": "new@acme.example"}
    _, account, party = await saved_from_an_older_copy(office, NEW_NAME, NEW_PHONE, save=save)
    assert (account["name"], account["phone"], account["email"]) == ("Acme AG", "+493099", "new@acme.example")
    assert (party["name"], party["telephone"], party["email"]) == ("Acme AG", "+493099", "new@acme.example")


@pytest.mark.spec(2)
async def test_a_save_undoes_only_what_was_written_after_its_copy_was_made(office):
    save = {"phone": "+4930123456", "email": "new@acme.example"}
    _, account, party = await saved_from_an_older_copy(office, NEW_NAME, NEW_PHONE, save=save)
    assert (account["name"], account["phone"]) == (party["name"], party["telephone"]) == ("Acme AG", "+493099")


@pytest.mark.spec(2)
@pytest.mark.spec(3)
async def test_a_save_of_an_older_copy_that_changes_a_field_that_we_wrote_is_asked_about(office):
    save = {"name": "Acme Inc", "phone": "+4930123456"}
    o, account, party = await saved_from_an_older_copy(office, NEW_NAME | NEW_PHONE, save=save)
    assert (account["phone"], party["telephone"]) == ("+493099", "+493099")
    assert (account["name"], party["name"]) == ("Acme Inc", "Acme AG")
    [entry] = await o.inbox(InboxKind.CONFLICT)
    assert entry.detail["fields"] == {"name": {"base": "Acme GmbH", "hub": "Acme AG", "far": "Acme Inc"}}


@pytest.mark.spec(3)
async def test_where_it_cannot_be_told_whether_the_copy_showed_our_value_it_is_asked(office):
    save = {"name": "Acme Inc", "phone": "+4930123456"}
    o, account, party = await saved_from_an_older_copy(office, NEW_NAME, NEW_PHONE, save=save)
    assert (account["phone"], party["telephone"]) == ("+493099", "+493099")
    assert (account["name"], party["name"]) == ("Acme Inc", "Acme AG")
    assert len(await o.inbox(InboxKind.CONFLICT)) == 1


@pytest.mark.spec(2)
async def test_what_was_written_before_the_copy_was_made_is_no_part_of_it(office):
    save = {"name": "Acme Inc", "phone": "+493099"}
    writes = [NEW_NAME, NEW_PHONE, {"telephone": "+493088"}]
    o, account, party = await saved_from_an_older_copy(office, *writes, save=save)
    assert (account["phone"], party["telephone"]) == ("+493088", "+493088")
    assert (account["name"], party["name"]) == ("Acme Inc", "Acme Inc")
    assert await o.inbox(InboxKind.CONFLICT) == []


@pytest.mark.spec(2)
async def test_our_write_that_is_undone_in_the_same_moment_is_made_again_whatever_else_was_saved(office):
    _, account, party = await saved_from_an_older_copy(office, NEW_NAME, save={"name": "Acme GmbH"}, after=1)
    assert account["name"] == party["name"] == "Acme AG"


@pytest.mark.spec(2)
@pytest.mark.parametrize(
    ("save", "after", "whole"),
    [
        ({"name": "Acme GmbH"}, 30, True),
        ({"name": "Acme GmbH", "email": "new@acme.example"}, 310, True),
        ({"name": "Acme GmbH", "email": "new@acme.example"}, 30, False),
        ({"name": "Acme Inc", "email": "new@acme.example"}, 1, True),
    ],
    ids=["nothing else", "long after", "no whole saves", "another value"],
)
async def test_what_people_take_back_is_an_edit(office, save, after, whole):
    resources = {("crm", "accounts"): {"whole_saves": whole}}
    _, account, party = await saved_from_an_older_copy(office, NEW_NAME, save=save, after=after, resources=resources)
    assert account["name"] == party["name"] == save["name"]


@pytest.mark.spec(2)
async def test_what_is_taken_back_twice_is_an_edit(office):
    o, key, _ = await written(office, NEW_NAME)
    for email in ("one@acme.example", "two@acme.example"):
        assert o.one("crm", "accounts")[1]["name"] == "Acme AG"
        o.crm.people.edit("accounts", key, {"name": "Acme GmbH", "email": email})
        await o.sync()
        await o.sync()
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == "Acme GmbH"


@pytest.mark.spec(2)
async def test_what_the_answer_to_another_write_shows_as_undone_is_made_again(office):
    o, key, party = await written(office, NEW_NAME)
    o.erp.people.edit("parties", party, NEW_PHONE)
    resource = o.engine.systems["crm"].resources()["accounts"]
    write = resource.write

    async def undone_first(writes):
        resource.write = write
        o.crm.people.edit("accounts", key, {"name": "Acme GmbH"})
        return await write(writes)

    resource.write = undone_first
    await o.settle(3)
    account, shown = o.one("crm", "accounts")[1], o.one("erp", "parties")[1]
    assert account["name"] == shown["name"] == "Acme AG"
    assert account["phone"] == shown["telephone"] == "+493099"


@pytest.mark.spec(2)
async def test_what_the_call_about_a_save_has_told_before_the_record_is_read_was_changed_by_it(office):
    # Read only when a replica can show it, more than a moment after our write; and the hub has the new value by then.
    resources = {("crm", "accounts"): {"whole_saves": True, "settle": timedelta(seconds=4)}}
    o, desk, key, party = await stage(office, resources=resources)
    resource = o.engine.systems["crm"].resources()["accounts"]
    write = resource.write

    async def saved_at_once(writes):
        resource.write = write
        answers = await write(writes)
        o.crm.people.edit("accounts", key, {"name": "Acme GmbH", "email": "new@acme.example"})
        await deliver(o, desk)
        return answers

    o.clock.advance(30)
    o.erp.people.edit("parties", party, NEW_NAME)
    resource.write = saved_at_once
    await o.engine.look("erp", "parties", [party])
    await o.engine.settle_system("crm")
    o.clock.advance(5)
    await o.settle(3)
    account, shown = o.one("crm", "accounts")[1], o.one("erp", "parties")[1]
    assert (account["name"], account["email"]) == (shown["name"], shown["email"]) == ("Acme AG", "new@acme.example")


@pytest.mark.spec(2)
async def test_a_write_whose_answer_was_lost_is_made_again_as_well(office):
    o, key, party = await written(office)
    o.erp.people.edit("parties", party, NEW_NAME)
    o.crm.faults.add(Trouble.AFTER, on="write", times=1)
    await o.sync()
    await o.engine.look("crm", "accounts", [key])
    assert o.one("crm", "accounts")[1]["name"] == "Acme AG"
    o.crm.people.edit("accounts", key, {"name": "Acme GmbH", "email": "new@acme.example"})
    o.clock.advance(30)
    await o.settle(3)
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == "Acme AG"


@pytest.mark.spec(2)
async def test_what_was_written_over_for_another_reason_before_is_not_taken_back_twice(office):
    names = ("Acme Inc", "Acme GmbH", "Acme AG")
    o, key, _ = await written(office, *({"name": name} for name in names))
    assert o.one("crm", "accounts")[1]["name"] == "Acme AG"
    o.clock.advance(30)
    o.crm.people.edit("accounts", key, {"name": "Acme GmbH", "email": "new@acme.example"})
    await o.settle(3)
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == "Acme AG"


@pytest.mark.spec(3)
async def test_a_change_of_what_the_system_has_not_kept_exactly_is_asked_about_as_well(office):
    resources = {("crm", "accounts"): {"whole_saves": True, "normalise": {"name": trims}}}
    save = {"name": "Acme Inc", "phone": "+4930123456"}
    written = {"name": "Acme AG "} | NEW_PHONE
    o, account, party = await saved_from_an_older_copy(office, written, save=save, resources=resources)
    assert (account["name"], party["name"]) == ("Acme Inc", "Acme AG ")
    assert len(await o.inbox(InboxKind.CONFLICT)) == 1


@pytest.mark.spec(2)
async def test_a_copy_that_was_made_before_another_older_one_was_saved_is_known_as_well(office):
    o, key, party = await written(office, NEW_NAME)
    opened = o.crm.records("accounts")[key]
    o.crm.people.edit("accounts", key, {"name": "Acme GmbH", "email": "one@acme.example"})
    o.erp.people.edit("parties", party, NEW_PHONE)
    await o.sync()
    await o.sync()
    assert o.one("crm", "accounts")[1]["name"] == "Acme AG"
    o.clock.advance(30)
    o.crm.people.edit("accounts", key, {**opened, "email": "two@acme.example"})
    await o.settle(3)
    account, shown = o.one("crm", "accounts")[1], o.one("erp", "parties")[1]
    assert (account["name"], account["phone"], account["email"]) == ("Acme AG", "+493099", "two@acme.example")
    assert (shown["name"], shown["telephone"], shown["email"]) == ("Acme AG", "+493099", "two@acme.example")


@pytest.mark.spec(2)
async def test_what_was_never_taken_back_before_is_made_again_also_where_another_value_was(office):
    o, key, party = await written(office)
    for name, email in (("Acme AG", "one@acme.example"), ("Acme SE", "two@acme.example")):
        o.erp.people.edit("parties", party, {"name": name})
        await o.sync()
        o.clock.advance(30)
        o.crm.people.edit("accounts", key, {"name": "Acme GmbH", "email": email})
        await o.sync()
        await o.sync()
        assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == name


@pytest.mark.spec(2)
async def test_our_own_write_that_is_read_before_its_answer_undoes_nothing(office, caplog):
    o, key, party = await written(office, NEW_NAME)
    o.clock.advance(30)
    o.erp.people.edit("parties", party, {"name": "Acme GmbH"} | NEW_PHONE)
    o.during_the_next_write("crm", "accounts", lambda: o.engine.look("crm", "accounts", [key]))
    await o.settle(3)
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == "Acme GmbH"
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []
