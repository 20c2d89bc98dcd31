"""Taking in what a system showed: the observation of one record, merged field by field into its item (SPEC 1-4, 7).

Pure. Called for everything a system shows: pages of a feed or scan, records fetched for a hint or before a write, and
the answers to our own writes. There is no other way in, so an echo of our own write is an observation like any other
and plans nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Traits
from isthmus.mapping import Got, Lens
from isthmus.merge import ABSENT, Verdict, decide, may_set
from isthmus.model.fields import Canonical, completed
from isthmus.model.flow import DeletePolicy
from isthmus.model.state import Cause, FieldConflict, InboxKind, Link, LinkState, Problem
from isthmus.sync.agreeing import agreed, given_to
from isthmus.sync.parts import left_out, met, shown_first, shown_so_far, with_new_parts
from isthmus.sync.standing import ACTIVE, is_unsure, stands_in
from isthmus.sync.twins import revive, stand_in
from isthmus.sync.undone import seen_again, set_back, undone
from isthmus.sync.working import Working

__all__ = [
    "Seen",
    "absorb",
    "absorb_gone",
    "absorb_written",
    "apply_delete_policy",
    "is_outdated",
    "is_stale",
    "merge_into_item",
]

CONFLICT_CHOICES = ("hub", "far", "value")
DELETE_CHOICES = ("propagate", "archive", "restore", "unlink")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One record as a system showed it, in entity terms."""

    key: str
    got: Got
    version: str | None
    digest: bytes
    read_at: datetime
    """When the read began."""


def is_stale(link: Link, seen: Seen, traits: Traits) -> bool:
    """Whether this read may be older than what the link already knows. Never compares two systems' clocks: versions
    are the far system's, times are the hub's."""
    versions = traits.ordered_versions and seen.version is not None and link.far_version is not None
    # The version that it had when it was deleted says nothing about whether it is there again.
    if versions and not (link.state is LinkState.GONE and seen.version == link.far_version):
        return is_outdated(link, seen.version, traits)
    if link.written_at is not None and seen.read_at < link.written_at + max(traits.settle, timedelta(0)):
        return True
    return link.seen_at is not None and seen.read_at < link.seen_at


def is_outdated(link: Link, version: str | None, traits: Traits) -> bool:
    """Whether a record of this version is surely older than the one the link knows, as a lagging replica shows it."""
    known = link.far_version
    return traits.ordered_versions and version is not None and known is not None and version < known


def absorb(work: Working, link: Link, seen: Seen) -> None:
    """Merge one observation into the link's item. The caller has dropped stale reads."""
    got = seen.got
    base = met(link.base, link.far, got.fields) if link.item else shown_first(link.base, link.far, got.fields)
    back, unseen = _older_copy(work, link, seen)
    link = replace(
        link,
        key=seen.key,
        base={**base, **back} if back else base,
        # What the system made of our value is gone with it.
        not_held={name: held for name, held in link.not_held.items() if name not in back} if back else link.not_held,
        unseen=unseen,
        far=shown_so_far(link.far, got.fields),
        far_version=seen.version,
        digest=seen.digest,
        seen_at=seen.read_at,
    )
    if got.missing and link.doom is None:
        resource, key = min(got.missing)
        link = replace(link, waits_for=f"{link.system}/{resource}/{key}", due_at=None, digest=None)
    elif link.waits_for is not None and (link.waits_for == "read" or link.waits_for.count("/") > 1):
        link = replace(link, waits_for=None, due_at=None)
    if link.state is LinkState.DOUBTFUL and link.item is None and work.links[link.id].far != link.far:
        # Corrected, perhaps so that the doubt is gone: judged again.
        link = replace(link, state=LinkState.NEW)
        work.close(InboxKind.MATCH, link.id)
    if link.state is LinkState.GONE:
        link = _restored(work, link)
    link = _read_problems(work, link, seen)
    # The loser of a merge that is about to go does not speak for the item any more.
    mute = link.doom is not None and any(stands_in(other, link) for other in work.links_of(link.item or ""))
    if link.state is LinkState.LINKED and not mute:
        link = merge_into_item(work, link, got.fields, Cause("system", link.system, seen.key))
    work.put_link(link)


