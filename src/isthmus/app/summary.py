"""What a catch-up came to, and how things stand: figures for ``sync`` and ``status``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from isthmus.app.bootstrap import Hub, clock
from isthmus.app.quota_watch import QuotaLine, quota_lines
from isthmus.app.watching import used_places, what_happened
from isthmus.model.state import FarField, FeedState, InboxKind
from isthmus.store import Reads, Worker
from isthmus.store.reads import FlowStatus, Freshness, InboxCount
from isthmus.sync.engine import Round
from isthmus.sync.pauses import PauseBook
from isthmus.sync.world import World

__all__ = ["FieldChange", "FlowLine", "StatusReport", "SyncSummary", "status_report", "summarise"]

SILENT = 3
"""A resource not looked at for this many intervals is silent (SPEC 9)."""


RECENT = timedelta(days=7)
"""How long a change of a far system's fields is shown that takes nothing away."""


class SyncSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One catch-up."""

    read: int
    met: int
    written: int
    seconds: float
    inbox: int
    waiting: int
    brakes: Sequence[str]
    problems: Mapping[str, str]


async def summarise(hub: Hub, done: Round, began: datetime) -> SyncSummary:
    """The figures after a catch-up."""
    reads = Reads(hub.store)
    now = clock()
    status = await reads.status(now)
    counts = await reads.inbox_counts()
    brakes = await reads.inbox(kind=InboxKind.BRAKE, limit=100)
    written = sum(1 for effect in await reads.recent_effects(began, 1_000_000) if effect.outcome == "done")
    problems = {**{name: str(error) for name, error in hub.down.items()}, **done.problems}
    return SyncSummary(
        read=done.read,
        met=done.met,
        written=written,
        seconds=(now - began).total_seconds(),
        inbox=sum(count.entries for count in counts),
        waiting=sum(flow.due for flow in status.flows),
        brakes=[entry.summary for entry in brakes],
        problems=problems,
    )


class FlowLine(msgspec.Struct, frozen=True, kw_only=True):
    """One flow in one direction: into ``system``."""

    flow: str
    system: str
    linked: int
    waiting: int
    lag_seconds: float
    """How long the oldest change has been waiting to be written there."""
    looked_seconds: float | None
    """How long ago the system's resource was last looked at; None: never."""
    silent: bool
    failing: str
    parked: int
    conflicts: int
    doubtful: int
    not_held: int
    paused: str = ""
    """By whom and since when, if it is."""


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a far system that is not as it was."""

    system: str
    resource: str
    field: str
    what: str
    """appeared, vanished or retyped."""
    type: str
    since: datetime
    flows: Sequence[str] = ()
    """Those that use it."""


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``status`` shows."""

    lines: Sequence[FlowLine]
    inbox: Sequence[InboxCount]
    freshness: Sequence[Freshness]
    """Change to write, of the last day."""
    workers: Sequence[Worker]
    """Processes that keep things in step now; none when the hub does not run."""
    fields: Sequence[FieldChange] = ()
    """Far fields that flows miss, and what changed otherwise within the last days."""
    quotas: Sequence[QuotaLine] = ()
    """How often systems may still be called, of those that say so."""

    @property
    def healthy(self) -> bool:
        """Nothing silent, failing, nearly used up or waiting for a person."""
        lost = any(field.what == "vanished" and field.flows for field in self.fields)
        trouble = any(line.silent or line.failing or line.parked for line in self.lines)
        return not self.inbox and not lost and not trouble and not any(quota.low for quota in self.quotas)


async def status_report(reads: Reads, world: World, now: datetime, since: datetime) -> StatusReport:
    """Lag and freshness per flow and direction."""
    status = await reads.status(now)
    feeds = {(feed.system, feed.resource): feed for feed in status.feeds}
    pauses = PauseBook()
    pauses.fill(await reads.pauses())
    known = {(flow.flow, flow.system): flow for flow in status.flows}
    lines = [
        _line(world, name, system, known.get((name, system)), feeds, pauses, now)
        for name in world.order
        for system in world.flows[name].sides
    ]
    return StatusReport(
        lines=lines,
        inbox=await reads.inbox_counts(),
        freshness=await reads.freshness(since),
        workers=await reads.workers(),
        fields=_field_changes(world, await reads.far_fields(), now),
        quotas=quota_lines(await reads.quotas(), now),
    )


def _field_changes(world: World, fields: Sequence[FarField], now: datetime) -> list[FieldChange]:
    found = []
    for field in fields:
        flows = used_places(world, field.system, field.resource).get(field.name, [])
        since = field.gone_at or field.changed_at
        if since is not None and ((field.gone_at and flows) or now - since < RECENT):
            found.append(
                FieldChange(
                    system=field.system,
                    resource=field.resource,
                    field=field.name,
                    what=what_happened(field),
                    type=field.type,
                    since=since,
                    flows=flows,
                )
            )
    return found


def _line(
    world: World,
    flow: str,
    system: str,
    status: FlowStatus | None,
    feeds: Mapping[tuple[str, str], FeedState],
    pauses: PauseBook,
    now: datetime,
) -> FlowLine:
    resource = world.flows[flow].sides[system].resource
    feed = feeds.get((system, resource))
    looked = (now - feed.polled_at).total_seconds() if feed is not None and feed.polled_at is not None else None
    every = world.every(system, resource)
    lag = (now - status.oldest_due).total_seconds() if status is not None and status.oldest_due is not None else 0.0
    failing = feed.problem.message if feed is not None and feed.failing_since and feed.problem else ""
    pause = pauses.of(system, resource)
    return FlowLine(
        flow=flow,
        system=system,
        linked=status.linked if status else 0,
        waiting=(status.due + status.waiting + status.creating) if status else 0,
        lag_seconds=max(0.0, lag),
        looked_seconds=looked,
        silent=pause is None and (looked is None or looked > SILENT * every),
        failing=failing,
        parked=status.parked if status else 0,
        conflicts=status.conflicts if status else 0,
        doubtful=status.doubtful if status else 0,
        not_held=status.not_held if status else 0,
        paused=pause.sentence if pause is not None else "",
    )
