"""What a change costs in calls, statements and bytes. Counted, so it is the same on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from psycopg import AsyncCursor

from isthmus.model.flow import Brake
from tests.engine.flows import ERP_TRAITS
from tests.engine.office import ACME, Office

IN_BULK = replace(ERP_TRAITS, write_batch=200, fetch_batch=200)
OPTIONS: dict[str, Any] = {
    "names": ("Customer",),
    "flow_options": {"Customer": {"brake": Brake(at_least=10_000)}},
    "resources": {
        ("crm", "accounts"): {"traits": IN_BULK, "feed": True, "page_size": 500},
        ("erp", "parties"): {"traits": IN_BULK, "feed": True, "page_size": 500},
    },
}

MOST_FOR_EDITS, MOST_FOR_CREATES = 42, 64
"""Statements, those that begin and end transactions among them. Fewer are welcome: then lower these."""


class Cost(msgspec.Struct):
    """What some work took."""

    calls: dict[tuple[str, str], int]
    """(system, kind) -> calls."""
    statements: int = 0
    sent: int = 0
    """Bytes of the statements' parameters."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Cost:
    """Counts the statements of every connection, as they are made ready to be sent."""
    total, convert = Cost({}), AsyncCursor._convert_query

    def counting(cursor: AsyncCursor[Any], *arguments: Any, **options: Any) -> Any:
        made = convert(cursor, *arguments, **options)
        total.statements += 1
        total.sent += sum(len(value) for value in made.params or () if value is not None)
        return made

    monkeypatch.setattr(AsyncCursor, "_convert_query", counting)
    return total


async def cost_of(o: Office, counted: Cost, keys: Sequence[str]) -> Cost:
    """The hub hears of these customers in the CRM, and brings the ERP in step."""
    o.forget_calls()
    o.clock.advance(10)  # what is known for a second is asked for each time
    before = replace(counted)
    assert await o.engine.look("crm", "accounts", keys) == len(keys)
    await o.engine.meet_all()
    assert await o.engine.settle_system("erp") == len(keys)
    calls = Counter((name, call.kind) for name, world in o.worlds.items() for call in world.calls)
    spent = Cost(dict(calls), counted.statements - before.statements, counted.sent - before.sent)
    assert await o.engine.settle_system("erp") == 0
    return spent


def make(o: Office, numbers: Iterable[int]) -> list[str]:
    """Customers that differ in everything they are told by."""
    named = [
        {"name": f"Acme {number}", "vat": f"DE{number:09d}", "email": f"info@acme{number}.example", "phone": None}
        for number in numbers
    ]
    return [o.crm.people.create("accounts", {**ACME, **fields}) for fields in named]


def edit(o: Office, keys: Sequence[str], city: str) -> Sequence[str]:
    for key in keys:
        o.crm.people.edit("accounts", key, {"city": city})
    return keys


async def test_edits_cost_the_same_calls_and_statements_whatever_their_number(
    office: Callable[..., Office], counted: Cost
) -> None:
    o = office(**OPTIONS)
    keys = make(o, range(200))
    await o.settle(2)
    one = await cost_of(o, counted, edit(o, keys[:1], "Bremen"))
    many = await cost_of(o, counted, edit(o, keys, "Hamburg"))
    assert one.calls == many.calls == {("crm", "fetch"): 1, ("erp", "fetch"): 1, ("erp", "write"): 1}
    assert one.statements == many.statements <= MOST_FOR_EDITS
    assert many.sent <= 200 * 4_000


async def test_creates_cost_the_same_calls_and_statements_whatever_their_number(
    office: Callable[..., Office], counted: Cost
) -> None:
    o = office(**OPTIONS)
    make(o, range(10))
    await o.settle(2)
    one = await cost_of(o, counted, make(o, range(10, 11)))
    many = await cost_of(o, counted, make(o, range(11, 211)))
    assert one.calls == many.calls == {("crm", "fetch"): 1, ("erp", "write"): 1}
    assert one.statements == many.statements <= MOST_FOR_CREATES
    assert many.sent <= 200 * 7_000
