"""Scans see every record that exists during the whole scan, however the list moves meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.connector import Gone
from isthmus.connectors.bottlecrm import BottleCrm
from isthmus.connectors.bottlecrm.paging import Walk, Where, next_page
from isthmus.connectors.bottlecrm.twin import BottleCrmTwin
from isthmus.errors import Rejected


class MovingList:
    """A list sorted by place, descending, in which rows come and go before each page is answered."""

    def __init__(self, places: Sequence[int], chance: random.Random, unique: bool) -> None:
        self.rows = [{"id": str(at), "place": f"{place:06d}"} for at, place in enumerate(places)]
        self.stayed = {row["id"] for row in self.rows}
        self.chance, self.unique = chance, unique

    async def read(self, params: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        for _ in range(self.chance.randrange(25)):
            if self.rows and self.chance.random() < 0.7:
                gone = self.rows.pop(self.chance.randrange(len(self.rows)))
                self.stayed.discard(gone["id"])
            else:
                place = self.chance.randrange(10**6) if self.unique else self.chance.randrange(30)
                if not self.unique or f"{place:06d}" not in {row["place"] for row in self.rows}:
                    self.rows.append({"id": f"new{self.chance.random()}", "place": f"{place:06d}"})
        self.chance.shuffle(self.rows)  # rows with the same place have no order among themselves
        self.rows.sort(key=lambda row: row["place"], reverse=True)
        start = int(params["offset"])
        return self.rows[start : start + int(params["limit"])]


async def walked(walk: Walk) -> list[str]:
    seen: list[str] = []
    where: Where | None = Where()
    for _ in range(1000):
        assert where is not None
        rows, where = await next_page(walk, Where.of(where.cursor()))
        seen += [str(row["id"]) for row in rows]
        if where is None:
            return seen
    raise AssertionError("the walk does not end")


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 300), seed=st.integers(0, 10**9), size=st.integers(1, 60))
def test_unique_places_are_walked_completely(count: int, seed: int, size: int) -> None:
    chance = random.Random(seed)
    moving = MovingList(chance.sample(range(10**6), count), chance, unique=True)
    walk = Walk(read=moving.read, place=lambda row: row["place"], unique=True, size=size)
    assert moving.stayed <= set(asyncio.run(walked(walk)))


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 200), seed=st.integers(0, 10**9), size=st.integers(1, 40))
def test_places_that_several_rows_share_are_walked_completely(count: int, seed: int, size: int) -> None:
    chance = random.Random(seed)
    moving = MovingList([chance.randrange(30) for _ in range(count)], chance, unique=False)
    walk = Walk(read=moving.read, place=lambda row: row["place"], unique=False, size=size)
    assert moving.stayed <= set(asyncio.run(walked(walk)))


def test_a_naive_walk_would_miss_rows() -> None:
    """The moving list is nasty enough: without stepping back rows are lost."""
    lost = 0
    for seed in range(50):
        chance = random.Random(seed)
        moving = MovingList(chance.sample(range(10**6), 200), chance, unique=True)
        seen: set[str] = set()
        for offset in range(0, 400, 20):
            rows = asyncio.run(moving.read({"offset": str(offset), "limit": "20"}))
            seen |= {row["id"] for row in rows}
        lost += len(moving.stayed - seen)
    assert lost > 0


@pytest.mark.parametrize("cursor", ["", "7", "{}x", '{"page": 3}', '{"offset": "much"}'])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Rejected, match="cursor"):
        Where.of(cursor)


async def scanned(crm: BottleCrm, name: str) -> list[str]:
    resource, cursor, keys = crm.resources()[name], None, []
    while True:
        page = await resource.scan(cursor)
        keys += [change.key for change in page.items if not isinstance(change, Gone)]
        if not page.more:
            return keys
        cursor = page.cursor


@pytest.mark.parametrize("name", ["account", "contact", "product", "opportunity", "case"])
async def test_resources_are_scanned_completely_while_records_come_and_go(
    crm: BottleCrm, twin: BottleCrmTwin, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(crm.resources()[name]), "page_size", 20)
    made = [twin.add(name, _plain(name, number))["id"] for number in range(120)]
    chance, stayed = random.Random(7), set(made)

    def move(listed: str) -> None:
        for key in chance.sample(sorted(stayed), 6):
            stayed.discard(key)
            del twin.rows[name][key]
        twin.add(name, _plain(name, chance.randrange(10**9)))

    twin.before_list = move
    assert stayed <= set(await scanned(crm, name))


async def test_an_account_that_is_made_inactive_or_active_during_a_scan_is_seen(
    crm: BottleCrm, twin: BottleCrmTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(crm.resources()["account"]), "page_size", 10)
    keys = [
        twin.add("account", _plain("account", number) | {"is_active": number % 2 == 0})["id"] for number in range(80)
    ]
    flipped = iter(random.Random(3).sample(keys, 40))

    def flip(listed: str) -> None:
        for key in [next(flipped, None), next(flipped, None)]:
            if key is not None:
                row = twin.rows["account"][key]
                row["is_active"] = not row["is_active"]

    twin.before_list = flip
    assert set(keys) == set(await scanned(crm, "account"))


def _plain(name: str, number: int) -> dict[str, Any]:
    match name:
        case "contact":
            return {"first_name": "Ann", "last_name": f"No {number}", "email": None, "account": None}
        case "opportunity":
            return {"name": f"Deal {number}", "stage": "PROPOSAL", "account": None, "contacts": [], "currency": "EUR"}
        case "case":
            return {"name": f"Case {number}", "status": "New", "account": None, "contacts": [], "is_active": True}
        case "product":
            return {"name": f"Product {number}", "sku": None, "description": None, "price": "1.00"}
    return {"name": f"Account {number}", "is_active": True}
