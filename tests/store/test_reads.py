"""What the faces show."""

from __future__ import annotations

from datetime import timedelta

import pytest

from isthmus.model.state import FieldConflict, InboxKind, LinkState, NotHeld, Problem
from isthmus.store import PostgresStore, Reads
from isthmus.store.reads import FlowStatus, InboxCount
from tests.store.examples import HOUR, NOW, a_change, a_feed, a_link, a_question, a_write, an_item, save


@pytest.fixture
def reads(store: PostgresStore) -> Reads:
    return Reads(store)


async def test_status_counts_links_by_flow_and_system(store: PostgresStore, reads: Reads) -> None:
    problem = Problem("rejected", "No.")
    links = [
        a_link("ok", seen_at=NOW, written_at=NOW, agreed_at=NOW),
        a_link("due", due_at=NOW - HOUR),
        a_link("later", due_at=NOW + HOUR, problem=problem),
        a_link("parked", problem=problem),
        a_link("conflict", conflicts={"name": FieldConflict(1, 2, 3)}, not_held={"x": NotHeld(1, 2)}),
        a_link("new", state=LinkState.NEW, due_at=NOW - 2 * HOUR),
        a_link("waiting", state=LinkState.NEW, waits_for="erp/party/1"),
        a_link("doubtful", state=LinkState.DOUBTFUL),
        a_link("creating", key=None, state=LinkState.CREATING),
        a_link("gone", state=LinkState.GONE),
        a_link("unlinked", state=LinkState.UNLINKED),
        a_link("there", system="erp"),
    ]
    feed = a_feed(cursor="1", polled_at=NOW, problem=problem)
    await save(store, links=links, feeds=[feed])
    status = await reads.status(NOW)
    assert status.feeds == [feed]
    here, there = status.flows
    assert here == FlowStatus(
        flow="customer",
        system="crm",
        linked=5,
        new=2,
        doubtful=1,
        creating=1,
        due=1,
        waiting=1,
        parked=1,
        conflicts=1,
        not_held=1,
        gone=1,
        unlinked=1,
        oldest_due=NOW - HOUR,
        seen_at=NOW,
        written_at=NOW,
        agreed_at=NOW,
    )
    assert (there.system, there.linked, there.due, there.oldest_due) == ("erp", 1, 0, None)
    assert [link.id for link in await reads.parked()] == ["parked"]
    assert [link.id for link in await reads.parked("customer", "crm")] == ["parked"]
    assert await reads.parked("customer", "erp") == []


async def test_the_inbox_is_filtered_counted_and_paged(store: PostgresStore, reads: Reads) -> None:
    questions = [a_question(f"q{n}", subject=f"l{n}", opened_at=NOW + n * HOUR) for n in range(4)]
    brake = a_question("b", kind=InboxKind.BRAKE, subject="product/crm/update", flow="product")
    done = a_question(
        "d", kind=InboxKind.MATCH, decided_at=NOW, decision="link", decided_by="ann", opened_at=NOW - HOUR
    )
    await save(store, open_inbox=[*questions, brake, done])
    assert [entry.id for entry in await reads.inbox()] == ["b", "q0", "q1", "q2", "q3"]
    assert [entry.id for entry in await reads.inbox(open_only=False, limit=2)] == ["d", "b"]
    assert [entry.id for entry in await reads.inbox(kind="conflict", limit=2, offset=1)] == ["q1", "q2"]
    assert [entry.id for entry in await reads.inbox(flow="product")] == ["b"]
    assert await reads.inbox_counts() == [
        InboxCount(InboxKind.BRAKE, "product", 1, NOW),
        InboxCount(InboxKind.CONFLICT, "customer", 4, NOW),
    ]
    assert await reads.entry("d") == done
    assert await reads.entry("?") is None
    assert [entry.id for entry in await reads.entries_about(["l2", "product/crm/update"])] == ["b", "q2"]


async def test_a_record_leads_to_its_item_and_all_its_links(store: PostgresStore, reads: Reads) -> None:
    links = [
        a_link("l1", key="1", item="i1"),
        a_link("l2", key="1", item="i2", flow="supplier"),
        a_link("l3", item="i1", system="erp"),
    ]
    await save(store, items=[an_item("i1"), an_item("i2")], links=links)
    assert await reads.links_of_record("crm", "account", "1") == links[:2]
    assert await reads.links_of_record("crm", "account", "2") == []
    found = await reads.item_with_links("i1")
    assert found is not None
    assert (found.item, found.links) == (an_item("i1"), [links[0], links[2]])
    assert await reads.item_with_links("nobody") is None


async def test_what_was_merged_is_found_where_it_ended(store: PostgresStore, reads: Reads) -> None:
    twice = [an_item("a", alias_of="b", deleted_at=NOW), an_item("b", alias_of="c", deleted_at=NOW), an_item("c")]
    await save(store, items=[*twice, an_item("gone", deleted_at=NOW)], journal=[a_change("a", 1), a_change("c", 1)])
    found = [await reads.heir(id) for id in ("a", "b", "c", "gone", "none")]
    assert [item and item.id for item in found] == ["c", "c", "c", "gone", None]
    assert [entry.item for entry in await reads.history("c")] == ["c", "a"]


async def test_history_is_newest_first_and_includes_what_was_merged(store: PostgresStore, reads: Reads) -> None:
    entries = [a_change("i1", 1), a_change("i2", 1), a_change("i1", 2), a_change("i3", 1)]
    await save(store, items=[an_item("i1"), an_item("i2", alias_of="i1"), an_item("i3")], journal=entries)
    assert await reads.history("i1") == [entries[2], entries[1], entries[0]]
    assert await reads.history("i1", limit=1) == [entries[2]]
    assert await reads.recent_changes(NOW, limit=2) == [entries[3], entries[2]]
    assert await reads.recent_changes(NOW + HOUR) == []


