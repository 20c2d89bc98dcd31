"""Values as people read them: no word of the hub's own, no id and no machine's moment on a page."""

from __future__ import annotations

import re

import pytest

from isthmus.app.bootstrap import clock
from isthmus.console import Site
from isthmus.console.showing import filters
from isthmus.console.values import PROCESSES, WORDS, amount_text, moment_text
from isthmus.desk.processes import BUNDLED
from isthmus.process import start
from isthmus.store import PostgresStore
from tests.api.office import made
from tests.console.people import Browser, a_person
from tests.tidy.tree import ROOT

SHOP_WORDS = ROOT / "src/isthmus/portal/templates/words.html"


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("50000", "EUR", "50,000.00 EUR"),
        ("0", "EUR", "0.00 EUR"),
        ("20.624", "EUR", "20.624 EUR"),
        ("-1234.5", "EUR", "-1,234.50 EUR"),
        ("1200", "JPY", "1,200 JPY"),
        ("1.250", "KWD", "1.250 KWD"),
        ("7.5", None, "7.5"),
        ("seven", "EUR", "seven EUR"),
    ],
)
def test_an_amount_has_its_currencys_decimals_and_loses_none(amount: str, currency: str | None, shown: str) -> None:
    assert amount_text({"amount": amount, "currency": currency}) == shown


def test_a_moment_is_told_in_utc_and_nothing_else_is_taken_for_one() -> None:
    assert moment_text("2026-11-26T23:25:10.985979+00:00") == "2026-11-26 23:25:10 UTC"
    assert moment_text("2026-11-27T01:00:00+02:00") == "2026-11-26 23:00:00 UTC"
    for text in ("2026-11-26", "2026-13-26T23:25:10Z", "2026-11-26T23:25:10", "T 2026-11-26T23:25:10Z"):
        assert moment_text(text) is None


def test_only_fields_of_words_are_translated() -> None:
    held = filters("zh")["held"]
    assert held("processing", "state") == "处理中"
    assert held("processing", "note") == "processing"
    assert held("<b>", "state") == "&lt;b&gt;"
    assert held("somebody's own", "state") == "somebody&#39;s own"


def test_every_word_of_the_shop_and_every_process_has_one_in_the_console() -> None:
    """What customers are told in words, staff see in words too."""
    text = SHOP_WORDS.read_text(encoding="utf-8")
    compared = re.findall(r"word == '([^']+)'", text)
    grouped = [word for group in re.findall(r"word in \(([^)]*)\)", text) for word in re.findall(r"'([^']+)'", group)]
    assert not {*compared, *grouped} - set(WORDS) - {"kept"}, "an order of which the shop knows no state"
    assert set(BUNDLED) <= set(PROCESSES)


async def test_a_document_of_the_hub_names_its_station_and_leads_to_its_process(
    browser: Browser, site: Site, store: PostgresStore
) -> None:
    await site.access.people.save(a_person("viewer", language="zh"))
    unit = {"number": "KIEL", "name": "Station <i>Kiel</i>", "kind": "station"}
    await made(store, "OrganisationUnit", unit, "unit-1")
    asked = {"number": "MR-1", "station": "unit-1", "state": "ordered", "process": "material_request/MR-1"}
    total = {"total": {"amount": "1160", "currency": "EUR"}, "requested_at": "2026-11-26T23:25:10.985979+00:00"}
    await made(store, "MaterialRequest", {**asked, **total}, "request-1")
    async with store.transaction() as tx:
        given = {"item": "request-1"}
        await start(tx, BUNDLED["material_request"], given, id="material_request/MR-1", now=clock())
    await browser.sign_in("viewer")
    page = (await browser.get("/records/request-1")).text
    for shown in ("Station &lt;i&gt;Kiel&lt;/i&gt;", "已下单", "1,160.00 EUR", "2026-11-26 23:25:10 UTC"):
        assert shown in page, shown
    (address,) = set(re.findall(r'href="(/processes/[^"]+)"', page))
    process = (await browser.get(address)).text
    assert "领料流程" in process
    assert f'href="{address}"' in (await browser.get("/processes")).text
    listed = (await browser.get("/records")).text
    assert "Station &lt;i&gt;Kiel&lt;/i&gt;" in listed
    assert "material_request" not in listed


async def test_a_trace_speaks_the_readers_language(browser: Browser, site: Site, store: PostgresStore) -> None:
    await site.access.people.save(a_person("viewer", language="zh"))
    order = {"number": "SO-1", "state": "processing", "shipment_state": "partially shipped"}
    await made(store, "SalesOrder", order, "order-1")
    await browser.sign_in("viewer")
    history = (await browser.get("/trace?q=SO-1")).text.split('class="timeline"')[1]
    for shown in ("首次出现", "处理中", "部分发货"):
        assert shown in history, shown
    for raw in ("first seen", "processing", "shipment_state"):
        assert raw not in history, raw
