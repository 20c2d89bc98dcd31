"""What a changed flow would do to one record, beside what the flow in force does: worked out by the engine's own pure
parts on the record as its systems have it now. Far systems are only read; nothing is written anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from isthmus.app.access import Principal
from isthmus.app.record_view import HIDDEN, field_roles, title_of
from isthmus.app.remapping import forgotten, mapped_places, moved_paths
from isthmus.connector import Create, Record, System, Update
from isthmus.errors import IsthmusError, NeedsPerson
from isthmus.mapping import Refs
from isthmus.mapping.shape import tops
from isthmus.model.fields import Canonical
from isthmus.model.state import Item, Link, LinkState
from isthmus.store import PostgresStore, Reads
from isthmus.sync.absorb import absorb
from isthmus.sync.pauses import PauseBook
from isthmus.sync.plan import Step, StepKind, needed_refs, plan_link
from isthmus.sync.ports import Transaction
from isthmus.sync.seeing import load_given, load_refs, see
from isthmus.sync.working import Working
from isthmus.sync.world import World

__all__ = ["RecordPreview", "Sample", "Samples", "SidePreview", "ValueRow", "is_shown", "preview_record", "take_sample"]

PATIENCE = 20.0
"""Seconds that a system may take to show the record."""
KEPT = timedelta(minutes=5)
MOST_KEPT = 100


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One item and its records as their systems have them."""

    item: str
    flow: str
    at: datetime
    records: Mapping[str, Record]
    """Link -> record."""
    problems: Mapping[str, str]
    """System -> why it does not show the record."""


class ValueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One field by the flow in force and by the changed one."""

    name: str
    old: Any
    new: Any
    old_problem: str = ""
    new_problem: str = ""

    @property
    def changed(self) -> bool:
        """Whether it makes a difference."""
        return (self.old, self.old_problem) != (self.new, self.new_problem)


class SidePreview(msgspec.Struct, frozen=True, kw_only=True):
    """One system."""

    system: str
    resource: str
    key: str | None
    problem: str = ""
    reads: Sequence[ValueRow] = ()
    """Hub fields, as ``get`` reads them from the record."""
    old_step: str = StepKind.NOTHING
    new_step: str = StepKind.NOTHING
    """What would be done to the record, in words of a plan."""
    note: str = ""
    """What stands in the way of the write."""
    writes: Sequence[tuple[str, Any, Any, Any]] = ()
    """Far field, as it is now, as the flow in force would write it, as the changed one would. The present value stands
    for one that is not written."""
    made: Sequence[ValueRow] = ()
    """Far fields that a new record would get otherwise than now."""


class RecordPreview(msgspec.Struct, frozen=True, kw_only=True):
    """The record on every side."""

    item: Item
    title: str
    at: datetime
    sides: Sequence[SidePreview]
    hub: Sequence[ValueRow]
    """Fields of the hub's record that would be another: old is as it is now."""
    questions: Sequence[str]
    """What a person would be asked."""


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of the flow does."""

    item: Item
    steps: Mapping[str, Step]
    """System -> step."""
    questions: Sequence[str]


class Samples:
    """Records that people look at while they edit flows: read once, kept for some minutes, so that typing calls no
    far system. ``systems`` are those that are open in this process."""

    def __init__(self, reads: Reads, systems: Mapping[str, System], pauses: PauseBook) -> None:
        self._reads, self.systems, self.pauses = reads, systems, pauses
        self._kept: dict[tuple[str, str], Sample] = {}

    async def take(self, flow: str, item: str, now: datetime, *, anew: bool = False) -> Sample:
        """The sample; see :func:`take_sample`."""
        self._kept = {place: one for place, one in self._kept.items() if now - one.at < KEPT}
        known = self._kept.get((flow, item))
        if known is None or anew:
            known = await take_sample(self._reads, self.systems, self.pauses, flow, item, now)
            if len(self._kept) < MOST_KEPT:
                self._kept[flow, item] = known
        return known


async def take_sample(
    reads: Reads, systems: Mapping[str, System], pauses: PauseBook, flow: str, item: str, now: datetime
) -> Sample:
    """Read the item's records of this flow. A system that cannot be asked is named. Raises ``NeedsPerson`` for an item
    that the flow does not keep."""
    links = [link for link in await reads.links_of_items([item]) if is_shown(link, flow)]
    if not links:
        raise NeedsPerson("This flow keeps no record of it.", advice="Pick another one.")
    records: dict[str, Record] = {}
    problems: dict[str, str] = {}

    async def read(link: Link) -> None:
        try:
            pauses.check(link.system, link.resource)
            if link.system not in systems:
                problems[link.system] = "It is not open here."
                return
            resource = systems[link.system].resources()[link.resource]
            async with asyncio.timeout(PATIENCE):
                answers = await resource.fetch([link.key or ""])
        except (IsthmusError, TimeoutError) as error:
            problems[link.system] = str(error) or "It does not answer."
            return
        found = next((answer for answer in answers if isinstance(answer, Record)), None)
        if found is None:
            problems[link.system] = "The record is not there any more."
        else:
            records[link.id] = found

    await asyncio.gather(*(read(link) for link in links))
    return Sample(item=item, flow=flow, at=now, records=records, problems=problems)


def is_shown(link: Link, flow: str) -> bool:
    """Whether the flow keeps a record here that can be looked at."""
    return link.flow == flow and link.state is LinkState.LINKED and link.key is not None


async def preview_record(
    store: PostgresStore, me: Principal, old: World, new: World, sample: Sample, now: datetime
) -> RecordPreview:
    """What both versions do to the sample. Raises ``NeedsPerson`` when the item is gone."""
    async with store.transaction() as tx:
        items = await tx.items([sample.item])
        if sample.item not in items:
            raise NeedsPerson("This record is not there any more.", advice="Pick another one.")
        item, links = items[sample.item], await tx.links_by_item([sample.item])
        before = await _outcome(tx, old, sample, item, links, now)
        moved = list(moved_paths(mapped_places(old.flows), mapped_places(new.flows)))
        anew = [forgotten(link, moved) for link in links]
        after = await _outcome(tx, new, sample, item, anew, now)
        places = {link.system: link for link in links if link.flow == sample.flow and link.state is LinkState.LINKED}
        systems = dict.fromkeys([*new.flows[sample.flow].sides, *old.flows[sample.flow].sides])
        sides = [await _side(tx, system, places.get(system), old, new, sample, before, after) for system in systems]
    names = sorted(n for n in after.item.fields if after.item.fields[n] != item.fields.get(n))
    secret = {
        name for world in (old, new) for name, role in field_roles(world, item.entity).items() if not me.sees(role)
    }
    view = RecordPreview(
        item=item,
        title=title_of(item),
        at=sample.at,
        sides=sides,
        hub=[ValueRow(name=name, old=item.fields.get(name), new=after.item.fields[name]) for name in names],
        questions=[one for one in after.questions if one not in before.questions],
    )
    return _without_secrets(view, secret, [world.flows[sample.flow] for world in (old, new)]) if secret else view


async def _outcome(
    tx: Transaction, world: World, sample: Sample, item: Item, links: Sequence[Link], now: datetime
) -> _Outcome:
    """Take the records in and plan what follows, as the engine would."""
    known = [link for link in links if (link.flow, link.system) in world.lenses]
    work = Working(world, {item.id: item}, known, now=now, new_id=lambda: f"new-{len(work.links)}")
    mine = [link for link in known if link.id in sample.records]
    work.given = await load_given(tx, [link for link in mine if link.due_at is not None])
    for link in mine:
        record = sample.records[link.id]
        refs = await load_refs(tx, world, [(link, record)])
        seen = see(world, link, record, refs, now)
        if seen.digest != link.digest or link.waits_for is not None:
            absorb(work, work.links[link.id], seen)
    batch = work.finish()
    steps = {
        link.system: await _step(tx, world, work, link, sample)
        for link in work.links_of(item.id)
        if link.flow == sample.flow and link.due_at is not None and link.waits_for is None
    }
    return _Outcome(
        item=work.items[item.id],
        steps={system: step for system, step in steps.items() if step is not None},
        questions=[entry.summary for entry in batch.open_inbox],
    )


async def _step(tx: Transaction, world: World, work: Working, link: Link, sample: Sample) -> Step | None:
    record = sample.records.get(link.id)
    if link.item is None or (record is None and link.state is not LinkState.CREATING):
        return None
    lens, item = world.lenses[(link.flow, link.system)], work.items[link.item]
    refs = await _keys(tx, link.system, needed_refs(link, item, lens))
    return plan_link(link, item, lens, record, refs, world.flows[link.flow].sides[link.system].archive)


async def _keys(tx: Transaction, system: str, wanted: set[tuple[str, str]]) -> Refs:
    keys = await tx.far_keys({(system, resource, item) for resource, item in wanted}) if wanted else {}
    return Refs(keys={(resource, item): key for (_, resource, item), key in keys.items()})


async def _side(
    tx: Transaction,
    system: str,
    link: Link | None,
    old: World,
    new: World,
    sample: Sample,
    before: _Outcome,
    after: _Outcome,
) -> SidePreview:
    side = new.flows[sample.flow].sides.get(system) or old.flows[sample.flow].sides.get(system)
    assert side is not None
    record = sample.records.get(link.id) if link is not None else None
    steps = before.steps.get(system), after.steps.get(system)
    step = steps[1]
    return SidePreview(
        system=system,
        resource=side.resource,
        key=link.key if link is not None else None,
        problem=sample.problems.get(system, ""),
        reads=await _reads(tx, link, record, old, new) if link is not None and record is not None else [],
        old_step=_word(steps[0]),
        new_step=_word(step),
        note="" if step is None else str(step.error or "") or ("after its parent" if step.waits_for else ""),
        writes=_writes(record, *steps),
        made=await _made(tx, system, old, new, sample.flow, before.item, after.item),
    )


def _word(step: Step | None) -> str:
    return str(step.kind) if step is not None else str(StepKind.NOTHING)


async def _reads(tx: Transaction, link: Link, record: Record, old: World, new: World) -> list[ValueRow]:
    got: list[tuple[dict[str, Any], dict[str, str]]] = []
    for world in (old, new):
        if (link.flow, link.system) not in world.lenses:
            got.append(({}, {}))
            continue
        lens = world.lenses[(link.flow, link.system)]
        found = lens.get(record.key, record.fields, await load_refs(tx, world, [(link, record)]), created=False)
        got.append((dict(found.fields), {name: problem.message for name, problem in found.problems.items()}))
    (was, wrong), (now, faulty) = got
    return [
        ValueRow(
            name=name,
            old=was.get(name),
            new=now.get(name),
            old_problem=wrong.get(name, ""),
            new_problem=faulty.get(name, ""),
        )
        for name in dict.fromkeys([*now, *faulty, *was, *wrong])
    ]


def _fields(step: Step | None) -> Mapping[str, Any]:
    return step.write.fields if step is not None and isinstance(step.write, Create | Update) else {}


def _writes(record: Record | None, old: Step | None, new: Step | None) -> list[tuple[str, Any, Any, Any]]:
    now: Mapping[str, Any] = record.fields if record is not None else {}
    before, after = _fields(old), _fields(new)
    return [
        (name, now.get(name), before.get(name, now.get(name)), after.get(name, now.get(name)))
        for name in dict.fromkeys([*after, *before])
    ]


async def _made(
    tx: Transaction, system: str, old: World, new: World, flow: str, was: Item, now: Item
) -> list[ValueRow]:
    """What a record made anew from this item would get: also rules that write only then are seen."""
    results: list[dict[str, Any]] = []
    for world, item in ((old, was), (new, now)):
        lens = world.lenses.get((flow, system))
        if lens is None:
            results.append({})
            continue
        values: dict[str, Canonical] = {n: v for n, v in item.fields.items() if n in lens.writable and v is not None}
        refs = await _keys(tx, system, lens.refs_out(values))
        put = lens.put(values, {}, refs)
        results.append({**put.fields, **{name: problem.message for name, problem in put.problems.items()}})
    before, after = results
    names = [name for name in dict.fromkeys([*after, *before]) if before.get(name) != after.get(name)]
    return [ValueRow(name=name, old=before.get(name), new=after.get(name)) for name in names]


def _without_secrets(view: RecordPreview, secret: set[str], flows: Sequence[Any]) -> RecordPreview:
    """Without what this reader may not see, in the hub's terms and in those of the systems."""

    def far(system: str) -> set[str]:
        exprs = [flow.expr(name, system) for flow in flows for name in flow.fields if name in secret]
        return {top for expr in exprs if expr is not None for top in tops(expr)} | secret

    def rows(found: Sequence[ValueRow], hidden: set[str]) -> list[ValueRow]:
        return [ValueRow(name=r.name, old=HIDDEN, new=HIDDEN) if r.name in hidden else r for r in found]

    replace = msgspec.structs.replace
    sides = [
        replace(
            side,
            reads=rows(side.reads, secret),
            made=rows(side.made, far(side.system)),
            writes=[
                (name, HIDDEN, HIDDEN, HIDDEN) if name in far(side.system) else (name, *values)
                for name, *values in side.writes
            ],
        )
        for side in view.sides
    ]
    return replace(view, sides=sides, hub=rows(view.hub, secret), questions=[])
