"""What systems for customers' questions can be asked: what was answered."""

from __future__ import annotations

from typing import Final

import msgspec

from isthmus.connector.api import Key
from isthmus.connector.services import Operation

__all__ = ["CASE_REPLIES", "Replies", "RepliesAsked", "Reply"]


class RepliesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A question of a customer, by its key in the system."""

    case: Key


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was answered, and meant for the customer."""

    text: str
    at: str
    """When (ISO 8601, UTC)."""
    by_customer: bool = False
    """The customer's own words, written in the system's portal."""


class Replies(msgspec.Struct, frozen=True, kw_only=True):
    """All replies, the oldest first. Notes that are for staff only are not among them."""

    replies: tuple[Reply, ...] = ()


CASE_REPLIES: Final = Operation(name="case_replies", input=RepliesAsked, output=Replies)
"""What was answered to a question. Refused for one that is not there."""
