"""Everything that two far systems and the hub hold, read from their databases behind their backs."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import psycopg

from isthmus.store import EmbeddedServer
from tests.e2e.office import Office

Snapshot = dict[str, str]
"""``system.table`` → how many rows and a digest of all they hold."""

_TABLES = (
    "select table_name from information_schema.tables where table_schema = '{schema}' and table_type = 'BASE TABLE'"
)
_TABLE = (
    "select '{table}', count(*), md5(coalesce(string_agg(t::text, chr(10) order by t::text), ''))"
    ' from "{schema}"."{table}" t'
)


def snapshot(office: Office) -> Snapshot:
    """All tables of all three, as they are now."""
    return crm(office) | erp(office) | hub(office)


def erp(office: Office) -> Snapshot:
    """Tryton's PostgreSQL."""
    tryton = office.lab.tryton
    server = tryton.postgres()
    tables = server.execute(_TABLES.format(schema="public"), tryton.database).split()
    lines = server.execute(_all(tables, "public"), tryton.database).splitlines()
    return {f"erp.{name}": f"{count} {digest}" for name, count, digest in (line.split("|") for line in lines)}


def crm(office: Office) -> Snapshot:
    """BottleCRM's SQLite file."""
    found: Snapshot = {}
    path = office.lab.bottlecrm.home / "crm.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            rows = sorted(map(repr, database.execute(f'select * from "{table}"')))
            digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
            found[f"crm.{table}"] = f"{len(rows)} {digest}"
    return found


def hub(office: Office) -> Snapshot:
    """The hub's tables, partitions included."""
    url = EmbeddedServer(office.folder / ".isthmus" / "pg").start()
    with psycopg.connect(url) as connection:
        tables = [str(name) for (name,) in connection.execute(_TABLES.format(schema="isthmus").encode())]
        rows = connection.execute(_all(tables, "isthmus").encode()).fetchall() if tables else []
    return {f"hub.{name}": f"{count} {digest}" for name, count, digest in rows}


def _all(tables: list[str], schema: str) -> str:
    return " union all ".join(_TABLE.format(table=table, schema=schema) for table in tables)


def differences(before: Snapshot, after: Snapshot) -> dict[str, tuple[str | None, str | None]]:
    """Tables that are not what they were."""
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }
