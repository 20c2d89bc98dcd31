"""Signing in by an OpenID provider: who gets in, as whom, and every way in which nobody does."""

from __future__ import annotations

import base64
import hashlib
import html
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response

from isthmus.app.access import Access
from isthmus.app.bootstrap import read_project
from isthmus.console import Site
from isthmus.portal import Shop
from isthmus.store import PostgresStore
from isthmus.sync.world import World
from isthmus.web import Parts, make_app
from tests.api.office import PretendBusiness
from tests.app.twin_office import make_project
from tests.console.people import PASSWORD, Browser, a_person
from tests.console.provider import ANOTHER, OTHER_KEY, PretendProvider, pretend_provider, symmetric

LOGIN = "ann@office.example"
SETTINGS = """
[sign_in]
issuer = "{issuer}"
client_id = "isthmus"
client_secret = "file:secret"
name = "Office login"
{more}
"""
ROLES = """
[sign_in.roles]
hub-admins = "admin"
sales = ["sales", "viewer"]
"""


class Office:
    """A hub with a provider, and a browser."""

    def __init__(self, provider: PretendProvider, site: Site, browser: Browser) -> None:
        self.provider, self.site, self.browser = provider, site, browser

    async def begin(self, place: str = "/me") -> dict[str, str]:
        """Off to the provider; what the browser was sent with."""
        answer = await self.browser.get(f"/sign-in/provider?place={place}")
        assert answer.status_code == 302, answer.text
        return self.provider.took(answer.headers["location"])

    async def back(self, **answer: str) -> Response:
        query = {"code": "a-code", **answer}
        address = "&".join(f"{name}={value}" for name, value in query.items() if value)
        return await self.browser.get(f"/sign-in/provider/back?{address}")

    async def sign_in(self) -> Response:
        sent = await self.begin()
        return await self.back(state=sent["state"])

    async def noted(self) -> tuple[str, str, dict[str, Any]]:
        """The last entry of the audit log: who, action, detail."""
        (entry,) = await self.site.access.people.audit(1)
        return entry.who, entry.action, dict(entry.detail)


@pytest.fixture
def more() -> str:
    """The rest of the settings."""
    return ROLES


@pytest.fixture
async def office(store: PostgresStore, tmp_path: Path, more: str) -> AsyncIterator[Office]:
    async with pretend_provider() as provider:
        folder = make_project(tmp_path / "project", "http://127.0.0.1:1")
        (folder / "secret").write_text(provider.client_secret)
        with (folder / "isthmus.toml").open("a") as settings:
            settings.write(SETTINGS.format(issuer=provider.issuer, more=more))
        project = read_project(folder)
        site = await Site.open(project, store, World(project.flows, project.converters))
        # In this very loop, where the provider runs too.
        shop = Shop(
            store, PretendBusiness(project, store, site.world), name="shop", stylesheet="/x.css", secure=False,
            features=frozenset(), access=site.access, door=site.door,
        )  # fmt: skip
        transport = ASGITransport(make_app(Parts(site=site, shop=shop)))
        async with AsyncClient(transport=transport, base_url="http://hub") as client:
            yield Office(provider, site, Browser(client))


def refused(answer: Response, words: str, status: int = 403) -> None:
    """Nobody is signed in, and the page says why."""
    assert answer.status_code == status, answer.text
    assert words in html.unescape(answer.text)
    assert "isthmus_session" not in answer.headers.get("set-cookie", "")


async def test_somebody_new_gets_in_with_the_roles_of_their_groups(office: Office) -> None:
    page = await office.browser.get("/sign-in")
    assert "Sign in with Office login" in page.text
    sent = await office.begin("/records?q=x")
    assert sent["redirect_uri"] == "http://127.0.0.1:0/sign-in/provider/back"
    assert (sent["response_type"], sent["audience"], sent["scope"]) == ("code", "hub", "openid email profile")
    answer = await office.back(state=sent["state"], iss=office.provider.issuer)
    assert (answer.status_code, answer.headers["location"]) == (302, "/records?q=x")
    page = await office.browser.get("/me")
    assert "Ann Engels" in page.text
    person = await office.site.access.people.person(LOGIN)
    assert person is not None
    assert (person.roles, person.password) == (["admin"], None)
    assert ("Office login" in (await office.browser.get("/people")).text) is True
    # The code was redeemed with our secret and the verifier of the challenge.
    ((_, headers, form),) = [one for one in office.provider.asked if one[0] == "/token/"]
    assert (
        headers["Authorization"]
        == "Basic " + base64.b64encode(b"isthmus:hush%2042%26%3D%20and%20long%20enough%20for%20a%20key").decode()
    )
    digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    assert (sent["code_challenge"], sent["code_challenge_method"]) == (digest, "S256")
    assert (form["grant_type"], form["code"], form["redirect_uri"]) == (
        "authorization_code",
        "a-code",
        sent["redirect_uri"],
    )
    actions = [entry.action for entry in await office.site.access.people.audit(3)]
    assert actions == ["signed in", "account linked", "person added"]


