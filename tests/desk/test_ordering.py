"""What has moved since an order was simulated."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from isthmus.desk.ordering import Credit, LineTruth, Truth, differences

D = Decimal
LINE = LineTruth(
    sku="BRG", quantity=D(12), unit="Unit", list_price=D(10), unit_price=D(9), discount_rate=D("0.1"), amount=D(108),
    on_hand=D(5), date="2031-05-06",
)  # fmt: skip
CREDIT = Credit(limit=D(1000), used=D(100), after=D(208))
TRUTH = Truth(
    currency="EUR", lines=(LINE, replace(LINE, sku="CBL")), untaxed=D(216), tax=D("41.04"), total=D("257.04"),
    discount=D(24), credit=CREDIT,
)  # fmt: skip


def moved(**changes: object) -> list[tuple[str, int | None]]:
    line = {name: value for name, value in changes.items() if name in LineTruth.__struct_fields__}
    rest = {name: value for name, value in changes.items() if name not in line}
    now = replace(TRUTH, lines=(TRUTH.lines[0], replace(TRUTH.lines[1], **line)), **rest)
    return [(one.what, one.line) for one in differences(TRUTH, now)]


def test_nothing_moved() -> None:
    assert moved() == []


def test_what_surprises_nobody_is_no_difference() -> None:
    assert moved(on_hand=D(3)) == []
    assert moved(date="2031-05-01") == []
    assert moved(credit=replace(CREDIT, used=D(700), after=D(808))) == []
    assert moved(credit=None) == []


def test_what_surprises_somebody_is_told_with_its_line() -> None:
    assert moved(unit_price=D(8), amount=D(96), total=D("242.76")) == [("price", 2), ("total", None)]
    assert moved(date="2031-06-01") == [("date", 2)]
    assert moved(date=None) == [("date", 2)]
    assert moved(unit="Box") == [("unit", 2)]
    assert moved(tax=D(0), total=D(216)) == [("total", None)]
    assert moved(credit=replace(CREDIT, used=D(900), after=D(1008))) == [("credit", None)]
    assert moved(currency="USD") == [("currency", None)]


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(
    price=st.sampled_from([D(9), D(8), D("9.0")]),
    date=st.sampled_from([None, "2031-05-06", "2031-05-05", "2031-07-01"]),
    after=st.sampled_from([D(208), D(1000), D(1001)]),
)
def test_it_is_told_exactly_when_money_day_or_limit_got_worse_or_other(
    price: Decimal, date: str | None, after: Decimal
) -> None:
    found = {what for what, _ in moved(unit_price=price, date=date, credit=replace(CREDIT, after=after))}
    assert ("price" in found) == (price != 9)
    assert ("date" in found) == (date is None or date > "2031-05-06")
    assert ("credit" in found) == (after > 1000)
