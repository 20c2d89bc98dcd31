"""Repairs and their settlement as people use them: noting repairs, closing a month, reporting, asking the ERP again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import msgspec

from isthmus.desk.documents import amount_of, stop_process
from isthmus.desk.naming import document, in_states, product, unit
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.processes.labour_settlement import AGAIN, REPORT, labour_settlement, release, seconds_left
from isthmus.desk.repairing import RepairRules, fee_of, level_of
from isthmus.desk.settling import Charge, Repair, charges, cut_off, due_on, previous_period, to_settle, total
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.model.state import Cause, Item
from isthmus.process import Process, signal, start

__all__ = [
    "SettlementView",
    "book_again",
    "close_month",
    "list_repairs",
    "list_settlements",
    "note_repair",
    "report_settlement",
    "show_settlement",
    "withdraw_settlement",
]

SETTLEMENT, REPAIR = "LabourSettlement", "RepairRecord"
STATES = ("draft", "reported", "approved", "booked", "refused", "withdrawn", "cancelled")
EVERY = 100_000
DEAD = ("refused", "withdrawn", "cancelled")
"""Settlements that do not count."""


class SettlementView(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement, with what its process waits for and from whom."""

    document: Item
    centre: str
    stations: dict[str, str]
    process: Process | None


async def note_repair(
    hub: BusinessHub,
    station: str,
    *,
    method: str,
    repaired_on: date,
    parts: Sequence[tuple[str, Decimal]] = (),
    currency: str | None = None,
    corrects: str | None = None,
    withdrawn: bool = False,
    serial_number: str | None = None,
    key: str | None = None,
    by: str,
) -> Item:
    """Note a repair; its level and fee follow from the rules. ``corrects`` names an earlier record that it puts right:
    the difference is settled in the month in which the correction is reported. The same ``key`` again is one record.

    Raises :class:`NeedsPerson` when no rule fits, and for a second correction of the same record.
    """
    rules = _rules(hub)
    place = await unit(hub, station)
    if place.fields.get("kind") != "station":
        raise NeedsPerson(f"{place.fields.get('name')} is no station.", field="station")
    if repaired_on > hub.now().astimezone(ZoneInfo(rules.time_zone)).date():
        raise NeedsPerson(f"{repaired_on} is still to come.", field="repaired_on")
    used = {sku: (await product(hub, sku), quantity) for sku, quantity in parts}
    level = level_of(rules, method, {sku: quantity for sku, (_, quantity) in used.items()})
    if level is None:
        raise NeedsPerson(f"No rule of repairs.yaml gives a level to '{method}'.", field="method")
    money = currency or _only_currency(rules, level)
    fee = fee_of(rules, level, money)
    if fee is None:
        raise NeedsPerson(f"Level '{level}' has no fee in {money}.", field="currency")
    before = await document(hub, REPAIR, corrects) if corrects else None
    if before is not None and before.fields.get("station") != place.id:
        raise NeedsPerson(f"{corrects} is a repair of another station.", field="corrects")
    if before is not None and (before.fields.get("fee") or {}).get("currency") != money:
        raise NeedsPerson(f"{corrects} is paid in {before.fields['fee']['currency']}.", field="currency")
    item = f"repair-{key}" if key else f"repair-{hub.new_id()}"
    async with hub.transaction() as tx:
        await tx.lock([REPAIR])
        known = (await tx.items([item])).get(item)
        if known is not None:
            return known
        if before is not None and (later := await hub.find(REPAIR, "corrects", before.id)):
            number = later[0].fields.get("number")
            raise NeedsPerson(f"{corrects} is put right by {number} already.", advice=f"Correct {number}.")
        fields = {
            "number": f"RR-{hub.now():%Y}-{await tx.next_number(f'RR-{hub.now():%Y}'):05d}",
            "station": place.id,
            "serial_number": serial_number,
            "method": method,
            "parts": [{"product": one.id, "quantity": quantity} for one, quantity in used.values()],
            "repaired_on": repaired_on,
            "reported_at": hub.now(),
            "level": level,
            "fee": {"amount": fee, "currency": money},
            "corrects": before.id if before else None,
            "withdrawn": withdrawn,
            "settlement": None,
            "period": None,
        }
        return await hub.edits(tx, Cause("person", by), REPAIR).create(REPAIR, fields, id=item, alike=True)


