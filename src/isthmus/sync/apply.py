"""Applying: due links of one flow and system are read, planned, written, and what came of it is taken in (SPEC 5-8).

The order of commits makes a kill harmless anywhere: intents are committed before creates are sent; answers are
recorded like observations; a write that was sent and not recorded is either found again (create) or planned again from
what the system shows (update, delete).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Change, Gone, Record, Resource, Writable, Write, WriteAnswer
from isthmus.errors import IsthmusError, NeedsPerson, Stale, UnknownOutcome
from isthmus.mapping import Refs
from isthmus.model.flow import Flow
from isthmus.model.state import Link, LinkState
from isthmus.sync.absorb import is_outdated
from isthmus.sync.brake import Allowed, check_brake
from isthmus.sync.contact import claims
from isthmus.sync.observe import Observer
from isthmus.sync.outcome import Outcome, record_outcomes
from isthmus.sync.pauses import PauseBook
from isthmus.sync.plan import Step, StepKind, needed_refs, plan_link
from isthmus.sync.ports import Batch, Store, Transaction
from isthmus.sync.standing import doubt_about, is_unsure
from isthmus.sync.unsure import resolve_unsure, touched_since
from isthmus.sync.working import Working
from isthmus.sync.world import World

__all__ = ["Applier", "claim_of"]

CLAIM = 200
"""Most links handled between two commits, unless the system takes more in one call."""


def claim_of(resource: Resource) -> int:
    """Most links of this resource that are handled between two commits."""
    return max(CLAIM, resource.traits.write_batch)


class Applier:
    """Brings one system in step for one flow. At most one at a time per lane (the caller holds the lanes)."""

    def __init__(
        self,
        store: Store,
        world: World,
        flow: Flow,
        system: str,
        resource: Resource,
        observer: Observer,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        jitter: Callable[[], float],
        pauses: PauseBook | None = None,
    ) -> None:
        self._pauses = pauses if pauses is not None else PauseBook()
        self._store, self._world, self._flow, self._system = store, world, flow, system
        self._resource, self._observer = resource, observer
        self._clock, self._new_id, self._jitter = clock, new_id, jitter
        self.unread = False
        """Whether a create of unknown outcome waits for the resource to be read."""

    async def apply_due(self, lanes: Collection[int] | None = None) -> int:
        """One round over what is due now in these lanes (None: in all) and what the brake lets pass; how many links.

        Raises ``Unavailable``, ``RateLimited`` or ``Unauthorized`` when the system as a whole does not take writes;
        everything stays due.
        """
        due, allowed = await self._claim(lanes)
        if not due:
            return 0
        unsure = [link for link in due if is_unsure(link)]
        if unsure:
            self.unread = await resolve_unsure(
                self._store, self._world, self._resource, unsure, clock=self._clock, new_id=self._new_id
            )
        steps = await self.plan([link for link in due if link not in unsure])
        await self._perform(steps)
        await allowed.finish(self._store, due)
        return len(due)

    async def _claim(self, lanes: Collection[int] | None) -> tuple[list[Link], Allowed]:
        """What is handled now. Counted before it is written: a kill in between costs no allowance and hides nothing."""
        async with self._store.transaction() as tx:
            await tx.lock([self._flow.entity.name])
            now = self._clock()
            allowed = await check_brake(tx, self._flow, self._system, now, self._new_id)
            held = list(allowed.held)
            if allowed.creates and not await self._was_scanned(tx):
                # What is to be created may stand on a page that nobody has read yet.
                held.append("creates")
            due = await tx.due_links(self._flow.name, self._system, now, claim_of(self._resource), held, lanes)
            due = allowed.within(due)
            await allowed.charge(tx, due, now)
        return due, allowed

    async def _was_scanned(self, tx: Transaction) -> bool:
        """Whether every record of the resource was read once."""
        feed = await tx.feed(self._system, self._resource.name)
        return feed is not None and feed.scanned_at is not None

    async def plan(self, due: Sequence[Link]) -> list[Step]:
        """Read the records of due updates as they are now, then plan. Also takes in what was read."""
        existing = [link for link in due if link.state is LinkState.LINKED and link.key is not None]
        current, pages = await self._read(existing)
        async with self._store.transaction() as tx:
            await tx.lock({self._flow.entity.name, *self._world.entities(self._system, self._resource.name)})
            for answers, began in pages:
                await self._observer.take_in(tx, self._resource.name, answers, began)
            links = await tx.links([link.id for link in due])
            links = [link for link in links if link.due_at is not None and link.waits_for is None]
            items = await tx.items({link.item for link in links if link.item is not None})
            lens = self._world.lenses[(self._flow.name, self._system)]
            wanted = {
                (self._system, resource, item)
                for link in links
                if link.item in items
                for resource, item in needed_refs(link, items[link.item], lens)
            }
            keys = await tx.far_keys(wanted) if wanted else {}
            refs = Refs(
                keys={(resource, item): key for (_, resource, item), key in keys.items()},
                never=await self._never(tx, [(resource, item) for _, resource, item in wanted - keys.keys()]),
            )
        archive = self._flow.sides[self._system].archive
        steps = []
        for link in links:
            now = current.get(link.key or "")
            if now is not None and is_outdated(link, now.version, self._resource.traits):
                # In step with what the record was: that says nothing about what it is.
                steps.append(Step(kind=StepKind.NOTHING, link=link, error=Stale("An older reading than the last one.")))
            elif link.item in items and (link.state is LinkState.CREATING or now is not None):
                steps.append(plan_link(link, items[link.item], lens, now, refs, archive))
        return steps

    async def _never(self, tx: Transaction, parents: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of these (resource, item) those that this system will not have: the item is kept by flows of other systems
        only, as an order that the hub took is by none that knows the CRM. To wait for it would be to wait for ever."""
        if not parents:
            return set()
        kept: dict[str, bool] = {}
        for link in await tx.links_by_item({item for _, item in parents}):
            if link.item is not None:
                here = self._system in self._world.flows[link.flow].sides if link.flow in self._world.flows else True
                kept[link.item] = kept.get(link.item, False) or here
        return {(resource, item) for resource, item in parents if kept.get(item, True) is False}

    async def _read(self, links: Sequence[Link]) -> tuple[dict[str, Record], list[tuple[Sequence[Change], datetime]]]:
        """The records now, and the pages in which they came with the instant when each was asked for: to be taken in as
        observations, so that an edit since the last look is merged, not overwritten."""
        found: dict[str, Record] = {}
        pages: list[tuple[Sequence[Change], datetime]] = []
        size = max(1, self._resource.traits.fetch_batch)
        keys = [link.key for link in links if link.key is not None]
        if self._observer.kept is not None:
            known = self._observer.kept
            found = {key: known[place] for key in keys if (place := (self._resource.name, key)) in known}
            keys = [key for key in keys if key not in found]
        for start in range(0, len(keys), size):
            self._pauses.check(self._system, self._resource.name)
            began = self._clock()
            answers = await self._resource.fetch(keys[start : start + size])
            pages.append((answers, began))
            found |= {answer.key: answer for answer in answers if isinstance(answer, Record)}
        return found, pages

    async def _perform(self, steps: Sequence[Step]) -> None:
        writes = [step for step in steps if step.write is not None]
        idle = [
            Outcome(step=step, answer=step.error if isinstance(step.error, Stale) else None)
            for step in steps
            if step.write is None
        ]
        if idle:
            await self._record(idle, self._clock())
        if not writes:
            return
        assert isinstance(self._resource, Writable)
        size = max(1, self._resource.traits.write_batch)
        for start in range(0, len(writes), size):
            # Here nothing was sent yet, and everything stays due.
            self._pauses.check(self._system, self._resource.name)
            part = await self._send_intents(writes[start : start + size])
            if not part:
                continue
            began = self._clock()
            try:
                answers: Sequence[WriteAnswer] = await self._resource.write([_write(step) for step in part])
            except (UnknownOutcome, NeedsPerson) as error:
                answers = [error] * len(part)
            except IsthmusError:
                # The system as a whole takes no writes: nothing had an effect, everything stays due.
                await self._withdraw(part)
                raise
            await self._record([Outcome(step=s, answer=a) for s, a in zip(part, answers, strict=True)], began)

    async def _send_intents(self, steps: Sequence[Step]) -> list[Step]:
        """Creates become *unsure* before they are sent: from here on only a look-up may decide their outcome. What was
        sent is kept, for the look-up. The steps that may be sent: a create whose record was found meanwhile is not, and
        one whose record may have been read already waits until that reading has met its item."""
        now = self._clock()
        creates = {step.link.id: step for step in steps if step.kind is StepKind.CREATE}
        if not creates:
            return list(steps)
        async with self._store.transaction() as tx:
            await tx.lock([self._flow.entity.name])
            links = [link for link in await tx.links(creates) if link.state is LinkState.CREATING and link.doom is None]
            claimed: dict[str, Link] = {}
            if readings := await tx.unmet(self._flow.name, self._system):
                items = await tx.items({link.item for link in links if link.item is not None})
                claimed = claims(self._flow, readings, items)
            batch, free = Batch(), set()
            for link in links:
                assert link.intent is not None
                reading = claimed.get(link.item or "")
                if reading is not None:
                    batch.links.append(replace(link, waits_for=doubt_about(reading), due_at=None))
                    continue
                free.add(link.id)
                step = creates[link.id]
                sent = replace(link.intent, sent_at=now, fields=step.values, parents=step.parents)
                batch.links.append(replace(link, intent=sent))
            await tx.save(batch)
        return [step for step in steps if step.kind is not StepKind.CREATE or step.link.id in free]

    async def _withdraw(self, steps: Sequence[Step]) -> None:
        """Intents of creates that were never sent are plain again."""
        creates = [step for step in steps if step.kind is StepKind.CREATE]
        if creates:
            async with self._store.transaction() as tx:
                await tx.lock([self._flow.entity.name])
                families = await tx.families([step.link for step in creates])
                items = await tx.items({link.item for link in families if link.item is not None})
                work = Working(self._world, items, families, now=self._clock(), new_id=self._new_id)
                sent = {step.link.id for step in creates}
                for link in families:
                    if link.id in sent and (plain := work.unsend(link)) is not None:
                        work.put_link(plain)
                await tx.save(work.finish())

    async def _record(self, outcomes: Sequence[Outcome], began: datetime) -> None:
        await record_outcomes(
            self._store,
            self._world,
            self._resource,
            outcomes,
            began=began,
            clock=self._clock,
            new_id=self._new_id,
            jitter=self._jitter,
            touched=await touched_since(self._resource, outcomes, began),
        )
        updated = [o.answer.key for o in outcomes if isinstance(o.answer, Record) and o.step.kind is StepKind.UPDATE]
        await self._observer.regain(self._resource.name, updated)
        done = sum(isinstance(outcome.answer, Record | Gone) for outcome in outcomes)
        if done:
            events.emit(events.WRITE_DONE, system=self._system, flow=self._flow.name, writes=done)
        for outcome in outcomes:
            if isinstance(outcome.answer, UnknownOutcome):
                events.emit(events.WRITE_UNSURE, logging.WARNING, system=self._system, link=outcome.step.link.id)


def _write(step: Step) -> Write:
    assert step.write is not None
    return step.write
