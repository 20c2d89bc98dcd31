"""Brings a database's tables up to date: numbered SQL files, applied in order by Alembic.

A migration is ``migrations/versions/NNNN_what.sql`` and beside it ``rNNNN.py``, which names its predecessor and runs
it. ``sql/schema.sql`` is changed along with it; a test compares the two.
"""

from __future__ import annotations

import logging
import re
import time
from functools import cache
from importlib.resources import files
from pathlib import Path

import psycopg

from isthmus.errors import Misconfigured
from isthmus.store.faults import driver_errors, place, translated

__all__ = ["SCHEMA", "apply", "head", "migrate", "version"]

SCHEMA = "isthmus"
VERSION_TABLE = "alembic_version"
LOCK_SECONDS = 0.1
_FOLDER = Path(str(files("isthmus.store"))) / "migrations"
_FILE = re.compile(r"(\d{4})_\w+\.sql")


@cache
def _known() -> dict[str, Path]:
    """Migration files by number, in order."""
    found = {
        match[1]: path for path in sorted((_FOLDER / "versions").iterdir()) if (match := _FILE.fullmatch(path.name))
    }
    assert found, f"no migrations in {_FOLDER}"
    return found


def head() -> str:
    """Number of the newest migration."""
    return max(_known())


def apply(number: str) -> str:
    """The SQL of one migration."""
    return _known()[number].read_text()


def version(connection: psycopg.Connection) -> str | None:
    """Number of the last migration this database got; None when it is empty."""
    row = connection.execute("select to_regclass('isthmus.alembic_version')").fetchone()
    if row is None or row[0] is None:
        return None
    found = connection.execute("select version_num from isthmus.alembic_version").fetchone()
    return None if found is None else str(found[0])


def migrate(url: str) -> bool:
    """Apply what is missing, in one transaction; True when there was anything. Blocks. Several processes may call it at
    once. Raises :class:`Misconfigured` when the tables are of a newer hub, or the user lacks rights."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            if _up_to_date(connection, url):
                return False
            # Held by this session while Alembic works in one of its own.
            _lock(connection)
            if _up_to_date(connection, url):
                return False
            # First, as the tables of the hub are what tells whether all is done.
            if connection.execute("select to_regclass('dbos.workflow_status')").fetchone() == (None,):
                _make_turns(url)
            _upgrade(url)
            return True
    except psycopg.Error as error:
        raise translated(error, url) from None


def _lock(connection: psycopg.Connection) -> None:
    """Wait for the others, by asking again and again: who waited inside a statement would hold up the library's
    concurrent index builds, which wait for every running statement."""
    while connection.execute("select pg_try_advisory_lock(hashtextextended('isthmus migrations', 0))").fetchone() != (
        True,
    ):
        time.sleep(LOCK_SECONDS)


def _up_to_date(connection: psycopg.Connection, url: str) -> bool:
    have = version(connection)
    if have is not None and have not in _known():
        raise Misconfigured(
            f"The database at {place(url)} was changed by a newer Isthmus (its tables are at {have}, this one knows "
            f"{head()}).",
            advice="Install the newer Isthmus, or use another database.",
        )
    return have == head()


def _make_turns(url: str) -> None:
    """The schema of the library that hands out turns of processes; it upgrades it by itself when it starts."""
    from isthmus.store.turns import make_schema

    with driver_errors():
        make_schema(url)


def _upgrade(url: str) -> None:
    # Only when there is something to do: importing Alembic takes longer than connecting.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    logging.getLogger("alembic").setLevel(logging.WARNING)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url, connect_timeout=10), poolclass=NullPool
    )
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    try:
        with driver_errors(), engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
