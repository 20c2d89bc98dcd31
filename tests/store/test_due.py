"""The queue of what is due says what the links say, whoever changes them and how."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from isthmus.model.state import LinkState
from isthmus.store import PostgresStore
from isthmus.sync.ports import Batch
from tests.store.examples import HOUR, NOW, a_link, save

MISSING = """
select 'not queued', id from link
where due_at is not null and (waits_for = 'read' or waits_for is null and state <> 'new')
    and not exists (
        select from due
        where due.link = id and due.flow = link.flow and due.system = link.system and due.at = due_at
            and due.read = (waits_for is not null) and due.state = link.state and due.doomed = (doom is not null))
union all
select 'queued for nothing', due.link from due left join link on link.id = due.link
where due_at is null or not (waits_for = 'read' or waits_for is null and link.state <> 'new')
"""


def wrong_in(url: str) -> list[Any]:
    """Links about which the queue says something else."""
    with psycopg.connect(url, options="-c search_path=isthmus") as connection:
        return connection.execute(MISSING).fetchall()


STANDS: dict[str, dict[str, Any]] = {
    "calm": {},
    "due": {"due_at": NOW},
    "later": {"due_at": NOW + HOUR},
    "being made": {"due_at": NOW, "state": LinkState.CREATING},
    "to go": {"due_at": NOW, "doom": "delete"},
    "to be read": {"due_at": NOW, "waits_for": "read"},
    "waiting for a parent": {"waits_for": "crm/accounts/7"},
    "waiting, with a time": {"due_at": NOW, "waits_for": "crm/accounts/7"},
    "not met": {"due_at": NOW, "state": LinkState.NEW},
}


@pytest.mark.parametrize("first", STANDS)
async def test_the_queue_follows_each_link_from_any_stand_to_any_other(store: PostgresStore, first: str) -> None:
    links = {name: a_link(f"to {name}", **STANDS[first]) for name in STANDS}
    await save(store, links=list(links.values()))
    assert wrong_in(store.url) == []
    async with store.transaction() as tx:
        known = {link.id: link for link in await tx.links([link.id for link in links.values()])}
        moved = [
            replace(known[link.id], **({"state": LinkState.LINKED, "due_at": None, "waits_for": None} | STANDS[name]))
            for name, link in links.items()
        ]
        await tx.save(Batch(links=moved))
    assert wrong_in(store.url) == []
    async with store.transaction() as tx:
        await tx.save(Batch(drop_links=[moved[0].id, moved[1].id], wake=["crm/accounts/7"]))
        await tx.retry_now("crm", ["unavailable"], NOW)
    assert wrong_in(store.url) == []


async def test_statements_of_others_are_followed_too(store: PostgresStore) -> None:
    await save(store, links=[a_link("a"), a_link("b", due_at=NOW)])
    with psycopg.connect(store.url, options="-c search_path=isthmus", autocommit=True) as connection:
        connection.execute("update link set due_at = now() where id = 'a'")
        assert wrong_in(store.url) == []
        connection.execute("delete from link where id = 'b'")
        assert connection.execute("select link from due").fetchall() == [("a",)]
        connection.execute("truncate link cascade")
        assert connection.execute("select * from due").fetchall() == []


async def test_a_dry_run_has_a_queue_of_its_own(store: PostgresStore) -> None:
    await save(store, links=[a_link("a", due_at=NOW), a_link("b")])
    async with store.scratch() as scratch:
        async with scratch.transaction() as tx:
            known = {link.id: link for link in await tx.links(["a", "b"])}
            later = replace(known["b"], due_at=NOW + timedelta(seconds=1))
            await tx.save(Batch(links=[replace(known["a"], due_at=None), later]))
        found = await scratch.due_at()
        assert [due.at for due in found.values()] == [NOW + timedelta(seconds=1)]
    assert [due.at for due in (await store.due_at()).values()] == [NOW]
    assert wrong_in(store.url) == []
