"""Transactions that begin with the first thing that is asked in them, and ask nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from psycopg import AsyncCursor

from isthmus.model.state import Problem
from isthmus.store import PostgresStore
from isthmus.store.connections import connect
from isthmus.sync.ports import Batch
from tests.store.examples import HOUR, NOW, a_link, an_item

TRY = b"select pg_try_advisory_xact_lock(hashtextextended('isthmus entity ' || %s, 0))"


@pytest.fixture
def sent(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of all connections, in order."""
    found: list[str] = []
    convert = AsyncCursor._convert_query

    def noting(cursor: AsyncCursor[Any], query: Any, *arguments: Any, **options: Any) -> Any:
        found.append(query.decode())
        return convert(cursor, query, *arguments, **options)

    monkeypatch.setattr(AsyncCursor, "_convert_query", noting)
    return found


async def test_a_transaction_in_which_nothing_is_asked_sends_nothing(store: PostgresStore, sent: list[str]) -> None:
    async with store.transaction():
        pass
    with pytest.raises(ValueError, match="given up"):
        async with store.transaction():
            raise ValueError("given up")
    assert sent == []
    async with store.transaction() as transaction:
        assert await transaction.links(["a"]) == []
    assert (sent[0], len(sent), sent[-1]) == ("begin", 3, "rollback")


async def test_it_begins_together_with_its_first_lock(store: PostgresStore, sent: list[str]) -> None:
    async with store.transaction() as transaction:
        await transaction.lock(["B", "A", "B"])
        await transaction.lock([])
        assert [text.count("begin") for text in sent] == [1]
        assert sent[0].index("'A'") < sent[0].index("'B'")
        assert sent[0].count("'B'") == 1
        await transaction.save(Batch(items=[an_item("i")]))
    async with store.transaction() as transaction:
        assert list(await transaction.items(["i"])) == ["i"]


async def test_names_of_locks_are_taken_as_they_are(store: PostgresStore) -> None:
    odd = """credit of O'Neill \\ 100% %(x)s; select 1 --"""
    async with store.transaction() as transaction, await connect(store.url) as other:
        await transaction.lock([odd])
        for name, free in ((odd, False), ("credit of O", True)):
            rows = await (await other.execute(TRY, [name])).fetchall()
            assert rows == [(free,)]


async def test_what_is_locked_is_not_asked_for_again(store: PostgresStore, sent: list[str]) -> None:
    problem = Problem(code="unavailable", message="Down.", advice="", at=NOW)
    broken = a_link("b", item="i", due_at=NOW + HOUR, problem=problem)
    async with store.transaction() as transaction:
        await transaction.save(Batch(items=[an_item("i")], links=[a_link("a", item="i"), broken]))
        sent.clear()
        await transaction.links(["a", "b"])
        (item,) = (await transaction.items(["i"])).values()
        await transaction.save(Batch(items=[replace(item, version=5)]))
        assert (await transaction.items(["i", "nobody"]))["i"].version == 5
        assert sum("from link" in text for text in sent) == 0
        # What a statement has changed by itself is.
        await transaction.retry_now("crm", ["unavailable"], NOW)
        assert [link.due_at for link in await transaction.links(["b"])] == [NOW]
