"""Protocols, traits and write types of the driver API.

The docstrings are the specification: who calls when, and what each error makes the caller do. Every promise made in
:class:`Traits` or by implementing a protocol switches tests of ``isthmus.testing.ConnectorContract`` on.

Errors a connector may raise (or give as the answer to one write), from :mod:`isthmus.errors`:
``Unavailable`` (not reached, or failed without effect), ``RateLimited``, ``UnknownOutcome`` (a write was sent and no
answer came), ``Stale`` (the guarded version moved), ``Rejected`` (refused, with the system's reason and the field),
``Unauthorized``. Every exception of a client library must be mapped to one of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from isthmus.connector.quota import Quota
from isthmus.errors import IsthmusError

type Key = str
"""Identity of a record in its resource, as the far system gives it; opaque to the hub."""

type Cursor = str
"""A place in a feed or scan; opaque to the hub, which stores it and gives it back."""

type Value = Any
"""A far value: str, int, bool, None, Decimal, list or dict of these. Never float; dates and times are ISO 8601 text
(UTC with offset for instants). A field that is not in ``Record.fields`` is *absent*: nothing is known about it."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One far record as it was read."""

    key: Key
    fields: Mapping[str, Value]
    version: str | None = None
    """Changes with every change of the record when ``Traits.versioned``; opaque unless ``Traits.ordered_versions``."""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """The record with this key no longer exists (tombstone, 404, delete event)."""

    key: Key
    merged_into: Key | None = None
    """The surviving record, when the far system tells that this one was merged into it."""


type Change = Record | Gone


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a feed or scan. ``more`` False on the last page; only then is a scan complete."""

    items: Sequence[Change]
    cursor: Cursor | None
    more: bool = False


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """Make a record. ``token`` is stable across retries of the same intent: keep it in the far system when it has a
    place for it (idempotency key, external reference), so that :meth:`Findable.find_created` can recognise the
    outcome."""

    token: str
    fields: Mapping[str, Value]


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """Change fields of a record. ``fields`` holds only top-level fields that change, each with its whole new value;
    ``before`` is the record the change was planned from: lists of sub-records are compared with it (an element that
    was there and is not any more is removed; elements keep their ``id``), and guarded writes demand its version."""

    before: Record
    fields: Mapping[str, Value]

    @property
    def key(self) -> Key:
        """Key of the record to change."""
        return self.before.key


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a record. Answered by :class:`Gone`, also when it was gone already."""

    key: Key


type Write = Create | Update | Delete
type WriteAnswer = Record | Gone | IsthmusError


class Deletes(StrEnum):
    """How a deleted record shows."""

    REPORTED = "reported"
    """The feed gives a :class:`Gone`."""
    SILENT = "silent"
    """Only a complete scan shows it (by absence), or a fetch (by not answering)."""


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Promises about one resource. Each switches contract tests on and work-arounds of the engine off."""

    deletes: Deletes = Deletes.SILENT
    versioned: bool = False
    """``Record.version`` is set and differs after every change."""
    ordered_versions: bool = False
    """A later version compares greater as text, so an older read can be recognised and dropped."""
    guarded_writes: bool = False
    """An update whose ``before.version`` is not the current one answers ``Stale`` and changes nothing."""
    idempotent_create: bool = False
    """The same token twice makes one record; both calls answer it."""
    whole_saves: bool = False
    """No promise but a warning: an update saves the whole record, so of two at the same moment the later one undoes
    what the earlier one changed. Hints of such a resource should carry ``shown``."""
    settle: timedelta = timedelta(0)
    """How long after a change, whoever made it, a read may still show the state before it (replicas, caches)."""
    write_batch: int = 1
    """Most writes per :meth:`Writable.write` call."""
    fetch_batch: int = 100
    """Most keys per :meth:`Resource.fetch` call."""
    concurrency: int = 4
    """Most calls of one kind that the hub may have under way at once on this resource."""
    creates: bool = True
    updates: bool = True
    deletable: bool = True
    """Which writes a :class:`Writable` resource accepts at all."""


class FieldInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one top-level field of a resource."""

    type: str = "any"
    """text, integer, decimal, boolean, date, datetime, list, object, key or any."""
    readonly: bool = False
    custom: bool = False
    label: str = ""
    target: str | None = None
    """For ``key``: the resource whose key it holds."""


