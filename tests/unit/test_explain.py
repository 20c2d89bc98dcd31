"""Why a link is not in step: the answer for states that are hard to bring about elsewhere (I10)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from isthmus.model.state import FeedState, FieldConflict, Intent, Item, Link, LinkState, Problem
from isthmus.sync.explain import explain_link
from isthmus.sync.world import World
from tests.engine.flows import make_flows

NOW = datetime(2031, 5, 6, tzinfo=UTC)
WORLD = World(make_flows())
ITEM = Item(id="i1", entity="Customer", fields={"name": "Acme"})
PLACE = ("erp", "parties")
QUARREL = {"name": FieldConflict("Old", "Acme", "ACME")}


def answer(feeds=None, **values):
    given = {"state": LinkState.LINKED, "key": "7", "item": "i1", "base": {"name": "Acme"}, "far": {"name": "Acme"}}
    link = Link(id="l1", flow="Customer", system="erp", resource="parties", **(given | values))
    return explain_link(WORLD, link, ITEM, None, {PLACE: feeds} if feeds else {})


@pytest.mark.spec(10)
def test_a_create_tells_that_it_waits_for_the_first_complete_reading():
    creating = {"state": LinkState.CREATING, "key": None, "intent": Intent(token="l1")}
    assert "read completely once" in answer(**creating).sentence
    read = FeedState(system="erp", resource="parties", scanned_at=NOW)
    assert answer(read, **creating).state == "waiting to be written"


@pytest.mark.spec(10)
@pytest.mark.parametrize(
    ("state", "values"),
    [
        ("in step", {}),
        ("waiting to be written", {"base": {"name": "Old"}}),
        ("waiting", {"waits_for": "read"}),
        ("waiting", {"waits_for": "doubt/l9"}),
        ("waiting", {"waits_for": "erp/parties/9"}),
        ("set aside", {"problem": Problem("rejected", "No.")}),
        ("delayed", {"problem": Problem("unavailable", "Away."), "due_at": NOW}),
        ("conflict", {"conflicts": QUARREL}),
        ("conflict", {"conflicts": QUARREL, "waits_for": "read"}),
        ("conflict", {"conflicts": QUARREL, "problem": Problem("unavailable", "Away."), "due_at": NOW}),
        ("set aside", {"conflicts": QUARREL, "problem": Problem("rejected", "No.")}),
        ("gone", {"state": LinkState.GONE}),
        ("kept out", {"state": LinkState.UNLINKED}),
        ("waiting to be written", {"doom": "delete"}),
    ],
)
def test_every_state_has_a_sentence_and_what_to_do(state, values):
    found = answer(**values)
    assert found.state == state
    assert found.sentence
    assert found.advice or state == "in step"


@pytest.mark.spec(10)
def test_what_is_still_to_be_written_is_named_also_while_its_system_is_away():
    away = {"problem": Problem("unavailable", "Away."), "due_at": NOW}
    for state, values in (("waiting to be written", {}), ("delayed", away)):
        found = answer(base={"name": "Old"}, far={"name": "Old"}, **values)
        assert (found.state, found.fields) == (state, {"name": {"hub": "Acme", "erp": "Old"}})
