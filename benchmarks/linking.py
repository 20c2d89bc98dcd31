"""A first link from start to rest, and waiting until a running hub has nothing left to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from isthmus.app.approving import catch_up_approving
from isthmus.app.bootstrap import clock, open_hub, open_store
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["link", "until_calm"]

PATIENCE = 300.0
"""Seconds until a hub that does not come to rest is given up."""


async def link(folder: Path, say: Callable[[str], None]) -> None:
    """First link of the project in ``folder``, as preparation of another benchmark."""
    say("linking the two systems first")
    async with open_hub(folder, prepare=True) as hub:
        done = await catch_up_approving(hub, by="benchmark")
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
