"""A process that serves pages and programs on the store of a hub whose work others do.

It opens the far systems itself, because the shop and previews ask them; but it begins without them, goes on without
those that it cannot reach, and says which these are. It writes nothing to them but what somebody asks for on a page.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from isthmus.app.bootstrap import Hub, clock, make_world, new_id, open_store, open_system
from isthmus.app.renewing import LOOK_EVERYWHERE, changed_project
from isthmus.errors import IsthmusError, Paused, StoreUnavailable, Unavailable
from isthmus.store import Reads
from isthmus.sync.engine import Engine
from isthmus.sync.health import LONGEST
from isthmus.sync.outcome import pause
from isthmus.sync.pauses import PauseBook

__all__ = ["follow_hub", "keep_open", "open_pages"]

AGAIN = 1.0
"""Seconds until it is looked again when the store did not answer, or a paused system may have been resumed."""


@asynccontextmanager
async def open_pages(folder: Path) -> AsyncIterator[Hub]:
    """A hub for pages: its store is open, its systems are opened by :func:`keep_open`. Nothing runs in it."""
    async with open_store(folder) as (project, store):
        world = await make_world(project, store)
        pauses = PauseBook()
        pauses.fill(await Reads(store).pauses())
        engine = Engine(store, world, {}, clock=clock, new_id=new_id, jitter=random.random, pauses=pauses)
        down: dict[str, IsthmusError] = {name: _not_yet(name) for name in project.systems}
        try:
            yield Hub(project=project, store=store, world=world, engine=engine, down=down)
        finally:
            await asyncio.gather(*(system.close() for system in engine.systems.values()), return_exceptions=True)


def _not_yet(system: str) -> IsthmusError:
    return Unavailable(f"{system} is being opened.")


async def keep_open(hub: Hub, opened: Callable[[str], Awaitable[None]]) -> None:
    """Open every system that flows use, those that fail again and again, until cancelled; ``opened`` is called with
    each."""
    trying: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            # Other flows may use other systems.
            for name in hub.world.systems():
                if name in hub.project.systems and name not in trying:
                    trying[name] = group.create_task(_open(hub, name, opened))
            await asyncio.sleep(AGAIN)


async def _open(hub: Hub, name: str, opened: Callable[[str], Awaitable[None]]) -> None:
    tries = 0
    while True:
        if (paused := hub.engine.pauses.of(name)) is not None:
            # Opening is a call, too.
            hub.down[name] = Paused(paused.sentence)
            await asyncio.sleep(AGAIN)
            continue
        found = await open_system(hub.project, name)
        if not isinstance(found, IsthmusError):
            hub.engine.add_system(name, found)
            hub.down.pop(name, None)
            await opened(name)
            return
        hub.down[name] = found
        await asyncio.sleep(min(pause(tries, random.random()), LONGEST).total_seconds())  # noqa: S311 - no secret
        tries += 1


async def follow_hub(hub: Hub, renewed: Callable[[], None]) -> None:
    """Take over what others change, until cancelled: pauses, and flows, after which ``renewed`` is called."""
    async for notice in hub.store.notifications():
        everything = notice == LOOK_EVERYWHERE
        try:
            if notice.pauses or everything:
                hub.engine.pauses.fill(await Reads(hub.store).pauses())
            if notice.flows or everything:
                found = await changed_project(hub.project, hub.store)
                if found is not None:
                    hub.project, hub.world = found, await make_world(found, hub.store)
                    hub.engine.take_up(hub.world)
                    renewed()
        except StoreUnavailable as error:
            await asyncio.sleep(error.wait or AGAIN)
