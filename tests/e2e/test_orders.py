"""From a won deal or an accepted estimate to the order, its shipments and invoices (ERP-2, ERP-3, ERP-4)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.e2e.office import Office, money, see

pytestmark = [pytest.mark.lab]


def quantities(sale: Mapping[str, Any]) -> dict[str, float]:
    """Product → pieces of an order."""
    return {line["product.code"]: float(line["quantity"]) for line in sale["lines"]}


@pytest.mark.flow("ERP-3")
def test_a_won_deal_becomes_an_order_at_the_erps_price(office: Office) -> None:
    sku, other = office.product("WON", "100", 100), office.product("ALSO", "10", 100)
    account, party = office.customer("Winner")
    office.erin.set_price_list(party, "Dealer")
    price = office.erin.sale_price(sku, party, 12)
    # Carl promises 99.99; what counts is the ERP's price list.
    deal = office.carl.create_opportunity(account, office.new("Valves")[0], [(sku, 12, "99.99"), (other, 3, None)])
    office.carl.set_stage(deal, "CLOSED_WON")
    sale = see(lambda: next((s for s in office.sales(party) if s["state"] in ("confirmed", "processing")), None))
    assert quantities(sale) == {sku: 12.0, other: 3.0}
    line = next(line for line in sale["lines"] if line["product.code"] == sku)
    assert money(line["unit_price"]) == price != money("99.99")
    assert (money(line["base_price"]), money(line["discount_rate"])) == (100, 1 - price / 100)
    assert sale["tax_amount"] > 0
    assert sale["total_amount"] == sale["untaxed_amount"] + sale["tax_amount"]

    see(lambda: office.deal(deal, "erp_order_number") == sale["number"])
    office.in_step("crm", "opportunity", deal)
    discount = sum(
        (
            (money(one["base_price"]) - money(one["unit_price"])) * Decimal(str(one["quantity"]))
            for one in sale["lines"]
        ),
        Decimal(0),
    )
    assert money(office.deal(deal, "erp_net")) == sale["untaxed_amount"]
    assert money(office.deal(deal, "erp_tax")) == sale["tax_amount"]
    assert money(office.deal(deal, "erp_total")) == sale["total_amount"]
    assert money(office.deal(deal, "erp_discount")) == discount > 0
    assert office.deal(deal, "erp_currency") == "EUR"
    # The deal itself stays as Carl left it.
    lines = office.carl.opportunity(deal)["line_items"]  # type: ignore[index]
    assert {str(money(line["unit_price"]).normalize()) for line in lines} >= {"99.99"}


@pytest.mark.flow("ERP-3")
def test_a_deal_that_is_not_won_orders_nothing(office: Office) -> None:
    sku = office.product("OPEN", "20")
    account, party = office.customer("Thinker")
    deal = office.carl.create_opportunity(account, office.new("Perhaps")[0], [(sku, 1, None)])
    office.carl.set_stage(deal, "NEGOTIATION")
    lost = office.carl.create_opportunity(account, office.new("No")[0], [(sku, 2, None)])
    office.carl.set_stage(lost, "CLOSED_LOST")
    won = office.carl.create_opportunity(account, office.new("Yes")[0], [(sku, 3, None)])
    office.carl.set_stage(won, "CLOSED_WON")
    see(lambda: office.deal(won, "erp_order_number"))
    (sale,) = office.sales(party)
    assert quantities(sale) == {sku: 3.0}


@pytest.mark.flow("ERP-3")
def test_an_accepted_estimate_becomes_an_order(office: Office) -> None:
    sku = office.product("QUOTE", "40", 50)
    account, party = office.customer("Asker")
    estimate = office.carl.create_estimate(account, office.contact(account), "Quote", [(sku, 5, None)])
    office.carl.accept_estimate(estimate)
    sale = see(lambda: next((s for s in office.sales(party) if s["state"] in ("confirmed", "processing")), None))
    assert quantities(sale) == {sku: 5.0}
    see(lambda: office.custom(office.carl.estimate(estimate), "erp_order_number") == sale["number"])
    see(lambda: money(office.custom(office.carl.estimate(estimate), "erp_total")) == sale["total_amount"])


@pytest.mark.flow("ERP-3")
def test_a_deal_whose_estimate_was_accepted_is_ordered_once(office: Office) -> None:
    sku = office.product("ONCE", "40", 50)
    account, party = office.customer("Single")
    deal = office.carl.create_opportunity(account, office.new("Once")[0], [(sku, 5, None)])
    estimate = office.carl.create_estimate(
        account, office.contact(account), "Quote of the deal", [(sku, 5, None)], opportunity_id=deal
    )
    office.carl.accept_estimate(estimate)
    office.carl.set_stage(deal, "CLOSED_WON")
    number = see(lambda: office.deal(deal, "erp_order_number"))
    see(lambda: office.custom(office.carl.estimate(estimate), "erp_order_number") == number)
    office.settle()
    assert [sale["number"] for sale in office.sales(party)] == [number]
    assert office.entries("failure", office.sales(party)[0]["id"]) == []


@pytest.mark.flow("ERP-2")
@pytest.mark.flow("ERP-4")
def test_states_and_quantities_per_line_come_back(office: Office) -> None:
    """12 ordered, 8 in stock: shipped in part, the backorder later; then invoices and their payment."""
    sku, other = office.product("PART", "30", 8), office.product("REST", "5", 50)
    account, party = office.customer("Shipper")
    office.contact(account)  # the CRM makes no invoice for an account without people
    deal, sale = office.order(account, party, [(sku, 12), (other, 3)])
    key = int(sale["id"])
    see(lambda: office.deal(deal, "erp_order_state") == "processing")
    see(lambda: office.deal(deal, "erp_shipment_state") == "waiting")

    office.erin.ship(key, {sku: 8, other: 3})
    see(lambda: "partially" in office.deal(deal, "erp_shipment_state"))
    line = see(lambda: next((line for line in lines_of(office, deal, "Part") if "shipped 8" in line), ""))
    assert ("12" in line, "open 4" in line) == (True, True)
    (rest,) = lines_of(office, deal, "Rest")
    assert "shipped 3" in rest
    assert "open 0" in rest or "open" not in rest

    office.erin.set_stock(sku, 4)
    backorder = office.erin.ship(key)[-1]
    assert backorder["state"] == "done"
    see(lambda: office.deal(deal, "erp_shipment_state") == "sent")
    see(lambda: any("shipped 12" in line for line in lines_of(office, deal, "Part")))

    for invoice in office.erin.invoices(key):
        if invoice["state"] == "draft":
            office.erin.post_invoice(int(invoice["id"]))
    invoices = office.erin.invoices(key)
    for invoice in invoices:
        # The CRM makes an invoice in several steps: lines, totals and its state come after it.
        see(partial(mirrored, office, invoice, "open"))
    for invoice in invoices:
        office.erin.pay(int(invoice["id"]))
    see(lambda: office.deal(deal, "erp_invoice_state") == "paid")
    numbers = [str(invoice["number"]) for invoice in invoices]
    see(lambda: {office.custom(office.crm_invoice(number), "erp_state") for number in numbers} == {"paid"})
    see(lambda: office.deal(deal, "erp_order_state") == "done")


@pytest.mark.flow("ERP-4")
def test_the_way_of_an_order_can_be_traced(office: Office) -> None:
    sku = office.product("TRACE", "30", 5)
    account, party = office.customer("Tracer")
    office.contact(account)
    deal, sale = office.order(account, party, [(sku, 5)])
    office.erin.ship(int(sale["id"]))
    (shipment,) = office.erin.shipments(int(sale["id"]))
    (invoice,) = office.erin.invoices(int(sale["id"]))
    number = str(office.erin.post_invoice(int(invoice["id"]))["number"])
    office.erin.pay(int(invoice["id"]))
    see(lambda: office.deal(deal, "erp_invoice_state") == "paid")

    def whole() -> Any:
        found = office.isthmus("trace", str(sale["number"]), "--json")
        assert found.code == 0, found
        tops = [top for top in found.json["roots"] if f"crm opportunity {deal}" in top["records"]]
        if not tops:
            return None
        (root,) = tops
        kinds = [child["entity"] for child in root["children"]]
        invoices = [child for child in root["children"] if child["entity"] == "Invoice"]
        done = kinds == ["Delivery", "Invoice"] and invoices[0]["children"]
        return found.json if done else None

    found = see(whole)
    root = next(top for top in found["roots"] if f"crm opportunity {deal}" in top["records"])
    assert f"crm opportunity {deal}" in root["records"]
    assert f"erp sale {sale['id']}" in root["records"]
    delivery, billed = root["children"]
    assert (delivery["name"], billed["name"]) == (shipment["number"], number)
    assert [payment["entity"] for payment in billed["children"]] == ["Payment"]
    assert [event["at"] for event in found["events"]] == sorted(event["at"] for event in found["events"])
    # Every document of the chain leads to the same one.
    for word in (number, str(shipment["number"]), f"crm/opportunity/{deal}"):
        assert root["item"] in [top["item"] for top in office.isthmus("trace", word, "--json").json["roots"]]


def mirrored(office: Office, invoice: Mapping[str, Any], state: str) -> bool:
    """Whether the CRM shows the ERP's invoice with its total, in this state."""
    found = office.crm_invoice(str(invoice["number"])) or {}
    shown = money(found.get("total_amount")), office.custom(found, "erp_state")
    return shown == (money(invoice["total_amount"]), state)


def lines_of(office: Office, deal: str, word: str) -> list[str]:
    """What the deal tells of an order's lines about one product."""
    return [line for line in office.deal(deal, "erp_lines").splitlines() if word in line]
