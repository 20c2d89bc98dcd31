"""One item as a whole: what the hub holds and who set it, what every system shows, why it is (not) in step, and what
happened to it. Values that need a role are left out for whoever has it not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from isthmus.app.access import Principal
from isthmus.mapping import Lens
from isthmus.model.fields import Canonical, FieldType, Kind, covers
from isthmus.model.state import Effect, InboxEntry, Item, JournalEntry, Link, LinkState, Provenance
from isthmus.store import Reads
from isthmus.sync.explain import Part, explain_link, not_created
from isthmus.sync.pauses import PauseBook
from isthmus.sync.standing import pending
from isthmus.sync.world import World, missing_fields

__all__ = ["Cell", "FieldRow", "Happening", "RecordView", "field_roles", "record_view", "title_of", "undoable"]

HIDDEN = "•••"
TITLES = ("name", "number", "reference", "title", "sku", "code", "email")
HISTORY = 200


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One field in one system."""

    shown: Canonical
    base: Canonical
    state: str
    """same, differs, conflict, waiting, not held, or unmapped."""


class FieldRow(msgspec.Struct, frozen=True, kw_only=True):
    """One field everywhere."""

    name: str
    value: Canonical
    set_by: Provenance | None
    cells: Sequence[Cell]
    """In the order of the view's links."""
    hidden: bool = False
    equal: bool = True
    """Every system that has the field shows the hub's value."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the record's history: a change of the item, or a write to a system."""

    at: datetime
    by: str
    kind: str
    """system, person, hub or process for a change; written or failed for a write."""
    what: str
    changes: Mapping[str, tuple[Canonical, Canonical]]
    detail: str = ""
    version: int | None = None
    """Of the item, as this change of its fields made it: what can be taken back by it. None: nothing of it can."""


