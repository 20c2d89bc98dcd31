"""Work that people start on a page and a worker of the hub does, and when each flow was compared last."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from isthmus.store.codec import from_row, payload
from isthmus.store.reads import Rows

__all__ = ["CompareRun", "Job", "JobKind", "JobNotice", "JobState", "Jobs", "OpenJob", "job_notices"]

CHANNEL: Final = "isthmus_jobs"


class Telling(Protocol):
    """A store that says what happens in other processes."""

    def told(self, channel: str) -> AsyncGenerator[str | None]:
        """What is notified on a channel; None at the start and after what may have been missed."""


class JobKind(StrEnum):
    """What is to be done."""

    COMPARE = "compare"
    REPAIR = "repair"
    PLAN = "plan"
    PREVIEW = "preview"
    """A dry run of a flow as a proposed change has it."""
    DECIDE = "decide"
    """The same decision on many questions; see :class:`isthmus.store.JobEntries`."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work, of one flow or (``flow`` empty) of all."""

    id: str
    kind: JobKind
    flow: str
    choices: list[str] = []
    """Of a repair; see :func:`isthmus.app.comparing.parse_choices`. Of a preview: the change's id."""
    asked_by: str
    asked_at: datetime
    started_at: datetime | None = None
    attempts: int = 0
    """How often it was begun; more than once when a worker died over it."""
    progress: Mapping[str, tuple[str, int]] = {}
    """System (and resource) -> what is being done there, how many so far."""
    stopped_by: str | None = None
    done_at: datetime | None = None
    problem: str = ""
    """Why it did not succeed; empty when it did."""
    result: Mapping[str, Any] = {}
    task: Mapping[str, Any] = {}
    """Of decisions: what is decided, see :class:`isthmus.app.inbox_many.Task`."""


class OpenJob(msgspec.Struct, frozen=True):
    """A job that is not done."""

    job: Job
    usual: float | None
    """Seconds that the same took the last time it succeeded; None: nobody knows."""


class JobNotice(msgspec.Struct, frozen=True):
    """Something happened to a job: asked (or put back), told, stopped or ended. Without an ``id``: anything may have
    happened to any."""

    what: str = ""
    id: str = ""


class CompareRun(msgspec.Struct, frozen=True):
    """The last complete comparison of a flow, wherever it was started."""

    flow: str
    began_at: datetime
    done_at: datetime
    records: int
    """How many it read, of all systems."""


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt is told when it tells how far it is."""

    lost: bool
    """Another attempt was begun, or it was ended: this one must not go on."""
    stopped_by: str | None


class Jobs:
    """Reads and writes over a store."""

    def __init__(self, store: Rows) -> None:
        self._store = store

    async def ask(self, job: Job) -> Job | None:
        """Put it in the queue; None when the same work of the same flow is there already."""
        values = {name: getattr(job, name) for name in ("id", "flow", "asked_by", "asked_at")}
        rows = await self._store.rows("ask_job", {**values, "kind": str(job.kind), "choices": list(job.choices)})
        return _first(rows)

    async def open(self, kind: JobKind, flow: str) -> Job | None:
        """This work of this flow, waiting or under way."""
        return _first(await self._store.rows("open_job", {"kind": str(kind), "flow": flow}))

    async def all_open(self) -> list[OpenJob]:
        """What is not done, the oldest first."""
        rows = await self._store.rows("open_jobs", {})
        return [OpenJob(from_row(Job, row[:-1]), row[-1]) for row in rows]

    async def one(self, id: str) -> Job | None:
        """The job of this id."""
        return _first(await self._store.rows("one_job", {"id": id}))

    async def latest(self, kinds: Collection[JobKind], flow: str | None = None) -> list[Job]:
        """Jobs of these kinds that are not done, and the last of each flow that is; only those that are (also) about
        ``flow``, when one is given. The newest first."""
        rows = await self._store.rows("jobs", {"kinds": [str(kind) for kind in kinds], "flow": flow})
        return [from_row(Job, row) for row in rows]

    async def begin(self, id: str, now: datetime) -> int | None:
        """A worker has begun; the how manieth attempt this is, and None when it is done already. From now on nobody
        hears who began it before."""
        rows = await self._store.rows("begin_job", {"id": id, "now": now})
        return int(rows[0][0]) if rows else None

    async def tell(self, id: str, attempt: int, progress: Mapping[str, tuple[str, int]]) -> JobState:
        """How far this attempt is; whether it is to go on."""
        given = {"id": id, "attempt": attempt, "progress": payload(progress)}
        rows = await self._store.rows("tell_job", given)
        return JobState(lost=not rows, stopped_by=rows[0][0] if rows else None)

    async def end(
        self, id: str, now: datetime, *, attempt: int | None = None, problem: str = "",
        result: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """It is done, or cannot be; nothing happens when another attempt was begun after this one."""
        given = {"id": id, "now": now, "attempt": attempt, "problem": problem, "result": payload(result or {})}
        await self._store.rows("end_job", given)

    async def put_back(self, id: str, attempt: int) -> None:
        """Whoever had begun leaves it to the next one, and did not die over it."""
        await self._store.rows("put_back_job", {"id": id, "attempt": attempt})

    async def stop(self, id: str, by: str) -> bool:
        """Ask that it ends early; False when it has ended."""
        return bool(await self._store.rows("stop_job", {"id": id, "by": by}))

    async def comparisons(self) -> dict[str, CompareRun]:
        """Flow -> its last complete comparison; a flow that was never compared is left out."""
        return {row[0]: from_row(CompareRun, row) for row in await self._store.rows("comparisons", {})}


async def job_notices(store: Telling) -> AsyncGenerator[JobNotice]:
    """What happens to jobs in any process, as it commits; first of all, and after a lost connection, one without an id.
    Ends only by cancelling or ``aclose``."""
    async with contextlib.aclosing(store.told(CHANNEL)) as told:
        async for text in told:
            what, _, id = (text or "").partition(" ")
            yield JobNotice(what, id)


def _first(rows: Sequence[Sequence[Any]]) -> Job | None:
    return from_row(Job, rows[0]) if rows else None
