"""What hub and system agree on once something was written there: the new base of a link, and what the system kept
otherwise than it was asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from isthmus.model.fields import Canonical, completed, covers
from isthmus.model.likeness import may_be_kept_as
from isthmus.model.state import Link, NotHeld
from isthmus.sync.working import Working

__all__ = ["agreed", "agreed_before", "given_to", "shows_what_was_sent"]


def agreed(
    work: Working,
    link: Link,
    shown: Mapping[str, Canonical],
    written: Mapping[str, Canonical],
    *,
    created: bool = False,
    touched: bool = False,
) -> Link:
    """The link with what was ``written`` (hub values) as base, as the answer ``shown`` has it. What the system kept
    otherwise than we asked is remembered as *not held*, so that the same value is never written again and nothing
    ping-pongs. Does not store the link.

    ``created``: fields that a create ignored get one update before they count. ``touched``: somebody may have changed
    the record since it was created, because it was only looked up later or sent twice; what it shows then that cannot
    be its way to keep what we sent (first or last) is merged like any edit, and only what is empty is written again.
    """
    lens = work.lens(link)
    base, far, not_held = dict(link.base), dict(link.far), dict(link.not_held)
    early = link.intent.first if touched and link.intent is not None else {}
    for field, value in {**early, **written}.items():
        sent = early.get(field, value)
        if field in lens.only_written:
            base[field] = sent
        elif field in lens.only_created:
            base[field] = lens.view(field, value)
        elif field in shown:
            wanted, sent = lens.view(field, value), lens.view(field, sent)
            base[field] = shown[field]
            # What was written is not met for the first time in the answer.
            far[field] = completed(shown[field], far.get(field))
            again = created and (not touched or shown[field] in (None, []))
            first = sent != wanted and may_be_kept_as(sent, shown[field])
            if touched and not again and (first or not may_be_kept_as(wanted, shown[field])):
                # What the first sending carried, and the hub has moved since; or an edit, which must not be lost.
                base[field] = shown[field] if first else sent
                continue
            if not covers(shown[field], wanted) and not again:
                not_held[field] = _held_otherwise(work, link, field, wanted, shown[field])
            else:
                not_held.pop(field, None)
        else:
            # Taken without a word: what the system does not show cannot be compared, and is not sent again.
            base[field] = lens.view(field, sent)
    unseen = {name: old for name, old in link.unseen.items() if name not in written}
    return replace(link, base=base, far=far, not_held=not_held, unseen=unseen)


def agreed_before(work: Working, reading: Link, sent: Mapping[str, Canonical]) -> dict[str, Canonical]:
    """What was agreed on with a record that has not met its item (``reading``): the fields in which it showed, when it
    was read first, what a create for that item had carried (``sent``), of which nobody knows whether it happened.
    Whoever made the record, hub and system had the same there; what either shows since is an edit of it. Of the others
    nothing is known: another person may have entered the same thing there at that moment."""
    lens, first = work.lens(reading), {**reading.far, **reading.base}
    wanted = {name: lens.view(name, value) for name, value in sent.items() if name in first}
    return {name: first[name] for name, value in wanted.items() if value is not None and covers(first[name], value)}


def shows_what_was_sent(work: Working, reading: Link, sent: Mapping[str, Canonical]) -> bool:
    """Whether a record showed, when it was read first, nothing but what a create had carried, as a system may keep it
    by itself. A look-up by content does not find what was rounded, nor what was edited after that reading."""
    lens, first = work.lens(reading), {**reading.far, **reading.base}
    return all(may_be_kept_as(lens.view(name, value), first[name]) for name, value in sent.items() if name in first)


def _held_otherwise(work: Working, link: Link, field: str, wanted: Canonical, got: Canonical) -> NotHeld:
    """What a system keeps instead. A value that the hub itself had before may come from an earlier write of ours that
    arrived only now: for sure only when the system answers so twice."""
    given = given_to(work, link, field)
    before = link.not_held.get(field)
    twice = before is not None and (before.wanted, before.got) == (wanted, got)
    return NotHeld(wanted=wanted, got=got, sure=twice or got not in given)


def given_to(work: Working, link: Link, field: str) -> list[Canonical]:
    """Values that the hub had, in the system's view, oldest first; see :attr:`Working.given`."""
    return [work.lens(link).view(field, value) for value in work.given.get((link.id, field), ())]
