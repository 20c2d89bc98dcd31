"""What the pages show, with the names that customers really have and some that attackers have."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.console import Site
from isthmus.model.state import Cause, FieldConflict, InboxKind, Link, Problem, Provenance
from isthmus.store import PostgresStore, Reads
from tests.console.people import Browser, a_person
from tests.store.examples import NOW, a_change, a_feed, a_link, a_question, a_write, an_item, save

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"'&"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def two_links(**values: Any) -> list[Link]:
    """A customer in both systems."""
    return [
        a_link("l-crm", item="i1", key="c1", resource="contacts", system="crm", **values),
        a_link(
            "l-erp", item="i1", key="e1", resource="contacts", system="erp", far={"name": "云帆"}, base={"name": "云帆"}
        ),
    ]


async def a_record(store: PostgresStore, name: str = "云帆精密机械有限公司", **values: Any) -> None:
    item = an_item(
        "i1",
        fields={"name": name, "email": "info@yunfan.example", "phone": "+49 40 1"},
        set_by={"name": Provenance("crm", NOW)},
    )
    changes = [a_change("i1", changes={"name": ("old", name)}, cause=Cause("system", "crm", "c1"))]
    await save(store, items=[item], links=two_links(**values), journal=changes, effects=[a_write("l-erp", item="i1")])


async def test_a_script_in_a_name_is_text_on_every_page(browser: Browser, store: PostgresStore) -> None:
    conflict = FieldConflict(HOSTILE, HOSTILE, HOSTILE)
    await a_record(store, HOSTILE, far={"name": HOSTILE}, conflicts={"name": conflict}, problem=Problem("x", HOSTILE))
    questions = [
        a_question(
            "q1",
            subject="l-crm",
            summary=HOSTILE,
            detail={"fields": {"name": {"base": HOSTILE, "hub": HOSTILE, "far": HOSTILE}}, "system": "crm"},
            choices=("hub", "far", "value"),
        ),
        a_question(
            "q2",
            kind=InboxKind.FAILURE,
            subject="l-erp",
            summary=HOSTILE,
            detail={"message": HOSTILE, "values": {"name": HOSTILE}, "system": HOSTILE, "code": "rejected"},
            choices=("retry",),
        ),
        a_question(
            "q3",
            kind=InboxKind.MATCH,
            subject="l-erp",
            summary=HOSTILE,
            detail={"fields": {"name": HOSTILE}, "system": "erp", "candidates": [{"item": "i1", "reason": HOSTILE}]},
            choices=("link",),
        ),
    ]
    await save(store, open_inbox=questions, feeds=[a_feed(problem=Problem("x", HOSTILE), failing_since=NOW)])
    await browser.sign_in("engineer")
    pages = ["/", "/records", "/records?q=alert", "/records/i1?all=1", "/inbox", "/systems", "/trace?q=%3Cscript%3E"]
    pages += [f"/inbox/q{n}" for n in (1, 2, 3)] + ["/inbox?kind=failure&cause=%3Cscript%3E&flow=%22%3E%3Cscript%3E"]
    seen = 0
    for page in pages:
        answer = await browser.get(page)
        assert answer.status_code == 200, page
        assert "<script>alert" not in answer.text, page
        assert "<img src=x" not in answer.text, page
        seen += ESCAPED in answer.text
    assert seen >= 6, "the name was shown on too few pages to prove anything"


async def test_a_record_shows_who_set_what_and_where_it_differs(browser: Browser, store: PostgresStore) -> None:
    await a_record(store, far={"name": "云帆精密机械有限公司", "phone": "+49 40 2"}, base={"phone": "+49 40 1"})
    await browser.sign_in("viewer")
    page = (await browser.get("/records/i1")).text
    for shown in ("云帆精密机械有限公司", "+49 40 1", "+49 40 2", "agreed before:", "c1", "e1", "differs", "old"):
        assert shown in page, shown
    assert (await browser.get("/record?system=erp&resource=contacts&key=e1")).headers["location"] == "/records/i1"
    assert (await browser.get("/records/nobody")).status_code == 404


async def test_a_merged_record_leads_to_what_it_was_merged_into(browser: Browser, store: PostgresStore) -> None:
    await a_record(store)
    await save(store, items=[an_item("i2", alias_of="i1")])
    await browser.sign_in("viewer")
    assert (await browser.get("/records/i2")).headers["location"] == "/records/i1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("云帆", True),
        ("精", True),
        ("YUNFAN", True),
        ("fan.ex", True),
        ("e1", True),
        ("%", False),
        ("\\", False),
        ("name", False),
        ("帆云", False),
        ("fa", False),
    ],
)
async def test_a_record_is_found_by_any_part_of_a_value_in_any_script(
    store: PostgresStore, text: str, found: bool
) -> None:
    await a_record(store)
    assert [item.id for item in await Reads(store).search(text)] == (["i1"] if found else [])


async def test_the_search_uses_its_index(store: PostgresStore) -> None:
    async with store.transaction() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        await connection.execute(
            "insert into item_search (item, entity, version, text) "
            "select n::text, case when n % 2 = 0 then 'Customer' else 'Product' end, 1, md5(n::text) "
            "from generate_series(1, 4000) as n"
        )
        await connection.execute("analyze item_search")
        # As search_parts does; among so few rows another index would do as well.
        await connection.execute("set local enable_seqscan = off; set local enable_indexscan = off")
        await connection.execute("drop index item_search_entity")
        for more in ("", " and entity = 'Customer'"):
            asked = f"explain select item from item_search where text like '%fan7%'{more}"
            rows = str(await (await connection.execute(asked)).fetchall())
            assert "item_search_parts" in rows, rows
            assert "Filter" not in rows, rows


async def test_the_overview_alarms_when_nothing_runs_or_a_system_is_silent(
    browser: Browser, store: PostgresStore
) -> None:
    await a_record(store)
    await save(
        store, feeds=[a_feed(resource="contacts", polled_at=NOW, failing_since=NOW, problem=Problem("x", "no route"))]
    )
    await browser.sign_in("viewer")
    page = (await browser.get("/")).text
    assert "The hub does not run." in page
    assert "no route" in page
    assert "failing" in page
    assert "silent" in page


async def test_values_that_need_a_role_are_shown_to_nobody_else(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    rule = site.world.flows["customer"].fields["phone"]
    object.__setattr__(rule, "role", "cost")
    await a_record(store, far={"phone": "+49 40 2"})
    await browser.sign_in("viewer")
    page = (await browser.get("/records/i1")).text + (await browser.get("/records?q=yunfan")).text
    assert "+49 40" not in page
    assert "not for your roles" in page
    await site.access.people.save(a_person("viewer", roles=["viewer", "cost"]))
    assert "+49 40 1" in (await browser.get("/records/i1")).text


async def test_a_page_is_small_with_long_and_huge_values(browser: Browser, store: PostgresStore) -> None:
    await a_record(store, "x" * 100_000)
    huge = {"message": "m" * 5_000_000, "values": {"note": "y" * 5_000_000}, "system": "erp"}
    await save(
        store, open_inbox=[a_question("q", kind=InboxKind.FAILURE, subject="l-erp", detail=huge, choices=("retry",))]
    )
    await browser.sign_in("operator")
    for page in ("/", "/records", "/records/i1", "/inbox", "/inbox/q"):
        answer = await browser.get(page)
        assert answer.status_code == 200
        assert len(answer.content) < 100_000, page


async def test_a_store_that_is_away_is_said_and_the_page_looks_again(
    browser: Browser, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in("viewer")
    await site.store.close()
    answer = await browser.get("/")
    assert answer.status_code == 503
    assert "data-reload" in answer.text
