"""The process of material requests, on an ERP of dictionaries: whatever happens to a step, it comes to the same end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from isthmus.app.requesting import make_request
from isthmus.connector.logistics import ShipmentState
from isthmus.desk.processes.material_request import DELIVER, LOOK, material_request
from isthmus.model.state import Cause
from isthmus.process import Process
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore
from isthmus.testing import run_every_step_twice
from tests.desk.hub import CHIEF, Erp, PlayedHub, rules_of

COUNT = itertools.count(1)


class RequestStage:
    """One request for 6 pieces. ``says``: the chief's answer; ``sent``: what leaves at first; the planner has the rest
    delivered."""

    definition = material_request

    def __init__(self, store: PostgresStore, *, says: str = "approved", sent: int = 6, limit: int = 1000) -> None:
        self.erp = Erp()
        self.hub = PlayedHub(store, self.erp, rules_of("MaterialRequest"))
        self._says, self._sent = says, sent
        self.id = f"request-{next(COUNT)}"
        self.given = {"request": self.id}

    async def prepare(self) -> None:
        pump = await self.hub.make(
            "Product", f"pump-{self.id}", sku="PUMP", list_price={"amount": "10", "currency": "EUR"}
        )
        station = await self.hub.make(
            "OrganisationUnit", f"station-{self.id}", number="S", name="Kiel", kind="station", place="KIEL",
            credit_limit={"amount": 1000, "currency": "EUR"},
        )  # fmt: skip
        await self.hub.make(
            "MaterialRequest", self.id, number="MR-1", station=station, requester="sam@acme.example", supply="transfer",
            lines=[{"id": "1", "product": pump, "quantity": "6"}], state="new", process="p",
        )  # fmt: skip
        self.pump = pump

    def answer(self, waiting: Process) -> Mapping[str, Any] | None:
        assert waiting.question
        if waiting.step.startswith("approval "):
            return {"value": self._says, "by": CHIEF}
        if waiting.who == "planner":
            return {"value": DELIVER, "by": "paula"}
        for reference, transfer in self.erp.transfers.items():
            if transfer["state"] is ShipmentState.PLANNED:
                first = {self.pump: Decimal(self._sent)} if reference == "MR-1" else transfer["lines"]
                self.erp.send(reference, first, ShipmentState.DONE)
        return {"value": LOOK, "by": "erp"}

    async def effects(self) -> Any:
        fields = (await self.hub.items([self.id]))[self.id].fields
        kept = {name: fields.get(name) for name in ("state", "reason", "whole", "complete", "transfers", "total")}
        lines = [(one.get("shipped"), one.get("left")) for one in fields["lines"]]
        stock = [(one.fields["on_hand"]) for one in await self.hub.find("StockLevel", "product", self.pump)]
        transfers = [(reference, one["lines"][self.pump]) for reference, one in self.erp.transfers.items()]
        return kept, lines, stock, transfers


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({"sent": 4}, "complete"),
        ({"says": "refused"}, "refused"),
    ],
)
async def test_a_request_comes_to_the_same_end_whatever_happens_to_a_step(
    store: PostgresStore, given: dict[str, Any], end: str
) -> None:
    made: list[RequestStage] = []

    def make() -> RequestStage:
        made.append(RequestStage(store, **given))
        return made[-1]

    assert await run_every_step_twice(store, make) > 1
    kept, *_ = await made[0].effects()
    assert kept["state"] == end


async def test_an_order_counts_against_the_credit_until_the_erp_counts_it_itself(
    store: PostgresStore,
) -> None:
    erp = Erp()
    hub = PlayedHub(store, erp, rules_of())
    await hub.make("Product", "pump", sku="PUMP")
    await hub.make("Customer", "kiel", name="Kiel")
    await hub.make("OrganisationUnit", "s", number="S", name="Kiel", kind="station", customer="kiel")

    async def ask(quantity: int) -> dict[str, Any]:
        made = await make_request(hub, "S", [("PUMP", Decimal(quantity))], requester="sam@acme.example")
        definitions = {"material_request": material_request}
        run = str(made.fields["process"])
        await take_turn(store, definitions, run, clock=hub.now, jitter=lambda: 0.0, hub=hub)
        return dict((await hub.items([made.id]))[made.id].fields)

    first = await ask(6)
    assert (first["number"], first["state"]) == ("MR-2026-00001", "ordered")
    assert (await hub.items([first["order"]]))[first["order"]].fields["reference"] == "MR-2026-00001"
    second = await ask(6)
    assert (second["state"], second["credit_used"]["amount"]) == ("refused", "60")
    assert "20 over the credit limit of 100: 60 are used" in second["reason"]
    assert (await ask(4))["state"] == "ordered"
    # The ERP delivers the first: now it counts it itself, and nothing is counted twice.
    async with hub.transaction() as tx:
        edits = hub.edits(tx, Cause("person", "test"), "MaterialRequest")
        (item,) = await hub.find("MaterialRequest", "number", "MR-2026-00001")
        await edits.change(item.id, {"deliveries": [{"id": "1", "state": "planned"}]})
    erp.credit_used = Decimal(60)
    third = await ask(1)
    assert (third["state"], third["credit_used"]["amount"]) == ("refused", "100")
