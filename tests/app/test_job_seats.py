"""Jobs of pages are done side by side: a long one delays no short one, nobody waits for a look, nothing is twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from isthmus.app import job_seats
from isthmus.app.bootstrap import Hub, open_hub
from isthmus.app.job_desk import JobDesk
from isthmus.app.job_seats import SEATS, serve_jobs, startable
from isthmus.app.job_work import do_job
from isthmus.app.planning import PlanReport
from isthmus.store import Job, JobKind, Jobs, OpenJob, PostgresStore, job_notices
from tests.app.test_flow_changes import ANNA, until
from tests.app.twin_office import make_project
from tests.store.examples import NOW


def waiting(id: str, kind: JobKind = JobKind.PLAN, flow: str = "customer", usual: float | None = None) -> OpenJob:
    return OpenJob(Job(id=id, kind=kind, flow=flow, asked_by="anna", asked_at=NOW), usual)


def names(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def test_the_oldest_begin_first_and_no_more_than_there_are_seats() -> None:
    asked = [waiting(str(n), flow=f"f{n}") for n in range(9)]
    assert names(startable(asked, ())) == ["0", "1", "2", "3"]
    assert names(startable(asked, {"0", "1", "2"})) == ["3"]
    assert names(startable(asked, {"0", "1", "2", "3"})) == []


def test_long_ones_leave_a_seat_to_short_ones() -> None:
    long = [waiting(f"long{n}", flow=f"f{n}", usual=3600.0) for n in range(SEATS)]
    asked = [*long, waiting("all", flow=""), waiting("short", flow="s", usual=2.0)]
    assert names(startable(asked, ())) == ["long0", "long1", "long2", "short"]
    assert names(startable(asked, {"long0", "long1", "long2"})) == ["short"]


def test_two_repairs_of_one_flow_follow_one_another() -> None:
    asked = [
        waiting("all", JobKind.REPAIR, ""), waiting("one", JobKind.REPAIR, "customer"),
        waiting("look", JobKind.COMPARE, "customer"),
    ]  # fmt: skip
    assert names(startable(asked, ())) == ["all", "look"]
    assert names(startable(asked, (), {"all"})) == ["look"]
    assert names(startable(asked[1:], ())) == ["one", "look"]


class Runs:
    """Dry runs that last as long as a test wants."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.most = self.now = 0
        self.gates: dict[str, asyncio.Event] = {}

    async def __call__(self, hub: Hub, *_: Any) -> PlanReport:
        name = f"run {len(self.begun)}"
        self.begun.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gates.setdefault(name, asyncio.Event()).wait()
        finally:
            self.now -= 1
        return PlanReport(
            counts={}, lines=[], conflicts=[], doubtful=[], brakes=[], custom_fields={}, problems={}, read=7
        )


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    made = Runs()
    monkeypatch.setattr("isthmus.app.job_work.make_plan", made)
    return made


