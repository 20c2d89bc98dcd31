"""The rest of the day, at a service station: a material request, a return with a difference, the end of a month.

As in :mod:`.day`, what counts is what the ERP itself shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from isthmus.app.approvals import decide_approval, list_approvals
from isthmus.app.bootstrap import clock, open_hub, open_store
from isthmus.app.business import OpenBusiness
from isthmus.app.organisation import add_unit
from isthmus.app.requesting import decide_rest, make_request, show_request, station_stock_of
from isthmus.app.returns import announce_return, count_return, send_return, settle_return, show_return
from isthmus.app.settlements import close_month, note_repair, report_settlement, show_settlement
from isthmus.cli.demo.day import CUSTOMER, Day
from isthmus.desk.approval_state import Choice, RequestState
from isthmus.desk.returning import Blame, Responsible
from isthmus.lab.people import ErpWarehouse

__all__ = ["CHIEF", "StationDay", "write_station_rules"]

CHIEF = "chief@demo.example"
STATION = "station@demo.example"

APPROVALS = f"""\
# Who approves what in the demo; see docs/project-reference.md
currency: EUR
rules:
  - rule: requests
    document: MaterialRequest
    ask: [{{stage: centre, who: [{CHIEF}], within: 2d}}]
  - rule: settlements
    document: LabourSettlement
    ask: [{{stage: finance, who: [{CHIEF}], within: 5d}}]
"""
REPAIRS = """\
# What repairs are worth in the demo; see docs/project-reference.md
time_zone: Europe/Berlin
accounts: {expense: "5.1.3", payable: "2.1.1", journal: MISC}
levels:
  major: {EUR: 80.50}
  minor: {EUR: 15}
rules:
  - {level: major, method: [overhaul]}
  - {level: minor}
