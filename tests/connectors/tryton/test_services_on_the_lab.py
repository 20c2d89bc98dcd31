"""What the real Tryton says of an order before it is made is what comes of it when it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from isthmus.connector import Create, Record, Update
from isthmus.connector.services import CreditAsked, OrderAsked, StockAsked, WantedLine
from isthmus.connectors.tryton import TRYTON, TrytonSystem
from isthmus.errors import NeedsPerson
from isthmus.lab import Lab
from isthmus.lab.people import ErpUser
from tests.connectors.tryton.test_on_the_lab import lab_config, write

pytestmark = pytest.mark.lab
TODAY = datetime.now(UTC).date()


@pytest.fixture
async def system(lab_small: Lab) -> AsyncIterator[TrytonSystem]:
    """The connector at work on the lab."""
    opened = await TRYTON.open(lab_config(lab_small))
    yield opened
    await opened.close()


@pytest.fixture
def code(erin: ErpUser, tmp_path: object) -> str:
    """A product of this test's own."""
    made = f"SVC-{datetime.now(UTC):%H%M%S%f}"
    erin.create_product(made, f"Thing {made}", "33.33")
    return made


def lines(erin: ErpUser, **quantities: float) -> tuple[WantedLine, ...]:
    return tuple(
        WantedLine(product=str(erin.product(code.replace("_", "-"))["id"]), quantity=Decimal(str(quantity)))  # type: ignore[index]
        for code, quantity in quantities.items()
    )


def buyer(erin: ErpUser, code: str, **values: object) -> int:
    party = erin.create_customer(f"Buyer {code}", street="Way 1", city="Bern", postal_code="3000", country="CH")
    if values:
        erin.patch_party(party, **values)
    return party


async def test_a_simulated_price_is_the_price_of_the_order_that_is_made(
    system: TrytonSystem, erin: ErpUser, code: str
) -> None:
    party = buyer(erin, code)
    erin.set_price_list(party, "Dealer")
    wanted = lines(erin, **{code: 12}) + lines(erin, **{code: 3})
    priced = await system.call("simulate_order", OrderAsked(party=str(party), lines=wanted))
    assert [(line.list_price, line.unit_price, line.unit) for line in priced.lines] == [
        (Decimal("33.3300"), Decimal("26.6640"), "Unit"),  # from ten on 20 %
        (Decimal("33.3300"), Decimal("29.9970"), "Unit"),
    ]
    [made] = await write(
        system,
        "sale",
        Create(
            token=f"svc-{code}",
            fields={
                "party": str(party),
                "lines": [{"product": one.product, "quantity": one.quantity} for one in wanted],
            },
        ),
    )
    fields = made.fields
    assert (priced.untaxed, priced.tax, priced.total, priced.discount) == tuple(
        fields[name] for name in ("untaxed_amount", "tax_amount", "total_amount", "discount_amount")
    )
    assert [line.amount for line in priced.lines] == [line["amount"] for line in fields["lines"]]
    assert priced.tax > 0


async def test_cost_is_told_in_the_unit_that_is_sold_and_only_where_somebody_has_said_it(
    system: TrytonSystem, erin: ErpUser, code: str
) -> None:
    party = buyer(erin, code)
    erin.create_product(f"{code}-C", "Costed", "50", cost="20.1234")
    erin.create_product(f"{code}-D", "Sold by weight", "0.05", cost="0.025", kept_in="Gram", sold_in="Kilogram")
    wanted = (
        *lines(erin, **{code: 1}),
        *lines(erin, **{f"{code}-C": 3}),
        *lines(erin, **{f"{code}-D": 2}),
    )
    priced = await system.call("simulate_order", OrderAsked(party=str(party), lines=wanted))
    assert [line.cost_price for line in priced.lines] == [None, Decimal("20.1234"), Decimal(25)]
    assert priced.lines[2].unit == "Kilogram"
    other = await system.call("simulate_order", OrderAsked(party=str(party), lines=wanted, currency="USD"))
    assert [line.cost_price for line in other.lines] == [None, None, None], "costs are in the company's currency"


