"""The floor of a first link: the recorded calls again, against freshly seeded systems, with no hub and no database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from benchmarks.tape import Call, Tape
from isthmus.connector import Create, Delete, Page, Record, System, Update
from isthmus.connector.api import Found
from isthmus.errors import IsthmusError

__all__ = ["Replayed", "replay"]

UNMISTAKABLE = 16
"""A text this long that was a key can be nothing else; shorter ones (numbers) are only keys where a key stands."""


class Replayed(msgspec.Struct, kw_only=True):
    """What came of it."""

    tape: Tape
    seconds: float
    cpu_seconds: float
    differences: Sequence[str]
    """Calls that came to something else than when they were recorded."""


async def replay(tape: Tape, systems: Mapping[str, System]) -> Replayed:
    """Make all calls of the tape again, each system's in their order, the systems side by side."""
    again = Tape()
    players = [_Player(name, systems[name], again) for name in tape.systems()]
    for player in players:
        await player.learn_fields()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(player.play(tape.of(player.name)) for player in players))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    differences = [line for player in players for line in player.differences]
    return Replayed(tape=again, seconds=seconds, cpu_seconds=cpu, differences=differences)


class _Player:
    """Plays one system's calls. What the far system chose itself (keys, cursors, versions) is not what it chose when
    the tape was made: it is learnt from the answers and put into later arguments."""

    def __init__(self, name: str, system: System, tape: Tape) -> None:
        self.name, self.differences = name, list[str]()
        self._resources, self._tape = system.resources(), tape
        self._keys: dict[tuple[str, str], str] = {}
        self._anywhere: dict[str, str] = {}
        self._inner: dict[tuple[str, str], str] = {}
        self._cursors: dict[tuple[str, str, str], str | None] = {}
        self._latest: dict[tuple[str, str], Record] = {}
        self._key_fields: dict[str, dict[str, str]] = {}

    async def learn_fields(self) -> None:
        """Which fields hold keys of which resource."""
        for name, resource in self._resources.items():
            known = await resource.fields()
            self._key_fields[name] = {field: info.target for field, info in known.items() if info.target is not None}

    async def play(self, calls: Sequence[Call]) -> None:
        """Each call after the one before it has answered, unless the recorded ones overlapped."""
        waiting: set[asyncio.Task[None]] = set()
        ends: dict[asyncio.Task[None], float] = {}
        for call in calls:
            over = {task for task in waiting if ends[task] <= call.start}
            if over:
                await asyncio.gather(*over)
                waiting -= over
            task = asyncio.create_task(self._again(call))
            ends[task] = call.end
            waiting.add(task)
        await asyncio.gather(*waiting)

    async def _again(self, recorded: Call) -> None:
        resource = self._resources[recorded.resource]
        arguments = self._arguments(recorded)
        call = Call(
            system=self.name,
            resource=recorded.resource,
            method=recorded.method,
            arguments=arguments,
            start=time.perf_counter(),
        )
        self._tape.calls.append(call)
        try:
            call.answer = await getattr(resource, recorded.method)(*arguments)
        except IsthmusError as error:
            call.answer = error
        call.end = time.perf_counter()
        self._learn(recorded, recorded.answer, call.answer)

    # -- arguments -----------------------------------------------------------------------------------------------

    def _arguments(self, call: Call) -> tuple[Any, ...]:
        name = call.resource
        match call.method:
            case "scan" | "changes":
                (cursor,) = call.arguments
                return (cursor and self._cursors.get((name, call.method, cursor), cursor),)
            case "fetch":
                return ([self._key(name, key) for key in call.arguments[0]],)
            case "write":
                return ([self._write(name, write) for write in call.arguments[0]],)
            case "find_created":
                create, since = call.arguments
                return (self._write(name, create), since)
            case _:
                return call.arguments

    def _write(self, name: str, write: Any) -> Any:
        match write:
            case Create():
                return Create(token=write.token, fields=self._fields(name, write.fields))
            case Update():
                key = self._key(name, write.key)
                # What it was planned from, as this system gave it this time: its version guards the write.
                before = self._latest.get((name, key))
                if before is None:
                    before = msgspec.structs.replace(
                        write.before, key=key, fields=self._fields(name, write.before.fields)
                    )
                return Update(before=before, fields=self._fields(name, write.fields))
            case Delete():
                return Delete(key=self._key(name, write.key))
        raise AssertionError(write)

    def _key(self, name: str, key: str) -> str:
        return self._keys.get((name, key), key)

    def _fields(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        targets = self._key_fields[name]
        return {
            field: self._key(targets[field], value)
            if field in targets and isinstance(value, str)
            else self._value(name, value)
            for field, value in fields.items()
        }

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._anywhere.get(value, value)
        if isinstance(value, Mapping):
            return {
                field: self._inner.get((name, part), self._anywhere.get(part, part))
                if field == "id" and isinstance(part, str)
                else self._value(name, part)
                for field, part in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._value(name, part) for part in value]
        return value

    # -- answers -------------------------------------------------------------------------------------------------

    def _learn(self, call: Call, before: Any, now: Any) -> None:
        if isinstance(before, Page) and isinstance(now, Page):
            if before.cursor is not None:
                self._cursors[(call.resource, call.method, before.cursor)] = now.cursor
            if len(before.items) != len(now.items):
                self._differs(call, f"{len(before.items)} records, now {len(now.items)}")
            for item in now.items:
                self._keep(call.resource, item)
        elif isinstance(before, Sequence) and isinstance(now, Sequence):
            for one, other in zip(before, now, strict=True):
                if type(one) is not type(other):
                    self._differs(call, f"{type(one).__name__}, now {other!r}"[:300])
                self._pair(call.resource, one, other)
        elif type(before) is not type(now):
            self._differs(call, f"{type(before).__name__}, now {now!r}"[:300])

    def _pair(self, name: str, one: Any, other: Any) -> None:
        one, other = (answer.record if isinstance(answer, Found) else answer for answer in (one, other))
        self._keep(name, other)
        if not isinstance(one, Record) or not isinstance(other, Record):
            return
        if one.key != other.key:
            self._keys[(name, one.key)] = other.key
            if len(one.key) >= UNMISTAKABLE:
                self._anywhere[one.key] = other.key
        self._pair_ids(name, one.fields, other.fields)

    def _pair_ids(self, name: str, one: Any, other: Any) -> None:
        """Ids of elements inside the record, by position."""
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            for field, value in one.items():
                if field == "id" and isinstance(value, str) and isinstance(other.get("id"), str):
                    self._inner[(name, value)] = other["id"]
                else:
                    self._pair_ids(name, value, other.get(field))
        elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
            for first, second in zip(one, other, strict=False):
                self._pair_ids(name, first, second)

    def _keep(self, name: str, answer: Any) -> None:
        if isinstance(answer, Record):
            self._latest[(name, answer.key)] = answer

    def _differs(self, call: Call, how: str) -> None:
        self.differences.append(f"{call.system} {call.resource}.{call.method}: {how}")
