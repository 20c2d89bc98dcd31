"""Why a record is not in step, in one sentence a salesperson understands, and what to do (SPEC 10). Pure: a function of
the link, its item and what is known of its resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from isthmus.mapping import Lens
from isthmus.mapping.lens import holds
from isthmus.model.fields import covers
from isthmus.model.state import FeedState, InboxEntry, Item, Link, LinkState
from isthmus.sync.pauses import PauseBook
from isthmus.sync.standing import pending
from isthmus.sync.world import World

__all__ = ["Part", "explain_link", "not_created"]


WAITING = ("waiting to be written", "waiting", "delayed", "new")
"""States in which something is still to be done to the record by itself."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one counterpart of the record."""

    flow: str
    system: str
    resource: str
    key: str | None
    state: str
    sentence: str
    advice: str = ""
    fields: dict[str, Any] = {}
    """Fields at issue: name -> what base, hub and system hold."""
    inbox: str | None = None


def explain_link(
    world: World,
    link: Link,
    item: Item | None,
    entry: InboxEntry | None,
    feeds: Mapping[tuple[str, str], FeedState],
    pauses: PauseBook | None = None,
) -> Part:
    """The answer for one link: ``entry`` is the open question about it, ``feeds`` are by (system, resource)."""
    feed = feeds.get((link.system, link.resource))
    state, sentence, advice = _reason(world, link, item, feed)
    if state == "in step" and feed is not None and feed.failing_since is not None:
        problem = feed.problem.message if feed.problem is not None else "no answer"
        sentence = f"in step when {link.system} was last seen; it cannot be reached now ({problem})"
    pause = pauses.of(link.system, link.resource) if pauses is not None else None
    if pause is not None:
        sentence = f"{sentence}; {pause.sentence}"
        advice = advice if state not in WAITING else "It goes on when it is resumed: isthmus system resume."
    fields: dict[str, Any] = {
        name: {"base": c.base, "hub": c.hub, link.system: c.far} for name, c in link.conflicts.items()
    }
    fields |= {name: {"wanted": n.wanted, link.system: n.got} for name, n in link.not_held.items() if n.sure}
    if item is not None and not fields and state in ("waiting to be written", "delayed"):
        lens = world.lenses[(link.flow, link.system)]
        fields = {
            name: {"hub": value, link.system: link.far.get(name)} for name, value in pending(link, item, lens).items()
        }
    if pause is not None and state in WAITING:
        state = "paused"
    if entry is not None:
        advice = f"Decide inbox entry {entry.id}: {', '.join(entry.choices)}."
    return Part(
        flow=link.flow,
        system=link.system,
        resource=link.resource,
        key=link.key,
        state=state,
        sentence=sentence,
        advice=advice,
        fields=fields,
        inbox=entry.id if entry is not None else None,
    )


def _apart(link: Link, there: str) -> tuple[str, str, str] | None:
    """Of links that carry no item (yet, or any more)."""
    match link.state:
        case LinkState.DOUBTFUL:
            return "doubtful", f"it is not clear which record {there} {link.key} belongs to", "Decide it in the inbox."
        case LinkState.GONE:
            return "gone", f"{there} {link.key} was deleted", "Restore it there if it should be."
        case LinkState.UNLINKED:
            return (
                "kept out",
                f"{there} {link.key} was set apart and is not kept in step",
                "Link it again if it should be.",
            )
        case LinkState.NEW if link.waits_for is None:
            return (
                "new",
                f"{there} {link.key} was read and is about to be matched, once every create there has its answer",
                f"Nothing to do, unless the inbox asks about a create in {link.system}.",
            )
    return None


