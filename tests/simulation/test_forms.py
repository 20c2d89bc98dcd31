"""What the book knows of a form that was open while the hub wrote to its record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from isthmus.model.flow import FieldRule
from isthmus.model.state import Link, LinkState
from isthmus.testing.simulator.forms import _Form, _SetBack, _Written
from isthmus.testing.simulator.simulation import Simulation


@pytest.mark.parametrize(
    ("saved", "differs"),
    [("number 1", False), ("number 4", True), ("number 3", False)],
    ids=["what the hub wrote meanwhile", "another value", "nothing"],
)
def test_a_save_that_shows_what_the_hub_has_written_meanwhile_looks_like_one_of_a_later_copy(saved, differs):
    """Somebody had edited the number between, and the hub wrote back what it had been when the form was opened."""
    run, at = Simulation(1, 0), datetime(2026, 11, 27, tzinfo=UTC)
    form = _Form("Customer", "crm", "accounts", "1", {}, {"number": "number 1"}, at)
    second = timedelta(seconds=1)
    run.forms._written[("crm", "1", "number")] = [
        _Written(at + second, before="number 2", after="number 1"),
        _Written(at + 2 * second, before="number 1", after="number 3"),
    ]
    assert not run.forms._seen(form, "number")
    assert run.forms._differs(form, "number", {"number": "number 3"}, {"number": saved}) is differs


@pytest.mark.parametrize(("known", "lost"), [("name 2", False), ("name 1", True)], ids=["one between", "the older one"])
def test_an_older_value_saved_again_is_an_edit_where_the_hub_had_read_one_between(known, lost):
    """Two people there had edited it since; the hub has not read the second one, and another system's rival loses."""
    run, at = Simulation(1, 0), datetime(2026, 11, 27, tzinfo=UTC)
    place = {"flow": "Customer", "system": "crm", "resource": "accounts", "key": "1"}
    run.database.links["l"] = Link(id="l", item="i", state=LinkState.LINKED, far={"name": known}, **place)
    run.ledger.enter("T1", "name", 1, "crm", None, "name 1")
    run.ledger.enter("T1", "name", 2, "crm", "name 1", "name 2")
    run.ledger.enter("T1", "name", 3, "crm", "name 2", "name 3")
    form = _Form("Customer", "crm", "accounts", "1", {}, {"name": "name 1"}, at)
    run.forms._gone(_SetBack(form, "T1", "name", "name 3", "name 1", at))
    run.ledger.enter("T1", "name", 4, "shop", "name 2", "name 4")
    found = list(run.ledger.faults("T1", "name", FieldRule(name="name", exprs={}, owner="crm"), "name 1", []))
    assert bool(found) is lost
