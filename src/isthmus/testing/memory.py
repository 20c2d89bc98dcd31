"""An in-memory far system: every protocol, switchable promises, faults, normalisation, and people at work.

Deterministic: the clock and the ids are given by the caller. ``MemoryWorld`` is the installation (what would be the
server and its database); ``MemoryConnector`` in :mod:`isthmus.testing.memory_driver` opens systems on it.

    world = MemoryWorld([MemoryResource(name="customers", fields={"name": FieldInfo(type="text")})], now=clock)
    world.people.edit("customers", key, {"name": "Eve"})     # behind the hub's back
    world.faults.add(Trouble.AFTER, on="write", times=1)     # commit, then lose the answer
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.connector import FieldInfo, Gone, Key, Record, Traits, Write
from isthmus.errors import RateLimited, Rejected, Unavailable

__all__ = ["Call", "Faults", "MemoryResource", "MemoryWorld", "People", "Trouble", "rounds", "trims", "uppercases"]


def trims(value: Any) -> Any:
    """Normaliser: no spaces around a text."""
    return value.strip() if isinstance(value, str) else value


def uppercases(value: Any) -> Any:
    """Normaliser: capital letters."""
    return value.upper() if isinstance(value, str) else value


def rounds(places: int) -> Callable[[Any], Any]:
    """Normaliser: so many decimal places."""
    return lambda value: round(value, places) if isinstance(value, Decimal) else value


class Trouble(StrEnum):
    """What can go wrong with a call."""

    DOWN = "down"
    """Not reached: ``Unavailable``."""
    TOO_MANY = "too many"
    """``RateLimited`` with a wait of 7 s."""
    BROKEN = "broken"
    """Failed without effect: ``Unavailable`` with a wait of 7 s."""
    BEFORE = "before"
    """No answer, and nothing happened: ``UnknownOutcome`` to a write, ``Unavailable`` to a read."""
    AFTER = "after"
    """No answer, but it happened: ``UnknownOutcome`` to a write, ``Unavailable`` to a read."""
    GARBAGE = "garbage"
    """An answer that cannot be read; a write happened. Errors as with AFTER."""
    STALE = "stale"
    """A read shows the state before the last change (replica, cache); writes are not touched."""
    HALF = "half"
    """A page of a scan or feed ends in its middle and says that more follows; other calls are not touched."""
    HANG = "hang"
    """No answer for 40 s, then as with AFTER."""


@dataclass(slots=True)
class _Rule:
    trouble: Trouble
    on: str
    resource: str | None
    times: int | None
    skip: int


class Faults:
    """Troubles to come, first added first used."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def add(
        self,
        trouble: Trouble,
        *,
        on: str = "any",
        resource: str | None = None,
        times: int | None = None,
        skip: int = 0,
    ) -> None:
        """``on``: write, fetch, scan, changes, find, check, open, read (all but write) or any. ``skip`` so many calls
        first, then hit ``times`` (None: until :meth:`heal`)."""
        self._rules.append(_Rule(trouble, on, resource, times, skip))

    def heal(self) -> None:
        """Forget all troubles."""
        self._rules.clear()

    def next(self, call: str, resource: str | None) -> Trouble | None:
        """The trouble of this call, if any; raises for those in which the system is not even reached."""
        for rule in self._rules:
            fits = rule.on in ("any", call) or (rule.on == "read" and call != "write")
            if not fits or rule.resource not in (None, resource) or rule.times == 0:
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            if rule.times is not None:
                rule.times -= 1
            return _raised(rule.trouble, call)
        return None


def _raised(trouble: Trouble, call: str) -> Trouble:
    match trouble:
        case Trouble.DOWN:
            raise Unavailable("The memory system cannot be reached.")
        case Trouble.TOO_MANY:
            raise RateLimited("The memory system asks us to slow down.", wait=7)
        case Trouble.BROKEN:
            raise Unavailable("The memory system failed before it did anything.", wait=7)
        case Trouble.STALE | Trouble.HALF | Trouble.HANG:
            return trouble
    if call != "write":
        raise Unavailable("The answer of the memory system was lost or unreadable.")
    return trouble


