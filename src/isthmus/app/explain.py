"""``explain``: one answer to "is this record in step, and if not, why and what can I do?" (SPEC 10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from isthmus.mapping import Lens
from isthmus.mapping.lens import holds
from isthmus.model.fields import covers
from isthmus.model.flow import Flow
from isthmus.model.state import FeedState, InboxEntry, Item, Link, LinkState
from isthmus.project import Project
from isthmus.store import Reads
from isthmus.sync.working import pending
from isthmus.sync.world import World, missing_fields

__all__ = ["Answer", "Part", "explain"]


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


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence first; the parts say it per system."""

    in_step: bool
    sentence: str
    advice: str
    name: str = ""
    item: str | None = None
    parts: Sequence[Part] = ()


async def explain(reads: Reads, project: Project, system: str, resource: str, key: str, now: datetime) -> Answer:
    """Everything that stands between this record and its counterparts."""
    links = await reads.links_of_record(system, resource, key)
    if not links:
        return _unknown(project, system, resource, key)
    world = World(project.flows, project.converters)
    for place, gone in missing_fields(await reads.far_fields()).items():
        world.lose(*place, gone)
    entries = {entry.subject: entry for entry in await reads.entries_about([link.id for link in links])}
    item_ids = [link.item for link in links if link.item is not None]
    if not item_ids:
        part = _part(world, links[0], None, entries.get(links[0].id), now)
        return Answer(in_step=False, sentence=part.sentence, advice=part.advice, parts=[part])
    found = await reads.item_with_links(item_ids[0])
    assert found is not None
    entries = {e.subject: e for e in await reads.entries_about([link.id for link in found.links])}
    feeds = {(f.system, f.resource): f for f in (await reads.status(now)).feeds}
    parts = [_part(world, link, found.item, entries.get(link.id), now, feeds) for link in found.links]
    parts += _not_created(world, found.item, found.links)
    name = str(found.item.fields.get("name") or found.item.fields.get("number") or key)
    wrong = [part for part in parts if part.state != "in step"]
    if not wrong:
        where = " and ".join(sorted({link.system for link in found.links}))
        sentence = f"{name} is in step in {where}." if len(found.links) > 1 else f"{name} exists only in {where}."
        return Answer(in_step=True, sentence=sentence, advice="", name=name, item=found.item.id, parts=parts)
    first = min(wrong, key=lambda part: (part.inbox is None, part.state == "kept out"))
    return Answer(
        in_step=False,
        sentence=f"{name} is not in step: {first.sentence}",
        advice=first.advice,
        name=name,
        item=found.item.id,
        parts=parts,
    )


def _unknown(project: Project, system: str, resource: str, key: str) -> Answer:
    flows = [f for f in project.flows.values() if system in f.sides and f.sides[system].resource == resource]
    if system not in project.systems:
        known = ", ".join(project.systems)
        return Answer(in_step=False, sentence=f"There is no system '{system}'.", advice=f"Known: {known}.")
    if not flows:
        known = ", ".join(sorted({f.sides[system].resource for f in project.flows.values() if system in f.sides}))
        return Answer(
            in_step=False, sentence=f"No flow uses '{resource}' of {system}.", advice=f"Used by flows: {known}."
        )
    return Answer(
        in_step=False,
        sentence=f"The hub has not taken in {system} {resource} {key}.",
        advice=_why_not_taken(flows, system),
    )


def _why_not_taken(flows: Sequence[Flow], system: str) -> str:
    sides = [flow.sides[system] for flow in flows]
    conditions = [
        f"{c.field} is {' or '.join(map(str, c.values))}" if c.present is None else f"{c.field} is filled"
        for side in sides
        for c in side.where
    ]
    if conditions:
        wanted = " and ".join(conditions)
        return f"Only records where {wanted} are taken in; or it does not exist, or is newer than the last look."
    if not any(side.adopt for side in sides):
        return "Records born there are not taken in by this flow, only those that the hub made."
    return "It does not exist there, or is newer than the last look (see status)."


def _part(
    world: World,
    link: Link,
    item: Item | None,
    entry: InboxEntry | None,
    now: datetime,
    feeds: dict[tuple[str, str], FeedState] | None = None,
) -> Part:
    state, sentence, advice = _reason(world, link, item, now)
    feed = (feeds or {}).get((link.system, link.resource))
    if state == "in step" and feed is not None and feed.failing_since is not None:
        problem = feed.problem.message if feed.problem is not None else "no answer"
        sentence = f"in step when {link.system} was last seen; it cannot be reached now ({problem})"
    fields: dict[str, Any] = {
        name: {"base": c.base, "hub": c.hub, link.system: c.far} for name, c in link.conflicts.items()
    }
    fields |= {name: {"wanted": n.wanted, link.system: n.got} for name, n in link.not_held.items()}
    if item is not None and not fields and state == "waiting to be written":
        lens = world.lenses[(link.flow, link.system)]
        fields = {
            name: {"hub": value, link.system: link.far.get(name)} for name, value in pending(link, item, lens).items()
        }
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


def _reason(world: World, link: Link, item: Item | None, now: datetime) -> tuple[str, str, str]:
    """(state, sentence, advice) of one link; the most pressing reason wins."""
    there = f"{link.system} {link.resource}"
    match link.state:
        case LinkState.DOUBTFUL:
            return "doubtful", f"it is not clear which record {there} {link.key} belongs to", "Decide it in the inbox."
        case LinkState.GONE:
            return "gone", f"{there} {link.key} was deleted", "Decide in the inbox, or restore it there."
        case LinkState.UNLINKED:
            return (
                "kept out",
                f"{there} {link.key} was set apart and is not kept in step",
                "Link it again if it should be.",
            )
        case LinkState.NEW if link.waits_for is None:
            return "new", f"{there} {link.key} was just read and is about to be matched", "Nothing to do."
    if link.waits_for is not None:
        return _waiting(link, there)
    if link.problem is not None:
        again = f"; tried again at {link.due_at:%H:%M:%S}" if link.due_at is not None else ""
        state = "delayed" if link.due_at is not None else "set aside"
        return state, f"{there}: {link.problem.message}{again}", link.problem.advice or "Correct it, then retry."
    if link.conflicts:
        names = ", ".join(link.conflicts)
        return (
            "conflict",
            f"{names}: changed in {link.system} and elsewhere since both last agreed",
            "Decide in the inbox.",
        )
    if link.state is LinkState.CREATING:
        return _creating(link, there)
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
    return [
        name
        for name in sorted(lens.lost & set(item.fields))
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
            "Decide the doubtful match in the inbox.",
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


def _creating(link: Link, there: str) -> tuple[str, str, str]:
    if link.intent is not None and link.intent.sent_at is not None:
        return (
            "unsure",
            f"it was sent to {there} at {link.intent.sent_at:%H:%M:%S} and no answer came; it is being looked up",
            "Nothing to do: it is never sent twice blindly.",
        )
    return "waiting to be written", f"it is about to be created in {there}", "Nothing to do."


def _not_created(world: World, item: Item, links: Sequence[Link]) -> list[Part]:
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
