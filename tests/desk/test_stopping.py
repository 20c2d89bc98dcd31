"""A process that is stopped leaves its document in a state that says so, and nothing of what is done is undone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from isthmus.app.ordering import place, simulate
from isthmus.app.quote_answers import accept_quote
from isthmus.app.quoting import make_quote, send_quote, show_quote
from isthmus.app.requesting import make_request, show_request
from isthmus.app.returns import announce_return, show_return
from isthmus.app.settlements import close_month, list_repairs, note_repair, show_settlement
from isthmus.app.stopping import stop
from isthmus.desk.processes.material_request import material_request
from isthmus.desk.processes.quote import quote
from isthmus.desk.quoting import WantedLine
from isthmus.errors import NeedsPerson, Unavailable
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore
from isthmus.sync.world import World
from tests.desk.hub import NOW, Erp, PlayedHub, rules_of

LINES = [("PUMP", Decimal(2))]


@pytest.fixture
async def hub(store: PostgresStore) -> PlayedHub:
    hub = PlayedHub(store, Erp(), rules_of("MaterialRequest", "Quote"))
    await hub.make("Product", "pump", sku="PUMP")
    await hub.make("Customer", "kiel", name="Kiel", email="bo@kiel.example")
    await hub.make("OrganisationUnit", "c", number="C", name="North", kind="centre")
    await hub.make(
        "OrganisationUnit", "s", number="S", name="Station", kind="station", customer="kiel", place="K", parent="c"
    )
    return hub


async def stopped(hub: PlayedHub, id: str) -> None:
    async with hub.transaction() as tx:
        await stop(tx, World({}), id, by="emil", now=NOW)


async def turn(store: PostgresStore, hub: PlayedHub, id: str) -> None:
    known = {"quote": quote, "material_request": material_request}
    await take_turn(store, known, id, clock=hub.now, jitter=lambda: 0.0, hub=hub)


async def test_a_request_and_its_approval_are_cancelled(store: PostgresStore, hub: PlayedHub) -> None:
    made = await make_request(hub, "S", LINES, requester="sam@acme.example", supply="transfer")
    run = str(made.fields["process"])
    await turn(store, hub, run)
    await stopped(hub, run)
    view = await show_request(hub, str(made.fields["number"]))
    assert view.request.fields["state"] == "cancelled"
    assert "emil" in view.request.fields["reason"]
    async with hub.transaction() as tx:
        asked = await tx.approvals.load(f"{run}/approval")
        assert asked is not None
        process = await tx.processes.load(asked.process)
    assert process is not None
    assert str(process.state) == "cancelled"
    with pytest.raises(NeedsPerson):
        await stopped(hub, run)


async def test_a_return_is_cancelled(hub: PlayedHub) -> None:
    made = await announce_return(hub, "S", LINES, requester="sam@acme.example", reason="worn")
    await stopped(hub, str(made.fields["process"]))
    fields = (await show_return(hub, str(made.fields["number"]))).document.fields
    assert (fields["state"], fields["reason"]) == ("cancelled", "worn")


async def test_a_settlement_is_cancelled_and_its_repairs_are_free_again(hub: PlayedHub) -> None:
    await note_repair(hub, "S", method="overhaul", repaired_on=date(2026, 10, 5), by="sam")
    (made,) = await close_month(hub, "C", "2026-10", by="cleo")
    assert await list_repairs(hub, "S", unsettled=True, limit=5) == []
    await stopped(hub, str(made.fields["process"]))
    assert (await show_settlement(hub, str(made.fields["number"]))).document.fields["state"] == "cancelled"
    assert len(await list_repairs(hub, "S", unsettled=True, limit=5)) == 1


async def test_a_quote_is_withdrawn_and_one_that_is_an_order_stays_accepted(
    store: PostgresStore, hub: PlayedHub
) -> None:
    hub.approval_rules = None
    numbers = []
    for _ in range(2):
        made = await make_quote(
            hub, [WantedLine(sku="PUMP", quantity=Decimal(1))], customer="Kiel", by="sara@acme.example"
        )
        numbers.append(str(made.fields["number"]))
    await stopped(hub, f"quote/{numbers[0]}")
    assert (await show_quote(hub, numbers[0])).quote.fields["state"] == "withdrawn"
    await send_quote(hub, numbers[1], by="sara@acme.example")
    await turn(store, hub, f"quote/{numbers[1]}")
    await accept_quote(hub, numbers[1], by="bo", patience=0)
    await stopped(hub, f"quote/{numbers[1]}")
    assert (await show_quote(hub, numbers[1])).quote.fields["state"] == "accepted"


async def test_an_order_that_is_only_kept_is_withdrawn(hub: PlayedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, made = [await simulate(hub, "Kiel", LINES) for _ in range(2)]
    done = await place(hub, made.id, by="wanda", patience=0)

    async def down(*_: object, **__: object) -> object:
        raise Unavailable("The ERP is down.")

    monkeypatch.setattr(hub, "ask", down)
    later = await place(hub, kept.id, by="wanda", patience=0)
    assert done.order is not None
    assert later.order is not None
    for order in (done.order, later.order):
        await stopped(hub, order)
    items = await hub.items([done.order, later.order])
    assert [items[id].fields.get("state") for id in (done.order, later.order)] == [None, "withdrawn"]
