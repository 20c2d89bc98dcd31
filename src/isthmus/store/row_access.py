"""Items and links of one transaction: loaded by way of what is known of them, saved by the cheapest statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection, AsyncCursor

from isthmus.model.state import Item, Link, LinkState
from isthmus.store.codec import Texts, as_array, decoded, payload
from isthmus.store.known_rows import KnownRows, Recent
from isthmus.store.queries import narrowed, query

__all__ = ["RowAccess"]


class _Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What moves of a link when it becomes due, waits, or is seen again unchanged."""

    id: str
    state: LinkState
    far_version: str | None
    digest: bytes | None
    doom: str | None
    due_at: datetime | None
    attempts: int
    waits_for: str | None
    seen_at: datetime | None
    written_at: datetime | None
    agreed_at: datetime | None


class RowAccess:
    """The rows of one transaction on this connection."""

    def __init__(self, connection: AsyncConnection, known: KnownRows) -> None:
        self._connection, self._known = connection, known
        # What this transaction has locked, or saved, as it is now: nobody else can change it.
        self._links: dict[str, Link] = {}
        self._items: dict[str, Item] = {}
        self._changed: set[str] = set()
        self._saved_links: list[tuple[Sequence[Link], AsyncCursor[Any]]] = []
        self._saved_items: list[tuple[Sequence[Item], AsyncCursor[Any]]] = []

    async def links(self, name: str, parameters: Mapping[str, Any]) -> list[Link]:
        """Links by a query of this name, locked, in its order."""
        found = await self._load(self._known.links, Link, name, "link_rows", parameters)
        self._links.update((link.id, link) for link in found)
        return found

    async def links_of_ids(self, ids: Collection[str]) -> list[Link]:
        """These links, locked, by id; those that this transaction has locked are not asked for again."""
        if all(id in self._links for id in ids):
            return [self._links[id] for id in sorted(set(ids))]
        return await self.links("links", {"ids": Texts(ids)})

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """These items, locked; those that this transaction has locked are not asked for again."""
        if missing := Texts(id for id in ids if id not in self._items):
            found = await self._load(self._known.items, Item, "items", "item_rows", {"ids": missing})
            self._items.update((item.id, item) for item in found)
        return {id: self._items[id] for id in ids if id in self._items}

    async def _load[S: (Item, Link)](
        self, recent: Recent[S], kind: type[S], name: str, content: str, parameters: Mapping[str, Any]
    ) -> list[S]:
        """First which rows, and which version of each; then, of those alone that nobody knows in this version, what is
        in them. They are locked by then: nobody can change one in between."""
        cursor = await self._connection.execute(narrowed(name), parameters)
        versions: dict[str, tuple[str, str]] = {id: (ctid, xmin) for id, ctid, xmin in await cursor.fetchall()}
        found: dict[str, S] = {}
        missing = Texts()
        for id, version in versions.items():
            row = recent.find(id, version)
            if row is None:
                missing.append(id)
            else:
                found[id] = row
        if missing:
            cursor = await self._connection.execute(as_array(content, kind), {"ids": missing})
            made = await cursor.fetchone()
            assert made is not None
            for row in decoded(kind, made[0]):
                recent.keep(row.id, versions[row.id], row)
                found[row.id] = row
        return [found[id] for id in versions]

    def forget(self, ids: Collection[str]) -> None:
        """These links are dropped, or otherwise than they were thought of."""
        for id in ids:
            self._links.pop(id, None)

    def forget_all(self) -> None:
        """Links were changed by a statement that does not say which: what is needed of them is asked for again."""
        self._links.clear()

    def changed(self, ids: Collection[str]) -> None:
        """These links were changed by a statement of their own: what was saved of them is no version any more. It would
        have the mark of this very transaction all the same."""
        self._changed.update(ids)
        for id in ids:
            self._links.pop(id, None)
            self._known.links.drop(id)

    async def save_links(self, links: Sequence[Link]) -> None:
        """Write them all; one of each id. Inside a pipeline: nobody waits for an answer here."""
        marks, whole, foreign = [], [], False
        for link in links:
            old = self._links.get(link.id)
            self._links[link.id] = link
            if old is None or not _same_record(old, link):
                foreign = True
                whole.append(link)
            elif _same_content(old, link):
                marks.append(link)
            else:
                whole.append(link)
        if marks:
            await self._write_links("mark_links", marks, payload(_mark(link) for link in marks))
        if whole:
            # What is new, or gets another key, may meet another row: that is for the slower statement to find out, in
            # one go, so that two links may swap their keys.
            await self._write_links("save_links" if foreign else "update_links", whole, payload(whole))

    async def _write_links(self, name: str, links: Sequence[Link], rows: Any) -> None:
        cursor = await self._connection.execute(query(name), {"rows": rows})
        if rows.exact:
            self._saved_links.append((links, cursor))
        else:
            self.forget([link.id for link in links])

    async def save_items(self, items: Sequence[Item]) -> None:
        """Write them all; one of each id. Inside a pipeline, as above."""
        if not items:
            return
        rows = payload(items)
        name = "update_items" if all(item.id in self._items for item in items) else "save_items"
        cursor = await self._connection.execute(query(name), {"rows": rows})
        if rows.exact:
            self._items.update((item.id, item) for item in items)
            self._saved_items.append((items, cursor))
        else:
            for item in items:
                self._items.pop(item.id, None)

    async def keep(self) -> None:
        """After the pipeline: know what was saved."""
        for links, cursor in self._saved_links:
            versions = [row for row in await cursor.fetchall() if row[0] not in self._changed]
            self._known.keep_links(links, versions)
        for items, cursor in self._saved_items:
            self._known.keep_items(items, await cursor.fetchall())
        self._saved_links, self._saved_items = [], []


def _same_record(old: Link, new: Link) -> bool:
    """Whether nothing is in other words that says which record of which item it is."""
    return (
        old.key == new.key
        and old.item == new.item
        and old.flow == new.flow
        and old.system == new.system
        and old.resource == new.resource
    )


def _same_content(old: Link, new: Link) -> bool:
    """Whether nothing large is another: only the link's state moves on."""
    return (
        (old.base is new.base or old.base == new.base)
        and (old.far is new.far or old.far == new.far)
        and (old.conflicts is new.conflicts or old.conflicts == new.conflicts)
        and (old.not_held is new.not_held or old.not_held == new.not_held)
        and (old.unseen is new.unseen or old.unseen == new.unseen)
        and (old.intent is new.intent or old.intent == new.intent)
        and (old.problem is new.problem or old.problem == new.problem)
    )


def _mark(link: Link) -> _Mark:
    return _Mark(
        id=link.id,
        state=link.state,
        far_version=link.far_version,
        digest=link.digest,
        doom=link.doom,
        due_at=link.due_at,
        attempts=link.attempts,
        waits_for=link.waits_for,
        seen_at=link.seen_at,
        written_at=link.written_at,
        agreed_at=link.agreed_at,
    )
