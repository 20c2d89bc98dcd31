"""The follower: it asks for all documents at once, and tells only the processes whose documents have moved."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from isthmus.connector.logistics import ReturnStanding, ShipmentState
from isthmus.desk.following import follow_requests, follow_returns
from isthmus.desk.processes.material_request import material_request
from isthmus.model.state import Cause
from isthmus.process import start
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore
from tests.desk.hub import Erp, PlayedHub, rules_of


class Desk:
    """Requests for 6 pieces, each as far as being ordered."""

    def __init__(self, store: PostgresStore) -> None:
        self.store, self.erp = store, Erp()
        self.hub = PlayedHub(store, self.erp, rules_of())

    async def set_up(self, count: int) -> list[str]:
        await self.hub.make("Product", "pump", sku="PUMP", list_price={"amount": "10", "currency": "EUR"})
        await self.hub.make("OrganisationUnit", "s", number="S", name="Kiel", kind="station", place="KIEL")
        numbers = [f"MR-{at}" for at in range(1, count + 1)]
        for number in numbers:
            async with self.hub.transaction() as tx:
                fields = {
                    "number": number, "station": "s", "requester": "sam@acme.example", "supply": "transfer",
                    "lines": [{"id": "1", "product": "pump", "quantity": "6"}], "state": "new",
                    "process": f"material_request/{number}",
                }  # fmt: skip
                edits = self.hub.edits(tx, Cause("person", "test"), "MaterialRequest")
                await edits.create("MaterialRequest", fields, id=number, alike=True)
                run = f"material_request/{number}"
                await start(tx, material_request, {"request": number}, id=run, now=self.hub.now())
            await self.turn(number)
        return numbers

    async def turn(self, number: str) -> dict[str, Any]:
        definitions = {"material_request": material_request}
        run = f"material_request/{number}"
        await take_turn(self.store, definitions, run, clock=self.hub.now, jitter=lambda: 0.0, hub=self.hub)
        return dict((await self.hub.items([number]))[number].fields)


async def test_one_question_for_all_and_only_those_that_moved_are_told(store: PostgresStore) -> None:
    desk = Desk(store)
    first, second, third = await desk.set_up(3)
    assert await follow_requests(desk.hub) == 0, "what they saw is what there is"
    desk.erp.asked.clear()
    desk.erp.send(second, {"pump": Decimal(6)}, ShipmentState.IN_TRANSIT)
    assert await follow_requests(desk.hub) == 1
    assert await follow_requests(desk.hub) == 0, "it has been told already"
    assert desk.erp.asked == ["transfers", "transfers"]
    assert (await desk.turn(second))["state"] == "shipped"
    assert await follow_requests(desk.hub) == 0
    assert [(await desk.turn(number))["state"] for number in (first, third)] == ["ordered", "ordered"]
    desk.erp.send(second, {"pump": Decimal(6)}, ShipmentState.DONE)
    assert await follow_requests(desk.hub) == 1
    assert (await desk.turn(second))["state"] == "complete"
    desk.erp.asked.clear()
    assert await follow_requests(desk.hub) == 0
    assert desk.erp.asked == ["transfers"]


async def test_nothing_open_asks_nothing(store: PostgresStore) -> None:
    desk = Desk(store)
    assert await follow_requests(desk.hub) == 0
    assert desk.erp.asked == []


async def test_a_state_that_comes_back_is_seen_again(store: PostgresStore) -> None:
    """Sent, taken back, and sent again: the process sees each of them."""
    desk = Desk(store)
    (number,) = await desk.set_up(1)
    for state, seen in (
        (ShipmentState.IN_TRANSIT, "shipped"),
        (ShipmentState.PLANNED, "ordered"),
        (ShipmentState.IN_TRANSIT, "shipped"),
    ):
        desk.erp.send(number, {"pump": Decimal(6)}, state)
        assert await follow_requests(desk.hub) == 1
        assert (await desk.turn(number))["state"] == seen


async def test_a_return_follows_the_erp_also_when_its_process_is_over(store: PostgresStore) -> None:
    hub = PlayedHub(store, Erp(), rules_of())
    fields = {"number": "RT-1", "state": "received", "erp_state": "done", "process": "goods_return/RT-1"}
    await hub.make("Return", "back", **fields)
    standing = ReturnStanding(key="1", reference="RT-1", number="R1", state="done", received_on=None, lines=())
    hub.erp.returns["RT-1"] = standing
    assert await follow_returns(hub) == 0
    hub.erp.returns["RT-1"] = replace(standing, state="cancelled")
    assert await follow_returns(hub) == 1
    assert await follow_returns(hub) == 0
    assert (await hub.items(["back"]))["back"].fields["erp_state"] == "cancelled"
