"""What a trace shows beside orders: requests of stations, returns, repairs and their settlement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from isthmus.app.bootstrap import clock, new_id
from isthmus.app.tracing import Trace, TraceNode, trace
from isthmus.model.state import Cause
from isthmus.store import PostgresStore, Reads
from isthmus.sync.editing import HubEdits
from isthmus.sync.world import World
from tests.api.office import made


def shown(node: TraceNode) -> Any:
    """Names with what hangs on them."""
    return (node.entity, node.name, [shown(child) for child in node.children])


async def traced(store: PostgresStore, text: str) -> Trace:
    return await trace(Reads(store), text)


async def changed(store: PostgresStore, id: str, fields: Mapping[str, Any]) -> None:
    async with store.transaction() as tx:
        await HubEdits(tx, World({}), Cause("process", "test"), now=clock(), new_id=new_id).change(id, fields)


@pytest.fixture
async def office(store: PostgresStore) -> PostgresStore:
    await made(store, "Customer", {"name": "Kern"}, "kern")
    await made(store, "Product", {"sku": "BRG-1"}, "brg")
    station = {"number": "KIEL", "name": "Kiel", "kind": "station", "customer": "kern"}
    await made(store, "OrganisationUnit", station, "kiel")
    return store


async def test_a_request_is_traced_with_its_order_and_what_came_back_of_it(office: PostgresStore) -> None:
    line = {"product": "brg", "quantity": "5"}
    order = {"number": "SO-1", "customer": "kern", "state": "processing", "lines": [line]}
    await made(office, "SalesOrder", order, "order")
    request = {"number": "MR-1", "station": "kiel", "state": "ordered", "order": "order", "process": "p", "lines": []}
    await made(office, "MaterialRequest", request, "request")
    way = {"number": "D-1", "order": "order", "customer": "kern", "state": "done", "lines": [line]}
    await made(office, "Delivery", way, "way")
    moved = {"id": "1", "product": "brg", "announced": "2"}
    back = {
        "number": "RT-1",
        "order": "order",
        "customer": "kern",
        "state": "announced",
        "process": "p",
        "lines": [moved],
    }
    await made(office, "Return", back, "back")
    await changed(office, "back", {"state": "received", "credit_state": "posted", "credit_note": "CN-9"})
    whole = [
        ("MaterialRequest", "MR-1", [("SalesOrder", "SO-1", [("Delivery", "D-1", []), ("Return", "RT-1", [])])])
    ]  # fmt: skip
    # From wherever one begins, it is the same story.
    for text in ("MR-1", "SO-1", "D-1", "RT-1"):
        found = await traced(office, text)
        assert [shown(root) for root in found.roots] == whole, text
    told = [(event.document, event.what) for event in found.events]
    assert ("RT-1", "state: received, credit_note: CN-9, credit_state: posted") in told
    assert ("MR-1", "first seen, state: ordered") in told
    assert found.names == {"kern": "Kern", "brg": "BRG-1"}


async def test_a_return_of_a_station_stands_by_itself(office: PostgresStore) -> None:
    moved = {"id": "1", "product": "brg", "announced": "2"}
    await made(
        office, "Return", {"number": "RT-2", "station": "kiel", "state": "sent", "process": "p", "lines": [moved]}
    )
    (root,) = (await traced(office, "RT-2")).roots
    assert shown(root) == ("Return", "RT-2", [])


async def test_a_repair_is_traced_with_the_month_that_settled_it(office: PostgresStore) -> None:
    for number in ("RR-1", "RR-2", "RR-3"):
        repair = {"number": number, "station": "kiel", "method": "overhaul", "level": "major"}
        await made(office, "RepairRecord", repair, number)
    alone = await traced(office, "RR-3")
    assert [shown(root) for root in alone.roots] == [("RepairRecord", "RR-3", [])]
    lines = [{"id": str(at), "repair": id, "station": "kiel", "amount": "80"} for at, id in enumerate(("RR-1", "RR-2"))]
    settled = {"number": "LS-1", "centre": "c", "period": "2026-10", "state": "booked", "process": "p", "lines": lines}
    await made(office, "LabourSettlement", settled, "settled")
    for id in ("RR-1", "RR-2"):
        await changed(office, id, {"settlement": "LS-1", "period": "2026-10"})
    for text in ("LS-1", "RR-2"):
        found = await traced(office, text)
        assert [shown(root) for root in found.roots] == [
            ("LabourSettlement", "LS-1", [("RepairRecord", "RR-1", []), ("RepairRecord", "RR-2", [])])
        ], text
    assert ("RR-1", "first seen, level: major") in [(event.document, event.what) for event in found.events]
    # One that was withdrawn from it hangs on nothing any more.
    await changed(office, "RR-2", {"settlement": None, "period": None})
    assert shown((await traced(office, "RR-2")).roots[0]) == ("RepairRecord", "RR-2", [])
