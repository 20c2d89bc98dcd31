"""Repairing what a comparison found: by the flow's rules, or by saying which side is right (CH-5).

Nothing is written to a system from here. The hub's state is set right; what must be written follows from it as always,
past the same brake, after reading each record once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec.structs import replace

from isthmus.connector import Record
from isthmus.model.state import Cause, InboxKind, Item, Link, LinkState
from isthmus.reconcile.drift import Drift, DriftKind
from isthmus.sync.decide import retried
from isthmus.sync.engine import Engine
from isthmus.sync.ports import Transaction
from isthmus.sync.seeing import load_refs, see
from isthmus.sync.working import Working

__all__ = ["Choice", "Repairer"]

MOVED = "It is not as the comparison found it any more; compare again."


class Choice(StrEnum):
    """Who is right."""

    RULE = "rule"
    """What the flow says: the record is read and taken in like any other; parked writes are tried again."""
    FAR = "far"
    """The system: the hub takes what it shows."""
    HUB = "hub"
    """The hub: the system gets what the hub holds."""


class Repairer:
    """Repairs differences in the hub's state, and names those that cannot be repaired so."""

    def __init__(self, engine: Engine, *, by: str, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        """``by``: the person whose decision it is, for the journal."""
        self._engine, self._world = engine, engine.world
        self._by, self._clock, self._new_id = by, clock, new_id

    async def repair(self, drifts: Sequence[Drift], choice: Choice) -> dict[str, str]:
        """Repair some differences alike; id -> why not, for those that it cannot be done with."""
        refused: dict[str, str] = {}
        places: dict[tuple[str, str, str], list[Drift]] = {}
        for drift in drifts:
            reason = _impossible(drift, choice)
            if reason is None:
                places.setdefault((drift.flow, drift.system, drift.resource), []).append(drift)
            else:
                refused[drift.id] = reason
        for (flow, system, resource), here in places.items():
            chosen = [drift for drift in here if choice is not Choice.RULE and _by_choice(drift, choice)]
            await self._follow_rules(flow, system, resource, [drift for drift in here if drift not in chosen])
            if chosen:
                refused |= await self._follow_choice(flow, system, resource, chosen, choice)
        return refused

    async def _follow_rules(self, flow: str, system: str, resource: str, drifts: Sequence[Drift]) -> None:
        entity = self._world.flows[flow].entity.name
        async with self._engine.store.transaction() as tx:
            await tx.lock([entity])
            work = await self._load(tx, drifts)
            for drift in drifts:
                link = work.links.get(drift.link or "")
                if link is not None and link.state in (LinkState.LINKED, LinkState.CREATING):
                    stuck = drift.kind in (DriftKind.PARKED, DriftKind.NOT_HELD, DriftKind.MISSING)
                    # Without the digest the next reading is taken in whatever it shows.
                    work.put_link(replace(retried(link, work.now) if stuck else link, digest=None))
                elif link is None and drift.item is not None and drift.item in work.items:
                    # Looking at the item's other links again makes the one that is missing.
                    for sibling in work.links_of(drift.item):
                        work.put_link(replace(sibling))
            await tx.save(work.finish())
        keys = [drift.key for drift in drifts if drift.key]
        if keys:
            await self._engine.look(system, resource, keys)

    async def _follow_choice(
        self, flow: str, system: str, resource: str, drifts: Sequence[Drift], choice: Choice
    ) -> dict[str, str]:
        records, began = await self._read(system, resource, [drift.key for drift in drifts])
        refused: dict[str, str] = {}
        async with self._engine.store.transaction() as tx:
            await tx.lock([self._world.flows[flow].entity.name])
            work = await self._load(tx, drifts)
            found = {link.id: records[link.key] for link in work.links.values() if link.key in records}
            refs = await load_refs(tx, self._world, [(work.links[id], record) for id, record in found.items()])
            for drift in drifts:
                link = work.links.get(drift.link or "")
                if link is None or link.item is None or link.state is not LinkState.LINKED:
                    refused[drift.id] = MOVED
                    continue
                record = found.get(link.id)
                if drift.kind is DriftKind.DELETED and record is None:
                    work.note(link.item, "@restore", link.system, None, self._cause(drift))
                    work.drop_link(link)
                    continue
                shown = see(self._world, link, record, refs, began).got.fields if record is not None else {}
                if any(shown.get(name) != sides["far"] for name, sides in drift.fields.items()):
                    refused[drift.id] = MOVED
                elif reason := self._set_right(work, link, drift, choice):
                    refused[drift.id] = reason
            await tx.save(work.finish())
        return refused

    def _set_right(self, work: Working, link: Link, drift: Drift, choice: Choice) -> str | None:
        """Make one side's values those that hold; why it cannot be done."""
        assert link.item is not None
        lens = work.lens(link)
        fixed = [n for n in drift.fields if n not in lens.writable or n in lens.only_created]
        if choice is Choice.HUB and fixed:
            return f"{', '.join(fixed)}: the flow does not write this to {link.system}."
        base, conflicts, not_held = dict(link.base), dict(link.conflicts), dict(link.not_held)
        for name, sides in drift.fields.items():
            if choice is Choice.FAR:
                before = work.items[link.item].fields.get(name)
                work.set_field(link.item, name, lens.overlay(name, before, sides["far"]), self._cause(drift))
            base[name] = sides["far"]
            conflicts.pop(name, None)
            not_held.pop(name, None)
        if link.conflicts and not conflicts:
            work.close(InboxKind.CONFLICT, link.id)
        seen = {**link.far, **{name: sides["far"] for name, sides in drift.fields.items()}}
        unseen = {name: old for name, old in link.unseen.items() if name not in drift.fields}
        work.put_link(replace(link, base=base, conflicts=conflicts, not_held=not_held, unseen=unseen, far=seen))
        return None

    async def _load(self, tx: Transaction, drifts: Sequence[Drift]) -> Working:
        links = await tx.links({drift.link for drift in drifts if drift.link is not None})
        ids = {drift.item for drift in drifts if drift.item is not None}
        ids |= {link.item for link in links if link.item is not None}
        siblings = await tx.links_by_item(ids)
        items: Mapping[str, Item] = await tx.items(ids)
        everything = {link.id: link for link in [*siblings, *links]}
        return Working(self._world, items, everything.values(), now=self._clock(), new_id=self._new_id)

    async def _read(self, system: str, name: str, keys: Sequence[str]) -> tuple[dict[str, Record], datetime]:
        """The records as they are now, and when the first of them was read."""
        resource = self._engine.systems[system].resources()[name]
        size, began = max(1, resource.traits.fetch_batch), self._clock()
        found: dict[str, Record] = {}
        for start in range(0, len(keys), size):
            answers = await resource.fetch(keys[start : start + size])
            found |= {answer.key: answer for answer in answers if isinstance(answer, Record)}
        return found, began

    def _cause(self, drift: Drift) -> Cause:
        return Cause("person", self._by, f"drift/{drift.id}")


def _by_choice(drift: Drift, choice: Choice) -> bool:
    """Whether the choice says more than the rules do."""
    return bool(drift.fields) or (drift.kind is DriftKind.DELETED and choice is Choice.HUB)


def _impossible(drift: Drift, choice: Choice) -> str | None:
    if drift.kind is DriftKind.DOUBTFUL:
        return "It is not clear which item is meant: decide it in the inbox."
    if drift.kind is DriftKind.CONFLICT and choice is Choice.RULE:
        return "No rule decides: say which side is right."
    if drift.kind is DriftKind.UNLINKED and choice is Choice.HUB:
        return "The hub knows nothing that it could give to this record."
    if drift.kind is DriftKind.MISSING and choice is Choice.FAR:
        return "There is no record in the system that could be right."
    return None
