"""The judge's own book: whose entry a field may show in the end."""

from __future__ import annotations

from isthmus.model.flow import FieldRule
from isthmus.testing.simulator.ledger import Ledger

OWNED = FieldRule(name="phone", exprs={}, owner="crm")
UNOWNED = FieldRule(name="phone", exprs={})


def rivals() -> Ledger:
    """Two entries on top of one; the CRM's was overwritten by an unguarded write in the moment in which it was made."""
    book = Ledger()
    book.enter("T1", "phone", 1, "crm", None, "phone 1")
    book.enter("T1", "phone", 2, "shop", "phone 1", "phone 2")
    book.enter("T1", "phone", 3, "crm", "phone 1", "phone 3")
    book.excuse("T1", "phone", "phone 3")
    return book


def faults(book: Ledger, rule: FieldRule, shown: str | None) -> list[str]:
    return list(book.faults("T1", "phone", rule, shown, []))


def test_an_overwritten_entry_may_be_gone():
    assert faults(rivals(), OWNED, "phone 2") == faults(rivals(), UNOWNED, "phone 2") == []


def test_an_overwritten_entry_that_came_back_wins_by_the_rule_of_the_owner():
    """Seed 400685: the hub had read it in the very moment in which its own write went over it."""
    assert faults(rivals(), OWNED, "phone 3") == []


def test_an_overwritten_entry_that_came_back_wins_over_nobody_without_a_rule():
    [fault] = faults(rivals(), UNOWNED, "phone 3")
    assert "nobody was asked" in fault
    [fault] = faults(rivals(), FieldRule(name="phone", exprs={}, owner="shop"), "phone 3")
    assert "its owner entered another" in fault


def test_an_overwritten_entry_that_came_back_is_no_excuse_for_one_made_on_top_of_it():
    book = rivals()
    book.enter("T1", "phone", 4, "crm", "phone 3", "phone 4")
    [fault] = faults(book, OWNED, "phone 3")
    assert "shows #3" in fault


def test_what_nobody_entered_last_is_lost_all_the_same():
    [fault] = faults(rivals(), UNOWNED, "phone 1")
    assert "shows #1" in fault


def test_an_overwritten_emptying_that_came_back_wins_by_the_rule_of_the_owner():
    book = Ledger()
    book.enter("T1", "phone", 1, "crm", None, "phone 1")
    book.enter("T1", "phone", 2, "shop", "phone 1", "phone 2")
    book.enter("T1", "phone", 3, "crm", "phone 1", None, blank=True)
    book.excuse("T1", "phone", None)
    assert faults(book, OWNED, None) == faults(book, OWNED, "phone 2") == []
    assert faults(book, UNOWNED, None) != []
