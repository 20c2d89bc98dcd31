"""Looking, for all processes that wait for the ERP, whether it shows something else: in one worker at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from isthmus import events
from isthmus.app.bootstrap import Hub
from isthmus.app.business import OpenBusiness
from isthmus.app.waking import Bell
from isthmus.desk.following import FOLLOWERS
from isthmus.desk.ports import BusinessHub
from isthmus.errors import IsthmusError, StoreUnavailable

__all__ = ["follow_documents"]

LOCK = "documents"
LOOK = 2.0
"""Seconds between looks while something moves."""
SELDOM = 15.0
"""Seconds between looks at most, while nothing does and the ERP gives no hint: as often as resources are looked at."""
AGAIN = 5.0
"""Seconds until another worker tries to be the one that looks, and after a failed look."""


async def follow_documents(hub: Hub) -> None:
    """Until cancelled."""
    followers = {name: one for name, one in FOLLOWERS.items() if name in hub.project.processes}
    if not followers:
        return
    # A hint about any record of a system: what processes wait for may have moved with it.
    bell = Bell(hub.store, "isthmus", lambda told: told.startswith("/"))
    async with asyncio.TaskGroup() as group:
        group.create_task(bell.listen())
        await _follow(hub, followers, bell)


async def _follow(hub: Hub, followers: Mapping[str, Callable[[BusinessHub], Awaitable[int]]], bell: Bell) -> None:
    business, failing, rest = OpenBusiness(hub), False, LOOK
    while True:
        try:
            if not (await hub.store.holds(LOCK) or await hub.store.try_lock(LOCK)):
                await asyncio.sleep(AGAIN)
                continue
            moved = sum([await follow(business) for follow in followers.values()])
            failing = False
            rest = LOOK if moved else min(SELDOM, rest * 2)
            await asyncio.sleep(LOOK)
            await bell.wait(rest - LOOK)
        except StoreUnavailable as error:
            await asyncio.sleep(error.wait or AGAIN)
        except IsthmusError as error:
            if not failing:
                events.emit(events.FOLLOW_FAILED, logging.WARNING, code=error.code, message=error.message)
            failing = True
            await asyncio.sleep(AGAIN)
