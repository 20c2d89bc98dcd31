"""What the in-memory system offers beyond the contract: people, normalisation, troubles, counted calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from isthmus.connector import Create, Delete, FieldInfo, Gone, Record, System, Traits, Update
from isthmus.errors import Misconfigured, RateLimited, Rejected, Unauthorized, Unavailable, UnknownOutcome
from isthmus.testing import Call, MemoryConfig, MemoryConnector, MemoryResource, MemoryWorld, Trouble
from isthmus.testing.memory import rounds, trims, uppercases
from tests.testing.memory_case import FULL

FIELDS = {name: FieldInfo() for name in ("name", "code", "price", "lines")}


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def a_world(clock: Clock | None = None, **options: Any) -> MemoryWorld:
    spec = MemoryResource(name="things", fields=FIELDS, traits=FULL, **options)
    return MemoryWorld([spec], now=clock or Clock())


async def opened(world: MemoryWorld) -> tuple[System, Any]:
    system = await MemoryConnector(world).open(MemoryConfig())
    return system, system.resources()["things"]


async def test_values_are_normalised_as_they_are_stored() -> None:
    world = a_world(normalise={"name": trims, "code": uppercases, "price": rounds(2)})
    _, things = await opened(world)
    sent = {"name": "  Ada ", "code": "ab", "price": Decimal("1.005")}
    (answer,) = await things.write([Create(token="t", fields=sent)])
    assert {name: answer.fields[name] for name in sent} == {"name": "Ada", "code": "AB", "price": Decimal("1.00")}


async def test_values_can_be_refused_with_a_reason() -> None:
    world = a_world(refuse={"code": lambda value: "Too long a code." if len(value) > 3 else None})
    _, things = await opened(world)
    (answer,) = await things.write([Create(token="t", fields={"code": "abcd"})])
    assert isinstance(answer, Rejected)
    assert (answer.message, answer.field) == ("Too long a code.", "code")
    (answer,) = await things.write([Create(token="t", fields={"nmae": "x"})])
    assert isinstance(answer, Rejected)
    assert answer.field == "nmae"


async def test_people_work_behind_the_hubs_back() -> None:
    world = a_world()
    _, things = await opened(world)
    world.faults.add(Trouble.DOWN)  # people sit at the system itself
    first, second = world.people.create("things", {"name": "a"}), world.people.create("things", {"name": "b"})
    world.people.edit("things", first, {"name": "c"})
    world.people.merge("things", second, first)
    world.faults.heal()
    kept, merged = await things.fetch([first, second])
    assert kept.fields["name"] == "c"
    assert merged == Gone(key=second, merged_into=first)
    world.people.delete("things", first)
    world.people.restore("things", first)
    (restored,) = await things.fetch([first])
    assert restored.key == first
    assert restored.version > kept.version


async def test_edit_that_changes_nothing_is_no_change() -> None:
    world = a_world()
    _, things = await opened(world)
    key = world.people.create("things", {"name": "a"})
    now = (await things.changes(None)).cursor
    world.people.edit("things", key, {"name": "a"})
    assert (await things.changes(now)).items == []


async def test_elements_of_lists_get_ids_and_keep_them() -> None:
    world = a_world()
    _, things = await opened(world)
    (made,) = await things.write([Create(token="t", fields={"lines": [{"n": 1}, {"n": 2}]})])
    first, second = made.fields["lines"]
    (after,) = await things.write([Update(before=made, fields={"lines": [second, {"n": 3}]})])
    assert after.fields["lines"][0] == second
    assert after.fields["lines"][1]["id"] not in (first["id"], second["id"])


@pytest.mark.parametrize(
    ("trouble", "error", "committed"),
    [
        (Trouble.DOWN, Unavailable, False),
        (Trouble.BROKEN, Unavailable, False),
        (Trouble.TOO_MANY, RateLimited, False),
        (Trouble.BEFORE, UnknownOutcome, False),
        (Trouble.AFTER, UnknownOutcome, True),
        (Trouble.GARBAGE, UnknownOutcome, True),
    ],
)
async def test_troubles_of_a_write(trouble: Trouble, error: type[Exception], committed: bool) -> None:
    world = a_world()
    _, things = await opened(world)
    world.faults.add(trouble, on="write", times=1)
    try:
        (answer,) = await things.write([Create(token="t", fields={"name": "a"})])
    except (Unavailable, RateLimited) as raised:
        answer = raised
    assert type(answer) is error
    assert bool(world.records("things")) == committed
    (again,) = await things.write([Create(token="t", fields={"name": "a"})])
    assert isinstance(again, Record)
    assert len(world.records("things")) == 1


async def test_troubles_can_be_aimed() -> None:
    world = a_world()
    _, things = await opened(world)
    key = world.people.create("things", {"name": "a"})
    world.faults.add(Trouble.DOWN, on="fetch", resource="things", times=1, skip=1)
    await things.scan(None)
    await things.fetch([key])
    with pytest.raises(Unavailable):
        await things.fetch([key])
    await things.fetch([key])


async def test_stale_reads_show_the_state_before() -> None:
    world = a_world()
    _, things = await opened(world)
    key = world.people.create("things", {"name": "old"})
    world.people.edit("things", key, {"name": "new"})
    world.faults.add(Trouble.STALE, on="read", times=1)
    (stale,) = await things.fetch([key])
    (fresh,) = await things.fetch([key])
    assert (stale.fields["name"], fresh.fields["name"]) == ("old", "new")
    assert stale.version < fresh.version


async def test_calls_are_counted() -> None:
    world = a_world()
    system, things = await opened(world)
    await system.check()
    await things.fetch(["1", "2"])
    await things.write([Delete(key="1")])
    assert world.calls == [
        Call("open", None, 0),
        Call("check", None, 0),
        Call("fetch", "things", 2),
        Call("write", "things", 1),
    ]


async def test_answers_share_nothing_with_the_store() -> None:
    world = a_world()
    _, things = await opened(world)
    (made,) = await things.write([Create(token="t", fields={"lines": [{"n": 1}]})])
    made.fields["lines"].append("spoiled")
    (seen,) = await things.fetch([made.key])
    assert len(seen.fields["lines"]) == 1


async def test_time_is_the_callers() -> None:
    clock = Clock()
    world = a_world(clock)
    _, things = await opened(world)
    create = Create(token="t", fields={"name": "a"})
    await things.write([create])
    assert await things.find_created(create, clock.time)
    assert not await things.find_created(create, clock.time + timedelta(seconds=1))


async def test_ids_are_the_callers() -> None:
    ids = iter(["x1", "x2"])
    spec = MemoryResource(name="things", fields=FIELDS, traits=Traits())
    world = MemoryWorld([spec], now=Clock(), new_id=lambda: next(ids))
    assert [world.people.create("things", {"name": name}) for name in "ab"] == ["x1", "x2"]


async def test_worlds_are_opened_by_name_and_token() -> None:
    connector = MemoryConnector({"erp": a_world()})
    assert (await (await connector.open(MemoryConfig(world="erp"))).check()).product == "memory"
    with pytest.raises(Misconfigured, match="no memory world 'crm'"):
        await connector.open(MemoryConfig(world="crm"))
    with pytest.raises(Unauthorized):
        await connector.open(MemoryConfig(world="erp", token="wrong"))
