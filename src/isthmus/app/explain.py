"""``explain``: one answer to "is this record in step, and if not, why and what can I do?" (SPEC 10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from isthmus.model.flow import Flow
from isthmus.project import Project
from isthmus.store import Reads
from isthmus.sync.explain import Part, explain_link, not_created
from isthmus.sync.pauses import PauseBook
from isthmus.sync.world import World, missing_fields

__all__ = ["Answer", "Part", "explain"]


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
    world = World(project.flows, project.converters, project.entities)
    pauses = PauseBook()
    pauses.fill(await reads.pauses())
    for place, gone in missing_fields(await reads.far_fields()).items():
        world.lose(*place, gone)
    entries = {entry.subject: entry for entry in await reads.entries_about([link.id for link in links])}
    item_ids = [link.item for link in links if link.item is not None]
    if not item_ids:
        part = explain_link(world, links[0], None, entries.get(links[0].id), {}, pauses)
        return Answer(in_step=False, sentence=part.sentence, advice=part.advice, parts=[part])
    found = await reads.item_with_links(item_ids[0])
    assert found is not None
    entries = {e.subject: e for e in await reads.entries_about([link.id for link in found.links])}
    feeds = {(f.system, f.resource): f for f in (await reads.status(now)).feeds}
    parts = [explain_link(world, link, found.item, entries.get(link.id), feeds, pauses) for link in found.links]
    parts += not_created(world, found.item, found.links)
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