@asynccontextmanager
async def serving(hub: Hub) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(serve_jobs(hub))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def hub(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    # Nothing here may depend on the net.
    monkeypatch.setattr(job_seats, "LOOK", 3600.0)
    async with open_hub(make_project(tmp_path / "project", "http://127.0.0.1:1")) as made:
        yield made


def is_done(store: PostgresStore, id: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        found = await Jobs(store).one(id)
        return found is not None and found.done_at is not None

    return look


async def test_a_short_job_is_done_while_a_long_one_goes_on_and_nobody_waits_for_a_look(hub: Hub, runs: Runs) -> None:
    desk = JobDesk(hub.store, hub.world, ANNA)
    async with serving(hub):
        long = await desk.plan("")
        await until(lambda: len(runs.begun) == 1)
        short = await desk.plan("customer")
        await until(lambda: len(runs.begun) == 2)
        runs.gates["run 1"].set()
        await until(is_done(hub.store, short.id))
        assert not await is_done(hub.store, long.id)()
        await desk.stop(long.id)
        await until(is_done(hub.store, long.id))
        found = await Jobs(hub.store).one(long.id)
        assert found is not None
        assert (found.problem, found.attempts) == (f"Stopped by {ANNA.login}.", 1)
    assert runs.now == 0


async def test_two_workers_never_do_one_job_twice(hub: Hub, runs: Runs, tmp_path: Path) -> None:
    desk = JobDesk(hub.store, hub.world, ANNA)
    place = make_project(tmp_path / "other", "http://127.0.0.1:1")
    async with open_hub(place) as other, serving(hub), serving(other):
        asked = [await desk.plan(""), await desk.plan("customer")]
        await until(lambda: len(runs.begun) == 2)
        for gate in runs.gates.values():
            gate.set()
        for job in asked:
            await until(is_done(hub.store, job.id))
    assert len(runs.begun) == 2


async def test_what_a_killed_worker_leaves_another_begins_and_the_dead_one_is_not_heard(
    hub: Hub, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_seats, "LOOK", 0.1)
    job = await JobDesk(hub.store, hub.world, ANNA).plan("customer")
    # A worker that lost its lock without noticing: it goes on, as one whose connection broke.
    lost = asyncio.create_task(do_job(hub, job))
    await until(lambda: len(runs.begun) == 1)
    async with open_hub(make_project(tmp_path / "other", "http://127.0.0.1:1")) as other, serving(other):
        await until(lambda: len(runs.begun) == 2)
        # It hears that another has begun, and ends without a word.
        await asyncio.wait_for(lost, 60)
        runs.gates["run 1"].set()
        await until(is_done(hub.store, job.id))
    found = await Jobs(hub.store).one(job.id)
    assert found is not None
    assert (found.attempts, found.problem, found.result["read"]) == (2, "", 7)


async def test_a_worker_that_ends_in_order_leaves_its_jobs_to_the_next(hub: Hub, runs: Runs) -> None:
    jobs = Jobs(hub.store)
    asked = await JobDesk(hub.store, hub.world, ANNA).plan("customer")
    async with serving(hub):
        await until(lambda: len(runs.begun) == 1)
    (left,) = await jobs.all_open()
    assert (left.job.id, left.job.attempts, left.job.started_at, left.usual) == (asked.id, 0, None, None)
    async with serving(hub):
        await until(lambda: len(runs.begun) == 2)
        runs.gates["run 1"].set()
        await until(is_done(hub.store, asked.id))
    # How long it took is known from now on.
    await JobDesk(hub.store, hub.world, ANNA).plan("customer")
    (again,) = await jobs.all_open()
    assert again.usual is not None


async def test_every_step_of_a_job_is_told(store: PostgresStore) -> None:
    jobs, heard = Jobs(store), list[tuple[str, str]]()
    ready = asyncio.Event()

    async def listen() -> None:
        async for notice in job_notices(store):
            heard.append((notice.what, notice.id))
            ready.set()

    task = asyncio.create_task(listen())
    await ready.wait()
    job = await jobs.ask(waiting("j1").job)
    assert job is not None
    assert await jobs.ask(waiting("j2").job) is None
    attempt = await jobs.begin("j1", NOW)
    assert attempt == 1
    assert not (await jobs.tell("j1", attempt, {"erp": ("records read", 1)})).lost
    assert (await jobs.tell("j1", attempt + 1, {})).lost
    assert await jobs.stop("j1", "anna")
    assert (await jobs.tell("j1", attempt, {})).stopped_by == "anna"
    await jobs.end("j1", NOW, attempt=7)
    assert len(await jobs.all_open()) == 1
    await jobs.end("j1", NOW, attempt=attempt)
    assert await jobs.begin("j1", NOW) is None
    told = [
        ("", ""),
        ("asked", "j1"),
        ("told", "j1"),
        ("told", "j1"),
        ("stopped", "j1"),
        ("told", "j1"),
        ("ended", "j1"),
    ]
    await until(lambda: heard == told)
    task.cancel()
    await asyncio.wait([task])
