"""What all of BottleCRM's collections have in common: reading, complete scans, writes with an answer each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from isthmus.connector import (
    Change,
    Create,
    Delete,
    FieldInfo,
    Found,
    Gone,
    Key,
    Page,
    Record,
    Traits,
    Update,
    Write,
    WriteAnswer,
)
from isthmus.connectors.bottlecrm.client import Client
from isthmus.connectors.bottlecrm.custom_fields import TARGETS, TOKEN, CustomFields, changed, typed
from isthmus.connectors.bottlecrm.fields import Field, body_of, instant, values_of
from isthmus.connectors.bottlecrm.paging import Walk, Where, next_page
from isthmus.errors import IsthmusError, Rejected, Retryable, Unavailable, UnknownOutcome

__all__ = ["CrmResource", "is_uuid"]

_CLOCKS = timedelta(minutes=5)
"""How far BottleCRM's clock may be behind ours when we look for what was made since a moment."""


class CrmResource:
    """One collection. A subclass says where it is, which fields it has, and what is special about writing it."""

    name: ClassVar[str]
    path: ClassVar[str]
    """Address of the list; a record is at ``path + key + "/"``."""
    rows_in: ClassVar[str]
    """Where the list answer has its rows (dotted)."""
    record_in: ClassVar[str]
    """Where the detail answer has the record; empty: the answer is the record."""
    fields_of: ClassVar[Mapping[str, Field]]
    by_id: ClassVar[bool] = False
    """The list is sorted by id (else by the moment of making), newest or highest first."""
    parts: ClassVar[Sequence[Mapping[str, str]]] = ({},)
    page_size: ClassVar[int] = 200
    update_method: ClassVar[str] = "PATCH"
    traits: Traits = Traits(whole_saves=True, write_batch=20, fetch_batch=50, concurrency=4)

    def __init__(self, client: Client, custom: CustomFields) -> None:
        self.client = client
        self.custom = custom
        self._gate = asyncio.Semaphore(self.traits.concurrency)

    # reading

    async def fields(self) -> Mapping[str, FieldInfo]:
        """As ``Resource.fields``."""
        return {name: field.info() for name, field in self.fields_of.items()}

    async def fetch(self, keys: Sequence[Key]) -> Sequence[Change]:
        """As ``Resource.fetch``: one call per record, a few at a time."""
        return await asyncio.gather(*map(self._fetch_gated, keys))

    async def _fetch_gated(self, key: Key) -> Change:
        async with self._gate:
            return await self.fetch_one(key)

    async def fetch_one(self, key: Key) -> Change:
        """One record, or :class:`Gone`."""
        if not is_uuid(key):
            return Gone(key=key)
        data = await self.client.read(f"{self.path}{key}/")
        return Gone(key=key) if data is None else await self.record(self._part(data, self.record_in))

    async def scan(self, after: str | None) -> Page:
        """As ``Resource.scan``; see ``paging`` for what makes it complete."""
        if after is None:
            await self.custom.refresh()
        walk = Walk(
            read=self.read_rows,
            place=self.place,
            unique=self.by_id,
            parts=self.parts,
            size=self.page_size,
        )
        rows, then = await next_page(walk, Where.of(after))
        items = await self.complete(rows)
        return Page(items=items, cursor=then.cursor() if then else None, more=then is not None)

    async def complete(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Change]:
        """Full records for the rows of a list, which have all fields in most collections."""
        return [await self.record(row) for row in rows]

    async def read_rows(self, params: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        """Rows of the list for these parameters."""
        return self._rows(await self.client.read(self.path, params) or {}, self.rows_in)

    def _rows(self, data: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
        rows = self._part(data, path)
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "id" in row for row in rows):
            raise Unavailable(f"BottleCRM's answer has no list of records for {self.name}.")
        return rows

    def place(self, row: Mapping[str, Any]) -> str:
        """The unchanging value that the list is sorted by."""
        return str(row["id"]) if self.by_id else instant(row.get("created_at"))

    def _part(self, data: Mapping[str, Any], path: str) -> Any:
        found: Any = data
        for name in path.split(".") if path else ():
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None or (not path and "id" not in data):
            raise Unavailable(f"BottleCRM's answer has no {path or self.name}.")
        return found

    async def record(self, row: Mapping[str, Any]) -> Record:
        """The record of a row (list and detail give the same)."""
        values = values_of(row, self.fields_of) | self.special(row)
        if self.name in TARGETS:
            values["custom_fields"] = typed(row.get("custom_fields"), await self.custom.keys(self.name))
        version = instant(row["updated_at"]) if self.traits.versioned else None
        return Record(key=str(row["id"]), fields=values, version=version)

    def special(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Fields that are not simply taken over from the row."""
        return {}

    # writing

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteAnswer]:
        """As ``Writable.write``: one call (or a few) per record, some records at a time."""
        return await asyncio.gather(*map(self._answer, writes))

    async def _answer(self, write: Write) -> WriteAnswer:
        async with self._gate:
            try:
                match write:
                    case Create():
                        return await self.create(write)
                    case Update():
                        return await self.update(write)
                    case Delete():
                        return await self.delete(write.key)
            except IsthmusError as error:
                return error

    async def create(self, create: Create) -> WriteAnswer:
        """Make the record, then what belongs to it."""
        body = await self.create_body(create)
        made = await self.client.send("POST", self.path, body)
        if made is None:
            raise Rejected("BottleCRM says that what this record belongs to does not exist.")
        key = self._key_in(made)
        try:
            await self.after_create(key, create)
        except Rejected:
            await self.client.send("DELETE", f"{self.path}{key}/")
            raise
        return await self.read_back(key)

    def _key_in(self, made: Mapping[str, Any]) -> Key:
        inner = made.get(self.record_in) if self.record_in else made
        key = made.get("id") or (inner.get("id") if isinstance(inner, Mapping) else None)
        if not key:
            raise UnknownOutcome("BottleCRM answered a create without an id, so the record may exist.")
        return str(key)

    async def create_body(self, create: Create) -> dict[str, Any]:
        """The request that makes the record."""
        body = body_of(create.fields, self.fields_of)
        body = {name: value for name, value in body.items() if value is not None and value != ""}
        if self.name in TARGETS:
            custom = await self._custom_changes(create.fields.get("custom_fields"), {})
            if TOKEN in await self.custom.keys(self.name):
                custom[TOKEN] = create.token
            body["custom_fields"] = {key: value for key, value in custom.items() if value is not None}
        return body

    async def after_create(self, key: Key, create: Create) -> None:
        """Make what belongs to a new record. ``Rejected`` here takes the record away again."""

    async def update(self, update: Update) -> WriteAnswer:
        """Change the fields that differ."""
        if not is_uuid(update.key):
            return Gone(key=update.key)
        body = await self.update_body(update)
        if body and await self.client.send(self.update_method, f"{self.path}{update.key}/", body) is None:
            return Gone(key=update.key)
        await self.after_update(update)
        return await self.read_back(update.key)

    async def update_body(self, update: Update) -> dict[str, Any]:
        """The request that changes the record; empty when nothing is left to ask."""
        body = body_of(update.fields, self.fields_of)
        if "custom_fields" in update.fields:
            old = update.before.fields.get("custom_fields")
            custom = await self._custom_changes(update.fields["custom_fields"], old)
            if custom:
                body["custom_fields"] = custom
        return body

    async def _custom_changes(self, new: Any, old: Any) -> dict[str, Any]:
        if set(new or {}) - await self.custom.keys(self.name):
            await self.custom.refresh()  # another process may have made it meanwhile
        return changed(new, old, await self.custom.keys(self.name))

    async def after_update(self, update: Update) -> None:
        """Change what belongs to the record."""

    async def delete(self, key: Key) -> WriteAnswer:
        """Remove the record; BottleCRM's refusal says what hangs on it."""
        if is_uuid(key):
            await self.client.send("DELETE", f"{self.path}{key}/")
        return Gone(key=key)

    async def read_back(self, key: Key) -> WriteAnswer:
        """The record as it is after a write that surely happened."""
        try:
            return await self.fetch_one(key)
        except Retryable as error:
            raise UnknownOutcome(f"The write happened, but the record cannot be read back: {error.message}") from error

    # looking for the outcome of a create

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """As ``Findable.find_created``: by the token in its custom field; without one by equal content."""
        found = []
        has_token = TOKEN in await self.custom.keys(self.name)
        earliest = instant((since - _CLOCKS).isoformat())
        for row in await self.candidates(create.fields):
            if instant(row.get("created_at")) < earliest:
                continue
            certain = (row.get("custom_fields") or {}).get(TOKEN) == create.token
            record = await self.record(row)
            if certain or (not has_token and self.same(record, create.fields)):
                found.append(Found(record=record, certain=certain))
        return found

    async def candidates(self, fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Full rows that may have been made from these fields."""
        return await self.read_rows({"search": _text(fields.get("name")), "limit": "50", "offset": "0"})

    def same(self, record: Record, fields: Mapping[str, Any]) -> bool:
        """Whether a record has the content of a create: equal in every plain field that was given."""
        plain = [name for name in fields if self.fields_of[name].type not in ("lines", "object", "keys")]
        return bool(plain) and all(record.fields.get(name) == _as_kept(fields[name]) for name in plain)


def _as_kept(value: Any) -> Any:
    """A value as BottleCRM gives it back: texts trimmed, empty ones null."""
    return value.strip() or None if isinstance(value, str) else value


def is_uuid(key: str) -> bool:
    """Whether this can be the key of a BottleCRM record; others would be answered by a page, not by data."""
    try:
        return str(UUID(key)) == key.lower()
    except ValueError:
        return False


def _text(value: Any) -> str:
    return str(value or "").strip()[:255]
