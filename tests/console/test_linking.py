"""The page of a record's links: every act is shown first, done once, and refused to whoever was slower."""

from __future__ import annotations

import re

from isthmus.console import Site
from isthmus.model.state import LinkState
from isthmus.store import PostgresStore, Reads
from tests.console.people import Browser
from tests.store.examples import a_link, an_item, save

HOSTILE = "<script>alert(1)</script>"
FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


async def two_records(store: PostgresStore) -> None:
    """One customer in both systems, its double in the ERP, and a record there that is nobody's."""
    links, items = [], []
    for item, systems, name in (("i1", ("crm", "erp"), "Anna"), ("i2", ("erp",), HOSTILE)):
        shown = {"name": name, "phone": "+49 2"}
        items.append(an_item(item, fields=shown))
        links += [
            a_link(f"{item}-{s}", item=item, system=s, resource="contacts", key=f"{s}-{item}", far=shown, base=shown)
            for s in systems
        ]
    nobodys = a_link(
        "l-new", system="erp", resource="contacts", key="e9", state=LinkState.UNLINKED, far={"name": "Ann"}
    )
    await save(store, items=items, links=[*links, nobodys])


async def confirm(browser: Browser, address: str) -> dict[str, str]:
    """The form that the preview offers."""
    page = await browser.get(address)
    assert page.status_code == 200, page.text[-500:]
    form = page.text[page.text.index('action="/records/i1/links"') :]
    return {name: value for name, value in FIELD.findall(form) if name != "_csrf_token"}


async def state_of(store: PostgresStore, link: str) -> tuple[LinkState, str | None]:
    found = (await Reads(store).links([link]))[link]
    return found.state, found.item


async def test_a_record_is_unlinked_and_linked_again(browser: Browser, store: PostgresStore, site: Site) -> None:
    await two_records(store)
    await browser.sign_in("operator")
    assert 'href="/records/i1/links"' in (await browser.get("/records/i1")).text
    assert "Unlink" in (await browser.get("/records/i1/links")).text
    form = await confirm(browser, "/records/i1/links/preview?kind=unlink&link=i1-erp")
    assert await state_of(store, "i1-erp") == (LinkState.LINKED, "i1"), "a preview has changed something"
    answer = await browser.post("/records/i1/links", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/records/i1")
    assert await state_of(store, "i1-erp") == (LinkState.UNLINKED, "i1")
    audit = (await site.access.people.audit(1))[0]
    assert (audit.who, audit.action, audit.subject) == ("operator@office.example", "record unlinked", "i1")
    slower = await browser.post("/records/i1/links", form)
    assert slower.status_code == 422
    assert "Link again" in (await browser.get("/records/i1/links")).text
    form = await confirm(browser, "/records/i1/links/preview?kind=link&link=i1-erp")
    await browser.post("/records/i1/links", form)
    assert await state_of(store, "i1-erp") == (LinkState.LINKED, "i1")


async def test_two_records_are_found_merged_and_parted(browser: Browser, store: PostgresStore) -> None:
    await two_records(store)
    await browser.sign_in("operator")
    page = (await browser.get("/records/i1/links?q=alert")).text
    assert "<script>alert" not in page
    assert "kind=merge&amp;other=i2" in page
    assert "kind=link&amp;link=i2-erp" in page
    form = await confirm(browser, "/records/i1/links/preview?kind=merge&other=i2&policy=keep")
    await browser.post("/records/i1/links", form)
    assert await state_of(store, "i2-erp") == (LinkState.LINKED, "i1")
    assert (await browser.get("/records/i2")).headers["location"] == "/records/i1"
    page = (await browser.get("/records/i1/links")).text
    assert "kind=part&amp;other=i2" in page
    form = await confirm(browser, "/records/i1/links/preview?kind=part&other=i2")
    await browser.post("/records/i1/links", form)
    assert await state_of(store, "i2-erp") == (LinkState.LINKED, "i2")
    assert (await browser.get("/records/i2")).status_code == 200


async def test_what_moved_since_it_was_looked_at_is_shown_anew(browser: Browser, store: PostgresStore) -> None:
    await two_records(store)
    await browser.sign_in("operator")
    form = await confirm(browser, "/records/i1/links/preview?kind=merge&other=i2&policy=keep")
    await save(store, items=[an_item("i2", version=2, fields={"name": "Other", "phone": "+49 9"})])
    slower = await browser.post("/records/i1/links", form)
    assert slower.status_code == 409
    assert "Things have moved meanwhile." in slower.text
    assert await state_of(store, "i2-erp") == (LinkState.LINKED, "i2")


async def test_a_record_that_nobody_has_is_found_by_its_key_and_linked(browser: Browser, store: PostgresStore) -> None:
    await two_records(store)
    await browser.sign_in("operator")
    page = (await browser.get("/records/i1/links?q=e9")).text
    assert "kind=link&amp;link=l-new" in page
    form = await confirm(browser, "/records/i1/links/preview?kind=link&link=l-new")
    await browser.post("/records/i1/links", form)
    assert await state_of(store, "l-new") == (LinkState.LINKED, "i1")
    assert (await state_of(store, "i1-erp"))[0] is LinkState.UNLINKED, "two records of one place"


async def test_what_cannot_be_done_says_why(browser: Browser, store: PostgresStore) -> None:
    await two_records(store)
    await browser.sign_in("operator")
    for asked in (
        "kind=part&other=i2",
        "kind=merge&other=i1",
        "kind=unlink&link=i2-erp",
        "kind=what",
        "kind=link&link=x",
    ):
        answer = await browser.get(f"/records/i1/links/preview?{asked}")
        assert answer.status_code == 422, asked
    assert (await browser.get("/records/nothing/links")).status_code == 404
    await browser.sign_in("viewer")
    assert 'href="/records/i1/links"' not in (await browser.get("/records/i1")).text
    assert (await browser.get("/records/i1/links")).status_code == 403
