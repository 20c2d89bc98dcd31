"""The business day of the demo, on the real CRM and the real ERP: each step must be seen in the systems themselves."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli.demo.day import Day
from isthmus.cli.demo.stage import Stage
from isthmus.cli.root import app

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    """Both systems with the small data, linked, and the hub running. The steps build on one another."""
    # Not pytest's own folder: for root the database runs as another user, and pytest closes its folder to others.
    folder = Path(tempfile.mkdtemp(prefix="isthmus-day-"))
    stage = Stage(folder, print)
    try:
        stage.set_up("small")
        linked = CliRunner().invoke(app, ["sync", "--yes", "--json", "-C", str(stage.folder)])
        assert linked.exit_code in (0, 4), linked.output
        stage.start_hub()
        yield Day(stage, print)
    finally:
        stage.tear_down()
        shutil.rmtree(folder, ignore_errors=True)


def seen(day: Day, step: Callable[[], None]) -> None:
    """Play one step; everything it looks for must be there."""
    before = len(day.results)
    step()
    results = day.results[before:]
    assert results
    assert [result.what for result in results if not result.seen] == []


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
def test_what_happens_while_the_erp_is_down_is_caught_up_once(day: Day) -> None:
    seen(day, day.outage)
    # The order's trace crosses both systems, and status answers for every flow.
    runner = CliRunner()
    traced = runner.invoke(app, ["trace", day.order_number, "--json", "-C", str(day.stage.folder)])
    assert traced.exit_code == 0, traced.output
    for word in ("SalesOrder", "Delivery", "Invoice", "Payment"):
        assert f'"{word}"' in traced.output
    status = runner.invoke(app, ["status", "--json", "-C", str(day.stage.folder)])
    assert status.exit_code in (0, 1), status.output


@pytest.mark.flow("CH-5")
def test_compare_finds_what_nobody_told_and_repair_mends_it(day: Day) -> None:
    day.stage.stop_hub()
    day.crm.patch_account(day.account, website="https://new.yunfan.example")
    runner = CliRunner()
    where = ["-C", str(day.stage.folder), "--json"]
    found = json.loads(runner.invoke(app, ["compare", "customer", *where]).stdout)
    missed = [drift for drift in found["drifts"] if drift["key"] == day.account]
    assert [drift["kind"] for drift in missed] == ["edited while paused"]
    assert missed[0]["fields"]["website"]["far"] == "https://new.yunfan.example"
    mended = json.loads(runner.invoke(app, ["compare", "customer", "--repair", *where]).stdout)
    assert [drift for drift in mended["drifts"] if drift["key"] in (day.account, str(day.party))] == []
    party = day.erp.party(day.party)
    assert party is not None
    assert "https://new.yunfan.example" in [mechanism["value"] for mechanism in party["contact_mechanisms"]]
