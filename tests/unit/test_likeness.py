"""What a system may make of a value, and what only a person can."""

import pytest

from isthmus.model.likeness import may_be_kept_as


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("Acme  GmbH ", "ACME GmbH"),
        ("A long street name", "A long str"),
        ("9.25", "9"),
        ("9.25", "9.3"),
        ("9.99", "10"),
        ({"amount": "9.25", "currency": "EUR"}, {"amount": "9", "currency": "EUR"}),
        ({"street": "Hauptstr. 1", "city": "Berlin"}, {"city": "BERLIN"}),
        (["A", "b"], ["a", "B"]),
        (None, None),
    ],
)
def test_what_a_system_may_make_of_it(wanted, shown):
    assert may_be_kept_as(wanted, shown)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("Acme GmbH", "Acme AG"),
        ("+4930123", "+4930999"),
        ("9.25", "11"),
        ("9.25", "9.26"),
        ({"amount": "9", "currency": "EUR"}, {"amount": "9", "currency": "USD"}),
        (["a"], ["a", "b"]),
        (True, False),
        ("x", None),
    ],
)
def test_what_only_a_person_can(wanted, shown):
    assert not may_be_kept_as(wanted, shown)
