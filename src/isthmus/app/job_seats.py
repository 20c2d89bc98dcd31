"""Which of the jobs that people asked for a worker does now: several side by side, each in one worker at a time.

A job is a worker's for as long as it holds the job's lock, which PostgreSQL frees when the worker dies. Whoever takes
it then begins it anew, and what the former one may still tell of it is not heard: :meth:`isthmus.store.Jobs.begin`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence

from isthmus.app.bootstrap import Hub
from isthmus.app.job_work import do_job
from isthmus.errors import IsthmusError, StoreUnavailable
from isthmus.store import Job, JobKind, Jobs, OpenJob, job_notices

__all__ = ["SEATS", "serve_jobs", "startable"]

SEATS = 4
"""Jobs that one worker does at once."""
LONG_SEATS = 3
"""How many of them may be long ones: a short one never waits for those."""
LONG_SECONDS = 60.0
LOOK = 10.0
"""Seconds between looks for something to do: a notice may be lost, and nobody tells of a worker that dies."""
AGAIN = 5.0
"""Seconds until it is tried again when the store did not answer."""


def is_long(job: OpenJob) -> bool:
    """Whether it will take long: by how long the same took the last time, else by how much it is about. Decisions
    never wait for comparisons: somebody is working through the inbox."""
    if job.job.kind is JobKind.DECIDE:
        return False
    return not job.job.flow if job.usual is None else job.usual >= LONG_SECONDS


def _clash(one: Job, other: Job) -> bool:
    """Two repairs of one flow: each chooses by what it finds, so one must not choose while the other repairs."""
    both = one.kind is JobKind.REPAIR and other.kind is JobKind.REPAIR
    return both and (not one.flow or not other.flow or one.flow == other.flow)


def startable(
    open_jobs: Sequence[OpenJob], mine: Collection[str], elsewhere: Collection[str] = frozenset()
) -> list[Job]:
    """Those that this worker may begin now, in their order; ``mine``: those that it is doing, ``elsewhere``: those that
    others are doing."""
    free = SEATS - len(mine)
    long = LONG_SEATS - sum(is_long(one) for one in open_jobs if one.job.id in mine)
    found: list[Job] = []
    for at, one in enumerate(open_jobs):
        taken = one.job.id in mine or one.job.id in elsewhere
        if taken or any(_clash(one.job, before.job) for before in open_jobs[:at]):
            continue
        if len(found) < free and (long > 0 or not is_long(one)):
            found.append(one.job)
            long -= is_long(one)
    return found


async def serve_jobs(hub: Hub) -> None:
    """Until cancelled; then what is under way is put back."""
    seats = _Seats(hub)
    async with asyncio.TaskGroup() as group:
        group.create_task(seats.listen())
        await seats.fill_for_ever(group)


class _Seats:
    """The jobs of one worker."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._jobs = hub, Jobs(hub.store)
        self._doing: dict[str, asyncio.Event] = {}
        """Job -> set when somebody wants it to stop."""
        self._look = asyncio.Event()

    async def listen(self) -> None:
        """Look when something was asked for, and let what somebody stopped know at once."""
        async for notice in job_notices(self._hub.store):
            if notice.what in ("", "asked", "ended"):
                self._look.set()
            if notice.what == "stopped" and notice.id in self._doing:
                self._doing[notice.id].set()

    async def fill_for_ever(self, group: asyncio.TaskGroup) -> None:
        """Begin what can be begun, whenever there may be something."""
        while True:
            self._look.clear()
            try:
                await self._fill(group)
            except StoreUnavailable as error:
                await asyncio.sleep(error.wait or AGAIN)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._look.wait()

    async def _fill(self, group: asyncio.TaskGroup) -> None:
        elsewhere: set[str] = set()
        while True:
            wanted = startable(await self._jobs.all_open(), self._doing, elsewhere)
            if not wanted:
                return
            for job in wanted:
                if not await self._hub.store.try_lock(_lock(job)):
                    elsewhere.add(job.id)
                    continue
                self._doing[job.id] = asyncio.Event()
                group.create_task(self._do(job))

    async def _do(self, job: Job) -> None:
        try:
            # It may have been done while its lock was waited for.
            found = await self._jobs.one(job.id)
            if found is not None and found.done_at is None:
                await do_job(self._hub, found, stopped=self._doing[job.id])
        except StoreUnavailable as error:
            await asyncio.sleep(error.wait or AGAIN)
        finally:
            self._doing.pop(job.id)
            with contextlib.suppress(IsthmusError):
                await asyncio.shield(self._hub.store.unlock(_lock(job)))
            self._look.set()


def _lock(job: Job) -> str:
    return f"job/{job.id}"
