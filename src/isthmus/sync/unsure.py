"""Creates whose outcome is unknown: look, then decide; never blindly again (SPEC 5).

By token, by the system's own content of the record, by the time of the intent. Found: linked. Authoritatively not
there: the intent is plain again and will be sent once more. Several: a person decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Create, Feed, Findable, Found, Record, Resource
from isthmus.errors import Ambiguous, IsthmusError
from isthmus.mapping import Refs
from isthmus.model.flow import DeletePolicy
from isthmus.model.state import InboxKind, Item, Link, LinkState
from isthmus.sync.absorb import absorb_written, apply_delete_policy
from isthmus.sync.agreeing import agreed, shows_what_was_sent
from isthmus.sync.contact import claimants
from isthmus.sync.join import attach
from isthmus.sync.matching import Judgement
from isthmus.sync.outcome import Outcome
from isthmus.sync.plan import StepKind, needed_refs, plan_link
from isthmus.sync.ports import Store, Transaction
from isthmus.sync.seeing import load_refs, see
from isthmus.sync.standing import doubt_about, problem_of, to_be_sent_again
from isthmus.sync.working import Working
from isthmus.sync.world import World

__all__ = ["resolve_unsure", "touched_since"]

CLOCK_SLACK = timedelta(minutes=5)
"""How far a far system's clock may be off ours: the look-up starts this much before the intent was sent."""
LATE = timedelta(seconds=10)
"""A request outlives its sender: for so long a far system may still be about to carry out what a worker sent before it
died. Not finding the record proves nothing before; in a system that reads from replicas, nor within its settle time
after that."""
FATES = {"delete": DeletePolicy.PROPAGATE, "archive": DeletePolicy.ARCHIVE, "unlink": DeletePolicy.UNLINK}
"""What is to become of a create's record whose item was deleted, by the link's ``doom``."""


