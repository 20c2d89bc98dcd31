"""The in-memory system keeps the contract, whatever it promises."""

from isthmus.connector import Deletes, Traits
from isthmus.testing import MemoryWorld, ResourceCase
from tests.testing.memory_case import CASE, MemoryContract, without, world_of


class TestEverythingPromised(MemoryContract):
    pass


class TestNothingPromised(MemoryContract):
    traits = Traits(creates=True)
    options = {"feed": False, "findable": False}


class TestOpaqueVersionsWithoutGuards(MemoryContract):
    traits = without(ordered_versions=False, guarded_writes=False, idempotent_create=False)
    options = {"keeps_token": False, "preparable": True}


class TestSilentDeletes(MemoryContract):
    traits = without(deletes=Deletes.SILENT, write_batch=1)
    options = {"webhook": True}


class TestNoDeletes(MemoryContract):
    traits = without(deletable=False)


class TestReadOnly(MemoryContract):
    traits = Traits(versioned=True)
    options = {"writable": False, "findable": False}
    cases = (ResourceCase(name="customers"),)

    async def open_system(self, config: object):  # type: ignore[no-untyped-def]
        world: MemoryWorld = self.world  # type: ignore[attr-defined]
        if not world.records("customers"):
            for at in range(7):
                world.people.create("customers", {"name": f"Customer {at}"})
        return await self.connector.open(config)


def test_variants_really_differ() -> None:
    worlds = [world_of(TestNoDeletes.traits), world_of(TestSilentDeletes.traits)]
    assert worlds[0].tables["customers"].spec.traits != worlds[1].tables["customers"].spec.traits
    assert CASE.invalid
