"""The mass-change brake: a plan that would create, change or delete too large a share of a system's records stops and
asks (SPEC 7). An approval allows a number of writes, not "everything from now on"."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from isthmus.model.flow import Flow
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.sync.ports import Batch, DueCount, Transaction

__all__ = ["BRAKE_CHOICES", "check_brake", "limit_of"]

BRAKE_CHOICES = ("approve", "hold")
KINDS = ("creates", "updates", "deletes")


def limit_of(flow: Flow, kind: str, linked: int) -> int:
    """How many writes of this kind one plan may hold without asking."""
    brake = flow.brake
    if kind == "deletes":
        return max(brake.deletes_at_least, int(brake.deletes_share * linked))
    return max(brake.at_least, int(brake.share * linked))


async def check_brake(
    tx: Transaction, flow: Flow, system: str, now: datetime, new_id: Callable[[], str]
) -> dict[str, int]:
    """Kind -> writes allowed now, for the kinds that are limited. Opens an inbox entry for each kind that is stopped;
    closes those that no longer apply."""
    count: DueCount = await tx.count_due(flow.name, system, now)
    allowed: dict[str, int] = {}
    batch = Batch()
    for kind in KINDS:
        waiting = int(getattr(count, kind))
        subject = f"{flow.name}/{system}/{kind}"
        limit = limit_of(flow, kind, count.linked)
        approved = await tx.brake_approved(subject)
        if waiting <= limit and not approved:
            batch.close_inbox.append((InboxKind.BRAKE, subject))
            continue
        if approved:
            batch.close_inbox.append((InboxKind.BRAKE, subject))
            allowed[kind] = approved
            continue
        allowed[kind] = 0
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
