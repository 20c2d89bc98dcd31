"""A system that reads from replicas may show an older state than it has shown already (SPEC, stale reads)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from isthmus.connector import Change, Create, Deletes, Found, Gone
from isthmus.errors import NeedsPerson, UnknownOutcome
from isthmus.testing import Trouble
from tests.engine.office import ACME, ACME_ERP, Office
from tests.engine.test_round import linked

type MakeOffice = Callable[..., Office]
SETTLE = 30


async def replicated(office: MakeOffice, **traits: Any) -> Office:
    """In step with an ERP that may show for half a minute what was there before, and whose versions tell nothing."""
    how = {"settle": timedelta(seconds=SETTLE), "ordered_versions": False, **traits}
    o = await linked(office, resources={("erp", "parties"): how})
    o.clock.advance(1000)
    return o


async def shown(o: Office, change: Change) -> None:
    """The ERP shows this record now."""
    o.clock.advance(1)
    await o.engine.observers["erp"].ingest("parties", [change], o.clock())


@pytest.mark.spec(2)
async def test_an_older_state_after_a_write_whose_answer_was_lost_is_no_edit_back(office: MakeOffice) -> None:
    o = await replicated(office)
    key = o.one("erp", "parties")[0]
    before = o.erp.record("parties", key)
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"name": "Acme SE"})
    await o.sync()
    assert (await o.link("system = 'erp'")).problem.code == "unknown-outcome"
    await o.engine.poll("erp", "parties")
    await shown(o, before)
    await o.settle()
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == "Acme SE"


@pytest.mark.spec(2)
async def test_an_older_state_after_an_edit_is_no_edit_back(office: MakeOffice) -> None:
    o = await replicated(office)
    key = o.one("erp", "parties")[0]
    before = o.erp.record("parties", key)
    o.erp.people.edit("parties", key, {"name": "Acme SE"})
    await o.sync()
    o.clock.advance(SETTLE / 2)
    await shown(o, before)
    await o.sync()
    assert o.one("crm", "accounts")[1]["name"] == "Acme SE"
    await o.settle()
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == "Acme SE"


@pytest.mark.spec(2)
async def test_an_edit_that_is_shown_soon_after_another_arrives(office: MakeOffice) -> None:
    o = await replicated(office)
    key = o.one("erp", "parties")[0]
    for name in ("Acme SE", "Acme AG"):
        o.erp.people.edit("parties", key, {"name": name})
        await shown(o, o.erp.record("parties", key))
    await o.settle()
    assert o.one("crm", "accounts")[1]["name"] == "Acme AG"


@pytest.mark.spec(2)
async def test_where_versions_tell_which_is_older_an_edit_soon_after_another_arrives_at_once(
    office: MakeOffice,
) -> None:
    o = await replicated(office, ordered_versions=True)
    key = o.one("erp", "parties")[0]
    for name in ("Acme SE", "Acme AG"):
        o.erp.people.edit("parties", key, {"name": name})
        await o.sync()
        assert o.one("crm", "accounts")[1]["name"] == name


@pytest.mark.spec(7)
async def test_a_replica_that_does_not_know_a_new_record_yet_takes_nothing_away(office: MakeOffice) -> None:
    o = await replicated(office, deletes=Deletes.REPORTED, feed=True)
    key = o.erp.people.create("parties", {**ACME_ERP, "name": "Beta AG", "tax_code": "ATU12345678"})
    await o.engine.poll("erp", "parties")
    await shown(o, Gone(key=key))
    await o.settle()
    assert len(o.table("crm", "accounts")) == len(o.table("erp", "parties")) == 2


@pytest.mark.spec(7)
async def test_a_replica_that_still_shows_a_deleted_record_does_not_restore_it(office: MakeOffice) -> None:
    o = await replicated(office, deletes=Deletes.REPORTED, feed=True)
    key = o.one("erp", "parties")[0]
    before = o.erp.record("parties", key)
    o.erp.people.delete("parties", key)
    await o.sync()
    assert o.table("crm", "accounts") == []
    await shown(o, before)
    await o.settle()
    assert o.table("crm", "accounts") == []


@pytest.mark.spec(7)
async def test_a_record_that_is_restored_soon_after_its_delete_is_taken_up(office: MakeOffice) -> None:
    o = await replicated(office, deletes=Deletes.REPORTED, feed=True)
    key = o.one("erp", "parties")[0]
    o.erp.people.delete("parties", key)
    await o.sync()
    o.erp.people.restore("parties", key)
    await o.sync()
    await o.settle()
    assert o.one("crm", "accounts")[1]["name"] == o.one("erp", "parties")[1]["name"] == "Acme GmbH"


@pytest.mark.spec(5)
async def test_a_create_that_a_replica_does_not_show_yet_is_not_sent_again(office: MakeOffice) -> None:
    o = await replicated(office, keeps_token=True)
    o.crm.people.create("accounts", {**ACME, "name": "Wind AG", "vat": "ATU1"})
    o.erp.faults.add(Trouble.AFTER, on="write", times=1)
    resource = o.engine.systems["erp"].resources()["parties"]
    find, sent = resource.find_created, o.clock()

    async def find_created(create: Create, since: datetime) -> Sequence[Found]:
        found: Sequence[Found] = await find(create, since)
        return found if o.clock() - sent > timedelta(seconds=SETTLE) else []

    resource.find_created = find_created
    for _ in range(10):
        # Its feed, from the same replica, does not tell of it either.
        await o.engine.poll("crm", "accounts")
        await o.engine.meet_all()
        await o.engine.settle_system("erp")
        o.clock.advance(7)
    await o.settle()
    assert sorted(row["name"] for row in o.table("erp", "parties")) == ["Acme GmbH", "Wind AG"]


@pytest.mark.spec(2)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("answer", ["done", "lost", "refused"])
async def test_an_edit_that_is_shown_while_our_write_is_under_way_arrives_whatever_is_answered(
    office: MakeOffice, answer: str, ordered: bool
) -> None:
    """Its reading is put off, as it comes so soon after another write of ours; the feed does not show it again."""
    o = await replicated(office, ordered_versions=ordered)
    account, key = o.one("crm", "accounts")[0], o.one("erp", "parties")[0]
    o.crm.people.edit("accounts", account, {"name": "Acme SE"})
    await o.sync()

    async def edited() -> None:
        o.erp.people.edit("parties", key, {"telephone": "+49 30 99"})
        await o.engine.poll("erp", "parties")
        assert (await o.link("system = 'erp'")).waits_for == "read"
        if answer == "lost":
            raise UnknownOutcome("No answer.")
        if answer == "refused":
            raise NeedsPerson("Not now.")

    o.during_the_next_write("erp", "parties", edited)
    o.crm.people.edit("accounts", account, {"email": "new@acme.example"})
    await o.sync()
    assert (await o.link("system = 'erp'")).waits_for == "read"
    await o.settle()
    shown_there, shown_here = o.one("erp", "parties")[1], o.one("crm", "accounts")[1]
    assert (shown_there["telephone"], shown_here["phone"]) == ("+49 30 99", "+49 30 99")
    assert (shown_there["email"], shown_here["email"]) == ("new@acme.example", "new@acme.example")