def _older_copy(work: Working, link: Link, seen: Seen) -> tuple[dict[str, Canonical], Mapping[str, Canonical]]:
    """What a copy held upon which the record was saved, as the base to merge it with; and what it may have held of what
    the record does not show now."""
    item, lens, writes = work.items.get(link.item or ""), work.lens(link), work.recent.get(link.id, ())
    if item is None or not (writes or link.unseen):
        return {}, link.unseen
    shown = seen.got.fields
    unread = left_out(link.far, shown) & (lens.exprs.keys() - lens.only_created - lens.only_written)
    back = seen_again(link, shown, unread)
    unseen = {name: old for name, old in link.unseen.items() if name in unread}
    if writes:
        names = (shown.keys() | unread) & item.fields.keys()
        made = []
        for write in writes:
            changes = {n: pair for n, pair in write.changes.items() if n in names}
            kept = {n: (old, _kept(link, lens, n, new)) for n, (old, new) in changes.items()}
            made.append(replace(write, changes=kept))
        # What the hub has from here, as by a call, was written by somebody here.
        own = {name for name, set_by in item.set_by.items() if set_by.by == link.system}
        hub = {name: _kept(link, lens, name, item.fields[name]) for name in names - own}
        found, more = undone(replace(link, base={**link.base, **back}), shown, hub, made, seen.read_at, unread)
        back, unseen = {**back, **found}, {**more, **unseen}
    if fields := ",".join(set_back(shown, back)):
        events.emit(events.WRITE_UNDONE, logging.WARNING, system=link.system, key=link.key, fields=fields)
    return back, unseen


def _kept(link: Link, lens: Lens, field: str, value: Canonical) -> Canonical:
    """What the system makes of a value, as far as it is known."""
    wanted, held = lens.view(field, value), link.not_held.get(field)
    return held.got if held is not None and held.wanted == wanted else wanted


def merge_into_item(work: Working, link: Link, far: Mapping[str, Canonical], cause: Cause) -> Link:
    """Three-way merge of what the system shows into the item; the link with its new base. Does not store the link."""
    assert link.item is not None
    flow, lens = work.flow(link), work.lens(link)
    base, conflicts, not_held = dict(link.base), dict(link.conflicts), dict(link.not_held)
    hub_fields, plain = work.items[link.item].fields, lens.plain
    frozen = {*not_held, *conflicts}
    found: dict[str, Canonical] = {}
    for field, shown in far.items():
        raw = hub_fields.get(field, ABSENT)
        if raw == shown and field in plain and base.get(field, ABSENT) == shown and field not in frozen:
            # In step, as nearly every field of nearly every reading is.
            continue
        held = not_held.get(field)
        if held is not None and (held.got != shown or held.absent):
            del not_held[field]
        rule = flow.fields[field]
        hub = raw if raw is ABSENT else lens.view(field, raw)
        # A part that is left out says nothing: what the system showed of it before still stands, above all where it is
        # asked about. Parts that one of them knows nothing about at all are no difference (SPEC 4).
        told = completed(shown, conflicts[field].far) if field in conflicts else shown
        known = base.get(field, ABSENT)
        shown = completed(told, known, link.far.get(field), hub)
        known, hub = with_new_parts(known, shown, hub), completed(hub, shown)
        if held is not None and held.sure and hub == held.wanted:
            # The system was asked to and could not hold it: the hub has not moved since.
            hub = known
        if shown not in (known, hub) and _ours(work, link, field, known, shown):
            # Our own write, whose answer was lost before the hub moved on: nobody's edit.
            known = base[field] = shown
        decision = decide(known, hub, shown, rule=rule, system=link.system, first=flow.first)
        match decision.verdict:
            case Verdict.CONFLICT:
                conflicts[field] = FieldConflict(base=base.get(field), hub=raw, far=told)
                continue
            case Verdict.TAKE:
                before = None if raw is ABSENT else raw
                found[field] = lens.overlay(field, before, shown)
                base[field] = shown
            case Verdict.MERGE:
                found[field] = decision.value
                base[field] = shown
            case Verdict.KEEP:
                base[field] = shown
            case Verdict.NOTHING if known is ABSENT:
                continue
            case Verdict.AGREE | Verdict.NOTHING:
                base[field] = shown
                new = {n: v for n, v in shown.items() if v is not None} if isinstance(shown, dict) else {}
                if isinstance(raw, dict) and not set(new) <= set(raw) and may_set(rule, link.system):
                    found[field] = {**new, **raw}
            case Verdict.PUSH:
                pass
        conflicts.pop(field, None)
    if found:
        work.set_fields(link.item, found, cause)
    link = replace(link, base=base, conflicts=conflicts, not_held=not_held)
    _ask_about_conflicts(work, link)
    return link


