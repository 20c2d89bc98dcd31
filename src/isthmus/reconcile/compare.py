"""Complete comparison of one flow (CH-5): every record of every system is read and held against its item, while
everything goes on.

First keys and digests of a whole system are joined with those of the hub by the database. Whatever does not agree is
only a *suspect*: records are edited and written while the pages are read. Each suspect is read again by its key. Where
a hub is at work, what may pass by itself counts only when it still differs in the same way after the hub has had time
to deal with it; the comparison goes on as soon as nothing of that kind is left. It starts from nothing, so it finds
what feeds and hints may have missed. Memory does not grow with the number of records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from isthmus.connector import Feed, Record, Resource
from isthmus.mapping import Refs
from isthmus.model.flow import CreatePolicy, Flow
from isthmus.model.state import FeedState, Link, LinkState
from isthmus.reconcile.drift import Drift, DriftKind, Shown, differences, is_lacking, of_link, of_record
from isthmus.reconcile.passing import any_may_pass
from isthmus.reconcile.ports import CompareStore, FarRow, Known, Suspect, Workspace
from isthmus.sync.world import World

__all__ = ["Report", "compare_flow"]

CHUNK = 1000
"""Suspects looked at together. Where no more are left, what the hub does about them is followed while it has time."""
SOONEST = 1.0
"""Seconds until the hub's memory is first looked at meanwhile; twice as long each time."""
COPIED = 10_000
"""Records of the system that are given to the database at once."""
LOOKS = 3
"""How often something is looked at that differs each time in another way: somebody is working on it."""
PATIENT = "differences, looked at once more after a while"

type Report = Callable[[str, str, int], None]
"""Told (system, what is being done, how many so far)."""


async def compare_flow(
    store: CompareStore,
    world: World,
    flow: Flow,
    resources: Mapping[str, Mapping[str, Resource]],
    *,
    clock: Callable[[], datetime],
    patience: float = 0.0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    report: Report | None = None,
) -> None:
    """Find all differences of a flow; they take the place of those that the last comparison found.

    ``resources``: system -> resource name -> resource. ``patience``: seconds in which a hub at work deals with what it
    is about to see or write; 0 when none is at work. Raises what the systems raise: a comparison that did not read
    everything proves nothing, and the last one's result stays.
    """
    began, records = clock(), 0
    async with store.comparing() as workspace:
        for system, side in flow.sides.items():
            resource = resources[system][side.resource]
            await workspace.begin(flow.name, system, side.resource)
            one = _Side(workspace, world, flow, system, resource, clock, report or _silent)
            records += await one.compare(patience, sleep)
        await workspace.publish(flow.name, began, records)


def _silent(system: str, what: str, count: int) -> None:
    """Nobody watches."""


