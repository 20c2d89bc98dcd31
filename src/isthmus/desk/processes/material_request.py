"""A station asks for material: checked, approved, ordered in the ERP, and followed until everything is there.

It should ship whole. If not, the ERP's deliveries say what was shipped and what is left: the rest of a sales order is a
delivery of its own there; the rest of a transfer is one when the planner says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from isthmus.desk.approval_state import RequestState
from isthmus.desk.documents import amount_of, approved, edit, fields_of, one, tell, why_refused
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.requesting import Credit, Supply, check_request
from isthmus.desk.supplying import ask_price, look_at, order_transfer, outcome_of, wanted_of
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause
from isthmus.process import Run, process

__all__ = ["CLOSE", "DELIVER", "LOOK", "MOVED", "SENDING", "material_request", "stock_item"]

MOVED = "moved"
"""Topic under which the process is told that the ERP shows something else."""
LOOK, DELIVER, CLOSE = "look", "deliver", "close"
"""What it is told: to look; or, by the planner, what becomes of what is left."""
LOOK_AGAIN = timedelta(hours=6)
"""It looks by itself then, whatever it was told."""
OPEN_REQUESTS = ("checked", "approved")
"""States in which a request counts against the station's credit and the ERP does not know it yet."""
EVERY = 10_000
SENDING = ("ordered", "partly_shipped", "shipped")


@process("material_request")
async def material_request(run: Run, given: Mapping[str, Any]) -> str:
    """``given``: ``request`` (the item)."""
    hub: BusinessHub = run.hub
    item = given["request"]
    try:
        priced = await run.step("ask the ERP", lambda: _priced(hub, item))
    except NeedsPerson as error:
        told = error.message
        return await _refused(run, item, told)
    checked = await run.change("check", lambda tx: _check(run, tx, item, priced))
    if checked["refused"]:
        return await _refused(run, item, checked["refused"])

    approval = f"{run.id}/approval"
    decision = await approved(
        run,
        document="MaterialRequest",
        id=approval,
        number=checked["number"],
        title=checked["title"],
        amount=Decimal(checked["total"]),
        currency=checked["currency"],
        level=checked["level"],
        requester=checked["requester"],
        details=checked["details"],
    )
    if decision is not RequestState.APPROVED:
        return await _refused(run, item, "", (approval, decision))
    await run.change("approve", lambda tx: _to(run, tx, item, {"state": "approved"}))
    try:
        await _order(run, item)
    except NeedsPerson as error:
        told = error.message
        return await _refused(run, item, told)
    await _follow(run, item)
    await run.change("complete", lambda tx: _complete(run, tx, item))
    return "complete"


async def _order(run: Run, item: str) -> None:
    """As it was decided: a sales order, a fill-up of consignment stock, or a transfer."""
    hub: BusinessHub = run.hub
    request = await run.step("read", lambda: fields_of(hub, item))
    if request["supply"] == Supply.SALES_ORDER:
        await run.change("order", lambda tx: _make_order(run, tx, item, request))
        return
    wanted = _by_product(request)
    reference = await run.step("order", lambda: order_transfer(hub, request, request["number"], wanted))
    await run.change("ordered", lambda tx: _to(run, tx, item, {"state": "ordered", "transfers": [reference]}))


async def _follow(run: Run, item: str) -> None:
    """Until everything that will arrive has arrived."""
    hub: BusinessHub = run.hub
    look, decided = 0, ""
    while True:
        look += 1
        seen = await run.step(f"look {look}", lambda: _looked(hub, item))
        stands = await run.change(f"note {look}", partial(_note, run, item, seen))
        if stands["complete"]:
            return
        if stands["planner"] and decided == DELIVER:
            decided = ""
            rest = {product: Decimal(amount) for product, amount in stands["missing"].items()}
            await run.step(f"order rest {look}", partial(_order_rest, hub, item, stands["next"], rest))
            await run.change(f"rest ordered {look}", partial(_add, run, item, stands["next"]))
            continue
        if stands["planner"] and decided == CLOSE:
            await run.change(f"close {look}", lambda tx: _to(run, tx, item, {"complete": True}))
            continue
        who = "planner" if stands["planner"] else "order desk" if stands["problem"] else "warehouse"
        answer = await run.wait(MOVED, stands["waits"], who=who, within=LOOK_AGAIN)
        decided = str(answer.value) if answer is not None else ""


