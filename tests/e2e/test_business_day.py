"""The business day of the demo, on the real CRM and the real ERP: each step must be seen in the systems themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from isthmus.cli.demo.day import CUSTOMER, Day
from tests.e2e.office import Office, isthmus

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def day(office: Office) -> Day:
    """The steps build on one another."""
    if office.erin.party(CUSTOMER["name"]) is not None:
        pytest.skip("the kept office has lived this day already")
    return Day(office.stage, print)


def seen(day: Day, step: Callable[[], None]) -> None:
    """Play one step; everything it looks for must be there. What is not is explained by the hub, and its log says what
    it did last."""
    before = len(day.results)
    step()
    results = day.results[before:]
    assert results
    missing = [result.what for result in results if not result.seen]
    if missing:
        print(isthmus("explain", "customer", day.account, "-C", day.stage.folder).out)
        print(day.stage.log.read_text(errors="replace")[-12_000:])
    assert missing == []


@pytest.mark.flow("ERP-1")
@pytest.mark.flow("SAP-7")
@pytest.mark.flow("CH-2")
def test_a_new_customer_and_its_contact_reach_the_erp_and_terms_come_back(day: Day) -> None:
    seen(day, day.new_customer)


@pytest.mark.flow("ERP-9")
@pytest.mark.flow("ERP-5")
@pytest.mark.flow("SAP-2")
def test_price_and_stock_of_the_erp_reach_the_crm(day: Day) -> None:
    seen(day, day.price_change)


@pytest.mark.flow("CH-4")
def test_a_conflict_waits_for_a_person_and_overwrites_nobody(day: Day) -> None:
    seen(day, day.conflict)


@pytest.mark.flow("ERP-3")
def test_a_won_deal_becomes_an_order_at_the_erps_price(day: Day) -> None:
    seen(day, day.deal_won)


@pytest.mark.flow("ERP-2")
@pytest.mark.flow("ERP-4")
def test_a_partial_shipment_and_its_backorder_come_back_line_by_line(day: Day) -> None:
    seen(day, day.partial_shipment)


@pytest.mark.flow("ERP-7")
@pytest.mark.flow("ERP-4")
def test_invoice_and_payments_are_the_same_on_both_sides(day: Day) -> None:
    seen(day, day.invoice_and_payment)


@pytest.mark.flow("ERP-3")
def test_an_accepted_estimate_becomes_one_order_also_when_its_deal_is_won(day: Day) -> None:
    person = day.crm.contacts(email="wang@yunfan.example")[0]["id"]
    lines = [(day.other, 2, None)]
    deal = day.crm.create_opportunity(day.account, "Spare parts for Hamburg", lines, contacts=[person])
    estimate = day.crm.create_estimate(day.account, person, "Spare parts", lines, opportunity_id=deal)
    day.crm.accept_estimate(estimate)
    assert day.see("the ERP has the estimate's order", lambda: _orders(day, deal) == 1)
    day.crm.set_stage(deal, "CLOSED_WON")
    assert day.see("the deal shows the same order", lambda: bool(_shown_on(day, deal)))
    assert _orders(day, deal) == 1


def _orders(day: Day, reference: str) -> int:
    return len(day.erp.sales(reference))


def _shown_on(day: Day, deal: str) -> str:
    found = day.crm.opportunity(deal)
    assert found is not None
    return str((found.get("custom_fields") or {}).get("erp_order_number") or "")


@pytest.mark.flow("CH-2")
def test_what_happens_while_the_erp_is_down_is_caught_up_once(day: Day, office: Office) -> None:
    seen(day, day.outage)
    # The order's trace crosses both systems, and status answers for every flow.
    traced = office.isthmus("trace", day.order_number, "--json")
    assert traced.code == 0, traced
    for word in ("SalesOrder", "Delivery", "Invoice", "Payment"):
        assert f'"{word}"' in traced.out
    assert office.isthmus("status", "--json").code in (0, 1)


@pytest.mark.flow("CH-5")
def test_compare_finds_what_nobody_told_and_repair_mends_it(day: Day, office: Office) -> None:
    office.settle()
    office.stage.stop_hub()
    try:
        day.crm.patch_account(day.account, website="https://new.yunfan.example")
        found = office.isthmus("compare", "customer", "--json").json
        missed = [drift for drift in found["drifts"] if drift["key"] == day.account]
        assert [drift["kind"] for drift in missed] == ["edited while paused"]
        assert missed[0]["fields"]["website"]["far"] == "https://new.yunfan.example"
        mended = office.isthmus("compare", "customer", "--repair", "--json").json
        assert [drift for drift in mended["drifts"] if drift["key"] in (day.account, str(day.party))] == []
        assert office.mechanism(day.party, "website") == "https://new.yunfan.example"
    finally:
        office.stage.start_hub()
