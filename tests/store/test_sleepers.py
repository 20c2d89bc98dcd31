"""Who begins to wait as its parent comes is looked for, also where the first look fails."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from isthmus.errors import StoreUnavailable
from isthmus.store.sleepers import Sleepers


async def nothing_under_way() -> tuple[int, int]:
    return 7, 7


@pytest.mark.spec(2)
async def test_whom_a_failed_look_did_not_wake_the_next_one_wakes_though_nobody_else_falls_asleep() -> None:
    failures = [StoreUnavailable("The database is away.")]
    looked_for: list[set[str]] = []

    async def wake(links: Collection[str]) -> int:
        if failures:
            raise failures.pop()
        looked_for.append(set(links))
        return len(links)

    sleepers = Sleepers(nothing_under_way, wake)
    sleepers.add(["child"])
    with pytest.raises(StoreUnavailable):
        await sleepers.wake_missed()
    async with asyncio.timeout(5):
        assert await sleepers.wake_missed() == 1
    assert looked_for == [{"child"}]
