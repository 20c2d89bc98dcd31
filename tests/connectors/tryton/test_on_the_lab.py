"""The contract and a business day on a real Tryton: what people do there must show here, and the other way round."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from isthmus.connector import Create, Gone, Record, Update
from isthmus.connector.accounting import EntryAsked, EntryLine
from isthmus.connector.logistics import (
    GoodsLine,
    References,
    ReturnAsked,
    SalesAsked,
    StationedAsked,
    TransferAsked,
)
from isthmus.connector.services import CreditAsked, OrderAsked, StockAsked, WantedLine
from isthmus.connectors.tryton import TRYTON, TrytonConfig, TrytonSystem
from isthmus.errors import Rejected
from isthmus.lab import Lab
from isthmus.lab.people import ErpUser
from isthmus.testing import config_fixture
from tests.connectors.tryton.contract_cases import TrytonCases, configured

pytestmark = pytest.mark.lab


def lab_config(lab: Lab) -> TrytonConfig:
    """The hub's own access to the lab's Tryton."""
    login = lab.tryton.credentials["hub"]
    return configured(
        url=lab.tryton.url,
        database=lab.tryton.database,
        login=login["login"],
        password=login["password"],
        account_category="Goods",
        price_lists=["Dealer"],
    )


class TestLab(TrytonCases):
    """The contract on PostgreSQL and with the real outbox module."""

    breaks = "contact"

    @config_fixture
    @classmethod
    async def config(cls, lab_small: Lab) -> TrytonConfig:
        """The lab's."""
        return lab_config(lab_small)

    async def questions(self, system: Any) -> Mapping[str, Any]:
        """About the first customer and the first products there are."""
        party, *_ = (await system.resources()["party"].scan(None)).items
        goods = [one.key for one in (await system.resources()["product"].scan(None)).items[:3]]
        lines = tuple(WantedLine(product=key, quantity=Decimal(12)) for key in goods)
        return {
            "simulate_order": OrderAsked(party=party.key, lines=lines),
            "available_to_promise": StockAsked(lines=lines),
            "credit": CreditAsked(party=party.key),
            "transfer_stock": TransferAsked(reference="contract", target="OUT", lines=_goods(goods[0])),
            "transfers": References(references=("contract", "none of these")),
            "sale_shipments": SalesAsked(sales=("999999999",)),
            "stationed": StationedAsked(places=("OUT",)),
            "receive_return": ReturnAsked(reference="contract", party=party.key, lines=_goods(goods[0])),
            "returns": References(references=("contract", "none of these")),
            "post_entry": _entry("contract", party.key, Decimal(10)),
            "entries": References(references=("contract", "none of these")),
        }

    async def refused(self, system: Any) -> Mapping[str, Any]:
        """Parties and products that there are not."""
        nothing = (WantedLine(product="999999999", quantity=Decimal(1)),)
        return {
            "simulate_order": OrderAsked(party="999999999", lines=nothing),
            "available_to_promise": StockAsked(lines=nothing),
            "credit": CreditAsked(party="999999999"),
            "transfer_stock": TransferAsked(reference="refused", target="NOWHERE", lines=_goods("999999999")),
            "stationed": StationedAsked(places=("NOWHERE",)),
            "receive_return": ReturnAsked(reference="refused", party="999999999", lines=_goods("999999999")),
            "post_entry": _entry("refused", None, Decimal(0)),
        }


def _goods(product: str) -> tuple[GoodsLine, ...]:
    return (GoodsLine(product=product, quantity=Decimal(1)),)


def _entry(reference: str, party: str | None, amount: Decimal) -> EntryAsked:
    lines = (EntryLine(account="5.1.3", amount=amount), EntryLine(account="2.1.1", amount=-amount, party=party))
    return EntryAsked(reference=reference, date=f"{datetime.now(UTC):%Y-01-31}", currency="EUR", lines=lines)


@pytest.fixture
async def system(lab_small: Lab) -> AsyncIterator[TrytonSystem]:
    """The connector at work on the lab."""
    opened = await TRYTON.open(lab_config(lab_small))
    yield opened
    await opened.close()


async def write(system: TrytonSystem, resource: str, *writes: Any) -> list[Any]:
    """Answers to writes."""
    return list(await system.resources()[resource].write(writes))  # type: ignore[attr-defined]


