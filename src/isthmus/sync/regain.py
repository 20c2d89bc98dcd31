"""Edits that our own write has undone inside the far system are taken up again (SPEC 2, 3).

Many systems save a record whole: they read the row, change what was asked for, and write all columns back. When a
person and the hub save at the same moment, the later save undoes what the earlier one changed, and the record shows
nothing of it. What is left is the call that the system made when the person saved (:class:`Sighting`). A value told
there that differs from what the record shows, in a field that the hub has not written and that nobody has changed
since our write began, was lost to our write: it is taken in as the edit it was, and written back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from isthmus import events
from isthmus.connector import Record
from isthmus.mapping import Refs
from isthmus.merge import Verdict, decide
from isthmus.model.fields import Canonical, completed
from isthmus.model.state import Cause, Effect, Link, LinkState, Sighting
from isthmus.sync.ports import Store, Transaction
from isthmus.sync.seeing import load_refs
from isthmus.sync.undone import MEMORY
from isthmus.sync.working import Working
from isthmus.sync.world import World

__all__ = ["regain"]

SLACK = timedelta(seconds=2)
"""How long after our write the call about a save that came before it may still arrive."""


async def regain(
    store: Store,
    world: World,
    system: str,
    resource: str,
    keys: Collection[str],
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    """Look at what was told lately of these records, which have just been read. Records that must be read again first
    are left for then."""
    async with store.transaction() as tx:
        await tx.lock(world.entities(system, resource))
        links = [link for link in await tx.links_by_key(system, resource, keys) if link.flow in world.flows]
        unsettled = {link.key for link in links if link.waits_for is not None}
        told = await tx.take_sightings(system, resource, [key for key in keys if key not in unsettled])
        if not told:
            return
        links = [x for x in links if x.state is LinkState.LINKED and x.item is not None and x.key not in unsettled]
        writes = await tx.last_writes([link.id for link in links])
        siblings = await tx.links_by_item({link.item for link in links if link.item is not None})
        everything = {link.id: link for link in [*siblings, *links]}
        items = await tx.items({link.item for link in links if link.item is not None})
        work = Working(world, items, everything.values(), now=clock(), new_id=new_id)
        records = [(link, _record(s)) for s in told for link in links if link.key == s.key]
        refs = await load_refs(tx, world, records)
        had = await _had(tx, work, links, min((_began(w) for w in writes.values()), default=work.now))
        for key in {sighting.key for sighting in told}:
            mine = [link for link in links if link.key == key]
            last = max((writes[x.id] for x in mine if x.id in writes), key=lambda w: w.at, default=None)
            if last is not None:
                said = [s for s in told if s.key == key and _began(last) <= s.at <= last.at + SLACK]
                for link in mine:
                    _take_up(work, link, said, last, refs, had)
        await tx.save(work.finish())


def _record(sighting: Sighting) -> Record:
    return Record(key=sighting.key, fields=sighting.fields)


def _began(write: Effect) -> datetime:
    return write.at - timedelta(seconds=write.seconds)


type _Had = Mapping[tuple[str, str], Sequence[Canonical]]
"""(link, field) -> what the hub had, and the system showed, until lately, in the system's view."""


async def _had(tx: Transaction, work: Working, links: Sequence[Link], began: datetime) -> _Had:
    found: dict[tuple[str, str], list[Canonical]] = {}
    for effect in await tx.updates_since([link.id for link in links], began - MEMORY):
        for field, (old, _) in effect.changes.items():
            found.setdefault((effect.link, field), []).append(old)
    for entry in await tx.journal_since({link.item for link in links if link.item is not None}, began - MEMORY):
        for link in links:
            lens = work.lens(link)
            for field, (old, _) in entry.changes.items() if link.item == entry.item else ():
                if field in lens.readable:
                    found.setdefault((link.id, field), []).append(lens.view(field, old))
    return found


def _take_up(work: Working, link: Link, told: Sequence[Sighting], last: Effect, refs: Refs, had: _Had) -> None:
    assert link.item is not None
    lost = _lost(work, link, told, refs)
    for field, value in lost.items():
        before = had.get((link.id, field), ())
        if not _untouched(work, link, field, last) or any(completed(value, old) == old for old in before):
            # Told of what was there before: by a late call, or by one about a write of ours when the next one, by
            # which this field is another, was under way.
            continue
        written = last.changes.get(field) if last.link == link.id else None
        if written is not None:
            # Both changed it in one instant, and the system kept only ours: nothing is left to merge with.
            if value not in (written[0], work.lens(link).view(field, written[1])):
                _report(link, field)
            continue
        shown, rule = link.far.get(field), work.flow(link).fields[field]
        if decide(shown, shown, value, rule=rule, system=link.system).verdict is Verdict.TAKE:
            hub = work.items[link.item].fields.get(field)
            cause = Cause("system", link.system, link.key or "")
            work.set_field(link.item, field, work.lens(link).overlay(field, hub, value), cause)
            _report(link, field)


def _lost(work: Working, link: Link, told: Sequence[Sighting], refs: Refs) -> dict[str, Canonical]:
    """Fields whose last told value the record does not show."""
    lost: dict[str, Canonical] = {}
    for sighting in told:
        for field, value in work.lens(link).get(sighting.key, sighting.fields, refs).fields.items():
            shown = link.far.get(field)
            if completed(value, shown) != shown:
                lost[field] = completed(value, shown)
    return lost


def _untouched(work: Working, link: Link, field: str, last: Effect) -> bool:
    """Whether hub and system agree on the field, and did before our write began."""
    item = work.items[link.item or ""]
    lens = work.lens(link)
    shown: Canonical = link.far.get(field)
    if field not in link.base or field not in item.fields or field in link.conflicts:
        return False
    set_by = item.set_by.get(field)
    # A late call may also tell what somebody there had entered before that, and the hub has never seen.
    late = SLACK if set_by is not None and set_by.by == link.system else timedelta(0)
    in_step = completed(lens.view(field, item.fields[field]), shown) == shown == completed(link.base[field], shown)
    return in_step and (set_by is None or set_by.at + late < _began(last))


def _report(link: Link, field: str) -> None:
    events.emit(events.EDIT_UNDONE, logging.WARNING, system=link.system, key=link.key, field=field)
