"""A system that saves whole records: an edit that our write undid in the same moment is taken up again (I2, I3)."""

import pytest

from isthmus.app.hints import HintDesk
from isthmus.model.state import InboxKind
from isthmus.sync.apply import Applier
from isthmus.testing.memory import Trouble, trims
from tests.engine.test_round import linked

OPTIONS = {"names": ("Customer",), "resources": {("crm", "accounts"): {"whole_saves": True}}}


async def stage(office):
    """Everything linked, and the CRM calls us."""
    o = await linked(office, **OPTIONS)
    desk = HintDesk(o.store, o.engine.systems)
    assert await desk.subscribe("http://hub") == {}
    key, _ = o.one("crm", "accounts")
    party, _ = o.one("erp", "parties")
    return o, desk, key, party


async def deliver(o, desk):
    """The CRM's calls so far arrive, but nobody has looked yet."""
    calls, o.crm.outbox = o.crm.outbox, []
    for headers, body in calls:
        await desk.take("crm", headers, body, o.clock())


async def follow(o):
    for resource, key in await o.store.take_hints("crm"):
        await o.engine.look("crm", resource, [key])
    await o.settle(2)


async def both_at_once(o, desk, key, party, ours, theirs, *, told="meanwhile"):
    """The ERP's edit is written to the CRM while somebody edits the same record there."""
    o.erp.people.edit("parties", party, ours)
    o.crm.in_between.append(lambda: o.crm.people.edit("accounts", key, theirs))
    await o.sync()
    o.clock.advance({"meanwhile": 0, "late": 1}[told])
    await deliver(o, desk)
    await follow(o)


@pytest.mark.spec(2)
@pytest.mark.parametrize("told", ["meanwhile", "late"])
async def test_an_edit_undone_by_our_write_comes_back(office, told):
    o, desk, key, party = await stage(office)
    await both_at_once(o, desk, key, party, {"name": "Acme AG"}, {"email": "new@acme.example"}, told=told)
    assert o.crm.records("accounts")[key]["email"] == "new@acme.example"
    assert o.crm.records("accounts")[key]["name"] == "Acme AG"
    assert o.erp.records("parties")[party]["email"] == "new@acme.example"
    o.forget_calls()
    await o.settle(2)
    assert o.writes() == 0


@pytest.mark.spec(2)
async def test_only_the_last_of_several_edits_comes_back(office):
    o, desk, key, party = await stage(office)
    o.erp.people.edit("parties", party, {"name": "Acme AG"})
    for email in ("first@acme.example", "second@acme.example"):
        o.crm.in_between.append(lambda email=email: o.crm.people.edit("accounts", key, {"email": email}))
    await o.sync()
    await deliver(o, desk)
    await follow(o)
    assert o.crm.records("accounts")[key]["email"] == "second@acme.example"


@pytest.mark.spec(2)
async def test_a_call_that_came_in_while_we_wrote_is_enough(office):
    o, desk, key, party = await stage(office)
    o.erp.people.edit("parties", party, {"name": "Acme AG"})
    engine, told = o.engine, []
    resource = engine.systems["crm"].resources()["accounts"]
    write = resource.write

    async def write_and_be_told(writes):
        answers = await write(writes)
        await deliver(o, desk)
        told.append(True)
        return answers

    o.crm.in_between.append(lambda: o.crm.people.edit("accounts", key, {"email": "new@acme.example"}))
    resource.write = write_and_be_told
    await o.settle(2)
    assert told
    assert o.crm.records("accounts")[key]["email"] == "new@acme.example"


@pytest.mark.spec(3)
async def test_where_both_changed_the_same_field_ours_stays(office, caplog):
    o, desk, key, party = await stage(office)
    await both_at_once(o, desk, key, party, {"name": "Acme AG"}, {"name": "Acme Inc"})
    assert o.crm.records("accounts")[key]["name"] == "Acme AG"
    assert [r.event for r in caplog.records if r.levelname == "WARNING"] == ["edit.undone"]


@pytest.mark.spec(1)
async def test_what_was_told_is_no_truth_of_its_own(office):
    o, desk, key, party = await stage(office)
    # Edited long before our write, and changed again since: an old call arrives at last.
    o.crm.people.edit("accounts", key, {"email": "old@acme.example"})
    calls, o.crm.outbox = o.crm.outbox, []
    o.crm.people.edit("accounts", key, {"email": "newer@acme.example"})
    await o.sync()
    o.clock.advance(3)
    o.erp.people.edit("parties", party, {"name": "Acme AG"})
    await o.sync()
    o.crm.outbox = calls
    await deliver(o, desk)
    await follow(o)
    assert o.crm.records("accounts")[key]["email"] == "newer@acme.example"
    assert o.erp.records("parties")[party]["email"] == "newer@acme.example"


@pytest.mark.spec(1)
async def test_an_edit_right_after_our_write_is_only_an_edit(office):
    o, desk, key, party = await stage(office)
    o.erp.people.edit("parties", party, {"name": "Acme AG"})
    await o.sync()
    for email in ("one@acme.example", "two@acme.example"):
        o.crm.people.edit("accounts", key, {"email": email})
    await deliver(o, desk)
    await follow(o)
    assert o.crm.records("accounts")[key]["email"] == "two@acme.example"
    assert await o.inbox(InboxKind.CONFLICT) == []


@pytest.mark.spec(1)
async def test_what_an_earlier_write_of_ours_showed_is_nobodys_edit(office, monkeypatch):
    o, desk, key, party = await stage(office)
    o.erp.people.edit("parties", party, NEW_PHONE)
    resource, send = o.engine.systems["crm"].resources()["accounts"], Applier._send_intents
    write = resource.write

    async def another_edit_is_read_when_the_write_is_planned(self, steps):
        monkeypatch.setattr(Applier, "_send_intents", send)
        o.erp.people.edit("parties", party, NEW_NAME)
        await o.engine.look("erp", "parties", [party])
        o.clock.advance(1)
        return await send(self, steps)

    async def write_and_be_told_of_the_one_before(writes):
        answers = await write(writes)
        if o.crm.records("accounts")[key]["name"] == "Acme AG":
            o.crm.outbox = o.crm.outbox[-2:-1]
            await deliver(o, desk)
            await o.engine.look("crm", "accounts", [key])
        return answers

    monkeypatch.setattr(Applier, "_send_intents", another_edit_is_read_when_the_write_is_planned)
    resource.write = write_and_be_told_of_the_one_before
    await o.settle(3)
    assert o.crm.records("accounts")[key]["name"] == o.erp.records("parties")[party]["name"] == "Acme AG"


NEW_NAME, NEW_PHONE = {"name": "Acme AG"}, {"telephone": "+493099"}


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
