"""Letting a process that runs go on with changed flows.

It takes them up between two runs of its service, as a restart would, but keeps its store, its open systems and its web
server. Only flows are taken up so; systems and addresses of isthmus.toml are read at a start.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from isthmus import events
from isthmus.app.bootstrap import Hub, clock, make_world, open_missing, prepare_systems, read_project
from isthmus.app.flow_approved import bring_up, in_force
from isthmus.errors import Misconfigured, StoreUnavailable
from isthmus.project import Project
from isthmus.store import Notice, PostgresStore

__all__ = ["LOOK_EVERYWHERE", "FlowLook", "changed_project", "renew"]

LOOK_EVERYWHERE = Notice(None, None)
AGAIN = 1.0
"""Seconds until it is looked again when the store did not answer."""


async def changed_project(project: Project, store: PostgresStore) -> Project | None:
    """The project with its flows as its folder has them now, after what was approved came there; None when they are as
    they were, or when they cannot be read (then what is in force stays)."""
    await bring_up(project.folder, store)
    try:
        found = await asyncio.to_thread(read_project, project.folder)
    except Misconfigured as error:
        events.emit(events.FLOWS_REFUSED, logging.ERROR, message=str(error))
        return None
    if found.sources == project.sources:
        return None
    return msgspec.structs.replace(found, hub=project.hub, systems=project.systems, processes=project.processes)


class FlowLook:
    """Looks whether a hub's flows have changed, whenever ``doubt`` is set."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.doubt = asyncio.Event()
        self.found: Project | None = None

    async def run(self) -> None:
        """Until they have; ``found`` is the project then."""
        while self.found is None:
            await self.doubt.wait()
            self.doubt.clear()
            try:
                self.found = await changed_project(self._hub.project, self._hub.store)
            except StoreUnavailable as error:
                await asyncio.sleep(error.wait or AGAIN)
                self.doubt.set()


async def renew(hub: Hub, project: Project) -> None:
    """Let a process go on with this project's flows; its service must not run at the moment."""
    hub.project = project
    hub.world = await make_world(project, hub.store)
    hub.engine.take_up(hub.world)
    await open_missing(hub)
    await prepare_systems(hub)
    await in_force(project, hub.store, clock())
    events.emit(events.FLOWS_RENEWED, flows=len(project.flows))
