"""A storm: people work on both sides while the systems misbehave; when it is over both sides agree (I1, I2, I5, I8)."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from isthmus.connector import Deletes
from isthmus.model.state import InboxKind
from isthmus.testing import Trouble

TROUBLES = [
    (Trouble.BEFORE, "write"),
    (Trouble.AFTER, "write"),
    (Trouble.GARBAGE, "write"),
    (Trouble.TOO_MANY, "write"),
    (Trouble.DOWN, "read"),
    (Trouble.DOWN, "find"),
    (Trouble.DOWN, "scan"),
    (Trouble.AFTER, "fetch"),
]


CRM_NAMES = ("vat", "name", "email", "phone", "limit", "erp_number")
ERP_NAMES = ("tax_code", "name", "email", "telephone", "credit_limit", "number")


class Storm:
    """People and troubles from one seed."""

    def __init__(self, o, seed):
        self.o, self.dice, self.made = o, random.Random(seed), 0

    def keys(self, system):
        return sorted(self.o.worlds[system].records("accounts" if system == "crm" else "parties"))

    def gust(self):
        """One thing that happens."""
        system = self.dice.choice(self.o.names)
        what = self.dice.choices(["edit", "create", "delete", "trouble"], [6, 2, 1, 3])[0]
        world, keys = self.o.worlds[system], self.keys(system)
        resource = "accounts" if system == "crm" else "parties"
        if what == "trouble":
            trouble, on = self.dice.choice(TROUBLES)
            world.faults.add(trouble, on=on, times=self.dice.randint(1, 2), skip=self.dice.randint(0, 2))
        elif what == "create" or not keys:
            self.made += 1
            vat = "vat" if system == "crm" else "tax_code"
            world.people.create(resource, {"name": f"New {self.made}", vat: f"V{self.made}", "active": True})
        elif what == "delete" and len(keys) > 3:
            world.people.delete(resource, self.dice.choice(keys))
        else:
            number = self.dice.randint(1, 99)
            # Each side edits fields of its own and shared ones.
            fields = {
                "crm": [{"name": f"Name {number}"}, {"email": f"{number}@crm.example"}, {"limit": Decimal(number) / 4}],
            }.get(
                system,
                [{"telephone": f"+4930{number:06d}"}, {"email": f"{number}@erp.example"}, {"number": f"{number}"}],
            )
            world.people.edit(resource, self.dice.choice(keys), self.dice.choice(fields))


def shown(o, system):
    """What a system holds, by tax number."""
    names = CRM_NAMES if system == "crm" else ERP_NAMES
    table = o.table(system, "accounts" if system == "crm" else "parties")
    return {x[names[0]]: tuple(x.get(name) for name in names[1:]) for x in table}


@pytest.mark.spec(2)
@pytest.mark.parametrize("seed", range(6))
async def test_after_the_storm_both_sides_agree(office, seed):
    o = office(
        systems=("crm", "erp") if seed % 3 else ("crm", "erp", "erp2"),
        names=("Customer",),
        rules={("Customer", "number"): {"writers": ("erp", "erp2"), "owner": "erp"}},
        resources={("crm", "accounts"): {"feed": seed % 2 == 0, "deletes": Deletes.REPORTED}},
    )
    storm = Storm(o, seed)
    await o.start()
    for _ in range(8):
        for _ in range(storm.dice.randint(1, 4)):
            storm.gust()
        if storm.dice.random() < 0.3:
            await o.restart()
        await o.engine.catch_up()
        o.clock.advance(storm.dice.choice([1, 20, 400]))
    for world in o.worlds.values():
        world.faults.heal()
    await o.settle(4)
    for _ in range(20):
        questions = await o.inbox(InboxKind.CONFLICT)
        if not questions:
            break
        await o.decide(questions[0], storm.dice.choice(["hub", "far"]))
        await o.settle(2)
    assert await o.inbox() == []
    for system in o.names[1:]:
        assert len(o.table(system, "parties")) == len(shown(o, system))
        assert shown(o, system) == shown(o, "crm")
    assert len(o.table("crm", "accounts")) == len(await o.items())
    o.forget_calls()
    await o.settle(2)
    assert o.writes() == 0
    assert (await o.rows("select count(*) from link where due_at is not null")) == [(0,)]
