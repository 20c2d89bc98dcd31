"""A hub is upgraded without loss (I1, I5): the tables of the oldest release, with what it had left in them, go through
all migrations, and the engine of today goes on with them as if nothing had happened.

``tests/store/release_0001`` was made by the code of that time: ``hub.sql`` has its rows (an open conflict, a parked
write, a deleted customer and documents with their parents among them), ``systems.json`` what the systems held then.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from isthmus.model.state import InboxKind
from isthmus.store import PostgresStore
from isthmus.store.migrate import apply
from isthmus.testing.memory import MemoryWorld, _Row
from tests.engine.office import Clock, Office

FOLDER = Path(__file__).parents[1] / "store" / "release_0001"
STATE = "select id, flow, system, resource, key, item, state, base from link order by id"


def value(raw: Any) -> Any:
    if isinstance(raw, dict):
        return Decimal(raw["decimal"]) if set(raw) == {"decimal"} else {name: value(part) for name, part in raw.items()}
    return [value(part) for part in raw] if isinstance(raw, list) else raw


def row(raw: list[Any]) -> _Row:
    fields, seq, made_at, token = raw
    return _Row(value(fields), seq, datetime.fromisoformat(made_at), token)


def furnish(world: MemoryWorld, held: dict[str, Any]) -> None:
    """The system as it was left."""
    world._seq, world._ids = held["seq"], held["ids"]
    for name, table in held["tables"].items():
        world.tables[name].rows.update({key: row(raw) for key, raw in table["rows"].items()})
        world.tables[name].graves.update({key: (row(raw), None) for key, raw in table["graves"].items()})
        world.tables[name].log.extend((seq, key) for seq, key in table["log"])


@pytest.fixture
async def old(empty_database_url: str) -> AsyncIterator[Office]:
    """The office of the old release, opened by the code of today."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("create schema isthmus")
        connection.execute("set search_path = isthmus")
        connection.execute(apply("0001").encode())
        connection.execute("create table alembic_version (version_num varchar(32) primary key)")
        connection.execute("insert into alembic_version values ('0001')")
        connection.execute((FOLDER / "hub.sql").read_bytes())
    told = json.loads((FOLDER / "systems.json").read_text())
    clock = Clock()
    clock.now = datetime.fromisoformat(told["now"]) + timedelta(days=1)
    async with await PostgresStore.open(empty_database_url, clock=clock) as store:
        refuse = {"email": lambda text: "Not this one." if text == "bad@x.example" else None}
        office = Office(store, clock, resources={("erp", "parties"): {"refuse": refuse}})
        office._ids = told["ids"] + 1000
        for name, world in office.worlds.items():
            furnish(world, told["worlds"][name])
        await office.start()
        yield office


@pytest.mark.spec(1)
@pytest.mark.spec(5)
async def test_nothing_is_made_anew_and_nothing_is_written_again_after_an_upgrade(old: Office) -> None:
    before, links = await old.fingerprint(), await old.rows(STATE)
    assert len(links) > 10
    journal = await old.rows("select count(*) from journal")
    await old.settle()
    assert old.writes() == 0
    assert await old.rows(STATE) == links
    assert await old.rows("select count(*) from journal") == journal
    assert await old.fingerprint() == before
    assert {entry.kind for entry in await old.inbox()} == {InboxKind.CONFLICT, InboxKind.FAILURE}


@pytest.mark.spec(2)
async def test_what_waited_goes_on_after_an_upgrade(old: Office) -> None:
    await old.decide(await old.question(InboxKind.CONFLICT), "hub")
    first, _ = old.one("crm", "accounts", vat="V0")
    second, _ = old.one("crm", "accounts", vat="V1")
    old.crm.people.edit("accounts", first, {"phone": "+49301111"})
    old.crm.people.edit("accounts", second, {"email": "good@x.example"})
    await old.settle()
    assert old.one("erp", "parties", tax_code="V0")[1]["telephone"] == "+49301111"
    assert old.one("erp", "parties", tax_code="V1")[1]["email"] == "good@x.example"
    names = [old.one("crm", "accounts", vat="V2")[1]["name"], old.one("erp", "parties", tax_code="V2")[1]["name"]]
    assert names[0] == names[1]
    assert await old.inbox() == []
    assert len(old.table("erp", "parties")) == len(old.table("crm", "accounts")) == 3
