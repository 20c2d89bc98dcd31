"""Pages of the console in a real browser, in Chinese: words stay whole, nothing is wider than a phone, everybody can
use them as far as axe can tell."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from isthmus.console import Site
from isthmus.store import PostgresStore
from isthmus.web import Parts, serve
from tests.api.office import made
from tests.console.people import PASSWORD, a_person
from tests.console.test_pages import a_record
from tests.e2e.browser import a_desk, needs_chromium

pytestmark = [needs_chromium, pytest.mark.timeout(300)]

BROKEN = """
[...document.querySelectorAll("thead th, td.word, .nobreak")].filter(cell => {
  const text = document.createRange();
  text.selectNodeContents(cell);
  const rows = new Set([...text.getClientRects()].map(part => Math.round(part.top)));
  return cell.offsetParent && !cell.querySelector("br") && cell.innerText.length < 7 && rows.size > 1;
}).map(cell => cell.innerText)
"""
"""Short headings and words of cells that stand on several rows. Chinese breaks between any two signs: a narrow column
once held one sign a row."""


async def papers(site: Site, store: PostgresStore) -> list[str]:
    """Addresses of pages that show something."""
    await site.access.people.save(a_person("engineer", language="zh"))
    await a_record(store)
    await made(store, "OrganisationUnit", {"number": "KIEL", "name": "Station Kiel", "kind": "station"}, "unit-1")
    asked = {"number": "MR-1", "station": "unit-1", "state": "ordered", "process": "material_request/MR-1"}
    line = {"id": "1", "product": "p1", "quantity": "1"}
    await made(store, "MaterialRequest", {**asked, "lines": [line], "reason": "W" * 200}, "request-1")
    line = {"product": "p1", "quantity": "2", "unit": "Unit", "unit_price": "80", "amount": "160"}
    order = {"number": "SO-1", "state": "processing", "lines": [line], "currency": "EUR"}
    await made(store, "SalesOrder", order, "order-1")
    return [
        *("", "records", "records/i1", "records/i1?all=1", "records/request-1", "records/i1/links", "trace?q=SO-1"),
        *("inbox", "systems", "flows", "flows/customer", "compare", "processes", "approvals", "me"),
    ]


def walk(address: str, pages: list[str], width: int) -> None:
    """One page after the other."""
    pictures = os.environ.get("ISTHMUS_PICTURES")
    with a_desk(address, width) as desk:
        desk.sign_in("engineer@office.example", PASSWORD)
        for path in pages:
            desk.go(f"/{path}")
            assert desk.page.get_attribute("html", "lang") == "zh-Hans"
            if pictures:
                name = path.replace("/", "-").replace("?", "-") or "overview"
                desk.page.screenshot(path=Path(pictures) / f"console-{name}-{width}.png", full_page=True)
            assert desk.page.evaluate(BROKEN) == [], path
            assert not desk.too_wide(), path
            assert desk.violations() == [], path
        assert desk.complaints == []


@pytest.mark.parametrize("width", [390, 1440])
async def test_pages_in_chinese_can_be_used_by_everybody(site: Site, store: PostgresStore, width: int) -> None:
    pages = await papers(site, store)
    async with serve(Parts(site=site), "127.0.0.1", 0) as port:
        await asyncio.to_thread(walk, f"http://127.0.0.1:{port}", pages, width)
