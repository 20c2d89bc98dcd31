"""What came of planned steps: answers are taken in like observations, failures are kept with their reason.

Retryable failures wait with growing pauses; refusals are parked in the inbox and never block another record; a create
whose answer never came stays *unsure* until it is looked up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

import msgspec
from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Create, Gone, Record, Resource, Update, WriteAnswer
from isthmus.errors import Ambiguous, IsthmusError, NeedsPerson, Retryable, Stale, UnknownOutcome
from isthmus.model.fields import Canonical, covers
from isthmus.model.state import Effect, InboxKind, Item, Link, LinkState, NotHeld
from isthmus.sync.absorb import Seen, absorb_gone, absorb_written
from isthmus.sync.agreeing import agreed
from isthmus.sync.heirs import with_heirs
from isthmus.sync.plan import Step, StepKind
from isthmus.sync.ports import Store, Transaction
from isthmus.sync.seeing import load_given, load_recent, load_refs, see
from isthmus.sync.standing import ACTIVE, problem_of, same_place, to_be_read
from isthmus.sync.working import PART, Working
from isthmus.sync.world import World

__all__ = ["Outcome", "pause", "record_outcomes"]

LONGEST_REQUEST = 20_000
"""Characters of a refused write that are kept."""
LONGEST_PAUSE = 300.0
"""Seconds between tries at most."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A step and its answer; None when nothing was sent."""

    step: Step
    answer: WriteAnswer | None


def pause(attempts: int, jitter: float, wait: float | None = None) -> timedelta:
    """How long to wait after the given number of failed tries: 1, 2, 4 ... seconds, plus up to a quarter."""
    return timedelta(seconds=max(wait or 0.0, min(LONGEST_PAUSE, 2.0 ** min(attempts, 12)) * (1 + 0.25 * jitter)))


async def record_outcomes(
    store: Store,
    world: World,
    resource: Resource,
    outcomes: Sequence[Outcome],
    *,
    began: datetime,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    jitter: Callable[[], float],
    touched: Collection[str] = (),
) -> None:
    """One transaction for the whole batch. ``touched``: links of creates whose answer may show what people have made of
    the record."""
    async with store.transaction() as tx:
        await tx.lock({world.flows[outcome.step.link.flow].entity.name for outcome in outcomes})
        links = await tx.families([outcome.step.link for outcome in outcomes])
        strangers = await _strangers(tx, resource.name, outcomes)
        vanished = {outcome.step.link.item for outcome in outcomes if isinstance(outcome.answer, Gone)}
        asked = await tx.asked_about({item for item in vanished if item is not None})
        everything = {link.id: link for link in [*links, *strangers, *asked]}
        items = await with_heirs(tx, {link.item for link in everything.values() if link.item is not None})
        now = clock()
        work = Working(world, items, everything.values(), now=now, new_id=new_id)
        work.asked = [link.id for link in asked]
        answered = [(o.step.link, o.answer) for o in outcomes if isinstance(o.answer, Record)]
        refs = await load_refs(tx, world, answered)
        seen = {link.id: see(world, link, answer, refs, now) for link, answer in answered}
        odd = [o for o in outcomes if o.step.link.id in seen and _kept_otherwise(work, o, seen[o.step.link.id])]
        work.given = await load_given(tx, [outcome.step.link for outcome in odd])
        work.recent = await load_recent(tx, resource.traits, [link for link, _ in answered], now)
        async with tx.posting():
            for part in batched(outcomes, PART):
                for outcome in part:
                    _take(work, outcome, seen, began, jitter, touched=outcome.step.link.id in touched)
                await tx.save(work.finish())


def _take(
    work: Working,
    outcome: Outcome,
    seen: Mapping[str, Seen],
    began: datetime,
    jitter: Callable[[], float],
    *,
    touched: bool,
) -> None:
    link = work.links.get(outcome.step.link.id)
    if link is None:
        return
    if isinstance(outcome.answer, Record):
        _done(work, link, outcome, seen[link.id], began, touched=touched)
    else:
        _other(work, link, outcome, jitter())
    if outcome.step.absent and link.id in work.links:
        _leave_out(work, work.links[link.id], outcome.step)
    now = work.links.get(link.id)
    if outcome.step.refused and now is not None and now.state in ACTIVE:
        hold_back(work, now, outcome.step)
    if link.waits_for == "read" and link.id in work.links:
        _still_to_be_read(work, work.links[link.id])
    if outcome.step.write is not None:
        work.batch.effects.append(_effect(work.links.get(link.id, link), outcome, work.now, began))


