"""Which differences may go away by themselves while a hub is at work: only for those is it worth waiting. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isthmus.model.state import InboxKind, Link, LinkState
from isthmus.reconcile.drift import Drift, DriftKind
from isthmus.reconcile.ports import Questions
from isthmus.sync.brake import kind_of
from isthmus.sync.standing import is_parked

__all__ = ["any_may_pass"]


def any_may_pass(drifts: Sequence[Drift], links: Mapping[str, Link], open_now: Questions) -> bool:
    """Whether waiting may change any of these: what a person is asked about, or a system keeps otherwise than it was
    asked, stays as it is until somebody answers or edits. ``links`` by id."""
    return any(_may_pass(drift, links.get(drift.link or ""), open_now) for drift in drifts)


def _may_pass(drift: Drift, link: Link | None, open_now: Questions) -> bool:
    if link is None:
        return True  # the hub has not read it yet, or has yet to make it
    asked = open_now.about.get(link.id, frozenset())
    if link.waits_for is not None:
        return link.waits_for not in open_now.awaited
    match drift.kind:
        case DriftKind.CONFLICT:
            return InboxKind.CONFLICT not in asked
        case DriftKind.NOT_HELD:
            return link.due_at is not None
        case DriftKind.PARKED:
            return not (asked and is_parked(link))
        case DriftKind.DOUBTFUL:
            return not asked
        case DriftKind.UNLINKED:
            return not asked or link.due_at is not None
        case DriftKind.MISSING:
            return not (asked and is_parked(link)) and kind_of(link) not in open_now.held
        case DriftKind.PENDING:
            return kind_of(link) not in open_now.held
        case DriftKind.DELETED:
            # Of one that is only about to be noticed nothing is known yet.
            return link.state is not LinkState.GONE or link.item not in open_now.deletes
    return True
