"""Creates whose outcome is unknown: look, then decide; never blindly again (SPEC 5).

By token, by the system's own content of the record, by the time of the intent. Found: linked. Authoritatively not
there: the intent is plain again and will be sent once more. Several: a person decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Create, Findable, Found, Record, Resource
from isthmus.errors import Ambiguous, IsthmusError
from isthmus.mapping import Refs
from isthmus.model.state import InboxKind, Item, Link, LinkState
from isthmus.sync.absorb import absorb_written
from isthmus.sync.outcome import Outcome
from isthmus.sync.plan import StepKind, needed_refs, plan_link
from isthmus.sync.ports import Store
from isthmus.sync.seeing import load_refs, see
from isthmus.sync.standing import problem_of, to_be_sent_again
from isthmus.sync.working import Working
from isthmus.sync.world import World

__all__ = ["resolve_unsure", "touched_since"]

CLOCK_SLACK = timedelta(minutes=5)
"""How far a far system's clock may be off ours: the look-up starts this much before the intent was sent."""
LATE = timedelta(seconds=10)
"""A request outlives its sender: for so long a far system may still be about to carry out what a worker sent before it
died. Not finding the record proves nothing before; in a system that reads from replicas, nor within its settle time
after that."""


async def resolve_unsure(
    store: Store,
    world: World,
    resource: Resource,
    links: Sequence[Link],
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    """Look for the outcome of each and record what was found. Raises what the system raises when it cannot be asked:
    then everything stays unsure."""
    for link in links:
        # Before the look, so that what is not found was not there then.
        asked = clock()
        create, values = await _intended(store, world, link)
        found: Sequence[Found] | None = None
        if isinstance(resource, Findable) and link.intent is not None and link.intent.sent_at is not None:
            found = await resource.find_created(create, link.intent.sent_at - CLOCK_SLACK)
        late = (link.intent.sent_at if link.intent is not None else None) or asked
        late += LATE + resource.traits.settle
        await _settle(store, world, link, values, found, asked, late, clock=clock, new_id=new_id)


async def touched_since(resource: Resource, outcomes: Sequence[Outcome], began: datetime) -> set[str]:
    """Links of creates that were sent again, and answered with a record that may be what came of the first sending: a
    look by content does not find what somebody has edited, but the system knows the token. Not those whose record
    nobody but the hub has changed, where the system can tell."""
    touched: set[str] = set()
    for outcome in outcomes if resource.traits.idempotent_create else ():
        link, answer, write = outcome.step.link, outcome.answer, outcome.step.write
        again = link.intent is not None and link.intent.first
        if not again or not isinstance(answer, Record) or not isinstance(write, Create):
            continue
        found: Sequence[Found] = []
        if isinstance(resource, Findable):
            with suppress(IsthmusError):
                found = await resource.find_created(write, began - CLOCK_SLACK)
        if not any(f.untouched and f.record.key == answer.key for f in found):
            touched.add(link.id)
    return touched


async def _intended(store: Store, world: World, link: Link) -> tuple[Create, dict[str, object]]:
    """The create as it was sent, for comparison by content: the item may have changed since, and a parent may have
    another record."""
    lens = world.lenses[(link.flow, link.system)]
    async with store.transaction() as tx:
        await tx.lock([world.flows[link.flow].entity.name])
        items = await tx.items([link.item] if link.item is not None else [])
        item = items.get(link.item or "") or Item(id="", entity="")
        if link.intent is not None and link.intent.fields:
            item = replace(item, fields=link.intent.fields)
        wanted = {(link.system, resource, ref) for resource, ref in needed_refs(link, item, lens)}
        keys = await tx.far_keys(wanted) if wanted else {}
    sent = {(resource, ref): key for resource, ref, key in link.intent.parents} if link.intent is not None else {}
    refs = Refs(keys={(resource, ref): key for (_, resource, ref), key in keys.items()} | sent)
    step = plan_link(link, item, lens, None, refs, {})
    token = link.intent.token if link.intent is not None else link.id
    if step.kind is StepKind.CREATE and isinstance(step.write, Create):
        return step.write, dict(step.values)
    return Create(token=token, fields={}), {}


async def _settle(
    store: Store,
    world: World,
    link: Link,
    values: dict[str, object],
    found: Sequence[Found] | None,
    asked: datetime,
    late: datetime,
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    async with store.transaction() as tx:
        await tx.lock([world.flows[link.flow].entity.name])
        links = await tx.links([link.id])
        if not links or links[0].state not in (LinkState.CREATING, LinkState.UNLINKED):
            # A person has said meanwhile which record it is.
            return
        current = links[0]
        keys = [f.record.key for f in found or ()]
        holders = await tx.links_by_key(link.system, link.resource, keys) if keys else []
        siblings = await tx.links_by_item([current.item]) if current.item is not None else []
        everything = {x.id: x for x in [*siblings, *holders, current]}
        items = await tx.items({x.item for x in everything.values() if x.item is not None})
        work = Working(world, items, everything.values(), now=clock(), new_id=new_id)
        # A record that belongs to another item cannot be what this create made.
        others = {x.key for x in holders if x.item is not None and x.item != current.item}
        free = [f for f in found or () if f.record.key not in others]
        certain = [f for f in free if f.certain] or free
        linked = {x.key for x in holders if x.item is not None and x.item == current.item and x.id != current.id}
        if linked & {f.record.key for f in certain}:
            # Somebody has linked the record with this very item meanwhile.
            work.drop_link(current)
        elif len(certain) == 1:
            only = certain[0]
            for holder in holders:
                if holder.key == only.record.key and holder.item is None and holder.flow == link.flow:
                    work.drop_link(holder)
            refs = await load_refs(tx, world, [(current, only.record)])
            seen = see(world, current, only.record, refs, work.now)
            absorb_written(work, current, seen, values, created=True, touched=not only.untouched)
        elif current.state is LinkState.UNLINKED:
            # Set apart meanwhile: what came of it is asked about when it is read.
            return
        elif found is not None and not certain:
            if asked < late:
                work.put_link(replace(current, due_at=late))
            elif (plain := work.unsend(current)) is not None:
                work.put_link(replace(to_be_sent_again(plain), due_at=work.now, problem=None))
        elif current.doom is None and work.replaced(current):
            # Nothing hangs on it any more: what it may have come to is asked about when it is read.
            work.drop_link(current)
        else:
            _ask(work, current, certain)
        await tx.save(work.finish())
    events.emit(events.WRITE_UNSURE, logging.INFO, system=link.system, link=link.id, found=len(found or ()))


def _ask(work: Working, link: Link, certain: Sequence[Found]) -> None:
    keys = [f.record.key for f in certain]
    reason = f"{len(keys)} records could be it" if keys else "the system cannot be asked by token"
    error = Ambiguous(
        f"A record was sent to {link.system} and no answer came; {reason}.",
        advice="Look there, then link the right one, or choose 'create' if it is not there.",
    )
    work.put_link(replace(link, due_at=None, problem=problem_of(error, work.now)))
    work.ask(
        InboxKind.FAILURE,
        link,
        error.message,
        detail={"system": link.system, "keys": keys, "code": error.code},
        choices=("create", *(f"link:{key}" for key in keys), "unlink"),
    )
