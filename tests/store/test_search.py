"""What has changed is found at once, and by what it is now; what it is found by is made a moment later."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from isthmus.app.searching import refresh_search, searchable
from isthmus.model.state import Item
from isthmus.store import Pages, PostgresStore, Reads
from tests.store.examples import save


def an_item(id: str, entity: str = "Customer", version: int = 1, **fields: Any) -> Item:
    return Item(id=id, entity=entity, version=version, fields=fields)


async def found(store: PostgresStore, text: str, entity: str | None = None) -> list[str]:
    return sorted(item.id for item in await Reads(store).search(text, entity=entity))


async def waiting(store: PostgresStore) -> int:
    async with store.transaction() as tx:
        rows = await (await tx._connection.execute("select count(*) from item_changed")).fetchall()  # type: ignore[attr-defined]
    return int(rows[0][0])


async def test_a_change_is_found_before_its_text_is_made_and_after(store: PostgresStore) -> None:
    await save(store, items=[an_item("i1", name="Nordwind 云帆"), an_item("i2", name="Südwind")])
    for _ in range(2):
        assert await found(store, "wind") == ["i1", "i2"]
        assert await found(store, "云") == ["i1"]
        assert await found(store, "WIND", "Contact") == []
        await refresh_search(store)
        assert await waiting(store) == 0
    await save(store, items=[an_item("i1", version=2, name="Falken")])
    for _ in range(2):
        assert await found(store, "wind") == ["i2"], "not by what it was"
        assert await found(store, "falken") == ["i1"]
        await refresh_search(store)


async def test_what_was_merged_is_found_no_more_and_again_when_it_is_parted(store: PostgresStore) -> None:
    one, other = an_item("i1", name="Nordwind"), an_item("i2", name="Nordwind")
    await save(store, items=[one, other])
    await refresh_search(store)
    for version, alias in ((2, "i2"), (3, None)):
        await save(store, items=[replace(one, version=version, alias_of=alias)])
        for _ in range(2):
            assert await found(store, "nordwind") == (["i2"] if alias else ["i1", "i2"])
            await refresh_search(store)


async def test_an_older_reading_never_takes_the_place_of_a_newer(store: PostgresStore) -> None:
    await save(store, items=[an_item("i1", version=5, name="New")])
    await refresh_search(store)
    # As one whose statement began before the change that somebody else has taken up meanwhile.
    async with store.transaction() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        await connection.execute("alter table item disable trigger all")
        await connection.execute('update item set version = 4, fields = \'{"name": "Old"}\'')
        await connection.execute("insert into item_changed values ('i1')")
    await refresh_search(store)
    async with store.transaction() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        rows = await (await connection.execute("select version, text from item_search")).fetchall()
    assert [tuple(row) for row in rows] == [(5, "new")]


async def test_many_that_make_texts_at_once_leave_nothing_out(store: PostgresStore) -> None:
    for start in range(0, 400, 100):
        await save(store, items=[an_item(f"i{n}", name=f"Firm {n} wind") for n in range(start, start + 100)])
    counts = await asyncio.gather(*(refresh_search(store) for _ in range(4)))
    assert sum(counts) == 400
    assert len(await Reads(store).search("wind", 500)) == 400
    assert await waiting(store) == 0


async def test_work_that_ends_leaves_everything_to_be_found(store: PostgresStore) -> None:
    async with searchable(store):
        await save(store, items=[an_item("i1", name="Nordwind")])
    assert await waiting(store) == 0
    assert await found(store, "nordwind") == ["i1"]


async def test_lists_are_of_their_customer_or_station_the_newest_first(store: PostgresStore) -> None:
    days = {"o1": "2026-01-01", "o2": "2026-03-01", "o3": None, "o4": "2026-03-01"}
    orders = [
        an_item(id, "SalesOrder", customer="c1", number=f"SO-{id}", state="done" if day else "kept", ordered_on=day)
        for id, day in days.items()
    ]
    gone = replace(
        an_item("o5", "SalesOrder", customer="c1", number="SO-5"), deleted_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    await save(store, items=[*orders, gone, an_item("other", "SalesOrder", customer="c2", number="SO-9")])
    await save(store, items=[an_item("r1", "Return", station="s1", number="RT-1")])
    pages = Pages(store)

    async def listed(**wanted: Any) -> list[str]:
        entity = wanted.pop("entity", "SalesOrder")
        return [item.id for item in await pages.documents(entity, **{"limit": 10, **wanted})]

    for _ in range(2):
        assert await listed(customer="c1") == ["o3", "o4", "o2", "o1"]
        assert await listed(customer="c1", limit=2, offset=1) == ["o4", "o2"]
        assert await listed(customer="c1", states=["done"]) == ["o4", "o2", "o1"]
        assert await listed(entity="Return", station="s1") == ["r1"]
        assert await listed(entity="Return", customer="s1") == []
        assert await listed() == [], "of nobody there is no list"
        await refresh_search(store)
    # One of them changes: it is in its new place at once, and once.
    await save(store, items=[replace(orders[0], version=2, fields={**orders[0].fields, "ordered_on": "2026-12-01"})])
    for _ in range(2):
        assert await listed(customer="c1") == ["o3", "o1", "o4", "o2"]
        await refresh_search(store)


async def test_products_are_listed_by_number_with_what_changed_in_its_place(store: PostgresStore) -> None:
    made = [an_item(f"p{n}", "Product", sku=f"BRG-{n}", name="Bearing", active=True, cost="61") for n in range(5)]
    await save(store, items=made)
    await refresh_search(store)
    pages = Pages(store)

    async def listed(**wanted: Any) -> list[str]:
        return [item.id for item in await pages.products(**{"limit": 3, **wanted})]

    await save(store, items=[an_item("p9", "Product", sku="BRG-2a", name="Roller"), replace(made[1], version=2, fields={
        **made[1].fields, "active": False})])  # fmt: skip
    for _ in range(2):
        assert await listed() == ["p0", "p2", "p9"]
        assert await listed(after="BRG-2") == ["p9", "p3", "p4"]
        assert await listed(text="bearing") == ["p0", "p2", "p3"]
        assert await listed(text="roller") == ["p9"]
        assert await listed(text="61") == [], "not by what it costs us"
        await refresh_search(store)
