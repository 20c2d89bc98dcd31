"""Rows to store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from isthmus.model.state import (
    Cause,
    Effect,
    FeedState,
    FieldConflict,
    InboxEntry,
    InboxKind,
    Intent,
    Item,
    JournalEntry,
    Link,
    LinkState,
    NotHeld,
    Problem,
    Provenance,
)
from isthmus.sync.ports import Batch, Store

NOW = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_item(id: str, **values: Any) -> Item:
    given: dict[str, Any] = {"entity": "Customer", "version": 1, "fields": {"name": f"Name of {id}"}}
    return Item(id=id, **(given | values))


def a_link(id: str, **values: Any) -> Link:
    """Linked, unless ``item`` is None or another state is given."""
    given: dict[str, Any] = {
        "flow": "customer",
        "system": "crm",
        "resource": "account",
        "key": f"key-{id}",
        "state": LinkState.LINKED,
    }
    return Link(id=id, **(given | values))


def a_full_link() -> Link:
    """Every column set."""
    return a_link(
        "full",
        item="i1",
        base={"name": "Übung 測試 🙂", "address": {"city": None}},
        far={"lines": [{"quantity": "1.5"}], "active": True},
        far_version="7",
        digest=bytes(range(16)),
        conflicts={"name": FieldConflict("a", None, {"b": 1})},
        not_held={"email": NotHeld("A@B", "a@b")},
        unseen={"phone": None},
        intent=Intent(token="t-1", fields={"name": "x", "count": 3}, sent_at=NOW),
        doom="archive",
        due_at=NOW + HOUR,
        attempts=3,
        problem=Problem("rejected", "No such country.", advice="Correct it.", field="country", at=NOW),
        waits_for="erp/party/1",
        seen_at=NOW - HOUR,
        written_at=NOW - 2 * HOUR,
        agreed_at=NOW - 3 * HOUR,
    )


def a_full_item() -> Item:
    return an_item(
        "i1",
        version=12,
        fields={"name": "Ünal 株式会社", "credit_limit": {"amount": "10.5", "currency": "EUR"}, "active": None},
        set_by={"name": Provenance("crm", NOW)},
    )


def a_feed(**values: Any) -> FeedState:
    return FeedState(**({"system": "crm", "resource": "account"} | values))


def a_change(item: str, version: int = 1, **values: Any) -> JournalEntry:
    given: dict[str, Any] = {"changes": {"name": (None, "x")}, "cause": Cause("record", "crm", "1"), "at": NOW}
    return JournalEntry(item=item, version=version, **(given | values))


def a_write(link: str, **values: Any) -> Effect:
    given: dict[str, Any] = {
        "item": "i1",
        "flow": "customer",
        "system": "erp",
        "resource": "party",
        "key": "1",
        "kind": "update",
        "changes": {"name": ("x", "y")},
        "outcome": "done",
        "at": NOW,
    }
    return Effect(link=link, **(given | values))


def a_question(id: str, **values: Any) -> InboxEntry:
    given: dict[str, Any] = {
        "kind": InboxKind.CONFLICT,
        "subject": "l1",
        "flow": "customer",
        "summary": "Which name?",
        "opened_at": NOW,
    }
    return InboxEntry(id=id, **(given | values))


async def save(store: Store, **lists: Any) -> None:
    """One batch in one transaction."""
    async with store.transaction() as transaction:
        await transaction.save(Batch(**lists))
