"""Cost and margin of orders: known of all or of none, and told to nobody who has not the role."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from isthmus.desk.costing import Costs, costs_of, costs_of_line, margin_of, without_costs, without_margin
from isthmus.desk.ordering import Asked, Simulation, Truth
from isthmus.store import PostgresStore
from tests.desk.asking import START, Desk, ask
from tests.desk.test_ordering import LINE, TRUTH

D = Decimal
COSTED = replace(LINE, cost_price=D("6.125"))


ROWS = st.tuples(st.integers(1, 99), st.decimals(0, 999, places=4), st.decimals(0, 999, places=2))


def of(*lines: object) -> Truth:
    return replace(TRUTH, lines=lines, untaxed=sum((line.amount for line in lines), D(0)))  # type: ignore[attr-defined]


def test_cost_and_margin_of_a_line_are_in_the_money_of_its_amount() -> None:
    assert costs_of_line(COSTED) == Costs(cost=D("73.50"), margin=D("34.50"), rate=D("0.3194"))
    assert costs_of_line(LINE) is None
    free = costs_of_line(replace(COSTED, amount=D(0)))
    assert free == Costs(cost=D("73.50"), margin=D("-73.50"), rate=None)


def test_the_margin_of_an_order_is_known_when_that_of_every_line_is() -> None:
    assert costs_of(of(COSTED, COSTED)) == Costs(cost=D(147), margin=D(69), rate=D("0.3194"))
    assert margin_of(of(COSTED, COSTED)) == D("0.3194")
    assert costs_of(of(COSTED, LINE)) is None
    assert margin_of(of(LINE)) is None
    assert costs_of(of()) is None


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(
    st.lists(st.tuples(st.integers(1, 99), st.decimals(0, 999, places=4), st.decimals(0, 999, places=2)), max_size=5)
)
def test_lines_add_up_to_the_order(rows: list[tuple[int, Decimal, Decimal]]) -> None:
    lines = [replace(COSTED, quantity=D(n), cost_price=cost, amount=amount) for n, cost, amount in rows]
    found, parts = costs_of(of(*lines)), [costs_of_line(line) for line in lines]
    if not lines:
        assert found is None
        return
    assert found is not None
    assert found.cost == sum(part.cost for part in parts if part)
    assert found.margin == sum(part.margin for part in parts if part)


def test_what_everybody_may_see_says_nothing_of_it() -> None:
    asked = Asked(customer="c", lines=())
    found = Simulation(id="s", asked=asked, truth=of(COSTED), made_at=START, expires_at=START)
    assert b"6.125" in msgspec.json.encode(found)
    shown = without_costs(found)
    assert b"6.125" not in msgspec.json.encode(shown)
    assert replace(shown.truth.lines[0], cost_price=COSTED.cost_price) == COSTED, "and everything else"


async def test_an_approval_request_says_nothing_of_the_margin_either(store: PostgresStore) -> None:
    wanted = ask()
    request = await Desk(store).request(replace(wanted, facts=replace(wanted.facts, margin=D("0.1234"))))
    assert request.facts["margin"] == "0.1234"
    assert "margin" not in without_margin(request).facts
