"""``isthmus compare`` and ``isthmus archive`` as processes of their own beside a running hub (CH-5)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from isthmus.store import PostgresStore
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