# -- what the steps do ---------------------------------------------------------------------------------------------


async def _priced(hub: BusinessHub, item: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(await ask_price(hub, await fields_of(hub, item)))
    return found


async def _check(run: Run, tx: DeskTransaction, item: str, priced: Mapping[str, Any]) -> dict[str, Any]:
    """Check and keep what the ERP said. Requests of one station are checked one after the other."""
    hub: BusinessHub = run.hub
    request = await fields_of(hub, item)
    await tx.lock(["MaterialRequest", f"credit of {request['station']}"])
    station = (await one(hub, request["station"])).fields
    currency = priced["currency"]
    others = [
        other
        for state in (*OPEN_REQUESTS, *SENDING)
        for other in await hub.find("MaterialRequest", "state", state, EVERY)
        if other.id != item
        and other.fields.get("station") == request["station"]
        and (other.fields.get("total") or {}).get("currency") == currency
        and (request["supply"] != Supply.SALES_ORDER or not _in_the_erps_credit(other.fields))
    ]
    used = Decimal(priced["used"]) + sum((amount_of(one.fields["total"]["amount"]) for one in others), Decimal(0))
    limits = [Decimal(priced["limit"])] if priced["limit"] is not None else []
    own = station.get("credit_limit") or {}
    if own.get("currency") == currency:
        limits.append(amount_of(own["amount"]))
    limit = min(limits, default=None)
    found = check_request(wanted_of({**request, "lines": priced["lines"]}), Credit(limit=limit, used=used))
    fields = {
        "lines": priced["lines"],
        "total": {"amount": str(found.total), "currency": currency} if currency else None,
        "credit_limit": None if limit is None else {"amount": str(limit), "currency": currency},
        "credit_used": {"amount": str(used), "currency": currency} if currency else None,
        "state": "checked",
    }
    await edit(hub, tx, run, item, fields)
    details = {
        "station": f"{station.get('number')} {station.get('name')}",
        "supply": request["supply"],
        "credit": f"{used} of {limit} used" if limit is not None else "no limit",
        "stock": f"not enough for position {', '.join(found.short)}" if found.short else "enough for everything",
    }
    return {
        "refused": " ".join(found.refused),
        "number": request["number"],
        "title": f"{station.get('name')} asks for material worth {found.total} {currency}",
        "total": str(found.total),
        "currency": currency,
        "level": station.get("kind") or "",
        "requester": request.get("requester") or "",
        "details": details,
    }


def _in_the_erps_credit(request: Mapping[str, Any]) -> bool:
    """Whether the ERP counts it against the customer's credit itself: when it has the order and delivers it."""
    return request.get("supply") != Supply.SALES_ORDER or bool(request.get("deliveries"))


async def _refused(run: Run, item: str, why: str, approval: tuple[str, RequestState] | None = None) -> str:
    """Back to the station, with the reason."""

    async def refuse(tx: DeskTransaction) -> None:
        hub: BusinessHub = run.hub
        reason = why if approval is None else await why_refused(tx, *approval)
        request = (await edit(hub, tx, run, item, {"state": "refused", "reason": reason})).fields
        if approval is None:  # else whoever asked has been told already
            await tell(
                hub,
                tx,
                "request_refused",
                document="MaterialRequest",
                number=str(request["number"]),
                to=str(request.get("requester") or ""),
                context={"title": request["number"], "comments": [reason], "expired": False},
                detail=run.id,
            )

    await run.change("refuse", refuse)
    return "refused"


async def _to(run: Run, tx: DeskTransaction, item: str, fields: Mapping[str, Any]) -> None:
    await edit(run.hub, tx, run, item, fields)


async def _make_order(run: Run, tx: DeskTransaction, item: str, request: Mapping[str, Any]) -> None:
    """The engine makes it in the ERP, once, and brings its number and states back."""
    hub: BusinessHub = run.hub
    station = (await one(hub, request["station"])).fields
    order = f"order-{uuid5(NAMESPACE_URL, run.id)}"
    cause = Cause("process", "material_request", run.id)
    fields = {
        "customer": station["customer"],
        "reference": request["number"],
        "ordered": [{"product": line["product"], "quantity": line["quantity"]} for line in request["lines"]],
        "confirmed": True,
    }
    edits = hub.edits(tx, cause, "SalesOrder", "MaterialRequest")
    await edits.create("SalesOrder", fields, id=order, alike=True)
    await edits.change(item, {"state": "ordered", "order": order})


async def _looked(hub: BusinessHub, item: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(await look_at(hub, await fields_of(hub, item)))
    return found


async def _note(run: Run, item: str, seen: Mapping[str, Any], tx: DeskTransaction) -> dict[str, Any]:
    """Keep what the ERP shows, and say how the request stands."""
    hub: BusinessHub = run.hub
    request = await fields_of(hub, item)
    found = outcome_of(request, seen["deliveries"], closed=seen["closed"])
    lines = [
        {**line, "shipped": str(found.shipped[str(line["id"])]), "left": str(found.left[str(line["id"])])}
        for line in request["lines"]
    ]
    gone = any(found.shipped.values())
    left = {line["id"]: found.left[str(line["id"])] for line in lines if found.left[str(line["id"])]}
    state = "ordered" if not gone else "partly_shipped" if left else "shipped"
    fields = {
        "lines": lines,
        "deliveries": list(seen["deliveries"]),
        "whole": found.whole,
        "state": state,
        "reason": seen["problem"] or None,
    }
    await edit(hub, tx, run, item, fields)
    await _keep_stock(run, tx, request, seen["stock"])
    await _tell_of_goods(run, tx, request, seen["deliveries"])
    missing: dict[str, Decimal] = {}
    for line in lines:
        missing[line["product"]] = missing.get(line["product"], Decimal(0)) + found.left[str(line["id"])]
    told = ", ".join(f"{amount} of position {id}" for id, amount in left.items())
    waits = seen["problem"] or ("the rest to be delivered" if found.rest_is_delivery else "the goods to arrive")
    if found.undecided and not seen["problem"]:
        waits = f"No delivery is planned for {told}: deliver it, or give it up"
    transfers = request.get("transfers") or []
    return {
        "complete": found.complete,
        # What becomes of the rest of a sales order is decided in the ERP.
        "problem": bool(seen["problem"]),
        "planner": found.undecided and not request.get("order"),
        "next": f"{request['number']}/{len(transfers) + 1}",
        "missing": {product: str(amount) for product, amount in missing.items() if amount},
        "waits": waits,
    }


def stock_item(station: str, place: str, product: str) -> str:
    """The item that holds the stock of a product at a place of a station."""
    return f"stock-{uuid5(NAMESPACE_URL, f'{station}/{place}/{product}')}"


async def _keep_stock(run: Run, tx: DeskTransaction, request: Mapping[str, Any], stock: list[dict[str, Any]]) -> None:
    """Stock on hand and in transit at the station follows the ERP."""
    hub: BusinessHub = run.hub
    edits = hub.edits(tx, Cause("process", "material_request", run.id), "StockLevel")
    for one_ in stock:
        id = stock_item(request["station"], one_["place"], one_["product"])
        fields = {"station": request["station"], **one_}
        await edits.create("StockLevel", fields, id=id, alike=True)
        await edits.change(id, {"on_hand": one_["on_hand"], "in_transit": one_["in_transit"]})


async def _tell_of_goods(
    run: Run, tx: DeskTransaction, request: Mapping[str, Any], deliveries: list[dict[str, Any]]
) -> None:
    hub: BusinessHub = run.hub
    for delivery in deliveries:
        if delivery["state"] == "planned":
            continue
        await tell(
            hub,
            tx,
            "delivered" if delivery["state"] == "done" else "dispatched",
            document="MaterialRequest",
            number=str(request["number"]),
            to=str(request.get("requester") or ""),
            context={},
            detail=str(delivery["id"]),
        )


async def _order_rest(hub: BusinessHub, item: str, reference: str, left: Mapping[str, Decimal]) -> str:
    return await order_transfer(hub, await fields_of(hub, item), reference, left)


async def _add(run: Run, item: str, reference: str, tx: DeskTransaction) -> None:
    request = await fields_of(run.hub, item)
    await edit(run.hub, tx, run, item, {"transfers": [*(request.get("transfers") or []), reference]})


async def _complete(run: Run, tx: DeskTransaction, item: str) -> None:
    await edit(run.hub, tx, run, item, {"state": "complete", "complete": True})


def _by_product(request: Mapping[str, Any]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for line in request["lines"]:
        found[line["product"]] = found.get(line["product"], Decimal(0)) + amount_of(line["quantity"])
    return found