class MemoryResource(msgspec.Struct, frozen=True, kw_only=True):
    """How one resource behaves."""

    name: str
    fields: Mapping[str, FieldInfo]
    traits: Traits = Traits(write_batch=100)
    feed: bool = True
    writable: bool = True
    findable: bool = True
    keeps_token: bool = True
    """Whether :meth:`find_created` knows the token; else it can only compare contents."""
    page_size: int = 100
    overlap: int = 0
    """How many changes before the cursor a feed tells again."""
    lag: timedelta | None = None
    """How long after a change a stale read may still show the state before it; None: for ever."""
    required: frozenset[str] = frozenset()
    """Fields that may not be empty."""
    normalise: Mapping[str, Callable[[Any], Any]] = {}
    """What the system makes of a value when it stores it."""
    refuse: Mapping[str, Callable[[Any], str | None]] = {}
    """A reason to refuse a value, or None."""


@dataclass(slots=True)
class _Row:
    fields: dict[str, Any]
    seq: int
    made_at: datetime
    token: str | None = None
    before: tuple[dict[str, Any], int, datetime] | None = None
    """Fields and number before the last change, and when that was."""


@dataclass(slots=True)
class _Table:
    spec: MemoryResource
    fields: dict[str, FieldInfo]
    rows: dict[Key, _Row] = field(default_factory=dict)
    graves: dict[Key, tuple[_Row, Key | None]] = field(default_factory=dict)
    log: list[tuple[int, Key]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the hub, for tests that count calls."""

    kind: str
    resource: str | None
    size: int


class MemoryWorld:
    """One installation: its tables, its people, its faults, and every call that was made to it.

    ``now`` gives the time (UTC), ``new_id`` a new key (counts up from ``first_id`` by default); ``token`` is the only
    credential.
    """

    def __init__(
        self,
        resources: Sequence[MemoryResource],
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str] | None = None,
        token: str = "memory-token",  # noqa: S107 - a test credential
        webhook: bool = False,
        preparable: bool = False,
        first_id: int = 1,
    ) -> None:
        self.now = now
        self.token = token
        self.webhook = webhook
        self.preparable = preparable
        self.tables = {spec.name: _Table(spec, dict(spec.fields)) for spec in resources}
        self.faults = Faults()
        self.people = People(self)
        self.calls: list[Call] = []
        self.hook_secret = f"whsec-{token}"
        self.hook_url: str | None = None
        self.outbox: list[tuple[dict[str, str], bytes]] = []
        """Webhook calls (headers, body) made since somebody subscribed; a test delivers them as it likes."""
        self.in_between: list[Callable[[], object]] = []
        """What people do while the next update is under way, after the system has loaded the record."""
        self.witness: Callable[[str, Write], None] | None = None
        """Told of each write of the hub (resource, write) in the moment before it takes effect."""
        self._new_id = new_id or self._count
        self._seq = 0
        self._ids = first_id - 1

    def _count(self) -> str:
        self._ids += 1
        return str(self._ids)

    def record(self, resource: str, key: Key, *, stale: bool = False) -> Record | Gone:
        """The record as a read shows it; ``stale``: as it was before its last change."""
        table = self.tables[resource]
        row = table.rows.get(key)
        if row is None:
            grave = table.graves.get(key)
            return Gone(key=key, merged_into=grave[1] if grave else None)
        fields, seq = row.fields, row.seq
        if stale and row.before and (table.spec.lag is None or self.now() - row.before[2] < table.spec.lag):
            fields, seq, _ = row.before
        shown = {name: copied(fields.get(name)) for name in table.fields}
        return Record(key=key, fields=shown, version=_version(table.spec.traits, seq))

    def records(self, resource: str) -> dict[Key, Mapping[str, Any]]:
        """Contents of a table, for assertions."""
        return {key: copied(row.fields) for key, row in self.tables[resource].rows.items()}

    def insert(self, resource: str, fields: Mapping[str, Any], token: str | None = None, key: Key | None = None) -> Key:
        """Add a row, normalised; raises ``Rejected``."""
        table = self.tables[resource]
        stored = self._stored(table, {}, fields)
        key = key or self._new_id()
        self._seq += 1
        table.rows[key] = _Row(stored, self._seq, self.now(), token)
        self._happened(table, key)
        return key

    def would_change(self, resource: str, key: Key, fields: Mapping[str, Any]) -> bool:
        """Whether storing these fields would make the row another one; raises ``Rejected``."""
        table = self.tables[resource]
        row = table.rows[key]
        return self._stored(table, row.fields, fields) != row.fields

    def update(self, resource: str, key: Key, fields: Mapping[str, Any]) -> None:
        """Change a row, normalised; raises ``Rejected``. Nothing happens if nothing differs."""
        table = self.tables[resource]
        row = table.rows[key]
        stored = self._stored(table, row.fields, fields)
        if stored == row.fields:
            return
        self._seq += 1
        row.before, row.fields, row.seq = (row.fields, row.seq, self.now()), stored, self._seq
        self._happened(table, key)

    def touch(self, resource: str) -> None:
        """All rows are saved again as they are, as by a change of the table: feeds tell them, with new versions."""
        table = self.tables[resource]
        for key, row in table.rows.items():
            self._seq += 1
            row.seq = self._seq
            self._happened(table, key)

    def remove(self, resource: str, key: Key, merged_into: Key | None = None) -> None:
        """Delete a row; not an error when it is gone already."""
        table = self.tables[resource]
        row = table.rows.pop(key, None)
        if row is not None:
            self._seq += 1
            table.graves[key] = (row, merged_into)
            self._happened(table, key)

    def restore(self, resource: str, key: Key) -> None:
        """Bring a deleted row back under its old key."""
        table = self.tables[resource]
        row, _ = table.graves.pop(key)
        self._seq += 1
        row.seq = self._seq
        table.rows[key] = row
        self._happened(table, key)

    def _stored(self, table: _Table, now: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        stored = dict(now)
        for name, value in fields.items():
            info = table.fields.get(name)
            if info is None:
                raise Rejected(f"{table.spec.name} has no field '{name}'.", field=name)
            if info.readonly:
                raise Rejected(f"The field '{name}' of {table.spec.name} cannot be written.", field=name)
            reason = table.spec.refuse[name](value) if name in table.spec.refuse else None
            if reason:
                raise Rejected(reason, field=name)
            stored[name] = self._with_ids(table.spec.normalise.get(name, copied)(copied(value)))
        for name in table.spec.required:
            if stored.get(name) in (None, ""):
                raise Rejected(f"The field '{name}' of {table.spec.name} may not be empty.", field=name)
        return stored

    def _with_ids(self, value: Any) -> Any:
        if isinstance(value, list):
            return [{"id": self._new_id(), **each} if isinstance(each, dict) else each for each in value]
        return value

    def _happened(self, table: _Table, key: Key) -> None:
        table.log.append((self._seq, key))
        if self.hook_url is not None:
            row = table.rows.get(key)
            shown = row.fields if row is not None and table.spec.traits.whole_saves else {}
            told = {"resource": table.spec.name, "key": key, "seq": self._seq, "shown": shown}
            body = msgspec.json.encode(told)
            self.outbox.append((self.sign(body, self.now()), body))

    def sign(self, body: bytes, at: datetime) -> dict[str, str]:
        """Headers of a webhook call made at this time."""
        moment = str(int(at.timestamp()))
        mac = hmac.new(self.hook_secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"x-memory-signature": f"t={moment},v1={mac}"}


class People:
    """Those who work in the far system itself, behind the hub's back. Never hit by faults, never counted as calls."""

    def __init__(self, world: MemoryWorld) -> None:
        self._world = world

    def create(self, resource: str, fields: Mapping[str, Any], *, key: Key | None = None) -> Key:
        """Enter a new record; its key."""
        return self._world.insert(resource, fields, key=key)

    def edit(self, resource: str, key: Key, fields: Mapping[str, Any]) -> None:
        """Change a record."""
        self._world.update(resource, key, fields)

    def delete(self, resource: str, key: Key) -> None:
        """Delete a record."""
        self._world.remove(resource, key)

    def merge(self, resource: str, loser: Key, winner: Key) -> None:
        """Merge one record into another."""
        self._world.remove(resource, loser, merged_into=winner)

    def restore(self, resource: str, key: Key) -> None:
        """Undo a delete: the record is back with its old key."""
        self._world.restore(resource, key)


def copied(value: Any) -> Any:
    """A copy that shares no list and no dict with the original."""
    match value:
        case Mapping():
            return {name: copied(inner) for name, inner in value.items()}
        case list() | tuple():
            return [copied(inner) for inner in value]
    return value


def _version(traits: Traits, seq: int) -> str | None:
    if not traits.versioned:
        return None
    return f"{seq:012d}" if traits.ordered_versions else hashlib.sha256(str(seq).encode()).hexdigest()[:16]
