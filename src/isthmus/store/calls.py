"""What the API and the portal ask of the store: pages of things, and calls that are not carried out twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.model.state import InboxEntry, Item
from isthmus.process import Process
from isthmus.store.codec import from_row, payload
from isthmus.store.reads import Rows, containing

__all__ = ["ApiCalls", "KnownCall", "OpenItems", "Pages"]


class KnownCall(msgspec.Struct, frozen=True):
    """A call that came before with the same key. ``status`` None: it is under way."""

    digest: bytes
    status: int | None
    headers: Mapping[str, str] | None
    body: bytes | None


class ApiCalls:
    """Calls with a key of their client."""

    def __init__(self, store: Rows) -> None:
        self._store = store

    async def begin(self, login: str, key: str, digest: bytes, now: datetime) -> KnownCall | None:
        """None: carry it out, and :meth:`end` or :meth:`drop` it. Else the call that came before."""
        given = {"login": login, "key": key, "digest": digest, "now": now}
        while True:
            if await self._store.rows("begin_api_call", given):
                return None
            found = await self._store.rows("api_call", {"login": login, "key": key})
            if found:
                return from_row(KnownCall, found[0])

    async def end(self, login: str, key: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keep what was answered."""
        kept = {"status": status, "headers": payload(dict(headers)), "body": body}
        await self._store.rows("end_api_call", {"login": login, "key": key, **kept})

    async def drop(self, login: str, key: str) -> None:
        """Nothing was done: the key may be used again."""
        await self._store.rows("drop_api_call", {"login": login, "key": key})


class OpenItems(msgspec.Struct, frozen=True):
    """What is open in one currency: of how many invoices, and how much of it was due before today."""

    currency: str
    amount: Decimal
    invoices: int
    overdue: Decimal
    overdue_invoices: int


class SettlementShare(msgspec.Struct, frozen=True):
    """What a settlement holds of one station; nothing of it says what the others get."""

    number: str | None
    period: str | None
    state: str | None
    currency: str | None
    due_on: str | None
    repairs: int
    amount: Decimal


AMONG = 2000
"""Products among which a word is looked for first: a common one is found there, and the index would give too many."""
MOST_CHANGED = 1000
"""Items whose texts are old at most, see ``changed_items``."""


class Pages:
    """Things page by page; each page begins after the last thing of the one before."""

    def __init__(self, store: Rows) -> None:
        self._store = store

    async def items(
        self,
        *,
        limit: int,
        after: str = "",
        entity: str | None = None,
        text: str = "",
        wanted: Mapping[str, Any] | None = None,
    ) -> list[Item]:
        """Items by id: with ``text`` (three letters at least) anywhere in them, and exactly these values."""
        text = text.strip()
        parameters: dict[str, Any] = {
            "after": after,
            "entity": entity,
            "wanted": payload(wanted) if wanted else None,
            "limit": limit,
        }
        if not text:
            return [from_row(Item, row) for row in await self._store.rows("items_page", parameters)]
        parameters["pattern"] = containing(text)
        return [from_row(Item, row) for row in await self._store.rows("items_page_like", parameters)]

    async def products(self, *, limit: int, after: str = "", text: str = "") -> list[Item]:
        """Active products by part number, those after this one."""
        text = text.strip()
        parameters = {"after": after, "pattern": containing(text) if text else None, "limit": limit}
        among = AMONG if text else limit + MOST_CHANGED
        rows = await self._store.rows("products_page", {**parameters, "among": among})
        if text and len(rows) < limit:
            rows = await self._store.rows("rare_products_page", parameters)
        return [from_row(Item, row) for row in rows]

    async def processes(
        self, states: Collection[str], *, limit: int, before: datetime | None = None, id: str = ""
    ) -> list[Process]:
        """Processes, the newest first."""
        parameters = {"states": list(states), "limit": limit, "before": before, "id": id}
        return [from_row(Process, row) for row in await self._store.rows("processes_page", parameters)]

    async def inbox(
        self, *, kind: str | None, flow: str | None, limit: int, after: datetime | None = None, id: str = ""
    ) -> list[InboxEntry]:
        """Open questions, the oldest first."""
        parameters = {"kind": kind, "flow": flow, "limit": limit, "after": after, "id": id}
        return [from_row(InboxEntry, row) for row in await self._store.rows("inbox_page", parameters)]

    async def documents(
        self,
        entity: str,
        *,
        customer: str | None = None,
        station: str | None = None,
        limit: int,
        offset: int = 0,
        states: Collection[str] | None = None,
    ) -> list[Item]:
        """Documents of a customer or a station, in one of these states where any are named; the newest first."""
        parameters = {"limit": limit, "offset": offset, **_owned(entity, customer, station, states)}
        return [from_row(Item, row) for row in await self._store.rows("documents_page", parameters)]

    async def in_state(self, entity: str, states: Collection[str], *, limit: int, offset: int = 0) -> list[Item]:
        """Documents of anybody in one of these states, by number."""
        parameters = {"entity": entity, "states": list(states), "limit": limit, "offset": offset}
        return [from_row(Item, row) for row in await self._store.rows("documents_in_state", parameters)]

    async def open_items(self, customer: str, states: Collection[str], today: date) -> list[OpenItems]:
        """What a customer owes by invoices in these states, less what credit notes leave open; one for each
        currency."""
        parameters = {"today": today.isoformat(), **_owned("Invoice", customer, None, states)}
        rows = await self._store.rows("open_items", parameters)
        return [OpenItems(*row) for row in rows]

    async def settlement_shares(self, station: str, limit: int) -> list[SettlementShare]:
        """What the newest settlements hold of a station."""
        rows = await self._store.rows("settlement_shares", {"station": station, "limit": limit})
        return [SettlementShare(*row) for row in rows]


def _owned(entity: str, customer: str | None, station: str | None, states: Collection[str] | None) -> dict[str, Any]:
    known = None if states is None else list(states)
    return {"entity": entity, "customer": customer, "station": station, "states": known}
