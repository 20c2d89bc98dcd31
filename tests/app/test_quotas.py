"""What a system says of how often it may be called is kept, shown and told, whichever process heard it."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from isthmus.app import quota_watch
from isthmus.app.bootstrap import clock, open_hub
from isthmus.app.quota_watch import keep_quotas
from isthmus.app.summary import status_report
from isthmus.connector import Quota
from isthmus.errors import RateLimited
from isthmus.store import PostgresStore, Reads
from tests.app.test_flow_changes import until
from tests.app.twin_office import Twin, Workers, make_project, served


async def test_little_left_is_an_alarm_until_the_system_says_otherwise(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    monkeypatch.setattr(quota_watch, "EVERY", 0.05)
    caplog.set_level(logging.WARNING)
    crm, erp = Twin("crm", 0), Twin("erp", 0)
    erp.headers = {"RateLimit": '"default";r=900;t=3600', "RateLimit-Policy": '"default";q=1000;w=3600'}
    async with served(crm, erp) as url, open_hub(make_project(tmp_path / "project", url)) as hub:
        reads = Reads(hub.store)

        async def left() -> dict[str, int]:
            return {one.name: one.left for one in (await reads.quotas()).get("erp", [])}

        async def is_left(**wanted: int) -> None:
            async def seen() -> bool:
                return await left() == wanted

            await until(seen)

        keeping = asyncio.create_task(keep_quotas(hub))
        try:
            resource = hub.engine.systems["erp"].resources()["contacts"]
            await resource.scan(None)
            await until(lambda: not keeping.done())
            await is_left(**{"": 900})
            assert not (await status_report(reads, hub.world, clock(), clock())).quotas[0].low
            erp.headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "3600"}
            await resource.scan(None)
            await is_left(**{"": 12})
            report = await status_report(reads, hub.world, clock(), clock())
            assert [(one.system, one.left, one.most, one.low) for one in report.quotas] == [("erp", 12, 1000, True)]
            assert not report.healthy
            assert [one.message for one in caplog.records if "quota.low" in one.message]
            said = await Workers(tmp_path / "project", database_url).ask("status")
            assert [(one["left"], one["low"]) for one in said["quotas"]] == [(12, True)]
            erp.headers, erp.refuses = {"Retry-After": "77"}, 429
            with pytest.raises(RateLimited) as refused:
                await resource.scan(None)
            assert refused.value.wait == 77
            await is_left(**{"": 12, "wait": 0})
            erp.headers, erp.refuses = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "1000"}, 0
            await resource.scan(None)
            await is_left(**{"": 1000, "wait": 0})
            report = await status_report(reads, hub.world, clock() + timedelta(seconds=78), clock())
            assert [(one.name, one.low) for one in report.quotas] == [("", False)]
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])


async def test_of_two_processes_the_one_that_heard_last_is_believed(store: PostgresStore) -> None:
    now = clock()
    new = Quota(name="", most=10, left=3, seen_at=now)
    await store.save_quotas("erp", [new])
    await store.save_quotas("erp", [Quota(name="", most=10, left=9, seen_at=now - timedelta(seconds=1))])
    assert await Reads(store).quotas() == {"erp": [new]}
