"""Converters, one by one."""

from decimal import Decimal

import pytest

from isthmus.errors import Unmappable
from isthmus.mapping.converters import Converter, converted, converter_for, converter_names, default_put
from isthmus.model.fields import FieldType, Kind
from isthmus.project.notation import parse_convert


def of(text):
    return converter_for(parse_convert(text), {})


@pytest.mark.parametrize(
    ("name", "far", "hub"),
    [
        ("lowercase", " A@B.C ", "a@b.c"),
        ("uppercase", "de123", "DE123"),
        ("digits", "+49 (30) 12-34", "49301234"),
        ("phone(DE)", "030 123456", "+4930123456"),
        ("phone", "+49 30 123456", "+4930123456"),
        ("phone(DE)", "call reception", "call reception"),
        ("country", "Germany", "DE"),
        ("country", "Deutschland", "DE"),
        ("country", "中国", "CN"),
        ("country", "at", "AT"),
        ("language", "de_AT", "de"),
        ("currency", " eur", "EUR"),
        ("choice(a=Alpha, b=Beta)", "a", "Alpha"),
    ],
)
def test_reading(name, far, hub):
    assert of(name).get(far) == hub


@pytest.mark.parametrize(
    ("name", "value"), [("country", "Atlantis"), ("currency", "EURO"), ("currency", "12A"), ("choice(a=A)", "x")]
)
def test_what_cannot_be_read_is_unmappable(name, value):
    with pytest.raises(Unmappable):
        of(name).get(value)


def test_a_choice_goes_both_ways_and_takes_the_first_far_word():
    choice = of("choice(a=One, b=One, c=Three)")
    assert [choice.get(x) for x in "abc"] == ["One", "One", "Three"]
    assert choice.put("One") == "a"
    with pytest.raises(Unmappable):
        choice.put("Four")


def test_decimals_are_rounded_only_where_the_mapping_says_so():
    assert of("decimal(2)").put("1.005") == Decimal("1.00")
    assert of("decimal").put("1.005") == Decimal("1.005")
    assert default_put(FieldType(kind=Kind.DECIMAL), "1.005") == Decimal("1.005")


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, ZeroDivisionError, AttributeError])
def test_whatever_a_projects_converter_raises_is_unmappable(error):
    def broken(value):
        raise error("no")

    with pytest.raises(Unmappable):
        converted(broken, "x")


def test_a_projects_converter_comes_before_the_built_in_one():
    mine = Converter(lambda v: "got", lambda v: "put")
    assert converter_for(parse_convert("lowercase"), {"lowercase": mine}) is mine
    assert {"phone", "choice", "ref", "decimal"} <= set(converter_names())


def test_a_summary_is_readable():
    text = of("summary").put([{"description": "Pump", "quantity": "2", "shipped": "1", "unit_price": "9.9"}])
    assert text == "Pump · ordered 2 · shipped 1 · at 9.9"
