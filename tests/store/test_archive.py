"""Old history is put away month by month: whole, checked, never the present month, and answers go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from isthmus.errors import Misconfigured
from isthmus.model.state import Cause, Effect, Item, JournalEntry, Link, LinkState
from isthmus.store import PostgresStore, Reads
from isthmus.store import archive as archive_module
from isthmus.store.archive import Archived, archive_history
from isthmus.sync.ports import Batch

NOW = datetime(2032, 6, 17, 12, tzinfo=UTC)
ODD = 'quote " comma , line\nbreak \\ and ünïcode'


async def fill(store: PostgresStore, months: int = 6) -> None:
    """One change and one write a day for so many months up to now."""
    batch = Batch()
    batch.items.append(Item(id="i", entity="Customer", version=1, fields={"name": "Acme"}))
    batch.links.append(
        Link(id="l", flow="customer", system="erp", resource="party", key="1", item="i", state=LinkState.LINKED)
    )
    for day in range(months * 30):
        at = NOW - timedelta(days=day)
        batch.journal.append(
            JournalEntry(item="i", version=day, changes={"name": (None, ODD)}, cause=Cause("system", "crm"), at=at)
        )
        batch.effects.append(
            Effect(
                link="l",
                item="i" if day % 2 else None,
                flow="customer",
                system="erp",
                resource="party",
                key="1",
                kind="update",
                changes={"name": ("", ODD)},
                outcome="done",
                message="" if day % 3 else ODD,
                at=at,
            )
        )
    async with store.transaction() as tx:
        await tx.save(batch)


async def months_in(store: PostgresStore, table: str) -> dict[str, int]:
    async with store._connection() as connection:
        cursor = await connection.execute(
            f"select to_char(at at time zone 'UTC', 'YYYY-MM'), count(*) from {table} group by 1".encode()
        )
        return dict(await cursor.fetchall())


def rows(file: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        relation = connection.read_parquet(file).order("seq")
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def with_rows(done: list[Archived]) -> list[Archived]:
    """Without the empty months that the server had made for its own present."""
    return [one for one in done if one.rows]


async def test_old_months_move_into_files_and_the_rest_stays(store: PostgresStore, tmp_path: Path) -> None:
    await fill(store)
    before = {table: await months_in(store, table) for table in ("journal", "effect")}
    done = with_rows(await archive_history(store, 3, tmp_path, NOW))
    assert {one.month for one in done} == {"2031-12", "2032-01", "2032-02"}
    for table in ("journal", "effect"):
        kept = await months_in(store, table)
        assert set(kept) == {"2032-03", "2032-04", "2032-05", "2032-06"}
        put = {one.month: one.rows for one in done if one.table == table}
        assert {**kept, **put} == before[table]
    for one in done:
        assert len(rows(one.file)) == one.rows
        assert Path(one.file) == tmp_path / one.table / f"{one.month}.parquet"
    assert await archive_history(store, 3, tmp_path, NOW) == []
    assert not [name for name in files_in(tmp_path) if name.startswith(".")]


async def test_a_file_holds_what_the_table_held(store: PostgresStore, tmp_path: Path) -> None:
    await fill(store)
    async with store._connection() as connection:
        cursor = await connection.execute(
            "select seq, at, link, item, flow, system, resource, key, kind, changes::text, outcome, message, seconds "
            "from effect where at >= '2032-01-01' and at < '2032-02-01' order by seq"
        )
        held = await cursor.fetchall()
    done = await archive_history(store, 3, tmp_path, NOW)
    (file,) = [one.file for one in done if (one.table, one.month) == ("effect", "2032-01")]
    assert [tuple(row.values()) for row in rows(file)] == held
    # Empty and unknown are two things there too.
    assert {row["message"] for row in rows(file)} == {"", ODD}
    assert {row["item"] for row in rows(file)} == {None, "i"}


async def test_the_present_month_is_never_put_away(store: PostgresStore, tmp_path: Path) -> None:
    await fill(store, 2)
    await archive_history(store, 0, tmp_path, NOW)
    assert set(await months_in(store, "journal")) == {"2032-05", "2032-06"}


async def test_a_kill_before_the_drop_loses_and_doubles_nothing(
    store: PostgresStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    before = await months_in(store, "journal")

    async def killed(name: str, parameters: Any) -> Any:
        if name == "drop_partition":
            raise KeyboardInterrupt
        return await PostgresStore.rows(store, name, parameters)

    with monkeypatch.context() as patched:
        patched.setattr(store, "rows", killed)
        with pytest.raises(KeyboardInterrupt):
            await archive_history(store, 3, tmp_path, NOW)
    assert await months_in(store, "journal") == before
    done = with_rows(await archive_history(store, 3, tmp_path, NOW))
    files = [name for name in files_in(tmp_path) if name.endswith(".parquet")]
    assert len(files) == len(done) == 6
    assert not [name for name in files if "-2.parquet" in name]


async def test_a_month_that_is_written_to_meanwhile_is_left_for_next_time(
    store: PostgresStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    export = archive_module._export

    async def late(store: PostgresStore, table: str, bounds: Any, file: Path) -> None:
        await export(store, table, bounds, file)
        if table == "effect":
            return
        entry = JournalEntry(item="i", version=0, changes={}, cause=Cause("hub", "x"), at=bounds["low"])
        async with store.transaction() as tx:
            await tx.save(Batch(journal=[entry]))

    with monkeypatch.context() as patched:
        patched.setattr(archive_module, "_export", late)
        done = with_rows(await archive_history(store, 3, tmp_path, NOW))
    assert {one.table for one in done} == {"effect"}
    assert not list((tmp_path / "journal").glob("*.parquet"))
    done = await archive_history(store, 3, tmp_path, NOW)
    assert [one.rows for one in done if one.month == "2032-02"] == [30]  # 29 days and the late one


async def test_what_is_put_away_twice_for_a_month_gets_a_file_of_its_own(store: PostgresStore, tmp_path: Path) -> None:
    await fill(store)
    await archive_history(store, 3, tmp_path, NOW)
    entry = JournalEntry(item="i", version=0, changes={}, cause=Cause("hub", "x"), at=NOW - timedelta(days=150))
    async with store.transaction() as tx:
        await tx.save(Batch(journal=[entry]))
    (done,) = [one for one in await archive_history(store, 3, tmp_path, NOW) if one.rows]
    assert Path(done.file).name == "2032-01-2.parquet"


async def test_answers_go_on_without_the_old_history(store: PostgresStore, tmp_path: Path) -> None:
    await fill(store)
    reads = Reads(store)
    await archive_history(store, 1, tmp_path, NOW)
    assert (found := await reads.item_with_links("i")) is not None
    assert found.links[0].key == "1"
    history = await reads.history("i", 1000)
    assert history
    assert min(entry.at for entry in history) >= datetime(2032, 5, 1, tzinfo=UTC)
    assert await reads.effects(link="l")
    async with store.transaction() as tx:
        assert await tx.last_writes(["l"])
    await fill_again(store)
    assert (await reads.history("i"))[0].version == 999


async def fill_again(store: PostgresStore) -> None:
    entry = JournalEntry(item="i", version=999, changes={}, cause=Cause("hub", "x"), at=NOW)
    async with store.transaction() as tx:
        await tx.save(Batch(journal=[entry]))


async def test_a_folder_that_cannot_be_written_stops_nothing_but_itself(store: PostgresStore, tmp_path: Path) -> None:
    await fill(store)
    (tmp_path / "file").write_text("")
    before = await months_in(store, "journal")
    with pytest.raises(Misconfigured, match="cannot be put away"):
        await archive_history(store, 3, tmp_path / "file", NOW)
    assert await months_in(store, "journal") == before
