"""The connector of kind ``memory``: opens systems on a :class:`~isthmus.testing.memory.MemoryWorld`."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from isthmus.connector import (
    Change,
    Create,
    Cursor,
    Delete,
    Deletes,
    FieldInfo,
    Found,
    Gone,
    Hint,
    Key,
    Page,
    Record,
    Resource,
    System,
    SystemInfo,
    Traits,
    Update,
    Write,
    WriteAnswer,
)
from isthmus.connector.config import Secret, SystemConfig
from isthmus.errors import IsthmusError, Misconfigured, Rejected, Stale, Unauthorized, Unavailable, UnknownOutcome
from isthmus.testing.case import holds
from isthmus.testing.memory import Call, MemoryWorld, Trouble

__all__ = ["MemoryConfig", "MemoryConnector", "MemorySystem"]

_OLDEST_CALL = timedelta(minutes=5)
_AT_ONCE = timedelta(seconds=2)
HANG_SECONDS = 40.0


class MemoryConfig(SystemConfig, frozen=True, kw_only=True):
    """Which world to open, and the credential."""

    world: str = "default"
    token: Secret = "memory-token"  # noqa: S105 - a test credential


class MemoryConnector:
    """Opens the worlds it was given, by name."""

    kind = "memory"
    config: type[MemoryConfig] = MemoryConfig

    def __init__(self, worlds: Mapping[str, MemoryWorld] | MemoryWorld) -> None:
        self._worlds = {"default": worlds} if isinstance(worlds, MemoryWorld) else dict(worlds)

    async def open(self, config: Any) -> System:
        """Open a system; raises as a real one would."""
        world = self._worlds.get(config.world)
        if world is None:
            raise Misconfigured(f"There is no memory world '{config.world}'.")
        await _enter(world, "open", None, 0)
        if not hmac.compare_digest(config.token, world.token):
            raise Unauthorized("The memory system refuses our token.")
        return _assembled(world)


async def _enter(world: MemoryWorld, kind: str, resource: str | None, size: int) -> Trouble | None:
    """Every call passes here: it is counted, others get their turn, and trouble may strike."""
    world.calls.append(Call(kind, resource, size))
    await asyncio.sleep(0)
    trouble = world.faults.next(kind, resource)
    if trouble is Trouble.HANG:
        await asyncio.sleep(HANG_SECONDS)
        if kind != "write":
            raise Unavailable("The memory system did not answer in time.")
    return trouble


class MemorySystem:
    """One open connection to a world."""

    def __init__(self, world: MemoryWorld) -> None:
        self.world = world
        self._resources = {name: _resource(world, name) for name in world.tables}

    def resources(self) -> Mapping[str, Resource]:
        return self._resources

    async def check(self) -> SystemInfo:
        await _enter(self.world, "check", None, 0)
        return SystemInfo(product="memory", version="1", user="hub")

    async def close(self) -> None:
        await asyncio.sleep(0)


class _Hooked:
    world: MemoryWorld

    async def subscribe(self, url: str) -> None:
        await _enter(self.world, "subscribe", None, 1)
        self.world.hook_url = url

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Hint]:
        given = headers.get("x-memory-signature", "")
        moment = given.partition("t=")[2].partition(",")[0]
        at = datetime.fromtimestamp(int(moment), now.tzinfo) if moment.isascii() and moment.isdigit() else None
        wanted = self.world.sign(body, at)["x-memory-signature"] if at else ""
        if at is None or not hmac.compare_digest(wanted.encode(), given.encode()) or abs(now - at) > _OLDEST_CALL:
            raise Unauthorized("A webhook call with a bad or old signature.")
        try:
            told = json.loads(body)
            shown = told["shown"] if "shown" in told and abs(now - at) < _AT_ONCE else {}
            return [Hint(resource=str(told["resource"]), keys=[str(told["key"])], shown=shown)]
        except (ValueError, KeyError, TypeError) as error:
            raise Rejected("A webhook call that cannot be read.") from error


class _Preparing:
    world: MemoryWorld

    async def missing(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> Sequence[str]:
        await _enter(self.world, "missing", None, len(wanted))
        return [
            f"{name}.{path}"
            for name, fields in wanted.items()
            for path in fields
            if path not in self.world.tables[name].fields
        ]

    async def prepare(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> Sequence[str]:
        made = await self.missing(wanted)
        for name, fields in wanted.items():
            self.world.tables[name].fields.update({**fields, **self.world.tables[name].fields})
        return made


class _Reading:
    def __init__(self, world: MemoryWorld, name: str) -> None:
        self._world = world
        self._table = world.tables[name]
        self.name = name

    @property
    def traits(self) -> Traits:
        return self._table.spec.traits

    async def fields(self) -> Mapping[str, FieldInfo]:
        await _enter(self._world, "fields", self.name, 0)
        return dict(self._table.fields)

    async def fetch(self, keys: Sequence[Key]) -> Sequence[Change]:
        assert len(keys) <= self.traits.fetch_batch, "more keys than fetch_batch"
        trouble = await _enter(self._world, "fetch", self.name, len(keys))
        return [self._shown(key, trouble) for key in keys]

    async def scan(self, after: Cursor | None) -> Page:
        trouble = await _enter(self._world, "scan", self.name, 0)
        # Keys in the order of their making never move, so deletes and creates between pages shift nothing.
        keys = sorted(key for key in self._table.rows if after is None or _place(key) > _place(after))
        keys.sort(key=_place)
        part = keys[: self._page(trouble)]
        more = len(keys) > len(part)
        items = [self._shown(key, trouble) for key in part]
        return Page(items=items, cursor=part[-1] if part else after, more=more)

    def _page(self, trouble: Trouble | None) -> int:
        size = self._table.spec.page_size
        return max(1, size // 2) if trouble is Trouble.HALF else size

    def _shown(self, key: Key, trouble: Trouble | None) -> Change:
        return self._world.record(self.name, key, stale=trouble is Trouble.STALE)


def _place(key: Key) -> tuple[int, str]:
    return (len(key), key)


class _Feeding(_Reading):
    async def changes(self, since: Cursor | None) -> Page:
        trouble = await _enter(self._world, "changes", self.name, 0)
        log, spec = self._table.log, self._table.spec
        if since is None:
            return Page(items=[], cursor=str(log[-1][0] if log else 0))
        later = [(seq, key) for seq, key in log if seq > int(since)]
        again = [(seq, key) for seq, key in log if seq <= int(since)][-spec.overlap :] if spec.overlap else []
        part = later[: self._page(trouble)]
        items = [self._shown(key, trouble) for _, key in again + part]
        if self.traits.deletes is Deletes.SILENT:
            items = [item for item in items if isinstance(item, Record)]
        return Page(items=items, cursor=str(part[-1][0]) if part else since, more=len(later) > len(part))


class _Writing(_Reading):
    async def write(self, writes: Sequence[Write]) -> Sequence[WriteAnswer]:
        assert len(writes) <= self.traits.write_batch, "more writes than write_batch"
        trouble = await _enter(self._world, "write", self.name, len(writes))
        lost = trouble in (Trouble.BEFORE, Trouble.AFTER, Trouble.GARBAGE, Trouble.HANG)
        answers: list[WriteAnswer] = []
        for write in writes:
            answer = self._one(write) if trouble is not Trouble.BEFORE else None
            answers.append(
                UnknownOutcome("The answer of the memory system was lost.") if lost or not answer else answer
            )
        await asyncio.sleep(0)
        return answers

    def _one(self, write: Write) -> WriteAnswer:
        if self._world.witness is not None:
            self._world.witness(self.name, write)
        try:
            match write:
                case Create():
                    return self._create(write)
                case Update():
                    return self._update(write)
                case Delete():
                    return self._delete(write)
        except IsthmusError as error:
            return error

    def _create(self, create: Create) -> WriteAnswer:
        if not self.traits.creates:
            raise Rejected(f"Nothing can be created in {self.name}.")
        if self.traits.idempotent_create:
            for key, row in self._table.rows.items():
                if row.token == create.token:
                    return cast(Record, self._world.record(self.name, key))
        key = self._world.insert(self.name, create.fields, token=create.token)
        return cast(Record, self._world.record(self.name, key))

    def _update(self, update: Update) -> WriteAnswer:
        if not self.traits.updates:
            raise Rejected(f"Nothing can be changed in {self.name}.")
        now = self._world.record(self.name, update.key)
        if isinstance(now, Gone):
            return now
        if self.traits.guarded_writes and now.version != update.before.version:
            raise Stale(f"{self.name} {update.key} was changed since it was read.")
        loaded = now.fields if self.traits.whole_saves else {}
        for deed in self._world.in_between:
            deed()
        self._world.in_between.clear()
        self._world.update(self.name, update.key, {**loaded, **update.fields})
        return self._world.record(self.name, update.key)

    def _delete(self, delete: Delete) -> WriteAnswer:
        if not self.traits.deletable:
            raise Rejected(f"Nothing can be deleted in {self.name}.")
        self._world.remove(self.name, delete.key)
        return self._world.record(self.name, delete.key)


class _Finding(_Reading):
    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        trouble = await _enter(self._world, "find", self.name, 1)
        found = []
        for key, row in self._table.rows.items():
            same = holds(create.fields, row.fields)
            certain = self._table.spec.keeps_token and row.token == create.token
            if row.made_at >= since and (certain or (same and not self._table.spec.keeps_token)):
                record = self._shown(key, trouble)
                found.append(Found(record=cast(Record, record), certain=certain, untouched=row.before is None))
        return found


def _resource(world: MemoryWorld, name: str) -> Resource:
    """A resource object that has exactly the protocols its spec promises."""
    spec = world.tables[name].spec
    chosen = [_Feeding] * spec.feed + [_Writing] * spec.writable + [_Finding] * spec.findable
    kind = type("MemoryResource", (*chosen, _Reading), {})
    return cast(Resource, kind(world, name))


def _assembled(world: MemoryWorld) -> System:
    chosen = [_Hooked] * world.webhook + [_Preparing] * world.preparable
    return cast(System, type("MemorySystem", (*chosen, MemorySystem), {})(world))
