"""``trace``: one document followed across all systems, with its times: opportunity → quotes → order → deliveries →
invoices → payments, and what came back; from a station's request to its order; a month's settlement with its repairs.
A station's return, and a repair that is in no settlement yet, stand by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.app.ledgers import StoredDocuments, ledger_of_order
from isthmus.app.record_view import title_of
from isthmus.desk.ledger import Ledger
from isthmus.model.state import Item
from isthmus.store import Reads

__all__ = ["Trace", "TraceEvent", "TraceNode", "trace"]

ORDER = (
    *("Opportunity", "Quote", "MaterialRequest", "SalesOrder", "Delivery", "Invoice", "Payment", "Return"),
    *("LabourSettlement", "RepairRecord"),
)
"""From above to below."""
ASKED = ("Quote", "MaterialRequest")
"""What an order may have come from: these name the order."""
HANGS_ON = ("invoice", "order")
"""Fields that name the document above."""
DEPTH = 6
TOLD = (
    *("state", "shipment_state", "invoice_state", "total", "open_amount", "amount", "shipped_on", "paid_on", "reason"),
    *("erp_state", "credits", "credit_state", "credit_note", "level", "fee", "entry_state"),
)
"""Fields worth a line in a document's history."""


class TraceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to one of the documents."""

    at: datetime
    entity: str
    kind: str
    document: str
    what: str
    """In English, as the command line says it; the rest is for whoever says it in another language."""
    by: str
    act: str = ""
    """``first seen``, ``created`` or ``could not be written``; empty when fields changed."""
    place: str = ""
    """Where it was written: ``system resource key``."""
    changes: Mapping[str, Any] = {}
    """Field -> what it became."""
    problem: str = ""


class TraceNode(msgspec.Struct, frozen=True, kw_only=True):
    """One document and what belongs to it."""

    item: str
    entity: str
    kind: str
    """What people call it: the entity, ``Credit note`` or ``Goods that came back``."""
    name: str
    fields: dict[str, Any]
    records: Sequence[str]
    """``system resource key`` wherever it is."""
    children: Sequence[TraceNode] = ()
    ledger: Ledger | None = None
    """For an order: what happened to it line by line."""

    def all(self) -> list[TraceNode]:
        """The document and everything below it."""
        return [self, *(node for child in self.children for node in child.all())]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The documents as a tree, and their joint history."""

    roots: Sequence[TraceNode]
    events: Sequence[TraceEvent]
    names: Mapping[str, str] = {}
    """Item -> what people call it, for the products and customers that the documents name."""


async def trace(reads: Reads, text: str) -> Trace:
    """Find the document by number, reference or record key (as ``key`` or ``system/resource/key``) and follow it up
    to its order and down to its payments. Empty roots when nothing is found."""
    start = await _find(reads, text)
    tops: dict[str, Item] = {}
    for item in start:
        top = await _climb(reads, item)
        versions = [top]
        if top.entity == "Quote":
            versions = await reads.items_by_field("Quote", "original", top.fields.get("original")) or versions
        tops |= {one.id: one for one in sorted(versions, key=_place)}
    events: list[TraceEvent] = []
    roots = [await _node(reads, item, events, 0) for item in tops.values()]
    nodes = [node for root in roots for node in root.all()]
    named = {str(node.fields["customer"]) for node in nodes if node.fields.get("customer")}
    named |= {line["product"] for node in nodes for line in node.fields.get("lines") or () if line.get("product")}
    names = {item.id: title_of(item) for item in (await reads.items(named)).values()} if named else {}
    return Trace(roots=roots, events=sorted(events, key=lambda event: event.at), names=names)


async def _find(reads: Reads, text: str) -> list[Item]:
    if text.count("/") >= 2:
        links = await reads.links_of_record(*text.split("/", 2))
        items = await reads.items({link.item for link in links if link.item is not None})
        return [item for item in items.values() if item.entity in ORDER]
    for field in ("number", "reference", "deal", "name"):
        # An order and an invoice may bear the same number: both are meant until somebody says which.
        found = [item for entity in ORDER for item in await reads.items_by_field(entity, field, text)]
        if found:
            return found
    return [item for item in await reads.search(text) if item.entity in ORDER][:5]


