"""Transfers, fill-ups, returns and journal entries on the real Tryton: what the hub orders is there once, and what
people do with it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from isthmus.connector.accounting import EntryAsked, EntryLine, EntryState
from isthmus.connector.logistics import (
    GoodsLine,
    References,
    ReturnAsked,
    SalesAsked,
    Shipments,
    StationedAsked,
    TransferAsked,
)
from isthmus.connectors.tryton import TRYTON, TrytonSystem
from isthmus.errors import Rejected
from isthmus.lab import Lab
from isthmus.lab.people import ErpReturns, ErpUser, ErpWarehouse
from tests.connectors.tryton.coming_back_cases import ComingBackCases, Desk
from tests.connectors.tryton.test_on_the_lab import lab_config

pytestmark = pytest.mark.lab


@pytest.fixture
async def system(lab_small: Lab) -> AsyncIterator[TrytonSystem]:
    """The connector at work on the lab."""
    opened = await TRYTON.open(lab_config(lab_small))
    yield opened
    await opened.close()


@pytest.fixture
def warehouse(erin: ErpUser) -> ErpWarehouse:
    """Somebody at the warehouse."""
    return ErpWarehouse(erin)


def new(word: str) -> str:
    """A code of this test's own."""
    return f"{word}-{datetime.now(UTC):%H%M%S%f}"


@pytest.fixture
def code(erin: ErpUser) -> str:
    """A product of this test's own, 20 in stock."""
    made = new("DOC")
    erin.create_product(made, f"Part {made}", "10")
    erin.set_stock(made, 20)
    return made


def goods(erin: ErpUser, code: str, quantity: str) -> tuple[GoodsLine, ...]:
    product = erin.product(code)
    assert product is not None
    return (GoodsLine(product=str(product["id"]), quantity=Decimal(quantity)),)


def shown(answer: Shipments) -> list[tuple[str, list[str]]]:
    return [(str(one.state), [str(line.quantity.normalize()) for line in one.lines]) for one in answer.shipments]


async def test_a_transfer_goes_over_the_way_between_two_warehouses(
    system: TrytonSystem, erin: ErpUser, warehouse: ErpWarehouse, code: str
) -> None:
    place, reference = new("ST"), new("MR")
    storage = warehouse.create_warehouse(place, "Station")
    asked = TransferAsked(reference=reference, target=place, lines=goods(erin, code, "5"))
    first = await system.call("transfer_stock", asked)
    assert await system.call("transfer_stock", asked) == first
    (transfer,) = warehouse.transfers(reference)
    assert shown(first) == [("planned", ["5"])]
    assert transfer["state"] == "waiting"

    assert warehouse.send_transfer(transfer["id"], {code: 3}) == "shipped"
    again = await system.call("transfers", References(references=(reference,)))
    assert shown(again) == [("in_transit", ["3"])]
    assert again.shipments[0].left_on == date.today().isoformat()  # noqa: DTZ011 - the ERP's day is the machine's
    asked_stock = StationedAsked(places=(place,))
    (stock,) = (await system.call("stationed", asked_stock)).stock
    assert (stock.on_hand, stock.in_transit) == (0, 3)

    warehouse.receive_transfer(transfer["id"])
    assert shown(await system.call("transfer_stock", asked)) == [("done", ["3"])]
    (stock,) = (await system.call("stationed", asked_stock)).stock
    assert (stock.on_hand, stock.in_transit) == (3, 0) == (int(warehouse.stock_at(storage, code)), 0)


async def test_a_fill_up_puts_goods_at_a_customer_that_stay_our_own(
    system: TrytonSystem, erin: ErpUser, warehouse: ErpWarehouse, code: str
) -> None:
    party = erin.create_customer(new("Dealer"), street="Way 1", city="Bern", postal_code="3000", country="CH")
    place, reference = new("CON"), new("FU")
    there = warehouse.create_consignment_place(place, "At the dealer", party)
    asked = TransferAsked(reference=reference, target=place, lines=goods(erin, code, "4"))
    await system.call("transfer_stock", asked)
    (transfer,) = warehouse.transfers(reference)
    assert warehouse.send_transfer(transfer["id"]) == "done"
    assert shown(await system.call("transfers", References(references=(reference,)))) == [("done", ["4"])]
    assert (warehouse.stock_at(there, code), erin.stock(code)) == (4, 16)
    assert erin.sales(reference) == []


async def test_a_transfer_that_was_deleted_is_there_no_more(
    system: TrytonSystem, erin: ErpUser, warehouse: ErpWarehouse, code: str
) -> None:
    place, reference = new("ST"), new("MR")
    warehouse.create_warehouse(place, "Station")
    asked = TransferAsked(reference=reference, target=place, lines=goods(erin, code, "5"))
    await system.call("transfer_stock", asked)
    warehouse.delete_transfer(warehouse.transfers(reference)[0]["id"])
    assert (await system.call("transfers", References(references=(reference,)))).shipments == ()


