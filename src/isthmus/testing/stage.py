"""The stage of one contract test: an open system, one of its resources, and a second pair of hands."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

import pytest

from isthmus.connector import (
    Change,
    Create,
    Delete,
    Feed,
    Gone,
    Key,
    Record,
    Resource,
    System,
    Traits,
    Update,
    Writable,
    WriteAnswer,
)
from isthmus.errors import IsthmusError
from isthmus.testing.case import ResourceCase, filled

__all__ = ["Stage", "read_feed", "scan_all"]

_MOST_PAGES = 10_000


class Stage:
    """Helpers around one resource; made by the ``stage`` fixture of the contract. Records made here are deleted again
    at the end of the test where the resource allows it."""

    def __init__(
        self,
        system: System,
        case: ResourceCase,
        cases: Mapping[str, ResourceCase],
        tags: Callable[[], str],
        reopen: Callable[[], Awaitable[System]],
    ) -> None:
        self.system = system
        self.case = case
        self._cases = cases
        self._tags = tags
        self._reopen = reopen
        self._other: System | None = None
        self._made: list[tuple[str, Key]] = []
        found = system.resources().get(case.name)
        assert found is not None, f"The system has no resource {case.name!r}; it has {sorted(system.resources())}."
        self.resource: Resource = found

    @property
    def traits(self) -> Traits:
        """The promises under test."""
        return self.resource.traits

    def skip(self, reason: str) -> NoReturn:
        """Show this test as skipped, with the promise that was not made."""
        pytest.skip(f"{self.case.name}: {reason}")

    def need(self, promised: bool, promise: str) -> None:
        """Go on only if the promise was made."""
        if not promised:
            self.skip(f"not promised: {promise}")

    def writable(self) -> Writable:
        """The resource as writable, else skipped."""
        if not isinstance(self.resource, Writable):
            self.skip("not promised: Writable")
        return self.resource

    def feed(self) -> Feed:
        """The resource as feed, else skipped."""
        if not isinstance(self.resource, Feed):
            self.skip("not promised: Feed")
        return self.resource

    def need_change(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The two changes of the case, else skipped."""
        self.writable()
        self.need(self.traits.updates, "updates")
        if self.case.change is None or self.case.second is None:
            self.skip("the case gives no change and second change")
        return filled(self.case.change, self._tags()), filled(self.case.second, self._tags())

    async def other(self) -> System:
        """A second system object on the same installation: another process, another user."""
        if self._other is None:
            self._other = await self._reopen()
        return self._other

    async def hands(self) -> tuple[Resource, Writable]:
        """The resource in the second system object."""
        other = (await self.other()).resources()[self.case.name]
        assert isinstance(other, Writable)
        return other, other

    def tag(self) -> str:
        """Something unique to put in names."""
        return self._tags()

    async def sample(self, **more: Any) -> dict[str, Any]:
        """Fields of a new, unique record; parents are made first."""
        if self.case.create is None:
            self.skip("the case gives no sample to create")
        self.writable()
        self.need(self.traits.creates, "creates")
        return await self._sample(self.case, more)

    async def samples(self, count: int) -> list[dict[str, Any]]:
        """Fields of as many new records, children of the same parents unless the case says that each has its own."""
        first = await self.sample()
        if self.case.own_parents:
            return [first, *[await self.sample() for _ in range(count - 1)]]
        parents = {field: first[field] for field in self.case.parents}
        return [first, *({**filled(self.case.create or {}, self._tags()), **parents} for _ in range(count - 1))]

    async def _sample(self, case: ResourceCase, more: Mapping[str, Any]) -> dict[str, Any]:
        fields = dict(filled(case.create or {}, self._tags()))
        for field, parent in case.parents.items():
            fields[field] = (await self._make(self._cases[parent])).key
        return {**fields, **filled(more, self._tags())}

    async def _make(self, case: ResourceCase) -> Record:
        resource = self.system.resources()[case.name]
        assert isinstance(resource, Writable), f"{case.name} is a parent, so it must be Writable"
        record = await self.record(resource, Create(token=self._tags(), fields=await self._sample(case, {})))
        self._made.append((case.name, record.key))
        return record

    async def create(self, **more: Any) -> Record:
        """A new record as the contract's sample says, with ``more`` fields laid over it."""
        record = await self.record(self.writable(), Create(token=self.tag(), fields=await self.sample(**more)))
        await self.settle()
        return record

    async def create_all(self, count: int) -> list[Record]:
        """As many new records."""
        made = [Create(token=self.tag(), fields=fields) for fields in await self.samples(count)]
        records = [await self.record(self.writable(), create) for create in made]
        await self.settle()
        return records

    async def record(self, resource: Writable, write: Create | Update) -> Record:
        """Perform one write that must succeed."""
        answer = await self.one(resource, write)
        assert isinstance(answer, Record), f"{self.case.name}: {type(write).__name__} was answered by {answer!r}"
        return answer

    async def one(self, resource: Writable, write: Create | Update | Delete) -> WriteAnswer:
        """Perform one write; its answer."""
        answers = await resource.write([write])
        assert len(answers) == 1, f"{self.case.name}: one write got {len(answers)} answers"
        if isinstance(write, Create) and isinstance(answers[0], Record):
            self.note(answers[0])
        return answers[0]

    def note(self, record: Record) -> None:
        """Remember a record for the clean-up."""
        if (self.case.name, record.key) not in self._made:
            self._made.append((self.case.name, record.key))

    async def some(self) -> Record:
        """Any record: a new one, or an existing one where none can be made."""
        if self.case.create is not None and isinstance(self.resource, Writable) and self.traits.creates:
            return await self.create()
        if self.case.existing is not None:
            return await self.read(self.case.existing)
        items = (await self.resource.scan(None)).items
        records = [item for item in items if isinstance(item, Record)]
        if not records:
            self.skip("no record exists and none can be made")
        return records[0]

    async def look(self, key: Key) -> Change:
        """The record as a fetch shows it."""
        answers = await self.resource.fetch([key])
        assert len(answers) == 1, f"{self.case.name}: fetching one key got {len(answers)} answers"
        return answers[0]

    async def read(self, key: Key) -> Record:
        """The record, which must exist."""
        seen = await self.look(key)
        assert isinstance(seen, Record), f"{self.case.name}: {key} is gone, but it should exist"
        return seen

    async def settle(self) -> None:
        """Wait as long as the resource says that reads may be old."""
        if self.traits.settle:
            await asyncio.sleep(self.traits.settle.total_seconds())

    async def far_edit(self, key: Key, fields: Mapping[str, Any]) -> None:
        """Somebody edits the record behind the hub's back."""
        resource, writable = await self.hands()
        (now,) = await resource.fetch([key])
        assert isinstance(now, Record)
        await self.record(writable, Update(before=now, fields=fields))
        await self.settle()

    async def far_delete(self, key: Key) -> None:
        """Somebody deletes the record behind the hub's back."""
        _, writable = await self.hands()
        answer = await self.one(writable, Delete(key=key))
        assert isinstance(answer, Gone), f"{self.case.name}: Delete was answered by {answer!r}"
        await self.settle()

    async def strike(self) -> None:
        """Remove what the test made, newest first; what cannot be removed stays."""
        for name, made in itertools.groupby(reversed(self._made), key=lambda one: one[0]):
            resource = self.system.resources()[name]
            if isinstance(resource, Writable) and resource.traits.deletable:
                for part in itertools.batched(made, resource.traits.write_batch):
                    with contextlib.suppress(IsthmusError):
                        await resource.write([Delete(key=key) for _, key in part])
        if self._other is not None:
            await self._other.close()


async def scan_all(resource: Resource) -> list[Record]:
    """Every record of a resource, page by page (repeated ones once, as last seen)."""
    found: dict[Key, Record] = {}
    cursor, more = None, True
    for _ in range(_MOST_PAGES):
        page = await resource.scan(cursor)
        found.update((item.key, item) for item in page.items if isinstance(item, Record))
        cursor, more = page.cursor, page.more
        if not more:
            return list(found.values())
    raise AssertionError(f"{resource.name}: a scan did not end after {_MOST_PAGES} pages")


async def read_feed(feed: Feed, since: str | None) -> tuple[list[Change], str | None]:
    """Everything that the feed has after ``since``, and the cursor to go on from."""
    items: list[Change] = []
    cursor = since
    for _ in range(_MOST_PAGES):
        page = await feed.changes(cursor)
        items += page.items
        assert page.cursor is not None, "a feed page must have a cursor to go on from"
        cursor = page.cursor
        if not page.more:
            return items, cursor
    raise AssertionError(f"the feed did not end after {_MOST_PAGES} pages")
