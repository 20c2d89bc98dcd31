"""Work that people start on a page and a worker of the hub does, and when each flow was compared last."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.store.codec import from_row, payload
from isthmus.store.reads import Rows

__all__ = ["CompareRun", "Job", "JobKind", "Jobs"]


class JobKind(StrEnum):
    """What is to be done."""

    COMPARE = "compare"
    REPAIR = "repair"
    PLAN = "plan"
    PREVIEW = "preview"
    """A dry run of a flow as a proposed change has it."""


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


class CompareRun(msgspec.Struct, frozen=True):
    """The last complete comparison of a flow, wherever it was started."""

    flow: str
    began_at: datetime
    done_at: datetime
    records: int
    """How many it read, of all systems."""


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

    async def next(self) -> Job | None:
        """What is to be done first."""
        return _first(await self._store.rows("next_job", {}))

    async def one(self, id: str) -> Job | None:
        """The job of this id."""
        return _first(await self._store.rows("one_job", {"id": id}))

    async def latest(self, kinds: Collection[JobKind], flow: str | None = None) -> list[Job]:
        """Jobs of these kinds that are not done, and the last of each flow that is; only those that are (also) about
        ``flow``, when one is given. The newest first."""
        rows = await self._store.rows("jobs", {"kinds": [str(kind) for kind in kinds], "flow": flow})
        return [from_row(Job, row) for row in rows]

    async def begin(self, id: str, now: datetime) -> None:
        """A worker has begun."""
        await self._store.rows("begin_job", {"id": id, "now": now})

    async def tell(self, id: str, progress: Mapping[str, tuple[str, int]]) -> str | None:
        """How far it is; who wants it to stop, if anybody does."""
        rows = await self._store.rows("tell_job", {"id": id, "progress": payload(progress)})
        return rows[0][0] if rows else None

    async def end(self, id: str, now: datetime, *, problem: str = "", result: Mapping[str, Any] | None = None) -> None:
        """It is done, or cannot be."""
        await self._store.rows("end_job", {"id": id, "now": now, "problem": problem, "result": payload(result or {})})

    async def put_back(self, id: str) -> None:
        """Whoever had begun leaves it to the next one, and did not die over it."""
        await self._store.rows("put_back_job", {"id": id})

    async def stop(self, id: str, by: str) -> bool:
        """Ask that it ends early; False when it has ended."""
        return bool(await self._store.rows("stop_job", {"id": id, "by": by}))

    async def comparisons(self) -> dict[str, CompareRun]:
        """Flow -> its last complete comparison; a flow that was never compared is left out."""
        return {row[0]: from_row(CompareRun, row) for row in await self._store.rows("comparisons", {})}


def _first(rows: Sequence[Sequence[Any]]) -> Job | None:
    return from_row(Job, rows[0]) if rows else None
