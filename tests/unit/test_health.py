"""How long a system that fails is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from isthmus.errors import IsthmusError, Misconfigured, RateLimited, Unauthorized, Unavailable
from isthmus.sync.health import Health


@pytest.mark.parametrize(
    ("error", "resource", "pauses"),
    [
        (Unavailable("down"), None, [1, 2, 4, 8, 10, 10, 10, 10]),
        (RateLimited("slow down", wait=30), None, [30] * 8),
        # What a system says while it starts may sound final, and must not leave it alone for a minute.
        (Misconfigured("There is no 'party'."), "party", [1, 2, 4, 8, 16, 32, 60, 60]),
        # Accounts are locked after a few logins that fail.
        (Unauthorized("refused"), None, [8, 16, 32, 60, 60, 60, 60, 60]),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_pauses_grow(error: IsthmusError, resource: str | None, pauses: list[int]) -> None:
    now = datetime(2031, 5, 6, tzinfo=UTC)
    health = Health(lambda: now, lambda: 0.0)
    seen = []
    for _ in range(8):
        health.failed("erp", "party", error)
        back = health.back_at("erp", resource)
        assert back is not None
        seen.append((back - now).total_seconds())
        now += timedelta(seconds=seen[-1])
    assert seen == pauses


def test_after_an_answer_the_next_outage_begins_anew() -> None:
    now = datetime(2031, 5, 6, tzinfo=UTC)
    health = Health(lambda: now, lambda: 0.0)
    for _ in range(5):
        health.failed("erp", "party", Unavailable("down"))
        now += timedelta(minutes=1)
    assert health.answered("erp", "party")
    assert health.failed("erp", "party", Unavailable("down"))
    assert health.back_at("erp") == now + timedelta(seconds=1)
