"""The command starts with what it needs, and nothing else: who asks for a version waits for no web framework."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from isthmus.cli.commands import COMMANDS

PAGES = {"litestar", "uvicorn", "joserfc", "jinja2"}
"""What pages are made of and served by."""
TURNS = {"dbos", "sqlalchemy"}
"""What hands out turns of processes; migrations use the second one, too."""
HEAVY = {
    *PAGES,
    *TURNS,
    "alembic",
    "duckdb",
    "aiohttp",
    "psycopg",
    "cryptography",
    "babel",
    "phonenumbers",
    "rapidfuzz",
}
CONNECTORS = {"isthmus.connectors.tryton", "isthmus.connectors.bottlecrm", "isthmus.connectors.rest"}
SHORT = ("answers", "inbox", "linking", "comparing", "syncing", "system", "people")
"""Modules of commands that look or act once, and end."""


def imported_by(module: str) -> set[str]:
    """Names in ``sys.modules`` of a new Python that has imported this alone."""
    program = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return set(found)


def test_the_command_itself_brings_no_large_library_and_no_connector() -> None:
    found = imported_by("isthmus.cli")
    assert not found & (HEAVY | CONNECTORS)
    of_ours = {name for name in found if name.startswith("isthmus.") and not name.startswith("isthmus.cli")}
    assert of_ours == {"isthmus.errors"}, "what a command needs is imported by its own module"


@pytest.mark.parametrize("module", SHORT)
def test_short_commands_bring_neither_pages_nor_turns_nor_archives(module: str) -> None:
    found = imported_by(f"isthmus.cli.{module}")
    assert not found & {*PAGES, *TURNS, "duckdb"}
    assert not found & CONNECTORS, "a connector is imported when the project names it"


def test_pages_are_there_when_they_are_served() -> None:
    assert {place.module for place in COMMANDS.values()} >= set(SHORT)
    assert {"litestar", "uvicorn"} <= imported_by("isthmus.cli.running")
