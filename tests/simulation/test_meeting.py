"""When first contact is made in a hub in which nothing else happens: whatever may meet its item does so by itself (I5,
I8)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from isthmus.app.service import HOUSEKEEPING
from isthmus.errors import StoreUnavailable
from isthmus.model.state import InboxKind, LinkState
from isthmus.sync.decide import decide
from isthmus.sync.engine import Engine
from isthmus.sync.world import World
from isthmus.testing import MemoryWorld, Trouble
from isthmus.testing.memory_database import MemoryDatabase
from isthmus.testing.memory_driver import MemoryConfig, MemoryConnector
from isthmus.testing.memory_store import MemoryStore
from isthmus.testing.simulator.loop import MadeUp, run_virtually
from isthmus.testing.simulator.worker import Worker
from tests.engine.flows import make_flows, make_tables
from tests.engine.office import ACME, ACME_ERP

SOON = HOUSEKEEPING / 4
"""Long before anything is looked after that was forgotten."""


class Quiet(MadeUp):
    """One process between a CRM and an ERP in which nobody does anything but the test. Its time is made up."""

    def __init__(self, **parties: Any) -> None:
        super().__init__()
        self.worlds: Mapping[str, MemoryWorld] = {
            name: MemoryWorld(make_tables(name, {"parties": parties}), now=self.now, first_id=number)
            for name, number in (("crm", 1001), ("erp", 2001))
        }
        self.database = MemoryDatabase(self.now)
        self.complaints: list[str] = []

    def jitter(self) -> float:
        return 0.0

    def flows(self) -> World:
        return World(make_flows(names=("Customer",)))

    async def open_store(self) -> MemoryStore:
        return MemoryStore(self.database)

    async def pace(self) -> None: ...

    def note(self, who: str, what: str) -> None: ...

    def complain(self, violation: str) -> None:
        self.complaints.append(violation)

    def states(self, system: str) -> list[LinkState]:
        """Of what was read there."""
        return [link.state for link in self.database.links.values() if link.system == system and link.key is not None]

    async def another_process(self) -> Engine:
        connector = MemoryConnector(self.worlds)
        opened = {name: await connector.open(MemoryConfig(world=name)) for name in self.worlds}
        store = await self.open_store()
        return Engine(store, self.flows(), opened, clock=self.now, new_id=self.new_id, jitter=self.jitter)


def play(office: Quiet, story: Any) -> None:
    """Tell the story while the worker runs."""

    async def told() -> None:
        worker = Worker("worker", office)
        await worker.start()
        try:
            await story(worker)
        finally:
            worker.kill()
            await worker.bury()
        assert office.complaints == []

    run_virtually(told())


@pytest.mark.spec(5)
@pytest.mark.parametrize("choice", ["unlink", "create"])
def test_a_reading_that_waited_for_an_unsure_create_meets_its_item_when_a_person_has_settled_that(choice):
    office = Quiet(findable=False)

    async def story(worker: Worker) -> None:
        office.worlds["erp"].faults.add(Trouble.AFTER, on="write", times=1)
        office.worlds["crm"].people.create("accounts", ACME)
        await asyncio.sleep(2 * HOUSEKEEPING + 1)
        (question,) = office.database.inbox.values()
        assert question.kind is InboxKind.FAILURE
        assert office.states("erp") == [LinkState.NEW]
        await decide(
            await office.open_store(),
            office.flows(),
            question.id,
            choice,
            by="anna",
            now=office.now(),
            new_id=office.new_id,
        )
        await asyncio.sleep(SOON)
        assert LinkState.NEW not in office.states("erp")

    play(office, story)


@pytest.mark.spec(8)
def test_what_a_process_has_read_that_died_before_first_contact_meets_its_item_in_another():
    office = Quiet()

    async def story(worker: Worker) -> None:
        await asyncio.sleep(SOON)
        dying = await office.another_process()
        # A feed: who has read a page of it is the only one who sees it.
        office.worlds["erp"].people.create("parties", ACME_ERP)
        await dying.poll("erp", "parties")
        assert office.states("erp") == [LinkState.NEW]
        await asyncio.sleep(HOUSEKEEPING + 1)
        assert office.states("crm") == office.states("erp") == [LinkState.LINKED]

    play(office, story)


@pytest.mark.spec(2)
def test_first_contact_that_had_to_let_another_transaction_go_first_is_made_after_it(monkeypatch):
    office = Quiet()

    async def story(worker: Worker) -> None:
        await asyncio.sleep(HOUSEKEEPING + 1)
        meet_all, refused = Engine.meet_all, []

        async def once(engine: Engine) -> int | None:
            if office.states("crm") and not refused:
                refused.append(True)
                raise StoreUnavailable("Two transactions wait for each other.", wait=0.05)
            return await meet_all(engine)

        monkeypatch.setattr(Engine, "meet_all", once)
        office.worlds["crm"].people.create("accounts", ACME)
        await asyncio.sleep(2 * SOON)
        assert refused
        assert office.states("crm") == office.states("erp") == [LinkState.LINKED]

    play(office, story)
