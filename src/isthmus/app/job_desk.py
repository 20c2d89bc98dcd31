"""Asking for work that takes minutes: comparisons, repairs, dry runs. A worker of the hub does it (:mod:`.job_work`),
whether or not the page that asked is still open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import msgspec

from isthmus.app.acting import Acting
from isthmus.app.comparing import parse_choices
from isthmus.errors import NeedsPerson
from isthmus.store import CompareRun, Job, JobKind, Jobs

__all__ = ["CompareState", "JobDesk"]

MOST_CHOICES = 1000
"""Differences that one repair may name one by one."""


class CompareState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of comparisons."""

    runs: Mapping[str, CompareRun | None]
    """Every flow, and its last comparison; None: never compared."""
    jobs: Sequence[Job]
    """Asked for, under way, and the last of each flow, the newest first."""
    at_work: bool
    """A hub is there that does what is asked."""

    @property
    def open(self) -> list[Job]:
        """Jobs that are not done."""
        return [job for job in self.jobs if job.done_at is None]

    def open_about(self, flow: str) -> list[Job]:
        """Those that are (also) about this flow; all when none is named."""
        return [job for job in self.open if not flow or job.flow in (flow, "")]


class JobDesk(Acting):
    """The use cases, for one person."""

    @cached_property
    def _jobs(self) -> Jobs:
        return Jobs(self._store)

    async def compare(self, flow: str = "") -> Job:
        """Compare a flow, or all; whoever asks for what is under way already gets that."""
        return await self._ask(JobKind.COMPARE, flow)

    async def plan(self, flow: str = "") -> Job:
        """Make a dry run; as :meth:`compare`."""
        return await self._ask(JobKind.PLAN, flow)

    async def preview(self, flow: str, change: str) -> Job:
        """Make a dry run of a flow as a proposed change has it. Raises ``NeedsPerson`` while one of another change of
        this flow is under way."""
        job = await self._ask(JobKind.PREVIEW, flow, [change])
        if job.choices != [change]:
            raise NeedsPerson("A dry run of another change of this flow is under way.", advice="Wait until it is done.")
        return job

    async def latest_preview(self, flow: str, change: str) -> tuple[Job | None, Job | None]:
        """As :meth:`latest_plan`, of a change."""
        jobs = [job for job in await self._jobs.latest([JobKind.PREVIEW], flow) if job.choices == [change]]
        under_way = next((job for job in jobs if job.done_at is None), None)
        return under_way, next((job for job in jobs if job.done_at is not None), None)

    async def repair(self, flow: str, choices: Sequence[str]) -> Job:
        """Repair differences of a flow, or of all; see :func:`isthmus.app.comparing.parse_choices`. Raises
        ``NeedsPerson`` when nothing is named, or when somebody repairs it already: what they chose may be
        something else."""
        if not choices:
            raise NeedsPerson("Nothing is chosen.", advice="Tick the differences, or repair all of them.")
        if len(choices) > MOST_CHOICES:
            raise NeedsPerson(f"At most {MOST_CHOICES} differences at once.", advice="Or repair all of them.")
        parse_choices(choices)
        return await self._ask(JobKind.REPAIR, flow, choices)

    async def stop(self, id: str) -> None:
        """End it early. What it has done until then stays."""
        if not await self._jobs.stop(id, self._me.login):
            raise NeedsPerson("It has ended already.")
        await self._access.note(self._me.login, "job stopped", id)

    async def job(self, id: str) -> Job | None:
        """The job of this id."""
        return await self._jobs.one(id)

    async def latest_plan(self, flow: str) -> tuple[Job | None, Job | None]:
        """The dry run of this flow that is asked for or under way, and the last one that is done."""
        jobs = await self._jobs.latest([JobKind.PLAN], flow)
        under_way = next((job for job in jobs if job.done_at is None), None)
        return under_way, next((job for job in jobs if job.done_at is not None and job.flow == flow), None)

    async def comparing(self) -> CompareState:
        """How it stands with comparisons."""
        runs = await self._jobs.comparisons()
        return CompareState(
            runs={flow: runs.get(flow) for flow in self._world.order},
            jobs=await self._jobs.latest([JobKind.COMPARE, JobKind.REPAIR]),
            at_work=await self.at_work(),
        )

    async def at_work(self) -> bool:
        """Whether a hub is there that does what is asked."""
        return bool(await self._reads.workers())

    async def _ask(self, kind: JobKind, flow: str, choices: Collection[str] = ()) -> Job:
        if flow and flow not in self._world.flows:
            raise NeedsPerson(f"There is no flow '{flow}'.", advice=f"Known: {', '.join(self._world.order)}.")
        wanted = Job(
            id=self._ids(),
            kind=kind,
            flow=flow,
            choices=list(choices),
            asked_by=self._me.login,
            asked_at=self._now(),
        )
        await self._access.note(self._me.login, f"{kind} asked", flow or "all flows", {"choices": list(choices)[:50]})
        while (asked := await self._jobs.ask(wanted)) is None:
            known = await self._jobs.open(kind, flow)
            if known is None:
                continue  # It ended in this very moment.
            if kind is JobKind.REPAIR:
                raise NeedsPerson(
                    f"{known.asked_by} has a repair under way.",
                    advice="Wait until it is done, then look at what is left.",
                )
            return known
        return asked