async def test_roles_follow_the_groups_at_every_sign_in_and_go_with_them(office: Office) -> None:
    assert (await office.sign_in()).status_code == 302
    access = office.site.access
    _, secret = await access.add_token(LOGIN, "a program", ["admin"], by="test")
    office.provider.claims = {"groups": ["sales"], "email": "moved@office.example", "email_verified": False}
    assert (await office.sign_in()).status_code == 302
    person = await access.people.person(LOGIN)
    assert person is not None
    assert person.roles == ["sales", "viewer"], "found by issuer and subject, whatever the address"
    office.provider.claims = {"groups": ["visitors"]}
    refused(await office.sign_in(), "none of your groups")
    who, action, detail = await office.noted()
    assert (who, action, detail["reason"]) == (LOGIN, "sign-in refused", "entitled")
    assert (await office.browser.get("/me")).status_code == 401, "the open session is over too"
    program = await access.by_token(secret)
    assert program is not None
    assert not program.roles


async def test_what_the_token_does_not_say_the_provider_is_asked(office: Office) -> None:
    office.provider.claims = {"groups": None, "email": None, "email_verified": None}
    office.provider.userinfo = {
        "sub": "subject-1", "email": "ann@office.example", "email_verified": True, "groups": ["sales"]
    }  # fmt: skip
    assert (await office.sign_in()).status_code == 302
    office.provider.userinfo["sub"] = "somebody else"
    refused(await office.sign_in(), "could not be verified")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["another", "third"]}, "aud"),
        ({"aud": ["isthmus", "another"]}, "azp"),
        ({"azp": "another"}, "azp"),
        ({"exp": int(time.time()) - 3600}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"iat": int(time.time()) - 7200, "exp": int(time.time()) + 7200}, "iat"),
        ({"iat": int(time.time()) + 7200, "exp": int(time.time()) + 9000}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": int(time.time()) + 7200}, "nbf"),
        ({"nonce": "of another attempt"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["x"]}, "nonce"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": 7}, "sub"),
    ],
)
async def test_a_token_for_another_purpose_lets_nobody_in(office: Office, claims: dict[str, Any], why: str) -> None:
    office.provider.claims = claims
    refused(await office.sign_in(), "could not be verified")
    _, action, detail = await office.noted()
    assert (action, detail["reason"]) == ("sign-in refused", "unclear")
    assert f"'{why}'" in detail["why"]
    assert await office.site.access.people.people() == []


async def test_a_token_signed_by_anybody_else_lets_nobody_in(office: Office) -> None:
    provider = office.provider
    provider.key = OTHER_KEY
    refused(await office.sign_in(), "could not be verified")
    # The secret that we share with the provider is no key, also when somebody shows it as one.
    provider.key, provider.alg = symmetric(provider.client_secret), "HS256"
    refused(await office.sign_in(), "could not be verified")
    provider.keys = [symmetric(provider.client_secret)]
    refused(await office.sign_in(), "could not be verified")
    assert await office.site.access.people.people() == []


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 70_000, "a.b.c.d.e"])
async def test_what_is_no_signed_token_lets_nobody_in(office: Office, token: str) -> None:
    office.provider.token_answer = (200, {"id_token": token, "access_token": "x"})
    refused(await office.sign_in(), "could not be verified")


async def test_a_provider_that_changed_its_keys_is_looked_at_again(office: Office) -> None:
    assert (await office.sign_in()).status_code == 302
    provider = office.provider
    provider.keys, provider.key, provider.alg = [ANOTHER], ANOTHER, "ES256"
    assert (await office.sign_in()).status_code == 302
    assert [path for path, *_ in provider.asked].count("/jwks") == 2
    assert [path for path, *_ in provider.asked].count("/.well-known/openid-configuration") == 1


