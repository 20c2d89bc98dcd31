"""``rows``: what PostgreSQL alone takes for the rows that a change leaves behind (one item, both links, a journal
entry, an effect, in two commits), told by statements over a thousand records each that bring no data with them. No hub
can be faster than that on the same tables; nothing is decided, found by key, or kept from others meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.compare import fill
from benchmarks.figures import Figure, machine
from benchmarks.server import own_server
from benchmarks.workers import flow
from isthmus.store import PostgresStore
from isthmus.store.connections import HubConnection, connect
from isthmus.sync.world import World

__all__ = ["rows"]

RECORDS = {"full": 20_000, "small": 2_000}
PAGE = 1000
PICK = """
create temp table pick as select id, row_number() over (order by md5(id)) as n from item;
create index on pick (n);
analyze pick
"""
PICKED = "(select id from pick where n > %(after)s and n <= %(after)s + 1000)"
PHONE = "jsonb_build_object('phone', '+48' || %(after)s)"
ITEM = (f"update item set fields = fields || {PHONE}, version = version + 1 where id in {PICKED}",)
LINKS = (
    f"update link set far = far || {PHONE}, seen_at = now() where system = 'crm' and item in {PICKED}",
    f"update link set far = far || {PHONE}, base = base || {PHONE}, written_at = now() "
    f"where system = 'erp' and item in {PICKED}",
)
HISTORY = (
    "insert into journal (item, version, changes, cause, at) "
    """select id, 2, '{"phone": ["+49123456", "+48123456"]}', '{"kind": "system", "by": "crm"}', now() """
    f"from {PICKED} as picked",
    "insert into effect (link, item, flow, system, resource, key, kind, changes, outcome, message, at, seconds) "
    "select id, id, 'customer', 'erp', 'customers', '1', 'update', "
    f"""'{{"phone": ["+49123456", "+48123456"]}}', 'done', '', now(), 0.1 from {PICKED} as picked""",
)


async def _seconds(connection: HubConnection, first: Sequence[str], then: Sequence[str], count: int) -> float:
    """Of all records, in pages: one transaction for what is read, one for what came of the write."""
    began = time.perf_counter()
    for after in range(0, count, PAGE):
        for part in (first, then):
            connection.begin_later()
            for statement in part:
                await connection.execute(statement.encode(), {"after": after})
            await connection.end(b"commit")
    return time.perf_counter() - began


async def _measure(url: str, count: int) -> dict[str, float]:
    async with await PostgresStore.open(url) as store:
        await fill(store, World({"customer": flow()}), count)
    async with await connect(url) as connection:
        await connection.execute(PICK.encode())
        parts: dict[str, tuple[Sequence[str], Sequence[str]]] = {
            "": ((*ITEM, LINKS[0], HISTORY[0]), (LINKS[1], HISTORY[1])),
            "_item": (ITEM, ()),
            "_links": (LINKS[:1], LINKS[1:]),
            "_history": (HISTORY[:1], HISTORY[1:]),
        }
        return {name: await _seconds(connection, *part, count) / count * 1e6 for name, part in parts.items()}


def rows(size: str, say: Callable[[str], None]) -> list[Figure]:
    """All of it, then each kind of row alone."""
    where = machine()
    with own_server() as server:
        found = asyncio.run(_measure(server.start(), RECORDS[size]))
    say(", ".join(f"{name.removeprefix('_') or 'all'} {value:.0f} µs" for name, value in found.items()))
    named: dict[str, Any] = {"machine": where, "size": f"{RECORDS[size]:,} changes", "unit": "µs a change"}
    return [Figure(name=f"rows{name}", value=value, **named) for name, value in found.items()]