async def test_a_transfer_to_nowhere_or_of_nothing_is_refused(system: TrytonSystem, erin: ErpUser, code: str) -> None:
    lines = goods(erin, code, "1")
    with pytest.raises(Rejected, match="no stock location 'NOWHERE'"):
        await system.call("transfer_stock", TransferAsked(reference=new("MR"), target="NOWHERE", lines=lines))
    with pytest.raises(Rejected, match="is for customer"):
        await system.call("transfer_stock", TransferAsked(reference=new("MR"), target="CUS", lines=lines))
    nothing = (GoodsLine(product="99999999", quantity=Decimal(1)),)
    with pytest.raises(Rejected, match="no product 99999999"):
        await system.call("transfer_stock", TransferAsked(reference=new("MR"), target="STO", lines=nothing))


async def test_the_rest_of_an_order_is_a_shipment_of_its_own_until_it_is_given_up(
    system: TrytonSystem, erin: ErpUser, warehouse: ErpWarehouse, code: str
) -> None:
    party = erin.create_customer(new("Buyer"), street="Way 1", city="Bern", postal_code="3000", country="CH")
    sale = erin.create_sale(party, {code: 12})
    erin.confirm_sale(sale)
    erin.ship(sale, {code: 8})
    asked = SalesAsked(sales=(str(sale),))
    answer = await system.call("sale_shipments", asked)
    assert shown(answer) == [("done", ["8"]), ("planned", ["4"])]
    assert answer.closed == ()
    warehouse.give_up_delivery(sale, int(answer.shipments[1].key))
    answer = await system.call("sale_shipments", asked)
    assert shown(answer) == [("done", ["8"]), ("cancelled", ["4"])]
    assert answer.closed == (str(sale),)


@pytest.mark.parametrize("credited", [False, True])
async def test_a_return_is_received_once(
    system: TrytonSystem, erin: ErpUser, warehouse: ErpWarehouse, code: str, credited: bool
) -> None:
    party = erin.create_customer(new("Back"), street="Way 1", city="Bern", postal_code="3000", country="CH")
    reference = new("RET")
    asked = ReturnAsked(reference=reference, party=str(party), lines=goods(erin, code, "3"), credited=credited)
    assert (await system.call("returns", References(references=(reference,)))).returns == ()
    first = await system.call("receive_return", asked)
    assert await system.call("receive_return", asked) == first
    assert (first.state, [line.quantity for line in first.lines]) == ("done", [3])
    assert erin.stock(code) == 23
    (there,) = warehouse.returns(reference)
    assert (there["state"], there["number"]) == ("done", first.number)
    more = ReturnAsked(reference=reference, party=str(party), lines=goods(erin, code, "4"), credited=credited)
    with pytest.raises(Rejected, match="with other quantities already"):
        await system.call("receive_return", more)
    assert erin.stock(code) == 23
    if not credited:
        assert first.credit_note is None
        return
    (sale,) = erin.sales(reference)
    assert first.credit_note is not None
    assert (first.credit_note.state, first.credit_note.total) == ("draft", -sale["total_amount"])
    erin.post_invoice(int(first.credit_note.key))
    (found,) = (await system.call("returns", References(references=(reference,)))).returns
    assert found.credit_note.state == "posted"
    assert found.credit_note.number


def entry(erin: ErpUser, reference: str, amount: str, day: str, **more: Any) -> EntryAsked:
    party = erin.parties()[0]["id"]
    lines = (
        EntryLine(account="5.1.3", amount=Decimal(amount), description="level 2"),
        EntryLine(account="2.1.1", amount=-Decimal(amount), party=str(party)),
    )
    return EntryAsked(**{"reference": reference, "date": day, "currency": "EUR", "lines": lines} | more)


async def test_an_entry_is_posted_once_and_its_cancellation_shows(
    system: TrytonSystem, erin: ErpUser, warehouse: ErpWarehouse
) -> None:
    reference, day = new("LS"), f"{datetime.now(UTC).year}-01-31"
    asked = entry(erin, reference, "120.50", day)
    first = await system.call("post_entry", asked)
    assert await system.call("post_entry", asked) == first
    assert (first.state, first.total, first.date) == (EntryState.POSTED, Decimal("120.50"), day)
    (there,) = warehouse.entries(reference)
    assert (there["state"], there["number"]) == ("posted", first.number)
    with pytest.raises(Rejected, match=r"over 120.50 already, and not 99"):
        await system.call("post_entry", entry(erin, reference, "99", day))
    warehouse.cancel_entry(there["id"], "wrong centre")
    (found,) = (await system.call("entries", References(references=(reference,)))).entries
    assert (found.state, bool(found.cancelled_by)) == (EntryState.CANCELLED, True)