async def test_an_answer_that_belongs_to_no_attempt_of_this_browser_is_refused(office: Office) -> None:
    refused(await office.back(state="x"), "begun elsewhere")
    await office.begin()
    refused(await office.back(state="of-another"), "begun elsewhere")
    sent = await office.begin()
    cookie = office.browser.client.cookies["isthmus_attempt"]
    office.browser.client.cookies.set("isthmus_attempt", cookie[:-4] + "AAAA", path="/sign-in/provider")
    refused(await office.back(state=sent["state"]), "begun elsewhere")
    assert not [path for path, *_ in office.provider.asked if path == "/token/"], "a code was redeemed all the same"


async def test_an_attempt_counts_once(office: Office) -> None:
    sent = await office.begin()
    assert (await office.back(state=sent["state"])).status_code == 302
    assert "isthmus_attempt" not in office.browser.client.cookies
    refused(await office.back(state=sent["state"]), "begun elsewhere")


async def test_an_answer_of_another_provider_is_refused(office: Office) -> None:
    sent = await office.begin()
    refused(await office.back(state=sent["state"], iss="https://evil.example"), "could not be verified")
    door = office.site.door
    assert door is not None
    door._provider._described = None
    office.provider.description = {"authorization_response_iss_parameter_supported": True}
    sent = await office.begin()
    refused(await office.back(state=sent["state"]), "could not be verified")


@pytest.mark.parametrize(
    ("error", "words"), [("access_denied", "was broken off"), ("server_error", "could not sign you in")]
)
async def test_what_the_provider_refuses_is_told(office: Office, error: str, words: str) -> None:
    sent = await office.begin()
    refused(await office.back(state=sent["state"], error=error, code=""), words)
    sent = await office.begin()
    refused(await office.back(state=sent["state"], code=""), "could not be verified")


@pytest.mark.parametrize(
    ("status", "told", "words", "shown"),
    [
        (400, {"error": "invalid_grant"}, "could not be verified", 403),
        (401, {"error": "invalid_client"}, "not set up for one another", 503),
        (503, {}, "does not answer", 503),
        (502, {}, "does not answer", 503),
    ],
)
async def test_a_code_that_is_not_redeemed_lets_nobody_in(
    office: Office, status: int, told: dict[str, Any], words: str, shown: int
) -> None:
    office.provider.token_answer = (status, told)
    refused(await office.sign_in(), words, shown)


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.example/token"},
        {"end_session_endpoint": "http://login.example/bye"},
        {"jwks_uri": 7},
        {"jwks_uri": "https://user@login.example/jwks"},
    ],
)
async def test_a_provider_that_describes_itself_wrongly_is_not_used(
    office: Office, description: dict[str, Any]
) -> None:
    office.provider.description = description
    refused(await office.browser.get("/sign-in/provider"), "not set up for one another", 503)


async def test_an_address_that_is_not_verified_makes_nobody(office: Office) -> None:
    for claims in ({"email_verified": False}, {"email_verified": "true"}, {"email_verified": None}, {"email": "a b"}):
        office.provider.claims = claims
        refused(await office.sign_in(), "no verified mail address")
    assert await office.site.access.people.people() == []


async def test_whoever_is_known_here_is_not_taken_over_by_their_address(office: Office) -> None:
    people = office.site.access.people
    await people.save(a_person("viewer", login=LOGIN))
    refused(await office.sign_in(), "belongs to an account here")
    person = await people.person(LOGIN)
    assert person is not None
    assert person.roles == ["viewer"]