async def _climb(reads: Reads, item: Item) -> Item:
    """The document everything else hangs on."""
    for _ in range(DEPTH):
        if item.entity == "SalesOrder":
            found = [one for entity in ASKED for one in await reads.items_by_field(entity, "order", item.id)]
        elif item.entity in ASKED:
            found = await _items(reads, item.fields.get("opportunity"))
        elif item.entity == "RepairRecord":
            found = await reads.items_by_field("LabourSettlement", "number", item.fields.get("settlement"))
        else:
            above = next((item.fields[name] for name in HANGS_ON if item.fields.get(name)), None)
            found = await _items(reads, above)
        if not found:
            return item
        item = found[0]
    return item


async def _items(reads: Reads, id: Any) -> list[Item]:
    return list((await reads.items([id])).values()) if id else []


async def _below(reads: Reads, item: Item) -> list[Item]:
    """The documents that hang on this one."""
    if item.entity in ASKED:
        return await _items(reads, item.fields.get("order"))
    if item.entity == "LabourSettlement":
        repairs = [str(line["repair"]) for line in item.fields.get("lines") or () if line.get("repair")]
        return list((await reads.items(repairs)).values())
    place = ORDER.index(item.entity) if item.entity in ORDER else len(ORDER)
    return [
        child
        for child in await reads.referencing(item.id)
        if child.entity in ORDER[place + 1 :]
        and item.id in [child.fields.get(name) for name in ("opportunity", *HANGS_ON)]
    ]


async def _node(reads: Reads, item: Item, events: list[TraceEvent], depth: int) -> TraceNode:
    found = await reads.item_with_links(item.id)
    links = found.links if found is not None else []
    name = str(_number(item) or item.fields.get("reference") or item.fields.get("deal") or item.id[:8])
    await _history(reads, item, name, events)
    below = await _below(reads, item) if depth < DEPTH else []
    children = [await _node(reads, child, events, depth + 1) for child in sorted(below, key=_place)]
    return TraceNode(
        item=item.id,
        entity=item.entity,
        kind=_kind(item),
        name=name,
        fields={k: v for k, v in item.fields.items() if v not in (None, [], {})},
        records=[f"{link.system} {link.resource} {link.key or '(being created)'}" for link in links],
        children=children,
        ledger=await ledger_of_order(StoredDocuments(reads), item) if item.entity == "SalesOrder" else None,
    )


def _kind(item: Item) -> str:
    """What people call the document."""
    lines = item.fields.get("lines") or ()
    if item.entity == "Delivery" and lines and all(Decimal(str(line.get("quantity") or 0)) < 0 for line in lines):
        return "Goods that came back"
    if item.entity == "Invoice" and item.fields.get("credit_note"):
        return "Credit note"
    return item.entity


def _number(item: Item) -> Any:
    """What people call it: of a deal its name, its number is a key of the CRM."""
    return item.fields.get("name") if item.entity == "Opportunity" else item.fields.get("number")


def _place(item: Item) -> tuple[int, str]:
    return ORDER.index(item.entity), str(item.fields.get("number") or "")


async def _history(reads: Reads, item: Item, name: str, events: list[TraceEvent]) -> None:
    for entry in await reads.history(item.id, 200):
        changes = {
            field: new for field, (_, new) in entry.changes.items() if field in TOLD and new not in (None, "", True)
        }
        born = "@born" in entry.changes
        if not changes and not born:
            continue
        told = [*(["first seen"] if born else []), *(f"{field}: {_short(new)}" for field, new in changes.items())]
        events.append(
            TraceEvent(
                at=entry.at, entity=item.entity, kind=_kind(item), document=name, what=", ".join(told),
                by=entry.cause.by, act="first seen" if born else "", changes=changes,
            )
        )  # fmt: skip
    for effect in await reads.effects(item=item.id, limit=200):
        if effect.kind != "create" and effect.outcome == "done":
            continue
        well = effect.outcome == "done"
        problem = "" if well else f"{effect.outcome}: {effect.message}"
        done = "created" if well else f"{effect.kind} failed ({problem})"
        where = f"{effect.resource} {effect.key or ''}".strip()
        events.append(
            TraceEvent(
                at=effect.at, entity=item.entity, kind=_kind(item), document=name,
                what=f"{done} in {effect.system} as {where}", by="isthmus",
                act="created" if well else "could not be written", place=f"{effect.system} {where}", problem=problem,
            )
        )  # fmt: skip


def _short(value: Any) -> str:
    if isinstance(value, dict) and "amount" in value:
        return f"{value['amount']} {value.get('currency', '')}".strip()
    return str(value)
