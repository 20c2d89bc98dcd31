"""Order of flows, what is pending, limits, pauses."""

from datetime import timedelta

import pytest

from isthmus.mapping import compile_lens
from isthmus.model.flow import Brake
from isthmus.model.state import FieldConflict, Item, Link, NotHeld
from isthmus.sync.brake import limit_of
from isthmus.sync.graph import parents_first
from isthmus.sync.outcome import pause
from isthmus.sync.standing import pending
from tests.engine.flows import make_flows, p

FLOWS = make_flows(("crm", "erp"))
ERP = compile_lens(FLOWS["Customer"], "erp", FLOWS)


@pytest.mark.spec(6)
def test_parents_come_first():
    order = parents_first(dict(reversed(FLOWS.items())))
    for child, parent in (("Contact", "Customer"), ("SalesOrder", "Customer"), ("SalesOrder", "Product")):
        assert order.index(parent) < order.index(child)
    assert sorted(order) == sorted(FLOWS)


@pytest.mark.spec(6)
def test_a_cycle_is_no_dead_end():
    flows = make_flows(("crm", "erp"), exprs={("Customer", "crm", "industry"): p("main", "ref(Contact)")})
    assert sorted(parents_first(flows)) == sorted(flows)
    exprs = {("Customer", "crm", "name"): p("main", "ref(Contact)")}
    looped = parents_first(make_flows(("crm", "erp"), exprs=exprs))
    assert sorted(looped) == sorted(FLOWS)


def link(**options):
    return Link(id="l", flow="Customer", system="erp", resource="parties", item="i", **options)


def item(**fields):
    return Item(id="i", entity="Customer", fields=fields)


@pytest.mark.spec(1)
@pytest.mark.parametrize(
    ("base", "fields", "wanted"),
    [
        ({}, {"name": "A"}, {"name": "A"}),
        ({"name": "A"}, {"name": "A"}, {}),
        ({"name": "B"}, {"name": "A"}, {"name": "A"}),
        ({}, {"name": None}, {}),
        ({"name": "B"}, {"name": None}, {"name": None}),
        ({"name": "B"}, {}, {}),
        ({"address": {"city": "X", "postal_code": "1"}}, {"address": {"city": "X"}}, {}),
        ({"address": {"city": "X"}}, {"address": {"city": "Y"}}, {"address": {"city": "Y"}}),
        ({}, {"website": "not held by this system"}, {}),
    ],
)
def test_pending_is_what_the_system_does_not_have_yet(base, fields, wanted):
    assert pending(link(base=base), item(**fields), ERP) == wanted


@pytest.mark.spec(3)
def test_frozen_and_not_held_fields_are_not_pending():
    frozen = link(base={"name": "A"}, conflicts={"name": FieldConflict("A", "B", "C")})
    assert pending(frozen, item(name="B"), ERP) == {}
    held = link(base={"name": "b"}, not_held={"name": NotHeld("B", "b")})
    assert pending(held, item(name="B"), ERP) == {}
    assert pending(held, item(name="C"), ERP) == {"name": "C"}
    nowhere = link(base={"name": "A"}, not_held={"name": NotHeld(None, "A", sure=False, absent=True)})
    assert pending(nowhere, item(name=None), ERP) == {}
    assert pending(nowhere, item(name="C"), ERP) == {"name": "C"}


@pytest.mark.spec(7)
@pytest.mark.parametrize(("linked", "wanted"), [(0, 50), (100, 50), (1000, 200)])
def test_the_brake_counts_shares_from_a_floor_on(linked, wanted):
    flow = FLOWS["Customer"]
    assert flow.brake == Brake()
    assert limit_of(flow, "creates", linked) == limit_of(flow, "updates", linked) == wanted
    assert limit_of(flow, "deletes", linked) == max(5, linked // 50)


def test_pauses_grow_to_a_limit_and_respect_what_the_system_asks_for():
    assert [pause(n, 0).total_seconds() for n in range(5)] == [1, 2, 4, 8, 16]
    assert pause(99, 0) == timedelta(seconds=300)
    assert pause(99, 1) == timedelta(seconds=375)
    assert pause(0, 0, 40) == timedelta(seconds=40)
    assert pause(6, 0, 7) == timedelta(seconds=64)
