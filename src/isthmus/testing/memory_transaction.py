"""One transaction on a :class:`~isthmus.testing.memory_database.MemoryDatabase`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from zlib import crc32

from msgspec.structs import replace

from isthmus.errors import StoreUnavailable, UnknownOutcome
from isthmus.model.state import Effect, FeedState, Item, JournalEntry, Link, LinkState, Sighting
from isthmus.sync.ports import LANES, Batch, FarKey, LaneDue
from isthmus.testing.memory_accounts import BrakeAccounts
from isthmus.testing.memory_database import MemoryDatabase, stored
from isthmus.testing.memory_inbox import InboxRows

__all__ = ["MemoryTransaction"]

_UNMET = frozenset({LinkState.NEW, LinkState.DOUBTFUL, LinkState.LINKED})


class MemoryTransaction(InboxRows, BrakeAccounts):
    """A :class:`~isthmus.sync.ports.Transaction`: its own writes over what others have committed."""

    def __init__(self, database: MemoryDatabase) -> None:
        BrakeAccounts.__init__(self, database)
        InboxRows.__init__(self, database)
        self._items: dict[str, Item] = {}
        self._links: dict[str, Link | None] = {}
        self._scanned: dict[tuple[str, str], set[str]] = {}
        self._deeds: list[Callable[[], None]] = []
        """What else becomes true at commit, in order."""
        self._places: set[str] = set()
        self._posting, self._came_true = False, set[str]()
        self.asleep: set[str] = set()
        """Links that this transaction lets wait for another."""

    # -- reading -------------------------------------------------------------------------------------------------

    async def lock(self, entities: Collection[str]) -> None:
        """Wait until no other transaction holds one of these."""
        await self._database.pace("lock")
        await self._database.rows.take(self, "entity", entities)

    def _all_links(self) -> list[Link]:
        known = {**self._database.links, **self._links} if self._links else self._database.links
        return [link for link in known.values() if link is not None]

    def _item(self, id: str | None) -> Item | None:
        return None if id is None else self._items.get(id) or self._database.items.get(id)

    def _alive(self, id: str | None) -> bool:
        item = self._item(id)
        return item is not None and item.deleted_at is None and item.alias_of is None

    def _heir(self, id: str) -> str:
        """The item itself, or the one that it was merged into in the end."""
        item = self._item(id)
        while item is not None and item.alias_of is not None:
            item = self._item(item.alias_of)
        return id if item is None else item.id

    async def _owned(
        self, fits: Callable[[Link], bool], order: Callable[[Link], object] | None = None, limit: int | None = None
    ) -> list[Link]:
        """Links that fit, owned from now on; those that do not fit any more after waiting for others fall out."""
        found = [link for link in self._all_links() if fits(link)]
        found.sort(key=order or _by_id)  # type: ignore[arg-type]
        found = found[:limit]
        if await self._database.rows.take(self, "link", (link.id for link in found)):
            ids = {link.id for link in found}
            found = [link for link in self._all_links() if link.id in ids and fits(link)]
            found.sort(key=order or _by_id)  # type: ignore[arg-type]
        return found

    async def links_by_key(self, system: str, resource: str, keys: Collection[str]) -> list[Link]:
        """Links of these records, of all flows, by id."""
        wanted = set(keys)
        return await self._owned(
            lambda link: link.key in wanted and link.system == system and link.resource == resource
        )

    async def links_by_item(self, items: Collection[str]) -> list[Link]:
        """All links of these items, by id."""
        wanted = set(items)
        return await self._owned(lambda link: link.item in wanted) if wanted else []

    async def links(self, ids: Collection[str]) -> list[Link]:
        """These links, by id."""
        wanted = set(ids)
        return await self._owned(lambda link: link.id in wanted) if wanted else []

    async def families(self, links: Collection[Link]) -> list[Link]:
        """These links as they are now, and all others of their items, by id."""
        wanted = {link.id for link in links}
        items = {link.item for link in self._all_links() if link.id in wanted and link.item is not None}
        return await self._owned(lambda link: link.id in wanted or link.item in items) if wanted else []

    async def asked_about(self, items: Collection[str]) -> list[Link]:
        """Links of items that were merged into one of these and about which a person is asked, by id."""
        wanted = set(items)
        if not wanted:
            return []
        return await self._owned(
            lambda link: (
                link.state is LinkState.DOUBTFUL
                and link.item is not None
                and link.item not in wanted
                and self._heir(link.item) in wanted
            )
        )

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """These items by id."""
        await self._database.rows.take(self, "item", ids)
        return {id: item for id in sorted(set(ids)) if (item := self._item(id)) is not None}

    def _due(self, link: Link, flow: str, system: str, now: datetime) -> bool:
        due = (link.flow, link.system) == (flow, system) and link.due_at is not None and link.due_at <= now
        return due and link.state is not LinkState.NEW and link.waits_for is None

    async def due_lanes(self, flow: str, system: str, now: datetime) -> list[LaneDue]:
        """The lanes in which links are due, the one with the oldest first. Not locked."""
        ages: dict[int, list[datetime]] = {}
        for link in self._all_links():
            if self._due(link, flow, system, now) and link.due_at is not None:
                ages.setdefault(_lane(link), []).append(link.due_at)
        found = [LaneDue(lane, len(due), min(due)) for lane, due in ages.items()]
        return sorted(found, key=lambda lane: (lane.oldest, lane.lane))

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

        def fits(link: Link) -> bool:
            if not self._due(link, flow, system, now) or (lanes is not None and _lane(link) not in lanes):
                return False
            kind = "creates" if link.state is LinkState.CREATING else "deletes" if link.doom is not None else "updates"
            return kind not in held

        return await self._owned(fits, _by_age, limit)

    async def due_reads(self, system: str, now: datetime, limit: int) -> list[Link]:
        """Links whose record must be read again, oldest first."""

        def fits(link: Link) -> bool:
            due = link.system == system and link.waits_for == "read"
            return due and link.due_at is not None and link.due_at <= now

        return await self._owned(fits, _by_age, limit)

    async def new_links(self, flow: str, limit: int, after: str = "") -> list[Link]:
        """New links that wait for nothing, by id."""

        def fits(link: Link) -> bool:
            return link.state is LinkState.NEW and link.flow == flow and link.waits_for is None and link.id > after

        return await self._owned(fits, limit=limit)

    async def unmet(self, flow: str, system: str) -> list[Link]:
        """New links, waiting or not, by id."""
        return await self._owned(
            lambda link: link.state is LinkState.NEW and (link.flow, link.system) == (flow, system)
        )

    async def unsure(self, flow: str, system: str) -> list[Link]:
        """Links whose create was sent and has no known outcome, also those that were set apart since."""
        return await self._owned(
            lambda link: (
                (link.flow, link.system) == (flow, system)
                and (link.state is LinkState.CREATING or (link.state is LinkState.UNLINKED and link.key is None))
                and link.intent is not None
                and link.intent.sent_at is not None
            )
        )

    async def creating(self, flow: str, system: str) -> list[Link]:
        """Links of this flow and system whose record is still to be made."""
        return await self._owned(
            lambda link: link.state is LinkState.CREATING and (link.flow, link.system) == (flow, system)
        )

    async def resolve(self, keys: Collection[FarKey]) -> dict[FarKey, str]:
        """Item of each linked record. Not locked."""
        wanted, found = set(keys), dict[FarKey, str]()
        for link in sorted(self._all_links(), key=_by_id) if wanted else ():
            place = (link.system, link.resource, link.key or "")
            if place in wanted and link.state is LinkState.LINKED and link.item is not None and self._alive(link.item):
                found.setdefault(place, link.item)
        return found

    async def far_keys(self, wanted: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
        """(system, resource, item) -> key. Not locked."""
        found: dict[tuple[str, str, str], str] = {}
        for system, resource, id in sorted(set(wanted)):
            heir, there = self._heir(id), (system, resource, LinkState.LINKED)
            keys = [
                (link.id, link.key)
                for link in self._all_links()
                if link.item == heir and (link.system, link.resource, link.state) == there and link.key is not None
            ]
            if keys:
                found[system, resource, id] = min(keys)[1]
        return found

    async def find_evidence(self, entity: str, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        """(rule, value) -> items that carry it, by id, at most 200 each; those without any are left out."""
        pairs, found = set(wanted), dict[tuple[str, str], set[str]]()
        for rows in self._database.evidence.values() if pairs else ():
            for row in rows:
                if (row.rule, row.value) in pairs and row.entity == entity and self._alive(row.item):
                    found.setdefault((row.rule, row.value), set()).add(row.item)
        return {pair: sorted(items)[:200] for pair, items in sorted(found.items())}

    async def feed(self, system: str, resource: str) -> FeedState | None:
        """How far this resource was read."""
        return self._database.feeds.get((system, resource))

    async def scan_missing(self, system: str, resource: str, started: datetime) -> list[str]:
        """Keys of links that the scan did not show and that nobody read or wrote since ``started``."""
        shown = self._shown((system, resource))
        return sorted(
            {
                link.key
                for link in self._all_links()
                if link.key is not None
                and (link.system, link.resource) == (system, resource)
                and link.state in _UNMET
                and not any(at is not None and at >= started for at in (link.seen_at, link.written_at))
                and link.key not in shown
            }
        )

    async def linked_keys(self, flow: str, system: str) -> dict[str, str]:
        """Key -> item of every linked record of this flow and system."""
        return {
            link.key: link.item
            for link in sorted(self._all_links(), key=_by_id)
            if (link.flow, link.system, link.state) == (flow, system, LinkState.LINKED)
            and link.key is not None
            and link.item is not None
        }

    # -- sightings -----------------------------------------------------------------------------------------------

    async def take_sightings(self, system: str, resource: str, keys: Collection[str]) -> list[Sighting]:
        """What was told of these records, oldest first; forgotten at commit."""
        wanted, database = set(keys), self._database
        taken = [s for s in database.sightings if (s.system, s.resource) == (system, resource) and s.key in wanted]
        self._deeds.append(lambda: database.forget_sightings(taken))
        return taken

    async def journal_since(self, items: Collection[str], since: datetime) -> list[JournalEntry]:
        """What changed in these items since then, in order."""
        wanted = set(items)
        return [entry for entry in self._database.journal if entry.item in wanted and entry.at >= since]

    async def last_writes(self, links: Collection[str]) -> dict[str, Effect]:
        """Link -> its last write that was done."""
        wanted = set(links)
        return {e.link: e for e in self._database.effects if e.link in wanted and e.outcome == "done"}

    async def updates_since(self, links: Collection[str], since: datetime) -> list[Effect]:
        """Updates of these links' records that were, or may have been, done since then, newest first."""
        wanted, effects = set(links), reversed(self._database.effects)
        done = ("done", UnknownOutcome.code)
        return [e for e in effects if e.link in wanted and e.at >= since and e.kind == "update" and e.outcome in done]

    # -- scans ---------------------------------------------------------------------------------------------------

    def _shown(self, place: tuple[str, str]) -> set[str]:
        return self._scanned.get(place, self._database.scanned.get(place, set()))

    async def scan_seen(self, system: str, resource: str, keys: Collection[str], *, start: bool) -> None:
        """Remember keys that the running scan showed."""
        place = (system, resource)
        self._scanned[place] = set(keys) | (set() if start else self._shown(place))

    # -- writing -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        """Sleepers are woken at the end."""
        outermost, self._posting = not self._posting, True
        yield
        if outermost:
            self._posting = False
        if outermost and self._came_true:
            came_true, self._came_true = self._came_true, set()
            await self._wake(lambda link: link.waits_for in came_true)

    async def save(self, batch: Batch) -> None:
        """Write all of it, as :meth:`isthmus.store.transaction.PostgresTransaction.save` does."""
        links = {link.id: stored(link) for link in batch.links}
        items = {item.id: stored(item) for item in batch.items}
        await self._database.rows.take(self, "item", items)
        await self._database.rows.take(self, "link", [*links, *batch.drop_links])
        self._links |= dict.fromkeys(batch.drop_links)
        self._items |= items
        self._links |= links
        self._refuse_twins(links)
        database = self._database
        journal, effects = [stored(row) for row in batch.journal], [stored(row) for row in batch.effects]
        self._deeds.append(lambda: database.journal.extend(journal))
        self._deeds.append(lambda: database.effects.extend(effects))
        evidence = {item: [row for row in batch.evidence if row.item == item] for item in batch.evidence_of}
        self._deeds.append(lambda: database.evidence.update(evidence))
        feeds = {(feed.system, feed.resource): stored(feed) for feed in batch.feeds}
        self._deeds.append(lambda: database.feeds.update(feeds))
        await self._save_inbox(batch)
        self._places |= {f"{link.flow}/{link.system}" for link in links.values() if link.due_at is not None}
        self._places |= {"meet"} if batch.meet else set()
        self.asleep |= {id for id, link in links.items() if link.waits_for not in (None, "read")}
        async with self.posting():
            self._came_true |= set(batch.wake)

    def _refuse_twins(self, links: Collection[str]) -> None:
        places = [(x.flow, x.system, x.resource, x.key) for x in self._all_links() if x.key is not None]
        if links and len(set(places)) < len(places):
            raise StoreUnavailable("Another process stored the same thing at the same moment.", wait=0.05)

    async def _wake(self, fits: Callable[[Link], bool]) -> int:
        woken = await self._owned(fits)
        now = self._database.now()
        for link in woken:
            again = (link.waits_for or "").count("/") >= 2
            self._links[link.id] = replace(link, due_at=now, waits_for="read" if again else None)
            self._places.add(f"{link.flow}/{link.system}")
        return len(woken)

    async def retry_now(self, system: str, codes: Collection[str], now: datetime) -> int:
        """What waits to be tried again after such a failure is due now; how many."""
        failed = await self._owned(lambda x: x.system == system and x.problem is not None and x.problem.code in codes)
        later = [x for x in failed if x.due_at is not None and x.due_at > now and x.waits_for is None]
        self._links |= {link.id: replace(link, due_at=now, attempts=0) for link in later}
        self._places |= {f"{link.flow}/{system}" for link in later}
        return len(later)

    async def wake_ready(self, among: Collection[str] | None = None) -> int:
        """Wake links (``among`` these; None: among all) whose parent is there though no wake-up reached them; how
        many."""
        linked = [link for link in self._all_links() if link.state is LinkState.LINKED and link.key is not None]
        records = {f"{x.system}/{x.resource}/{x.key}" for x in linked if self._alive(x.item)}
        places = {f"{link.item}/{link.system}" for link in linked}
        doubts = {f"doubt/{x.id}" for x in self._all_links() if x.state in (LinkState.NEW, LinkState.DOUBTFUL)}

        def fits(link: Link) -> bool:
            wanted = link.waits_for
            if wanted is None or wanted == "read" or (among is not None and link.id not in among):
                return False
            if wanted.startswith("doubt/"):
                return wanted not in doubts
            if wanted.count("/") >= 2:
                return wanted in records
            named, system = wanted.split("/")
            return f"{self._heir(named)}/{system}" in places

        return await self._wake(fits)

    def commit(self) -> None:
        """Everything becomes true at once; who listens is told."""
        database = self._database
        for id, link in self._links.items():
            if link is None:
                database.links.pop(id, None)
            else:
                assert link.item is None or self._item(link.item) is not None, f"link {id} without its item"
                database.links[id] = link
        database.items |= self._items
        database.inbox |= self._inbox
        database.scanned |= self._scanned
        self._commit_accounts()
        for deed in self._deeds:
            deed()
        database.tell(self._places)


def _lane(link: Link) -> int:
    return crc32(link.id.encode()) % LANES


def _by_id(link: Link) -> str:
    return link.id


def _by_age(link: Link) -> tuple[bool, datetime | None, str]:
    return (link.due_at is None, link.due_at, link.id)
