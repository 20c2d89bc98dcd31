"""Repairs that a station's people note themselves; what they are worth follows from the rules, and who approves the
month's settlement sees each of them."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.settlements import note_repair
from isthmus.errors import NeedsPerson
from isthmus.model.state import Item
from isthmus.portal.front import Form
from isthmus.portal.guard import loaded, me_of, own_of_station, station_of, whom_of
from isthmus.portal.lines import key_of, lines_of, new_key, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

LONGEST_WORD = 100
REPAIR = "RepairRecord"


def _today(request: Call) -> str:
    """Where months end."""
    hub = shop_of(request).business
    zone = hub.repair_rules.time_zone if hub.repair_rules is not None else "UTC"
    return hub.now().astimezone(ZoneInfo(zone)).date().isoformat()


def _form(request: Call, station: Item, status: int = 200, **values: Any) -> Response[str]:
    rules, today = shop_of(request).business.repair_rules, _today(request)
    methods = sorted({method for rule in (rules.rules if rules else ()) for method in rule.methods})
    given: dict[str, Any] = {"serial": "", "method": "", "on": today, "text": "", "withdrawn": False, "corrects": None}
    given |= {"faults": [], "problem": "", "refusal": "", "key": new_key()}
    return render(
        request, "station_repair.html", status=status, station=station, today=today, methods=methods, **given | values
    )


async def _corrected(request: Call, station: Item, id: str) -> Item | None:
    """The record that is put right; None when none is named. Raises ``NotFoundException`` for another station's."""
    if not id:
        return None
    found = own_of_station(request, await loaded(request, id), REPAIR)
    return found if found.fields.get("station") == station.id else own_of_station(request, None, REPAIR)


@get("/station/{id:str}/repair")
async def new_repair(id: FromPath[str], request: Call) -> Response[str]:
    """The form; with what was noted when the address names a record to put right."""
    station = station_of(request, id)
    before = await _corrected(request, station, request.query_params.get("corrects", "")[:100])
    if before is None:
        return _form(request, station)
    fields = before.fields
    parts = fields.get("parts") or ()
    products = await shop_of(request).reads.items([part["product"] for part in parts])
    text = "\n".join(f"{products[part['product']].fields.get('sku')}; {part['quantity']}" for part in parts)
    return _form(
        request, station, corrects=before, serial=fields.get("serial_number") or "", method=fields.get("method") or "",
        on=str(fields.get("repaired_on") or ""), text=text, withdrawn=bool(fields.get("withdrawn")),
    )  # fmt: skip


@post("/station/{id:str}/repair", status_code=200)
async def note(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Note a repair, once; the station's page shows level and fee."""
    shop, me, station = shop_of(request), me_of(request), station_of(request, id)
    before = await _corrected(request, station, str(data.get("corrects", ""))[:100])
    serial, method = (" ".join(readable(data.get(name), LONGEST_WORD).split()) for name in ("serial", "method"))
    on, withdrawn = str(data.get("on", ""))[:10], data.get("withdrawn") == "yes"
    text = readable(data.get("text"))
    typed = {"serial": serial, "method": method, "on": on, "text": text, "withdrawn": withdrawn, "corrects": before}
    typed |= {"key": str(data.get("key", ""))[:60]}
    lines, faults = await lines_of(request, text)
    day = _day(on)
    if faults or not method or day is None:
        problem = "" if faults else "day" if method else "method"
        return _form(request, station, 422, faults=faults, problem=problem, **typed)
    await shop.access.note(me.login, "repair noted", station.id, {"via": "shop", "serial": serial, "method": method})
    try:
        made = await note_repair(
            shop.business, station.id, method=method, repaired_on=day, withdrawn=withdrawn and before is not None,
            parts=[(line.sku, line.quantity) for line in lines], serial_number=serial or None,
            currency=_currency(request, before), corrects=None if before is None else str(before.fields["number"]),
            key=key_of(request, data), by=me.login,
        )  # fmt: skip
    except NeedsPerson as error:
        return _form(request, station, 422, refusal=error.message, **typed)
    join = "&" if whom_of(request) else "?"
    return Redirect(f"/shop/station{whom_of(request)}{join}noted={made.id}", status_code=303)


def _currency(request: Call, before: Item | None) -> str | None:
    """That of what is put right; the buyer's, where every level has a fee in it; else there must be no choice."""
    if before is not None:
        return (before.fields.get("fee") or {}).get("currency")
    rules, own = shop_of(request).business.repair_rules, str(request.state.buyer.fields.get("currency") or "")
    return own if rules is not None and all(own in fees for fees in rules.fees.values()) else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


ROUTES = [new_repair, note]
