"""The inbox as people use it: decide one question, approve mass changes, retry what was set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from isthmus.app.bootstrap import Hub, clock, new_id, open_store
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.store import Reads
from isthmus.sync.decide import decide, retry
from isthmus.sync.engine import Round
from isthmus.sync.world import World

__all__ = ["approve_brakes", "catch_up_approving", "decide_entry", "retry_parked"]


async def approve_brakes(hub: Hub, *, by: str) -> int:
    """Approve every mass change that waits now; how many. Each approval covers the writes that wait, no more."""
    entries = await Reads(hub.store).inbox(kind=InboxKind.BRAKE, limit=1000)
    for entry in entries:
        await decide(hub.store, hub.world, entry.id, "approve", by=by, now=clock(), new_id=new_id)
    return len(entries)


async def catch_up_approving(
    hub: Hub,
    *,
    by: str,
    report: Callable[[str, str, int], None] | None = None,
    after_round: Callable[[Round], None] | None = None,
) -> Round:
    """Catch up once, approving every mass change on the way. What was approved is written without reading everything
    again."""
    done = await hub.engine.catch_up(report, after_round)
    while await approve_brakes(hub, by=by):
        before = done.handled
        done = await hub.engine.settle(done, after_round)
        if done.handled == before:
            break
    return done


async def decide_entry(
    folder: Path, entry: str, choice: str, *, by: str, fields: Mapping[str, Any], item: str | None
) -> InboxEntry:
    """Carry out one decision in the project's store. A running hub takes it from there at once."""
    async with open_store(folder) as (project, store):
        world = World(project.flows, project.converters, project.entities)
        return await decide(store, world, entry, choice, by=by, now=clock(), new_id=new_id, fields=fields, item=item)


async def retry_parked(folder: Path, *, flow: str | None, system: str | None, key: str | None) -> int:
    """Try again what was set aside; how many records."""
    async with open_store(folder) as (_, store):
        links = await Reads(store).parked(flow=flow, system=system, limit=100_000)
        ids = [link.id for link in links if key is None or link.key == key]
        return await retry(store, ids, clock())