async def test_effects_are_found_by_item_link_and_time(store: PostgresStore, reads: Reads) -> None:
    writes = [a_write("l1"), a_write("l2", outcome="rejected", message="No."), a_write("l1", item="i2", at=NOW + HOUR)]
    await save(store, effects=writes)
    assert await reads.effects(item="i1") == [writes[1], writes[0]]
    assert await reads.effects(link="l1") == [writes[2], writes[0]]
    assert await reads.recent_effects(NOW + HOUR) == [writes[2]]


async def test_search_finds_values_and_keys_but_no_names_of_fields(store: PostgresStore, reads: Reads) -> None:
    items = [
        an_item("i1", fields={"name": 'ACME "50%" GmbH', "address": {"city": "Köln"}, "employees": 4711}),
        an_item("i2", fields={"name": "東京商事 🙂", "lines": [{"text": "acme spare part"}]}),
        an_item("i3", fields={"name": "Other"}, alias_of="i1"),
        an_item("i4", fields={"name": "Gone acme"}, deleted_at=NOW),
    ]
    await save(store, items=items, links=[a_link("l1", key="K-9", item="i2")])

    async def search(text: str) -> list[str]:
        return [item.id for item in await reads.search(text)]

    assert await search("acme") == ["i1", "i2", "i4"], "what is deleted comes last"
    assert await search('"50%"') == ["i1"]
    assert await search("50_") == [], "signs of patterns mean themselves"
    assert await search("kÖLN") == ["i1"]
    assert await search("京商") == ["i2"]
    assert await search("4711") == ["i1"]
    assert await search("K-9") == ["i2"]
    assert await search("address") == await search("  ") == await search("Other") == []
    assert [item.id for item in await reads.search("acme", limit=1)] == ["i1"]


async def test_items_are_found_by_the_exact_value_of_a_field(store: PostgresStore, reads: Reads) -> None:
    address = {"city": "Wien", "street": "Ring 1"}
    items = [
        an_item("i1", fields={"number": "7", "address": address}),
        an_item("i2", fields={"number": "77"}),
        an_item("i3", fields={"number": "7"}, deleted_at=NOW),
        an_item("i4", fields={"number": "7"}, entity="Product"),
        an_item("i5", fields={"name": "7", "address": {"city": "Wien", "street": "Ring 1", "region": "W"}}),
    ]
    await save(store, items=items)
    assert await reads.items_by_field("Customer", "number", "7") == [items[0]]
    assert await reads.items_by_field("Customer", "address", address) == [items[0]]
    assert await reads.items_by_field("Customer", "number", "8") == []


async def test_what_refers_to_an_item_is_found_in_lines_too(store: PostgresStore, reads: Reads) -> None:
    items = [
        an_item("c1"),
        an_item("o1", entity="SalesOrder", fields={"customer": "c1", "lines": [{"product": "p1"}, {"product": "p2"}]}),
        an_item("o2", entity="SalesOrder", fields={"customer": "c2", "lines": [{"product": "p2"}]}),
        an_item("d1", entity="Delivery", fields={"order": "o1", "customer": "c1"}),
        an_item("d2", entity="Delivery", fields={"customer": "c1"}, alias_of="d1"),
    ]
    await save(store, items=items)

    async def referencing(item: str, entity: str | None = None) -> list[str]:
        return [found.id for found in await reads.referencing(item, entity)]

    assert await referencing("c1") == ["d1", "o1"]
    assert await referencing("c1", "SalesOrder") == ["o1"]
    assert await referencing("p2") == ["o1", "o2"]
    assert await referencing('no"such') == []


async def test_linked_records_that_differ_from_their_item_are_listed(store: PostgresStore, reads: Reads) -> None:
    item = an_item("i1", fields={"name": "A", "city": None, "lines": [{"q": "1"}, {"q": "2"}]})
    links = [
        a_link("a same", item="i1", far={"name": "A", "lines": [{"q": "1"}, {"q": "2"}], "phone": None}),
        a_link("b name", item="i1", far={"name": "B"}),
        a_link("c order", item="i1", far={"lines": [{"q": "2"}, {"q": "1"}]}),
        a_link("d more", item="i1", far={"name": "A", "phone": "1"}),
        a_link("e nothing shown", item="i1", far={}),
        a_link("f gone", item="i1", far={"name": "B"}, state=LinkState.GONE),
    ]
    await save(store, items=[item], links=links)
    found = await reads.compare_links("customer")
    assert [difference.link.id for difference in found] == ["b name", "c order", "d more"]
    assert {difference.item.id for difference in found} == {"i1"}
    page = await reads.compare_links("customer", limit=1, after="b name")
    assert [difference.link.id for difference in page] == ["c order"]


async def test_freshness_is_the_time_from_the_change_to_its_write(store: PostgresStore, reads: Reads) -> None:
    second = timedelta(seconds=1)
    journal = [a_change("i1", 1, at=NOW - HOUR), a_change("i1", 2), a_change("i2", 1), a_change("i1", 3, at=NOW + HOUR)]
    effects = [
        a_write("l1", at=NOW + 2 * second),
        a_write("l2", item="i2", at=NOW + 4 * second),
        a_write("l2", item="i2", at=NOW + 9 * second, outcome="rejected"),
    ]
    await save(store, journal=journal, effects=effects)
    (found,) = await reads.freshness(NOW)
    assert (found.flow, found.system, found.writes, found.last) == ("customer", "erp", 2, NOW + 4 * second)
    assert [found.median, found.p95] == pytest.approx([3.0, 3.9])
    assert await reads.freshness(NOW + HOUR) == []
