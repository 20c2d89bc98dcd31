"""Editing a field and taking a change back: typed, by whom, two people at once, and what is not the hub's to set."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.console import Site
from isthmus.model.state import Cause, FieldConflict, Provenance
from isthmus.store import PostgresStore, Reads
from tests.console.people import Browser, a_person
from tests.store.examples import NOW, a_change, a_link, an_item, save

FIELD = "/records/i1/fields/phone"


async def a_record(store: PostgresStore, **values: Any) -> None:
    """A customer in both systems whose phone the CRM changed once."""
    shown = {"name": "Anna", "phone": "+49 2"}
    item = an_item("i1", version=2, fields=shown, set_by={"phone": Provenance("crm", NOW)})
    links = [
        a_link(f"l-{name}", item="i1", system=name, resource="contacts", far=shown, base=shown, **values)
        for name in ("crm", "erp")
    ]
    born = {"@born": (None, "crm"), "name": (None, "Anna"), "phone": (None, "+49 1")}
    journal = [
        a_change("i1", 1, changes=born, cause=Cause("system", "crm", "c1")),
        a_change("i1", 2, changes={"phone": ("+49 1", "+49 2")}, cause=Cause("system", "crm", "c1")),
    ]
    await save(store, items=[item], links=links, journal=journal)


async def held(store: PostgresStore, name: str = "phone") -> Any:
    return (await Reads(store).items(["i1"]))["i1"].fields.get(name)


async def test_a_field_is_edited_and_says_who_did_it(browser: Browser, store: PostgresStore, site: Site) -> None:
    await a_record(store)
    await browser.sign_in("operator")
    assert f'href="{FIELD}"' in (await browser.get("/records/i1")).text
    assert 'value="+49 2"' in (await browser.get(FIELD)).text
    answer = await browser.post(FIELD, {"version": "2", "part.": " +49 3 "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/records/i1")
    item = (await Reads(store).items(["i1"]))["i1"]
    assert (item.fields["phone"], item.set_by["phone"].by) == ("+49 3", "operator@office.example")
    last = (await Reads(store).history("i1"))[0]
    assert (last.cause, last.changes) == (Cause("person", "operator@office.example"), {"phone": ("+49 2", "+49 3")})
    links = await Reads(store).links_of_items(["i1"])
    assert [link.due_at is not None for link in links] == [True, True], "nothing is to be written"
    audit = (await site.access.people.audit(1))[0]
    assert (audit.who, audit.action, audit.subject) == ("operator@office.example", "record edited", "i1")


async def test_who_was_slower_is_told_and_keeps_what_was_typed(browser: Browser, store: PostgresStore) -> None:
    await a_record(store)
    await browser.sign_in("operator")
    await browser.get(FIELD)
    await browser.post(FIELD, {"version": "2", "part.": "+49 3"})
    second = await browser.post(FIELD, {"version": "2", "part.": "+49 4"})
    assert second.status_code == 409
    for shown in ("Somebody was faster.", "operator@office.example has changed", 'value="+49 4"', "+49 3"):
        assert shown in second.text, shown
    assert 'name="version" value="3"' in second.text
    assert await held(store) == "+49 3"
    assert (await browser.post(FIELD, {"version": "3", "part.": "+49 4"})).status_code == 303
    assert await held(store) == "+49 4"


async def test_another_field_that_moved_is_no_obstacle(browser: Browser, store: PostgresStore) -> None:
    await a_record(store)
    await browser.sign_in("operator")
    await browser.get("/records/i1/fields/email")
    await browser.post("/records/i1/fields/email", {"version": "2", "part.": "a@anna.example"})
    assert (await browser.post(FIELD, {"version": "2", "part.": "+49 5"})).status_code == 303
    assert (await held(store), await held(store, "email")) == ("+49 5", "a@anna.example")
    assert (await browser.post(FIELD, {"part.": "+49 6"})).status_code == 409, "a form without a version"


async def test_a_value_that_does_not_fit_is_refused_and_stays_in_the_form(
    browser: Browser, store: PostgresStore
) -> None:
    await a_record(store)
    await browser.sign_in("engineer")
    await browser.get("/records/i1/fields/credit_limit")
    address = "/records/i1/fields/credit_limit"
    answer = await browser.post(address, {"version": "2", "part.": "much <b>EUR"})
    assert answer.status_code == 422
    assert "is not a number" in answer.text
    assert 'value="much &lt;b&gt;EUR"' in answer.text
    assert (await browser.post(address, {"version": "2", "part.": "120.50 EUR"})).status_code == 303
    assert await held(store, "credit_limit") == {"amount": "120.5", "currency": "EUR"}


async def test_parts_of_an_address_are_typed_and_unknown_ones_stay_unknown(
    browser: Browser, store: PostgresStore
) -> None:
    await a_record(store)
    await browser.sign_in("operator")
    page = (await browser.get("/records/i1/fields/address")).text
    assert 'name="part.city"' in page
    typed = {"version": "2", "part.city": "Hamburg", "part.street": ""}
    assert (await browser.post("/records/i1/fields/address", typed)).status_code == 303
    assert await held(store, "address") == {"city": "Hamburg"}
    await browser.post("/records/i1/fields/address", {"version": "3", "part.city": ""})
    assert await held(store, "address") is None


@pytest.mark.parametrize("writers", [("crm",), ("crm", "hub")])
async def test_a_field_of_one_system_is_not_offered(
    browser: Browser, store: PostgresStore, site: Site, writers: tuple[str, ...]
) -> None:
    await a_record(store)
    object.__setattr__(site.world.flows["customer"].fields["phone"], "writers", writers)
    await browser.sign_in("operator")
    page, form = (await browser.get("/records/i1")).text, (await browser.get(FIELD)).text
    refused = "hub" not in writers
    assert (f'href="{FIELD}"' not in page) == refused
    assert ("Only these systems may set it: crm" in page) == refused
    assert ('name="part."' not in form) == refused
    answer = await browser.post(FIELD, {"version": "2", "part.": "+49 3"})
    assert answer.status_code == (422 if refused else 303)
    assert await held(store) == ("+49 2" if refused else "+49 3")


async def test_a_field_in_conflict_is_decided_not_edited(browser: Browser, store: PostgresStore) -> None:
    await a_record(store, conflicts={"phone": FieldConflict("1", "2", "3")})
    await browser.sign_in("operator")
    assert "that question comes first" in (await browser.get(FIELD)).text
    assert (await browser.post(FIELD, {"version": "2", "part.": "+49 3"})).status_code == 422


async def test_a_secret_field_is_neither_shown_nor_edited(browser: Browser, store: PostgresStore, site: Site) -> None:
    await a_record(store)
    object.__setattr__(site.world.flows["customer"].fields["phone"], "role", "cost")
    await browser.sign_in("operator")
    form, undo = await browser.get(FIELD), await browser.get("/records/i1/undo/2")
    assert "+49" not in form.text + undo.text
    assert (await browser.post(FIELD, {"version": "2", "part.": "+49 3"})).status_code == 422
    assert (await browser.post("/records/i1/undo/2", {"version": "2", "field": "phone"})).status_code == 422
    await site.access.people.save(a_person("operator", roles=["operator", "cost"]))
    assert "+49 2" in (await browser.get(FIELD)).text


async def test_a_change_is_taken_back_as_a_new_change(browser: Browser, store: PostgresStore, site: Site) -> None:
    await a_record(store)
    await browser.sign_in("operator")
    page = (await browser.get("/records/i1")).text
    assert "/records/i1/undo/2" in page
    assert "/records/i1/undo/1" not in page, "being born cannot be undone"
    plan = (await browser.get("/records/i1/undo/2")).text
    assert "+49 1" in plan
    assert (await browser.post("/records/i1/undo/2", {"version": "2", "field": "phone"})).status_code == 303
    assert await held(store) == "+49 1"
    history = await Reads(store).history("i1")
    assert [one.version for one in history] == [3, 2, 1]
    assert history[0].changes == {"phone": ("+49 2", "+49 1")}
    audit = (await site.access.people.audit(1))[0]
    assert (audit.action, audit.subject) == ("change undone", "i1")
    assert "Nothing is left to undo." in (await browser.get("/records/i1/undo/2")).text
    assert (await browser.post("/records/i1/undo/2", {"version": "3", "field": "phone"})).status_code == 422


async def test_what_moved_again_is_said_before_it_is_undone(browser: Browser, store: PostgresStore) -> None:
    await a_record(store)
    await browser.sign_in("operator")
    await browser.get(FIELD)
    await browser.post(FIELD, {"version": "2", "part.": "+49 3"})
    late = await browser.post("/records/i1/undo/2", {"version": "2", "field": "phone"})
    assert late.status_code == 409
    assert "changed again since" in late.text
    assert await held(store) == "+49 3"
    assert (await browser.get("/records/i1/undo/99")).status_code == 404
    assert (await browser.get("/records/nobody/undo/1")).status_code == 404


async def test_a_viewer_is_offered_neither(browser: Browser, store: PostgresStore) -> None:
    await a_record(store)
    await browser.sign_in("viewer")
    page = (await browser.get("/records/i1")).text
    assert "/fields/" not in page
    assert "/undo/" not in page
