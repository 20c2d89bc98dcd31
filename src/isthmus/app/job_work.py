"""Doing what people asked for on pages: comparisons, repairs, dry runs, decisions on many questions.
:mod:`.job_seats` says which, and when.

What happens at a kill: the job is still open, and the next worker begins it anew. Comparing and planning change
nothing; a repair that is begun again finds what is repaired already in step; decisions go on where they were.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import msgspec

from isthmus import events
from isthmus.app.bootstrap import Hub, clock, make_world, read_project
from isthmus.app.comparing import compare, repair
from isthmus.app.inbox_work import decide_questions
from isthmus.app.planning import PlanDigest, PlanReport, digest_of, make_plan, plan_of
from isthmus.errors import IsthmusError, NeedsPerson, StoreUnavailable
from isthmus.store import FlowChanges, Job, JobKind, Jobs, JobState

__all__ = ["do_job"]

TELL = 0.5
"""Seconds between notes of how far it is."""
MOST_ATTEMPTS = 3
"""A job that ended the hub so often is not begun again."""


async def do_job(hub: Hub, job: Job, *, stopped: asyncio.Event | None = None) -> None:
    """Carry out one job and note what came of it. ``stopped`` is set when somebody may want it to end early. Raises
    ``StoreUnavailable``: then it is still to be done."""
    jobs = Jobs(hub.store)
    if job.stopped_by is not None:
        await jobs.end(job.id, clock(), problem=_stopped(job.stopped_by))
        return
    if job.attempts >= MOST_ATTEMPTS:
        await jobs.end(
            job.id, clock(), problem=f"It was begun {job.attempts} times and never ended; see the hub's log."
        )
        return
    attempt = await jobs.begin(job.id, clock())
    if attempt is None:
        return
    work = _Work(hub, job)
    task = asyncio.create_task(work.run())
    try:
        state = await _watch(jobs, job.id, attempt, work, task, stopped or asyncio.Event())
    except asyncio.CancelledError:
        # This worker ends in order, or goes on with other flows: nobody died over it.
        with contextlib.suppress(StoreUnavailable):
            await jobs.put_back(job.id, attempt)
        raise
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    if state.lost:
        events.emit(events.JOB_LOST, logging.WARNING, kind=job.kind, flow=job.flow or "all")
    elif state.stopped_by is not None:
        await jobs.end(job.id, clock(), attempt=attempt, problem=_stopped(state.stopped_by))
    else:
        await _note(jobs, job, attempt, task)


async def _note(jobs: Jobs, job: Job, attempt: int, task: asyncio.Task[dict[str, object]]) -> None:
    """What came of it."""
    try:
        result = task.result()
    except StoreUnavailable:
        raise
    except IsthmusError as error:
        await jobs.end(job.id, clock(), attempt=attempt, problem=f"{error.message} {error.advice or ''}".strip())
    except Exception as error:
        # A fault of ours in a dry run must not end the hub.
        events.emit(events.JOB_FAILED, logging.ERROR, kind=job.kind, flow=job.flow, fault=type(error).__name__)
        logging.getLogger("isthmus").error("%s", events.JOB_FAILED, exc_info=error)
        problem = f"A fault in the hub ({type(error).__name__}); see its log."
        await jobs.end(job.id, clock(), attempt=attempt, problem=problem)
    else:
        await jobs.end(job.id, clock(), attempt=attempt, result=result)
        events.emit(events.JOB_DONE, kind=job.kind, flow=job.flow or "all", by=job.asked_by)


def _stopped(by: str) -> str:
    return f"Stopped by {by}."


async def _watch(
    jobs: Jobs, id: str, attempt: int, work: _Work, task: asyncio.Task[dict[str, object]], stopped: asyncio.Event
) -> JobState:
    """Note how far it is until it is done, or is not to go on."""
    told = asyncio.create_task(stopped.wait())
    try:
        while True:
            await asyncio.wait([task, told], timeout=TELL, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return JobState(lost=False, stopped_by=None)
            state = await jobs.tell(id, attempt, dict(work.progress))
            if state.lost or state.stopped_by is not None:
                return state
            if told.done():
                stopped.clear()
                told = asyncio.create_task(stopped.wait())
    finally:
        told.cancel()


class _Work:
    """One job under way."""

    def __init__(self, hub: Hub, job: Job) -> None:
        self._hub, self._job = hub, job
        self.progress: dict[str, tuple[str, int]] = {}

    async def run(self) -> dict[str, object]:
        """What it comes to, for its row."""
        hub, job = self._hub, self._job
        flows: Sequence[str] = [job.flow] if job.flow else ()
        match job.kind:
            case JobKind.COMPARE:
                found = await compare(hub, flows, self._report, limit=0, wait=True)
                return {"counts": dict(found.counts)}
            case JobKind.REPAIR:
                found = await repair(hub, flows, job.choices, self._report, by=job.asked_by, limit=0, wait=True)
                return {"counts": dict(found.counts), "refused": dict(list(found.refused.items())[:100])}
            case JobKind.PLAN:
                return self._kept(await make_plan(hub, self._reading))
            case JobKind.PREVIEW:
                return self._kept(await make_plan(await self._trial(), self._reading))
            case JobKind.DECIDE:
                return {"counts": await decide_questions(hub.store, hub.world, job, self._decided)}

    def _kept(self, report: PlanReport) -> dict[str, object]:
        digest: PlanDigest = digest_of(plan_of(report, self._job.flow) if self._job.flow else report)
        made: dict[str, object] = msgspec.to_builtins(digest, str_keys=True)
        return made

    async def _trial(self) -> Hub:
        """The hub as it would be with a proposed change; a dry run needs no more of it."""
        hub = self._hub
        change = await FlowChanges(hub.store).one(self._job.choices[0])
        if change is None:
            raise NeedsPerson("This change is not there any more.")
        instead = {change.file: change.content}
        project = await asyncio.to_thread(read_project, hub.project.folder, instead=instead)
        return msgspec.structs.replace(hub, project=project, world=await make_world(project, hub.store))

    def _decided(self, state: str, count: int) -> None:
        self.progress[state] = ("questions", count)

    def _report(self, system: str, what: str, count: int) -> None:
        self.progress[system] = (what, count)

    def _reading(self, system: str, resource: str, count: int) -> None:
        self.progress[f"{system} {resource}"] = ("records read", count)
