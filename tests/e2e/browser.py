"""A real browser (Debian's chromium) that people use the console with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.e2e.office import Office

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
AXE = Path(__file__).with_name("axe.min.js")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine; Debian and Ubuntu have it: apt-get install chromium"
)


class Desk:
    """Somebody at a browser. Everything that its console complains of is kept in ``complaints``."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        page.set_default_timeout(60_000)  # ends a wait that hangs, on a busy machine too

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def go(self, path: str) -> None:
        """Open a page."""
        self.page.goto(self.address + path)

    def sign_in(self, login: str, password: str) -> None:
        """From the sign-in page to the overview."""
        self.go("/sign-in")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", password)
        self.page.click("button.main")
        self.page.wait_for_selector("nav a[aria-current=page]", state="attached")

    def violations(self) -> list[str]:
        """What axe finds on the page as it is."""
        # By the debugger's way: the page's own policy lets no foreign script in.
        session = self.page.context.new_cdp_session(self.page)
        session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
        found = self.page.evaluate("rules => axe.run(document, rules)", RULES)
        return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]

    def too_wide(self) -> bool:
        """Whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@contextmanager
def a_desk(address: str, width: int = 1440, theme: str = "light") -> Iterator[Desk]:
    """A browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            locale="en-GB",
        )
        yield Desk(context.new_page(), address)
        browser.close()


def person(office: Office, role: str) -> tuple[str, str]:
    """Login and password of somebody new with this role."""
    _, login = office.new(role)
    said = office.isthmus("user", "add", login, "--role", role, "--generate", "--json")
    assert said.code == 0, said
    return login, str(said.json["password"])