async def test_stock_is_promised_from_the_day_on_that_leaves_nobody_short(
    system: TrytonSystem, erin: ErpUser, code: str
) -> None:
    party = buyer(erin, code)
    erin.set_stock(code, 10)
    soon, later = TODAY + timedelta(days=5), TODAY + timedelta(days=20)
    erin.expect_goods(code, 15, later)
    coming = erin.expect_goods(code, 5, soon)

    async def asked(*quantities: float, wanted_on: date | None = None) -> list[str | None]:
        wanted = tuple(line for quantity in quantities for line in lines(erin, **{code: quantity}))
        question = StockAsked(lines=wanted, wanted_on=wanted_on and wanted_on.isoformat())
        answer = await system.call("available_to_promise", question)
        assert {(line.on_hand, line.forecast) for line in answer.lines} == {(Decimal(10), forecast)}
        return [line.date for line in answer.lines]

    forecast = Decimal(30)
    today, first, second = (day.isoformat() for day in (TODAY, soon, later))
    assert await asked(10, 5, 15, 1) == [today, first, second, None]
    assert await asked(30) == [second]
    assert await asked(1, wanted_on=TODAY + timedelta(days=7)) == [(TODAY + timedelta(days=7)).isoformat()]
    # Somebody orders eight: they are promised, and what comes is for the next.
    erin.confirm_sale(erin.create_sale(party, {code: 8}))
    forecast = Decimal(22)
    assert await asked(2, 5, 15) == [today, first, second]
    erin.cancel_goods(coming)
    forecast = Decimal(17)
    assert await asked(2, 5) == [today, second]


async def test_credit_is_counted_as_the_erp_counts_it(system: TrytonSystem, erin: ErpUser, code: str) -> None:
    party = buyer(erin, code, credit_limit_amount=Decimal("1000.00"))
    erin.set_stock(code, 100)
    before = await system.call("credit", CreditAsked(party=str(party)))
    assert (before.currency, before.limit, before.used) == ("EUR", Decimal("1000.00"), Decimal(0))
    priced = await system.call("simulate_order", OrderAsked(party=str(party), lines=lines(erin, **{code: 20})))
    assert priced.credit_amount == priced.untaxed == Decimal("666.60")
    erin.confirm_sale(erin.create_sale(party, {code: 20}))
    after = await system.call("credit", CreditAsked(party=str(party)))
    assert after.used == before.used + priced.credit_amount
    # The next one would exceed the limit: Tryton refuses what the figures say it must.
    [made] = await write(
        system,
        "sale",
        Create(
            token=f"over-{code}",
            fields={
                "party": str(party),
                "lines": [{"product": one.product, "quantity": one.quantity} for one in lines(erin, **{code: 20})],
            },
        ),
    )
    assert isinstance(made, Record)
    assert after.used + priced.credit_amount > Decimal("1000.00")
    [refused] = await write(system, "sale", Update(before=made, fields={"confirmed": True}))
    assert isinstance(refused, NeedsPerson)
    assert "credit" in refused.message


async def test_questions_that_make_no_sense_are_refused(system: TrytonSystem, erin: ErpUser, code: str) -> None:
    party = buyer(erin, code)
    for wanted in ((), lines(erin, **{code: 0}), lines(erin, **{code: -1})):
        with pytest.raises(NeedsPerson):
            await system.call("simulate_order", OrderAsked(party=str(party), lines=wanted))
    [line] = lines(erin, **{code: 1})
    odd = (WantedLine(product=line.product, quantity=Decimal(1), unit="Furlong"),)
    with pytest.raises(NeedsPerson, match="Furlong"):
        await system.call("simulate_order", OrderAsked(party=str(party), lines=odd))
    with pytest.raises(NeedsPerson, match="Furlong"):
        await system.call("available_to_promise", StockAsked(lines=odd))
