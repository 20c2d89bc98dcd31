"""Canonical values."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from isthmus.errors import Unmappable
from isthmus.model.entities import BUILT_IN
from isthmus.model.fields import FieldType, Kind, canonical, completed, covers, decimal_text

TEXT, NUMBER = FieldType(kind=Kind.TEXT), FieldType(kind=Kind.DECIMAL)
MONEY = BUILT_IN["Customer"].fields["credit_limit"]
ADDRESS = BUILT_IN["Customer"].fields["address"]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("10.50", "10.5"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "0"),
        (7, "7"),
        (" 3.0 ", "3"),
        ("0.000", "0"),
        ("100", "100"),
    ],
)
def test_numbers_have_one_form(value, wanted):
    assert decimal_text(value) == wanted


@pytest.mark.parametrize("value", ["", "abc", "NaN", "Infinity", "-inf", "1e999999999", "1e-999999999", "1,5"])
def test_what_is_no_finite_number_of_sane_size_is_unmappable(value):
    with pytest.raises(Unmappable):
        decimal_text(value)


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (Kind.TEXT, "  a\r\nb ", "a\nb"),
        (Kind.TEXT, "   ", None),
        (Kind.TEXT, "e\u0301", "\u00e9"),
        (Kind.TEXT, 7, "7"),
        (Kind.TEXT, Decimal("7.10"), "7.1"),
        (Kind.INTEGER, "7.0", 7),
        (Kind.INTEGER, "", None),
        (Kind.DECIMAL, "", None),
        (Kind.BOOLEAN, "Yes", True),
        (Kind.BOOLEAN, 0, False),
        (Kind.BOOLEAN, "", None),
        (Kind.DATE, "2031-05-06T23:00:00Z", "2031-05-06"),
        (Kind.DATE, date(2031, 5, 6), "2031-05-06"),
        (Kind.DATE, datetime(2031, 5, 6, 7, tzinfo=UTC), "2031-05-06"),
        (Kind.INSTANT, "2031-05-06T02:00:00+02:00", "2031-05-06T00:00:00+00:00"),
        (Kind.INSTANT, datetime(2031, 5, 6, 2, tzinfo=timezone(timedelta(hours=2))), "2031-05-06T00:00:00+00:00"),
    ],
)
def test_each_kind_has_one_form(kind, value, wanted):
    assert canonical(FieldType(kind=kind), value) == wanted


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.TEXT, True),
        (Kind.TEXT, ["a"]),
        (Kind.TEXT, "a\x00b"),
        (Kind.TEXT, "a\ud800b"),
        (Kind.TEXT, "x" * 1_000_001),
        (Kind.INTEGER, "1.5"),
        (Kind.INTEGER, True),
        (Kind.DECIMAL, False),
        (Kind.BOOLEAN, "maybe"),
        (Kind.DATE, "06.05.2031"),
        (Kind.INSTANT, "soon"),
        (Kind.INSTANT, "0001-01-01T00:00:00+10:00"),
        (Kind.INSTANT, "9999-12-31T23:00:00-10:00"),
    ],
)
def test_what_does_not_fit_is_unmappable(kind, value):
    with pytest.raises(Unmappable):
        canonical(FieldType(kind=kind), value)


@pytest.mark.spec(12)
def test_money_needs_its_currency_and_nothing_else():
    assert canonical(MONEY, {"amount": Decimal("1.50"), "currency": "EUR"}) == {"amount": "1.5", "currency": "EUR"}
    assert canonical(MONEY, {"amount": None, "currency": "EUR"}) is None
    with pytest.raises(Unmappable, match="currency"):
        canonical(MONEY, {"amount": "1", "currency": None})


@pytest.mark.spec(4)
def test_parts_of_a_struct_may_be_absent_null_or_known():
    assert canonical(ADDRESS, {"city": "Wien", "street": ""}) == {"city": "Wien", "street": None}
    assert canonical(ADDRESS, {"city": None}) is None
    with pytest.raises(Unmappable, match="Unknown part"):
        canonical(ADDRESS, {"town": "Wien"})
    with pytest.raises(Unmappable):
        canonical(ADDRESS, "Wien")


@pytest.mark.spec(4)
def test_an_absent_part_is_no_difference():
    assert covers({"city": "Wien", "zip": "1"}, {"city": "Wien"})
    assert not covers({"city": "Wien"}, {"city": "Wien", "zip": "1"})
    assert not covers(None, {"city": "Wien"})
    assert not covers({"city": "Wien"}, None)
    assert covers("a", "a")
    assert completed({"a": 1}, {"a": 2, "b": 3}, None, {"c": 4}) == {"a": 1, "b": 3, "c": 4}
    assert completed(None, {"a": 1}) is None
