"""The contract over the in-memory system: shared by the green variants and by the planted violations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from isthmus.connector import Deletes, FieldInfo, System, Traits
from isthmus.testing import (
    ConnectorContract,
    Delivery,
    Fault,
    MemoryConfig,
    MemoryConnector,
    MemoryResource,
    MemoryWorld,
    ResourceCase,
    Trouble,
    config_fixture,
)

FIELDS = {
    "name": FieldInfo(type="text"),
    "note": FieldInfo(type="text"),
    "limit": FieldInfo(type="decimal"),
    "tags": FieldInfo(type="list"),
    "lines": FieldInfo(type="list"),
}
FULL = Traits(
    deletes=Deletes.REPORTED,
    versioned=True,
    ordered_versions=True,
    guarded_writes=True,
    idempotent_create=True,
    write_batch=10,
    fetch_batch=2,
)
CASE = ResourceCase(
    name="customers",
    create={
        "name": "Ada {tag}",
        "limit": Decimal("1000.50"),
        "tags": ["a", "b"],
        "lines": [{"text": "one"}, {"text": "two"}],
    },
    change={"name": "Eve {tag}", "limit": Decimal("7.25")},
    second={"name": "Zoe {tag}", "limit": Decimal(9)},
    invalid={"name": ""},
    text="note",
)
_TROUBLES = {
    Fault.DROP: Trouble.BROKEN,
    Fault.BUSY: Trouble.BROKEN,
    Fault.BROKEN: Trouble.BROKEN,
    Fault.NOISE: Trouble.BROKEN,
    Fault.TOO_MANY: Trouble.TOO_MANY,
    Fault.GARBAGE: Trouble.GARBAGE,
    Fault.GARBAGE_AFTER: Trouble.GARBAGE,
    Fault.HALF: Trouble.AFTER,
    Fault.SWALLOW: Trouble.AFTER,
}


class MemoryBreaker:
    """Troubles of the world in place of a proxy's faults."""

    def __init__(self, world: MemoryWorld) -> None:
        self._world = world

    def fail(self, fault: Fault, *, writes: bool) -> None:
        self._world.faults.add(_TROUBLES[fault], on="write" if writes else "any")

    async def stop(self) -> None:
        self._world.faults.add(Trouble.DOWN)

    async def heal(self) -> None:
        self._world.faults.heal()


def world_of(traits: Traits, **options: Any) -> MemoryWorld:
    system = {name: options.pop(name) for name in ("webhook", "preparable") if name in options}
    spec = MemoryResource(
        name="customers",
        fields=FIELDS,
        traits=traits,
        page_size=3,
        required=frozenset({"name"}),
        **options,
    )
    return MemoryWorld([spec], now=lambda: datetime.now(UTC), **system)


class MemoryContract(ConnectorContract):
    """Everything promised; variants promise less."""

    cases = (CASE,)
    wanted: ClassVar[Any] = {"customers": {"erp_number": FieldInfo(type="text", custom=True)}}
    traits: ClassVar[Traits] = FULL
    options: ClassVar[dict[str, Any]] = {"webhook": True, "preparable": True}

    @config_fixture
    @classmethod
    def config(cls) -> Iterator[Any]:
        world = world_of(cls.traits, **cls.options)
        cls.world = world
        cls.connector = MemoryConnector(world)
        yield MemoryConfig(token=world.token)
        world.faults.heal()

    @asynccontextmanager
    async def broken(self, config: Any) -> AsyncIterator[Any]:
        world: MemoryWorld = self.world  # type: ignore[attr-defined]
        try:
            yield config, MemoryBreaker(world)
        finally:
            world.faults.heal()

    def delivery(self, system: Any) -> Delivery:
        return Delivery(body=msgspec.json.encode({"resource": "customers", "key": "7"}), resource="customers", key="7")

    def sign(self, system: Any, body: bytes, at: datetime) -> dict[str, str]:
        headers: dict[str, str] = system.world.sign(body, at)
        return headers


def without(**changes: Any) -> Traits:
    """The full promises with some taken back."""
    return msgspec.structs.replace(FULL, **changes)


SHORT = timedelta(milliseconds=20)
__all__ = ["CASE", "FULL", "SHORT", "MemoryBreaker", "MemoryContract", "System", "without", "world_of"]