def _still_to_be_read(work: Working, link: Link) -> None:
    """A reading of the record was put off while the step was under way, as it might show an older state. Whatever has
    become of the step, it is made: a feed will not show again what it may have shown."""
    if link.state is LinkState.LINKED and (link.waits_for != "read" or link.due_at is None):
        work.put_link(to_be_read(link, work.now))


def _kept_otherwise(work: Working, outcome: Outcome, seen: Seen) -> bool:
    """Whether the answer to an update shows something else than was asked for."""
    lens, shown = work.lens(outcome.step.link), seen.got.fields
    return outcome.step.kind is StepKind.UPDATE and any(
        name in shown and not covers(shown[name], lens.view(name, value)) for name, value in outcome.step.values.items()
    )


async def _strangers(tx: Transaction, resource: str, outcomes: Sequence[Outcome]) -> list[Link]:
    """Readings of just created records that came in before their answer was recorded."""
    keys = [o.answer.key for o in outcomes if o.step.kind is StepKind.CREATE and isinstance(o.answer, Record)]
    if not keys:
        return []
    return await tx.links_by_key(outcomes[0].step.link.system, resource, keys)


def _done(work: Working, link: Link, outcome: Outcome, seen: Seen, began: datetime, *, touched: bool) -> None:
    """A write that succeeded, with the record as it is now. Where the record was seen in between, by a feed or a hint,
    also where that reading was put off, nobody knows which of the two is newer: it is read once more instead of
    guessing. What we wrote was there, though: whatever a later reading shows instead of it came after it, and is an
    edit of it."""
    step = outcome.step
    crossed = link.waits_for == "read" or (link.seen_at is not None and link.seen_at >= began)
    for other in work.rivals(link, seen.key):
        if other.item is None:
            crossed = True
            work.drop_link(other)
        else:
            error = Ambiguous(f"{link.system} answered the create with its record {seen.key}, which belongs elsewhere.")
            park(work, link, error, step)
            return
    if link.doom == "restore":
        link = replace(link, doom=None)
    if step.kind is StepKind.ARCHIVE:
        link = replace(link, doom=None)
        rivals = [x for x in work.links_of(link.item or "") if same_place(x, link)]
        if any(x.id != link.id and x.state is LinkState.LINKED for x in rivals):
            # The loser of a merge: archived, it must not speak for the item any more.
            work.put_link(replace(link, state=LinkState.UNLINKED, due_at=None, problem=None, conflicts={}))
            work.close(InboxKind.CONFLICT, link.id)
            return
    created = step.kind is StepKind.CREATE
    if crossed and not created:
        known = agreed(work, link, seen.got.fields, step.values, created=False)
        work.put_link(replace(known, written_at=work.now, attempts=0, problem=None))
        work.close(InboxKind.FAILURE, link.id)
    else:
        absorb_written(work, link, seen, step.values, created=created, touched=touched)
    if crossed:
        work.put_link(to_be_read(work.links[link.id], work.now))


def _other(work: Working, link: Link, outcome: Outcome, jitter: float) -> None:
    """Everything that is not a record: waits, refusals, failures, deletions, nothing to do."""
    step, answer = outcome.step, outcome.answer
    if answer is None and link.state in ACTIVE:
        _unsent(work, link, step)
    elif isinstance(answer, Gone):
        absorb_gone(work, replace(link, written_at=work.now))
    elif link.state not in ACTIVE:
        # It vanished or was set apart while the write was under way: there is nothing to try again.
        return
    elif isinstance(answer, Stale):
        # At once the first time; a system that always says so must not keep us running in circles.
        delay = pause(link.attempts - 1, jitter) if link.attempts else timedelta(0)
        work.put_link(replace(link, due_at=work.now + delay, attempts=link.attempts + 1, digest=None))
    elif isinstance(answer, UnknownOutcome):
        delay = pause(link.attempts, jitter, answer.wait)
        problem = problem_of(answer, work.now)
        work.put_link(replace(link, due_at=work.now + delay, attempts=link.attempts + 1, problem=problem, digest=None))
    elif isinstance(answer, Retryable):
        events.emit(events.WRITE_RETRY, system=link.system, link=link.id, code=answer.code)
        due_at = work.now + pause(link.attempts, jitter, answer.wait)
        problem = problem_of(answer, work.now)
        if (plain := work.unsend(link)) is not None:
            work.put_link(replace(plain, due_at=due_at, attempts=link.attempts + 1, problem=problem))
    elif isinstance(answer, IsthmusError):
        park(work, link, answer, step)


