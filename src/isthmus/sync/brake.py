"""The mass-change brake: a plan that would create, change or delete too large a share of a system's records stops and
asks (SPEC 7). An approval allows a number of writes, not "everything from now on"."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from isthmus import events
from isthmus.model.flow import Flow
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.sync.ports import Batch, DueCount, Transaction

__all__ = ["BRAKE_CHOICES", "Traffic", "check_brake", "limit_of"]

BRAKE_CHOICES = ("approve", "hold")
WINDOW = timedelta(seconds=60)
KINDS = ("creates", "updates", "deletes")


def limit_of(flow: Flow, kind: str, linked: int) -> int:
    """How many writes of this kind one plan may hold without asking."""
    brake = flow.brake
    if kind == "deletes":
        return max(brake.deletes_at_least, int(brake.deletes_share * linked))
    return max(brake.at_least, int(brake.share * linked))


class Traffic:
    """Records written without approval within the last minute: a mass change that arrives in small pages is a mass
    change all the same."""

    def __init__(self) -> None:
        self._written: dict[str, dict[str, datetime]] = {}

    def note(self, subject: str, links: Sequence[str], now: datetime) -> None:
        """These links were written."""
        self._written.setdefault(subject, {}).update(dict.fromkeys(links, now))

    def recent(self, subject: str, now: datetime) -> int:
        """How many different links were written lately."""
        kept = {link: at for link, at in self._written.get(subject, {}).items() if now - at < WINDOW}
        self._written[subject] = kept
        return len(kept)


async def check_brake(
    tx: Transaction, flow: Flow, system: str, now: datetime, new_id: Callable[[], str], traffic: Traffic
) -> dict[str, int]:
    """Kind -> writes allowed now, for the kinds that are limited. Opens an inbox entry for each kind that is stopped;
    closes those that no longer apply. Stopped writes that a person put on hold are asked about again only when they
    have become more."""
    count: DueCount = await tx.count_due(flow.name, system, now)
    allowed: dict[str, int] = {}
    batch = Batch()
    for kind in KINDS:
        waiting = int(getattr(count, kind))
        subject = f"{flow.name}/{system}/{kind}"
        limit = limit_of(flow, kind, count.linked)
        approved = await tx.brake_approved(subject)
        if (not waiting or waiting + traffic.recent(subject, now) <= limit) and not approved:
            batch.close_inbox.append((InboxKind.BRAKE, subject))
            continue
        if approved:
            batch.close_inbox.append((InboxKind.BRAKE, subject))
            allowed[kind] = approved
            continue
        allowed[kind] = 0
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
                summary=f"{waiting} {kind} in {system} wait for approval (limit {limit} of {count.linked} linked).",
                detail={"system": system, "kind": kind, "waiting": waiting, "limit": limit, "linked": count.linked},
                choices=BRAKE_CHOICES,
                opened_at=now,
            )
        )
    await tx.save(batch)
    return allowed