@pytest.mark.parametrize("more", ["link_by_email = true\n"])
class TestLinkedByAddress:
    """Roles are given here; the address counts once."""

    async def test_somebody_known_is_linked_once_and_keeps_their_roles(self, office: Office) -> None:
        people = office.site.access.people
        refused(await office.sign_in(), "Nobody here has your mail address")
        await people.save(a_person("operator", login=LOGIN))
        assert (await office.sign_in()).status_code == 302
        person = await people.person(LOGIN)
        assert person is not None
        assert person.roles == ["operator"]
        assert await people.login_of(office.provider.issuer, "subject-1") == LOGIN
        # Who has this address at the provider later on is somebody else.
        office.provider.claims = {"sub": "subject-2"}
        refused(await office.sign_in(), "belongs to an account here")
        await office.site.access.unlink(LOGIN, by="test")
        assert (await office.sign_in()).status_code == 302
        assert await people.login_of(office.provider.issuer, "subject-1") is None

    async def test_people_of_customers_and_disabled_people_stay_out(self, office: Office) -> None:
        people = office.site.access.people
        await people.save(a_person("operator", login=LOGIN))
        await office.site.access.disable(LOGIN, by="test")
        refused(await office.sign_in(), "is disabled")
        await office.site.access.disable(LOGIN, by="test", back=True)
        assert (await office.sign_in()).status_code == 302
        await office.site.access.disable(LOGIN, by="test")
        refused(await office.sign_in(), "is disabled")


async def test_ten_refusals_close_the_door_for_a_while(office: Office) -> None:
    office.provider.claims = {"groups": []}
    for _ in range(10):
        refused(await office.sign_in(), "none of your groups")
    answer = await office.browser.get("/sign-in/provider")
    refused(answer, "Too many tries", 429)
    refused(await office.back(state="x"), "Too many tries", 429)


async def test_signing_out_here_offers_to_sign_out_there(office: Office) -> None:
    await office.sign_in()
    await office.browser.get("/me")
    answer = await office.browser.post("/sign-out")
    assert answer.status_code == 200
    text = html.unescape(answer.text)
    assert f'href="{office.provider.issuer}/bye?id_token_hint=' in text
    assert "post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A0%2Fsign-in" in text
    assert (await office.browser.get("/me")).status_code == 401


async def test_the_shop_has_the_same_door_for_staff(office: Office) -> None:
    browser = office.browser
    page = await browser.get("/shop/sign-in")
    assert 'href="/sign-in/provider?place=%2Fshop"' in page.text
    office.provider.claims = {"groups": ["sales"]}
    sent = await office.begin("/shop")
    assert (await office.back(state=sent["state"])).headers["location"] == "/shop"
    assert "Call centre" in (await browser.get("/shop/desk")).text
    answer = await browser.post("/shop/sign-out")
    assert "Sign out of Office login too" in answer.text
    assert (await browser.get("/shop/desk")).status_code == 401


async def test_a_session_of_the_provider_ends_however_much_it_is_used(office: Office, store: PostgresStore) -> None:
    await office.sign_in()
    access = office.site.access
    (session,) = await access.people.sessions(office.site.access._now())
    later = Access(
        store, now=lambda: session.made_at.replace(microsecond=0) + (session.expires_at - session.made_at) / 2
    )
    secret = office.browser.client.cookies["isthmus_session"]
    assert await later.by_session(secret) is not None
    (again,) = await access.people.sessions(session.made_at)
    assert again.seen_at > session.seen_at
    assert again.expires_at == session.expires_at


@pytest.mark.parametrize("more", ["passwords = false\n" + ROLES])
class TestWithoutPasswords:
    """Staff by the provider only."""

    async def test_passwords_of_staff_count_no_more(self, office: Office) -> None:
        people, browser = office.site.access.people, office.browser
        await people.save(a_person("viewer"))
        page = await browser.get("/sign-in")
        assert 'name="password"' not in page.text
        answer = await browser.post("/sign-in", {"login": "viewer@office.example", "password": PASSWORD, "place": "/"})
        assert answer.status_code == 422
        assert (await office.sign_in()).status_code == 302
        assert "password" not in (await browser.get("/me")).text
        answer = await browser.post("/me/password", {"old": PASSWORD, "new": "another good one"})
        assert answer.status_code == 422
        await browser.get("/people")
        added = await browser.post("/people", {"login": "new@office.example", "role": "viewer"})
        assert "shown this once" not in added.text
        person = await people.person("new@office.example")
        assert person is not None
        assert person.password is None


async def test_without_a_provider_there_is_no_such_door(browser: Browser) -> None:
    assert (await browser.get("/sign-in/provider")).status_code == 404
    assert (await browser.get("/sign-in/provider/back?code=x&state=y")).status_code == 404
    assert "Sign in with" not in (await browser.get("/sign-in")).text
