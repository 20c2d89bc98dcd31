"""A first link from start to rest, and waiting until a running hub has nothing left to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from isthmus.app.approving import approve_brakes
from isthmus.app.bootstrap import Hub, clock, open_hub, open_store
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["Linked", "catch_up", "link", "until_calm"]

PATIENCE = 300.0
"""Seconds until a hub that does not come to rest is given up."""


class Linked(msgspec.Struct, kw_only=True):
    """What a first link did. ``approvals``: how often a mass change waited for a yes."""

    read: int = 0
    met: int = 0
    handled: int = 0
    approvals: int = 0
    problems: dict[str, str] = {}


async def catch_up(hub: Hub) -> Linked:
    """Catch up, approving every mass change, until nothing is left to do."""
    done = Linked()
    while True:
        turn = await hub.engine.catch_up()
        done.read += turn.read
        done.met += turn.met
        done.handled += turn.handled
        done.problems |= turn.problems
        if done.approvals and not turn.handled:
            return done
        if not await approve_brakes(hub, by="benchmark"):
            return done
        done.approvals += 1


async def link(folder: Path, say: Callable[[str], None]) -> None:
    """First link of the project in ``folder``, as preparation of another benchmark."""
    say("linking the two systems first")
    async with open_hub(folder, prepare=True) as hub:
        done = await catch_up(hub)
    say(f"linked: {done.handled} writes; problems: {done.problems or 'none'}")


async def until_calm(folder: Path, since: datetime) -> None:
    """Wait until the running hub has looked at everything since ``since`` and has nothing due, twice in a row."""
    limit = time.monotonic() + PATIENCE
    calm = 0
    async with open_store(folder) as (project, store):
        world = World(project.flows, project.converters)
        wanted = {(system, resource) for system in world.systems() for resource in world.resources(system)}
        while calm < 2:
            if time.monotonic() > limit:
                raise TimeoutError(f"The hub did not come to rest within {PATIENCE:.0f} s.")
            await asyncio.sleep(1.0)
            status = await Reads(store).status(clock())
            looked = {
                (feed.system, feed.resource)
                for feed in status.feeds
                if feed.polled_at is not None and feed.polled_at > since
            }
            calm = calm + 1 if wanted <= looked and not any(flow.due for flow in status.flows) else 0
