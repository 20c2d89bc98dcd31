"""How every resource reads: batches by id, scans, and changes by whatever source this Tryton has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import xxhash

from isthmus.connector import Change, Cursor, Deletes, FieldInfo, Gone, Key, Page, Record, Traits
from isthmus.connectors.tryton.changes import ALL, Changed, Watch
from isthmus.connectors.tryton.installation import Installation
from isthmus.errors import Rejected

__all__ = ["Collection", "Seen", "digest", "identify", "needed", "number"]

_PAGE = 500


class Seen(msgspec.Struct, frozen=True):
    """A record as read, with the time stamps of every row that it is made of (``model,id`` -> stamp)."""

    record: Record
    stamps: Mapping[str, str]
    extra: Mapping[str, Any] = {}
    """What writing must know of it beyond the record."""


class Collection:
    """A resource whose keys are ids of one model. Parts of a resource say what they read and what touches them."""

    name: ClassVar[str]
    model: ClassVar[str]
    watch: ClassVar[Watch]
    """Models whose changes show in this resource, with the fields that lead to it."""
    domain: ClassVar[Sequence[Any]] = ()
    """Which rows of the model belong to the resource."""
    known: ClassVar[Mapping[str, FieldInfo]]
    writes: ClassVar[Traits] = Traits()
    """Promises about writing; those about reading are added."""

    def __init__(self, tryton: Installation) -> None:
        self.tryton = tryton
        self._traits = msgspec.structs.replace(
            self.writes,
            deletes=Deletes.REPORTED if tryton.source.tells_deletes else Deletes.SILENT,
            versioned=True,
            fetch_batch=_PAGE,
        )

    @property
    def traits(self) -> Traits:
        """Promises of this resource on this Tryton."""
        return self._traits

    async def fields(self) -> Mapping[str, FieldInfo]:
        """The fields a record can have."""
        return self.known

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Records that match, by ascending id."""
        raise NotImplementedError

    async def rows(
        self,
        fields: Sequence[str],
        domain: Sequence[Any],
        limit: int | None = None,
        *,
        model: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of a model (our own when not given), inactive ones too, by ascending id."""
        found: list[dict[str, Any]] = await self.tryton.rpc.call(
            f"model.{model or self.model}.search_read",
            list(domain),
            0,
            limit,
            [["id", "ASC"]],
            list(fields),
            context={"active_test": False, **(context or {})},
        )
        return found

    async def seen(self, ids: Sequence[int]) -> dict[int, Seen]:
        """The records with these ids that exist."""
        if not ids:
            return {}
        found = await self.read([*self.domain, ["id", "in", list(ids)]])
        return {int(one.record.key): one for one in found}

    async def fetch(self, keys: Sequence[Key]) -> Sequence[Change]:
        """One record or ``Gone`` per key, in order."""
        found = await self.seen([identity for key in keys if (identity := number(key)) is not None])
        return [
            self.shown(found[identity])
            if (identity := number(key)) is not None and identity in found
            else Gone(key=key)
            for key in keys
        ]

    async def scan(self, after: Cursor | None) -> Page:
        """The next records by id."""
        found = await self.read([*self.domain, ["id", ">", int(after or 0)]], _PAGE)
        items = [self.shown(one) for one in found]
        return Page(items=items, cursor=items[-1].key if items else after, more=len(items) == _PAGE)

    def shown(self, seen: Seen) -> Change:
        """What the hub is shown of a record that exists; a record that was merged into another is gone."""
        return seen.record

    async def changes(self, since: Cursor | None) -> Page:
        """Records that changed, in batches, each once per page."""
        source = self.tryton.source
        if since is None:
            return Page(items=[], cursor=await source.now(self.watch))
        since, _, rest = since.partition("|")
        if rest:
            return await self._sweep(since, rest)
        got = await source.rows(since, self.watch)
        if any(row.model == ALL for row in got.rows) or await self.touches_all(got.rows):
            return await self._sweep(got.cursor, "0")
        ids = list(dict.fromkeys(await self.affected(got.rows)))
        items: list[Change] = []
        for start in range(0, len(ids), _PAGE):
            items += await self.fetch([str(identity) for identity in ids[start : start + _PAGE]])
        return Page(items=items, cursor=got.cursor, more=got.more)

    async def _sweep(self, cursor: str, after: str) -> Page:
        """Everything, page by page, before going on from ``cursor``: something changed that all records show."""
        page = await self.scan(after)
        return Page(items=page.items, cursor=f"{cursor}|{page.cursor}" if page.more else cursor, more=True)

    def activation(self, seen: Seen) -> tuple[int, dict[str, Any]]:
        """The row write that makes an inactive record active."""
        return int(seen.record.key), {"active": True}

    async def touches_all(self, rows: Sequence[Changed]) -> bool:
        """Whether these changes show in every record (a price list's formula)."""
        return False

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Ids of our records that these changes show in, oldest first."""
        return identify(rows, self.model)


def identify(rows: Sequence[Changed], model: str) -> list[int]:
    """Ids of ``model`` named by changed rows, as themselves or as parents."""
    ids: list[int] = []
    for row in rows:
        if row.model == model:
            ids.append(row.record)
        ids.extend(identity for parent, identity in row.parents if parent == model)
    return ids


def number(key: Key) -> int | None:
    """The id in a key; None when it cannot be one (then no such record exists)."""
    return int(key) if key.isascii() and key.isdigit() and len(key) <= 18 else None


def needed(key: Any, field: str, what: str) -> int:
    """The id in a key that a field must hold. Raises ``Rejected`` when it is none."""
    identity = number(str(key)) if key is not None else None
    if identity is None:
        raise Rejected(f"'{key}' is not the key of a {what}.", field=field)
    return identity


def digest(stamps: Mapping[str, str], fields: Mapping[str, Any]) -> str:
    """A version: changes with every row the record is made of, and with every value that Tryton computes for it."""
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode([stamps, fields], order="deterministic"))
