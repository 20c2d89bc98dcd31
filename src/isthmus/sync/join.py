"""Joining: a reading gets its item, two items become one (SPEC 7). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from isthmus.model.fields import Canonical
from isthmus.model.flow import MergePolicy
from isthmus.model.state import Cause, InboxKind, Link, LinkState
from isthmus.sync.absorb import absorb_gone, merge_into_item
from isthmus.sync.agreeing import agreed_before
from isthmus.sync.standing import is_unsure, same_place
from isthmus.sync.twins import take_over
from isthmus.sync.working import Working

__all__ = ["MERGE_CHOICES", "attach", "fill_gaps", "follow", "join_items", "there_already", "way_out"]

MERGE_CHOICES = ("archive", "keep", "separate")


def attach(work: Working, link: Link, item_id: str) -> None:
    """Link a reading (state new or doubtful) to an item and merge what it shows, as first contact. Where a create of
    its place had been sent and nothing was found of it, the record may be what came of that."""
    base: Mapping[str, Canonical] = {}
    for other in work.links_of(item_id):
        if same_place(other, link) and other.state is LinkState.CREATING and other.intent is not None:
            base = agreed_before(work, link, other.intent.first)
    there_already(work, link, item_id)
    linked = replace(link, item=item_id, state=LinkState.LINKED, base=base, problem=None, due_at=None)
    work.put_link(linked)
    work.close(InboxKind.MATCH, link.id)
    work.put_link(merge_into_item(work, linked, linked.far, Cause("system", link.system, link.key or "")))


def there_already(work: Working, link: Link, item_id: str) -> None:
    """This record is to carry the item: a create of its place that was decided but not sent is dropped. One that was
    sent is looked up (once more, where a person is asked what came of it): it is not sent again."""
    for other in work.links_of(item_id):
        if same_place(other, link) and other.state is LinkState.CREATING:
            if is_unsure(other):
                work.put_link(replace(other, due_at=work.now))
            else:
                work.drop_link(other)


def join_items(work: Working, loser_link: Link, winner_link: Link) -> None:
    """A far system merged the loser's record into the winner's: the items become one as well. The loser's records in
    other systems follow the flow's ``merge`` policy; the loser's id stays as an alias, its history stays readable."""
    assert loser_link.item is not None
    assert winner_link.item is not None
    loser, winner = loser_link.item, work.heir(winner_link.item)
    cause = Cause("system", loser_link.system, loser_link.key or "")
    if winner_link.state is LinkState.DOUBTFUL:
        # It was asked whether it is the same thing: it is.
        take_over(work, winner_link, cause)
    if work.heir(loser) == winner:
        absorb_gone(work, loser_link)
        return
    fill_gaps(work, loser, winner, cause)
    for kind in InboxKind:
        work.close(kind, loser_link.id)
    work.put_link(replace(loser_link, state=LinkState.GONE, item=winner, due_at=None, conflicts={}, problem=None))
    for sibling in work.links_of(loser):
        side = work.flow(sibling).sides.get(sibling.system)
        policy = side.merge if side is not None else MergePolicy.HOLD
        follow(work, sibling, winner, policy, loser_link.system)
    work.put_item(replace(work.items[loser], alias_of=winner, deleted_at=work.now))
    work.note(loser, "@merged", None, winner, cause)
    work.note(winner, "@merged", loser, None, cause)


def fill_gaps(work: Working, loser: str, winner: str, cause: Cause) -> None:
    """What the winner of a merge knows nothing of it gets from the loser. Its records that go over to the winner have
    these values and their base has them too: nobody else would ever tell the winner, or they would be written away."""
    kept = work.items[winner].fields
    for name, value in work.items[loser].fields.items():
        if value not in (None, "", []) and kept.get(name) in (None, "", []):
            work.set_field(winner, name, value, cause)


def way_out(work: Working, link: Link) -> str:
    """What becomes of a record that is not needed any more: archived where the flow says how, else deleted."""
    return "archive" if work.flow(link).sides[link.system].archive else "delete"


def follow(work: Working, sibling: Link, winner: str, policy: MergePolicy, merged_in: str) -> None:
    """A record of a merged item goes to the ``winner``, and what becomes of it there; ``merged_in``: where it was
    merged, for people. What they are asked about stays with its item until they have answered."""
    if sibling.state in (LinkState.GONE, LinkState.UNLINKED):
        work.put_link(replace(sibling, item=winner))
        return
    if sibling.state is LinkState.CREATING:
        if is_unsure(sibling):
            work.put_link(replace(sibling, item=winner))
        else:
            work.drop_link(sibling)
        return
    held = [x for x in work.links_of(winner) if same_place(x, sibling)]
    moved = replace(sibling, item=winner, base=sibling.base)
    there_already(work, sibling, winner)
    if not any(x.state is LinkState.LINKED for x in held) or policy is MergePolicy.KEEP:
        work.put_link(moved)
    elif policy is MergePolicy.ARCHIVE:
        work.put_link(replace(moved, doom=way_out(work, sibling)))
    else:
        work.put_link(replace(sibling, state=LinkState.DOUBTFUL, due_at=None))
        name = work.items[winner].fields.get("name") or sibling.key
        work.ask(
            InboxKind.MERGE,
            sibling,
            f"{name} was merged in {merged_in}; {sibling.system} still has {len(held) + 1} records of it.",
            detail={
                "system": sibling.system,
                "key": sibling.key,
                "others": [x.key for x in held],
                "merged_in": merged_in,
                "winner": winner,
            },
            choices=MERGE_CHOICES,
        )
