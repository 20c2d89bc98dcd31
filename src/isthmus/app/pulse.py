"""The present state of everything in a few figures, for pages that many people keep open.

The figures count millions of rows, so they are made at most so often that they take a small share of the database's
time, and only while somebody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic

import msgspec

from isthmus.app.bootstrap import clock
from isthmus.app.summary import FlowLine, StatusReport, status_report
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["Overview", "Pulse", "SystemPulse"]

LEAST_SECONDS = 2.0
SHARE = 20
"""Making the figures takes at most one part in so many of the time."""
TOO_OLD = 3600.0
"""Figures older than this are not shown: whoever asks waits for new ones."""
PATIENCE = 0.05
"""Seconds to wait for new figures when there are older ones to show."""
MINUTES = 60


class SystemPulse(msgspec.Struct, frozen=True, kw_only=True):
    """One far system."""

    name: str
    kind: str
    state: str
    """ok, silent, failing, paused or unused."""
    problem: str
    looked_seconds: float | None
    """Since the resource that was looked at longest ago."""
    lag_seconds: float
    read: Sequence[int]
    """Changes taken from it, by minute, the present minute last."""
    written: Sequence[int]
    waiting: int
    people: int
    """Records for which a person is needed."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the first page shows."""

    at: datetime
    report: StatusReport
    systems: Sequence[SystemPulse]
    linked: int
    reviews: Mapping[str, int]
    """Flow -> changes of it that wait for a review."""

    @property
    def alarms(self) -> list[FlowLine]:
        """Directions that are silent or fail."""
        return [line for line in self.report.lines if line.silent or line.failing]


class Pulse:
    """Keeps the latest figures."""

    def __init__(self, reads: Reads, world: World, kinds: Mapping[str, str] | None = None) -> None:
        self._reads, self._world = reads, world
        self.kinds = dict(kinds or {})
        """System -> kind of connector."""
        self._latest: Overview | None = None
        self._made = self._cost = 0.0
        self._making: asyncio.Task[Overview] | None = None

    def renew(self, world: World, kinds: Mapping[str, str]) -> None:
        """Make the figures of these flows from now on; until there are new ones the last are shown."""
        self._world, self.kinds = world, dict(kinds)

    async def look(self) -> Overview:
        """The figures: new ones, or, while new ones are being made, the last. They say how old they are."""
        if self._latest is not None and monotonic() - self._made < max(LEAST_SECONDS, SHARE * self._cost):
            return self._latest
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._renew())
        if self._latest is not None and monotonic() - self._made < TOO_OLD:
            await asyncio.wait([self._making], timeout=PATIENCE)
            if not self._making.done():
                return self._latest
        # Others wait for the same, and go on when this one leaves.
        return await asyncio.shield(self._making)

    async def _renew(self) -> Overview:
        began = monotonic()
        self._latest = await self._make(clock())
        self._made = monotonic()
        self._cost = self._made - began
        return self._latest

    async def _make(self, now: datetime) -> Overview:
        report = await status_report(self._reads, self._world, now, now - timedelta(hours=1))
        counts = await self._reads.activity(now - timedelta(minutes=MINUTES))
        last = int(now.timestamp()) // 60
        rows: dict[tuple[str, str], list[int]] = {}
        for way, system, minute, count in counts:
            place = MINUTES - 1 - (last - minute)
            if 0 <= place < MINUTES:
                rows.setdefault((way, system), [0] * MINUTES)[place] = count
        used = self._world.systems()
        names = [*used, *(name for name in self.kinds if name not in used)]
        return Overview(
            at=now,
            report=report,
            systems=[self._system(name, report, rows) for name in names],
            linked=sum(line.linked for line in report.lines),
            reviews=await self._reads.flow_reviews(),
        )

    def _system(self, name: str, report: StatusReport, rows: Mapping[tuple[str, str], list[int]]) -> SystemPulse:
        lines = [line for line in report.lines if line.system == name]
        looked = [line.looked_seconds for line in lines]
        failing = next((line.failing for line in lines if line.failing), "")
        return SystemPulse(
            name=name,
            kind=self.kinds.get(name, ""),
            state=_state(lines),
            problem=failing,
            looked_seconds=None if not looked or None in looked else max(one for one in looked if one is not None),
            lag_seconds=max((line.lag_seconds for line in lines), default=0.0),
            read=rows.get(("read", name), [0] * MINUTES),
            written=rows.get(("written", name), [0] * MINUTES),
            waiting=sum(line.waiting for line in lines),
            people=sum(line.parked + line.conflicts + line.doubtful for line in lines),
        )


def _state(lines: Sequence[FlowLine]) -> str:
    """Of a system, from its directions; a system is paused when nothing of it goes on."""
    if not lines:
        return "unused"
    if all(line.paused for line in lines):
        return "paused"
    if any(line.failing for line in lines):
        return "failing"
    return "silent" if any(line.silent for line in lines) else "ok"
