"""People change a record in the hub, and take back what was changed: which fields they may, and doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from isthmus.app.access import Principal
from isthmus.app.acting import Acting
from isthmus.app.inbox_desk import SIMPLE, typed
from isthmus.app.record_view import field_roles, undoable
from isthmus.errors import Conflict, NeedsPerson
from isthmus.model.fields import Canonical, FieldType, Kind
from isthmus.model.state import Cause, Item, JournalEntry, Link
from isthmus.sync.editing import HUB, HubEdits
from isthmus.sync.standing import ACTIVE
from isthmus.sync.world import World

__all__ = ["Barrier", "Editing", "FieldForm", "Undo"]

LONGEST = 20_000
"""Characters of a value that is edited in a form."""
HISTORY = 200
"""Entries of the history that can be taken back: those that the record's page shows."""


class Barrier(msgspec.Struct, frozen=True):
    """Why people cannot change a field here."""

    reason: str
    """role, deleted, conflict, writers, or (of typing only, not of undoing) ref, list, long."""
    systems: tuple[str, ...] = ()
    """Who may set it, or where the conflict is."""


class FieldForm(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an item, as a person edits it."""

    item: Item
    name: str
    kind: FieldType
    value: Canonical
    """None when it is not for the person's roles."""
    barrier: Barrier | None


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """What taking back one entry of the history would do."""

    item: Item
    entry: JournalEntry
    fields: Mapping[str, tuple[Canonical, Canonical]]
    """Field -> what it holds now, and what it would hold."""
    moved: Sequence[str]
    """Those of them that have changed again since."""
    barriers: Mapping[str, Barrier]
    """Fields of the entry that stay as they are, and why."""


def barrier(world: World, item: Item, links: Sequence[Link], name: str, me: Principal) -> Barrier | None:
    """Why this person cannot change the field to any value; None when that is possible."""
    if not me.sees(field_roles(world, item.entity).get(name)):
        return Barrier("role")
    if item.deleted_at is not None:
        return Barrier("deleted")
    at_odds = tuple(link.system for link in links if name in link.conflicts)
    if at_odds:
        return Barrier("conflict", at_odds)
    flows = {link.flow for link in links if link.state in ACTIVE} or world.hub_flows(item.entity)
    for flow in sorted(flows & set(world.flows)):
        rule = world.flows[flow].fields.get(name)
        if rule is not None and rule.writers and HUB not in rule.writers:
            return Barrier("writers", rule.writers)
    return None


def typing_barrier(kind: FieldType, value: Canonical) -> Barrier | None:
    """Why such a value cannot be typed into a form."""
    if kind.kind is Kind.REF:
        return Barrier("ref")
    parts = kind.fields.values() if kind.kind is Kind.STRUCT else (kind,)
    if any(part.kind not in (*SIMPLE, Kind.INSTANT) for part in parts):
        return Barrier("list")
    return Barrier("long") if len(str(value)) > LONGEST else None


class Editing(Acting):
    """The use cases, for one person."""

    def offered(self, item: Item, links: Sequence[Link]) -> dict[str, Barrier | None]:
        """Every field of the item's entity, and why it cannot be edited."""
        kinds = self._world.kinds[item.entity].fields
        return {
            name: barrier(self._world, item, links, name, self._me) or typing_barrier(kind, item.fields.get(name))
            for name, kind in kinds.items()
        }

    async def form(self, id: str, name: str) -> FieldForm | None:
        """One field to be edited; None when there is no such item or field."""
        found = await self._reads.item_with_links(id)
        kind = self._world.kinds[found.item.entity].fields.get(name) if found is not None else None
        if found is None or kind is None:
            return None
        stop = self.offered(found.item, found.links)[name]
        secret = stop is not None and stop.reason == "role"
        value = None if secret else found.item.fields.get(name)
        return FieldForm(item=found.item, name=name, kind=kind, value=value, barrier=stop)

    async def edit(self, id: str, name: str, given: Mapping[str, str], *, expected: int) -> Item:
        """Set one field to what was typed: part -> text for a struct, else the text alone under the name ``""``.

        ``expected`` is the version that the person saw. Raises :class:`Conflict` when this field was changed
        since, :class:`Unmappable` for what does not fit, :class:`NeedsPerson` when it is not the hub's to set.
        """
        form = await self.form(id, name)
        if form is None:
            raise NeedsPerson(f"There is no field '{name}' of an item {id}.")
        if form.barrier is not None:
            raise NeedsPerson(f"'{name}' cannot be changed here ({form.barrier.reason}).", field=name)
        value = value_of(form.kind, form.value, given)
        await self._access.note(self._me.login, "record edited", id, {"fields": [name]})
        return await self._change(form.item, {name: value}, expected)

    async def undo(self, id: str, version: int) -> Undo | None:
        """What taking back the change that made this version would do; None when there is none to take back."""
        found = await self._reads.item_with_links(id)
        if found is None:
            return None
        item, kinds = found.item, self._world.kinds[found.item.entity].fields
        history = await self._reads.history(id, HISTORY)
        entry = next((one for one in history if (one.item, one.version) == (id, version)), None)
        if entry is None or not undoable(entry):
            return None
        fields, moved, barriers = {}, [], {}
        for name, (old, new) in entry.changes.items():
            held = item.fields.get(name)
            if name not in kinds or held == old:
                continue
            if (stop := barrier(self._world, item, found.links, name, self._me)) is not None:
                barriers[name] = stop
                continue
            fields[name] = (held, old)
            if held != new:
                moved.append(name)
        return Undo(item=item, entry=entry, fields=fields, moved=moved, barriers=barriers)

    async def take_back(self, id: str, version: int, names: Sequence[str], *, expected: int) -> Item:
        """Give these fields the values again that they had before that change, as a new change. Raises as
        :meth:`edit` does."""
        plan = await self.undo(id, version)
        if plan is None or not names or set(names) - set(plan.fields):
            raise NeedsPerson("This cannot be taken back (any more).", advice="Look at the record as it is now.")
        await self._access.note(self._me.login, "change undone", id, {"version": version, "fields": sorted(set(names))})
        return await self._change(plan.item, {name: plan.fields[name][1] for name in names}, expected)

    async def _change(self, seen: Item, values: Mapping[str, Any], expected: int) -> Item:
        """Carry it out on the version that the person saw, or on a later one when other fields than these moved."""
        if expected != seen.version:
            await self._check_unmoved(seen.id, values, expected)
        cause = Cause("person", self._me.login)
        async with self._store.transaction() as tx:
            edits = HubEdits(tx, self._world, cause, now=self._now(), new_id=self._ids, entities=[seen.entity])
            return await edits.change(seen.id, values, expected=seen.version)

    async def _check_unmoved(self, id: str, names: Mapping[str, Any], expected: int) -> None:
        history = [one for one in await self._reads.history(id, HISTORY) if one.item == id]
        whole = len(history) < HISTORY or any(one.version <= expected for one in history)
        for one in history:
            if one.version > expected and not set(one.changes).isdisjoint(names):
                raise Conflict(
                    f"{one.cause.by} has changed this field meanwhile.",
                    field=next(name for name in names if name in one.changes),
                    advice="Look at what it holds now, then decide.",
                )
        if not whole:
            raise Conflict("The record has changed a lot meanwhile.", advice="Look at it again, then decide.")


def value_of(kind: FieldType, held: Canonical, given: Mapping[str, str]) -> Any:
    """What was typed as a value. A part of a struct that is empty and was never known stays unknown."""
    if "" in given:
        return typed(kind, given[""])
    known = held if isinstance(held, dict) else {}
    parts = {name: typed(part, given[name]) for name, part in kind.fields.items() if name in given}
    kept = {name: part for name, part in known.items() if name not in parts}
    return kept | {name: part for name, part in parts.items() if part is not None or name in known} or None
