"""Operations about a system's books. ``reference`` is the hub's own number: the same twice is one entry."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from isthmus.connector.api import Key
from isthmus.connector.logistics import References
from isthmus.connector.services import Operation

__all__ = ["ENTRIES", "POST_ENTRY", "Entries", "EntryAsked", "EntryLine", "EntryStanding", "EntryState"]


class EntryState(StrEnum):
    """Where a journal entry stands."""

    DRAFT = "draft"
    POSTED = "posted"
    CANCELLED = "cancelled"
    """Another entry takes it back."""


class EntryLine(msgspec.Struct, frozen=True, kw_only=True):
    """An amount on an account (its code) of the company's currency: above zero is debit, below zero credit."""

    account: str
    amount: Decimal
    party: Key | None = None
    description: str = ""


class EntryAsked(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to be posted; its lines come to zero. ``journal`` is a code, ``date`` (ISO 8601) its effective date."""

    reference: str
    date: str
    currency: str
    lines: tuple[EntryLine, ...]
    journal: str | None = None


class EntryStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as the books have it. ``total`` is the sum of its debits; ``cancelled_by`` the number of the entry that
    takes it back."""

    key: Key
    reference: str
    number: str | None
    state: EntryState
    date: str
    total: Decimal
    cancelled_by: str | None = None


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """Those that there are."""

    entries: tuple[EntryStanding, ...]


POST_ENTRY: Final = Operation(name="post_entry", input=EntryAsked, output=EntryStanding, changes=True, idempotent=True)
"""Makes an entry and posts it. Refused when one of this reference has other amounts, or its period is closed."""
ENTRIES: Final = Operation(name="entries", input=References, output=Entries)
"""How entries stand."""
