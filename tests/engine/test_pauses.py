"""A paused system, or resource, is not called by anybody; nothing is lost, and all of it follows when it is resumed."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Paused
from isthmus.model.state import FeedState, Pause
from isthmus.store import Reads
from isthmus.sync.explain import explain_link
from isthmus.sync.pauses import PauseBook
from tests.engine.office import ACME, ACME_ERP, Office
from tests.store.examples import NOW

ONLY = {"names": ("Customer",)}


def pause(o: Office, system: str, resource: str = "") -> None:
    o.engine.pauses.fill([Pause(system, resource, "anna", o.clock(), "the year is closed")])


def calls(o: Office, system: str) -> list[Any]:
    return list(o.worlds[system].calls)


@pytest.mark.spec(9)
@pytest.mark.parametrize("resource", ["", "parties"])
async def test_a_paused_system_is_neither_read_nor_written_and_catches_up_when_resumed(office, resource):
    o = office(**ONLY)
    account = o.crm.people.create("accounts", ACME)
    party = o.erp.people.create("parties", ACME_ERP)
    await o.settle()
    pause(o, "erp", resource)
    o.forget_calls()
    o.crm.people.edit("accounts", account, {"phone": "+49301"})
    o.erp.people.edit("parties", party, {"email": "new@acme.example"})
    await o.settle()
    assert calls(o, "erp") == []
    assert o.erp.records("parties")[party]["telephone"] == ACME_ERP["telephone"]
    (feed,) = [f for f in await feeds(o) if f.system == "erp"]
    assert feed.failing_since is None, "a pause is nobody's failure"
    link = await o.link("system = 'erp'")
    (item,) = await o.items()
    part = explain_link(o.engine.world, link, item, None, {}, o.engine.pauses)
    assert part.state == "paused"
    assert "paused by anna" in part.sentence
    assert "the year is closed" in part.sentence

    o.engine.pauses.fill([])
    await o.settle()
    assert o.erp.records("parties")[party]["telephone"] == "+49301"
    assert o.crm.records("accounts")[account]["email"] == "new@acme.example"


@pytest.mark.spec(9)
async def test_a_pause_in_the_middle_of_a_batch_stops_before_the_next_call(office):
    o = office(**ONLY, resources={("erp", "parties"): {"write_batch": 1}})
    for n in range(6):
        o.crm.people.create("accounts", {**ACME, "name": f"N{n}", "vat": f"V{n}", "city": f"C{n}"})
    await o.start()
    write = o.engine.systems["erp"].resources()["parties"].write
    written: list[int] = []

    async def one_and_pause(writes: Any) -> Any:
        written.append(len(writes))
        if len(written) == 2:
            pause(o, "erp")
        return await write(writes)

    o.engine.systems["erp"].resources()["parties"].write = one_and_pause  # type: ignore[method-assign]
    await o.sync()
    assert written == [1, 1]
    assert len(o.table("erp", "parties")) == 2
    links = await o.links("system = 'erp' and state = 'creating'")
    assert [link.intent.sent_at for link in links if link.intent is not None] == [None] * 4, "sent, and in doubt"
    o.engine.pauses.fill([])
    await o.settle()
    assert len(o.table("erp", "parties")) == 6


@pytest.mark.spec(9)
async def test_a_record_that_is_to_be_read_again_waits_without_spinning(office):
    o = office(**ONLY)
    o.crm.people.create("accounts", ACME)
    o.erp.people.create("parties", ACME_ERP)
    await o.settle()
    await o.rows("update link set waits_for = 'read', due_at = '2020-01-01' where system = 'erp' returning 1")
    pause(o, "erp", "parties")
    o.forget_calls()
    done = await o.sync()
    assert done.handled <= 1
    assert calls(o, "erp") == []


def test_the_book_knows_systems_and_resources_and_tells_what_changed():
    book = PauseBook()
    whole, part = Pause("erp", "", "anna", NOW, ""), Pause("crm", "contact", "bert", NOW, "why")
    assert book.fill([whole, part]) == {"erp", "crm"}
    assert book.of("erp", "party") is whole
    assert book.of("crm", "contact") is part
    assert book.of("crm") is None
    assert book.of("crm", "account") is None
    with pytest.raises(Paused, match="erp is paused by anna since 2026-03-04"):
        book.check("erp", "party")
    assert book.fill([part]) == {"erp"}
    assert book.fill([part]) == set()


async def feeds(o: Office) -> list[FeedState]:
    return await Reads(o.store).feeds()
