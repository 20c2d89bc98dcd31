"""How often far systems may still be called, by what they say themselves: remembered for everybody, told when little is
left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from isthmus import events
from isthmus.app.bootstrap import Hub, clock
from isthmus.connector import Metered, Quota
from isthmus.connector.quota import WAIT
from isthmus.errors import StoreUnavailable

__all__ = ["QuotaLine", "keep_quotas", "quota_lines"]

EVERY = 5.0
"""Seconds between notes."""
AGAIN = 5.0
LOW_SHARE = 0.1
"""So little of a window left is nearly used up."""
FORGOTTEN = timedelta(hours=1)
"""What a system said of a window whose end it did not tell counts for so long, and no longer."""


class QuotaLine(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of one system."""

    system: str
    name: str
    """What the system calls it; ``wait``: it asked to be left alone."""
    most: int | None
    left: int | None
    """None: its window has passed since, so it is more than was said."""
    window_seconds: float | None
    renews_at: datetime | None
    seen_at: datetime
    low: bool
    """Nearly used up."""


def quota_lines(quotas: Mapping[str, Sequence[Quota]], now: datetime) -> list[QuotaLine]:
    """How it stands now; what was to be waited for and is over is left out."""
    found = []
    for system, mine in quotas.items():
        for quota in mine:
            over = _is_over(quota, now)
            if over and quota.name == WAIT:
                continue
            found.append(
                QuotaLine(
                    system=system,
                    name=quota.name,
                    most=quota.most,
                    left=None if over else quota.left,
                    window_seconds=quota.window,
                    renews_at=quota.renews_at,
                    seen_at=quota.seen_at,
                    low=not over and quota.left <= LOW_SHARE * (quota.most or 0),
                )
            )
    return found


def _is_over(quota: Quota, now: datetime) -> bool:
    window = FORGOTTEN if quota.window is None else timedelta(seconds=min(quota.window, FORGOTTEN.total_seconds()))
    return now >= (quota.renews_at or quota.seen_at + window)


async def keep_quotas(hub: Hub) -> None:
    """Until cancelled: remember what open systems say, and tell once when little is left."""
    kept: dict[str, list[Quota]] = {}
    low: set[tuple[str, str]] = set()
    while True:
        for system, opened in list(hub.engine.systems.items()):
            said = list(opened.quotas()) if isinstance(opened, Metered) else []
            if said == kept.get(system, []):
                continue
            try:
                await hub.store.save_quotas(system, said)
            except StoreUnavailable as error:
                await asyncio.sleep(error.wait or AGAIN)
                continue
            kept[system] = said
            low = _tell(quota_lines({system: said}, clock()), system, low)
        await asyncio.sleep(EVERY)


def _tell(lines: Sequence[QuotaLine], system: str, before: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Log what has become little; which are little now."""
    now = {(line.system, line.name) for line in lines if line.low}
    for line in lines:
        if line.low and (line.system, line.name) not in before:
            events.emit(
                events.QUOTA_LOW, logging.WARNING, system=line.system, quota=line.name, left=line.left, most=line.most,
                renews_at=None if line.renews_at is None else line.renews_at.isoformat(),
            )  # fmt: skip
    return {one for one in before if one[0] != system} | now
