"""Processes as people see them: which there are, what one has behind it, trying again, stopping."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from isthmus.app.bootstrap import clock, new_id, open_store
from isthmus.app.stopping import stop
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.process import Entry, Process, ProcessState, Signal, retry, signal, start
from isthmus.project import Project
from isthmus.store import PostgresStore, Reads
from isthmus.sync.world import World

__all__ = [
    "ProcessView",
    "cancel_process",
    "forget_processes",
    "list_processes",
    "retry_process",
    "show_process",
    "signal_process",
    "start_process",
]


class ProcessView(msgspec.Struct, frozen=True, kw_only=True):
    """One process with all that is known of it."""

    process: Process
    history: Sequence[Entry]
    signals: Sequence[Signal]


async def list_processes(folder: Path, states: Collection[ProcessState], limit: int) -> list[Process]:
    """Processes in these states (any, when none is given), the newest first."""
    async with open_store(folder) as (_, store):
        return await Reads(store).processes(states, limit)


async def show_process(folder: Path, id: str) -> ProcessView:
    """One process. Raises :class:`NeedsPerson` when there is none of this id."""
    async with open_store(folder) as (_, store):
        found = await Reads(store).process(id)
    if found is None:
        raise NeedsPerson(f"There is no process {id}.", advice="See: isthmus process list")
    process, history, signals = found
    return ProcessView(process=process, history=history, signals=signals)


async def retry_process(folder: Path, id: str) -> None:
    """Go on at the step at which it failed."""
    async with open_store(folder) as (_, store), store.transaction() as tx:
        await retry(tx, id, now=clock())


async def start_process(folder: Path, name: str, given: Any, *, id: str | None) -> tuple[str, bool]:
    """Start a process of the project: its id, and whether it was not started before. Raises ``Misconfigured`` for an
    unknown name."""
    async with open_store(folder) as (project, store):
        definition = project.processes.get(name)
        if definition is None:
            known = ", ".join(sorted(project.processes)) or "none; make one by 'isthmus new process NAME'"
            raise Misconfigured(f"There is no process '{name}' in the project.", advice=f"Known: {known}.")
        id = id or new_id()
        async with store.transaction() as tx:
            return id, await start(tx, definition, given, id=id, now=clock())


async def signal_process(folder: Path, process: str, topic: str, value: Any, *, id: str | None, by: str) -> bool:
    """Tell a process something; False when a signal of this id came before."""
    async with open_store(folder) as (_, store), store.transaction() as tx:
        return await signal(tx, process, topic, value, id=id or new_id(), by=by, now=clock())


async def forget_processes(project: Project, store: PostgresStore) -> int:
    """Forget what is over for longer than the project wants to remember; how many."""
    months = project.hub.keep_process_months
    return await store.forget_processes(months, clock()) if months is not None else 0


async def cancel_process(folder: Path, id: str, *, by: str) -> None:
    """Stop it for good; see :func:`isthmus.app.stopping.stop`."""
    async with open_store(folder) as (project, store), store.transaction() as tx:
        world = World(project.flows, project.converters, project.entities)
        await stop(tx, world, id, by=by, now=clock())
