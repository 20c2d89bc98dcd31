"""Links by hand: unlink, link, separate, merge, part; each looked at first and then carried out by the very same code,
for pages and commands alike (SPEC 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
import xxhash

from isthmus.app.acting import Acting
from isthmus.app.record_view import HIDDEN, field_roles, title_of
from isthmus.errors import Conflict, NeedsPerson
from isthmus.model.fields import Canonical
from isthmus.model.flow import MergePolicy
from isthmus.model.state import Cause, Item, JournalEntry, Link, LinkState
from isthmus.sync.linking import MOVED, give_own_item, merge_items, part_items, set_apart, take_up
from isthmus.sync.ports import Batch, Transaction
from isthmus.sync.standing import pending
from isthmus.sync.working import Working

__all__ = ["ActKind", "FoundRecord", "LinkAct", "LinkPlan", "Linking", "PlannedWrite"]

HISTORY = 500
"""Entries of an item's history in which its merge is looked for."""
FOUND = 20


class ActKind(StrEnum):
    """What to do."""

    UNLINK = "unlink"
    """Set ``link`` apart."""
    LINK = "link"
    """Let ``link`` belong to ``item``."""
    SEPARATE = "separate"
    """Give ``link`` an item of its own."""
    MERGE = "merge"
    """``other`` becomes one with ``item``, whose values stay."""
    PART = "part"
    """Take back that ``other`` was merged into ``item``."""


class LinkAct(msgspec.Struct, frozen=True, kw_only=True):
    """One act on an item; what its kind does not need stays empty."""

    kind: ActKind
    item: str
    link: str = ""
    other: str = ""
    policy: MergePolicy | None = None
    """Of a merge: what becomes of a second record in a system; None: as the flow says."""


class PlannedWrite(msgspec.Struct, frozen=True, kw_only=True):
    """What would be written to one record because of it."""

    kind: str
    """create, update, archive, delete, or read: it is looked at first."""
    system: str
    resource: str
    key: str | None
    name: str
    fields: Mapping[str, tuple[Canonical, Canonical]] = {}
    """Field -> what the system shows, what it gets."""


class LinkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What an act would do, or has done."""

    act: LinkAct
    item: str
    """Whose page to go on with."""
    titles: Mapping[str, str]
    changes: Mapping[str, Mapping[str, tuple[Canonical, Canonical]]]
    """Item -> field -> before and after."""
    writes: Sequence[PlannedWrite]
    apart: Sequence[str]
    """Records that would be set apart, as system/resource/key."""
    questions: Sequence[str]
    """What a person would be asked, kind by kind."""
    stamp: str
    """Of everything it was worked out from."""


class _Merge(msgspec.Struct, frozen=True):
    """What a merge by hand has done."""

    moved: Sequence[str] = ()
    """Links that went with the merged item."""
    filled: Mapping[str, tuple[Canonical, Canonical]] = {}
    """What the other one got from it: field -> before and after."""


class FoundRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that an item may be linked with."""

    link: str
    flow: str
    system: str
    resource: str
    key: str
    state: LinkState
    title: str
    item: str | None


