"""The mass-change brake: a plan that would create, change or delete too large a share of a system's records stops and
asks (SPEC 7). An approval allows a number of writes, not "everything from now on"."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from isthmus import events
from isthmus.model.flow import Flow
from isthmus.model.state import InboxEntry, InboxKind, Link, LinkState
from isthmus.sync.ports import Approval, Batch, DueCount, Store, Transaction

__all__ = ["BRAKE_CHOICES", "KINDS", "Allowed", "check_brake", "kind_of", "limit_of"]

BRAKE_CHOICES = ("approve", "hold")
WINDOW = timedelta(seconds=60)
KINDS = ("creates", "updates", "deletes")
"""Of writes, as they are counted."""


def limit_of(flow: Flow, kind: str, linked: int) -> int:
    """How many writes of this kind one plan may hold without asking."""
    least, share = _limits(flow, kind)
    return max(least, int(share * linked))


def _limits(flow: Flow, kind: str) -> tuple[int, float]:
    """The number, and the share of what is linked, that are allowed in any case."""
    brake = flow.brake
    return (brake.deletes_at_least, brake.deletes_share) if kind == "deletes" else (brake.at_least, brake.share)


class Allowed:
    """What may be written now. A kind that is not in ``limited`` may be written as it is due."""

    def __init__(self, flow: Flow, system: str, limited: Mapping[str, Approval], *, creates: bool) -> None:
        """``creates``: whether any record waits to be created."""
        self._place = f"{flow.name}/{system}"
        self._limited = dict(limited)
        self.creates = creates

    @property
    def held(self) -> list[str]:
        """Kinds of which nothing may be written."""
        return [kind for kind, approval in self._limited.items() if not approval.writes and not approval.granted]

    def within(self, due: Sequence[Link]) -> list[Link]:
        """The links that may be written, in their order."""
        left = {kind: approval.writes for kind, approval in self._limited.items()}
        kept = []
        for link in due:
            kind = kind_of(link)
            if kind in left and link.id not in self._limited[kind].granted:
                if not left[kind]:
                    continue
                left[kind] -= 1
            kept.append(link)
        return kept

    async def charge(self, tx: Transaction, claimed: Sequence[Link], now: datetime) -> None:
        """Count what is about to be written: against its approval, or else as traffic."""
        for kind, links in by_kind(claimed).items():
            if kind in self._limited:
                await tx.use_approval(f"{self._place}/{kind}", links)
            else:
                await tx.note_traffic(f"{self._place}/{kind}", links, now, now - WINDOW)

    async def finish(self, store: Store, handled: Sequence[Link]) -> None:
        """What was counted against an approval is done; before this, whoever takes it up again pays nothing."""
        ended = {kind: links for kind, links in by_kind(handled).items() if kind in self._limited}
        if ended:
            async with store.transaction() as tx:
                for kind, links in ended.items():
                    await tx.end_approval(f"{self._place}/{kind}", links)


async def check_brake(tx: Transaction, flow: Flow, system: str, now: datetime, new_id: Callable[[], str]) -> Allowed:
    """What may be written now. Opens an inbox entry for each kind that is stopped; closes those that no longer apply.
    Stopped writes that a person put on hold are asked about again only when they have become more.

    A mass change that arrives in small pages, or through several workers, is a mass change all the same: what was
    written without approval within the last minute counts too. The caller holds the entity's lock until it has charged
    what it claims, so no two workers spend the same allowance.
    """
    count: DueCount = await tx.count_due(flow.name, system, now, now - WINDOW)
    subjects = [f"{flow.name}/{system}/{kind}" for kind in KINDS]
    approvals = await tx.brake_approvals(subjects, now) if count.approved else {}
    limited: dict[str, Approval] = {}
    batch = Batch()
    for kind in KINDS:
        subject = f"{flow.name}/{system}/{kind}"
        approval = approvals.get(subject, Approval())
        waiting = int(getattr(count, kind)) - len(approval.granted)
        passes = approval.writes > 0 or (bool(approval.granted) and waiting <= 0)
        if passes:
            limited[kind] = approval
        if passes or await _within_limit(tx, flow, system, kind, waiting, count.noted.get(kind, 0), now):
            if count.asked:
                batch.close_inbox.append((InboxKind.BRAKE, subject))
            continue
        linked = await tx.count_linked(flow.name, system)
        limit = limit_of(flow, kind, linked)
        limited[kind] = approval
        held = await tx.last_decided(InboxKind.BRAKE, subject)
        if held is not None and held.decision == "hold" and waiting <= int(held.detail["waiting"]):
            continue
        if not await tx.open_entries(InboxKind.BRAKE, [subject]):
            events.emit(
                events.BRAKE_STOPPED, logging.WARNING, flow=flow.name, system=system, kind=kind, waiting=waiting
            )
        batch.open_inbox.append(
            InboxEntry(
                id=new_id(),
                kind=InboxKind.BRAKE,
                subject=subject,
                flow=flow.name,
                summary=f"{waiting} {kind} in {system} wait for approval (limit {limit} of {linked} linked).",
                detail={"system": system, "kind": kind, "waiting": waiting, "limit": limit, "linked": linked},
                choices=BRAKE_CHOICES,
                opened_at=now,
            )
        )
    if batch.open_inbox or batch.close_inbox:
        await tx.save(batch)
    return Allowed(flow, system, limited, creates=count.creates > 0)


async def _within_limit(
    tx: Transaction, flow: Flow, system: str, kind: str, waiting: int, noted: int, now: datetime
) -> bool:
    """Whether what waits, and what was ``noted`` as written within the last minute, is little enough. This is asked
    before every write: records that are linked are counted only where the plain number is exceeded, and only as far as
    it matters; and links that were noted twice, or are due again, are told apart only where that decides."""
    if waiting <= 0:
        return True
    least, share = _limits(flow, kind)
    if waiting + noted <= least:
        return True
    enough = math.ceil((waiting + noted + 1) / share) if share > 0 else 0
    room = limit_of(flow, kind, await tx.count_linked(flow.name, system, enough)) - waiting
    if room < 0 or noted <= room:
        return room >= 0
    return await tx.recent_traffic(f"{flow.name}/{system}/{kind}", now - WINDOW, now) <= room


def kind_of(link: Link) -> str:
    """creates, updates or deletes: what the brake counts."""
    if link.state is LinkState.CREATING:
        return "creates"
    return "deletes" if link.doom not in (None, "restore") else "updates"


def by_kind(links: Sequence[Link]) -> dict[str, list[str]]:
    """Ids of links by the kind of their write."""
    found: dict[str, list[str]] = {}
    for link in links:
        found.setdefault(kind_of(link), []).append(link.id)
    return found
