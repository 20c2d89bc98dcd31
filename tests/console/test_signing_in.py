"""Who gets in, who does not, and what is remembered of it."""

from __future__ import annotations

import psycopg
import pytest

from isthmus.app.access import Access, Permission
from isthmus.console import Site
from isthmus.errors import NeedsPerson
from isthmus.store import PostgresStore
from isthmus.web.server import SECURITY_HEADERS
from tests.console.people import PASSWORD, Browser


async def test_a_person_signs_in_and_out(browser: Browser, site: Site) -> None:
    assert (await browser.get("/")).status_code == 401
    assert (await browser.sign_in("viewer")).status_code == 303
    page = await browser.get("/")
    assert page.status_code == 200
    assert "Viewer" in page.text
    kept = browser.client.cookies["isthmus_session"]
    assert (await browser.post("/sign-out")).headers["location"] == "/sign-in"
    browser.client.cookies.set("isthmus_session", kept)
    assert (await browser.get("/")).status_code == 401, "a session that was ended came back"
    told = [(entry.who, entry.action) for entry in await site.access.people.audit(3)]
    assert ("viewer@office.example", "signed in") in told
    assert ("viewer@office.example", "signed out") in told


async def test_a_wrong_password_a_disabled_person_and_nobody_are_told_the_same(browser: Browser, site: Site) -> None:
    await site.access.disable("operator@office.example", by="test")
    answers = [
        await browser.sign_in("viewer", "wrong password"),
        await browser.sign_in("operator"),
        await browser.sign_in("nobody"),
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert all("do not go together" in answer.text for answer in answers)
    assert "isthmus_session" not in browser.client.cookies


async def test_guessing_passwords_ends_after_ten_tries(browser: Browser) -> None:
    for _ in range(10):
        assert (await browser.sign_in("viewer", "guessing 12345")).status_code == 422
    assert (await browser.sign_in("viewer")).status_code == 429, "the right password got in after ten wrong ones"


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    cookie = (await browser.sign_in("viewer")).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", "/ok\r\nx: y"])
async def test_signing_in_leads_to_no_other_site(browser: Browser, place: str) -> None:
    await browser.get("/sign-in")
    fields = {"login": "viewer@office.example", "password": PASSWORD, "place": place}
    assert (await browser.post("/sign-in", fields)).headers["location"] == "/"


async def test_an_unsafe_request_without_its_token_does_nothing(browser: Browser, site: Site) -> None:
    await browser.sign_in("admin")
    await browser.get("/people")
    browser.token = "forged"
    answer = await browser.post("/people/viewer@office.example/disable")
    assert answer.status_code == 403
    person = await site.access.people.person("viewer@office.example")
    assert person is not None
    assert person.disabled_at is None


@pytest.mark.parametrize("address", ["/", "/sign-in", "/nowhere", "/static/console.css", "/health"])
async def test_every_answer_has_the_security_headers(browser: Browser, address: str) -> None:
    answer = await browser.get(address)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value, name


async def test_a_session_that_ended_in_the_middle_of_a_form_asks_in_place(browser: Browser, site: Site) -> None:
    await browser.sign_in("viewer")
    await browser.get("/")
    await site.access.people.end_sessions("viewer@office.example")
    answer = await browser.get("/records?q=x", **{"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-retarget"] == "#again"
    again = await browser.post(
        "/sign-in", {"login": "viewer@office.example", "password": PASSWORD, "again": "1"}, **{"hx-request": "true"}
    )
    assert (again.status_code, again.headers["hx-trigger"]) == (200, "signed-in")
    assert (await browser.get("/records?q=x")).status_code == 200


async def test_language_and_theme_are_remembered(browser: Browser, site: Site) -> None:
    assert 'lang="zh-Hans"' in (await browser.get("/sign-in", **{"accept-language": "zh-CN,zh;q=0.9"})).text
    await browser.sign_in("viewer")
    await browser.get("/")
    await browser.post("/language", {"language": "zh", "place": "/"})
    await browser.post("/theme", {"theme": "dark", "place": "/"})
    page = (await browser.get("/")).text
    assert 'lang="zh-Hans" data-theme="dark"' in page
    assert "总览" in page


async def test_passwords_and_secrets_are_stored_as_hashes_only(site: Site, database_url: str) -> None:
    access = site.access
    session = await access.sign_in("viewer@office.example", PASSWORD)
    _, token = await access.add_token("viewer@office.example", "a program", ["see"], by="test")
    assert session is not None
    with psycopg.connect(database_url, options="-c search_path=isthmus") as connection:
        for table in ("person", "web_session", "api_token", "audit", "meta"):
            text = str(connection.execute(f"select {table}::text from {table}").fetchall())
            for secret in (PASSWORD, session, token):
                assert secret not in text, table
        hashes = connection.execute("select password from person").fetchall()
    assert all(hashed.startswith("$argon2id$") for (hashed,) in hashes)


async def test_a_token_does_no_more_than_its_scopes_and_its_person(site: Site) -> None:
    token, secret = await site.access.add_token("engineer@office.example", "ci", ["see", "admin"], by="test")
    principal = await site.access.by_token(secret)
    assert principal is not None
    assert [one for one in Permission if principal.may(one)] == [Permission.SEE]
    assert await site.access.by_token(secret + "x") is None
    await site.access.revoke_token(token.id, by="test")
    assert await site.access.by_token(secret) is None
    with pytest.raises(NeedsPerson):
        await site.access.revoke_token(token.id, by="test")
    with pytest.raises(NeedsPerson, match="no scope"):
        await site.access.add_token("engineer@office.example", "ci", ["everything"], by="test")


async def test_a_new_password_signs_out_everywhere(site: Site) -> None:
    secret = await site.access.sign_in("viewer@office.example", PASSWORD)
    assert secret is not None
    await site.access.set_password("viewer@office.example", "another good one", by="test")
    assert await site.access.by_session(secret) is None


async def test_the_audit_log_shows_what_was_altered_or_cut_off(store: PostgresStore, database_url: str) -> None:
    access = Access(store)
    for number in range(6):
        await access.note("ann", "did", f"thing {number}", {"n": number, "text": "Ünal 云"})
    before = await access.verify()
    assert before.whole
    assert before.entries == 6
    with psycopg.connect(database_url, options="-c search_path=isthmus", autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute("update audit set who = 'bob'")
        connection.execute("alter table audit disable trigger audit_append_only")
        connection.execute("delete from audit where seq = 6")
        assert (await access.verify()).whole, "a log that was cut off is whole in itself"
        assert not (await access.verify(before.end)).whole, "the kept end did not show that it was cut off"
        connection.execute("update audit set who = 'bob' where seq = 3")
        assert list((await access.verify()).faults) == [3]
        connection.execute("delete from audit where seq = 2")
        assert list((await access.verify()).faults) == [3]
