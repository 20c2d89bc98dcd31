"""Checking material requests, and what their deliveries come to: laws for any request and any deliveries."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from isthmus.desk.requesting import (
    Credit,
    Sent,
    SentState,
    Supply,
    Wanted,
    check_request,
    outcome,
    supplies,
)

PRODUCTS = ("pump", "valve", "seal")
quantities = st.decimals(min_value=0, max_value=50, places=2)


def line(id: str, product: str, quantity: object, amount: object = 0, available: object = None) -> Wanted:
    return Wanted(
        id=id,
        product=product,
        quantity=Decimal(str(quantity)),
        amount=Decimal(str(amount)),
        available=None if available is None else Decimal(str(available)),
    )


@st.composite
def requests(draw: st.DrawFn) -> list[Wanted]:
    count = draw(st.integers(1, 5))
    return [
        line(str(number), draw(st.sampled_from(PRODUCTS)), draw(st.integers(1, 20)), draw(quantities))
        for number in range(1, count + 1)
    ]


@st.composite
def deliveries(draw: st.DrawFn) -> list[Sent]:
    return [
        Sent(
            id=f"d{number}",
            state=draw(st.sampled_from(SentState)),
            quantities=draw(st.dictionaries(st.sampled_from(PRODUCTS), quantities, max_size=3)),
        )
        for number in range(draw(st.integers(0, 5)))
    ]


@given(requests(), deliveries(), st.booleans())
def test_quantities_always_balance(lines: list[Wanted], sent: list[Sent], closed: bool) -> None:
    found = outcome(lines, sent, closed=closed)
    for wanted in lines:
        assert found.shipped[wanted.id] + found.left[wanted.id] == wanted.quantity
        assert found.left[wanted.id] >= 0
    gone = {p: sum((d.quantities.get(p, Decimal(0)) for d in sent if d.left), Decimal(0)) for p in PRODUCTS}
    for product in PRODUCTS:
        given_out = sum((found.shipped[one.id] for one in lines if one.product == product), Decimal(0))
        assert given_out + found.over.get(product, Decimal(0)) == gone[product]


@given(requests(), deliveries(), st.booleans())
def test_the_words_about_a_request_do_not_contradict_each_other(
    lines: list[Wanted], sent: list[Sent], closed: bool
) -> None:
    found = outcome(lines, sent, closed=closed)
    missing = any(found.left.values())
    assert not (found.undecided and (closed or found.rest_is_delivery or found.complete))
    assert not (found.whole and missing)
    assert not (found.rest_is_delivery and not missing)
    if found.complete:
        assert closed or not missing
        assert all(delivery.state is not SentState.IN_TRANSIT for delivery in sent)
    if missing and not closed:
        assert not found.complete


@given(requests(), deliveries())
def test_a_cancelled_delivery_is_as_if_it_had_never_been(lines: list[Wanted], sent: list[Sent]) -> None:
    living = [delivery for delivery in sent if delivery.state is not SentState.CANCELLED]
    assert outcome(lines, sent) == outcome(lines, living)


@given(requests(), deliveries(), st.randoms())
def test_the_order_of_deliveries_decides_only_who_is_a_child(
    lines: list[Wanted], sent: list[Sent], random: object
) -> None:
    mixed = list(sent)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = outcome(lines, sent), outcome(lines, mixed)
    assert (one.shipped, one.over, one.complete, one.undecided) == (
        other.shipped,
        other.over,
        other.complete,
        other.undecided,
    )
    assert len(one.children) == len(other.children)


def sent(id: str, state: SentState, **moved: object) -> Sent:
    return Sent(id=id, state=state, quantities={name: Decimal(str(amount)) for name, amount in moved.items()})


def test_a_request_that_ships_whole() -> None:
    lines = [line("1", "pump", 5), line("2", "valve", 2)]
    way = outcome(lines, [sent("a", SentState.IN_TRANSIT, pump=5, valve=2)])
    assert (way.whole, way.complete, way.children, way.undecided) == (True, False, (), False)
    there = outcome(lines, [sent("a", SentState.DONE, pump=5, valve=2)])
    assert (there.whole, there.complete) == (True, True)


def test_a_short_shipment_whose_rest_is_a_delivery_of_its_own() -> None:
    lines = [line("1", "pump", 12)]
    found = outcome(lines, [sent("a", SentState.DONE, pump=8), sent("b", SentState.PLANNED, pump=4)])
    assert (found.shipped, found.left) == ({"1": Decimal(8)}, {"1": Decimal(4)})
    assert (found.rest_is_delivery, found.complete, found.undecided, found.children) == (True, False, False, ("b",))


def test_a_short_shipment_whose_rest_nobody_delivers_waits_for_a_decision() -> None:
    lines = [line("1", "pump", 12)]
    found = outcome(lines, [sent("a", SentState.DONE, pump=8)])
    assert (found.rest_is_delivery, found.complete, found.undecided) == (False, False, True)
    closed = outcome(lines, [sent("a", SentState.DONE, pump=8)], closed=True)
    assert (closed.complete, closed.undecided, closed.whole) == (True, False, False)


def test_positions_of_one_product_share_what_came_in_their_order() -> None:
    lines = [line("1", "pump", 3), line("2", "pump", 5)]
    found = outcome(lines, [sent("a", SentState.DONE, pump=6)])
    assert found.shipped == {"1": Decimal(3), "2": Decimal(3)}


def test_more_than_was_wanted_is_shown() -> None:
    found = outcome([line("1", "pump", 3)], [sent("a", SentState.DONE, pump=5, seal=1)])
    assert found.over == {"pump": Decimal(2), "seal": Decimal(1)}
    assert found.complete


@given(requests(), st.decimals(0, 1000, places=2), st.decimals(0, 1000, places=2))
def test_nothing_passes_the_credit_limit(lines: list[Wanted], limit: Decimal, used: Decimal) -> None:
    found = check_request(lines, Credit(limit=limit, used=used))
    assert bool(found.refused) == (used + found.total > limit)
    assert not check_request(lines, Credit(limit=None, used=used)).refused


def test_positions_that_stock_does_not_cover_are_named() -> None:
    lines = [line("1", "pump", 3, available=5), line("2", "pump", 3, available=5), line("3", "seal", 1)]
    assert check_request(lines, Credit(limit=None, used=Decimal(0))).short == ("2",)


def test_a_station_is_supplied_by_what_it_has() -> None:
    assert supplies(customer=True, place=True, consignment_place=True)[0] is Supply.FILL_UP
    assert supplies(customer=True, place=False, consignment_place=False) == (Supply.SALES_ORDER,)
    assert supplies(customer=False, place=False, consignment_place=False) == ()
