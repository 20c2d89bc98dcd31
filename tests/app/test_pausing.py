"""``isthmus system pause`` beside processes of the hub: each of them leaves the system alone, also after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from isthmus.store import PostgresStore
from tests.app.test_flow_changes import until
from tests.app.test_workers import joined, shown, until_settled
from tests.app.twin_office import Twin, Workers, make_project, served
from tests.store_fixtures import database_url, pg_server

__all__ = ["database_url", "pg_server"]


@pytest.mark.timeout(600)
async def test_no_process_calls_a_paused_system_until_it_is_resumed(tmp_path: Path, database_url: str) -> None:
    crm, erp = Twin("crm", 0.01), Twin("erp", 0.01)
    keys = [crm.save(None, {"vat": f"V{n}", "name": f"N{n}"}) for n in range(5)]
    async with served(crm, erp) as url, await PostgresStore.open(database_url) as store:
        workers = Workers(make_project(tmp_path / "project", url), database_url)
        try:
            await workers.start("run")
            second = await workers.start("worker")
            await until_settled(store, crm, erp, 60)

            said = await workers.ask("system", "pause", "erp", "--reason", "the year is closed", "--by", "anna")
            assert said["paused"] is True
            await asyncio.sleep(1)  # what was under way ends
            before = erp.calls
            crm.save(keys[0], {"phone": "+49301234567"})
            erp.save(min(erp.rows), {"email": "new@n.example"})
            # A process that starts now does not even open it.
            await workers.kill(second)
            third = await workers.start("worker")
            await until(lambda: joined(store, [third]), 60)
            await asyncio.sleep(3)  # each looks every second
            assert erp.calls == before
            assert (await workers.ask("sync"))["problems"]["erp"].startswith("erp is paused by anna")
            assert erp.calls == before

            lines = {line["system"]: line for line in (await workers.ask("status"))["lines"]}
            assert "the year is closed" in lines["erp"]["paused"]
            assert not lines["erp"]["silent"]
            assert lines["crm"]["paused"] == ""
            answer = await workers.ask("explain", "crm", "contacts", keys[0])
            assert "paused by anna" in answer["sentence"]
            (view,) = await workers.ask("system", "show", "erp")
            assert view["pauses"][0]["paused_by"] == "anna"

            await workers.ask("system", "resume", "erp")
            await until_settled(store, crm, erp, 60)
            assert shown(crm) == shown(erp)
            assert {row.get("phone") for row in erp.rows.values()} >= {"+49301234567"}
            assert {row.get("email") for row in crm.rows.values()} >= {"new@n.example"}
        finally:
            await workers.close()
            print(workers.log.read_text()[-6000:])
