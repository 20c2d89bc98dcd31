"""The person who decides what waits in the inbox. Knows which records are the same thing (by their tags), and writes
into the ledger whom each decision overruled."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from isthmus.errors import NeedsPerson
from isthmus.model.state import InboxEntry, InboxKind, Item, Link, LinkState
from isthmus.sync.decide import decide
from isthmus.sync.world import World
from isthmus.testing.memory_database import MemoryDatabase
from isthmus.testing.simulator.ledger import Ledger
from isthmus.testing.simulator.people import People
from isthmus.testing.simulator.triangle import TAGS

__all__ = ["Clerk"]


class Clerk:
    """Decides entries of the inbox, by knowledge where there is something to know, else by dice."""

    def __init__(
        self,
        store: Any,
        database: MemoryDatabase,
        world: World,
        people: People,
        ledger: Ledger,
        new_id: Callable[[], str],
    ) -> None:
        self._store, self._database, self._world = store, database, world
        self._people, self._ledger, self._new_id = people, ledger, new_id
        self._retried: dict[str, int] = {}

    async def entries(self) -> list[InboxEntry]:
        """What is open and worth a decision: what was refused twice is left where it is, with its reason."""
        async with self._store.transaction() as tx:
            found: list[InboxEntry] = await tx.all_open_entries()
            return [entry for entry in found if not self.left(entry)]

    def left(self, entry: InboxEntry) -> bool:
        """Whether the entry tells of something that only its own system could set right."""
        return entry.kind is InboxKind.FAILURE and self._retried.get(entry.subject, 0) > 2

    async def decide(self, entry: InboxEntry, dice: Random) -> str | None:
        """Decide one entry; why it cannot be decided, if so."""
        link = self._database.links.get(entry.subject)
        item = self._database.items.get(link.item or "") if link is not None else None
        choice, more = self._choose(entry, link, dice)
        try:
            await decide(
                self._store,
                self._world,
                entry.id,
                choice,
                by="anna",
                now=self._database.now(),
                new_id=self._new_id,
                **more,
            )
        except NeedsPerson as error:
            return str(error)
        if choice == "retry":
            self._retried[entry.subject] = self._retried.get(entry.subject, 0) + 1
        if link is not None and item is not None:
            self._book(entry, link, item, choice)
        return None

    def _choose(self, entry: InboxEntry, link: Link | None, dice: Random) -> tuple[str, dict[str, Any]]:
        match entry.kind:
            case InboxKind.BRAKE:
                return "approve", {}
            case InboxKind.MATCH:
                return self._match(entry)
            case InboxKind.FAILURE if link is not None and link.state is LinkState.CREATING:
                return self._lost(entry, link), {}
            case InboxKind.FAILURE:
                return ("retry" if "retry" in entry.choices else entry.choices[0]), {}
            case InboxKind.CONFLICT:
                return dice.choice(["hub", "far"]), {}
        return dice.choice(entry.choices), {}

    def _match(self, entry: InboxEntry) -> tuple[str, dict[str, Any]]:
        tag = TAGS[entry.flow]
        mine = entry.detail["fields"].get(tag)
        for candidate in entry.detail["candidates"]:
            item = self._database.items.get(candidate["item"])
            if item is not None and item.fields.get(tag) == mine:
                held = [x for x in self._links_of(item) if x.system == entry.detail["system"] and x.key is not None]
                if any(x.state is LinkState.LINKED for x in held):
                    # A second record of the same thing: only one can be kept in step.
                    self._ledger.tainted.add(str(mine))
                    return "ignore", {}
                # What was deleted meanwhile is not taken up again.
                return ("link", {"item": item.id}) if "link" in entry.choices else ("ignore", {})
        return "separate", {}

    def _links_of(self, item: Item) -> list[Link]:
        return [link for link in self._database.links.values() if link.item == item.id]

    def _lost(self, entry: InboxEntry, link: Link) -> str:
        """A create whose answer was lost, and that the hub cannot find out about: look whether it is there."""
        if "create" not in entry.choices:
            return "retry" if "retry" in entry.choices else entry.choices[0]
        item = self._database.items[link.item or ""]
        there = {
            key
            for key in self._people.keys(link.system, link.resource)
            if self._people.tag(link.flow, link.system, key) == item.fields.get(TAGS[link.flow])
            and not self._people.held(link.system, link.resource, key)
        }
        offered = [choice for choice in entry.choices if choice.removeprefix("link:") in there]
        if offered:
            return offered[0]
        # Its reading waits to be matched; without the create in its way it will be.
        return "unlink" if there else "create"

    def _book(self, entry: InboxEntry, link: Link, item: Item, choice: str) -> None:
        tag = str(item.fields.get(TAGS[link.flow]))
        if entry.kind is InboxKind.CONFLICT:
            for name, conflict in link.conflicts.items():
                hub, far = item.fields.get(name), conflict.far
                self._ledger.overrule(tag, name, *((hub, far) if choice == "hub" else (far, hub)))
        elif (choice == "unlink" and link.key is not None) or entry.kind is InboxKind.MERGE:
            self._ledger.tainted.add(tag)
            if item.alias_of is not None:
                self._ledger.tainted.add(str(self._database.items[item.alias_of].fields.get(TAGS[link.flow])))
        elif choice == "restore":
            for place in [place for place in self._ledger.deleted if place[2] == tag]:
                del self._ledger.deleted[place]
