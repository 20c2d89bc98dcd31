"""What was approved of flows, brought into the project's folder and noted as in force."""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from datetime import datetime
from pathlib import Path

from isthmus import events
from isthmus.app.flow_files import take_up
from isthmus.app.flow_notes import account, note_flows
from isthmus.app.remapping import forget_moved
from isthmus.project import Project
from isthmus.store import FlowChange, FlowChanges, PostgresStore

__all__ = ["bring_up", "in_force"]

HUB = "flow changes"
"""Name of the fact that tells one store from another."""


async def bring_up(folder: Path, store: PostgresStore) -> None:
    """Write into the project's folder what was approved and is not there yet. What cannot be is noted on the change."""
    changes = await FlowChanges(store).approved()
    if not changes:
        return
    hub = str(await store.made_once(HUB, str(uuid.uuid4())))
    try:
        left = (await asyncio.to_thread(take_up, folder, hub, changes)).left
    except OSError as error:
        # Nothing can be kept in this folder; what it has goes on.
        problem = f"The project's folder cannot be written: {error.strerror or type(error).__name__}."
        left = {change.id: problem for change in changes if change.in_force_at is None}
    for change in changes:
        if (problem := left.get(change.id, "")) != "":
            events.emit(events.FLOW_LEFT, logging.ERROR, flow=change.flow, change=change.id, message=problem)
            await FlowChanges(store).note(change.id, at=None, problem=f"{socket.gethostname()}: {problem}")


async def in_force(project: Project, store: PostgresStore, now: datetime) -> None:
    """Note the flows that are in force from now on, each with whoever changed it; what they keep elsewhere than
    before is met anew."""
    latest = {change.flow: change for change in await FlowChanges(store).approved()}
    there = [change for change in latest.values() if _is_there(project, change)]
    authors = {change.flow: change.made_by for change in there}
    await forget_moved(store, project.flows)
    await note_flows(store, project, by=account(), now=now, ran=True, authors=authors)
    for change in there:
        if change.in_force_at is None or change.problem:
            await FlowChanges(store).note(change.id, at=now)


def _is_there(project: Project, change: FlowChange) -> bool:
    source = project.sources.get(change.flow)
    return (source.content if source is not None else None) == change.content
