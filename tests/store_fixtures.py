"""PostgreSQL for tests: one server per run, one database per test, copied from a template that has the tables.

``tests/conftest.py`` registers the fixtures. An import of them elsewhere would start a second server.
With ``ISTHMUS_TEST_DATABASE_URL`` (a server on which databases may be made) that one is used instead.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from isthmus.store import EmbeddedServer, PostgresStore
from isthmus.store.migrate import migrate

__all__ = ["database_url", "empty_database_url", "pg_server", "store"]

TEMPLATE = "isthmus_template"


def url_of(server: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


@pytest.fixture(scope="session")
def pg_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running server; shared by the workers of pytest-xdist, stopped by the last of them."""
    given = os.environ.get("ISTHMUS_TEST_DATABASE_URL")
    if given:
        _make_template(given)
        yield given
        return
    worker = "PYTEST_XDIST_WORKER" in os.environ
    # Short, and reachable for the service user when the tests run as root.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") if worker else uuid.uuid4().hex
    folder = Path(tempfile.gettempdir()) / f"isthmus-tests-{str(run)[:12]}"
    folder.mkdir(mode=0o711, exist_ok=True)
    users = os.open(folder / "users", os.O_CREAT | os.O_RDWR)
    fcntl.flock(users, fcntl.LOCK_SH)
    server = EmbeddedServer(folder / "pg")
    try:
        url = server.start()
        # Tests may lose data on a power cut.
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        _make_template(url)
        yield url
    finally:
        fcntl.flock(users, fcntl.LOCK_UN)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another worker still uses it
        else:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)
        os.close(users)


def _make_template(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(4711)")
        row = connection.execute("select 1 from pg_database where datname = %s", [TEMPLATE]).fetchone()
        if row is None:
            building = TEMPLATE + "_new"
            connection.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(building)))
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(building)))
            migrate(url_of(server, building))
            with psycopg.connect(url_of(server, building), autocommit=True) as inside:
                inside.execute("set search_path = isthmus")
                inside.execute("select make_partitions(now(), 3)")
            names = sql.Identifier(building), sql.Identifier(TEMPLATE)
            connection.execute(sql.SQL("alter database {} rename to {}").format(*names))


def _database(server: str, template: str) -> Iterator[str]:
    name = sql.Identifier(f"t_{uuid.uuid4().hex[:16]}")
    with psycopg.connect(server, autocommit=True) as connection:
        # Three times as fast as the default way, for a template this small.
        create = sql.SQL("create database {} template {} strategy file_copy")
        connection.execute(create.format(name, sql.Identifier(template)))
        yield url_of(server, name.as_string().strip('"'))
        connection.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def database_url(pg_server: str) -> Iterator[str]:
    """URL of a fresh database that has the tables."""
    yield from _database(pg_server, TEMPLATE)


@pytest.fixture
def empty_database_url(pg_server: str) -> Iterator[str]:
    """URL of a fresh database with nothing in it."""
    yield from _database(pg_server, "template0")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """A store of its own for this test."""
    async with await PostgresStore.open(database_url) as opened:
        yield opened
