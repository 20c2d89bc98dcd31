"""The page behind links in mails, on a real store, without a mail server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from isthmus.api import approval_routes
from isthmus.app.bootstrap import clock
from isthmus.app.mailing import link_secret
from isthmus.desk.approval_state import Choice
from isthmus.mail.links import Link, sign_link
from isthmus.store import PostgresStore
from tests.desk.asking import Desk, ask
from tests.desk.rules import ANNA, BEN, BOSS, HOUR


class Page:
    """A request of now, and the page in a browser."""

    def __init__(self, store: PostgresStore, client: AsyncTestClient[Any]) -> None:
        self.store, self.client, self.desk = store, client, Desk(store)
        self.desk.now = clock()

    async def link(self, person: str = ANNA, choice: Choice = Choice.APPROVE, **more: Any) -> str:
        expires = int((clock() + timedelta(hours=1)).timestamp())
        place = {"stage": 0, "escalated": False, "expires": expires, **more}
        link = Link(request="so-1", person=person, choice=choice, **place)
        return "/approve/" + sign_link(link, await link_secret(self.store))

    async def choices(self) -> list[tuple[str, str]]:
        return [(one.by, one.choice) for one in await self.desk.answers("so-1")]


@pytest.fixture
async def page(store: PostgresStore) -> Any:
    async with AsyncTestClient(Litestar(approval_routes(store), openapi_config=None, logging_config=None)) as client:
        yield Page(store, client)


async def test_looking_decides_nothing_the_button_does(page: Page) -> None:
    await page.desk.request(ask())
    link = await page.link()
    for method in ("GET", "HEAD", "GET"):
        answer = await page.client.request(method, link)
        assert answer.status_code in (200, 405)
    assert await page.choices() == []
    answer = await page.client.post(link, data={"comment": "x" * 5000})
    assert (answer.status_code, "You have approved this" in answer.text) == (200, True)
    [given] = await page.desk.answers("so-1")
    assert (given.by, given.choice, given.via, len(given.comment)) == (ANNA, Choice.APPROVE, "mail", 2000)
    for used in (link, await page.link(choice=Choice.REFUSE), await page.link(BEN)):
        assert (await page.client.post(used, data={"comment": ""})).status_code == 409
    assert await page.choices() == [(ANNA, "approve")]


@pytest.mark.parametrize(
    ("language", "query", "word"),
    [("en", "", "Do you refuse this?"), ("zh-CN,zh;q=0.9", "", "您确定拒绝吗"), ("en", "?lang=zh", "您确定拒绝吗")],
)
async def test_it_speaks_the_readers_language(page: Page, language: str, query: str, word: str) -> None:
    await page.desk.request(ask())
    link = await page.link(choice=Choice.REFUSE)
    answer = await page.client.get(link + query, headers={"Accept-Language": language})
    assert word in answer.text
    assert ANNA in answer.text


async def test_it_is_not_kept_not_framed_and_tells_nobody(page: Page) -> None:
    await page.desk.request(ask())
    headers = (await page.client.get(await page.link())).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_what_requesters_write_is_only_text(page: Page) -> None:
    wanted = ask()
    evil = type(wanted)(
        id="so-1",
        key="<i>",
        title="<script>alert(1)</script>",
        facts=wanted.facts,
        requester=wanted.requester,
        details={"<b>": '"><img src=x onerror=alert(1)>'},
    )
    await page.desk.request(evil)
    text = (await page.client.get(await page.link())).text
    assert not any(tag in text for tag in ("<script", "<img", "<b>", "<i>"))


async def test_a_person_who_is_not_asked_is_refused(page: Page) -> None:
    await page.desk.request(ask())
    answer = await page.client.post(await page.link("mallory@lab.example"), data={"comment": ""})
    assert (answer.status_code, "may not decide this" in answer.text) == (403, True)
    assert await page.choices() == []


async def test_after_the_deadline_it_says_who_decides(page: Page) -> None:
    page.desk.now -= timedelta(seconds=HOUR + 60)
    await page.desk.request(ask())
    answer = await page.client.post(await page.link(), data={"comment": ""})
    assert (answer.status_code, f"Now {BOSS} decides" in answer.text) == (409, True)
    page.desk.now = clock()
    await page.desk.turn("so-1")
    for method in ("GET", "POST"):
        answer = await page.client.request(method, await page.link())
        assert answer.status_code == 409
    assert (await page.client.post(await page.link(BOSS, escalated=True))).status_code == 200
    assert await page.choices() == [(BOSS, "approve")]


@pytest.mark.parametrize("token", ["x", "x" * 3000, "%00", "a.b.c"])
async def test_junk_is_not_found(page: Page, token: str) -> None:
    for method in ("GET", "POST"):
        assert (await page.client.request(method, f"/approve/{token}")).status_code == 404


async def test_a_form_that_is_too_large_is_refused(page: Page) -> None:
    await page.desk.request(ask())
    answer = await page.client.post(await page.link(), data={"comment": "x" * 20_000})
    assert answer.status_code == 413
    assert await page.choices() == []


async def test_the_secret_is_made_once(store: PostgresStore, database_url: str) -> None:
    async with await PostgresStore.open(database_url) as other:
        assert await link_secret(store) == await link_secret(other)
        assert len(await link_secret(store)) >= 64