def _ours(work: Working, link: Link, field: str, base: Canonical, shown: Canonical) -> bool:
    """Whether the hub itself had this value after it had base."""
    given = given_to(work, link, field)
    before = max((n for n, value in enumerate(given, 1) if value == base), default=0)
    return shown in given[before:]


def _ask_about_conflicts(work: Working, link: Link) -> None:
    if not link.conflicts:
        if link.id in work.links and work.links[link.id].conflicts:
            work.close(InboxKind.CONFLICT, link.id)
        return
    fields = {name: {"base": c.base, "hub": c.hub, "far": c.far} for name, c in sorted(link.conflicts.items())}
    assert link.item is not None
    name = work.items[link.item].fields.get("name") or work.items[link.item].fields.get("number") or link.key
    work.ask(
        InboxKind.CONFLICT,
        link,
        f"{', '.join(fields)} of {name}: changed in {link.system} and elsewhere since they last agreed.",
        detail={"fields": fields, "system": link.system, "resource": link.resource, "key": link.key},
        choices=CONFLICT_CHOICES,
    )


def _read_problems(work: Working, link: Link, seen: Seen) -> Link:
    """A field that cannot be read is set aside with its reason; the other fields flow."""
    problems = seen.got.problems
    if problems:
        field, first = min(problems.items())
        problem = Problem("unmappable", f"{field}: {first.message}", first.advice, field, work.now)
        work.ask(
            InboxKind.FAILURE,
            link,
            f"{link.system} {link.resource} {seen.key}: {problem.message}",
            detail={"fields": {n: p.message for n, p in problems.items()}, "key": seen.key, "system": link.system},
            choices=("retry", "unlink"),
        )
        return replace(link, problem=problem)
    if link.problem is not None and link.problem.code == "unmappable":
        work.close(InboxKind.FAILURE, link.id)
        return replace(link, problem=None)
    return link


def _restored(work: Working, link: Link) -> Link:
    """A record that was gone is back: it takes up its old link (and its item its life)."""
    if link.item is None:
        return replace(link, state=LinkState.NEW)
    revive(work, link.item, link, Cause("system", link.system, link.key or ""))
    return replace(link, state=LinkState.LINKED)


def absorb_written(
    work: Working,
    link: Link,
    seen: Seen,
    written: Mapping[str, Canonical],
    *,
    created: bool = False,
    touched: bool = False,
) -> None:
    """The record as it is after our write of ``written`` (hub values); see :func:`agreed`. What became of the link
    while the write was under way stands: set apart it stays apart, asked about after a merge it stays asked about."""
    if link.doom == "unlink":
        apart = replace(link, key=seen.key, state=LinkState.UNLINKED, intent=None, doom=None, problem=None, due_at=None)
        work.put_link(apart)
        work.close(InboxKind.FAILURE, link.id)
        work.bury(link.item)
        return
    link = replace(
        agreed(work, link, seen.got.fields, written, created=created, touched=touched),
        state=LinkState.LINKED if link.state in ACTIVE else link.state,
        intent=None,
        problem=None,
        attempts=0,
        due_at=None,
        waits_for=None,
        written_at=work.now,
    )
    work.close(InboxKind.FAILURE, link.id)
    if link.state is LinkState.UNLINKED:
        # Nobody reads it any more; linked again it goes on from what was written.
        work.put_link(replace(link, key=seen.key))
    else:
        absorb(work, link, seen)


