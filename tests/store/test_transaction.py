"""Every method of the engine's transaction: on a real server, and on the store that the simulator uses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from isthmus.model.state import InboxEntry, InboxKind, Intent, Link, LinkState, Problem
from isthmus.store import PostgresStore, Reads
from isthmus.sync.ports import LANES, Approval, Batch, DueAt, DueCount, Evidence, Store
from tests.store.conftest import Sessions
from tests.store.examples import (
    HOUR,
    NOW,
    a_change,
    a_feed,
    a_full_item,
    a_full_link,
    a_link,
    a_question,
    a_write,
    an_item,
    save,
)


async def test_a_link_and_an_item_come_back_as_they_were_saved(either: Store) -> None:
    await save(either, items=[a_full_item()], links=[a_full_link()])
    async with either.transaction() as transaction:
        assert await transaction.links(["full", "nobody"]) == [a_full_link()]
        assert await transaction.links_by_key("crm", "account", ["key-full", "?"]) == [a_full_link()]
        assert await transaction.links_by_item(["i1"]) == [a_full_link()]
        assert await transaction.items(["i1", "nobody"]) == {"i1": a_full_item()}
        assert await transaction.links_by_key("crm", "contact", ["key-full"]) == []
        assert await transaction.links([]) == await transaction.links_by_item([]) == []
        assert await transaction.items([]) == {}


async def test_empty_texts_and_nulls_are_kept_apart(either: Store) -> None:
    link = a_link("l1", key="", base={"a": "", "b": None}, digest=b"", far_version="")
    await save(either, links=[link])
    async with either.transaction() as transaction:
        assert await transaction.links(["l1"]) == [link]


async def test_saving_again_replaces_the_whole_row(either: Store) -> None:
    await save(either, items=[a_full_item()], links=[a_full_link()])
    plain = a_link("full", item="i1")
    await save(either, items=[an_item("i1", version=13)], links=[a_link("full", attempts=9), plain])
    async with either.transaction() as transaction:
        assert await transaction.links(["full"]) == [plain], "of two rows with one id the last one counts"
        assert await transaction.items(["i1"]) == {"i1": an_item("i1", version=13)}


async def test_a_thousand_rows_are_saved_at_once(either: Store) -> None:
    links = [a_link(f"l{number:04}") for number in range(1000)]
    await save(either, links=links)
    async with either.transaction() as transaction:
        assert await transaction.links([link.id for link in links]) == links


async def test_links_may_swap_keys_and_dropped_links_free_theirs(either: Store) -> None:
    await save(either, links=[a_link("a", key="1"), a_link("b", key="2"), a_link("c", key="3")])
    await save(either, links=[a_link("a", key="2"), a_link("b", key="1"), a_link("d", key="3")], drop_links=["c"])
    async with either.transaction() as transaction:
        found = await transaction.links_by_key("crm", "account", ["1", "2", "3"])
    assert [(link.id, link.key) for link in found] == [("a", "2"), ("b", "1"), ("d", "3")]


async def test_characters_that_no_database_stores_do_not_stop_a_batch(either: Store) -> None:
    problem = Problem("rejected", "bad \x00 byte and half \ud83d pair and \\u0000 as text")
    await save(either, links=[a_link("l1", problem=problem), a_link("l2")])
    async with either.transaction() as transaction:
        first, second = await transaction.links(["l1", "l2"])
    assert first.problem == Problem("rejected", "bad � byte and half � pair and \\u0000 as text")
    assert second == a_link("l2")


async def test_a_failing_block_leaves_nothing_behind(either: Store) -> None:
    async def save_and_stop() -> None:
        async with either.transaction() as transaction:
            await transaction.save(Batch(links=[a_link("l1")]))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        await save_and_stop()
    async with either.transaction() as transaction:
        assert await transaction.links(["l1"]) == []


async def test_due_links_are_the_oldest_that_neither_wait_nor_are_new(either: Store) -> None:
    due = [a_link(f"d{age}", due_at=NOW - age * HOUR) for age in (1, 3, 2)]
    others = [
        a_link("later", due_at=NOW + HOUR),
        a_link("never"),
        a_link("waiting", due_at=NOW - HOUR, waits_for="erp/party/1"),
        a_link("new", due_at=NOW - HOUR, state=LinkState.NEW),
        a_link("elsewhere", due_at=NOW - HOUR, system="erp"),
        a_link("another", due_at=NOW - HOUR, flow="contact"),
    ]
    await save(either, links=due + others)
    async with either.transaction() as transaction:
        assert [link.id for link in await transaction.due_links("customer", "crm", NOW, 10)] == ["d3", "d2", "d1"]
        assert [link.id for link in await transaction.due_links("customer", "crm", NOW, 2)] == ["d3", "d2"]
        assert [link.id for link in await transaction.due_links("customer", "crm", NOW + HOUR, 10)][-1] == "later"
    assert await either.due_at() == {
        ("customer", "crm"): DueAt(NOW - 3 * HOUR),
        ("customer", "erp"): DueAt(NOW - HOUR),
        ("contact", "crm"): DueAt(NOW - HOUR),
    }


async def test_due_reads_are_the_woken_links_of_all_flows(either: Store) -> None:
    links = [
        a_link("r1", due_at=NOW, waits_for="read", state=LinkState.NEW),
        a_link("r2", due_at=NOW - HOUR, waits_for="read", flow="contact"),
        a_link("later", due_at=NOW + HOUR, waits_for="read"),
        a_link("elsewhere", due_at=NOW, waits_for="read", system="erp"),
    ]
    await save(either, links=links)
    async with either.transaction() as transaction:
        assert [link.id for link in await transaction.due_reads("crm", NOW, 10)] == ["r2", "r1"]
        assert [link.id for link in await transaction.due_reads("crm", NOW, 1)] == ["r2"]
    assert await either.due_at() == {
        ("customer", "crm"): DueAt(NOW, NOW),
        ("contact", "crm"): DueAt(NOW - HOUR, NOW - HOUR),
        ("customer", "erp"): DueAt(NOW, NOW),
    }


async def test_new_links_come_in_pages(either: Store) -> None:
    new = [a_link(f"n{number}", state=LinkState.NEW) for number in range(5)]
    waiting = a_link("n9", state=LinkState.NEW, waits_for="erp/party/1")
    await save(either, links=[*new, waiting, a_link("done"), a_link("other", state=LinkState.NEW, flow="contact")])
    async with either.transaction() as transaction:
        assert [link.id for link in await transaction.new_links("customer", 3)] == ["n0", "n1", "n2"]
        assert [link.id for link in await transaction.new_links("customer", 3, after="n2")] == ["n3", "n4"]


async def test_unmet_are_all_readings_without_an_item_yet(either: Store) -> None:
    new = a_link("n1", state=LinkState.NEW)
    waiting = a_link("n2", state=LinkState.NEW, waits_for="erp/party/1")
    await save(either, links=[new, waiting, a_link("n3", state=LinkState.NEW, system="erp"), a_link("done")])
    async with either.transaction() as transaction:
        assert await transaction.unmet("customer", "crm") == [new, waiting]
        assert await transaction.unmet("customer", "shop") == []


async def test_unsure_are_the_creates_that_were_sent(either: Store) -> None:
    sent = a_link("sent", key=None, state=LinkState.CREATING, intent=Intent(token="t", sent_at=NOW))
    planned = a_link("planned", key=None, state=LinkState.CREATING, intent=Intent(token="u"))
    apart = a_link("apart", key=None, state=LinkState.UNLINKED, intent=Intent(token="w", sent_at=NOW))
    known = a_link("known", state=LinkState.UNLINKED, intent=Intent(token="x", sent_at=NOW))
    done = a_link("done", intent=Intent(token="v", sent_at=NOW))
    await save(either, links=[sent, planned, apart, known, done])
    async with either.transaction() as transaction:
        assert await transaction.unsure("customer", "crm") == [apart, sent]
        assert await transaction.unsure("customer", "erp") == []


async def test_count_due_tells_creates_updates_and_deletes_apart(either: Store) -> None:
    links = [
        a_link("c1", key=None, state=LinkState.CREATING, due_at=NOW),
        a_link("u1", due_at=NOW),
        a_link("u2", due_at=NOW - HOUR),
        a_link("u3", due_at=NOW + HOUR),
        a_link("u4", due_at=NOW, waits_for="erp/party/1"),
        a_link("d1", due_at=NOW, doom="delete"),
        a_link("g1", due_at=NOW, state=LinkState.GONE),
    ]
    await save(either, links=links)
    async with either.transaction() as transaction:
        found = await transaction.count_due("customer", "crm", NOW, NOW)
        linked = [await transaction.count_linked("customer", "crm", enough) for enough in (None, 3, 9)]
    assert found == DueCount(creates=1, updates=2, deletes=1, asked=False)
    assert linked == [5, 3, 5]


async def test_an_open_question_of_a_brake_is_told_with_what_is_due(either: Store) -> None:
    entry = InboxEntry(
        id="e1",
        kind="brake",
        subject="customer/crm/updates",
        flow="customer",
        summary="Many",
        detail={},
        choices=("approve", "hold"),
        opened_at=NOW,
    )
    await save(either, open_inbox=[entry])
    async with either.transaction() as transaction:
        assert (await transaction.count_due("customer", "crm", NOW, NOW)).asked
        assert not (await transaction.count_due("customer", "erp", NOW, NOW)).asked
        await transaction.save(Batch(close_inbox=[("brake", "customer/crm/updates")]))
        assert not (await transaction.count_due("customer", "crm", NOW, NOW)).asked


async def test_families_are_links_with_all_others_of_their_items(either: Store) -> None:
    links = [a_link("a", item="i1"), a_link("b", item="i1"), a_link("c", item="i2"), a_link("d")]
    await save(either, items=[an_item("i1"), an_item("i2")], links=links)
    async with either.transaction() as transaction:
        assert [link.id for link in await transaction.families([links[1], links[3]])] == ["a", "b", "d"]
        assert [link.id for link in await transaction.families([links[2]])] == ["c"]
        assert await transaction.families([]) == []


async def test_families_are_those_of_the_items_that_links_belong_to_by_now(either: Store) -> None:
    links = [a_link("a", item="i1"), a_link("b", item="i1"), a_link("c", item="i2"), a_link("d", item="i2")]
    await save(either, items=[an_item("i1"), an_item("i2")], links=links)
    await save(either, links=[replace(links[0], item="i2", far={"name": "Acme"})])
    async with either.transaction() as transaction:
        found = await transaction.families([links[0]])
        assert [(link.id, link.item) for link in found] == [("a", "i2"), ("c", "i2"), ("d", "i2")]
        assert found[0].far == {"name": "Acme"}
        await transaction.save(Batch(drop_links=["c"]))
        assert [link.id for link in await transaction.families([links[2], links[1]])] == ["b"]


async def test_records_that_are_asked_about_are_found_by_what_their_items_were_merged_into(either: Store) -> None:
    items = [an_item("i1"), an_item("i2", alias_of="i1"), an_item("i3", alias_of="i2"), an_item("i4")]
    links = [
        a_link("a", key="1", item="i3", state=LinkState.DOUBTFUL),
        a_link("b", key="2", item="i2", state=LinkState.DOUBTFUL),
        a_link("c", key="3", item="i2", state=LinkState.GONE),
        a_link("d", key="4", item="i1"),
        a_link("e", key="5", state=LinkState.DOUBTFUL),
    ]
    await save(either, items=items, links=links)
    async with either.transaction() as transaction:
        assert [link.id for link in await transaction.asked_about(["i1", "i4"])] == ["a", "b"]
        assert await transaction.asked_about(["i4"]) == await transaction.asked_about([]) == []


async def test_resolve_gives_live_items_of_linked_records_only(either: Store) -> None:
    items = [an_item("i1"), an_item("i2", deleted_at=NOW), an_item("i3", alias_of="i1")]
    links = [
        a_link("l1", key="1", item="i1"),
        a_link("l2", key="2", item="i2"),
        a_link("l3", key="3", item="i3"),
        a_link("l4", key="4", item="i1", state=LinkState.GONE),
        a_link("l5", key="5", state=LinkState.NEW),
    ]
    await save(either, items=items, links=links)
    async with either.transaction() as transaction:
        found = await transaction.resolve([("crm", "account", str(key)) for key in range(7)])
        assert found == {("crm", "account", "1"): "i1"}
        assert await transaction.resolve([]) == {}
        assert await transaction.far_keys([("crm", "account", "i1"), ("erp", "party", "i1")]) == {
            ("crm", "account", "i1"): "1"
        }
        assert await transaction.far_keys([]) == {}


async def test_an_item_that_was_merged_twice_is_found_where_it_ended(either: Store) -> None:
    items = [an_item("a", alias_of="b", deleted_at=NOW), an_item("b", alias_of="c", deleted_at=NOW), an_item("c")]
    child = a_link("child", flow="contact", item="c", key=None, state=LinkState.CREATING, waits_for="a/erp")
    await save(either, items=items, links=[a_link("l", item="c", key="7"), child])
    async with either.transaction() as transaction:
        assert await transaction.far_keys([("crm", "account", "a")]) == {("crm", "account", "a"): "7"}
    assert await either.wake_ready() == 0, "it is not in the ERP yet"
    await save(either, links=[a_link("m", item="c", key="8", system="erp")])
    assert await either.wake_ready() == 1


async def test_evidence_skips_deleted_and_merged_items_and_stops_at_two_hundred(either: Store) -> None:
    items = [an_item(f"i{number:03}") for number in range(210)]
    items += [an_item("gone", deleted_at=NOW), an_item("alias", alias_of="i000")]
    evidence = [Evidence("Customer", "city", "Kyoto", item.id) for item in items]
    evidence += [Evidence("Customer", "tax_id", "X" * 10_000, "i001"), Evidence("Contact", "tax_id", "Y", "i001")]
    await save(either, items=items, evidence=evidence, evidence_of=[item.id for item in items])
    wanted = [("city", "Kyoto"), ("tax_id", "X" * 10_000), ("tax_id", "Y"), ("city", "kyoto")]
    async with either.transaction() as transaction:
        found = await transaction.find_evidence("Customer", wanted)
        assert await transaction.find_evidence("Customer", []) == {}
    assert found == {
        ("city", "Kyoto"): [f"i{number:03}" for number in range(200)],
        ("tax_id", "X" * 10_000): ["i001"],
    }


async def test_evidence_of_an_item_is_replaced(either: Store) -> None:
    old = [Evidence("Customer", "tax_id", "1", "i1"), Evidence("Customer", "tax_id", "1", "i2")]
    await save(either, items=[an_item("i1"), an_item("i2")], evidence=old, evidence_of=["i1", "i2"])
    await save(either, evidence=[Evidence("Customer", "tax_id", "2", "i1")], evidence_of=["i1"])
    async with either.transaction() as transaction:
        found = await transaction.find_evidence("Customer", [("tax_id", "1"), ("tax_id", "2")])
    assert found == {("tax_id", "1"): ["i2"], ("tax_id", "2"): ["i1"]}


async def test_a_feed_comes_back_as_it_was_saved(either: Store) -> None:
    feed = a_feed(
        cursor="c",
        scan_cursor="s",
        scan_started=NOW,
        scan_feed_cursor="f",
        scanned_at=NOW,
        scanned_for="abc",
        polled_at=NOW,
        changed_at=NOW,
        failing_since=NOW,
        problem=Problem("unavailable", "Not reached."),
    )
    await save(either, feeds=[a_feed(cursor="old"), feed])
    async with either.transaction() as transaction:
        assert await transaction.feed("crm", "account") == feed
        assert await transaction.feed("crm", "contact") is None
    await save(either, feeds=[a_feed()])
    async with either.transaction() as transaction:
        assert await transaction.feed("crm", "account") == a_feed()


async def test_a_scan_finds_what_it_did_not_show(either: Store) -> None:
    before = NOW - HOUR
    links = [
        a_link("shown", key="1", seen_at=before),
        a_link("missing", key="2", seen_at=before),
        a_link("doubtful", key="3", seen_at=before, state=LinkState.DOUBTFUL),
        a_link("read since", key="4", seen_at=NOW),
        a_link("written since", key="5", written_at=NOW),
        a_link("gone", key="6", seen_at=before, state=LinkState.GONE),
        a_link("no key", key=None, seen_at=before, state=LinkState.CREATING),
        a_link("elsewhere", key="7", seen_at=before, resource="contact"),
        a_link("other flow", key="2", seen_at=before, flow="contact"),
    ]
    await save(either, links=links)
    async with either.transaction() as transaction:
        await transaction.scan_seen("crm", "account", ["2"], start=True)
        await transaction.scan_seen("crm", "contact", ["2"], start=True)
    async with either.transaction() as transaction:
        await transaction.scan_seen("crm", "account", ["0"], start=True)
        await transaction.scan_seen("crm", "account", ["1", "0", "1"], start=False)
        await transaction.scan_seen("crm", "account", [], start=False)
        assert await transaction.scan_missing("crm", "account", NOW) == ["2", "3"]
        assert await transaction.scan_missing("crm", "contact", NOW) == ["7"]


async def test_an_open_question_is_asked_once_and_keeps_its_id_and_time(either: Store) -> None:
    await save(either, open_inbox=[a_question("q1", choices=("crm", "erp"), detail={"name": ["a", "b"]})])
    again = a_question("q2", summary="Which name now?", opened_at=NOW + HOUR)
    await save(either, open_inbox=[again, a_question("q3", kind=InboxKind.FAILURE)])
    async with either.transaction() as transaction:
        (found,) = await transaction.open_entries("conflict", ["l1", "l2"])
        assert found == msgspec.structs.replace(again, id="q1", opened_at=NOW)
        assert await transaction.inbox_entry("q1") == found
        assert await transaction.inbox_entry("q2") is None
        assert [entry.id for entry in await transaction.open_entries("failure", ["l1"])] == ["q3"]
        assert await transaction.open_entries("conflict", []) == []


async def test_a_decided_or_withdrawn_question_can_be_asked_again(sessions: Sessions) -> None:
    store = await sessions(clock=lambda: NOW + HOUR)
    question = a_question("q1")
    await save(store, open_inbox=[question])
    decided = msgspec.structs.replace(question, decided_at=NOW, decision="crm", decided_by="ann")
    await save(store, open_inbox=[decided])
    await save(store, open_inbox=[a_question("q2")])
    await save(store, close_inbox=[("conflict", "l1"), ("conflict", "nobody"), ("failure", "l1")])
    async with store.transaction() as transaction:
        assert await transaction.inbox_entry("q1") == decided
        withdrawn = await transaction.inbox_entry("q2")
        assert withdrawn is not None
        assert (withdrawn.decided_at, withdrawn.decision) == (NOW + HOUR, "withdrawn")
        assert await transaction.open_entries("conflict", ["l1"]) == []


BRAKE = "customer/crm/updates"


async def test_an_approval_is_used_up(either: Store) -> None:
    async with either.transaction() as transaction:
        await transaction.save(Batch(links=[a_link(id, due_at=NOW) for id in "abcdefg"]))
        assert (await transaction.brake_approvals([BRAKE], NOW)).get(BRAKE, Approval(0)) == Approval(0)
        await transaction.use_approval(BRAKE, ["a"])
        await transaction.approve(BRAKE, 10)
        await transaction.approve(BRAKE, 3)
        await transaction.use_approval(BRAKE, ["a", "b"])
        assert (await transaction.brake_approvals([BRAKE], NOW)).get(BRAKE, Approval(0)) == Approval(1, frozenset("ab"))
        await transaction.use_approval(BRAKE, ["b", "c", "d"])
        assert (await transaction.brake_approvals([BRAKE], NOW)).get(BRAKE, Approval(0)) == Approval(
            0, frozenset("abcd")
        )
        await transaction.end_approval(BRAKE, ["a", "b", "c", "d"])
        assert (await transaction.brake_approvals([BRAKE], NOW)).get(BRAKE, Approval(0)) == Approval(0)


@pytest.mark.spec(8)
async def test_what_was_granted_and_not_finished_costs_nothing_when_it_is_taken_up_again(either: Store) -> None:
    async with either.transaction() as transaction:
        await transaction.save(Batch(links=[a_link(id, due_at=NOW) for id in "abc"]))
        await transaction.approve(BRAKE, 2)
        await transaction.use_approval(BRAKE, ["a", "b"])
    # The worker died here; another one starts.
    async with either.transaction() as transaction:
        assert (await transaction.brake_approvals([BRAKE], NOW)).get(BRAKE, Approval(0)) == Approval(0, frozenset("ab"))
        await transaction.use_approval(BRAKE, ["a", "b"])
        # One of them was written all the same; what is not due any more needs nothing.
        await transaction.save(Batch(links=[a_link("b")]))
        assert (await transaction.brake_approvals([BRAKE], NOW)).get(BRAKE, Approval(0)) == Approval(0, frozenset("a"))
        await transaction.end_approval(BRAKE, ["a", "b"])
        assert (await transaction.brake_approvals([BRAKE], NOW)).get(BRAKE, Approval(0)) == Approval(0)


async def test_traffic_counts_different_links_of_the_last_minute_that_are_not_due_again(either: Store) -> None:
    def minutes(count: float) -> datetime:
        return NOW + timedelta(minutes=count)

    async with either.transaction() as transaction:
        await transaction.save(Batch(links=[a_link("due", due_at=NOW), a_link("a"), a_link("b"), a_link("c")]))
        await transaction.note_traffic(BRAKE, ["a", "due"], NOW, minutes(-1))
        await transaction.note_traffic(BRAKE, ["a", "b"], minutes(0.5), minutes(-0.5))
        await transaction.note_traffic("other", ["c"], NOW, minutes(-1))
        assert await transaction.recent_traffic(BRAKE, minutes(-0.5), minutes(0.5)) == 2
        found = await transaction.count_due("customer", "crm", NOW, minutes(-0.5))
        assert (found.noted, found.approved) == ({"updates": 4}, False), "with repetitions"
        assert await transaction.recent_traffic(BRAKE, minutes(0.2), minutes(1.2)) == 2
        await transaction.note_traffic(BRAKE, ["c"], minutes(1.2), minutes(0.2))
        assert await transaction.recent_traffic(BRAKE, minutes(-1), minutes(1.2)) == 3, "the first row is forgotten"
        assert await transaction.recent_traffic("nothing", NOW, NOW) == 0


async def test_due_work_is_split_into_lanes_without_loss(either: Store) -> None:
    ids = [f"l{number}" for number in range(300)]
    await save(either, links=[a_link(id, due_at=NOW + timedelta(seconds=n)) for n, id in enumerate(ids)])
    late = NOW + HOUR
    async with either.transaction() as transaction:
        lanes = await transaction.due_lanes("customer", "crm", late)
        assert sum(lane.due for lane in lanes) == 300
        assert [lane.oldest for lane in lanes] == sorted(lane.oldest for lane in lanes)
        assert {lane.lane for lane in lanes} <= set(range(LANES))
        assert len(lanes) > LANES * 3 // 4, "well spread"
        found = []
        for lane in lanes:
            due = await transaction.due_links("customer", "crm", late, 300, lanes={lane.lane})
            assert len(due) == lane.due
            found += [link.id for link in due]
        assert sorted(found) == sorted(ids)
        assert await transaction.due_lanes("customer", "erp", late) == []


async def test_waking_follows_the_form_of_what_was_waited_for(sessions: Sessions) -> None:
    store = await sessions(clock=lambda: NOW)
    links = [
        a_link("child", state=LinkState.NEW, waits_for="erp/party/1/2"),
        a_link("write", key=None, state=LinkState.CREATING, waits_for="i1/erp"),
        a_link("other", waits_for="erp/party/1"),
    ]
    await save(store, links=links, wake=["erp/party/1/2", "i1/erp"])
    async with store.transaction() as transaction:
        child, other, write = await transaction.links(["child", "write", "other"])
    assert (child.waits_for, child.due_at) == ("read", NOW)
    assert (write.waits_for, write.due_at) == (None, NOW)
    assert (other.waits_for, other.due_at) == ("erp/party/1", None)


async def test_what_an_outage_left_is_due_at_once_and_nothing_else(sessions: Sessions) -> None:
    store, soon, later = await sessions(clock=lambda: NOW), NOW + timedelta(seconds=1), NOW + timedelta(minutes=5)

    def failed(id: str, code: str, **changes: Any) -> Link:
        return a_link(id, **{"due_at": later, "attempts": 9, "problem": Problem(code, "", "", None, NOW)} | changes)

    links = [
        failed("down", "unavailable"),
        failed("unsure", "unknown-outcome", key=None, state=LinkState.CREATING),
        failed("asked to wait", "rate-limited"),
        failed("waits", "unavailable", waits_for="read"),
        failed("due", "unavailable", due_at=NOW),
        failed("parked", "unavailable", due_at=None),
        failed("other", "unavailable", system="erp"),
    ]
    await save(store, links=links)
    async with store.transaction() as transaction:
        assert await transaction.retry_now("crm", ("unavailable", "unknown-outcome"), soon) == 2
        found = {link.id: link for link in await transaction.links([link.id for link in links])}
    assert {id for id, link in found.items() if (link.due_at, link.attempts) == (soon, 0)} == {"down", "unsure"}
    assert {id for id, link in found.items() if link.attempts == 9} == found.keys() - {"down", "unsure"}


async def test_lost_wake_ups_are_made_good(sessions: Sessions) -> None:
    store = await sessions(clock=lambda: NOW)
    parents = [
        a_link("p1", system="erp", resource="party", key="1/2", item="i1"),
        a_link("p2", system="erp", resource="party", key="3", state=LinkState.NEW),
    ]
    children = [
        a_link("ready", state=LinkState.NEW, waits_for="erp/party/1/2"),
        a_link("too early", state=LinkState.NEW, waits_for="erp/party/3"),
        a_link("unknown", state=LinkState.NEW, waits_for="erp/party/4"),
        a_link("writable", key=None, state=LinkState.CREATING, waits_for="i1/erp"),
        a_link("not there", key=None, state=LinkState.CREATING, waits_for="i1/shop"),
        a_link("in doubt", key=None, state=LinkState.CREATING, waits_for="doubt/p2"),
        a_link("certain", key=None, state=LinkState.CREATING, waits_for="doubt/nobody"),
    ]
    await save(store, items=[an_item("i1")], links=parents + children)
    assert await store.wake_ready() == 3
    assert await store.wake_ready() == 0
    async with store.transaction() as transaction:
        assert [link.id for link in await transaction.due_reads("crm", NOW, 9)] == ["ready"]
        assert [link.id for link in await transaction.due_links("customer", "crm", NOW, 9)] == ["certain", "writable"]


async def test_journal_and_effects_only_grow(store: PostgresStore) -> None:
    entries = [a_change("i1", version, at=NOW + version * HOUR) for version in (1, 2, 3)]
    await save(store, journal=entries[:2], effects=[a_write("l1", outcome="rejected", message="No.", seconds=0.25)])
    await save(store, journal=entries[2:], effects=[a_write("l1")])
    reads = Reads(store)
    assert await reads.history("i1") == entries[::-1]
    assert await reads.effects(link="l1") == [
        a_write("l1"),
        a_write("l1", outcome="rejected", message="No.", seconds=0.25),
    ]


async def test_small_facts_are_remembered(store: PostgresStore) -> None:
    assert await store.recall("plan") is None
    await store.remember("plan", {"at": 1})
    await store.remember("plan", [None, "x"])
    assert await store.recall("plan") == [None, "x"]