async def close_month(hub: BusinessHub, centre: str | None, period: str | None, *, by: str) -> list[Item]:
    """Total the repairs of a month that has ended (the previous one, when none is named), for one centre or all: one
    settlement for each currency. Closing twice gives the same; what is reported later is in the next month's.

    Raises :class:`NeedsPerson` when the month has not ended.
    """
    rules = _rules(hub)
    month = period or previous_period(hub.now(), rules.time_zone)
    try:
        ends = cut_off(month)
    except ValueError as error:
        raise NeedsPerson(f"{error}.", field="period") from None
    if ends >= hub.now().astimezone(ZoneInfo(rules.time_zone)).date():
        raise NeedsPerson(f"{month} has not ended yet.", field="period")
    centres = [await unit(hub, centre)] if centre else await hub.find("OrganisationUnit", "kind", "centre", EVERY)
    made: list[Item] = []
    for one in centres:
        if one.fields.get("kind") != "centre":
            raise NeedsPerson(f"{one.fields.get('name')} is no centre.", field="centre")
        async with hub.transaction() as tx:
            await tx.lock([REPAIR, SETTLEMENT])
            made += await _close(hub, tx, one, month, rules, by)
    return made


async def _close(
    hub: BusinessHub, tx: DeskTransaction, centre: Item, month: str, rules: RepairRules, by: str
) -> list[Item]:
    there = [one for one in await hub.find(SETTLEMENT, "period", month, EVERY) if one.fields.get("centre") == centre.id]
    living = {one.fields["currency"]: one for one in there if one.fields.get("state") not in DEAD}
    stations = {
        one.id
        for one in await hub.find("OrganisationUnit", "parent", centre.id, EVERY)
        if one.fields.get("kind") == "station"
    }
    open_repairs = [
        _repair(one)
        for one in await hub.find(REPAIR, "settlement", None, EVERY)
        if one.fields.get("station") in stations
    ]
    due = to_settle(open_repairs, month, rules.time_zone)
    known = await hub.items({one.corrects for one in due if one.corrects})
    made = list(living.values())
    for currency in sorted({one.currency for one in due} - set(living)):
        lines = charges(
            [one for one in due if one.currency == currency], {id: _repair(one) for id, one in known.items()}
        )
        revision = sum(1 for one in there if one.fields["currency"] == currency) + 1
        made.append(await _make(hub, tx, centre, month, currency, lines, revision, rules, by))
    return made


async def _make(
    hub: BusinessHub, tx: DeskTransaction, centre: Item, month: str, currency: str, lines: Sequence[Charge],
    revision: int, rules: RepairRules, by: str,
) -> Item:  # fmt: skip
    number = f"LS-{centre.fields['number']}-{month}-{currency}" + (f"-{revision}" if revision > 1 else "")
    item = f"settlement-{uuid5(NAMESPACE_URL, number)}"
    due = due_on(month, rules.due_day)
    run = f"labour_settlement/{number}"
    fields: dict[str, Any] = {
        "number": number,
        "centre": centre.id,
        "period": month,
        "currency": currency,
        "cut_off_on": cut_off(month),
        "due_on": due,
        "lines": [
            {"id": str(at), "repair": one.repair, "station": one.station, "number": one.number, "level": one.level,
             "amount": one.amount, "corrects": one.corrects}
            for at, one in enumerate(lines, 1)
        ],
        "total": {"amount": total(lines), "currency": currency},
        "state": "draft",
        "process": run,
    }  # fmt: skip
    edits = hub.edits(tx, Cause("person", by), SETTLEMENT, REPAIR)
    made = await edits.create(SETTLEMENT, fields, id=item, alike=True)
    for one in lines:
        await edits.change(one.repair, {"settlement": number, "period": month})
    given = {
        "settlement": item,
        "number": number,
        "due_on": due.isoformat(),
        "seconds": seconds_left(due, rules.time_zone, hub.now()),
    }
    await start(tx, labour_settlement, given, id=run, now=hub.now())
    return made


