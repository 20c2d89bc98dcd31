"""Looking, for all processes that wait for the ERP, whether it shows something else: in one worker at a time."""

from __future__ import annotations

import asyncio
import logging

from isthmus import events
from isthmus.app.bootstrap import Hub
from isthmus.app.business import OpenBusiness
from isthmus.desk.following import FOLLOWERS
from isthmus.errors import IsthmusError, StoreUnavailable

__all__ = ["follow_documents"]

LOCK = "documents"
LOOK = 2.0
"""Seconds between looks."""
AGAIN = 5.0
"""Seconds until another worker tries to be the one that looks, and after a failed look."""


async def follow_documents(hub: Hub) -> None:
    """Until cancelled."""
    followers = {name: one for name, one in FOLLOWERS.items() if name in hub.project.processes}
    if not followers:
        return
    business, failing = OpenBusiness(hub), False
    while True:
        try:
            if not (await hub.store.holds(LOCK) or await hub.store.try_lock(LOCK)):
                await asyncio.sleep(AGAIN)
                continue
            for follow in followers.values():
                await follow(business)
            failing = False
            await asyncio.sleep(LOOK)
        except StoreUnavailable as error:
            await asyncio.sleep(error.wait or AGAIN)
        except IsthmusError as error:
            if not failing:
                events.emit(events.FOLLOW_FAILED, logging.WARNING, code=error.code, message=error.message)
            failing = True
            await asyncio.sleep(AGAIN)
