"""One turn of a process: its function is replayed from its history as far as it goes, and what came of it is stored.

Killed anywhere, the next turn replays the same history. Two turns that overlap all the same (a worker that was thought
dead) meet at the history's next entry or at the row's version; the slower one ends without a trace.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from isthmus import events
from isthmus.errors import IsthmusError, Misconfigured, StoreUnavailable
from isthmus.model.state import Problem
from isthmus.process.definition import Definition
from isthmus.process.ports import ProcessStore
from isthmus.process.run import Around, Failing, Overtaken, Parked, Run
from isthmus.process.state import OPEN, Process, ProcessState
from isthmus.sync.outcome import pause

__all__ = ["take_turn"]


async def _plainly(name: str, work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


async def take_turn(
    store: ProcessStore,
    definitions: Mapping[str, Definition],
    id: str,
    *,
    clock: Callable[[], datetime],
    jitter: Callable[[], float],
    around: Around = _plainly,
    hub: Any = None,
) -> None:
    """Go on with a process as far as it goes now. Nothing happens to one that is over, or unknown. Raises only what the
    store raises: then take the turn again."""
    async with store.transaction() as tx:
        process = await tx.processes.load(id)
        if process is None or process.state not in OPEN:
            return
        history = await tx.processes.history(id)
    run = Run(id, store, history, clock, around, hub)
    try:
        after = await _played(definitions, process, run, clock, jitter)
    except Overtaken:
        return
    async with store.transaction() as tx:
        if not await tx.processes.save(after):
            return
        if after.wake_at is not None and after.state in OPEN:
            await tx.processes.request_turn(id, after.wake_at)
    if after.state not in OPEN:
        level = logging.ERROR if after.state is ProcessState.FAILED else logging.INFO
        events.emit(events.PROCESS_ENDED, level, process=id, name=process.name, state=after.state)


async def _played(
    definitions: Mapping[str, Definition],
    process: Process,
    run: Run,
    clock: Callable[[], datetime],
    jitter: Callable[[], float],
) -> Process:
    """The process's row after this turn."""
    calm = replace(process, attempts=0, problem=None, wake_at=None, question="", who="")
    try:
        definition = definitions.get(process.name)
        if definition is None:
            raise Misconfigured(f"There is no process '{process.name}' any more.")
        result = await definition.function(run, process.input)
    except Parked as parked:
        same = (process.state, process.step) == (parked.state, parked.step)
        return replace(
            calm,
            state=parked.state,
            step=parked.step,
            question=parked.question,
            who=parked.who,
            since=process.since if same else clock(),
            wake_at=parked.wake_at,
        )
    except Failing as failing:
        if isinstance(failing.error, StoreUnavailable):
            raise failing.error from None
        attempts = process.attempts + 1 if process.step == failing.step else 1
        return replace(
            calm,
            state=ProcessState.RETRYING,
            step=failing.step,
            since=process.since if attempts > 1 else clock(),
            attempts=attempts,
            problem=_problem(failing.error, clock()),
            wake_at=clock() + pause(attempts - 1, jitter(), failing.error.wait),
        )
    except StoreUnavailable:
        raise
    except IsthmusError as error:
        return _failed(calm, run, _problem(error, clock()), clock())
    except Exception as error:
        # A fault in the function: this process stops and says so, the others go on.
        message = f"{type(error).__name__}: {error}"
        return _failed(calm, run, Problem(code="error", message=message, at=clock()), clock())
    return replace(calm, state=ProcessState.DONE, step="", result=result, since=clock())


def _failed(process: Process, run: Run, problem: Problem, now: datetime) -> Process:
    return replace(process, state=ProcessState.FAILED, step=run.at, problem=problem, since=now)


def _problem(error: IsthmusError, now: datetime) -> Problem:
    return Problem(code=error.code, message=error.message, advice=error.advice, at=now)