async def report_settlement(hub: BusinessHub, number: str, *, by: str) -> None:
    """The centre reports it; then finance approves. Raises :class:`NeedsPerson` when it is reported already."""
    found = await document(hub, SETTLEMENT, number)
    if "@" not in by:
        raise NeedsPerson(f"'{by}' is no login.", advice="Logins are mail addresses.")
    if found.fields.get("state") != "draft":
        raise NeedsPerson(f"{number} is {found.fields.get('state')} already.")
    async with hub.transaction() as tx:
        process = str(found.fields["process"])
        await signal(tx, process, REPORT, "report", id=REPORT, by=by.strip().lower(), now=hub.now())


async def withdraw_settlement(hub: BusinessHub, number: str, *, by: str) -> Item:
    """Take back a settlement that finance has not approved: its repairs are free for another one. Raises
    :class:`NeedsPerson` when it is approved already."""
    found = await document(hub, SETTLEMENT, number)
    async with hub.transaction() as tx:
        await tx.lock([REPAIR, SETTLEMENT])
        now = (await tx.items([found.id]))[found.id]
        if now.fields.get("state") not in ("draft", "reported"):
            raise NeedsPerson(
                f"{number} is {now.fields.get('state')}.", advice="One that is booked is cancelled in the ERP's books."
            )
        await stop_process(hub, tx, str(now.fields["process"]), by=by)
        return await release(hub, tx, found.id, {"state": "withdrawn"}, Cause("person", by))


async def book_again(hub: BusinessHub, number: str, *, by: str) -> None:
    """Have the ERP asked again that has refused the entry."""
    found = await document(hub, SETTLEMENT, number)
    async with hub.transaction() as tx:
        process = await tx.processes.load(str(found.fields["process"]))
        if process is None or process.step != AGAIN:
            raise NeedsPerson(f"The ERP has not refused {number}.")
        await signal(tx, process.id, AGAIN, "again", id=f"{AGAIN}/{hub.new_id()}", by=by, now=hub.now())


async def show_settlement(hub: BusinessHub, number: str) -> SettlementView:
    """One settlement."""
    found = await document(hub, SETTLEMENT, number)
    units = await hub.items({found.fields["centre"], *(line["station"] for line in found.fields.get("lines") or ())})
    async with hub.transaction() as tx:
        process = await tx.processes.load(str(found.fields.get("process") or ""))
    names = {id: str(one.fields.get("name")) for id, one in units.items()}
    return SettlementView(document=found, centre=names.get(found.fields["centre"], ""), stations=names, process=process)


async def list_settlements(hub: BusinessHub, states: Sequence[str], limit: int) -> list[Item]:
    """Settlements in these states (any, when none is given), the newest month first."""
    found = await in_states(hub, SETTLEMENT, states, STATES)
    return sorted(found, key=lambda one: (str(one.fields["period"]), str(one.fields["number"])), reverse=True)[:limit]


async def list_repairs(hub: BusinessHub, station: str, *, unsettled: bool, limit: int) -> list[Item]:
    """Repairs of a station, the newest first."""
    place = await unit(hub, station)
    found = await hub.find(REPAIR, "station", place.id, EVERY)
    chosen = [one for one in found if not unsettled or not one.fields.get("settlement")]
    return sorted(chosen, key=lambda one: str(one.fields.get("number")), reverse=True)[:limit]


def _rules(hub: BusinessHub) -> RepairRules:
    if hub.repair_rules is None:
        raise Misconfigured("The project has no repairs.yaml.", advice="It says what repairs are worth.")
    return hub.repair_rules


def _only_currency(rules: RepairRules, level: str) -> str:
    currencies = list(rules.fees.get(level, {}))
    if len(currencies) != 1:
        raise NeedsPerson(f"Level '{level}' is paid in {', '.join(currencies)}: which one?", field="currency")
    return currencies[0]


def _repair(item: Item) -> Repair:
    fields = item.fields
    fee = fields.get("fee") or {}
    return Repair(
        id=item.id,
        number=str(fields.get("number")),
        station=str(fields.get("station")),
        repaired_on=date.fromisoformat(str(fields.get("repaired_on"))),
        reported_at=datetime.fromisoformat(str(fields.get("reported_at"))),
        currency=str(fee.get("currency")),
        level=str(fields.get("level")),
        fee=amount_of(fee.get("amount")),
        corrects=fields.get("corrects"),
        withdrawn=bool(fields.get("withdrawn")),
        settlement=fields.get("settlement"),
    )