def absorb_gone(work: Working, link: Link) -> None:
    """The record vanished in its system; the flow's policy says what that means elsewhere (SPEC 7). Nothing, while
    another record there carries the item, or is asked about since a merge: of two that are one thing, one is enough."""
    if link.state in (LinkState.NEW, LinkState.DOUBTFUL):
        work.drop_link(link)
        return
    if link.state in (LinkState.GONE, LinkState.UNLINKED) or link.item is None:
        if link.waits_for == "read":
            work.put_link(replace(link, waits_for=None, due_at=None))
        return
    for kind in InboxKind:
        work.close(kind, link.id)
    gone = replace(
        link, state=LinkState.GONE, due_at=None, conflicts={}, not_held={}, problem=None, doom=None, waits_for=None
    )
    work.put_link(gone)
    item_id = link.item
    cause = Cause("system", link.system, link.key or "")
    if link.doom is not None:
        work.note(item_id, "@removed", link.system, None, Cause("hub", "isthmus", link.key or ""))
    elif any(stands_in(other, link) for other in work.links_of(item_id)) or stand_in(work, link):
        work.note(item_id, "@removed", link.system, None, cause)
    else:
        work.note(item_id, "@deleted", link.system, None, cause)
        flow = work.flow(link)
        for sibling in work.links_of(item_id):
            if sibling.id != link.id and sibling.state in (LinkState.LINKED, LinkState.CREATING):
                side = flow.sides.get(sibling.system)
                apply_delete_policy(work, sibling, side.delete if side else DeletePolicy.HOLD, gone)
    work.bury(item_id)


def apply_delete_policy(work: Working, sibling: Link, policy: DeletePolicy, gone: Link) -> None:
    """What the vanishing of ``gone`` does to the counterpart ``sibling``."""
    assert sibling.item is not None
    work.close(InboxKind.DELETE, sibling.id)
    if sibling.state is LinkState.CREATING and not is_unsure(sibling):
        # Nothing was sent yet: there is nothing to delete. A sent create is looked up first and then treated so.
        work.drop_link(sibling)
        return
    match policy:
        case DeletePolicy.PROPAGATE | DeletePolicy.ARCHIVE:
            doom = "delete" if policy is DeletePolicy.PROPAGATE else "archive"
            work.put_link(replace(sibling, doom=doom))
        case DeletePolicy.UNLINK if is_unsure(sibling):
            # Its record may turn up yet, and must not be taken for a new one.
            work.put_link(replace(sibling, doom="unlink"))
        case DeletePolicy.UNLINK:
            work.put_link(replace(sibling, state=LinkState.UNLINKED, due_at=None, problem=None, waits_for=None))
        case DeletePolicy.RESTORE:
            if gone.state is LinkState.GONE and gone.id in work.links:
                work.drop_link(gone)
            for other in work.links_of(sibling.item):
                # It is made again: what was asked about its other records does not matter any more.
                work.close(InboxKind.DELETE, other.id)
            work.note(sibling.item, "@restore", gone.system, None, Cause("hub", "isthmus", gone.key or ""))
        case DeletePolicy.HOLD:
            name = work.items[sibling.item].fields.get("name") or sibling.key
            work.ask(
                InboxKind.DELETE,
                sibling,
                f"{name} was deleted in {gone.system} and still exists in {sibling.system}.",
                detail={
                    "deleted_in": gone.system,
                    "deleted_key": gone.key,
                    "system": sibling.system,
                    "key": sibling.key,
                },
                choices=DELETE_CHOICES,
            )
