"""Takes the pictures of the documents from a running demo (``make demo`` first): docs/pictures/*.png."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from isthmus.cli.demo import Stage
from isthmus.cli.demo.day import CUSTOMER
from isthmus.cli.demo.stage import PEOPLE

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
WIDE, NARROW = 1440, 390
RECORD = f"/records?q={CUSTOMER['name']}"
SHOTS = (
    # file, where, width, theme, language
    ("overview.png", "/", WIDE, "light", "en"),
    ("record.png", RECORD, WIDE, "light", "en"),
    ("inbox.png", "/inbox", WIDE, "light", "en"),
    ("trace.png", "/trace?q=1", WIDE, "light", "en"),
    ("phone-dark-zh.png", RECORD, NARROW, "dark", "zh"),
)
"""Of a search for one record the record itself is shown."""


def main() -> int:
    """0 when all pictures were taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo"), help="the demo's project")
    stage = Stage(parser.parse_args().folder, print)
    chromium = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    if chromium is None or stage.hub_pid() is None:
        print("Needs chromium (apt-get install chromium) and a running demo (make demo).", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    login, password = next(who for who in stage.people().items() if who[0].startswith(PEOPLE["engineer"].lower()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, place, width, theme, language in SHOTS:
            _take(browser, stage.hub_url(), (login, password), PICTURES / name, place, width, theme, language)
            print(f"  {name}")
        browser.close()
    return 0


def _take(
    browser: Browser, address: str, who: tuple[str, str], file: Path, place: str, width: int, theme: str, language: str
) -> None:
    page = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB").new_page()
    page.goto(f"{address}/sign-in")
    page.fill("input[name=login]", who[0])
    page.fill("input[name=password]", who[1])
    page.click("button.main")
    page.wait_for_selector("nav a[aria-current=page]", state="attached")
    if (page.get_attribute("html", "lang") == "en") != (language == "en"):
        _press(page, "/language", "")
    _press(page, "/theme", f"[value={theme}]")
    page.goto(address + place)
    if place == RECORD:
        page.click("a[data-row]")
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    page.screenshot(path=file)
    page.context.close()


def _press(page: Page, action: str, which: str) -> None:
    """A button of the account's menu."""
    with page.expect_navigation():
        page.evaluate(f"document.querySelector(\"form[action='{action}'] button{which}\").click()")


if __name__ == "__main__":
    sys.exit(main())