class _Side:
    """The comparison of one system's records with the hub's items."""

    def __init__(
        self,
        workspace: Workspace,
        world: World,
        flow: Flow,
        system: str,
        resource: Resource,
        clock: Callable[[], datetime],
        report: Report,
    ) -> None:
        self._workspace, self._world, self._flow, self._system = workspace, world, flow, system
        self._resource, self._clock, self._report = resource, clock, report
        self._lens = world.lenses[(flow.name, system)]
        self._remapped = False
        self._looked: datetime | None = None
        """Start of the look before this one."""

    async def compare(self, patience: float, sleep: Callable[[float], Awaitable[None]]) -> int:
        """All of it, with as many looks as it takes; how many records were read."""
        records = await self._read_all()
        side = self._flow.sides[self._system]
        count = await self._workspace.join(creates=side.create is CreatePolicy.ALWAYS)
        self._report(self._system, "suspects", count)
        state = await self._workspace.feed(self._system, self._resource.name)
        self._remapped = state is not None and state.scanned_for.partition(" ")[0] != self._world.signature(
            self._system, self._resource.name
        )
        began = self._clock()
        waiting = await self._look_at_all(final=not patience)
        for look in range(2, LOOKS + 1):
            if not waiting:
                break
            if waiting > CHUNK:
                self._report(self._system, PATIENT, waiting)
                await sleep(patience)
            else:
                waiting = await self._follow(patience, sleep)
            if waiting:
                waiting = await self._look_at_all(final=look == LOOKS)
        await self._excuse(began)
        return records

    async def _read_all(self) -> int:
        """Every record of the system: key, digest, and whether it would be taken in; how many."""
        adopt = self._flow.sides[self._system].adopt
        cursor, count = None, 0
        rows: list[FarRow] = []
        while True:
            page = await self._resource.scan(cursor)
            for change in page.items:
                if isinstance(change, Record):
                    wanted = adopt and self._lens.selects(change.fields)
                    rows.append(FarRow(change.key, self._lens.digest(change.fields), wanted))
            count += len(page.items)
            if len(rows) >= COPIED or not page.more:
                await self._workspace.add_far(rows)
                rows = []
            self._report(self._system, "records read", count)
            cursor = page.cursor
            if not page.more:
                return count

    async def _look_at_all(self, *, final: bool) -> int:
        """Look at every suspect now; how many of them may yet turn out to be none (0 when ``final``)."""
        waiting, after, began = 0, 0, self._clock()
        while suspects := await self._workspace.suspects(after, CHUNK):
            after = suspects[-1].n
            before = await self._workspace.found([suspect.n for suspect in suspects])
            found, known = await self._look(suspects)
            passing = set() if final else await self._passing(found, known)
            open_still = {n for n in passing if not _same(found[n], before.get(n, ()))}
            now = {suspect.n: found.get(suspect.n, ()) for suspect in suspects}
            await self._workspace.note(now, open_still)
            waiting += len(open_still)
        self._looked = began
        return waiting

    async def _follow(self, patience: float, sleep: Callable[[float], Awaitable[None]]) -> int:
        """Give the hub so much time, or as much as it needs until every suspect has been dealt with or cannot pass; how
        many are left. The system is asked only for those of which the hub's memory has moved."""
        suspects, rest = await self._workspace.suspects(0, CHUNK), SOONEST
        memories = _memories(suspects, await self._workspace.know(suspects))
        while suspects and patience > 0:
            self._report(self._system, PATIENT, len(suspects))
            await sleep(min(rest, patience))
            patience, rest = patience - rest, rest * 2
            now = _memories(suspects, await self._workspace.know(suspects))
            moved = [suspect for suspect in suspects if now[suspect.n] != memories[suspect.n]]
            memories = now
            if moved:
                found, known = await self._look(moved)
                left = await self._passing(found, known)
                over = {suspect.n: found.get(suspect.n, ()) for suspect in moved if suspect.n not in left}
                await self._workspace.note(over, ())
                suspects = [suspect for suspect in suspects if suspect.n not in over]
        return len(suspects)

    async def _passing(self, found: Mapping[int, Sequence[Drift]], known: Known) -> set[int]:
        """Of which suspects something may yet go away by itself."""
        links = {link.id: link for link in [*known.links.values(), *known.by_key.values()]}
        open_now = await self._workspace.questions(list(links.values()))
        return {n for n, drifts in found.items() if any_may_pass(drifts, links, open_now)}

    async def _look(self, suspects: Sequence[Suspect]) -> tuple[dict[int, Sequence[Drift]], Known]:
        """What these suspects differ in, at this moment, and what the hub knows of them."""
        known = await self._workspace.know(suspects)
        doubted = [suspect for suspect in suspects if not (suspect.seen and self._agrees(suspect, known))]
        keys = list(dict.fromkeys(s.key for s in doubted if s.key is not None))
        records = await self._fetch(keys)
        # Known anew: what the hub has taken in or written while the records were read is no difference.
        known = await self._workspace.know(doubted)
        refs = await self._refs(list(records.values()))
        found = {suspect.n: self._judge(suspect, known, records, refs) for suspect in doubted}
        return {n: drifts for n, drifts in found.items() if drifts}, known

    def _agrees(self, suspect: Suspect, known: Known) -> bool:
        """Whether what the hub saw last, which is what the system shows, agrees with the item."""
        link = known.links.get(suspect.link or "")
        if link is None or link.state is not LinkState.LINKED:
            return False
        shown = Shown(fields={name: value for name, value in link.far.items() if name in self._lens.readable})
        return not differences(self._flow, self._lens, link, known.items.get(link.item or ""), shown)

    async def _fetch(self, keys: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        size = max(1, self._resource.traits.fetch_batch)
        for start in range(0, len(keys), size):
            answers = await self._resource.fetch(keys[start : start + size])
            found |= {answer.key: answer for answer in answers if isinstance(answer, Record)}
        return found

    async def _refs(self, records: Sequence[Record]) -> Refs:
        wanted = {(self._system, *ref) for r in records for ref in self._lens.refs_in(r.key, r.fields)}
        items = await self._workspace.resolve(wanted) if wanted else {}
        return Refs(items={(resource, key): item for (_, resource, key), item in items.items()})

    def _judge(self, suspect: Suspect, known: Known, records: Mapping[str, Record], refs: Refs) -> Sequence[Drift]:
        link = known.links.get(suspect.link or "") or known.by_key.get(suspect.key or "")
        record = records.get(suspect.key or "")
        if link is None:
            return self._judge_unknown(suspect, known, record)
        match link.state:
            case LinkState.UNLINKED:
                return ()
            case LinkState.DOUBTFUL:
                return (of_link(DriftKind.DOUBTFUL, link),) if record is not None else ()
            case LinkState.NEW:
                return (of_link(DriftKind.UNLINKED, link),) if record is not None else ()
            case LinkState.CREATING:
                return (of_link(DriftKind.MISSING, link),)
            case LinkState.GONE:
                if record is not None:
                    return (of_link(DriftKind.MISSED, link),)  # it is back
                item = known.items.get(link.item or "")
                alive = suspect.lost and item is not None and item.deleted_at is None
                return (of_link(DriftKind.DELETED, link),) if alive else ()
        if link.key != suspect.key:
            # Made while we compared: the record was read under no key yet.
            return ()
        if record is None:
            return (of_link(DriftKind.DELETED, link),)
        return self._judge_linked(link, known, record, refs)

    def _judge_unknown(self, suspect: Suspect, known: Known, record: Record | None) -> Sequence[Drift]:
        if record is not None:
            wanted = self._flow.sides[self._system].adopt and self._lens.selects(record.fields)
            return (of_record(DriftKind.UNLINKED, self._flow, self._system, record.key),) if wanted else ()
        item = known.items.get(suspect.item or "")
        lacking = is_lacking(self._flow, self._system, item) if item is not None else None
        return (lacking,) if lacking is not None else ()

    def _judge_linked(self, link: Link, known: Known, record: Record, refs: Refs) -> Sequence[Drift]:
        shown = Shown(
            fields=self._lens.get(record.key, record.fields, refs).fields,
            same_version=record.version is not None and record.version == link.far_version,
            remapped=self._remapped,
        )
        found = differences(self._flow, self._lens, link, known.items.get(link.item or ""), shown)
        return [drift for drift in found if not self._is_new(link, drift)]

    def _is_new(self, link: Link, drift: Drift) -> bool:
        """Whether the hub has followed since the look before: what differs now came after, and proves nothing."""
        # A write that failed is put off again and again, and is the same difference all along.
        due_at = link.due_at if not link.attempts else None
        moved = {DriftKind.MISSED: link.seen_at, DriftKind.PENDING: due_at}.get(drift.kind)
        return self._looked is not None and moved is not None and moved > self._looked

    async def _excuse(self, began: datetime) -> None:
        """Tell what the hub has overlooked from what it has only not looked at yet: what its feed will still tell, or
        where there is no feed, what changed since its last look."""
        if not await self._workspace.missed():
            return
        state = await self._workspace.feed(self._system, self._resource.name)
        if isinstance(self._resource, Feed) and state is not None and state.cursor is not None:
            cursor: str | None = state.cursor
            while True:
                page = await self._resource.changes(cursor)
                await self._workspace.excuse([change.key for change in page.items])
                cursor = page.cursor
                if not page.more:
                    return
        if not _looked(state, began):
            await self._workspace.excuse(None)


def _looked(state: FeedState | None, since: datetime) -> bool:
    """Whether the hub has looked at the resource since then, without trouble."""
    return state is not None and state.polled_at is not None and state.polled_at > since and not state.failing_since


def _memories(suspects: Sequence[Suspect], known: Known) -> dict[int, object]:
    """What the hub knows of each suspect, to be held against the same a moment later."""
    found: dict[int, object] = {}
    for suspect in suspects:
        link = known.links.get(suspect.link or "") or known.by_key.get(suspect.key or "")
        item = suspect.item if link is None else link.item
        found[suspect.n] = link, known.items.get(item or "")
    return found


def _same(now: Sequence[Drift], before: Sequence[Drift]) -> bool:
    """Whether something differs exactly as it did at the look before."""
    return {drift.id: drift.fields for drift in now} == {drift.id: drift.fields for drift in before}
