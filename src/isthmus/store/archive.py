"""Old history: monthly partitions of journal and effects are written to Parquet files, checked, and dropped."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psycopg

from isthmus.errors import Misconfigured
from isthmus.store.connections import connect
from isthmus.store.faults import translated
from isthmus.store.postgres import PostgresStore
from isthmus.store.queries import query

__all__ = ["Archived", "archive_history"]

_JOURNAL = {"seq": "BIGINT", "at": "TIMESTAMPTZ", "item": "VARCHAR", "version": "BIGINT", "changes": "VARCHAR"}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "journal": {**_JOURNAL, "cause": "VARCHAR"},
    "effect": {
        "seq": "BIGINT",
        "at": "TIMESTAMPTZ",
        "link": "VARCHAR",
        "item": "VARCHAR",
        "flow": "VARCHAR",
        "system": "VARCHAR",
        "resource": "VARCHAR",
        "key": "VARCHAR",
        "kind": "VARCHAR",
        "changes": "VARCHAR",
        "outcome": "VARCHAR",
        "message": "VARCHAR",
        "seconds": "DOUBLE",
    },
}
"""Columns of the files; what is JSON in the database is JSON text there."""
_LONGEST = 2**24
"""Bytes of one row: a document with very many lines."""
_PARTITION = re.compile(r"(journal|effect)_(\d{4})_(\d{2})")


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """One month that was put away."""

    table: str
    month: str
    """YYYY-MM."""
    rows: int
    file: str
    """Empty for a month without rows: it has none."""


async def archive_history(store: PostgresStore, keep_months: int, folder: Path, now: datetime) -> list[Archived]:
    """Put away the months that ended at least ``keep_months`` ago; never the present one. Killed anywhere, it is done
    again: a month is dropped only when its file has been read back. Raises ``Misconfigured`` when the folder cannot be
    written."""
    cut = _month_before(now, max(1, keep_months))
    ((oldest,),) = await store.rows("old_default_rows", {"before": cut})
    if oldest is not None:
        months = (cut.year - oldest.year) * 12 + cut.month - oldest.month
        await store.rows("make_partitions_of", {"start": oldest, "months": months})
    done = []
    for (part,) in await store.rows("partitions", {}):
        found = _PARTITION.fullmatch(part)
        assert found is not None
        low = datetime(int(found[2]), int(found[3]), 1, tzinfo=UTC)
        if low < cut:
            done.append(await _put_away(store, part, found[1], low, folder))
    return [one for one in done if one is not None]


def _month_before(now: datetime, months: int) -> datetime:
    """The start of the month that is so many before the present one."""
    number = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


async def _put_away(store: PostgresStore, part: str, table: str, low: datetime, folder: Path) -> Archived | None:
    high = _month_before(low, -1)
    month, place = f"{low:%Y-%m}", folder / table
    try:
        await asyncio.to_thread(place.mkdir, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=f".{month}-") as room:
            text, written = Path(room) / "rows.csv", Path(room) / "rows.parquet"
            await _export(store, table, {"low": low, "high": high}, text)
            rows, last = await asyncio.to_thread(_to_parquet, table, text, written)
            file = await asyncio.to_thread(_free, place, month, rows, last)
            if rows:
                await asyncio.to_thread(_keep, written, file)
    except OSError as error:
        raise Misconfigured(
            f"History cannot be put away into {folder}: {error.strerror or error}.",
            advice="Make room or give the hub the right to write there, or set another 'archive' in isthmus.toml.",
        ) from error
    ((dropped,),) = await store.rows("drop_partition", {"part": part, "rows": rows, "last": last})
    if not dropped:
        # Written to meanwhile: next time.
        await asyncio.to_thread(file.unlink, missing_ok=True)
        return None
    return Archived(table=table, month=month, rows=rows, file=str(file) if rows else "")


async def _export(store: PostgresStore, table: str, bounds: Mapping[str, Any], file: Path) -> None:
    try:
        async with await connect(store.url) as connection:
            with await asyncio.to_thread(file.open, "wb") as out:
                async with connection.cursor() as cursor, cursor.copy(query(f"copy_{table}"), bounds) as copy:
                    async for part in copy:
                        await asyncio.to_thread(out.write, part)
    except psycopg.Error as error:
        raise translated(error, store.url) from error


def _to_parquet(table: str, text: Path, written: Path) -> tuple[int, int]:
    """Write the file, read it back; rows and last number as the file has them."""
    with duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "1"}) as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.read_csv(
            str(text),
            header=True,
            columns=dict(_COLUMNS[table]),
            delimiter=",",
            quotechar='"',
            escapechar='"',
            na_values="",
            allow_quoted_nulls=False,
            parallel=False,
            max_line_size=_LONGEST,
            buffer_size=4 * _LONGEST,
        )
        rows.write_parquet(str(written), compression="zstd")
        return _rows_of(connection, written)


def _rows_of(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[int, int]:
    """How many rows a file has, and the last number."""
    rows, last = connection.read_parquet(str(file)).aggregate("count(*), coalesce(max(seq), 0)").fetchall()[0]
    return int(rows), int(last)


def _keep(written: Path, file: Path) -> None:
    """Move the file to its place, safe from a loss of power."""
    with written.open("rb+") as out:
        os.fsync(out.fileno())
    written.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _free(folder: Path, month: str, rows: int, last: int) -> Path:
    """The month's file; with a number behind when rows of this month were put away before. A file with the same rows
    was left by a hub that died before it dropped them: it is written again."""
    number = 1
    while True:
        file = folder / f"{month}{'' if number == 1 else f'-{number}'}.parquet"
        if not file.exists():
            return file
        with duckdb.connect() as connection:
            if _rows_of(connection, file) == (rows, last):
                return file
        number += 1
