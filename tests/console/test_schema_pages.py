"""The schema of a system: its resources and fields, who keeps each, what changed."""

from __future__ import annotations

from datetime import timedelta

from isthmus.app.flow_preview import Samples
from isthmus.connector import FieldInfo, Traits
from isthmus.console import Site
from isthmus.errors import Unavailable
from isthmus.model.state import FarField, Pause
from isthmus.store import PostgresStore
from isthmus.sync.pauses import PauseBook
from tests.console.people import Browser
from tests.console.test_flows_and_compare import a_difference
from tests.store.examples import NOW

PAGE = "/systems/erp/schema?resource=contacts"


def rows(page: str) -> dict[str, str]:
    """Field -> its row."""
    parts = page.split('<tr><th scope="row"><code>')[1:]
    return {part.split("</code>")[0]: " ".join(part.split("</tr>")[0].split()) for part in parts}


async def known(store: PostgresStore) -> None:
    day = timedelta(days=1)
    await store.save_far_fields(
        [
            FarField(system="erp", resource="contacts", name="name", type="text"),
            FarField(system="erp", resource="contacts", name="email", type="text", gone_at=NOW - day),
            FarField(
                system="erp", resource="contacts", name="phone", type="list", former_type="text", changed_at=NOW - day
            ),
            FarField(system="erp", resource="contacts", name="fax<b>", type="text", changed_at=NOW - day),
            FarField(system="crm", resource="contacts", name="only_in_the_crm", type="text"),
        ]
    )


async def test_fields_stand_with_the_flow_that_keeps_them_and_what_changed(
    browser: Browser, store: PostgresStore
) -> None:
    await known(store)
    await a_difference(store, "d1", fields='{"name": {"hub": "a", "far": "b"}}')
    await a_difference(store, "d2", fields='{"name": {"hub": "a", "far": "b"}, "phone": {"hub": "1", "far": "2"}}')
    await browser.sign_in("viewer")
    assert 'href="/systems/erp/schema"' in (await browser.get("/systems")).text
    page = (await browser.get(PAGE)).text
    found = rows(page)
    assert set(found) == {"name", "email", "phone", "fax&lt;b&gt;", "vat"}
    assert 'href="/flows/customer"' in found["name"]
    assert "2 differ" in found["name"]
    assert "1 differs" in found["phone"]
    assert "vanished" in found["email"]
    assert "text → list" in found["phone"].replace("<small>", "")
    assert "new" in found["fax&lt;b&gt;"]
    assert "/flows/" not in found["fax&lt;b&gt;"]
    assert "not known there" in found["vat"], "a flow names it, and the system never showed it"
    assert "2 records differed at the last comparison" in page
    assert "As the hub has last seen them." in page
    assert set(rows((await browser.get(PAGE + "&show=free")).text)) == {"fax&lt;b&gt;"}
    assert set(rows((await browser.get(PAGE + "&show=changed")).text)) == {"email", "phone", "fax&lt;b&gt;"}
    assert set(rows((await browser.get(PAGE + "&q=NAM")).text)) == {"name"}
    assert "No field is like this." in (await browser.get(PAGE + "&q=nothing")).text
    assert (await browser.get("/systems/nothing/schema")).status_code == 404
    assert "only_in_the_crm" in (await browser.get("/systems/crm/schema?resource=what")).text


class Listing:
    """A resource that shows its fields, or fails."""

    name = "contacts"
    traits = Traits()

    def __init__(self, fields: dict[str, FieldInfo] | None) -> None:
        self.shown = fields

    async def fields(self) -> dict[str, FieldInfo]:
        if self.shown is None:
            raise Unavailable("erp does not answer")
        return self.shown


class Listed:
    """A system of two resources."""

    def __init__(self, contacts: dict[str, FieldInfo] | None) -> None:
        orders = {
            "partner": FieldInfo(type="key", target="contacts"),
            "total": FieldInfo(type="decimal", readonly=True),
        }
        self.held = {"contacts": Listing(contacts), "orders": Listing(orders)}

    def resources(self) -> dict[str, Listing]:
        return self.held


async def test_an_open_system_shows_its_fields_as_they_are_also_of_resources_that_no_flow_uses(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await known(store)
    pauses = PauseBook()
    fields = {"name": FieldInfo(type="text", label="Full name"), "size": FieldInfo(type="integer")}
    site.samples = Samples(site.reads, {"erp": Listed(fields)}, pauses)  # type: ignore[dict-item]
    await browser.sign_in("viewer")
    page = (await browser.get(PAGE)).text
    found = rows(page)
    assert "As the system has them now." in page
    assert "Full name" in found["name"]
    assert "whole number" in found["size"]
    assert "used by no flow" in page
    orders = rows((await browser.get("/systems/erp/schema?resource=orders")).text)
    assert 'href="/systems/erp/schema?resource=contacts"' in orders["partner"]
    assert "cannot be written" in orders["total"]

    # While it does not answer, or is paused, what is known of it stands there.
    site.samples = Samples(site.reads, {"erp": Listed(None)}, pauses)  # type: ignore[dict-item]
    page = (await browser.get(PAGE)).text
    assert "erp does not answer" in page
    assert "vanished" in rows(page)["email"]
    pauses.fill([Pause("erp", "", "anna", NOW, "the year is closed")])
    assert "the year is closed" in (await browser.get(PAGE)).text
