"""A record that is asked about after a merge goes over to what its item was merged into: a person says so, or nothing
is left to ask (SPEC 7). Pure."""

from __future__ import annotations

from msgspec.structs import replace

from isthmus.model.state import Cause, InboxKind, Link, LinkState
from isthmus.sync.standing import to_be_read
from isthmus.sync.working import Working

__all__ = ["revive", "stand_in", "take_over"]


def stand_in(work: Working, gone: Link) -> bool:
    """Where of two records that are one thing since a merge the one vanished, and a person was still asked about the
    other, that one takes its place: there is nothing left to ask. Whether there was one."""
    for id in work.asked:
        twin = work.links.get(id)
        if twin is None or twin.state is not LinkState.DOUBTFUL or twin.item is None or twin.doom is not None:
            continue
        same_place = (twin.flow, twin.system, twin.resource) == (gone.flow, gone.system, gone.resource)
        if same_place and work.heir(twin.item) == gone.item:
            take_over(work, twin, Cause("system", gone.system, gone.key or ""))
            return True
    return False


def take_over(work: Working, link: Link, cause: Cause) -> None:
    """The record belongs to what its item was merged into. What it showed while it was asked about was not merged with
    anything; and where every other record has gone meanwhile, the item lives again by this one."""
    assert link.item is not None
    work.close(InboxKind.MERGE, link.id)
    item = work.heir(link.item)
    if work.items[item].deleted_at is not None:
        revive(work, item, link, cause)
    work.put_link(to_be_read(replace(link, item=item, state=LinkState.LINKED, doom=None), work.now))


def revive(work: Working, item_id: str, by: Link, cause: Cause) -> None:
    """A record carries the item again, ``by``: it lives, what was to be removed stays, and what was removed because of
    it is made again."""
    item = work.items[item_id]
    if item.deleted_at is not None:
        work.put_item(replace(item, deleted_at=None))
        work.note(item.id, "@restored", None, by.system, cause)
    for sibling in work.links_of(item.id):
        work.close(InboxKind.DELETE, sibling.id)
        if sibling.doom is not None:
            work.put_link(replace(sibling, doom=None))
        elif item.deleted_at is not None and sibling.state is LinkState.GONE and sibling.id != by.id:
            # Its record was removed because this one was: it is made again.
            work.drop_link(sibling)
