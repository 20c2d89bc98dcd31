"""Decisions of people, applied to the state (SPEC 3, 7, 10). Every choice offered in an inbox entry is carried out
here; what follows from it (writes, further questions) is derived like everything else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from isthmus.errors import NeedsPerson, Unmappable
from isthmus.model.fields import canonical, completed
from isthmus.model.flow import DeletePolicy
from isthmus.model.state import Cause, InboxEntry, InboxKind, Link, LinkState
from isthmus.sync.absorb import apply_delete_policy
from isthmus.sync.heirs import with_heirs
from isthmus.sync.join import attach, way_out
from isthmus.sync.linking import part_items
from isthmus.sync.ports import Batch, Store, Transaction
from isthmus.sync.standing import doubt_about, is_unsure, to_be_sent_again
from isthmus.sync.twins import take_over
from isthmus.sync.working import Working
from isthmus.sync.world import World

__all__ = ["decide", "decide_in", "retry", "retry_in"]


async def decide(
    store: Store,
    world: World,
    entry_id: str,
    choice: str,
    *,
    by: str,
    now: datetime,
    new_id: Callable[[], str],
    fields: Mapping[str, Any] | None = None,
    item: str | None = None,
) -> InboxEntry:
    """Carry out a person's choice; the entry as it is afterwards.

    ``fields``: for a conflict, values (or ``"hub"``/``"far"``) per field; ``item``: for a match, which candidate.
    Raises ``NeedsPerson`` when the entry is not open, the choice is not offered, or a value does not fit.
    """
    async with store.transaction() as tx:
        return await decide_in(tx, world, entry_id, choice, by=by, now=now, new_id=new_id, fields=fields, item=item)


async def decide_in(
    tx: Transaction,
    world: World,
    entry_id: str,
    choice: str,
    *,
    by: str,
    now: datetime,
    new_id: Callable[[], str],
    fields: Mapping[str, Any] | None = None,
    item: str | None = None,
) -> InboxEntry:
    """As :func:`decide`, in a transaction in which something else may be noted along with it."""
    await tx.lock({flow.entity.name for flow in world.flows.values()})
    entry = await tx.inbox_entry(entry_id)
    if entry is None:
        raise NeedsPerson(f"There is no inbox entry {entry_id}.")
    if entry.decided_at is not None:
        raise NeedsPerson(f"{entry.decided_by} has decided this already ({entry.decision}).")
    if choice not in entry.choices:
        raise NeedsPerson(f"'{choice}' is not offered here.", advice=f"Choose one of: {', '.join(entry.choices)}.")
    if entry.kind is InboxKind.BRAKE:
        if choice == "approve":
            await tx.approve(entry.subject, int(entry.detail["waiting"]))
        batch = Batch()
    else:
        work = await _load(tx, world, entry, choice, item, now, new_id)
        _carry_out(work, work.links[entry.subject], entry, choice, by, fields or {}, item)
        batch = work.finish()
    done = replace(entry, decided_at=now, decision=choice, decided_by=by)
    batch.open_inbox = [e for e in batch.open_inbox if (e.kind, e.subject) != (entry.kind, entry.subject)]
    batch.close_inbox = [pair for pair in batch.close_inbox if pair != (entry.kind, entry.subject)]
    batch.decided.append(done)
    await tx.save(batch)
    return done


async def _load(
    tx: Transaction,
    world: World,
    entry: InboxEntry,
    choice: str,
    item: str | None,
    now: datetime,
    new_id: Callable[[], str],
) -> Working:
    links = await tx.links([entry.subject])
    if not links:
        raise NeedsPerson("The record this question was about is no longer linked.")
    link = links[0]
    key = choice.removeprefix("link:") if choice.startswith("link:") else None
    holders = await tx.links_by_key(link.system, link.resource, [key]) if key is not None else []
    candidates = {c["item"] for c in entry.detail.get("candidates", ())}
    ids = {i for i in (link.item, item, *candidates, *(x.item for x in holders)) if i is not None}
    items = await with_heirs(tx, ids)
    siblings = await tx.links_by_item(set(items))
    everything = {x.id: x for x in [*siblings, *holders, *links]}
    return Working(world, items, everything.values(), now=now, new_id=new_id)


def _carry_out(
    work: Working,
    link: Link,
    entry: InboxEntry,
    choice: str,
    by: str,
    fields: Mapping[str, Any],
    item: str | None,
) -> None:
    cause = Cause("person", by, entry.id)
    match entry.kind:
        case InboxKind.CONFLICT:
            _resolve_conflict(work, link, choice, fields, cause)
        case InboxKind.MATCH:
            _resolve_match(work, link, entry, choice, item, cause)
        case InboxKind.FAILURE:
            _resolve_failure(work, link, choice, fields, cause)
        case InboxKind.DELETE:
            gone = next(
                (x for x in work.links_of(link.item or "") if x.state is LinkState.GONE), replace(link, system="hub")
            )
            apply_delete_policy(work, link, DeletePolicy(choice), gone)
        case InboxKind.MERGE:
            _resolve_merge(work, link, choice, cause)
        case InboxKind.BRAKE:
            raise AssertionError("decided by approval")


def _resolve_conflict(work: Working, link: Link, choice: str, fields: Mapping[str, Any], cause: Cause) -> None:
    assert link.item is not None
    unknown = set(fields) - set(link.conflicts)
    if unknown:
        raise NeedsPerson(f"'{min(unknown)}' is not in conflict.", advice=f"In conflict: {', '.join(link.conflicts)}.")
    if choice == "value" and set(fields) != set(link.conflicts):
        raise NeedsPerson(
            "Give a value for every field in conflict.", advice=f"In conflict: {', '.join(link.conflicts)}."
        )
    base = dict(link.base)
    lens = work.lens(link)
    for name, conflict in link.conflicts.items():
        side = fields.get(name, choice) if choice != "value" or fields.get(name) in ("hub", "far") else "value"
        hub = work.items[link.item].fields.get(name)
        # Parts that the system left out were not asked about.
        base[name] = completed(conflict.far, base.get(name), lens.view(name, hub))
        if side == "far":
            work.set_field(link.item, name, lens.overlay(name, hub, conflict.far), cause)
        elif side != "hub":
            kind = work.flow(link).entity.fields[name]
            try:
                work.set_field(link.item, name, canonical(kind, fields[name]), cause)
            except Unmappable as error:
                raise NeedsPerson(f"{name}: {error.message}", field=name) from error
    work.put_link(replace(link, base=base, conflicts={}))
    work.note(link.item, "@decided", None, choice, cause)


def _resolve_match(work: Working, link: Link, entry: InboxEntry, choice: str, item: str | None, cause: Cause) -> None:
    work.batch.wake.append(doubt_about(link))
    if choice == "ignore":
        work.put_link(replace(link, state=LinkState.UNLINKED, due_at=None, waits_for=None))
        return
    if choice == "separate":
        new = work.new_item(work.flow(link).entity.name)
        work.note(new.id, "@born", None, f"{link.system}/{link.resource}/{link.key}", cause)
        attach(work, link, new.id)
        return
    candidates = [c["item"] for c in entry.detail.get("candidates", ())]
    chosen = item or (candidates[0] if len(candidates) == 1 else None)
    if chosen is None:
        raise NeedsPerson("Say which candidate is meant.", advice=f"One of: {', '.join(candidates)}.")
    if chosen not in work.items:
        raise NeedsPerson(f"There is no item {chosen}.")
    work.note(chosen, "@linked", None, f"{link.system}/{link.resource}/{link.key}", cause)
    attach(work, link, chosen)


def _resolve_failure(work: Working, link: Link, choice: str, fields: Mapping[str, Any], cause: Cause) -> None:
    if is_unsure(link):
        # Readings that waited until it was settled whether one of them is its outcome.
        work.batch.meet.append(link.flow)
    if choice == "unlink":
        work.put_link(replace(link, state=LinkState.UNLINKED, due_at=None, problem=None, waits_for=None))
        return
    for name, value in fields.items():
        if link.item is None or name not in work.flow(link).fields:
            raise NeedsPerson(f"'{name}' is not a field of this record.")
        try:
            work.set_field(link.item, name, canonical(work.flow(link).entity.fields[name], value), cause)
        except Unmappable as error:
            raise NeedsPerson(f"{name}: {error.message}", field=name) from error
    if choice.startswith("link:"):
        key = choice.removeprefix("link:")
        for other in list(work.links.values()):
            if other.id != link.id and (other.flow, other.system, other.resource, other.key) == (
                link.flow,
                link.system,
                link.resource,
                key,
            ):
                if other.item is not None:
                    raise NeedsPerson(f"The record {key} belongs to another one already.")
                # Its reading came in while the outcome of the create was unknown.
                work.drop_link(other)
        work.put_link(
            replace(link, key=key, state=LinkState.LINKED, intent=None, problem=None, waits_for="read", due_at=work.now)
        )
        return
    plain = work.unsend(link) if choice == "create" else link
    if plain is not None:
        work.put_link(retried(to_be_sent_again(plain) if choice == "create" else plain, work.now))


def _resolve_merge(work: Working, link: Link, choice: str, cause: Cause) -> None:
    assert link.item is not None
    if choice == "separate":
        # They are two things after all: what else is asked about the merged one is answered by that as well.
        part_items(work, link.item, (), {}, cause)
        return
    if choice == "keep":
        take_over(work, link, cause)
        return
    joined = replace(link, item=work.heir(link.item), state=LinkState.LINKED, due_at=work.now)
    work.put_link(replace(joined, doom=way_out(work, link)))


def retried(link: Link, now: datetime) -> Link:
    """The link, due at once. An unreadable record is read again, an unsure create looked up again. What waits for its
    parent by now is woken by that, not by the time."""
    reading = link.problem is not None and link.problem.code == "unmappable" and link.state is not LinkState.CREATING
    waits_for = "read" if reading and link.key is not None else link.waits_for
    return replace(
        link,
        due_at=now if waits_for in (None, "read") else None,
        attempts=0,
        problem=None,
        not_held={},
        digest=None if reading else link.digest,
        waits_for=waits_for,
    )


async def retry_in(tx: Transaction, world: World, subjects: Collection[str], *, by: str, now: datetime) -> list[str]:
    """Decide that the failures of these links are tried again, all at once; the entries that are decided by that. Left
    out are those that are not open, do not offer it, or whose record is no longer linked: :func:`decide_in` says
    why."""
    await tx.lock({flow.entity.name for flow in world.flows.values()})
    entries = {one.subject: one for one in await tx.open_entries(InboxKind.FAILURE, subjects) if "retry" in one.choices}
    links = await tx.links(list(entries))
    batch = Batch(links=[retried(link, now) for link in links])
    batch.decided = [replace(entries[link.id], decided_at=now, decision="retry", decided_by=by) for link in links]
    await tx.save(batch)
    return [entry.id for entry in batch.decided]


async def retry(store: Store, ids: list[str], now: datetime) -> int:
    """Make parked links due again; how many."""
    async with store.transaction() as tx:
        links = [link for link in await tx.links(ids) if link.problem is not None or link.not_held]
        batch = Batch(links=[retried(link, now) for link in links])
        batch.close_inbox = [(InboxKind.FAILURE, link.id) for link in links]
        await tx.save(batch)
    return len(links)
