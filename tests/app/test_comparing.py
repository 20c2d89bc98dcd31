"""``isthmus compare`` and ``isthmus archive`` as processes of their own beside a running hub (CH-5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.app.access import Principal
from isthmus.app.bootstrap import read_project
from isthmus.app.job_desk import JobDesk
from isthmus.store import Job, Jobs, PostgresStore
from isthmus.sync.world import World
from tests.app.test_workers import People, shown, until_settled
from tests.app.twin_office import Twin, Workers, make_project, served

RECORDS = 30


@pytest.mark.flow("CH-5")
@pytest.mark.timeout(600)
async def test_a_comparison_beside_a_hub_at_work_shows_no_false_difference_and_a_paused_one_is_repaired(
    tmp_path: Path, database_url: str
) -> None:
    crm, erp = Twin("crm", 0.02), Twin("erp", 0.02)
    people = People(crm, erp)
    for _ in range(RECORDS):
        people.enter()
    async with served(crm, erp) as url, await PostgresStore.open(database_url) as store:
        workers = Workers(make_project(tmp_path / "project", url), database_url)
        try:
            await workers.start("run")
            await until_settled(store, crm, erp, 180)
            busy = asyncio.create_task(people.work(0.3))  # as fast as a hub on a busy machine keeps up with
            found = await workers.ask("compare", "customer")
            busy.cancel()
            assert found["drifts"] == []
            await until_settled(store, crm, erp, 180)
            await workers.ask("stop")

            key = min(crm.rows)
            crm.save(key, {"phone": "+49301234567"})
            erp.save(None, {"vat": "V-NEW", "name": "New"})
            found = await workers.ask("compare")
            assert found["counts"] == {"edited while paused": 1, "never linked": 1}
            named = next(drift for drift in found["drifts"] if drift["key"] == key)
            assert (named["system"], set(named["fields"])) == ("crm", {"phone"})
            mended = await workers.ask("compare", "--repair", "--by", f"{named['id']}=far")
            assert mended["counts"] == {"never linked": 1}
            assert (await workers.ask("compare", "--repair"))["counts"] == {}
            assert shown(crm) == shown(erp)
            assert "V-NEW" in {row["vat"] for row in crm.rows.values()}
            assert (await workers.ask("archive", "--older-than", "1 month"))["archived"] == []
        finally:
            await workers.close()
            print(workers.log.read_text()[-6000:])


@pytest.mark.flow("CH-5")
@pytest.mark.timeout(600)
async def test_the_hub_does_what_pages_ask_for_also_when_the_worker_that_began_dies(
    tmp_path: Path, database_url: str
) -> None:
    crm, erp = Twin("crm", 0.02), Twin("erp", 0.02)
    for n in range(RECORDS):
        crm.save(None, {"vat": f"V{n}", "name": f"N{n}"})
    async with served(crm, erp) as url, await PostgresStore.open(database_url) as store:
        workers = Workers(make_project(tmp_path / "project", url), database_url)
        jobs, project = Jobs(store), read_project(workers.folder)
        desk = JobDesk(store, World(project.flows, project.converters), Principal(login="anna", name="Anna"))
        try:
            first = await workers.start("run")
            await until_settled(store, crm, erp, 60)
            assert (await desk.comparing()).runs == {"customer": None}

            found = await _done(jobs, await desk.compare("customer"))
            run = (await desk.comparing()).runs["customer"]
            assert run is not None
            assert (found.result["counts"], run.records) == ({}, 2 * RECORDS)

            crm.latency = 3.0  # time to die in the middle of it
            job = await desk.compare("customer")
            assert (await desk.compare("customer")).id == job.id
            await _job(jobs, job, lambda one: one.started_at is not None)
            await workers.kill(first)
            crm.latency = 0.02
            await workers.start("worker")
            assert (await _done(jobs, job)).attempts == 2

            await workers.ask("stop")
            crm.save(min(crm.rows), {"phone": "+49301234567"})
            erp.save(None, {"vat": "V-NEW", "name": "New"})
            plan = await desk.plan("customer")
            named = await desk.compare()
            assert not (await desk.comparing()).at_work
            # What was asked for while no hub was there is done when one comes, in order.
            await workers.start("worker")
            made = await _done(jobs, plan)
            assert made.problem == ""
            assert made.result["read"] >= 1
            assert (await _done(jobs, named)).problem == ""

            erp.save(min(erp.rows), {"name": "Other", "rev": 0})
            mended = await _done(jobs, await desk.repair("customer", ["rule"]))
            assert (mended.problem, mended.result["counts"]) == ("", {})
            stopping = await desk.compare()
            await desk.stop(stopping.id)
            assert (await _done(jobs, stopping)).problem in ("Stopped by anna.", "")
        finally:
            await workers.close()
            print(workers.log.read_text()[-6000:])


async def _done(jobs: Jobs, job: Job) -> Job:
    return await _job(jobs, job, lambda one: one.done_at is not None)


async def _job(jobs: Jobs, job: Job, wanted: Callable[[Job], bool]) -> Job:
    """The job as soon as it is as wanted."""
    async with asyncio.timeout(60):
        while (found := await jobs.one(job.id)) is None or not wanted(found):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.1)
        return found
