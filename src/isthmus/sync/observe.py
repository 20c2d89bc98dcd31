"""Observing a system: pages of its feeds and scans, records fetched for a hint, taken in batch by batch (SPEC 2, 8).

The records of a page, the links they belong to, and the cursor after the page are one transaction: killed anywhere,
the page is simply read again, and reading it again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched

from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Change, Deletes, Feed, Gone, Page, Record, Resource
from isthmus.errors import Unavailable, UnknownOutcome
from isthmus.mapping import Refs
from isthmus.model.state import FeedState, Link, LinkState
from isthmus.sync.absorb import absorb, absorb_gone
from isthmus.sync.heirs import with_heirs
from isthmus.sync.join import join_items
from isthmus.sync.pauses import PauseBook
from isthmus.sync.ports import Batch, FarKey, Store, Transaction
from isthmus.sync.regain import regain
from isthmus.sync.seeing import load_given, load_recent, see
from isthmus.sync.sifting import READABLE, Reading, Sieve
from isthmus.sync.standing import to_be_read
from isthmus.sync.working import PART, Working
from isthmus.sync.world import World

__all__ = ["Observer"]

KEPT = 200_000
"""Records that a dry run remembers; beyond them it reads again."""
RESCAN = timedelta(hours=1)
"""How long deletes may stay unseen in a resource whose feed does not tell them."""
PAUSED_AGAIN = timedelta(seconds=10)
"""How long a record of a paused resource waits until it is asked about again."""
OUTAGE = (Unavailable.code, UnknownOutcome.code)
"""Codes of failures that a system which is down leaves behind."""


class Observer:
    """Reads one system's resources into the store."""

    def __init__(
        self,
        store: Store,
        world: World,
        system: str,
        resources: Mapping[str, Resource],
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        pauses: PauseBook | None = None,
    ) -> None:
        self._pauses = pauses if pauses is not None else PauseBook()
        self._store, self._world, self._system, self._resources = store, world, system, resources
        self._clock, self._new_id = clock, new_id
        self.kept: dict[tuple[str, str], Record] | None = None
        """For a dry run: what was read, so that planning needs not read it again. None: nothing is kept."""
        self.strangers = False
        """Whether records were read that have not met their item yet, since somebody set this back."""

    async def poll(self, name: str, report: Callable[[int], None] | None = None) -> int:
        """Look at one resource: the first time (or when what is read from it changed) a complete scan, later its
        feed, or a scan again where it has none. How many records were read."""
        resource = self._resources[name]
        signature = self._world.signature(self._system, name)
        async with self._store.transaction() as tx:
            state = await tx.feed(self._system, name) or FeedState(system=self._system, resource=name)
        first = state.scanned_for != signature
        if isinstance(resource, Feed) and not first and not self._scan_due(resource, state):
            return await self._read_feed(name, resource, state)
        return await self._scan(name, resource, state, signature, report)

    async def _answered(self, state: FeedState) -> None:
        """What failed because the system did not answer is tried at once when it does, however long its own pause has
        become. That it failed is in the store, so it does not matter which worker saw that; and it is forgotten only
        with the page that is taken in next."""
        if state.failing_since is None:
            return
        async with self._store.transaction() as tx:
            await tx.lock({flow.entity.name for flow in self._world.flows.values() if self._system in flow.sides})
            await tx.retry_now(self._system, OUTAGE, self._clock())

    def _scan_due(self, resource: Resource, state: FeedState) -> bool:
        """A feed that does not tell of deletes is not enough: now and then everything is read."""
        if resource.traits.deletes is not Deletes.SILENT or state.scanned_at is None:
            return False
        return self._clock() - state.scanned_at > RESCAN

    async def scan(self, name: str) -> int:
        """Read a resource as a whole now, whether it has a feed or not."""
        async with self._store.transaction() as tx:
            state = await tx.feed(self._system, name) or FeedState(system=self._system, resource=name)
        return await self._scan(name, self._resources[name], state, self._world.signature(self._system, name), None)

    async def _read_feed(self, name: str, feed: Feed, state: FeedState) -> int:
        count = 0
        while True:
            self._pauses.check(self._system, name)
            began = self._clock()
            page = await feed.changes(state.cursor)
            await self._answered(state)
            state = replace(
                state,
                cursor=page.cursor,
                polled_at=began,
                changed_at=began if page.items else state.changed_at,
                failing_since=None,
                problem=None,
            )
            await self.ingest(name, page.items, began, state=state)
            count += len(page.items)
            if not page.more:
                if count:
                    events.emit(events.FEED_READ, system=self._system, resource=name, records=count)
                return count

    async def _scan(
        self,
        name: str,
        resource: Resource,
        state: FeedState,
        signature: str,
        report: Callable[[int], None] | None,
    ) -> int:
        """A complete reading. The feed's position is taken before it starts, so that what changes meanwhile is seen
        again. An interrupted scan goes on at its cursor."""
        running = f"{signature} running"
        # Pages read under an older mapping count for nothing.
        resumed = state.scan_started is not None and state.scan_cursor is not None and state.scanned_for == running
        if not resumed:
            began = self._clock()
            position = (await resource.changes(None)).cursor if isinstance(resource, Feed) else None
            state = replace(state, scan_started=began, scan_cursor=None, scan_feed_cursor=position, scanned_for=running)
            async with self._store.transaction() as tx:
                await tx.scan_seen(self._system, name, [], start=True)
        count = 0
        while True:
            self._pauses.check(self._system, name)
            began = self._clock()
            page: Page = await resource.scan(state.scan_cursor)
            await self._answered(state)
            count += len(page.items)
            changed = began if page.items else state.changed_at
            state = replace(
                state, scan_cursor=page.cursor, polled_at=began, changed_at=changed, failing_since=None, problem=None
            )
            seen = [change.key for change in page.items if isinstance(change, Record)]
            await self.ingest(name, page.items, began, state=state, scanned=seen)
            if report is not None:
                report(count)
            if not page.more:
                break
        await self._finish_scan(name, resource, state, signature)
        events.emit(events.SCAN_COMPLETE, logging.DEBUG, system=self._system, resource=name, records=count)
        return count

    async def _finish_scan(self, name: str, resource: Resource, state: FeedState, signature: str) -> None:
        """Records that a complete scan did not show may be gone: each is asked for by key before it counts."""
        started = state.scan_started
        assert started is not None
        async with self._store.transaction() as tx:
            missing = await tx.scan_missing(self._system, name, started)
        size = max(1, resource.traits.fetch_batch)
        for start in range(0, len(missing), size):
            self._pauses.check(self._system, name)
            began = self._clock()
            await self.ingest(name, await resource.fetch(missing[start : start + size]), began)
        done = replace(
            state,
            cursor=state.scan_feed_cursor,
            scan_cursor=None,
            scan_started=None,
            scan_feed_cursor=None,
            scanned_at=started,
            scanned_for=signature,
        )
        async with self._store.transaction() as tx:
            await tx.save(batch_of(done))

    async def look(self, name: str, keys: Collection[str]) -> int:
        """Read these records now (a hint, or a parent that appeared)."""
        resource = self._resources[name]
        ordered = sorted(set(keys))
        size = max(1, resource.traits.fetch_batch)
        for start in range(0, len(ordered), size):
            self._pauses.check(self._system, name)
            began = self._clock()
            await self.ingest(name, await resource.fetch(ordered[start : start + size]), began)
        await self.regain(name, ordered)
        return len(ordered)

    async def regain(self, name: str, keys: Collection[str]) -> None:
        """Take up edits of these records, just read, that a write of ours has undone in a system which saves whole
        records."""
        if self._resources[name].traits.whole_saves:
            await regain(self._store, self._world, self._system, name, keys, clock=self._clock, new_id=self._new_id)

    async def reread_woken(self, limit: int = 500) -> int:
        """Read again the records whose parent appeared; how many."""
        by_resource: dict[str, set[str]] = {}
        lost: list[Link] = []
        later = self._clock() + PAUSED_AGAIN
        async with self._store.transaction() as tx:
            await tx.lock({flow.entity.name for flow in self._world.flows.values() if self._system in flow.sides})
            links = await tx.due_reads(self._system, self._clock(), limit)
            for link in links:
                known = link.flow in self._world.flows and link.resource in self._resources
                if not known or link.key is None or link.state not in READABLE:
                    # Its flow or resource was taken out of the project meanwhile, or it was set apart.
                    lost.append(replace(link, waits_for=None, due_at=None))
                elif self._pauses.of(self._system, link.resource) is not None:
                    lost.append(replace(link, due_at=later))
                else:
                    by_resource.setdefault(link.resource, set()).add(link.key)
            if lost:
                await tx.save(Batch(links=lost))
        for name, keys in by_resource.items():
            await self.look(name, keys)
        return len(links)

    async def ingest(
        self,
        name: str,
        changes: Sequence[Change],
        read_at: datetime,
        *,
        state: FeedState | None = None,
        scanned: Sequence[str] | None = None,
    ) -> None:
        """Take in one page in one transaction, together with the cursor after it."""
        async with self._store.transaction() as tx:
            if changes:
                await tx.lock(self._world.entities(self._system, name))
                await self.take_in(tx, name, changes, read_at)
            if scanned:
                await tx.scan_seen(self._system, name, scanned, start=False)
            if state is not None:
                await tx.save(batch_of(state))

    async def take_in(self, tx: Transaction, name: str, changes: Sequence[Change], read_at: datetime) -> None:
        """Take in one page; the caller has locked the resource's entities."""
        latest: dict[str, Change] = {change.key: change for change in changes}
        if self.kept is not None and len(self.kept) < KEPT:
            self.kept |= {(name, key): change for key, change in latest.items() if isinstance(change, Record)}
        links = await tx.links_by_key(self._system, name, latest)
        merged = {c.merged_into for c in latest.values() if isinstance(c, Gone) and c.merged_into is not None}
        # The winner's items are needed also where the winner itself is on this page and shows nothing new.
        winners = [link for link in links if link.key in merged]
        winners += await tx.links_by_key(self._system, name, merged - set(latest)) if merged else []
        by_key: dict[str, dict[str, Link]] = {}
        for link in links:
            by_key.setdefault(link.key or "", {})[link.flow] = link
        traits = self._resources[name].traits
        sieve = Sieve(self._world, self._system, name, traits, self._clock)
        work_list, early = sieve.sift(latest, by_key, read_at)
        if early:
            await tx.save(Batch(links=early))
        if not work_list:
            return
        refs = Refs(items=await self._resolve(tx, name, latest, work_list))
        ids = {link.item for _, link, _, _ in work_list if link is not None and link.item is not None}
        asked = await tx.asked_about(_items_of_gone(work_list))
        ids |= {link.item for link in asked if link.item is not None}
        ids |= {link.item for link in winners if link.item is not None}
        items = await with_heirs(tx, ids)
        siblings = await tx.links_by_item(set(items))
        everything = {link.id: link for link in [*links, *winners, *siblings]}
        work = Working(self._world, items, everything.values(), now=self._clock(), new_id=self._new_id)
        work.asked = [link.id for link in asked]
        # Only links that are due can have a write whose answer was lost.
        read = [link for _, link, _, _ in work_list if link is not None]
        work.given = await load_given(tx, [link for link in read if link.due_at is not None])
        work.recent = await load_recent(tx, traits, read, read_at)
        crossed = await self._crossed(tx, work_list, read_at)
        async with tx.posting():
            for part in batched(work_list, PART):
                for flow, known, change, digest in part:
                    current = work.links.get(known.id) if known is not None else None
                    if isinstance(change, Gone):
                        self._absorb_gone(work, current and replace(current, seen_at=read_at), change)
                    else:
                        again = known is None and flow in crossed
                        self._absorb(work, name, flow, current, change, refs, read_at, digest, again=again)
                batch = work.finish()
                self.strangers |= any(link.state is LinkState.NEW and link.waits_for is None for link in batch.links)
                await tx.save(batch)

    async def _crossed(self, tx: Transaction, readings: Sequence[Reading], read_at: datetime) -> set[str]:
        """Flows of which a create was sent since this read began, and has no known outcome. A record that was not known
        before may be just that: the reading is older than the create, what it shows is not. Read once more, it waits
        until the create is settled like any that began after it."""
        found: set[str] = set()
        for flow in sorted({flow for flow, link, _, _ in readings if link is None}):
            sent = [link.intent.sent_at for link in await tx.unsure(flow, self._system) if link.intent is not None]
            if any(at is not None and at >= read_at for at in sent):
                found.add(flow)
        return found

    async def _resolve(
        self,
        tx: Transaction,
        name: str,
        latest: Mapping[str, Change],
        work_list: Sequence[Reading],
    ) -> dict[tuple[str, str], str]:
        wanted: set[tuple[str, str]] = set()
        for flow, _, change, _ in work_list:
            if isinstance(change, Record):
                wanted |= self._world.lenses[(flow, self._system)].refs_in(change.key, change.fields)
        keys: list[FarKey] = [(self._system, resource, key) for resource, key in wanted]
        return {(r, k): item for (_, r, k), item in (await tx.resolve(keys)).items()} if keys else {}

    def _absorb_gone(self, work: Working, link: Link | None, change: Gone) -> None:
        if link is None:
            return
        winner = next(
            (
                other
                for other in work.links.values()
                if change.merged_into is not None
                and (other.system, other.resource, other.key, other.flow)
                == (link.system, link.resource, change.merged_into, link.flow)
                and other.item is not None
            ),
            None,
        )
        if winner is not None and link.item is not None:
            join_items(work, link, winner)
        else:
            absorb_gone(work, link)

    def _absorb(
        self,
        work: Working,
        name: str,
        flow: str,
        link: Link | None,
        change: Record,
        refs: Refs,
        read_at: datetime,
        digest: bytes | None,
        *,
        again: bool,
    ) -> None:
        if link is None:
            link = Link(id=self._new_id(), flow=flow, system=self._system, resource=name, key=change.key)
        seen = see(self._world, link, change, refs, read_at, digest)
        absorb(work, link, seen)
        if again and work.links[link.id].waits_for is None:
            work.put_link(to_be_read(work.links[link.id], work.now))
        if seen.got.problems:
            events.emit(
                events.RECORD_SET_ASIDE,
                logging.WARNING,
                system=self._system,
                resource=name,
                key=change.key,
                fields=",".join(seen.got.problems),
            )


def _items_of_gone(readings: Sequence[Reading]) -> set[str]:
    """What loses a record by these readings."""
    gone = (link for _, link, change, _ in readings if isinstance(change, Gone))
    return {link.item for link in gone if link is not None and link.item is not None}


def batch_of(state: FeedState) -> Batch:
    """A batch that only moves a feed."""
    return Batch(feeds=[state])