class RecordView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything its page shows."""

    item: Item
    title: str
    links: Sequence[Link]
    parts: Sequence[Part]
    rows: Sequence[FieldRow]
    history: Sequence[Happening]
    entries: Sequence[InboxEntry]
    names: Mapping[str, str]
    """Titles of the items that it refers to."""
    belonging: Sequence[Item]
    """Items that refer to it."""

    @property
    def in_step(self) -> bool:
        """Nothing stands between the item and its records."""
        return all(part.state in ("in step", "kept out") for part in self.parts)


def title_of(item: Item) -> str:
    """What people call it."""
    for name in TITLES:
        if item.fields.get(name):
            return str(item.fields[name])
    return item.id[:8]


def field_roles(world: World, entity: str) -> dict[str, str]:
    """Field -> the role that it needs."""
    return {
        name: rule.role
        for flow in world.flows.values()
        if flow.entity.name == entity
        for name, rule in flow.fields.items()
        if rule.role is not None
    }


async def record_view(reads: Reads, world: World, id: str, me: Principal, now: datetime) -> RecordView | None:
    """The item with this id; what it was merged into when it was; None when there is none."""
    item = await reads.heir(id)
    if item is None:
        return None
    for place, gone in missing_fields(await reads.far_fields()).items():
        world.lose(*place, gone)
    links = [link for link in await reads.links_of_items([item.id]) if (link.flow, link.system) in world.lenses]
    secret = {name for name, role in field_roles(world, item.entity).items() if not me.sees(role)}
    entries = await reads.entries_about([link.id for link in links])
    about = {entry.subject: entry for entry in entries}
    feeds = {(f.system, f.resource): f for f in await reads.feeds()}
    pauses = PauseBook()
    pauses.fill(await reads.pauses())
    parts = [explain_link(world, link, item, about.get(link.id), feeds, pauses) for link in links]
    parts += not_created(world, item, links)
    referred = _references(world, item)
    return RecordView(
        item=item,
        title=title_of(item),
        links=links,
        parts=[msgspec.structs.replace(part, fields=without(part.fields, secret)) for part in parts],
        rows=_rows(world, item, links, secret),
        history=_history(
            item.id, await reads.history(item.id, HISTORY), await reads.effects(item=item.id, limit=HISTORY), secret
        ),
        entries=entries,
        names={one.id: title_of(one) for one in (await reads.items(referred)).values()} if referred else {},
        belonging=await reads.referencing(item.id, limit=50),
    )


def without(fields: Mapping[str, Any], secret: set[str]) -> dict[str, Any]:
    """The same fields without the values that are not for this reader."""
    return {name: (HIDDEN if name in secret else value) for name, value in fields.items()}


def _references(world: World, item: Item) -> set[str]:
    """Ids of the items in its fields, in lines too."""
    kinds = world.kinds[item.entity].fields if item.entity in world.kinds else {}
    found: set[str] = set()

    def look(kind: FieldType | None, value: Any) -> None:
        if kind is None or value is None:
            return
        if kind.kind is Kind.REF:
            found.add(str(value))
        elif kind.kind is Kind.STRUCT and isinstance(value, dict):
            for name, part in value.items():
                look(kind.fields.get(name), part)
        elif kind.kind is Kind.LIST and isinstance(value, list):
            for part in value[:200]:
                look(kind.of, part)

    for name, value in item.fields.items():
        look(kinds.get(name), value)
    return found


def _rows(world: World, item: Item, links: Sequence[Link], secret: set[str]) -> list[FieldRow]:
    order: list[str] = []
    for flow in dict.fromkeys(link.flow for link in links):
        order += world.flows[flow].fields
    names = list(dict.fromkeys([*order, *item.fields]))
    waiting = {
        link.id: pending(link, item, world.lenses[(link.flow, link.system)])
        for link in links
        if link.state is LinkState.LINKED
    }
    rows = []
    for name in names:
        cells = [
            _cell(world.lenses[(link.flow, link.system)], link, name, item.fields.get(name), waiting.get(link.id, {}))
            for link in links
        ]
        mapped = any(cell.state != "unmapped" for cell in cells)
        if item.fields.get(name) is None and all(cell.shown is None for cell in cells) and not mapped:
            continue
        if name in secret:
            rows.append(FieldRow(name=name, value=None, set_by=None, cells=[], hidden=True))
            continue
        equal = all(cell.state in ("same", "unmapped") for cell in cells)
        rows.append(
            FieldRow(name=name, value=item.fields.get(name), set_by=item.set_by.get(name), cells=cells, equal=equal)
        )
    return rows


def _cell(lens: Lens, link: Link, name: str, value: Canonical, waiting: Mapping[str, Canonical]) -> Cell:
    shown, base = link.far.get(name), link.base.get(name)
    if name in link.conflicts:
        return Cell(shown=link.conflicts[name].far, base=link.conflicts[name].base, state="conflict")
    if name in link.not_held and link.not_held[name].sure:
        return Cell(shown=link.not_held[name].got, base=base, state="not held")
    if name in waiting:
        return Cell(shown=shown, base=base, state="waiting")
    if name not in lens.exprs:
        return Cell(shown=None, base=None, state="unmapped")
    if name not in link.far:
        return Cell(shown=None, base=base, state="unmapped")
    wanted = lens.view(name, value) if name in lens.writable else value
    same = covers(shown, wanted) or shown == value
    return Cell(shown=shown, base=base, state="same" if same else "differs")


def undoable(entry: JournalEntry) -> bool:
    """Whether an entry changed fields of an item that was there before."""
    return "@born" not in entry.changes and any(not name.startswith("@") for name in entry.changes)


def _history(id: str, changes: Sequence[JournalEntry], effects: Sequence[Effect], secret: set[str]) -> list[Happening]:
    found = [
        Happening(
            at=one.at,
            by=one.cause.by,
            kind=one.cause.kind,
            what="changed" if not any(name.startswith("@") for name in one.changes) else "event",
            changes=_pairs(one.changes, secret),
            detail=one.cause.key,
            version=one.version if one.item == id and undoable(one) else None,
        )
        for one in changes
    ]
    found += [
        Happening(
            at=one.at,
            by=one.system,
            kind="written" if one.outcome == "done" else "failed",
            what=one.kind,
            changes=_pairs(one.changes, secret),
            detail="" if one.outcome == "done" else f"{one.outcome}: {one.message}",
        )
        for one in effects
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)[:HISTORY]


def _pairs(
    changes: Mapping[str, tuple[Canonical, Canonical]], secret: set[str]
) -> dict[str, tuple[Canonical, Canonical]]:
    return {name: (HIDDEN, HIDDEN) if name in secret else (pair[0], pair[1]) for name, pair in changes.items()}
