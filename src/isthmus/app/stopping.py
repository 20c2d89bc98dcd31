"""Stopping a process for good, and leaving its document in a state that says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from isthmus.app.bootstrap import new_id
from isthmus.desk.documents import withdraw_approval
from isthmus.desk.ports import DeskTransaction
from isthmus.model.state import Cause, Item
from isthmus.process import cancel
from isthmus.sync.editing import HubEdits
from isthmus.sync.world import World

__all__ = ["stop"]


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the documents of a process. ``given``: the name of the document in its input. ``ended``: states
    in which it is as it will be."""

    entity: str
    given: str
    state: str
    ended: frozenset[str]


DOCUMENTS: Final[Mapping[str, Stopped]] = {
    "material_request": Stopped(
        entity="MaterialRequest",
        given="request",
        state="cancelled",
        ended=frozenset({"complete", "refused", "cancelled"}),
    ),
    "goods_return": Stopped(
        entity="Return",
        given="return",
        state="cancelled",
        ended=frozenset({"received", "credited", "closed", "cancelled"}),
    ),
    "labour_settlement": Stopped(
        entity="LabourSettlement",
        given="settlement",
        state="cancelled",
        ended=frozenset({"booked", "refused", "withdrawn", "cancelled"}),
    ),
    "quote": Stopped(
        entity="Quote",
        given="quote",
        state="withdrawn",
        ended=frozenset({"accepted", "refused", "rejected", "expired", "replaced", "withdrawn"}),
    ),
    "order": Stopped(
        entity="SalesOrder", given="order", state="withdrawn", ended=frozenset({"withdrawn", "refused", "cancelled"})
    ),
}
REASONS = ("MaterialRequest", "LabourSettlement", "Quote")
"""Documents that say why they stand as they do."""
FREE = ("draft", "reported")
"""A settlement in these states has nothing in the ERP's books: its repairs are to be settled again."""


async def stop(tx: DeskTransaction, world: World, id: str, *, by: str, now: datetime) -> None:
    """Stop a process and what it waits for somebody to approve. Its document is cancelled too, unless it had come to
    its end. What the ERP has of it stays there, but for the quotation of an order, which is cancelled. Raises
    :class:`~isthmus.errors.NeedsPerson` when it is over."""
    name = "order" if id.startswith("order-") else id.partition("/")[0]
    known = DOCUMENTS.get(name)
    edits = None
    if known is not None:
        entities = (known.entity, "Opportunity", "RepairRecord")
        # Before the process's row, as its own steps do.
        await tx.lock(entities)
        edits = HubEdits(tx, world, Cause("person", by, id), now=now, new_id=new_id, entities=entities)
    process = await tx.processes.load(id)
    await cancel(tx, id, by=by, now=now)
    if process is not None:
        await withdraw_approval(tx, process, by=by, now=now)
    if known is None or edits is None or process is None or process.name != name:
        return
    item = (await tx.items([process.input[known.given]])).get(process.input[known.given])
    if item is not None and item.deleted_at is None and item.fields.get("state") not in known.ended:
        await _mark(edits, known, item, f"Its process was stopped by {by}.")


async def _mark(edits: HubEdits, known: Stopped, item: Item, why: str) -> None:
    if known.entity == "SalesOrder" and item.fields.get("confirmed"):
        return  # The engine makes it, whoever watches.
    fields: dict[str, Any] = {"state": known.state}
    if known.entity == "SalesOrder":
        # Without the name of whoever stopped it: this is written to the ERP, and shown to the customer.
        fields |= {"confirmed": False, "cancelled": True, "reason": "Withdrawn."}
    if known.entity in REASONS:
        fields["reason"] = why
    await edits.change(item.id, fields)
    if known.entity == "LabourSettlement" and item.fields.get("state") in FREE:
        for line in item.fields.get("lines") or ():
            await edits.change(line["repair"], {"settlement": None, "period": None})
    if known.entity == "Quote" and item.fields.get("opportunity"):
        await edits.change(str(item.fields["opportunity"]), {"quote_state": known.state})
