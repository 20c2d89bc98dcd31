"""Links in mails by which one person answers one question: signed, for a time, bound to person, request and choice."""

from __future__ import annotations

import secrets
from datetime import datetime

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from isthmus.desk.approval_state import Choice

__all__ = ["ANSWER_PATH", "Link", "new_secret", "read_link", "sign_link"]

ANSWER_PATH = "/approve/"
"""Where links lead, below the hub's address."""

_SALT = "isthmus approval link"
_LONGEST = 2048


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link says. It is used up with the answer: a seat is answered once."""

    request: str
    stage: int
    escalated: bool
    person: str
    choice: Choice
    expires: int
    """Seconds since 1970."""


def new_secret() -> str:
    """What links are signed with; made once for a hub and kept in its store."""
    return secrets.token_urlsafe(48)


def sign_link(link: Link, secret: str) -> str:
    """The text that stands in the address."""
    return str(URLSafeSerializer(secret, salt=_SALT).dumps(msgspec.to_builtins(link)))


def read_link(text: str, secret: str, now: datetime) -> Link | None:
    """What a link says; None when it is not ours, was changed, or its time is over."""
    if len(text) > _LONGEST:
        return None
    try:
        link = msgspec.convert(URLSafeSerializer(secret, salt=_SALT).loads(text), Link)
    except (BadData, msgspec.ValidationError):
        return None
    return link if now.timestamp() < link.expires else None
