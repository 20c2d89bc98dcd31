"""`isthmus web` serves all that `isthmus run` serves, begins without the far systems, and says which it misses."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from litestar.testing import AsyncTestClient

from isthmus.app import serving
from isthmus.app.access import Access
from isthmus.app.bootstrap import read_project
from isthmus.app.serving import keep_open, open_pages
from isthmus.connector import Resource, System, SystemInfo
from isthmus.console import Site
from isthmus.errors import IsthmusError, Unavailable
from isthmus.model.state import Pause
from isthmus.pages import COOKIE
from isthmus.project import Project
from isthmus.store import PostgresStore, Reads
from isthmus.web import Parts, make_app
from tests.app.test_flow_changes import until
from tests.app.twin_office import Twin, Workers, make_project, served
from tests.console.people import PASSWORD, Browser, a_person
from tests.store.examples import NOW


async def addresses(process: asyncio.subprocess.Process) -> dict[str, str]:
    assert process.stdout is not None
    text = await process.stdout.readuntil(b"}\n")
    found: dict[str, str] = json.loads(text)
    return found


@pytest.mark.timeout(300)
async def test_pages_come_at_once_and_systems_as_soon_as_they_answer(tmp_path: Path, database_url: str) -> None:
    crm, erp = Twin("crm", 0), Twin("erp", 0)
    crm.save("c1", {"vat": "DE1", "name": "Falken"})
    async with served(crm, erp) as url, await PostgresStore.open(database_url) as store:
        folder = make_project(tmp_path / "project", url)
        workers = Workers(folder, database_url)
        await store.add_pause(Pause("erp", "", "anna", NOW, "the year is closed"))
        await workers.ask("sync")
        access = Access(store)
        await access.people.save(a_person("engineer"))
        secret = await access.sign_in("engineer@office.example", PASSWORD, address="", agent="")
        assert secret is not None
        process = await workers._isthmus("web", "--port", "0", "--json", output=asyncio.subprocess.PIPE)
        workers.living.append(process)
        try:
            told = await addresses(process)
            assert set(told) == {"health", "console", "shop", "api"}
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(cookies={COOKIE: secret}, cookie_jar=jar) as client:

                async def page(address: str) -> tuple[int, str]:
                    async with client.get(address) as answer:
                        return answer.status, await answer.text()

                status, text = await page(told["shop"] + "/sign-in")
                assert (status, 'name="password"' in text) == (200, True)
                assert (await page(told["health"]))[0] == 200
                assert (await page(told["api"] + "/openapi.json"))[0] == 200
                (item,) = await Reads(store).search("Falken")
                preview = told["console"] + "flows/customer/edit"

                async def opened() -> bool:
                    # What the hub was told not to call is not called from here either.
                    return "This server does not reach it" not in (await page(told["console"] + "systems"))[1]

                await until(opened)
                assert erp.calls == 0
                token = (await page(preview))[1].partition('name="_csrf_token" value="')[2].partition('"')[0]
                crm.save("c1", {"name": "Falken Nord"})
                data = {"_csrf_token": token, "text": read_project(folder).sources["customer"].content or ""}
                form = {**data, "edits": "0", "record": item.id, "anew": "1"}
                async with client.post(preview + "/check", data=form) as answer:
                    assert "Falken Nord" in await answer.text(), "the record as its system has it now"
        finally:
            await workers.close()


async def test_a_system_that_cannot_be_reached_is_named_until_it_can(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    away = Unavailable("127.0.0.1:1 cannot be reached (Connection refused).", advice="Is the system up?")
    answers: dict[str, System | IsthmusError] = {}
    tried: list[str] = []

    async def open_system(project: Project, name: str) -> System | IsthmusError:
        tried.append(name)
        return answers.get(name, away)

    monkeypatch.setattr(serving, "open_system", open_system)
    monkeypatch.setattr(serving, "pause", lambda tries, jitter: timedelta(0))
    opened: list[str] = []

    async def told(name: str) -> None:
        opened.append(name)

    async with open_pages(make_project(tmp_path / "project", "http://127.0.0.1:1")) as hub:
        site = await Site.open(hub.project, hub.store, hub.world, down=hub.down)
        await site.access.people.save(a_person("viewer"))
        keeping = asyncio.create_task(keep_open(hub, told))
        async with AsyncTestClient(make_app(Parts(site=site))) as client:
            browser = Browser(client)
            await browser.sign_in("viewer")
            await until(lambda: tried.count("erp") > 2)
            page = (await browser.get("/systems")).text
            assert page.count("This server does not reach it.") == 2
            for shown in ("127.0.0.1:1 cannot be reached", "Is the system up?", "see that this machine may connect"):
                assert shown in page, shown
            assert (await Reads(hub.store).feeds()) == [], "what this process cannot reach the hub may well reach"
            answers["erp"] = memory = MemorySystem()
            await until(lambda: opened == ["erp"])
            assert hub.engine.systems["erp"] is memory
            assert (await browser.get("/systems")).text.count("This server does not reach it.") == 1
        keeping.cancel()
        await asyncio.wait([keeping])


class MemorySystem:
    """Open, and nothing in it."""

    def resources(self) -> dict[str, Resource]:
        return {}

    async def check(self) -> SystemInfo:
        return SystemInfo(product="Memory", version="1")

    async def close(self) -> None:
        """Nothing to release."""