def _reason(world: World, link: Link, item: Item | None, feed: FeedState | None) -> tuple[str, str, str]:
    """(state, sentence, advice) of one link; the most pressing reason wins."""
    there = f"{link.system} {link.resource}"
    if (apart := _apart(link, there)) is not None:
        return apart
    set_aside = link.problem is not None and link.due_at is None
    if link.conflicts and not set_aside:
        # Before everything that passes by itself: a write that is tried again must not hide a person's question.
        names = ", ".join(link.conflicts)
        return (
            "conflict",
            f"{names}: changed in {link.system} and elsewhere since both last agreed",
            "Decide in the inbox.",
        )
    if link.waits_for is not None:
        return _waiting(link, there)
    if link.problem is not None:
        again = f"; tried again at {link.due_at:%H:%M:%S}" if link.due_at is not None else ""
        state = "delayed" if link.due_at is not None else "set aside"
        return state, f"{there}: {link.problem.message}{again}", link.problem.advice or "Correct it, then retry."
    if link.state is LinkState.CREATING:
        return _creating(link, there, feed)
    if link.doom is not None:
        return "waiting to be written", f"{there} {link.key} is about to be {link.doom}d", "Nothing to do."
    assert item is not None
    waiting = pending(link, item, world.lenses[(link.flow, link.system)])
    if waiting:
        since = f", due {link.due_at:%H:%M:%S}" if link.due_at is not None else ""
        return (
            "waiting to be written",
            f"{', '.join(sorted(waiting))} still to be written to {there} {link.key}{since}",
            "Nothing to do, unless the inbox holds a mass change for approval.",
        )
    if lost := _lost(world.lenses[(link.flow, link.system)], link, item):
        return (
            "waiting",
            f"{link.system} has no place for {', '.join(lost)} any more",
            "It is written when the field is back there; or take it out of the flow.",
        )
    if link.not_held:
        names = ", ".join(link.not_held)
        return (
            "not held",
            f"{link.system} keeps {names} otherwise than asked",
            f"Change it in {link.system}, or accept it.",
        )
    return "in step", f"in step with {there} {link.key}", ""


def _lost(lens: Lens, link: Link, item: Item) -> list[str]:
    """Fields that would have to be written if the system still had them."""
    absent = {name for name, held in link.not_held.items() if held.absent and name in item.fields}
    return [
        name
        for name in sorted(lens.lost & set(item.fields) | absent)
        if not covers(link.base.get(name), lens.view(name, item.fields[name]))
    ]


def _waiting(link: Link, there: str) -> tuple[str, str, str]:
    assert link.waits_for is not None
    if link.waits_for == "read":
        return "waiting", f"{there} {link.key} is about to be read again", "Nothing to do."
    if link.waits_for.startswith("doubt/"):
        return (
            "waiting",
            f"it is not created in {link.system} because a record there may be the same thing",
            "Decide the doubtful match in the inbox; or that record waits for its parent: see why that is not linked.",
        )
    if link.waits_for.count("/") == 1:
        item, system = link.waits_for.split("/")
        return (
            "waiting",
            f"the record it belongs to (item {item}) is not in {system} yet",
            "It goes on by itself when that one is there; see why it is not.",
        )
    system, resource, key = link.waits_for.split("/", 2)
    return (
        "waiting",
        f"it belongs to {system} {resource} {key}, which is not linked yet",
        f"Run: isthmus explain {system} {resource} {key}",
    )


def _creating(link: Link, there: str, feed: FeedState | None) -> tuple[str, str, str]:
    if link.intent is not None and link.intent.sent_at is not None:
        return (
            "unsure",
            f"it was sent to {there} at {link.intent.sent_at:%H:%M:%S} and no answer came; it is being looked up",
            "Nothing to do: it is never sent twice blindly.",
        )
    if feed is None or feed.scanned_at is None:
        return (
            "waiting",
            f"it is created in {there} when that was read completely once, so that nothing is made twice",
            "Nothing to do; if it takes long, see why it cannot be read: isthmus status",
        )
    return "waiting to be written", f"it is about to be created in {there}", "Nothing to do."


def not_created(world: World, item: Item, links: Sequence[Link]) -> list[Part]:
    """Systems that should have the record but whose conditions for creating it are not met."""
    parts = []
    held = {(link.system, link.resource) for link in links}
    for flow in {link.flow for link in links if link.state is LinkState.LINKED}:
        for side in world.flows[flow].sides.values():
            if (side.system, side.resource) in held or side.create != "always" or item.deleted_at is not None:
                continue
            lacking = [c.field for c in side.create_when if not holds(c, item.fields)]
            parts.append(
                Part(
                    flow=flow,
                    system=side.system,
                    resource=side.resource,
                    key=None,
                    state="not created",
                    sentence=f"it is not created in {side.system} because {', '.join(lacking) or 'nothing'} is missing",
                    advice=f"Fill {', '.join(lacking)} where it comes from." if lacking else "",
                )
            )
    return parts
