"""Notices: what customers and staff are told by mail. Queued in the transaction of what they tell, sent afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from isthmus.model.state import Problem

__all__ = [
    "LANGUAGES",
    "MILESTONES",
    "Notice",
    "NoticeRows",
    "NoticeState",
    "NoticeTransaction",
    "language_of",
    "queue_notice",
]

MILESTONES = (
    "order_kept",
    "order_changed",
    "order_checking",
    "order_declined",
    "order_confirmed",
    "order_cancelled",
    "dispatched",
    "delivered",
    "invoice_issued",
    "payment_received",
    "request_approved",
    "request_refused",
    "approval_needed",
    "return_received",
    "return_difference",
    "settlement_booked",
    "quote_sent",
    "quote_answered",
)
"""What notices are about. Each has a text in every language."""

LANGUAGES = ("en", "zh")

_SPACE = uuid.UUID("6d1e7a8e-52f4-4a57-9d6d-0f6a7b1f3c11")


class NoticeState(StrEnum):
    """Where a notice stands."""

    QUEUED = "queued"
    """To be sent from ``next_at`` on."""
    SENDING = "sending"
    """Its data is on the way: when the worker dies now, it may have been taken or not."""
    SENT = "sent"
    """The mail server has taken it."""
    REFUSED = "refused"
    """The mail server will not take it, or did not for days; ``problem`` says why."""
    BOUNCED = "bounced"
    """It was sent and came back; ``problem`` says why."""
    OFF = "off"
    """The project sends no mail."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One mail to one address."""

    id: str
    """Made of what it is about, so that the same notice is the same mail. The Message-ID is made of it."""
    milestone: str
    document: str
    """Kind of document."""
    key: str
    """Which one."""
    recipient: str
    language: str
    """en or zh; empty: the hub's own."""
    context: Mapping[str, Any]
    """What the text says, as JSON. No secrets: links are made when it is sent."""
    thread: str
    """Id of the first notice to this address about this document; it may be this one."""
    state: NoticeState = NoticeState.QUEUED
    attempts: int = 0
    next_at: datetime
    queued_at: datetime
    sent_at: datetime | None = None
    problem: Problem | None = None


class NoticeRows(Protocol):
    """Rows of notices, in the transaction they were asked from."""

    async def add(self, notice: Notice) -> bool:
        """Queue one; False when it was queued before. Its thread is that of the first about the same document."""

    async def about(self, document: str, keys: Collection[str]) -> list[Notice]:
        """Notices about these documents, oldest first."""


class NoticeTransaction(Protocol):
    """A transaction of the hub in which notices can be queued."""

    @property
    def notices(self) -> NoticeRows:
        """The rows of notices."""


async def queue_notice(
    tx: NoticeTransaction,
    milestone: str,
    *,
    document: str,
    key: str,
    recipient: str,
    context: Mapping[str, Any],
    language: str = "",
    detail: str = "",
    now: datetime,
) -> bool:
    """Have a notice sent once this transaction has committed; False when it was queued before.

    Document, key, milestone and recipient are its identity; ``detail`` tells apart what may happen several times to
    one document (a number of the delivery). ``context`` is what the text is filled with; see ``docs/notices.md``.
    """
    assert milestone in MILESTONES, f"there is no text for {milestone}"
    address = recipient.strip().lower()
    id = str(uuid.uuid5(_SPACE, "\n".join((document, key, milestone, detail, address))))
    return await tx.notices.add(
        Notice(
            id=id,
            milestone=milestone,
            document=document,
            key=key,
            recipient=address,
            language=language,
            context=context,
            thread=id,
            next_at=now,
            queued_at=now,
        )
    )


def language_of(value: Any) -> str:
    """The language of notices for what a system calls a customer's language; empty for one we do not speak."""
    spoken = str(value or "").lower()
    if spoken.startswith(("zh", "chin", "中")):
        return "zh"
    return "en" if spoken.startswith("en") else ""