async def test_an_order_goes_to_its_payment_as_the_people_there_see_it(
    system: TrytonSystem, erin: ErpUser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tag = tmp_path_factory.mktemp("order").parent.name[-6:]
    code = f"ORD-{tag}"
    product = erin.create_product(code, f"Bolt {tag}", Decimal(10))
    erin.set_stock(code, 50)
    fields = {"name": f"Dealer {tag}", "price_list": "Dealer", "addresses": [{"city": "Köln", "country": "DE"}]}
    (party,) = await write(system, "party", Create(token="party", fields=fields))
    lines = [{"product": str(product), "quantity": Decimal(12)}]
    create = Create(token=f"order-{party.key}", fields={"party": party.key, "reference": tag, "lines": lines})
    (sale,) = await write(system, "sale", create)
    assert sale.fields["lines"][0]["unit_price"] == erin.sale_price(code, int(party.key), 12)

    (sale,) = await write(system, "sale", Update(before=sale, fields={"confirmed": True}))
    assert erin.sale(int(sale.key))["total_amount"] == sale.fields["total_amount"]
    erin.ship(int(sale.key), {code: 5})
    (sale,) = await system.resources()["sale"].fetch([sale.key])
    assert [sale.fields["lines"][0][name] for name in ("shipped", "open")] == [5, 7]
    shipments = await system.resources()["shipment"].fetch(sale.fields["shipments"])
    assert [one.fields["backorder"] for one in shipments if isinstance(one, Record)] == [False, True]
    (stocked,) = await system.resources()["product"].fetch([str(product)])
    assert isinstance(stocked, Record)
    assert (stocked.fields["quantity"], stocked.fields["forecast_quantity"]) == (45, 38)

    (invoice,) = await system.resources()["invoice"].fetch(sale.fields["invoices"])
    assert isinstance(invoice, Record)
    (invoice,) = await write(system, "invoice", Update(before=invoice, fields={"posted": True}))
    pay = {"invoice": invoice.key, "amount": Decimal("20.00"), "description": "Wire 7"}
    (payment,) = await write(system, "payment", Create(token=f"pay-{invoice.key}", fields=pay))
    assert erin.open_amount(int(invoice.key)) == invoice.fields["total_amount"] - 20
    (again,) = await write(system, "payment", Create(token=f"pay-{invoice.key}", fields=pay))
    assert again.key == payment.key
    (refused,) = await write(system, "payment", Create(token="too-much", fields={**pay, "amount": Decimal(100_000)}))
    assert isinstance(refused, Rejected)
    erin.pay(int(invoice.key))
    (invoice,) = await system.resources()["invoice"].fetch([invoice.key])
    assert isinstance(invoice, Record)
    assert (invoice.fields["payment_state"], invoice.fields["amount_to_pay"]) == ("paid", 0)


async def test_a_party_merged_by_people_is_gone_into_the_other(system: TrytonSystem, erin: ErpUser) -> None:
    party = system.resources()["party"]
    loser, winner = await write(
        system, "party", *(Create(token=name, fields={"name": f"{name} to merge"}) for name in ("Loser", "Winner"))
    )
    cursor = (await party.changes(None)).cursor  # type: ignore[attr-defined]
    erin.merge_parties(int(loser.key), int(winner.key))
    gone = Gone(key=loser.key, merged_into=winner.key)
    assert list(await party.fetch([loser.key])) == [gone]
    assert gone in (await party.changes(cursor)).items  # type: ignore[attr-defined]


async def test_a_confirmation_over_the_credit_limit_asks_a_person(system: TrytonSystem, erin: ErpUser) -> None:
    fields = {"name": "Poor", "credit_limit": Decimal(5), "addresses": [{"city": "Köln"}]}
    (party,) = await write(system, "party", Create(token="poor", fields=fields))
    lines = [{"description": "Work", "quantity": Decimal(1), "unit_price": Decimal(100)}]
    create = Create(token=f"poor-{party.key}", fields={"party": party.key, "lines": lines})
    (sale,) = await write(system, "sale", create)
    (answer,) = await write(system, "sale", Update(before=sale, fields={"confirmed": True}))
    assert isinstance(answer, Rejected)
    assert "credit limit" in answer.message
    assert erin.sale(int(sale.key))["state"] == "quotation"
