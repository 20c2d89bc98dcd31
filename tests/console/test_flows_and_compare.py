"""What the pages of flows and of the last comparisons show."""

from __future__ import annotations

from datetime import timedelta

from isthmus.app.flow_notes import note_flows
from isthmus.app.flow_view import expression_text
from isthmus.console import Site
from isthmus.model.flow import Const, Convert, Each, Join, Path, Segment, Struct
from isthmus.store import PostgresStore
from tests.console.people import Browser, a_person
from tests.console.test_pages import HOSTILE, a_record
from tests.store.examples import NOW, a_write, save


async def a_difference(store: PostgresStore, id: str, kind: str = "missed change", fields: str = "{}") -> None:
    sql = """insert into drift (id, kind, flow, system, resource, key, item, link, fields, found_at)
    values (%s, %s, 'customer', 'erp', 'contacts', 'e1', 'i1', 'l-erp', %s, %s)"""
    async with store._connection() as connection:
        await connection.execute(sql, (id, kind, fields, NOW))


async def test_a_flow_is_a_table_of_fields_across_systems(browser: Browser, store: PostgresStore, site: Site) -> None:
    await note_flows(store, site.project, by="anna", now=NOW, ran=True)
    await save(store, effects=[a_write("l-erp", at=NOW + timedelta(hours=1))])
    await browser.sign_in("viewer")
    assert 'href="/flows/customer"' in (await browser.get("/flows")).text
    page = (await browser.get("/flows/customer?version=1")).text
    for shown in ("<code>vat</code>", "crm", "erp", "is deleted too", "20 %", "100000", "anna", "in force", "phone:"):
        assert shown in page, shown
    assert "1 update → erp" in " ".join(page.split())
    assert (await browser.get("/flows/nothing")).status_code == 404


async def test_a_flow_that_never_ran_has_no_version(browser: Browser) -> None:
    await browser.sign_in("viewer")
    assert "It has not run yet." in (await browser.get("/flows/customer")).text


def test_expressions_read_as_in_a_flows_file() -> None:
    path = Path((Segment("lines", where=("type", "mail")), Segment("value")), Convert("choice", (), (("a", "b"),)))
    assert expression_text(path) == "lines[type=mail].value as choice(a=b)"
    name = Join((Path((Segment("first"),)), Path((Segment("last"),))))
    assert expression_text(name) == "first ' ' last"
    assert (
        expression_text(Struct({"city": Path((Segment("town"),)), "kind": Const("x")}))
        == "{city: town, kind: always x}"
    )
    assert expression_text(Each(Path((Segment("items"),)), {"n": Path((Segment("qty"),))})) == "each items {n: qty}"


async def test_differences_are_shown_by_cause_and_one_by_one(browser: Browser, store: PostgresStore) -> None:
    await a_record(store, HOSTILE)
    fields = '{"phone": {"hub": "+49 40 1", "far": "<script>alert(1)</script>"}}'
    for number in range(60):
        await a_difference(store, f"d{number:03}", fields=fields)
    await a_difference(store, "e1", "never linked")
    await browser.sign_in("viewer")
    page = await browser.get("/compare?flow=customer")
    assert len(page.content) < 100_000
    assert "<script>alert" not in page.text
    for shown in ("+49 40 1", "missed change", "never linked", "isthmus compare customer", "/records/i1", "60"):
        assert shown in page.text, shown
    assert "e1</code>" in (await browser.get("/compare?flow=customer&after=d049")).text
    assert (await browser.get("/compare?flow=nothing")).status_code == 200


async def test_a_difference_of_a_secret_field_tells_no_value(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await a_record(store)
    object.__setattr__(site.world.flows["customer"].fields["phone"], "role", "cost")
    await a_difference(store, "d1", fields='{"phone": {"hub": "+49 40 1", "far": "+49 40 2"}}')
    await browser.sign_in("viewer")
    assert "+49 40" not in (await browser.get("/compare")).text
    await site.access.people.save(a_person("viewer", roles=["viewer", "cost"]))
    assert "+49 40 2" in (await browser.get("/compare")).text