"""


def write_station_rules(folder: Path) -> None:
    """Rules for approvals and repairs, where the project has none."""
    for name, text in (("approvals.yaml", APPROVALS), ("repairs.yaml", REPAIRS)):
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")


class StationDay:
    """Goes on where ``day`` has ended, with its ``customer``; its results are added to those of the day. ``chief`` is
    who approves by the project's rules."""

    def __init__(
        self, day: Day, say: Callable[[str], None], *, customer: str = CUSTOMER["name"], chief: str = CHIEF
    ) -> None:
        self._day, self._say = day, say
        self._customer, self._chief = customer, chief
        self._folder = day.stage.folder
        self._warehouse = ErpWarehouse(day.erp)
        self.sku = day.sku

    def play(self) -> None:
        """All of it, in order."""
        self._warehouse = ErpWarehouse(self._day.erp)
        self.sku = self._day.sku
        for step in (self.organisation, self.request, self.goods_back, self.month_end):
            self._say(f"\n{(step.__doc__ or '').splitlines()[0]}")
            step()

    def organisation(self) -> None:
        """17:00  A station of the new customer: head office, centre, station, with consignment stock in the ERP"""
        self._warehouse.create_consignment_place("KIEL", "Station Kiel", self._day.party)
        self._hub(lambda hub: add_unit(hub, number="HO", name="Head office", kind="head_office", by="demo"))
        self._hub(lambda hub: add_unit(hub, number="NORTH", name="North", kind="centre", below="HO", by="demo"))
        self._hub(
            lambda hub: add_unit(
                hub, number="KIEL", name="Station Kiel", kind="station", below="NORTH", by="demo",
                customer_name=self._customer, consignment_place="KIEL", credit=("50000", "EUR"),
            )
        )  # fmt: skip

    def request(self) -> None:
        """17:05  The station asks for 12 pieces of consignment stock; only 8 are sent, and the rest is deleted again"""
        see, sku = self._day.see, self.sku
        self._day.erp.set_stock(sku, 20)
        made = self._hub(lambda hub: make_request(hub, "KIEL", [(sku, Decimal(12))], requester=STATION))
        number = str(made.fields["number"])
        see(f"request {number} waits for the centre's approval", lambda: self._decide(number))
        see("the ERP has the fill-up, waiting to be sent", lambda: self._waiting(number))
        transfers = self._warehouse.transfers(number)
        if not transfers:
            return
        self._warehouse.send_transfer(transfers[0]["id"], {sku: 8})
        see("8 shipped, 4 left: the planner is asked", lambda: self._asks(number, "planner"))
        self._hub(lambda hub: decide_rest(hub, number, "deliver", by="paula"))
        see("the rest is a delivery of its own in the ERP", lambda: self._waiting(f"{number}/2"))
        see("the request shows two deliveries", lambda: len(self._deliveries(number)) == 2)
        self._warehouse.delete_transfer(self._warehouse.transfers(f"{number}/2")[0]["id"])
        see("the ERP deletes it: it is gone here too", lambda: len(self._deliveries(number)) == 1)
        see("the planner is asked again", lambda: self._asks(number, "planner"))
        self._hub(lambda hub: decide_rest(hub, number, "close", by="paula"))
        see("the request is complete with what came", lambda: self._request(number).get("state") == "complete")
        see("the hub shows 8 pieces at the station, as the ERP does", lambda: self._stock() == "8")

    def goods_back(self) -> None:
        """18:00  The station sends 5 old parts back; only 3 arrive"""
        see, sku = self._day.see, self.sku
        before = self._day.erp.stock(sku)
        made = self._hub(lambda hub: announce_return(hub, "KIEL", [(sku, Decimal(5))], requester=STATION))
        number = str(made.fields["number"])
        self._hub(lambda hub: send_return(hub, number, [], by="sam"))
        see(f"return {number} is on its way", lambda: self._return(number).get("state") == "sent")
        self._hub(lambda hub: count_return(hub, number, [(sku, Decimal(3))], by="cleo"))
        see("2 are missing: the ERP hears nothing yet", lambda: self._return(number).get("state") == "difference")
        assert self._warehouse.returns(number) == []
        blame = {sku: Blame(responsible=Responsible.CARRIER, evidence="photo 17")}
        self._hub(lambda hub: settle_return(hub, number, blame, by="cleo"))
        see("the carrier is responsible: the ERP has received 3, once", lambda: self._received(number) == [3])
        see("its stock is 3 more", lambda: self._day.erp.stock(sku) == before + 3)
        see("the return shows 3 received", lambda: self._return(number).get("state") == "received")

    def month_end(self) -> None:
        """19:00  The month is over: two repairs of the station are settled"""
        see = self._day.see
        last = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
        for method in ("overhaul", "cleaning"):
            self._note(method, last)
        made = self._hub(lambda hub: close_month(hub, "NORTH", None, by="cleo"))
        number = str(made[0].fields["number"])
        self._hub(lambda hub: report_settlement(hub, number, by="cleo@demo.example"))
        see(f"{number} waits for finance", lambda: self._decide(number))
        total = Decimal(made[0].fields["total"]["amount"])
        see(f"the ERP has one posted entry over {total} EUR", lambda: self._posted(number) == [total])
        see("the settlement shows its number", lambda: self._booked(number))
        self._warehouse.cancel_entry(self._warehouse.entries(number)[0]["id"], "wrong month")
        see("finance cancels it in the ERP: cancelled on both sides", lambda: self._state(number) == "cancelled")

    # -- looking -------------------------------------------------------------------------------------------------

    def _hub[T](self, work: Callable[[OpenBusiness], Awaitable[T]]) -> T:
        """What a person does in the hub."""

        async def whole() -> T:
            async with open_hub(self._folder) as hub:
                return await work(OpenBusiness(hub))

        return asyncio.run(whole())

    def _decide(self, number: str) -> str:
        """Approve it, when somebody is asked; by whom."""

        async def whole() -> str:
            found = await list_approvals(self._folder, RequestState.OPEN, 50)
            for request in found:
                if request.key == number:
                    async with open_store(self._folder) as (_, store):
                        await decide_approval(
                            store, request.id, by=self._chief, choice=Choice.APPROVE, via="cli", now=clock()
                        )
                    return f"{self._chief} approves"
            return ""

        return asyncio.run(whole())

    def _note(self, method: str, day: date) -> None:
        self._hub(lambda hub: note_repair(hub, "KIEL", method=method, repaired_on=day, by="sam"))

    def _waiting(self, reference: str) -> str:
        found = [one for one in self._warehouse.transfers(reference) if one["state"] == "waiting"]
        return str(found[0]["number"]) if found else ""

    def _request(self, number: str) -> dict[str, Any]:
        return dict(self._hub(lambda hub: show_request(hub, number)).request.fields)

    def _asks(self, number: str, who: str) -> str:
        process = self._hub(lambda hub: show_request(hub, number)).process
        return process.question if process is not None and process.who == who else ""

    def _deliveries(self, number: str) -> list[Any]:
        return list(self._request(number).get("deliveries") or ())

    def _stock(self) -> str:
        (found,) = self._hub(lambda hub: station_stock_of(hub, "KIEL", [self.sku]))
        kept = found.kept or {}
        return kept.get("on_hand", "") if Decimal(found.on_hand) == Decimal(kept.get("on_hand") or 0) else ""

    def _return(self, number: str) -> dict[str, Any]:
        return dict(self._hub(lambda hub: show_return(hub, number)).document.fields)

    def _received(self, number: str) -> list[float]:
        found = [one for one in self._warehouse.returns(number) if one["state"] == "done"]
        return [float(move["quantity"]) for one in found for move in one["incoming_moves"]]

    def _posted(self, number: str) -> list[Decimal]:
        found = [one for one in self._warehouse.entries(number) if one["state"] == "posted"]
        return [sum((line["debit"] for line in one["lines"]), Decimal(0)) for one in found]

    def _booked(self, number: str) -> str:
        fields = self._hub(lambda hub: show_settlement(hub, number)).document.fields
        return str(fields.get("entry") or "") if fields.get("state") == "booked" else ""

    def _state(self, number: str) -> str:
        return str(self._hub(lambda hub: show_settlement(hub, number)).document.fields.get("entry_state") or "")
