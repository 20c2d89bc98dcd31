"""The stage of first contact: gives every new reading an item, a question in the inbox, or a reason to wait.

One system after the other, so that the second system's records are matched against the items of the first. While a
create to a system is *unsure* (sent, no answer), new readings of that system wait: one of them may be its outcome, and
taking it for a stranger would make a duplicate. Those that began before it was sent do not; what came in with a reading
that was under way then has been read once more (``Observer.take_in``).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from isthmus.model.flow import Flow, MatchRule
from isthmus.model.state import Cause, InboxKind, Item, Link, LinkState
from isthmus.sync.evidence import known_of, values_of
from isthmus.sync.join import attach
from isthmus.sync.matching import Judgement, Pool, judge, settle_rivals
from isthmus.sync.ports import Store, Transaction
from isthmus.sync.standing import doubt_about, is_unsure, same_place
from isthmus.sync.working import PART, Working
from isthmus.sync.world import World, rule_name

__all__ = ["claimants", "claims", "meet"]

BATCH = 2000
GIVE_WAY = 50
"""Readings that are settled in one go; then whoever else is on this event loop (a page, a webhook) gets a turn."""
MATCH_CHOICES = ("link", "separate", "ignore")
BEING_CREATED, SET_APART = "a record being created", "a record that was set apart"
"""What people are told of an item's record whose key nobody knows."""


async def meet(store: Store, world: World, flow: Flow, clock: Callable[[], datetime], new_id: Callable[[], str]) -> int:
    """Handle the new readings of a flow; how many got an item or a question."""
    handled = 0
    systems = sorted(flow.sides, key=lambda s: (s != flow.first, list(flow.sides).index(s)))
    for system in systems:
        after = ""
        while True:
            async with store.transaction() as tx:
                await tx.lock([flow.entity.name])
                fresh = await tx.new_links(flow.name, BATCH, after)
                if not fresh:
                    break
                after = fresh[-1].id
                mine = [link for link in fresh if link.system == system]
                if mine:
                    handled += await _meet(tx, world, flow, system, mine, clock(), new_id)
    return handled


async def _meet(
    tx: Transaction,
    world: World,
    flow: Flow,
    system: str,
    fresh: list[Link],
    now: datetime,
    new_id: Callable[[], str],
) -> int:
    unsure = await tx.unsure(flow.name, system)
    sent = [link.intent.sent_at for link in unsure if is_unsure(link) and link.intent and link.intent.sent_at]
    if sent:
        fresh = [link for link in fresh if link.seen_at is not None and link.seen_at < min(sent)]
    rules = [(rule_name(rule), rule) for rule in flow.match]
    wanted = {pair for link in fresh for pair in values_of(link.far, dict(rules))}
    found = await tx.find_evidence(flow.entity.name, wanted)
    apart = [link for link in unsure if link.state is LinkState.UNLINKED]
    ids = {id for hits in found.values() for id in hits} | {link.item for link in apart if link.item is not None}
    items = await tx.items(ids)
    links = await tx.links_by_item(ids)
    found |= _buried(apart, items, dict(rules), found)
    resource = flow.sides[system].resource
    taken = {
        link.item: link.key or (SET_APART if link.state is LinkState.UNLINKED else BEING_CREATED)
        for link in links
        if link.item is not None
        and (link.system, link.resource) == (system, resource)
        and (link.state in (LinkState.LINKED, LinkState.UNLINKED) or is_unsure(link))
    }
    linked: dict[str | None, list[Link]] = defaultdict(list)
    for link in links:
        linked[link.item].append(link)
    known = {id: known_of(item, linked[id]) for id, item in items.items()}
    pool = Pool(rules, found, known, taken)
    work = Working(world, items, [*links, *fresh], now=now, new_id=new_id)
    async with tx.posting():
        for n, (link, judgement) in enumerate(_judged(fresh, pool, unique=flow.unique), 1):
            item = _settle(work, flow, link, judgement, pool)
            if item is not None:
                pool.take(item, link.key or "", link.far)
            if n % PART == 0:
                await tx.save(work.finish())
            if n % GIVE_WAY == 0:
                await asyncio.sleep(0)
        await tx.save(work.finish())
    return len(fresh)


