"""Items and links of one transaction while they are being changed, and the batch of writes they come to.

Pure: everything was loaded before, clock and ids come in, nothing is written here. :meth:`Working.finish` derives from
the new state what is due, which records are missing and must be created, and which questions are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from isthmus.mapping import Lens
from isthmus.mapping.lens import holds
from isthmus.model.fields import Canonical
from isthmus.model.flow import CreatePolicy, Flow
from isthmus.model.state import (
    Cause,
    Effect,
    InboxEntry,
    InboxKind,
    Intent,
    Item,
    JournalEntry,
    Link,
    LinkState,
    Provenance,
)
from isthmus.sync.evidence import evidence_of
from isthmus.sync.ports import Batch
from isthmus.sync.standing import (
    ACTIVE,
    doubt_about,
    is_parked,
    is_unsure,
    pending,
    same_place,
    stands_in,
    to_be_read,
)
from isthmus.sync.world import World

__all__ = ["PART", "Working"]

PART = 250
"""Records of a batch that are decided in one go. What they come to is on its way to the store while the next ones are
decided."""


class Working:
    """The state of one transaction. ``cause`` is what every journal entry made here will name."""

    def __init__(
        self,
        world: World,
        items: Mapping[str, Item],
        links: Iterable[Link],
        *,
        now: datetime,
        new_id: Callable[[], str],
    ) -> None:
        self.world, self.now, self.new_id = world, now, new_id
        self.items: dict[str, Item] = dict(items)
        self.links: dict[str, Link] = {link.id: link for link in links}
        self.by_item: dict[str, list[str]] = {}
        for link in self.links.values():
            if link.item is not None:
                self.by_item.setdefault(link.item, []).append(link.id)
        self.batch = Batch()
        self.given: dict[tuple[str, str], list[Canonical]] = {}
        """(link, field) -> values the hub had since link and hub last agreed. A write whose answer was lost may have
        carried any of them."""
        self.recent: Mapping[str, Sequence[Effect]] = {}
        """Link -> our last updates of its record, newest first, where a save there may have undone them."""
        self.asked: Collection[str] = ()
        """Links about which a person is asked since their items were merged into some that are loaded here."""
        # As they were when this began, or were given out by finish() last.
        self._old_items = dict(items)
        self._old_links = dict(self.links)
        self._old_by_item = {item: tuple(ids) for item, ids in self.by_item.items()}
        self._moved_items: dict[str, None] = {}
        self._moved_links: dict[str, None] = {}
        self._changes: dict[str, dict[str, tuple[Canonical, Canonical]]] = {}
        self._causes: dict[str, Cause] = {}
        self._open: dict[tuple[str, str], InboxEntry] = {}
        self._closed: set[tuple[str, str]] = set()
        self._touched: set[str] = set()
        self._from_hub: set[str] = set()
        self._by_record: dict[tuple[str, str, str, str], set[str]] | None = None

    # -- changing ------------------------------------------------------------------------------------------------

    def put_item(self, item: Item) -> None:
        """Add or replace an item."""
        self.items[item.id] = item
        self._moved_items[item.id] = None

    def put_link(self, link: Link) -> None:
        """Add or replace a link."""
        old = self.links.get(link.id)
        if old is link:
            return
        if old is not None and old.item is not None and old.item != link.item:
            self.by_item[old.item].remove(link.id)
        if link.item is not None and (old is None or old.item != link.item):
            self.by_item.setdefault(link.item, []).append(link.id)
        self.links[link.id] = link
        self._moved_links[link.id] = None
        if self._by_record is not None and link.key is not None:
            self._by_record.setdefault((link.flow, link.system, link.resource, link.key), set()).add(link.id)

    def drop_link(self, link: Link) -> None:
        """Forget a link for good (a reading that turned out to be another link's record)."""
        self.links.pop(link.id, None)
        self._moved_links.pop(link.id, None)
        if link.item is not None:
            self.by_item[link.item].remove(link.id)
            self._touched.add(link.item)
        self.batch.drop_links.append(link.id)
        if link.item is None:
            # Creates that were held back because they might have been this very record.
            self.batch.wake.append(doubt_about(link))
        for kind in InboxKind:
            self.close(kind, link.id)

    def unsend(self, link: Link) -> Link | None:
        """The link of a create that surely did not happen, with a plain intent; None when its record was to be removed
        again, or is asked about, or another one carries the item there by now: then there is nothing to make and
        nothing to remove, and the link is forgotten."""
        unwanted = link.doom is not None or self.replaced(link) or self.vanished(link.item)
        if link.state is not LinkState.CREATING or not unwanted:
            return link if link.intent is None else replace(link, intent=replace(link.intent, sent_at=None))
        self.drop_link(link)
        self.bury(link.item)
        return None

    def bury(self, item_id: str | None) -> None:
        """The item is deleted when no record carries it any more."""
        if item_id is not None and not any(link.state in ACTIVE for link in self.links_of(item_id)):
            self.put_item(replace(self.items[item_id], deleted_at=self.now))

    def new_item(self, entity: str, id: str | None = None) -> Item:
        """An empty item."""
        item = Item(id=id or self.new_id(), entity=entity)
        self.put_item(item)
        return item

    def carry_from_hub(self, item_id: str) -> None:
        """The item was made or changed in the hub: when nothing carries it yet, the flows that take such items do."""
        self._from_hub.add(item_id)

    def set_field(self, item_id: str, field: str, value: Canonical, cause: Cause) -> None:
        """Change one of the hub's values and say who did it."""
        self.set_fields(item_id, {field: value}, cause)

    def set_fields(self, item_id: str, values: Mapping[str, Canonical], cause: Cause) -> None:
        """Change several of the hub's values and say who did it."""
        item = self.items[item_id]
        changes = self._changes.setdefault(item_id, {})
        for field, value in values.items():
            changes[field] = (changes[field][0] if field in changes else item.fields.get(field), value)
        set_by = dict.fromkeys(values, Provenance(cause.by, self.now))
        self.put_item(replace(item, fields={**item.fields, **values}, set_by={**item.set_by, **set_by}))
        self._causes[item_id] = cause

    def note(self, item_id: str, what: str, old: Canonical, new: Canonical, cause: Cause) -> None:
        """Journal an event of the item that is not a field (``@deleted``, ``@merged`` ...)."""
        self._changes.setdefault(item_id, {})[what] = (old, new)
        self._causes[item_id] = cause

    def ask(
        self, kind: InboxKind, link: Link, summary: str, *, detail: Mapping[str, Any], choices: tuple[str, ...]
    ) -> None:
        """Put a question into the inbox (or refresh the open one)."""
        self._closed.discard((kind, link.id))
        self._open[(kind, link.id)] = InboxEntry(
            id=self.new_id(),
            kind=kind,
            subject=link.id,
            flow=link.flow,
            summary=summary,
            detail=detail,
            choices=choices,
            opened_at=self.now,
        )

    def close(self, kind: InboxKind, subject: str) -> None:
        """The question no longer matters."""
        self._open.pop((kind, subject), None)
        self._closed.add((kind, subject))

    # -- looking -------------------------------------------------------------------------------------------------

    def links_of(self, item_id: str) -> list[Link]:
        """All links of an item."""
        return [self.links[id] for id in self.by_item.get(item_id, [])]

    def replaced(self, link: Link) -> bool:
        """Whether another record of the same place carries the item, and stays."""
        return any(stands_in(other, link) for other in self.links_of(link.item or ""))

    def vanished(self, item_id: str | None) -> bool:
        """Whether a record of the item was deleted, and no other one of its place stands in for it. It is still asked
        then whether it goes everywhere, or it would be gone: nothing more is made of it until that is answered."""
        links = self.links_of(item_id or "")
        return any(
            link.state is LinkState.GONE
            and not any(same_place(other, link) and other.state is LinkState.LINKED for other in links)
            for link in links
        )

    def heir(self, item_id: str) -> str:
        """What the item was merged into, to the end; the item itself when it was not."""
        while (into := self.items[item_id].alias_of) is not None and into in self.items:
            item_id = into
        return item_id

    def rivals(self, link: Link, key: str) -> list[Link]:
        """Other links of the record with this key, of the same flow."""
        if self._by_record is None:
            self._by_record = {}
            for known in self.links.values():
                if known.key is not None:
                    place = (known.flow, known.system, known.resource, known.key)
                    self._by_record.setdefault(place, set()).add(known.id)
        ids = sorted(self._by_record.get((link.flow, link.system, link.resource, key), ()))
        found = [self.links[id] for id in ids if id in self.links and id != link.id]
        return [other for other in found if other.key == key]

    def flow(self, link: Link) -> Flow:
        """The link's flow."""
        return self.world.flows[link.flow]

    def lens(self, link: Link) -> Lens:
        """The link's lens."""
        return self.world.lenses[(link.flow, link.system)]

    # -- finishing -----------------------------------------------------------------------------------------------

    def finish(self) -> Batch:
        """Derive what follows from the changes since this was called last, and give back everything to write."""
        touched = self._touched | set(self._moved_items)
        for id in self._moved_links:
            pair = (self.links[id], self._old_links.get(id))
            touched |= {at.item for at in pair if at is not None and at.item is not None}
        for item_id in sorted(touched):
            if item_id in self.items:
                self._create_missing(item_id)
                moved = item_id in self._changes or item_id in self._moved_items
                for link in self.links_of(item_id):
                    if moved or link is not self._old_links.get(link.id):
                        self._reckon(link)
        self._write_items()
        for id in self._moved_links:
            link, old = self.links[id], self._old_links.get(id)
            if link.state is LinkState.LINKED and (old is None or old.state is not LinkState.LINKED or old.key is None):
                self.batch.wake += [f"{link.system}/{link.resource}/{link.key}", f"{link.item}/{link.system}"]
            self.batch.links.append(link)
        self.batch.open_inbox.extend(self._open.values())
        self.batch.close_inbox.extend(sorted(self._closed))
        return self._begin_anew(touched)

    def _begin_anew(self, touched: Collection[str]) -> Batch:
        """What was gathered; from here on everything counts as it is now."""
        self._old_items.update((id, self.items[id]) for id in self._moved_items)
        self._old_links.update((id, self.links[id]) for id in self._moved_links)
        self._old_by_item.update((item, tuple(self.by_item.get(item, ()))) for item in touched)
        for gathered in (self._moved_items, self._moved_links, self._changes, self._causes, self._open):
            gathered.clear()
        self._closed, self._touched = set(), set()
        batch, self.batch = self.batch, Batch()
        return batch

    def _write_items(self) -> None:
        for item_id in dict.fromkeys([*self._moved_items, *self._changes]):
            changes = self._changes.get(item_id, {})
            changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1] or name.startswith("@")}
            item, new = self.items[item_id], item_id not in self._old_items
            if item is self._old_items.get(item_id) and not changes:
                continue
            item = replace(item, version=item.version + 1)
            if self._evidence_moved(item):
                self.batch.evidence_of.append(item.id)
                if item.deleted_at is None and item.alias_of is None:
                    rules = self.world.match_rules(item.entity)
                    self.batch.evidence.extend(evidence_of(item, self.links_of(item.id), rules))
            if changes or new:
                cause = self._causes.get(item_id, Cause("hub", "isthmus"))
                self.batch.journal.append(
                    JournalEntry(item=item_id, version=item.version, changes=changes, cause=cause, at=self.now)
                )
            self.put_item(item)
            self.batch.items.append(item)

    def _evidence_moved(self, item: Item) -> bool:
        """Whether what the match rules look at may be another than it was: most changes leave it alone."""
        old = self._old_items.get(item.id)
        if old is None or (old.deleted_at, old.alias_of) != (item.deleted_at, item.alias_of):
            return True
        names = self.world.evidence_fields(item.entity)
        if any(old.fields.get(name) != item.fields.get(name) for name in names):
            return True
        ids = self.by_item.get(item.id, [])
        if sorted(ids) != sorted(self._old_by_item.get(item.id, ())):
            return True
        pairs = [(self._old_links.get(id), self.links[id]) for id in ids]
        return any(
            was is None or any(was.far.get(name) != now.far.get(name) for name in names)
            for was, now in pairs
            if was is not now
        )

    def _create_missing(self, item_id: str) -> None:
        """Records that a flow wants in a system and that are neither there nor on their way."""
        item = self.items[item_id]
        if item.deleted_at is not None or item.alias_of is not None:
            return
        links = self.links_of(item_id)
        if self.vanished(item_id):
            return
        held = {(link.system, link.resource) for link in links}
        flows = {link.flow for link in links if link.state in ACTIVE and link.doom is None}
        own = self.world.hub_flows(item.entity)
        if (not links and item_id in self._from_hub) or (flows and flows <= own):
            flows |= own
        for name in sorted(flows):
            for side in self.world.flows[name].sides.values():
                if (side.system, side.resource) in held or side.create is not CreatePolicy.ALWAYS:
                    continue
                if not all(holds(condition, item.fields) for condition in side.create_when):
                    continue
                held.add((side.system, side.resource))
                self.begin_create(name, side.system, side.resource, item_id)

    def begin_create(self, flow: str, system: str, resource: str, item_id: str) -> None:
        """Want a record of this item there, made as soon as may be."""
        id = self.new_id()
        link = Link(id=id, flow=flow, system=system, resource=resource, item=item_id, state=LinkState.CREATING)
        self.put_link(replace(link, intent=Intent(token=id), due_at=self.now))

    def _reckon(self, link: Link) -> None:
        """What is due on this link now."""
        elsewhere = link.waits_for is not None and link.waits_for.count("/") == 1 and link.item in self._changes
        if elsewhere or (link.doom is not None and link.waits_for not in (None, "read")):
            # It may refer to another parent now; and what is to go needs none.
            link = replace(link, waits_for=None, due_at=self.now)
            self.put_link(link)
        if link.state is LinkState.CREATING:
            self._reckon_creating(link)
            return
        read = link.state is LinkState.GONE and link.waits_for == "read"
        if link.state in (LinkState.GONE, LinkState.UNLINKED) and link.due_at is not None and not read:
            # It vanished or was set apart while something was still to be done to it. Not where it may be back.
            self.put_link(replace(link, due_at=None, waits_for=None))
        if link.waits_for not in (None, "read") and link.due_at is not None:
            # A write failed while a reading found its parent missing: the parent wakes it, not the time.
            self.put_link(replace(link, due_at=None))
        if link.state is not LinkState.LINKED or link.waits_for is not None:
            return
        assert link.item is not None
        if self._conflict_moved(link):
            self.put_link(to_be_read(link, self.now))
            return
        open_fields = pending(link, self.items[link.item], self.lens(link))
        if open_fields or link.doom is not None:
            old = self._old_links.get(link.id)
            parked = is_parked(link)
            if parked and not self._news_for(link, old):
                return
            if link.due_at is None or parked:
                self.put_link(replace(link, due_at=self.now, attempts=0 if parked else link.attempts))
            return
        calm = not link.conflicts and not link.not_held and link.problem is None
        settled = replace(link, due_at=None, attempts=0, agreed_at=self.now if calm else link.agreed_at)
        if link.problem is not None and link.problem.code not in ("unmappable", "missing"):
            settled = replace(settled, problem=None, agreed_at=self.now)
            self.close(InboxKind.FAILURE, link.id)
        if settled != link:
            self.put_link(settled)

    def _reckon_creating(self, link: Link) -> None:
        """A parked create is tried again as soon as the item it is made from changed."""
        parked = is_parked(link) and link.waits_for is None
        if parked and not is_unsure(link) and link.item in self._changes:
            self.put_link(replace(link, due_at=self.now, attempts=0))

    def _conflict_moved(self, link: Link) -> bool:
        """Whether the hub's side of a conflict was corrected: looking at the record again may settle it."""
        if not link.conflicts:
            return False
        changed, now = self._changes.get(link.item or "", {}), self.items[link.item or ""].fields
        moved = (name in changed and now.get(name) != conflict.hub for name, conflict in link.conflicts.items())
        return link.key is not None and any(moved)

    def _news_for(self, link: Link, old: Link | None) -> bool:
        """Whether anything changed that could make a refused write succeed."""
        return link.item in self._changes or old is None or old.far != link.far or old.doom != link.doom
