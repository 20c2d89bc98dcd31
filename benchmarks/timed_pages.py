"""Server time and size of whole pages, on a database that is filled once and kept."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

import psycopg
from httpx import Response

from isthmus.store.migrate import migrate

__all__ = ["filled_database", "timed"]

TRIES = 7
INDEXES = {
    "item_fields": "item using gin (fields)",
    "item_search_parts": "item_search using gin (text public.gin_trgm_ops, entity public.gin_trgm_ops)",
    "item_search_entity": "item_search (entity, state)",
    "item_search_shown": "item_search using gin (shown public.gin_trgm_ops) where shown is not null",
    "item_search_place": "item_search (place, item) where shown is not null",
    "item_search_customer": ("item_search (customer, entity, day desc, number desc, item) where customer is not null"),
    "item_search_station": "item_search (station, entity, day desc, number desc, item) where station is not null",
}
BEFORE = "".join(f"drop index {name};\n" for name in INDEXES)
AFTER = (
    "set constraints all immediate;\n"
    "insert into item_search select made.* from item, search_row(item) as made where item.alias_of is null;\n"
    + "".join(f"create index {name} on {what};\n" for name, what in INDEXES.items())
)
"""Rows first, then their indexes: many times faster."""
MOST_MS, MOST_BYTES = 150, 100_000
"""What no page may exceed."""


def filled_database(name: str, fill: str) -> str:
    """URL of the database of this name, on the server of $ISTHMUS_TEST_DATABASE_URL; made and filled by these
    statements (what items are found by is seen to here) when it is not there."""
    server = os.environ["ISTHMUS_TEST_DATABASE_URL"]
    url = server.replace("/isthmus?", f"/{name}?")
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is not None:
            return url
        connection.execute(f"create database {name}".encode())
        try:
            _fill(url, fill)
        except psycopg.Error:
            connection.execute(f"drop database {name}".encode())
            raise
    return url


def _fill(url: str, statements: str) -> None:
    migrate(url)
    with closing(psycopg.connect(url, autocommit=True, options="-c search_path=isthmus")) as connection:
        began = time.perf_counter()
        connection.execute((BEFORE + statements + AFTER).encode())
        connection.execute(b"vacuum analyze")
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)


async def timed(
    pages: Iterable[str], ask: Callable[[str], Awaitable[Response]], answers: Sequence[int] = (200, 302, 307)
) -> list[dict[str, Any]]:
    """Milliseconds (median of the tries, and the first) and bytes of each page; each is printed, those that are too
    slow or too large with a mark."""
    rows = []
    for page in pages:
        times, size = list[float](), 0
        for _ in range(TRIES):
            began = time.perf_counter()
            answer = await ask(page)
            times.append((time.perf_counter() - began) * 1000)
            assert answer.status_code in answers, (page, answer.status_code, answer.text[-2000:])
            size = len(answer.content)
        median = statistics.median(times)
        rows.append({"page": page, "median_ms": round(median, 1), "first_ms": round(times[0], 1), "bytes": size})
        print(json.dumps(rows[-1]), "  <-- too much" if median > MOST_MS or size > MOST_BYTES else "", flush=True)
    return rows
