"""What people do to links by hand: set a record apart, link it with another item, give it an item of its own, merge two
items, and part them again (SPEC 7). Pure: on a :class:`Working`; what must be written follows from it as always."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from isthmus.errors import NeedsPerson
from isthmus.model.fields import Canonical
from isthmus.model.flow import CreatePolicy, MergePolicy
from isthmus.model.state import Cause, InboxKind, Item, Link, LinkState
from isthmus.sync.join import attach, fill_gaps, follow, there_already
from isthmus.sync.plan import can_restore
from isthmus.sync.standing import ACTIVE, is_unsure, same_place, to_be_read
from isthmus.sync.working import Working

__all__ = ["MOVED", "give_own_item", "merge_items", "part_items", "set_apart", "take_up"]

MOVED = "@moved"
"""Journal entry of a merged item: the links that went with it."""


def set_apart(work: Working, link: Link, cause: Cause) -> None:
    """The record is kept out of step from now on, and left as it is; nothing is made in its place."""
    _check_sure(link)
    if link.state in (LinkState.GONE, LinkState.UNLINKED):
        raise NeedsPerson("This record is not linked.")
    work.put_link(replace(_clean(work, link), state=LinkState.UNLINKED))
    if link.item is not None:
        work.note(link.item, "@unlinked", None, place_of(link), cause)


def take_up(work: Working, link: Link, item_id: str, cause: Cause) -> None:
    """The record belongs to this item from now on, and is merged with it as at first contact. A record of the same
    place that the item has is set apart. One that was set apart from this very item goes on where it stopped."""
    _check_sure(link)
    item = _living(work, item_id)
    if link.key is None or link.state in (LinkState.GONE, LinkState.CREATING):
        raise NeedsPerson("There is no such record to link with.")
    if work.flow(link).entity.name != item.entity:
        raise NeedsPerson(f"This record is no {item.entity}.")
    if link.item == item_id and link.state is LinkState.LINKED:
        raise NeedsPerson("They are linked already.")
    before = link.item
    if before is not None and before != item_id:
        if link.state is LinkState.LINKED and not _others(work, link):
            raise NeedsPerson(
                "It is the only record of what it belongs to now.", advice="Merge the two records of the hub instead."
            )
        work.note(before, "@unlinked", None, place_of(link), cause)
    for other in work.links_of(item_id):
        if other.id != link.id and same_place(other, link) and other.state is LinkState.LINKED:
            set_apart(work, other, cause)
        elif same_place(other, link) and is_unsure(other):
            _check_sure(other)
    work.note(item_id, "@linked", None, place_of(link), cause)
    clean = _clean(work, link)
    if link.state is not LinkState.UNLINKED:
        attach(work, _as_stranger(clean), item_id)
        return
    there_already(work, link, item_id)
    # Nobody has read it since it was set apart.
    base = link.base if before == item_id else {}
    work.put_link(to_be_read(replace(clean, item=item_id, state=LinkState.LINKED, base=base), work.now))


def give_own_item(work: Working, link: Link, cause: Cause, new_id: str | None = None) -> str:
    """The record is something else than the others of its item: it gets an item of its own, made from what it shows."""
    if link.item is None or link.state is not LinkState.LINKED:
        raise NeedsPerson("This record is not linked.")
    if not _others(work, link):
        raise NeedsPerson("It is the only record of its kind here: there is nothing to separate it from.")
    before = link.item
    new = work.new_item(work.items[before].entity, new_id)
    work.note(new.id, "@born", None, place_of(link), cause)
    work.note(before, "@unlinked", None, place_of(link), cause)
    attach(work, _as_stranger(_clean(work, link)), new.id)
    return new.id


def merge_items(work: Working, loser: str, winner: str, policy: MergePolicy | None, cause: Cause) -> None:
    """Two items are the same thing. The winner's values stay; what it knows nothing of it gets from the loser, whose
    records follow ``policy`` (None: the flow's, per system) where the winner has one of its own."""
    lost, kept = _living(work, loser), _living(work, winner)
    if loser == winner:
        raise NeedsPerson("These are one and the same already.")
    if lost.entity != kept.entity:
        raise NeedsPerson(f"A {lost.entity} and a {kept.entity} cannot be the same.")
    siblings = work.links_of(loser)
    for sibling in siblings:
        _check_sure(sibling)
    fill_gaps(work, loser, winner, cause)
    for sibling in siblings:
        side = work.flow(sibling).sides.get(sibling.system)
        followed = policy or (side.merge if side is not None else MergePolicy.HOLD)
        follow(work, sibling, winner, followed, "the hub")
        _reread_conflicts(work, sibling.id)
    moved = [link.id for link in work.links_of(winner) if link.id in {sibling.id for sibling in siblings}]
    work.put_item(replace(work.items[loser], alias_of=winner, deleted_at=work.now))
    work.note(loser, "@merged", None, winner, cause)
    work.note(loser, MOVED, None, list(moved), cause)
    work.note(winner, "@merged", loser, None, cause)


def part_items(
    work: Working, loser: str, moved: Collection[str], filled: Mapping[str, tuple[Canonical, Canonical]], cause: Cause
) -> None:
    """Take a merge back: the loser lives again with the values it had and the records that went with it (``moved``).
    Those that were archived are taken back into use where flags say that; those that are gone are made anew where the
    flow makes records. What the winner got from it (``filled``: field -> before, after) and still has as it was goes
    away again."""
    alias = work.items[loser]
    winner = alias.alias_of
    if winner is None:
        raise NeedsPerson("It is not merged (any more).")
    links = [link for link in work.links_of(winner) if link.id in moved]
    # What people have not decided about is still its own.
    links += [link for link in work.links_of(loser) if link.state is LinkState.DOUBTFUL]
    if not links:
        raise NeedsPerson("None of its records is there any more.", advice="Separate a record, or make it anew.")
    work.put_item(replace(alias, alias_of=None, deleted_at=None))
    for link in links:
        _check_sure(link)
        work.close(InboxKind.MERGE, link.id)
        if link.state is LinkState.GONE:
            _make_anew(work, link, loser)
            continue
        back = replace(link, item=loser, doom=None)
        if link.state is LinkState.UNLINKED and can_restore(work.flow(link).sides[link.system].archive):
            back = replace(back, state=LinkState.LINKED, doom="restore")
        if link.state is LinkState.DOUBTFUL:
            # What it showed since then was not merged with anything.
            back = to_be_read(replace(back, state=LinkState.LINKED), work.now)
        work.put_link(back)
        _reread_conflicts(work, link.id)
    for name, (before, after) in filled.items():
        if work.items[winner].fields.get(name) == after:
            work.set_field(winner, name, before, cause)
    work.note(loser, "@parted", None, winner, cause)
    work.note(winner, "@parted", None, loser, cause)


def _make_anew(work: Working, gone: Link, item: str) -> None:
    """A record in the place of one that is gone, where the flow makes records."""
    work.drop_link(gone)
    if work.flow(gone).sides[gone.system].create is CreatePolicy.ALWAYS:
        work.begin_create(gone.flow, gone.system, gone.resource, item)


def place_of(link: Link) -> str:
    """The record in one word, as the journal names it."""
    return f"{link.system}/{link.resource}/{link.key or '-'}"


def _living(work: Working, id: str) -> Item:
    item = work.items.get(id)
    if item is None:
        raise NeedsPerson(f"There is no item {id}.")
    if item.alias_of is not None:
        raise NeedsPerson(f"{id} was merged into {item.alias_of}.")
    if item.deleted_at is not None:
        raise NeedsPerson(f"{id} is deleted.")
    return item


def _check_sure(link: Link) -> None:
    if is_unsure(link):
        raise NeedsPerson(
            f"It is not known yet whether its record in {link.system} was made.", advice="Wait until it is looked up."
        )


def _others(work: Working, link: Link) -> list[Link]:
    """Other records that carry the same item."""
    return [other for other in work.links_of(link.item or "") if other.id != link.id and other.state in ACTIVE]


def _as_stranger(link: Link) -> Link:
    """The link as of a record that has not met its item: nothing is agreed on with it."""
    return replace(link, item=None, base={}, unseen={}, state=LinkState.NEW)


def _clean(work: Working, link: Link) -> Link:
    """The link with nothing left to be done or asked."""
    for kind in InboxKind:
        work.close(kind, link.id)
    return replace(
        link,
        due_at=None,
        waits_for=None,
        problem=None,
        attempts=0,
        conflicts={},
        not_held={},
        doom=None,
        intent=None,
    )


def _reread_conflicts(work: Working, id: str) -> None:
    """A conflict with another item's value is none with this one's: the record is read and merged anew."""
    link = work.links.get(id)
    if link is not None and link.conflicts:
        work.close(InboxKind.CONFLICT, link.id)
        work.put_link(to_be_read(replace(link, conflicts={}), work.now))