def _buried(
    apart: Sequence[Link],
    items: Mapping[str, Item],
    rules: Mapping[str, MatchRule],
    found: Mapping[tuple[str, str], Sequence[str]],
) -> dict[tuple[str, str], list[str]]:
    """By what the deleted ones are found of which a create was sent, and set apart before anybody knew its outcome. Its
    record may turn up yet: taken for a new thing, it would be made again where the item was deleted."""
    more: dict[tuple[str, str], list[str]] = {}
    for link in apart:
        item = items.get(link.item or "")
        if item is not None and item.deleted_at is not None and link.intent is not None:
            for pair in values_of({**item.fields, **link.intent.fields}, rules):
                more.setdefault(pair, list(found.get(pair, ()))).append(item.id)
    return more


def _judged(fresh: list[Link], pool: Pool, *, unique: bool) -> Iterator[tuple[Link, Judgement]]:
    """One after the other, each knowing those before it; rivals for the same item are found first."""
    if not unique:
        for link in fresh:
            yield link, judge(link, pool, unique=False)
        return
    for link, judgement in settle_rivals([(link, judge(link, pool)) for link in fresh]):
        settled = judgement.item is not None or judgement.candidates
        yield link, judgement if settled else judge(link, pool)


def claims(flow: Flow, readings: Sequence[Link], items: Mapping[str, Item]) -> dict[str, Link]:
    """Item -> a reading not met yet that may be its record. What was read in a system already must not be made there
    beside it, also while the reading waits for its parent."""
    claimed: dict[str, Link] = {}
    for reading, judgement in claimants(flow, readings, items):
        ids = [c.item for c in judgement.candidates] if judgement.item is None else [judgement.item]
        claimed |= dict.fromkeys(ids, reading)
    return claimed


def claimants(flow: Flow, readings: Sequence[Link], items: Mapping[str, Item]) -> Iterator[tuple[Link, Judgement]]:
    """Those of the readings that may be records of these items, each judged by itself."""
    rules = [(rule_name(rule), rule) for rule in flow.match]
    found: dict[tuple[str, str], list[str]] = {}
    for item in items.values():
        for pair in values_of(item.fields, dict(rules)):
            found.setdefault(pair, []).append(item.id)
    pool = Pool(rules, found, {item.id: item.fields for item in items.values()}, {})
    for reading in readings:
        judgement = judge(reading, pool, unique=flow.unique)
        if judgement.item is not None or judgement.candidates:
            yield reading, judgement


def _settle(work: Working, flow: Flow, link: Link, judgement: Judgement, pool: Pool) -> str | None:
    """Link, or ask, or make a new item; the item, when there is one now."""
    if judgement.candidates and judgement.item is None:
        _doubt(work, link, judgement, pool)
        return None
    work.batch.wake.append(doubt_about(link))
    if judgement.item is not None:
        attach(work, link, judgement.item)
        return judgement.item
    item = work.new_item(flow.entity.name)
    born = f"{link.system}/{link.resource}/{link.key}"
    work.note(item.id, "@born", None, born, Cause("system", link.system, link.key or ""))
    attach(work, link, item.id)
    return item.id


def _hold_creates(work: Working, doubtful: Link, item: str) -> None:
    """What may be this very record must not be created beside it: the create waits for the decision."""
    for other in work.links_of(item):
        if same_place(other, doubtful) and other.state is LinkState.CREATING and not is_unsure(other):
            work.put_link(replace(other, waits_for=doubt_about(doubtful), due_at=None))


def _doubt(work: Working, link: Link, judgement: Judgement, pool: Pool) -> None:
    work.put_link(replace(link, state=LinkState.DOUBTFUL, due_at=None))
    for candidate in judgement.candidates:
        _hold_creates(work, link, candidate.item)
    name = link.far.get("name") or link.far.get("number") or link.key
    candidates = [
        {
            "item": c.item,
            "score": round(c.score, 3),
            "reason": c.reason,
            "taken": c.taken,
            "deleted": work.items[c.item].deleted_at is not None,
            "fields": {k: v for k, v in pool.known.get(c.item, {}).items() if v is not None},
        }
        for c in judgement.candidates
    ]
    work.ask(
        InboxKind.MATCH,
        link,
        f"{name} ({link.system} {link.resource} {link.key}): {judgement.reason}",
        detail={"fields": dict(link.far), "candidates": candidates, "system": link.system, "key": link.key},
        choices=("separate", "ignore") if all(c["deleted"] for c in candidates) else MATCH_CHOICES,
    )
