"""Taking turns of processes, in a worker whose project has some."""

from __future__ import annotations

import asyncio
import logging
import random
from functools import partial

from isthmus import events
from isthmus.app.bootstrap import Hub, clock, new_id
from isthmus.app.business import OpenBusiness
from isthmus.app.telling import CustomerNotices
from isthmus.desk.processes.approval import approval_process
from isthmus.errors import StoreUnavailable
from isthmus.process.turn import take_turn
from isthmus.store.turns import Turns

__all__ = ["take_turns"]

HOUSEKEEPING = 30.0
"""Seconds between looks for turns that got lost."""
AGAIN = 1.0


async def take_turns(hub: Hub) -> None:
    """Until cancelled."""
    approval = approval_process(clock)
    notices = CustomerNotices(hub.store) if hub.project.mail is not None else None
    take = partial(
        take_turn, hub.store, {**hub.project.processes, approval.name: approval}, hub=OpenBusiness(hub, notices=notices)
    )
    turns = Turns(hub.store, new_id(), lambda id: take(id, clock=clock, jitter=random.random))
    async with asyncio.TaskGroup() as group:
        group.create_task(_keep_house(turns))
        while True:
            try:
                await turns.run()
            except StoreUnavailable as error:
                if error.wait is None:
                    events.emit(events.STORE_DOWN, logging.ERROR, message=error.message)
                await asyncio.sleep(error.wait or AGAIN)


async def _keep_house(turns: Turns) -> None:
    while True:
        await asyncio.sleep(HOUSEKEEPING)
        try:
            await turns.keep_house(clock())
        except StoreUnavailable as error:
            await asyncio.sleep(error.wait or AGAIN)
