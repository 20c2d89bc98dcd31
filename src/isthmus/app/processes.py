"""Processes as people see them: which there are, what one has behind it, trying again, stopping."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from isthmus.app.bootstrap import clock, open_store
from isthmus.errors import NeedsPerson
from isthmus.process import Entry, Process, ProcessState, Signal, cancel, retry
from isthmus.store import Reads

__all__ = ["ProcessView", "cancel_process", "list_processes", "retry_process", "show_process"]


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


async def cancel_process(folder: Path, id: str, *, by: str) -> None:
    """Stop it for good."""
    async with open_store(folder) as (_, store), store.transaction() as tx:
        await cancel(tx, id, by=by, now=clock())
