"""Where a link stands: whether it is active, parked, unsure; what of its item its system does not have yet. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from isthmus.errors import RateLimited, Retryable, StoreUnavailable, Unavailable, UnknownOutcome
from isthmus.mapping import ABSENT, Lens
from isthmus.model.fields import Canonical, covers
from isthmus.model.state import Item, Link, LinkState, Problem

__all__ = [
    "ACTIVE",
    "doubt_about",
    "is_parked",
    "is_unsure",
    "pending",
    "problem_of",
    "same_place",
    "stands_in",
    "to_be_read",
    "to_be_sent_again",
]

ACTIVE = frozenset({LinkState.LINKED, LinkState.CREATING})
PASSING = frozenset(error.code for error in (Retryable, Unavailable, StoreUnavailable, RateLimited, UnknownOutcome))
"""Codes of problems that pass by themselves."""


def is_parked(link: Link) -> bool:
    """Whether the link was set aside for a person. A failure that passes is none, also when what it was due for has
    given way to something else, such as reading the record again."""
    return link.problem is not None and link.due_at is None and link.problem.code not in PASSING


def same_place(one: Link, other: Link) -> bool:
    """Whether both are of the same resource of the same system."""
    return (one.system, one.resource) == (other.system, other.resource)


def stands_in(other: Link, link: Link) -> bool:
    """Whether this is another record of the same place that stays."""
    return same_place(other, link) and other.id != link.id and other.state is LinkState.LINKED and other.doom is None


def is_unsure(link: Link) -> bool:
    """Whether a create was sent whose outcome is not known."""
    return link.state is LinkState.CREATING and link.intent is not None and link.intent.sent_at is not None


def to_be_read(link: Link, now: datetime) -> Link:
    """The link, its record to be read and taken in at once, whether it changed or not."""
    return replace(link, waits_for="read", due_at=now, digest=None)


def to_be_sent_again(link: Link) -> Link:
    """The link of a create that was sent and not found: what it carried then is kept. A look by content does not find a
    record that somebody has edited, and a system that knows its token answers with it."""
    intent = link.intent
    return link if intent is None else replace(link, intent=replace(intent, first=intent.first or intent.fields))


def doubt_about(link: Link) -> str:
    """What a create waits for that may be the record of this link, which has no item yet."""
    return f"doubt/{link.id}"


def pending(link: Link, item: Item, lens: Lens) -> dict[str, Canonical]:
    """Fields whose hub value this system does not have yet and may be given (SPEC 1)."""
    found: dict[str, Canonical] = {}
    base, fields, plain = link.base, item.fields, lens.plain
    for field in lens.updated:
        value = fields.get(field, ABSENT)
        if value is ABSENT or field in link.conflicts:
            continue
        known = base.get(field, ABSENT)
        if known == value and field in plain:
            continue
        wanted = value if field in lens.only_written else lens.view(field, value)
        if known is not ABSENT and covers(known, wanted):
            continue
        if known is ABSENT and wanted is None:
            continue
        held = link.not_held.get(field)
        if held is not None and (held.sure or held.absent) and held.wanted == wanted:
            continue
        found[field] = value
    return found


def problem_of(error: Any, now: datetime, field: str | None = None) -> Problem:
    """An error as it is kept on a link."""
    return Problem(error.code, error.message, error.advice, getattr(error, "field", None) or field, now)