async def resolve_unsure(
    store: Store,
    world: World,
    resource: Resource,
    links: Sequence[Link],
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> bool:
    """Look for the outcome of each and record what was found. Whether something was not, and the resource has to be
    read before that proves anything. Raises what the system raises when it cannot be asked: then everything stays
    unsure."""
    unread = False
    for link in links:
        # Before the look, so that what is not found was not there then.
        asked = clock()
        create, values = await _intended(store, world, link)
        found: Sequence[Found] | None = None
        if isinstance(resource, Findable) and link.intent is not None and link.intent.sent_at is not None:
            found = await resource.find_created(create, link.intent.sent_at - CLOCK_SLACK)
        unread |= await _settle(store, world, resource, link, values, found, asked, clock=clock, new_id=new_id)
    return unread


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
    resource: Resource,
    link: Link,
    values: dict[str, object],
    found: Sequence[Found] | None,
    asked: datetime,
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> bool:
    unread = False
    async with store.transaction() as tx:
        await tx.lock([world.flows[link.flow].entity.name])
        links = await tx.links([link.id])
        if not links or links[0].state not in (LinkState.CREATING, LinkState.UNLINKED):
            # A person has said meanwhile which record it is.
            return False
        current = links[0]
        keys = [f.record.key for f in found or ()]
        holders = await tx.links_by_key(link.system, link.resource, keys) if keys else []
        siblings = await tx.links_by_item([current.item]) if current.item is not None else []
        items = await tx.items({x.item for x in [*siblings, *holders, current] if x.item is not None})
        claiming = await _claiming(tx, world, current, siblings, items)
        everything = {x.id: x for x in [*siblings, *holders, *(x for x, _ in claiming), current]}
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
            for holder in holders:
                if holder.key == certain[0].record.key and holder.item is None and holder.flow == link.flow:
                    work.drop_link(holder)
            await _there(tx, world, work, current, certain[0], values)
        elif current.state is LinkState.UNLINKED:
            # Set apart meanwhile: what came of it is asked about when it is read.
            return False
        elif found is not None and not certain:
            sent = link.intent.sent_at if link.intent is not None else None
            late = (sent or asked) + LATE + resource.traits.settle
            if asked < late:
                work.put_link(replace(current, due_at=late))
            elif unread := not await _was_read(tx, resource, current, late):
                work.put_link(replace(current, due_at=work.now + LATE))
            else:
                _not_there(work, current, claiming)
        elif current.doom is None and work.replaced(current):
            # Nothing hangs on it any more: what it may have come to is asked about when it is read.
            work.drop_link(current)
        else:
            _ask(work, current, certain)
        await tx.save(work.finish())
    events.emit(events.WRITE_UNSURE, logging.INFO, system=link.system, link=link.id, found=len(found or ()))
    return unread


async def _there(
    tx: Transaction, world: World, work: Working, link: Link, only: Found, values: Mapping[str, object]
) -> None:
    """This is what came of the create."""
    refs = await load_refs(tx, world, [(link, only.record)])
    seen = see(world, link, only.record, refs, work.now)
    absorb_written(work, link, seen, values, created=True, touched=not only.untouched)


def _not_there(work: Working, link: Link, claiming: Sequence[tuple[Link, Judgement]]) -> None:
    """Nothing was found, surely: the create may be sent again, if its item still wants it."""
    if not _follow_item(work, link, claiming) and (plain := work.unsend(link)) is not None:
        work.put_link(replace(to_be_sent_again(plain), due_at=work.now, problem=None))


async def _was_read(tx: Transaction, resource: Resource, link: Link, since: datetime) -> bool:
    """Whether all that has changed in the resource was read since then. A look-up by content does not find a record
    that somebody has edited; who reads it knows it by what its item is known by."""
    state = await tx.feed(link.system, link.resource)
    at = None if state is None else state.polled_at if isinstance(resource, Feed) else state.scanned_at
    return at is not None and at >= since


async def _claiming(
    tx: Transaction, world: World, link: Link, siblings: Sequence[Link], items: Mapping[str, Item]
) -> list[tuple[Link, Judgement]]:
    """Readings of the system that have not met their item, and may be what came of a create whose item was deleted
    meanwhile, or is asked about."""
    gone = link.doom is not None or any(x.state is LinkState.GONE for x in siblings)
    if link.item is None or not gone:
        return []
    readings = await tx.unmet(link.flow, link.system)
    return list(claimants(world.flows[link.flow], readings, {link.item: items[link.item]}))


def _follow_item(work: Working, link: Link, claiming: Sequence[tuple[Link, Judgement]]) -> bool:
    """Nothing was found of a create whose item was deleted meanwhile, or is asked about. A record that was read there
    may be what came of it all the same, rounded or edited: it must not become a new thing that is made again where it
    was deleted. Where it shows what was sent, it goes the way of the item; where it surely is the same thing and shows
    something else, somebody has been at it, and a person is asked. Whether there is such a record."""
    assert link.intent is not None
    if link.doom is None and not work.vanished(link.item):
        return False
    ours = [reading for reading, _ in claiming if shows_what_was_sent(work, reading, link.intent.fields)]
    sure = [reading for reading, judgement in claiming if judgement.item is not None]
    if link.item is None or work.replaced(link) or not (ours or sure):
        return False
    reading = min(ours or sure, key=lambda x: x.id)
    gone = next((x for x in work.links_of(link.item) if x.state is LinkState.GONE), replace(link, system="hub"))
    if ours:
        work.drop_link(link)
        linked = replace(reading, item=link.item, state=LinkState.LINKED, base={}, due_at=None, problem=None)
        known = agreed(work, linked, {**reading.far, **reading.base}, link.intent.fields)
        # What it shows since is merged with that.
        work.put_link(replace(known, far=reading.far, digest=None))
    else:
        work.put_link(to_be_sent_again(replace(link, intent=replace(link.intent, sent_at=None))))
        attach(work, reading, link.item)
    work.batch.wake.append(doubt_about(reading))
    policy = FATES.get(link.doom or "", DeletePolicy.HOLD) if ours else DeletePolicy.HOLD
    apply_delete_policy(work, work.links[reading.id], policy, gone)
    work.bury(link.item)
    return True


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