@runtime_checkable
class Resource(Protocol):
    """A collection in a far system that can be read."""

    @property
    def name(self) -> str:
        """Name used in flows, e.g. ``party``."""

    @property
    def traits(self) -> Traits:
        """Promises; constant while the system is open."""

    async def fields(self) -> Mapping[str, FieldInfo]:
        """Known top-level fields. Used by ``isthmus check --live`` and the console; may call the system."""

    async def fetch(self, keys: Sequence[Key]) -> Sequence[Change]:
        """Read these records now (at most ``fetch_batch`` keys). One answer per key, in order; a record that does not
        exist is :class:`Gone`. Called before unguarded writes and for hints."""

    async def scan(self, after: Cursor | None) -> Page:
        """One page of all records. ``None`` starts; every record that exists during the whole scan appears at least
        once; a record may appear twice. The cursor of a page resumes after it, also in another process."""


@runtime_checkable
class Feed(Protocol):
    """A resource that can tell what changed."""

    async def changes(self, since: Cursor | None) -> Page:
        """Changes after ``since``, oldest first; may repeat, never skips, also under concurrent writers.
        ``None`` answers an empty page whose cursor means *now*: the hub takes it before a first scan."""


@runtime_checkable
class Writable(Protocol):
    """A resource that accepts writes."""

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteAnswer]:
        """Perform up to ``write_batch`` writes. Exactly one answer each, in order: the record as it is after the
        write (read back, so that normalisation by the system shows), :class:`Gone` for a delete, or an error for that
        write alone. Raising instead means that no write of the batch had an effect."""


@runtime_checkable
class Findable(Protocol):
    """A resource that can look for the outcome of a create whose answer never came."""

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """Records made since ``since`` (UTC) that may be the outcome of ``create``. Empty means: authoritatively not
        there. Called only after ``UnknownOutcome`` or a crash between sending and recording."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate outcome. ``certain`` when it carries the token; else it only has the same content.

    ``untouched``: the system tells that nobody but the hub has changed the record since it was made. What it shows
    otherwise than was asked for is then no edit of anybody, but what the create had not come to when it broke off."""

    record: Record
    certain: bool
    untouched: bool = False


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """ "Look now": these records of this resource may have changed. What they are is read, never taken from a webhook's
    body. ``keys`` empty means: look at the resource's feed or scan."""

    resource: str
    keys: Sequence[Key] = ()
    shown: Mapping[str, Any] = {}
    """For one key of a resource with ``whole_saves``: the fields that a verified call told, in the terms of a record.
    Only of a call made at once, never of a repeated or late one. The hub uses it for one thing: to notice that its own
    write has undone somebody's edit inside the far system."""


@runtime_checkable
class Webhook(Protocol):
    """A system that calls us when something changes."""

    async def subscribe(self, url: str) -> None:
        """Make the far system call ``url``; idempotent, and replaces an earlier subscription of this hub.
        The signing secret is kept by the system object (and comes from its configuration where the far system lets
        us choose it)."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Hint]:
        """Check signature and age (header names in lower case), then say where to look. Raises ``Unauthorized`` on a
        bad or old signature and ``Rejected`` on a body it cannot read. Pure: no calls."""


@runtime_checkable
class Preparable(Protocol):
    """A system in which custom fields can be made for values it has no place for."""

    async def missing(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> Sequence[str]:
        """Which of the wanted custom fields (resource -> field path -> info) do not exist yet, as
        ``resource.path``. Changes nothing."""

    async def prepare(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> Sequence[str]:
        """Make the missing ones; answers what was made. Idempotent."""


@runtime_checkable
class Metered(Protocol):
    """A system that says how often it may be called."""

    def quotas(self) -> Sequence[Quota]:
        """What it last said, the newest of each limit; no call. A connector with an ``HttpClient`` hands on its
        client's."""


class SystemInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a live check found."""

    product: str
    version: str
    user: str = ""
    warnings: Sequence[str] = ()


@runtime_checkable
class System(Protocol):
    """One open remote installation."""

    def resources(self) -> Mapping[str, Resource]:
        """Its resources by name; constant while open."""

    async def check(self) -> SystemInfo:
        """Reach the system and prove that the credentials work, without changing anything."""

    async def close(self) -> None:
        """Release connections; safe to call twice."""


class Connector(Protocol):
    """Driver for a kind of system; one module-level instance per connector folder."""

    @property
    def kind(self) -> str:
        """The word used in isthmus.toml (``kind = "tryton"``)."""

    @property
    def config(self) -> type[msgspec.Struct]:
        """Configuration of one system of this kind: a frozen keyword-only struct that forbids unknown fields.
        Secrets arrive resolved."""

    async def open(self, config: Any) -> System:
        """Open one installation. Raises ``Unauthorized``, ``Unavailable`` or ``Misconfigured``."""
