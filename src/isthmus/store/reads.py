"""Read models of the faces: what ``status``, ``explain``, ``trace``, ``inbox`` and ``compare`` show.

Nothing is locked and nothing is changed. Times are those of the hub's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from isthmus.connector import Quota
from isthmus.model.fields import Canonical
from isthmus.model.state import (
    Effect,
    FarField,
    FeedState,
    FlowVersion,
    InboxEntry,
    InboxKind,
    Item,
    JournalEntry,
    Link,
    Pause,
)
from isthmus.process.state import Entry, Process, ProcessState, Signal
from isthmus.reconcile import Drift
from isthmus.store.codec import from_row, payload
from isthmus.store.workers import Worker, seen_worker

__all__ = [
    "Difference",
    "FlowStatus",
    "Freshness",
    "HookCount",
    "InboxCount",
    "ItemWithLinks",
    "Reads",
    "Rows",
    "Status",
    "SystemWrites",
    "WriteCount",
    "containing",
]


SHORTEST_PART = 3
"""Letters that a part of a value must have to be found by."""


class Rows(Protocol):
    """A store that runs named queries: the real one or a scratch copy."""

    async def rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of one query."""


class FlowStatus(msgspec.Struct, frozen=True):
    """One flow in one system, in links."""

    flow: str
    system: str
    linked: int
    new: int
    doubtful: int
    creating: int
    due: int
    """To be planned now."""
    waiting: int
    """For a parent, or to be read again."""
    parked: int
    """With a problem, and nothing will happen by itself."""
    conflicts: int
    not_held: int
    """With a value the system did not keep."""
    gone: int
    unlinked: int
    oldest_due: datetime | None
    seen_at: datetime | None
    """Start of the latest read that showed a record."""
    written_at: datetime | None
    agreed_at: datetime | None


class Status(msgspec.Struct, frozen=True):
    """Everything ``isthmus status`` shows."""

    flows: list[FlowStatus]
    feeds: list[FeedState]


class InboxCount(msgspec.Struct, frozen=True):
    """Open entries of one kind in one flow."""

    kind: InboxKind
    flow: str
    entries: int
    oldest: datetime


class ItemWithLinks(msgspec.Struct, frozen=True):
    """An item and its records everywhere."""

    item: Item
    links: list[Link]


class Difference(msgspec.Struct, frozen=True):
    """A linked record that last showed something else than its item holds."""

    link: Link
    item: Item


class Freshness(msgspec.Struct, frozen=True):
    """How long changes took from the hub's journal into a system, in seconds."""

    flow: str
    system: str
    writes: int
    last: datetime
    median: float
    p95: float


class SystemWrites(msgspec.Struct, frozen=True):
    """Writes to one system; times in seconds."""

    system: str
    writes: int
    failed: int
    median: float
    p95: float


class WriteCount(msgspec.Struct, frozen=True):
    """Writes of one kind to one system that came out alike."""

    system: str
    kind: str
    outcome: str
    writes: int


class HookCount(msgspec.Struct, frozen=True):
    """Webhooks of one system."""

    system: str
    taken: int
    refused: int
    """Because of a bad signature, or a body that could not be read."""
    taken_at: datetime | None
    refused_at: datetime | None


