"""The job that decides many questions, in a worker of the hub.

What came of each question is noted in the transaction that decides it, so whoever begins the job again after a kill
goes on with the first one of which nothing is noted: none is decided twice, none is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from isthmus import events
from isthmus.app.access import Access, Permission
from isthmus.app.bootstrap import clock
from isthmus.app.inbox_many import Done, ManyDesk, Task, task_of
from isthmus.errors import NeedsPerson, StoreUnavailable
from isthmus.store import EntryNote, EntryState, Job, JobEntries, PostgresStore
from isthmus.sync.world import World

__all__ = ["decide_questions"]

CHUNK = 100
"""Questions that are asked for, and those that are tried again in one transaction: others wait for it."""
TRIES = 5
"""How often it is tried again at once when the database let another transaction go first."""


async def decide_questions(
    store: PostgresStore,
    world: World,
    job: Job,
    report: Callable[[str, int], None],
    *,
    now: Callable[[], datetime] = clock,
) -> dict[str, int]:
    """Decide what waits of the job; how many in each state. ``report`` is told of every move of these. Raises
    ``NeedsPerson`` when who asked for it may not decide any more, ``StoreUnavailable`` to go on later."""
    me = await Access(store, now=now).by_login(job.asked_by)
    if me is None or not me.may(Permission.DECIDE):
        raise NeedsPerson(f"{job.asked_by} may not decide questions any more.")
    desk, parts, task = ManyDesk(store, world, me, now=now), JobEntries(store), task_of(job)
    counts = (await parts.counts([job.id]))[job.id]
    for state, count in counts.items():
        report(state, count)
    while waiting := await parts.waiting(job.id, CHUNK):
        # Each on its own where each is an act of its own.
        for some in [waiting] if task.together else [[id] for id in waiting]:
            came = await _decided(desk, task, some, job)
            notes = [EntryNote(id, EntryState.PASSED, why) for id, why in came.passed.items()]
            notes += [EntryNote(id, EntryState.REFUSED, why) for id, why in came.refused.items()]
            if notes:
                await parts.note(job.id, notes)
            for state, more in ((EntryState.DONE, came.done), *((note.state, 1) for note in notes)):
                counts[state] = counts.get(state, 0) + more
                report(state, counts[state])
    return {str(state): count for state, count in (await parts.counts([job.id]))[job.id].items()}


async def _decided(desk: ManyDesk, task: Task, ids: list[str], job: Job) -> Done:
    for _ in range(TRIES):
        try:
            return await desk.carry_out(task, ids, job=job.id)
        except StoreUnavailable as error:
            if not error.wait:
                raise
            await asyncio.sleep(error.wait)
        except Exception as error:
            # One question over which the hub stumbles must not keep the others from being decided.
            if len(ids) > 1:
                raise
            events.emit(events.JOB_FAILED, logging.ERROR, kind=job.kind, flow=job.flow, fault=type(error).__name__)
            logging.getLogger("isthmus").error("%s", events.JOB_FAILED, exc_info=error)
            why = f"A fault in the hub ({type(error).__name__}); see its log."
            return Done(done=0, passed={}, refused={ids[0]: why})
    return await desk.carry_out(task, ids, job=job.id)