async def test_what_the_books_cannot_take_is_refused_with_the_reason(system: TrytonSystem, erin: ErpUser) -> None:
    day = f"{datetime.now(UTC).year}-01-31"
    for changed, reason in (
        ({"date": "1999-01-31"}, "no accounting period"),
        ({"currency": "CNY"}, "kept in EUR"),
        ({"journal": "NONE"}, "no journal NONE"),
        ({"lines": (EntryLine(account="5.1.3", amount=Decimal(1)),)}, "come to zero"),
        (
            {"lines": (EntryLine(account="0.0", amount=Decimal(1)), EntryLine(account="5.1.3", amount=Decimal(-1)))},
            "account '0.0'",
        ),
    ):
        with pytest.raises(Rejected, match=reason):
            await system.call("post_entry", entry(erin, new("LS"), "10", day, **changed))


async def test_what_a_lost_request_has_left_behind_is_cleared_away(
    system: TrytonSystem, erin: ErpUser, warehouse: ErpWarehouse, code: str
) -> None:
    """A worker dies after it sent; its request comes through late, beside that of the worker that took over."""
    place, reference = new("ST"), new("MR")
    warehouse.create_warehouse(place, "Station")
    asked = TransferAsked(reference=reference, target=place, lines=goods(erin, code, "5"))
    await system.call("transfer_stock", asked)
    kept = warehouse.transfers(reference)[0]
    erin.call("model.stock.shipment.internal.copy", [kept["id"]], {"reference": reference})
    assert len(warehouse.transfers(reference)) == 2
    assert len((await system.call("transfer_stock", asked)).shipments) == 1
    assert [one["id"] for one in warehouse.transfers(reference)] == [kept["id"]]


class LabDesk(Desk):
    """Erin, who works in the real Tryton."""

    def __init__(self, system: TrytonSystem, erin: ErpUser, code: str) -> None:
        self.system, self._erin, self._code, self._returns = system, erin, code, ErpReturns(erin)
        self._party = erin.create_customer(new("Back"), street="Way 1", city="Bern", postal_code="3000", country="CH")
        sale = erin.create_sale(self._party, {code: 12})
        erin.confirm_sale(sale)
        erin.ship(sale)
        (invoice,) = erin.invoices(sale)
        erin.post_invoice(int(invoice["id"]))
        self.sale, self.invoice = str(sale), str(invoice["id"])

    def take_back(self, pieces: int, by: str) -> str:
        of = None if by == "nothing" else int(self.sale)
        made = self._returns.take_back(self._party, {self._code: pieces}, of=of, by_move=by == "move")
        return str(made)

    def receive(self, shipment: str) -> None:
        self._returns.receive(int(shipment))

    def cancel(self, shipment: str) -> None:
        self._returns.cancel(int(shipment))

    def return_sale(self, pieces: int) -> tuple[str, str]:
        made = self._returns.return_sale(int(self.sale), {self._code: pieces})
        self._erin.confirm_sale(made)
        return str(self._returns.shipments(made)[0]["id"]), str(self._erin.invoices(made)[0]["id"])

    def credit(self, pieces: int | None) -> str:
        keep = None if pieces is None else {self._code: float(pieces)}
        return str(self._returns.credit(int(self.invoice), refund=pieces is None, keep=keep))

    def post(self, invoice: str) -> None:
        self._erin.post_invoice(int(invoice))

    def throw_away(self, invoice: str) -> None:
        self._erin.insist("model.account.invoice.cancel", [int(invoice)])


class TestComingBack(ComingBackCases):
    """On the real Tryton with its outbox."""

    @pytest.fixture
    def desk(self, system: TrytonSystem, erin: ErpUser, code: str) -> Desk:
        return LabDesk(system, erin, code)


@pytest.mark.parametrize("credited", [False, True])
async def test_a_return_of_an_order_counts_for_it(
    system: TrytonSystem, erin: ErpUser, code: str, credited: bool
) -> None:
    desk = LabDesk(system, erin, code)
    party = erin.sale(int(desk.sale))["party"]
    asked = ReturnAsked(
        reference=new("RET"), party=str(party), lines=goods(erin, code, "3"), credited=credited, sale=desk.sale
    )
    first = await system.call("receive_return", asked)
    assert await system.call("receive_return", asked) == first
    shown = await desk.see("shipment_return", first.key)
    assert (shown["sale"], shown["reference"], shown["state"]) == (desk.sale, asked.reference, "done")
    assert await desk.line() == [12, 3, 12, 0, 0]
