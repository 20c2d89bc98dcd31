"""Several real processes share the work, are killed at random while people edit, and come to the end of one that is not
(I5, I6, I8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from isthmus.store import PostgresStore, Reads
from tests.app.test_flow_changes import until
from tests.app.twin_office import FIELDS, Twin, Workers, make_project, served

RECORDS = 40
KILLS = 8


def shown(twin: Twin) -> list[tuple[str | None, ...]]:
    return sorted(tuple(row.get(name) for name in FIELDS) for row in twin.rows.values())


class People:
    """They edit the phone in the CRM, the address in the ERP, and the name on both sides, where the CRM wins."""

    def __init__(self, crm: Twin, erp: Twin) -> None:
        self.crm, self.erp, self.dice = crm, erp, random.Random(7)
        self.made = 0
        self.phones: dict[str, str] = {}
        self.emails: dict[str, str] = {}

    def enter(self) -> None:
        self.made += 1
        twin = self.dice.choice((self.crm, self.erp))
        twin.save(None, {"vat": f"V{self.made:04}", "name": f"Name {self.made}"})

    def edit(self) -> None:
        number = self.dice.randint(1, 10**6)
        twin = self.dice.choice((self.crm, self.erp))
        if not twin.rows:
            return
        key = self.dice.choice(sorted(twin.rows))
        vat = twin.rows[key]["vat"]
        if self.dice.random() < 0.3:
            twin.save(key, {"name": f"Name {number} of {twin.name}"})
        elif twin is self.crm:
            self.phones[vat] = f"+4930{number:07}"
            twin.save(key, {"phone": self.phones[vat]})
        else:
            self.emails[vat] = f"{number}@erp.example"
            twin.save(key, {"email": self.emails[vat]})

    async def work(self, pause: float = 0.03) -> None:
        while True:
            self.edit()
            if self.made < RECORDS * 2 and self.dice.random() < 0.2:
                self.enter()
            await asyncio.sleep(pause)


async def settled(store: PostgresStore, crm: Twin, erp: Twin) -> bool:
    """Both sides equal, and nothing left to do."""
    if shown(crm) != shown(erp):
        return False
    status = await Reads(store).status(store._clock())
    return not any(f.due or f.waiting or f.creating or f.new or f.parked for f in status.flows)


async def joined(store: PostgresStore, processes: Sequence[asyncio.subprocess.Process]) -> bool:
    """Whether all of them count as workers, as each does when it is up."""
    return {process.pid for process in processes} <= {one.pid for one in await Reads(store).workers()}


async def until_settled(store: PostgresStore, crm: Twin, erp: Twin, seconds: float) -> None:
    for _ in range(int(seconds / 0.2)):
        if await settled(store, crm, erp):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"not settled within {seconds} s: {await Reads(store).status(store._clock())}")


@pytest.mark.spec(8)
@pytest.mark.timeout(600)
async def test_workers_killed_at_random_lose_nothing_and_make_nothing_twice(tmp_path: Path, database_url: str) -> None:
    crm, erp = Twin("crm", 0.02), Twin("erp", 0.02)
    people = People(crm, erp)
    for _ in range(RECORDS):
        people.enter()
    async with served(crm, erp) as url, await PostgresStore.open(database_url) as store:
        workers = Workers(make_project(tmp_path / "project", url), database_url)
        try:
            await asyncio.gather(workers.start("run"), *(workers.start() for _ in range(3)))
            busy = asyncio.create_task(people.work())
            killed = 0
            async with asyncio.timeout(240):
                while killed < KILLS:
                    await asyncio.sleep(people.dice.uniform(0.5, 1.5))
                    if await store.workers() < 2:
                        continue
                    await workers.kill(people.dice.choice(workers.living))
                    killed += 1
                    await workers.start(people.dice.choice(("run", "worker", "worker")))
            busy.cancel()
            await until_settled(store, crm, erp, 180)
            assert [row[0] for row in shown(crm)] == sorted({row[0] for row in shown(crm)}), "nothing twice"
            assert len(crm.rows) == people.made
            by_vat = {row["vat"]: row for row in crm.rows.values()}
            assert {vat: by_vat[vat]["phone"] for vat in people.phones} == people.phones, "no edit is lost"
            assert {vat: by_vat[vat]["email"] for vat in people.emails} == people.emails, "no edit is lost"
            assert await Reads(store).inbox() == []
            writes = crm.writes + erp.writes
            await asyncio.sleep(3)
            assert crm.writes + erp.writes == writes, "and then it is quiet"

            await until(lambda: joined(store, workers.living))
            status = await workers.ask("status")
            assert sorted(one["pid"] for one in status["workers"]) == sorted(p.pid for p in workers.living)
            assert (await workers.ask("stop"))["workers"] == []
            async with asyncio.timeout(60):
                assert [await process.wait() for process in workers.living] == [0] * len(workers.living)
            assert await store.workers() == 1
        finally:
            await workers.close()
            print(workers.log.read_text()[-6000:])
