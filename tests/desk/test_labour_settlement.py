"""Settlements of repairs: the process on an ERP of dictionaries, and closing months with corrections."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from isthmus.app.settlements import (
    close_month,
    list_repairs,
    note_repair,
    report_settlement,
    withdraw_settlement,
)
from isthmus.connector.accounting import EntryStanding, EntryState
from isthmus.desk.following import follow_settlements
from isthmus.desk.processes.labour_settlement import labour_settlement
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause
from isthmus.process import Process
from isthmus.store import PostgresStore
from isthmus.testing import run_every_step_twice
from tests.desk.hub import CHIEF, Erp, PlayedHub, rules_of

COUNT = itertools.count(1)
BOSS = "boss@acme.example"


class SettlementStage:
    """A settlement of two repairs; ``says``: the chief's answer; ``late``: nobody reports before it is due."""

    definition = labour_settlement

    def __init__(self, store: PostgresStore, *, says: str = "approved", late: bool = False) -> None:
        self.erp = Erp()
        self.hub = PlayedHub(store, self.erp, rules_of("LabourSettlement"))
        self._says, self._late, self.id = says, late, f"settlement-{next(COUNT)}"
        self.given = {"settlement": self.id, "number": "LS-1", "due_on": "2026-11-10", "seconds": 600000}
        self.erp.refuses.add("post_entry")

    async def prepare(self) -> None:
        at = self.id
        buyer = await self.hub.make("Customer", f"customer-{at}", name="Kiel")
        centre = await self.hub.make("OrganisationUnit", f"centre-{at}", number="C", name="North", kind="centre")
        station = await self.hub.make(
            "OrganisationUnit", f"station-{at}", number="S", name="Kiel", kind="station", parent=centre, customer=buyer
        )
        lines = []
        for number, amount in (("1", "80"), ("2", "15.5")):
            repair = await self.hub.make(
                "RepairRecord", f"repair-{number}-{at}", number=number, settlement="LS-1", period="2026-10"
            )
            lines.append({"id": number, "repair": repair, "station": station, "number": number, "amount": amount})
        await self.hub.make(
            "LabourSettlement", at, number="LS-1", centre=centre, period="2026-10", currency="EUR", lines=lines,
            total={"amount": "95.5", "currency": "EUR"}, state="draft", process="p", cut_off_on="2026-10-31",
            due_on="2026-11-10",
        )  # fmt: skip
        self.lines = lines

    def answer(self, waiting: Process) -> Mapping[str, Any] | None:
        if waiting.step == "report":
            if self._late and waiting.who == "centre":
                return None
            return {"value": "report", "by": BOSS}
        if waiting.step == "again":
            assert waiting.who == "finance"
            self.erp.refuses.clear()
            return {"value": "again"}
        return {"value": self._says, "by": CHIEF}

    async def effects(self) -> Any:
        fields = (await self.hub.items([self.id]))[self.id].fields
        kept = {name: fields.get(name) for name in ("state", "entry", "entry_state", "reason")}
        repairs = await self.hub.items([line["repair"] for line in self.lines])
        return (
            kept,
            sorted(str(one.fields.get("settlement")) for one in repairs.values()),
            [one.total for one in self.erp.entries.values()],
        )


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("given", "end", "booked"),
    [
        ({"late": True}, "booked", [Decimal("95.5")]),
        ({"says": "refused"}, "refused", []),
    ],
)
async def test_a_settlement_is_booked_once_whatever_happens_to_a_step(
    store: PostgresStore, given: dict[str, Any], end: str, booked: list[Decimal]
) -> None:
    made: list[SettlementStage] = []

    def make() -> SettlementStage:
        made.append(SettlementStage(store, **given))
        return made[-1]

    assert await run_every_step_twice(store, make) > 1
    kept, settled, entries = await made[0].effects()
    assert (kept["state"], entries) == (end, booked)
    assert settled == (["LS-1", "LS-1"] if end == "booked" else ["None", "None"])


class Months:
    """A centre with a station; time moves by ``at``."""

    def __init__(self, store: PostgresStore) -> None:
        self.at = datetime(2026, 10, 20, 9, tzinfo=UTC)
        self.erp = Erp()
        self.hub = PlayedHub(store, self.erp, rules_of(), clock=lambda: self.at)

    async def set_up(self) -> None:
        await self.hub.make("OrganisationUnit", "c", number="C", name="North", kind="centre")
        await self.hub.make("OrganisationUnit", "s", number="S", name="Kiel", kind="station", parent="c")

    async def repair(self, method: str, on: str, **more: Any) -> str:
        made = await note_repair(self.hub, "S", method=method, repaired_on=date.fromisoformat(on), by="sam", **more)
        return str(made.fields["number"])

    async def close(self, period: str | None = None) -> list[tuple[str, str, list[tuple[str, str, str | None]]]]:
        made = await close_month(self.hub, "C", period, by="cleo")
        return [
            (
                str(one.fields["number"]),
                str(one.fields["total"]["amount"]),
                [(line["number"], line["amount"], line.get("corrects")) for line in one.fields["lines"]],
            )
            for one in made
        ]


