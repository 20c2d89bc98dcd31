"""Resources of a described API that can be read: fetch, scan, and the feed over a changed-since filter."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from isthmus.connector import (
    Change,
    Cursor,
    Deletes,
    FieldInfo,
    Gone,
    Key,
    Page,
    Record,
    Response,
    Traits,
)
from isthmus.connectors.rest.definition import BulkGet, Changed, ResourceDef, duration
from isthmus.connectors.rest.paging import Lister, Listing, Place
from isthmus.connectors.rest.session import Session, refusal, server_time
from isthmus.connectors.rest.values import MISSING, Shape, at, phrase, time_text
from isthmus.errors import Misconfigured, Unavailable

__all__ = ["RestReadable", "RestWithFeed"]

_GONE = frozenset({404, 410})


class _Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a scan or a pass of the feed stands."""

    place: Place | None = None
    since: str = ""
    until: str = ""
    """Feed: where the pass after this one begins."""
    outer: str = ""
    """Nested: cursor of the page of parents."""
    after: str = ""
    """Nested: the last parent that is done."""
    parent: str = ""
    """Nested: the parent under way."""


class RestReadable:
    """A collection; its protocols are found in the subclasses that the definition asks for."""

    def __init__(self, session: Session, name: str, definition: ResourceDef, traits: Traits) -> None:
        self._session = session
        self._definition = definition
        self._traits = traits
        self.name = name
        self.parent: RestReadable | None = None
        self.shape = Shape(definition)
        self._words = definition.query
        self._lister = Lister(session, definition.list, self._words, definition.headers, self.shape.key)

    @property
    def traits(self) -> Traits:
        return self._traits

    async def fields(self) -> Mapping[str, FieldInfo]:
        infos = self.shape.infos()
        if self.shape.fields:
            return infos
        page = await self.scan(None)
        seen = {name for item in page.items if isinstance(item, Record) for name in item.fields}
        return infos | {name: FieldInfo() for name in seen}

    async def fetch(self, keys: Sequence[Key]) -> Sequence[Change]:
        bulk = self._definition.bulk_get
        if bulk is None or self._definition.parent is not None:
            return await asyncio.gather(*(self.one(key) for key in keys))
        found: dict[Key, Change] = {}
        for start in range(0, len(keys), bulk.size):
            found |= await self._together(bulk, keys[start : start + bulk.size])
        return [found.get(key, Gone(key=key)) for key in keys]

    async def one(self, key: Key) -> Change:
        """A single record as it is now."""
        get = self._definition.get
        path = self.path(get.path or self._definition.path.rstrip("/") + "/{key}", key)
        answer = await self._session.call(
            "GET", path, query={**self._words, **get.query}, headers=self._definition.headers
        )
        if answer.status in _GONE or self._session.api.errors.status.get(str(answer.status)) == "gone":
            return Gone(key=key)
        if answer.status >= 400:
            raise Misconfigured(f"{self.name}: {refusal(answer, self._session.api.errors)}")
        raw = at(answer.json(), get.record)
        if raw in (MISSING, None) or (isinstance(raw, list) and not raw):
            return Gone(key=key)
        return self._change(raw[0] if isinstance(raw, list) else raw, self.split(key)[0], answer)

    async def _together(self, bulk: BulkGet, keys: Sequence[Key]) -> dict[Key, Change]:
        joined = phrase(bulk.template, bulk.encoding, keys=bulk.separator.join(keys))
        asked: Any = joined if bulk.separator else list(keys)
        path = bulk.path or self._definition.list.path or self._definition.path
        answer = await self._session.call(
            "GET", path, query={**self._words, **bulk.extra, bulk.query: asked}, headers=self._definition.headers
        )
        if answer.status >= 400:
            raise Misconfigured(f"{self.name}: {refusal(answer, self._session.api.errors)}")
        raws = at(answer.json(), bulk.records)
        if not isinstance(raws, list):
            raise Unavailable(f"There is no list at '{bulk.records}' in the answer to a read of several records.")
        changes = [self._change(raw, None, answer) for raw in raws]
        return {change.key: change for change in changes}

    def _change(self, raw: Any, parent: Key | None, answer: Response | None) -> Change:
        """The record behind this JSON, or Gone if it carries the mark of a deleted one."""
        header = self._definition.version_header.lower()
        etag = answer.headers.get(header) if answer is not None and header else None
        record = self.shape.record(raw, parent, etag)
        deleted = at(raw, self._definition.deleted) if self._definition.deleted else None
        return Gone(key=record.key) if deleted not in (None, MISSING, False, "", 0) else record

    def path(self, template: str, key: Key) -> str:
        """A path with keys filled in."""
        parent, own = self.split(key)
        return template.replace("{key}", own).replace("{parent}", parent or "")

    def split(self, key: Key) -> tuple[Key | None, Key]:
        """Key of the parent (nested resources only) and key within it."""
        if self._definition.parent is None:
            return None, key
        parent, _, own = key.rpartition("/")
        return parent, own

    async def scan(self, after: Cursor | None) -> Page:
        mark = _read_mark(after)
        if self.parent is not None:
            return await self._scan_nested(self.parent, mark)
        listing = await self._listing(None, mark.place, {})
        items = await self._items(listing, None)
        more = listing.next is not None
        # Records with a deleted mark show as Gone here too, which says the same as their absence.
        return Page(items=items, cursor=_text(_Mark(place=listing.next)) if more else after, more=more)

    async def _listing(self, parent: Key | None, place: Place | None, words: Mapping[str, Any]) -> Listing:
        path = (self._definition.list.path or self._definition.path).replace("{parent}", parent or "")
        return await self._lister.page(path, place, words)

    async def _items(self, listing: Listing, parent: Key | None) -> Sequence[Change]:
        if not self._definition.list.partial and not self._definition.version_header:
            return [self._change(raw, parent, None) for raw in listing.raws]
        prefix = f"{parent}/" if parent is not None else ""
        keys = dict.fromkeys(prefix + self.shape.key(raw) for raw in listing.raws)
        return await self.fetch(list(keys))

    async def _scan_nested(self, outer: RestReadable, mark: _Mark) -> Page:
        """One page of the children of one parent. If the parents' page has changed meanwhile, it is begun anew."""
        if mark.parent:
            return await self._children(mark.parent, mark, more_parents=True)
        parents = await outer.scan(mark.outer or None)
        keys = [item.key for item in parents.items if isinstance(item, Record)]
        if mark.after in keys:
            keys = keys[keys.index(mark.after) + 1 :]
        if keys:
            return await self._children(keys[0], mark, more_parents=len(keys) > 1 or parents.more)
        if not parents.more:
            return Page(items=[], cursor=None, more=False)
        return Page(items=[], cursor=_text(_Mark(outer=parents.cursor or "")), more=True)

    async def _children(self, parent: Key, mark: _Mark, *, more_parents: bool) -> Page:
        listing = await self._listing(parent, mark.place, {})
        items = await self._items(listing, parent)
        if listing.next is not None:
            following = _Mark(outer=mark.outer, after=mark.after, parent=parent, place=listing.next)
            return Page(items=items, cursor=_text(following), more=True)
        done = _Mark(outer=mark.outer, after=parent)
        return Page(items=items, cursor=_text(done), more=more_parents)


