"""The bundled process of an order, on the real store, with a made-up ERP: safe to run however often it is disturbed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from isthmus.connector.services import (
    Availability,
    Available,
    CreditStanding,
    OrderPriced,
    PricedLine,
)
from isthmus.desk.ordering import Asked, AskedLine, Credit, Simulation, truth_of
from isthmus.desk.processes.order import order
from isthmus.errors import Unavailable
from isthmus.model.state import Cause, Item, Link, LinkState
from isthmus.process import ProcessState, signal, start
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore, Reads
from isthmus.sync.editing import HubEdits
from isthmus.sync.world import World
from tests.engine.office import Clock

D = Decimal


def priced(price: Decimal) -> OrderPriced:
    total = price * 2
    line = PricedLine(
        product="7", quantity=D(2), unit="Unit", list_price=price, unit_price=price, discount_rate=D(0), amount=total
    )  # fmt: skip
    return OrderPriced(
        currency="EUR", lines=(line,), untaxed=total, tax=D(0), total=total, discount=D(0), credit_amount=total
    )  # fmt: skip


STOCK = Available(lines=(Availability(product="7", on_hand=D(9), forecast=D(9), date="2031-05-06"),))


class Hub:
    """The hub as the process sees it: store and edits are real, the ERP is these few answers."""

    def __init__(self, store: PostgresStore, clock: Clock) -> None:
        self._store, self.now, self._ids = store, clock, 0
        self.price, self.down, self.limit = D(100), False, D(1000)
        self.told: dict[str, str] = {}
        self.approvals = None
        self.reads = Reads(store)

    @property
    def notices(self) -> Hub:
        return self

    async def tell(self, topic: str, item: str, detail: Mapping[str, Any], *, token: str) -> None:
        self.told[token.partition("/")[2]] = topic

    def new_id(self) -> str:
        self._ids += 1
        return f"made-{self._ids}"

    def transaction(self) -> Any:
        return self._store.transaction()

    def edits(self, tx: Any, cause: Cause, *entities: str) -> HubEdits:
        return HubEdits(tx, World({}), cause, now=self.now(), new_id=self.new_id)

    async def items(self, ids: Any) -> dict[str, Item]:
        return await self.reads.items(ids)

    async def links(self, items: Any) -> list[Link]:
        return [
            Link(id=f"l-{item}", flow="f", system="erp", resource="r", key="7", item=item, state=LinkState.LINKED)
            for item in items
        ]

    def answering(self, operation: str, entity: str) -> str:
        return "erp"

    async def ask(self, system: str, operation: str, given: Any, *, token: str = "") -> Any:
        if self.down:
            raise Unavailable("down")
        answers = {
            "simulate_order": priced(self.price),
            "available_to_promise": STOCK,
            "credit": CreditStanding(currency="EUR", limit=self.limit, used=D(0)),
        }
        return answers[operation]


class Stage:
    """One order, placed while the ERP was down; a clerk answers ``says``."""

    def __init__(self, store: PostgresStore) -> None:
        self.clock = Clock()
        self.hub = Hub(store, self.clock)
        self.store = store

    async def place(self, *, verified: bool) -> None:
        line = AskedLine(product="p", sku="BRG", quantity=D(2))
        asked = Asked(customer="c", lines=(line,))
        truth = truth_of(asked, priced(D(100)), STOCK, CreditStanding(currency="EUR", limit=D(1000), used=D(0)))
        assert truth.credit == Credit(limit=D(1000), used=D(0), after=D(200))
        now = self.clock()
        async with self.store.transaction() as tx:
            made = Simulation(id="s1", asked=asked, truth=truth, made_at=now, expires_at=now + timedelta(minutes=15))
            await tx.simulations.add(made)
            assert await tx.simulations.load("s1") == made
            edits = self.hub.edits(tx, Cause("person", "wanda"))
            await edits.create("SalesOrder", {"confirmed": verified, "reference": "web"}, id="order-s1")
            given = {"order": "order-s1", "simulation": "s1", "verified": verified}
            await start(tx, order, given, id="order-s1", now=now)

    async def turn(self, hub: Any = None) -> Any:
        definitions = {"order": order}
        await take_turn(
            self.store, definitions, "order-s1", clock=self.clock, jitter=lambda: 0.0, hub=hub or self.hub
        )  # fmt: skip
        async with self.store.transaction() as tx:
            found = await tx.processes.load("order-s1")
        assert found is not None
        self.clock.now = max(self.clock.now, found.wake_at or self.clock.now)
        return found

    async def until(self, *states: ProcessState) -> Any:
        for _ in range(50):
            found = await self.turn()
            if found.state in states:
                return found
        raise AssertionError(f"still {found}")

    async def erp(self, state: str) -> None:
        async with self.store.transaction() as tx:
            fields = {"state": state, "number": "SO7"}
            await self.hub.edits(tx, Cause("system", "erp")).change("order-s1", fields)

    async def fields(self) -> Mapping[str, Any]:
        return (await self.hub.items(["order-s1"]))["order-s1"].fields

    async def say(self, word: str) -> None:
        async with self.store.transaction() as tx:
            await signal(tx, "order-s1", "accept", word, id="a", by="wanda", now=self.clock())


@pytest.fixture
def stage(store: PostgresStore) -> Stage:
    return Stage(store)


async def test_an_order_that_was_checked_waits_for_the_erp_and_ends_with_its_number(stage: Stage) -> None:
    await stage.place(verified=True)
    assert (await stage.turn()).state is ProcessState.SLEEPING
    await stage.erp("processing")
    done = await stage.until(ProcessState.DONE)
    assert done.result == "confirmed SO7"
    assert stage.hub.told == {"end": "order.confirmed"}


async def test_a_kept_order_is_checked_when_the_erp_is_back_and_made_when_nothing_moved(stage: Stage) -> None:
    await stage.place(verified=False)
    stage.hub.down = True
    for _ in range(3):
        assert (await stage.turn()).state is ProcessState.RETRYING
        assert (await stage.fields())["confirmed"] is False
    stage.hub.down = False
    assert (await stage.turn()).state is ProcessState.SLEEPING
    assert (await stage.fields())["confirmed"] is True
    await stage.erp("confirmed")
    assert (await stage.until(ProcessState.DONE)).result == "confirmed SO7"
    assert stage.hub.told == {"kept": "order.kept", "end": "order.confirmed"}


@pytest.mark.parametrize("word", ["yes", "no", None])
async def test_terms_that_moved_are_for_the_customer_to_accept(stage: Stage, word: str | None) -> None:
    await stage.place(verified=False)
    stage.hub.price = D(120)
    waiting = await stage.turn()
    assert waiting.state is ProcessState.WAITING
    assert waiting.who == "customer"
    assert "BRG price 100 → 120" in waiting.question
    if word is None:
        stage.clock.advance(8 * 24 * 3600)
    else:
        await stage.say(word)
    after = await stage.turn()
    assert (await stage.fields())["confirmed"] is (word == "yes")
    if word == "yes":
        assert after.state is ProcessState.SLEEPING
    else:
        assert (after.result, (await stage.fields())["state"]) == ("withdrawn", "withdrawn")


async def test_an_order_that_the_erp_would_refuse_is_not_sent_to_it_unasked(stage: Stage) -> None:
    await stage.place(verified=False)
    stage.hub.limit = D(50)
    waiting = await stage.turn()
    assert waiting.state is ProcessState.WAITING
    assert "credit" in waiting.question


async def test_every_step_may_run_twice_or_die(store: PostgresStore) -> None:
    """Killed after each step in turn, before it is remembered: the same order, told once, at the same terms."""

    class Killed(BaseException):
        pass

    for at in range(1, 7):
        stage = Stage(store)
        async with store._connection() as connection:
            await connection.execute(b"truncate item, journal, evidence, process, simulation cascade")
        await stage.place(verified=False)
        steps = 0

        async def around(name: str, work: Any) -> Any:
            nonlocal steps
            steps += 1
            value = await work()
            if steps == at:  # noqa: B023
                raise Killed
            return value

        for _ in range(20):
            try:
                await take_turn(
                    store, {"order": order}, "order-s1",
                    clock=stage.clock, jitter=lambda: 0.0, around=around, hub=stage.hub,
                )  # fmt: skip
            except Killed:
                continue
            async with store.transaction() as tx:
                found = await tx.processes.load("order-s1")
            assert found is not None
            if found.state is ProcessState.DONE:
                break
            if (await stage.fields()).get("state") is None and found.state is ProcessState.SLEEPING:
                await stage.erp("processing")
            stage.clock.now = max(stage.clock.now, found.wake_at or stage.clock.now)
        assert found is not None
        assert found.result == "confirmed SO7", f"killed after step {at}"
        assert stage.hub.told == {"kept": "order.kept", "end": "order.confirmed"}
        assert (await stage.fields())["confirmed"] is True
        versions = (await stage.hub.items(["order-s1"]))["order-s1"].version
        assert versions == 3, "made, confirmed, answered by the ERP: each once"
