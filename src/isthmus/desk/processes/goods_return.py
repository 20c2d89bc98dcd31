"""A station or a customer sends goods back: announced, sent, counted at the centre, settled when something differs, and
received by the ERP once. Where their price is given back, it goes on until the credit note stands in the ERP's books.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from isthmus.connector.logistics import (
    RECEIVE_RETURN,
    RETURNS,
    GoodsLine,
    References,
    ReturnAsked,
    Returns,
    ReturnStanding,
)
from isthmus.desk.documents import amount_of, edit, fields_of, keys_in, one, tell
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.returning import Counted, differences
from isthmus.errors import NeedsPerson
from isthmus.model.state import LinkState
from isthmus.process import Run, process

__all__ = ["AGAIN", "COUNTED", "CREDIT_STATES", "MOVED", "SENT", "SETTLE", "counted_of", "goods_return", "shown_of"]

SENT, COUNTED, SETTLE, AGAIN, MOVED = "sent", "counted", "settle", "again", "moved"
"""Topics: the station has sent the goods; the centre has counted them; a difference is settled, or they are counted
anew; the ERP is to be asked again; the ERP shows something else."""
LOOK_AGAIN = timedelta(hours=6)
CREDIT_STATES = ("posted", "paid")
"""States of a credit note that stands in the books."""


@process("goods_return")
async def goods_return(run: Run, given: Mapping[str, Any]) -> str:
    """``given``: ``return`` (the item), ``sender`` (``station`` when left out, or ``customer``)."""
    item = given["return"]
    sent = await run.wait(SENT, "Send the goods that are announced.", who=given.get("sender", "station"))
    assert sent is not None, "a wait without a deadline ends by its signal"
    await run.change("note sent", partial(_note, run, item, {"state": "sent", **sent.value}))

    answer = await run.wait(COUNTED, "Count what has arrived.", who="centre")
    assert answer is not None, "a wait without a deadline ends by its signal"
    count = 0
    told = dict(answer.value)
    while "counted" in told:
        count += 1
        differs = await run.change(f"note counted {count}", partial(_count, run, item, told, count))
        if not differs:
            break
        answer = await run.wait(SETTLE, f"{differs}: who is responsible?", who="centre manager")
        assert answer is not None, "a wait without a deadline ends by its signal"
        told = dict(answer.value)
    arrived = await run.change("settle", partial(_settle, run, item, told))
    if not arrived:
        await run.change("end", partial(_note, run, item, {"state": "closed"}))
        return "closed"
    await _receive(run, item)
    return await _credited(run, item)


async def _receive(run: Run, item: str) -> None:
    """The ERP receives what was counted. What it refuses waits for a person, who has it asked again."""
    hub: BusinessHub = run.hub
    attempt = 0
    while True:
        attempt += 1
        try:
            shown = await run.step(f"receive {attempt}", lambda: _received(hub, item))
        except NeedsPerson as error:
            reason = error.message
            await run.change(f"note refused {attempt}", partial(_note, run, item, {"erp_state": reason}))
            await run.wait(AGAIN, reason, who="centre manager")
            continue
        await run.change("note received", partial(_note_received, run, item, shown))
        return


async def _credited(run: Run, item: str) -> str:
    hub: BusinessHub = run.hub
    look = 0
    while True:
        look += 1
        shown = await run.step(f"look {look}", lambda: _look(hub, item))
        waits = await run.change(f"note credit {look}", partial(_note_credit, run, item, shown))
        if not waits:
            return "received"
        await run.wait(MOVED, waits, who="finance", within=LOOK_AGAIN)


# -- what the steps do ---------------------------------------------------------------------------------------------


async def _note(run: Run, item: str, fields: Mapping[str, Any], tx: DeskTransaction) -> None:
    await edit(run.hub, tx, run, item, fields)


def counted_of(fields: Mapping[str, Any]) -> list[Counted]:
    """Positions as they were sent and counted; what nobody counted has not arrived."""
    return [
        Counted(
            id=str(line["id"]),
            sent=amount_of(line.get("sent", line.get("announced"))),
            counted=amount_of(line.get("counted")),
        )
        for line in fields["lines"]
    ]


async def _count(run: Run, item: str, told: Mapping[str, Any], count: int, tx: DeskTransaction) -> str:
    """Keep what was counted; what differs, in words."""
    hub: BusinessHub = run.hub
    fields = await fields_of(hub, item)
    lines = [{**line, "counted": told["counted"].get(str(line["id"]), "0")} for line in fields["lines"]]
    found = differences(counted_of({"lines": lines}))
    state = "difference" if found else "counted"
    kept = {
        "lines": lines,
        "state": state,
        "counted_by": told["by"],
        "counted_on": hub.now().date().isoformat(),
    }
    await edit(hub, tx, run, item, kept)
    if found:
        await _tell(run, tx, fields, "return_difference", f"count {count}")
    names = {str(line["id"]): line["product"] for line in lines}
    products = await hub.items(list(names.values()))
    told_of = {id: str(products[product].fields.get("sku") or id) for id, product in names.items()}
    return ", ".join(
        f"{-one.amount} {told_of[one.id]} missing" if one.amount < 0 else f"{one.amount} {told_of[one.id]} too many"
        for one in found
    )


async def _settle(run: Run, item: str, told: Mapping[str, Any], tx: DeskTransaction) -> bool:
    """What was counted counts; whether anything has arrived."""
    fields = await fields_of(run.hub, item)
    blames = told.get("blames") or {}
    lines = [{**line, "settled": line.get("counted"), **blames.get(str(line["id"]), {})} for line in fields["lines"]]
    kept: dict[str, Any] = {"lines": lines, "state": "settled"}
    if blames:
        kept["settled_by"] = told["by"]
    await edit(run.hub, tx, run, item, kept)
    return any(amount_of(line["settled"]) for line in lines)


async def _received(hub: BusinessHub, item: str) -> dict[str, Any]:
    fields = await fields_of(hub, item)
    system = hub.answering(RECEIVE_RETURN.name, "SalesOrder")
    customer = fields.get("customer") or (await one(hub, fields["station"])).fields["customer"]
    names = {line["product"]: "A product of the return" for line in fields["lines"]}
    keys = await keys_in(hub, system, {**names, customer: "The customer"})
    lines = tuple(_goods(line, keys) for line in fields["lines"] if amount_of(line["settled"]))
    asked = ReturnAsked(
        reference=fields["number"],
        party=keys[customer],
        lines=lines,
        credited=bool(fields.get("credited")),
        sale=await _sale(hub, system, fields.get("order")),
    )
    answer: ReturnStanding = await hub.ask(system, RECEIVE_RETURN.name, asked, token=fields["number"])
    return _plain(answer, {key: product for product, key in keys.items()})


async def _sale(hub: BusinessHub, system: str, order: Any) -> str | None:
    """The system's own sale of the order that the goods were delivered by."""
    links = await hub.links([str(order)]) if order else []
    return next((link.key for link in links if link.system == system and link.state is LinkState.LINKED), None)


