"""People sign in to the console of a running hub by a real OpenID provider, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from isthmus.lab import Lab
from isthmus.lab.login import LoginProvider
from isthmus.lab.system import ask, free_port
from isthmus.pages import BACK
from tests.app.twin_office import make_project
from tests.e2e.browser import Desk, a_desk, needs_chromium
from tests.e2e.office import see

pytestmark = [
    needs_chromium,
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("npm") is None, reason="no node and npm on this machine; apt-get install npm"),
]
SETTINGS = """
[sign_in]
passwords = false
issuer = "{issuer}"
client_id = "isthmus"
client_secret = "file:secret"
name = "Office login"
scopes = ["email", "profile", "groups"]

[sign_in.roles]
hub-admins = "admin"
sales = "viewer"
"""


class House:
    """A provider, and a hub whose staff sign in by it."""

    def __init__(self, login: LoginProvider, folder: Path, database_url: str) -> None:
        self.login, self.folder, self.database_url = login, folder, database_url
        self.address = f"http://127.0.0.1:{free_port()}"
        self._hub: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        make_project(self.folder, "http://127.0.0.1:1")
        (self.folder / "secret").write_text(self.login.credentials["client_secret"])
        settings = self.folder / "isthmus.toml"
        text = settings.read_text().replace("127.0.0.1:0", self.address.removeprefix("http://"))
        settings.write_text(text + SETTINGS.format(issuer=self.login.url))
        self.login.register(self.address, BACK)
        with (self.folder / "hub.log").open("ab") as log:
            self._hub = subprocess.Popen(
                [sys.executable, "-m", "isthmus", "web", "-C", self.folder],
                env={**os.environ, "ISTHMUS_DATABASE_URL": self.database_url},
                stdout=log,
                stderr=log,
            )
        see(self._answers)

    def _answers(self) -> bool:
        assert self._hub is not None
        assert self._hub.poll() is None, (self.folder / "hub.log").read_text()
        try:
            return ask(f"{self.address}/health") == 200
        except OSError:
            return False

    def stop(self) -> None:
        if self._hub is not None:
            self._hub.terminate()
            self._hub.wait(20)

    def audit(self) -> list[tuple[str, str, str]]:
        """Who, what and why, the newest first."""
        with psycopg.connect(self.database_url, options="-c search_path=isthmus") as connection:
            rows = connection.execute("select who, action, detail ->> 'reason' from audit order by seq desc").fetchall()
        return [(who, action, reason or "") for who, action, reason in rows]

    def enter(self, desk: Desk, login: str, path: str = "/sign-in") -> None:
        """From the hub's sign-in page through the provider's, and back."""
        desk.go(path)
        desk.page.click("a:has-text('Sign in with Office login')")
        desk.page.wait_for_selector("h1:has-text('Lab sign-in')")
        desk.page.fill("input[name=login]", login)
        desk.page.fill("input[name=password]", self.login.credentials["password"])
        desk.page.click("button:has-text('Enter')")
        desk.page.wait_for_url(re.compile(re.escape(self.address)))


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginProvider]:
    lab = Lab(tmp_path_factory.mktemp("login"))
    lab.up(["login"], size="small")
    yield lab.login
    lab.down()


@pytest.fixture
def house(login: LoginProvider, tmp_path: Path, database_url: str) -> Iterator[House]:
    house = House(login, tmp_path / "project", database_url)
    try:
        house.start()
        yield house
    finally:
        house.stop()


def picture(desk: Desk, name: str) -> None:
    if folder := os.environ.get("ISTHMUS_PICTURES"):
        desk.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_person_of_the_house_signs_in_and_out_by_the_provider(house: House) -> None:
    with a_desk(house.address) as desk:
        # The page that was wanted is the page that is shown.
        house.enter(desk, "ann", "/audit")
        desk.page.wait_for_selector("h1:has-text('Audit log')")
        assert "signed in" in desk.page.inner_text("main")
        desk.complaints.clear()  # of the provider's pages, and of 401 before
        desk.go("/people")
        assert "Office login" in desk.page.inner_text("tr:has-text('ann@lab.example')")
        assert "Ann Engels" in desk.page.inner_text("main")
        picture(desk, "people")
        assert desk.violations() == []
        desk.page.click("details.who summary")
        desk.page.click("button:has-text('Sign out')")
        desk.page.wait_for_selector("h1:has-text('Signed out')")
        picture(desk, "signed-out")
        assert desk.violations() == []
        assert desk.complaints == []
        # Only here: the provider lets Ann in again without asking, until she signs out there too.
        desk.go("/sign-in")
        desk.page.click("a:has-text('Sign in with Office login')")
        desk.page.wait_for_selector("nav a[aria-current=page]", state="attached")
        desk.page.click("details.who summary")
        desk.page.click("button:has-text('Sign out')")
        desk.page.click("a:has-text('Sign out of Office login too')")
        desk.page.click("button[value=yes]")
        desk.page.wait_for_url(f"{house.address}/sign-in")
        desk.page.click("a:has-text('Sign in with Office login')")
        desk.page.wait_for_selector("h1:has-text('Lab sign-in')")
    assert [action for _, action, _ in reversed(house.audit())] == [
        *("person added", "account linked", "signed in", "signed out", "signed in", "signed out"),
    ]


def test_who_has_no_role_or_no_verified_address_stays_out_and_is_told_why(house: House) -> None:
    for login, words, reason in (
        ("gus", "none of your groups there has a role here", "entitled"),
        ("uma", "gives no verified mail address", "mail"),
    ):
        with a_desk(house.address, 390) as desk:
            house.enter(desk, login)
            assert words in desk.page.inner_text("[role=alert]")
            picture(desk, f"refused-{login}")
            assert desk.violations() == []
            assert not desk.too_wide()
            desk.go("/audit")
            assert desk.page.locator("a:has-text('Sign in with Office login')").count() == 1, "nobody is signed in"
        assert house.audit()[0] == ("", "sign-in refused", reason)


def test_roles_follow_the_groups_of_the_provider(house: House) -> None:
    with a_desk(house.address) as desk:
        house.enter(desk, "sam", "/me")
        desk.page.wait_for_selector("h1:has-text('Your account')")
        assert "viewer" in desk.page.inner_text("dl.facts").lower()
        assert "password" not in desk.page.inner_text("main").lower()
        house.login.change("sam", groups=["hub-admins"])
        desk.go("/sign-in/provider?place=/audit")
        desk.page.wait_for_selector("h1:has-text('Audit log')")
        house.login.change("sam", groups=["visitors"])
        desk.go("/sign-in/provider?place=/audit")
        assert "none of your groups" in desk.page.inner_text("[role=alert]")
        desk.go("/me")
        assert desk.page.locator("h1:has-text('Your account')").count() == 0
    house.login.change("sam", groups=["office", "sales"])


def test_a_session_that_ends_in_the_middle_goes_on_after_signing_in_in_a_new_tab(house: House) -> None:
    with a_desk(house.address) as desk:
        house.enter(desk, "sam", "/records")
        desk.page.wait_for_selector("h1:has-text('Records')")
        with psycopg.connect(house.database_url, options="-c search_path=isthmus") as connection:
            connection.execute("delete from web_session")
        search = desk.page.locator("main input[name=q]")
        search.fill("what I typed")
        search.press("Enter")
        desk.page.wait_for_selector("dialog.again[open]")
        picture(desk, "again")
        assert desk.violations() == []
        with desk.page.context.expect_page() as opened:
            desk.page.click("dialog a:has-text('Sign in with Office login')")
        opened.value.wait_for_selector("nav a[aria-current=page]", state="attached")  # the provider still knows Sam
        desk.page.click("dialog button:has-text('I am signed in')")
        desk.page.wait_for_selector("dialog.again[open]", state="detached")
        assert search.input_value() == "what I typed"
        search.press("Enter")
        desk.page.wait_for_selector("main :text('Nothing found')")


def tampered(house: House, desk: Desk, name: str, login: str = "ann") -> None:
    """Off to the provider with another ``name`` than the hub gave this browser, in and back."""
    answer = desk.page.context.request.get(f"{house.address}/sign-in/provider", max_redirects=0)
    address = answer.headers["location"]
    assert name in parse_qs(urlsplit(address).query)
    desk.page.goto(re.sub(rf"\b{name}=[^&]+", f"{name}=of-somebody-else", address))
    if desk.page.locator("input[name=login]").count() and "Lab sign-in" in desk.page.content():
        desk.page.fill("input[name=login]", login)
        desk.page.fill("input[name=password]", house.login.credentials["password"])
        desk.page.click("button:has-text('Enter')")
    desk.page.wait_for_url(re.compile(re.escape(house.address)))


def test_an_answer_that_was_tampered_with_lets_nobody_in(house: House) -> None:
    with a_desk(house.address) as desk:
        tampered(house, desk, "state")
        assert "begun elsewhere" in desk.page.inner_text("[role=alert]")
        assert house.audit()[0] == ("", "sign-in refused", "expired")
        tampered(house, desk, "nonce")
        assert "could not be verified" in desk.page.inner_text("[role=alert]")
        assert house.audit()[0] == ("", "sign-in refused", "unclear")
        # PKCE: a code that was asked for with another challenge is worth nothing to us.
        tampered(house, desk, "code_challenge")
        assert house.audit()[0][1:] in (("sign-in refused", "provider"), ("sign-in refused", "unclear"))
        assert "Sign in with Office login" in desk.page.inner_text("main"), "nobody is signed in"
        # Untouched it goes well, with a key that the provider has changed meanwhile.
        house.login.change_keys()
        house.enter(desk, "ann")
        desk.page.wait_for_selector("nav a[aria-current=page]", state="attached")


def test_a_provider_that_is_down_and_one_that_was_left_are_told(house: House) -> None:
    with a_desk(house.address) as desk:
        house.login.stop()
        desk.go("/sign-in")
        desk.page.click("a:has-text('Sign in with Office login')")
        desk.page.wait_for_selector("[role=alert]:has-text('does not answer')")
        house.login.start()
        desk.page.click("a:has-text('Sign in with Office login')")
        desk.page.click("button:has-text('Cancel')")
        desk.page.wait_for_selector("[role=alert]:has-text('was broken off at Office login')")
    assert house.audit()[0] == ("", "sign-in refused", "declined")
