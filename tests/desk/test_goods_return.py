"""The process of returns, on an ERP of dictionaries: whatever happens to a step, the ERP receives once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from isthmus.app.returns import announce_return, cancel_return, count_return, send_return, settle_return
from isthmus.desk.processes.goods_return import goods_return
from isthmus.desk.returning import Blame, Responsible
from isthmus.errors import NeedsPerson
from isthmus.process import Process, signal, start
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore
from isthmus.testing import run_every_step_twice
from tests.desk.hub import Erp, PlayedHub, rules_of

COUNT = itertools.count(1)


class ReturnStage:
    """A return of 5 pieces of which ``counted`` arrive; ``refusing``: the ERP refuses it at first."""

    definition = goods_return

    def __init__(self, store: PostgresStore, *, counted: str, refusing: bool = False, credited: bool = False) -> None:
        self.erp = Erp()
        self.hub = PlayedHub(store, self.erp, rules_of())
        self._counted, self._refusing, self._credited = counted, refusing, credited
        self.id = f"return-{next(COUNT)}"
        self.given = {"return": self.id}
        if refusing:
            self.erp.refuses.add("receive_return")

    async def prepare(self) -> None:
        self.pump = await self.hub.make("Product", f"pump-{self.id}", sku="PUMP")
        buyer = await self.hub.make("Customer", f"customer-{self.id}", name="Kiel")
        station = await self.hub.make(
            "OrganisationUnit", f"station-{self.id}", number="S", name="Kiel", kind="station", customer=buyer
        )
        await self.hub.make(
            "Return", self.id, number="RT-1", station=station, requester="sam@acme.example", credited=self._credited,
            lines=[{"id": "1", "product": self.pump, "announced": "5"}], state="announced", process="p",
        )  # fmt: skip

    def answer(self, waiting: Process) -> Mapping[str, Any] | None:
        assert waiting.question
        match waiting.step:
            case "sent":
                assert waiting.who == "station"
                line = {"id": "1", "product": self.pump, "announced": "5", "sent": "5"}
                return {"value": {"lines": [line], "sent_on": "2026-11-02", "tracking": "T1"}}
            case "counted":
                return {"value": {"counted": {"1": self._counted}, "by": "cleo"}}
            case "settle":
                assert "PUMP missing" in waiting.question
                return {"value": {"blames": {"1": {"responsible": "carrier", "evidence": "photo"}}, "by": "cleo"}}
            case "again":
                self.erp.refuses.clear()
                return {"value": "again"}
        raise AssertionError(f"nobody waits for {waiting.step}")

    async def effects(self) -> Any:
        fields = (await self.hub.items([self.id]))[self.id].fields
        line = {name: value for name, value in fields["lines"][0].items() if name != "product"}
        kept = {name: fields.get(name) for name in ("state", "reference", "erp_state", "credit_note", "settled_by")}
        received = [[(line.quantity) for line in one.lines] for one in self.erp.returns.values()]
        return kept, line, received


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("given", "end", "received"),
    [
        ({"counted": "3", "refusing": True}, "received", [[Decimal(3)]]),
        ({"counted": "5", "credited": True}, "credited", [[Decimal(5)]]),
    ],
)
async def test_the_erp_receives_once_whatever_happens_to_a_step(
    store: PostgresStore, given: dict[str, Any], end: str, received: list[Any]
) -> None:
    made: list[ReturnStage] = []

    def make() -> ReturnStage:
        made.append(ReturnStage(store, **given))
        return made[-1]

    assert await run_every_step_twice(store, make) > 1
    kept, _, found = await made[0].effects()
    assert (kept["state"], found) == (end, received)


async def test_people_are_held_to_the_order_of_things(store: PostgresStore) -> None:
    erp = Erp()
    hub = PlayedHub(store, erp, rules_of())
    await hub.make("Product", "pump", sku="PUMP")
    await hub.make("Product", "seal", sku="SEAL")
    await hub.make("Customer", "kiel", name="Kiel")
    await hub.make("OrganisationUnit", "s", number="S", name="Kiel", kind="station", customer="kiel")
    lines = [("PUMP", Decimal(5)), ("SEAL", Decimal(2))]
    made = await announce_return(hub, "S", lines, requester="sam@acme.example", key="once")
    assert (await announce_return(hub, "S", lines, requester="sam@acme.example", key="once")).id == made.id
    number = str(made.fields["number"])

    async def turn() -> dict[str, Any]:
        run = f"goods_return/{number}"
        await take_turn(store, {"goods_return": goods_return}, run, clock=hub.now, jitter=lambda: 0.0, hub=hub)
        return dict((await hub.items([made.id]))[made.id].fields)

    await turn()
    with pytest.raises(NeedsPerson, match="is announced"):
        await count_return(hub, number, lines, by="cleo")
    await send_return(hub, number, [], by="sam")
    with pytest.raises(NeedsPerson, match="said already"):
        await send_return(hub, number, [("PUMP", Decimal(1))], by="sam")
    assert (await turn())["state"] == "sent"
    await count_return(hub, number, [("PUMP", Decimal(4))], by="cleo")
    counted = await turn()
    assert counted["state"] == "difference"
    assert [line["counted"] for line in counted["lines"]] == ["4", "0"]
    assert erp.asked == [], "the ERP hears nothing of a difference that is not settled"

    carrier = Blame(responsible=Responsible.CARRIER, evidence="photo 17")
    with pytest.raises(NeedsPerson, match="Position 2: 2 missing, and nobody is responsible"):
        await settle_return(hub, number, {"PUMP": carrier}, by="cleo")
    nothing = Blame(responsible=Responsible.STATION, evidence="")
    with pytest.raises(NeedsPerson, match="there is no evidence"):
        await settle_return(hub, number, {"PUMP": carrier, "SEAL": nothing}, by="cleo")
    # The seals were under the pumps: counted anew.
    await count_return(hub, number, [("PUMP", Decimal(4)), ("SEAL", Decimal(2))], by="cleo")
    assert (await turn())["state"] == "difference"
    with pytest.raises(NeedsPerson, match="Position 2 arrived as it was sent"):
        await settle_return(hub, number, {"PUMP": carrier, "SEAL": carrier}, by="cleo")
    await settle_return(hub, number, {"PUMP": carrier}, by="cleo")
    done = await turn()
    assert (done["state"], done["reference"]) == ("received", "R1")
    assert [line["received"] for line in done["lines"]] == ["4", "2"]
    assert done["lines"][0]["responsible"] == "carrier"
    with pytest.raises(NeedsPerson, match="is not to be counted: it is received"):
        await count_return(hub, number, lines, by="cleo")
    with pytest.raises(NeedsPerson, match="not cancelled any more"):
        await cancel_return(hub, number, by="sam")
    assert len(erp.returns) == 1


async def test_a_return_of_which_nothing_arrived_is_never_told_to_the_erp(store: PostgresStore) -> None:
    stage = ReturnStage(store, counted="0")
    await stage.prepare()
    async with stage.hub.transaction() as tx:
        await start(tx, goods_return, stage.given, id="lost", now=stage.hub.now())
        for topic, value in (
            ("sent", {"sent_on": "2026-11-02"}),
            ("counted", {"counted": {}, "by": "cleo"}),
            ("settle", {"blames": {"1": {"responsible": "station", "evidence": "never sent"}}, "by": "cleo"}),
        ):
            await signal(tx, "lost", topic, value, id=topic, by="cleo", now=stage.hub.now())
    definitions = {"goods_return": goods_return}
    await take_turn(store, definitions, "lost", clock=stage.hub.now, jitter=lambda: 0.0, hub=stage.hub)
    kept, line, received = await stage.effects()
    assert (kept["state"], line["settled"], received, stage.erp.asked) == ("closed", "0", [], [])
