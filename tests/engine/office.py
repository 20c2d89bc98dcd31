"""The stage of the engine's tests: in-memory systems with their people, the real store, and engines that can be killed
at any far call and at any commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from isthmus.model.flow import Flow
from isthmus.model.state import InboxEntry, InboxKind, Item, Link
from isthmus.store import PostgresStore
from isthmus.sync.decide import decide
from isthmus.sync.engine import Engine, Round
from isthmus.sync.world import World
from isthmus.testing import MemoryWorld
from isthmus.testing.memory_driver import MemoryConfig, MemoryConnector
from isthmus.testing.simulator.gate import Gate, GatedStore, Killed, gated
from tests.engine.flows import make_flows, make_tables


class Clock:
    """Goes on a little with every look, so that no two things happen at once."""

    def __init__(self) -> None:
        self.now = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Office:
    """Everything of one test. ``resources[(system, resource)]`` changes in-memory resources; the rest as in
    :func:`tests.engine.flows.make_flows`."""

    def __init__(
        self,
        store: PostgresStore,
        clock: Clock,
        systems: Sequence[str] = ("crm", "erp"),
        *,
        resources: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
        **flow_changes: Any,
    ) -> None:
        self.store, self.clock = store, clock
        self.names = list(systems)
        self._ids = 0
        self.flow_changes = flow_changes
        self.worlds = {
            system: MemoryWorld(
                make_tables(system, {r: o for (s, r), o in (resources or {}).items() if s == system}),
                now=clock,
                webhook=True,
                # Keys of different systems look different, so that nothing works by luck.
                first_id=1000 * (number + 1) + 1,
            )
            for number, system in enumerate(systems)
        }
        self.engine: Engine = cast(Engine, None)

    @property
    def crm(self) -> MemoryWorld:
        return self.worlds["crm"]

    @property
    def erp(self) -> MemoryWorld:
        return self.worlds["erp"]

    def new_id(self) -> str:
        self._ids += 1
        return f"id{self._ids:06d}"

    def flows(self) -> dict[str, Flow]:
        return make_flows(self.names, **self.flow_changes)

    async def start(self, gate: Gate | None = None, systems: Mapping[str, Any] | None = None) -> Engine:
        """A new process on the same store and systems."""
        connector = MemoryConnector(self.worlds)
        opened = {n: await connector.open(MemoryConfig(world=n)) for n in self.worlds}
        store: Any = self.store
        if gate is not None:
            opened = {name: gated(system, gate) for name, system in opened.items()}
            store = GatedStore(self.store, gate)
        opened.update(systems or {})
        self.engine = Engine(
            store, World(self.flows()), opened, clock=self.clock, new_id=self.new_id, jitter=lambda: 0.0
        )
        return self.engine

    async def restart(self) -> Engine:
        """A new process with the connections of the old one: troubles to come are kept."""
        self.engine = Engine(
            self.store,
            World(self.flows()),
            self.engine.systems,
            clock=self.clock,
            new_id=self.new_id,
            jitter=lambda: 0.0,
        )
        return self.engine

    async def sync(self) -> Round:
        """One catch-up of the present engine."""
        if self.engine is None:
            await self.start()
        return await self.engine.catch_up()

    async def settle(self, times: int = 4) -> Round:
        """Catch-ups with long pauses, so that everything that waits for time gets its turn."""
        done = await self.sync()
        for _ in range(times - 1):
            self.clock.advance(400)
            done = await self.sync()
        return done

    async def run_until_killed(self, gate: Gate) -> bool:
        """A catch-up of a process that dies at the gate; whether it did."""
        await self.start(gate)
        before = asyncio.all_tasks()
        try:
            await self.engine.catch_up()
            return False
        except Killed:
            # The work under way beside it dies at its next step; not so the workers of the connection pool.
            rest = [
                task for task in asyncio.all_tasks() - before if "psycopg" not in task.get_coro().cr_code.co_filename
            ]
            await asyncio.gather(*rest, return_exceptions=True)
            return True

    def writes(self, *systems: str) -> int:
        """Calls that wrote to these systems (all by default)."""
        return sum(c.kind == "write" for s in systems or self.worlds for c in self.worlds[s].calls)

    def during_the_next_write(self, system: str, resource: str, act: Callable[[], Awaitable[object]]) -> None:
        """Do this when the system has carried out our next write there and the hub has not had its answer yet."""
        place: Any = self.engine.systems[system].resources()[resource]
        write = place.write

        async def crossed(writes: Sequence[Any]) -> Any:
            place.write = write
            answers = await write(writes)
            await act()
            return answers

        place.write = crossed

    def forget_calls(self) -> None:
        for world in self.worlds.values():
            world.calls.clear()

    def table(self, system: str, resource: str) -> list[Mapping[str, Any]]:
        return list(self.worlds[system].records(resource).values())

    def one(self, system: str, resource: str, **where: Any) -> tuple[str, Mapping[str, Any]]:
        """Key and fields of the only record like this."""
        found = [
            (key, fields)
            for key, fields in self.worlds[system].records(resource).items()
            if all(fields.get(n) == v for n, v in where.items())
        ]
        assert len(found) == 1, f"{len(found)} {resource} in {system} with {where}: {self.table(system, resource)}"
        return found[0]

    # -- what the hub knows --------------------------------------------------------------------------------------

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        async with self.store._connection() as connection:
            return list(await (await connection.execute(sql.encode())).fetchall())

    async def links(self, where: str = "true") -> list[Link]:
        ids = [id for (id,) in await self.rows(f"select id from link where {where} order by id")]
        async with self.store.transaction() as tx:
            return list(await tx.links(ids))

    async def link(self, where: str) -> Link:
        found = await self.links(where)
        assert len(found) == 1, f"{len(found)} links where {where}"
        return found[0]

    async def items(self, where: str = "deleted_at is null and alias_of is null") -> list[Item]:
        ids = [id for (id,) in await self.rows(f"select id from item where {where} order by id")]
        async with self.store.transaction() as tx:
            found = await tx.items(ids)
        return [found[id] for id in ids]

    async def inbox(self, kind: InboxKind | None = None) -> list[InboxEntry]:
        """Open questions."""
        ids = [i for (i,) in await self.rows("select id from inbox where decided_at is null order by opened_at, id")]
        async with self.store.transaction() as tx:
            found = [await tx.inbox_entry(id) for id in ids]
        return [entry for entry in found if entry is not None and kind in (None, entry.kind)]

    async def question(self, kind: InboxKind) -> InboxEntry:
        found = await self.inbox(kind)
        assert len(found) == 1, f"{len(found)} questions of kind {kind}: {await self.inbox()}"
        return found[0]

    async def decide(self, entry: InboxEntry, choice: str, **more: Any) -> InboxEntry:
        return await decide(
            self.store,
            self.engine.world,
            entry.id,
            choice,
            by="anna",
            now=self.clock(),
            new_id=self.new_id,
            **more,
        )

    async def fingerprint(self) -> dict[str, Any]:
        """What all systems hold and what the hub thinks, without keys and ids: equal for runs that came to the same."""
        named: dict[tuple[str, str], str] = {}
        for system, world in self.worlds.items():
            for name in world.tables:
                for key, fields in world.records(name).items():
                    named[(system, key)] = str(fields.get("name") or fields.get("code") or fields.get("sku"))
        found: dict[str, Any] = {}
        for system, world in self.worlds.items():
            for name in world.tables:
                found[f"{system}.{name}"] = sorted(
                    repr(_plain(fields, system, named)) for fields in world.records(name).values()
                )
        found["links"] = sorted(await self.rows("select flow, system, state, count(*) from link group by 1, 2, 3"))
        alive = "where deleted_at is null and alias_of is null"
        found["items"] = sorted(await self.rows(f"select entity, count(*) from item {alive} group by 1"))
        found["inbox"] = sorted((entry.kind, entry.summary.partition(":")[0]) for entry in await self.inbox())
        found["waiting"] = await self.rows(
            "select flow, system, state, waits_for, problem from link "
            "where due_at is not null or waits_for is not null order by flow, system, id"
        )
        return found


def _plain(value: Any, system: str, named: Mapping[tuple[str, str], str]) -> Any:
    if isinstance(value, Mapping):
        return {
            k: named.get((system, str(v)), "?")
            if k in ("account", "party", "product") and v
            else _plain(v, system, named)
            for k, v in sorted(value.items())
            if k != "id" and v is not None
        }
    if isinstance(value, list):
        return [_plain(each, system, named) for each in value]
    return str(value.normalize()) if isinstance(value, Decimal) else value


ACME: Mapping[str, Any] = {
    "name": "Acme GmbH",
    "vat": "DE811907980",
    "email": "info@acme.example",
    "phone": "+4930123456",
    "street": "Hauptstr. 1",
    "city": "Berlin",
    "limit": Decimal(1000),
    "active": True,
}
ACME_ERP: Mapping[str, Any] = {
    "name": "Acme GmbH",
    "tax_code": "DE811907980",
    "email": "info@acme.example",
    "telephone": "+4930123456",
    "addresses": [{"street": "Hauptstr. 1", "city": "Berlin", "zip": "10115"}],
    "credit_limit": Decimal(1000),
    "active": True,
}
"""The same customer in both systems."""
