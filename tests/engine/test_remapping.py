"""A field that a system keeps elsewhere than before is met anew (I3, I4)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from isthmus.app.remapping import forget_moved, mapped_places, moved_paths
from isthmus.model.flow import Struct
from isthmus.model.state import InboxKind
from tests.engine.flows import make_flows, p
from tests.engine.test_round import linked


async def moved(office, note, **changes):
    """The CRM keeps the phone in its note from now on, where something may stand already."""
    o = await linked(office)
    await forget_moved(o.store, o.flows())
    o.crm.people.edit("accounts", o.one("crm", "accounts")[0], {"note": note})
    await o.settle(1)
    o.flow_changes["exprs"] = {("Customer", "crm", "phone"): p("note")}
    o.flow_changes.update(changes)
    assert await forget_moved(o.store, o.flows()) == 1
    assert await forget_moved(o.store, o.flows()) == 0
    await o.start()
    await o.settle()
    return o


@pytest.mark.spec(4)
async def test_an_empty_new_place_is_filled_and_empties_nothing(office):
    o = await moved(office, None)
    assert o.one("erp", "parties")[1]["telephone"] == "+4930123456"
    assert o.one("crm", "accounts")[1]["note"] == "+4930123456"
    assert await o.inbox() == []


@pytest.mark.spec(3)
async def test_what_stands_at_the_new_place_overwrites_nobody_silently(office):
    o = await moved(office, "call the porter")
    assert o.one("erp", "parties")[1]["telephone"] == "+4930123456"
    assert o.one("crm", "accounts")[1]["note"] == "call the porter"
    assert set((await o.question(InboxKind.CONFLICT)).detail["fields"]) == {"phone"}


@pytest.mark.spec(3)
async def test_the_side_that_the_flow_prefers_at_first_contact_wins_there_too(office):
    o = await moved(office, "call the porter", flow_options={"Customer": {"first": "erp"}})
    assert o.one("crm", "accounts")[1]["note"] == "+4930123456"
    assert await o.inbox() == []


def test_only_what_has_moved_is_forgotten():
    def address(street, city):
        return {("Customer", "crm", "address"): Struct({"street": p(street), "city": p(city)})}

    def places(**changes):
        return mapped_places(make_flows(names=("Customer",), **changes))

    before = places()
    assert list(moved_paths({}, before)) == []
    assert list(moved_paths(before, before)) == []
    assert list(moved_paths(before, places(exprs=address("street", "note")))) == [
        ("Customer", "crm", ["address", "city"])
    ]
    # Another converter at the same place shows the same fact in another way.
    assert list(moved_paths(before, places(exprs={("Customer", "crm", "email"): p("email")}))) == []


@pytest.mark.spec(3)
async def test_a_field_that_was_mapped_nowhere_for_a_while_is_met_anew_only_at_another_place(office):
    o = await linked(office)
    flows = o.flows()
    without = o.flows()
    rule = without["Customer"].fields["phone"]
    gone = replace(rule, exprs={name: expr for name, expr in rule.exprs.items() if name != "crm"})
    fields = {**without["Customer"].fields, "phone": gone}
    without["Customer"] = replace(without["Customer"], fields=fields)
    o.flow_changes["exprs"] = {("Customer", "crm", "phone"): p("note")}
    assert [await forget_moved(o.store, x) for x in (flows, without, flows, without, o.flows())] == [0, 0, 0, 0, 1]
