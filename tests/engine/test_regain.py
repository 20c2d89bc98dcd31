"""A system that saves whole records: an edit that our write undid in the same moment is taken up again (I2, I3)."""

import pytest

from isthmus.app.hints import HintDesk
from isthmus.model.state import InboxKind
from isthmus.sync.apply import Applier
from tests.engine.test_round import linked

NEW_NAME, NEW_PHONE = {"name": "Acme AG"}, {"telephone": "+493099"}
OPTIONS = {"names": ("Customer",), "resources": {("crm", "accounts"): {"whole_saves": True}}}


async def stage(office, **options):
    """Everything linked, and the CRM calls us."""
    o = await linked(office, **(OPTIONS | options))
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


@pytest.mark.spec(2)
async def test_a_late_call_about_an_edit_before_another_one_undoes_nothing(office):
    o, desk, key, party = await stage(office)
    o.clock.advance(30)
    for email in ("one@acme.example", "two@acme.example"):
        o.crm.people.edit("accounts", key, {"email": email})
    o.crm.outbox = o.crm.outbox[-2:-1]
    await o.engine.look("crm", "accounts", [key])
    o.clock.advance(0.5)
    o.erp.people.edit("parties", party, NEW_NAME)
    await o.engine.look("erp", "parties", [party])
    resource = o.engine.systems["crm"].resources()["accounts"]
    write = resource.write

    async def write_and_be_told(writes):
        answers = await write(writes)
        await deliver(o, desk)
        return answers

    resource.write = write_and_be_told
    await o.settle(2)
    assert o.crm.records("accounts")[key]["name"] == "Acme AG"
    assert o.crm.records("accounts")[key]["email"] == o.erp.records("parties")[party]["email"] == "two@acme.example"
