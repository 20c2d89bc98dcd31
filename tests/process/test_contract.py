"""The proof for processes, on a real process and on one that is not safe."""

from __future__ import annotations

import pytest

from isthmus.store import PostgresStore
from isthmus.testing import run_every_step_twice
from tests.process.stage import ApprovalStage


@pytest.mark.parametrize(
    ("amount", "says", "steps"), [(50, None, 2), (500, "yes", 2), (500, "no", 1), (500, None, 2), (-1, None, 2)]
)
async def test_a_careful_process_comes_to_the_same_end_whatever_happens(
    store: PostgresStore, amount: int, says: str | None, steps: int
) -> None:
    assert await run_every_step_twice(store, lambda: ApprovalStage(amount, says)) == 1 + 6 * steps


async def test_a_careless_process_is_found_out(store: PostgresStore) -> None:
    with pytest.raises(AssertionError, match="step 'order'"):
        await run_every_step_twice(store, lambda: ApprovalStage(50, None, forgetful=True))