def _unsent(work: Working, link: Link, step: Step) -> None:
    match step.kind:
        case StepKind.WAIT:
            work.put_link(replace(link, waits_for=step.waits_for, due_at=None))
        case StepKind.REFUSE:
            assert step.error is not None
            park(work, link, step.error, step)
        case _:
            _agree(work, link, step.values)


def _agree(work: Working, link: Link, values: Mapping[str, Canonical]) -> None:
    """The record already reads as wanted: base takes it up (SPEC 1: no write)."""
    lens = work.lens(link)
    base = {
        **link.base,
        **{n: v if n in lens.only_written else lens.view(n, v) for n, v in values.items()},
    }
    work.put_link(replace(link, base=base, doom=None, due_at=None, attempts=0))


def _leave_out(work: Working, link: Link, step: Step) -> None:
    """What the record has no place for is neither written nor agreed on; whatever is shown there next is merged."""
    if link.state is not LinkState.LINKED:
        return
    lens = work.lens(link)
    left = {
        name: NotHeld(wanted=lens.view(name, value), got=link.far.get(name), sure=False, absent=True)
        for name, value in step.absent.items()
    }
    work.put_link(replace(link, not_held={**link.not_held, **left}, digest=None))


def hold_back(work: Working, link: Link, step: Step) -> None:
    """Fields that cannot be expressed in this system are asked about; the others went their way (SPEC 10)."""
    lens, item = work.lens(link), work.items[link.item or ""]
    not_held = dict(link.not_held)
    for name in step.refused:
        not_held[name] = NotHeld(wanted=lens.view(name, item.fields.get(name)), got=link.far.get(name))
    work.put_link(replace(link, not_held=not_held))
    name = _name(item, link)
    field, error = min(step.refused.items())
    work.ask(
        InboxKind.FAILURE,
        link,
        f"{name}: {field} cannot be kept in {link.system}: {error.message}",
        detail={
            "code": error.code,
            "fields": {n: e.message for n, e in step.refused.items()},
            "advice": error.advice,
            "system": link.system,
            "key": link.key,
        },
        choices=("retry", "unlink"),
    )
    events.emit(events.RECORD_SET_ASIDE, logging.WARNING, system=link.system, link=link.id, field=field)


def park(work: Working, link: Link, error: IsthmusError, step: Step) -> None:
    """Set one record aside with its reason; everything else goes on (SPEC 10)."""
    plain = work.unsend(link)
    if plain is None:
        return
    work.put_link(replace(plain, due_at=None, problem=problem_of(error, work.now)))
    item = work.items.get(link.item or "")
    name = _name(item, link)
    field = getattr(error, "field", None)
    work.ask(
        InboxKind.FAILURE,
        link,
        f"{name}: {_deed(step)} {link.system} {link.resource} is refused: {error.message}",
        detail={
            "code": error.code,
            "message": error.message,
            "advice": error.advice,
            "field": field,
            "system": link.system,
            "key": link.key,
            "values": dict(step.values),
            "request": _request(step),
        },
        choices=("retry", "unlink"),
    )
    level = logging.WARNING if isinstance(error, NeedsPerson) else logging.ERROR
    events.emit(events.WRITE_PARKED, level, system=link.system, link=link.id, code=error.code)


def _request(step: Step) -> dict[str, Any]:
    """The write as it was sent, or was to be, for whoever looks at its refusal; of a very large one only the names."""
    if step.write is None:
        return {}
    fields = step.write.fields if isinstance(step.write, Create | Update) else {}
    large = sum(len(str(value)) for value in fields.values()) > LONGEST_REQUEST
    return {"kind": str(step.kind), "fields": dict.fromkeys(fields, "…") if large else dict(fields)}


def _name(item: Item | None, link: Link) -> str:
    """What people call the thing."""
    fields = item.fields if item is not None else {}
    named = (fields.get(name) for name in ("name", "number", "reference"))
    return next((str(name) for name in named if name), link.key or link.resource)


def _deed(step: Step) -> str:
    return "creating" if step.link.key is None else f"the {step.kind} of" if step.kind != "refuse" else "writing"


def _effect(link: Link, outcome: Outcome, now: datetime, began: datetime) -> Effect:
    answer = outcome.answer
    failed = answer if isinstance(answer, IsthmusError) else None
    return Effect(
        link=link.id,
        item=link.item,
        flow=link.flow,
        system=link.system,
        resource=link.resource,
        key=link.key,
        kind=outcome.step.kind,
        changes=outcome.step.changes,
        outcome=failed.code if failed is not None else "done",
        message=failed.message if failed is not None else "",
        at=now,
        seconds=(now - began).total_seconds(),
    )
