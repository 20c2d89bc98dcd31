"""``retention``: years of running stay flat. Months of days with many changes each are simulated on a real PostgreSQL:
every change is a row of the journal, a write with its effect, an item and a link that are updated. Each day ends with
the housekeeping of a hub that keeps one month of history.

The rows are made by SQL, as fast as the database takes them, and vacuum is told to run at the end of a day because no
time passes for its own clock. What is shown is scaled: the promise speaks of 1,000,000 changes a day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, machine
from benchmarks.server import own_folder, own_server
from isthmus.store import PostgresStore
from isthmus.store.archive import archive_history

__all__ = ["retention"]

ITEMS = 20_000
CHANGES = {"full": 20_000, "small": 1_000}
"""A day."""
DAYS = {"full": 150, "small": 100}
KEEP_MONTHS = 1
FIRST = datetime(2031, 1, 1, tzinfo=UTC)
FLAT = 1.1
"""Target: largest size within the last month to the largest within the one before."""

FILL = """
insert into isthmus.item (id, entity, version, fields, set_by)
select 'i' || n, 'Customer', 1, jsonb_build_object('name', 'Company ' || n, 'tax_id', 'V' || n, 'phone', '+490',
    'email', n || '@x.example'), '{}' from generate_series(1, %(items)s) as n
"""
LINK = """
insert into isthmus.link (id, flow, system, resource, key, item, state, base, far, conflicts, not_held, attempts)
select 'l' || id, 'customer', 'erp', 'customers', id, id, 'linked', fields, fields, '{}', '{}', 0 from isthmus.item
"""
CHANGED = """
with chosen as (
    select 'i' || (1 + (%(day)s * 7919 + n) %% %(items)s) as id, max(%(at)s + n * %(step)s) as at,
        '+49' || %(day)s as phone
    from generate_series(1, %(changes)s) as n group by 1),
items as (
    update isthmus.item set version = version + 1, fields = fields || jsonb_build_object('phone', phone)
    from chosen where item.id = chosen.id returning item.id, item.version, at, phone),
links as (
    update isthmus.link set base = base || jsonb_build_object('phone', phone),
        far = far || jsonb_build_object('phone', phone), written_at = at, agreed_at = at
    from items where link.item = items.id returning link.id, link.item, at, phone),
journal as (
    insert into isthmus.journal (at, item, version, changes, cause)
    select at, id, version, jsonb_build_object('phone', jsonb_build_array('+490', phone)),
        '{"kind": "system", "by": "crm", "key": "1"}' from items)
insert into isthmus.effect (at, link, item, flow, system, resource, key, kind, changes, outcome, message, seconds)
select at, id, item, 'customer', 'erp', 'customers', item, 'update',
    jsonb_build_object('phone', jsonb_build_array('+490', phone)), 'done', '', 0.01 from links
"""
SIZES = """
select case when parent.relname is null then c.relname else parent.relname end, sum(pg_total_relation_size(c.oid))
from pg_class c left join pg_inherits on inhrelid = c.oid left join pg_class parent on parent.oid = inhparent
where c.relnamespace = 'isthmus'::regnamespace and c.relkind = 'r'
    and coalesce(parent.relname, c.relname) in ('item', 'link', 'journal', 'effect')
group by 1
"""


async def _sizes(store: PostgresStore) -> dict[str, float]:
    async with store._connection() as connection:
        cursor = await connection.execute(SIZES)
        return {name: float(size) / 2**20 for name, size in await cursor.fetchall()}


def _archived(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 2**20


async def _live(url: str, folder: Path, size: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The sizes in MiB at the end of each day."""
    changes, found = CHANGES[size], []
    async with await PostgresStore.open(url) as store:
        async with store._connection() as connection:
            await connection.execute("set synchronous_commit = off")
            await connection.execute(FILL, {"items": ITEMS})
            await connection.execute(LINK)
        for day in range(DAYS[size]):
            at = FIRST + timedelta(days=day)
            await store.rows("make_partitions_of", {"start": at, "months": 1})
            step = timedelta(days=1) / (changes + 1)
            given = {"day": day, "at": at, "items": ITEMS, "changes": changes, "step": step}
            async with store._connection() as connection:
                await connection.execute("set synchronous_commit = off")
                await connection.execute(CHANGED, given)
                await connection.execute("vacuum isthmus.item, isthmus.link")
            await archive_history(store, KEEP_MONTHS, folder, at)
            found.append({"day": f"{at:%Y-%m-%d}", **await _sizes(store), "archive": _archived(folder)})
            if day % 30 == 29:
                told = ", ".join(f"{name} {value:.1f}" for name, value in found[-1].items() if name != "day")
                say(f"day {day + 1}: MiB: {told}")
    return found


def retention(size: str, say: Callable[[str], None]) -> list[Figure]:
    """The simulated days on a database of their own."""
    where = machine()
    with own_folder() as folder, own_server() as server:
        days = asyncio.run(_live(server.start(), folder / "archive", size, say))

    def largest(month: int, *names: str) -> float:
        return max(float(sum(day[name] for name in names)) for day in days if day["day"].startswith(f"2031-{month:02}"))

    last = int(days[-1]["day"][5:7]) - 1  # the last whole month
    named: dict[str, Any] = {
        "size": f"{CHANGES[size]:,} changes a day for {DAYS[size]} days, {ITEMS:,} items, {KEEP_MONTHS} month kept",
        "machine": where,
        "unit": "MiB",
    }
    figures = []
    for name, tables in {"history": ("journal", "effect"), "state": ("item", "link")}.items():
        figures.append(
            Figure(
                name=f"retention_{name}",
                value=largest(last, *tables),
                floor=largest(last - 1, *tables),
                target=FLAT,
                of_ratio=True,
                detail={"days": days} if name == "history" else {},
                **named,
            )
        )
    return [*figures, Figure(name="retention_archive", value=days[-1]["archive"], **named)]
