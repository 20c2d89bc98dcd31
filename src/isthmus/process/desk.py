"""Starting processes, telling them things, and stopping them: inside whatever transaction the caller is in, so that it
happens exactly when the rest of that transaction does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from isthmus.errors import NeedsPerson
from isthmus.model.state import Problem
from isthmus.process.definition import Definition
from isthmus.process.ports import ProcessTransaction
from isthmus.process.state import OPEN, Process, ProcessState, Signal

__all__ = ["cancel", "retry", "signal", "start"]


async def start(tx: ProcessTransaction, definition: Definition, given: Any, *, id: str, now: datetime) -> bool:
    """Start a process; False when one of this id was started before. ``given`` is its
    input, as JSON."""
    process = Process(
        id=id,
        name=definition.name,
        input=given,
        state=ProcessState.RUNNING,
        version=0,
        step="",
        question="",
        who="",
        since=now,
        wake_at=None,
        attempts=0,
        result=None,
        problem=None,
        started_at=now,
    )
    if not await tx.processes.add(process):
        return False
    await tx.processes.request_turn(id)
    return True


async def signal(
    tx: ProcessTransaction, process: str, topic: str, value: Any, *, id: str, by: str, now: datetime
) -> bool:
    """Tell a process something; False when a signal of this id came before. It is kept until the process waits for its
    topic. Raises :class:`NeedsPerson` when there is no such process, or it is over."""
    await _loaded(tx, process, open_only=True)
    if not await tx.processes.add_signal(Signal(process=process, id=id, topic=topic, value=value, by=by, at=now)):
        return False
    await tx.processes.request_turn(process)
    return True


async def cancel(tx: ProcessTransaction, id: str, *, by: str, now: datetime) -> None:
    """Stop a process for good. A step under way ends, none follows. Raises :class:`NeedsPerson` when it is over."""
    process = await _loaded(tx, id, open_only=False)
    if process.state in (ProcessState.DONE, ProcessState.CANCELLED):
        raise NeedsPerson(f"The process {id} is {process.state} already.")
    problem = Problem(code="cancelled", message=f"Cancelled by {by}.", at=now)
    stopped = replace(process, state=ProcessState.CANCELLED, wake_at=None, problem=problem, since=now)
    await tx.processes.reopen(stopped)


async def retry(tx: ProcessTransaction, id: str, *, now: datetime) -> None:
    """Go on now at the step at which a process failed, or which it would try again later. Raises
    :class:`NeedsPerson` when there is no such step."""
    process = await _loaded(tx, id, open_only=False)
    if process.state not in (ProcessState.FAILED, ProcessState.RETRYING):
        raise NeedsPerson(f"The process {id} is {process.state}; there is nothing to try again.")
    await tx.processes.reopen(replace(process, state=ProcessState.RUNNING, attempts=0, wake_at=None, since=now))
    await tx.processes.request_turn(id)


async def _loaded(tx: ProcessTransaction, id: str, *, open_only: bool) -> Process:
    process = await tx.processes.load(id)
    if process is None:
        raise NeedsPerson(f"There is no process {id}.", advice="See: isthmus process list")
    if open_only and process.state not in OPEN | {ProcessState.FAILED}:
        raise NeedsPerson(f"The process {id} is {process.state}.")
    return process