class Reads:
    """Read models over a store."""

    def __init__(self, store: Rows) -> None:
        """Over a ``PostgresStore`` or a ``ScratchStore``."""
        self._store = store

    async def status(self, now: datetime) -> Status:
        """All flows and feeds."""
        return Status(
            flows=await self._all(FlowStatus, "flow_status", now=now), feeds=await self._all(FeedState, "feeds")
        )

    async def feeds(self) -> list[FeedState]:
        """How far each resource was read."""
        return await self._all(FeedState, "feeds")

    async def freshness(self, since: datetime) -> list[Freshness]:
        """Time from change to write, of the writes since then."""
        return await self._all(Freshness, "freshness", since=since)

    async def inbox(
        self,
        *,
        open_only: bool = True,
        kind: str | None = None,
        flow: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[InboxEntry]:
        """Entries, oldest first."""
        return await self._all(
            InboxEntry, "inbox", open_only=open_only, kind=kind, flow=flow, limit=limit, offset=offset
        )

    async def workers(self) -> list[Worker]:
        """The workers that are alive, the one that joined first before the others."""
        return [seen_worker(title, since) for title, since in await self._store.rows("workers", {})]

    async def processes(self, states: Collection[ProcessState] = (), limit: int = 50) -> list[Process]:
        """Processes in these states (any, when none is given), the newest first."""
        return await self._all(Process, "processes", states=[str(state) for state in states], limit=limit)

    async def process(self, id: str) -> tuple[Process, list[Entry], list[Signal]] | None:
        """One process with its history and what it was told."""
        found = await self._one(Process, "one_process", id=id)
        if found is None:
            return None
        return (
            found,
            await self._all(Entry, "process_history", id=id),
            await self._all(Signal, "signals_of_process", id=id),
        )

    async def inbox_counts(self) -> list[InboxCount]:
        """Open entries by kind and flow."""
        return await self._all(InboxCount, "inbox_counts")

    async def entry(self, id: str) -> InboxEntry | None:
        """One entry, open or decided."""
        return await self._one(InboxEntry, "entry", id=id)

    async def entries_about(self, subjects: Collection[str]) -> list[InboxEntry]:
        """Open entries of every kind about these links or brakes."""
        return await self._all(InboxEntry, "entries_about", subjects=list(subjects))

    async def links_of_record(self, system: str, resource: str, key: str) -> list[Link]:
        """Links of one record, of all flows."""
        return await self._all(Link, "links_of_record", system=system, resource=resource, key=key)

    async def heir(self, id: str) -> Item | None:
        """The item (a deleted one too), or what it was merged into, to the end; None when there is none."""
        return await self._one(Item, "heir", id=id)

    async def item_with_links(self, id: str) -> ItemWithLinks | None:
        """An item (alias or deleted too) and its links."""
        item = await self._one(Item, "one_item", id=id)
        return None if item is None else ItemWithLinks(item, await self.links_of_items([id]))

    async def links_of_items(self, items: Collection[str]) -> list[Link]:
        """Links of these items, by system and resource."""
        return await self._all(Link, "links_of_items", items=list(items))

    async def links(self, ids: Collection[str]) -> dict[str, Link]:
        """These links by id."""
        return {link.id: link for link in await self._all(Link, "links_by_id", ids=list(ids))}

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """These items by id."""
        return {item.id: item for item in await self._all(Item, "items_by_id", ids=list(ids))}

    async def history(self, item: str, limit: int = 100) -> list[JournalEntry]:
        """Changes of an item and of what was merged into it, newest first."""
        return await self._all(JournalEntry, "history", item=item, limit=limit)

    async def effects(self, *, item: str | None = None, link: str | None = None, limit: int = 100) -> list[Effect]:
        """Writes for an item or a link, newest first."""
        if item is not None:
            return await self._all(Effect, "effects_of_item", id=item, limit=limit)
        return await self._all(Effect, "effects_of_link", id=link or "", limit=limit)

    async def recent_effects(self, since: datetime, limit: int = 100) -> list[Effect]:
        """Writes since then, newest first."""
        return await self._all(Effect, "recent_effects", since=since, limit=limit)

    async def recent_changes(self, since: datetime, limit: int = 100) -> list[JournalEntry]:
        """Changes of items since then, newest first."""
        return await self._all(JournalEntry, "recent_journal", since=since, limit=limit)

    async def search(self, text: str, limit: int = 50, entity: str | None = None) -> list[Item]:
        """Items with ``text`` anywhere in a value (upper and lower case alike; two letters or less: a value or number
        that is just this), or with a record of this very key. Which of them, when there are more, is not said."""
        text = text.strip()
        if not text:
            return []
        if text.isascii() and len(text) < SHORTEST_PART:
            return await self._all(Item, "search_exactly", text=text, entity=entity, limit=limit)
        pattern = containing(text)
        common = await self._all(Item, "search_common", pattern=pattern, entity=entity, limit=limit)
        if len(common) >= limit:
            return common
        return await self._all(Item, "search", text=text, pattern=pattern, entity=entity, limit=limit)

    async def latest_items(self, limit: int = 50) -> list[Item]:
        """Items that changed last, the newest first."""
        return await self._all(Item, "latest_items", limit=limit)

    async def activity(self, since: datetime) -> list[tuple[str, str, int, int]]:
        """(read or written, system, minute since 1970, how many) of the time since then."""
        rows = await self._store.rows("activity", {"since": since})
        return [(str(way), str(system), int(minute), int(count)) for way, system, minute, count in rows]

    async def items_by_field(self, entity: str, field: str, value: Canonical, limit: int = 50) -> list[Item]:
        """Items (neither deleted nor aliases) whose field has exactly this value."""
        wanted = payload({field: value})
        return await self._all(Item, "items_by_field", entity=entity, field=field, wanted=wanted, limit=limit)

    async def items_by_values(
        self, entity: str, field: str, values: Collection[str], limit: int = 2
    ) -> dict[str, list[Item]]:
        """Value -> items (neither deleted nor aliases, at most so many) whose field has exactly this text; a value that
        none has is left out."""
        given = {"entity": entity, "field": field, "values": list(values), "limit": limit}
        found: dict[str, list[Item]] = {}
        for item in await self._all(Item, "items_by_values", **given):
            found.setdefault(str(item.fields[field]), []).append(item)
        return found

    async def referencing(self, item: str, entity: str | None = None, limit: int = 200) -> list[Item]:
        """Items that refer to this one anywhere in their fields, lines included, by entity."""
        return await self._all(Item, "referencing", item=item, entity=entity, limit=limit)

    async def parked(self, flow: str | None = None, system: str | None = None, limit: int = 100) -> list[Link]:
        """Links with a problem for which nothing will happen by itself."""
        return await self._all(Link, "parked", flow=flow, system=system, limit=limit)

    async def linkable(self, flows: Collection[str], text: str, items: Collection[str], limit: int = 20) -> list[Link]:
        """Records of these flows that an item can be linked with: with this key, or (not linked yet) with this in their
        name or number; and those of these items."""
        like = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        given = {"flows": list(flows), "items": list(items), "text": text, "pattern": f"%{like}%", "limit": limit}
        return await self._all(Link, "linkable", **given)

    async def compare_links(self, flow: str, limit: int = 1000, after: str = "") -> list[Difference]:
        """Linked records that last showed another value than the item holds, by link id, after this one. A candidate
        only: equivalence and direction of a field are the mapping's business."""
        rows = await self._store.rows("differing_links", {"flow": flow, "after": after, "limit": limit})
        links = await self._all(Link, "links_by_id", ids=[id for (id,) in rows])
        items = await self.items({link.item for link in links if link.item is not None})
        return [Difference(link, items[link.item]) for link in links if link.item in items]

    async def system_writes(self, since: datetime) -> list[SystemWrites]:
        """Writes to each system since then, and how long its answers took."""
        return await self._all(SystemWrites, "system_writes", since=since)

    async def pauses(self) -> list[Pause]:
        """Systems and resources that people have paused."""
        return await self._all(Pause, "pauses")

    async def quotas(self) -> dict[str, list[Quota]]:
        """System -> what it last said of how often it may be called."""
        found: dict[str, list[Quota]] = {}
        for *row, system in await self._store.rows("quotas", {}):
            found.setdefault(system, []).append(from_row(Quota, row))
        return found

    async def hook_counts(self) -> list[HookCount]:
        """Webhooks of each system."""
        return await self._all(HookCount, "hook_counts")

    async def flow_reviews(self) -> dict[str, int]:
        """Flow -> how many changes of it wait for a review."""
        return dict(await self._store.rows("flow_reviews", {}))

    async def far_fields(self) -> list[FarField]:
        """Every field that was ever seen in a resource which flows use."""
        return await self._all(FarField, "far_fields")

    async def flow_versions(self, flow: str | None = None) -> list[FlowVersion]:
        """All known versions of a flow, or of all flows, in order."""
        return await self._all(FlowVersion, "flow_versions", flow=flow)

    async def writes_of_flow(self, flow: str, since: datetime, until: datetime | None, limit: int) -> list[Effect]:
        """What was written for a flow from then on, the newest first."""
        return await self._all(Effect, "writes_of_flow", flow=flow, since=since, until=until, limit=limit)

    async def count_writes_of_flow(self, flow: str, since: datetime, until: datetime | None) -> list[WriteCount]:
        """How much was written for a flow from then on."""
        return await self._all(WriteCount, "count_writes_of_flow", flow=flow, since=since, until=until)

    async def drifts(
        self, flows: Collection[str], limit: int = 1000, after: str = "", ids: Collection[str] | None = None
    ) -> list[Drift]:
        """What the last comparison of these flows found (only those in ``ids``), by id, after this one."""
        wanted = None if ids is None else list(ids)
        return await self._all(Drift, "drifts", flows=list(flows), limit=limit, after=after, ids=wanted)

    async def drift_counts(self, flows: Collection[str]) -> dict[str, int]:
        """Cause -> how many differences the last comparison of these flows found."""
        return dict(await self._store.rows("drift_counts", {"flows": list(flows)}))

    async def drift_fields(self, system: str) -> dict[tuple[str, str, str], int]:
        """(resource, flow, field) -> records of a system that differed in it at the last comparison; field "": in
        anything. Of very many only the first are counted."""
        rows = await self._store.rows("drift_fields", {"system": system})
        return {(resource, flow, field): count for resource, flow, field, count in rows}

    async def _all[S: msgspec.Struct](self, struct: type[S], name: str, **parameters: Any) -> list[S]:
        return [from_row(struct, row) for row in await self._store.rows(name, parameters)]

    async def _one[S: msgspec.Struct](self, struct: type[S], name: str, **parameters: Any) -> S | None:
        found = await self._all(struct, name, **parameters)
        return found[0] if found else None


def containing(text: str) -> str:
    """LIKE pattern for a ``search_text`` that contains this: in lower case, signs beyond ASCII as octal bytes."""
    signs = (chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in text.lower().replace("\\", "\\\\").encode())
    text = "".join(signs)
    for sign in "\\%_":
        text = text.replace(sign, "\\" + sign)
    return f"%{text}%"