class Linking(Acting):
    """The use cases, for one person."""

    async def preview(self, act: LinkAct) -> LinkPlan:
        """What it would do now. Raises ``NeedsPerson`` when it cannot be done."""
        entity, merge = await self._entity(act), await self._merge_of(act)
        async with self._store.transaction() as tx:
            await tx.lock([entity])
            plan, _ = await self._work_out(tx, act, merge)
        return self._without_secrets(plan, entity)

    async def carry_out(self, act: LinkAct, *, stamp: str | None = None) -> LinkPlan:
        """Do it. ``stamp``: of the preview that the person saw; raises :class:`Conflict` when things have moved since,
        else as :meth:`preview`."""
        entity, merge = await self._entity(act), await self._merge_of(act)
        detail = {name: value for name, value in msgspec.to_builtins(act).items() if value}
        await self._access.note(self._me.login, f"record {_DONE[act.kind]}", act.item, detail)
        async with self._store.transaction() as tx:
            await tx.lock([entity])
            plan, batch = await self._work_out(tx, act, merge)
            if stamp is not None and stamp != plan.stamp:
                raise Conflict("Things have moved meanwhile.", advice="Look at what it would do now, then decide.")
            await tx.save(batch)
        return self._without_secrets(plan, entity)

    async def find(self, item: Item, text: str) -> list[FoundRecord]:
        """Records with this key, name or number that may be linked with the item: by themselves, or another item's."""
        text = text.strip()[:200]
        if not text:
            return []
        flows = [name for name, flow in self._world.flows.items() if flow.entity.name == item.entity]
        near = [one for one in await self._reads.search(text, FOUND, item.entity) if one.id != item.id]
        links = await self._reads.linkable(flows, text, [one.id for one in near], FOUND)
        titles = {one.id: title_of(one) for one in await self._items_of(links)}
        return [
            FoundRecord(
                link=link.id,
                flow=link.flow,
                system=link.system,
                resource=link.resource,
                key=link.key or "",
                state=link.state,
                title=titles.get(link.item or "") or _shown_title(link),
                item=link.item,
            )
            for link in links
            if link.item != item.id or link.state is LinkState.UNLINKED
        ]

    async def alike(self, item: Item, text: str) -> list[Item]:
        """Other items of the same entity that it may be merged with."""
        found = await self._reads.search(text.strip()[:200], FOUND, item.entity)
        return [one for one in found if one.id != item.id and one.deleted_at is None and one.alias_of is None]

    async def merged(self, item: str) -> list[Item]:
        """Items that people merged into this one, and that can be parted from it again."""
        ids = [str(pair[0]) for one in await self._reads.history(item, HISTORY) for pair in _merges(one, item)]
        found = await self._reads.items(ids)
        return [found[id] for id in dict.fromkeys(ids) if id in found and found[id].alias_of == item]

    # -- working it out --------------------------------------------------------------------------------------------

    async def _entity(self, act: LinkAct) -> str:
        found = (await self._reads.items([act.item])).get(act.item)
        if found is None:
            raise NeedsPerson(f"There is no item {act.item}.")
        return found.entity

    async def _work_out(self, tx: Transaction, act: LinkAct, merge: _Merge) -> tuple[LinkPlan, Batch]:
        loaded = await tx.links([act.link]) if act.link else []
        if act.link and not loaded:
            raise NeedsPerson(f"There is no link {act.link}.")
        ids = {act.item, act.other, *(link.item or "" for link in loaded)} - {""}
        items, links = await tx.items(ids), await tx.links_by_item(ids)
        known = {link.id: link for link in [*links, *loaded]}
        stamp = _stamp(items, known)
        work = Working(self._world, items, known.values(), now=self._now(), new_id=self._ids)
        went_on = self._do(work, act, merge)
        batch = work.finish()
        return self._told(act, went_on, work, items, known, batch, stamp), batch

    def _do(self, work: Working, act: LinkAct, merge: _Merge) -> str:
        """Carry it out on ``work``; the item to go on with."""
        cause = Cause("person", self._me.login)
        match act.kind:
            case ActKind.UNLINK:
                self._check_own(work, act)
                set_apart(work, work.links[act.link], cause)
            case ActKind.LINK:
                take_up(work, work.links[act.link], act.item, cause)
            case ActKind.SEPARATE:
                self._check_own(work, act)
                return give_own_item(work, work.links[act.link], cause)
            case ActKind.MERGE:
                merge_items(work, act.other, act.item, act.policy, cause)
            case ActKind.PART:
                part_items(work, act.other, merge.moved, merge.filled, cause)
        return act.item

    def _check_own(self, work: Working, act: LinkAct) -> None:
        if work.links[act.link].item != act.item:
            raise NeedsPerson("This record belongs to another one by now.", advice="Look at it again.")

    async def _merge_of(self, act: LinkAct) -> _Merge:
        """The merge that is to be taken back; nothing for other acts."""
        if act.kind is not ActKind.PART:
            return _Merge()
        merges = [one for one in await self._reads.history(act.other, HISTORY) if MOVED in one.changes]
        lost = next((one for one in merges if one.item == act.other), None)
        if lost is None:
            raise NeedsPerson("Nobody merged it here.", advice="What a system has merged is parted in that system.")
        moved = lost.changes[MOVED][1]
        history = await self._reads.history(act.item, HISTORY)
        kept = next((one for one in history if one.at == lost.at and _merges(one, act.item)), None)
        filled = {n: pair for n, pair in kept.changes.items() if not n.startswith("@")} if kept is not None else {}
        return _Merge([str(id) for id in moved] if isinstance(moved, list) else [], filled)

    def _told(
        self,
        act: LinkAct,
        went_on: str,
        work: Working,
        items: Mapping[str, Item],
        links: Mapping[str, Link],
        batch: Batch,
        stamp: str,
    ) -> LinkPlan:
        titles = {id: title_of(item) for id, item in work.items.items()}
        changes: dict[str, dict[str, tuple[Canonical, Canonical]]] = {}
        for entry in batch.journal:
            fields = {name: pair for name, pair in entry.changes.items() if not name.startswith("@")}
            if fields:
                changes[entry.item] = fields
        written = {link.id: link for link in batch.links}
        return LinkPlan(
            act=act,
            item=went_on,
            titles=titles,
            changes=changes,
            writes=[one for link in written.values() if (one := self._write(work, link, titles)) is not None],
            apart=[
                f"{link.system}/{link.resource}/{link.key or '-'}"
                for link in written.values()
                if link.state is LinkState.UNLINKED and links.get(link.id, link).state is not LinkState.UNLINKED
            ],
            questions=[entry.summary for entry in batch.open_inbox],
            stamp=stamp,
        )

    def _write(self, work: Working, link: Link, titles: Mapping[str, str]) -> PlannedWrite | None:
        """What would happen to this record next; None: nothing."""
        if link.due_at is None or link.item is None:
            return None
        item, fields = work.items[link.item], {}
        if link.waits_for == "read":
            kind = "read"
        elif link.waits_for is not None:
            return None
        elif link.doom is not None:
            kind = link.doom
        elif link.state is LinkState.CREATING:
            kind = "create"
        else:
            kind = "update"
            wanted = pending(link, item, self._world.lenses[(link.flow, link.system)])
            fields = {name: (link.far.get(name), value) for name, value in wanted.items()}
        return PlannedWrite(
            kind=kind,
            system=link.system,
            resource=link.resource,
            key=link.key,
            name=titles.get(link.item, ""),
            fields=fields,
        )

    def _without_secrets(self, plan: LinkPlan, entity: str) -> LinkPlan:
        secret = {name for name, role in field_roles(self._world, entity).items() if not self._me.sees(role)}

        def shown(fields: Mapping[str, tuple[Canonical, Canonical]]) -> dict[str, tuple[Canonical, Canonical]]:
            return {n: (HIDDEN, HIDDEN) if n in secret else pair for n, pair in fields.items()}

        replace = msgspec.structs.replace
        return replace(
            plan,
            changes={item: shown(fields) for item, fields in plan.changes.items()},
            writes=[replace(one, fields=shown(one.fields)) for one in plan.writes],
        )

    async def _items_of(self, links: Sequence[Link]) -> list[Item]:
        return list((await self._reads.items({link.item for link in links if link.item is not None})).values())


_DONE: Mapping[ActKind, str] = {
    ActKind.UNLINK: "unlinked",
    ActKind.LINK: "linked",
    ActKind.SEPARATE: "separated",
    ActKind.MERGE: "merged",
    ActKind.PART: "parted",
}


def _merges(entry: JournalEntry, item: str) -> list[tuple[Any, Any]]:
    return [pair for name, pair in entry.changes.items() if name == "@merged" and entry.item == item]


def _shown_title(link: Link) -> str:
    return str(link.far.get("name") or link.far.get("number") or link.key or "")


def _stamp(items: Mapping[str, Item], links: Mapping[str, Link]) -> str:
    """Another one when an item or what belongs to it has changed."""
    seen = [[item.id, item.version] for item in sorted(items.values(), key=lambda one: one.id)]
    held = [[one.id, one.state, one.item, one.key] for one in sorted(links.values(), key=lambda one: one.id)]
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode([seen, held]))
