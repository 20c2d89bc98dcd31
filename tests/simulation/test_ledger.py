"""The judge's own book: whose entry a field may show in the end."""

from __future__ import annotations

import pytest

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


def set_back() -> Ledger:
    """Two entries of which none saw the other; the ERP's was saved away in the shop after the hub had read it."""
    book = Ledger()
    book.enter("T1", "phone", 1, "erp", None, "phone 1")
    book.enter("T1", "phone", 2, "shop", None, "phone 2")
    book.put_back("T1", "phone", None, "shop", "phone 1", read=True)
    return book


def test_what_lost_to_an_entry_that_was_set_back_may_be_gone_with_it_by_the_rule_of_the_owner():
    assert faults(set_back(), OWNED, None) == []
    assert faults(set_back(), FieldRule(name="phone", exprs={}, merge="max"), None) == []


def test_what_was_set_back_to_is_a_rival_of_what_is_made_on_top_of_the_other_one():
    book = Ledger()
    book.enter("T1", "phone", 1, "erp", None, "phone 1")
    book.enter("T1", "phone", 2, "crm", "phone 1", "phone 2")
    book.put_back("T1", "phone", "phone 1", "crm", "phone 2", read=True)
    book.enter("T1", "phone", 3, "shop", "phone 2", "phone 3")
    assert faults(book, OWNED, "phone 1") == []
    [fault] = faults(book, UNOWNED, "phone 1")
    assert "nobody was asked" in fault


def test_it_may_not_where_it_is_the_owners_or_nobody_is_or_was_entered_later():
    [fault] = faults(set_back(), FieldRule(name="phone", exprs={}, owner="shop"), None)
    assert "#2 in shop" in fault
    [fault] = faults(set_back(), UNOWNED, None)
    assert "#2 in shop" in fault
    book = set_back()
    book.enter("T1", "phone", 3, "shop", None, "phone 3")
    [fault] = faults(book, OWNED, None)
    assert "#3 in shop" in fault


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


def on_top_of_a_write(*, blank: bool, rivals: tuple[str, ...] = ("shop", "crm")) -> Ledger:
    """Rivals, of which the hub gave the last one to the shop; there somebody has changed or emptied it since."""
    book = Ledger()
    for number, system in enumerate(rivals, 3 - len(rivals)):
        book.enter("T1", "phone", number, system, None, f"phone {number}")
    book.enter("T1", "phone", 3, "shop", "phone 2", None if blank else "phone 3", blank=blank)
    return book


@pytest.mark.parametrize("blank", [False, True], ids=["changed", "emptied"])
def test_what_was_made_on_top_of_an_unanswered_write_may_give_way_to_it_by_the_rule_of_the_owner(blank):
    """Seed 771414: the emptied one gave way, and its first rival was called lost."""
    assert faults(on_top_of_a_write(blank=blank), OWNED, "phone 2") == []


@pytest.mark.parametrize("blank", [False, True], ids=["changed", "emptied"])
@pytest.mark.parametrize("owner", [None, "shop"])
def test_it_gives_way_to_nothing_where_no_owner_elsewhere_decides(owner, blank):
    [fault] = faults(on_top_of_a_write(blank=blank), FieldRule(name="phone", exprs={}, owner=owner), "phone 2")
    assert "shows #2" in fault


@pytest.mark.parametrize("blank", [False, True], ids=["changed", "emptied"])
def test_what_it_gave_way_to_must_have_won_over_the_others(blank):
    book = on_top_of_a_write(blank=blank, rivals=("shop", "crm", "erp"))
    [fault] = faults(book, OWNED, "phone 2")
    assert "its owner entered another" in fault


@pytest.mark.parametrize("blank", [False, True], ids=["changed", "emptied"])
def test_it_is_no_excuse_for_what_the_owner_made_on_top_of_the_same(blank):
    book = on_top_of_a_write(blank=blank)
    book.enter("T1", "phone", 4, "crm", "phone 2", "phone 4")
    book.enter("T1", "phone", 5, "crm", "phone 4", "phone 5")
    [fault] = faults(book, OWNED, "phone 2")
    assert "shows #2" in fault


def test_what_was_entered_into_an_empty_field_is_on_top_of_no_write():
    book = Ledger()
    book.enter("T1", "phone", 1, "shop", None, "phone 1")
    [fault] = faults(book, OWNED, None)
    assert "#1 in shop" in fault