async def test_what_comes_after_a_month_was_closed_is_in_the_next_with_a_reference(
    store: PostgresStore,
) -> None:
    months = Months(store)
    await months.set_up()
    first = await months.repair("overhaul", "2026-10-05", key="a")
    assert await months.repair("overhaul", "2026-10-05", key="a") == first
    second = await months.repair("cleaning", "2026-10-19")
    with pytest.raises(NeedsPerson, match="2026-10 has not ended yet"):
        await months.close("2026-10")
    months.at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    with pytest.raises(NeedsPerson, match="is still to come"):
        await months.repair("cleaning", "2026-11-04")
    await months.repair("cleaning", "2026-11-02")
    closed = await months.close()
    assert closed == [("LS-C-2026-10-EUR", "95.5", [(first, "80", None), (second, "15.5", None)])]
    # Reported after the month was closed: a late repair, and one that puts the first right.
    late = await months.repair("overhaul", "2026-10-30")
    right = await months.repair("cleaning", "2026-10-05", corrects=first)
    with pytest.raises(NeedsPerson, match=f"put right by {right} already"):
        await months.repair("cleaning", "2026-10-05", corrects=first)
    gone = await months.repair("cleaning", "2026-10-19", corrects=second, withdrawn=True)
    assert await months.close() == closed
    months.at = datetime(2026, 12, 2, 9, tzinfo=UTC)
    ((number, total, lines),) = await months.close()
    assert number == "LS-C-2026-11-EUR"
    assert {(late, "80", None), (right, "-64.5", first), (gone, "-15.5", second)} <= set(lines)
    assert Decimal(total) == Decimal("15.5") + 80 - Decimal("64.5") - Decimal("15.5")
    assert await list_repairs(months.hub, "S", unsettled=True, limit=10) == []


async def test_an_entry_that_is_cancelled_in_the_books_cancels_the_settlement_and_frees_its_repairs(
    store: PostgresStore,
) -> None:
    months = Months(store)
    await months.set_up()
    number = await months.repair("overhaul", "2026-10-05")
    months.at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    ((settlement, *_),) = await months.close()
    (item,) = await months.hub.find("LabourSettlement", "number", settlement)
    await report_settlement(months.hub, settlement, by=BOSS)
    async with months.hub.transaction() as tx:
        edits = months.hub.edits(tx, Cause("person", "test"), "LabourSettlement")
        await edits.change(item.id, {"state": "booked", "entry": "J1", "entry_state": "posted"})
    entry = EntryStanding(
        key="1", reference=settlement, number="J1", state=EntryState.POSTED, date="2026-10-31", total=Decimal(80)
    )
    months.erp.entries[settlement] = entry
    assert await follow_settlements(months.hub) == 0
    months.erp.entries[settlement] = replace(entry, state=EntryState.CANCELLED, cancelled_by="J2")
    assert await follow_settlements(months.hub) == 1
    assert await follow_settlements(months.hub) == 0
    fields = (await months.hub.items([item.id]))[item.id].fields
    assert (fields["state"], fields["entry_state"], fields["entry_cancelled_by"]) == ("cancelled", "cancelled", "J2")
    assert await months.close() == [(f"{settlement}-2", "80", [(number, "80", None)])]


async def test_a_settlement_is_withdrawn_before_it_is_approved_and_its_repairs_are_free(store: PostgresStore) -> None:
    months = Months(store)
    await months.set_up()
    number = await months.repair("overhaul", "2026-10-05")
    months.at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    ((settlement, *_),) = await months.close()
    made = await withdraw_settlement(months.hub, settlement, by="cleo")
    assert made.fields["state"] == "withdrawn"
    async with months.hub.transaction() as tx:
        process = await tx.processes.load(f"labour_settlement/{settlement}")
    assert process is not None
    assert process.state == "cancelled"
    with pytest.raises(NeedsPerson, match="is withdrawn"):
        await withdraw_settlement(months.hub, settlement, by="cleo")
    assert await months.close() == [(f"{settlement}-2", "80", [(number, "80", None)])]
