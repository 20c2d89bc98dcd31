"""A centre's month of repairs: reported by the centre until the due day, approved, and booked in the ERP once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from isthmus.connector.accounting import POST_ENTRY, EntryAsked, EntryLine, EntryStanding
from isthmus.desk.approval_state import RequestState
from isthmus.desk.documents import amount_of, approved, edit, fields_of, keys_in, one, tell, why_refused
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.model.state import Cause, Item
from isthmus.process import Run, process

__all__ = ["AGAIN", "ENTITY", "REPORT", "labour_settlement", "release"]

ENTITY = "LabourSettlement"
REPORT, AGAIN = "report", "again"
"""Topics: the centre reports it; the ERP is to be asked again."""


@process("labour_settlement")
async def labour_settlement(run: Run, given: Mapping[str, Any]) -> str:
    """``given``: ``settlement`` (the item), ``seconds`` until the due day is over."""
    item = given["settlement"]
    due = f"by {given['due_on']}"
    answer = await run.wait(
        REPORT, f"Report {given['number']} {due}.", who="centre", within=timedelta(seconds=max(given["seconds"], 0))
    )
    if answer is None:
        await run.change("note late", partial(_note, run, item, {"late": True}))
        answer = await run.wait(REPORT, f"Report {given['number']}; it was due {due}.", who="centre, overdue")
        assert answer is not None, "a wait without a deadline ends by its signal"
    told = await run.change("note reported", partial(_reported, run, item, answer.by))

    approval = f"{run.id}/approval"
    decision = await approved(
        run,
        document=ENTITY,
        id=approval,
        number=given["number"],
        title=told["title"],
        amount=Decimal(told["amount"]),
        currency=told["currency"],
        level="centre",
        requester=answer.by,
        details=told["details"],
    )
    if decision is not RequestState.APPROVED:
        await run.change("refuse", partial(_refuse, run, item, approval, decision))
        return "refused"
    await run.change("approve", partial(_note, run, item, {"state": "approved"}))
    await _book(run, item)
    return "booked"


async def _book(run: Run, item: str) -> None:
    """One journal entry. What the ERP refuses (a closed period, an account there is not) waits for a person."""
    hub: BusinessHub = run.hub
    attempt = 0
    while True:
        attempt += 1
        try:
            shown = await run.step(f"book {attempt}", lambda: _booked(hub, item))
        except (NeedsPerson, Misconfigured) as error:
            reason = error.message
            await run.change(f"note refused {attempt}", partial(_note, run, item, {"reason": reason}))
            await run.wait(AGAIN, reason, who="finance")
            continue
        await run.change("note booked", partial(_note_booked, run, item, shown))
        return


# -- what the steps do ---------------------------------------------------------------------------------------------


async def _note(run: Run, item: str, fields: Mapping[str, Any], tx: DeskTransaction) -> None:
    await edit(run.hub, tx, run, item, fields)


async def _reported(run: Run, item: str, by: str, tx: DeskTransaction) -> dict[str, Any]:
    hub: BusinessHub = run.hub
    zone = hub.repair_rules.time_zone if hub.repair_rules else "UTC"
    today = hub.now().astimezone(ZoneInfo(zone)).date()
    fields = await fields_of(hub, item)
    late = today > date.fromisoformat(fields["due_on"])
    kept = {"state": "reported", "reported_on": today.isoformat(), "reported_by": by, "late": late}
    await edit(hub, tx, run, item, kept)
    centre = (await one(hub, fields["centre"])).fields
    total = fields["total"]
    corrections = sum(1 for line in fields["lines"] if line.get("corrects"))
    return {
        "amount": total["amount"],
        "currency": total["currency"],
        "title": f"{centre.get('name')}: repairs of {fields['period']}, {total['amount']} {total['currency']}",
        "details": {"repairs": len(fields["lines"]) - corrections, "corrections": corrections},
    }


async def _refuse(run: Run, item: str, approval: str, decision: RequestState, tx: DeskTransaction) -> None:
    """Its repairs are free for another settlement, of the same month or a later one."""
    reason = await why_refused(tx, approval, decision)
    cause = Cause("process", "labour_settlement", run.id)
    await release(run.hub, tx, item, {"state": "refused", "reason": reason}, cause)


async def release(hub: BusinessHub, tx: DeskTransaction, item: str, fields: Mapping[str, Any], cause: Cause) -> Item:
    """A settlement that does not count: its repairs are to be settled again."""
    edits = hub.edits(tx, cause, ENTITY, "RepairRecord")
    document = await edits.change(item, fields)
    for line in document.fields.get("lines") or ():
        await edits.change(line["repair"], {"settlement": None, "period": None})
    return document


async def _booked(hub: BusinessHub, item: str) -> dict[str, Any]:
    fields = await fields_of(hub, item)
    rules = hub.repair_rules
    if rules is None:
        raise Misconfigured("The project has no repairs.yaml.", advice="It says which accounts settlements go to.")
    sums: dict[str, Decimal] = {}
    for line in fields["lines"]:
        sums[line["station"]] = sums.get(line["station"], Decimal(0)) + amount_of(line["amount"])
    if not any(sums.values()):
        return {"entry": None, "entry_state": "nothing to book"}
    system = hub.answering(POST_ENTRY.name, "SalesOrder")
    customers = {}
    for station in sums:
        unit = (await one(hub, station)).fields
        if not unit.get("customer"):
            raise NeedsPerson(f"{unit.get('name')} has no customer to be paid.", field="customer")
        customers[station] = unit["customer"]
    keys = await keys_in(hub, system, dict.fromkeys(customers.values(), "A station's customer"))
    whole = sum(sums.values(), Decimal(0))
    lines = [EntryLine(account=rules.accounts.expense, amount=whole, description=fields["number"])]
    lines += [
        EntryLine(account=rules.accounts.payable, amount=-amount, party=keys[customers[station]])
        for station, amount in sorted(sums.items())
    ]
    asked = EntryAsked(
        reference=fields["number"],
        date=fields["cut_off_on"],
        currency=fields["currency"],
        lines=tuple(line for line in lines if line.amount),
        journal=rules.accounts.journal,
    )
    answer: EntryStanding = await hub.ask(system, POST_ENTRY.name, asked, token=fields["number"])
    found: dict[str, Any] = msgspec.to_builtins({"entry": answer.number, "entry_state": str(answer.state)})
    return found


async def _note_booked(run: Run, item: str, shown: Mapping[str, Any], tx: DeskTransaction) -> None:
    hub: BusinessHub = run.hub
    fields = (await edit(hub, tx, run, item, {**shown, "state": "booked", "reason": None})).fields
    centre = (await one(hub, fields["centre"])).fields
    total = fields["total"]
    await tell(
        hub,
        tx,
        "settlement_booked",
        document=ENTITY,
        number=str(fields["number"]),
        to=str(centre.get("email") or fields.get("reported_by") or ""),
        context={"period": fields["period"], "total": f"{total['amount']} {total['currency']}"},
    )


def seconds_left(due_on: date, zone: str, now: datetime) -> float:
    """Until the due day is over where the company is."""
    end = datetime.combine(due_on + timedelta(days=1), time(), ZoneInfo(zone))
    return (end - now).total_seconds()
