"""Where a complete comparison is made: temporary tables of one session, which nobody else sees or waits for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection

from isthmus.model.state import FeedState, InboxKind, Item, Link
from isthmus.reconcile import Drift
from isthmus.reconcile.ports import FarRow, Known, Questions, Suspect
from isthmus.store.codec import from_row, payload
from isthmus.store.faults import translated
from isthmus.store.queries import query, statements
from isthmus.sync.brake import KINDS
from isthmus.sync.ports import FarKey

__all__ = ["CompareWorkspace"]

_MEMORY = b"set work_mem = '256MB'; set temp_buffers = '64MB'"
"""For one join of millions of keys; given back with the session."""


class _Finding(Drift, frozen=True, kw_only=True):
    """A drift and the suspect that it is about."""

    n: int


class CompareWorkspace:
    """A :class:`~isthmus.reconcile.ports.Workspace`. Made by :meth:`PostgresStore.comparing`."""

    def __init__(self, connection: AsyncConnection, url: str, clock: Callable[[], datetime]) -> None:
        """``connection`` is used by nobody else."""
        self._connection, self._url, self._clock = connection, url, clock
        self._side: Mapping[str, str] = {}

    async def make(self) -> None:
        """Make the tables."""
        async with self._translating():
            await self._connection.execute(_MEMORY)
            for statement in statements("compare_room"):
                await self._connection.execute(statement)

    async def begin(self, flow: str, system: str, resource: str) -> None:
        """Forget the side before, but not what was found."""
        self._side = {"flow": flow, "system": system, "resource": resource}
        async with self._translating():
            for statement in statements("compare_clear"):
                await self._connection.execute(statement)

    async def add_far(self, rows: Sequence[FarRow]) -> None:
        """More records of the system; one may come twice."""
        async with (
            self._translating(),
            self._connection.cursor() as cursor,
            cursor.copy(query("copy_far_side")) as copy,
        ):
            copy.set_types(["text", "bytea", "bool"])
            for row in rows:
                await copy.write_row((row.key, row.digest, row.wanted))

    async def join(self, *, creates: bool) -> int:
        """Hold both sides against each other; how many suspects there are."""
        await self._rows("take_hub_side", self._side)
        for statement in statements("analyze_sides"):
            async with self._translating():
                await self._connection.execute(statement)
        await self._rows("find_suspects", {})
        if creates:
            await self._rows("find_lacking", self._side)
        return int((await self._rows("count_suspects", {}))[0][0])

    async def suspects(self, after: int, limit: int) -> list[Suspect]:
        """Those with a higher number, in order."""
        return [from_row(Suspect, row) for row in await self._rows("suspects", {"after": after, "limit": limit})]

    async def know(self, suspects: Sequence[Suspect]) -> Known:
        """Links and items of these suspects, at one moment."""
        ids = [suspect.link for suspect in suspects if suspect.link is not None]
        keys = [suspect.key for suspect in suspects if suspect.key is not None]
        async with self._translating(), self._connection.transaction():
            await self._connection.execute(b"set transaction isolation level repeatable read")
            links = await self._structs(Link, "links_of_suspects", {**self._side, "ids": ids, "keys": keys})
            wanted = {link.item for link in links} | {suspect.item for suspect in suspects}
            items = await self._structs(Item, "items_by_id", {"ids": [id for id in wanted if id is not None]})
        return Known(
            links={link.id: link for link in links},
            by_key={link.key: link for link in links if link.key is not None},
            items={item.id: item for item in items},
        )

    async def questions(self, links: Collection[Link]) -> Questions:
        """What people are asked now that concerns these links of this side."""
        brakes = {f"{self._side['flow']}/{self._side['system']}/{kind}": kind for kind in KINDS}
        rows = await self._rows(
            "questions_of_links",
            {
                "subjects": [*brakes, *(link.id for link in links)],
                "items": [link.item for link in links if link.item is not None],
                "waits": [link.waits_for for link in links if link.waits_for is not None],
            },
        )
        about: dict[str, set[InboxKind]] = {}
        for kind, subject, _, _ in rows:
            about.setdefault(subject, set()).add(InboxKind(kind))
        return Questions(
            about={subject: frozenset(kinds) for subject, kinds in about.items() if subject not in brakes},
            deletes=frozenset(item for kind, _, item, _ in rows if kind == InboxKind.DELETE),
            awaited=frozenset(name for *_, names in rows for name in names or ()),
            held=frozenset(brakes[subject] for _, subject, _, _ in rows if subject in brakes),
        )

    async def resolve(self, keys: Collection[FarKey]) -> dict[FarKey, str]:
        """Item of each linked record; keys not linked are left out."""
        systems, resources, each = (list(column) for column in zip(*keys, strict=True))
        rows = await self._rows("resolve", {"systems": systems, "resources": resources, "keys": each})
        return {(system, resource, key): item for system, resource, key, item in rows}

    async def feed(self, system: str, resource: str) -> FeedState | None:
        """How far the hub has read this resource."""
        found = await self._structs(FeedState, "feed", {"system": system, "resource": resource})
        return found[0] if found else None

    async def found(self, suspects: Collection[int]) -> dict[int, list[Drift]]:
        """What was found of these suspects."""
        found: dict[int, list[Drift]] = {}
        for n, *drift in await self._rows("findings", {"suspects": list(suspects)}):
            found.setdefault(n, []).append(from_row(Drift, drift))
        return found

    async def note(self, found: Mapping[int, Sequence[Drift]], open_still: Collection[int]) -> None:
        """What was found of these suspects now; those not in ``open_still`` are suspects no longer."""
        rows = [_Finding(**msgspec.structs.asdict(drift), n=n) for n, drifts in found.items() for drift in drifts]
        done = [n for n in found if n not in open_still]
        async with self._translating(), self._connection.transaction():
            await self._rows("forget_findings", {"suspects": list(found)})
            if rows:
                await self._rows("note_findings", {"rows": payload(rows), "now": self._clock()})
            if done:
                await self._rows("drop_suspects", {"suspects": done})

    async def missed(self) -> int:
        """How many missed changes were found on this side."""
        return int((await self._rows("count_missed", {}))[0][0])

    async def excuse(self, keys: Collection[str] | None) -> None:
        """Missed changes of these records (None: all of this side) were only not looked at yet."""
        await self._rows("excuse", {"keys": None if keys is None else list(keys)})

    async def publish(self, flow: str, began: datetime, records: int) -> None:
        """What was found takes the place of what the last comparison of this flow found."""
        noted = {"flow": flow, "began_at": began, "now": self._clock(), "records": records}
        async with self._translating(), self._connection.transaction():
            await self._rows("forget_drifts", {"flow": flow})
            await self._rows("publish_findings", {"flow": flow})
            await self._rows("note_comparison", noted)

    async def _structs[S: msgspec.Struct](self, struct: type[S], name: str, parameters: Mapping[str, Any]) -> list[S]:
        return [from_row(struct, row) for row in await self._rows(name, parameters)]

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._translating():
            cursor = await self._connection.execute(query(name), parameters)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def _translating(self) -> AsyncIterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise translated(error, self._url) from error