class RestWithFeed(RestReadable):
    """With a changed-since filter. Each pass begins at the far system's own time at the begin of the pass before it,
    less the overlap; so what was committed late is still seen, and the last changes may be told again."""

    async def changes(self, since: Cursor | None) -> Page:
        changed = self._definition.changed
        assert changed is not None, "only definitions with `changed` make feeds"
        if since is None:
            listing = await self._listing(None, None, {})
            return Page(items=[], cursor=_text(_Mark(since=_back(listing, changed))), more=False)
        mark = _read_mark(since)
        moment = datetime.fromisoformat(mark.since)
        asked = phrase(changed.template, changed.encoding, since=time_text(moment, changed.format))
        words = {changed.query: asked, **changed.extra}
        listing = await self._listing(None, mark.place, words)
        until = mark.until or max(_back(listing, changed), mark.since)
        items = await self._items(listing, None)
        if listing.next is None:
            return Page(items=items, cursor=_text(_Mark(since=until)), more=False)
        following = _Mark(since=mark.since, until=until, place=listing.next)
        return Page(items=items, cursor=_text(following), more=True)


def _back(listing: Listing, changed: Changed) -> str:
    return (server_time(listing.answer) - duration(changed.overlap)).astimezone(UTC).isoformat()


def _read_mark(cursor: Cursor | None) -> _Mark:
    if cursor is None:
        return _Mark()
    try:
        return msgspec.json.decode(cursor, type=_Mark)
    except msgspec.DecodeError as error:
        raise Misconfigured(
            "A stored cursor cannot be read by the present definition.", advice="Scan this resource anew."
        ) from error


def _text(mark: _Mark) -> Cursor:
    return msgspec.json.encode(mark).decode()


def traits_of(definition: ResourceDef) -> Traits:
    """What a definition promises."""
    bulk = definition.bulk_create
    return Traits(
        deletes=Deletes.REPORTED if definition.deleted and definition.changed else Deletes.SILENT,
        versioned=bool(definition.version or definition.version_header),
        ordered_versions=definition.ordered_versions,
        guarded_writes=definition.guard is not None,
        idempotent_create=bool(definition.idempotency_header),
        whole_saves=definition.whole_saves or (definition.update is not None and definition.update.whole),
        settle=duration(definition.settle),
        write_batch=bulk.size if bulk else 10,
        fetch_batch=definition.bulk_get.size if definition.bulk_get else 20,
        concurrency=definition.concurrency,
        creates=definition.create is not None or bulk is not None,
        updates=definition.update is not None,
        deletable=definition.delete is not None,
    )