def _goods(line: Mapping[str, Any], keys: Mapping[str, str]) -> GoodsLine:
    """What comes from an order is counted in the order's unit, and worth what was paid for it."""
    product, counted, price = keys[line["product"]], amount_of(line["settled"]), line.get("unit_price")
    if price is None:
        return GoodsLine(product=product, quantity=counted)
    return GoodsLine(product=product, quantity=counted, unit=line.get("unit"), unit_price=amount_of(price))


async def _look(hub: BusinessHub, item: str) -> dict[str, Any] | None:
    fields = await fields_of(hub, item)
    system = hub.answering(RETURNS.name, "SalesOrder")
    answer: Returns = await hub.ask(system, RETURNS.name, References(references=(fields["number"],)))
    return _plain(answer.returns[0], {}) if answer.returns else None


def shown_of(standing: ReturnStanding) -> dict[str, Any]:
    """What a document keeps of the ERP's state."""
    note = standing.credit_note
    return {
        "reference": standing.number,
        "erp_state": standing.state,
        "received_on": standing.received_on,
        "credit_note": note.number if note else None,
        "credit_state": note.state if note else None,
        "credit_total": {"amount": str(note.total), "currency": note.currency} if note else None,
    }


def _plain(standing: ReturnStanding, products: Mapping[str, str]) -> dict[str, Any]:
    received: dict[str, Decimal] = {}
    for line in standing.lines:
        product = products.get(line.product, line.product)
        received[product] = received.get(product, Decimal(0)) + line.quantity
    found: dict[str, Any] = msgspec.to_builtins({"shown": shown_of(standing), "received": received})
    return found


async def _note_received(run: Run, item: str, shown: Mapping[str, Any], tx: DeskTransaction) -> None:
    """Received quantities and state come back from the ERP."""
    fields = await fields_of(run.hub, item)
    lines = [{**line, "received": shown["received"].get(line["product"], "0")} for line in fields["lines"]]
    await edit(run.hub, tx, run, item, {**shown["shown"], "lines": lines, "state": "received"})
    await _tell(run, tx, fields, "return_received", "")


async def _note_credit(run: Run, item: str, shown: Mapping[str, Any] | None, tx: DeskTransaction) -> str:
    """Keep how the credit note stands; what is waited for, empty when nothing is."""
    fields = await fields_of(run.hub, item)
    if shown is None:
        return "The ERP has the return no more."
    await edit(run.hub, tx, run, item, shown["shown"])
    if not fields.get("credited") or shown["shown"]["credit_state"] in CREDIT_STATES:
        state = "credited" if fields.get("credited") else "received"
        await edit(run.hub, tx, run, item, {"state": state})
        return ""
    return "Post the credit note in the ERP."


async def _tell(run: Run, tx: DeskTransaction, fields: Mapping[str, Any], milestone: str, detail: str) -> None:
    await tell(
        run.hub,
        tx,
        milestone,
        document="Return",
        number=str(fields["number"]),
        to=str(fields.get("requester") or ""),
        context={},
        detail=detail,
    )
