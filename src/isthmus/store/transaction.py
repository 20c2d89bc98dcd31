"""One database transaction: the rows the engine reads and the batch it writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import msgspec

from isthmus.model.state import Effect, FeedState, InboxEntry, Item, JournalEntry, Link, Sighting
from isthmus.store.approvals import PostgresApprovals
from isthmus.store.codec import Texts, as_array, columns, decoded, from_row
from isthmus.store.connections import HubConnection
from isthmus.store.job_entries import PostgresJobEntries
from isthmus.store.known_rows import KnownRows
from isthmus.store.notices import PostgresNotices
from isthmus.store.processes import PostgresProcesses
from isthmus.store.queries import query
from isthmus.store.row_access import RowAccess
from isthmus.store.saving import BatchWriter
from isthmus.store.simulations import PostgresSimulations
from isthmus.sync.ports import Approval, Batch, DueCount, FarKey, LaneDue

__all__ = ["PostgresTransaction"]

type Parameters = Mapping[str, Any]

READING = frozenset(
    "brake_approvals count_linked far_keys find_evidence linked_keys recent_traffic resolve scan_missing".split()
)
"""Queries that change nothing; of all others it is taken for granted."""


class PostgresTransaction:
    """A :class:`~isthmus.sync.ports.Transaction` on a connection that is inside one. Not for concurrent tasks."""

    def __init__(
        self, connection: HubConnection, clock: Callable[[], datetime], known: KnownRows, *, notify: bool
    ) -> None:
        """``notify`` False keeps other processes in the dark (dry runs)."""
        self._connection = connection
        self._access = RowAccess(connection, known)
        self._clock = clock
        self._notify = notify
        self.wrote = False
        """Whether anything is to be committed. Rows that were only read and locked are not."""
        self._noted = False
        """Whether there is something to be committed that a crash of the server within the second may lose: what the
        brake knows of the last minute."""
        self._writer = BatchWriter(connection, self._access, clock, notify=notify)

    @property
    def asleep(self) -> set[str]:
        """Links that this transaction lets wait for another."""
        return self._writer.asleep

    @property
    def ending(self) -> bytes:
        """How to end it. A commit waits for the disk also where there is nothing but locks to be given back."""
        if self.wrote:
            return b"commit"
        return b"set local synchronous_commit = off; commit" if self._noted else b"rollback"

    @property
    def processes(self) -> PostgresProcesses:
        """The rows of processes, in this transaction."""
        self.wrote = True
        return PostgresProcesses(self._connection)

    @property
    def simulations(self) -> PostgresSimulations:
        """The rows of simulated orders, in this transaction."""
        self.wrote = True
        return PostgresSimulations(self._connection)

    @property
    def approvals(self) -> PostgresApprovals:
        """The rows of approvals of documents, in this transaction."""
        self.wrote = True
        return PostgresApprovals(self._connection)

    @property
    def notices(self) -> PostgresNotices:
        """The rows of notices, in this transaction."""
        self.wrote = True
        return PostgresNotices(self._connection)

    @property
    def job_entries(self) -> PostgresJobEntries:
        """Questions that jobs decide, in this transaction."""
        self.wrote = True
        return PostgresJobEntries(self._connection)

    async def next_number(self, name: str) -> int:
        """The next number of a range, from 1 on; without gaps, as others wait until this transaction has ended."""
        rows = await self._rows("next_number", {"name": name})
        return int(rows[0][0])

    async def lock(self, entities: Collection[str]) -> None:
        """Wait until no other transaction holds one of these; given back at the end of this one."""
        await self._connection.lock_entities(entities)

    async def links_by_key(self, system: str, resource: str, keys: Collection[str]) -> list[Link]:
        """Links of these records, of all flows, by id."""
        if not keys:
            return []
        return await self._access.links("links_by_key", {"system": system, "resource": resource, "keys": Texts(keys)})

    async def links_by_item(self, items: Collection[str]) -> list[Link]:
        """All links of these items, by id."""
        return await self._access.links("links_by_item", {"items": Texts(items)}) if items else []

    async def links(self, ids: Collection[str]) -> list[Link]:
        """These links, by id."""
        return await self._access.links_of_ids(ids) if ids else []

    async def families(self, links: Collection[Link]) -> list[Link]:
        """These links as they are now, and all others of their items, by id. Nearly always they belong to the items
        that they are known to belong to, by which they are found in half the time."""
        ids = {link.id for link in links}
        found = await self.links_by_item({link.item for link in links if link.item is not None})
        if ids <= {link.id for link in found}:
            return found
        return await self._access.links("families", {"ids": Texts(ids)})

    async def asked_about(self, items: Collection[str]) -> list[Link]:
        """Links of items that were merged into one of these and about which a person is asked, by id."""
        return await self._access.links("asked_about", {"items": Texts(items)}) if items else []

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """These items by id."""
        return await self._access.items(ids) if ids else {}

    async def due_links(
        self,
        flow: str,
        system: str,
        now: datetime,
        limit: int,
        held: Collection[str] = (),
        lanes: Collection[int] | None = None,
    ) -> list[Link]:
        """Links whose ``due_at`` has come, oldest first; neither new nor waiting ones, nor kinds that are held, nor
        those of other lanes."""
        parameters = {"flow": flow, "system": system, "now": now, "limit": limit, "held": list(held)}
        parameters["lanes"] = None if lanes is None else sorted(lanes)
        return _oldest_first(await self._access.links("due_links", parameters))

    async def due_lanes(self, flow: str, system: str, now: datetime) -> list[LaneDue]:
        """The lanes in which links are due, the one with the oldest first. Not locked."""
        return await self._structs(LaneDue, "due_lanes", {"flow": flow, "system": system, "now": now})

    async def due_reads(self, system: str, now: datetime, limit: int) -> list[Link]:
        """Links whose record must be read again, oldest first."""
        return _oldest_first(await self._access.links("due_reads", {"system": system, "now": now, "limit": limit}))

    async def new_links(self, flow: str, limit: int, after: str = "") -> list[Link]:
        """New links that wait for nothing, by id."""
        return await self._access.links("new_links", {"flow": flow, "limit": limit, "after": after})

    async def unmet(self, flow: str, system: str) -> list[Link]:
        """New links, waiting or not, by id."""
        return await self._access.links("unmet", {"flow": flow, "system": system})

    async def unsure(self, flow: str, system: str) -> list[Link]:
        """Links whose create was sent and has no known outcome, also those that were set apart since."""
        return await self._access.links("unsure", {"flow": flow, "system": system})

    async def count_due(self, flow: str, system: str, now: datetime, since: datetime) -> DueCount:
        """What is due by kind, and what was allowed and noted."""
        parameters = {"flow": flow, "system": system, "now": now, "since": since, "place": f"{flow}/{system}/"}
        return (await self._structs(DueCount, "count_due", parameters))[0]

    async def count_linked(self, flow: str, system: str, enough: int | None = None) -> int:
        """How many are linked, counted up to ``enough``. Not locked."""
        return int((await self._rows("count_linked", {"flow": flow, "system": system, "enough": enough}))[0][0])

    async def resolve(self, keys: Collection[FarKey]) -> dict[FarKey, str]:
        """Item of each linked record. Not locked."""
        rows = await self._rows("resolve", columns(keys, "systems", "resources", "keys")) if keys else []
        return {(system, resource, key): item for system, resource, key, item in rows}

    async def far_keys(self, wanted: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
        """(system, resource, item) -> key. Not locked."""
        rows = await self._rows("far_keys", columns(wanted, "systems", "resources", "items")) if wanted else []
        return {(system, resource, item): key for system, resource, item, key in rows}

    async def find_evidence(self, entity: str, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        """(rule, value) -> items that carry it, by id, at most 200 each; those without any are left out."""
        if not wanted:
            return {}
        found: dict[tuple[str, str], list[str]] = {}
        parameters = {"entity": entity, **columns(set(wanted), "rules", "values")}
        for rule, value, item in await self._rows("find_evidence", parameters):
            found.setdefault((rule, value), []).append(item)
        return found

    async def feed(self, system: str, resource: str) -> FeedState | None:
        """How far this resource was read."""
        found = await self._structs(FeedState, "feed", {"system": system, "resource": resource})
        return found[0] if found else None

    async def scan_seen(self, system: str, resource: str, keys: Collection[str], *, start: bool) -> None:
        """Remember keys that the running scan showed."""
        if start:
            await self._do("forget_scan", {"system": system, "resource": resource})
        if keys:
            await self._do("scan_seen", {"system": system, "resource": resource, "keys": Texts(keys)})

    async def scan_missing(self, system: str, resource: str, started: datetime) -> list[str]:
        """Keys of links that the scan did not show and that nobody read or wrote since ``started``."""
        rows = await self._rows("scan_missing", {"system": system, "resource": resource, "started": started})
        return [key for (key,) in rows]

    async def creating(self, flow: str, system: str) -> list[Link]:
        """Links of this flow and system whose record is still to be made."""
        return await self._access.links("creating", {"flow": flow, "system": system})

    async def last_decided(self, kind: str, subject: str) -> InboxEntry | None:
        """The entry of this kind and subject that a person decided last."""
        found = await self._structs(InboxEntry, "last_decided", {"kind": kind, "subject": subject})
        return found[0] if found else None

    async def take_sightings(self, system: str, resource: str, keys: Collection[str]) -> list[Sighting]:
        """What was told of these records, oldest first; forgotten when this transaction commits."""
        parameters = {"system": system, "resource": resource, "keys": Texts(keys)}
        rows = await self._rows("take_sightings", parameters) if keys else []
        return [from_row(Sighting, row) for row in rows]

    async def last_writes(self, links: Collection[str]) -> dict[str, Effect]:
        """Link -> its last write that was done. Not locked."""
        found = await self._structs(Effect, "last_writes", {"links": Texts(links)}) if links else []
        return {effect.link: effect for effect in found}

    async def updates_since(self, links: Collection[str], since: datetime) -> list[Effect]:
        """Updates of these links' records that were, or may have been, done since then, newest first. Not locked."""
        return await self._structs(Effect, "updates_since", {"links": Texts(links), "since": since})

    async def linked_keys(self, flow: str, system: str) -> dict[str, str]:
        """Key -> item of every linked record of this flow and system."""
        return dict(await self._rows("linked_keys", {"flow": flow, "system": system}))

    async def inbox_entry(self, id: str) -> InboxEntry | None:
        """One entry, open or decided."""
        found = await self._structs(InboxEntry, "inbox_entry", {"id": id})
        return found[0] if found else None

    async def open_entries(self, kind: str, subjects: Collection[str]) -> list[InboxEntry]:
        """Open entries of this kind for these subjects."""
        if not subjects:
            return []
        return await self._structs(InboxEntry, "open_entries", {"kind": kind, "subjects": Texts(subjects)})

    async def all_open_entries(self) -> list[InboxEntry]:
        """All open entries, oldest first."""
        return await self._structs(InboxEntry, "all_open_entries", {})

    async def brake_approvals(self, subjects: Collection[str], now: datetime) -> dict[str, Approval]:
        """What is still allowed, and which links that are due now were counted already."""
        rows = await self._rows("brake_approvals", {"subjects": Texts(subjects), "now": now})
        return {subject: Approval(writes, frozenset(granted)) for subject, writes, granted in rows}

    async def use_approval(self, subject: str, links: Collection[str]) -> None:
        """Count links, each once until its end."""
        await self._do("use_approval", {"subject": subject, "links": Texts(sorted(links))})

    async def end_approval(self, subject: str, links: Collection[str]) -> None:
        """Forget granted links, and the approval with the last of them when no write is left."""
        await self._do("end_approval", {"subject": subject, "links": Texts(sorted(links))})
        await self._do("forget_approval", {"subject": subject})

    async def note_traffic(self, subject: str, links: Collection[str], now: datetime, since: datetime) -> None:
        """Remember links, forget those before ``since``."""
        given = {"subject": subject, "now": now, "since": since, "links": Texts(sorted(links))}
        await self._connection.execute(query("note_traffic"), given)
        self._noted = True

    async def recent_traffic(self, subject: str, since: datetime, now: datetime) -> int:
        """Different links noted after ``since`` that are not due."""
        return int((await self._rows("recent_traffic", {"subject": subject, "since": since, "now": now}))[0][0])

    async def approve(self, subject: str, writes: int) -> None:
        """Allow this many writes, in place of what was allowed before."""
        await self._do("approve", {"subject": subject, "writes": writes})

    async def journal_since(self, items: Collection[str], since: datetime) -> list[JournalEntry]:
        """What changed in these items since then, in order. Not locked."""
        return await self._structs(JournalEntry, "journal_since", {"items": Texts(items), "since": since})

    async def retry_now(self, system: str, codes: Collection[str], now: datetime) -> int:
        """What waits to be tried again after such a failure is due now; how many."""
        rows = await self._rows("retry_now", {"system": system, "codes": Texts(codes), "now": now})
        self._access.forget_all()
        await self._writer.tell({f"{flow}/{system}" for (flow,) in rows})
        return len(rows)

    def posting(self) -> AbstractAsyncContextManager[None]:
        """What is saved within is sent at once, and waited for at the end: meanwhile the database works on it, and
        whoever saves can go on with the next part. Read within only what was not saved there."""
        return self._writer.posting()

    async def save(self, batch: Batch) -> None:
        """Write all of it. Of several rows with one identity the last one counts. An inbox entry with ``decided_at``
        in ``open_inbox`` is stored as decided; entries are closed before others are opened. Sleepers are woken last,
        so those of this very batch too."""
        self.wrote = True
        await self._writer.save(batch)

    async def wake_ready(self, among: Collection[str] | None = None) -> int:
        """Wake links (``among`` these; None: among all) whose parent is there though no wake-up reached them; returns
        how many. Cheap when nothing waits; call it now and then, and before saying that nothing is left to do."""
        given = None if among is None else Texts(among)
        woken = await self._rows("wake_ready", {"among": given, "now": self._clock()})
        self._access.forget_all()
        await self._writer.tell({f"{flow}/{system}" for flow, system in woken})
        return len(woken)

    async def _do(self, name: str, parameters: Parameters) -> None:
        self.wrote = True
        await self._connection.execute(query(name), parameters)

    async def _rows(self, name: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        self.wrote = self.wrote or name not in READING
        return await (await self._connection.execute(query(name), parameters)).fetchall()

    async def _structs[S: msgspec.Struct](self, struct: type[S], name: str, parameters: Parameters) -> list[S]:
        """Rows as structs, in the query's order. They come as one JSON array, decoded in one go: a third of the time
        of row by row."""
        cursor = await self._connection.execute(as_array(name, struct), parameters)
        found = await cursor.fetchone()
        assert found is not None
        return decoded(struct, found[0])


def _oldest_first(links: list[Link]) -> list[Link]:
    """Locked by id, handed out by age."""
    return sorted(links, key=lambda link: (link.due_at is None, link.due_at, link.id))
