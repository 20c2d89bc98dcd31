"""The page of systems: pauses, webhooks, credentials; never a secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from isthmus.app.hints import HintDesk
from isthmus.console import Site
from isthmus.errors import Unauthorized
from isthmus.model.state import Problem
from isthmus.project.references import references_of
from isthmus.store import PostgresStore, Reads
from tests.console.people import Browser
from tests.console.test_pages import a_record
from tests.store.examples import NOW, a_feed, save


async def test_an_engineer_pauses_a_system_and_a_resource_and_resumes_them(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await save(store, feeds=[a_feed(system="erp", resource="contacts", polled_at=NOW)])
    await browser.sign_in("viewer")
    assert "/pause" not in (await browser.get("/systems")).text
    assert (await browser.post("/systems/erp/pause")).status_code == 403
    await browser.sign_in("engineer")
    assert 'action="/systems/erp/pause"' in (await browser.get("/systems")).text
    answer = await browser.post("/systems/erp/pause", {"reason": "<b>the year is closed</b>"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/systems")
    page = (await browser.get("/systems")).text
    for shown in ("Paused by", "engineer@office.example", "&lt;b&gt;the year is closed", "/systems/erp/resume"):
        assert shown in page, shown
    assert (await browser.post("/systems/erp/pause")).status_code == 422, "paused already"
    await browser.post("/systems/crm/pause", {"resource": "contacts"})
    assert [(p.system, p.resource) for p in await Reads(store).pauses()] == [("crm", "contacts"), ("erp", "")]
    assert (await browser.post("/systems/crm/resume")).status_code == 422, "only the resource is paused"
    await browser.post("/systems/crm/resume", {"resource": "contacts"})
    await browser.post("/systems/erp/resume")
    assert await Reads(store).pauses() == []
    assert (await browser.post("/systems/what/pause")).status_code == 422
    assert (await browser.post("/systems/erp/pause", {"resource": "what"})).status_code == 422
    actions = [one.action for one in await site.access.people.audit(20)]
    assert {"system paused", "system resumed"} <= set(actions)


async def test_a_paused_record_says_why_it_does_not_go_on(browser: Browser, store: PostgresStore, site: Site) -> None:
    await a_record(store)
    async with store._connection() as connection:
        await connection.execute(b"update link set base = '{}', due_at = now() where system = 'erp'")
    await browser.sign_in("engineer")
    await browser.get("/systems")
    await browser.post("/systems/erp/pause", {"reason": "the year is closed"})
    page = (await browser.get("/records/i1")).text
    assert "the year is closed" in page
    assert "It waits" not in page or "paused" in page


class Sender:
    """A system whose webhooks have the signature "right"."""

    def verify(self, headers: dict[str, str], body: bytes, now: object) -> list[object]:
        if headers.get("signature") != "right":
            raise Unauthorized("The signature does not verify.")
        return []

    async def subscribe(self, address: str) -> None:
        """Nothing to do."""


async def test_webhooks_and_bad_signatures_are_counted(browser: Browser, store: PostgresStore) -> None:
    desk = HintDesk(store, {"crm": Sender()})  # type: ignore[dict-item]
    for signature in ("right", "wrong", "right"):
        try:
            await desk.take("crm", {"signature": signature}, b"", NOW)
        except Unauthorized:
            assert signature == "wrong"
    (counts,) = await Reads(store).hook_counts()
    assert (counts.system, counts.taken, counts.refused, counts.refused_at) == ("crm", 2, 1, NOW)
    await browser.sign_in("viewer")
    assert "1 refused" in (await browser.get("/systems")).text


async def test_refused_credentials_are_told_with_their_place_but_never_shown(
    browser: Browser, store: PostgresStore, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = site.project.folder
    settings = folder / "isthmus.toml"
    settings.write_text(settings.read_text().replace('kind = "rest"', 'kind = "rest"\ntoken = "env:TWIN_TOKEN"', 1))
    monkeypatch.delenv("TWIN_TOKEN", raising=False)
    await browser.sign_in("viewer")
    assert "is missing" in (await browser.get("/systems")).text
    monkeypatch.setenv("TWIN_TOKEN", "very-secret-value")
    refused = Problem("unauthorized", "401", at=NOW)
    await save(store, feeds=[a_feed(system="crm", resource="contacts", failing_since=NOW, problem=refused)])
    page = (await browser.get("/systems")).text
    assert "is missing" not in page
    assert "refused since" in page
    assert "very-secret" not in page
    await save(store, feeds=[a_feed(system="crm", resource="contacts", polled_at=NOW + timedelta(hours=1))])
    assert "last accepted" in (await browser.get("/systems")).text


def test_references_are_found_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "isthmus.toml").write_text(
        '[systems.erp]\npassword = "file:pw"\nauth = {key = "env:ERP_KEY"}\nurl = "http://x"\n[systems.crm]\n'
    )
    found = references_of(tmp_path, "erp", {"ERP_KEY": "x"})
    assert [(one.key, one.place, one.present) for one in found] == [
        ("password", "file:pw", False),
        ("auth.key", "env:ERP_KEY", True),
    ]
    (tmp_path / "pw").write_text("secret")
    assert references_of(tmp_path, "erp", {})[0].present
    assert references_of(tmp_path, "nothing", {}) == []
    assert references_of(tmp_path / "nowhere", "erp", {}) == []
