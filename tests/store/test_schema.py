"""The tables: migrations and schema.sql say the same; upgrades are safe; partitions appear."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from isthmus.errors import Misconfigured, Unavailable
from isthmus.model.state import Effect, FeedState, InboxEntry, Item, JournalEntry, Link
from isthmus.store import PostgresStore, Reads
from isthmus.store.migrate import head, migrate, version
from isthmus.store.queries import query, schema
from tests.store.examples import a_change, a_write, save

CATALOG = {
    "columns": """
        select c.relname, c.relkind, c.relpersistence, c.reloptions, a.attnum, a.attname,
            format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
            pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d
            on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'isthmus'::regnamespace and a.attnum > 0 and not a.attisdropped
            and c.relkind in ('r', 'p', 'S', 'v', 'm') and c.relname <> 'alembic_version' order by 1, 5""",
    "tables": """
        select relname, relispartition, pg_get_expr(relpartbound, oid), pg_get_partkeydef(oid), obj_description(oid)
        from pg_class where relnamespace = 'isthmus'::regnamespace and relname not like 'alembic%' order by 1""",
    "constraints": """
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'isthmus'::regnamespace and conrelid::regclass::text not like '%alembic%' order by 1, 2""",
    "indexes": "select indexdef from pg_indexes where schemaname = 'isthmus' and tablename !~ 'alembic' order by 1",
    "functions": """
        select pg_get_functiondef(oid), obj_description(oid) from pg_proc
        where pronamespace = 'isthmus'::regnamespace order by 1""",
    "triggers": """
        select tgrelid::regclass::text, pg_get_triggerdef(oid) from pg_trigger
        where not tgisinternal and tgrelid::regclass::text not like 'dbos.%' order by 1, 2""",
    "sequences": """
        select sequencename, data_type::text, start_value, increment_by, max_value, cycle from pg_sequences
        where schemaname = 'isthmus' order by 1""",
}


def catalog(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(url) as connection:
        return {name: connection.execute(text).fetchall() for name, text in CATALOG.items()}


def test_the_migrations_build_what_the_schema_says(database_url: str, empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("create schema isthmus")
        connection.execute("set search_path = isthmus")
        connection.execute(schema().encode())
        connection.execute("select make_partitions(now(), 3)")
    built, written = catalog(database_url), catalog(empty_database_url)
    for part, rows in written.items():
        assert built[part] == rows, part
    assert {row[0] for row in written["columns"]} >= {"item", "link", "journal", "effect", "evidence", "inbox", "feed"}


def test_migrating_twice_does_nothing(empty_database_url: str) -> None:
    assert migrate(empty_database_url)
    before = catalog(empty_database_url)
    assert not migrate(empty_database_url)
    assert catalog(empty_database_url) == before
    with psycopg.connect(empty_database_url) as connection:
        assert version(connection) == head()


async def test_several_hubs_may_start_on_an_empty_database_at_once(empty_database_url: str) -> None:
    stores = await asyncio.gather(*(PostgresStore.open(empty_database_url) for _ in range(4)))
    for store in stores:
        assert await store.due_at() == {}
        await store.close()


async def test_tables_of_a_newer_hub_are_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("update isthmus.alembic_version set version_num = '9999'")
    with pytest.raises(Misconfigured, match="newer Isthmus"):
        await PostgresStore.open(database_url)


@pytest.mark.parametrize(
    ("name", "struct"),
    [
        ("item_columns", Item),
        ("link_columns", Link),
        ("journal_columns", JournalEntry),
        ("effect_columns", Effect),
        ("inbox_columns", InboxEntry),
        ("feed_columns", FeedState),
    ],
)
def test_lists_of_columns_follow_the_structs(name: str, struct: Any) -> None:
    columns = [column.strip().split(".")[1] for column in query(name).decode().split(",")]
    assert columns == list(struct.__struct_fields__)


def partitions(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select c.relname from pg_inherits join pg_class c on c.oid = inhrelid "
            "where c.relnamespace = 'isthmus'::regnamespace and c.relkind = 'r'"
        ).fetchall()
    return {name for (name,) in rows}


async def test_partitions_are_made_ahead_and_take_over_what_the_default_held(store: PostgresStore) -> None:
    assert {"journal_default", "effect_default"} < partitions(store.url)
    assert await store.make_partitions() == 0, "opening has made them"
    days = [
        datetime(2031, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2032, 1, 1, tzinfo=UTC),
        datetime(1999, 1, 1, tzinfo=UTC),
    ]
    await save(store, journal=[a_change("i1", at=day) for day in days], effects=[a_write("l1", at=day) for day in days])
    with psycopg.connect(store.url) as connection:
        connection.execute("set search_path = isthmus")
        connection.execute("set timezone = 'Asia/Tokyo'")
        made = connection.execute("select make_partitions('2031-12-15T00:00Z', 2)").fetchone()
        assert made == (4,)
    assert {"journal_2031_12", "journal_2032_01", "effect_2031_12", "effect_2032_01"} < partitions(store.url)
    with psycopg.connect(store.url) as connection:
        rows = connection.execute("select tableoid::regclass::text, at from isthmus.journal order by seq").fetchall()
    assert [name.split(".")[-1] for name, _ in rows] == ["journal_2031_12", "journal_2032_01", "journal_default"]
    await save(store, journal=[a_change("i1", 2, at=days[1])])
    assert [entry.version for entry in await Reads(store).history("i1")] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@localhost:notaport/hub",
        "postgresql://ann:s3cret@[::1/hub",
        "host=localhost passwd=s3cret",
        "mysql://ann:s3cret@localhost/hub",
    ],
)
async def test_a_mistyped_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        await PostgresStore.open(url)
    assert "s3cret" not in shown(caught.value)
    assert "postgresql://" in caught.value.advice


async def test_an_unreachable_server_is_unavailable_and_the_password_stays_hidden() -> None:
    with pytest.raises(Unavailable) as caught:
        await PostgresStore.open("postgresql://ann:s3cret@127.0.0.1:1/hub")
    assert "s3cret" not in shown(caught.value)
    assert "127.0.0.1:1/hub" in str(caught.value)


async def test_a_missing_database_and_a_refused_user_are_named(database_url: str) -> None:
    with pytest.raises(Misconfigured, match="no such database"):
        await PostgresStore.open(f"{database_url} ".replace("/t_", "/nothing_").strip())
    with pytest.raises(Misconfigured, match="refuses the login") as caught:
        await PostgresStore.open(database_url.replace("postgres@", "nobody:s3cret@"))
    assert "s3cret" not in shown(caught.value)


async def test_a_user_without_rights_is_told_what_is_missing(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("drop role if exists guest")
        connection.execute("create role guest login")
    try:
        with pytest.raises(Misconfigured, match="may not do"):
            await PostgresStore.open(empty_database_url.replace("postgres@", "guest@"))
    finally:
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            connection.execute("drop role guest")


def shown(error: BaseException) -> str:
    """All that a log with a traceback would hold of an error and what led to it."""
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        texts.append(f"{link!s} {link!r}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(texts)
