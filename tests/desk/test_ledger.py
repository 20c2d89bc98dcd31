"""The ledger is balanced, whatever documents there are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.desk.ledger import ledger_of, spread

D = Decimal
NAMES = {"p1": "BRG", "p2": "CBL", "p3": "FAN"}


def eur(amount: object) -> dict[str, str]:
    return {"amount": str(amount), "currency": "EUR"}


def line(product: str, quantity: object, **more: object) -> dict[str, Any]:
    return {"product": product, "quantity": str(quantity), **{name: str(value) for name, value in more.items()}}


PRODUCT = st.sampled_from(["p1", "p2", "p3"])
NUMBER = st.integers(1, 12).map(D)
CENTS = st.integers(-5000, 9000).map(lambda cents: D(cents) / 100)
ORDER = st.builds(
    lambda lines, state: {"lines": [line(p, q) for p, q in lines], "state": state, "total": eur("100")},
    st.lists(st.tuples(st.sampled_from(["p1", "p2"]), NUMBER), min_size=1, max_size=4),
    st.sampled_from(["draft", "quotation", "processing", "done", "cancelled", "withdrawn", None]),
)
DELIVERIES = st.lists(
    st.builds(
        lambda lines, state: {"lines": [line(p, q) for p, q in lines], "state": state},
        st.lists(st.tuples(PRODUCT, st.integers(-4, 9).map(D)), max_size=3),
        st.sampled_from(["waiting", "assigned", "picked", "packed", "shipped", "received", "done", "cancelled"]),
    ),
    max_size=4,
)
INVOICES = st.lists(
    st.builds(
        lambda lines, state, total, due: {
            "lines": [line(p, q, amount=a) for p, q, a in lines],
            "state": state,
            "total": eur(total),
            "open_amount": eur(due),
        },
        st.lists(st.tuples(PRODUCT, st.integers(-4, 9).map(D), CENTS), max_size=3),
        st.sampled_from(["draft", "posted", "paid", "cancelled", "credited", "partially paid"]),
        CENTS,
        CENTS,
    ),
    max_size=3,
)
PAYMENTS = st.lists(CENTS.map(lambda amount: {"amount": eur(amount)}), max_size=3)


@settings(derandomize=True, deadline=None, max_examples=400, database=None)
@given(order=ORDER, deliveries=DELIVERIES, invoices=INVOICES, payments=PAYMENTS)
def test_it_is_always_balanced(order: Any, deliveries: Any, invoices: Any, payments: Any) -> None:
    found = ledger_of(order, deliveries, invoices, payments, NAMES)
    known = {line["product"] for line in order["lines"]}
    for row in found.lines:
        assert row.ordered + row.over == row.shipped + row.allocated + row.open + row.cancelled
        assert row.to_bill == (row.shipped - row.returned) - (row.invoiced - row.credited)
        assert row.billed == row.paid + row.due
        assert row.shipped + row.over_returned == row.kept + row.returned
        assert row.invoiced + row.over_credited == row.charged + row.credited
        assert min(row.open, row.cancelled, row.over, row.shipped, row.allocated, row.returned) >= 0
        assert min(row.kept, row.over_returned, row.charged, row.over_credited, row.credited) >= 0
        assert not (row.over and (row.open or row.cancelled))
        assert not (row.over_returned and row.kept)
        assert not (row.over_credited and row.charged)
    moved = [(d["state"], one) for d in deliveries for one in d["lines"] if one["product"] in known]
    done = sum((D(q) for state, one in moved if D(q := one["quantity"]) >= 0 and state in ("shipped", "done")), D(0))
    backs = sum((D(q) for state, one in moved if D(q := one["quantity"]) < 0 and state in ("received", "done")), D(0))
    assert sum(row.shipped - row.returned for row in found.lines) == done + backs
    posted = [one for one in invoices if one["state"] in ("posted", "paid", "partially paid", "credited")]
    lines = [one for invoice in posted for one in invoice["lines"] if one["product"] in known]
    assert sum((row.billed for row in found.lines), D(0)) == sum((D(one["amount"]) for one in lines), D(0))
    assert found.billed == found.paid + found.reported_due + found.unexplained


@settings(derandomize=True, deadline=None, max_examples=300, database=None)
@given(amount=CENTS, weights=st.lists(st.integers(0, 900).map(lambda cents: D(cents) / 100), min_size=1, max_size=6))
def test_parts_come_to_the_whole_and_are_never_finer_than_cents(amount: Decimal, weights: list[Decimal]) -> None:
    parts = spread(amount, weights)
    assert sum(parts) == amount
    assert all(part == part.quantize(D("0.01")) for part in parts)


def test_a_split_delivery_with_its_bill_and_a_first_payment() -> None:
    order = {"lines": [line("p1", 10), line("p2", 2)], "state": "processing", "total": eur("132.00")}
    deliveries = [
        {"state": "done", "lines": [line("p1", 4), line("p2", 2)]},
        {"state": "assigned", "lines": [line("p1", 5)]},
        {"state": "waiting", "lines": [line("p1", 1)]},
    ]
    invoices = [
        {
            "state": "posted",
            "lines": [line("p1", 4, amount="40.00"), line("p2", 2, amount="10.01")],
            "total": eur("60.01"),
            "open_amount": eur("30.01"),
        }
    ]
    found = ledger_of(order, deliveries, invoices, [{"amount": eur("30")}], NAMES)
    first, second = found.lines
    assert (first.shipped, first.allocated, first.open, first.to_bill) == (4, 5, 1, 0)
    assert (second.shipped, second.open, second.invoiced) == (2, 0, 2)
    assert first.paid + second.paid == (D("50.01") * 30 / D("60.01")).quantize(D("0.01"))
    assert (found.billed, found.paid, found.reported_due, found.unexplained) == (D("60.01"), 30, D("30.01"), 0)


def test_over_delivery_return_credit_and_what_does_not_round_trip_are_shown() -> None:
    order = {"lines": [line("p1", 3)], "state": "done", "total": eur("30.00")}
    deliveries = [
        {"state": "done", "lines": [line("p1", 5), line("p3", 1)]},
        {"state": "done", "lines": [line("p1", -1)]},
    ]
    invoices = [
        {"state": "paid", "lines": [line("p1", 5, amount="50")], "total": eur("60.00"), "open_amount": eur("0")},
        {"state": "posted", "lines": [line("p1", -1, amount="-10")], "total": eur("-12.00"), "open_amount": eur("0")},
    ]
    found = ledger_of(order, deliveries, invoices, [{"amount": eur("47.99")}], NAMES)
    [row] = found.lines
    assert (row.over, row.returned, row.invoiced, row.credited, row.to_bill, row.billed) == (2, 1, 5, 1, 0, 40)
    assert found.unexplained == D("0.01"), "a cent that nobody paid and the ERP does not ask for"
    assert found.beside == ("FAN: 1 delivered",)


@pytest.mark.parametrize("first", ["delivery", "return"])
def test_what_came_back_counts_after_what_was_sent_and_more_than_that_is_shown(first: str) -> None:
    order = {"lines": [line("p1", 3), line("p1", 3)], "state": "done", "total": eur("60.00")}
    sent = {"state": "done", "lines": [line("p1", 4)]}
    back = {"state": "received", "lines": [line("p1", -5)]}
    draft = {"state": "draft", "lines": [line("p1", -9)]}
    deliveries = [sent, back, draft] if first == "delivery" else [draft, back, sent]
    one, two = ledger_of(order, deliveries, [], [], NAMES).lines
    assert [(row.shipped, row.returned, row.kept, row.over_returned) for row in (one, two)] == [
        (3, 3, 0, 0),
        (1, 2, 0, 1),
    ]
    assert (one.to_bill, two.to_bill) == (0, -1), "for the piece too many the customer is owed"


def test_an_invoice_that_a_credit_note_took_back_whole_comes_to_nothing() -> None:
    order = {"lines": [line("p1", 4)], "state": "done", "total": eur("47.60")}
    bill = {"state": "credited", "lines": [line("p1", 4, amount="40")], "total": eur("47.60"), "open_amount": eur("0")}
    note = {"state": "paid", "lines": [line("p1", -4, amount="-40")], "total": eur("-47.60"), "open_amount": eur("0")}
    again = {"state": "open", "lines": [line("p1", -1, amount="-10")], "total": eur("-11.90")}
    found = ledger_of(order, [], [note, bill], [], NAMES)
    [row] = found.lines
    assert (row.invoiced, row.credited, row.charged, row.billed, found.billed, found.unexplained) == (4, 4, 0, 0, 0, 0)
    [row] = ledger_of(order, [], [note, bill, {**again, "open_amount": eur("-11.90")}], [], NAMES).lines
    assert (row.credited, row.over_credited, row.billed) == (5, 1, -10), "credited once too often, and shown"


@pytest.mark.parametrize(("state", "open_", "cancelled"), [("processing", 3, 0), ("cancelled", 0, 3), (None, 3, 0)])
def test_what_is_left_is_open_until_the_order_ends(state: str | None, open_: int, cancelled: int) -> None:
    [row] = ledger_of({"ordered": [line("p1", 3)], "state": state}, [], [], [], NAMES).lines
    assert (row.open, row.cancelled, row.confirmed) == (open_, cancelled, 3 if state == "processing" else 0)
